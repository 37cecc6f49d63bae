"""Checks of the parcels' geometry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from landremed.checks.gaps import enclosed_gaps
from landremed.checks.pairs import mean_width, places, shared_ground
from landremed.inspect.aliases import aliases, first_of, minimum_area_m2
from landremed.layers import Parcels, text_ids
from landremed.project import Tolerance
from landremed.same_place import SAME_PLACE_SHARE, first_of_each, same_place
from landremed.types import Finding

__all__ = ["SPIKE_DEGREES", "shape_findings", "spikes"]

SPIKE_DEGREES: Final = 1.0
"""Angle below which two edges of a ring form a spike."""

_SPIKE_EDGE_M: Final = 0.5
_TOUCHING_M: Final = 1e-3  # the resolution at which survey data sets are kept

Geometries: TypeAlias = npt.NDArray[np.object_]
FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]


def shape_findings(parcels: Parcels, tolerance: Tolerance) -> Iterator[Finding]:
    """Yield what is odd about the parcels' shapes, in the working CRS.

    Looked for are the same place twice, overlaps, gaps between neighbours, slivers, areas below the minimum
    that is mapped, and spikes. Invalid geometry is found when the parcels are loaded.
    """
    polygons = parcels.polygons.geometries
    yield from same_place(parcels.ids, parcels.polygons, parcels.source.display)
    rows = np.arange(len(polygons))
    once = polygons.copy()
    once[first_of_each(parcels.polygons) != rows] = None  # same_place says these
    yield from _overlaps(parcels, once, tolerance.min_overlap_area_m2)
    yield from _gaps(parcels, once, tolerance)
    yield from _slivers(parcels, polygons, tolerance)
    yield from _spikes(parcels, polygons)


def spikes(polygons: Geometries) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return row, angle in degrees and place (x, y) of every vertex at which a ring doubles back.

    Both edges are at least half a metre long and enclose less than `SPIKE_DEGREES`.
    """
    parts, row = shapely.get_parts(polygons, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    last = np.r_[ring[1:] != ring[:-1], True] if len(ring) else np.zeros(0, bool)
    xy, ring = xy[~last], ring[~last]  # the closing vertex is the first one again
    if not len(xy):
        return np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 2))
    begin = np.flatnonzero(np.r_[True, ring[1:] != ring[:-1]])
    end = np.r_[begin[1:], len(xy)] - 1
    before, after = np.arange(-1, len(xy) - 1), np.arange(1, len(xy) + 1)
    before[begin], after[end] = end, begin
    back, forth = xy[before] - xy, xy[after] - xy
    length = np.minimum(np.hypot(*back.T), np.hypot(*forth.T))
    cross = np.abs(back[:, 0] * forth[:, 1] - back[:, 1] * forth[:, 0])
    angle = np.degrees(np.arctan2(cross, (back * forth).sum(axis=1)))
    at = np.flatnonzero((angle < SPIKE_DEGREES) & (length >= _SPIKE_EDGE_M))
    return row[part[ring[at]]], angle[at], xy[at]


def _overlaps(parcels: Parcels, polygons: Geometries, least_m2: float) -> Iterator[Finding]:
    pairs = shared_ground(polygons, least_m2=least_m2)
    larger = np.maximum(shapely.area(polygons[pairs.left]), shapely.area(polygons[pairs.right]))
    apart = pairs.area_m2 <= SAME_PLACE_SHARE * larger  # else same_place has said it
    for i in np.flatnonzero(apart).tolist():
        params = {"other": parcels.ids[pairs.left[i]], "area": f"{pairs.area_m2[i]:.2f}"}
        yield _finding(parcels, "parcels_overlap", int(pairs.right[i]), params, pairs.point[i])


def _gaps(parcels: Parcels, polygons: Geometries, tolerance: Tolerance) -> Iterator[Finding]:
    boxes = shapely.bounds(polygons)
    reach = shapely.box(*(boxes + np.array([-1, -1, 1, 1]) * tolerance.position_m).T)
    tree = shapely.STRtree(polygons)
    right, left = tree.query(reach)
    right, left = right[left < right], left[left < right]
    touch = tree.query(polygons, predicate="intersects")
    apart = ~np.isin(right * len(polygons) + left, touch[0] * len(polygons) + touch[1])
    right, left = right[apart], left[apart]
    distance = shapely.distance(polygons[left], polygons[right])
    open_ = (distance > _TOUCHING_M) & (distance <= tolerance.position_m)
    left, right, distance = left[open_], right[open_], distance[open_]
    for i in np.lexsort((left, right)).tolist():
        line = shapely.shortest_line(polygons[left[i]], polygons[right[i]])
        middle = shapely.line_interpolate_point(line, 0.5, normalized=True)
        params = {"other": parcels.ids[left[i]], "width": f"{distance[i]:.3f}"}
        place = np.array([middle.x, middle.y])
        yield _finding(parcels, "parcels_gap", int(right[i]), params, place)
    holes, neighbour = enclosed_gaps(polygons, tolerance.position_m, tolerance.min_overlap_area_m2)
    for hole, row, point in zip(holes, neighbour.tolist(), places(holes), strict=True):
        params = {"area": f"{hole.area:.3f}", "width": f"{float(mean_width(hole)):.3f}"}
        yield _finding(parcels, "parcels_hole", row, params, point)


def _slivers(parcels: Parcels, polygons: Geometries, tolerance: Tolerance) -> Iterator[Finding]:
    area, width = shapely.area(polygons), mean_width(polygons)
    known = np.isfinite(width)
    thin = known & ((width < tolerance.position_m) | (area <= tolerance.sliver_max_area_m2))
    least = _least(parcels.source.attributes, len(polygons))
    small = known & ~thin & (area < least)
    points = places(polygons)
    for row in np.flatnonzero(thin).tolist():
        params = {"area": f"{area[row]:.2f}", "width": f"{width[row]:.2f}"}
        yield _finding(parcels, "parcel_sliver", row, params, points[row])
    for row in np.flatnonzero(small).tolist():
        params = {"area": f"{area[row]:.2f}", "minimum": f"{least[row]:.0f}"}
        yield _finding(parcels, "parcel_below_minimum", row, params, points[row])


def _least(attributes: pa.Table, rows: int) -> FloatArray:
    """Return the minimum mapped area of each parcel by its land-use code, where it has one."""
    name = first_of(aliases()["roles"]["land_use"]["code"], attributes.column_names)
    if name is None:
        return np.full(rows, minimum_area_m2(None))
    codes = text_ids(attributes.column(name)).dictionary_encode()
    by_code = np.array([minimum_area_m2(c) for c in codes.dictionary.to_pylist()] + [minimum_area_m2(None)])
    found: FloatArray = by_code[np.asarray(codes.indices.fill_null(-1))]
    return found


def _spikes(parcels: Parcels, polygons: Geometries) -> Iterator[Finding]:
    rows, angle, place = spikes(polygons)
    order = np.lexsort((angle, rows))
    rows, angle, place = rows[order], angle[order], place[order]
    first, count = np.unique(rows, return_index=True, return_counts=True)[1:]
    for at, number in zip(first.tolist(), count.tolist(), strict=True):
        params = {"degrees": f"{angle[at]:.2f}", "count": number}
        yield _finding(parcels, "geometry_spike", int(rows[at]), params, place[at])


def _finding(
    parcels: Parcels, code: str, row: int, params: Mapping[str, object], point: FloatArray
) -> Finding:
    place = (float(point[0]), float(point[1]))
    other = str(params.get("other", ""))
    return Finding(code, parcels.ids[row], parcels.source.display, row + 1, "geometry", other, params, place)
