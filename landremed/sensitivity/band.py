"""How much of some ground lies within a distance of an edge, without drawing what lies there.

The ground within the distance is bounded by stretches of the ground's own boundary, and by stretches of what
lies at the distance: sides beside the edge's segments, and arcs around its vertices. Each stretch is found on
its own segment or circle, as what other segments leave of it; the area is the sum along all of them. The arcs
are true arcs, and nothing is joined to anything, so that there is no topology to get wrong. Stretches that do
not add up to closed lines betray boundaries that coincide within rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from landremed.sensitivity.intervals import of_circles, of_segments, uncovered
from landremed.sensitivity.segments import (
    Segments,
    close_pairs,
    first_of_each,
    gaps,
    pairs_by,
    segments_of,
)

__all__ = ["Band", "Kernel"]

IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Geometries: TypeAlias = npt.NDArray[np.object_]
Pairs: TypeAlias = tuple[IntArray, IntArray, FloatArray]
Kernel: TypeAlias = Callable[..., None]

_TURN: Final = 2 * np.pi
_WAVES: Final = ((0.83, 0.55, 0.7), (-0.47, 0.88, 1.9))
"""Waves over the plane, by direction and phase: around closed lines their rises and falls cancel each other.

So would steps in x and y, but also those of lines that are not closed because they lack opposite stretches.
"""
_OPEN: Final = 1e-5
"""What may be left of rises and falls, about metres."""
_BESIDE: Final = 1e-9
"""By which share of its length a segment is taken longer where it is crossed; a cut too many does no harm."""


class Band:
    """Measures what lies within a distance of edges.

    Parameters
    ----------
    lines : ndarray of geometry
        Edges, one for each case; no two segments of one overlap.
    grounds : sequence of ndarray of geometry
        Valid polygons, none or several for each case, those of a case near each other.
    reach_m : ndarray of float
        Greatest distance asked about, metres.
    """

    def __init__(self, lines: Geometries, grounds: Sequence[Geometries], reach_m: FloatArray) -> None:
        self._cases = len(lines)
        self._grounds = np.concatenate(grounds)
        shapely.prepare(self._grounds)
        corners = np.stack([shapely.bounds(ground) for ground in grounds])
        low, high = np.fmin.reduce(corners[..., :2]).T, np.fmax.reduce(corners[..., 2:]).T
        self._origin = np.nan_to_num(np.round((low + high) / 2))
        self._box = np.concatenate([low - self._origin, high - self._origin])
        self._edge = self._edges(lines, reach_m)
        self._vertices()
        self._rings()
        self._reach = reach_m

    def __len__(self) -> int:
        return len(self._edge)

    def within(self, distance_m: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Return the area of each ground within a distance of its edge.

        Parameters
        ----------
        distance_m : ndarray of float
            One for each case, metres, above 0 and no more than the reach; NaN where nothing is asked.

        Returns
        -------
        area_m2 : ndarray of float
            In the plane, a row for each array of grounds.
        length_m : ndarray of float
            By how much it grows with the distance: length in the ground of what lies at the distance.
        sure : ndarray of bool
            Whether the stretches add up; if not, area and length mean nothing.
        """
        sums = np.zeros((4, len(self._grounds)))
        self._along_rings(distance_m, sums)
        self._along_sides(distance_m, sums)
        self._along_arcs(distance_m, sums)
        return _summed(sums.reshape(4, -1, self._cases))

    def within_compiled(
        self, kernel: Kernel, distance_m: FloatArray
    ) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Return the same, by a compiled kernel."""
        sums = np.zeros((self._cases, len(self._grounds) // self._cases, 4))
        kernel(*self._packed, distance_m, (0, self._cases), sums)
        return _summed(sums.transpose(2, 1, 0))

    @cached_property
    def _packed(self) -> tuple[Any, ...]:
        """What the kernel works on."""

        def first(case: IntArray) -> IntArray:
            return np.searchsorted(case, np.arange(self._cases + 1))

        def rows(columns: FloatArray) -> FloatArray:
            return np.ascontiguousarray(columns.T)

        edge, ring = self._edge, self._ring
        return (
            (rows(np.concatenate([edge.start, edge.end])), first(edge.case), self._ends),
            (rows(self._vertex), first(self._vertex_case)),
            (rows(np.concatenate([ring.start, ring.end])), first(ring.case), self._bordering // self._cases),
            rows(self._box),
        )

    def _edges(self, lines: Geometries, reach_m: FloatArray) -> Segments:
        """Return the segments of the lines near the grounds, each once."""
        parts, case = shapely.get_parts(lines, return_index=True)
        found, _ = segments_of(parts, case, self._origin)
        near = gaps(found.boxes, self._box[:, found.case]) <= reach_m[found.case]
        found = found.take(near & (found.start != found.end).any(axis=0))
        (x0, y0), (x1, y1) = found.start, found.end
        turned = (x0 > x1) | ((x0 == x1) & (y0 > y1))
        start, end = np.where(turned, found.end, found.start), np.where(turned, found.start, found.end)
        first, _ = first_of_each(found.case, *start, *end)
        return found.take(np.sort(first))

    def _vertices(self) -> None:
        """Give numbers to the edges' vertices; those of one case and place are one."""
        edge = self._edge
        case, points = np.tile(edge.case, 2), np.concatenate([edge.start, edge.end], axis=1)
        first, number = first_of_each(case, *points)
        place = np.lexsort((first % max(len(edge), 1), case[first]))  # along the edge, as near as may be
        new = np.empty_like(place)
        new[place] = np.arange(len(place))
        self._ends = new[number].reshape(2, -1)
        self._vertex_case, self._vertex = case[first[place]], points[:, first[place]]

    def _rings(self) -> None:
        """Take the grounds' boundaries, each ground to the left, and note the ground of each segment."""
        case = np.tile(np.arange(self._cases), len(self._grounds) // self._cases)
        parts, ground = shapely.get_parts(self._grounds, return_index=True)
        rings, part = shapely.get_rings(parts, return_index=True)
        ground = ground[part]
        order = np.argsort(case[ground], kind="stable")
        outer = np.diff(part, prepend=-1) != 0
        rings = np.where(shapely.is_ccw(rings) == outer, rings, shapely.reverse(rings))[order]
        ground = ground[order]
        self._ring, ring = segments_of(rings, case[ground], self._origin)
        self._bordering = ground[ring]

    @cached_property
    def _beside(self) -> Pairs:
        """Segments, and segments near them."""
        return close_pairs(self._of_edges, self._of_edges, 2 * self._reach)

    @cached_property
    def _around(self) -> Pairs:
        """Vertices, and segments near them."""
        return close_pairs(self._of_vertices, self._of_edges, 2 * self._reach)

    @cached_property
    def _bounding(self) -> Pairs:
        """Segments of the grounds' boundaries, and edges near them."""
        return close_pairs(self._of_rings, self._of_edges, self._reach)

    @cached_property
    def _bounded(self) -> Pairs:
        """Segments, and segments of the grounds' boundaries near them."""
        return close_pairs(self._of_edges, self._of_rings, self._reach)

    @cached_property
    def _rounded(self) -> Pairs:
        """Vertices, and segments of the grounds' boundaries near them."""
        return close_pairs(self._of_vertices, self._of_rings, self._reach)

    @property
    def _of_edges(self) -> tuple[IntArray, FloatArray]:
        return self._edge.case, self._edge.boxes

    @property
    def _of_rings(self) -> tuple[IntArray, FloatArray]:
        return self._ring.case, self._ring.boxes

    @property
    def _of_vertices(self) -> tuple[IntArray, FloatArray]:
        return self._vertex_case, np.tile(self._vertex, (2, 1))

    def _along_rings(self, distance_m: FloatArray, sums: FloatArray) -> None:
        """Add up the stretches of the grounds' boundaries within the distance."""
        ring, edge = self._ring, self._edge
        one, other, gap = self._bounding
        near = np.flatnonzero(gap <= distance_m[ring.case[one]])
        one, other = one[near], other[near]
        places, piece = np.unique(one, return_inverse=True)
        ends = edge.start[:, other], edge.end[:, other]
        low, high = of_segments(ring.start[:, one], ring.way[:, one], ends, distance_m[ring.case[one]])
        left, begin, stop = uncovered(len(places), piece, low, high)
        share = 1.0 - np.bincount(left, stop - begin, len(places))
        ring, ground = ring.take(places), self._bordering[places]
        _add(sums, ground, share * _cross(ring.start, ring.end) / 2, None, (ring.start, ring.end))
        start, way = ring.start[:, left], ring.way[:, left]
        _add(sums, ground[left], None, None, (start + stop * way, start + begin * way))

    def _along_sides(self, distance_m: FloatArray, sums: FloatArray) -> None:
        """Add up what no other segment covers of the lines beside the segments, within the grounds."""
        edge = self._edge
        distance = distance_m[edge.case]
        way = edge.way
        aside = np.stack([way[1], -way[0]]) / np.hypot(*way) * distance
        for sign in (1, -1):  # there and back: what lies within the distance is to the left of both
            start = edge.start + aside if sign == 1 else edge.end - aside
            side = Segments(edge.case, start, start + sign * way)
            piece, low, high = self._free_of_sides(side, distance)
            stretch, ring = _near(self._bounded, piece, distance)
            place = _crossed(side.take(piece[stretch]), self._ring.take(ring))
            number, ground, low, high = self._cut(edge.case[piece], (low, high), (stretch, ring, place))
            side = side.take(piece[number])
            middle = side.start + side.way * (low + high) / 2
            inside = self._inside(ground, middle)
            side, ground, low, high = side.take(inside), ground[inside], low[inside], high[inside]
            first, last = side.start + low * side.way, side.start + high * side.way
            _add(sums, ground, _cross(first, last) / 2, np.hypot(*(last - first)), (first, last))

    def _free_of_sides(self, side: Segments, distance: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
        edge, ends = self._edge, self._ends
        kept = gaps(side.boxes, self._box[:, edge.case]) <= 0  # none where nothing is asked
        one, other, gap = self._beside
        near = np.flatnonzero(kept[one] & (one != other) & (gap <= 2 * distance[one]))
        one, other = one[near], other[near]
        # the circle around a vertex of its own is touched by a side, and no more
        shared = [(ends[:, one] == end[other]).any(axis=0) for end in ends]
        low, high = of_segments(
            side.start[:, one],
            side.way[:, one],
            (edge.start[:, other], edge.end[:, other]),
            distance[one],
            (shared[0], shared[1]),
        )
        places = np.flatnonzero(kept)
        left, low, high = uncovered(len(places), (np.cumsum(kept) - 1)[one], low, high)
        return places[left], low, high

    def _along_arcs(self, distance_m: FloatArray, sums: FloatArray) -> None:
        """Add up what no segment covers of the circles around the vertices, within the grounds."""
        case, centre = self._vertex_case, self._vertex
        distance = distance_m[case]
        piece, low, high = self._free_of_circles(distance)
        stretch, ring = _near(self._rounded, piece, distance)
        middle, radius = centre[:, piece[stretch]], distance[piece[stretch]]
        place = _met(middle, radius, self._ring.take(ring))
        twice = np.tile(stretch, 2), np.tile(ring, 2), place.ravel()
        number, ground, low, high = self._cut(case[piece], (low, high), twice)
        centre, distance = centre[:, piece[number]], distance[piece[number]]
        inside = self._inside(ground, centre + distance * _direction((low + high) / 2))
        centre, distance, ground = centre[:, inside], distance[inside], ground[inside]
        low, high = low[inside], high[inside]
        first, last = (centre + distance * _direction(end) for end in (low, high))
        length = distance * _TURN * (high - low)
        _add(sums, ground, (_cross(centre, last - first) + distance * length) / 2, length, (first, last))

    def _free_of_circles(self, distance: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
        edge, centre, ends = self._edge, self._vertex, self._ends
        kept = gaps(np.tile(centre, (2, 1)), self._box[:, self._vertex_case]) <= distance
        one, other, gap = self._around
        near = np.flatnonzero(kept[one] & (gap <= 2 * distance[one]))
        one, other = one[near], other[near]
        own = (ends[:, other] == one).any(axis=0)
        low, high = of_circles(centre[:, one], (edge.start[:, other], edge.end[:, other]), distance[one], own)
        places = np.flatnonzero(kept)
        piece = (np.cumsum(kept) - 1)[one]
        over = np.flatnonzero(high > 1)
        piece = np.concatenate([piece, piece[over]])
        low, high = np.r_[low, np.zeros(len(over))], np.r_[high, high[over] - 1]
        left, low, high = uncovered(len(places), piece, low, high)
        return places[left], low, high

    def _cut(
        self,
        case: IntArray,
        span: tuple[FloatArray, FloatArray],
        crossings: tuple[IntArray, IntArray, FloatArray],
    ) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
        """Cut stretches where the grounds' boundaries cross them.

        Parameters
        ----------
        case : ndarray of int
            Of each stretch.
        span : pair of ndarray of float
            From where to where it goes.
        crossings : tuple of ndarray
            Stretch, segment of the boundaries, and place, which may lie beyond the stretch.

        Returns
        -------
        stretch, ground : ndarray of int
            Once for each ground of the case.
        low, high : ndarray of float
            Between two crossings.
        """
        kinds = len(self._grounds) // self._cases
        stretch, ring, place = crossings
        hit = np.flatnonzero((place > span[0][stretch]) & (place < span[1][stretch]))
        every = np.arange(len(case) * kinds)
        unit = np.concatenate(
            [every, every, stretch[hit] * kinds + self._bordering[ring[hit]] // self._cases]
        )
        places = np.concatenate([*(np.repeat(end, kinds) for end in span), place[hit]])
        order = np.lexsort((places, unit))
        unit, places = unit[order], places[order]
        one = np.flatnonzero((unit[1:] == unit[:-1]) & (places[1:] > places[:-1]))
        stretch = unit[one] // kinds
        return stretch, unit[one] % kinds * self._cases + case[stretch], places[one], places[one + 1]

    def _inside(self, ground: IntArray, points: FloatArray) -> BoolArray:
        x, y = points + self._origin[:, ground % self._cases]
        return np.asarray(shapely.contains_xy(self._grounds[ground], x, y))


def _summed(sums: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
    area, length, *open_ = sums
    return area, length, np.asarray((np.abs(open_) <= _OPEN).all(axis=(0, 1)))


def _near(pairs: Pairs, piece: IntArray, distance: FloatArray) -> tuple[IntArray, IntArray]:
    """Return for stretches of pieces which segments lie near the pieces: stretch, segment."""
    stretch, at = pairs_by(pairs[0], piece)
    near = np.flatnonzero(pairs[2][at] <= distance[piece[stretch]])
    return stretch[near], pairs[1][at[near]]


def _crossed(segments: Segments, others: Segments) -> FloatArray:
    """Return where segments are crossed by others, one for each; NaN where they are not."""
    way, across = segments.way, others.way
    apart = others.start - segments.start
    with np.errstate(divide="ignore", invalid="ignore"):
        base = _cross(way, across)
        on = _cross(apart, way) / base
        return np.where((on >= -_BESIDE) & (on <= 1 + _BESIDE), _cross(apart, across) / base, np.nan)


def _met(centre: FloatArray, radius: FloatArray, others: Segments) -> FloatArray:
    """Return where circles are crossed by segments, one for each, in turns: two rows, NaN for none."""
    way, apart = others.way, others.start - centre
    length2, half = (way * way).sum(axis=0), (way * apart).sum(axis=0)
    inner = half * half - length2 * ((apart * apart).sum(axis=0) - radius * radius)
    root = np.sqrt(np.where(inner >= 0, inner, np.nan))
    found = []
    for on in ((-half - root) / length2, (root - half) / length2):
        x, y = apart + on * way
        turns = np.mod(np.arctan2(y, x) / _TURN, 1.0)
        found.append(np.where((on >= -_BESIDE) & (on <= 1 + _BESIDE), turns, np.nan))
    return np.stack(found)


def _direction(turns: FloatArray) -> FloatArray:
    return np.stack([np.cos(_TURN * turns), np.sin(_TURN * turns)])


def _cross(one: FloatArray, other: FloatArray) -> FloatArray:
    return np.asarray(one[0] * other[1] - one[1] * other[0])


def _add(
    sums: FloatArray,
    ground: IntArray,
    area: FloatArray | None,
    length: FloatArray | None,
    ends: tuple[FloatArray, FloatArray],
) -> None:
    """Add what stretches contribute: area, length, and marks that their ends leave on closed lines."""
    (x0, y0), (x1, y1) = ends
    marks = [np.sin(a * x1 + b * y1 + c) - np.sin(a * x0 + b * y0 + c) for a, b, c in _WAVES]
    for row, values in enumerate((area, length, *marks)):
        if values is not None:
            sums[row] += np.bincount(ground, values, sums.shape[1])
