"""``landremed check`` on small projects whose faults are made by hand."""

from __future__ import annotations

import itertools
import json
import runpy
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from landremed.checks import check_project
from landremed.checks.gaps import enclosed_gaps, holes_of_union, slit
from landremed.checks.shapes import spikes
from landremed.checks.stated_areas import infer_area_unit
from landremed.errors import LandremedError
from landremed.overlay import PolygonSet, box_pairs, crowds, shared_ground
from landremed.project import load_project
from landremed.report.terminal import display_width

ROOT = Path(__file__).resolve().parents[1]
E0, N0 = 540000.0, 4300000.0


def box(x, y, w, h):
    return shapely.box(E0 + x, N0 + y, E0 + x + w, N0 + y + h)


def project(folder: Path, parcels: gpd.GeoDataFrame, extra: str = "", **layers: gpd.GeoDataFrame) -> Path:
    parcels.to_file(folder / "p.gpkg", layer="p")
    text = '[project]\nas_of = 2022-03-31\nlanguage = "en"\n'
    text += '[parcels]\npath = "p.gpkg"\nlayer = "p"\nid = "TBBH"\n'
    for role, frame in layers.items():
        frame.to_file(folder / "l.gpkg", layer=role)
        text += f'[layers.{role}]\npath = "l.gpkg"\nlayer = "{role}"\n'
        text += 'code = "DLBM"\n' if role == "land_use" else ""
    (folder / "project.toml").write_text(text + extra, encoding="utf-8")
    return folder / "project.toml"


def frame(geometry, **columns) -> gpd.GeoDataFrame:
    columns.setdefault("TBBH", [f"T{i}" for i in range(1, len(geometry) + 1)])
    columns.setdefault("category", ["illegal_occupation"] * len(geometry))
    return gpd.GeoDataFrame(columns, geometry=geometry, crs=4548)


def found(result, code):
    return [row for row in result.issues.to_pylist() if row["code"] == code]


def test_shapes_of_parcels(tmp_path):
    outline = [(0, 0), (100, 0), (100, 49.9), (160, 50), (100, 50.1), (100, 100), (0, 100)]
    spike = shapely.Polygon([(E0 + x, N0 + 500 + y) for x, y in outline])
    geometry = [
        box(0, 0, 100, 100),
        box(90, 0, 100, 100),  # 10 m × 100 m of the first
        box(190.5, 0, 100, 100),  # half a metre from the second
        box(400, 0, 50, 0.4),  # 0.4 m wide
        box(500, 0, 10, 15),  # 150 m², below 200
        spike,
    ]
    result = check_project(project(tmp_path, frame(geometry)))
    (overlap,) = found(result, "parcels_overlap")
    assert (overlap["parcel_id"], overlap["value"], overlap["row"]) == ("T2", "T1", 2)
    assert "1000.00 m²" in overlap["message"]
    point = shapely.from_wkb(overlap["geometry"])
    assert E0 + 90 < point.x < E0 + 100
    assert N0 < point.y < N0 + 100
    (gap,) = found(result, "parcels_gap")
    assert "0.500 m" in gap["message"]
    assert (gap["parcel_id"], gap["value"]) == ("T3", "T2")
    (sliver,) = found(result, "parcel_sliver")
    assert sliver["parcel_id"] == "T4"
    assert "20.00 m²" in sliver["message"]
    (small,) = found(result, "parcel_below_minimum")
    assert small["parcel_id"] == "T5"
    (pointed,) = found(result, "geometry_spike")
    assert shapely.from_wkb(pointed["geometry"]).equals(shapely.Point(E0 + 160, N0 + 550))
    assert "0.19°" in pointed["message"]  # 2 atan(0.1 / 60)
    assert result.status == 3


