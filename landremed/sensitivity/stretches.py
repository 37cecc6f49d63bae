"""Outlines of polygons cut into short lines, as far as these may come near some boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from landremed.overlay import PolygonSet
from landremed.overlay.looks import at_hand
from landremed.sensitivity.occupied import Occupied

__all__ = ["Stretches", "stretches_near"]

IntArray: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Geometries: TypeAlias = npt.NDArray[np.object_]

_SEGMENTS: Final = 32  # one box for so many is small beside a parcel, and quickly searched


@dataclass(frozen=True)
class Stretches:
    """Short lines along outlines.

    Attributes
    ----------
    lines : ndarray of LineString
    owner : ndarray of int
        The polygon whose outline each is cut from.
    boxes : ndarray of float, (n, 4)
        Their bounds.
    """

    lines: Geometries
    owner: IntArray
    boxes: FloatArray


def stretches_near(polygons: PolygonSet, rows: IntArray, around: Occupied) -> Stretches:
    """Cut all rings of polygons into stretches of at most 32 segments; return those that may meet boxes.

    Parameters
    ----------
    polygons : PolygonSet
        A layer.
    rows : ndarray of int
        Its polygons that are looked at, none of them null.
    around : Occupied
        Ground on which the boxes lie.
    """
    size = pc.sum(pc.binary_length(polygons.wkb).take(pa.array(rows))).as_py() or 0
    return (_by_kernel if at_hand(size) else _by_shapely)(polygons, rows, around)


def _by_kernel(polygons: PolygonSet, rows: IntArray, around: Occupied) -> Stretches:
    from landremed.overlay.native.layerset import bytes_of_rows
    from landremed.overlay.native.outlines import stretches_near as found_near

    row, boxes, xy, stretch = found_near(*bytes_of_rows(polygons.wkb, rows), _SEGMENTS, *around.grid)
    return Stretches(_lines(xy, stretch), rows[row], boxes)


def _by_shapely(polygons: PolygonSet, rows: IntArray, around: Occupied) -> Stretches:
    parts, part_of = shapely.get_parts(polygons.some(rows), return_index=True)
    rings, ring_of = shapely.get_rings(parts, return_index=True)
    points = shapely.get_num_coordinates(rings)
    start = np.cumsum(points) - points
    count = -(-(points - 1) // _SEGMENTS)
    ring = np.repeat(np.arange(len(rings)), count)
    number = np.arange(len(ring)) - np.repeat(np.cumsum(count) - count, count)
    low = start[ring] + number * _SEGMENTS
    high = np.minimum(low + _SEGMENTS, start[ring] + points[ring] - 1)
    xy = shapely.get_coordinates(rings)
    boxes = np.c_[_of_stretches(np.minimum, xy, low, high), _of_stretches(np.maximum, xy, low, high)]
    kept = np.flatnonzero(around.met_by(boxes))
    ring, low, high = ring[kept], low[kept], high[kept]
    length = high - low + 1
    index = np.arange(length.sum()) + np.repeat(low - np.cumsum(length) + length, length)
    line = np.repeat(np.arange(len(ring)), length)
    return Stretches(_lines(xy[index], line), rows[part_of[ring_of[ring]]], boxes[kept])


def _lines(xy: FloatArray, line: IntArray) -> Geometries:
    return np.asarray(shapely.linestrings(xy, indices=line), dtype=object)


def _of_stretches(least: np.ufunc, xy: FloatArray, low: IntArray, high: IntArray) -> FloatArray:
    """Return the least or the greatest coordinates of stretches of points, both ends included."""
    inner = least.reduceat(xy, low, axis=0) if len(low) else xy[:0]
    return np.asarray(least(inner, xy[high]))
