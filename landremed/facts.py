"""From measured areas to computed facts: what counts as an overlap, as inside, as outside.

Facts are three-valued: 1 true, 0 false, -1 unknown (``rules.md`` section 3). An area that could not be
measured never becomes false.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from landremed.law.vocabulary import load_vocabulary, within_layers
from landremed.measure import OUTSIDE, Measured
from landremed.project import Tolerance
from landremed.tables import FactColumn
from landremed.types import MAIN_ROLES, SPECIAL_ROLES, UNKNOWN, Straddle, Unknown

__all__ = ["WITHIN", "ComputedFacts", "computed_facts", "counts", "fact_columns"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
TruthArray: TypeAlias = npt.NDArray[np.int8]

TRUE: Final = np.int8(1)
FALSE: Final = np.int8(0)
OPEN: Final = np.int8(-1)

WITHIN: Final[Mapping[str, str]] = within_layers(load_vocabulary())
"""Facts that ask on which side of a boundary a parcel lies, with the layer; from ``rules/facts.yaml``."""


@dataclass(frozen=True)
class ComputedFacts:
    """Computed facts of all parcels.

    Attributes
    ----------
    truth : mapping of fact to int8 array
        1 true, 0 false, -1 unknown.
    straddles : mapping of layer to bool array
        Parcels on both sides of the layer's boundary.
    slivers : mapping of layer to bool array
        Parcels with a positive overlap below the tolerance.
    cultivated : int8 array or None
        Whether cultivated land in the parcel is more than the tolerance.
    within : mapping of fact to layer
        Facts that ask on which side of a layer's boundary a parcel lies.
    """

    truth: Mapping[str, TruthArray]
    straddles: Mapping[str, BoolArray]
    slivers: Mapping[str, BoolArray]
    cultivated: TruthArray | None
    within: Mapping[str, str] = field(default_factory=lambda: WITHIN)


def counts(overlap_m2: FloatArray, parcel_m2: FloatArray, tolerance: Tolerance) -> BoolArray:
    """Tell which overlaps count.

    Parameters
    ----------
    overlap_m2, parcel_m2 : ndarray
        Areas of the same kind, m².
    tolerance : Tolerance
        An overlap counts above ``min_overlap_area_m2`` and above either ``min_overlap_share`` of the parcel
        or ``sliver_max_area_m2``; for a parcel under twice the minimum area only the share counts.

    Examples
    --------
    >>> counts(np.array([0.9, 1.1, 1.1, 0.6]), np.array([500.0, 500.0, 5000.0, 1.5]), Tolerance()).tolist()
    [False, True, False, True]
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        by_share = overlap_m2 > tolerance.min_overlap_share * parcel_m2
        large = overlap_m2 > tolerance.min_overlap_area_m2
        usual = large & (by_share | (overlap_m2 > tolerance.sliver_max_area_m2))
        return np.where(parcel_m2 < 2 * tolerance.min_overlap_area_m2, by_share & (overlap_m2 > 0), usual)


def computed_facts(
    measured: Measured, tolerance: Tolerance, straddle: Straddle, within: Mapping[str, str] = WITHIN
) -> ComputedFacts:
    """Derive the computed facts of all parcels from their areas.

    Parameters
    ----------
    measured : Measured
        Areas and coverage.
    tolerance : Tolerance
        What counts.
    straddle : Straddle
        ``majority`` decides straddling parcels by the larger side; the others leave them unknown.
    within : mapping of fact to layer
        Facts that ask on which side of a layer's boundary a parcel lies; those of a rule book that has more.
    """
    # layers a parcel lies in, rather than occupies
    lain_in = {*WITHIN.values(), *SPECIAL_ROLES}
    area = measured.area_m2
    truth: dict[str, TruthArray] = {}
    straddles, slivers = {}, {}
    asked = [role for role in (*MAIN_ROLES, *measured.overlap_m2) if role not in lain_in]
    for role in dict.fromkeys(asked):
        truth[f"occupies_{role}"] = np.full(len(area), OPEN)
    for role, overlap in measured.overlap_m2.items():
        hit = counts(overlap, area, tolerance)
        inside, outside = _sides(overlap, area, tolerance)
        straddles[role] = ~inside & ~outside & ~np.isnan(area)
        slivers[role] = (overlap > 0) & ~hit
        if role in asked:
            truth[f"occupies_{role}"] = _known(hit, area, measured.complete[role], measured.void[role])
    for fact, role in within.items():
        if role not in measured.overlap_m2:
            truth[fact] = np.full(len(area), OPEN)
            continue
        overlap = measured.overlap_m2[role]
        inside, outside = _sides(overlap, area, tolerance)
        value = np.where(inside, TRUE, np.where(outside, FALSE, OPEN)).astype(np.int8)
        if straddle is Straddle.MAJORITY:
            most = np.where(overlap > area / 2, TRUE, FALSE).astype(np.int8)
            value = np.where(straddles[role], most, value)
        unknown = ((value == FALSE) & ~measured.complete[role]) | measured.void[role] | np.isnan(area)
        truth[fact] = np.where(unknown, OPEN, value).astype(np.int8)
    for fact, (inner, boundary) in OUTSIDE.items():
        truth[fact] = _outside_truth(measured, fact, inner, boundary, tolerance)
    return ComputedFacts(truth, straddles, slivers, _cultivated_truth(measured, tolerance), within)


