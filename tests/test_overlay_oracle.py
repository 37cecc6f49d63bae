"""Overlap areas of the samples against GDAL's own Python, an engine of its own."""

import json
import os
import subprocess
from pathlib import Path

import pytest

import landremed

HERE = Path(__file__).resolve().parent
SYSTEM_PYTHON = os.environ.get("LANDREMED_QGIS_PYTHON", "/usr/bin/python3")

pytestmark = pytest.mark.qgis


@pytest.fixture(scope="module")
def told():
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PROJ_", "GDAL_"))}
    try:
        subprocess.run(
            [SYSTEM_PYTHON, "-c", "import osgeo"], check=True, capture_output=True, env=environment
        )
    except (OSError, subprocess.CalledProcessError):
        if os.environ.get("CI"):
            pytest.fail("python3-gdal is missing")
        pytest.skip("python3-gdal is missing")
    folder = Path(landremed.sample_project()).parent
    run = subprocess.run(
        [SYSTEM_PYTHON, HERE / "ogr_overlaps.py", folder],
        check=True,
        capture_output=True,
        text=True,
        env=environment | {"PYTHONIOENCODING": "utf-8"},
    )
    return json.loads(run.stdout)


@pytest.mark.parametrize("engine", ["shapely", "native"])
def test_every_parcel_and_layer(told, engine):
    project = landremed.load_project(
        landremed.sample_project(), settings=["project.area=plane", "tolerance.min_overlap_area_m2=1"]
    )
    rows = landremed.run(project, engine=engine).decisions.set_index("parcel_id")
    compared = 0
    for role, areas in told.items():
        ours = rows[f"{role}_area_m2"]
        for parcel, expected in areas.items():
            # two decimals, and the last digit of two different transforms
            assert ours[parcel] == pytest.approx(expected, abs=0.0101, rel=1e-7), (role, parcel)
            compared += expected > 0
    assert compared > 300
