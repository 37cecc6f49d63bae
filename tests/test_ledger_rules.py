"""Mistakes in ``ledger.yaml``: each is refused with its line."""

import shutil
from pathlib import Path

import pytest

from landremed.errors import RuleBookError
from landremed.law import load_rulebook

BOOK = Path(__file__).parents[1] / "rules" / "binhai-2022"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("start: issued", "start: issue", ("issue", "issued")),
        ("to: verified, by", "to: verifed, by", ("verifed", "verified")),
        ("by: town_or_zone", "by: town", ("town", "town_or_zone")),
        ("counts: struck", "counts: stuck", ("stuck", "struck")),
        ("needs: [acceptance]", "needs: [acceptances]", ("acceptances", "acceptance")),
        ("measures: [hold_on_account]", "measures: [hold]", ("hold", "hold_on_account")),
        ("categories: [approved_unsupplied]", "categories: [unsupplied]", ("approved_unsupplied",)),
        ("{id: verified, zh", "{id: issued, zh", ("issued",)),
        (
            "items: [plan_approved, opinion_obtained]",
            "items: [plan_aproved]",
            ("plan_aproved", "plan_approved"),
        ),
        ("series: {idle: 1, default: 1}", "series: {idle: 3}", ("3",)),
        ("series: {idle: 1, default: 1}", "series: {idel: 1}", ("idel", "idle")),
        ("only: cultivated", "only: cultivate", ("cultivate", "cultivated")),
        ('clause: "3.5.1"', 'clause: "3.5.9"', ("3.5.9",)),
        ("meeting: true", "meeting: maybe", ("maybe",)),
        ("relapse: true", "relaps: true", ("relaps", "relapse")),
        ("before: in_progress", "before: begun", ("begun",)),
    ],
)
def test_mistakes_name_file_line_and_word(tmp_path, old, new, words):
    folder = tmp_path / "book"
    shutil.copytree(BOOK, folder)
    page = folder / "ledger.yaml"
    text = page.read_text(encoding="utf-8")
    assert old in text
    line = text[: text.index(old)].count("\n") + 1
    page.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(RuleBookError) as caught:
        load_rulebook(folder)
    said = caught.value.text("en")
    assert "ledger.yaml" in said
    assert caught.value.where.row is not None
    assert abs(caught.value.where.row - line) <= 1
    for word in words:
        assert word in said


def test_every_state_can_be_reached_and_left():
    rules = load_rulebook("binhai-2022").ledger
    reached, waiting = {rules.start}, [rules.start]
    while waiting:
        state = waiting.pop()
        for move in rules.moves:
            if state in move.sources and move.target not in reached:
                reached.add(move.target)
                waiting.append(move.target)
    assert reached == set(rules.states)
    assert {source for move in rules.moves for source in move.sources} == set(rules.states)
    assert rules.dated.isoformat() == "2022-03-18"
