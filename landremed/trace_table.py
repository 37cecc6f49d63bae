"""The trace of every distinct combination of facts, as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.law import Decision, TraceStep
from landremed.tables import TRACE_SCHEMA, FactColumn
from landremed.types import UNKNOWN, FactValue, PartialDate

__all__ = ["OVERRIDE", "trace_table", "value_text"]

IntArray: TypeAlias = npt.NDArray[np.int64]

_SOME_DAY: Final = PartialDate(date.min, date.max)

OVERRIDE: Final = "override_"
"""Prefix of a given fact that stands in for a computed one."""


def trace_table(
    decisions: Sequence[Decision], code: IntArray, columns: Mapping[str, FactColumn]
) -> tuple[IntArray, pa.Table]:
    """Return the trace of every row, and the traces themselves.

    Parameters
    ----------
    decisions, code
        Decisions and the index of each row's.
    columns : mapping of fact to FactColumn
        All facts; rows of one decision may differ in the days of dates.

    Returns
    -------
    trace_id : ndarray of int
        From 0, per row.
    trace : pyarrow.Table
        ``TRACE_SCHEMA``, sorted by trace and step.
    """
    names = list(columns)
    dates = [n for n in names if any(isinstance(v, PartialDate) for v in columns[n].values)]
    shown = _mentioned(decisions, dates)
    key = _alike(decisions, code, columns, set(dates))[code]
    for i, name in enumerate(dates):
        day = np.where(shown[code, i], _days(columns[name])[columns[name].codes], 0)
        _, key = np.unique(key * (int(day.max(initial=0)) + 1) + day, return_inverse=True)
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[inverse], _rows(decisions, code[first[order]], first[order], columns, set(dates))


def value_text(value: FactValue) -> str:
    """Return a fact's value as it stands in traces."""
    if value is None or value is UNKNOWN:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value)


def _alike(
    decisions: Sequence[Decision], code: IntArray, columns: Mapping[str, FactColumn], dates: set[str]
) -> IntArray:
    """Return a number per decision: those whose traces read alike, but for the days of dates, have one.

    What is not in the trace may differ: an absent and an unreadable value both read "unknown".
    """
    known, first = np.unique(code, return_index=True)
    row = dict(zip(known.tolist(), first.tolist(), strict=True))
    masked = {
        name: FactColumn(
            column.codes, [_SOME_DAY if isinstance(v, PartialDate) else v for v in column.values]
        )
        if name in dates
        else column
        for name, column in columns.items()
    }
    texts = _Texts(masked, dates)
    numbers: dict[tuple[object, ...], int] = {}
    found = [tuple([texts.number(s, row.get(at, 0)) for s in d.trace]) for at, d in enumerate(decisions)]
    return np.array([numbers.setdefault(steps, len(numbers)) for steps in found], np.int64)


def _days(column: FactColumn) -> IntArray:
    """Return a number per value of a date, by what is shown of it; 0 for what is no date."""
    numbers: dict[str, int] = {}
    shown = (str(v) if isinstance(v, PartialDate) else "" for v in column.values)
    return np.array([numbers.setdefault(text, len(numbers) + 1) if text else 0 for text in shown], np.int64)


def _mentioned(decisions: Sequence[Decision], facts: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Tell for every decision which of some facts its trace shows."""
    place = {fact: i for i, fact in enumerate(facts)}
    known: dict[int, list[int]] = {}
    found = np.zeros((len(decisions), len(facts)), dtype=bool)
    for at, decision in enumerate(decisions):
        for step in decision.trace:
            own = known.get(id(step))
            if own is None:
                own = known[id(step)] = [place[name] for name, _ in step.facts if name in place]
            if own:
                found[at, own] = True
    return found


class _Texts:
    """Facts of steps as text. Most steps are shared by many decisions, and read the same in every row."""

    def __init__(self, columns: Mapping[str, FactColumn], dates: set[str]) -> None:
        self._columns = columns
        self._of_row = dates | {name for name in columns if OVERRIDE + name in columns}
        self._texts: dict[int, str | None] = {}
        self._numbers: dict[int, int] = {}
        self._known: dict[tuple[object, ...], int] = {}

    def text(self, step: TraceStep, row: int) -> str | None:
        """Return a step's facts as a row has them."""
        if id(step) in self._texts:
            return self._texts[id(step)]
        found = _facts_text(step, self._columns, row)
        if not self._hangs_on_row(step):
            self._texts[id(step)] = found
        return found

    def number(self, step: TraceStep, row: int) -> int:
        """Return a number for all that a step says; steps that say the same have the same."""
        known = self._numbers.get(id(step))
        if known is None:
            told = (step.rule, step.clause, step.condition, self.text(step, row), step.value, step.decides)
            known = self._known.setdefault(told, len(self._known))
            if not self._hangs_on_row(step):
                self._numbers[id(step)] = known
        return known

    def _hangs_on_row(self, step: TraceStep) -> bool:
        return any(name in self._of_row for name, _ in step.facts)


def _rows(
    decisions: Sequence[Decision],
    code: IntArray,
    row: IntArray,
    columns: Mapping[str, FactColumn],
    dates: set[str],
) -> pa.Table:
    """Lay out the steps of every trace; only texts that show a date are made one by one."""
    steps = [step for decision in decisions for step in decision.trace]
    count = np.array([len(decision.trace) for decision in decisions], dtype=np.int64)
    start = np.r_[0, np.cumsum(count)]
    length = count[code]
    trace = np.repeat(np.arange(len(code)), length)
    within = np.arange(len(trace)) - np.repeat(np.cumsum(length) - length, length)
    at = start[code][trace] + within
    dated = np.array([any(name in dates for name, _ in step.facts) for step in steps], dtype=bool)
    # facts but dates are the same for all rows of a decision: its first trace stands for them
    source = np.zeros(len(steps), dtype=np.int64)
    source[at[::-1]] = row[trace[::-1]]
    shown = _Texts(columns, dates)
    texts = [shown.text(step, row_of) for step, row_of in zip(steps, source.tolist(), strict=True)]
    facts = np.array(texts, dtype=object)[at] if len(at) else np.zeros(0, dtype=object)
    for i in np.flatnonzero(dated[at]):
        facts[i] = _facts_text(steps[at[i]], columns, int(row[trace[i]]))
    fixed = pa.table(
        {
            "rule": pa.array([s.rule or None for s in steps], pa.string()),
            "clause": pa.array([s.clause or None for s in steps], pa.string()),
            "condition": pa.array([s.condition for s in steps], pa.string()),
            "value": pa.array([s.value for s in steps], pa.string()),
            "decides": pa.array([int(s.decides) for s in steps], pa.int64()),
        }
    ).take(pa.array(at))
    arrays = {
        "trace_id": pa.array(trace, pa.int64()),
        "step": pa.array(within + 1, pa.int64()),
        "facts": pa.array(facts, pa.string()),
        **{name: fixed[name] for name in fixed.column_names},
    }
    return pa.table([arrays[field.name] for field in TRACE_SCHEMA], schema=TRACE_SCHEMA)


def _facts_text(step: TraceStep, columns: Mapping[str, FactColumn], row: int) -> str | None:
    shown = []
    for name, text in step.facts:
        value = columns[name][row] if name in columns else None
        shown.append(f"{name}={value if isinstance(value, PartialDate) else text}")
        override = columns[OVERRIDE + name][row] if OVERRIDE + name in columns else None
        if override is not None:
            shown.append(f"{OVERRIDE}{name}={value_text(override)}")
    return ",".join(shown) or None
