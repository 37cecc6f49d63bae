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
IntArray: TypeAlias = npt.NDArray[np.int64]

_ZONE = "zone"


@dataclass(frozen=True)
class UnitChoice:
    """Which unit answers for a parcel, and the further units it touches.

    Attributes
    ----------
    names : sequence of str
        Of all units.
    implementing : ndarray of int
        Unit per parcel, -1 where there is none.
    parcel, other : ndarray of int
        Parcels with the further units each touches, by parcel and falling area.
    """

    names: Sequence[str]
    implementing: IntArray
    parcel: IntArray
    other: IntArray


def choose_units(
    areas: GroupAreas,
    parcel_m2: FloatArray,
    wishes: Sequence[tuple[frozenset[str], tuple[str, ...]]],
    wish: npt.NDArray[np.integer],
    tolerance: Tolerance,
) -> UnitChoice:
    """Choose the implementing unit of every parcel.

    Parameters
    ----------
    areas : GroupAreas
        Overlap of parcels with the units.
    parcel_m2 : ndarray
        Parcel areas, m².
    wishes : sequence of (frozenset, tuple of str)
        Kinds of unit that may answer for a class, and words of which a unit's name must hold one; empty for
        any name.
    wish : ndarray of int
        Of each parcel, its class's place in ``wishes``.
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
    fits = np.array(
        [
            [
                bool(kind & wanted) and _named(name, words)
                for name, kind in zip(names, unit_kinds, strict=True)
            ]
            for wanted, words in wishes
        ],
        dtype=bool,
    ).reshape(len(wishes), len(names))
    zone = np.array([_ZONE in kind for kind in unit_kinds], dtype=bool)
    allowed = fits[wish[parcel], group]
    major = allowed & zone[group] & (area > parcel_m2[parcel] / 2)
    order = np.lexsort((~allowed, ~major, parcel))
    first = order[np.unique(parcel, return_index=True)[1]]
    first = first[allowed[first]]
    implementing = np.full(len(parcel_m2), -1)
    implementing[parcel[first]] = group[first]
    rest = np.ones(len(parcel), dtype=bool)
    rest[first] = False
    return UnitChoice(names, implementing, parcel[rest].astype(np.int64), group[rest].astype(np.int64))


def _named(name: str, words: tuple[str, ...]) -> bool:
    return not words or any(word in name for word in words)
