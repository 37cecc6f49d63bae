"""Areas that a file or a table states, held against the measured ones.

The unit is the one written in the cell (12.5亩, 1,234.5㎡, 0.8公顷), else inferred from all values together
and held against the one in the field's name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.given import EvidenceTable, evidence_ids
from landremed.inspect.aliases import area_field
from landremed.inspect.area_units import AREA_UNITS, StatedArea, named_unit, read_area
from landremed.layers import Parcels
from landremed.types import Finding
from landremed.values import is_blank, says_unknown

__all__ = ["area_findings", "infer_area_unit"]

_MAX_SHARE: Final = 0.01
_LEAST_M2: Final = 1.0
_FACTOR: Final = math.log(1.5)

FloatArray: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Column:
    """Cells of one field, with the row in the file and the parcel (-1 for none) of each."""

    file: str
    field: str
    cells: Sequence[Any]
    rows: Sequence[int]
    parcel: npt.NDArray[np.int64]


def area_findings(
    parcels: Parcels, measured_m2: FloatArray, evidence: Sequence[EvidenceTable] = ()
) -> Iterator[Finding]:
    """Yield what stated areas say against the measured ones, in the parcels' file and in tables of evidence.

    Parameters
    ----------
    parcels : Parcels
        With a field named as in the alias table.
    measured_m2 : ndarray
        Areas of the kind the project reports, m²; 0 or NaN where there is none.
    evidence : sequence of EvidenceTable
        Tables that may state areas too.
    """
    source = parcels.source
    name = area_field(source.attributes.column_names)
    if name is not None:
        cells = _cells(source.attributes.column(name))
        rows = source.row_numbers.tolist()
        column = _Column(source.display, name, cells, rows, np.arange(len(cells)))
        yield from _column_findings(column, parcels, measured_m2)
    place = {wanted: row for row, wanted in enumerate(parcels.ids)} if evidence else {}
    for table in evidence:
        name = area_field(table.raw.columns)
        if name is None:
            continue
        parcel = np.array([place.get(wanted, -1) for wanted in evidence_ids(table)], np.int64)
        column = _Column(table.file, name, table.raw.column(name), table.raw.row_numbers, parcel)
        yield from _column_findings(column, parcels, measured_m2)


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


def _column_findings(column: _Column, parcels: Parcels, measured_m2: FloatArray) -> Iterator[Finding]:
    read: dict[int, StatedArea] = {}
    for at, cell in enumerate(column.cells):
        if column.parcel[at] < 0 or is_blank(cell) or says_unknown(cell):
            continue
        area = read_area(cell)
        if area is not None:
            read[at] = area
            continue
        place = (parcels.ids[column.parcel[at]], column.file, column.rows[at], column.field, _shown(cell))
        yield Finding("area_unreadable", *place)
    if not any(area.number > 0.0 for area in read.values()):
        return
    bare = [at for at, area in read.items() if not area.unit]
    unit, notes = _common_unit(column, read, bare, measured_m2)
    yield from notes
    decimals: dict[str, int] = {}
    for area in read.values():  # 15 in a column with 12.37 stands for 15.00
        decimals[area.unit] = max(decimals.get(area.unit, 0), area.decimals)
    for at, area in read.items():
        written = area.unit or unit
        true = float(measured_m2[column.parcel[at]])
        if written is None or not true > 0.0:
            continue
        finding = _difference(area.number, decimals[area.unit], written, true)
        if finding is not None:
            about = (parcels.ids[column.parcel[at]], column.file, column.rows[at], column.field)
            yield Finding("area_differs", *about, _shown(column.cells[at]), finding)


def _common_unit(
    column: _Column, read: Mapping[int, StatedArea], bare: Sequence[int], measured_m2: FloatArray
) -> tuple[str | None, list[Finding]]:
    """Return the unit of the cells that state none, and what is to be said about it."""
    stated = np.array([read[at].number for at in bare])
    true = measured_m2[column.parcel[bare]] if bare else np.zeros(0)
    both = (stated > 0.0) & (true > 0.0)
    named = named_unit(column.field)[1]
    if not both.any():
        return named or None, []
    unit = infer_area_unit(stated[both], true[both])
    if unit is None:
        params = {"ratio": f"{float(np.median(true[both] / stated[both])):.6g}"}
        return None, [Finding("area_unit_unclear", file=column.file, field=column.field, params=params)]
    code, params = "area_unit_inferred", {"unit": unit}
    if named and named != unit:
        code, params = "area_unit_contradicts", {"unit": unit, "named": named}
    return unit, [Finding(code, file=column.file, field=column.field, params=params)]


def _difference(number: float, decimals: int, unit: str, true_m2: float) -> dict[str, object] | None:
    """Return what the finding says where a stated area is not the measured one."""
    size = AREA_UNITS[unit]
    off = abs(number * size - true_m2)
    if off <= max(_LEAST_M2, _MAX_SHARE * true_m2, size * 0.5 * 10.0**-decimals):
        return None
    measured = f"{true_m2 / size:.4f}" if size > 1.0 else f"{true_m2:.2f}"
    return {"unit": unit, "measured": measured, "percent": f"{100.0 * off / true_m2:.1f}"}


def _cells(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    cells: list[Any] = column.to_pylist()
    return cells


def _shown(cell: object) -> str:
    return f"{cell:.10g}" if isinstance(cell, float) else str(cell)
