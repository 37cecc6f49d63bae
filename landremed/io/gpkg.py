"""The result GeoPackage: written whole or not at all, read back by parcel.

Every layer goes into a temporary file beside the target, which takes the target's place only when it is
complete and checked; until then, and after any failure, the old file stays as it was. Equal layers give
equal bytes.
"""

from __future__ import annotations

import os
import sqlite3
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyogrio

from landremed.errors import OutputError, Where
from landremed.io.bulk_load import BulkLayer, is_loadable, load_layers
from landremed.io.bulk_rows import PageMaker
from landremed.io.disk import flush, lasting, unflushed
from landremed.io.gpkg_check import FileCheck
from landremed.io.gpkg_columns import as_multi, clean_text, storable_table
from landremed.io.gpkg_early import EarlyLayers, in_order
from landremed.io.gpkg_extras import LayerStyle, TableNotes, add_extras, quoted
from landremed.io.gpkg_read import layer_names, read_layer
from landremed.io.leftovers import remove_leftovers
from landremed.io.row_stream import RowStream

__all__ = [
    "GEOMETRY_COLUMN",
    "EarlyLayers",
    "LayerStyle",
    "OutLayer",
    "begin_layers",
    "check_target",
    "layer_names",
    "read_layer",
    "replace_whole",
    "write_early",
    "write_geopackage",
]

GEOMETRY_COLUMN: Final = "geom"
"""Name of the geometry column of every layer."""

_FID_COLUMN: Final = "fid"
_FIXED_DATE: Final = "2000-01-01T00:00:00.000Z"
_SIDE_FILES: Final = ("-wal", "-shm", "-journal")
_BULK_FROM: Final = 2000
"""Layers of so many rows are written page by page."""

_FAULTS: Final = (OSError, sqlite3.Error, RuntimeError, pa.ArrowException)
_INDEXED: Final = ("parcel_id", "trace_id")


@dataclass(frozen=True)
class OutLayer:
    """One layer or table of the result.

    Attributes
    ----------
    name : str
        Table name, ASCII.
    table : pyarrow.Table
        Attributes. Empty text is written as NULL.
    geometry : pyarrow.Array or None
        WKB (``large_binary``) per row in the working CRS, null where there is none; None for a table
        without geometry. Polygons are promoted to multipolygons.
    geometry_type : str
        ``MultiPolygon`` or ``Point``.
    identifier, description : str
        Title and text that programs show for the layer.
    column_titles : mapping of column to str
        Titles of columns in the reader's language.
    value_labels : mapping of column to mapping of code to str
        Columns that hold codes, and what the codes mean.
    stream : RowStream, optional
        Rows that do not stand in ``table``, which then tells their columns alone (and may hold a sample of
        values for legends).
    """

    name: str
    table: pa.Table
    geometry: pa.Array | pa.ChunkedArray | None = None
    geometry_type: str = "MultiPolygon"
    identifier: str = ""
    description: str = ""
    column_titles: Mapping[str, str] = field(default_factory=dict)
    value_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    stream: RowStream | None = None

    @property
    def rows(self) -> int:
        """How many there are."""
        return self.table.num_rows if self.stream is None else self.stream.rows

    def gathered(self) -> OutLayer:
        """Return the layer with all its rows in memory."""
        if self.stream is None:
            return self
        whole = self.stream.whole()
        table, geometry = (self.table.slice(0, 0), self.geometry) if whole is None else whole
        return replace(self, table=table, geometry=geometry, stream=None)


def check_target(path: Path, *, overwrite: bool) -> None:
    """Refuse a target that cannot or must not be written, before any work is done.

    Raises
    ------
    OutputError
        The folder is missing, the target is a folder, it exists and ``overwrite`` is false, or another
        program has it open (SQLite's side files stand beside it).
    """
    where = Where(file=str(path))
    if path.is_dir():
        raise OutputError("output_is_folder", where)
    if not path.parent.is_dir():
        raise OutputError("output_folder_missing", where, folder=str(path.parent))
    if path.exists() and not overwrite:
        raise OutputError("output_exists", where)
    real = path.resolve()
    for side in _SIDE_FILES:
        if real.with_name(real.name + side).exists():
            raise OutputError("output_open_elsewhere", where, side=real.name + side)
    if not os.access(path.parent, os.W_OK):
        raise OutputError("output_folder_unwritable", where, folder=str(path.parent))


