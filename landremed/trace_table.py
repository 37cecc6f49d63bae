"""The trace of every distinct combination of facts, as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.law import RuleBook, TraceStep, fact_text
from landremed.numbering import by_first, distinct, grouped
from landremed.tables import TRACE_SCHEMA, FactColumn
from landremed.types import UNKNOWN, FactValue, PartialDate

__all__ = ["OVERRIDE", "TraceLines", "has_slot", "shown_text", "value_text"]

IntArray: TypeAlias = npt.NDArray[np.int64]

OVERRIDE: Final = "override_"
"""Prefix of a given fact that stands in for a computed one."""


def value_text(value: FactValue) -> str:
    """Return a fact's value as it stands in traces."""
    if value is None or value is UNKNOWN:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value)


def shown_text(book: RuleBook, name: str, value: FactValue) -> str:
    """Return a fact's value, or an override's ("" for none), as a line of a trace shows it."""
    if not name.startswith(OVERRIDE):
        return fact_text(book, name, value)
    return "" if value is None else value_text(value)


def has_slot(value: FactValue) -> bool:
    """Tell whether lines of traces leave a slot for such a value: a date or number, mostly each row's own."""
    return isinstance(value, (PartialDate, float))


class _Slot(NamedTuple):
    """Where a line shows a date or number of its row."""

    column: str


class _Line(NamedTuple):
    """What one step says, in whatever rows; ``facts`` are the pieces of its text."""

    rule: str
    clause: str
    condition: str
    facts: tuple[str | _Slot, ...]
    value: str
    decides: bool

    @property
    def slots(self) -> list[str]:
        """Columns that fill its slots."""
        return [piece.column for piece in self.facts if isinstance(piece, _Slot)]


_Column: TypeAlias = tuple[npt.NDArray[np.int32], pa.DictionaryArray]
"""Codes of rows, and the text of every code."""


class TraceLines:
    """Lines of traces, and traces, known by what they say: equal ones have one number.

    Dates and numbers leave slots, which the rows' own values fill in the end.
    """

    def __init__(self, book: RuleBook) -> None:
        self._book = book
        self._lines: dict[_Line, int] = {}
        self._traces: dict[tuple[int, ...], int] = {}

    def line(self, step: TraceStep, values: Mapping[str, FactValue]) -> int:
        """Return the number of a line.

        Parameters
        ----------
        step : TraceStep
            What it says.
        values : mapping
            Values of its facts, and of their overrides.
        """
        pieces: list[str | _Slot] = [""]

        def put(piece: str | _Slot) -> None:
            last = pieces[-1]
            if isinstance(piece, str) and isinstance(last, str):
                pieces[-1] = last + piece
            else:
                pieces.append(piece)

        for number, (name, text) in enumerate(step.facts):
            put(f"{',' if number else ''}{name}=")
            put(_Slot(name) if has_slot(values.get(name)) else text)
            override = values.get(OVERRIDE + name)
            if override is not None:
                put(f",{OVERRIDE}{name}=")
                put(_Slot(OVERRIDE + name) if has_slot(override) else value_text(override))
        told = _Line(step.rule, step.clause, step.condition, tuple(pieces), step.value, step.decides)
        return self._lines.setdefault(told, len(self._lines))

    def trace(self, lines: Sequence[int]) -> int:
        """Return the number of a trace of these lines."""
        return self._traces.setdefault(tuple(lines), len(self._traces))

    def table(
        self, trace: IntArray, columns: Mapping[str, FactColumn], first_id: int = 1
    ) -> tuple[IntArray, pa.Table]:
        """Return the trace of every row, and the traces themselves.

        Parameters
        ----------
        trace : ndarray of int
            Number of every row's trace, from ``trace``.
        columns : mapping of fact to FactColumn
            All facts; rows with traces that read alike may differ in dates and numbers.
        first_id : int
            Id of the first trace.

        Returns
        -------
        trace_id : ndarray of int
            Per row, in the order in which traces come first.
        table : pyarrow.Table
            ``TRACE_SCHEMA``, sorted by trace and step.
        """
        lines = list(self._lines)
        slots = list(dict.fromkeys(name for line in lines for name in line.slots))
        texts = {name: self._texts(name, columns[name]) for name in slots}
        own = [{name for at in found for name in lines[at].slots} for found in self._traces]
        filled = []
        for name in slots:
            there = np.array([name in names for names in own], dtype=bool)[trace]
            filled.append(np.where(there, texts[name].indices.to_numpy()[columns[name].codes] + 1, 0))
        number, row = by_first(*distinct([trace, *filled], len(trace)))
        slot_texts = {name: (columns[name].codes, texts[name]) for name in slots}
        return number + first_id, self._laid_out(lines, trace[row], row, slot_texts, first_id)

    def _texts(self, name: str, column: FactColumn) -> pa.DictionaryArray:
        """Return the text of every value of a column."""
        shown = [shown_text(self._book, name, value) for value in column.values]
        return pa.array(shown, pa.string()).dictionary_encode()

    def _laid_out(
        self,
        lines: Sequence[_Line],
        trace: IntArray,
        row: IntArray,
        slots: Mapping[str, _Column],
        first_id: int,
    ) -> pa.Table:
        """Lay out the lines of traces, each with one row that has it."""
        flat = np.array([line for found in self._traces for line in found], np.int64)
        count = np.array([len(found) for found in self._traces], np.int64)
        length = count[trace]
        place = np.repeat(np.arange(len(trace)), length)
        step = np.arange(len(place)) - np.repeat(np.cumsum(length) - length, length)
        line = flat[np.repeat((np.cumsum(count) - count)[trace], length) + step]
        fixed = pa.table(
            {
                "rule": pa.array([told.rule or None for told in lines], pa.string()),
                "clause": pa.array([told.clause or None for told in lines], pa.string()),
                "condition": pa.array([told.condition for told in lines], pa.string()),
                "value": pa.array([told.value for told in lines], pa.string()),
                "decides": pa.array([int(told.decides) for told in lines], pa.int64()),
            }
        ).take(pa.array(line))
        arrays = {
            "trace_id": pa.array(place + first_id, pa.int64()),
            "step": pa.array(step + 1, pa.int64()),
            "facts": self._facts(lines, line, row[place], slots),
            **{name: fixed[name] for name in fixed.column_names},
        }
        return pa.table([arrays[field.name] for field in TRACE_SCHEMA], schema=TRACE_SCHEMA)

    @staticmethod
    def _facts(
        lines: Sequence[_Line], line: IntArray, row: IntArray, slots: Mapping[str, _Column]
    ) -> pa.Array:
        """Return the facts of lines as text, slots filled from the row of each."""
        plain = ["".join(map(str, told.facts)) if not told.slots else "" for told in lines]
        found = [pa.array([text or None for text in plain], pa.string())]
        at, end = line.copy(), len(lines)
        slotted = np.array([bool(told.slots) for told in lines], dtype=bool)
        open_lines = np.flatnonzero(slotted[line])
        for members in grouped(line[open_lines]):
            places = open_lines[members]
            pieces = [
                piece if isinstance(piece, str) else _taken(slots[piece.column], row[places])
                for piece in lines[line[places[0]]].facts
            ]
            found.append(pc.binary_join_element_wise(*pieces, ""))
            at[places] = end + np.arange(len(places))
            end += len(places)
        return pa.concat_arrays(found).take(pa.array(at))


def _taken(column: _Column, row: IntArray) -> pa.Array:
    codes, texts = column
    return texts.dictionary.take(texts.indices.take(pa.array(codes[row])))
