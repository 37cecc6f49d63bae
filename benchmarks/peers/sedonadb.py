"""SedonaDB: spatial join and ST_Intersection, GeoParquet in, GeoPackage out."""

from importlib import import_module, metadata

from benchmarks.meter import TOUCHING_M2, Job, Meter

sedona = import_module("sedonadb")  # this module has the same name
job = Job()
meter = Meter("SedonaDB")
sd = sedona.connect()
sd.read_parquet(job.parcels("parquet")).to_memtable().to_view("p", overwrite=True)
for name in job.layers:
    sd.read_parquet(job.path(name, "parquet")).to_memtable().to_view(name, overwrite=True)
meter.mark("read")
for name in job.layers:
    pieces = sd.sql(
        f"""select pid, fid_, g, ST_Area(g) a from (
        select p.pid, l.fid_, ST_Intersection(p.geometry, l.geometry) g from p join {name} l
        on ST_Intersects(p.geometry, l.geometry)) where ST_Area(g) > {TOUCHING_M2}"""
    ).to_memtable()
    pieces.to_view("r", overwrite=True)
    total = sd.sql("select sum(a) a from r").to_pandas()
    meter.totals[name], meter.pieces[name] = float(total["a"][0]), pieces.count()
    meter.mark("compute " + name)
    pieces.to_pyogrio(job.fresh_out("_" + name), driver="GPKG")
    meter.mark("write")
meter.done(version=metadata.version("sedonadb"))
