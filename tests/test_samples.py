"""The sample district: what its files say, measured from the files with shapely and pyproj alone."""

from __future__ import annotations

import csv
import json
import re
import tomllib
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import geopandas as gpd
import openpyxl
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner

from landremed.errors import OutputError
from landremed.samples import write_samples

REPO = Path(__file__).resolve().parents[1]
SAMPLES = REPO / "data" / "samples"
GOLDEN = REPO / "tests" / "golden"
WORKING = "EPSG:4548"
CLEAR_M = 20.0
URBAN = {"城镇集中建设区", "城镇弹性发展区", "特别用途区"}


def rows(name):
    with (GOLDEN / name).open(encoding="utf-8", newline="") as handle:
        return {row["parcel_id"]: row for row in csv.DictReader(handle)}


EXPECTED = rows("samples_expected.csv")
PLACES = rows("samples_places.csv")


def layer(path, **options):
    return gpd.read_file(SAMPLES / path, **options).to_crs(WORKING)


@pytest.fixture(scope="module")
def district():
    urban = layer("constraints.gpkg", layer="czkfbj")
    admin = layer("base.gpkg", layer="xzq")
    return {
        "farmland": layer("yjjbnt.shp", encoding="GBK").union_all(),
        "red_line": layer("constraints.gpkg", layer="stbhhx").union_all(),
        "boundary": urban[urban["GHFQMC"].isin(URBAN)].union_all(),
        "barrier": layer("constraints.gpkg", layer="lsstpz").union_all(),
        "covered": layer("yjjbnt_coverage.gpkg").union_all(),
        "admin": admin,
    }


@pytest.fixture(scope="module")
def parcels():
    return gpd.read_file(SAMPLES / "parcels.gpkg", layer="parcels")


@pytest.fixture(scope="module")
def shapes(parcels):
    return {
        i: shapely.make_valid(g)
        for i, g in zip(parcels["TBBH"], parcels.geometry, strict=True)
        if g is not None
    }


def lies(parcel, mask, state):
    """Return whether a parcel lies to a layer as the table of places says."""
    overlap, distance = parcel.intersection(mask).area, parcel.distance(mask)
    edge = parcel.distance(shapely.boundary(mask))
    inside = overlap > parcel.area - 1e-3 and edge > CLEAR_M
    return {
        "clear": distance > CLEAR_M,
        "inside": inside,
        "either": distance > CLEAR_M or inside,
        "overlaps": overlap > 0.35 * parcel.area and overlap > 900,
        "straddles": 0.3 * parcel.area < overlap < 0.7 * parcel.area,
        "half": 0.3 * parcel.area < overlap < 0.7 * parcel.area,
        "sliver": 0.37 < overlap < 0.43,
    }[state]


def test_every_named_parcel_is_in_the_file_once_and_600_in_all(parcels):
    assert len(parcels) == 600
    assert parcels["TBBH"].is_unique
    assert set(EXPECTED) == set(PLACES) <= set(parcels["TBBH"])


@pytest.mark.parametrize("key", ["farmland", "red_line", "boundary", "barrier"])
def test_named_parcels_lie_where_the_table_says(key, district, shapes):
    wrong = [
        (parcel_id, place[key])
        for parcel_id, place in PLACES.items()
        if place["damage"] not in {"null", "empty"} and not lies(shapes[parcel_id], district[key], place[key])
    ]
    assert wrong == []


def test_only_the_parcels_that_say_so_reach_out_of_the_farmland_coverage(district, shapes):
    for parcel_id, place in PLACES.items():
        if place["damage"] in {"null", "empty"}:
            continue
        parcel = shapes[parcel_id]
        outside = parcel.difference(district["covered"]).area / parcel.area
        low, high = {"clear": (0, 0), "inside": (1, 1), "straddles": (0.3, 0.7)}[place["uncovered"]]
        assert low - 1e-9 <= outside <= high + 1e-9, parcel_id


def test_named_parcels_lie_in_the_units_named(district, shapes):
    admin = district["admin"]
    units = dict(zip(admin["XZQMC"], admin.geometry, strict=True))
    zones = admin[admin["LX"] == "zone"].union_all()
    for parcel_id, place in PLACES.items():
        names, parcel = place["units"].split("/") if place["units"] else [], shapes.get(parcel_id)
        if names == ["ZONELESS"]:
            assert parcel.distance(zones) > CLEAR_M, parcel_id
        elif len(names) == 1:
            assert units[names[0]].contains(parcel), parcel_id
        elif names:
            first, second = (units[n].intersection(parcel).area / parcel.area for n in names)
            assert first > 0.55, parcel_id
            assert second > 0.2, parcel_id


