"""What a moved edge could change at most, by areas, lengths and distances alone.

Buffers of an edge are dear, and most parcels near one are decided by far more ground than it could move over.
Nothing here changes what is found: whatever could change is looked at exactly afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Final, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from landremed.measure import OUTSIDE
from landremed.sensitivity.edges import Edges, clipped
from landremed.sensitivity.judged import Judgement, measured_rows
from landremed.threads import in_threads

__all__ = ["OpenCases", "distances", "open_cases", "staying_m2"]

IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Geometries: TypeAlias = npt.NDArray[np.object_]

_AREA_SCALE: Final = 1.01
"""Of any kind of area to that in the plane, at most."""
_SLACK_SHARE: Final = 1 / 4
"""By how much of the distance an edge is simplified before its length is taken."""
_GRIDS: Final = (8, 16)
"""Cells along each side of the box around a piece, the second where the first leaves a case open."""
_BLOCK: Final = 1_000_000
"""Distances computed at once."""


@dataclass(frozen=True)
class OpenCases:
    """Parcels near the edge of one layer, each with one direction in which the edge may move.

    Attributes
    ----------
    rows : ndarray of int
        Row of the parcel.
    inward : ndarray of bool
        Whether the layer shrinks; else it grows.
    lines : ndarray of geometry
        The layer's edge nearby.
    near, far : ndarray of bool
        Whether another outcome is possible with the edge moved by the positional accuracy, and by the limit.
    """

    rows: IntArray
    inward: BoolArray
    lines: Geometries
    near: BoolArray
    far: BoolArray

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, at: IntArray) -> Self:
        """Return some of the cases."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{n: v[at] for n, v in arrays.items() if isinstance(v, np.ndarray)})


def open_cases(
    judgement: Judgement,
    edges: Edges,
    role: str,
    rows: IntArray,
    distances_m: tuple[FloatArray, FloatArray],
) -> OpenCases:
    """Return the cases that could come to another outcome.

    Parameters
    ----------
    judgement : Judgement
        What was decided.
    edges : Edges
        The layers' edges.
    role : str
        Layer.
    rows : ndarray of int
        Parcels asked about, rising.
    distances_m : pair of ndarray
        Per parcel of those asked about how far the edge moves: positional accuracy, and limit.
    """
    may = np.stack([_possible(judgement, role, rows, inward) for inward in (False, True)])
    wanted = np.flatnonzero(may.any(axis=0))
    edge = edges.near(role, rows[wanted])
    at = wanted[np.searchsorted(rows[wanted], edge.rows)]
    inward, place = np.nonzero(may[:, at])
    bound = _Bound(judgement, role, edge.rows[place], inward.astype(bool), edge.lines[place])
    near, far = (bound.may_change(distance[at][place]) for distance in distances_m)
    kept = np.flatnonzero(near | far)
    # edges between the layer's own features only made the bounds wider; now they have to go
    edge = edges.united(role, edge.take(np.unique(place[kept])))
    lines = dict(zip(edge.rows.tolist(), edge.lines, strict=True))
    kept = kept[np.isin(bound.rows[kept], edge.rows)]
    united = np.empty(len(kept), dtype=object)
    united[:] = [lines[row] for row in bound.rows[kept].tolist()]
    return OpenCases(bound.rows[kept], bound.inward[kept], united, near[kept], far[kept])


def _possible(judgement: Judgement, role: str, rows: IntArray, inward: bool) -> BoolArray:
    """Tell which parcels can come to another outcome at all, however far the edge moves.

    Straddling lies between inside and outside, so that nothing can be said of those two layers.
    """
    base = measured_rows(judgement.measured, rows)
    overlap = base.overlap_m2[role]
    some = overlap > 0 if inward else overlap < base.area_m2
    if role in judgement.within.values():
        return some
    may = judgement.may_be_cut(rows)
    outside, sure = dict(base.outside_m2), dict(base.outside_sure_m2)
    for name, (inner, boundary) in OUTSIDE.items():
        if name in outside and inner == role:
            left = np.zeros(len(rows)) if inward else base.area_m2 - base.overlap_m2[boundary]
            outside[name] = sure[name] = np.maximum(left, 0.0)
            may |= ~base.complete[boundary]
    moved = np.zeros(len(rows)) if inward else base.area_m2
    farthest = replace(
        base, overlap_m2={**base.overlap_m2, role: moved}, outside_m2=outside, outside_sure_m2=sure
    )
    rest = np.flatnonzero(some & ~may)
    may[rest] = judgement.outcomes(rows[rest], measured_rows(farthest, rest)) != judgement.outcome[rows[rest]]
    return may & some


