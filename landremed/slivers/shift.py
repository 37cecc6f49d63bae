"""The shift of a layer against the parcels, voted by all strips between their edges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.slivers.kinds import AGREES_M, AGREES_SHARE, VOTES_SCHEMA
from landremed.slivers.offsets import NORMAL_UNIT, OFFSET_UNIT_M

__all__ = ["Shift", "explained", "find_shifts", "merged_votes"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
Means: TypeAlias = tuple[FloatArray, FloatArray, FloatArray]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

LEAST_VOTES: Final = 20
LEAST_SHARE: Final = 0.5
_SHORTEST_M: Final = 0.02
_LEAST_SPREAD: Final = 0.05
_ERROR_SHARE: Final = 0.1
_HEAVIEST: Final = 48
_COARSE: Final = (5, 4)  # degrees, and steps of offset, in which the search begins
_CORNER: Final = 2.0
_ROUNDS: Final = 20
_KEYS: Final = ("layer", "degree", "step")


@dataclass(frozen=True, slots=True)
class Shift:
    """Where a layer lies against the parcels: metres east and north, and how many strips say so."""

    east_m: float
    north_m: float
    votes: int
    agreeing: int

    @property
    def length_m(self) -> float:
        """Length of the shift, m."""
        return float(np.hypot(self.east_m, self.north_m))

    @property
    def azimuth(self) -> float:
        """Direction into which the layer is shifted, degrees clockwise from north."""
        return float(np.degrees(np.arctan2(self.east_m, self.north_m)) % 360.0)

    @property
    def agrees_m(self) -> float:
        """How far a strip may be from it and still agree, m."""
        return max(AGREES_M, AGREES_SHARE * self.length_m)


def merged_votes(tables: Iterable[pa.Table]) -> pa.Table:
    """Return the votes of all shares together, in the order of their keys; sums of whole numbers are exact.

    Parameters
    ----------
    tables : iterable of pyarrow.Table
        ``VOTES_SCHEMA``, with or without the parcels.
    """
    known = [table.select(VOTES_SCHEMA.names) for table in tables]
    joined = pa.concat_tables([VOTES_SCHEMA.empty_table(), *known])
    names = [name for name in VOTES_SCHEMA.names if name not in _KEYS]
    summed = joined.group_by(list(_KEYS), use_threads=False).aggregate([(name, "sum") for name in names])
    summed = summed.rename_columns([name.removesuffix("_sum") for name in summed.column_names])
    ordered = summed.sort_by([(name, "ascending") for name in _KEYS])
    return ordered.select(VOTES_SCHEMA.names).cast(VOTES_SCHEMA).combine_chunks()


def find_shifts(votes: pa.Table) -> dict[str, Shift]:
    """Return the layers that are shifted as a whole.

    A layer is, when at least 20 strips, and half of all, agree with one vector in at least two directions
    (docs/slivers.md); else nothing is claimed.

    Parameters
    ----------
    votes : pyarrow.Table
        ``VOTES_SCHEMA``, of the whole job (``merged_votes``).
    """
    votes = merged_votes([votes])
    found = {}
    for role in sorted(set(votes["layer"].to_pylist())):
        shift = _find(votes.filter(pc.equal(votes["layer"], role)))
        if shift is not None:
            found[role] = shift
    return found


def explained(numbers: FloatArray, shift: Shift) -> BoolArray:
    """Tell which parts of overlaps a shift explains: they would be gone if the layer were moved back.

    Those between edges that are no farther apart than the shift brings them, to within what still agrees
    (mean and one standard deviation, over at least half of the layer's side); and those that are hardly
    larger than the shift itself, where corners met.

    Parameters
    ----------
    numbers : ndarray (parts, 12)
        From ``landremed.slivers.offsets.part_numbers``.
    shift : Shift
        Of the layer.
    """
    xx, xy, yy, dx, dy, dd, nx, ny, d, matched, side, diagonal = numbers.T
    x, y = shift.east_m, shift.north_m
    known = np.maximum(matched, 1e-9)
    mean = (d - x * nx - y * ny) / known
    square = (x * x * xx + 2.0 * x * y * xy + y * y * yy - 2.0 * (x * dx + y * dy) + dd) / known
    left = mean + np.sqrt(np.maximum(square - mean**2, 0.0))
    gone = (left <= shift.agrees_m) & (matched > 0.0) & (matched >= 0.5 * side)
    return np.asarray(gone | (diagonal <= _CORNER * shift.length_m))


def _find(votes: pa.Table) -> Shift | None:
    total = int(pc.sum(votes["count"]).as_py())
    if total < LEAST_VOTES:
        return None
    count, normal, offset = _means(*(votes[name].to_numpy() for name in VOTES_SCHEMA.names[3:]))
    start = _best_start(votes)
    if start is None:
        return None
    vector = start
    for _ in range(_ROUNDS):
        miss = np.abs(normal @ vector - offset)
        near = np.maximum(AGREES_M, AGREES_SHARE * np.hypot(*vector))
        # edges along which the layer slides show widths by chance alone, and only the wide half of them
        facing = normal @ vector >= 0.25 * np.hypot(*vector)
        weight = count * np.clip(1.0 - (miss / near) ** 2, 0.0, None) ** 2 * facing
        if not _directions(weight, normal):
            return None
        vector = np.linalg.solve((normal * weight[:, None]).T @ normal, (normal * weight[:, None]).T @ offset)
    return _claimed(vector, total, (count, normal, offset))


def _claimed(vector: FloatArray, total: int, means: Means) -> Shift | None:
    """Return the shift, where enough strips agree with it, in more than one direction, and closely enough."""
    count, normal, offset = means
    length = float(np.hypot(*vector))
    miss = np.abs(normal @ vector - offset)
    agrees = miss <= max(AGREES_M, AGREES_SHARE * length)
    agreeing = int(count[agrees].sum())
    if length < _SHORTEST_M or agreeing < max(LEAST_VOTES, LEAST_SHARE * total):
        return None
    weight = count * agrees
    if not _directions(weight, normal):
        return None
    moments = (normal * weight[:, None]).T @ normal
    variance = float((weight * miss**2).sum()) / agreeing
    error = np.sqrt(variance / np.linalg.eigvalsh(moments)[0])
    if error > max(AGREES_M, _ERROR_SHARE * length):
        return None
    return Shift(float(vector[0]), float(vector[1]), total, agreeing)


def _best_start(votes: pa.Table) -> FloatArray | None:
    """Return the vector, of those that two frequent strips give together, with which most agree."""
    degree, step = votes["degree"].to_numpy() // _COARSE[0], votes["step"].to_numpy() // _COARSE[1]
    key, cell = np.unique((degree.astype(np.int64) << 32) + step, return_inverse=True)
    sums = [_summed(cell, votes[name].to_numpy(), len(key)) for name in VOTES_SCHEMA.names[3:]]
    count, normals, offsets = _means(*sums)
    heaviest = np.sort(np.argsort(-count, kind="stable")[:_HEAVIEST])
    normal, offset = normals[heaviest], offsets[heaviest]
    one, two = np.triu_indices(len(heaviest), 1)
    cross = normal[one, 0] * normal[two, 1] - normal[one, 1] * normal[two, 0]
    one, two, cross = (a[np.abs(cross) >= 0.5] for a in (one, two, cross))
    if not len(one):
        return None
    x = (offset[one] * normal[two, 1] - offset[two] * normal[one, 1]) / cross
    y = (normal[one, 0] * offset[two] - normal[two, 0] * offset[one]) / cross
    starts = np.column_stack([x, y])
    near = np.maximum(AGREES_M, AGREES_SHARE * np.hypot(x, y))[:, None]
    score = np.zeros(len(starts))
    for low in range(0, len(starts), 64):
        some = slice(low, low + 64)
        miss = (starts[some] @ normals.T - offsets) / near[some]
        score[some] = np.clip(1.0 - miss**2, 0.0, None) @ count
    best: FloatArray = starts[int(np.argmax(score))]
    return best


def _summed(cell: IntArray, values: IntArray, cells: int) -> IntArray:
    total = np.zeros(cells, np.int64)
    np.add.at(total, cell, values)
    return total


def _means(count: IntArray, normal_x: IntArray, normal_y: IntArray, offset: IntArray) -> Means:
    """Return weight, unit normal and offset of sums of votes."""
    normal = np.column_stack([normal_x, normal_y]) * NORMAL_UNIT
    normal = normal / np.maximum(np.hypot(*normal.T), 1e-12)[:, None]
    return count.astype(np.float64), normal, offset * OFFSET_UNIT_M / count


def _directions(weight: FloatArray, normal: FloatArray) -> bool:
    """Tell whether strips run in more than one direction, so that length and direction follow from them."""
    total = float(weight.sum())
    if total <= 0.0:
        return False
    moments = (normal * weight[:, None]).T @ normal / total
    return bool(np.linalg.eigvalsh(moments)[0] >= _LEAST_SPREAD)
