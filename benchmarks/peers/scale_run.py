"""``landremed run`` as people start it, a process of its own: the whole job, its workers' time and memory included.

Options after those of every contestant: ``--form gpkg|parquet`` (of the parcels), ``--to gpkg|folder`` (of the
result); all others are those of ``landremed run``.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from importlib import metadata

from benchmarks.meter import Job, Meter

job = Job()
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--form", default="gpkg")
parser.add_argument("--to", default="gpkg")
parser.add_argument("--keep", action="store_true", help="keep the result")
own, options = parser.parse_known_args(job.extra)

project = "project_" + job.size + ("" if own.form == "gpkg" else "_" + own.form)
out = job.fresh_out() if own.to == "gpkg" else job.out.removesuffix(".gpkg") + os.sep
if own.to == "folder":
    shutil.rmtree(out, ignore_errors=True)

meter = Meter("landremed run", shares=True)
command = [
    sys.executable,
    "-m",
    "landremed_cli",
    "--json",
    "-v",
    "run",
    job.path(project, "toml"),
    "-o",
    out,
    *options,
]
child = subprocess.run(command, capture_output=True, text=True, check=False)
told = "\n".join(line for line in child.stderr.splitlines() if not line.endswith(" s"))
if child.returncode not in (0, 3):
    sys.exit(told or f"exit status {child.returncode}")
meter.stages = json.loads(child.stdout)["seconds"]
written = sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(out) for name in names)
meter.done(
    version=metadata.version("landremed"), status=child.returncode, out_mb=round((written or os.path.getsize(out)) / 1e6)
)  # fmt: skip
if not own.keep:
    shutil.rmtree(out) if own.to == "folder" else os.remove(out)
