"""Round trips between all formats; what a format cannot keep is said."""

from __future__ import annotations

import datetime as dt
import json
import runpy
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from landremed.convert import FORMATS, convert
from landremed.errors import LandremedError
from landremed.io.survey_txt import read_survey_txt
from landremed.io.vector import read_vector

E0, N0 = 560_000.125, 4_300_000.25
SHAPES = [
    shapely.box(E0, N0, E0 + 100, N0 + 100).difference(shapely.box(E0 + 20, N0 + 20, E0 + 40, N0 + 40)),
    shapely.MultiPolygon(
        [shapely.box(E0 + 200, N0, E0 + 250, N0 + 50), shapely.box(E0 + 300, N0, E0 + 350, N0 + 50)]
    ),
]


def write(folder: Path, crs=4548, geometry=SHAPES, name="a.gpkg", **columns) -> str:
    columns = columns or {"DKBH": ["甲", "乙"], "n": [1, 2], "x": [1.5, 2.25]}
    gpd.GeoDataFrame(columns, geometry=geometry, crs=crs).to_file(folder / name)
    return str(folder / name)


def codes(done):
    return sorted({f.code for f in done.findings})


def back(path: Path):
    return (read_survey_txt if path.suffix == ".txt" else read_vector)(str(path))[0]


def shapes(source):
    return shapely.from_wkb(source.wkb.to_numpy(zero_copy_only=False))


@pytest.mark.parametrize("suffix", sorted(set(FORMATS) - {".txt"}))
def test_there_and_back(tmp_path, suffix):
    middle = tmp_path / f"b{suffix}"
    done = convert(write(tmp_path), middle)
    assert done.rows == 2
    assert set(codes(done)) <= {"convert_geometry_moved"}
    convert(str(middle), tmp_path / "c.gpkg")
    source = back(tmp_path / "c.gpkg")
    assert source.attributes.to_pydict() == {"DKBH": ["甲", "乙"], "n": [1, 2], "x": [1.5, 2.25]}
    assert source.crs_wkt == "EPSG:4548"
    for one, other in zip(shapes(source), SHAPES, strict=True):
        assert one.symmetric_difference(other).area < 1e-3
        assert one.equals_exact(other, 1e-3, normalize=True) or one.equals(other)
    assert not list(tmp_path.glob(".*"))


def test_table_of_losses_is_as_tried():
    root = Path(__file__).resolve().parents[1]
    tool = runpy.run_path(str(root / "tools" / "make_formats_doc.py"))
    page = (root / "docs" / "formats.md").read_text(encoding="utf-8")
    assert tool["document"](page) == page


@pytest.mark.parametrize("first", sorted(FORMATS))
def test_every_pair_of_formats(tmp_path, first):
    """Read by GDAL or pyarrow alone, without our readers."""
    start = tmp_path / f"start{first}"
    convert(
        write(
            tmp_path,
            crs=4527,
            geometry=[shapely.transform(s, lambda c: c + np.array([39e6, 0])) for s in SHAPES],
        ),
        start,
    )
    for suffix in FORMATS:
        target = tmp_path / f"end{suffix}"
        done = convert(str(start), target, overwrite=True)
        assert done.rows == 2
        if suffix == ".txt":
            lines = target.read_bytes().decode("gb18030").splitlines()
            assert [line.split(",")[2] for line in lines if line.endswith("@")] == ["甲", "乙"]
            points = [line.split(",") for line in lines if line.startswith("J")]
            assert {(p[2], p[3]) for p in points} == {
                (f"{y:.3f}", f"{x + 39e6:.3f}") for s in SHAPES for x, y in shapely.get_coordinates(s)
            }
            continue
        frame = gpd.read_parquet(target) if suffix == ".parquet" else gpd.read_file(target)
        assert frame["DKBH"].tolist() == ["甲", "乙"]
        assert ("n" in frame) == (first != ".txt")
        assert frame.crs.to_epsg() == 4527
        for one, other in zip(frame.geometry, SHAPES, strict=True):
            moved = shapely.transform(one, lambda c: c - np.array([39e6, 0]))
            assert moved.symmetric_difference(other).area < (0.5 if first == ".txt" else 0.05)


