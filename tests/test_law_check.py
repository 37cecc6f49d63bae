"""Every mistake in a rule book is refused with file, line and a way out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from landremed.errors import RuleBookError
from landremed.law import check_rulebook, load_rulebook, test_rulebook

BAD = Path(__file__).with_name("bad_rules")
MISTAKES = sorted(path.stem for path in BAD.glob("*.yaml"))
run_cases_of = test_rulebook
del test_rulebook  # or it would be collected


def book_with(tmp_path, file="", old="", new=""):
    folder = tmp_path / "book"
    shutil.copytree(BAD / "base", folder)
    if file:
        text = (folder / file).read_text(encoding="utf-8")
        assert text.count(old) == 1
        (folder / file).write_text(text.replace(old, new), encoding="utf-8")
    return folder


def test_the_small_book_is_fine():
    report = check_rulebook(BAD / "base")
    assert report.problems == ()
    assert not [result for result in report.results if result.mismatches]
    assert [(pair.first, pair.second) for pair in report.order_pairs] == [
        ("water.outside", "water.small"),
        ("water.outside", "water.new"),
        ("water.small", "water.new"),
    ]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake(mistake, tmp_path):
    entry = yaml.safe_load((BAD / f"{mistake}.yaml").read_text(encoding="utf-8"))
    folder = book_with(tmp_path, entry["file"], entry["old"], entry["new"])
    problems = check_rulebook(folder).problems
    assert problems
    texts = [problem.text("en") for problem in problems]
    fitting = [i for i, text in enumerate(texts) if all(word in text for word in entry["says"])]
    assert fitting, texts
    where = problems[fitting[0]].where
    assert where.file.startswith("book/")
    assert where.file.endswith(".yaml")
    assert problems[fitting[0]].text("zh") != texts[fitting[0]]


@pytest.mark.parametrize(
    ("mistake", "line"),
    [("unknown_fact", 9), ("unknown_value", 16), ("bare_date", 24), ("duplicate_key", 31), ("tag", 11)],
)
def test_the_line_is_that_of_the_mistake(mistake, line, tmp_path):
    entry = yaml.safe_load((BAD / f"{mistake}.yaml").read_text(encoding="utf-8"))
    folder = book_with(tmp_path, entry["file"], entry["old"], entry["new"])
    changed = (folder / entry["file"]).read_text(encoding="utf-8").splitlines()
    word = entry["new"].strip().splitlines()[-1].strip()
    assert word in changed[line - 1]
    assert check_rulebook(folder).problems[0].where.row == line


def test_every_fault_is_told_at_once(tmp_path):
    folder = book_with(tmp_path, "water_source.yaml", "occupies_water_zone is false", "nothing is false")
    text = (folder / "water_source.yaml").read_text(encoding="utf-8")
    (folder / "water_source.yaml").write_text(text.replace("is farm", "is frm"), encoding="utf-8")
    codes = {problem.code for problem in check_rulebook(folder).problems}
    assert {"law_unknown_fact", "law_unknown_value"} <= codes


@pytest.mark.parametrize("name", ["plan.yaml", "schedules.yaml", "readings.yaml", "duties.yaml"])
def test_a_missing_file_is_named(name, tmp_path):
    folder = book_with(tmp_path)
    (folder / name).unlink()
    with pytest.raises(RuleBookError, match=name):
        load_rulebook(folder)


def test_a_book_without_cases_is_refused(tmp_path):
    folder = book_with(tmp_path)
    shutil.rmtree(folder / "cases")
    assert [problem.code for problem in check_rulebook(folder).problems] == ["law_no_cases"]
    load_rulebook(folder)  # usable, only not proven


def test_loading_raises_the_first_fault(tmp_path):
    folder = book_with(tmp_path, "water_source.yaml", "subtype is farm", "subtyp is farm")
    with pytest.raises(RuleBookError, match=r'book/water_source\.yaml, row 16: Unknown fact "subtyp"'):
        load_rulebook(folder)


def test_a_file_that_is_not_utf8(tmp_path):
    folder = book_with(tmp_path)
    (folder / "water_source.yaml").write_bytes("category: 水源保护区".encode("gb18030"))
    with pytest.raises(RuleBookError, match="UTF-8"):
        load_rulebook(folder)


def test_a_case_that_comes_out_otherwise(tmp_path):
    folder = book_with(
        tmp_path, "cases/cases.yaml", "measure: remove, rule: water.new", "measure: remove, rule: water.old"
    )
    _, results, faults = run_cases_of(folder)
    assert [result.case.id for result in results if result.mismatches] == ["new"]
    assert len(faults) == 1
    words = 'Case "new": rule is water.new, expected water.old'
    assert words in faults[0].text("en")
    assert faults[0].where.row == 10


def test_deep_nesting_and_huge_lists_end_with_a_message(tmp_path):
    folder = book_with(tmp_path)
    (folder / "water_source.yaml").write_text("a: " + "[" * 200 + "]" * 200, encoding="utf-8")
    with pytest.raises(RuleBookError, match="nested too deeply"):
        load_rulebook(folder)
