"""Counts and areas by class and outcome, added up so that the order of the parcels makes no difference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.area import round_half_up, to_mu
from landremed.decisions import Decided
from landremed.tables import SUMMARY_SCHEMA, FactColumn
from landremed.types import Outcome

__all__ = ["Sums", "added", "summary_sums", "summary_table", "sums_of"]

Sums: TypeAlias = dict[tuple[str, str], tuple[int, int]]
"""Class and outcome -> number of parcels, and their area in units of 2^-40 m² (a whole number, so exact)."""

_BITS: Final = 40
_ROWS: Final = 4_000_000  # so many fractions add up within 63 bits


def summary_sums(
    category: FactColumn, decided: Decided, area_m2: npt.NDArray[np.float64], *, count: bool
) -> Sums:
    """Count rows and add up their areas.

    Parameters
    ----------
    category : FactColumn
        Class of every row.
    decided : Decided
        Decisions of the rows.
    area_m2 : ndarray
        Areas, m²; NaN adds nothing.
    count : bool
        Whether the rows count as parcels; the parts of one parcel do not.
    """
    classes = [value if isinstance(value, str) else "" for value in category.values]
    outcomes = [str(decision.outcome) for decision in decided.decisions]
    return sums_of((classes, category.codes), (outcomes, decided.code), area_m2, count=count)


def sums_of(
    category: tuple[Sequence[str], npt.NDArray[np.integer[Any]]],
    outcome: tuple[Sequence[str], npt.NDArray[np.integer[Any]]],
    area_m2: npt.NDArray[np.float64],
    *,
    count: bool,
) -> Sums:
    """Count rows and add up their areas.

    Parameters
    ----------
    category, outcome : (names, codes)
        Class and outcome of every row; the class is empty where there is none.
    area_m2, count
        As for ``summary_sums``.
    """
    (classes, class_code), (outcomes, outcome_code) = category, outcome
    pair = class_code.astype(np.int64) * max(len(outcomes), 1) + outcome_code
    distinct, inverse = np.unique(pair, return_inverse=True)
    area = np.nan_to_num(area_m2)
    whole = np.floor(area)
    fraction = np.rint(np.ldexp(area - whole, _BITS)).astype(np.int64)
    rows = np.bincount(inverse, minlength=len(distinct)).tolist()
    large, small = (_added_by(inverse, v, len(distinct)) for v in (whole.astype(np.int64), fraction))
    sums: Sums = {}
    for at, number in enumerate(distinct.tolist()):
        key = (classes[number // len(outcomes)], outcomes[number % len(outcomes)])
        exact = (large[at] << _BITS) + small[at]
        sums = added(sums, {key: (rows[at] if count else 0, exact)})
    return sums


def added(one: Mapping[tuple[str, str], tuple[int, int]], other: Sums) -> Sums:
    """Return two sets of sums together."""
    total = dict(one)
    for key, (count, area) in other.items():
        before = total.get(key, (0, 0))
        total[key] = (before[0] + count, before[1] + area)
    return total


def summary_table(sums: Iterable[Sums]) -> pa.Table:
    """Return the table ``summary``: classes by name, outcomes in the order in which lists show them."""
    order = {outcome.value: i for i, outcome in enumerate(Outcome)}
    whole: Sums = {}
    for part in sums:
        whole = added(whole, part)
    keys = sorted(whole, key=lambda k: (k[0] == "", k[0], order[k[1]]))
    total = np.array([whole[k][1] / (1 << _BITS) for k in keys], np.float64)
    return pa.table(
        [
            pa.array([k[0] or None for k in keys], pa.string()),
            pa.array([k[1] for k in keys], pa.string()),
            pa.array([whole[k][0] for k in keys], pa.int64()),
            pa.array(round_half_up(total)),
            pa.array(round_half_up(to_mu(total))),
        ],
        schema=SUMMARY_SCHEMA,
    )


def _added_by(group: npt.NDArray[np.int64], values: npt.NDArray[np.int64], groups: int) -> list[int]:
    """Add up whole numbers by group, as numbers of any size."""
    total = [0] * groups
    for start in range(0, len(values), _ROWS):
        part = np.zeros(groups, np.int64)
        np.add.at(part, group[start : start + _ROWS], values[start : start + _ROWS])
        total = [a + b for a, b in zip(total, part.tolist(), strict=True)]
    return total
