"""How far the layer's edges lie from the parcels' edges that they run along: what a shift is told by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.slivers.kinds import VOTES_BY_PARCEL
from landremed.slivers.outlines import Outlines

__all__ = ["Facing", "facing", "part_numbers", "votes"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

NORMAL_UNIT: Final = 1e-6
OFFSET_UNIT_M: Final = 1e-5
_STEP_M: Final = 5e-3
_SECTOR_DEGREES: Final = 15.0
_SINE: Final = np.sin(np.radians(5.0))
_SHORTEST_M: Final = 0.5
_VOTE_FROM_M: Final = 1.0
_SEGMENTS: Final = 12  # of each side of a part; the longest say all there is to say


@dataclass(frozen=True)
class Facing:
    """Pairs of a layer's and a parcel's segment that face each other across a strip.

    Attributes
    ----------
    part : ndarray
        Part of an overlap, rising.
    normal : ndarray (n, 2)
        Across the parcel's edge, towards the layer's.
    offset_m, length_m : ndarray
        How far apart, and over which length.
    """

    part: IntArray
    normal: FloatArray
    offset_m: FloatArray
    length_m: FloatArray


def facing(shapes: Outlines, tried: BoolArray, reach_m: float) -> Facing:
    """Return which edges run along each other in the parts that are tried, up to ``reach_m`` apart."""
    wanted = tried[shapes.part]
    theirs, ours = _longest(shapes, wanted & ~shapes.ours), _longest(shapes, wanted & shapes.ours)
    low = np.searchsorted(shapes.part[ours], shapes.part[theirs])
    count = np.searchsorted(shapes.part[ours], shapes.part[theirs], side="right") - low
    left = np.repeat(theirs, count)
    right = ours[np.arange(len(left)) - np.repeat(np.cumsum(count) - count - low, count)]
    way = shapes.end[right] - shapes.start[right]
    length = np.hypot(*way.T)
    way = way / length[:, None]
    across = np.column_stack([-way[:, 1], way[:, 0]])
    start, end = shapes.start[left] - shapes.start[right], shapes.end[left] - shapes.start[right]
    low_t, high_t = (start * way).sum(axis=1), (end * way).sum(axis=1)
    low_v, high_v = (start * across).sum(axis=1), (end * across).sum(axis=1)
    first, last = np.maximum(np.minimum(low_t, high_t), 0.0), np.minimum(np.maximum(low_t, high_t), length)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (high_v - low_v) / (high_t - low_t)
        offset = low_v + slope * ((first + last) / 2.0 - low_t)
    steep = np.abs(high_v - low_v) > _SINE * shapes.length_m[left]
    keep = ~steep & (last - first >= _SHORTEST_M) & (np.abs(offset) <= reach_m)
    side = np.sign(offset[keep])[:, None]
    return Facing(
        part=shapes.part[left[keep]],
        normal=across[keep] * side,
        offset_m=np.abs(offset[keep]),
        length_m=(last - first)[keep],
    )


def votes(role: str, shapes: Outlines, pairs: Facing, parcel: IntArray) -> pa.Table:
    """Return the votes of overlaps with one layer (``VOTES_BY_PARCEL``): one an overlap and direction.

    Parameters
    ----------
    role : str
        The layer.
    shapes, pairs
        Their parts, and the edges that face each other in them.
    parcel : ndarray of int
        Parcel of each overlap.
    """
    angle = np.degrees(np.arctan2(pairs.normal[:, 1], pairs.normal[:, 0])) % 360.0
    sector = np.floor(angle / _SECTOR_DEGREES).astype(np.int64)
    voters, voter = np.unique(shapes.piece[pairs.part] * 1000 + sector, return_inverse=True)
    length = np.bincount(voter, pairs.length_m)
    told = length >= _VOTE_FROM_M
    normal = np.column_stack([np.bincount(voter, pairs.length_m * n)[told] for n in pairs.normal.T])
    normal = normal / np.hypot(*normal.T)[:, None]
    offset = np.bincount(voter, pairs.length_m * pairs.offset_m)[told] / length[told]
    degree = np.floor(np.degrees(np.arctan2(normal[:, 1], normal[:, 0])) % 360.0)
    whole = np.rint(np.column_stack([normal / NORMAL_UNIT, offset / OFFSET_UNIT_M])).astype(np.int64)
    columns = [
        pa.array(parcel[voters[told] // 1000].astype(np.int32)),
        pa.array([role] * len(offset), pa.string()),
        pa.array(degree.astype(np.int16)),
        pa.array(np.floor(offset / _STEP_M).astype(np.int32)),
        pa.array(np.ones(len(offset), np.int64)),
        *(pa.array(column) for column in whole.T),
    ]
    return pa.table(columns, schema=VOTES_BY_PARCEL)


def part_numbers(shapes: Outlines, pairs: Facing) -> FloatArray:
    """Return what ``landremed.slivers.shift`` needs to tell whether a shift explains a part (rows: parts).

    Over the pairs, weighed by length: sums of nx², nx·ny, ny², d·nx, d·ny, d², nx, ny, d and 1; then the
    length of the layer's side and the diagonal of the part's box (``PART_NUMBERS``).
    """
    nx, ny = pairs.normal.T
    d, weight = pairs.offset_m, pairs.length_m
    terms = (nx * nx, nx * ny, ny * ny, d * nx, d * ny, d * d, nx, ny, d, np.ones(len(d)))
    count = len(shapes.piece)
    sums = [np.bincount(pairs.part, weight * term, count) for term in terms]
    numbers: FloatArray = np.column_stack([*sums, shapes.sides_m[:, 0], shapes.diagonal_m])
    return numbers


def _longest(shapes: Outlines, wanted: BoolArray) -> IntArray:
    """Return the longest wanted segments of every part, by part; where a ring begins is no matter."""
    length = shapes.length_m
    at = np.flatnonzero(wanted & (length >= _SHORTEST_M))
    x, y = (shapes.start[at] + shapes.end[at]).T
    at = at[np.lexsort((y, x, -length[at], shapes.part[at]))]
    first = np.searchsorted(shapes.part[at], shapes.part[at])
    return at[np.arange(len(at)) - first < _SEGMENTS]
