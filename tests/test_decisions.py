"""Many rows decided at once come to what each would alone."""

from datetime import date

import numpy as np
import pytest

from landremed.decisions import decide_outcomes, decide_rows, with_overrides
from landremed.law import decide, load_rulebook
from landremed.tables import FactColumn
from landremed.types import UNKNOWN, PartialDate
from landremed.why import Measures, why_sentences

AS_OF = date(2022, 6, 30)
ROWS = 400
DAYS = (
    PartialDate(date(2004, 10, 20), date(2004, 10, 20)),
    PartialDate(date(2004, 10, 21), date(2004, 10, 21)),
    PartialDate(date(2004, 1, 1), date(2004, 12, 31)),
    PartialDate(date(2019, 5, 1), date(2019, 5, 31)),
    PartialDate(date(2019, 5, 2), date(2019, 5, 2)),
)


def columns_of(book, seed):
    """Return random facts for every name of the vocabulary, some absent or unreadable, with overrides."""
    random = np.random.default_rng(seed)

    def column(values):
        return FactColumn(random.integers(0, len(values), ROWS).astype(np.int32), values)

    columns = {}
    for name, spec in book.vocabulary.items():
        if spec.kind == "bool":
            columns[name] = column([True, False, None, UNKNOWN])
        elif spec.kind == "date":
            columns[name] = column([*DAYS, None, UNKNOWN])
        elif spec.kind == "number":
            columns[name] = column([0.0, 5.0, 800.0, None])
        else:
            columns[name] = column([*spec.values, None, UNKNOWN])
    given = {"override_occupies_ecological_red_line": column([True, False, None, None, UNKNOWN])}
    return with_overrides(columns, given)


@pytest.mark.parametrize("seed", [1, 2])
def test_rows_are_decided_as_if_each_were_alone(seed):
    book = load_rulebook("binhai-2022")
    columns = columns_of(book, seed)
    there = np.random.default_rng(seed).random(ROWS) > 0.1
    decided = decide_rows(book, columns, as_of=AS_OF, has_geometry=there)
    outcomes = decide_outcomes(book, columns, there)
    steps = {}
    for row in decided.trace.to_pylist():
        steps.setdefault(row["trace_id"], []).append(row)
    measures = Measures({}, np.full(ROWS, 1000.0), {n: c for n, c in columns.items() if c.values[0] in DAYS})
    why = why_sentences(book, decided.decisions, decided.code, measures, "zh")
    for row in range(ROWS):
        facts = {name: column[row] for name, column in columns.items()}
        alone = decide(book, facts, as_of=AS_OF, has_geometry=bool(there[row]))
        found = decided[row]
        for name in (
            "outcome",
            "measure",
            "rules",
            "clauses",
            "reason",
            "missing_facts",
            "due_on",
            "overdue",
        ):
            assert getattr(found, name) == getattr(alone, name), (row, name)
        assert (found.priority, found.zero_tolerance) == (alone.priority, alone.zero_tolerance)
        assert outcomes[row] == alone.outcome
        own = steps[decided.trace_id[row]]
        assert [s["rule"] or "" for s in own] == [s.rule for s in alone.trace]
        for step, true in zip(own, alone.trace, strict=True):
            shown = dict(part.split("=") for part in (step["facts"] or "").split(",") if part)
            assert {n: shown[n] for n, _ in true.facts} == dict(true.facts)
            override = columns["override_occupies_ecological_red_line"][row]
            named = "override_occupies_ecological_red_line" in shown
            asked = "occupies_ecological_red_line" in dict(true.facts)
            assert named == (asked and override is not None)
        one = why_sentences(book, [alone], np.zeros(1, np.int64), _row(measures, row), "zh")
        assert why[row].as_py() == one[0].as_py()


def _row(measures, row):
    dates = {name: FactColumn(c.codes[[row]], c.values) for name, c in measures.dates.items()}
    return Measures({}, measures.parcel_m2[[row]], dates)
