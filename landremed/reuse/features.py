"""The state of a layer, and what of it has changed since."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from landremed.reuse.hashes import DIGEST, Digests, text_digests

__all__ = ["Features", "Moves", "moves"]

Ints: TypeAlias = npt.NDArray[np.int64]
Boxes: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Features:
    """The features of a layer, in its order.

    Attributes
    ----------
    digests : ndarray of raw bytes
        Hash of every feature's geometry.
    boxes : ndarray (n, 4)
        Their bounding boxes in the working CRS, NaN for what has no geometry.
    codes : ndarray of int32
        Group of every feature, -1 for none.
    groups : sequence of str
        Names of the groups, by their code.
    """

    digests: Digests
    boxes: Boxes
    codes: npt.NDArray[np.int32]
    groups: Sequence[str]

    @property
    def told_apart(self) -> Digests:
        """Hashes of geometry and group's name together."""
        own = text_digests([*self.groups, "no group"])
        mixed = self.digests.view(np.uint8).reshape(-1, DIGEST) ^ own[self.codes]
        return np.ascontiguousarray(mixed).view(self.digests.dtype).ravel()


@dataclass(frozen=True)
class Moves:
    """Where the features of an earlier state are now.

    Attributes
    ----------
    rows : ndarray of int
        Today's row of every earlier feature, -1 where it is gone, changed, or stands in another order.
    groups : ndarray of int
        Today's code of every earlier group, -1 where there is none of that name.
    changed : ndarray (n, 4)
        Bounding boxes of the features, then and now, that have no counterpart.
    """

    rows: Ints
    groups: Ints
    changed: Boxes

    @property
    def still(self) -> bool:
        """Whether every feature and group has the row and code it had."""
        return all(np.array_equal(found, np.arange(len(found))) for found in (self.rows, self.groups))


def moves(old: Features, new: Features) -> Moves:
    """Find the features of an earlier state again."""
    code = {name: number for number, name in enumerate(new.groups)}
    groups = np.array([code.get(name, -1) for name in old.groups], np.int64)
    then, now = old.told_apart, new.told_apart
    if len(then) == len(now) and then.tobytes() == now.tobytes():
        return Moves(np.arange(len(then)), groups, np.zeros((0, 4)))
    rows = np.full(len(then), -1, np.int64)
    left, right = _matched(then, now)
    kept = _rising(right)
    rows[left[kept]] = right[kept]
    again = np.zeros(len(now), bool)
    again[right[kept]] = True
    changed = np.concatenate([old.boxes[rows < 0], new.boxes[~again]])
    return Moves(rows, groups, changed[~np.isnan(changed[:, 0])])


def _matched(old: Digests, new: Digests) -> tuple[Ints, Ints]:
    """Pair rows of equal hash, the first with the first, the second with the second; by the old row."""
    both = np.concatenate([old, new])
    halves = both.view(np.uint64).reshape(-1, 2)
    order = np.lexsort((np.arange(len(both)), halves[:, 0], halves[:, 1]))
    begins = np.r_[True, np.any(halves[order][1:] != halves[order][:-1], axis=1)]
    kind = np.empty(len(both), np.int64)
    kind[order] = np.cumsum(begins) - 1
    first, second = _numbered(kind[: len(old)]), _numbered(kind[len(old) :])
    _, left, right = np.intersect1d(first, second, assume_unique=True, return_indices=True)
    by_old = np.argsort(left)
    return left[by_old], right[by_old]


def _numbered(kind: Ints) -> Ints:
    """Tell rows of one kind apart by how many of it stand before them."""
    order = np.argsort(kind, kind="stable")
    start = np.searchsorted(kind[order], kind[order])
    found = np.empty(len(kind), np.int64)
    found[order] = (kind[order] << 32) + np.arange(len(kind)) - start
    return found


def _rising(rows: Ints) -> Ints:
    """Return the places of a longest rising subsequence: what else stands in another order than before."""
    if not len(rows) or (np.diff(rows) > 0).all():
        return np.arange(len(rows))
    ends: list[int] = []
    places: list[int] = []
    before = np.full(len(rows), -1, np.int64)
    for place, row in enumerate(rows.tolist()):
        at = bisect_left(ends, row)
        if at == len(ends):
            ends.append(row)
            places.append(place)
        else:
            ends[at], places[at] = row, place
        before[place] = places[at - 1] if at else -1
    found, place = [], places[-1]
    while place >= 0:
        found.append(place)
        place = int(before[place])
    return np.array(found[::-1], np.int64)
