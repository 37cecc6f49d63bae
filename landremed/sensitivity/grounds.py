"""The areas a parcel would have with a layer's edge elsewhere, without drawing the moved edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from landremed.measure import OUTSIDE, Measured
from landremed.sensitivity.bands import Bands
from landremed.sensitivity.edges import Edges
from landremed.sensitivity.judged import Judgement, measured_rows
from landremed.sensitivity.moved import Cases, Mover
from landremed.sensitivity.polygons import polygonal

__all__ = ["Ground", "MovedAreas"]

IntArray: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Geometries: TypeAlias = npt.NDArray[np.object_]

_ASIDE: Final = (1.0, 1 + 1e-6, 1 - 1e-6)
"""Distances tried in turn where lines coincide within rounding."""


@dataclass(frozen=True)
class Ground:
    """Ground of cases that changes hands as far as the edge reaches, and the area that it changes.

    Attributes
    ----------
    name : str
        Of the three-way area; empty for the overlap itself.
    sure : bool
        Whether it is the part that is surely outside the boundary.
    shapes : ndarray of geometry
        One for each case.
    sign : ndarray of float
        1 where the area grows as the edge moves, -1 where it shrinks.
    scale : ndarray of float
        Area of the kind measured to that in the plane.
    """

    name: str
    sure: bool
    shapes: Geometries
    sign: FloatArray
    scale: FloatArray

    def base_of(self, measured: Measured, role: str) -> FloatArray:
        """Return the area as measured."""
        if not self.name:
            return measured.overlap_m2[role]
        return (measured.outside_sure_m2 if self.sure else measured.outside_m2)[self.name]


class MovedAreas:
    """Areas of cases with the edge moved.

    Attributes
    ----------
    grounds : sequence of Ground
        The first one is that of the overlap.
    base : Measured
        Areas as measured, a row for each case.
    """

    def __init__(self, judgement: Judgement, edges: Edges, cases: Cases, reach_m: FloatArray) -> None:
        self._cases = cases
        self._judgement = judgement
        self._edges = edges
        self._mover: Mover | None = None
        self.base = measured_rows(judgement.measured, cases.rows)
        self.grounds = [self._ground("", False, cases.ground, np.where(cases.inward, -1.0, 1.0))]
        for name, pair in OUTSIDE.items():
            if name in judgement.measured.outside_m2 and cases.role in pair:
                self.grounds += self._three_way(name, pair)
        self._bands = Bands(cases.lines, [ground.shapes for ground in self.grounds], reach_m)

    def at(self, distance_m: FloatArray, which: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return the areas of some cases with the edge moved, a row for each ground, and their growth.

        Parameters
        ----------
        distance_m : ndarray of float
            How far, metres, no more than the reach.
        which : ndarray of int
            Cases.

        Returns
        -------
        area_m2, growth_m : ndarray of float
            Areas, and by how much they grow for each metre that the edge moves; NaN where not known.
        """
        found, growth = np.zeros((2, len(self.grounds), len(which)))
        left = np.arange(len(which))
        for factor in _ASIDE:
            asked = np.full(len(self._cases), np.nan)
            asked[which[left]] = distance_m[left] * factor
            area, length, sure = self._bands.within(asked)
            found[:, left], growth[:, left] = area[:, which[left]], length[:, which[left]]
            left = left[~sure[which[left]]]
            if not len(left):
                break
        for i, ground in enumerate(self.grounds):
            factor_of = ground.sign[which] * ground.scale[which]
            found[i] = np.maximum(
                ground.base_of(self.base, self._cases.role)[which] + factor_of * found[i], 0.0
            )
            growth[i] *= factor_of
        if len(left):
            found[:, left], growth[:, left] = self._drawn(distance_m[left], which[left]), np.nan
        return found, growth

    def measured(self, areas: FloatArray, which: IntArray) -> Measured:
        """Return the areas of some cases as measured ones."""
        base, role = measured_rows(self.base, which), self._cases.role
        outside, sure = dict(base.outside_m2), dict(base.outside_sure_m2)
        for ground, area in zip(self.grounds[1:], areas[1:], strict=True):
            if not ground.sure:  # surely as well, unless that is another ground, which follows
                outside[ground.name] = area
            sure[ground.name] = area
        overlap = {**base.overlap_m2, role: np.minimum(areas[0], base.area_m2)}
        return replace(base, overlap_m2=overlap, outside_m2=outside, outside_sure_m2=sure)

    def _three_way(self, name: str, pair: tuple[str, str]) -> Sequence[Ground]:
        """Return what changes of a three-way area, at most and surely."""
        inner, boundary = pair
        cases, judgement = self._cases, self._judgement
        other = judgement.pieces_of(boundary if cases.role == inner else inner, cases.rows)
        if cases.role == inner:
            shapes = shapely.difference(cases.ground, other)
            sign = np.where(cases.inward, -1.0, 1.0)
        else:
            shapes = shapely.intersection(cases.ground, other)
            sign = np.where(cases.inward, 1.0, -1.0)
        shapes = polygonal(shapes)
        found = [self._ground(name, False, shapes, sign)]
        short = np.flatnonzero(~self.base.complete[boundary])
        if len(short):
            covered = shapes.copy()
            cover = self._edges.covered(boundary, cases.rows[short])
            covered[short] = polygonal(shapely.intersection(shapes[short], cover))
            found.append(self._ground(name, True, covered, sign))
        return found

    def _ground(self, name: str, sure: bool, shapes: Geometries, sign: FloatArray) -> Ground:
        plane = shapely.area(shapes)
        scale = np.divide(self._judgement.area.of(shapes), plane, out=np.ones(len(shapes)), where=plane > 0)
        return Ground(name, sure, shapes, sign, scale)

    def _drawn(self, distance_m: FloatArray, which: IntArray) -> FloatArray:
        """Return the areas by drawing the moved edge."""
        if self._mover is None:
            self._mover = Mover(self._judgement, self._edges, self._cases)
        shifted = self._mover.at(distance_m, np.zeros(len(which)), which).measured
        return np.stack([ground.base_of(shifted, self._cases.role) for ground in self.grounds])
