"""Parcels that were reported twice: nearly the same ground under two ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from landremed.overlay import PolygonSet, crowds
from landremed.overlay.looks import points_in_boxes
from landremed.types import Finding

__all__ = ["SAME_PLACE_SHARE", "first_of_each", "same_place"]

SAME_PLACE_SHARE: Final = 0.9
"""Two parcels are the same place when their intersection is more than this share of the larger one."""

_LEAST_SHARE: Final = SAME_PLACE_SHARE - 1e-6  # of an area computed by intersection, with its rounding
_MOST_PARTNERS: Final = 3
_BLOCK: Final = 256
_MOST_HITS: Final = 2_000_000

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]


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
    once = first == np.arange(len(first))
    copies = np.flatnonzero(~once)
    left, right = _near_pairs(parcels.boxes, once)
    if only is not None:
        left, right, copies = left[only[right]], right[only[right]], copies[only[copies]]
    geometries = _parsed(parcels, np.unique(np.concatenate([left, right, first[copies]])))
    area = shapely.area(geometries)
    # what is much smaller cannot cover the larger one; only the others are intersected
    alike = np.minimum(area[left], area[right]) > _LEAST_SHARE * np.maximum(area[left], area[right])
    left, right = left[alike], right[alike]
    common = shapely.area(shapely.intersection(geometries[left], geometries[right]))
    larger = np.maximum(area[left], area[right])
    same = common > SAME_PLACE_SHARE * larger
    left, right = np.r_[left[same], first[copies]], np.r_[right[same], copies]
    share = np.r_[(common / larger)[same], np.ones(len(copies))]
    shapes, of_row = np.unique(first[right], return_inverse=True)
    points = shapely.point_on_surface(geometries[shapes])
    place = np.column_stack([shapely.get_x(points), shapely.get_y(points)]).reshape(-1, 2)[of_row]
    findings = []
    for i in np.lexsort((left, right)).tolist():
        a, b = int(left[i]), int(right[i])
        params = {"other": ids[a], "percent": f"{100 * share[i]:.1f}"}
        x, y = place[i].tolist()
        row = int(numbers[b])
        findings.append(Finding("same_place", ids[b], file, row, "geometry", ids[a], params, (x, y)))
    return findings


def _near_pairs(bounds: Floats, asked: npt.NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Return for every row the first others before it whose boxes nearly agree with its own."""
    known = np.flatnonzero(~np.isnan(bounds[:, 0]) & asked)
    beyond = crowds(bounds, asked).beyond
    left, right = _near(bounds, known, known[~beyond[known]])
    found = [_few(left, right)]
    waiting = np.flatnonzero(beyond)
    start, size = 0, _BLOCK
    # in a crowd the first partners come early: later ones are not even looked at
    while len(waiting) and start < len(known):
        block = known[start : start + size]
        waiting = waiting[waiting > block[0]]
        chunk = max(1, _MOST_HITS // len(block))
        some = [_near(bounds, block, waiting[at : at + chunk]) for at in range(0, len(waiting), chunk)]
        found += [_few(*pairs) for pairs in some]
        count = np.bincount(np.concatenate([np.zeros(0, np.int64), *(r for _, r in found[1:])]))
        enough = np.flatnonzero(count >= _MOST_PARTNERS)
        waiting = waiting[~np.isin(waiting, enough)]
        start, size = start + size, 2 * size
    return _few(np.concatenate([a for a, _ in found]), np.concatenate([b for _, b in found]))


def _near(bounds: Floats, targets: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Return pairs of a target and a later row whose boxes share more than half of the larger one.

    Such boxes overlap by more than half of either's width and height, so that each holds the other's centre.
    """
    boxes = bounds[targets]
    row, partner = points_in_boxes((boxes[:, :2] + boxes[:, 2:]) / 2, bounds[rows])
    right, left = rows[row], targets[partner]
    left, right = left[left < right], right[left < right]
    size = np.prod(bounds[:, 2:] - bounds[:, :2], axis=1)
    low = np.maximum(bounds[left, :2], bounds[right, :2])
    high = np.minimum(bounds[left, 2:], bounds[right, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    # a shared area of 90 % of both needs boxes that agree too
    close = shared > 0.5 * np.maximum(size[left], size[right])
    return left[close], right[close]


def _parsed(parcels: PolygonSet, rows: Ints) -> npt.NDArray[np.object_]:
    """Return an array as long as the parcels with the geometries of some rows."""
    geometries = np.full(len(parcels), None, dtype=object)
    geometries[rows] = parcels.some(rows)
    return geometries


def first_of_each(parcels: PolygonSet) -> Ints:
    """Return per row the first row with the very same shape; its own number where it has none."""
    found = np.arange(len(parcels))
    rows = _boxed_alike(parcels.boxes)
    codes = np.asarray(parcels.wkb.take(pa.array(rows)).dictionary_encode().indices, dtype=np.int64)
    _, first, which = np.unique(codes, return_index=True, return_inverse=True)
    found[rows] = rows[first[which.ravel()]]
    return found


def _boxed_alike(bounds: Floats) -> Ints:
    """Return the rows whose box is also that of another row."""
    rows = _repeated(bounds[:, :1], np.arange(len(bounds)))  # few have a side in common
    return np.sort(_repeated(bounds, rows))


def _repeated(keys: Floats, rows: Ints) -> Ints:
    """Return the rows whose keys are also those of another of them."""
    if len(rows) < 2:
        return rows[:0]
    order = rows[np.lexsort(keys[rows].T)]
    alike = (keys[order[1:]] == keys[order[:-1]]).all(axis=1)
    return np.asarray(order[np.r_[False, alike] | np.r_[alike, False]])


def _few(left: Ints, right: Ints) -> tuple[Ints, Ints]:
    """Keep the first pairs of every row: many parcels on one spot would else make pairs without end."""
    order = np.lexsort((left, right))
    left, right = left[order], right[order]
    begins = np.flatnonzero(np.r_[True, right[1:] != right[:-1]]) if len(right) else np.zeros(0, np.int64)
    rank = np.arange(len(right)) - np.repeat(begins, np.diff(np.r_[begins, len(right)]))
    keep = rank < _MOST_PARTNERS
    return left[keep], right[keep]
