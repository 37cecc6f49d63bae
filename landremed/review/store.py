"""The review tables inside a result, and what the machine had written before people spoke.

Everything happens in a private copy of the file. The rows the machine wrote are kept in ``review_machine``
before they are first changed, so that every merge starts from them again: the state depends on the set of
reviews alone, not on the order in which they came.
"""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import shapely

from landremed.io.gpkg_extras import quoted
from landremed.review.fingerprint import shape_hash
from landremed.review.records import Boundary, Problem, Review
from landremed.review.tables import BOUNDARY_SCHEMA, REVIEW_SCHEMAS

__all__ = [
    "expect_reviews",
    "is_drawn",
    "keep_machine",
    "keep_measured",
    "kept_crs",
    "prepared",
    "read_accepted",
    "read_boundaries",
    "read_measured",
    "read_problems",
    "read_reviews",
    "restore_machine",
    "update_row",
    "write_boundaries",
    "write_rows",
    "write_summary",
]

_MACHINE_DDL: Final = (
    "CREATE TABLE IF NOT EXISTS review_machine (place TEXT NOT NULL, fid INTEGER NOT NULL,"
    " content TEXT NOT NULL, PRIMARY KEY (place, fid))"
)
_MEASURED_DDL: Final = (
    "CREATE TABLE IF NOT EXISTS review_measured (parcel_id TEXT PRIMARY KEY NOT NULL, content TEXT NOT NULL)"
)
_BEFORE: Final = ("outcome", "measure", "clause", "due_on", "missing_facts", "area_m2", "why")
_GUARDS: Final = ("update", "delete")
_LITTLE_WITH_ENVELOPE: Final = 3
_ENVELOPE_AT: Final = 8


def prepared(db: sqlite3.Connection) -> sqlite3.Connection:
    """Give a connection the spatial functions that the triggers of a GeoPackage call."""
    db.row_factory = sqlite3.Row
    db.create_function(
        "ST_IsEmpty", 1, lambda blob: int(blob is None or bool(blob[3] & 0x10)), deterministic=True
    )
    for name, number in (("ST_MinX", 0), ("ST_MaxX", 1), ("ST_MinY", 2), ("ST_MaxY", 3)):
        db.create_function(name, 1, lambda blob, n=number: _bounds(blob)[n], deterministic=True)
    return db


def read_reviews(db: sqlite3.Connection) -> list[Review]:
    """Return all reviews in a file; none when it has no such table."""
    return [Review.of(dict(row)) for row in _rows(db, "reviews")]


def read_problems(db: sqlite3.Connection) -> list[Problem]:
    """Return the problems noted when packages were read."""
    names = ("parcel_id", "code", "package", "person", "field", "value")
    return [Problem(*(row[name] or "" for name in names)) for row in _rows(db, "review_problems")]


def read_boundaries(db: sqlite3.Connection) -> list[Boundary]:
    """Return all boundaries surveyed again."""
    return [_boundary(row) for row in _rows(db, "review_boundaries") if row["geom"] is not None]


def read_accepted(db: sqlite3.Connection) -> list[Boundary]:
    """Return the boundaries that a reviewer accepted."""
    rows = _rows(db, "review_boundaries")
    return [_boundary(row) for row in rows if row["geom"] is not None and row["accepted"] == 1]


def kept_crs(db: sqlite3.Connection) -> str:
    """Return the working CRS that a result names."""
    row = db.execute("SELECT value FROM provenance WHERE key = 'crs'").fetchone()
    return str(row["value"]) if row else ""


def is_drawn(db: sqlite3.Connection, boundary: Boundary) -> bool:
    """Tell whether the result was measured with this boundary."""
    row = db.execute("SELECT geom FROM decisions WHERE parcel_id = ?", (boundary.parcel_id,)).fetchone()
    if row is None or row["geom"] is None:
        return False
    return shape_hash(shapely.from_wkb(_wkb(row["geom"]))) == shape_hash(shapely.from_wkb(boundary.wkb))


