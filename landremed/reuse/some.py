"""Some of the parcels, as if there were no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.measure import GroupAreas, Measured
from landremed.sensitivity.judged import measured_rows
from landremed.tables import FactColumn

__all__ = ["some_facts", "some_measured"]

Ints: TypeAlias = npt.NDArray[np.int64]


def some_measured(measured: Measured, rows: Ints) -> Measured:
    """Return what was measured of some parcels, given by rising rows."""
    place = np.full(len(measured.area_m2), -1, np.int32)
    place[rows] = np.arange(len(rows), dtype=np.int32)
    return replace(
        measured_rows(measured, rows),
        land_use=_own(measured.land_use, place),
        admin_units=_own(measured.admin_units, place),
        overlaps=_renumbered(measured.overlaps, place),
        features=_renumbered(measured.features, place),
        disputed=_renumbered(measured.disputed, place),
    )


def some_facts(columns: Mapping[str, FactColumn], rows: Ints) -> dict[str, FactColumn]:
    """Return given facts of some parcels, without values that only others have."""
    some = {}
    for name, column in columns.items():
        used, codes = np.unique(column.codes[rows], return_inverse=True)
        values = [column.values[code] for code in used.tolist()]
        some[name] = FactColumn(codes.astype(np.int32), values)
    return some


def _own(areas: GroupAreas | None, place: npt.NDArray[np.int32]) -> GroupAreas | None:
    if areas is None:
        return None
    own = place[areas.parcel] >= 0
    return GroupAreas(areas.units, place[areas.parcel[own]], areas.group[own], areas.area_m2[own])


def _renumbered(table: pa.Table, place: npt.NDArray[np.int32]) -> pa.Table:
    parcel = place[table["parcel"].to_numpy()]
    own = pa.array(parcel >= 0)
    return table.filter(own).set_column(0, table.schema.field(0), pa.array(parcel[parcel >= 0]))
