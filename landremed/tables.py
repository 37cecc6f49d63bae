"""Tables that pass between stages, with their schemas.

Tables are pyarrow tables; rows of parcels are always in input order. Facts travel as ``FactColumn``: codes
into a short list of distinct values, so that decisions are made once per distinct combination.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.types import FactValue, Finding

__all__ = [
    "GIVEN_FACTS_SCHEMA",
    "ISSUES_SCHEMA",
    "LAND_USE_SCHEMA",
    "OVERLAP_FEATURES_KEYS",
    "PROVENANCE_SCHEMA",
    "SUMMARY_SCHEMA",
    "TRACE_SCHEMA",
    "FactColumn",
    "GivenFacts",
    "VectorSource",
    "plain_table",
    "taken",
    "whole_array",
]


@dataclass(frozen=True)
class FactColumn:
    """One fact for all parcels.

    Attributes
    ----------
    codes : ndarray of int32
        Index into ``values`` per parcel.
    values : sequence of FactValue
        Distinct values; ``None`` is absent, ``UNKNOWN`` present but unreadable.
    """

    codes: npt.NDArray[np.int32]
    values: Sequence[FactValue]

    def __getitem__(self, row: int) -> FactValue:
        return self.values[int(self.codes[row])]

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True)
class VectorSource:
    """One vector layer as read, before anything is repaired or transformed.

    Attributes
    ----------
    file : str
        Path as the user wrote it; ``layer`` is the layer's name ("" for one-layer formats).
    attributes : pyarrow.Table
        All attribute columns in file order with their file names.
    wkb : pyarrow.Array
        ``large_binary`` 2-D ISO WKB per row, null where the row has no geometry.
    crs_wkt : str or None
        Declared CRS.
    encoding : str
        Text encoding used, "" where the format fixes it; ``encoding_ground`` says why.
    content_hash : str
        SHA-256 over schema, attributes, geometry and CRS (never over file bytes).
    rows : ndarray of int64 or None
        Where this is a share of a layer: the row in the layer (from 0) of each row here.
    """

    file: str
    layer: str
    driver: str
    attributes: pa.Table
    wkb: pa.Array
    crs_wkt: str | None
    encoding: str
    encoding_ground: str
    content_hash: str
    rows: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.wkb)

    @property
    def row_numbers(self) -> npt.NDArray[np.int64]:
        """1-based row of the layer for each row here."""
        return (np.arange(len(self.wkb)) if self.rows is None else self.rows) + 1

    @property
    def display(self) -> str:
        """File and layer in the ``FILE:LAYER`` form."""
        return f"{self.file}:{self.layer}" if self.layer else self.file


@dataclass(frozen=True)
class GivenFacts:
    """Facts that come from attributes and evidence, before anything computed joins them.

    Attributes
    ----------
    columns : mapping of fact name to FactColumn
        Only facts for which at least one parcel has a value; overrides as ``override_<fact>``.
    sources : pyarrow.Table
        ``GIVEN_FACTS_SCHEMA``, texts coded: where every given value came from.
    findings : list of Finding
        Bad values, contradictions, unknown parcels and columns.
    """

    columns: Mapping[str, FactColumn]
    sources: pa.Table
    findings: Sequence[Finding] = field(default_factory=list)


GIVEN_FACTS_SCHEMA = pa.schema(
    [
        ("parcel_id", pa.string()),
        ("fact", pa.string()),
        ("value", pa.string()),
        ("source", pa.string()),  # attribute | evidence
        ("file", pa.string()),
        ("row", pa.int64()),
        ("field", pa.string()),
        ("raw", pa.string()),  # the value as written in the file
    ]
)
"""Layer ``facts`` of the result: every given fact with the place it came from, in parcel and fact order."""

LAND_USE_SCHEMA = pa.schema([("parcel_id", pa.string()), ("code", pa.string()), ("area_m2", pa.float64())])

OVERLAP_FEATURES_KEYS = pa.schema(
    [
        ("parcel_id", pa.string()),
        ("layer", pa.string()),
        ("feature_id", pa.string()),
        ("area_m2", pa.float64()),
    ]
)

TRACE_SCHEMA = pa.schema(
    [
        ("trace_id", pa.int64()),
        ("step", pa.int64()),
        ("rule", pa.string()),
        ("clause", pa.string()),
        ("condition", pa.string()),
        ("facts", pa.string()),
        ("value", pa.string()),
        ("decides", pa.int64()),
    ]
)

ISSUES_SCHEMA = pa.schema(
    [
        ("parcel_id", pa.string()),
        ("code", pa.string()),
        ("severity", pa.string()),
        ("message", pa.string()),
        ("file", pa.string()),
        ("row", pa.int64()),
        ("field", pa.string()),
        ("value", pa.string()),
    ]
)

SUMMARY_SCHEMA = pa.schema(
    [
        ("category", pa.string()),
        ("outcome", pa.string()),
        ("count", pa.int64()),
        ("area_m2", pa.float64()),
        ("area_mu", pa.float64()),
    ]
)

PROVENANCE_SCHEMA = pa.schema([("key", pa.string()), ("value", pa.string())])


def plain_table(table: pa.Table) -> pa.Table:
    """Return a table whose texts are no longer coded, as others expect them."""
    for place, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type):
            plain = table.column(place).cast(column.type.value_type)
            table = table.set_column(place, column.name, plain)
    return table


def whole_array(column: pa.ChunkedArray) -> pa.Array:
    """Return a column of any number of chunks as one array, not copied where it is one already."""
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def taken(column: pa.ChunkedArray, rows: npt.NDArray[np.int64]) -> pa.Array:
    """Return some rows of a column; of all others, which Arrow would join first, nothing is copied."""
    parts, places, first = [], [], 0
    for chunk in column.chunks:
        own = np.flatnonzero((rows >= first) & (rows < first + len(chunk)))
        if len(own):
            parts.append(chunk.take(pa.array(rows[own] - first)))
            places.append(own)
        first += len(chunk)
    if not parts:
        return pa.array([], column.type)
    order = np.concatenate(places)
    found = pa.concat_arrays(parts)
    return found if (np.diff(order) > 0).all() else found.take(pa.array(np.argsort(order)))
