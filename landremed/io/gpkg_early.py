"""Layers of a GeoPackage that are known before the others, written while the others are still being made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

import pyarrow as pa

from landremed.io.disk import unflushed
from landremed.io.gpkg_check import FileCheck
from landremed.io.gpkg_extras import quoted

__all__ = ["EarlyLayers", "in_order"]

Rows: TypeAlias = tuple[pa.Table, pa.Array | pa.ChunkedArray | None]
"""A layer's attributes and geometry."""

_LISTS = ("gpkg_contents", "gpkg_geometry_columns", "gpkg_ogr_contents", "gpkg_extensions")


class EarlyLayers:
    """Tables put into a temporary file by another thread; use it as a context manager.

    Parameters
    ----------
    temp : Path
        The file, which will get the other layers too.
    remove : callable
        Removes the file with all that stands beside it.

    Attributes
    ----------
    check : FileCheck or None
        The checks of what is written, begun when it stands.
    """

    def __init__(self, temp: Path, remove: Callable[[Path], None]) -> None:
        self.temp = temp
        self.check: FileCheck | None = None
        self._tables: dict[str, Rows] = {}
        self._remove = remove
        self._pool = ThreadPoolExecutor(1)
        self._done: Future[None] = Future()
        self._done.set_result(None)

    def add(self, tables: Mapping[str, Rows], make: Callable[[], None], fill: Callable[[], None]) -> bool:
        """Begin to write more tables.

        Parameters
        ----------
        tables : mapping of layer name to (table, geometry)
            What is written.
        make : callable
            Makes the tables, empty; called here, when all that was begun before stands.
        fill : callable
            Writes their rows.

        Returns
        -------
        bool
            False when an earlier fault, which ``written`` tells, has stopped the writing.
        """
        if self._done.exception() is not None:
            return False
        make()
        self._tables |= tables
        self._done = self._pool.submit(self._work, list(tables), fill)
        return True

    def written(self, layers: Mapping[str, Rows]) -> set[str]:
        """Wait, and return the layers that stand in the file; none, and no file, when one has changed since.

        Raises
        ------
        Exception
            What stopped the writing.
        """
        self._done.result()
        if all(name in layers and _same(early, layers[name]) for name, early in self._tables.items()):
            return set(self._tables)
        self.drop()
        return set()

    def pause(self) -> None:
        """Leave what can be left to later, as the rest of the file is written now."""
        if self.check is not None:
            self.check.pause()

    def changed(self) -> None:
        """Say that rows are not as they were written: what was found of them does not count."""
        if self.check is not None:
            self.check.close()
        self.check = None

    def drop(self) -> None:
        """Remove what is written; there is nothing under way."""
        self.changed()
        self._tables.clear()
        self._remove(self.temp)

    def __enter__(self) -> EarlyLayers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True)
        self.drop()

    def _work(self, names: Sequence[str], fill: Callable[[], None]) -> None:
        fill()
        self.check = self.check or FileCheck(self.temp)
        self.check.begin(names)


def in_order(temp: Path, names: Sequence[str]) -> None:
    """List the layers of a closed GeoPackage in this order, whatever order they were written in."""
    place = {name: number for number, name in enumerate(names)}
    with unflushed(temp) as db, db:
        for table in _LISTS:
            rows = db.execute(f"SELECT table_name, * FROM {quoted(table)} ORDER BY rowid").fetchall()  # noqa: S608
            rows.sort(key=lambda row: place.get(row[0], len(place)))
            db.execute(f"DELETE FROM {quoted(table)}")  # noqa: S608
            marks = ", ".join("?" * (len(rows[0]) - 1)) if rows else ""
            db.executemany(f"INSERT INTO {quoted(table)} VALUES ({marks})", [row[1:] for row in rows])  # noqa: S608


def _same(one: Rows, other: Rows) -> bool:
    """Tell whether two tables are made of the very same memory, geometry included."""
    if one[0].schema.names != other[0].schema.names or (one[1] is None) != (other[1] is None):
        return False
    pairs = list(zip(one[0].columns, other[0].columns, strict=True))
    if one[1] is not None and other[1] is not None:
        pairs.append((one[1], other[1]))
    return all(_memory(a) == _memory(b) for a, b in pairs)


def _memory(column: pa.Array | pa.ChunkedArray) -> list[tuple[object, ...]]:
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return [
        (str(c.type), len(c), c.offset, *[b.address if b is not None else None for b in c.buffers()])
        for c in chunks
    ]
