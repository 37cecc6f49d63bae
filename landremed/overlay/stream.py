"""Files in, every piece out: overlay with memory bounded by the layers, not by the parcels.

Parcels are read, measured and written chunk by chunk; reading, computing and writing run side by side. Inputs
must be valid polygons in one projected CRS; for unchecked data use ``landremed.pipeline``.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyogrio

from landremed.errors import InputError, OutputError, Where
from landremed.io.bulk_rows import PageMaker
from landremed.io.gpkg import replace_whole
from landremed.io.stream_writer import StreamWriter
from landremed.overlay.engine import Engine, prepare
from landremed.overlay.expected import Expected
from landremed.overlay.tables import RANGE, AreaMeasure, LayerInput, PolygonSet
from landremed.threads import in_threads, usable_threads

__all__ = ["StreamedOverlay", "overlay_files"]

Chunk: TypeAlias = tuple[pa.Array, pa.Array]
"""Ids of parcels and their WKB."""

CHUNK: Final = 5 * RANGE
"""Parcels read at a time."""

_AHEAD: Final = 2


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
    info = pyogrio.read_info(parcels, force_feature_count=engine == "auto")
    names = list(layers)
    with _ReadAhead(parcels, parcel_id) as chunks:  # reads on while the layers are made ready
        inputs = [LayerInput(name, _FilePolygons(path)) for name, path in layers.items()]
        if engine == "auto":
            in_threads(lambda layer: layer.polygons.wkb, inputs)
        ruler = prepare(inputs, area=area, engine=engine, jobs=jobs, expected=Expected(info["features"]))
        del inputs
        measured = _in_turn(ruler, chunks, names, found, workers)
        if out is None:
            for _ in measured:
                pass
            return _finished(ruler, found)
        with replace_whole(out) as temp:
            writer: StreamWriter | None = None
            for rows in measured:
                if writer is None:
                    writer = StreamWriter(
                        temp, "overlaps", rows.schema, crs_wkt=info["crs"], spatial_index=spatial_index,
                        make_pages=_page_maker(ruler),
                    )  # fmt: skip
                writer.write(rows)
            _finished(ruler, found)
            del ruler, measured  # what indexes the layers is not needed while the spatial index is made
            if writer is not None:
                writer.close()
                _check_rows(temp, writer.rows)
    return found


def _finished(ruler: Engine, found: StreamedOverlay) -> StreamedOverlay:
    found.statistics = dict(getattr(ruler, "statistics", {}))
    return found


def _page_maker(ruler: Engine) -> PageMaker | None:
    """Return compiled code for making pages, where the engine is compiled too."""
    if ruler.name != "native":
        return None
    from landremed.overlay.native.page_maker import NativePages

    return NativePages()


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


class _FilePolygons(PolygonSet):
    """The polygons of a file, read by whoever needs them first."""

    def __init__(self, path: Path) -> None:
        object.__setattr__(self, "_path", path)

    @cached_property
    def wkb(self) -> pa.Array:
        """The shapes of all rows."""
        return _polygons(self.__dict__["_path"])


def _polygons(path: Path) -> pa.Array:
    meta, table = pyogrio.read_arrow(path, columns=[])
    return _geometry(table.column(meta["geometry_name"] or "wkb_geometry"))


def _read_chunks(path: Path, parcel_id: str) -> Iterator[Chunk]:
    with pyogrio.open_arrow(path, columns=[parcel_id], batch_size=CHUNK, use_pyarrow=True) as (meta, reader):
        name = meta["geometry_name"] or "wkb_geometry"
        empty = pa.RecordBatch.from_pylist([], reader.schema)
        for batch in chain([empty], reader):  # so that a file without parcels has its chunk too
            yield batch.column(parcel_id), _geometry(batch.column(name))


class _ReadAhead:
    """Chunks of parcels, read by another thread while earlier ones are measured; a context manager."""

    def __init__(self, path: Path, parcel_id: str) -> None:
        self._path, self._parcel_id = path, parcel_id
        self._ready: queue.Queue[Chunk | Exception | None] = queue.Queue(_AHEAD)
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Iterator[Chunk]:
        self._thread.start()
        return self._chunks()

    def __exit__(self, *_: object) -> None:
        self._left.set()
        while self._thread.is_alive():  # it may be waiting to hand over a chunk
            with suppress(queue.Empty):
                self._ready.get(timeout=0.05)

    def _read(self) -> None:
        try:
            for item in _read_chunks(self._path, self._parcel_id):
                self._ready.put(item)
                if self._left.is_set():
                    return
            self._ready.put(None)
        except Exception as error:
            self._ready.put(error)

    def _chunks(self) -> Iterator[Chunk]:
        while (item := self._ready.get()) is not None:
            if isinstance(item, Exception):
                raise InputError("file_unreadable", Where(file=str(self._path)), reason=str(item)) from item
            yield item


def _in_turn(
    ruler: Engine, chunks: Iterable[Chunk], names: list[str], found: StreamedOverlay, workers: int
) -> Iterator[pa.Table]:
    """Measure chunks, several at once, and yield the pieces of one after the other as rows to write."""
    waiting: deque[Future[tuple[pa.Table, StreamedOverlay]]] = deque()
    native = ruler.name == "native"  # the other one uses all threads for each chunk
    with ThreadPoolExecutor(workers if native else 1) as pool:
        for ids, wkb in chunks:
            step = RANGE if native else max(1, len(wkb))
            for start in range(0, max(1, len(wkb)), step):
                polygons = PolygonSet(wkb.slice(start, step))
                waiting.append(pool.submit(_measure, ruler, ids.slice(start, step), polygons, names))
                if len(waiting) > workers + 1:
                    yield _counted(waiting.popleft(), found)
        while waiting:
            yield _counted(waiting.popleft(), found)


def _counted(done: Future[tuple[pa.Table, StreamedOverlay]], found: StreamedOverlay) -> pa.Table:
    """Add what was found in one chunk; return its rows."""
    rows, part = done.result()
    found.parcels += part.parcels
    found.pieces += part.pieces
    found.disputed += part.disputed
    for name, count in part.feature_pieces.items():
        found.area_m2[name] = found.area_m2.get(name, 0.0) + part.area_m2[name]
        found.feature_area_m2[name] = found.feature_area_m2.get(name, 0.0) + part.feature_area_m2[name]
        found.feature_pieces[name] = found.feature_pieces.get(name, 0) + count
    return rows


def _measure(
    ruler: Engine, ids: pa.Array, parcels: PolygonSet, names: list[str]
) -> tuple[pa.Table, StreamedOverlay]:
    """Measure one chunk; return its pieces as rows to write, and its totals."""
    tables = ruler.measure(parcels)
    overlaps, features = tables.overlaps, tables.features
    layer, single = overlaps["layer"].to_numpy(), features["layer"].to_numpy()
    total = np.bincount(layer, overlaps["area_m2"].to_numpy(), minlength=len(names))
    counted = np.bincount(single, features["area_m2"].to_numpy(), minlength=len(names))
    pieces = np.bincount(single, minlength=len(names))
    part = StreamedOverlay(
        parcels=len(parcels),
        pieces=overlaps.num_rows,
        area_m2=dict(zip(names, total.tolist(), strict=True)),
        feature_area_m2=dict(zip(names, counted.tolist(), strict=True)),
        feature_pieces=dict(zip(names, pieces.tolist(), strict=True)),
        disputed=tables.disputed.num_rows,
    )
    share = pc.divide(overlaps["area_m2"], pc.take(pa.array(tables.parcel_area), overlaps["parcel"]))
    rows = pa.table(
        {
            "parcel_id": pc.take(ids, overlaps["parcel"]),
            "layer": pc.take(pa.array(names), overlaps["layer"]),
            "area_m2": overlaps["area_m2"],
            "share": share,
            "geometry": overlaps["geometry"],
        }
    )
    return rows, part