def test_spikes_need_length_and_sharpness():
    blunt = shapely.Polygon([(0, 0), (10, 0), (20, 5)])
    rows, _, _ = spikes(np.array([blunt, None, shapely.MultiPolygon([blunt, box(0, 0, 5, 5)])], dtype=object))
    assert len(rows) == 0
    tiny = shapely.Polygon([(0, 0), (10, 0), (10, 4.999), (10.4, 5), (10, 5.001), (10, 10), (0, 10)])
    assert len(spikes(np.array([tiny], dtype=object))[0]) == 0
    needle = shapely.Polygon([(0, 0), (100, 0.5), (0, 1)])
    rows, angle, place = spikes(np.array([None, needle], dtype=object))
    assert rows.tolist() == [1]
    assert angle[0] == pytest.approx(np.degrees(2 * np.arctan(0.005)))
    assert place.tolist() == [[100.0, 0.5]]


def test_shared_ground_agrees_with_all_pairs():
    rng = np.random.default_rng(4)
    low = rng.uniform(0, 100, (60, 2)).round(1)
    size = rng.uniform(1, 20, (60, 2)).round(1)
    boxes = shapely.box(low[:, 0], low[:, 1], *(low + size).T)
    expected = {}
    for j in range(60):
        for i in range(j):
            width = np.minimum(low[i] + size[i], low[j] + size[j]) - np.maximum(low[i], low[j])
            if (width > 0).all() and width.prod() > 1.0:
                expected[i, j] = width.prod()
    pairs = shared_ground(PolygonSet.from_geometries(boxes), least_m2=1.0)
    found_ = dict(
        zip(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True), pairs.area_m2, strict=True)
    )
    assert found_.keys() == expected.keys()
    for key, area in expected.items():
        assert found_[key] == pytest.approx(area, rel=1e-9)


def test_enclosed_gap_between_four():
    around = [box(0, 0, 100, 50), box(0, 50.4, 100, 50), box(0, 50, 10, 0.4), box(90, 50, 10, 0.4)]
    holes, neighbour = enclosed_gaps(np.array(around, dtype=object), 1.0, 1.0)
    assert [round(h.area, 3) for h in holes] == [32.0]  # 80 m × 0.4 m
    assert neighbour.tolist() == [0]
    own = box(0, 0, 100, 100).difference(box(50, 50, 30, 0.4))
    assert len(enclosed_gaps(np.array([own, box(100, 0, 5, 5)], dtype=object), 1.0, 1.0)[0]) == 0


@pytest.mark.parametrize(("size", "unit"), [(1.0, "m²"), (2000 / 3, "亩"), (1e4, "ha"), (1e6, "km²")])
def test_area_unit(size, unit):
    measured = np.array([900.0, 12_000.0, 56_789.0])
    assert infer_area_unit(measured / size * 1.001, measured) == unit


def test_stated_areas(tmp_path):
    geometry = [box(0, 0, 100, 100), box(200, 0, 200, 100), box(500, 0, 100, 100)]
    parcels = frame(geometry, JCMJ=[15.0, 30.0, 18.0])  # 亩; the third is 20 % too large
    result = check_project(project(tmp_path, parcels))
    assert "亩" in found(result, "area_unit_inferred")[0]["message"]
    (wrong,) = found(result, "area_differs")
    assert (wrong["parcel_id"], wrong["field"], wrong["value"]) == ("T3", "JCMJ", "18")
    assert "20.0 %" in wrong["message"]


def test_ids_and_dates(tmp_path):
    geometry = [box(200 * i, 0, 100, 100) for i in range(5)]
    parcels = frame(
        geometry,
        TBBH=["A1", "a1", "Ｂ2", "1.2E+17", "B2"],
        category=[
            "illegal_occupation",
            None,
            "illegal_occupation",
            "illegal_occupation",
            "illegal_occupation",
        ],
        occurred_on=["2019-05-01", "2023-01-01", None, "2022-03-31", "2022"],
    )
    result = check_project(project(tmp_path, parcels))
    assert [r["parcel_id"] for r in found(result, "parcel_ids_alike")] == ["a1", "B2"]
    assert [r["parcel_id"] for r in found(result, "parcel_id_rounded")] == ["1.2E+17"]
    assert [r["parcel_id"] for r in found(result, "category_missing")] == ["a1"]
    assert [r["parcel_id"] for r in found(result, "date_after_as_of")] == ["a1"]
    assert all(r["geometry"] for r in found(result, "category_missing"))


