"""What a parcel would share with a layer if the layer's boundary stood elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from landremed.measure import OUTSIDE, Measured
from landremed.sensitivity.edges import Edges
from landremed.sensitivity.judged import Judgement, measured_rows
from landremed.sensitivity.polygons import polygonal

__all__ = ["Cases", "Mover", "Shift", "cases_of"]

IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Geometries: TypeAlias = npt.NDArray[np.object_]

_QUADRANT_SEGMENTS: Final = 16
_CLIP_BEYOND_M: Final = 0.1
_AREA_SCALE: Final = 1.01
"""Of any kind of area to that in the plane, at most."""
_EMPTY: Final = shapely.MultiPolygon()


@dataclass(frozen=True)
class Cases:
    """Parcels near the edge of one layer, each with one direction in which the edge may move.

    Attributes
    ----------
    rows : ndarray of int
        Row of the parcel.
    inward : ndarray of bool
        Whether the layer shrinks; else it grows.
    lines : ndarray of geometry
        The layer's edge nearby.
    ground : ndarray of geometry
        What can be lost (the parcel's part in the layer) or gained (the part outside it).
    piece : ndarray of geometry
        The part in the layer as it stands.
    start_m : ndarray of float
        A smaller distance changes nothing.
    """

    role: str
    rows: IntArray
    inward: BoolArray
    lines: Geometries
    ground: Geometries
    piece: Geometries
    start_m: FloatArray

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, at: IntArray) -> Cases:
        """Return some of the cases."""
        return Cases(
            self.role,
            *(getattr(self, name)[at] for name in ("rows", "inward", "lines", "ground", "piece", "start_m")),
        )


@dataclass(frozen=True)
class Shift:
    """Areas after the move, and the changed geometry: what is left, or what is gained."""

    measured: Measured
    change: Geometries


def cases_of(judgement: Judgement, role: str, edges: Edges, rows: IntArray) -> tuple[Cases, IntArray]:
    """Return the cases of parcels near a layer's edge, and the rows of which nothing is known."""
    near = edges.near(role, rows)
    unknown = np.setdiff1d(rows, near.known)
    parcels = judgement.polygons.geometries[near.rows]
    pieces = judgement.pieces(role)
    piece = np.array([pieces.get(int(row), _EMPTY) for row in near.rows], dtype=object)
    rest = polygonal(shapely.difference(parcels, piece))
    halves = []
    for inward, ground in ((False, rest), (True, piece)):
        keep = np.flatnonzero(shapely.area(ground) > 0)
        start = shapely.distance(ground[keep], near.lines[keep])
        halves.append(
            (near.rows[keep], np.full(len(keep), inward), near.lines[keep], ground[keep], piece[keep], start)
        )
    joined = [np.concatenate(column) for column in zip(*halves, strict=True)]
    return Cases(role, *joined), unknown


class Mover:
    """Moves the edge of cases of one layer and measures anew."""

    def __init__(self, judgement: Judgement, edges: Edges, cases: Cases) -> None:
        self._judgement = judgement
        self._edges = edges
        self._cases = cases
        self._base = measured_rows(judgement.measured, cases.rows)
        self._outside = {
            name: self._neighbour(pair)
            for name, pair in OUTSIDE.items()
            if name in judgement.measured.outside_m2 and cases.role in pair
        }

    def at(self, distance_m: FloatArray, slack_m: FloatArray, which: IntArray) -> Shift:
        """Return the areas of some cases with the edge moved by so many metres each, give or take the slack.

        Buffers of finely drawn edges are dear. With some slack the edge is simplified by so much first: what
        comes out lies between the true moves by ``distance_m - slack_m`` and ``distance_m + slack_m``.
        """
        cases = self._cases.take(which)
        return self._shift(cases, _band(cases, distance_m, slack_m), which)

    def farthest(self, which: IntArray) -> Shift:
        """Return the areas of some cases with all their ground changed."""
        cases = self._cases.take(which)
        return self._shift(cases, np.asarray(shapely.envelope(cases.ground), dtype=object), which)

    def at_most(self, distance_m: FloatArray, which: IntArray) -> Measured:
        """Return areas no smaller change than which the edge moved so far could bring.

        What lies within a distance d of a line of length L is no larger than 2dL + πd²; no buffer is needed.
        """
        cases = self._cases.take(which)
        slack = distance_m / 2
        lines = shapely.simplify(_clipped(cases, 2 * distance_m), slack, preserve_topology=False)
        wide = distance_m + slack
        most = 2 * wide * shapely.length(lines) + np.pi * wide**2 * shapely.get_num_geometries(lines)
        most = np.minimum(most * _AREA_SCALE, shapely.area(cases.ground) * _AREA_SCALE)
        base = measured_rows(self._base, which)
        sign = np.where(cases.inward, -1.0, 1.0)

        def within(area: FloatArray, change: FloatArray) -> FloatArray:
            return np.clip(area + change, 0.0, base.area_m2)

        outside, sure = dict(base.outside_m2), dict(base.outside_sure_m2)
        for name in self._outside:
            # a layer that grows has more outside a boundary; a boundary that grows leaves less outside
            change = most * (sign if OUTSIDE[name][0] == cases.role else -sign)
            outside[name], sure[name] = within(outside[name], change), within(sure[name], change)
        moved = {**base.overlap_m2, cases.role: within(base.overlap_m2[cases.role], sign * most)}
        return replace(base, overlap_m2=moved, outside_m2=outside, outside_sure_m2=sure)

    def _shift(self, cases: Cases, band: Geometries, which: IntArray) -> Shift:
        area = self._judgement.area
        change = np.empty(len(cases), dtype=object)
        kept = cases.inward
        change[kept] = shapely.difference(cases.ground[kept], band[kept])
        change[~kept] = shapely.intersection(cases.ground[~kept], band[~kept])
        change = polygonal(change)
        base = measured_rows(self._base, which)
        sizes = area.of(change)
        overlap = np.where(kept, sizes, base.overlap_m2[cases.role] + sizes)
        outside, sure = dict(base.outside_m2), dict(base.outside_sure_m2)
        for name, (other, cover) in self._outside.items():
            outside[name], sure[name] = self._three_way(
                name, base, change, band, cases, other[which], cover[which]
            )
        moved = {**base.overlap_m2, cases.role: np.minimum(overlap, base.area_m2)}
        return Shift(replace(base, overlap_m2=moved, outside_m2=outside, outside_sure_m2=sure), change)

    def _neighbour(self, pair: tuple[str, str]) -> tuple[Geometries, Geometries]:
        """Return, of a pair, the other layer's piece, and where the boundary is known if not everywhere."""
        inner, boundary = pair
        rows = self._cases.rows
        pieces = self._judgement.pieces(boundary if self._cases.role == inner else inner)
        other = np.array([pieces.get(int(row), _EMPTY) for row in rows], dtype=object)
        cover = np.full(len(rows), None, dtype=object)
        short = np.flatnonzero(~self._base.complete[boundary])
        if len(short):
            cover[short] = self._edges.covered(boundary, rows[short])
        return other, cover

    def _three_way(
        self,
        name: str,
        base: Measured,
        change: Geometries,
        band: Geometries,
        cases: Cases,
        other: Geometries,
        cover: Geometries,
    ) -> tuple[FloatArray, FloatArray]:
        """Return the area in the inner layer and outside the boundary: at most, and surely."""
        inner, _ = OUTSIDE[name]
        added = np.zeros(len(cases), dtype=bool)
        left = np.empty(len(cases), dtype=object)
        if cases.role == inner:
            left[:] = shapely.difference(change, other)
            added = ~cases.inward
        else:
            kept = cases.inward
            left[kept] = shapely.difference(other[kept], change[kept])
            grown = shapely.difference(other[~kept], cases.piece[~kept])
            left[~kept] = shapely.difference(polygonal(grown), band[~kept])
        left = polygonal(left)
        area = self._judgement.area
        at_most = area.of(left) + np.where(added, base.outside_m2[name], 0.0)
        surely = at_most.copy()
        short = np.array([c is not None for c in cover], dtype=bool)
        if short.any():
            known = area.of(polygonal(shapely.intersection(left[short], cover[short])))
            surely[short] = known + np.where(added[short], base.outside_sure_m2[name][short], 0.0)
        return at_most, surely


def _band(cases: Cases, distance_m: FloatArray, slack_m: FloatArray) -> Geometries:
    """Return what lies within a distance of the edge, as far as it can meet the ground."""
    lines = _clipped(cases, distance_m + slack_m)
    rough = slack_m > 0
    lines[rough] = shapely.simplify(lines[rough], slack_m[rough], preserve_topology=False)
    return np.asarray(shapely.buffer(lines, distance_m, quad_segs=_QUADRANT_SEGMENTS), dtype=object)


def _clipped(cases: Cases, reach_m: FloatArray) -> Geometries:
    """Return the edges, as far as they come near the ground."""
    lines = cases.lines.copy()
    x0, y0, x1, y1 = shapely.bounds(cases.ground).T
    reach = reach_m + _CLIP_BEYOND_M
    for i, box in enumerate(zip(x0 - reach, y0 - reach, x1 + reach, y1 + reach, strict=True)):
        lines[i] = shapely.clip_by_rect(lines[i], *box)
    return lines
