"""Segments of many lines as arrays, and which of them lie near each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

__all__ = ["Segments", "close_pairs", "ends_of", "first_of_each", "gaps", "pairs_by", "segments_of"]

IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Geometries: TypeAlias = npt.NDArray[np.object_]

_BLOCK: Final = 2_000_000
"""Pairs looked at at once."""


@dataclass(frozen=True)
class Segments:
    """Segments, each of one case.

    Attributes
    ----------
    case : ndarray of int
        Rising.
    start, end : ndarray of float, (2, n)
        First and last points, metres from the case's origin.
    """

    case: IntArray
    start: FloatArray
    end: FloatArray

    def __len__(self) -> int:
        return len(self.case)

    @property
    def way(self) -> FloatArray:
        """Step from the first point to the last."""
        return np.asarray(self.end - self.start)

    @property
    def boxes(self) -> FloatArray:
        """Bounds, (4, n): x min, y min, x max, y max."""
        return np.concatenate([np.minimum(self.start, self.end), np.maximum(self.start, self.end)])

    def take(self, at: IntArray | BoolArray) -> Segments:
        """Return some of them."""
        return Segments(self.case[at], self.start[:, at], self.end[:, at])


def ends_of(lines: Geometries) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return first and last points, (n, 2), of the segments of lines, and the line each belongs to.

    Parameters
    ----------
    lines : ndarray of LineString or LinearRing
    """
    points, line = shapely.get_coordinates(lines, return_index=True)
    one = np.flatnonzero(line[1:] == line[:-1])
    return points[one], points[one + 1], line[one]


def segments_of(lines: Geometries, case: IntArray, origin: FloatArray) -> tuple[Segments, IntArray]:
    """Return the segments of lines, and the line each belongs to.

    Parameters
    ----------
    lines : ndarray of LineString or LinearRing
    case : ndarray of int
        Of each line, rising.
    origin : ndarray of float, (2, cases)
        Of each case.
    """
    start, end, line = ends_of(lines)
    shift = origin[:, case[line]]
    return Segments(case[line], start.T - shift, end.T - shift), line


def first_of_each(case: IntArray, *columns: FloatArray) -> tuple[IntArray, IntArray]:
    """Return where each combination of values stands first, and for all rows its number."""
    order = np.lexsort((*columns, case))
    new = np.ones(len(order), dtype=bool)
    if len(order):
        new[1:] = case[order[1:]] != case[order[:-1]]
        for column in columns:
            new[1:] |= column[order[1:]] != column[order[:-1]]
    number = np.empty(len(order), np.int64)
    number[order] = np.cumsum(new) - 1
    return order[new], number


def gaps(ones: FloatArray, others: FloatArray) -> FloatArray:
    """Return how far apart boxes lie, (4, n) each; 0 where they meet."""
    aside = np.maximum(ones[:2] - others[2:], others[:2] - ones[2:])
    np.maximum(aside, 0.0, out=aside)
    return np.asarray(np.sqrt(aside[0] * aside[0] + aside[1] * aside[1]))


def close_pairs(
    ones: tuple[IntArray, FloatArray], others: tuple[IntArray, FloatArray], reach: FloatArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return which boxes of a case lie within reach of each other.

    Parameters
    ----------
    ones, others : pair of ndarray
        Case of each box, rising, and the boxes (4, n).
    reach : ndarray of float
        How far apart they may lie, for each case.

    Returns
    -------
    one, other : ndarray of int
        Pairs, by ``one``.
    gap : ndarray of float
        How far apart.
    """
    case, boxes = ones
    count = len(reach)
    order = np.lexsort((others[1][0], others[0]))
    other_case, other_boxes = others[0][order], others[1][:, order]
    widest = np.zeros(count)
    np.maximum.at(widest, other_case, other_boxes[2] - other_boxes[0])
    place = _Place(other_case, other_boxes[0], count)
    first = place.before(case, boxes[0] - reach[case] - widest[case])
    after = place.before(case, boxes[2] + reach[case])
    ahead = np.r_[0, np.cumsum(after - first)]
    found: list[tuple[IntArray, IntArray, FloatArray]] = []
    low = 0
    while low < len(case):
        high = max(int(np.searchsorted(ahead, ahead[low] + _BLOCK, "right")) - 1, low + 1)
        some, at = _spread(first[low:high], after[low:high])
        some += low
        gap = gaps(boxes[:, some], other_boxes[:, at])
        near = gap <= reach[case[some]]
        found.append((some[near], order[at[near]], gap[near]))
        low = high
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    one, other, gap = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return one, other, gap


class _Place:
    """Where values stand among those of their case, all in one rising order."""

    def __init__(self, case: IntArray, values: FloatArray, cases: int) -> None:
        self._first = np.searchsorted(case, np.arange(cases + 1))
        self._values = values

    def before(self, case: IntArray, wanted: FloatArray) -> IntArray:
        """Return the place before which the values of a case are no greater than one wanted."""
        low, high = self._first[case], self._first[case + 1]
        while True:  # bisection, for all at once
            open_ = np.flatnonzero(low < high)
            if not len(open_):
                return low
            middle = (low[open_] + high[open_]) // 2
            less = self._values[middle] <= wanted[open_]
            low[open_[less]] = middle[less] + 1
            high[open_[~less]] = middle[~less]


def pairs_by(keys: IntArray, wanted: IntArray) -> tuple[IntArray, IntArray]:
    """Return for every wanted key, repeated, all places at which rising keys hold it: number, place."""
    return _spread(np.searchsorted(keys, wanted, "left"), np.searchsorted(keys, wanted, "right"))


def _spread(first: IntArray, after: IntArray) -> tuple[IntArray, IntArray]:
    """Return all numbers of spans, each with the number of its span."""
    length = after - first
    span = np.repeat(np.arange(len(first)), length)
    begun = np.cumsum(length) - length
    return span, np.arange(len(span)) - begun[span] + first[span]
