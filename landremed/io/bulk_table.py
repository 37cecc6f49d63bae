"""One table of a GeoPackage filled with pages: rows that come chunk by chunk, then its spatial index."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.io.bulk_geometry import GeometryRows, geometry_rows
from landremed.io.bulk_pages import PageFile, TableTree
from landremed.io.bulk_polygons import PageMaker, PolygonRows, polygon_rows
from landremed.io.bulk_record import Ints, Piece, Value, blob_value, fixed, null_value, record, storable_value
from landremed.io.bulk_rtree import packed

__all__ = ["Rows", "TableFill", "TablePlace"]

Floats: TypeAlias = npt.NDArray[np.float64]


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
        shape = (
            geometry_rows(pa.concat_arrays(geometry.chunks), self.srs_id) if geometry is not None else None
        )
        values = [null_value()]
        for name in self.columns[1:]:
            if name in table.column_names:
                values.append(_value(table[name]))
            elif shape is not None:
                values.append(blob_value(shape.pieces, shape.there))
        return Rows(table.num_rows, values, shape)

    def polygon_rows(self, table: pa.Table, wkb: pa.Array, first_id: int = 1) -> PolygonRows | None:
        """Turn some rows into what a `PageMaker` takes, None where it cannot; from any thread."""
        names = table.column_names
        column = next((n for n, name in enumerate(self.columns) if n and name not in names), 0)
        if not column or wkb.null_count:
            return None
        values = [_value(table[name]) if name in names else null_value() for name in self.columns]
        return polygon_rows(values, column, wkb, first_id, self.srs_id)


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

    def add_pages(self, table: pa.Table, wkb: pa.Array, make: PageMaker) -> bool:
        """Write the next rows as pages that ``make`` makes; False, and nothing written, where it cannot."""
        rows = self._place.polygon_rows(table, wkb)
        return rows is not None and self.add_polygons(rows, make)

    def add_polygons(self, rows: PolygonRows, make: PageMaker) -> bool:
        """Write the next rows as ``add_pages`` does; whatever their numbers were, they are numbered on."""
        made = make(replace(rows, first_id=self.count + 1), self._file.take, self._file.page_size)
        if made is None:
            return False
        self._file.write(made.end_numbers, made.ends)
        self._tree.add_leaves(made.leaves, made.last_ids)
        self.count += len(rows.wkb)
        self._boxes.append(made.boxes)
        return True

    def finish(self) -> None:
        """Write the inner pages and the spatial index."""
        self._tree.finish()
        if not self._boxes:
            return
        boxes = np.concatenate(self._boxes)
        self._boxes.clear()
        there = np.flatnonzero(~np.isnan(boxes[:, 0]))
        boxes = boxes[there]
        if self._place.tree:
            _load_tree(self._file, self._place.tree, there + 1, boxes)
        if len(there):
            self._bounds = (*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist())

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
    value = storable_value(pa.concat_arrays(column.chunks))
    if value is None:
        raise OSError(f"column of type {column.type}")
    return value


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
