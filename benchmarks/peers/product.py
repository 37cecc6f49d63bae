"""landremed: files in, union pieces with survey areas out, native engine."""

from importlib import metadata
from pathlib import Path

import pyarrow  # noqa: F401  (imports are not timed)
import pyogrio  # noqa: F401

from benchmarks.meter import Job, Meter
from landremed.area import SurveyArea
from landremed.overlay.native.engine import warm_up
from landremed.overlay.stream import overlay_files

job = Job()
warm_up()  # loads the compiled kernels, as imports do; a first compilation is never timed
meter = Meter("landremed overlay")
found = overlay_files(
    Path(job.parcels("gpkg")),
    {name: Path(job.path(name, "gpkg")) for name in job.layers},
    Path(job.out),
    parcel_id="pid",
    area=SurveyArea(500000, 117),
    engine="native",
)
meter.mark("all")
meter.totals = found.area_m2
meter.pieces = found.feature_pieces
meter.done(version=metadata.version("landremed"), disputed=found.disputed, rows=found.pieces,
           statistics=found.statistics)  # fmt: skip
