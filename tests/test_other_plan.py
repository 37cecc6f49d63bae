"""Another plan with classes, layers, deadlines and ledger states of its own: nothing of Binhai is in Python.

The expectations for the example in ``docs/examples/water-source`` are worked by hand from its rule book and
the drawing: zones are nested squares of 1, 3 and 7 km, parcels are rectangles.
"""

import ast
import json
import re
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from test_cli_run import landremed_cli as cli

import landremed
from landremed import diff
from landremed.law import load_rulebook
from landremed.ledger import reading_desk

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "docs" / "examples" / "water-source" / "project.toml"
# parcel: outcome, measure, rule, schedule, due_on, township
OUT, PAPER, UP, DOWN = "demolish_restore", "complete_paperwork", "上游镇", "下游镇"
EXPECTED = {
    "WS-01": (OUT, "take_down", "built.first", "ws.take_down", "2026-12-31", UP),
    "WS-02": (OUT, "take_down", "built.first", "ws.new", None, UP),
    "WS-03": ("retain", "serves_supply", "built.supply", None, None, DOWN),
    "WS-04": (PAPER, "connect_sewer", "built.second_housing", "ws.connect_large", "2027-06-30", UP),
    "WS-05": (PAPER, "connect_sewer", "built.second_housing", "ws.connect", "2026-12-31", UP),
    "WS-06": (OUT, "close_and_clear", "built.second_discharging", "ws.close", "2026-09-30", DOWN),
    "WS-07": (PAPER, "connect_sewer", "built.second_collected", "ws.connect", "2026-12-31", DOWN),
    "WS-08": ("needs_review", None, None, None, None, DOWN),
    "WS-09": (PAPER, "reduce_discharge", "built.quasi_discharging", "ws.reduce", "2027-12-31", UP),
    "WS-10": ("retain", "registered", "built.clean", None, None, UP),
    "WS-11": ("needs_review", None, None, None, None, UP),
    "WS-12": (OUT, "close_outlet", "outlet.graded", "ws.outlet", "2026-06-30", DOWN),
    "WS-13": ("retain", "permitted", "outlet.permitted", None, None, DOWN),
    "WS-14": (PAPER, "obtain_permit", "outlet.no_permit", "ws.outlet", "2026-06-30", DOWN),
    "WS-15": (OUT, "move_livestock", "farm.livestock_graded", "ws.farming", "2027-06-30", UP),
    "WS-16": (PAPER, "farm_without_pesticides", "farm.crops_pesticides", "ws.farming", "2027-06-30", UP),
    "WS-17": (OUT, "plant_trees", "farm.crops_first", "ws.farming", "2027-06-30", UP),
    "WS-18": ("out_of_scope", "outside_zones", "farm.livestock_outside", None, None, DOWN),
}  # fmt: skip


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    path = tmp_path_factory.mktemp("water") / "water.gpkg"
    run = cli("run", PROJECT, "-o", path)
    assert run.returncode == 0, run.stderr
    # no layer of another plan is asked for
    assert "layer_absent" not in run.stderr
    return path


def test_the_book_is_sound():
    assert cli("rules", "check", "water-source-demo").returncode == 0
    assert cli("rules", "test", "water-source-demo").returncode == 0


def decisions(settings=()):
    project = landremed.load_project(PROJECT, settings=[*settings, "project.area=plane"])
    return landremed.run(project).decisions.set_index("parcel_id")


def test_every_parcel_is_decided_as_by_hand():
    found = decisions()
    assert list(found.index) == list(EXPECTED)
    for parcel, expected in EXPECTED.items():
        row = found.loc[parcel]
        names = ("outcome", "measure", "rule", "schedule", "due_on", "implementing_unit")
        assert tuple(None if pd.isna(row[n]) else str(row[n]) for n in names) == expected, parcel
    assert found.loc["WS-08", "missing_facts"] == "sewage_collected"
    assert found.loc["WS-11", "missing_facts"] == "within_quasi_zone"
    assert found.loc["WS-11", "flags"] == "straddles:quasi_zone"
    # WS-02 was built after the zones were drawn, and that was before the day of judging
    assert found.loc[["WS-01", "WS-02"], "overdue"].tolist() == [0, 1]
    assert found.loc[["WS-01", "WS-02", "WS-12"], "priority"].tolist() == [2, 1, 2]
    # only what is taken down counts as demolished: 60 x 50 m, but not the outlet that is closed
    assert found.loc[["WS-01", "WS-12"], "demolish_area_m2"].tolist() == [3000.0, 0.0]
    assert found.loc["WS-12", "restore_area_m2"] == 16.0


def test_straddling_and_cutting_along_a_layer_of_its_own():
    # WS-11 lies half inside the quasi zone (50 of 100 m), so that neither side is the larger one
    assert decisions(["project.straddle=majority"]).loc["WS-11", "outcome"] == "out_of_scope"
    project = landremed.load_project(PROJECT, settings=["project.straddle=split", "project.area=plane"])
    parts = landremed.run(project).frame("parts").set_index("parcel_id")
    assert sorted(parts["outcome"]) == ["complete_paperwork", "out_of_scope"]
    assert parts["area_m2"].tolist() == [2000.0, 2000.0]