def write_geopackage(  # noqa: PLR0913  two more: layers begun early, maker of pages
    path: Path,
    layers: Sequence[OutLayer],
    *,
    crs_wkt: str,
    overwrite: bool = False,
    styles: Mapping[str, LayerStyle] | None = None,
    language: str = "zh",
    metadata: Mapping[str, Any] | None = None,
    finish: Callable[[Path], bool] = lambda temp: False,
    early: EarlyLayers | None = None,
    make_pages: PageMaker | None = None,
) -> None:
    """Write layers to a GeoPackage 1.3 in one step.

    Parameters
    ----------
    path : Path
        Target; a symbolic link is followed.
    layers : sequence of OutLayer
        In the order in which programs list them.
    crs_wkt : str
        Working CRS of every geometry (WKT or ``EPSG:n``).
    overwrite : bool
        Replace an existing target.
    styles : mapping of layer name to LayerStyle, optional
        Default styles for QGIS.
    language : {"zh", "en"}
        Language of titles and labels, noted in the metadata.
    metadata : mapping, optional
        Kept as one JSON document in ``gpkg_metadata``.
    finish : callable (path)
        Adds to the complete temporary file before it takes the target's place; tells whether rows of layers
        were changed or added.
    early : EarlyLayers, optional
        From ``begin_layers``: some of the layers, written already.
    make_pages : PageMaker, optional
        Makes the pages of big layers where it can; they are the same as without it.

    Raises
    ------
    OutputError
        The target cannot be written, columns clash, or what was read back is not what was written. The
        old target is then untouched and no temporary file remains.
    """
    check_target(path, overwrite=overwrite)
    layers = [layer.gathered() if _is_small(layer) else layer for layer in layers]
    tables = [(layer, _storable(layer)) for layer in layers]
    _check_names([layer.name for layer in layers], Where(file=str(path)))
    notes = [
        TableNotes(
            layer.name,
            table.column_names,
            layer.column_titles,
            layer.value_labels,
            layer.geometry is not None,
        )
        for layer, table in tables
    ]
    with replace_whole(path, overwrite=overwrite, early=early) as temp:
        there = early.written({at.name: (at.table, at.geometry) for at in layers}) if early else set()
        rest = [n for n in range(len(layers)) if layers[n].name not in there]
        given = [tables[n] for n in rest], crs_wkt, [notes[n] for n in rest], make_pages
        _write_rows(temp, *given, (lambda: None) if early is None else early.pause)
        if there:
            in_order(temp, [layer.name for layer in layers])
        with unflushed(temp) as db:
            add_extras(db, notes, styles or {}, {"language": language, **(metadata or {})}, _FIXED_DATE)
            _check_written(db, {layer.name: layer.rows for layer in layers}, Where(file=str(path)))
        if finish(temp) and early is not None:
            early.changed()


def begin_layers(path: Path) -> EarlyLayers:
    """Return what some layers can be written to, while the others of the file are made.

    Parameters
    ----------
    path : Path
        Target of the ``write_geopackage`` to come, which gets what is returned as ``early``.
    """
    temp = _temporary(path)
    _remove(temp)
    return EarlyLayers(temp, _remove)


