"""DuckDB with its spatial extension: spatial join and ST_Intersection, GeoParquet in, GeoPackage out."""

import glob
import os

import duckdb
import duckdb_extension_spatial

from benchmarks.meter import TOUCHING_M2, Job, Meter

job = Job()
meter = Meter("DuckDB spatial")
con = duckdb.connect()
folder = os.path.dirname(duckdb_extension_spatial.__file__)
con.execute(f"LOAD '{glob.glob(folder + '/extensions/**/*.duckdb_extension', recursive=True)[0]}'")
con.execute("SET threads=2")
con.execute(f"create table p as select * from read_parquet('{job.parcels('parquet')}')")
for name in job.layers:
    con.execute(f"create table {name} as select * from read_parquet('{job.path(name, 'parquet')}')")
meter.mark("read")
for name in job.layers:
    con.execute(
        f"""create table r_{name} as select *, ST_Area(g) a from (
        select p.pid, l.fid_, ST_Intersection(p.geometry, l.geometry) g from p join {name} l
        on ST_Intersects(p.geometry, l.geometry)) where ST_Area(g) > {TOUCHING_M2}"""
    )
    meter.totals[name], meter.pieces[name] = con.execute(f"select sum(a), count(*) from r_{name}").fetchone()
    meter.mark("compute " + name)
    out = job.fresh_out("_" + name)
    con.execute(
        f"copy (select pid, fid_, a, g from r_{name}) to '{out}' with (format gdal, driver 'GPKG', srs 'EPSG:4548')"
    )
    meter.mark("write")
meter.done(version=duckdb.__version__)
