"""Explanations of hand-made results: what is told must be what stands in the file and the rule book."""

from __future__ import annotations

import importlib.util
import json
import sqlite3
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from landremed.errors import InputError
from landremed.explain import explain, render
from landremed.explain.facts import fact_value
from landremed.io.gpkg_read import read_rows
from landremed.law import load_vocabulary
from landremed.report.numbers import share_text
from landremed.report.terminal import display_width
from landremed.types import UNKNOWN, PartialDate

_spec = importlib.util.spec_from_file_location(
    "explain_results", Path(__file__).with_name("explain_results.py")
)
results = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(results)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return results.write_result(tmp_path_factory.mktemp("explain") / "r.gpkg")


def test_head_and_clause(result):
    told = explain(result, "BH-OCC-001", "zh")
    assert told.head["outcome"] == "demolish_restore"
    assert told.head["category_label"] == "违法占地"
    assert told.head["subtype_label"] == "产业类"
    assert told.head["area_m2"] == 3000.0
    assert told.head["why"].startswith("占生态保护红线312.40㎡")
    assert [(c.clause, c.label) for c in told.clauses] == [("3.2.1(1)", "三（二）1（1）")]
    assert told.clauses[0].text


def test_given_facts_name_file_row_field_and_raw_value(result):
    facts = {fact.name: fact for fact in explain(result, "BH-OCC-001", "zh").facts}
    plan = facts["plan_conforms"]
    assert (plan.value, plan.value_label, plan.source) == ("false", "否", "evidence")
    assert plan.places[0] == {
        "source": "evidence",
        "file": "evidence.csv",
        "row": 7,
        "field": "符合规划",
        "raw": "否",
        "value": "false",
    }
    assert facts["occurred_on"].value == "2015-05"
    assert "2015年5月" in facts["occurred_on"].sources[0]
    assert "第7行" in facts["occurred_on"].sources[0]
    assert "evidence.csv" in facts["occurred_on"].sources[0]


def test_measured_fact_names_layer_version_area_and_features(result):
    facts = {fact.name: fact for fact in explain(result, "BH-OCC-001", "zh").facts}
    line = facts["occupies_ecological_red_line"]
    assert line.source == "measured"
    text = "\n".join(line.sources)
    for piece in (
        "312.40㎡",
        "10.4%",
        "redline.gpkg:sthx",
        "2022-10 版",
        "2022-10-14",
        "HX00 核心保护区（50.00㎡）",
    ):
        assert piece in text
    assert "HX09" in text
    assert "HX10" not in text
    assert "另有3个" in text
    assert len(line.places[-1]["features"]) == 13


def test_facts_that_nobody_gave(result):
    facts = {fact.name: fact for fact in explain(result, "BH-OCC-001", "zh").facts}
    line = facts["plan_includable"]
    assert line.value == "unknown"
    assert line.places == []
    assert "不影响结论" in line.value_label
    others = {fact.name for fact in explain(result, "BH-OCC-001", "zh").other_facts}
    assert others == {"abandoned"}


def test_rules_walked(result):
    rules = explain(result, "BH-OCC-001", "en").rules
    assert [(r.rule, r.value, r.decides) for r in rules] == [
        ("occ.residential", "false", False),
        ("occ.before_scope", "false", False),
        ("occ.plan", "unknown", True),
        ("occ.red_line", "true", True),
    ]
    assert rules[2].facts == {"plan_conforms": "false", "plan_includable": "unknown"}
    assert len(rules[2].unknown) == 1
    assert "2004-10-21" in rules[1].words  # the parameter's value, not its name
    assert "scope_start" not in rules[1].words


def test_deadline(result):
    deadline = explain(result, "BH-OCC-001", "zh").deadline
    assert deadline.due_on == date(2023, 6, 30)
    assert deadline.next_milestone_on == date(2022, 6, 30)
    (schedule,) = deadline.schedules
    assert schedule["schedule"] == "occ.other"
    (series,) = schedule["series"]
    assert [(m["on"], m["share"]) for m in series["milestones"]] == [
        (date(2022, 6, 30), 0.5),
        (date(2022, 12, 31), 0.85),
        (date(2023, 6, 30), 1.0),
    ]


def test_duties_flags_and_issues(result):
    told = explain(result, "BH-OCC-001", "zh")
    assert told.duties["implementing_unit"] == "中新天津生态城管委会"
    assert "cooperating" not in told.duties
    assert told.notices == ["与永久基本农田的重叠小于容差，按无重叠处理"]
    assert [issue["code"] for issue in told.issues] == ["bad_date"]