def write_early(
    early: EarlyLayers, layers: Sequence[OutLayer], *, crs_wkt: str, make_pages: PageMaker | None = None
) -> None:
    """Begin to write those of some layers that are big.

    Parameters
    ----------
    early : EarlyLayers
        From ``begin_layers``.
    layers : sequence of OutLayer
        As they will be written. Layers that turn out to be others then are written anew.
    crs_wkt : str
        Working CRS.
    make_pages : PageMaker, optional
        As for ``write_geopackage``; not the one that it gets.
    """
    tables = [(layer, _storable(layer)) for layer in layers]
    big = [(layer, table) for layer, table in tables if _is_big(layer, table)]
    if not big:
        return
    notes = [TableNotes(at.name, table.column_names, {}, {}, at.geometry is not None) for at, table in big]
    rows = [_bulk_layer(*at) for at in big]
    try:
        early.add(
            {layer.name: (layer.table, layer.geometry) for layer, _ in big},
            lambda: _make_tables(early.temp, [_emptied(*at) for at in big], crs_wkt, notes),
            lambda: load_layers(early.temp, rows, 1, make_pages),  # one thread: others are at work
        )
    except _FAULTS:
        early.drop()  # the others cannot be written either, and then it is said why


@contextmanager
def replace_whole(path: Path, *, overwrite: bool = True, early: EarlyLayers | None = None) -> Iterator[Path]:
    """Give a temporary file beside a GeoPackage that takes its place when it is complete and sound.

    Parameters
    ----------
    path : Path
        Target; a symbolic link is followed.
    overwrite : bool
        Replace an existing target.
    early : EarlyLayers, optional
        What the temporary file holds already.

    Raises
    ------
    OutputError
        The target exists, is open elsewhere, or cannot be written, or the new file is damaged. The old target
        is then untouched and no temporary file remains.
    """
    where = Where(file=str(path))
    check_target(path, overwrite=overwrite)
    target = path.resolve()
    temp = _temporary(path)
    remove_leftovers(target)
    try:
        if early is None:
            _remove(temp)
        yield temp
        check = (early.check if early is not None else None) or FileCheck(temp)
        with closing(check), ThreadPoolExecutor(1) as pool:
            flushed = pool.submit(flush, temp)  # the disk works while the pages are checked
            verdict = check.verdict()
            flushed.result()
        if verdict != "ok":
            raise OutputError("output_damaged", where, verdict=verdict)
        flush(temp)
        check_target(path, overwrite=overwrite)
        with lasting(target):
            temp.replace(target)
        flush(target.parent)
    except _FAULTS as error:
        raise OutputError("output_write_failed", where, reason=_reason(error)) from error
    finally:
        _remove(temp)


def _temporary(path: Path) -> Path:
    target = path.resolve()
    return target.with_name(f".{target.name}.tmp-{os.getpid()}")


def _write_rows(
    temp: Path,
    tables: Sequence[tuple[OutLayer, pa.Table]],
    crs_wkt: str,
    notes: Iterable[TableNotes],
    make_pages: PageMaker | None,
    begin: Callable[[], None],
) -> None:
    """Write small layers through GDAL, and make the tables of big ones, which are filled after ``begin``."""
    big = [_bulk_layer(layer, table) for layer, table in tables if _is_big(layer, table)]
    filled = {layer.name for layer in big}
    _make_tables(temp, [_emptied(*at) if at[0].name in filled else at for at in tables], crs_wkt, notes)
    begin()
    if big:
        load_layers(temp, big, make_pages=make_pages)


def _make_tables(
    temp: Path, tables: Iterable[tuple[OutLayer, pa.Table]], crs_wkt: str, notes: Iterable[TableNotes]
) -> None:
    _write_layers(temp, tables, crs_wkt)
    with unflushed(temp) as db:
        _add_indexes(db, notes)


def _is_small(layer: OutLayer) -> bool:
    """Tell whether a stream has to be gathered: few rows, or columns that are not written page by page."""
    return layer.stream is not None and not _is_big(layer, storable_table(layer.table.slice(0, 0)))


def _is_big(layer: OutLayer, table: pa.Table) -> bool:
    if layer.rows < _BULK_FROM or layer.geometry_type != "MultiPolygon":
        return False
    return is_loadable(table.schema, [table[name] for name in _INDEXED if name in table.column_names])


