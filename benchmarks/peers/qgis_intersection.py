"""QGIS native:intersection, headless, one layer after the other (its own start included)."""

import os
import re
import shutil
import subprocess

from benchmarks.meter import Job, Meter

job = Job()
# Debian's wrapper passes a flag that 3.22 rejects
program = shutil.which("qgis_process.bin") or shutil.which("qgis_process")
if program is None:
    raise ModuleNotFoundError("qgis_process")
environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
for stale in ("PYTHONPATH", "PYTHONHOME"):
    environment.pop(stale, None)
version = subprocess.run([program, "--version"], capture_output=True, text=True, env=environment, check=False)
meter = Meter("QGIS native:intersection")
for name in job.layers:
    inputs = [f"INPUT={job.parcels('gpkg')}", f"OVERLAY={job.path(name, 'gpkg')}"]
    subprocess.run(
        [program, "run", "native:intersection", "--", *inputs, f"OUTPUT={job.fresh_out('_' + name)}"],
        check=True, capture_output=True, env=environment,
    )  # fmt: skip
    meter.mark("compute " + name)
found = re.search(r"QGIS (\S+)", version.stdout + version.stderr)
meter.done(version=found.group(1) if found else "")
