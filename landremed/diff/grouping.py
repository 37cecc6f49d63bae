"""Pairs of rows that know the same on both sides: what is found for one holds for all of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.diff.exchange import Half, joint_codes
from landremed.diff.pairs import Pairs
from landremed.diff.sides import column
from landremed.law import RuleBook
from landremed.tables import FactColumn
from landremed.types import FactValue, PartialDate

__all__ = ["groups_of"]

IntArray: TypeAlias = npt.NDArray[np.int64]
_WRITTEN = ("outcome", "measure", "clause", "schedule", "due_on", "overdue", "category")


def groups_of(
    old: Half,
    new: Half,
    pairs: Pairs,
    chosen: IntArray,
    books: Sequence[RuleBook],
    asked: Callable[[int], Collection[str]],
) -> list[IntArray]:
    """Return the chosen pairs in groups that do not differ in anything that matters.

    Parameters
    ----------
    old, new : Half
        Facts of both sides.
    chosen : ndarray of int
        Numbers of pairs.
    books : sequence of RuleBook
        Days between which they do not distinguish count as one.
    asked : callable (pair) -> collection of str
        Facts that can matter for a pair; the same for pairs of the same classes.
    """
    if not len(chosen):
        return []
    rows = (pairs.old[chosen], pairs.new[chosen])
    key = np.zeros(len(chosen), np.int64)
    for half, at in zip((old, new), rows, strict=True):
        for name in _WRITTEN:
            texts = column(half.side.decisions, name, pa.string()).take(pa.array(at))
            key = _joined(key, pc.dictionary_encode(texts, null_encoding="encode").indices.to_numpy())
        key = _joined(key, _parts(half, at))
        key = _joined(key, half.has_shape[at].astype(np.int64))
    alike = _days(books, (old.side.as_of, new.side.as_of))
    empty = [FactColumn(np.zeros(half.side.decisions.num_rows, np.int32), [None]) for half in (old, new)]
    kinds = _class_pairs(old, new, rows)
    _, first, kind_of = np.unique(kinds, return_index=True, return_inverse=True)
    can_matter = [asked(int(chosen[at])) for at in first]
    for name in dict.fromkeys((*new.facts, *old.facts)):
        columns = [h.facts.get(name, none) for h, none in zip((old, new), empty, strict=True)]
        first, second, values = joint_codes(*columns)
        classes = _classes(name, values, books, alike)
        both = [classes[codes[at]] for codes, at in zip((first, second), rows, strict=True)]
        wanted = np.array([name in names for names in can_matter], bool)[kind_of]
        for codes in both:
            key = _joined(key, np.where(wanted, codes + 1, 0))
    order = np.argsort(key, kind="stable")
    edges = np.flatnonzero(np.diff(key[order])) + 1
    found = [np.sort(chosen[part]) for part in np.split(order, edges)]
    return sorted(found, key=lambda group: int(group[0]))


def _class_pairs(old: Half, new: Half, rows: tuple[IntArray, IntArray]) -> IntArray:
    """Return a number for each pair of classes, old and new."""
    key = np.zeros(len(rows[0]), np.int64)
    for half, at in zip((old, new), rows, strict=True):
        names = column(half.side.decisions, "category", pa.string()).take(pa.array(at))
        key = _joined(key, pc.dictionary_encode(names, null_encoding="encode").indices.to_numpy())
    return key


def _parts(half: Half, rows: IntArray) -> IntArray:
    """Return a number for each list of parts, by what was measured of them."""
    if not half.side.parts.num_rows:
        return np.zeros(len(rows), np.int64)
    number: dict[tuple[object, ...], int] = {}
    found = []
    for row in rows.tolist():
        parts = half.parts_at(row)
        found.append(number.setdefault(tuple(tuple(p.items()) for p in parts), len(number)))
    return np.array(found, np.int64)


def _joined(key: IntArray, codes: npt.NDArray[np.integer]) -> IntArray:
    width = int(codes.max(initial=0)) + 1
    _, joined = np.unique(key * width + codes, return_inverse=True)
    return joined.astype(np.int64)


def _days(books: Iterable[RuleBook], as_of: Iterable[date]) -> list[date]:
    days = {p.value for book in books for p in book.parameters.values() if isinstance(p.value, date)}
    return sorted(days | set(as_of))


def _classes(
    name: str, values: Sequence[FactValue], books: Sequence[RuleBook], days: Sequence[date]
) -> IntArray:
    """Return a number per value; days that no rule tells apart share one, unless they become deadlines."""
    due = {schedule.due_from for book in books for schedule in book.schedules.values()}
    bounds = sorted(
        {p.value for book in books for p in book.parameters.values() if isinstance(p.value, float)}
    )
    number: dict[object, int] = {}

    def told(value: FactValue) -> object:
        if isinstance(value, PartialDate) and name not in due:
            return ("day", *(side(days, d) for d in (value.first, value.last) for side in _SIDES))
        if isinstance(value, float):
            return ("number", *(side(bounds, value) for side in _SIDES))
        return value

    return np.array([number.setdefault(told(value), len(number)) for value in values], np.int64)


_SIDES = (bisect_left, bisect_right)
