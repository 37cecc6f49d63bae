"""Parcels that were reported twice: nearly the same ground under two ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from landremed.overlay import PolygonSet
from landremed.types import Finding

__all__ = ["SAME_PLACE_SHARE", "first_of_each", "same_place"]

SAME_PLACE_SHARE: Final = 0.9
"""Two parcels are the same place when their intersection is more than this share of the larger one."""

_MOST_PARTNERS: Final = 3


def same_place(
    ids: Sequence[str],
    parcels: PolygonSet,
    file: str,
    rows: npt.NDArray[np.int64] | None = None,
    only: npt.NDArray[np.bool_] | None = None,
) -> list[Finding]:
    """Return a finding for every pair of parcels that cover nearly the same ground.

    A shape that stands more than twice is paired with its first occurrence only, and a parcel with three
    others at most.

    Parameters
    ----------
    ids : sequence of str
        Parcel ids.
    parcels : PolygonSet
        Parcels in the working CRS.
    file : str
        Shown with the finding.
    rows : ndarray of int, optional
        1-based rows of the parcels in their file, rising; 1, 2, … by default.
    only : ndarray of bool, optional
        Parcels that findings are wanted about (those named second in a pair); all by default.
    """
    numbers = np.arange(1, len(ids) + 1) if rows is None else rows
    first = first_of_each(parcels)
    bounds = parcels.boxes
    left, right = _near_pairs(bounds, first == np.arange(len(first)))
    size = np.prod(bounds[:, 2:] - bounds[:, :2], axis=1)
    low, high = (
        np.maximum(bounds[left, :2], bounds[right, :2]),
        np.minimum(bounds[left, 2:], bounds[right, 2:]),
    )
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    # a shared area of 90 % of both needs boxes that agree too
    close = shared > 0.5 * np.maximum(size[left], size[right])
    left, right = _few(left[close], right[close])
    again = np.flatnonzero(first != np.arange(len(first)))
    left, right = np.r_[left, first[again]], np.r_[right, again]
    if only is not None:
        left, right = left[only[right]], right[only[right]]
    geometries = _parsed(parcels, np.union1d(left, right))
    common = shapely.area(shapely.intersection(geometries[left], geometries[right]))
    larger = np.maximum(shapely.area(geometries[left]), shapely.area(geometries[right]))
    same = common > SAME_PLACE_SHARE * larger
    order = np.lexsort((left[same], right[same]))
    findings = []
    for a, b, share in zip(
        left[same][order], right[same][order], (common / larger)[same][order], strict=True
    ):
        point = shapely.point_on_surface(geometries[b])
        params = {"other": ids[a], "percent": f"{100 * share:.1f}"}
        place = (float(point.x), float(point.y))
        row = int(numbers[b])
        findings.append(Finding("same_place", ids[b], file, row, "geometry", ids[a], params, place))
    return findings


def _near_pairs(
    bounds: npt.NDArray[np.float64], asked: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return pairs of boxes of which one holds the centre of the other, the lower row left.

    Boxes that share more than half of the larger one overlap by more than half of either's width and height.
    """
    known = np.flatnonzero(~np.isnan(bounds[:, 0]) & asked)
    boxes = bounds[known]
    tree = shapely.STRtree(shapely.points((boxes[:, :2] + boxes[:, 2:]) / 2))
    left, right = tree.query(shapely.box(*boxes.T))
    pairs = np.unique(np.sort(np.column_stack([known[left], known[right]])[left != right], axis=1), axis=0)
    return pairs[:, 0], pairs[:, 1]


def _parsed(parcels: PolygonSet, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    """Return an array as long as the parcels with the geometries of some rows."""
    geometries = np.full(len(parcels), None, dtype=object)
    geometries[rows] = shapely.from_wkb(parcels.wkb.take(pa.array(rows)).to_numpy(zero_copy_only=False))
    return geometries


def first_of_each(parcels: PolygonSet) -> npt.NDArray[np.int64]:
    """Return per row the first row with the very same shape; its own number where it has none."""
    rows = np.arange(len(parcels))
    encoded = parcels.wkb.dictionary_encode().indices
    if encoded.null_count == 0 and pc.count_distinct(encoded).as_py() == len(rows):
        return rows
    codes = np.asarray(encoded.fill_null(-1), dtype=np.int64)
    _, first, which = np.unique(codes, return_index=True, return_inverse=True)
    found: npt.NDArray[np.int64] = np.where(codes < 0, rows, first[which.ravel()])
    return found


def _few(
    left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Keep the first pairs of every row: many parcels on one spot would else make pairs without end."""
    order = np.lexsort((left, right))
    left, right = left[order], right[order]
    begins = np.flatnonzero(np.r_[True, right[1:] != right[:-1]]) if len(right) else np.zeros(0, np.int64)
    rank = np.arange(len(right)) - np.repeat(begins, np.diff(np.r_[begins, len(right)]))
    keep = rank < _MOST_PARTNERS
    return left[keep], right[keep]
