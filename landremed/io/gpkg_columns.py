"""Columns as a GeoPackage holds them."""

from __future__ import annotations

import json
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["as_multi", "clean_text", "storable_column", "storable_table"]

_WKB_POLYGON: Final = {b"\x01\x03\x00\x00\x00", b"\x00\x00\x00\x00\x03"}
_MULTI_POLYGON_OF_ONE: Final = bytes.fromhex("010600000001000000")


def storable_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as a type that a GeoPackage holds; text may be coded."""
    kind = column.type
    if pa.types.is_dictionary(kind) and not pa.types.is_string(kind.value_type):
        kind = kind.value_type
        column = column.cast(kind)
    if pa.types.is_nested(kind):
        texts = [None if value is None else _json(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    if pa.types.is_null(kind) or pa.types.is_time(kind):
        return column.cast(pa.string())
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        return column.cast(pa.float64())
    return column.cast(pa.int64()) if pa.types.is_uint64(kind) or pa.types.is_duration(kind) else column


def storable_table(table: pa.Table) -> pa.Table:
    """Return a table with every column of a type that a GeoPackage holds."""
    columns = [storable_column(table.column(i)) for i in range(table.num_columns)]
    return pa.table(columns, names=table.column_names)


def clean_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return text as a GeoPackage holds it: none that is empty, none that SQLite would cut."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return column
    if pc.any(pc.match_substring(column, "\0")).as_py():  # SQLite would cut the text there
        column = pc.replace_substring(column, "\0", "\ufffd")
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, kind), column)


def as_multi(geometry: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    """Wrap every polygon in a multipolygon of one, by its bytes."""
    chunks = geometry.chunks if isinstance(geometry, pa.ChunkedArray) else [geometry]
    kind = pa.large_binary()
    heads = pa.array(sorted(_WKB_POLYGON), type=kind)
    promoted = []
    for chunk in chunks:
        wkb = chunk.cast(kind)
        is_polygon = pc.is_in(pc.binary_slice(wkb, 0, 5), value_set=heads)
        wrapped = pc.binary_join_element_wise(
            pa.scalar(_MULTI_POLYGON_OF_ONE, kind), wkb, pa.scalar(b"", kind)
        )
        promoted.append(pc.if_else(is_polygon, wrapped, wkb))
    return pa.chunked_array(promoted, type=kind)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
