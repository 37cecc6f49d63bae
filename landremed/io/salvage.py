"""Reading record by record, for the file of which the bulk reader gives up because of one bad record.

This is what fiona does better than any bulk reader: each record is fetched by its number, so a damaged one
costs itself and not the rest. It is some sixty times slower, and only tried after the bulk reader failed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from landremed.io.damaged import DAMAGED
from landremed.io.drivers import Dataset
from landremed.io.gdal import RawLayer, quiet
from landremed.types import Finding

__all__ = ["BY_RECORD", "salvage"]

BY_RECORD = frozenset({"FlatGeobuf"})
"""Drivers that number records from 0 and can fetch one by its number."""

_MAX_LOST = 0.05


def salvage(dataset: Dataset, layer: str, crs: str | None) -> tuple[RawLayer, list[Finding]] | None:
    """Read a layer record by record.

    Parameters
    ----------
    dataset : Dataset
        The file; its driver must be in `BY_RECORD`.
    layer : str
        Layer.
    crs : str or None
        CRS as the bulk reader described it.

    Returns
    -------
    tuple of RawLayer and findings, or None
        Damaged records are rows without geometry and values, each with a finding ``record_unreadable``. None
        when the end of the file is missing or more than a twentieth of the records is damaged: then the file
        as a whole is at fault.
    """
    import fiona

    if dataset.driver not in BY_RECORD:
        return None
    with quiet():
        try:
            with fiona.open(dataset.path, layer=layer, enabled_drivers=[dataset.driver]) as source:
                names = list(source.schema["properties"])
                records = [_record(source, number) for number in range(len(source))]
        except Exception:  # whatever it is, the first failure is what the user is told
            return None
    lost = [number for number, record in enumerate(records) if record is None]
    if not records or records[-1] is None or len(lost) > _MAX_LOST * len(records):
        return None
    table = pa.table({name: _column([r and r.properties[name] for r in records]) for name in names})
    wkb = pa.array([DAMAGED if r is None else _wkb(r) for r in records], pa.large_binary())
    findings = [Finding("record_unreadable", row=number + 1) for number in lost]
    return RawLayer(table, pa.chunked_array([wkb]), crs), findings


def _record(source: Any, number: int) -> Any:
    try:
        return source.get(number)
    except Exception:  # a damaged record; fiona and GDAL raise many classes
        return None


def _column(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if v is None else str(v) for v in values], pa.string())


def _wkb(record: Any) -> bytes | None:
    if record.geometry is None:
        return None
    with np.errstate(invalid="ignore"):
        raw: bytes = shapely.to_wkb(shapely.geometry.shape(record.geometry), byte_order=1)
    return raw
