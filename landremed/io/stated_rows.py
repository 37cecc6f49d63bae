"""What a file itself says of its number of rows: GDAL drops rows in silence where an index is damaged."""

from __future__ import annotations

import json
import mmap
import re
import sqlite3
import struct
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from landremed.errors import InputError, Where
from landremed.io.damaged import marked
from landremed.io.drivers import Dataset
from landremed.io.gdal import RawLayer, describe, quiet, read_bulk
from landremed.io.sqlite_read import open_to_read
from landremed.io.wkb import as_large_binary
from landremed.types import Finding

__all__ = ["all_members", "require_all_rows"]

_GDB_VERSION = 3
_FEATURES = re.compile(rb'"features"\s*:\s*\[')
_BLOCK = 1 << 23
_STEP = np.zeros(256, np.int8)
_STEP[[ord("{"), ord("[")]] = 1
_STEP[[ord("}"), ord("]")]] = -1
_SIGNS = np.zeros(256, bool)
_SIGNS[list(b'{}[],"')] = True


def require_all_rows(dataset: Dataset, layer: str, rows: int, counted: int) -> None:
    """Refuse a layer of which fewer rows were read than the file says it holds.

    Parameters
    ----------
    dataset : Dataset
        The file.
    layer : str
        Layer.
    rows : int
        Rows that were read.
    counted : int
        Rows by GDAL's description.

    Raises
    ------
    InputError
        Code ``file_truncated``.
    """
    stated = counted
    if dataset.driver == "OpenFileGDB":
        stated = max(counted, _rows_in_filegdb(dataset, layer))
    elif 0 <= rows < counted:  # a count that is kept apart may be out of date
        exact = _rows_in_geopackage(dataset, layer) if dataset.driver == "GPKG" else None
        stated = (
            int(describe(dataset, layer, force_feature_count=True)["features"]) if exact is None else exact
        )
    if 0 <= rows < stated:
        raise InputError("file_truncated", Where(file=dataset.shown), reason=f"{rows} < {stated}")


def all_members(dataset: Dataset, layer: str, raw: RawLayer) -> tuple[RawLayer, list[Finding]]:
    """Return a GeoJSON layer with the members that GDAL passed over, which are rows without geometry."""
    mended = _as_features(dataset.path, raw.table.num_rows)
    if mended is None:
        return raw, []
    text, odd = mended
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / dataset.path.name
        path.write_bytes(text)
        whole = read_bulk(replace(dataset, path=path), layer, columns=None)
    wkb = marked(as_large_binary(whole.wkb), np.array(odd, np.int64))
    findings = [Finding("record_unreadable", row=at + 1) for at in odd]
    return replace(whole, wkb=pa.chunked_array([wkb])), findings


def _rows_in_filegdb(dataset: Dataset, layer: str) -> int:
    """Return the number of rows in the header of a FileGDB layer's table, 0 where that cannot be told."""
    import pyogrio

    with quiet():
        try:
            _, numbers, _, (names, *_) = pyogrio.raw.read(
                dataset.connection,
                layer="GDB_SystemCatalog",
                columns=["Name"],
                read_geometry=False,
                return_fids=True,
                LIST_ALL_TABLES="YES",
            )
        except Exception:  # GDAL reports through many classes; the layer itself is read and judged apart
            return 0
    number = dict(zip(names.tolist(), numbers.tolist(), strict=True)).get(layer, 0)
    try:
        head = (dataset.path / f"a{number:08x}.gdbtable").read_bytes()[:8]
        version, rows = struct.unpack("<iI", head)
    except (OSError, struct.error):
        return 0
    return int(rows) if version == _GDB_VERSION else 0


def _rows_in_geopackage(dataset: Dataset, layer: str) -> int | None:
    """Count the rows of a GeoPackage layer, None where its table cannot be counted."""
    name = layer.replace('"', '""')
    try:
        with closing(open_to_read(dataset.path)) as db:
            return int(db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0])  # noqa: S608
    except sqlite3.Error:
        return None


def _as_features(path: Path, rows: int) -> tuple[bytes, list[int]] | None:
    """Look for members of a GeoJSON collection that GDAL passed over.

    Parameters
    ----------
    path : pathlib.Path
        GeoJSON file.
    rows : int
        Number of rows that were read.

    Returns
    -------
    tuple of bytes and list of int, or None
        The text with every member made a feature, and the places (from 0) of those that were none; None
        when nothing is missing.
    """
    if _members_of_geojson(path) <= rows:
        return None
    try:
        document = json.loads(path.read_bytes())
        members = document["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(members, list) or len(members) <= rows:
        return None
    odd = [at for at, member in enumerate(members) if not _is_feature(member)]
    for at in odd:
        held: dict[str, Any] = members[at] if isinstance(members[at], dict) else {}
        properties = held.get("properties")
        kept = properties if isinstance(properties, dict) else {}
        members[at] = {"type": "Feature", "properties": kept, "geometry": None}
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass"), odd


def _members_of_geojson(path: Path) -> int:
    """Count the members of a collection by its commas and brackets, which is far quicker than parsing it."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        start = _FEATURES.search(raw)
        if start is None:
            return 0
        if not raw[start.end() : start.end() + 200].lstrip().startswith((b"{", b"[", b"n", b'"')):
            return 0  # an empty list, or nothing that could be told
        commas, depth, in_text, at = 0, 0, 0, start.end()
        while at < len(raw):
            block = raw[at : at + _BLOCK]
            while block.endswith(b"\\"):  # a pair of backslash and sign stays together
                block = raw[at : at + len(block) + 1]
                if at + len(block) == len(raw):
                    break
            at += len(block)
            signs = np.frombuffer(block.replace(b"\\\\", b"  ").replace(b'\\"', b"  "), np.uint8)
            signs = signs[_SIGNS[signs]]
            quote = signs == ord('"')
            within = (np.cumsum(quote) + in_text) % 2 == 1
            depths = np.cumsum(np.where(within, 0, _STEP[signs]), dtype=np.int64) + depth
            ends = np.flatnonzero(depths < 0)
            last = int(ends[0]) if len(ends) else len(signs)
            here = (signs[:last] == ord(",")) & ~within[:last] & (depths[:last] == 0)
            commas += int(here.sum())
            if len(ends):
                break
            in_text = int(quote.sum() + in_text) % 2
            depth = int(depths[-1]) if len(depths) else depth
    return commas + 1


def _is_feature(member: object) -> bool:
    return isinstance(member, dict) and member.get("type") == "Feature"
