"""Rows of codes numbered: what is the same gets the same number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["by_first", "distinct", "grouped"]

IntArray: TypeAlias = npt.NDArray[np.int64]

_WIDEST: Final = 1 << 62


def distinct(codes: Sequence[npt.NDArray[Any]], count: int) -> tuple[IntArray, IntArray]:
    """Return the number of every row's tuple of codes, and where each tuple comes first.

    Parameters
    ----------
    codes : sequence of ndarray of int or bool
        Columns of ``count`` codes, none negative.
    count : int
        Number of rows.

    Returns
    -------
    number : ndarray of int
        Of every row's tuple, from 0, in whatever order.
    first : ndarray of int
        First row of each tuple.

    Examples
    --------
    >>> number, first = distinct([np.array([7, 0, 7]), np.array([1, 1, 1])], 3)
    >>> bool(number[0] == number[2] != number[1]), sorted(first.tolist())
    (True, [0, 1])
    """
    key, size = np.zeros(count, np.int64), 1
    for column in codes:
        width = int(column.max(initial=0)) + 1
        if size * width > _WIDEST:
            key, first = _numbered(key, size)
            size = len(first)
        key = key * width + column
        size *= width
    return _numbered(key, size)


def by_first(number: IntArray, first: IntArray) -> tuple[IntArray, IntArray]:
    """Renumber what ``distinct`` returns in the order of first rows."""
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[number], first[order]


def grouped(codes: npt.NDArray[Any]) -> list[IntArray]:
    """Return the rows of every code, by rising code."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1) if len(order) else []


def _numbered(key: IntArray, size: int) -> tuple[IntArray, IntArray]:
    if size > 4 * len(key) + 1024:
        _, first, number = np.unique(key, return_index=True, return_inverse=True)
        return number.astype(np.int64, copy=False), first.astype(np.int64, copy=False)
    first_of = np.full(size, len(key))
    first_of[key[::-1]] = np.arange(len(key) - 1, -1, -1)  # of equal keys the first row is set last
    there = np.flatnonzero(first_of < len(key))
    number = np.empty(size, np.int64)
    number[there] = np.arange(len(there))
    return number[key], first_of[there]
