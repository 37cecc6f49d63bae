"""``landremed rules``."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("rules_command", ROOT / "cli" / "rules.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
BASE = Path(__file__).with_name("bad_rules") / "base"


def run(*arguments, language="en", as_json=False, quiet=False):
    settings = SimpleNamespace(language=language, json=as_json, quiet=quiet, verbose=False)
    return CliRunner().invoke(module.command, list(map(str, arguments)), obj=settings)


def test_list_in_both_languages():
    english = run("list")
    assert english.exit_code == 0
    assert "occ.red_line" in english.output
    assert "demolish and restore" in english.output
    chinese = run("list", language="zh")
    assert "占用国家生态保护红线" in chinese.output
    assert "建议拆除恢复" in chinese.output


def test_list_as_json():
    rows = json.loads(run("list", as_json=True).output)
    row = next(row for row in rows if row["rule"] == "pre.lease")
    assert row["clause"] == "3.3.1(2)"
    assert row["condition"].startswith("conforms to the plan: no, and ")


def test_list_of_another_book():
    assert "water.small" in run("list", "--book", BASE).output


def test_show():
    shown = run("show", "occ.industry_scale", language="zh").output
    for word in ("三（二）1（1）", "产业类", "规模以上工业项目：否", "建议拆除恢复", "2021-12-31 100%",
                 "社会稳定风险评估", "industry_scale", "either", "occ-retained-unknown"):  # fmt: skip
        assert word in shown
    card = json.loads(run("show", "res.swap", as_json=True).output)
    assert card["clauses"][0][:2] == ["3.4.2(1)", "三（四）2（1）"]
    assert ["reserve_order", "return_first"] in [[row[0], row[2]] for row in card["readings"]]
    assert card["cases"]["fires"]


def test_show_names_the_parameter_a_reading_sets():
    shown = run("show", "occ.before_scope").output
    assert "scope_start = 2004-10-21" in shown


def test_show_an_unknown_rule():
    result = run("show", "occ.redline")
    assert result.exit_code == 1
    assert "occ.red_line" in str(result.exception)


def test_check_and_test_of_the_built_in_book():
    assert run("check").exit_code == 0
    result = run("test")
    assert result.exit_code == 0
    assert "come out as expected" in result.output


def test_check_lists_pairs_that_hang_on_their_order():
    result = run("check", as_json=True)
    pairs = json.loads(result.output)["pairs"]
    assert {"lake.park.outside_boundary", "lake.park.conforms"} in [{p["first"], p["second"]} for p in pairs]


def test_check_of_a_bad_book(tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(BASE, folder)
    path = folder / "water_source.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("is farm", "is fram"), encoding="utf-8")
    result = run("check", folder)
    assert result.exit_code == 1
    assert 'mine/water_source.yaml, row 16: "subtype" has no value "fram"' in result.output
    document = json.loads(run("check", folder, as_json=True).stdout)
    assert document["faults"][0]["line"] == 16
    assert run("test", folder).exit_code == 1


def test_test_of_a_case_that_fails(tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(BASE, folder)
    path = folder / "cases" / "cases.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("rule: water.small, schedule: water", "rule: water.old, schedule: water"),
                    encoding="utf-8")  # fmt: skip
    result = run("test", folder)
    assert result.exit_code == 1
    assert "1 of 7 cases" in result.output
    rows = json.loads(run("test", folder, as_json=True).stdout)["cases"]
    assert [row["case"] for row in rows if not row["passed"]] == ["small"]


@pytest.mark.parametrize("command", ["check", "test"])
def test_no_such_folder(command):
    result = run(command, "nowhere/at-all")
    assert result.exit_code == 1
    assert "no rule book" in str(result.exception)
