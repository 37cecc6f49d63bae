"""No overlay at all: read every input as Arrow, write the product's finished pieces in one call."""

import os
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyogrio

from benchmarks.meter import Job, Meter

job = Job()
pieces = os.path.join(os.path.dirname(job.out), f"out_product_{job.size}.gpkg")
meta, table = pyogrio.read_arrow(pieces)
geometry = meta["geometry_name"] or "wkb_geometry"
names = ["geometry" if n == geometry else n for n in table.column_names]
table = pa.Table.from_arrays(table.columns, names=names)
meter = Meter("I/O floor")
paths = [job.parcels("gpkg"), *(job.path(n, "gpkg") for n in job.layers)]
with ThreadPoolExecutor(2) as pool:
    list(pool.map(lambda path: pyogrio.read_arrow(path, columns=[])[1].num_rows, paths))
meter.mark("read")
pyogrio.set_gdal_config_options({"OGR_SQLITE_SYNCHRONOUS": "OFF"})
pyogrio.write_arrow(
    pa.RecordBatchReader.from_batches(table.schema, table.to_batches(65536)), job.fresh_out(),
    layer="overlaps", driver="GPKG", geometry_name="geometry", geometry_type="MultiPolygon", crs="EPSG:4548",
)  # fmt: skip
meter.mark("write")
meter.done(version=f"GDAL {pyogrio.__gdal_version_string__}")
