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
    edges = np.searchsorted(parcel, np.arange(len(parcel_m2) + 1))
    implementing: list[str | None] = []
    others: list[tuple[str, ...]] = []
    for row in range(len(parcel_m2)):
        found = group[edges[row] : edges[row + 1]]
        held = area[edges[row] : edges[row + 1]]
        allowed = [
            i
            for i, g in enumerate(found)
            if unit_kinds[g] & kinds[row] and _named(names[g], name_contains[row])
        ]
        major = [i for i in allowed if _ZONE in unit_kinds[found[i]] and held[i] > parcel_m2[row] / 2]
        best = (major or allowed)[:1]
        implementing.append(names[found[best[0]]] if best else None)
        others.append(tuple(names[g] for i, g in enumerate(found) if [i] != best))
    return UnitChoice(implementing, others)


def _named(name: str, words: tuple[str, ...]) -> bool:
    return not words or any(word in name for word in words)
