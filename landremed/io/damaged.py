"""Rows whose geometry is stored but cannot be read.

GDAL hands such a row over as one without geometry and says nothing. The difference matters: a feature of a
layer that lies nowhere overlaps nothing, one that cannot be read may lie anywhere.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import struct
import threading
from contextlib import closing

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.io.drivers import Dataset, sidecar
from landremed.io.gdal import quiet
from landremed.io.sqlite_read import open_to_read

__all__ = ["DAMAGED", "damaged_rows", "marked"]

DAMAGED = b"\x00"
"""Stands for a stored geometry that nobody can read; it is no WKB."""

_NULL_SHAPE = 0
_RECORD_HEADER = 8
_MOST_BY_RECORD = 1000

Rows = npt.NDArray[np.int64]


def damaged_rows(dataset: Dataset, layer: str, wkb: pa.Array) -> Rows:
    """Return the rows without geometry for which the file does hold one.

    Parameters
    ----------
    dataset : Dataset
        The file.
    layer : str
        Layer.
    wkb : pyarrow.Array
        Geometry as read, all rows in file order.

    Returns
    -------
    ndarray of int64
        Row numbers from 0. Where the file cannot be looked into again, every row without geometry.
    """
    rows = np.flatnonzero(np.asarray(wkb.is_null()))
    look = _LOOKS.get(dataset.driver)
    if not len(rows) or look is None:
        return np.zeros(0, np.int64)
    try:
        stored = look(dataset, layer, rows, len(wkb))
    except (OSError, ValueError, KeyError, TypeError, IndexError, struct.error, sqlite3.Error):
        return rows
    found: Rows = rows[stored]
    return found


def marked(wkb: pa.Array, rows: Rows) -> pa.Array:
    """Put the mark of a damaged geometry in some rows, so that nobody takes them for empty ones."""
    if not len(rows):
        return wkb
    mask = np.zeros(len(wkb), bool)
    mask[rows] = True
    return pc.replace_with_mask(wkb, pa.array(mask), pa.array([DAMAGED] * len(rows), pa.large_binary()))


def _in_geopackage(dataset: Dataset, layer: str, rows: Rows, total: int) -> npt.NDArray[np.bool_]:
    name = layer.replace('"', '""')
    with closing(open_to_read(dataset.path)) as db:
        query = "SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?"
        (column,) = db.execute(query, (layer,)).fetchone()
        column = str(column).replace('"', '""')
        held = [r[0] for r in db.execute(f'SELECT "{column}" IS NOT NULL FROM "{name}"')]  # noqa: S608
    if len(held) != total:
        raise ValueError("other rows than were read")
    return np.array(held, bool)[rows]


def _in_shapefile(dataset: Dataset, layer: str, rows: Rows, total: int) -> npt.NDArray[np.bool_]:
    index = sidecar(dataset.path, ".shx")
    if index is None:
        raise ValueError("no index")
    places = np.frombuffer(index.read_bytes()[100:], ">i4")
    places = places[: 2 * (len(places) // 2)].reshape(-1, 2)[:, 0]
    with dataset.path.open("rb") as stream:
        kinds = []
        for row in rows.tolist():
            stream.seek(2 * int(places[row]) + _RECORD_HEADER)
            kinds.append(struct.unpack("<i", stream.read(4))[0])
    return np.array([kind != _NULL_SHAPE for kind in kinds], bool)


def _in_geojson(dataset: Dataset, layer: str, rows: Rows, total: int) -> npt.NDArray[np.bool_]:
    features = json.loads(dataset.path.read_bytes())["features"]
    if len(features) != total:
        raise ValueError("other rows than were read")
    held = [features[row] for row in rows.tolist()]
    return np.array([not isinstance(m, dict) or m.get("geometry") is not None for m in held], bool)


def _in_filegdb(dataset: Dataset, layer: str, rows: Rows, total: int) -> npt.NDArray[np.bool_]:
    """Fetch the rows one by one; the driver's complaint tells a damaged shape from none."""
    import fiona

    heard: list[str] = []
    own = threading.get_ident()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == own:  # layers are read side by side
                heard.append(record.getMessage())

    log, listener = logging.getLogger("fiona"), Listener(logging.WARNING)
    log.addHandler(listener)
    try:
        with quiet(), fiona.open(dataset.path, layer=layer, enabled_drivers=[dataset.driver]) as source:
            stored = np.zeros(len(rows), bool)
            wanted = {int(row): at for at, row in enumerate(rows[:_MOST_BY_RECORD])}
            before = 0
            for number, _ in enumerate(source):
                if number in wanted:
                    stored[wanted[number]] = len(heard) > before
                before = len(heard)
    finally:
        log.removeHandler(listener)
    return stored


_LOOKS = {
    "GPKG": _in_geopackage,
    "ESRI Shapefile": _in_shapefile,
    "GeoJSON": _in_geojson,
    "OpenFileGDB": _in_filegdb,
}
