"""Which parcels of two results belong together, which were drawn anew, and which may only have a new id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from landremed.diff.sides import Side
from landremed.same_place import SAME_PLACE_SHARE

__all__ = ["RESHAPED_M2", "Pairs", "SamePlace", "pair_up", "same_places"]

IntArray: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Shapes: TypeAlias = npt.NDArray[np.object_]

RESHAPED_M2: Final = 0.01
"""A parcel is re-shaped when the ground in one of its shapes alone is at least this, plane m²."""

_SAME: Final = SAME_PLACE_SHARE


@dataclass(frozen=True)
class Pairs:
    """Rows of two results with the same id, in the order of the new one.

    Attributes
    ----------
    old, new : ndarray of int
        Rows of the parcels that are in both.
    gone, added : ndarray of int
        Rows of those only in the old, only in the new one.
    redrawn : ndarray of bool
        Of every pair: whether the shapes are not point for point the same ring. The order of rings and
        where they begin does not matter.
    moved_m2 : ndarray of float
        Plane area in one of the two shapes alone; NaN where it cannot be told.
    """

    old: IntArray
    new: IntArray
    gone: IntArray
    added: IntArray
    redrawn: npt.NDArray[np.bool_]
    moved_m2: FloatArray

    @property
    def reshaped(self) -> npt.NDArray[np.bool_]:
        """Pairs drawn anew by more than the last digit of an area."""
        return self.redrawn & ~(self.moved_m2 < RESHAPED_M2)


class SamePlace(NamedTuple):
    """A parcel that is gone and one that is added on nearly the same ground.

    ``share`` is their common ground as a share of the larger one.
    """

    gone: int
    added: int
    share: float


def pair_up(old: Side, new: Side) -> Pairs:
    """Match rows by id and compare the shapes of the pairs.

    Parameters
    ----------
    old, new : Side
        Shapes are compared as they stand where both have the same working CRS; else a pair counts as drawn
        anew without a measure of how much.
    """
    found = pc.index_in(new.ids, old.ids)
    at = np.flatnonzero(pc.is_valid(found).to_numpy(zero_copy_only=False)).astype(np.int64)
    rows = found.take(pa.array(at)).to_numpy().astype(np.int64)
    gone = np.setdiff1d(np.arange(len(old.ids), dtype=np.int64), rows)
    added = np.setdiff1d(np.arange(len(new.ids), dtype=np.int64), at)
    redrawn, moved = _moved(old, new, rows, at)
    return Pairs(rows, at, gone, added, redrawn, moved)


def _moved(old: Side, new: Side, rows: IntArray, at: IntArray) -> tuple[npt.NDArray[np.bool_], FloatArray]:
    count = len(at)
    if old.provenance.get("crs") != new.provenance.get("crs"):
        return np.ones(count, bool), np.full(count, np.nan)
    before, after = old.wkb.take(pa.array(rows)), new.wkb.take(pa.array(at))
    same = pc.fill_null(pc.equal(before, after), False).to_numpy(zero_copy_only=False)
    neither = (pc.is_null(before).to_numpy(False)) & (pc.is_null(after).to_numpy(False))
    moved = np.zeros(count)
    open_rows = np.flatnonzero(~same & ~neither)
    first, second = _shapes(before, open_rows), _shapes(after, open_rows)
    equal = shapely.equals_exact(shapely.normalize(first), shapely.normalize(second))
    redrawn = np.zeros(count, bool)
    redrawn[open_rows] = ~equal
    for place, a, b in zip(open_rows[~equal], first[~equal], second[~equal], strict=True):
        moved[place] = _alone(a, b)
    return redrawn, moved


def _alone(first: shapely.Geometry | None, second: shapely.Geometry | None) -> float:
    """Return the ground in one of two shapes alone; NaN where one is missing or not to be reckoned with."""
    if first is None or second is None:
        return np.nan
    try:
        return float(shapely.symmetric_difference(first, second).area)
    except shapely.errors.GEOSException:
        return np.nan


def same_places(old: Side, new: Side, pairs: Pairs) -> list[SamePlace]:
    """Suggest, for parcels that are gone, added ones on nearly the same ground.

    Returns
    -------
    list of SamePlace
        Their common ground is more than nine tenths of the larger one; sorted by the row of the gone one.
    """
    if not len(pairs.gone) or not len(pairs.added):
        return []
    if old.provenance.get("crs") != new.provenance.get("crs"):
        return []
    first, second = _shapes(old.wkb, pairs.gone), _shapes(new.wkb, pairs.added)
    left, right = shapely.STRtree(second).query(first)
    sizes = shapely.area(first)[left], shapely.area(second)[right]
    # a common share of nine tenths needs areas that agree as well
    close = np.minimum(*sizes) > _SAME * np.maximum(*sizes)
    left, right = left[close], right[close]
    found = []
    for a, b in zip(left, right, strict=True):
        larger = max(first[a].area, second[b].area)
        try:
            share = float(shapely.intersection(first[a], second[b]).area) / larger
        except shapely.errors.GEOSException:
            continue
        if share > _SAME:
            found.append(SamePlace(int(pairs.gone[a]), int(pairs.added[b]), share))
    return sorted(found, key=lambda pair: (pair.gone, -pair.share, pair.added))


def _shapes(wkb: pa.Array, rows: IntArray) -> Shapes:
    shapes: Shapes = shapely.from_wkb(wkb.take(pa.array(rows)).to_numpy(zero_copy_only=False))
    return shapes