def test_times_that_only_change_their_zone_or_kind(tmp_path):
    """A date that becomes midnight, or a time that gets a zone, has another type and the same value."""
    moment = pd.Timestamp("2022-03-18 10:11:12.345")
    frame = gpd.GeoDataFrame(
        {
            "DKBH": ["甲", "乙"],
            "t": [moment] * 2,
            "z": [moment.tz_localize(dt.timezone(dt.timedelta(hours=8)))] * 2,
            "d": [dt.date(2022, 3, 18)] * 2,
        },
        geometry=SHAPES,
        crs=4548,
    )
    frame.to_parquet(tmp_path / "a.parquet")

    def told(suffix):
        done = convert(str(tmp_path / "a.parquet"), tmp_path / f"b{suffix}", overwrite=True)
        return {(f.code, f.field) for f in done.findings if f.field}

    kind, value = "convert_type_changed", "convert_values_changed"
    assert told(".parquet") == set()
    assert told(".gpkg") == {(kind, "t")}
    assert told(".fgb") == {(kind, "d"), (kind, "z")}
    # milliseconds are cut, and the zone is turned into UTC and forgotten
    assert told(".gdb") == {(kind, "d"), (value, "t"), (kind, "z"), (value, "z")}


def test_survey_text_there_and_back(tmp_path):
    done = convert(write(tmp_path, DKBH=["甲,一", "乙"], KIND=["a", "b"]), tmp_path / "b.txt")
    assert {"convert_prefix_added", "convert_field_left_out", "convert_values_changed"} <= set(codes(done))
    raw = (tmp_path / "b.txt").read_bytes()
    assert raw.count(b"\r\n") == raw.count(b"\n")
    lines = raw.decode("gb18030").splitlines()
    assert "带号=39" in lines
    start = lines.index("[地块坐标]")
    # 100 m squared less 20 m squared, less 1e-4 of it for the survey area so far from the meridian
    assert lines[start + 1] == "10,0.9599,甲，一,,面,,,,@"
    assert lines[start + 2].split(",")[:2] == ["J1", "1"]
    assert float(lines[start + 2].split(",")[3]) > 39e6
    source = back(tmp_path / "b.txt")
    assert source.crs_wkt == "EPSG:4527"
    assert source.attributes["DKBH"].to_pylist() == ["甲，一", "乙"]
    for one, other in zip(shapes(source), SHAPES, strict=True):
        moved = shapely.transform(other, lambda c: c + np.array([39e6, 0.0]))
        assert one.equals_exact(moved, 0.0006, normalize=True)
    convert(str(tmp_path / "b.txt"), tmp_path / "c.gpkg", crs="EPSG:4548")
    assert shapes(back(tmp_path / "c.gpkg"))[0].bounds == pytest.approx(SHAPES[0].bounds, abs=0.0006)


def test_what_a_shapefile_cannot_keep(tmp_path):
    frame = gpd.GeoDataFrame(
        {
            "永久基本农田图斑编号": ["a", "b"],
            "永久基本农田面积": [1.0, 2.0],
            "sure": [True, False],
            "long": ["字" * 200, "x"],
            "when": [dt.datetime(2022, 3, 18, 1, 2, 3), None],
            "count": pd.array([1, None], "Int64"),
        },
        geometry=SHAPES,
        crs=4548,
    )
    frame.to_file(tmp_path / "a.gpkg")
    done = convert(str(tmp_path / "a.gpkg"), tmp_path / "b.shp")
    said = {(f.code, f.field) for f in done.findings}
    assert ("convert_field_renamed", "永久基本农田图斑编号") in said
    assert ("convert_type_changed", "when") in said
    assert ("convert_values_changed", "long") in said
    source = back(tmp_path / "b.shp")
    assert source.encoding == "UTF-8"
    assert source.attributes.column_names[:2] == ["永久基", "永久基1"]
    assert all(len(name.encode()) <= 10 for name in source.attributes.column_names)
    assert source.attributes["count"].to_pylist() == [1, None] or ("convert_nulls_lost", "count") in said


def test_rows_without_geometry_stay(tmp_path):
    path = write(tmp_path, geometry=[SHAPES[0], None])
    for suffix in (".shp", ".geojson", ".parquet", ".gdb", ".gpkg", ".txt"):
        done = convert(path, tmp_path / f"b{suffix}")
        assert done.rows == 2
        assert shapes(back(tmp_path / f"b{suffix}"))[1] is None
        assert "convert_geometry_changed" not in codes(done)


