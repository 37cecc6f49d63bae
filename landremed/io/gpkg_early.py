"""Layers of a GeoPackage that are known before the others, written while the others are still being made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from landremed.io.disk import unflushed
from landremed.io.gpkg_check import FileCheck
from landremed.io.gpkg_extras import quoted

__all__ = ["EarlyLayers", "in_order"]

_LISTS = ("gpkg_contents", "gpkg_geometry_columns", "gpkg_ogr_contents", "gpkg_extensions")


class EarlyLayers:
    """Tables put into a temporary file by another thread; use it as a context manager.

    Parameters
    ----------
    temp : Path
        The file, which will get the other layers too.
    tables : mapping of layer name to (table, geometry)
        What is written.
    write : callable
        Writes their rows.
    remove : callable
        Removes the file with all that stands beside it.

    Attributes
    ----------
    check : FileCheck or None
        The checks of what is written, begun when it stands.
    """

    def __init__(
        self,
        temp: Path,
        tables: Mapping[str, tuple[pa.Table, pa.Array | pa.ChunkedArray | None]],
        write: Callable[[], None],
        remove: Callable[[Path], None],
    ) -> None:
        self.temp = temp
        self._tables, self._remove = tables, remove
        self.check: FileCheck | None = None
        self._pool = ThreadPoolExecutor(1)
        self._done: Future[None] = self._pool.submit(self._work, write)

    def written(self, layers: Mapping[str, tuple[pa.Table, pa.Array | pa.ChunkedArray | None]]) -> set[str]:
        """Wait, and return the layers that stand in the file; none, and no file, when one has changed since.

        Raises
        ------
        Exception
            What stopped the writing.
        """
        self._done.result()
        if all(name in layers and _same(early, layers[name]) for name, early in self._tables.items()):
            return set(self._tables)
        self._drop()
        return set()

    def changed(self) -> None:
        """Say that rows are not as they were written: what was found of them does not count."""
        if self.check is not None:
            self.check.close()
        self.check = None

    def __enter__(self) -> EarlyLayers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True)
        self._drop()

    def _work(self, write: Callable[[], None]) -> None:
        write()
        self.check = FileCheck(self.temp)
        self.check.begin(self._tables)

    def _drop(self) -> None:
        self.changed()
        self._remove(self.temp)


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


def _same(
    one: tuple[pa.Table, pa.Array | pa.ChunkedArray | None],
    other: tuple[pa.Table, pa.Array | pa.ChunkedArray | None],
) -> bool:
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
