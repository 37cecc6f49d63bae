"""Packages filled in and merged back: nothing lost, any order, twice is once, and safe when killed."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
import review_district as district
import shapely
from review_district import fill, said, state, table

import landremed
from landremed.errors import InputError, OutputError
from landremed.io.gpkg_read import layer_names
from landremed.review import merge_reviews, pack_reviews


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("district")
    district.make_result(folder)
    return folder


def run_with(folder, evidence, output):
    """Run the district with facts as evidence, the other way to the same decisions."""
    facts = sorted({fact for _, fact in evidence})
    lines = [",".join(["pid", *facts])]
    for pid in sorted({pid for pid, _ in evidence}):
        lines.append(",".join([pid, *(evidence.get((pid, fact), "") for fact in facts)]))
    (folder / "evidence.csv").write_text("\n".join(lines), encoding="utf-8")
    text = (folder / "project.toml").read_text(encoding="utf-8")
    project = folder / "evidence.toml"
    project.write_text(text + '[[evidence]]\npath = "evidence.csv"\nid = "pid"\n', encoding="utf-8")
    landremed.run(project, output, engine="shapely")
    return output


FIRMNESS = ("trace_id", "robust", "margin_m")


def without(rows, *names):
    return [{k: v for k, v in row.items() if k not in names} for row in rows]


@pytest.fixture
def result(home, tmp_path):
    return Path(shutil.copy(home / "result.gpkg", tmp_path / "result.gpkg"))


@pytest.fixture
def package(result, tmp_path):
    pack_reviews(result, tmp_path / "field")
    return tmp_path / "field"


def outcomes(path):
    return {row["parcel_id"]: row["outcome"] for row in table(path, "decisions")}


# --- packing


def test_a_package_asks_only_for_what_is_missing(result, package):
    asked = {
        row["parcel_id"]: row["missing_facts"] for row in table(result, "decisions") if row["missing_facts"]
    }
    packed = table(package / "data.gpkg", "parcels")
    assert {row["parcel_id"]: row["missing_facts"] for row in packed} == asked
    every = {name for names in asked.values() for name in names.split(",")}
    with closing(sqlite3.connect(package / "data.gpkg")) as db:
        columns = {row[1] for row in db.execute("PRAGMA table_info(visits)")}
    assert {name.removeprefix("q_") for name in columns if name.startswith("q_")} == every
    assert sorted(p.name for p in package.iterdir()) == ["DCIM", "data.gpkg", "project.qgz"]


def test_parcels_are_ranked_by_visit_value(package):
    rows = table(package / "data.gpkg", "parcels")
    assert [row["visit_rank"] for row in rows] == list(range(1, len(rows) + 1))
    values = [row["visit_value"] for row in rows]
    assert values == sorted(values, reverse=True)
    assert 0 <= values[-1] <= values[0] <= 1
    supply = next(row for row in rows if row["missing_facts"] == "supply_status")
    assert supply["visit_value"] == 1  # every answer settles it


def test_constraint_layers_are_cut_and_bare(home, result, tmp_path):
    made = pack_reviews(
        result, tmp_path / "f", project=home / "project.toml", clip_m=30, where="parcel_id = 'P-000'"
    )
    assert made.parcels == ["P-000"]
    rows = table(tmp_path / "f" / "data.gpkg", "constraints")
    assert [set(row) for row in rows] == [{"fid", "geom", "layer"}]
    assert b"inside information" not in (tmp_path / "f" / "data.gpkg").read_bytes()
    import pyogrio

    found = pyogrio.read_dataframe(tmp_path / "f" / "data.gpkg", layer="constraints")
    west, south, east, north = found.total_bounds
    assert (west, east) == pytest.approx((district.EAST - 30, district.EAST + 40))
    assert south >= district.NORTH - 30 - 1e-6
    assert north <= district.NORTH + 110 + 1e-6


def test_a_package_with_visits_is_not_replaced(result, package):
    fill(package, [said("P-000", "王工")])
    with pytest.raises(OutputError) as caught:
        pack_reviews(result, package, overwrite=True)
    assert caught.value.code == "pack_holds_visits"


def accept(result, parcel="P-001", name="", person="赵科"):
    with closing(sqlite3.connect(result)) as db, db:
        db.execute(
            "INSERT INTO reviews (parcel_id, kind, value, person) VALUES (?, 'accept_boundary', ?, ?)",
            (parcel, name, person),
        )


def survey_file(path, parcel, east, north, width, height, head="带号=39"):
    """Write a rectangle as survey teams do: north first, first point again, zone prefix."""
    corners = [(0, 0), (0, height), (width, height), (width, 0)]
    points = [(north + y, 39_000_000 + east + x) for x, y in corners]
    lines = ["[属性描述]", "数据产生单位=测绘一队", "数据产生日期=2022-04-02", "坐标系=2000国家大地坐标系"]
    lines += ["几度分带=3", head, "[地块坐标]", f"5,0.2,{parcel},东界,面,,,,@"]
    lines += [f"J{n},1,{y:.3f},{x:.3f}" for n, (y, x) in enumerate([*points, points[0]], 1)]
    path.write_bytes("\r\n".join(lines).encode("gb18030"))
    return path


def test_a_boundary_text_is_merged_and_measured(home, tmp_path):
    for name in ("parcels.gpkg", "red.gpkg", "project.toml", "result.gpkg"):
        shutil.copy(home / name, tmp_path / name)
    result = tmp_path / "result.gpkg"
    text = survey_file(tmp_path / "P-001.txt", "P-001", district.EAST, district.NORTH, 50, 40)
    survey_file(tmp_path / "other.txt", "P-999", district.EAST, district.NORTH, 50, 40)
    merged = landremed.merge_reviews(result, [text, tmp_path / "other.txt", text])
    assert merged.added == 2
    assert [(p.parcel_id, p.code) for p in merged.problems] == [("P-999", "boundary_unknown_parcel")]
    assert merged.changes == []  # nobody has accepted it yet
    accept(result)
    merged = landremed.merge_reviews(result)
    assert [p.code for p in merged.problems] == ["boundary_unknown_parcel"]
    row = next(row for row in table(result, "decisions") if row["parcel_id"] == "P-001")
    assert row["area_m2"] == pytest.approx(2000, abs=1)
    assert row["ecological_red_line_area_m2"] == pytest.approx(1600, abs=1)
    assert [c["parcel_id"] for c in merged.changes] == ["P-001"]
    once = state(result)
    assert landremed.merge_reviews(result, [text]).added == 0
    assert state(result) == once
    # the same as a run with the boundary in the parcels' file
    import pyogrio

    frame = pyogrio.read_dataframe(home / "parcels.gpkg")
    box = shapely.box(district.EAST, district.NORTH, district.EAST + 50, district.NORTH + 40)
    frame.loc[frame["pid"] == "P-001", "geometry"] = box
    frame.to_file(tmp_path / "parcels.gpkg", layer="parcels")
    landremed.run(tmp_path / "project.toml", tmp_path / "direct.gpkg", engine="shapely")
    for name in ("decisions", "summary", "overlaps"):
        ours, direct = (rounded(table(path, name)) for path in (result, tmp_path / "direct.gpkg"))
        assert ours == direct


def rounded(rows):
    """Leave out shapes, which went through another zone, and what is below a millionth."""
    return [
        {k: round(v, 6) if isinstance(v, float) else v for k, v in row.items() if k not in ("geom", "flags")}
        for row in rows
    ]


def test_accepted_boundaries_wait_for_unchanged_inputs(home, result, tmp_path):
    text = survey_file(tmp_path / "P-001.txt", "P-001", district.EAST, district.NORTH, 50, 40)
    landremed.merge_reviews(result, [text])
    accept(result)
    before = state(result)["decisions"]
    merged = landremed.merge_reviews(result)  # the inputs do not lie beside this copy
    assert [p.code for p in merged.new_problems] == ["boundary_waits", "boundary_inputs_missing"]
    assert merged.status == 3
    with pytest.raises(InputError):
        landremed.merge_reviews(result, project=tmp_path / "project.toml")
    other = tmp_path / "other"
    other.mkdir()
    district.write_project(other)
    (other / "red.gpkg").unlink()
    shutil.copy(home / "barrier.gpkg", other / "red.gpkg")
    merged = landremed.merge_reviews(result, project=other)
    assert [(p.code, p.value) for p in merged.new_problems] == [
        ("boundary_inputs_changed", "input.ecological_red_line")
    ]
    assert state(result)["decisions"] == before
    merged = landremed.merge_reviews(result, project=home / "project.toml")
    assert (merged.status, [c["parcel_id"] for c in merged.changes]) == (0, ["P-001"])


def test_boundaries_that_cannot_be_measured_are_told(result, tmp_path):
    path = tmp_path / "bow.txt"
    survey_file(path, "P-001", district.EAST, district.NORTH, 50, 40)
    lines = path.read_text(encoding="gb18030").splitlines()
    lines[-4], lines[-3] = lines[-3], lines[-4]
    path.write_text("\n".join(lines), encoding="gb18030")
    landremed.merge_reviews(result, [path])
    accept(result)
    assert [p.code for p in landremed.merge_reviews(result).problems] == ["boundary_invalid"]
    survey_file(path, "P-001", district.EAST, district.NORTH, 50, 40, head="带号=")
    path.write_text(path.read_text(encoding="gb18030").replace("39560", "560"), encoding="gb18030")
    with pytest.raises(InputError) as caught:
        landremed.merge_reviews(result, [path])
    assert caught.value.code == "boundary_txt_no_crs"


def cell(sheet, row, title):
    titles = [c.value for c in sheet[1]]
    return sheet.cell(row, titles.index(title) + 1)


def test_a_workbook_that_was_filled_in_comes_back(home, result, tmp_path):
    import datetime

    import openpyxl

    path = tmp_path / "f.xlsx"
    pack_reviews(result, path, kind="xlsx")
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    ids = [cell(sheet, row, "图斑编号").value for row in range(2, sheet.max_row + 1)]
    at = {pid: row for row, pid in enumerate(ids, 2)}
    facts = {"P-001": ("供应状态", "不能利用的边角地"), "P-006": ("供应状态", "不能利用的边角地")}
    for pid, (title, answer) in facts.items():
        cell(sheet, at[pid], "核查人").value = "王工"
        cell(sheet, at[pid], "核查时间").value = datetime.datetime(2022, 4, 1, 9, 0)
        cell(sheet, at[pid], "核查结论").value = "属实"
        cell(sheet, at[pid], title).value = answer
    cell(sheet, at["P-001"], "照片1").value = "DCIM/a.jpg"
    cell(sheet, at["P-001"], "经度").value = "117.5"
    cell(sheet, at["P-006"], "经度").value = "东边"
    cell(sheet, at["P-011"], "图斑编号").value = "NEU"
    cell(sheet, at["P-011"], "核查人").value = "王工"
    cell(sheet, at["P-016"], "责任单位").value = "别处"
    sheet.cell(1, sheet.max_column + 1).value = "备注2"
    sheet.cell(at["P-001"], sheet.max_column).value = "有堆土"
    last = sheet.max_row + 1
    cell(sheet, last, "图斑编号").value = "P-000"  # a visit added below
    cell(sheet, last, "核查结论").value = "有异议"
    cell(sheet, last + 1, "图斑编号").value = "NOWHERE"
    cell(sheet, last + 1, "核查人").value = "王工"
    sheet.delete_rows(at["P-021"])
    book.save(path)
    (tmp_path / "DCIM").mkdir()
    (tmp_path / "DCIM" / "a.jpg").write_bytes(b"picture")
    merged = merge_reviews(result, [path])
    assert {(p.parcel_id, p.code) for p in merged.problems} == {
        ("P-006", "position_unreadable"),
        ("P-011", "parcel_id_changed"),
        ("P-011", "review_of_renamed"),
        ("P-016", "machine_column_edited"),
        ("P-021", "parcel_deleted"),
        ("NOWHERE", "review_unknown_parcel"),
    }
    said_ = [r for r in table(result, "reviews") if r["parcel_id"] == "P-001"]
    assert {r["kind"]: r["value"] for r in said_ if r["kind"] != "note"} == {
        "verdict": "confirmed",
        "fact": "不能利用的边角地",
    }
    assert {r["remark"] for r in said_} == {None, "备注2: 有堆土"}
    assert {r["made_at"] for r in said_} == {"2022-04-01T09:00:00"}
    assert said_[0]["lon"] == 117.5
    assert all(len(r["photo_hash"]) == 16 for r in said_ if r["photo"])
    assert outcomes(result)["P-001"] == outcomes(result)["P-006"] != "needs_review"
    once = state(result)
    assert merge_reviews(result, [path, path]).added == 0
    assert state(result) == once


def test_workbooks_and_placemarks_that_bring_nothing(result, tmp_path):
    import openpyxl

    pack_reviews(result, tmp_path / "f.kml", kind="kml")
    pack_reviews(result, tmp_path / "f.xlsx", kind="xlsx")
    assert merge_reviews(result, [tmp_path / "f.xlsx"]).added == 0  # not filled in
    book = openpyxl.load_workbook(tmp_path / "f.xlsx")
    book.worksheets[0]["A1"] = "编号？"
    book.save(tmp_path / "renamed.xlsx")
    openpyxl.Workbook().save(tmp_path / "empty.xlsx")
    (tmp_path / "text.xlsx").write_text("no workbook")
    codes = {}
    for name in ("f.kml", "renamed.xlsx", "empty.xlsx", "text.xlsx", "missing.xlsx"):
        with pytest.raises(InputError) as caught:
            merge_reviews(result, [tmp_path / name])
        codes[name] = caught.value.code
    assert codes["f.kml"] == "kml_not_merged"
    assert codes["renamed.xlsx"] == "workbook_column_gone"
    assert codes["empty.xlsx"] == "not_a_package"


def test_zip_gpkg_workbook_and_placemarks(result, tmp_path):
    pack_reviews(result, tmp_path / "f.zip")
    assert set(zipfile.ZipFile(tmp_path / "f.zip").namelist()) == {"DCIM/", "data.gpkg", "project.qgz"}
    pack_reviews(result, tmp_path / "f.gpkg")
    assert "visits" in layer_names(tmp_path / "f.gpkg")
    pack_reviews(result, tmp_path / "f.kml", kind="kml")
    assert (tmp_path / "f.kml").read_text(encoding="utf-8").count("<Placemark>") == len(
        table(tmp_path / "f.gpkg", "parcels")
    )
    pack_reviews(result, tmp_path / "f.xlsx", kind="xlsx")
    import openpyxl

    sheet = openpyxl.load_workbook(tmp_path / "f.xlsx").active
    assert sheet.max_row == 1 + len(table(tmp_path / "f.gpkg", "parcels"))


def test_assigning_to_an_unknown_unit_names_the_units(result, tmp_path):
    with pytest.raises(InputError) as caught:
        pack_reviews(result, tmp_path / "f", assign="月球管委会")
    assert caught.value.code == "pack_no_such_unit"


# --- merging


def test_facts_learned_decide_again(result, package):
    fill(
        package,
        [said("P-001", "王工", q_supply_status="corner_land"), said("P-000", "王工", q_cultivable="true")],
    )
    merged = merge_reviews(result, [package])
    assert merged.added == 4
    rows = {row["parcel_id"]: row for row in table(result, "decisions")}
    assert (rows["P-001"]["outcome"], rows["P-001"]["measure"], rows["P-001"]["clause"]) == (
        "complete_paperwork",
        "allocate_to_department",
        "3.7.1(3)",
    )
    assert rows["P-001"]["missing_facts"] is None
    assert {row["parcel_id"] for row in table(result, "review_changes")} >= {"P-001"}
    taught = [row for row in table(result, "facts") if row["source"] == "review"]
    assert {(row["parcel_id"], row["fact"], row["value"]) for row in taught} == {
        ("P-001", "supply_status", "corner_land"),
        ("P-000", "cultivable", "true"),
    }
    steps = [row for row in table(result, "trace") if row["trace_id"] == rows["P-001"]["trace_id"]]
    assert [row["rule"] for row in steps if row["decides"]] == ["unsup.corner"]


def test_deciding_again_equals_a_run_with_the_facts(home, result, package, tmp_path):
    """The other way round: the same facts as evidence give the same rows."""
    evidence = {
        ("P-001", "supply_status"): "corner_land",
        ("P-006", "supply_status"): "used_not_supplied",
        ("P-002", "conversion_possible"): "false",
        ("P-002", "owners_willing_to_return"): "true",
        ("P-003", "ecological_construction"): "true",
        ("P-004", "plan_conforms"): "false",
        ("P-004", "plan_includable"): "false",
        ("P-009", "abandoned"): "true",
        ("P-005", "abandonment_cause"): "objective_impossible",
    }
    fill(package, [said(pid, "王工", **{f"q_{fact}": value}) for (pid, fact), value in evidence.items()])
    merged = merge_reviews(result, [package])
    assert merged.problems == []
    other = run_with(home, evidence, tmp_path / "other.gpkg")
    assert without(table(result, "decisions"), *FIRMNESS) == without(table(other, "decisions"), *FIRMNESS)
    learned = {pid for pid, _ in evidence}
    assert all((row["robust"] is None) == (row["parcel_id"] in learned) for row in table(result, "decisions"))
    assert {row["parcel_id"] for row in merged.changes} == {pid for pid, _ in evidence}
    for mine, theirs in zip(table(result, "summary"), table(other, "summary"), strict=True):
        names = ("category", "outcome", "count")
        assert [mine[k] for k in names] == [theirs[k] for k in names]
        assert mine["area_m2"] == pytest.approx(theirs["area_m2"], abs=0.05)


def test_parcels_that_were_cut_are_decided_by_part(tmp_path):
    result = district.make_result(tmp_path, straddle="split")
    before = {row["parcel_id"]: row["outcome"] for row in table(result, "parts")}
    assert "P-003#1" in before
    pack_reviews(result, tmp_path / "field")
    evidence = {("P-003", "ecological_construction"): "false", ("P-013", "ecological_construction"): "true"}
    fill(
        tmp_path / "field",
        [said(pid, "王工", q_ecological_construction=v) for (pid, _), v in evidence.items()],
    )
    merge_reviews(result, [tmp_path / "field"])
    other = run_with(tmp_path, evidence, tmp_path / "other.gpkg")
    for name in ("decisions", "parts"):
        assert without(table(result, name), *FIRMNESS) == without(table(other, name), *FIRMNESS)
    parts = {row["parcel_id"]: row["outcome"] for row in table(result, "parts")}
    assert {parts["P-003#1"], parts["P-003#2"]} == {"complete_paperwork", "demolish_restore"}
    whole = next(row for row in table(result, "decisions") if row["parcel_id"] == "P-003")
    assert whole["reason"] == "parts_differ"


def test_twice_is_once(result, package):
    fill(package, [said("P-001", "王工", q_supply_status="corner_land")])
    merge_reviews(result, [package])
    once = state(result)
    assert merge_reviews(result, [package, package]).added == 0
    assert state(result) == once


def test_without_reviews_nothing_changes(result, package):
    before = state(result)
    assert merge_reviews(result, [package]).status == 0
    assert state(result) == before


def test_dry_run_writes_nothing(result, package):
    fill(package, [said("P-001", "王工", q_supply_status="corner_land")])
    before = result.read_bytes()
    assert merge_reviews(result, [package], dry_run=True).added == 2
    assert result.read_bytes() == before


def test_a_clash_is_kept_shown_and_settled_in_the_result(result, package):
    fill(
        package,
        [
            said("P-001", "王工", q_supply_status="corner_land"),
            said("P-001", "李工", q_supply_status="used_not_supplied"),
        ],
    )
    before = outcomes(result)
    merged = merge_reviews(result, [package])
    assert merged.status == 3
    assert outcomes(result) == before
    assert len(table(result, "reviews")) == 4
    with closing(sqlite3.connect(result)) as db, db:
        db.execute(
            "INSERT INTO reviews (parcel_id, kind, fact, value, person, role, made_at) VALUES"
            " ('P-001', 'settle', 'supply_status', 'used_not_supplied', '赵科', 'reviewer', '2022-05-01')"
        )
    merged = merge_reviews(result)
    assert [row["settled_value"] for row in merged.clashes] == ["used_not_supplied"]
    assert (
        next(row["measure"] for row in table(result, "decisions") if row["parcel_id"] == "P-001")
        == "complete_supply_procedures"
    )


def test_reviews_cannot_be_edited_or_deleted(result, package):
    fill(package, [said("P-001", "王工")])
    merge_reviews(result, [package])
    for command in ("DELETE FROM reviews", "UPDATE reviews SET person = 'x'"):
        with (
            closing(sqlite3.connect(result)) as db,
            pytest.raises(sqlite3.IntegrityError, match="only ever added"),
        ):
            db.execute(command)


def test_overruling_keeps_the_machine_row(result):
    before = outcomes(result)
    with closing(sqlite3.connect(result)) as db, db:
        db.executemany(
            "INSERT INTO reviews (parcel_id, kind, value, remark, person)"
            " VALUES (?, 'overrule', ?, ?, '赵科')",
            [("P-000", "retain", "现场核实已恢复"), ("P-005", "retain", "  ")],
        )
    merged = merge_reviews(result)
    assert outcomes(result) == before
    assert [(r["parcel_id"], r["outcome"], r["reason"]) for r in table(result, "review_overrules")] == [
        ("P-000", "retain", "现场核实已恢复")
    ]
    assert [(p.parcel_id, p.code) for p in merged.problems] == [("P-005", "overrule_without_reason")]


def test_what_people_did_to_the_machines_layer_is_listed(result, package):
    data = package / "data.gpkg"
    import pyogrio

    frame = pyogrio.read_dataframe(data, layer="parcels", fid_as_index=True)
    names = frame["parcel_id"].tolist()
    edited, renamed, moved, split, gone = names[:5]
    frame.loc[frame["parcel_id"] == edited, "outcome"] = "retain"
    at = frame.index[frame["parcel_id"] == moved][0]
    frame.loc[at, "geometry"] = shapely.transform(frame.loc[at, "geometry"], lambda xy: xy + 5)
    frame.loc[frame["parcel_id"] == renamed, "parcel_id"] = "NEU-1"
    twin = frame[frame["parcel_id"] == split]
    import pandas as pd

    frame = pd.concat([frame[frame["parcel_id"] != gone], twin])
    pyogrio.write_dataframe(frame, data, layer="parcels", driver="GPKG", geometry_type="MultiPolygon")
    fill(package, [said("NEU-1", "王工"), said("NOWHERE", "王工", photo_1="DCIM/no.jpg")])
    merged = merge_reviews(result, [package])
    found = {(p.parcel_id, p.code) for p in merged.problems}
    assert found == {
        (edited, "machine_column_edited"),
        (renamed, "parcel_id_changed"),
        (renamed, "review_of_renamed"),
        (moved, "shape_moved"),
        (split, "shape_split"),
        (gone, "parcel_deleted"),
        ("NOWHERE", "review_unknown_parcel"),
        ("NOWHERE", "photo_missing"),
    }
    assert {row["parcel_id"] for row in table(result, "reviews")} == {renamed, "NOWHERE"}
    assert outcomes(result)[edited] != "retain"


def test_a_photo_that_comes_later_is_found(result, package):
    fill(package, [said("P-001", "王工", photo_1="DCIM/a.jpg")])
    assert [p.code for p in merge_reviews(result, [package]).problems] == ["photo_missing"]
    (package / "DCIM" / "a.jpg").write_bytes(b"picture")
    assert merge_reviews(result, [package]).problems == []
    row = table(result, "reviews")[0]
    assert (row["photo"], len(row["photo_hash"])) == ("DCIM/a.jpg", 16)


def test_resurveyed_boundaries_are_measured_once_accepted(home, result, package):
    import geopandas as gpd
    import pyogrio

    drawn = gpd.GeoDataFrame(
        {"parcel_id": ["P-001"], "surveyor": ["王工"], "visited_at": ["2022-04-01"], "remark": ["东界偏移"]},
        geometry=[shapely.box(district.EAST, district.NORTH, district.EAST + 50, district.NORTH + 40)],
        crs="EPSG:4548",
    )
    pyogrio.write_dataframe(
        drawn, package / "data.gpkg", layer="resurveyed", driver="GPKG", append=True, promote_to_multi=True
    )
    assert merge_reviews(result, [package]).added == 1
    row = table(result, "review_boundaries")[0]
    assert (row["parcel_id"], row["area_m2"], row["accepted"]) == ("P-001", 2000.0, 0)
    with closing(sqlite3.connect(result)) as db, db:
        db.execute(
            "INSERT INTO reviews (parcel_id, kind, person) VALUES ('P-001', 'accept_boundary', '赵科')"
        )
    assert [p.code for p in merge_reviews(result).problems] == ["boundary_waits"]
    assert table(result, "review_boundaries")[0]["accepted"] == 1
    assert len(pyogrio.read_dataframe(result, layer="review_boundaries")) == 1
    landremed.run(home / "project.toml", result, overwrite=True, engine="shapely")
    row = next(row for row in table(result, "decisions") if row["parcel_id"] == "P-001")
    assert row["area_m2"] == pytest.approx(2000, abs=1)
    assert row["ecological_red_line_area_m2"] == pytest.approx(1600, abs=1)  # 40 m of 50 lie on the red line
    assert table(result, "review_problems") == []
    change = table(result, "review_changes")[0]
    assert change["parcel_id"] == "P-001"
    assert change["area_before_m2"] == pytest.approx(6400, abs=3)  # 80 m by 80 m
    assert change["area_after_m2"] == row["area_m2"]
    assert change["facts"].startswith("boundary=")
    assert [r["parcel_id"] for r in table(result, "issues") if r["code"] == "boundary_redrawn"] == ["P-001"]
    before = state(result)
    landremed.run(home / "project.toml", result, overwrite=True, engine="shapely")
    assert state(result) == before


def test_reviews_survive_a_new_run(home, result, package):
    fill(
        package,
        [said("P-001", "王工", q_supply_status="corner_land"), said("P-002", "李工", verdict="disputed")],
    )
    merge_reviews(result, [package])
    before = state(result)
    landremed.run(home / "project.toml", result, overwrite=True, engine="shapely")
    assert state(result) == before


def test_older_packages_are_told_and_count(home, result, package):
    fill(package, [said("P-001", "王工", q_supply_status="corner_land")])
    landremed.run(home / "project.toml", result, overwrite=True, engine="shapely")
    assert "package_older" not in {p.code for p in merge_reviews(result, [package]).problems}
    later = landremed.load_project(home / "project.toml", settings=["project.as_of=2022-06-30"])
    landremed.run(later, result, overwrite=True, engine="shapely")
    merged = merge_reviews(result, [package])
    assert "package_older" in {p.code for p in merged.problems}
    assert len(table(result, "reviews")) == 2


def test_files_that_are_no_packages(result, tmp_path):
    for name, code in (("missing.gpkg", "result_missing"), (result.name, "not_a_package")):
        with pytest.raises(InputError) as caught:
            merge_reviews(result, [tmp_path / name])
        assert caught.value.code == code
    (tmp_path / "text.gpkg").write_text("no database")
    with pytest.raises(InputError):
        merge_reviews(result, [tmp_path / "text.gpkg"])


@pytest.mark.parametrize("side", ["-wal", "-shm", "-journal"])
def test_an_open_result_is_refused(result, package, side):
    beside = result.with_name(result.name + side)
    beside.touch()
    with pytest.raises(OutputError) as caught:
        merge_reviews(result, [package])
    assert caught.value.code == "output_open_elsewhere"
    assert "QGIS" in caught.value.text("zh")


def test_a_result_left_in_write_ahead_mode_is_no_dead_end(result, package):
    fill(package, [said("P-001", "王工", q_supply_status="corner_land")])
    with closing(sqlite3.connect(result)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    assert merge_reviews(result, [package], dry_run=True).added == 2
    assert merge_reviews(result, [package]).added == 2
    assert not list(result.parent.glob("result.gpkg-*"))


def test_zip_slip_is_passed_over(result, package, tmp_path):
    fill(package, [said("P-001", "王工", photo_1="../secret.txt")])
    (tmp_path / "secret.txt").write_text("outside")
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        archive.write(package / "data.gpkg", "data.gpkg")
        archive.writestr("../evil.txt", "x")
        archive.writestr("/evil.txt", "x")
    merged = merge_reviews(result, [tmp_path / "f.zip"])
    assert [p.code for p in merged.problems] == ["photo_missing"]
    assert not (tmp_path.parent / "evil.txt").exists()


# --- a thousand reviews


@pytest.fixture(scope="module")
def three_packages(home, tmp_path_factory):
    """1 000 visits of three people, at random, with answers of every kind."""
    folder = tmp_path_factory.mktemp("three")
    rng = random.Random(2022)
    paths = []
    for person, count in (("王工", 334), ("李工", 333), ("张工", 333)):
        path = folder / f"{person}.gpkg"
        pack_reviews(home / "result.gpkg", path, where="1 = 1")
        visits = []
        for number in range(count):
            pid = f"P-{rng.randrange(70):03d}"
            day, hour, second = rng.randint(1, 30), rng.randrange(24), rng.randrange(60)
            at = f"2022-04-{day:02}T{hour:02}:{number % 60:02}:{second:02}"
            visit = said(
                pid, person, at, rng.choice(["confirmed", "disputed", "not_found"]), remark=f"n{number}"
            )
            fact = rng.choice(
                ["supply_status", "cultivable", "conversion_possible", "ecological_construction"]
            )
            answers = ["corner_land", "used_not_supplied"] if fact == "supply_status" else ["true", "false"]
            visits.append(visit | {f"q_{fact}": rng.choice(answers)})
        fill(path, visits)
        paths.append(path)
    return paths


def test_a_thousand_reviews_in_any_order(home, three_packages, tmp_path):
    rng = random.Random(7)
    expected = None
    for turn in range(20):
        result = Path(shutil.copy(home / "result.gpkg", tmp_path / f"{turn}.gpkg"))
        order = [*three_packages, *rng.sample(three_packages, rng.randrange(3))]
        rng.shuffle(order)
        cut = rng.randrange(1, len(order))
        merge_reviews(result, order[:cut])
        merge_reviews(result, order[cut:])
        found = state(result)
        expected = expected or found
        assert found == expected
    assert len(expected["reviews"]) == 2000  # of every visit the verdict and the answer
    written = {(row["person"], row["remark"]) for row in expected["reviews"]}
    assert len({pair for pair in written if pair[1]}) == 1000
    assert expected["review_clashes"]
    assert expected["review_changes"]


# --- killed at any moment

KILLS = """
import os, signal, sys, shutil
from pathlib import Path
import landremed
from landremed.review import merge_reviews
import landremed.api, pyogrio, pandas, geopandas, openpyxl
result, project, kind = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
steps = [int(n) for n in sys.argv[4].split(",")]
packages = sys.argv[5:]
WATCHED = {"open", "os.rename", "os.remove", "sqlite3.connect", "shutil.copyfile", "os.truncate"}
def job():
    if kind == "merge":
        merge_reviews(result, packages)
    else:
        landremed.run(project, result, overwrite=True, engine="shapely", jobs=1)
