"""Files in, every piece out: overlay with memory bounded by the layers, not by the parcels.

Parcels are read, measured and written chunk by chunk; reading, computing and writing run side by side. Inputs
must be valid polygons in one projected CRS; for unchecked data use ``landremed.pipeline``.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyogrio

from landremed.errors import InputError, OutputError, Where
from landremed.io.gpkg import replace_whole
from landremed.io.stream_writer import StreamWriter
from landremed.overlay.engine import Engine, prepare
from landremed.overlay.tables import AreaMeasure, LayerInput, PolygonSet
from landremed.threads import usable_threads

__all__ = ["StreamedOverlay", "overlay_files"]

CHUNK: Final = 20_000
"""Parcels read, measured and written at a time."""


@dataclass
class StreamedOverlay:
    """What a streamed overlay found.

    Attributes
    ----------
    parcels, pieces : int
        Rows read and written.
    area_m2 : dict of layer to float
        Total overlap with the union of the layer.
    feature_area_m2, feature_pieces : dict
        The same, and the number of pieces, counted per feature.
    disputed : int
        Areas on which the engine's two answers differed.
    statistics : dict
        The engine's own counts.
    """

    parcels: int = 0
    pieces: int = 0
    area_m2: dict[str, float] = field(default_factory=dict)
    feature_area_m2: dict[str, float] = field(default_factory=dict)
    feature_pieces: dict[str, int] = field(default_factory=dict)
    disputed: int = 0
    statistics: dict[str, int] = field(default_factory=dict)


def overlay_files(
    parcels: Path,
    layers: Mapping[str, Path],
    out: Path | None,
    *,
    parcel_id: str,
    area: AreaMeasure,
    engine: str = "auto",
    jobs: int | None = None,
    spatial_index: bool = True,
) -> StreamedOverlay:
    """Overlay a parcel file with layer files and write a GeoPackage of all pieces.

    Parameters
    ----------
    parcels : Path
        Any vector file GDAL reads.
    layers : mapping of name to Path
        One file per layer.
    out : Path or None
        GeoPackage to write (replaced when complete); None only measures.
    parcel_id : str
        Field copied to the pieces.
    area : AreaMeasure
        Kind of area reported.
    engine, jobs
        As for ``prepare``.
    spatial_index : bool
        Whether the pieces get an R-tree.
    """
    workers = jobs or usable_threads()
    found = StreamedOverlay()
    crs = pyogrio.read_info(parcels)["crs"]
    with ThreadPoolExecutor(workers) as pool:
        inputs = list(pool.map(lambda item: LayerInput(item[0], _polygons(item[1])), layers.items()))
    ruler = prepare(inputs, area=area, engine=engine, jobs=jobs)
    del inputs
    names = list(layers)
    if out is None:
        for ids, chunk in _read_ahead(parcels, parcel_id):
            _measure(ruler, ids, chunk, names, found)
        return _finished(ruler, found)
    with replace_whole(out) as temp:
        writer: StreamWriter | None = None
        for ids, chunk in _read_ahead(parcels, parcel_id):
            rows = _measure(ruler, ids, chunk, names, found)
            if writer is None:
                writer = StreamWriter(temp, "overlaps", rows.schema, crs_wkt=crs, spatial_index=spatial_index)
            writer.write(rows)
        _finished(ruler, found)
        del ruler  # what indexes the layers is not needed while the spatial index is made
        if writer is not None:
            writer.close()
            _check_rows(temp, writer.rows)
    return found


def _finished(ruler: Engine, found: StreamedOverlay) -> StreamedOverlay:
    found.statistics = dict(getattr(ruler, "statistics", {}))
    return found


def _check_rows(path: Path, rows: int) -> None:
    """Read back how many rows the file holds."""
    with closing(sqlite3.connect(path)) as db:
        written = db.execute("SELECT count(*) FROM overlaps").fetchone()[0]
    if written != rows:
        raise OutputError("output_rows_differ", Where(file=str(path)), given=rows, written=written)


def _geometry(column: Any) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = column.chunk(0) if column.num_chunks else pa.array([], pa.large_binary())
    return column.storage if isinstance(column, pa.ExtensionArray) else column


def _polygons(path: Path) -> PolygonSet:
    meta, table = pyogrio.read_arrow(path, columns=[])
    return PolygonSet(_geometry(table.column(meta["geometry_name"] or "wkb_geometry")))


def _read_chunks(path: Path, parcel_id: str) -> Iterator[tuple[pa.Array, PolygonSet]]:
    with pyogrio.open_arrow(path, columns=[parcel_id], batch_size=CHUNK, use_pyarrow=True) as (meta, reader):
        name = meta["geometry_name"] or "wkb_geometry"
        empty = pa.RecordBatch.from_pylist([], reader.schema)
        for batch in chain([empty], reader):  # so that a file without parcels has its chunk too
            yield batch.column(parcel_id), PolygonSet(_geometry(batch.column(name)))


def _read_ahead(path: Path, parcel_id: str) -> Iterator[tuple[pa.Array, PolygonSet]]:
    """Read the next chunks while this one is measured."""
    ready: queue.Queue[Any] = queue.Queue(2)

    def read() -> None:
        try:
            for item in _read_chunks(path, parcel_id):
                ready.put(item)
            ready.put(None)
        except Exception as error:
            ready.put(error)

    threading.Thread(target=read, daemon=True).start()
    while (item := ready.get()) is not None:
        if isinstance(item, Exception):
            raise InputError("file_unreadable", Where(file=str(path)), reason=str(item)) from item
        yield item


def _measure(
    ruler: Engine, ids: pa.Array, parcels: PolygonSet, names: list[str], found: StreamedOverlay
) -> pa.Table:
    """Measure one chunk, add to the totals and return its pieces as rows to write."""
    tables = ruler.measure(parcels)
    overlaps, features = tables.overlaps, tables.features
    layer = overlaps["layer"].to_numpy()
    total = np.bincount(layer, overlaps["area_m2"].to_numpy(), minlength=len(names))
    single = np.bincount(features["layer"].to_numpy(), features["area_m2"].to_numpy(), minlength=len(names))
    count = np.bincount(features["layer"].to_numpy(), minlength=len(names))
    for i, name in enumerate(names):
        found.area_m2[name] = found.area_m2.get(name, 0.0) + float(total[i])
        found.feature_area_m2[name] = found.feature_area_m2.get(name, 0.0) + float(single[i])
        found.feature_pieces[name] = found.feature_pieces.get(name, 0) + int(count[i])
    found.parcels += len(parcels)
    found.pieces += overlaps.num_rows
    found.disputed += tables.disputed.num_rows
    share = pc.divide(overlaps["area_m2"], pc.take(pa.array(tables.parcel_area), overlaps["parcel"]))
    return pa.table(
        {
            "parcel_id": pc.take(ids, overlaps["parcel"]),
            "layer": pc.take(pa.array(names), overlaps["layer"]),
            "area_m2": overlaps["area_m2"],
            "share": share,
            "geometry": overlaps["geometry"],
        }
    )