def test_repeated_ids_are_all_told(tmp_path):
    geometry = [box(200 * i, 0, 100, 100) for i in range(4)]
    result = check_project(project(tmp_path, frame(geometry, TBBH=["X", "X", "Y", "X"])))
    assert [(r["row"], r["value"]) for r in found(result, "parcel_id_repeated")] == [(2, "X"), (4, "X")]
    assert result.status == 1


def test_inside_layers(tmp_path):
    land = frame(
        [box(-100, -100, 200, 400), box(100, -100, 100, 400), box(200, -100, 30, 400)],
        DLBM=["0102", "013", "9999"],
    )
    red = frame([box(0, 0, 50, 50), box(40, 0, 50, 50)])  # 10 × 50 in common
    farm = frame([box(80, 0, 100, 100)])  # 10 × 50 of the second
    path = project(
        tmp_path,
        frame([box(0, 0, 100, 100), box(210, 0, 40, 100)]),  # the second reaches 20 m out of the land use
        land_use=land,
        ecological_red_line=red,
        permanent_basic_farmland=farm,
        extra="date = 2023-01-01\n",
    )
    result = check_project(path)
    (crossing,) = found(result, "lines_cross")
    assert (crossing["file"], crossing["row"]) == ("l.gpkg:ecological_red_line", 2)
    assert "500.00 m²" in crossing["message"]
    (double,) = found(result, "layer_features_overlap")
    assert "500.00 m²" in double["message"]
    (short,) = found(result, "parcel_not_covered")
    assert short["parcel_id"] == "T2"
    assert "50.0 %" in short["message"]
    assert found(result, "land_use_codes_mixed")[0]["severity"] == "error"
    assert [r["value"] for r in found(result, "land_use_code_unknown")] == ["9999"]
    assert [r["file"] for r in found(result, "layer_after_as_of")] == ["l.gpkg:permanent_basic_farmland"]
    assert {r["file"] for r in found(result, "layer_undated")} == {
        "l.gpkg:land_use",
        "l.gpkg:ecological_red_line",
    }


def test_every_unusable_input_is_told(tmp_path):
    path = project(
        tmp_path,
        frame([box(0, 0, 100, 100)]),
        farmland=frame([box(0, 0, 9, 9)]).set_crs(4527, allow_override=True),
    )
    extra = '[layers.red_line]\npath = "none.gpkg"\n[[evidence]]\npath = "none.csv"\nid = "TBBH"\n'
    path.write_text(path.read_text(encoding="utf-8") + extra, encoding="utf-8")
    result = check_project(path)
    values = [r["value"] for r in found(result, "input_unusable")]
    assert sorted(values) == ["crs_prefix_missing", "file_missing", "file_missing"]
    assert result.status == 1


def test_parcels_that_cannot_be_read_stop(tmp_path):
    path = project(tmp_path, frame([box(0, 0, 100, 100)]))
    (tmp_path / "p.gpkg").unlink()
    with pytest.raises(LandremedError):
        check_project(path)


def test_severities_of_the_project(tmp_path):
    geometry = [box(0, 0, 100, 100), box(90, 0, 100, 100)]
    path = project(
        tmp_path, frame(geometry), extra='[severity]\nparcels_overlap = "error"\nlayer_absent = "off"\n'
    )
    result = check_project(path)
    assert result.status == 1
    assert not found(result, "layer_absent")
    path = project(tmp_path, frame([geometry[0]]))
    assert check_project(path).status == 0


def test_command(tmp_path):
    path = project(tmp_path, frame([box(0, 0, 100, 100), box(90, 0, 100, 100)]))
    order = [
        sys.executable,
        "-m",
        "landremed_cli",
        "--json",
        "check",
        str(path),
        "-o",
        str(tmp_path / "issues.gpkg"),
    ]
    run = subprocess.run(order, capture_output=True, text=True, encoding="utf-8", check=False)
    assert run.returncode == 3, run.stderr
    document = json.loads(run.stdout)
    assert {"severity": "warning", "code": "parcels_overlap", "count": 1} in document["findings"]
    issues = gpd.read_file(tmp_path / "issues.gpkg", layer="issues")
    assert len(issues) == len(document["issues"])
    assert issues.crs.to_epsg() == 4548
    again = subprocess.run(order, capture_output=True, text=True, encoding="utf-8", check=False)
    assert again.returncode == 1


