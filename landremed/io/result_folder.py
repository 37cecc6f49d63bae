"""A result as a folder of GeoParquet files: one folder per layer, its rows in order, some thousand to a file.

Where a file ends depends on the number of rows alone. The whole folder is written beside its target and takes
the target's place when every file has been read back.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyproj
import shapely

from landremed.errors import OutputError, Where
from landremed.io.exchange import replace_folder
from landremed.io.gpkg import GEOMETRY_COLUMN, OutLayer
from landremed.io.gpkg_columns import as_multi, storable_column
from landremed.io.wkb_scan import polygon_bounds
from landremed.tables import plain_table
from landremed.threads import in_threads

__all__ = ["MANIFEST", "ROWS", "check_folder", "names_folder", "write_folder"]

ROWS: Final = 100_000
"""Rows of one file."""

GROUP: Final = 25_000
"""Rows of a file that are written, and can be read, at a time; a file has a whole number of such groups."""

MANIFEST: Final = "landremed.json"
"""File that tells a result folder from any other: layers, rows, titles of columns."""

_FID: Final = "fid"
_SHARE: Final = 8  # files that follow each other and are written one after the other
_SIDES: Final = ("xmin", "ymin", "xmax", "ymax")


def names_folder(output: str | Path) -> bool:
    """Tell whether an output is meant as a folder: one with a slash at its end, or a result already."""
    return str(output).endswith(("/", os.sep)) or (Path(output) / MANIFEST).is_file()


def check_folder(path: Path, *, overwrite: bool) -> None:
    """Refuse a folder that cannot or must not be written, before any work is done.

    Raises
    ------
    OutputError
        The parent folder is missing or cannot be written, or the target exists and is no result folder, or
        ``overwrite`` is false.
    """
    where = Where(file=str(path))
    if not path.parent.is_dir():
        raise OutputError("output_folder_missing", where, folder=str(path.parent))
    if path.exists():
        empty = path.is_dir() and not any(path.iterdir())
        if not empty and not (path / MANIFEST).is_file():
            raise OutputError("output_folder_taken", where, manifest=MANIFEST)
        if not empty and not overwrite:
            raise OutputError("output_exists", where)
    if not os.access(path.parent, os.W_OK):
        raise OutputError("output_folder_unwritable", where, folder=str(path.parent))


def write_folder(
    path: Path,
    layers: Sequence[OutLayer],
    *,
    crs_wkt: str,
    overwrite: bool = False,
    threads: int | None = None,
) -> None:
    """Write layers as GeoParquet 1.1, ``path/LAYER/part-00000.parquet`` and so on.

    Every table begins with ``fid`` (1, 2, … in the order of the rows, as in the GeoPackage); polygons stand
    as WKB in ``geom``, with their bounds beside them, so that readers can pass over what lies elsewhere.

    Parameters
    ----------
    path : Path
        Folder to write.
    layers : sequence of OutLayer
        With their titles.
    crs_wkt : str
        Working CRS of every geometry.
    overwrite : bool
        Replace an existing result folder.
    threads : int, optional
        Files written at a time; all cores by default.

    Raises
    ------
    OutputError
        The folder cannot be written, or what was read back is not what was written. An older result is then
        untouched.
    """
    check_folder(path, overwrite=overwrite)
    target = path.resolve()
    temp = target.with_name(f".{target.name}.tmp-{os.getpid()}")
    shutil.rmtree(temp, ignore_errors=True)
    try:
        temp.mkdir()
        shares = [share for layer in layers for share in _shares(temp, layer)]
        written = in_threads(partial(_write_share, crs_wkt=crs_wkt), shares, threads)
        for layer in layers:
            rows = sum(n for share, n in zip(shares, written, strict=True) if share.layer is layer)
            if rows != layer.rows:
                raise OutputError(
                    "output_rows_differ", Where(layer=layer.name), given=layer.rows, written=rows
                )
        text = json.dumps(_manifest(layers), ensure_ascii=False, indent=1)
        (temp / MANIFEST).write_text(text, encoding="utf-8")
        replace_folder(temp, target)
    except (OSError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise OutputError("output_write_failed", Where(file=str(path)), reason=reason) from error
    finally:
        shutil.rmtree(temp, ignore_errors=True)


@dataclass(frozen=True)
class _Share:
    """Files of a layer that follow each other."""

    folder: Path
    layer: OutLayer
    files: range


def _shares(temp: Path, layer: OutLayer) -> list[_Share]:
    """Divide the files of a layer among those who write them, and make its folder."""
    if layer.stream is None and layer.geometry is not None and len(layer.geometry) != layer.rows:
        raise OutputError(
            "output_rows_differ", Where(layer=layer.name), given=layer.rows, written=len(layer.geometry)
        )
    folder = temp / layer.name
    folder.mkdir()
    files = max(1, -(-layer.rows // ROWS))
    count = -(-files // _SHARE)
    ends = [files * i // count for i in range(count + 1)]
    return [_Share(folder, layer, range(low, high)) for low, high in pairwise(ends)]


def _write_share(share: _Share, crs_wkt: str) -> int:
    """Write files; return the rows that stand in them."""
    from pyarrow import parquet

    step = min(GROUP, ROWS)
    start = share.files.start * ROWS
    groups = _groups(share.layer, start, step)
    written = 0
    for number in share.files:
        file = share.folder / f"part-{number:05d}.parquet"
        writer = None
        for group in islice(groups, ROWS // step):
            table = _block(group, start, crs_wkt)
            writer = writer or parquet.ParquetWriter(file, table.schema, compression="zstd")
            writer.write_table(table)
            start += table.num_rows
        if writer is None:  # fewer rows than there should be
            break
        writer.close()
        written += parquet.read_metadata(file).num_rows
    return written


def _groups(layer: OutLayer, start: int, step: int) -> Iterator[OutLayer]:
    """Yield the rows from one on, so many at a time; none at all as one group."""
    if layer.stream is not None and layer.rows:
        for table, geometry in layer.stream.cut(step, start):
            yield replace(layer, table=table, geometry=geometry, stream=None)
        return
    for low in range(start, max(layer.table.num_rows, 1), step):
        geometry = layer.geometry.slice(low, step) if layer.geometry is not None else None
        yield replace(layer, table=layer.table.slice(low, step), geometry=geometry)


def _block(layer: OutLayer, start: int, crs_wkt: str) -> pa.Table:
    """Return the rows of one file, of which so many stand in files before it, as they stand there."""
    part = plain_table(layer.table)
    columns: dict[str, Any] = {_FID: pa.array(np.arange(start + 1, start + 1 + part.num_rows))}
    for name in part.column_names:
        columns[name] = storable_column(part.column(name))
    if layer.geometry is None:
        return pa.table(columns).combine_chunks()
    geometry: pa.ChunkedArray | pa.Array = layer.geometry
    if layer.geometry_type == "MultiPolygon":
        geometry = as_multi(geometry)
    wkb = pa.chunked_array([geometry]) if isinstance(geometry, pa.Array) else geometry
    box = "bbox"
    while box in columns:
        box = f"{box}_"
    columns[GEOMETRY_COLUMN] = wkb.cast(pa.binary())
    columns[box] = _boxes(wkb, layer.geometry_type)
    geo = _geo(layer.geometry_type, box, crs_wkt)
    table = pa.table(columns).combine_chunks()  # how a column is coded hangs on its chunks
    return table.replace_schema_metadata({b"geo": json.dumps(geo).encode()})


def _boxes(wkb: pa.ChunkedArray, kind: str) -> pa.Array:
    if kind == "MultiPolygon":
        bounds = polygon_bounds(pa.concat_arrays(wkb.chunks))
    else:
        bounds = shapely.bounds(shapely.from_wkb(wkb.to_numpy())).reshape(-1, 4)
    missing = np.isnan(bounds[:, 0])
    sides = [pa.array(bounds[:, i], pa.float64()) for i in range(4)]
    return pa.StructArray.from_arrays(sides, _SIDES, mask=pa.array(missing))


def _geo(kind: str, box: str, crs_wkt: str) -> Mapping[str, object]:
    column = {
        "encoding": "WKB",
        "geometry_types": [kind],
        "crs": pyproj.CRS.from_user_input(crs_wkt).to_json_dict(),
        "covering": {"bbox": {side: [box, side] for side in _SIDES}},
    }
    return {"version": "1.1.0", "primary_column": GEOMETRY_COLUMN, "columns": {GEOMETRY_COLUMN: column}}


def _manifest(layers: Sequence[OutLayer]) -> Mapping[str, object]:
    listed = [
        {
            "name": layer.name,
            "title": layer.identifier,
            "description": layer.description,
            "rows": layer.rows,
            "files": max(1, -(-layer.rows // ROWS)),
            "columns": dict(layer.column_titles),
        }
        for layer in layers
    ]
    return {"schema": 1, "order": _FID, "layers": listed}
