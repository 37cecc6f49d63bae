"""Is a GeoPackage of ours still what was written? Asked only after a command has failed on it.

A damaged file must not be told as a fault of the program, nor a fault of the program as a damaged file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import shapely

from landremed.errors import InputError, Where
from landremed.io.gpkg_extras import quoted
from landremed.io.sqlite_read import open_to_read
from landremed.tables import (
    GIVEN_FACTS_SCHEMA,
    ISSUES_SCHEMA,
    LAND_USE_SCHEMA,
    PROVENANCE_SCHEMA,
    SUMMARY_SCHEMA,
    TRACE_SCHEMA,
)

__all__ = ["damaged_file"]

_COLUMNS: Final = {
    "facts": GIVEN_FACTS_SCHEMA.names,
    "issues": [name for name in ISSUES_SCHEMA.names if name != "geometry"],
    "land_use": LAND_USE_SCHEMA.names,
    "provenance": PROVENANCE_SCHEMA.names,
    "summary": SUMMARY_SCHEMA.names,
    "trace": TRACE_SCHEMA.names,
    "decisions": ["parcel_id", "category", "outcome", "measure", "rule", "clause", "trace_id", "area_m2"],
}
_KEYS: Final = ("crs", "rules", "settings", "language")
_STORED: Final = {
    "INTEGER": {"integer"},
    "MEDIUMINT": {"integer"},
    "BOOLEAN": {"integer"},
    "REAL": {"real", "integer"},
    "DOUBLE": {"real", "integer"},
    "TEXT": {"text"},
    "DATE": {"text"},
    "DATETIME": {"text"},
}
_HEADER: Final = 8
_BOX_BYTES: Final = (0, 32, 48, 48, 64)


def damaged_file(arguments: Iterable[str]) -> InputError | None:
    """Return what is wrong with the first damaged GeoPackage that a command line names, None if none is.

    Parameters
    ----------
    arguments : iterable of str
        Words of the command line.
    """
    for word in arguments:
        path = Path(word)
        try:
            if path.suffix.lower() != ".gpkg" or not path.is_file():
                continue
            with closing(open_to_read(path)) as db:
                found = next(_faults(db), None)
        except (OSError, sqlite3.Error, ValueError, TypeError) as error:
            found = ("", " ".join(str(error).split())[:200])
        if found is not None:
            return InputError("result_damaged", Where(file=word, layer=found[0]), reason=found[1])
    return None


def _faults(db: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    verdict = db.execute("PRAGMA quick_check").fetchone()[0]
    if verdict != "ok":
        yield "", str(verdict)
    shapes = dict(db.execute("SELECT table_name, column_name FROM gpkg_geometry_columns"))
    contents = db.execute("SELECT table_name, data_type FROM gpkg_contents").fetchall()
    for layer, kind in contents:
        columns = {row[1]: str(row[2]).upper() for row in db.execute(f"PRAGMA table_info({quoted(layer)})")}
        missing = [name for name in _COLUMNS.get(layer, ()) if name not in columns]
        if kind == "features" and shapes.get(layer) not in columns:
            missing.append("geometry")
        if missing:
            yield layer, "no " + ", ".join(missing)
        for name, declared in columns.items():
            yield from _values(db, layer, name, declared)
        if layer in shapes:
            yield from _geometries(db, layer, shapes[layer])
    names = {layer for layer, _ in contents}
    if "decisions" in names:
        yield from ((name, "missing") for name in _COLUMNS if name not in names)
        keys = {row[0] for row in db.execute("SELECT key FROM provenance WHERE value IS NOT NULL")}
        yield from (("provenance", f"no {key}") for key in _KEYS if key not in keys)
        if db.execute("SELECT 1 FROM decisions WHERE parcel_id IS NULL").fetchone():
            yield "decisions", "parcel_id is empty"


def _values(db: sqlite3.Connection, layer: str, name: str, declared: str) -> Iterator[tuple[str, str]]:
    allowed = _STORED.get(declared.split("(", maxsplit=1)[0])
    if allowed is None:
        return
    query = f"SELECT DISTINCT typeof({quoted(name)}) FROM {quoted(layer)}"  # noqa: S608
    odd = {row[0] for row in db.execute(query)} - allowed - {"null"}
    if odd:
        yield layer, f"{name}: {', '.join(sorted(odd))} instead of {declared}"
    elif allowed == {"text"}:
        db.execute(f"SELECT {quoted(name)} FROM {quoted(layer)}").fetchall()  # noqa: S608  text must decode


def _geometries(db: sqlite3.Connection, layer: str, name: str) -> Iterator[tuple[str, str]]:
    query = f"SELECT rowid, {quoted(name)} FROM {quoted(layer)} WHERE {quoted(name)} IS NOT NULL"  # noqa: S608
    for row, blob in db.execute(query):
        sound = isinstance(blob, bytes) and blob[:2] == b"GP" and (blob[3] >> 1 & 7) < len(_BOX_BYTES)
        if sound:
            start = _HEADER + _BOX_BYTES[blob[3] >> 1 & 7]
            sound = shapely.from_wkb(blob[start:], on_invalid="ignore") is not None
        if not sound:
            yield layer, f"geometry of row {row}"
