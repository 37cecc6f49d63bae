"""Deciding all parcels: once per distinct combination of facts, then spread over the rows."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.law import Decision, RuleBook, decide, facts_used
from landremed.tables import TRACE_SCHEMA, FactColumn
from landremed.types import UNKNOWN, FactValue, PartialDate

__all__ = ["OVERRIDE", "Decided", "decide_rows", "value_text", "with_overrides"]

IntArray: TypeAlias = npt.NDArray[np.int64]

OVERRIDE = "override_"
_SELECTORS = ("category", "related_category", "subtype")


@dataclass(frozen=True)
class Decided:
    """Decisions of all rows.

    Attributes
    ----------
    decisions : sequence of Decision
        One per distinct combination, in the order of its first row.
    code : ndarray of int
        Index into ``decisions`` per row.
    trace_id : ndarray of int
        Trace of every row.
    trace : pyarrow.Table
        ``TRACE_SCHEMA``, one set of rows per combination.
    """

    decisions: Sequence[Decision]
    code: IntArray
    trace_id: IntArray
    trace: pa.Table

    def __getitem__(self, row: int) -> Decision:
        return self.decisions[int(self.code[row])]


def with_overrides(
    computed: Mapping[str, FactColumn], given: Mapping[str, FactColumn]
) -> dict[str, FactColumn]:
    """Join given and computed facts; an ``override_<fact>`` stands in for what was computed.

    An override that cannot be read leaves the fact unknown: somebody disputes it.
    The override columns stay, so that traces show them.
    """
    columns = dict(computed) | dict(given)
    for name, override in given.items():
        fact = name.removeprefix(OVERRIDE)
        if name == fact:
            continue
        absent = np.array([value is None for value in override.values])[override.codes]
        if fact not in computed:
            columns[fact] = override
            continue
        base = computed[fact]
        values = [*base.values, *override.values]
        codes = np.where(absent, base.codes, override.codes + len(base.values)).astype(np.int32)
        columns[fact] = FactColumn(codes, values)
    return columns


def decide_rows(
    book: RuleBook,
    columns: Mapping[str, FactColumn],
    *,
    as_of: date,
    has_geometry: npt.NDArray[np.bool_],
    first_trace: int = 0,
    language: str = "zh",
) -> Decided:
    """Decide every row.

    Parameters
    ----------
    book : RuleBook
        With the readings wanted.
    columns : mapping of fact to FactColumn
        Given and computed facts, overrides included.
    as_of : date
        Day on which deadlines are judged.
    has_geometry : ndarray of bool
        Rows without geometry need review whatever their facts are.
    first_trace : int
        Number of traces that stand before these in the file.
    language : {"zh", "en"}
        Of the condition texts.
    """
    code, first = _combinations(book, columns, has_geometry)
    decisions = []
    rows: list[tuple[object, ...]] = []
    memo: dict[tuple[object, ...], Decision] = {}
    for number, row in enumerate(first):
        facts = {name: column[row] for name, column in columns.items()}
        decision = _decide_once(book, facts, bool(has_geometry[row]), as_of, memo)
        decisions.append(decision)
        rows.extend(_trace_rows(decision, facts, first_trace + number + 1, language))
    fields = zip(*rows, strict=True) if rows else [[] for _ in TRACE_SCHEMA]
    arrays = [pa.array(list(v), type=f.type) for v, f in zip(fields, TRACE_SCHEMA, strict=True)]
    return Decided(decisions, code, code + first_trace + 1, pa.table(arrays, schema=TRACE_SCHEMA))


def value_text(value: FactValue) -> str:
    """Return a fact's value as it stands in traces and tables."""
    if value is None or value is UNKNOWN:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value)


def _combinations(
    book: RuleBook, columns: Mapping[str, FactColumn], has_geometry: npt.NDArray[np.bool_]
) -> tuple[IntArray, IntArray]:
    """Number the distinct combinations of the facts that can matter, by their first row."""
    rows = len(has_geometry)
    selector = _factor([columns[name].codes for name in _SELECTORS if name in columns], has_geometry)
    key = np.zeros(rows, dtype=np.int64)
    offset = 0
    for value in np.unique(selector):
        members = np.flatnonzero(selector == value)
        category, related, subtype = (
            columns[name][int(members[0])] if name in columns else None for name in _SELECTORS
        )
        used = facts_used(book, _code(category), _code(subtype), _code(related))
        names = [n for fact in used for n in (fact, OVERRIDE + fact) if n in columns]
        part = _factor([columns[n].codes[members] for n in names], has_geometry[members])
        key[members] = part + offset
        offset += int(part.max()) + 1
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[inverse], first[order]


def _factor(codes: Sequence[npt.NDArray[np.int32]], flag: npt.NDArray[np.bool_]) -> IntArray:
    """Number the distinct tuples of several code columns."""
    key = flag.astype(np.int64)
    for column in codes:
        width = int(column.max(initial=0)) + 1
        _, key = np.unique(key * width + column, return_inverse=True)
        key = key.astype(np.int64)
    return key


def _code(value: FactValue) -> str | None:
    return value if isinstance(value, str) else None


def _decide_once(
    book: RuleBook,
    facts: Mapping[str, FactValue],
    has_geometry: bool,
    as_of: date,
    memo: dict[tuple[object, ...], Decision],
) -> Decision:
    """Decide; combinations that differ only in days between the same thresholds are decided once."""
    days = sorted({p.value for p in book.parameters.values() if isinstance(p.value, date)} | {as_of})
    due = {schedule.due_from for schedule in book.schedules.values()}
    key = (
        has_geometry,
        *((v if name in due else _day_class(v, days)) for name, v in facts.items()),
    )
    if key not in memo:
        memo[key] = decide(book, facts, as_of=as_of, has_geometry=has_geometry)
    return memo[key]


def _day_class(value: FactValue, days: Sequence[date]) -> object:
    """Stand a date in for all days that lie alike to every day a rule compares with."""
    if not isinstance(value, PartialDate):
        return value
    return tuple(side(days, day) for day in (value.first, value.last) for side in (bisect_left, bisect_right))


def _trace_rows(
    decision: Decision, facts: Mapping[str, FactValue], trace_id: int, language: str
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for number, step in enumerate(decision.trace, 1):
        shown = []
        for name, text in step.facts:
            value = facts.get(name)
            # the decision may come from a twin with another day between the same thresholds
            shown.append(f"{name}={value if isinstance(value, PartialDate) else text}")
            override = facts.get(OVERRIDE + name)
            if override is not None:
                shown.append(f"{OVERRIDE}{name}={value_text(override)}")
        rows.append(
            (
                trace_id,
                number,
                step.rule or None,
                step.clause or None,
                step.condition,
                ",".join(shown) or None,
                step.value,
                int(step.decides),
            )
        )
    return rows
