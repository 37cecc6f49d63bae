"""Pairs of polygons that share ground, measured by whichever engine suits the size of the job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from landremed.overlay.engine import ready_native
from landremed.overlay.tables import PolygonSet
from landremed.threads import in_threads

__all__ = ["Crowds", "Shared", "box_pairs", "crowds", "shared_ground"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
_Common: TypeAlias = Callable[[IntArray, IntArray], tuple[FloatArray, npt.NDArray[np.object_]]]

_CHUNK: Final = 8192
_NATIVE_FROM_S: Final = 8.0
"""Jobs estimated to take shapely less than this go to it; a compilation takes longer."""

_PAIR_S, _VERTEX_S = 3e-5, 1.6e-7
_VERTEX_BYTES: Final = 16
_CROWD: Final = 8
_MIX: Final = np.array([0x632B_E5AB_7F4A_7C15, 0x27D4_EB2F_1656_67C5, 0x1656_67B1_9E37_79F9])
_SHORTEST_M: Final = 1e-3


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


@dataclass(frozen=True)
class Crowds:
    """Rows that lie over many others of their size.

    Attributes
    ----------
    beyond : ndarray of bool
        Rows that stand behind the first eight of their crowd. Every row is still compared with the first
        ones; what lies beyond is not compared with each other, or n rows on one spot would make n² pairs.
    first, size : ndarray of int64
        Of each crowd with such rows: its first row, and how many rows it has.
    """

    beyond: npt.NDArray[np.bool_]
    first: IntArray
    size: IntArray


def crowds(boxes: FloatArray, asked: npt.NDArray[np.bool_] | None = None) -> Crowds:
    """Return the crowds among boxes: about as large, with their middles within a quarter of that size.

    Parameters
    ----------
    boxes : ndarray (n, 4)
        Bounds in m, NaN where there is none.
    asked : ndarray of bool, optional
        Rows that count; by default all that have a box.
    """
    beyond = np.zeros(len(boxes), bool)
    known = ~np.isnan(boxes[:, 0])
    rows = np.flatnonzero(known if asked is None else known & asked)
    if not len(rows):
        return Crowds(beyond, np.zeros(0, np.int64), np.zeros(0, np.int64))
    box = boxes[rows]
    size = np.maximum(np.maximum(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]), _SHORTEST_M)
    level = np.ceil(np.log2(size))
    cell = 2.0 ** (level - 2.0)
    column, line = (np.floor((box[:, i] + box[:, i + 2]) / 2.0 / cell) for i in (0, 1))
    keys = np.column_stack([level, column, line])
    if not _crowded(keys):
        return Crowds(beyond, np.zeros(0, np.int64), np.zeros(0, np.int64))
    order = np.lexsort((rows, line, column, level))
    keys = keys[order]
    begins = np.flatnonzero(np.r_[True, (keys[1:] != keys[:-1]).any(axis=1)])
    count = np.diff(np.r_[begins, len(order)])
    rank = np.arange(len(order)) - np.repeat(begins, count)
    beyond[rows[order[rank >= _CROWD]]] = True
    large = count > _CROWD
    first = rows[order[begins[large]]]
    turn = np.argsort(first)
    return Crowds(beyond, first[turn], count[large][turn])


def _crowded(keys: FloatArray) -> bool:
    """Tell whether more than eight rows may have the same keys; "no" is certain."""
    mixed = np.sort(keys.astype(np.int64) @ _MIX)  # wraps around
    return bool((mixed[_CROWD:] == mixed[:-_CROWD]).any())


def box_pairs(
    one: PolygonSet, other: PolygonSet | None = None, *, reach_m: float = 0.0
) -> tuple[IntArray, IntArray]:
    """Return the rows whose boxes come within a distance of each other.

    Parameters
    ----------
    one : PolygonSet
        Polygons; null rows have no box.
    other : PolygonSet, optional
        The second set; without it pairs within ``one``, each once with ``left < right``, and of `crowds` only
        those with its first rows.
    reach_m : float
        Distance in m, along the axes.
    """
    if other is not None:
        right, left = shapely.STRtree(_as_boxes(one.boxes, 0.0)).query(_as_boxes(other.boxes, reach_m))
        return left, right
    beyond = crowds(one.boxes).beyond
    found = _as_boxes(one.boxes, 0.0)
    found[beyond] = None
    row, partner = shapely.STRtree(found).query(_as_boxes(one.boxes, reach_m))
    keep = (partner < row) | (beyond[row] & (partner != row))
    row, partner = row[keep], partner[keep]
    return np.minimum(row, partner), np.maximum(row, partner)


def shared_ground(
    one: PolygonSet,
    other: PolygonSet | None = None,
    *,
    least_m2: float,
    pairs: tuple[IntArray, IntArray] | None = None,
) -> Shared:
    """Return all pairs that share more than an area.

    Parameters
    ----------
    one : PolygonSet
        Valid polygons, null where there is none.
    other : PolygonSet, optional
        The second set; without it pairs within ``one``, each once with ``left < right``.
    least_m2 : float
        Area in m² up to which pairs do not count.
    pairs : (left, right), optional
        The pairs to look at; by default all whose boxes meet.
    """
    second = one if other is None else other
    left, right = box_pairs(one, other) if pairs is None else pairs
    boxes, more = one.boxes, second.boxes
    low = np.maximum(boxes[left, :2], more[right, :2])
    high = np.minimum(boxes[left, 2:], more[right, 2:])
    keep = np.prod(np.maximum(high - low, 0.0), axis=1) > least_m2
    left, right = left[keep], right[keep]
    order = np.lexsort((left, right))
    left, right = left[order], right[order]
    common = _measure(one, second, left, right, least_m2)
    parts = [slice(start, start + _CHUNK) for start in range(0, len(left), _CHUNK)]
    found = in_threads(lambda part: common(left[part], right[part]), parts)
    area = np.concatenate([a for a, _ in found]) if found else np.zeros(0)
    point = np.concatenate([p for _, p in found]) if found else np.zeros(0, object)
    keep = area > least_m2
    xy = np.column_stack([shapely.get_x(point[keep]), shapely.get_y(point[keep])]).reshape(-1, 2)
    return Shared(left[keep], right[keep], area[keep], xy)


def _measure(one: PolygonSet, other: PolygonSet, left: IntArray, right: IntArray, least_m2: float) -> _Common:
    """Choose the engine by the data alone, so that equal inputs take the same one."""
    vertices = _vertices(one)[left] + _vertices(other)[right]
    if len(left) * _PAIR_S + float(vertices.sum()) * _VERTEX_S >= _NATIVE_FROM_S:
        ready_native()
        from landremed.overlay.native.pairs import PairMeasure

        native = PairMeasure(one, other)
        return lambda a, b: native.common(a, b, least_m2)
    ours, theirs = one.geometries, other.geometries

    def by_shapely(a: IntArray, b: IntArray) -> tuple[FloatArray, npt.NDArray[np.object_]]:
        pieces = shapely.intersection(ours[a], theirs[b])
        area = shapely.area(pieces)
        pieces[~(area > least_m2)] = None
        return area, shapely.point_on_surface(pieces)

    return by_shapely


def _vertices(polygons: PolygonSet) -> IntArray:
    """Return roughly how many vertices each row has."""
    import pyarrow.compute as pc

    lengths = np.asarray(pc.fill_null(pc.binary_length(polygons.wkb), 0))
    return np.asarray(lengths, np.int64) // _VERTEX_BYTES


def _as_boxes(bounds: FloatArray, reach_m: float) -> npt.NDArray[np.object_]:
    made = shapely.box(*(bounds + np.array([-1, -1, 1, 1]) * reach_m).T)
    made[np.isnan(bounds[:, 0])] = None
    return np.asarray(made, dtype=object)