def test_transformed(tmp_path):
    convert(write(tmp_path), tmp_path / "b.geojson", crs="EPSG:4490")
    source = back(tmp_path / "b.geojson")
    assert source.crs_wkt == "EPSG:4490"
    import pyproj

    turn = pyproj.Transformer.from_crs(4548, 4490, always_xy=True).transform
    lon, lat = turn(*shapely.get_coordinates(SHAPES[0]).T)
    assert shapes(source)[0].bounds == pytest.approx((min(lon), min(lat), max(lon), max(lat)), abs=1e-8)


def test_systems_that_are_refused(tmp_path):
    with pytest.raises(LandremedError) as caught:
        convert(write(tmp_path), tmp_path / "b.gpkg", crs="EPSG:2384")
    assert caught.value.code == "convert_crs_datum"
    with pytest.raises(LandremedError) as caught:
        convert(
            write(tmp_path, name="m.gpkg", crs=32650, geometry=[SHAPES[0], SHAPES[0]]), tmp_path / "b.txt"
        )
    assert caught.value.code == "convert_txt_crs"
    with pytest.raises(LandremedError) as caught:
        convert(write(tmp_path, name="w.gpkg", crs=4527), tmp_path / "b.gpkg")
    assert caught.value.code == "crs_prefix_missing"
    assert not (tmp_path / "b.gpkg").exists()
    bare = write(tmp_path, name="n.gpkg", crs=None)
    assert "convert_no_crs" in codes(convert(bare, tmp_path / "b.gpkg"))
    assert convert(bare, tmp_path / "d.gpkg", input_crs="EPSG:4548").crs.startswith("EPSG:4548")


def test_targets(tmp_path):
    path = write(tmp_path)
    for name, code in (
        ("b.dxf", "convert_type_unknown"),
        ("a.gpkg", "output_exists"),
        ("no/b.gpkg", "output_folder_missing"),
    ):
        with pytest.raises(LandremedError) as caught:
            convert(path, tmp_path / name)
        assert caught.value.code == code
    for suffix in (".shp", ".gdb", ".txt"):
        for _ in range(2):
            convert(path, tmp_path / f"b{suffix}", overwrite=True)
        assert len(back(tmp_path / f"b{suffix}")) == 2
    points = write(tmp_path, name="p.gpkg", geometry=[shapely.Point(E0, N0)] * 2)
    with pytest.raises(LandremedError) as caught:
        convert(points, tmp_path / "b.txt", overwrite=True)
    assert caught.value.code == "convert_txt_shape"
    assert len(back(tmp_path / "b.txt")) == 2
    assert not list(tmp_path.glob(".*"))


def test_no_rows(tmp_path):
    empty = gpd.GeoDataFrame({"DKBH": []}, geometry=[], crs=4548)
    empty.to_file(tmp_path / "e.gpkg", geometry_type="Polygon")
    with pytest.raises(LandremedError) as caught:
        convert(str(tmp_path / "e.gpkg"), tmp_path / "b.txt")
    assert caught.value.code == "txt_no_parcel"
    assert str(caught.value).startswith("b.txt:")
    assert convert(str(tmp_path / "e.gpkg"), tmp_path / "b.shp").rows == 0


def test_command(tmp_path):
    order = [
        sys.executable,
        "-m",
        "landremed_cli",
        "--json",
        "convert",
        write(tmp_path),
        str(tmp_path / "b.txt"),
    ]
    run = subprocess.run(order, capture_output=True, text=True, encoding="utf-8", check=False)
    assert run.returncode == 3, run.stderr
    document = json.loads(run.stdout)
    assert document["rows"] == 2
    assert {f["field"] for f in document["findings"] if f["code"] == "convert_field_left_out"} == {"n", "x"}


@pytest.mark.parametrize(
    ("crs", "options", "code", "word"),
    [
        (None, {"crs": "EPSG:4548"}, "convert_crs_missing", "--in-crs"),
        (4548, {"input_crs": "EPSG:4527"}, "convert_crs_conflict", "--in-crs"),
        (4490, {}, "convert_crs_metres", "--in-crs"),
        (2384, {"crs": "EPSG:4548"}, "convert_crs_datum", "surveying office"),
    ],
)
def test_errors_about_a_crs_advise_options_of_the_command(tmp_path, crs, options, code, word):
    path = write(tmp_path, crs=crs)
    with pytest.raises(LandremedError) as caught:
        convert(path, tmp_path / "b.fgb", **options)
    assert caught.value.code == code
    assert word in caught.value.text("en")
    assert "[" not in caught.value.text("en").replace(str(tmp_path), "")
    assert not (tmp_path / "b.fgb").exists()