def _bulk_layer(layer: OutLayer, table: pa.Table) -> BulkLayer:
    shapes = layer.geometry
    if shapes is not None and not isinstance(shapes, pa.ChunkedArray):
        shapes = pa.chunked_array([shapes])
    return BulkLayer(layer.name, table, shapes, layer.stream)


def _emptied(layer: OutLayer, table: pa.Table) -> tuple[OutLayer, pa.Table]:
    geometry = layer.geometry.slice(0, 0) if layer.geometry is not None else None
    return replace(layer, geometry=geometry), table.slice(0, 0)


def _write_layers(temp: Path, tables: Iterable[tuple[OutLayer, pa.Table]], crs_wkt: str) -> None:
    with (
        _gdal_options(
            OGR_CURRENT_DATE=_FIXED_DATE, OGR_SQLITE_SYNCHRONOUS="OFF", OGR_SQLITE_JOURNAL="MEMORY"
        ),
        warnings.catch_warnings(),
    ):
        # the temporary file's name does not end in .gpkg, on purpose
        warnings.filterwarnings("ignore", message=".*extension.*", category=RuntimeWarning)
        for layer, table in tables:
            options = {"FID": _FID_COLUMN, "DESCRIPTION": layer.description}
            options["IDENTIFIER"] = layer.identifier or layer.name
            kwargs: dict[str, Any] = {"geometry_type": None}
            rows = pa.table([clean_text(column) for column in table.columns], names=table.column_names)
            if layer.geometry is not None:
                options["GEOMETRY_NAME"] = GEOMETRY_COLUMN
                kwargs = {
                    "geometry_type": layer.geometry_type,
                    "geometry_name": GEOMETRY_COLUMN,
                    "crs": crs_wkt,
                }
                rows = rows.append_column(GEOMETRY_COLUMN, as_multi(layer.geometry))
            pyogrio.raw.write_arrow(
                rows,
                str(temp),
                layer=layer.name,
                driver="GPKG",
                dataset_options={"VERSION": "1.3"} if not temp.exists() else None,
                layer_options=options,
                **kwargs,
            )


@contextmanager
def _gdal_options(**options: str) -> Iterator[None]:
    before = {name: pyogrio.get_gdal_config_option(name) for name in options}
    pyogrio.set_gdal_config_options(options)
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options(before)


def _storable(layer: OutLayer) -> pa.Table:
    """Return the layer's table with names checked and every column of a type a GeoPackage holds."""
    table = layer.table
    where = Where(layer=layer.name)
    if layer.geometry is not None and layer.stream is None and len(layer.geometry) != table.num_rows:
        raise OutputError("output_rows_differ", where, given=table.num_rows, written=len(layer.geometry))
    _check_names([_FID_COLUMN, GEOMETRY_COLUMN, *table.column_names], where)
    return storable_table(table)


def _check_names(names: Iterable[str], where: Where) -> None:
    """Refuse names that SQLite cannot tell apart."""
    seen: dict[bytes, str] = {}
    for name in names:
        key = name.encode().lower()  # SQLite folds ASCII letters only
        if key in seen:
            raise OutputError("output_name_clash", where, first=seen[key], second=name)
        seen[key] = name


def _add_indexes(db: sqlite3.Connection, notes: Iterable[TableNotes]) -> None:
    with db:
        for table in notes:
            for column in _INDEXED:
                if column in table.columns:
                    index = quoted(f"idx_{table.name}_{column}")
                    db.execute(f"CREATE INDEX {index} ON {quoted(table.name)} ({quoted(column)})")


def _check_written(db: sqlite3.Connection, rows: Mapping[str, int], where: Where) -> None:
    """Read the finished file back: every row there."""
    for name, given in rows.items():
        written = db.execute(f"SELECT count(*) FROM {quoted(name)}").fetchone()[0]  # noqa: S608
        if written != given:
            place = Where(file=where.file, layer=name)
            raise OutputError("output_rows_differ", place, given=given, written=written)


def _remove(temp: Path) -> None:
    for side in ("", *_SIDE_FILES):
        temp.with_name(temp.name + side).unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())
