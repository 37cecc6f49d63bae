"""The main job on small made-up data, every figure worked by hand, and on the samples."""

import json
import sqlite3

import geopandas as gpd
import numpy as np
import pytest
import shapely

import landremed

CRS = "EPSG:4548"
E, N = 560000.0, 4300000.0


def box(x0, y0, x1, y1):
    return shapely.box(E + x0, N + y0, E + x1, N + y1)


def frame(rows, **columns):
    return gpd.GeoDataFrame(columns, geometry=rows, crs=CRS)


def run(parcels, layers, *settings):
    # plane areas make whole numbers of hand-drawn boxes
    fixed = ["project.area=plane", "project.as_of=2022-03-31", 'project.language="en"']
    return landremed.run_frames(parcels, layers, settings=[*fixed, *settings])


def one(result):
    assert len(result.decisions) == 1
    return result.decisions.iloc[0]


OCCUPATION = {"category": "illegal_occupation", "subtype": "industrial", "occurred_on": "2012-05-01"}
FINE = {
    "plan_conforms": True,
    "safety_compliant": True,
    "abandoned": False,
    "above_scale_industry": True,
    "demolition_required_by_law": False,
}


def test_self_overlapping_layer_counts_once():
    parcel = frame([box(0, 0, 100, 100)], **{k: [v] for k, v in OCCUPATION.items()})
    red = frame([box(50, 0, 120, 100), box(60, 0, 130, 100)], name=["a", "b"])
    result = run(parcel, {"red_line": red}, "layers.ecological_red_line.id=name")
    row = one(result)
    assert row["ecological_red_line_area_m2"] == 5000
    assert row["ecological_red_line_share"] == 0.5
    hits = result.frame("overlap_features").set_index("feature_id")["area_m2"]
    assert hits.to_dict() == {"a": 5000, "b": 4000}
    assert result.frame("overlaps")["area_m2"].tolist() == [5000]
    assert (row["outcome"], row["measure"], row["rule"], row["clause"]) == (
        "demolish_restore",
        "demolish",
        "occ.plan,occ.red_line",  # whatever is found out about the plan
        "3.2.1(1)",
    )
    assert row["demolish_area_m2"] == row["restore_area_m2"] == 10000
    assert "5000.00" in row["why"]
    assert "50.0%" in row["why"]


def test_missing_layer_is_null_and_unknown():
    parcel = frame([box(0, 0, 100, 100)], **{k: [v] for k, v in (OCCUPATION | FINE).items()})
    row = one(run(parcel, {"farmland": frame([box(99, 101, 600, 200), box(-50, -50, -1, -1)])}))
    assert row["permanent_basic_farmland_area_m2"] == 0
    assert np.isnan(row["ecological_red_line_area_m2"])
    assert (row["outcome"], row["reason"], row["missing_facts"]) == (
        "needs_review",
        "missing_facts",
        "occupies_ecological_red_line",
    )
    assert row["possible_outcomes"] == "complete_paperwork,demolish_restore"


def test_three_way_area_and_paperwork_on_farmland():
    facts = OCCUPATION | FINE
    parcel = frame([box(0, 0, 100, 100)], **{k: [v] for k, v in facts.items()})
    layers = {
        "farmland": frame([box(20, 0, 80, 100)]),
        "red_line": frame([box(300, 0, 400, 100), box(-90, 0, -50, 100)]),
        "urban_boundary": frame([box(50, -50, 300, 150)]),
    }
    row = one(run(parcel, layers))
    assert row["farmland_outside_boundary_area_m2"] == 3000
    assert row["red_line_outside_boundary_area_m2"] == 0
    assert row["outcome"] == "complete_paperwork"
    flags = row["flags"].split(",")
    assert "farmland_conflict" in flags
    assert "straddles:urban_development_boundary" in flags
    assert (row["schedule"], str(row["due_on"]), row["overdue"]) == ("occ.certain", "2021-12-31", 1)
    assert row["demolish_area_m2"] == row["restore_area_m2"] == 0