def write_rows(db: sqlite3.Connection, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace the rows of a review table; those of ``reviews`` cannot be changed by anybody else."""
    names = REVIEW_SCHEMAS[table].names
    for action in _GUARDS:
        db.execute(f"DROP TRIGGER IF EXISTS {table}_no_{action}")
    _add_columns(db, table)
    db.execute(f"DELETE FROM {table}")  # noqa: S608
    columns, marks = ", ".join(map(quoted, names)), ", ".join("?" * len(names))
    db.executemany(
        f"INSERT INTO {table} (fid, {columns}) VALUES (?, {marks})",  # noqa: S608
        [(number, *(_stored(row.get(name)) for name in names)) for number, row in enumerate(rows, 1)],
    )
    if table == "reviews":
        for action in _GUARDS:
            db.execute(
                f"CREATE TRIGGER reviews_no_{action} BEFORE {action.upper()} ON reviews BEGIN"
                " SELECT RAISE(ABORT, 'reviews are only ever added'); END"
            )


def write_boundaries(
    db: sqlite3.Connection, boundaries: Sequence[Boundary], accepted: set[tuple[str, str]]
) -> None:
    """Replace the rows of ``review_boundaries``."""
    srs = db.execute(
        "SELECT srs_id FROM gpkg_geometry_columns WHERE table_name = 'review_boundaries'"
    ).fetchone()[0]
    db.execute("DELETE FROM review_boundaries")
    names = BOUNDARY_SCHEMA.names
    columns, marks = ", ".join(names), ", ".join("?" * len(names))
    for number, boundary in enumerate(boundaries, 1):
        shape = shapely.from_wkb(boundary.wkb)
        values = {
            "parcel_id": boundary.parcel_id,
            "person": boundary.person,
            "made_at": boundary.made_at,
            "package": boundary.package,
            "remark": boundary.remark,
            "area_m2": round(shapely.area(shape), 2),
            "accepted": int((boundary.parcel_id, boundary.review_id) in accepted),
            "review_id": boundary.review_id,
        }
        db.execute(
            f"INSERT INTO review_boundaries (fid, geom, {columns}) VALUES (?, ?, {marks})",  # noqa: S608
            (number, _blob(shape, srs), *(_stored(values[name]) for name in names)),
        )
    _note_extent(db, boundaries)


def keep_machine(db: sqlite3.Connection, place: str, fid: int, content: Mapping[str, Any]) -> None:
    """Keep a row as the machine wrote it, unless that was done before."""
    text = json.dumps(dict(content), ensure_ascii=False)
    db.execute("INSERT OR IGNORE INTO review_machine VALUES (?, ?, ?)", (place, fid, text))


def keep_measured(db: sqlite3.Connection, measured: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep what the machine said of parcels before they were measured with an accepted boundary."""
    db.execute(_MEASURED_DDL)
    db.executemany(
        "INSERT OR IGNORE INTO review_measured VALUES (?, ?)",
        [(pid, json.dumps(dict(row), ensure_ascii=False)) for pid, row in sorted(measured.items())],
    )


def read_measured(db: sqlite3.Connection, *, waiting: bool = False) -> dict[str, dict[str, Any]]:
    """Return what the machine said of parcels before they were measured with an accepted boundary.

    Parameters
    ----------
    db : sqlite3.Connection
        Open result.
    waiting : bool
        Also of parcels whose accepted boundary is not measured yet.
    """
    found: dict[str, dict[str, Any]] = {}
    if _has_table(db, "review_measured"):
        rows = db.execute("SELECT parcel_id, content FROM review_measured ORDER BY parcel_id").fetchall()
        found = {row["parcel_id"]: json.loads(row["content"]) for row in rows}
    for boundary in read_accepted(db) if waiting else ():
        if boundary.parcel_id not in found and not is_drawn(db, boundary):
            row = db.execute("SELECT * FROM decisions WHERE parcel_id = ?", (boundary.parcel_id,)).fetchone()
            if row is not None:
                machine = _machine_row(db, row)
                found[boundary.parcel_id] = {name: machine[name] for name in _BEFORE}
    return found


def expect_reviews(db: sqlite3.Connection) -> None:
    """Make room for what the machine wrote, in a file that holds nothing else yet."""
    db.execute(_MACHINE_DDL)


def restore_machine(db: sqlite3.Connection) -> None:
    """Put back everything the machine wrote."""
    db.execute(_MACHINE_DDL)
    for row in db.execute("SELECT place, fid, content FROM review_machine").fetchall():
        content = json.loads(row["content"])
        if row["place"] == "trace":
            db.execute("DELETE FROM trace WHERE trace_id > ?", (content["last"],))
        elif row["place"] == "summary":
            write_summary(db, content["rows"])
        else:
            update_row(db, row["place"], row["fid"], content)
    db.execute("DELETE FROM facts WHERE source = 'review'")
    db.execute("DELETE FROM review_machine")


def update_row(db: sqlite3.Connection, table: str, fid: int, values: Mapping[str, Any]) -> None:
    """Set columns of one row."""
    settings = ", ".join(f"{quoted(name)} = ?" for name in values)
    db.execute(
        f"UPDATE {quoted(table)} SET {settings} WHERE fid = ?",  # noqa: S608
        (*(_stored(value) for value in values.values()), fid),
    )


def write_summary(db: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> None:
    """Replace the rows of ``summary``: category, outcome, count, m², 亩."""
    db.execute("DELETE FROM summary")
    db.executemany(
        "INSERT INTO summary (fid, category, outcome, count, area_m2, area_mu) VALUES (?, ?, ?, ?, ?, ?)",
        [(number, *row) for number, row in enumerate(rows, 1)],
    )


def _rows(db: sqlite3.Connection, table: str) -> list[sqlite3.Row]:
    return db.execute(f"SELECT * FROM {table} ORDER BY fid").fetchall() if _has_table(db, table) else []  # noqa: S608


def _has_table(db: sqlite3.Connection, table: str) -> bool:
    found = db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone()
    return found is not None


def _add_columns(db: sqlite3.Connection, table: str) -> None:
    """Add columns that results made earlier do not have."""
    there = {row["name"] for row in db.execute(f"PRAGMA table_info({table})")}
    for column in REVIEW_SCHEMAS[table]:
        if column.name not in there:
            kind = "REAL" if pa.types.is_floating(column.type) else "TEXT"
            db.execute(f"ALTER TABLE {table} ADD COLUMN {quoted(column.name)} {kind}")


def _machine_row(db: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    """Return a row of ``decisions`` as the machine wrote it."""
    kept = None
    if _has_table(db, "review_machine"):
        kept = db.execute(
            "SELECT content FROM review_machine WHERE place = 'decisions' AND fid = ?", (row["fid"],)
        ).fetchone()
    return dict(row) | (json.loads(kept["content"]) if kept else {})


def _boundary(row: sqlite3.Row) -> Boundary:
    names = ("parcel_id", "person", "made_at", "package", "remark")
    text: dict[str, Any] = {name: row[name] or "" for name in names}
    return Boundary(**text, wkb=_wkb(row["geom"]))


def _stored(value: Any) -> Any:
    return None if isinstance(value, str) and not value else value


def _bounds(blob: bytes) -> tuple[float, ...]:
    kind = (blob[3] >> 1) & 7
    if kind == 0:
        xmin, ymin, xmax, ymax = shapely.from_wkb(blob[_ENVELOPE_AT:]).bounds
        return xmin, xmax, ymin, ymax
    return struct.unpack("<4d" if blob[3] & 1 else ">4d", blob[_ENVELOPE_AT : _ENVELOPE_AT + 32])


def _wkb(blob: bytes) -> bytes:
    length = (0, 32, 48, 48, 64)[(blob[3] >> 1) & 7]
    shape = shapely.force_2d(shapely.from_wkb(blob[_ENVELOPE_AT + length :]))
    parts = shapely.get_parts(shape)
    wkb: bytes = shapely.to_wkb(parts[0] if len(parts) == 1 else shape, byte_order=1)
    return wkb


def _blob(shape: shapely.Geometry, srs: int) -> bytes:
    whole = shapely.multipolygons(shapely.get_parts(shape))
    xmin, ymin, xmax, ymax = whole.bounds
    head = struct.pack("<2sBBi4d", b"GP", 0, _LITTLE_WITH_ENVELOPE, srs, xmin, xmax, ymin, ymax)
    body: bytes = shapely.to_wkb(whole, byte_order=1)
    return head + body


def _note_extent(db: sqlite3.Connection, boundaries: Sequence[Boundary]) -> None:
    box: tuple[Any, ...] = (None, None, None, None)
    if boundaries:
        box = tuple(shapely.total_bounds(shapely.from_wkb([b.wkb for b in boundaries])).tolist())
    db.execute(
        "UPDATE gpkg_contents SET min_x = ?, min_y = ?, max_x = ?, max_y = ?"
        " WHERE table_name = 'review_boundaries'",
        box,
    )