def test_what_a_missing_fact_would_change(result):
    """3.3: not conforming and convertible is silent; not convertible and willing ends the agreement."""
    (missing,) = explain(result, "BH-PRE-001", "zh").missing
    assert missing.fact == "conversion_possible"
    cases = {tuple(case.values): (case.outcome, case.measure) for case in missing.cases}
    assert cases == {
        ("是",): ("needs_review", ""),
        ("否",): ("demolish_restore", "terminate_and_return"),
    }
    assert "方案未作规定" in missing.cases[0].result


def test_missing_category(result):
    (missing,) = explain(result, "BH-UNS-001", "en").missing
    found = {value: case.outcome for case in missing.cases for value in case.values}
    vocabulary = load_vocabulary()["category"].values
    assert set(found) == {spec.label_en for spec in vocabulary.values()}
    # idle land and unsupplied land always end in paperwork, whatever the other facts are
    assert found[vocabulary["approved_unsupplied"].label_en] == "complete_paperwork"
    assert found[vocabulary["pre_expropriation"].label_en] == "needs_review"


def test_cases_are_left_out_when_the_file_does_not_agree_with_the_book(tmp_path):
    rows = [{**results.DECISIONS[1], "outcome": "retain", "measure": "hold_on_account"}]
    path = results.write_result(tmp_path / "r.gpkg", decisions=rows)
    (missing,) = explain(path, "BH-PRE-001").missing
    assert missing.cases == []


def test_dates_are_cut_where_rules_change_their_mind(tmp_path):
    rows = [
        {
            "parcel_id": "A",
            "outcome": "needs_review",
            "reason": "missing_facts",
            "missing_facts": "occurred_on",
            "possible_outcomes": "complete_paperwork,out_of_scope",
            "category": "illegal_occupation",
            "subtype": "public_service",
            "fact_occupies_ecological_red_line": "false",
        }
    ]
    given = {
        "category": "illegal_occupation",
        "subtype": "public_service",
        "occurred_on": "2004",
        "plan_conforms": "true",
        "safety_compliant": "true",
        "abandoned": "false",
        "demolition_required_by_law": "false",
    }
    facts = [("A", name, value, "attribute", "p.gpkg", 1, name, value) for name, value in given.items()]
    path = results.write_result(tmp_path / "r.gpkg", decisions=rows, facts=facts)
    (missing,) = explain(path, "A", "zh").missing
    assert [(list(c.values), c.outcome) for c in missing.cases] == [
        (["2004-01-01至2004-10-20"], "out_of_scope"),
        (["2004-10-21至2004-12-31"], "complete_paperwork"),
    ]


def test_override_is_named(tmp_path):
    facts = [
        *results.FACTS,
        (
            "BH-OCC-001",
            "override_occupies_ecological_red_line",
            "true",
            "evidence",
            "fix.csv",
            2,
            "改红线",
            "是",
        ),
    ]
    trace = [list(row) for row in results.TRACE]
    trace[3][5] += ",override_occupies_ecological_red_line=true"
    path = results.write_result(tmp_path / "r.gpkg", facts=facts, trace=trace)
    told = explain(path, "BH-OCC-001", "zh")
    line = {fact.name: fact for fact in told.facts}["occupies_ecological_red_line"]
    assert line.source == "override"
    assert "人工改定" in line.sources[0]
    assert "fix.csv，第2行，字段改红线" in line.sources[0]
    assert not any(fact.name.startswith("override_") for fact in (*told.facts, *told.other_facts))


def test_layer_not_given_and_coverage(tmp_path):
    trace = [
        (1, 1, "res.red_line", "3.4.1(3)", "x", "red_line_outside_boundary=unknown", "unknown", 1),
        (
            1,
            2,
            "res.quota",
            "3.4.1(1)",
            "x",
            "farmland_outside_boundary=unknown,quota_available=true",
            "unknown",
            1,
        ),
    ]
    rows = [
        {
            "parcel_id": "A",
            "outcome": "needs_review",
            "reason": "missing_facts",
            "missing_facts": "red_line_outside_boundary,farmland_outside_boundary",
            "category": "irregular_reserve",
            "flags": "coverage_incomplete:permanent_basic_farmland",
            "trace_id": 1,
        }
    ]
    path = results.write_result(tmp_path / "r.gpkg", decisions=rows, trace=trace)
    facts = {fact.name: fact for fact in explain(path, "A", "zh").facts}
    assert "未提供城镇开发边界图层" in facts["red_line_outside_boundary"].sources


