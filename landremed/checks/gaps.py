"""Holes between polygons, found by uniting neighbours step by step."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from landremed.area import PlaneArea
from landremed.checks.measures import mean_width
from landremed.overlay import Expected, LayerInput, PolygonSet, prepare
from landremed.threads import in_threads

__all__ = ["enclosed_gaps", "holes_of_union", "slit"]

Geometries: TypeAlias = npt.NDArray[np.object_]
IntArray: TypeAlias = npt.NDArray[np.int64]

_FIRST: Final = 64
_STEP: Final = 4
_MANY: Final = 10_000
_ALONG: Final = 0.25  # of the outline: the two short ends of a slit through the box, no more
_BYTE_SPREADS: Final = ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555))


def enclosed_gaps(
    geometries: Geometries, width_m: float, least_m2: float, touching: IntArray | None = None
) -> tuple[Geometries, IntArray]:
    """Return holes between polygons that are narrower than a width, and one neighbour of each.

    Only polygons that touch others are looked at. A hole that one polygon has by itself is its own shape
    and does not count.

    Parameters
    ----------
    geometries : ndarray of geometries
        Valid polygons, None where there is none.
    width_m, least_m2 : float
        Mean width in m below which, and area in m² above which a hole counts.
    touching : ndarray of int, optional
        Rows that touch others, where that is known.
    """
    solid = np.flatnonzero(~shapely.is_missing(geometries))
    if not len(solid):
        return np.zeros(0, object), np.zeros(0, np.int64)
    tree = shapely.STRtree(geometries)
    if touching is None:
        left, right = tree.query(geometries, predicate="intersects")
        touching = np.unique(left[left != right])
    holes = holes_of_union(geometries[touching])
    holes = holes[(shapely.area(holes) > least_m2) & (mean_width(holes) < width_m)]
    if not len(holes):
        return np.zeros(0, object), np.zeros(0, np.int64)
    holes = holes[np.lexsort(shapely.bounds(holes).T)]
    hole, neighbour = tree.query(holes, predicate="dwithin", distance=1e-3)
    count = np.bincount(hole, minlength=len(holes))
    first = np.full(len(holes), np.iinfo(np.int64).max)
    np.minimum.at(first, hole, neighbour)
    keep = count > 1
    return holes[keep], first[keep]


def slit(ground: PolygonSet, boxes: Geometries, width_m: float, least_m2: float) -> npt.NDArray[np.bool_]:
    """Tell which boxes hold a narrow stretch of open ground, such as a hole between polygons.

    Open ground that lies along the sides of the box does not count: it goes on outside.

    Parameters
    ----------
    ground : PolygonSet
        The polygons.
    boxes : ndarray of geometries
        Rectangles.
    width_m, least_m2 : float
        Mean width in m below which, and area in m² above which open ground counts.
    """
    found = np.zeros(len(boxes), bool)
    name = "native" if len(boxes) >= _MANY else "auto"
    rectangles = PolygonSet.from_geometries(boxes)
    expected = Expected.of(rectangles)
    engine = prepare([LayerInput("ground", ground)], area=PlaneArea(), engine=name, expected=expected)
    covered = engine.measure(rectangles).overlaps
    row, area = covered["parcel"].to_numpy(), covered["area_m2"].to_numpy()
    some = np.flatnonzero(shapely.area(boxes[row]) - area > least_m2)
    row = row[some]
    pieces = shapely.from_wkb(covered["geometry"].take(pa.array(some)).to_numpy(zero_copy_only=False))
    parts, at = shapely.get_parts(shapely.difference(boxes[row], pieces), return_index=True)
    thin = (shapely.area(parts) > least_m2) & (mean_width(parts) < width_m)
    parts, row = parts[thin], row[at[thin]]
    along = shapely.length(shapely.intersection(shapely.boundary(parts), shapely.boundary(boxes[row])))
    found[row[along < _ALONG * shapely.length(parts)]] = True
    return found


def holes_of_union(geometries: Geometries) -> Geometries:
    """Return the holes of the union of valid polygons, as polygons in no certain order.

    Neighbours are united in groups, groups in larger ones. A hole that no other group reaches is final: it is
    noted and filled, so that what is carried upwards is little more than the outline of each group.
    """
    if not len(geometries):
        return np.zeros(0, object)
    work = geometries[np.argsort(_places_along_curve(geometries), kind="stable")]
    group = np.arange(len(work)) // _FIRST
    found = []
    while len(work):
        starts = np.flatnonzero(np.diff(group)) + 1
        unions = np.array(in_threads(shapely.union_all, np.split(work, starts)), dtype=object)
        parts, owner = shapely.get_parts(unions, return_index=True)
        work, owner, holes = _filled(parts, owner)
        found.append(holes)
        group = owner // _STEP
    rings = np.concatenate(found)
    return np.asarray(shapely.polygons(rings), object) if len(rings) else np.zeros(0, object)


def _filled(parts: Geometries, owner: IntArray) -> tuple[Geometries, IntArray, Geometries]:
    """Return the parts that other groups may still reach, without their final holes, and all final holes."""
    rings, part = shapely.get_rings(parts, return_index=True)
    shell = np.r_[True, part[1:] != part[:-1]]
    holes, within = rings[~shell], part[~shell]
    tree = shapely.STRtree(parts)
    one, other = tree.query(parts)
    meets = np.zeros(len(parts), bool)
    meets[one[owner[one] != owner[other]]] = True
    reached = np.zeros(len(holes), bool)
    if len(holes):
        one, other = tree.query(holes)
        reached[one[owner[within[one]] != owner[other]]] = True
    reached &= meets[within]
    filled = np.asarray(shapely.polygons(rings[shell]), object)
    open_, first = np.unique(within[reached], return_index=True)
    for at, some in zip(open_.tolist(), np.split(holes[reached], first[1:]), strict=False):
        filled[at] = shapely.polygons(rings[shell][at], some)
    return filled[meets], owner[meets], holes[~reached]


def _places_along_curve(geometries: Geometries) -> npt.NDArray[np.uint64]:
    """Return the place of each box's middle along a Z-order curve, which keeps neighbours together."""
    bounds = shapely.bounds(geometries)
    middle = (bounds[:, :2] + bounds[:, 2:]) / 2.0
    low = middle.min(axis=0)
    span = max(float((middle.max(axis=0) - low).max()), 1e-9)
    cells = ((middle - low) / span * 65_535.0).astype(np.uint64)
    for shift, mask in _BYTE_SPREADS:
        cells = (cells | (cells << np.uint64(shift))) & np.uint64(mask)
    return np.asarray(cells[:, 0] | (cells[:, 1] << np.uint64(1)), np.uint64)