def test_sample_finds_its_planted_faults():
    result = check_project(load_project(ROOT / "data" / "samples" / "project.toml"))
    codes = {code for _, code, _ in result.counts}
    assert {
        "same_place",
        "parcel_sliver",
        "evidence_contradiction",
        "parcel_geometry_empty",
        "lines_cross",
    } <= codes
    assert "input_unusable" not in codes


def test_documentation_is_current():
    tool = runpy.run_path(str(ROOT / "tools" / "make_findings_doc.py"))
    assert (ROOT / "docs" / "findings.md").read_text(encoding="utf-8") == tool["document"]()


def test_holes_of_a_union_agree_with_uniting_at_once():
    rng = np.random.default_rng(7)
    low = np.round(rng.uniform(0, 120, (900, 2)), 1)
    boxes = shapely.box(*low.T, *(low + np.round(rng.uniform(1, 9, (900, 2)), 1)).T)
    rings = [ring for part in shapely.get_parts(shapely.union_all(boxes)) for ring in part.interiors]
    expected = {tuple(shapely.Polygon(ring).bounds): shapely.Polygon(ring).area for ring in rings}
    holes = holes_of_union(boxes)
    assert len(expected) > 50
    assert {tuple(h.bounds): h.area for h in holes} == pytest.approx(expected)


def test_native_pairs_agree_with_geos(monkeypatch):
    rng = np.random.default_rng(11)
    angle = np.sort(rng.uniform(0, 2 * np.pi, (300, 12)), axis=1)
    reach = rng.uniform(3, 12, (300, 12))
    middle = rng.uniform(0, 90, (300, 1, 2)) + np.array([E0, N0])
    ring = np.stack([reach * np.cos(angle), reach * np.sin(angle)], axis=2) + middle
    blobs = shapely.polygons(np.round(ring, 3))
    blobs = np.where(shapely.is_valid(blobs), blobs, None)
    blobs[5], blobs[6] = box(0, 0, 90, 90), box(0, 0, 90, 90)  # most lie wholly within
    blobs[7] = shapely.difference(box(10, 10, 50, 50), box(20, 20, 9, 9))
    polygons = PolygonSet.from_geometries(blobs)
    expected = {}
    for j, i in itertools.product(range(300), range(300)):
        if i < j and blobs[i] is not None and blobs[j] is not None:
            area = blobs[i].intersection(blobs[j]).area
            if area > 1.0:
                expected[i, j] = area
    assert len(expected) > 500
    for from_s in (0.0, 1e9):
        monkeypatch.setattr("landremed.overlay.pairs._NATIVE_FROM_S", from_s)
        pairs = shared_ground(polygons, least_m2=1.0)
        keys = list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
        assert set(keys) == set(expected)
        assert pairs.area_m2 == pytest.approx([expected[key] for key in keys], rel=1e-9)
        points = shapely.points(pairs.point)
        assert shapely.distance(points, blobs[pairs.left]).max() < 1e-6
        assert shapely.distance(points, blobs[pairs.right]).max() < 1e-6


def test_crowds_are_compared_with_their_first_only():
    rng = np.random.default_rng(2)
    low = rng.uniform(0, 2, (2000, 2))
    spot = shapely.box(*(low + 1000.0).T, *(low + 1050.0).T)
    alone = shapely.box(0, 0, 50, 50), shapely.box(40, 0, 90, 50)
    polygons = PolygonSet.from_geometries(np.array([*alone, *spot, None], dtype=object))
    left, right = box_pairs(polygons)
    pairs = set(zip(left.tolist(), right.tolist(), strict=True))
    assert (0, 1) in pairs
    assert len(pairs) == len(left) < 2000 * 8 * 4 + 1  # the spot may lie on the corner of four cells
    assert {row for pair in pairs for row in pair} == set(range(2002))
    found = crowds(polygons.boxes)
    assert found.size.sum() == 2000
    assert found.first[0] == 2


