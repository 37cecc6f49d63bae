"""Decisions of many combinations of facts, by columns.

What the rules say, deadlines, priority and each step of the trace hang on few facts each. Every one of them
is found once per distinct values of its own facts; combinations then are numbers of these, and a decision is
put together once per distinct numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import date
from functools import partial
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from landremed.law import (
    NOTHING_DUE,
    Decision,
    Frame,
    RuleBook,
    Timing,
    Verdict,
    assembled,
    present,
    value_keys,
)
from landremed.numbering import distinct, grouped
from landremed.tables import FactColumn
from landremed.trace_table import OVERRIDE, TraceLines, has_slot, shown_text
from landremed.types import FactValue

__all__ = ["Deciding"]

IntArray: TypeAlias = npt.NDArray[np.int64]
T = TypeVar("T", bound=Hashable)


class Deciding:
    """Decides combinations of facts, frame by frame, and gathers what the traces say.

    Parameters
    ----------
    book : RuleBook
        With the readings wanted.
    columns : mapping of fact to FactColumn
        Facts; combinations are named by a row that has them.
    as_of : date
        Day on which deadlines are judged.
    """

    def __init__(self, book: RuleBook, columns: Mapping[str, FactColumn], as_of: date) -> None:
        self.decisions: list[Decision] = []
        self.lines = TraceLines(book)
        self._book, self._columns, self._as_of = book, columns, as_of
        self._keys: dict[str, IntArray] = {}
        self._shown: dict[str, IntArray] = {}

    def decide(
        self, frame: Frame, rows: IntArray, has_geometry: npt.NDArray[np.bool_]
    ) -> tuple[IntArray, IntArray]:
        """Decide the combinations of one frame.

        Parameters
        ----------
        frame : Frame
            Of all of them.
        rows : ndarray of int
            A row of each combination.
        has_geometry : ndarray of bool
            Of each combination.

        Returns
        -------
        decision, trace : ndarray of int
            Number of each one's decision in ``decisions``, and of its trace in ``lines``.
        """
        verdict, verdicts = self._verdicts(frame, rows, has_geometry)
        timing, timings = self._timings(frame, rows, verdict, verdicts)
        rank, ranks = self._found(rows, frame.rank_facts, frame.rank)
        asked_on = [{name for s in t.schedules for name in _dates(self._book, s)} for t in timings]
        dates = self._codes_where(rows, frame.due_facts, timing, asked_on)
        grounds = sorted({name for found in verdicts for name in found.grounds} - set(frame.selectors))
        told = self._codes_where(rows, grounds, verdict, [set(found.grounds) for found in verdicts])
        number, first = distinct([verdict, timing, rank, *dates, *told], len(rows))
        names = tuple(dict.fromkeys((*frame.due_facts, *grounds)))
        start = len(self.decisions)
        for i in first.tolist():
            facts = {**frame.selectors, **self._facts(names, int(rows[i]))}
            elements = verdicts[verdict[i]], timings[timing[i]], ranks[rank[i]]
            self.decisions.append(
                assembled(self._book, frame.common, *elements, facts=facts, as_of=self._as_of)
            )
        return number + start, self._traces(frame, rows, verdict, verdicts)

    def _verdicts(
        self, frame: Frame, rows: IntArray, has_geometry: npt.NDArray[np.bool_]
    ) -> tuple[IntArray, list[Verdict]]:
        codes = [self._key_codes(name, rows) for name in frame.verdict_facts]
        number, first = distinct([has_geometry, *codes], len(rows))
        found = [
            frame.verdict(self._facts(frame.verdict_facts, int(rows[i])), bool(has_geometry[i]))
            for i in first
        ]
        return _merged(number, found)

    def _timings(
        self, frame: Frame, rows: IntArray, verdict: IntArray, verdicts: Sequence[Verdict]
    ) -> tuple[IntArray, list[Timing]]:
        timing, timings = np.zeros(len(rows), np.int64), [NOTHING_DUE]
        kinds: dict[tuple[str, ...] | None, int] = {None: 0}
        kind = [kinds.setdefault(v.alone if v.decided else None, len(kinds)) for v in verdicts]
        for members in grouped(np.array(kind, np.int64)[verdict]):
            first = verdicts[verdict[members[0]]]
            if not first.decided:
                continue
            ask = partial(frame.timing, first.alone)
            found, more = self._found(rows[members], frame.timing_facts(first.alone), ask)
            timing[members] = found + len(timings)
            timings += more
        return _merged(timing, timings)

    def _found(
        self, rows: IntArray, facts: Sequence[str], ask: Callable[[Mapping[str, FactValue]], T]
    ) -> tuple[IntArray, list[T]]:
        """Ask once per distinct values of some facts; return the number of each row's answer, and these."""
        number, first = distinct([self._key_codes(name, rows) for name in facts], len(rows))
        return _merged(number, [ask(self._facts(facts, int(rows[i]))) for i in first])

    def _traces(
        self, frame: Frame, rows: IntArray, verdict: IntArray, verdicts: Sequence[Verdict]
    ) -> IntArray:
        """Return the number of each combination's trace."""
        there = np.array([present(frame.places, found.fired) for found in verdicts], dtype=bool)
        lines = np.zeros((len(frame.places), len(rows)), np.int64)
        for at, place in enumerate(frame.places):
            decides = np.array([place.rule in found.fired for found in verdicts], dtype=bool)
            own = np.flatnonzero(there[verdict, at])
            if not len(own):
                continue
            asked = [name for name in place.facts if name not in frame.selectors]
            shown = [self._shown_codes(name, rows[own]) for n in asked for name in (n, OVERRIDE + n)]
            number, first = distinct([decides[verdict[own]], *shown], len(own))
            found = []
            for i in own[first].tolist():
                facts = self._facts(asked, int(rows[i]))
                step = frame.step(place, facts, bool(decides[verdict[i]]))
                values = self._facts([m for n, _ in step.facts for m in (n, OVERRIDE + n)], int(rows[i]))
                found.append(self.lines.line(step, values))
            lines[at, own] = np.array(found, np.int64)[number] + 1
        number, first = distinct(list(lines), len(rows))
        traces = [self.lines.trace([line - 1 for line in own if line]) for own in lines[:, first].T.tolist()]
        return np.array(traces, np.int64)[number]

    def _facts(self, names: Sequence[str], row: int) -> dict[str, FactValue]:
        columns = self._columns
        return {name: columns[name][row] if name in columns else None for name in names}

    def _key_codes(self, name: str, rows: IntArray) -> IntArray:
        """Return for some rows a number that is equal where no rule tells a difference."""
        if name not in self._columns:
            return np.zeros(len(rows), np.int64)
        column = self._columns[name]
        if name not in self._keys:
            self._keys[name] = _numbers(value_keys(self._book, name, column.values))
        return self._keys[name][column.codes[rows]]

    def _shown_codes(self, name: str, rows: IntArray) -> IntArray:
        """Return for some rows a number that is equal where a step shows, and asks for, the same."""
        if name not in self._columns:
            return np.zeros(len(rows), np.int64)
        column = self._columns[name]
        if name not in self._shown:
            fact = name.removeprefix(OVERRIDE)
            keys = (
                value_keys(self._book, fact, column.values) if name == fact else [None] * len(column.values)
            )
            texts = [None if has_slot(v) else shown_text(self._book, name, v) for v in column.values]
            self._shown[name] = _numbers(list(zip(keys, texts, strict=True)))
        return self._shown[name][column.codes[rows]]

    def _codes_where(
        self, rows: IntArray, names: Sequence[str], number: IntArray, wanted: Sequence[set[str]]
    ) -> list[IntArray]:
        """Return the codes of facts, 0 in rows whose numbered element does not want the fact."""
        found = []
        for name in names:
            if name in self._columns:
                holds = np.array([name in own for own in wanted], dtype=bool)[number]
                found.append(np.where(holds, self._columns[name].codes[rows].astype(np.int64) + 1, 0))
        return found


def _dates(book: RuleBook, schedule: str) -> tuple[str, str]:
    found = book.schedules[schedule]
    return found.due_from, found.at_once_from


def _merged(number: IntArray, found: Sequence[T]) -> tuple[IntArray, list[T]]:
    """Let equal things count as one."""
    places: dict[T, int] = {}
    at = np.array([places.setdefault(one, len(places)) for one in found], np.int64)
    return at[number], list(places)


def _numbers(keys: Sequence[Hashable]) -> IntArray:
    """Return a number per key, equal where keys are."""
    places: dict[Hashable, int] = {}
    return np.array([places.setdefault(key, len(places)) for key in keys], np.int64)