def test_split_into_parts_by_falling_area():
    facts = {"category": "lake", "subtype": "park_green", "plan_conforms": True, "approval_obtained": False}
    parcel = frame([box(0, 0, 100, 100)], **{k: [v] for k, v in facts.items()})
    result = run(parcel, {"urban_boundary": frame([box(70, -50, 300, 150)])}, "project.straddle=split")
    parts = result.frame("parts").set_index("parcel_id")
    assert parts["area_m2"].to_dict() == {"1#1": 7000, "1#2": 3000}
    assert parts["outcome"].to_dict() == {"1#1": "demolish_restore", "1#2": "complete_paperwork"}
    row = one(result)
    assert (row["outcome"], row["reason"]) == ("needs_review", "parts_differ")
    assert row["possible_outcomes"] == "complete_paperwork,demolish_restore"
    assert row["restore_area_m2"] == 7000
    summary = result.summary.set_index("outcome")
    assert summary["count"].to_dict() == {"complete_paperwork": 0, "demolish_restore": 0, "needs_review": 1}
    assert summary["area_m2"].to_dict() == {
        "complete_paperwork": 3000,
        "demolish_restore": 7000,
        "needs_review": 0,
    }


def test_red_line_extent_part():
    facts = OCCUPATION | FINE
    parcel = frame([box(0, 0, 100, 100)], **{k: [v] for k, v in facts.items()})
    red = {"red_line": frame([box(90, 0, 200, 100)])}
    assert one(run(parcel, red))["outcome"] == "demolish_restore"
    result = run(parcel, red, "readings.red_line_extent=part")
    parts = result.frame("parts").set_index("parcel_id")
    assert parts["outcome"].to_dict() == {"1#1": "complete_paperwork", "1#2": "demolish_restore"}
    assert one(result)["demolish_area_m2"] == 1000


def test_coverage_hole_is_unknown(tmp_path):
    """Only half of the parcel is covered by the delivery: no farmland there is not known to be none."""
    parcel = frame([box(0, 0, 100, 100), box(200, 0, 300, 100)], category=["irregular_reserve"] * 2)
    farmland = frame([box(1000, 0, 1100, 100)])
    covered = tmp_path / "covered.gpkg"
    frame([box(50, -500, 2000, 500)]).to_file(covered)
    layers = {"farmland": farmland, "urban_boundary": frame([box(3000, 0, 3100, 100)])}
    result = run(
        parcel,
        layers,
        f'layers.permanent_basic_farmland.coverage="{covered}"',
        "layers.urban_development_boundary.disjoint=true",
        "layers.permanent_basic_farmland.disjoint=true",
    )
    rows = result.decisions
    assert rows["fact_occupies_permanent_basic_farmland"].tolist() == ["unknown", "false"]
    assert rows["fact_farmland_outside_boundary"].tolist() == ["unknown", "false"]
    assert rows["flags"].str.contains("coverage_incomplete:permanent_basic_farmland").tolist() == [
        True,
        False,
    ]


def test_override_is_shown():
    facts = OCCUPATION | {"override_occupies_ecological_red_line": "否"} | FINE
    parcel = frame([box(0, 0, 100, 100)], **{k: [v] for k, v in facts.items()})
    result = run(parcel, {"red_line": frame([box(0, 0, 100, 100)])})
    row = one(result)
    assert row["ecological_red_line_area_m2"] == 10000
    assert row["outcome"] == "complete_paperwork"
    trace = result.frame("trace")
    shown = trace.loc[trace["rule"] == "occ.red_line", "facts"].iloc[0]
    assert "override_occupies_ecological_red_line=false" in shown


def test_rows_are_never_lost():
    rows = [
        box(0, 0, 10, 10),
        None,
        shapely.Polygon(),
        shapely.Point(E, N),
        shapely.LineString([(E, N), (E + 9, N)]),
        shapely.Polygon([(E, N), (E + 10, N + 10), (E + 10, N), (E, N + 10)]),
        shapely.GeometryCollection([box(0, 0, 5, 5), shapely.Point(E, N)]),
        shapely.Polygon([(E, N, 1), (E + 5, N, 2), (E + 5, N + 5, 3)]),
    ]
    parcels = frame(rows, category=["approved_unsupplied"] * 8, supply_status=["corner_land"] * 8)
    result = run(parcels, {"farmland": frame([box(0, 0, 5, 5)])})
    assert result.decisions["parcel_id"].tolist() == [str(i) for i in range(1, 9)]
    lost = result.decisions["reason"] == "no_geometry"
    assert lost.tolist() == [False, True, True, True, True, False, False, False]
    assert (result.decisions.loc[lost, "outcome"] == "needs_review").all()
    assert result.decisions.loc[lost, "area_m2"].isna().all()
    assert set(result.issues["parcel_id"].dropna()) >= {"2", "3", "4", "5", "6", "7"}
    assert result.status == 3


