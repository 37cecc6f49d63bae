"""What parcels surely keep of a layer when its edge moves inward, by cells of a grid far from the edge."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from landremed.sensitivity.compiled import worth_loading
from landremed.sensitivity.edges import clipped
from landremed.sensitivity.segments import ends_of
from landremed.threads import in_threads

__all__ = ["distances", "staying_m2"]

IntArray: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Geometries: TypeAlias = npt.NDArray[np.object_]

_SLACK_SHARE: Final = 1 / 4
"""By how much of the distance an edge is simplified before points are held against it."""
_BLOCK: Final = 1_000_000
"""Distances computed at once."""
_SHARE: Final = 128
"""Cases that a thread takes at once."""


def staying_m2(
    pieces: Geometries, parcels: Geometries, lines: Geometries, distances_m: Sequence[FloatArray], cells: int
) -> Sequence[FloatArray]:
    """Return what surely stays of pieces when the edge moves inward: grid cells far from the edge.

    A cell that no edge reaches lies on one side of it, on that of its middle.

    Parameters
    ----------
    pieces, parcels, lines : ndarray of geometry
        What parcels share with a layer, the parcels, and the layer's edge nearby.
    distances_m : sequence of ndarray of float
        How far the edge moves, metres; what stays is returned for each.
    cells : int
        Along each side of the box around a piece.
    """
    x0, y0, x1, y1 = shapely.bounds(pieces).T
    least, most = np.min(distances_m, axis=0), np.max(distances_m, axis=0)
    at = (np.arange(cells) + 0.5) / cells
    across, up = (part.ravel() for part in np.meshgrid(at, at))
    x = x0[:, None] + (x1 - x0)[:, None] * across
    y = y0[:, None] + (y1 - y0)[:, None] * up
    half = np.hypot(x1 - x0, y1 - y0) / (2 * cells)
    compiled = worth_loading(int(shapely.get_num_coordinates(lines).sum()))
    slack = np.zeros(len(lines)) if compiled else least * _SLACK_SHARE
    measure = _compiled_distances if compiled else _plain_distances
    from_edge = measure(x, y, lines, pieces, most + half, slack)
    case, cell = np.nonzero(from_edge > (least + slack + half)[:, None])
    inside = shapely.contains_xy(pieces[case], x[case, cell], y[case, cell])
    case, cell = case[inside], cell[inside]
    whole = np.zeros(x.shape, dtype=bool)
    whole[case, cell] = True
    some = np.unique(case)
    borders, none = shapely.boundary(parcels[some]), np.zeros(len(some))
    whole[some] &= measure(x[some], y[some], borders, pieces[some], half[some], none) > half[some, None]
    size = (x1 - x0) * (y1 - y0) / cells**2
    return [
        np.asarray((whole & (from_edge > (distance + slack + half)[:, None])).sum(axis=1) * size)
        for distance in distances_m
    ]


def _plain_distances(
    x: FloatArray, y: FloatArray, lines: Geometries, around: Geometries, most: FloatArray, slack: FloatArray
) -> FloatArray:
    """Return how far points around some shapes lie from lines, give or take the slack."""
    near = clipped(lines, around, most + slack)
    return distances(x, y, shapely.simplify(shapely.line_merge(near), slack, preserve_topology=False))


def _compiled_distances(
    x: FloatArray, y: FloatArray, lines: Geometries, _around: Geometries, most: FloatArray, _slack: FloatArray
) -> FloatArray:
    """Return the same exactly, as far as it is no more than most; a hair more stands for all that is."""
    from landremed.overlay.native.nearest import distances_up_to

    start, end, owner = _segments(lines)
    segments = np.concatenate([start, end], axis=1)
    first = np.searchsorted(owner, np.arange(len(lines) + 1))
    found = np.empty(x.shape)
    farthest = most * (1 + 1e-9) + 1e-9

    def share(low: int) -> None:
        distances_up_to(segments, first, x, y, farthest, (low, min(low + _SHARE, len(lines))), found)

    in_threads(share, range(0, len(lines), _SHARE))
    return found


def distances(x: FloatArray, y: FloatArray, lines: Geometries) -> FloatArray:
    """Return how far points lie from lines; infinite where there is no line.

    Parameters
    ----------
    x, y : ndarray of float, two dimensions
        A row of points for each line.
    lines : ndarray of geometry
        Lines of any number of parts.
    """
    start, end, owner = _segments(lines)
    first = np.searchsorted(owner, np.arange(len(lines) + 1))
    squares = np.full(x.shape, np.inf)

    def block(cases: tuple[int, int]) -> None:
        own = slice(first[cases[0]], first[cases[1]])
        there = np.arange(*cases)[np.diff(first[cases[0] : cases[1] + 1]) > 0]
        if len(there):
            found = _squares(x[owner[own]], y[owner[own]], start[own], end[own])
            squares[there] = np.minimum.reduceat(found, first[there] - own.start, axis=0)

    limits = [0]
    while limits[-1] < len(lines):
        after = int(np.searchsorted(first, first[limits[-1]] + _BLOCK // x.shape[1], "right")) - 1
        limits.append(min(max(after, limits[-1] + 1), len(lines)))
    in_threads(block, pairwise(limits))
    return np.asarray(np.sqrt(squares))


def _segments(lines: Geometries) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return first and last points of the segments of lines of any number of parts, and whose each is."""
    parts, owner = shapely.get_parts(lines, return_index=True)
    start, end, part = ends_of(parts)
    return start, end, owner[part]


def _squares(x: FloatArray, y: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
    """Return squared distances of points, a row for each segment, from the segment."""
    along = end - start
    length = (along**2).sum(axis=1)
    along_x, along_y = along[:, :1], along[:, 1:]
    x, y = x - start[:, :1], y - start[:, 1:]
    part = (x * along_x + y * along_y) / np.where(length > 0, length, 1.0)[:, None]
    np.clip(part, 0.0, 1.0, out=part)
    x -= part * along_x
    y -= part * along_y
    return np.asarray(x * x + y * y)
