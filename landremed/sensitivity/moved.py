"""What a parcel would share with a layer if the layer's boundary stood elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from landremed.measure import OUTSIDE, Measured
from landremed.sensitivity.bounds import OpenCases
from landremed.sensitivity.edges import Edges, clipped
from landremed.sensitivity.judged import Judgement, measured_rows
from landremed.sensitivity.polygons import polygonal

__all__ = ["Cases", "Mover", "Shift", "cases_of"]

IntArray: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Geometries: TypeAlias = npt.NDArray[np.object_]

_QUADRANT_SEGMENTS: Final = 16


@dataclass(frozen=True)
class Cases(OpenCases):
    """Open cases with the ground that can change hands.

    Attributes
    ----------
    role : str
        Layer.
    ground : ndarray of geometry
        What can be lost (the parcel's part in the layer) or gained (the part outside it).
    piece : ndarray of geometry
        The part in the layer as it stands.
    start_m : ndarray of float
        A smaller distance changes nothing.
    """

    role: str
    ground: Geometries
    piece: Geometries
    start_m: FloatArray


@dataclass(frozen=True)
class Shift:
    """Areas after the move, and the changed geometry: what is left, or what is gained."""

    measured: Measured
    change: Geometries


def cases_of(judgement: Judgement, role: str, found: OpenCases) -> Cases:
    """Return cases with the ground that can change hands."""
    piece = judgement.pieces_of(role, found.rows)
    ground = piece.copy()
    out = np.flatnonzero(~found.inward)
    parcels = judgement.polygons.some(found.rows[out])
    ground[out] = polygonal(shapely.difference(parcels, piece[out]))
    keep = np.flatnonzero(shapely.area(ground) > 0)
    kept, ground = found.take(keep), ground[keep]
    start = shapely.distance(ground, kept.lines)
    return Cases(**vars(kept), role=role, ground=ground, piece=piece[keep], start_m=start)


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
        other = self._judgement.pieces_of(boundary if self._cases.role == inner else inner, rows)
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
    lines = clipped(cases.lines, cases.ground, distance_m + slack_m)
    rough = slack_m > 0
    lines[rough] = shapely.simplify(lines[rough], slack_m[rough], preserve_topology=False)
    return np.asarray(shapely.buffer(lines, distance_m, quad_segs=_QUADRANT_SEGMENTS), dtype=object)