def test_same_place_is_a_finding():
    parcels = frame([box(0, 0, 10, 10), box(0, 0, 10, 10.5), box(5, 0, 15, 10)], category=["idle_land"] * 3)
    result = run(parcels, {"farmland": frame([box(0, 0, 5, 5)])})
    found = result.issues[result.issues["code"] == "same_place"]
    assert found[["parcel_id", "value"]].to_numpy().tolist() == [["2", "1"]]


def test_severity_can_be_set():
    parcels = frame([box(0, 0, 10, 10)] * 2, category=["idle_land"] * 2)
    layers = {"farmland": frame([box(0, 0, 5, 5)])}
    assert run(parcels, layers).status == 3
    assert run(parcels, layers, "severity.same_place=info").status == 0
    assert "same_place" not in run(parcels, layers, "severity.same_place=off").issues["code"].tolist()


def test_source_columns_keep_their_values_beside_ours():
    parcels = frame(
        [box(0, 0, 10, 10)],
        category=["idle_land"],
        OUTCOME=["x"],
        fid=[7],
        Geom=["y"],
        备注=["甲"],
        area_m2=[1],
    )
    row = one(run(parcels, {"farmland": frame([box(0, 0, 5, 5)])}))
    assert (row["src_OUTCOME"], row["src_fid"], row["src_Geom"], row["备注"]) == ("x", 7, "y", "甲")
    assert row["src_area_m2"] == 1
    assert row["area_m2"] == 100


def test_layer_that_lies_elsewhere_stops():
    parcels = frame([box(0, 0, 10, 10)], category=["idle_land"])
    far = frame([box(90000, 0, 90010, 10)])
    with pytest.raises(landremed.CrsError, match="does not meet the parcels"):
        run(parcels, {"farmland": far})
    result = run(parcels, {"farmland": far}, "layers.permanent_basic_farmland.disjoint=true")
    assert one(result)["permanent_basic_farmland_area_m2"] == 0


@pytest.mark.parametrize("rows", [[], [None], [shapely.Point(E, N)]])
def test_layer_without_polygons_stops(rows):
    parcels = frame([box(0, 0, 10, 10)], category=["idle_land"])
    with pytest.raises(landremed.InputError, match="has no polygon"):
        run(parcels, {"farmland": frame(rows)})
    result = run(parcels, {"farmland": frame(rows)}, "layers.farmland.disjoint=true")
    assert one(result)["permanent_basic_farmland_area_m2"] == 0


def test_unknown_fact_in_mapping_names_the_nearest():
    parcels = frame([box(0, 0, 10, 10)], WTLX=["idle_land"])
    with pytest.raises(landremed.ProjectError, match=r"parcels\.fields\.category"):
        run(parcels, {"farmland": frame([box(0, 0, 5, 5)])}, "parcels.fields.catgory=WTLX")


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    path = tmp_path_factory.mktemp("sample") / "result.gpkg"
    return path, landremed.run(landremed.sample_project(), path)


def test_sample_counts_and_conserves(sample):
    _, result = sample
    rows = result.decisions
    assert len(rows) == 600
    assert result.summary["count"].sum() == 600
    assert result.summary["area_m2"].sum() == pytest.approx(rows["area_m2"].sum(), abs=1)
    assert set(rows["outcome"]) == {
        "retain",
        "complete_paperwork",
        "demolish_restore",
        "needs_review",
        "out_of_scope",
    }
    assert result.status == 3
    fired = json.loads(result.frame("provenance").set_index("key").loc["rules_fired", "value"])
    assert all(fired.values()), [rule for rule, count in fired.items() if not count]


def test_trace_belongs_to_decisions(sample):
    _, result = sample
    trace, rows = result.frame("trace"), result.decisions
    assert set(rows["trace_id"]) <= set(trace["trace_id"])
    decided = rows[rows["outcome"] != "needs_review"]
    for row in decided.itertuples():
        steps = trace[(trace["trace_id"] == row.trace_id) & (trace["decides"] == 1)]
        assert set(row.rule.split(",")) <= set(steps["rule"])


def test_same_inputs_same_tables(sample, tmp_path):
    path, _ = sample
    again = tmp_path / "again.gpkg"
    landremed.run(landremed.sample_project(), again, jobs=1)
    volatile = {"started", "finished", "elapsed_s", "output", "jobs"}
    with sqlite3.connect(path) as one_db, sqlite3.connect(again) as two_db:
        names = [n for (n,) in one_db.execute("SELECT table_name FROM gpkg_contents ORDER BY rowid")]
        for name in names:
            rows = [db.execute(f'SELECT * FROM "{name}"').fetchall() for db in (one_db, two_db)]
            if name == "provenance":
                rows = [[r for r in table if r[1] not in volatile] for table in rows]
            assert rows[0] == rows[1], name