def fact_columns(
    computed: ComputedFacts, measured: Measured, numeric: Collection[str] = ()
) -> dict[str, FactColumn]:
    """Return the computed facts as fact columns for deciding.

    Parameters
    ----------
    computed, measured
        Facts and the areas they rest on.
    numeric : collection of str
        Area facts (``<layer>_area_m2``, ``cultivated_area_m2``) that rules use; the others are left out.
    """
    values: tuple[bool | Unknown, ...] = (False, True, UNKNOWN)
    columns = {
        fact: FactColumn(np.where(truth == OPEN, 2, truth).astype(np.int32), values)
        for fact, truth in computed.truth.items()
    }
    numbers = {f"{role}_area_m2": area for role, area in measured.overlap_m2.items()}
    if measured.cultivated_m2 is not None:
        numbers["cultivated_area_m2"] = measured.cultivated_m2
    for fact in sorted(set(numbers) & set(numeric)):
        numbers_m2 = numbers[fact]
        distinct, codes = np.unique(numbers_m2, return_inverse=True)
        listed = [UNKNOWN if np.isnan(v) else float(v) for v in distinct]
        columns[fact] = FactColumn(codes.astype(np.int32), listed)
    return columns


def _known(hit: BoolArray, area: FloatArray, complete: BoolArray, void: BoolArray) -> TruthArray:
    """Return true for a hit; no hit is false only where the layer is complete and usable."""
    value = np.where(hit, TRUE, np.where(complete, FALSE, OPEN))
    return np.where(void | np.isnan(area), OPEN, value).astype(np.int8)


def _sides(overlap: FloatArray, area: FloatArray, tolerance: Tolerance) -> tuple[BoolArray, BoolArray]:
    inside = ~counts(np.maximum(area - overlap, 0.0), area, tolerance) & ~np.isnan(area)
    outside = ~counts(overlap, area, tolerance) & ~inside & ~np.isnan(area)
    return inside, outside


def _outside_truth(
    measured: Measured, fact: str, inner: str, boundary: str, tolerance: Tolerance
) -> TruthArray:
    """Return true where the sure part counts, false as soon as one layer alone, or both, exclude it."""
    area = measured.area_m2
    excluded = np.zeros(len(area), dtype=bool)
    usable = np.ones(len(area), dtype=bool)
    for role in (inner, boundary):
        if role not in measured.overlap_m2:
            usable[:] = False
            continue
        whole = measured.complete[role] & ~measured.void[role]
        overlap = measured.overlap_m2[role]
        if role == inner:
            excluded |= whole & ~counts(overlap, area, tolerance)
        else:  # being inside stays true whatever the coverage
            excluded |= ~measured.void[role] & _sides(overlap, area, tolerance)[0]
        usable &= ~measured.void[role]
    value = np.full(len(area), OPEN)
    if fact in measured.outside_m2:
        at_most = counts(measured.outside_m2[fact], area, tolerance)
        surely = counts(measured.outside_sure_m2[fact], area, tolerance)
        excluded |= usable & measured.complete[inner] & ~at_most
        value = np.where(usable & surely, TRUE, value)
    value = np.where(excluded, FALSE, value)
    return np.where(np.isnan(area), OPEN, value).astype(np.int8)


def _cultivated_truth(measured: Measured, tolerance: Tolerance) -> TruthArray | None:
    cultivated = measured.cultivated_m2
    if cultivated is None:
        return None
    hit = counts(cultivated, measured.area_m2, tolerance)
    return _known(hit, measured.area_m2, measured.complete["land_use"], measured.void["land_use"])
