"""Rows of big layers put into a GeoPackage whose tables, indexes and spatial indexes exist and are empty.

GDAL and SQLite make the tables; their pages are then written here (`landremed.io.bulk_pages`), which takes a
tenth of the time of inserting row by row. What is written is checked like any other file: by reading it back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from landremed.io.bulk_pages import LONGEST_KEY, IndexTree, PageFile
from landremed.io.bulk_polygons import PageMaker, PolygonRows
from landremed.io.bulk_record import Ints, is_storable, record, storable_value
from landremed.io.bulk_table import Rows, TableFill, TablePlace
from landremed.io.gpkg_columns import storable_table
from landremed.io.gpkg_extras import quoted
from landremed.io.row_stream import RowStream
from landremed.threads import ahead

__all__ = ["BulkLayer", "is_loadable", "load_layers"]

_CHUNK_BYTES: Final = 24_000_000
_CHUNK_ROWS: Final = 65_536
_STREAMED_ROWS: Final = 16_384
_SORTED_ROWS: Final = 2_000_000  # indexes of more rows are left to SQLite, which sorts on the disk

_Keys: TypeAlias = dict[str, list[pa.ChunkedArray]]
_Cut: TypeAlias = tuple[pa.Table, pa.ChunkedArray | None]
T = TypeVar("T")


@dataclass(frozen=True)
class BulkLayer:
    """Rows of one table: attributes by column name, and polygons as WKB where it has a geometry column.

    With a ``stream`` the rows come from there, and ``table`` tells their columns alone.
    """

    name: str
    table: pa.Table
    geometry: pa.ChunkedArray | None
    stream: RowStream | None = None

    @property
    def rows(self) -> int:
        """How many there are."""
        return self.table.num_rows if self.stream is None else self.stream.rows


def is_loadable(schema: pa.Schema, keys: Iterable[pa.ChunkedArray] = ()) -> bool:
    """Tell whether columns of these types, and keys of these lengths, can be written page by page."""
    if not all(is_storable(field.type) for field in schema):
        return False
    texts = [key for key in keys if not pa.types.is_integer(_value_type(key.type))]
    return all((pc.max(pc.binary_length(_text_values(key))).as_py() or 0) <= LONGEST_KEY for key in texts)


def load_layers(
    path: Path, layers: Sequence[BulkLayer], jobs: int = 2, make_pages: PageMaker | None = None
) -> None:
    """Fill empty tables of a GeoPackage, with their indexes and spatial indexes.

    Parameters
    ----------
    path : Path
        GeoPackage that nobody has open; half written it is worthless, so give a temporary one.
    layers : sequence of BulkLayer
        Their columns must be `is_loadable`. Rows are numbered from 1.
    jobs : int
        Threads that make records.
    make_pages : PageMaker, optional
        Makes the pages of polygons where it can; they are the same as without it.

    Raises
    ------
    OSError
        The file cannot be written, or its pages are of an unusual size.
    """
    with closing(sqlite3.connect(path)) as db:
        places = [TablePlace.of(db, layer.name) for layer in layers]
    with PageFile(path) as file, ThreadPoolExecutor(jobs) as pool:
        fills = [
            _load(file, pool, layer, place, make_pages) for layer, place in zip(layers, places, strict=True)
        ]
    with closing(sqlite3.connect(path)) as db, db:
        for layer, (fill, left) in zip(layers, fills, strict=True):
            fill.register(db, layer.name)
            for column in left:
                _sort_index(db, layer.name, column)


def _load(
    file: PageFile,
    pool: ThreadPoolExecutor,
    layer: BulkLayer,
    place: TablePlace,
    make_pages: PageMaker | None,
) -> tuple[TableFill, list[str]]:
    """Write one table, its indexes and its spatial index; return the indexes left to SQLite too."""
    fill = TableFill(file, place)
    wanted = [column for column, _ in place.indexes] if layer.rows <= _SORTED_ROWS else []
    keys: _Keys = {column: [] for column in wanted}
    make = partial(_made, place, make_pages is not None)
    for rows, cut in _in_turn(pool, layer, make, keys):
        if isinstance(rows, Rows):
            fill.add(rows)
        elif make_pages is None or not fill.add_polygons(rows, make_pages):
            fill.add(place.rows(*cut))
    left = []
    for column, root in place.indexes:
        key = _whole_key(layer, column, keys)
        if key is None:
            left.append(column)
        else:
            _load_index(file, root, key)
    fill.finish()
    return fill, left


def _whole_key(layer: BulkLayer, column: str, keys: _Keys) -> pa.ChunkedArray | None:
    """Return a column to be indexed, None where SQLite has to make the index."""
    if layer.stream is None:
        return layer.table[column]
    if column not in keys:
        return None
    kind = layer.table.schema.field(column).type
    whole = pa.chunked_array([chunk for part in keys[column] for chunk in part.chunks], kind)
    return whole if is_loadable(pa.schema([]), [whole]) else None


def _sort_index(db: sqlite3.Connection, table: str, column: str) -> None:
    """Have SQLite make an index of the rows that are there."""
    for (name,) in db.execute(
        "SELECT i.name FROM pragma_index_list(?) AS i, pragma_index_info(i.name) AS c WHERE c.name = ?",
        (table, column),
    ).fetchall():
        db.execute(f"REINDEX {quoted(name)}")


def _cut(layer: BulkLayer) -> Iterator[_Cut]:
    """Yield the rows of a layer some thousand at a time."""
    if layer.stream is not None:
        for table, shapes in layer.stream.cut(_STREAMED_ROWS):
            yield storable_table(table), None if shapes is None else pa.chunked_array([shapes])
        return
    size = layer.table.nbytes + (layer.geometry.nbytes if layer.geometry is not None else 0)
    step = max(256, min(_CHUNK_ROWS, int(_CHUNK_BYTES * layer.rows / max(size, 1))))
    for start in range(0, layer.rows, step):
        wkb = layer.geometry.slice(start, step) if layer.geometry is not None else None
        yield layer.table.slice(start, step), wkb


def _made(place: TablePlace, paged: bool, cut: _Cut) -> tuple[Rows | PolygonRows, _Cut]:
    """Turn some rows into columns of records, or into what a maker of pages takes."""
    table, wkb = cut
    rows = None
    if paged and wkb is not None:
        rows = place.polygon_rows(table, pa.concat_arrays(wkb.chunks))
    return (place.rows(table, wkb) if rows is None else rows), cut


def _in_turn(
    pool: ThreadPoolExecutor, layer: BulkLayer, make: Callable[[_Cut], T], keys: _Keys
) -> Iterator[T]:
    """Give what is made of the chunks of a table, in order and some ahead by other threads."""
    waiting: list[Future[T]] = []
    with ahead(_cut(layer)) as cuts:
        for table, wkb in cuts:
            if layer.stream is not None:
                for column, parts in keys.items():
                    parts.append(table[column])
            waiting.append(pool.submit(make, (table, wkb)))
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
    elif _rises(column):
        order = np.arange(len(column), dtype=np.int64)
        keys = pa.concat_arrays(column.chunks)
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


def _rises(texts: pa.ChunkedArray) -> bool:
    """Tell whether texts lie in the order of an index already, as ids often do."""
    if pa.types.is_dictionary(texts.type) or texts.null_count or not texts[0].as_py():
        return False
    return bool(pc.all(pc.less_equal(texts[:-1], texts[1:])).as_py())


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