def test_crowded_parcels_are_told(tmp_path):
    geometry = [box(0.01 * i, 0, 100, 100) for i in range(30)] + [box(500, 0, 100, 100)]
    result = check_project(project(tmp_path, frame(geometry)))
    (crowd,) = found(result, "parcels_crowded")
    assert (crowd["parcel_id"], "30 parcels" in crowd["message"]) == ("T1", True)
    assert {r["parcel_id"] for r in found(result, "same_place")} == {f"T{i}" for i in range(2, 31)}


def test_many_overlaps_of_one_parcel_are_counted(tmp_path):
    around = [box(10 * i, 0, 8, 2 + i) for i in range(12)]
    result = check_project(project(tmp_path, frame([*around, box(0, 0, 120, 20)])))
    (many,) = found(result, "parcels_overlap_many")
    assert (many["parcel_id"], many["row"]) == ("T13", 13)
    assert "12 others" in many["message"]
    listed = [r["value"] for r in found(result, "parcels_overlap")]
    assert listed == [f"T{i}" for i in range(5, 13)]  # the eight largest


def test_ground_that_overlaps_itself_covers_once(tmp_path):
    units = frame([box(0, 0, 60, 100), box(0, 0, 60, 100)], XZQMC=["a", "b"])
    path = project(tmp_path, frame([box(0, 0, 100, 100)]), admin_units=units, extra='name = "XZQMC"\n')
    (short,) = found(check_project(path), "parcel_not_covered")
    assert "40.0 %" in short["message"]


def test_stated_areas_with_units_of_their_own(tmp_path):
    size = 100.0, 100.0  # 10 000 m² = 15 亩 = 1 ha
    stated = [
        "15亩",
        "10,000.0㎡",
        "１公顷",
        "1 hm²",
        "0.01平方公里",
        "1万平方米",
        "约15.0 亩",
        "12.5亩",
        "一亩半",
        "",
        None,
    ]
    geometry = [box(200 * i, 0, *size) for i in range(len(stated))]
    result = check_project(project(tmp_path, frame(geometry, 图斑面积=stated)))
    (wrong,) = found(result, "area_differs")
    assert (wrong["parcel_id"], wrong["value"], wrong["row"]) == ("T8", "12.5亩", 8)
    assert "16.7 %" in wrong["message"]  # 2.5 of 15
    assert "14.999" in wrong["message"]  # the area of the ellipsoid is a little less than the plane one
    assert shapely.from_wkb(wrong["geometry"]).within(geometry[7])
    (odd,) = found(result, "area_unreadable")
    assert (odd["parcel_id"], odd["value"]) == ("T9", "一亩半")
    assert not found(result, "area_unit_inferred")  # every cell says its own


def test_areas_stated_in_evidence(tmp_path):
    geometry = [box(200 * i, 0, 100, 100) for i in range(3)]
    path = project(tmp_path, frame(geometry), extra='[[evidence]]\npath = "e.csv"\nid = "TBBH"\n')
    rows = ["TBBH,用地面积（亩）", "T2,15", "T1,15.00", "T3,1.5公顷", "T9,1"]
    (tmp_path / "e.csv").write_text("\n".join(rows), encoding="utf-8")
    result = check_project(path)
    (wrong,) = found(result, "area_differs")
    assert (wrong["parcel_id"], wrong["file"], wrong["row"]) == ("T3", "e.csv", 4)
    assert (wrong["field"], "50.0 %" in wrong["message"]) == ("用地面积（亩）", True)
    (unit,) = found(result, "area_unit_inferred")
    assert "亩" in unit["message"]
    assert not found(result, "evidence_column_unknown")


def test_a_unit_in_the_name_may_be_wrong(tmp_path):
    geometry = [box(200 * i, 0, 100, 100) for i in range(2)]
    frame_ = frame(geometry, **{"面积_亩": [10_000.0, 9_999.0]})
    (wrong,) = found(check_project(project(tmp_path, frame_)), "area_unit_contradicts")
    assert "says 亩" in wrong["message"]
    assert "in m²" in wrong["message"]