def test_farmland_and_red_line_cases_on_the_boundary(district, shapes):
    outside = shapes["BH-RES-011"].difference(district["boundary"])
    assert outside.intersection(district["farmland"]).area > 900
    on_line_inside = shapes["BH-RES-010"].intersection(district["red_line"])
    assert on_line_inside.difference(district["boundary"]).area == 0
    assert shapes["BH-OCC-036"].area == pytest.approx(1.5, abs=0.02)


def test_the_village_is_in_the_layer_but_not_in_the_filter(shapes):
    urban = layer("constraints.gpkg", layer="czkfbj")
    village = urban[~urban["GHFQMC"].isin(URBAN)].union_all()
    assert village.contains(shapes["BH-PARK-018"])


def test_damaged_geometries_are_damaged_as_said(parcels):
    by_id = parcels.set_index("TBBH").geometry
    assert by_id["BH-GEOM-001"] is None
    assert by_id["BH-GEOM-002"].is_empty
    assert not by_id["BH-GEOM-003"].is_valid
    ring = shapely.get_coordinates(by_id["BH-GEOM-004"])
    assert (ring[1:] == ring[:-1]).all(axis=1).any()
    assert not by_id["BH-GEOM-005"].is_valid
    assert len(by_id["BH-GEOM-006"].interiors) == 1
    assert by_id["BH-OCC-032"].equals_exact(by_id["BH-OCC-033"], 0)
    named = {p for p, place in PLACES.items() if place["damage"] in {"bowtie", "spike"}}
    broken = {i for i, g in by_id.items() if g is not None and not g.is_valid}
    assert broken == named


def test_rings_have_few_to_many_points_and_some_parcels_touch(parcels):
    good = parcels[[g is not None and not g.is_empty for g in parcels.geometry]]
    counts = [len(shapely.get_coordinates(g)) - 1 for g in good.geometry]
    assert min(counts) >= 3
    assert sum(n >= 12 for n in counts) > 150
    assert max(counts) <= 80  # the one with every vertex twice
    tree = shapely.STRtree(good.geometry.values)
    pairs = tree.query(good.geometry.values, predicate="touches")
    assert (pairs[0] < pairs[1]).sum() >= 20


def test_layers_hold_what_the_readme_says(district):
    farmland = gpd.read_file(SAMPLES / "yjjbnt.shp", encoding="GBK")
    assert 1000 <= len(farmland) <= 1300
    assert farmland.crs.to_epsg() == 4527
    assert farmland["ZLDWMC"].str.contains("镇|街道").all()
    assert farmland.area.sum() > farmland.union_all().area + 1000  # delivered twice in places
    assert not (SAMPLES / "yjjbnt.cpg").exists()
    assert (SAMPLES / "yjjbnt.dbf").read_bytes()[29] == 0  # no language byte
    red = gpd.read_file(SAMPLES / "constraints.gpkg", layer="stbhhx")
    assert red.crs.to_epsg() == 4490
    assert set(red["ZRBHDFQ"]) == {"核心保护区", "一般控制区"}
    assert sum(len(p.interiors) for p in shapely.get_parts(district["red_line"])) >= 3
    zones = district["admin"][district["admin"]["LX"] == "zone"]
    towns = district["admin"][district["admin"]["LX"] == "town"]
    assert zones.union_all().intersection(towns.union_all()).area > 1e7
    pairs = [a.intersection(b).area for a in zones.geometry for b in zones.geometry if a is not b]
    assert max(pairs) > 1e5


def test_land_use_covers_every_parcel_without_overlap(shapes):
    land_use = layer("base.gpkg", layer="dltb")
    whole = land_use.union_all()
    assert land_use.area.sum() == pytest.approx(whole.area, rel=1e-6)
    assert {"0101", "0102", "0103", "1104", "1105", "1202"} <= set(land_use["DLBM"])
    bare = [i for i, g in shapes.items() if not g.is_empty and g.difference(whole).area > 0.5]
    assert bare == []


def test_binhai_frame(shapes):
    for parcel in shapes.values():
        if not parcel.is_empty:
            x0, y0, x1, y1 = parcel.bounds
            assert 530000 < x0 < x1 < 590000
            assert 4268500 < y0 < y1 < 4352400


