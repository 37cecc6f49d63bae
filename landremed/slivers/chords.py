"""Strips between a curve and its chord: an edge drawn straight in one place and along a curve in the other.

An edge that is straight in longitude and latitude (a parallel) is a curve in a projected system, and the
other way round. Where one data set kept only the ends of such an edge, and the other was densified before it
was transformed, a strip remains between chord and curve, whose shape follows from the coordinate systems.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from landremed.crs import moved_points
from landremed.crs_kinds import same_crs
from landremed.overlay import PolygonSet
from landremed.overlay.looks import edges_from
from landremed.slivers.kinds import CURVE_FROM_M
from landremed.slivers.outlines import Outlines

__all__ = ["Curves", "arcs", "chords", "dominant", "long_edges", "systems"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

_FITS_SHARE: Final = 0.1
_FITS_M: Final = 1e-4
_LEAST_M: Final = 5e-4
_ON_EDGE_M: Final = 1e-6
_ARC_POINTS: Final = 3


@dataclass(frozen=True)
class Curves:
    """Where an edge that is straight in some coordinate system runs in the working system.

    Attributes
    ----------
    crs : pyproj.CRS
        The working system.
    systems : sequence of (CRS, bool)
        Systems in which edges may have been straight, and whether one of the two data sets, not both, is kept
        in it: then a single vertex on the curve is enough, else two.
    """

    crs: pyproj.CRS
    systems: Sequence[tuple[pyproj.CRS, bool]]


def dominant(shapes: Outlines, tried: BoolArray) -> IntArray:
    """Return the segments that are most of one side of their part, where the other side has vertices.

    Parameters
    ----------
    shapes : Outlines
        Small overlaps.
    tried : ndarray of bool
        Parts that are looked at.
    """
    length, side = shapes.length_m, shapes.ours.astype(np.int64)
    inner = np.bincount(shapes.part[shapes.inner] * 2 + side[shapes.inner], minlength=2 * len(tried))
    most = length >= 0.5 * shapes.sides_m[shapes.part, side]
    across = inner[shapes.part * 2 + 1 - side] > 0
    return np.flatnonzero(most & across & tried[shapes.part])


def long_edges(polygons: PolygonSet, rows: IntArray) -> tuple[FloatArray, IntArray]:
    """Return edges (x0, y0, x1, y1) long enough to differ between coordinate systems, and whose they are."""
    edges, owner = edges_from(polygons.wkb, rows, CURVE_FROM_M)
    long = np.hypot(*(edges[:, 2:] - edges[:, :2]).T) >= CURVE_FROM_M
    return edges[long], owner[long]


def chords(
    shapes: Outlines, segments: IntArray, edges: tuple[FloatArray, IntArray], owner: IntArray, curves: Curves
) -> IntArray:
    """Return the parts whose far side lies on the curve of the edge that their near side is a piece of.

    Parameters
    ----------
    shapes : Outlines
        Small overlaps.
    segments : ndarray
        From ``dominant``, of one side.
    edges : (ndarray (n, 4), ndarray)
        From ``long_edges``, with the number of their owner.
    owner : ndarray
        For each of ``segments`` the number of the owner its edge must have.
    curves : Curves
        How straight edges run.
    """
    xy, whose = edges
    if not len(xy) or not len(segments):
        return np.zeros(0, np.int64)
    middles = shapely.points((shapes.start[segments] + shapes.end[segments]) / 2.0)
    tree = shapely.STRtree(shapely.linestrings(xy.reshape(-1, 2, 2)))
    at, edge = tree.query(middles, predicate="dwithin", distance=_ON_EDGE_M)
    own = owner[at] == whose[edge]
    at, edge = at[own], edge[own]
    pair, vertex = _across(shapes, segments[at])
    if not len(pair):
        return np.zeros(0, np.int64)
    points = shapes.start[vertex]
    line = xy[edge[pair]]
    along, off = _along(line, points)
    good = np.zeros(len(at), bool)
    count, height = np.bincount(pair, minlength=len(at)), _largest(np.abs(off), pair, len(at))
    for crs, different in curves.systems:
        predicted = _curve(line, along, crs, curves.crs)
        miss = _largest(np.abs(off - predicted), pair, len(at))
        fits = (miss <= _FITS_SHARE * height + _FITS_M) & (height >= _LEAST_M)
        good |= fits & (count >= (1 if different else 2))
    return np.unique(shapes.part[segments[at[good]]])


def arcs(shapes: Outlines, segments: IntArray) -> IntArray:
    """Return the parts between a chord and at least three vertices on one flat arc through its ends."""
    side = shapes.part * 2 + shapes.ours
    alone = np.bincount(side, minlength=2 * len(shapes.piece))[side[segments]] == 1
    segments = segments[alone]
    pair, vertex = _across(shapes, segments)
    if not len(pair):
        return np.zeros(0, np.int64)
    line = np.column_stack([shapes.start[segments], shapes.end[segments]])[pair]
    length = np.hypot(line[:, 2] - line[:, 0], line[:, 3] - line[:, 1])
    along, off = _along(line, shapes.start[vertex])
    with np.errstate(divide="ignore", invalid="ignore"):
        bend = (along * (length - along) - off**2) / off  # twice the distance of the centre from the chord
    bend = np.where(np.isfinite(bend), bend, 0.0)
    count = np.bincount(pair, minlength=len(segments))
    low, high = -_largest(-bend, pair, len(segments)), _largest(bend, pair, len(segments))
    height = _largest(np.abs(off), pair, len(segments))
    same = (high - low <= _FITS_SHARE * np.minimum(np.abs(low), np.abs(high))) & (low * high > 0)
    # the centre lies on the far side of the chord: less than half a circle
    flat = np.bincount(pair, off * bend <= 0.0, len(segments)) == 0
    good = (count >= _ARC_POINTS) & (height >= _LEAST_M) & same & flat
    return np.unique(shapes.part[segments[good]])


def _across(shapes: Outlines, segments: IntArray) -> tuple[IntArray, IntArray]:
    """Return pairs: number in ``segments``, and segment that begins in a vertex of the other side."""
    inner = np.flatnonzero(shapes.inner)
    key = shapes.part[inner] * 2 + shapes.ours[inner]
    order = np.argsort(key, kind="stable")
    inner, key = inner[order], key[order]
    wanted = shapes.part[segments] * 2 + 1 - shapes.ours[segments]
    low, high = np.searchsorted(key, wanted), np.searchsorted(key, wanted, side="right")
    pair = np.repeat(np.arange(len(segments)), high - low)
    offset = np.arange(len(pair)) - np.repeat(np.cumsum(high - low) - (high - low), high - low)
    return pair, inner[low[pair] + offset]


def _along(line: FloatArray, points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return how far along each line a point lies, and how far to its left."""
    way = line[:, 2:] - line[:, :2]
    way = way / np.hypot(*way.T)[:, None]
    off = points - line[:, :2]
    return (off * way).sum(axis=1), way[:, 0] * off[:, 1] - way[:, 1] * off[:, 0]