def test_overlay_then_decide_equals_run(sample, tmp_path):
    path, _ = sample
    overlay, decided = tmp_path / "overlay.gpkg", tmp_path / "decided.gpkg"
    landremed.run_overlay(landremed.sample_project(), overlay)
    landremed.run_decide(overlay, decided)
    with sqlite3.connect(path) as one_db, sqlite3.connect(decided) as two_db:
        for name in (
            "decisions",
            "overlaps",
            "overlap_features",
            "land_use",
            "facts",
            "trace",
            "issues",
            "summary",
        ):
            rows = [db.execute(f'SELECT * FROM "{name}"').fetchall() for db in (one_db, two_db)]
            assert rows[0] == rows[1], name


def test_decide_with_other_settings(sample, tmp_path):
    overlay = tmp_path / "overlay.gpkg"
    landremed.run_overlay(landremed.sample_project(), overlay)
    strict = landremed.run_decide(overlay, settings=["readings.industry_scale=either"])
    direct = landremed.run(
        landremed.load_project(landremed.sample_project(), settings=["readings.industry_scale=either"])
    )
    assert strict.decisions["outcome"].tolist() == direct.decisions["outcome"].tolist()
    with pytest.raises(landremed.InputError, match="landremed overlay again"):
        landremed.run_decide(overlay, settings=["project.straddle=split"])


def test_split_of_a_class_that_asks_by_a_three_way_fact():
    """Irregular reserve asks for the red line outside the boundary: the part inside is not touched by it."""
    facts = {"category": "irregular_reserve", "quota_available": True}
    parcel = frame([box(0, 0, 100, 100)], **{k: [v] for k, v in facts.items()})
    layers = {
        "urban_boundary": frame([box(40, -50, 300, 150)]),
        "red_line": frame([box(-50, -50, 30, 150)]),
        "farmland": frame([box(-50, -50, -1, 150), box(101, 0, 120, 10)]),
    }
    assert one(run(parcel, layers))["measure"] == "terminate_and_return"
    parts = run(parcel, layers, "project.straddle=split").frame("parts").set_index("parcel_id")
    assert parts["area_m2"].to_dict() == {"1#1": 6000, "1#2": 4000}
    assert parts["measure"].to_dict() == {"1#1": "written_commitment", "1#2": "terminate_and_return"}


def test_repairs_beyond_the_limits_go_to_review():
    bow = shapely.Polygon([(E, N), (E + 200, N + 200), (E + 200, N), (E, N + 200)])  # 0, repaired 20 000 m²
    given = {k: [v] * 2 for k, v in (OCCUPATION | FINE).items()}
    parcels = frame([bow, box(300, 0, 350, 50)], **given)
    red = {"red_line": frame([box(1000, 1000, 1001, 1001), box(-9, -9, -1, -1)])}
    result = run(parcels, red)
    row = result.decisions.iloc[0]
    assert (row["outcome"], row["reason"]) == ("needs_review", "no_geometry")
    assert np.isnan(row["area_m2"])
    (issue,) = result.issues[result.issues["code"] == "parcel_geometry_unrepaired"].to_dict("records")
    assert (issue["severity"], issue["parcel_id"]) == ("error", "1")
    assert "from 0.00 to 20000.00 m²" in issue["message"]
    assert (issue["geometry"].x, issue["geometry"].y) == (E + 100, N + 100)
    allowed = run(parcels, red, "repair.max_area_change_m2=20001")
    assert allowed.decisions["area_m2"].tolist() == [20000.0, 2500.0]
    assert "parcel_geometry_changed" in set(allowed.issues["code"])


def test_a_layer_polygon_beyond_the_limits_is_no_zero():
    bow = shapely.Polygon([(E, N), (E + 200, N + 200), (E + 200, N), (E, N + 200)])
    given = {k: [v] * 2 for k, v in (OCCUPATION | FINE).items()}
    parcels = frame([box(90, 0, 110, 20), box(300, 0, 350, 50)], **given)  # one in the notch, one far
    red = {"red_line": frame([bow, box(1000, 1000, 1001, 1001)])}
    result = run(parcels, red)
    assert result.decisions["outcome"].tolist() == ["needs_review", "complete_paperwork"]
    assert "occupies_ecological_red_line" in result.decisions["missing_facts"][0]
    assert "layer_geometry_unrepaired" in set(result.issues["code"])