def test_evidence_is_written_as_offices_write_it(parcels):
    planning = pd.read_csv(SAMPLES / "evidence_planning.csv", dtype=str, encoding="utf-8-sig")
    assert (SAMPLES / "evidence_planning.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    twice = [i for i, n in Counter(planning["图斑编号"]).items() if n > 1]
    assert twice == ["BH-PARK-019"]
    assert set(planning.loc[planning["图斑编号"] == "BH-PARK-019", "符合规划"]) == {"是", "否"}
    assert set(planning["图斑编号"]) - set(parcels["TBBH"]) == {"BH-OCC-999"}
    sheet = openpyxl.load_workbook(SAMPLES / "evidence_survey.xlsx").active
    header, *body = sheet.iter_rows(values_only=True)
    deadlines = {row[0]: row[header.index("feedback_deadline")] for row in body}
    assert deadlines["BH-OCC-024"].date().isoformat() == "2022-06-30"


def test_dates_are_spelled_in_many_ways(parcels):
    dates = parcels["FSRQ"].dropna()
    for pattern in (
        r"\d{4}-\d\d-\d\d$",
        r"\d{4}/\d+/\d+$",
        r"\d{4}\.\d+\.\d+$",
        r"\d{4}年\d+月\d+日$",
        r"\d{4}年?$",
    ):
        assert dates.str.match(pattern).sum() >= 5


def test_every_outcome_reason_rule_and_schedule_is_shown():
    outcomes = {row["outcome"] for row in EXPECTED.values()}
    assert outcomes == {"retain", "complete_paperwork", "demolish_restore", "needs_review", "out_of_scope"}
    assert {row["reason"] for row in EXPECTED.values()} == {"", "missing_facts", "no_clause", "no_geometry"}
    assert rows("samples_expected_split.csv")["BH-PARK-009"]["reason"] == "parts_differ"
    alone = {row["rule"] for row in EXPECTED.values() if "," not in row["rule"]} - {""}
    per_class = {
        "lake.park": 7,
        "lake.dig": 4,
        "occ": 11,
        "pre": 3,
        "res": 8,
        "idle": 6,
        "aband": 5,
        "unsup": 3,
    }
    assert Counter(rule.rpartition(".")[0] for rule in alone) == per_class
    schedules = {row["schedule"] for row in EXPECTED.values() if "," not in row["schedule"]} - {""}
    assert len(schedules) == 20


def test_the_project_file_names_files_that_are_there():
    assert [p.name for p in SAMPLES.rglob("project.toml")] == ["project.toml"]
    project = tomllib.loads((SAMPLES / "project.toml").read_text(encoding="utf-8"))
    tables = [project["parcels"], *project["layers"].values(), *project["evidence"]]
    for table in tables:
        assert (SAMPLES / table["path"]).is_file()
    assert project["project"]["as_of"].isoformat() == "2022-03-31"


def test_readme_names_only_parcels_that_exist(parcels):
    text = (SAMPLES / "README.md").read_text(encoding="utf-8")
    named = set(parcel_ids(text))
    assert named
    assert named <= set(parcels["TBBH"]) | {"BH-OCC-999"}
    assert sum(p.stat().st_size for p in SAMPLES.iterdir() if p.is_file()) < 5_000_000


def parcel_ids(text):
    return re.findall(r"BH-[A-Z]+-\d{3}", text)


def test_write_samples_copies_all_but_the_package_marker(tmp_path):
    written = write_samples(tmp_path / "here")
    assert {p.name for p in written} == {
        p.name for p in SAMPLES.iterdir() if p.is_file() and p.suffix != ".py"
    }
    assert {p.name for p in (tmp_path / "here").iterdir()} == {p.name for p in written}
    for path in written:
        assert path.read_bytes() == (SAMPLES / path.name).read_bytes()


def test_write_samples_refuses_existing_files_and_writes_nothing(tmp_path):
    (tmp_path / "yjjbnt.shp").write_text("mine")
    with pytest.raises(OutputError) as caught:
        write_samples(tmp_path)
    assert caught.value.code == "sample_exists"
    assert "yjjbnt.shp" in caught.value.text("zh")
    assert [p.name for p in tmp_path.iterdir()] == ["yjjbnt.shp"]
    (tmp_path / "notes.txt").write_text("kept")
    write_samples(tmp_path, overwrite=True)
    assert (tmp_path / "yjjbnt.shp").stat().st_size > 1000
    assert (tmp_path / "notes.txt").read_text() == "kept"


def test_write_samples_into_a_file_is_refused(tmp_path):
    (tmp_path / "taken").write_text("x")
    with pytest.raises(OutputError) as caught:
        write_samples(tmp_path / "taken")
    assert caught.value.code == "sample_folder_is_file"


@pytest.mark.parametrize(("language", "word"), [("zh", "下一步"), ("en", "Next")])
def test_command_prints_what_to_type_next(tmp_path, language, word):
    from landremed_cli.sample import command

    obj = SimpleNamespace(language=language, json=False, quiet=False, verbose=False)
    result = CliRunner().invoke(command, [str(tmp_path / "my district")], obj=obj)
    assert result.exit_code == 0
    assert word in result.output
    assert f"landremed run '{tmp_path / 'my district' / 'project.toml'}'" in result.output


def test_command_in_json(tmp_path):
    from landremed_cli.sample import command

    obj = SimpleNamespace(language="zh", json=True, quiet=False, verbose=False)
    result = CliRunner().invoke(command, [str(tmp_path)], obj=obj)
    said = json.loads(result.output)
    assert said["project"] == str(tmp_path / "project.toml")
    assert len(said["files"]) == len(list(tmp_path.iterdir()))
