"""Shapefiles: geometry through GDAL, attributes from the raw DBF."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from landremed.errors import InputError, Where
from landremed.io.dbf import Decoded, choose_encoding, read_dbf
from landremed.io.drivers import Dataset, sidecar
from landremed.io.encoding import TextEncoding
from landremed.io.gdal import RawLayer, read_bulk
from landremed.types import Finding

__all__ = ["ShapefileLayer", "read_shapefile"]


_DELETED = ord("*")


@dataclass(frozen=True, slots=True)
class ShapefileLayer:
    """A shapefile as read, with the encoding of its text."""

    raw: RawLayer
    encoding: TextEncoding
    findings: list[Finding]


def read_shapefile(dataset: Dataset, layer: str, encoding: str | None) -> ShapefileLayer:
    """Read a shapefile whatever its field names and encoding.

    Raises
    ------
    InputError
        When a part is missing or cut off, or the encoding is unclear.
    """
    table_path = sidecar(dataset.path, ".dbf")
    if table_path is None:  # went away since the file was opened
        raise InputError("shapefile_part_missing", Where(file=dataset.shown), part=dataset.path.stem + ".dbf")
    where = Where(file=_beside(dataset, ".dbf"))
    table = read_dbf(table_path, where)
    shapes = _shapes(dataset)
    if shapes != len(table.records):
        here = Where(file=dataset.shown)
        raise InputError("shapefile_counts_differ", here, rows=len(table.records), shapes=shapes)
    chosen = choose_encoding(table, _codepage(dataset.path), encoding, where)
    geometry = read_bulk(dataset, layer, columns=[], encoding="ISO-8859-1", return_fids=True)
    rows = np.asarray(geometry.table.column(0).combine_chunks(), dtype=np.int64)
    deleted = int((table.records[:, 0] == _DELETED).sum())
    if len(rows) != shapes - deleted:
        here = Where(file=dataset.shown)
        raise InputError("shapefile_counts_differ", here, rows=len(table.records), shapes=shapes)
    decoded = table.to_arrow(chosen)
    attributes = decoded.table
    if len(rows) != len(table.records) or (len(rows) and not np.array_equal(rows, np.arange(len(rows)))):
        attributes = attributes.take(pa.array(rows))
    findings = []
    if deleted:
        findings.append(Finding("rows_deleted", file=dataset.shown, params={"count": deleted}))
    findings += [replace(note, file=dataset.shown) for note in _text_notes(chosen, decoded)]
    return ShapefileLayer(RawLayer(attributes, geometry.wkb, geometry.crs), chosen, findings)


def _text_notes(chosen: TextEncoding, decoded: Decoded) -> Iterator[Finding]:
    """Yield what is to be said about the encoding of a shapefile's text."""
    if chosen.ground == "given" and chosen.against:
        yield Finding("encoding_given_odd", params={"encoding": chosen.name, "likely": chosen.against})
    elif chosen.against:
        yield Finding("encoding_contradicted", params={"stated": chosen.against, "encoding": chosen.name})
    elif chosen.guessed:
        params: dict[str, object] = {"encoding": chosen.name, "ground": chosen.ground}
        yield Finding("encoding_guessed", params=params)
    if decoded.other_names:
        params = {"count": decoded.other_names, "encoding": chosen.name}
        yield Finding("encoding_mixed", params=params)
    for field, rows in decoded.others:
        params = {"count": len(rows), "encoding": chosen.name}
        yield Finding("encoding_mixed", row=int(rows[0]) + 1, field=field, params=params)
    if decoded.broken:
        yield Finding("text_undecodable", params={"encoding": chosen.name, "count": decoded.broken})
    if decoded.cut:
        yield Finding("field_names_cut", params={"names": ", ".join(decoded.cut)})


def _shapes(dataset: Dataset) -> int:
    """Return the number of shapes by the index, which must not lead beyond the end of the file."""
    index = sidecar(dataset.path, ".shx")
    raw = b"" if index is None else index.read_bytes()[100:]
    entries = np.frombuffer(raw[: len(raw) // 8 * 8], ">i4").astype(np.int64).reshape(-1, 2)
    if len(entries) and 2 * int(entries.sum(axis=1).max()) + 8 > dataset.path.stat().st_size:
        raise InputError("file_truncated", Where(file=dataset.shown))
    return len(entries)


def _codepage(path: Path) -> str | None:
    part = sidecar(path, ".cpg")
    if part is None or (part.is_symlink() and part.resolve().parent != path.parent):
        return None
    try:
        with part.open("rb") as stream:
            return stream.read(64).decode("ascii", errors="replace")
    except OSError:
        return None


def _beside(dataset: Dataset, suffix: str) -> str:
    return str(Path(dataset.shown).with_suffix(suffix))
