"""One table of a GeoPackage filled with pages: rows that come chunk by chunk, then its spatial index."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.io.bulk_columns import Columns
from landremed.io.bulk_geometry import GeometryRows, geometry_rows
from landremed.io.bulk_pages import PageFile, TableTree
from landremed.io.bulk_record import (
    Ints,
    Value,
    blob_value,
    fixed,
    null_value,
    record,
    storable_value,
)
from landremed.io.bulk_rows import PageMaker, TablePlan, TableRows
from landremed.io.bulk_rtree import PackedTree, packed
from landremed.tables import whole_array

__all__ = ["Rows", "TableFill", "TablePlace"]

Floats: TypeAlias = npt.NDArray[np.float64]

_BINARY: Final = pa.large_binary()
_FILLED: Final = 2048
"""Leaf pages made by one thread at a time."""


@dataclass(frozen=True)
class TablePlace:
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
    def of(cls, db: sqlite3.Connection, name: str) -> TablePlace:
        """Look a table up in its GeoPackage."""
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

    def rows(self, table: pa.Table, geometry: pa.ChunkedArray | None) -> Rows:
        """Turn some rows into columns of records; may be called from any thread."""
        shape = geometry_rows(whole_array(geometry), self.srs_id) if geometry is not None else None
        values = [null_value()]
        for name in self.columns[1:]:
            if name in table.column_names:
                values.append(_value(table[name]))
            elif shape is not None:
                values.append(blob_value(shape.pieces, shape.there))
        return Rows(table.num_rows, values, shape)

    def table_rows(self, table: pa.Table, geometry: pa.ChunkedArray | None, first_id: int = 1) -> TableRows:
        """Turn some rows into what a `PageMaker` takes; from any thread.

        Raises
        ------
        OSError
            A column is of a type that is not stored plainly.
        """
        shapes = whole_array(geometry).cast(_BINARY) if geometry is not None else None
        columns = Columns()
        columns.add_nothing()
        for name in self.columns[1:]:
            if name in table.column_names:
                if not columns.add(whole_array(table[name])):
                    raise OSError(f"column of type {table[name].type}")
            elif shapes is not None:
                columns.add_shapes(shapes)
        return TableRows(table.num_rows, columns, shapes, self.srs_id, first_id)


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a table, as columns of records."""

    count: int
    values: Sequence[Value]
    shape: GeometryRows | None


class TableFill:
    """A table being filled, from its first row on.

    Parameters
    ----------
    file : PageFile
        The GeoPackage.
    place : TablePlace
        Of the empty table.
    """

    def __init__(self, file: PageFile, place: TablePlace) -> None:
        self.count = 0
        self._file, self._place = file, place
        self._tree = TableTree(file, place.root)
        self._boxes: list[Floats] = []
        self._bounds: tuple[float, ...] = ()

    def add(self, rows: Rows) -> None:
        """Write the next rows; they are numbered on."""
        numbers = np.arange(self.count + 1, self.count + rows.count + 1)
        self._tree.add(record(rows.values, rows.count), numbers)
        self.count += rows.count
        if rows.shape is not None:
            self._boxes.append(rows.shape.boxes)

    def place(self, plan: TablePlan) -> list[Callable[[], None]]:
        """Give the next rows their pages; return what is to be done to write these, by any threads."""
        spilled = self._file.take(int(plan.spilled[-1]))
        self.count += plan.rows.count
        if plan.rows.wkb is not None:
            self._boxes.append(plan.boxes)
        leaves = len(plan.last_ids)
        if leaves == 1:
            image, ends = plan.make.fill_rows(plan, 0, 1, spilled)
            self._file.write(spilled, ends)
            self._tree.add_leaves(image, plan.last_ids)
            return []
        numbers = self._tree.take(plan.last_ids)
        jobs: list[Callable[[], None]] = []
        for low in range(0, leaves, _FILLED):
            high = min(low + _FILLED, leaves)
            own = spilled[plan.spilled[low] : plan.spilled[high]]
            jobs.append(partial(self._fill, plan, (low, high), (numbers[low:high], own)))
        return jobs

    def _fill(self, plan: TablePlan, span: tuple[int, int], numbers: tuple[Ints, Ints]) -> None:
        leaves, ends = plan.make.fill_rows(plan, *span, numbers[1])
        self._file.write(numbers[0], leaves)
        self._file.write(numbers[1], ends)

    def finish(self) -> None:
        """Write the inner pages."""
        self._tree.finish()

    def pack(self) -> PackedTree | None:
        """Return the spatial index of all rows, None for a table that has none; from any thread."""
        if not self._boxes:
            return None
        boxes = np.concatenate(self._boxes)
        self._boxes.clear()
        there = np.flatnonzero(~np.isnan(boxes[:, 0]))
        boxes = boxes[there]
        if len(there):
            self._bounds = (*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist())
        return packed(there + 1, boxes, self._file.page_size) if self._place.tree else None

    def write_tree(self, tree: PackedTree | None, make: PageMaker | None) -> None:
        """Write the spatial index: its nodes, and who lies in which."""
        if tree is None:
            return
        numbers = np.arange(1, len(tree.nodes) + 1)
        for part, ids, values in (
            ("node", numbers, tree.nodes),
            ("rowid", tree.row_ids, tree.row_node),
            ("parent", numbers[1:], tree.parent),
        ):
            if len(ids):
                _write_pairs(self._file, self._place.tree[part], ids, values, make)

    def register(self, db: sqlite3.Connection, name: str) -> None:
        """Note what GDAL notes of a layer it wrote: bounds, number of rows, last row number."""
        if self._bounds:
            db.execute(
                "UPDATE gpkg_contents SET min_x = ?, min_y = ?, max_x = ?, max_y = ? WHERE table_name = ?",
                (*self._bounds, name),
            )
        db.execute("UPDATE gpkg_ogr_contents SET feature_count = ? WHERE table_name = ?", (self.count, name))
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, self.count))


def _value(column: pa.ChunkedArray) -> Value:
    value = storable_value(whole_array(column))
    if value is None:
        raise OSError(f"column of type {column.type}")
    return value


def _write_pairs(
    file: PageFile, root: int, row_ids: Ints, values: npt.NDArray[Any], make: PageMaker | None
) -> None:
    """Write a table of row ids and one column: numbers, or blobs of equal length."""
    tree = TableTree(file, root)
    if make is not None:
        columns = Columns()
        columns.add_nothing()
        if values.ndim == 1:
            columns.add(pa.array(values))
        else:
            columns.add_blobs(values)
        plan = make.plan_rows(TableRows(len(row_ids), columns, ids=row_ids), file.page_size)
        if plan is not None:
            spilled = file.take(int(plan.spilled[-1]))
            image, ends = make.fill_rows(plan, 0, len(plan.last_ids), spilled)
            file.write(spilled, ends)
            tree.add_leaves(image, plan.last_ids)
    else:
        blobs = Value(12 + 2 * values.shape[-1], (fixed(values),)) if values.ndim == 2 else _number(values)
        tree.add(record([null_value(), blobs], len(row_ids)), row_ids)
    tree.finish()


def _number(values: Ints) -> Value:
    value = storable_value(pa.array(values))
    return value if value is not None else null_value()
