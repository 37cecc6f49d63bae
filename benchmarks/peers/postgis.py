"""PostGIS with ST_Subdivide(256), two workers: load, compute, export.

Needs psycopg, ogr2ogr and PostgreSQL's programs with PostGIS: a server of its own is started in the data folder.
With PGHOST set that server and its database PGDATABASE (default ``bench``) are used instead.
"""

import os
import subprocess

import geopandas as gpd
import psycopg
import shapely

from benchmarks.meter import TOUCHING_M2, Job, Meter
from benchmarks.postgres import scratch_server

job = Job()
place = os.environ.get("PGDATABASE") or "bench"
place = f"dbname={place}" if "PGHOST" in os.environ else scratch_server(os.path.join(job.data, "postgres"))
con = psycopg.connect(place, autocommit=True)
run = con.execute
meter = Meter("PostGIS (subdivide)", match="postgres")
run("create extension if not exists postgis")
for setting in (
    "work_mem='512MB'", "maintenance_work_mem='1GB'", "jit=off", "synchronous_commit=off",
    "max_parallel_workers_per_gather=2", "parallel_leader_participation=off", "parallel_setup_cost=0",
    "parallel_tuple_cost=0", "min_parallel_table_scan_size=0",
):  # fmt: skip
    run(f"set {setting}")


def load(name, path, key, subdivide):
    frame = gpd.read_parquet(path, columns=[key, "geometry"])
    wkb = shapely.to_wkb(shapely.set_srid(frame.geometry.values, 4548), include_srid=True)
    run(f"drop table if exists {name}")
    run(f"create unlogged table {name} ({key} bigint, geom geometry(Geometry,4548))")
    with con.cursor().copy(f"copy {name} from stdin (format binary)") as copy:
        copy.set_types(["int8", "bytea"])
        for row in zip(frame[key].tolist(), wkb, strict=True):
            copy.write_row(row)
    if subdivide:
        run(f"drop table if exists {name}_s")
        run(f"create unlogged table {name}_s as select {key}, st_subdivide(geom, 256) geom from {name}")
        run(f"drop table {name}")
        run(f"alter table {name}_s rename to {name}")
    run(f"create index on {name} using gist(geom)")
    run(f"alter table {name} set (parallel_workers=2)")
    run(f"vacuum analyze {name}")


load("p", job.parcels("parquet"), "pid", subdivide=False)
for name in job.layers:
    load(name, job.path(name, "parquet"), "fid_", subdivide=True)
meter.mark("load")
for name in job.layers:
    run(f"drop table if exists t_{name}, r_{name}")
    run(
        f"""create unlogged table t_{name} as select pid, fid_, g from (select p.pid, l.fid_,
        case when st_coveredby(p.geom, l.geom) then p.geom else st_intersection(p.geom, l.geom) end g
        from p join {name} l on st_intersects(p.geom, l.geom) offset 0) t where st_area(g) > {TOUCHING_M2}"""
    )
    run(
        f"""create unlogged table r_{name} as select pid, fid_, g, st_area(g) a from (select pid, fid_,
        case when count(*)=1 then (array_agg(g))[1] else st_union(g) end g from t_{name} group by pid, fid_) u"""
    )
    meter.totals[name], meter.pieces[name] = run(f"select sum(a), count(*) from r_{name}").fetchone()
    meter.mark("compute " + name)
out = job.fresh_out()
for name in job.layers:
    mode = "-update" if os.path.exists(out) else "-overwrite"
    command = ["ogr2ogr", "-f", "GPKG", mode, out, f"PG:{place}", "-nln", name, "-nlt", "GEOMETRY"]
    subprocess.run([*command, "-gt", "100000", "-sql", f"select pid, fid_, a, g from r_{name}"], check=True)
    meter.mark("export")
meter.done(version=run("select postgis_lib_version()").fetchone()[0])