class _Bound:
    """Says of cases whether their outcome may change at a distance; "no" is certain."""

    def __init__(
        self, judgement: Judgement, role: str, rows: IntArray, inward: BoolArray, lines: Geometries
    ) -> None:
        self.rows, self.inward, self.lines = rows, inward, lines
        self._judgement = judgement
        self._role = role
        self._base = measured_rows(judgement.measured, rows)
        self._by_parts = judgement.may_be_cut(rows)

    def may_change(self, distance_m: FloatArray) -> BoolArray:
        """Tell which cases could have another outcome with the edge moved so far."""
        may = self._by_parts.copy()
        rest = np.flatnonzero(~may)
        most = self._most_by_length(distance_m[rest], rest)
        rest = rest[self._changes(most, rest)]
        may[rest] = True
        rest = rest[self.inward[rest]]
        for cells in _GRIDS:
            most = self._most_by_distance(distance_m[rest], rest, cells)
            hit = self._changes(most, rest)
            may[rest[~hit]] = False
            rest = rest[hit]
        return may

    def _most_by_length(self, distance_m: FloatArray, which: IntArray) -> FloatArray:
        """Return the ground that could change hands.

        No more than 2dL + πd² lies within d of a line of length L.
        """
        slack = distance_m * _SLACK_SHARE
        parcels = self._judgement.polygons.some(self.rows[which])
        lines = shapely.line_merge(clipped(self.lines[which], parcels, 2 * distance_m))
        lines = shapely.simplify(lines, slack, preserve_topology=False)
        wide = distance_m + slack
        most = 2 * wide * shapely.length(lines) + np.pi * wide**2 * shapely.get_num_geometries(lines)
        overlap = self._base.overlap_m2[self._role][which]
        ground = np.where(self.inward[which], overlap, self._base.area_m2[which] - overlap)
        return np.asarray(np.minimum(most * _AREA_SCALE, ground))

    def _most_by_distance(self, distance_m: FloatArray, which: IntArray, cells: int) -> FloatArray:
        """Return what parcels could lose: all but the cells of a grid that surely stay."""
        pieces = self._judgement.pieces_of(self._role, self.rows[which])
        parcels = self._judgement.polygons.some(self.rows[which])
        stays = staying_m2(pieces, parcels, self.lines[which], distance_m, cells)
        return np.maximum(self._base.overlap_m2[self._role][which] - stays / _AREA_SCALE, 0.0)

    def _changes(self, most_m2: FloatArray, which: IntArray) -> BoolArray:
        """Tell which cases have another outcome when so much ground changes hands."""
        base, role = measured_rows(self._base, which), self._role
        sign = np.where(self.inward[which], -1.0, 1.0)

        def moved(area: FloatArray, change: FloatArray) -> FloatArray:
            return np.clip(area + change, 0.0, base.area_m2)

        outside, sure = dict(base.outside_m2), dict(base.outside_sure_m2)
        for name, pair in OUTSIDE.items():
            if name in outside and role in pair:
                # a layer that grows has more outside a boundary; a boundary that grows leaves less outside
                change = most_m2 * (sign if pair[0] == role else -sign)
                outside[name], sure[name] = moved(outside[name], change), moved(sure[name], change)
        overlap = {**base.overlap_m2, role: moved(base.overlap_m2[role], sign * most_m2)}
        measured = replace(base, overlap_m2=overlap, outside_m2=outside, outside_sure_m2=sure)
        rows = self.rows[which]
        hit = self._judgement.outcomes(rows, measured) != self._judgement.outcome[rows]
        if role in self._judgement.within.values():  # straddling lies between the two sides
            hit = hit | self._judgement.sides_differ(rows, measured)
        return np.asarray(hit, dtype=bool)


def staying_m2(
    pieces: Geometries, parcels: Geometries, lines: Geometries, distance_m: FloatArray, cells: int
) -> FloatArray:
    """Return what surely stays of pieces when the edge moves inward: grid cells far from the edge.

    A cell that no edge reaches lies on one side of it, on that of its middle.

    Parameters
    ----------
    pieces, parcels, lines : ndarray of geometry
        What parcels share with a layer, the parcels, and the layer's edge nearby.
    distance_m : ndarray of float
        How far the edge moves, metres.
    cells : int
        Along each side of the box around a piece.
    """
    x0, y0, x1, y1 = shapely.bounds(pieces).T
    slack = distance_m * _SLACK_SHARE
    at = (np.arange(cells) + 0.5) / cells
    across, up = (part.ravel() for part in np.meshgrid(at, at))
    x = x0[:, None] + (x1 - x0)[:, None] * across
    y = y0[:, None] + (y1 - y0)[:, None] * up
    half = np.hypot(x1 - x0, y1 - y0) / (2 * cells)
    near = clipped(lines, pieces, distance_m + slack + half)
    rough = shapely.simplify(shapely.line_merge(near), slack, preserve_topology=False)
    stays = distances(x, y, rough) > (distance_m + slack + half)[:, None]
    stays &= distances(x, y, shapely.boundary(parcels)) > half[:, None]
    case, cell = np.nonzero(stays)
    inside = shapely.contains_xy(pieces[case], x[case, cell], y[case, cell])
    size = (x1 - x0) * (y1 - y0) / cells**2
    return np.asarray(np.bincount(case[inside], minlength=len(pieces)) * size)


def distances(x: FloatArray, y: FloatArray, lines: Geometries) -> FloatArray:
    """Return how far points lie from lines; infinite where there is no line.

    Parameters
    ----------
    x, y : ndarray of float, two dimensions
        A row of points for each line.
    lines : ndarray of geometry
        Lines of any number of parts.
    """
    parts, case_of = shapely.get_parts(lines, return_index=True)
    points, part = shapely.get_coordinates(parts, return_index=True)
    one = np.flatnonzero(part[1:] == part[:-1])
    start, end = points[one], points[one + 1]
    owner = case_of[part[one]]
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
