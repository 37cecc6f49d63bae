"""Rows of big layers put into a GeoPackage whose tables, indexes and spatial indexes exist and are empty.

GDAL and SQLite make the tables; their pages are then written here (`landremed.io.bulk_pages`), which takes a
tenth of the time of inserting row by row. What is written is checked like any other file: by reading it back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from landremed.io.bulk_pages import LONGEST_KEY, IndexTree, PageFile
from landremed.io.bulk_record import Ints, is_storable, record, storable_value
from landremed.io.bulk_table import Rows, TableFill, TablePlace

__all__ = ["BulkLayer", "is_loadable", "load_layers"]

_CHUNK_BYTES: Final = 24_000_000
_CHUNK_ROWS: Final = 65_536


@dataclass(frozen=True)
class BulkLayer:
    """Rows of one table: attributes by column name, and polygons as WKB where it has a geometry column."""

    name: str
    table: pa.Table
    geometry: pa.ChunkedArray | None


def is_loadable(schema: pa.Schema, keys: Iterable[pa.ChunkedArray] = ()) -> bool:
    """Tell whether columns of these types, and keys of these lengths, can be written page by page."""
    if not all(is_storable(field.type) for field in schema):
        return False
    texts = [key for key in keys if not pa.types.is_integer(_value_type(key.type))]
    return all((pc.max(pc.binary_length(_text_values(key))).as_py() or 0) <= LONGEST_KEY for key in texts)


def load_layers(path: Path, layers: Sequence[BulkLayer], jobs: int = 2) -> None:
    """Fill empty tables of a GeoPackage, with their indexes and spatial indexes.

    Parameters
    ----------
    path : Path
        GeoPackage that nobody has open; half written it is worthless, so give a temporary one.
    layers : sequence of BulkLayer
        Their columns must be `is_loadable`. Rows are numbered from 1.
    jobs : int
        Threads that make records.

    Raises
    ------
    OSError
        The file cannot be written, or its pages are of an unusual size.
    """
    with closing(sqlite3.connect(path)) as db:
        places = [TablePlace.of(db, layer.name) for layer in layers]
    with PageFile(path) as file, ThreadPoolExecutor(jobs) as pool:
        fills = [_load(file, pool, layer, place) for layer, place in zip(layers, places, strict=True)]
    with closing(sqlite3.connect(path)) as db, db:
        for layer, fill in zip(layers, fills, strict=True):
            fill.register(db, layer.name)


def _load(file: PageFile, pool: ThreadPoolExecutor, layer: BulkLayer, place: TablePlace) -> TableFill:
    """Write one table, its indexes and its spatial index."""
    fill = TableFill(file, place)
    for rows in _in_turn(pool, layer, place):
        fill.add(rows)
    for column, root in place.indexes:
        _load_index(file, root, layer.table[column])
    fill.finish()
    return fill


def _in_turn(pool: ThreadPoolExecutor, layer: BulkLayer, place: TablePlace) -> Iterator[Rows]:
    """Give the chunks of a table in order, as columns of records made some ahead by other threads."""
    rows = layer.table.num_rows
    size = layer.table.nbytes + (layer.geometry.nbytes if layer.geometry is not None else 0)
    step = max(256, min(_CHUNK_ROWS, int(_CHUNK_BYTES * rows / max(size, 1))))

    def chunk(start: int) -> Rows:
        wkb = layer.geometry.slice(start, step) if layer.geometry is not None else None
        return place.rows(layer.table.slice(start, step), wkb)

    waiting: list[Future[Rows]] = []
    for start in range(0, rows, step):
        waiting.append(pool.submit(chunk, start))
        if len(waiting) > 2:
            yield waiting.pop(0).result()
    for last in waiting:
        yield last.result()


def _load_index(file: PageFile, root: int, column: pa.ChunkedArray) -> None:
    """Write an index of one column: its values in order, each with its row number."""
    if not len(column):
        return
    kind = _value_type(column.type)
    if pa.types.is_integer(kind):
        ranks = column.fill_null(-(1 << 62)).to_numpy()
        order = _order(ranks)
        keys = pa.concat_arrays(column.chunks).take(pa.array(order))
    else:
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        whole = encoded.unify_dictionaries().combine_chunks()
        whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
        words = whole.dictionary
        sorted_words = pc.sort_indices(words.cast(pa.large_string())).to_numpy()
        rank = np.empty(len(words) + 1, np.int64)
        rank[sorted_words] = np.arange(len(words))
        rank[-1] = -1  # NULL stands first
        codes = whole.indices.fill_null(len(words)).to_numpy().astype(np.int64)
        if len(words) and (empty := pc.index(words, pa.scalar("", words.type)).as_py()) >= 0:
            rank[empty] = -1
        order = _order(rank[codes])
        keys = words.take(pa.array(codes[order], mask=codes[order] == len(words)))
    values = [storable_value(keys), storable_value(pa.array(order + 1))]
    IndexTree(file, root).write(record([v for v in values if v is not None], len(order)))


def _order(ranks: Ints) -> Ints:
    """Return the rows by rising rank; often they lie so already."""
    if (ranks[1:] >= ranks[:-1]).all():
        return np.arange(len(ranks), dtype=np.int64)
    return np.argsort(ranks, kind="stable").astype(np.int64)


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _text_values(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    if not pa.types.is_dictionary(column.type):
        return column
    return pa.chunked_array([chunk.dictionary for chunk in column.chunks], column.type.value_type)
