"""Small overlaps taken apart: parts, segments, and whose edge each segment is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from landremed.slivers.kinds import ELONGATED, SIDE_SHARE

__all__ = ["Outlines", "elongated", "outlines"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
Geometries: TypeAlias = npt.NDArray[np.object_]

_ON_EDGE_M: Final = 1e-6  # crossings are rounded to far less, and thinner overlaps are no rows


@dataclass(frozen=True)
class Outlines:
    """Parts of overlaps, with their rings as segments.

    Attributes
    ----------
    piece : ndarray
        Of every part: number of the overlap it belongs to.
    area_m2, perimeter_m, depth_m : ndarray
        Of every part; ``depth_m`` is how far the layer's edge comes into the parcel.
    sides_m : ndarray (parts, 2)
        Length of its outline that is the layer's edge, and that is the parcel's.
    diagonal_m : ndarray
        Of its bounding box.
    part : ndarray
        Of every segment: its part; segments of a ring follow each other.
    start, end : ndarray (segments, 2)
        Where it begins and ends.
    ours : ndarray of bool
        Whether it lies on the parcel's edge.
    inner : ndarray of bool
        Whether it begins in a vertex between two segments of one side.
    """

    piece: IntArray
    area_m2: FloatArray
    perimeter_m: FloatArray
    depth_m: FloatArray
    sides_m: FloatArray
    diagonal_m: FloatArray
    part: IntArray
    start: FloatArray
    end: FloatArray
    ours: BoolArray
    inner: BoolArray

    @property
    def strip(self) -> BoolArray:
        """Long and thin parts, with the parcel's edge along one side and the layer's along the other."""
        both = self.sides_m.min(axis=1) >= SIDE_SHARE * self.perimeter_m
        return np.asarray(elongated(self.area_m2, self.perimeter_m) & both)

    @property
    def length_m(self) -> FloatArray:
        """Length of every segment."""
        length: FloatArray = np.hypot(*(self.end - self.start).T)
        return length


def elongated(area_m2: FloatArray, perimeter_m: FloatArray) -> BoolArray:
    """Tell which shapes are at least ten times as long as they are wide.

    Examples
    --------
    >>> elongated(np.array([10.0, 1.0]), np.array([101 * 2 * 0.1, 4.0])).tolist()  # 10 x 1 m, 1 x 1 m
    [True, False]
    """
    return np.asarray(4.0 * area_m2 <= ELONGATED * perimeter_m**2)


def outlines(pieces: Geometries, edges: Geometries) -> Outlines:
    """Take overlaps apart.

    Parameters
    ----------
    pieces : ndarray of geometries
        Overlaps: polygons and multipolygons.
    edges : ndarray of geometries
        For each of them the boundary of its parcel.
    """
    parts, piece = shapely.get_parts(pieces, return_index=True)
    rings, part_of = shapely.get_rings(parts, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    at = np.flatnonzero(ring[1:] == ring[:-1])
    start, end, part = xy[at], xy[at + 1], part_of[ring[at]].astype(np.int64)
    edge = edges[piece]
    shapely.prepare(edge)
    ours = shapely.dwithin(edge[part], shapely.points((start + end) / 2.0), _ON_EDGE_M)
    first = np.flatnonzero(np.r_[True, ring[at][1:] != ring[at][:-1]]) if len(at) else at
    before = np.arange(-1, len(at) - 1)
    before[first] = np.r_[first[1:], len(at)] - 1
    inner = ours == ours[before]
    count = len(parts)
    length = np.hypot(*(end - start).T)
    sides: FloatArray = np.column_stack(
        [np.bincount(part[ours == own], length[ours == own], count) for own in (False, True)]
    ).astype(np.float64)
    depth = np.zeros(count)
    deep = np.flatnonzero(inner & ~ours)
    np.maximum.at(depth, part[deep], shapely.distance(shapely.points(start[deep]), edge[part[deep]]))
    box = shapely.bounds(parts)
    return Outlines(
        piece=piece.astype(np.int64),
        area_m2=shapely.area(parts),
        perimeter_m=shapely.length(parts),
        depth_m=depth,
        sides_m=sides,
        diagonal_m=np.hypot(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]),
        part=part,
        start=start,
        end=end,
        ours=ours,
        inner=inner,
    )
