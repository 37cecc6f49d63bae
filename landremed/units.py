"""Which administrative unit answers for a parcel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from landremed.facts import counts
from landremed.measure import GroupAreas
from landremed.project import Tolerance

__all__ = ["UnitChoice", "choose_units"]

FloatArray: TypeAlias = npt.NDArray[np.float64]

_ZONE = "zone"


@dataclass(frozen=True)
class UnitChoice:
    """Unit per parcel (None where there is none) and the further units it touches, by falling area."""

    implementing: list[str | None]
    others: list[tuple[str, ...]]


def choose_units(
    areas: GroupAreas,
    parcel_m2: FloatArray,
    kinds: Sequence[frozenset[str]],
    name_contains: Sequence[tuple[str, ...]],
    tolerance: Tolerance,
) -> UnitChoice:
    """Choose the implementing unit of every parcel.

    Parameters
    ----------
    areas : GroupAreas
        Overlap of parcels with the units.
    parcel_m2 : ndarray
        Parcel areas, m².
    kinds : sequence of frozenset
        Per parcel the kinds of unit that may answer for its class.
    name_contains : sequence of tuple of str
        Per parcel the words of which a unit's name must hold one; empty for any name.
    tolerance : Tolerance
        A unit touched by less than the tolerance does not count.

    Returns
    -------
    UnitChoice
        A zone that holds more than half of the parcel, else the unit with its largest part.
    """
    names, unit_kinds = areas.units.names, areas.units.kinds
    counting = counts(areas.area_m2, parcel_m2[areas.parcel], tolerance)
    parcel, group, area = (a[counting] for a in (areas.parcel, areas.group, areas.area_m2))
    order = np.lexsort((group, -area, parcel))
    parcel, group, area = parcel[order], group[order], area[order]
    numbers: dict[tuple[frozenset[str], tuple[str, ...]], int] = {}
    wish = [numbers.setdefault(pair, len(numbers)) for pair in zip(kinds, name_contains, strict=True)]
    fits = np.array(
        [
            [
                bool(kind & wanted) and _named(name, words)
                for name, kind in zip(names, unit_kinds, strict=True)
            ]
            for wanted, words in numbers
        ],
        dtype=bool,
    ).reshape(len(numbers), len(names))
    zone = np.array([_ZONE in kind for kind in unit_kinds], dtype=bool)
    allowed = fits[np.array(wish, np.int64)[parcel], group]
    major = allowed & zone[group] & (area > parcel_m2[parcel] / 2)
    order = np.lexsort((~allowed, ~major, parcel))
    first = order[np.unique(parcel, return_index=True)[1]]
    first = first[allowed[first]]
    implementing: list[str | None] = [None] * len(parcel_m2)
    for row, unit in zip(parcel[first].tolist(), group[first].tolist(), strict=True):
        implementing[row] = names[unit]
    others: list[tuple[str, ...]] = [()] * len(parcel_m2)
    for i in np.setdiff1d(np.arange(len(parcel)), first).tolist():
        others[parcel[i]] = (*others[parcel[i]], names[group[i]])
    return UnitChoice(implementing, others)


def _named(name: str, words: tuple[str, ...]) -> bool:
    return not words or any(word in name for word in words)