def _curve(line: FloatArray, along: FloatArray, crs: pyproj.CRS, working: pyproj.CRS) -> FloatArray:
    """Return how far to the left of its chord an edge runs that is straight in another system."""
    length = np.hypot(line[:, 2] - line[:, 0], line[:, 3] - line[:, 1])
    low, high = moved_points(working, crs, line[:, :2]), moved_points(working, crs, line[:, 2:])
    share, off = along / length, np.zeros(len(along))
    for _ in range(2):  # the scale along an edge changes by millionths
        found, off = _along(line, moved_points(crs, working, low + (high - low) * share[:, None]))
        share = share + (along - found) / length
    return off


def _largest(values: FloatArray, group: IntArray, count: int) -> FloatArray:
    largest = np.full(count, -np.inf)
    np.maximum.at(largest, group, values)
    return largest


def systems(working: pyproj.CRS, ours: pyproj.CRS, theirs: pyproj.CRS) -> Curves:
    """Return the systems in which an edge may have been straight, other than the working one.

    Parameters
    ----------
    working, ours, theirs : pyproj.CRS
        Working system, and those of the parcels' file and of the layer's.
    """
    found: list[tuple[pyproj.CRS, bool]] = []
    for crs in (theirs, ours, working.geodetic_crs):
        if crs is None or same_crs(crs, working) or any(same_crs(crs, known) for known, _ in found):
            continue
        found.append((crs, same_crs(crs, ours) != same_crs(crs, theirs)))
    return Curves(working, found)
