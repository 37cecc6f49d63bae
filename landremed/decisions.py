"""Deciding all parcels: once per distinct facts, then spread over the rows."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.decision_elements import Deciding
from landremed.law import (
    Decision,
    Frame,
    RuleBook,
    frame_of,
    frame_selectors,
    outcome_facts,
    outcome_known,
    outcome_of,
    value_keys,
)
from landremed.numbering import by_first, distinct, grouped
from landremed.tables import FactColumn
from landremed.trace_table import OVERRIDE
from landremed.types import FactValue, Outcome, PartialDate

__all__ = ["OVERRIDE", "Decided", "days_alike", "decide_outcomes", "decide_rows", "with_overrides"]

IntArray: TypeAlias = npt.NDArray[np.int64]

FactsAsked: TypeAlias = Callable[[RuleBook, str | None, str | None, str | None], tuple[str, ...]]


@dataclass(frozen=True)
class Decided:
    """Decisions of all rows.

    Attributes
    ----------
    decisions : sequence of Decision
        Distinct ones, in the order of the first row that has each; without traces. Days that lie alike to
        every day a rule compares with share one, whose grounds show one of these days.
    code : ndarray of int
        Index into ``decisions`` per row.
    trace_id : ndarray of int
        Trace of every row.
    trace : pyarrow.Table
        ``TRACE_SCHEMA``, one set of rows per distinct trace.
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
    """
    alike = days_alike(book, columns, as_of)
    deciding = Deciding(book, alike, as_of)
    decision, trace = np.zeros((2, len(has_geometry)), np.int64)
    for frame, members in _frames(book, alike, len(has_geometry)):
        facts = [n for fact in frame.facts for n in (fact, OVERRIDE + fact) if n in alike]
        own = [has_geometry[members], *(alike[name].codes[members] for name in facts)]
        number, first = distinct(own, len(members))
        found = deciding.decide(frame, members[first], has_geometry[members[first]])
        decision[members], trace[members] = found[0][number], found[1][number]
    code, first = by_first(*distinct([decision], len(decision)))
    trace_id, table = deciding.lines.table(trace, columns, first_trace + 1)
    return Decided([deciding.decisions[n] for n in decision[first].tolist()], code, trace_id, table)


def _frames(book: RuleBook, columns: Mapping[str, FactColumn], rows: int) -> Iterator[tuple[Frame, IntArray]]:
    """Yield the frames of all rows, each with its own."""
    absent = FactColumn(np.zeros(rows, np.int32), [None])
    category = columns.get("category", absent)
    for members in grouped(category.codes):
        names = frame_selectors(book, category[int(members[0])])
        number, _ = distinct([columns.get(name, absent).codes[members] for name in names], len(members))
        for own in grouped(number):
            row = int(members[own[0]])
            known = {name: columns.get(name, absent)[row] for name in ("category", *names)}
            yield frame_of(book, known), members[own]


def decide_outcomes(
    book: RuleBook, columns: Mapping[str, FactColumn], has_geometry: npt.NDArray[np.bool_]
) -> npt.NDArray[np.object_]:
    """Return the outcome of every row, the same as that of ``decide_rows``.

    Parameters
    ----------
    book, columns, has_geometry
        As for ``decide_rows``; give dates as ``days_alike`` makes them where rows are asked again and again.
    """
    code, first = _combinations(book, columns, has_geometry, outcome_facts)
    found = [outcome_known(book, key) for key in _keys(book, columns, first, outcome_facts)]
    for at in np.flatnonzero(~has_geometry[first]).tolist():
        found[at] = Outcome.NEEDS_REVIEW.value
    missing = [at for at, outcome in enumerate(found) if outcome is None]
    for at, facts in zip(missing, _facts_of(columns, first[missing]), strict=True):
        found[at] = outcome_of(book, facts)
    return np.array(found, dtype=object)[code]


def _facts_of(columns: Mapping[str, FactColumn], rows: IntArray) -> list[dict[str, FactValue]]:
    """Return the facts of some rows."""
    names = list(columns)
    if not names:
        return [{} for _ in rows]
    values = [[c.values[code] for code in c.codes[rows].tolist()] for c in columns.values()]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def _keys(
    book: RuleBook, columns: Mapping[str, FactColumn], rows: IntArray, asked: FactsAsked
) -> list[tuple[Hashable, ...]]:
    """Return for some rows the keys of the facts that their class asks for."""
    absent = FactColumn(np.zeros(int(rows.max(initial=-1)) + 1, np.int32), [None])
    keys: dict[str, list[Hashable]] = {}
    found: list[tuple[Hashable, ...]] = [()] * len(rows)
    category = columns.get("category", absent)
    for code in np.unique(category.codes[rows]):
        members = np.flatnonzero(category.codes[rows] == code)
        own = category.values[code]
        own_keys = []
        for name in asked(book, own if isinstance(own, str) and own in book.categories else None, None, None):
            column = columns.get(name, absent)
            if name not in keys:
                keys[name] = value_keys(book, name, column.values)
            own_keys.append([keys[name][i] for i in column.codes[rows[members]].tolist()])
        for at, key in zip(members.tolist(), zip(*own_keys, strict=True), strict=bool(own_keys)):
            found[at] = key
    return found


def _combinations(
    book: RuleBook,
    columns: Mapping[str, FactColumn],
    has_geometry: npt.NDArray[np.bool_],
    asked: FactsAsked,
) -> tuple[IntArray, IntArray]:
    """Return the number of every row's combination of facts that can matter, and each one's first row."""
    rows = len(has_geometry)
    hand_overs = {code: found.hand_over.fact for code, found in book.classes.items() if found.hand_over}
    selectors = dict.fromkeys(("category", "subtype", *hand_overs.values()))
    selector, _ = distinct([has_geometry, *(columns[n].codes for n in selectors if n in columns)], rows)
    key = np.zeros(rows, dtype=np.int64)
    offset = 0
    for value in np.unique(selector):
        members = np.flatnonzero(selector == value)
        known = {name: columns[name][int(members[0])] if name in columns else None for name in selectors}
        category = _code(known["category"])
        related = known.get(hand_overs.get(category or "", ""))
        # an absent claim of a hand-over is no hand-over; only an unreadable one leaves all classes open
        handed = "" if related is None else _code(related)
        used = asked(book, category, _code(known["subtype"]), handed)
        part, own = distinct(
            [has_geometry[members], *(columns[n].codes[members] for n in used if n in columns)], len(members)
        )
        key[members] = part + offset
        offset += len(own)
    return by_first(*distinct([key], rows))


def _code(value: FactValue) -> str | None:
    return value if isinstance(value, str) else None


def days_alike(book: RuleBook, columns: Mapping[str, FactColumn], as_of: date) -> dict[str, FactColumn]:
    """Let days that lie alike to every day a rule compares with count as one value.

    Only a date that itself becomes a deadline keeps all its days apart.

    Parameters
    ----------
    book, columns, as_of
        As for ``decide_rows``.
    """
    days = sorted({p.value for p in book.parameters.values() if isinstance(p.value, date)} | {as_of})
    due = {schedule.due_from for schedule in book.schedules.values()}
    alike = dict(columns)
    for name, column in columns.items():
        if name in due or not any(isinstance(value, PartialDate) for value in column.values):
            continue
        number: dict[object, int] = {}
        lookup = [number.setdefault(_day_class(value, days), len(number)) for value in column.values]
        kept: dict[int, FactValue] = {}
        for value, at in zip(column.values, lookup, strict=True):
            kept.setdefault(at, value)
        alike[name] = FactColumn(
            np.array(lookup, np.int32)[column.codes], [kept[i] for i in range(len(kept))]
        )
    return alike


def _day_class(value: FactValue, days: Sequence[date]) -> object:
    if not isinstance(value, PartialDate):
        return value
    return tuple(side(days, day) for day in (value.first, value.last) for side in (bisect_left, bisect_right))
