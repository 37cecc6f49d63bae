"""Results as folders of GeoParquet, held against the GeoPackage of the same run."""

import json
import shutil
import sqlite3
from itertools import pairwise

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
import shapely

import landremed
from landremed.errors import OutputError
from landremed.io import result_folder
from landremed.io.gpkg import OutLayer
from landremed.io.row_stream import RowStream

LAYERS = [
    "decisions",
    "parts",
    "overlaps",
    "overlap_features",
    "land_use",
    "facts",
    "trace",
    "issues",
    "summary",
]
CRS = "EPSG:4548"


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    base = tmp_path_factory.mktemp("folder")
    landremed.write_samples(base / "sample")
    project = base / "sample" / "project.toml"
    landremed.run(project, base / "out.gpkg")
    landremed.run(project, f"{base}/out/")
    return base


@pytest.mark.parametrize("layer", LAYERS)
def test_same_rows_as_the_geopackage(both, layer):
    with sqlite3.connect(both / "out.gpkg") as db:
        cursor = db.execute(f"SELECT * FROM {layer} ORDER BY fid")
        names = [d[0] for d in cursor.description]
        expected = cursor.fetchall()
    table = ds.dataset(both / "out" / layer).to_table()
    known = [n for n in names if n != "geom"]
    got = list(zip(*(table[n].to_pylist() for n in known), strict=True))
    wanted = [tuple(v for n, v in zip(names, row, strict=True) if n != "geom") for row in expected]
    assert len(got) == len(wanted)
    for mine, theirs in zip(got, wanted, strict=True):
        assert [_plain(v) for v in mine] == [_plain(v) for v in theirs]


def _plain(value):
    if isinstance(value, bool):
        return int(value)
    return value.isoformat() if hasattr(value, "isoformat") else value


def test_geometries_and_bounds(both):
    frame = gpd.read_parquet(both / "out" / "decisions")
    other = gpd.read_file(both / "out.gpkg", layer="decisions")
    assert frame.crs == other.crs
    assert frame["fid"].tolist() == list(range(1, len(frame) + 1))
    assert frame.geometry.to_wkb().tolist() == other.geometry.to_wkb().tolist()
    boxes = ds.dataset(both / "out" / "decisions").to_table()["bbox"].to_pylist()
    for box, shape in zip(boxes, frame.geometry, strict=True):
        assert (box is None) == (shape is None)
        if shape is not None:
            assert tuple(box[s] for s in ("xmin", "ymin", "xmax", "ymax")) == shape.bounds


def test_manifest_counts_every_layer(both):
    listed = {
        e["name"]: e for e in json.loads((both / "out" / "landremed.json").read_text("utf-8"))["layers"]
    }
    assert {*LAYERS, "provenance"} == set(listed)
    for name, entry in listed.items():
        assert ds.dataset(both / "out" / name).count_rows() == entry["rows"]


@pytest.mark.parametrize(("group", "share"), [(25_000, 8), (1, 8), (7, 1)])
def test_many_files_keep_the_order(tmp_path, monkeypatch, group, share):
    monkeypatch.setattr(result_folder, "ROWS", 7)
    monkeypatch.setattr(result_folder, "GROUP", group)
    monkeypatch.setattr(result_folder, "_SHARE", share)
    rows = 20
    shapes = shapely.to_wkb(shapely.box(np.arange(rows), 0, np.arange(rows) + 1, 1))
    layer = OutLayer(
        "a", pa.table({"n": list(range(rows)), "bbox": ["x"] * rows}), pa.array(shapes, pa.large_binary())
    )
    result_folder.write_folder(tmp_path / "out", [layer], crs_wkt=CRS)
    assert len(list((tmp_path / "out" / "a").iterdir())) == 3
    table = ds.dataset(tmp_path / "out" / "a").to_table()
    assert table["n"].to_pylist() == list(range(rows))
    assert table["fid"].to_pylist() == list(range(1, rows + 1))
    assert [b["xmin"] for b in table["bbox_"].to_pylist()] == list(range(rows))


def test_bytes_do_not_hang_on_chunks(tmp_path):
    """Columns so large that their coding changes on the way."""
    rows = 6_000
    middle = np.random.default_rng(3).uniform(0, 1000, (rows, 2))
    shapes = pa.array(shapely.to_wkb(shapely.buffer(shapely.points(middle), 1.0)), pa.large_binary())
    words = pa.array([f"{'字' * 100}{i}" for i in range(rows)])
    cuts = [0, 1_500, 1_501, 4_000, rows]
    parts = [(words.slice(a, b - a), shapes.slice(a, b - a)) for a, b in pairwise(cuts)]
    whole = OutLayer("a", pa.table({"w": words}), shapes)
    chunked = pa.table({"w": pa.chunked_array([w for w, _ in parts])})
    pieces = OutLayer("a", chunked, pa.chunked_array([g for _, g in parts]))
    for name, layer in (("one", whole), ("two", pieces)):
        result_folder.write_folder(tmp_path / name, [layer], crs_wkt=CRS)
    one, two = (next((tmp_path / name / "a").iterdir()).read_bytes() for name in ("one", "two"))
    assert one == two


@pytest.mark.parametrize("given", [0, 6, 14, 19, 21, 30])
def test_a_stream_of_too_few_or_too_many_rows(tmp_path, monkeypatch, given):
    monkeypatch.setattr(result_folder, "ROWS", 7)
    monkeypatch.setattr(result_folder, "_SHARE", 1)
    table = pa.table({"n": list(range(given))})
    stream = RowStream(20, lambda start: iter([(table.slice(start), None)]))
    layer = OutLayer("a", table.slice(0, 0), stream=stream)
    with pytest.raises(OutputError) as caught:
        result_folder.write_folder(tmp_path / "out", [layer], crs_wkt=CRS)
    assert caught.value.code == "output_rows_differ"
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_result_is_never_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("kept")
    with pytest.raises(OutputError) as caught:
        result_folder.write_folder(tmp_path / "out", [], crs_wkt=CRS, overwrite=True)
    assert caught.value.code == "output_folder_taken"
    assert (tmp_path / "out" / "mine.txt").read_text() == "kept"


def test_an_older_result_survives_a_failure(both, tmp_path):
    shutil.copytree(both / "out", tmp_path / "out")
    good = OutLayer("decisions", pa.table({"n": [1]}))
    bad = OutLayer("parts", pa.table({"n": [1, 2]}), pa.array([None], pa.large_binary()))
    with pytest.raises(OutputError) as caught:
        result_folder.write_folder(tmp_path / "out", [good], crs_wkt=CRS)
    assert caught.value.code == "output_exists"
    with pytest.raises(OutputError):
        result_folder.write_folder(tmp_path / "out", [good, bad], crs_wkt=CRS, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert (
        ds.dataset(tmp_path / "out" / "issues").count_rows()
        == ds.dataset(both / "out" / "issues").count_rows()
    )
    result_folder.write_folder(tmp_path / "out", [good], crs_wkt=CRS, overwrite=True)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["decisions", "landremed.json"]
