"""Polygons packed for the map page: differences of coordinates as bytes, compressed."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

__all__ = ["MANY_SHAPES", "columns_of", "pack_bytes", "pack_shapes", "to_degrees"]

_STEPS_PER_DEGREE: Final = 1e7  # a centimetre
MANY_SHAPES: Final = 100_000
"""From here on a single page is too heavy for ordinary computers."""


def to_degrees(shapes: npt.NDArray[np.object_], crs: pyproj.CRS) -> npt.NDArray[np.object_]:
    """Return shapes in longitude and latitude of the CRS's own datum (nothing is shifted between datums)."""
    geodetic = crs.geodetic_crs
    if geodetic is None or crs == geodetic:
        return shapes
    way = pyproj.Transformer.from_crs(crs, geodetic, always_xy=True)

    def turned(xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.column_stack(way.transform(xy[:, 0], xy[:, 1]))

    found: npt.NDArray[np.object_] = shapely.transform(shapes, turned)
    return found


def pack_shapes(shapes: npt.NDArray[np.object_]) -> str:
    """Return polygons as text for the page.

    The bytes are little-endian 32-bit integers: number of features; rings per feature; points per ring; then
    longitude and latitude in 1e-7°, each as the difference from the point before. The closing point of a
    ring is left out. Outer rings run one way and holes the other.

    Parameters
    ----------
    shapes : ndarray
        Polygons and multipolygons in degrees; None for a feature without shape.
    """
    oriented = shapely.orient_polygons(np.asarray(shapes, dtype=object))
    parts, part_owner = shapely.get_parts(oriented, return_index=True)
    is_polygon = shapely.get_type_id(parts) == 3
    rings, ring_part = shapely.get_rings(parts[is_polygon], return_index=True)
    owner = part_owner[is_polygon][ring_part] if len(rings) else np.array([], dtype=np.int64)
    rings_of = np.bincount(owner, minlength=len(oriented)) if len(rings) else np.zeros(len(oriented))
    xy = shapely.get_coordinates(rings)
    sizes = shapely.get_num_coordinates(rings)
    ends = np.cumsum(sizes)
    keep = np.ones(len(xy), dtype=bool)
    keep[ends - 1] = False
    steps = np.round(xy[keep] * _STEPS_PER_DEGREE).astype(np.int64)
    change = np.diff(steps, axis=0, prepend=np.zeros((1, 2), dtype=np.int64)) if len(steps) else steps
    blocks = (np.array([len(oriented)]), rings_of, sizes - 1, change[:, 0], change[:, 1])
    return pack_bytes(b"".join(np.asarray(block).astype("<i4").tobytes() for block in blocks))


def pack_bytes(content: bytes) -> str:
    """Return bytes compressed and in letters; equal bytes give equal text."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode("ascii")


def columns_of(values: Iterable[Any]) -> dict[str, list[Any]]:
    """Return a column as its distinct values and, per row, which one it is.

    Examples
    --------
    >>> columns_of(["a", None, "a", "b"])
    {'v': ['a', None, 'b'], 'i': [0, 1, 0, 2]}
    """
    place: dict[Any, int] = {}
    index = [place.setdefault(value, len(place)) for value in values]
    return {"v": list(place), "i": index}
