"""Write one big layer of polygons while it is still being computed.

Rows are handed over chunk by chunk and become pages of the GeoPackage on another thread; GDAL only makes the
empty table. Of the rows that are written nothing stays in memory but their boxes, for the spatial index.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import warnings
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Final

import pyarrow as pa
import pyogrio

from landremed.errors import OutputError, Where
from landremed.io.bulk_pages import PageFile
from landremed.io.bulk_rows import PageMaker
from landremed.io.bulk_table import TableFill, TablePlace
from landremed.io.gpkg_columns import storable_column

__all__ = ["StreamWriter"]

_CHUNK_BYTES: Final = 24_000_000
_WAITING: Final = 2
"""Chunks that wait at most for the writer; then ``write`` waits for it."""

_FAULTS: Final = (OSError, sqlite3.Error, RuntimeError, pa.ArrowException)


class StreamWriter:
    """Write tables to a new layer of a new GeoPackage, in order, by another thread.

    Parameters
    ----------
    path : Path
        File to create. Give a temporary one: it is whole only after ``close``.
    layer : str
        Name of the layer.
    schema : pyarrow.Schema
        Columns; the one named ``geometry`` holds WKB of 2-D polygons, which become multipolygons.
    crs_wkt : str
        CRS of the geometry (WKT or ``EPSG:n``).
    spatial_index : bool
        Whether the layer gets an R-tree.
    make_pages : PageMaker, optional
        Makes the pages where it can; they are the same as without it.

    Raises
    ------
    OutputError
        At once when the file cannot be made; by ``close`` when the rows could not be written.
    """

    def __init__(
        self,
        path: Path,
        layer: str,
        schema: pa.Schema,
        *,
        crs_wkt: str,
        spatial_index: bool = True,
        make_pages: PageMaker | None = None,
    ) -> None:
        self.path, self.layer = path, layer
        self._make_pages = make_pages
        self.rows = 0
        self._failed: Exception | None = None
        self._dropped = self._ended = False
        empty = _storable(schema.empty_table())
        try:
            _make_table(path, layer, empty, crs_wkt, spatial_index=spatial_index)
            with closing(sqlite3.connect(path)) as db:
                self._place = TablePlace.of(db, layer)
            self._file = PageFile(path)
        except _FAULTS as error:
            raise self._error(error) from error
        self._chunks: queue.Queue[pa.Table | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def write(self, rows: pa.Table) -> None:
        """Hand over rows; returns at once unless the writer is behind."""
        step = max(256, rows.num_rows * _CHUNK_BYTES // max(rows.nbytes, 1))
        for start in range(0, rows.num_rows, step):
            self._chunks.put(rows.slice(start, step))
        self.rows += rows.num_rows

    def close(self) -> None:
        """Write what is left, and the spatial index."""
        self._stop()
        if self._failed is not None:
            raise self._error(self._failed) from self._failed

    def __enter__(self) -> StreamWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._dropped = True
            self._stop()

    def _stop(self) -> None:
        self._chunks.put(None)
        self._thread.join()

    def _error(self, error: Exception) -> OutputError:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return OutputError("output_write_failed", Where(file=str(self.path), layer=self.layer), reason=reason)

    def _work(self) -> None:
        try:
            self._fill()
        except Exception as error:
            self._failed = error
        while not self._ended:  # so that write() never waits for nobody
            self._next()

    def _next(self) -> pa.Table | None:
        chunk = self._chunks.get()
        self._ended = chunk is None
        return chunk

    def _fill(self) -> None:
        fill = TableFill(self._file, self._place)
        with self._file:
            while (chunk := self._next()) is not None:
                if not self._dropped:
                    self._add(fill, chunk)
            if self._dropped:
                return
            fill.finish()
            fill.write_tree(fill.pack(), self._make_pages)
        with closing(sqlite3.connect(self.path)) as db, db:
            fill.register(db, self.layer)

    def _add(self, fill: TableFill, chunk: pa.Table) -> None:
        shapes = chunk.column("geometry")
        rows = _storable(chunk.drop_columns("geometry"))
        if self._make_pages is not None and len(rows):
            given = self._place.table_rows(rows, shapes, fill.count + 1)
            plan = self._make_pages.plan_rows(given, self._file.page_size)
            if plan is not None:
                for job in fill.place(plan):
                    job()
                return
        fill.add(self._place.rows(rows, shapes))


def _storable(rows: pa.Table) -> pa.Table:
    """Return columns of types that a GeoPackage holds."""
    return pa.table([storable_column(column) for column in rows.columns], names=rows.column_names)


def _make_table(path: Path, layer: str, empty: pa.Table, crs_wkt: str, *, spatial_index: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the temporary file's ending
        pyogrio.raw.write_arrow(
            empty,
            str(path),
            layer=layer,
            driver="GPKG",
            geometry_name="geometry",
            geometry_type="MultiPolygon",
            crs=crs_wkt,
            layer_options={"SPATIAL_INDEX": "YES" if spatial_index else "NO"},
        )