def test_parts(tmp_path):
    parts = [
        {**results.DECISIONS[0], "parcel_id": f"BH-OCC-001#{n}", "area_m2": 1000.0 / n, "trace_id": 1}
        for n in range(1, 53)
    ]
    path = results.write_result(tmp_path / "r.gpkg", parts=parts)
    told = explain(path, "BH-OCC-001", "zh")
    assert [part["parcel_id"] for part in told.parts] == [f"BH-OCC-001#{n}" for n in range(1, 53)]
    part = explain(path, "BH-OCC-001#2", "zh")
    assert part.head["part_of"] == "BH-OCC-001"
    assert part.head["area_m2"] == 500.0
    assert {fact.name for fact in part.facts} >= {"plan_conforms", "occurred_on"}
    assert "图斑 BH-OCC-001 的一部分" in render(part)


def test_unknown_parcel_names_the_nearest(result):
    for wanted in ("BH-OCC-01", "bh-occ-001", "BH-OCC-001#1"):
        with pytest.raises(InputError) as caught:
            explain(result, wanted)
        assert caught.value.code == "explain_unknown_parcel"
        assert "BH-OCC-001" in caught.value.text("zh")
        assert "\n" not in caught.value.text("en")
    with pytest.raises(InputError) as caught:
        explain(result, "完全不同")
    assert caught.value.code == "explain_no_such_parcel"


def test_files_that_are_no_result(tmp_path, result):
    with pytest.raises(InputError) as caught:
        explain(tmp_path / "none.gpkg", "A")
    assert caught.value.code == "result_missing"
    from landremed.io.gpkg import OutLayer, write_geopackage

    write_geopackage(
        tmp_path / "other.gpkg",
        [OutLayer("x", results.table(results.FACTS, results.GIVEN_FACTS_SCHEMA))],
        crs_wkt="EPSG:4548",
    )
    with pytest.raises(InputError) as caught:
        explain(tmp_path / "other.gpkg", "A")
    assert caught.value.code == "result_layer_missing"


def test_without_its_rule_book(tmp_path):
    path = results.write_result(tmp_path / "r.gpkg", provenance={"rules": "no-such-book"})
    told = explain(path, "BH-OCC-001", "zh")
    assert len(told.notes) == 1
    assert told.rules[3].words == "occupies_ecological_red_line is true"
    text = render(told)
    assert "no-such-book" in text
    assert "312.40㎡" in text


def test_a_rule_book_that_changed_is_said(tmp_path):
    path = results.write_result(tmp_path / "r.gpkg", provenance={"rules_hash": "0" * 64})
    assert "有改动" in explain(path, "BH-OCC-001", "zh").notes[0]


def test_readings_are_taken_from_the_file(tmp_path):
    """With the start of the scope moved behind the day, the rule's own day is shown."""
    path = results.write_result(tmp_path / "r.gpkg", provenance={"reading.scope_start": "2016-01-01"})
    told = explain(path, "BH-OCC-001", "zh")
    assert "2016-01-01" in told.rules[1].words
    assert told.basis["readings_switched"] == {"scope_start": "2016-01-01"}
    assert "scope_start=2016-01-01" in render(told)


def test_json_is_plain(result):
    for parcel in ("BH-OCC-001", "BH-PRE-001", "BH-UNS-001"):
        plain = explain(result, parcel, "zh").to_dict()
        again = json.loads(json.dumps(plain, ensure_ascii=False))
        assert again == plain
        assert plain["schema_version"] == 1
        assert plain["parcel_id"] == parcel
    assert explain(result, "BH-OCC-001").to_dict()["deadline"]["due_on"] == "2023-06-30"


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("parcel", ["BH-OCC-001", "BH-PRE-001", "BH-UNS-001"])
def test_text_fits_the_terminal_and_every_encoding(result, parcel, language):
    text = render(explain(result, parcel, language))
    assert max(display_width(line) for line in text.splitlines()) <= 102  # closing marks may hang over
    assert not any(line != line.rstrip() for line in text.splitlines())
    text.encode("gbk")
    assert "None" not in text
    assert "{" not in text


def test_english_text_says_everything(result):
    text = render(explain(result, "BH-OCC-001", "en"))
    for piece in (
        "Parcel BH-OCC-001",
        "3,000.00 m2",
        "三（二）1（1）",
        "redline.gpkg:sthx",
        "evidence.csv, row 7",
        "=> occ.red_line",
        "due on 2023-06-30",
        "2022-06-30, 50%",
        "[warning]",
        "and 3 more",
    ):
        assert piece in text, piece


