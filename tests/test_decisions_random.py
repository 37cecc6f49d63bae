"""Columns of facts decided at once come to what each row would alone, whatever the rule book says."""

from dataclasses import fields
from datetime import date

import law_oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_books import Maker

from landremed.decisions import decide_outcomes, decide_rows
from landremed.law import Decision, decide, load_rulebook
from landremed.tables import FactColumn
from landremed.types import UNKNOWN, PartialDate

AS_OF = date(2021, 12, 31)
ROWS = 120
APART = {"trace", "grounds"}
"""Rows of one decision may differ in the days of dates, which these show."""


def text_of(value):
    """Return an override's value as traces show it."""
    if value is None or value is UNKNOWN:
        return "unknown"
    return f"{value:.2f}" if isinstance(value, float) else str(value).lower()


def line_of(step, columns, row):
    """Return what a line of the trace table says of a step, and of what stands in for its facts."""
    shown = []
    for name, text in step.facts:
        shown.append(f"{name}={text}")
        override = columns[f"override_{name}"][row] if f"override_{name}" in columns else None
        if override is not None:
            shown.append(f"override_{name}={text_of(override)}")
    return (
        step.rule or None,
        step.clause or None,
        step.condition,
        ",".join(shown) or None,
        step.value,
        int(step.decides),
    )


def traces_of(table):
    """Return the lines of every trace of a table; steps are numbered from 1."""
    found = {}
    for row in table.to_pylist():
        lines = found.setdefault(row["trace_id"], [])
        lines.append(tuple(row[n] for n in ("rule", "clause", "condition", "facts", "value", "decides")))
        assert row["step"] == len(lines)
    return found


def grounds_of(found, columns, row):
    """Return the grounds of a decision as its row shows them: dates are the row's own."""
    return [
        (name, columns[name][row] if isinstance(value, PartialDate) else value)
        for name, value in found.grounds
    ]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_random_books_by_columns_and_row_by_row(seed):
    maker = Maker(seed)
    book, columns = maker.book(), maker.columns(ROWS)
    there = maker.random.random(ROWS) > 0.1
    decided = decide_rows(book, columns, as_of=AS_OF, has_geometry=there, first_trace=7)
    outcomes = decide_outcomes(book, columns, there)
    traces = traces_of(decided.trace)
    assert decided.trace["trace_id"].to_pylist() == sorted(decided.trace["trace_id"].to_pylist())
    assert list(dict.fromkeys(decided.trace_id.tolist())) == list(range(8, 8 + len(traces)))
    assert len(set(map(tuple, traces.values()))) == len(traces), "two traces say the same"
    assert list(dict.fromkeys(decided.code.tolist())) == list(range(len(decided.decisions)))
    for row in range(ROWS):
        facts = {name: column[row] for name, column in columns.items()}
        alone = decide(book, facts, as_of=AS_OF, has_geometry=bool(there[row]))
        found = decided[row]
        for field in fields(Decision):
            if field.name not in APART:
                assert getattr(found, field.name) == getattr(alone, field.name), (row, field.name)
        assert grounds_of(found, columns, row) == list(alone.grounds)
        assert outcomes[row] == alone.outcome
        assert traces[decided.trace_id[row]] == [line_of(step, columns, row) for step in alone.trace]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_shares_of_the_rows_are_decided_alike(seed):
    maker = Maker(seed)
    book, columns = maker.book(), maker.columns(ROWS)
    there = np.ones(ROWS, dtype=bool)
    whole = decide_rows(book, columns, as_of=AS_OF, has_geometry=there)
    lines = traces_of(whole.trace)
    rows = np.sort(maker.random.permutation(ROWS)[: ROWS // 3])
    share = {name: FactColumn(column.codes[rows], column.values) for name, column in columns.items()}
    part = decide_rows(book, share, as_of=AS_OF, has_geometry=there[rows])
    own = traces_of(part.trace)
    for at, row in enumerate(rows.tolist()):
        assert part[at] == whole[row]
        assert own[part.trace_id[at]] == lines[whole.trace_id[row]]


def test_no_rows_at_all():
    maker = Maker(5)
    decided = decide_rows(maker.book(), maker.columns(0), as_of=AS_OF, has_geometry=np.zeros(0, dtype=bool))
    assert (len(decided.code), len(decided.decisions), decided.trace.num_rows) == (0, 0, 0)


@pytest.mark.parametrize("category", sorted(law_oracle.FACTS))
def test_columns_of_the_plan_agree_with_the_walk_through_every_completion(category):
    book = load_rulebook("binhai-2022")
    random = np.random.default_rng(len(category))
    rows = 60
    columns = {"category": FactColumn(np.zeros(rows, np.int32), [category])}
    for name in dict.fromkeys((*law_oracle.FACTS[category], "subtype")):
        spec = book.vocabulary[name]
        values = [True, False] if spec.kind == "bool" else list(spec.values)
        if spec.kind == "date":
            values = [PartialDate(d, d) for d in (date(2004, 10, 20), date(2019, 5, 1), date(2020, 7, 4))]
            values.append(PartialDate(date(2004, 10, 1), date(2004, 10, 31)))
        if name == "subtype":
            values = [code for code, value in spec.values.items() if category in value.scope]
        # few are open, as the oracle walks through every completion
        codes = np.where(random.random(rows) < 0.12, 0, 1 + random.integers(0, max(len(values), 1), rows))
        columns[name] = FactColumn(codes.astype(np.int32), [None, *(values or [None])])
    decided = decide_rows(book, columns, as_of=AS_OF, has_geometry=np.ones(rows, dtype=bool))
    for row in range(rows):
        found = decided[row]
        told = law_oracle.judge(category, {name: column[row] for name, column in columns.items()})
        outcome, measure, reason, rules, clauses, possible, missing, schedules, due = told
        assert (found.outcome, found.measure, found.reason) == (outcome, measure, reason)
        assert list(found.rules) == (rules if outcome != "needs_review" else [])
        assert set(found.clauses) == (clauses if outcome != "needs_review" else set())
        assert (list(found.possible_outcomes), list(found.missing_facts)) == (possible, missing)
        assert found.due_on == due
        assert list(found.schedules) == schedules
