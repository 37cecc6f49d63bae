"""landremed run: the whole job, with facts, rules and every table of the result (not only the overlay)."""

from importlib import metadata

import geopandas  # noqa: F401  (imports are not timed)

import landremed
from benchmarks.meter import Job, Meter
from landremed.overlay.native.engine import warm_up

job = Job()
warm_up()
meter = Meter("landremed run")
stages = []


def stage(name):
    if stages:
        meter.mark(stages[-1])
    stages.append(name)


landremed.run(job.path("project_" + job.size, "toml"), job.out, overwrite=True, engine="native", stage=stage)
meter.mark(stages[-1])
meter.done(version=metadata.version("landremed"))
