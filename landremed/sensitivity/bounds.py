"""What a moved edge could change at most, by areas, lengths and distances alone.

Buffers of an edge are dear, and most parcels near one are decided by far more ground than it could move over.
Nothing here changes what is found: whatever could change is looked at exactly afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from landremed.measure import OUTSIDE
from landremed.sensitivity.edges import Edges
from landremed.sensitivity.judged import Judgement, measured_rows
from landremed.sensitivity.segments import ends_of
from landremed.sensitivity.staying import staying_m2

__all__ = ["OpenCases", "open_cases"]

IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Geometries: TypeAlias = npt.NDArray[np.object_]

_AREA_SCALE: Final = 1.01
"""Of any kind of area to that in the plane, at most."""
_GRIDS: Final = (8, 16)
"""Cells along each side of the box around a piece, the second where the first leaves a case open."""


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
    near, far = bound.may_change([distance[at][place] for distance in distances_m])
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

    def may_change(self, distances_m: Sequence[FloatArray]) -> Sequence[BoolArray]:
        """Tell for each distance which cases could have another outcome with the edge moved so far."""
        may = [self._by_parts.copy() for _ in distances_m]
        rest = np.flatnonzero(~self._by_parts)
        for hit, most in zip(may, self._most_by_length([d[rest] for d in distances_m], rest), strict=True):
            hit[rest] = self._changes(most, rest)
        inward = rest[self.inward[rest]]
        for cells in _GRIDS:
            left = inward[np.any([hit[inward] for hit in may], axis=0)]
            stays = self._stays([d[left] for d in distances_m], left, cells)
            for hit, kept in zip(may, stays, strict=True):
                hit[left] &= self._changes(
                    np.maximum(self._base.overlap_m2[self._role][left] - kept, 0.0), left
                )
        return may

    def _most_by_length(self, distances_m: Sequence[FloatArray], which: IntArray) -> Sequence[FloatArray]:
        """Return the ground that could change hands, for each distance.

        No more than 2dL + πd² lies within d of a line of length L.
        """
        boxes = self._judgement.polygons.boxes[self.rows[which]]
        farthest = np.max(distances_m, axis=0)[:, None] * np.array([-1, -1, 1, 1])
        segments = _Segments.of(self.lines[which], boxes + farthest)
        overlap = self._base.overlap_m2[self._role][which]
        ground = np.where(self.inward[which], overlap, self._base.area_m2[which] - overlap)
        found = []
        for distance in distances_m:
            reach = distance[:, None] * np.array([-1, -1, 1, 1])
            length, parts = segments.within(boxes + reach)
            most = 2 * distance * length + np.pi * distance**2 * parts
            found.append(np.asarray(np.minimum(most * _AREA_SCALE, ground)))
        return found

    def _stays(self, distances_m: Sequence[FloatArray], which: IntArray, cells: int) -> Sequence[FloatArray]:
        """Return what parcels surely keep, for each distance: the cells of a grid that surely stay."""
        pieces = self._judgement.pieces_of(self._role, self.rows[which])
        parcels = self._judgement.polygons.some(self.rows[which])
        stays = staying_m2(pieces, parcels, self.lines[which], distances_m, cells)
        return [area / _AREA_SCALE for area in stays]

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


class _Segments:
    """Segments of lines, and how much of them lies in boxes."""

    def __init__(
        self, case: IntArray, start: FloatArray, end: FloatArray, first: BoolArray, cases: int
    ) -> None:
        self._case, self._start, self._end, self._first = case, start, end, first
        self._cases = cases

    @classmethod
    def of(cls, lines: Geometries, boxes: FloatArray) -> Self:
        """Take the segments of lines of any number of parts as far as they come near a box for each."""
        parts, case = shapely.get_parts(lines, return_index=True)
        start, end, part = ends_of(parts)
        case = case[part]
        near = np.ones(len(part), dtype=bool)
        for axis in (0, 1):
            near &= np.minimum(start[:, axis], end[:, axis]) <= boxes[:, axis + 2][case]
            near &= np.maximum(start[:, axis], end[:, axis]) >= boxes[:, axis][case]
        some = np.flatnonzero(near)
        first = np.diff(part[some], prepend=-1) != 0
        first |= np.diff(some, prepend=-2) != 1
        return cls(case[some], start[some].T, end[some].T, first, len(lines))

    def within(self, boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return for every case the length within its box, and in how many parts at most."""
        own = boxes.T[:, self._case]
        low, high = np.zeros(len(self._case)), np.ones(len(self._case))
        with np.errstate(divide="ignore", invalid="ignore"):
            for axis in (0, 1):
                at, step = self._start[axis], (self._end - self._start)[axis]
                ends = (own[axis] - at) / step, (own[axis + 2] - at) / step
                within = (own[axis] <= at) & (at <= own[axis + 2])  # of those that go along the box
                low = np.maximum(low, np.where(step == 0, np.where(within, 0.0, 2.0), np.minimum(*ends)))
                high = np.minimum(high, np.where(step == 0, 1.0, np.maximum(*ends)))
        met = np.flatnonzero(low <= high)
        low, high = low[met], high[met]
        case, share = self._case[met], high - low
        # a part goes on from the segment before where that reaches its end, and this one begins in the box
        goes_on = ~self._first[met] & (low == 0) & (np.diff(met, prepend=-2) == 1)
        length = np.bincount(case, share * np.hypot(*(self._end[:, met] - self._start[:, met])), self._cases)
        return np.asarray(length), np.asarray(np.bincount(case, ~goes_on, self._cases), np.float64)
