"""Rows of big layers put into a GeoPackage whose tables, indexes and spatial indexes exist and are empty.

GDAL and SQLite make the tables; their pages are then written here (`landremed.io.bulk_pages`), which takes a
tenth of the time of inserting row by row. What is written is checked like any other file: by reading it back.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from landremed.io.bulk_index import place_index, plan_index
from landremed.io.bulk_pages import LONGEST_KEY, PageFile
from landremed.io.bulk_record import is_storable, value_type, without_nul
from landremed.io.bulk_rows import PageMaker, TablePlan
from landremed.io.bulk_rtree import PackedTree
from landremed.io.bulk_table import Rows, TableFill, TablePlace
from landremed.io.disk import unflushed
from landremed.io.gpkg_columns import storable_table
from landremed.io.gpkg_extras import quoted
from landremed.io.row_stream import RowStream
from landremed.threads import ahead

__all__ = ["BulkLayer", "is_loadable", "load_layers"]

_CHUNK_BYTES: Final = 24_000_000
_CHUNK_ROWS: Final = 65_536
_STREAMED_ROWS: Final = 16_384
_SORTED_ROWS: Final = 2_000_000  # indexes of more rows are left to SQLite, which sorts on the disk
_PLANNED: Final = 3
_FILLING: Final = 4
"""Chunks laid out ahead, and pieces of chunks that may wait for being written."""

_Keys: TypeAlias = dict[str, list[pa.ChunkedArray]]
_Cut: TypeAlias = tuple[pa.Table, pa.ChunkedArray | None]
_Job: TypeAlias = Callable[[], None]


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


@dataclass(frozen=True)
class _Step:
    """Part of a file: laid out by any thread, given its place in turn, written by any thread."""

    plan: Callable[[], Any]
    place: Callable[[Any], list[_Job]]


def is_loadable(schema: pa.Schema, keys: Iterable[pa.ChunkedArray] = ()) -> bool:
    """Tell whether columns of these types, and keys of these lengths, can be written page by page."""
    if not all(is_storable(field.type) for field in schema):
        return False
    texts = [_as_stored(key) for key in keys if not pa.types.is_integer(value_type(key.type))]
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
        Threads that make records and pages.
    make_pages : PageMaker, optional
        Makes the pages where it can; they are the same as without it, whatever the threads.

    Raises
    ------
    OSError
        The file cannot be written, or its pages are of an unusual size.
    """
    with closing(sqlite3.connect(path)) as db:
        places = [TablePlace.of(db, layer.name) for layer in layers]
    with PageFile(path) as file, ThreadPoolExecutor(jobs) as pool:
        loads = [_Load(file, layer, place, make_pages) for layer, place in zip(layers, places, strict=True)]
        trees: list[Future[PackedTree | None]] = []
        with closing(step for load in loads for step in load.steps(pool, trees)) as steps:
            _in_turn(pool, steps)
        for load, tree in zip(loads, trees, strict=True):
            load.fill.write_tree(tree.result(), make_pages)
    with unflushed(path) as db, db:
        for load in loads:
            load.fill.register(db, load.layer.name)
            for column in load.left:
                _sort_index(db, load.layer.name, column)


def _in_turn(pool: ThreadPoolExecutor, steps: Iterable[_Step]) -> None:
    """Go through steps: some are laid out ahead, and what has its place is written beside."""
    planned: deque[tuple[Future[Any], _Step]] = deque()
    filling: deque[Future[None]] = deque()

    def settle() -> None:
        future, step = planned.popleft()
        filling.extend(pool.submit(job) for job in step.place(future.result()))
        while len(filling) > _FILLING:
            filling.popleft().result()

    for step in steps:
        planned.append((pool.submit(step.plan), step))
        if len(planned) > _PLANNED:
            settle()
    while planned:
        settle()
    for last in filling:
        last.result()


class _Load:
    """One table being written, with its indexes; ``left`` are the columns whose index SQLite has to make."""

    def __init__(self, file: PageFile, layer: BulkLayer, place: TablePlace, make: PageMaker | None) -> None:
        self.layer = layer
        self.fill = TableFill(file, place)
        self.left: list[str] = []
        self._file, self._place, self._make = file, place, make

    def steps(self, pool: ThreadPoolExecutor, trees: list[Future[PackedTree | None]]) -> Iterator[_Step]:
        """Yield the steps; the last one begins a spatial index, which is added to ``trees``."""
        layer, first_id = self.layer, 1
        wanted = [column for column, _ in self._place.indexes] if layer.rows <= _SORTED_ROWS else []
        keys: _Keys = {column: [] for column in wanted}
        with ahead(_cut(layer)) as cuts:
            for table, wkb in cuts:
                if layer.stream is not None:
                    for column, parts in keys.items():
                        parts.append(table[column])
                yield _Step(partial(self._planned, table, wkb, first_id), self._placed)
                first_id += len(table)
        for column, root in self._place.indexes:
            key = _whole_key(layer, column, keys)
            if key is None:
                self.left.append(column)
            elif len(key):
                yield _Step(
                    partial(plan_index, key, self._make, self._file.page_size),
                    partial(place_index, self._file, root),
                )

        def finish(_: None) -> list[_Job]:
            self.fill.finish()
            trees.append(pool.submit(self.fill.pack))
            return []

        yield _Step(lambda: None, finish)

    def _planned(self, table: pa.Table, wkb: pa.ChunkedArray | None, first_id: int) -> Rows | TablePlan:
        """Lay some rows out, or turn them into columns of records."""
        if self._make is not None:
            rows = self._place.table_rows(table, wkb, first_id)
            plan = self._make.plan_rows(rows, self._file.page_size)
            if plan is not None:
                return plan
        return self._place.rows(table, wkb)

    def _placed(self, made: Rows | TablePlan) -> list[_Job]:
        if isinstance(made, Rows):
            self.fill.add(made)
            return []
        return self.fill.place(made)


def _whole_key(layer: BulkLayer, column: str, keys: _Keys) -> pa.ChunkedArray | None:
    """Return a column to be indexed, None where SQLite has to make the index."""
    if layer.stream is None:
        return _as_stored(layer.table[column])
    if column not in keys:
        return None
    kind = layer.table.schema.field(column).type
    whole = _as_stored(pa.chunked_array([chunk for part in keys[column] for chunk in part.chunks], kind))
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


def _as_stored(key: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a key with its texts as rows have them, so that they are put in order as they will stand."""
    kind = value_type(key.type)
    if pa.types.is_integer(kind):
        return key
    if pa.types.is_dictionary(key.type):
        words = [chunk.dictionary for chunk in key.chunks]
        if all(without_nul(some) is some for some in words):
            return key
        key = key.cast(kind)
    return pa.chunked_array([without_nul(chunk) for chunk in key.chunks], kind)


def _text_values(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    if not pa.types.is_dictionary(column.type):
        return column
    return pa.chunked_array([chunk.dictionary for chunk in column.chunks], column.type.value_type)