def test_zero_is_no_area_unless_all_are(tmp_path):
    geometry = [box(200 * i, 0, 100, 100) for i in range(2)]
    result = check_project(project(tmp_path, frame(geometry, MJ=[10_000.0, 0.0])))
    assert [r["parcel_id"] for r in found(result, "area_differs")] == ["T2"]
    assert "100.0 %" in found(result, "area_differs")[0]["message"]
    result = check_project(project(tmp_path, frame(geometry, MJ=[0.0, 0.0])))
    assert not found(result, "area_differs")


def test_a_hole_beside_the_edge_of_a_parcel(tmp_path):
    # the hole runs along the parcel's upper edge; the feature above it does not touch the parcel
    farm = [
        box(-50, -50, 200, 149.8),
        box(-50, 100.1, 200, 99),
        box(-50, 99.8, 9, 0.3),
        box(141, 99.8, 9, 0.3),
    ]
    path = project(tmp_path, frame([box(0, 0, 100, 100)]), permanent_basic_farmland=frame(farm))
    (hole,) = found(check_project(path), "layer_hole")
    assert "54.600 m²" in hole["message"]  # 182 m × 0.3 m
    assert shapely.from_wkb(hole["geometry"]).within(box(-41, 99.8, 182, 0.3))


def test_findings_about_features_have_a_place(tmp_path):
    land = frame([box(0, 0, 50, 100), box(50, 0, 50, 100), box(300, 0, 9, 9)], DLBM=["0102", "013", "9999"])
    result = check_project(project(tmp_path, frame([box(0, 0, 100, 100)]), land_use=land))
    (mixed,) = found(result, "land_use_codes_mixed")
    assert mixed["row"] == 2
    assert shapely.from_wkb(mixed["geometry"]).within(land.geometry[1])
    (unknown,) = found(result, "land_use_code_unknown")
    assert shapely.from_wkb(unknown["geometry"]).within(land.geometry[2])


@pytest.mark.parametrize(
    ("language", "words"), [("zh", "边界自相交 [5400"), ("en", "Self-intersection [5400")]
)
def test_what_is_wrong_is_said_in_the_language_asked_for(tmp_path, language, words):
    bow = shapely.Polygon([(E0, N0), (E0 + 40, N0 + 40), (E0 + 40, N0), (E0, N0 + 40)])
    path = project(tmp_path, frame([bow, box(200, 0, 9, 9)]))
    path.write_text(path.read_text(encoding="utf-8").replace('"en"', f'"{language}"'), encoding="utf-8")
    (broken,) = found(check_project(path), "parcel_geometry_changed")
    assert words in broken["message"]
    assert shapely.from_wkb(broken["geometry"]) == shapely.Point(E0 + 20, N0 + 20)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(tmp_path, columns):
    bow = shapely.Polygon([(E0, N0), (E0 + 40, N0 + 40), (E0 + 40, N0), (E0, N0 + 40)])
    path = project(tmp_path, frame([bow, box(0, 0, 30, 30), box(20, 0, 50, 50)], TBBH=["甲", "乙", None]))
    for language in ("zh", "en"):
        text = check_project(load_project(path)).cases_text(language, columns)
        assert max(map(display_width, text.splitlines())) <= columns


def test_slits_are_told_from_margins():
    ground = PolygonSet.from_geometries(
        np.array([box(0, 0, 100, 50), box(0, 50.4, 100, 50), box(200, 0, 100, 99.5)], dtype=object)
    )
    boxes = np.array(
        [
            box(20, 20, 40, 60),  # the 0.4 m between the first two run through
            box(20, 20, 40, 30.2),  # only its lower half, along the box
            box(220, 60, 40, 40),  # half a metre beyond the edge of the third
            box(20, 60, 40, 30),  # covered
            box(500, 0, 9, 0.5),  # all open
        ],
        dtype=object,
    )
    assert slit(ground, boxes, 1.0, 1.0).tolist() == [True, False, False, False, False]


def test_findings_that_were_not_written_are_not_said_to_be(tmp_path):
    result = check_project(project(tmp_path, frame([box(0, 0, 100, 100), box(90, 0, 100, 100)])))
    assert "in layer issues" in result.cases_text("en")
    assert "with -o" in result.cases_text("en", kept=False)
    assert "issues" not in result.cases_text("zh", kept=False)
