"""GeoParquet through pyarrow (no GDAL wheel has the driver)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from landremed.errors import InputError, Where
from landremed.io.drivers import Dataset
from landremed.io.gdal import RawLayer
from landremed.io.limits import Limits, check_limit

__all__ = ["geoparquet_batches", "parquet_rows", "read_geoparquet"]

_BOX = "bbox"
_BUFFER = 1 << 20
_BROKEN = (pa.ArrowException, OSError, ValueError, KeyError, TypeError)


def parquet_rows(dataset: Dataset) -> tuple[str, int]:
    """Return geometry type and number of rows from the footer."""
    file = _open(dataset)
    column = _geo(dataset, file)["columns"][_primary(dataset, file)]
    kinds = column.get("geometry_types")
    words = map(str, kinds) if isinstance(kinds, list) else ()
    return ", ".join(words) or "Unknown", file.metadata.num_rows


def read_geoparquet(dataset: Dataset, columns: list[str] | None, limits: Limits) -> RawLayer:
    """Read a GeoParquet file with WKB geometry.

    Raises
    ------
    InputError
        When it is cut off, holds no ``geo`` metadata, or encodes geometry in another way.
    """
    file = _open(dataset)
    names, primary, crs = _wanted(dataset, file, limits)
    if columns is not None:
        names = [n for n in names if n in set(columns)]
    try:
        table = file.read(columns=[*names, primary])
    except _BROKEN as error:
        raise InputError("file_truncated", Where(file=dataset.shown), reason=str(error)[:200]) from error
    return _raw(table, primary, crs)


def geoparquet_batches(dataset: Dataset, limits: Limits, rows: int) -> Iterator[RawLayer]:
    """Read a GeoParquet file some rows at a time; otherwise as ``read_geoparquet``."""
    file = _open(dataset, buffer_size=_BUFFER, pre_buffer=False)  # else all that was read stays in memory
    names, primary, crs = _wanted(dataset, file, limits)
    try:
        for batch in file.iter_batches(rows, columns=[*names, primary]):
            yield _raw(pa.Table.from_batches([batch]), primary, crs)
    except _BROKEN as error:
        raise InputError("file_truncated", Where(file=dataset.shown), reason=str(error)[:200]) from error


def _wanted(dataset: Dataset, file: Any, limits: Limits) -> tuple[list[str], str, str | None]:
    """Return the attribute columns, the geometry column and its CRS."""
    where = Where(file=dataset.shown)
    check_limit(limits, "max_features", file.metadata.num_rows, where)
    unfolded = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
    check_limit(limits, "max_unzipped_mb", unfolded // 1_000_000, where)
    geo, primary = _geo(dataset, file), _primary(dataset, file)
    column = geo["columns"][primary]
    if column.get("encoding") != "WKB":
        raise InputError("geoparquet_encoding", where, encoding=str(column.get("encoding")))
    others = {name for name in geo["columns"] if name != primary}
    boxes = {name for c in geo["columns"].values() for name in _covering(c)}
    names = [n for n in file.schema_arrow.names if n not in others | boxes | {primary}]
    return names, primary, _crs(column)


def _raw(table: pa.Table, primary: str, crs: str | None) -> RawLayer:
    place = table.column_names.index(primary)
    return RawLayer(table.remove_column(place).replace_schema_metadata(None), table.column(place), crs)


def _open(dataset: Dataset, **how: Any) -> Any:
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(dataset.path, **how)
        _ = file.schema_arrow.names  # read when first asked for, and not always text
    except _BROKEN as error:
        raise InputError("file_truncated", Where(file=dataset.shown), reason=str(error)[:200]) from error
    return file


def _geo(dataset: Dataset, file: Any) -> dict[str, Any]:
    raw = (file.schema_arrow.metadata or {}).get(b"geo")
    try:
        geo = json.loads(raw) if raw else None
    except ValueError:
        geo = None
    if not isinstance(geo, dict):
        raise InputError("no_vector_layer", Where(file=dataset.shown))
    columns = geo.get("columns")
    if not isinstance(columns, dict) or not all(isinstance(c, dict) for c in columns.values()):
        raise InputError("no_vector_layer", Where(file=dataset.shown))
    return geo


def _covering(column: dict[str, Any]) -> Iterator[str]:
    """Yield the columns that hold a geometry column's boxes."""
    covering = column.get("covering")
    box = covering.get(_BOX) if isinstance(covering, dict) else None
    for path in box.values() if isinstance(box, dict) else ():
        if isinstance(path, list) and path and isinstance(path[0], str):
            yield path[0]


def _primary(dataset: Dataset, file: Any) -> str:
    geo = _geo(dataset, file)
    name = str(geo.get("primary_column", "geometry"))
    if name not in geo["columns"] or name not in file.schema_arrow.names:
        raise InputError("no_vector_layer", Where(file=dataset.shown))
    return name


def _crs(column: dict[str, Any]) -> str | None:
    """Return the CRS as text; a missing key means longitude and latitude on WGS 84, null means none."""
    if "crs" not in column:
        return "OGC:CRS84"
    crs = column["crs"]
    if isinstance(crs, str):
        return None if "init=" in crs else crs  # PROJ would open the file that is named there
    return None if crs is None else json.dumps(crs)
