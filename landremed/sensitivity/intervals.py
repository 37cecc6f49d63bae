"""Which part of a segment, or of a circle, lies within a distance of other segments; what is left of it.

Places along a piece are shares of its length, 0 at its start and 1 at its end.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["of_circles", "of_segments", "uncovered"]

IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Intervals: TypeAlias = tuple[FloatArray, FloatArray]

_QUARTER = np.pi / 2
_TURN = 2 * np.pi


def of_segments(
    start: FloatArray,
    way: FloatArray,
    others: tuple[FloatArray, FloatArray],
    distance: FloatArray,
    shared: tuple[BoolArray, BoolArray] | None = None,
) -> Intervals:
    """Return from where to where segments lie within a distance of others, one other for each.

    What lies within a distance of a segment is convex, so that it is one interval; where there is none it
    ends before it begins.

    Parameters
    ----------
    start, way : ndarray of float, (2, n)
        First point of each segment, and the step to its last one.
    others : pair of ndarray of float, (2, n)
        First and last point of the segment it is held against.
    distance : ndarray of float
        Metres.
    shared : pair of ndarray of bool, optional
        Whether the segment is known to touch, and no more, the circle around that point of the other.
    """
    low, high = np.full(start.shape[1], np.inf), np.full(start.shape[1], -np.inf)
    length2 = way[0] * way[0] + way[1] * way[1]
    square = distance * distance
    for number, point in enumerate(others):
        x, y = start[0] - point[0], start[1] - point[1]
        half = x * way[0] + y * way[1]
        inner = half * half - length2 * (x * x + y * y - square)
        met = inner > 0
        if shared is not None:
            met &= ~shared[number]
        root = np.sqrt(np.where(met, inner, 0.0))
        np.minimum(low, (-half - root) / length2, out=low, where=met)
        np.maximum(high, (root - half) / length2, out=high, where=met)
    along_x, along_y = others[1][0] - others[0][0], others[1][1] - others[0][1]
    length = np.sqrt(along_x * along_x + along_y * along_y)
    along_x, along_y = along_x / length, along_y / length
    x, y = start[0] - others[0][0], start[1] - others[0][1]
    first = _between(x * along_x + y * along_y, way[0] * along_x + way[1] * along_y, 0.0, length)
    aside = _between(y * along_x - x * along_y, way[1] * along_x - way[0] * along_y, -distance, distance)
    begin, end = np.maximum(first[0], aside[0]), np.minimum(first[1], aside[1])
    met = begin < end
    np.minimum(low, begin, out=low, where=met)
    np.maximum(high, end, out=high, where=met)
    return np.maximum(low, 0.0), np.minimum(high, 1.0)


def _between(at: FloatArray, step: FloatArray, low: FloatArray | float, high: FloatArray) -> Intervals:
    """Return where ``at + t * step`` lies between two bounds."""
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (low - at) / step, (high - at) / step
    still = step == 0
    if still.any():
        inside = (at > low) & (at < high)
        one = np.where(still, np.where(inside, -np.inf, np.inf), one)
        other = np.where(still, np.where(inside, np.inf, -np.inf), other)
        swapped = ~still & (one > other)
    else:
        swapped = one > other
    return np.where(swapped, other, one), np.where(swapped, one, other)


def of_circles(
    centre: FloatArray, others: tuple[FloatArray, FloatArray], distance: FloatArray, ends: BoolArray
) -> Intervals:
    """Return from which to which angle circles lie within their radius of segments, one for each.

    It is one arc: the circle and what lies within the distance of a point have one arc in common, which
    moves steadily as the point moves along the segment.

    Parameters
    ----------
    centre : ndarray of float, (2, n)
        Middle of each circle.
    others : pair of ndarray of float, (2, n)
        First and last point of the segment it is held against.
    distance : ndarray of float
        Radius, metres.
    ends : ndarray of bool
        Whether the middle is one of these points: then it is the half circle on the segment's side.

    Returns
    -------
    low, high : ndarray of float
        Turns, 0 to 1 being the whole circle from the direction of x; ``low`` lies between 0 and 1.
    """
    x, y = others[0][0] - centre[0], others[0][1] - centre[1]
    along_x, along_y = others[1][0] - others[0][0], others[1][1] - others[0][1]
    length = np.sqrt(along_x * along_x + along_y * along_y)
    along_x, along_y = along_x / length, along_y / length
    first, height = x * along_x + y * along_y, y * along_x - x * along_y
    # seen from the side on which the segment lies above the middle, the covered arc holds no point below it
    turned = height < 0
    height = np.abs(height)
    low, high = np.full(len(x), np.inf), np.full(len(x), -np.inf)
    for at in (first, first + length):
        apart = np.sqrt(at * at + height * height) / (2 * distance)
        met = apart < 1
        half = np.arccos(np.where(met, apart, 1.0))
        middle = np.arctan2(height, at)
        np.minimum(low, middle - half, out=low, where=met)
        np.maximum(high, middle + half, out=high, where=met)
    near = height < 2 * distance
    across = np.sqrt(np.where(near, height * (2 * distance - height), 0.0))
    angle = np.arcsin(np.where(near, height / distance - 1, 0.0))
    for at, place in ((across, angle), (-across, np.pi - angle)):
        met = near & (first <= at) & (at <= first + length)
        np.minimum(low, place, out=low, where=met)
        np.maximum(high, place, out=high, where=met)
    ahead = np.abs(first) < np.abs(first + length)
    low = np.where(ends, np.where(ahead, -_QUARTER, _QUARTER), low)
    high = np.where(ends, np.where(ahead, _QUARTER, 3 * _QUARTER), high)
    base = np.arctan2(along_y, along_x)
    low, high = np.where(turned, base - high, base + low), np.where(turned, base - low, base + high)
    none = ~(low < high)
    with np.errstate(invalid="ignore"):
        begin = np.mod(low / _TURN, 1.0)
        end = begin + (high - low) / _TURN
    return np.where(none, 1.0, begin), np.where(none, 0.0, end)


def uncovered(
    count: int, piece: IntArray, low: FloatArray, high: FloatArray
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return what intervals leave of pieces, from 0 to 1 each: piece, from, and to.

    Parameters
    ----------
    count : int
        Of the pieces.
    piece, low, high : ndarray
        Intervals, those of a piece anywhere; one that ends before it begins is none.
    """
    whole = np.zeros(count, dtype=bool)
    whole[piece[(low <= 0) & (high >= 1)]] = True
    kept = (low < high) & ~whole[piece]
    open_ = np.flatnonzero(~whole)
    ends = np.ones(len(open_))
    piece = np.concatenate([open_, piece[kept], open_])
    low = np.concatenate([0 * ends, low[kept], ends])
    high = np.concatenate([0 * ends, high[kept], ends])
    order = np.lexsort((low, piece))
    piece, low, high = piece[order], low[order], high[order]
    # how far is covered up to here; ranks in place of values keep pieces apart without rounding
    by_end = np.argsort(high, kind="stable")
    rank = np.empty_like(by_end)
    rank[by_end] = np.arange(len(by_end))
    farthest = np.maximum.accumulate(piece * len(piece) + rank) - piece * len(piece)
    reached = high[by_end[farthest]]
    free = np.flatnonzero((piece[1:] == piece[:-1]) & (low[1:] > reached[:-1]))
    return piece[free], reached[free], low[free + 1]
