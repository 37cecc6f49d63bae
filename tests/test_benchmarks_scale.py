"""Figures by size: data made in chunks, seconds per million, what is told of runs that failed."""

import json
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import generate, meter, project, scale

HOT = np.array([[550_000.0, 4_300_000.0], [560_000.0, 4_310_000.0]])


@pytest.fixture
def small_chunks(monkeypatch):
    for module in (generate, project):
        monkeypatch.setattr(module, "CHUNK", 40)
    monkeypatch.setattr(project, "hot_spots", lambda folder: HOT)


@pytest.mark.parametrize("form", ["gpkg", "parquet"])
def test_chunks_follow_one_another(tmp_path, small_chunks, form):
    path = Path(project.write_project(str(tmp_path), "130", form=form))
    assert f'path = "suspects_130.{form}"' in path.read_text()
    file = tmp_path / f"suspects_130.{form}"
    frame = gpd.read_parquet(file) if form == "parquet" else pyogrio.read_dataframe(file)
    assert frame["tbbh"].tolist() == [f"TB{i:08d}" for i in range(130)]
    assert not frame.geometry.duplicated().any()
    assert (frame["category"][:40].to_numpy() != frame["category"][40:80].to_numpy()).any()
    assert list(tmp_path.glob("*.part*")) == []
    if form == "parquet":  # by its bounds, without reading the rest
        x, y = frame.geometry[77].centroid.coords[0]
        near = gpd.read_parquet(file, bbox=(x - 1, y - 1, x + 1, y + 1))
        assert frame["tbbh"][77] in set(near["tbbh"])
        assert len(near) < 130


def test_more_parcels_than_fit_are_smaller(monkeypatch):
    monkeypatch.setattr(generate, "CHUNK", 4_000)
    monkeypatch.setattr(generate, "ROOM", 3_000)
    chunks = list(generate.parcel_chunks(1, "12000", HOT))
    assert [len(chunk) for chunk in chunks] == [4_000] * 3
    # means of a log-normal with sigma 1.1 scatter by 2.4 % here, and edges of 1 m2 and 400 000 m2 cut it
    assert [chunk.area.mean() / 750 for chunk in chunks] == pytest.approx([1.0] * 3, abs=0.1)


def record(size, way, wall, **more):
    made = {"name": "landremed run", "wall": wall, "cpu": 1.5 * wall, "rss_mb": 9, "pss_mb": 7}
    made |= {"stages": {"start": 1.0, "partitions": wall - 1.5, "write": 0.5, "total": wall}}
    peer = f"scale_run --form parquet --to folder {way}"
    return {"size": size, "layers": "a", "peer": peer, "turn": 0, "load": 1, "result": made} | more


def test_figures(tmp_path):
    failed = record("L", "--jobs 2", 0)
    del failed["result"]
    records = [
        record("M", "--jobs 1", 30.0),
        record("M", "--jobs 2", 20.0),
        record("M", "--cluster local:2", 24.0),
        failed | {"why": "> 600 s"},
    ]
    rows = scale.figures(records)
    assert [row["parcels"] for row in rows] == [100_000] * 3 + [1_000_000]
    assert [row.get("s_per_million") for row in rows] == [300.0, 200.0, 240.0, None]
    assert [row.get("speed_up") for row in rows] == [1.0, 1.5, 1.25, None]
    assert scale.stage_share(rows[1]) == (1.5, 18.5)
    text = scale.table(rows)
    assert "| 100,000 | `--jobs 2` | 1 | 20.0 (20.0-20.0) | 200 | 300 | 7 | 1.50 |" in text
    assert "| 1,000,000 | `--jobs 2` | 0 | > 600 s |" in text
    scale.plot(rows, tmp_path / "scale.png")
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")


ORPHAN = """
import subprocess, sys, time
from benchmarks.meter import Meter
meter = Meter("orphan", shares=True)
grandchild = "import time; end = time.process_time() + 0.5\\nwhile time.process_time() < end: pass"
child = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {grandchild!r}])"
subprocess.run([sys.executable, "-c", child])
meter.done()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux only")
def test_time_of_orphans_counts():
    folder = Path(meter.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", ORPHAN], cwd=folder, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["cpu"] >= 0.5


def test_forecast():
    assert scale.forecast(scale.figures([record("M", "--jobs 2", 20.0)]), [2], 4) == []
    small = record("S", "--jobs 2", 4.0)
    small["result"]["stages"] = {"start": 0.5, "partitions": 3.5, "total": 4.0}
    rows = scale.figures([small, record("M", "--jobs 2", 20.0), record("M", "--jobs 1", 30.0)])
    # 90 000 parcels more: 1 s more in one process, 2 x 15 s more in two; 3e8 parcels: 3333 times as much
    (hours,) = scale.forecast(rows, [2], 4)
    assert hours["from_parcels"] == [10_000, 100_000]
    assert hours["one_process_h"] == pytest.approx(3e8 / 9e4 / 3600)
    assert hours["partitions_h"] == pytest.approx(3e8 / 9e4 * 30 / 8 / 3600)
    assert "| 2 | 4.4 | 0.9 | 3.5 |" in scale.forecast_table([hours], 4)
