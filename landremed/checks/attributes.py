"""Checks of the parcels' attributes: ids, stated areas, categories, dates."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.inspect.aliases import area_field
from landremed.layers import Parcels, text_ids
from landremed.project import Project
from landremed.tables import GivenFacts, VectorSource
from landremed.types import M2_PER_MU, Finding, PartialDate
from landremed.values import fold, parse_number

__all__ = ["AREA_UNITS", "area_findings", "fact_findings", "id_findings", "infer_area_unit", "repeated_ids"]

AREA_UNITS: Final[Mapping[str, float]] = {"m²": 1.0, "亩": M2_PER_MU, "ha": 1e4, "km²": 1e6}
"""Units in which areas are stated, in m²."""

_MANGLED: Final = re.compile(r"\d(\.\d+)?[eE]\+?\d+")
_PAST: Final = ("occurred_on", "feedback_on")
_MAX_SHARE: Final = 0.01
_LEAST_M2: Final = 1.0
_FACTOR: Final = math.log(1.5)

FloatArray: TypeAlias = npt.NDArray[np.float64]


def repeated_ids(source: VectorSource, fields: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding for every row whose id stands in an earlier row."""
    columns = [text_ids(source.attributes.column(name)).to_pylist() for name in fields]
    first: dict[str, int] = {}
    for row, values in enumerate(zip(*columns, strict=True), 1):
        if any(value is None for value in values):
            continue
        name = "-".join(values)
        if name in first:
            params = {"first": first[name]}
            yield Finding("parcel_id_repeated", "", source.display, row, "-".join(fields), name, params)
        first.setdefault(name, row)


def id_findings(parcels: Parcels, field: str) -> Iterator[Finding]:
    """Yield ids that differ only in case, width or blanks, and numbers that a spreadsheet has rounded."""
    first: dict[str, str] = {}
    for row, name in enumerate(parcels.ids, 1):
        folded = fold(name)
        place = (name, parcels.source.display, row, field, name)
        if folded in first:
            yield Finding("parcel_ids_alike", *place, {"other": first[folded]})
        first.setdefault(folded, name)
        if _MANGLED.fullmatch(name):
            yield Finding("parcel_id_rounded", *place)


def area_findings(parcels: Parcels, measured_m2: FloatArray) -> Iterator[Finding]:
    """Yield what a stated area says against the measured one; its unit is inferred from all rows together.

    Parameters
    ----------
    parcels : Parcels
        With a field named as in the alias table.
    measured_m2 : ndarray
        Areas of the kind the project reports, m²; 0 or NaN where there is none.
    """
    source = parcels.source
    name = area_field(source.attributes.column_names)
    if name is None:
        return
    stated = _numbers(source.attributes.column(name))
    both = np.isfinite(stated) & (stated > 0.0) & (measured_m2 > 0.0)
    if not both.any():
        return
    unit = infer_area_unit(stated[both], measured_m2[both])
    if unit is None:
        ratio = float(np.median(measured_m2[both] / stated[both]))
        yield Finding("area_unit_unclear", file=source.display, field=name, params={"ratio": f"{ratio:.6g}"})
        return
    yield Finding("area_unit_inferred", file=source.display, field=name, params={"unit": unit})
    size = AREA_UNITS[unit]
    rounding = size * 0.5 * 10.0 ** -_decimals(stated[both])
    off = np.abs(stated * size - measured_m2)
    wrong = both & (off > np.maximum(_LEAST_M2, np.maximum(_MAX_SHARE * measured_m2, rounding)))
    for row in np.flatnonzero(wrong).tolist():
        params = {
            "unit": unit,
            "measured": f"{measured_m2[row] / size:.4f}" if size > 1.0 else f"{measured_m2[row]:.2f}",
            "percent": f"{100.0 * off[row] / measured_m2[row]:.1f}",
        }
        value = f"{stated[row]:.10g}"
        yield Finding("area_differs", parcels.ids[row], source.display, row + 1, name, value, params)


def infer_area_unit(stated: FloatArray, measured_m2: FloatArray) -> str | None:
    """Return the unit in which areas are stated, None where the middle row fits none within a half.

    Examples
    --------
    >>> infer_area_unit(np.array([1.5, 3.0]), np.array([1000.0, 2001.0]))
    '亩'
    >>> infer_area_unit(np.array([5.0]), np.array([1000.0])) is None
    True
    """
    ratio = math.log(float(np.median(measured_m2 / stated)))
    off = {unit: abs(ratio - math.log(size)) for unit, size in AREA_UNITS.items()}
    best = min(off, key=lambda unit: off[unit])
    return best if off[best] < _FACTOR else None


def fact_findings(parcels: Parcels, given: GivenFacts, project: Project) -> Iterator[Finding]:
    """Yield parcels without a category, and dates that lie after the day of judgement."""
    category = given.columns.get("category")
    for row, name in enumerate(parcels.ids):
        if category is None or category[row] is None:
            yield Finding("category_missing", name, parcels.source.display, row + 1)
    for fact in _PAST:
        column = given.columns.get(fact)
        if column is None:
            continue
        late = [isinstance(v, PartialDate) and v.first > project.as_of for v in column.values]
        for row in np.flatnonzero(np.array(late)[column.codes]).tolist():
            params = {"fact": fact, "as_of": project.as_of.isoformat()}
            place = (parcels.ids[row], parcels.source.display, row + 1, fact, str(column[row]))
            yield Finding("date_after_as_of", *place, params)


def _numbers(column: pa.ChunkedArray) -> FloatArray:
    """Return a column as numbers, NaN where a cell holds none."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return np.asarray(pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy(), float)
    values = [parse_number(value) for value in column.to_pylist()]
    return np.array([value if isinstance(value, float) else np.nan for value in values])


def _decimals(values: FloatArray) -> int:
    """Return how many decimals (0 to 6) the values are written with."""
    for digits in range(6):
        if np.allclose(values, np.round(values, digits), rtol=0.0, atol=1e-9):
            return digits
    return 6