for step in steps:
    left = [step]
    pid = os.fork()
    if pid == 0:
        def hook(name, args):
            if name in WATCHED and (name != "open" or str(args[0]).startswith(str(result.parent))):
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(hook)
        try:
            job()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    shutil.copyfile(result, result.parent / f"after-{kind}-{step}.gpkg")
    print(step, os.WIFSIGNALED(status), flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="kill -9")
@pytest.mark.parametrize("kind", ["merge", "run"])
def test_killed_at_any_moment(home, three_packages, tmp_path, kind):
    """A few kills; LANDREMED_KILLS=30 asks for more."""
    asked = int(os.environ.get("LANDREMED_KILLS", "0"))
    steps = list(range(asked)) if asked else list(range(0, 18, 3))
    result = Path(shutil.copy(home / "result.gpkg", tmp_path / "result.gpkg"))
    merge_reviews(result, three_packages[:1])
    old, wanted = state(result), None
    whole = Path(shutil.copy(result, tmp_path / "whole.gpkg"))
    if kind == "merge":
        merge_reviews(whole, three_packages)
        wanted = state(whole)
    arguments = [result, home / "project.toml", kind, ",".join(map(str, steps)), *three_packages]
    child = subprocess.run(
        [sys.executable, "-c", KILLS, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        timeout=1800,
    )
    killed = [line for line in child.stdout.splitlines() if line.endswith("True")]
    assert len(killed) >= len(steps) // 2, child.stderr
    for step in steps:
        copy = tmp_path / f"after-{kind}-{step}.gpkg"
        with closing(sqlite3.connect(copy)) as db:
            assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert state(copy) in (old, wanted or old)
    if kind == "merge":
        merge_reviews(result, three_packages)
        assert state(result) == wanted
    else:
        landremed.run(home / "project.toml", result, overwrite=True, engine="shapely")
    assert not list(tmp_path.glob(".result.gpkg.tmp-*"))  # what the kills left is cleared
