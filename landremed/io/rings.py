"""Rings without order or direction, made into polygons by what lies within what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

__all__ = ["nested"]


def nested(rings: Sequence[npt.NDArray[np.float64]]) -> Any:
    """Return one Polygon or MultiPolygon, None for no ring.

    A ring inside an odd number of others is a hole of the smallest one around it; every other is a part.

    Parameters
    ----------
    rings : sequence of ndarray (n, 2)
        Closed rings, in any order and direction.
    """
    shapes = [shapely.polygons(xy) for xy in rings]
    if not shapes:
        return None
    order = sorted(range(len(shapes)), key=lambda i: -shapes[i].area)
    inner = [_inner_point(shapes[i], rings[i]) for i in range(len(shapes))]
    around: dict[int, list[int]] = {}
    for place, i in enumerate(order):
        around[i] = [j for j in order[:place] if bool(shapely.contains_xy(shapes[j], *inner[i]))]
    holes: dict[int, list[npt.NDArray[np.float64]]] = {}
    for i in order:
        if len(around[i]) % 2:
            owner = min((j for j in around[i] if len(around[j]) % 2 == 0), key=lambda j: shapes[j].area)
            holes.setdefault(owner, []).append(rings[i])
    parts = [
        shapely.Polygon(rings[i], holes.get(i, [])) for i in range(len(rings)) if len(around[i]) % 2 == 0
    ]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _inner_point(shape: Any, xy: npt.NDArray[np.float64]) -> tuple[float, float]:
    try:
        point = shapely.point_on_surface(shape)
    except shapely.errors.GEOSException:
        point = None
    if point is None or point.is_empty:
        return float(xy[:-1, 0].mean()), float(xy[:-1, 1].mean())
    return float(point.x), float(point.y)
