"""Vertices that GEOS leaves on straight edges, taken out again.

Where an edge of one polygon ends on an edge of another, GEOS divides the latter, and the vertex stays in the
result although the boundary passes straight through. The native engine has none of them. They matter to areas
for which coordinates are rounded: each may move a survey area by some square millimetres.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

__all__ = ["without_passed"]

Geometries: TypeAlias = npt.NDArray[np.object_]
Points: TypeAlias = npt.NDArray[np.float64]

_STRAIGHT_M: Final = 1e-9
"""How far a vertex that GEOS rounded may lie beside the edge it divides."""


def without_passed(pieces: Geometries, sources: Callable[[int], Sequence[Any]]) -> Geometries:
    """Leave out vertices at which a piece goes straight on along one edge of what it was made of.

    Parameters
    ----------
    pieces : array of polygonal geometries
        At a local origin; None is passed over.
    sources : callable
        Gives what a piece was made of: its parcel, then features. Where edges coincide the first counts.
    """
    pieces = pieces.copy()
    for at, _, after, row in _by_piece(pieces, _doubled):
        own = _among(at, np.concatenate([shapely.get_coordinates(source) for source in sources(row)]))
        pieces[row] = _redrawn(pieces[row], np.where(own[:, None], after, at))
    for at, before, after, row in _by_piece(pieces, _straight):
        gone = _passed(at, (before + at) / 2, (at + after) / 2, sources(row))
        if gone.any():
            pieces[row] = _redrawn(pieces[row], at[gone])
    return pieces


def _by_piece(
    pieces: Geometries, wanted: Callable[[Points, Points, Points], npt.NDArray[np.bool_]]
) -> Iterator[tuple[Points, Points, Points, int]]:
    """Give vertices of a kind with the vertices before and after them, piece by piece."""
    parts, piece = shapely.get_parts(pieces, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    if not len(xy):
        return
    first = np.flatnonzero(np.diff(ring, prepend=-1))
    last = np.append(first[1:], len(xy)) - 1
    before, after = np.roll(xy, 1, axis=0), np.roll(xy, -1, axis=0)
    before[first] = xy[last - 1]  # rings are closed: the first vertex stands at the end again
    found = wanted(before, xy, after)
    found[last] = False
    places = np.flatnonzero(found)
    if not len(places):
        return
    rows, start = np.unique(piece[part[ring[places]]], return_index=True)
    for row, mine in zip(rows.tolist(), np.split(places, start[1:]), strict=True):
        yield xy[mine], before[mine], after[mine], row


def _doubled(_before: Points, at: Points, after: Points) -> npt.NDArray[np.bool_]:
    """Tell which vertices have the next one in the same place, but for rounding."""
    return np.asarray(np.hypot(*(after - at).T) <= _STRAIGHT_M)


def _straight(before: Points, at: Points, after: Points) -> npt.NDArray[np.bool_]:
    """Tell which vertices lie between two edges of one direction."""
    a, b, whole = at - before, after - at, after - before
    beside = np.abs(whole[:, 0] * a[:, 1] - whole[:, 1] * a[:, 0])
    return np.asarray(((a * b).sum(axis=1) > 0) & (beside <= _STRAIGHT_M * np.hypot(*whole.T)))


def _passed(at: Points, come: Points, go: Points, sources: Sequence[Any]) -> npt.NDArray[np.bool_]:
    """Tell at which vertices both edges, by their middles, lie on one source that has no vertex there."""
    gone = np.zeros(len(at), bool)
    open_ = np.ones((2, len(at)), bool)
    for source in sources:
        line, xy = shapely.boundary(source), shapely.get_coordinates(source)
        on = np.array([shapely.dwithin(line, shapely.points(middle), _STRAIGHT_M) for middle in (come, go)])
        on &= open_
        if on.any():
            gone |= on.all(axis=0) & ~_among(at, xy)
            open_ &= ~on
    return gone


def _among(points: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    near = others[np.isin(others[:, 0], points[:, 0])]
    return np.asarray((points[:, None] == near[None]).all(axis=2).any(axis=1))


def _redrawn(piece: Any, gone: npt.NDArray[np.float64]) -> Any:
    """Draw a piece again without some of its vertices; as it was where that would not be valid."""
    polygons = []
    for part in shapely.get_parts(piece):
        rings = []
        for ring in (part.exterior, *part.interiors):
            xy = shapely.get_coordinates(ring)[:-1]
            rings.append(xy[~_among(xy, gone)])
        if min(map(len, rings)) < 3:  # a splinter thinner than that
            return piece
        polygons.append(shapely.Polygon(rings[0], rings[1:]))
    drawn = polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)
    return drawn if shapely.is_valid(drawn) else piece