def test_a_reading_of_its_own():
    found = decisions(["readings.housing_in_second=if_collected"])
    # whether the sewage of the two houses is collected is not known: both rules stay possible
    assert found.loc["WS-04", "missing_facts"] == "sewage_collected"


def test_explain_reports_and_diff(result, tmp_path):
    told = json.loads(cli("explain", result, "WS-06", "--json", "--lang", "zh").stdout)
    assert told["head"]["outcome_label"] == "建议清退"
    assert [r["rule"] for r in told["rules"] if r["decides"]] == ["built.second_discharging"]
    assert told["acceptance"] == ["建筑物已拆除或关闭", "场地已清理"]
    assert told["basis"]["inputs"]["first_grade_zone"]["title"] == "一级保护区"
    for job in (
        ("table", result, "-o", tmp_path / "t.xlsx"),
        ("dossier", result, "-o", tmp_path / "d.pdf", "--ids", "WS-01"),
        ("map", result, "-o", tmp_path / "m.html"),
        ("casefile", result, "WS-04", "-o", tmp_path / "c.zip"),
    ):
        run = cli("report", *job)
        assert run.returncode == 0, run.stderr
    assert cli("replay", tmp_path / "c.zip").returncode == 0
    sheet = openpyxl.load_workbook(tmp_path / "t.xlsx").worksheets[0]
    texts = {str(cell.value) for row in sheet.iter_rows() for cell in row if cell.value}
    assert any("一级保护区" in text for text in texts)
    what = cli("diff", PROJECT, "--with", "readings.housing_in_second=if_collected", "--json")
    flips = {c["parcel_id"]: c["causes"][0]["things"][0]["name"] for c in json.loads(what.stdout)["changes"]}
    assert flips == {"WS-04": "housing_in_second", "WS-05": "housing_in_second"}
    covered = json.loads(cli("rules", "coverage", result, "--json").stdout)
    assert covered["dead_rules"] == ["outlet.outside", "farm.livestock_quasi", "farm.crops_rest"]


def test_ledger_with_states_of_its_own(result, tmp_path):
    ledger = tmp_path / "ledger.gpkg"
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"seen")
    who = ("--who", "tester")

    def done(*arguments):
        run = cli("ledger", *arguments)
        assert run.returncode in (0, 3), run.stderr + run.stdout
        return run.stdout

    done("init", result, "-o", ledger, *who)
    batch = openpyxl.Workbook()
    batch.active.append(["parcel_id"])
    batch.active.append(["WS-01"])
    batch.save(tmp_path / "batch.xlsx")
    done("approve", ledger, "--list", tmp_path / "batch.xlsx", "--meeting", "1", "--on", "2026-04-01", *who)
    # a plan is approved in the first state from which the work begins: here "agreed"
    assert "agreed" in cli("ledger", "history", ledger, "WS-01", "--json").stdout
    for day, state in enumerate(("under_way", "put_back", "under_way"), 1):
        done("set", ledger, "WS-01", "--state", state, "--on", f"2026-05-0{day}", *who)
    month = tmp_path / "month"
    month.mkdir()
    run = cli("report", "monthly", ledger, "--month", "2026-05", "-o", month, "--draft", *who)
    assert run.returncode in (0, 3), run.stderr
    marks = diff.ledger_marks(ledger, "zh")
    assert (marks["WS-01"].label, marks["WS-01"].weight) == ("整治中", 1)
    assert marks["WS-02"].weight == 0
    with reading_desk(ledger) as desk:
        assert desk.cases()["WS-01"].sent_back == 1


PLAN = load_rulebook("binhai-2022")


def strings(path):
    """Every text in a module that is no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def test_no_word_of_the_plan_stands_in_python():
    """Classes, subtypes, rules, schedules, measures, clauses, readings, states and units are data."""
    words = {*PLAN.classes, *PLAN.rules, *PLAN.measures, *PLAN.reading_specs, *PLAN.schedules}
    words |= {*PLAN.vocabulary["subtype"].values, "binhai", "滨海", "高新"}
    words |= {clause for clause in PLAN.clauses if clause.count(".") > 1}
    words |= {unit for found in PLAN.all_duties.values() for unit in (found.lead or "").split("、") if unit}
    # plain words of the language, and a name that no layer may have because a column of every result has it
    words -= {"default", "demolish"}
    found = [
        (str(path.relative_to(ROOT)), word)
        for path in [*(ROOT / "landremed").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]
        for text in strings(path)
        for word in words
        if re.search(rf"(?<![\w.]){re.escape(word)}(?![\w.])", text)
    ]
    assert found == []


def test_facts_that_python_knows_by_name_are_few():
    """A book may leave these out (the example does); what no rule asks for changes nothing."""
    spatial = {name for name, spec in PLAN.vocabulary.items() if spec.source == "computed"}
    known = {"category", "subtype", "occurred_on", "feedback_on"}
    named = {
        name
        for path in [*(ROOT / "landremed").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]
        for text in strings(path)
        for name in PLAN.vocabulary
        if re.search(rf"(?<![\w.]){name}(?![\w.])", text)
    }
    assert named - spatial <= known
