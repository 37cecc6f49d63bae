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
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.io.bulk_geometry import GeometryRows, geometry_rows
from landremed.io.bulk_pages import LONGEST_KEY, IndexTree, PageFile, TableTree
from landremed.io.bulk_record import (
    Ints,
    Piece,
    Value,
    blob_value,
    fixed,
    is_storable,
    null_value,
    record,
    storable_value,
)
from landremed.io.bulk_rtree import packed

__all__ = ["BulkLayer", "is_loadable", "load_layers"]

_CHUNK_BYTES: Final = 24_000_000
_CHUNK_ROWS: Final = 65_536
_PAGE_SIZE: Final = 4096

Floats: TypeAlias = npt.NDArray[np.float64]
_Chunk: TypeAlias = tuple[int, list[Value], GeometryRows | None, int]


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
        places = [_Place.of(db, layer.name) for layer in layers]
    with PageFile(path) as file, ThreadPoolExecutor(jobs) as pool:
        if file.page_size != _PAGE_SIZE:
            raise OSError(f"page size {file.page_size}")
        boxes = [_load(file, pool, layer, place) for layer, place in zip(layers, places, strict=True)]
    with closing(sqlite3.connect(path)) as db, db:
        for layer, box in zip(layers, boxes, strict=True):
            _register(db, layer, box)


@dataclass(frozen=True)
class _Place:
    """Where the pages of a table begin.

    Attributes
    ----------
    columns : sequence of str
        As declared: the row number first, then the geometry column if there is one.
    indexes : sequence of (column, root page)
    tree : mapping of "node", "rowid", "parent" to root page
        Empty without a spatial index.
    """

    root: int
    columns: Sequence[str]
    indexes: Sequence[tuple[str, int]]
    tree: dict[str, int]
    srs_id: int

    @classmethod
    def of(cls, db: sqlite3.Connection, name: str) -> _Place:
        roots = dict(db.execute("SELECT name, rootpage FROM sqlite_schema WHERE type = 'table'"))
        columns = [row[1] for row in db.execute("SELECT * FROM pragma_table_info(?)", (name,))]
        indexes = [
            (db.execute("SELECT name FROM pragma_index_info(?)", (index,)).fetchone()[0], root)
            for index, root in db.execute(
                "SELECT name, rootpage FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?", (name,)
            ).fetchall()
        ]
        geometry = db.execute(
            "SELECT column_name, srs_id FROM gpkg_geometry_columns WHERE table_name = ?", (name,)
        ).fetchone()
        parts = ("node", "rowid", "parent") if geometry else ()
        tree = {part: roots.get(f"rtree_{name}_{geometry[0]}_{part}", 0) for part in parts}
        return cls(
            roots[name], columns, indexes, tree if all(tree.values()) else {}, geometry[1] if geometry else 0
        )


def _load(file: PageFile, pool: ThreadPoolExecutor, layer: BulkLayer, place: _Place) -> Floats | None:
    """Write one table and its indexes; return the bounds of its geometries."""
    tree = TableTree(file, place.root)
    shapes: list[GeometryRows] = []
    for start, values, shape, rows in _in_turn(pool, layer, place):
        tree.add(record(values, rows), np.arange(start + 1, start + rows + 1))
        if shape is not None:
            shapes.append(shape)
    tree.finish()
    for column, root in place.indexes:
        _load_index(file, root, layer.table[column])
    if not shapes:
        return None
    boxes = np.concatenate([shape.boxes for shape in shapes])
    there = np.flatnonzero(~np.isnan(boxes[:, 0]))
    if place.tree:
        _load_tree(file, place.tree, there + 1, boxes[there])
    if not len(there):
        return None
    return np.concatenate([boxes[there, :2].min(axis=0), boxes[there, 2:].max(axis=0)])


def _in_turn(pool: ThreadPoolExecutor, layer: BulkLayer, place: _Place) -> Iterator[_Chunk]:
    """Give the chunks of a table in order, as columns of records made some ahead by other threads."""
    rows = layer.table.num_rows
    size = layer.table.nbytes + (layer.geometry.nbytes if layer.geometry is not None else 0)
    step = max(256, min(_CHUNK_ROWS, int(_CHUNK_BYTES * rows / max(size, 1))))

    def chunk(start: int) -> _Chunk:
        table = layer.table.slice(start, step)
        shape = None
        if layer.geometry is not None:
            wkb = layer.geometry.slice(start, step)
            shape = geometry_rows(pa.concat_arrays(wkb.chunks), place.srs_id)
        values = [null_value()]
        for name in place.columns[1:]:
            if name in table.column_names:
                values.append(_value(table[name]))
            elif shape is not None:
                values.append(blob_value(shape.pieces, shape.there))
        return start, values, shape, table.num_rows

    waiting: list[Future[_Chunk]] = []
    for start in range(0, rows, step):
        waiting.append(pool.submit(chunk, start))
        if len(waiting) > 2:
            yield waiting.pop(0).result()
    for last in waiting:
        yield last.result()


def _value(column: pa.ChunkedArray) -> Value:
    value = storable_value(pa.concat_arrays(column.chunks))
    if value is None:
        raise OSError(f"column of type {column.type}")
    return value


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


def _load_tree(file: PageFile, roots: dict[str, int], row_ids: Ints, boxes: Floats) -> None:
    """Write a spatial index: its nodes, and who lies in which."""
    tree = packed(row_ids, boxes, file.page_size)
    width = tree.nodes.shape[1]
    blobs = Value(12 + 2 * width, (fixed(tree.nodes),))
    numbers = np.arange(1, len(tree.nodes) + 1)
    _write_table(file, roots["node"], [null_value(), blobs], numbers)
    _write_table(file, roots["rowid"], [null_value(), _number(tree.row_node)], row_ids)
    _write_table(file, roots["parent"], [null_value(), _number(tree.parent)], numbers[1:])


def _write_table(file: PageFile, root: int, values: list[Value], row_ids: Ints) -> None:
    if not len(row_ids):
        return
    tree = TableTree(file, root)
    pieces: list[Piece] = record(values, len(row_ids))
    tree.add(pieces, row_ids)
    tree.finish()


def _number(values: Ints) -> Value:
    value = storable_value(pa.array(values))
    return value if value is not None else null_value()


def _register(db: sqlite3.Connection, layer: BulkLayer, box: Floats | None) -> None:
    """Note what GDAL notes of a layer it wrote: bounds, number of rows, last row number."""
    rows = layer.table.num_rows
    if box is not None:
        db.execute(
            "UPDATE gpkg_contents SET min_x = ?, min_y = ?, max_x = ?, max_y = ? WHERE table_name = ?",
            (*map(float, box), layer.name),
        )
    db.execute("UPDATE gpkg_ogr_contents SET feature_count = ? WHERE table_name = ?", (rows, layer.name))
    db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (layer.name, rows))


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _text_values(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    if not pa.types.is_dictionary(column.type):
        return column
    return pa.chunked_array([chunk.dictionary for chunk in column.chunks], column.type.value_type)
