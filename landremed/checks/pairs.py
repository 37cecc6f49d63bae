"""Pairs of polygons that share ground or lie next to each other, many at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from landremed.threads import usable_threads

__all__ = ["Shared", "covered", "mean_width", "places", "shared_ground"]

Geometries: TypeAlias = npt.NDArray[np.object_]
FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]

_CHUNK = 4096


@dataclass(frozen=True)
class Shared:
    """Pairs of rows with ground in common.

    Attributes
    ----------
    left, right : ndarray of int64
        Rows; sorted by ``right``, then ``left``.
    area_m2 : ndarray of float64
        Plane area in common, m².
    point : ndarray (n, 2)
        A point within it.
    """

    left: IntArray
    right: IntArray
    area_m2: FloatArray
    point: FloatArray

    def __len__(self) -> int:
        return len(self.left)


def shared_ground(one: Geometries, other: Geometries | None = None, *, least_m2: float) -> Shared:
    """Return all pairs that share more than an area.

    Parameters
    ----------
    one : ndarray of geometries
        Valid polygons, None where there is none.
    other : ndarray of geometries, optional
        The second set; without it pairs within ``one``, each once with ``left < right``.
    least_m2 : float
        Area in m² up to which pairs do not count.
    """
    second = one if other is None else other
    right, left = shapely.STRtree(one).query(second, predicate="intersects")
    if other is None:
        right, left = right[left < right], left[left < right]
    boxes, more = shapely.bounds(one), shapely.bounds(second)
    low = np.maximum(boxes[left, :2], more[right, :2])
    high = np.minimum(boxes[left, 2:], more[right, 2:])
    keep = np.prod(np.maximum(high - low, 0.0), axis=1) > least_m2
    left, right = left[keep], right[keep]

    def common(start: int) -> tuple[FloatArray, Geometries]:
        part = slice(start, start + _CHUNK)
        pieces = shapely.intersection(one[left[part]], second[right[part]])
        return shapely.area(pieces), pieces

    with ThreadPoolExecutor(usable_threads()) as pool:
        parts = list(pool.map(common, range(0, len(left), _CHUNK)))
    area = np.concatenate([p[0] for p in parts]) if parts else np.zeros(0)
    pieces = np.concatenate([p[1] for p in parts]) if parts else np.zeros(0, object)
    keep = area > least_m2
    left, right, area, pieces = left[keep], right[keep], area[keep], pieces[keep]
    order = np.lexsort((left, right))
    return Shared(left[order], right[order], area[order], places(pieces[order]))


def covered(ground: Geometries, polygons: Geometries) -> npt.NDArray[np.bool_]:
    """Tell which polygons lie wholly within one polygon of the ground."""
    inside = np.zeros(len(polygons), bool)
    inside[shapely.STRtree(polygons).query(ground, predicate="covers")[1]] = True
    return inside


def mean_width(geometries: Any) -> FloatArray:
    """Return twice the area over the perimeter, m: the width of long thin shapes, half that of a square."""
    with np.errstate(invalid="ignore", divide="ignore"):
        width: FloatArray = 2.0 * shapely.area(geometries) / shapely.length(geometries)
    return width


def places(geometries: Any) -> FloatArray:
    """Return a point within each geometry; NaN where there is none."""
    points = shapely.point_on_surface(geometries)
    return np.column_stack([shapely.get_x(points), shapely.get_y(points)]).reshape(-1, 2)
