"""Checks of the parcels' geometry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from landremed.checks.gaps import enclosed_gaps
from landremed.checks.measures import mean_width, places
from landremed.inspect.aliases import aliases, first_of, minimum_area_m2
from landremed.layers import Parcels, text_ids
from landremed.overlay import Crowds, PolygonSet, Shared, box_pairs, crowds, shared_ground
from landremed.project import Tolerance
from landremed.same_place import SAME_PLACE_SHARE, first_of_each, same_place
from landremed.threads import in_threads
from landremed.types import Finding

__all__ = ["SPIKE_DEGREES", "shape_findings", "spikes"]

SPIKE_DEGREES: Final = 1.0
"""Angle below which two edges of a ring form a spike."""

_SPIKE_EDGE_M: Final = 0.5
_MOST_OVERLAPS: Final = 8
_CHUNK: Final = 8192
_TOUCHING_M: Final = 1e-3  # the resolution at which survey data sets are kept

Geometries: TypeAlias = npt.NDArray[np.object_]
FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
Pairs: TypeAlias = tuple[IntArray, IntArray]


def shape_findings(parcels: Parcels, tolerance: Tolerance) -> Iterator[Finding]:
    """Yield what is odd about the parcels' shapes, in the working CRS.

    Looked for are the same place twice, overlaps, gaps between neighbours, slivers, areas below the minimum
    that is mapped, and spikes. Invalid geometry is found when the parcels are loaded.
    """
    polygons = parcels.polygons.geometries
    yield from same_place(parcels.ids, parcels.polygons, parcels.source.display)
    again = first_of_each(parcels.polygons) != np.arange(len(polygons))  # same_place says these
    once = parcels.polygons
    if again.any():
        once = PolygonSet(pc.if_else(pa.array(again), pa.scalar(None, once.wkb.type), once.wkb))
    pairs = box_pairs(once, reach_m=tolerance.position_m)
    shared = shared_ground(once, least_m2=0.0, pairs=pairs)
    yield from _crowds(parcels, crowds(once.boxes))
    yield from _overlaps(parcels, shared, tolerance.min_overlap_area_m2)
    yield from _gaps(parcels, once, pairs, shared, tolerance)
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


def _crowds(parcels: Parcels, found: Crowds) -> Iterator[Finding]:
    points = places(parcels.polygons.geometries[found.first])
    for row, size, point in zip(found.first.tolist(), found.size.tolist(), points, strict=True):
        yield _finding(parcels, "parcels_crowded", row, {"count": str(size)}, point)


def _overlaps(parcels: Parcels, shared: Shared, least_m2: float) -> Iterator[Finding]:
    size = parcels.polygons.plane_areas
    larger = np.maximum(size[shared.left], size[shared.right])
    told = shared.area_m2 > SAME_PLACE_SHARE * larger  # same_place has said it
    at = np.flatnonzero((shared.area_m2 > least_m2) & ~told)
    order = at[np.lexsort((-shared.area_m2[at], shared.right[at]))]
    begins = np.flatnonzero(np.r_[True, np.diff(shared.right[order]) != 0]) if len(order) else order
    count = np.diff(np.r_[begins, len(order)])
    rank = np.arange(len(order)) - np.repeat(begins, count)
    for i in np.sort(order[rank < _MOST_OVERLAPS]).tolist():
        params = {"other": parcels.ids[shared.left[i]], "area": f"{shared.area_m2[i]:.2f}"}
        yield _finding(parcels, "parcels_overlap", int(shared.right[i]), params, shared.point[i])
    for begin, number in zip(begins.tolist(), count.tolist(), strict=True):
        if number > _MOST_OVERLAPS:
            i = int(order[begin])
            params = {"count": str(number), "listed": str(_MOST_OVERLAPS)}
            yield _finding(parcels, "parcels_overlap_many", int(shared.right[i]), params, shared.point[i])


def _gaps(
    parcels: Parcels, once: PolygonSet, pairs: Pairs, shared: Shared, tolerance: Tolerance
) -> Iterator[Finding]:
    polygons = once.geometries
    width = np.int64(len(polygons))
    left, right = pairs
    apart = ~np.isin(right * width + left, shared.right * width + shared.left)
    left, right = left[apart], right[apart]
    distance = _distances(polygons, left, right)
    open_ = (distance > _TOUCHING_M) & (distance <= tolerance.position_m)
    meet = distance <= 0.0
    touching = np.unique(np.concatenate([left[meet], right[meet], shared.left, shared.right]))
    left, right, distance = left[open_], right[open_], distance[open_]
    lines = shapely.shortest_line(polygons[left], polygons[right])
    middle = shapely.get_coordinates(shapely.line_interpolate_point(lines, 0.5, normalized=True))
    for i in np.lexsort((left, right)).tolist():
        params = {"other": parcels.ids[left[i]], "width": f"{distance[i]:.3f}"}
        yield _finding(parcels, "parcels_gap", int(right[i]), params, middle[i])
    holes, neighbour = enclosed_gaps(polygons, tolerance.position_m, tolerance.min_overlap_area_m2, touching)
    for hole, row, point in zip(holes, neighbour.tolist(), places(holes), strict=True):
        params = {"area": f"{hole.area:.3f}", "width": f"{float(mean_width(hole)):.3f}"}
        yield _finding(parcels, "parcels_hole", row, params, point)


def _distances(polygons: Geometries, left: IntArray, right: IntArray) -> FloatArray:
    """Return the distance of each pair in m, on all cores."""
    parts = [slice(start, start + _CHUNK) for start in range(0, len(left), _CHUNK)]
    found = in_threads(lambda p: shapely.distance(polygons[left[p]], polygons[right[p]]), parts)
    return np.concatenate(found) if found else np.zeros(0)


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