def test_hostile_text_cannot_steer_the_terminal(tmp_path):
    rows = [{**results.DECISIONS[0], "why": "a\x1b[31mred\r\nb\x07"}]
    path = results.write_result(tmp_path / "r.gpkg", decisions=rows)
    text = render(explain(path, "BH-OCC-001"))
    assert not any(ord(char) < 32 and char != "\n" for char in text)


def test_the_file_is_not_changed(result):
    before = result.read_bytes()
    explain(result, "BH-OCC-001")
    assert result.read_bytes() == before
    assert not list(result.parent.glob("*-wal"))


def test_file_open_for_editing_can_be_explained(tmp_path):
    path = results.write_result(tmp_path / "r.gpkg")
    editor = sqlite3.connect(path)
    editor.execute("PRAGMA journal_mode = WAL")
    editor.execute("UPDATE provenance SET value = '9.9' WHERE key = 'version'")
    editor.commit()
    assert explain(path, "BH-OCC-001").basis["version"] == "9.9"
    editor.close()


def test_values_are_read_as_facts():
    vocabulary = load_vocabulary()
    when = vocabulary["occurred_on"]
    assert fact_value(when, "2020") == PartialDate(date(2020, 1, 1), date(2020, 12, 31))
    assert fact_value(when, "2020-02") == PartialDate(date(2020, 2, 1), date(2020, 2, 29))
    assert fact_value(when, "2020-02-03") == PartialDate(date(2020, 2, 3), date(2020, 2, 3))
    assert fact_value(when, "2020-13") is UNKNOWN
    assert fact_value(when, "unknown") is UNKNOWN
    assert fact_value(vocabulary["plan_conforms"], "true") is True
    assert fact_value(vocabulary["subtype"], "industrial") == "industrial"


def test_shares_are_never_rounded_to_nothing_or_all():
    found = [share_text(x) for x in (0.0, 0.0001, 0.081, 0.5, 0.99999, 0.99999999, 1.0)]
    assert found == ["0%", "<0.1%", "8.1%", "50%", ">99.9%", "100%", "100%"]


@pytest.fixture(scope="module")
def sample_result(tmp_path_factory):
    """The sample district, run by the command."""
    samples = Path(__file__).parents[1] / "data" / "samples" / "project.toml"
    path = tmp_path_factory.mktemp("samples") / "r.gpkg"
    command = [sys.executable, "-m", "landremed_cli", "run", str(samples), "-o", str(path), "--lang", "zh"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    return path


def test_every_sample_is_rebuilt_and_told(sample_result):
    """The facts kept in the file lead to the decision in the file again, and the text fits."""
    ids = [row["parcel_id"] for row in read_rows(sample_result, "decisions", columns=["parcel_id"])]
    assert len(ids) == 600
    for parcel in ids[::13]:
        told = explain(sample_result, parcel, "zh")
        assert told.notes == []
        assert all(missing.cases for missing in told.missing if missing.fact != "feedback_on")
        text = render(told)
        assert max(display_width(line) for line in text.splitlines()) <= 102
        text.encode("gbk")


@pytest.mark.parametrize(
    ("parcel", "pieces"),
    [
        (
            "BH-OCC-005",
            ["建议拆除恢复", "=> occ.red_line", "生态保护红线", "HX001", "社会稳定风险评估", "销号"],
        ),
        ("BH-PARK-012", ["一般性坑塘农业结构调整（此处不能采用，按未知处理）", "evidence_survey.xlsx"]),
        ("BH-PARK-017", ["人工改定", "evidence_corrections.csv，第2行"]),
        ("BH-RES-015", ["永久基本农田数据未覆盖整个图斑", "方案未作规定"]),
        ("BH-FALLOW-013", ["aband.hand_over", "三（六）1（1）", "零容忍", "区农业农村委"]),
        ("BH-OCC-019", ["2004-01-01至2004-10-20 → 另行处置", "2004-10-21至2004-12-31 → 建议补办手续"]),
        ("BH-GEOM-001", ["无可用图形", "未量算"]),
        ("BH-IDLE-007", ["处置到位率", "司法查封、涉法涉诉"]),
        ("BH-OCC-033", ["BH-OCC-032"]),
        ("BH-CODE-002", ["问题类型", "预征土地"]),
    ],
)
def test_named_samples(sample_result, parcel, pieces):
    text = render(explain(sample_result, parcel, "zh"))
    for piece in pieces:
        assert piece in text, text
