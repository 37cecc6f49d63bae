"""geopandas.overlay(how="intersection") per layer."""

import geopandas as gpd

from benchmarks.meter import TOUCHING_M2, Job, Meter

job = Job()
meter = Meter("geopandas.overlay")
parcels = gpd.read_file(job.parcels("gpkg"), columns=["pid"])
layers = {n: gpd.read_file(job.path(n, "gpkg"), columns=["fid_"]) for n in job.layers}
meter.mark("read")
out = job.fresh_out()
for name, layer in layers.items():
    pieces = gpd.overlay(parcels, layer, how="intersection", keep_geom_type=True)
    area = pieces.area
    meter.totals[name], meter.pieces[name] = float(area.sum()), int((area > TOUCHING_M2).sum())
    meter.mark("compute " + name)
    pieces.to_file(out, layer=name, driver="GPKG")
    meter.mark("write")
meter.done(version=gpd.__version__)
