"""The tables of a ledger: a GeoPackage whose events can be added to, never changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from landremed.io.sqlite_read import open_to_read

__all__ = ["APPLICATION_ID", "BOARD_COLUMNS", "TRIGGERS", "copy_shapes", "create_tables"]

APPLICATION_ID: Final = 0x47504B47
_USER_VERSION: Final = 10300

_GEOPACKAGE: Final = """
CREATE TABLE gpkg_spatial_ref_sys (
    srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY, organization TEXT NOT NULL,
    organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (
    table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
    description TEXT DEFAULT '', last_change DATETIME NOT NULL
    DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
    min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
    CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (
    table_name TEXT NOT NULL, column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL,
    srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL,
    CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name),
    CONSTRAINT uk_gc_table_name UNIQUE (table_name),
    CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
    CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id));
"""

_LEDGER: Final = """
CREATE TABLE events (
    seq INTEGER PRIMARY KEY NOT NULL, parcel_id TEXT NOT NULL, event TEXT NOT NULL, who TEXT NOT NULL,
    at TEXT NOT NULL, day TEXT NOT NULL, booked_on TEXT NOT NULL, old TEXT NOT NULL, new TEXT NOT NULL,
    source TEXT NOT NULL, prev_hash TEXT NOT NULL, hash TEXT NOT NULL UNIQUE);
CREATE INDEX events_parcel ON events (parcel_id);
CREATE TABLE head (fid INTEGER PRIMARY KEY NOT NULL, seq INTEGER NOT NULL, hash TEXT NOT NULL);
CREATE TABLE frozen (
    fid INTEGER PRIMARY KEY NOT NULL, month TEXT NOT NULL UNIQUE, document TEXT NOT NULL);
CREATE TABLE board (
    fid INTEGER PRIMARY KEY NOT NULL, geom MULTIPOLYGON, parcel_id TEXT NOT NULL UNIQUE, category TEXT,
    outcome TEXT, measure TEXT, implementing_unit TEXT, state TEXT, state_label TEXT, since TEXT,
    due_on TEXT, closed_on TEXT, area_m2 REAL, zero_tolerance INTEGER, relapses INTEGER, present INTEGER);
"""

BOARD_COLUMNS: Final = (
    "category",
    "outcome",
    "measure",
    "implementing_unit",
    "state",
    "state_label",
    "since",
    "due_on",
    "closed_on",
    "area_m2",
    "zero_tolerance",
    "relapses",
    "present",
)
"""Columns of the map layer ``board`` that follow from the events."""

TRIGGERS: Final = {
    "events_never_change": """
CREATE TRIGGER events_never_change BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are never changed'); END""",
    "events_never_go": """
CREATE TRIGGER events_never_go BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END""",
    # also stops INSERT OR REPLACE, which deletes without the trigger above
    "events_follow": """
CREATE TRIGGER events_follow BEFORE INSERT ON events
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM events)
  OR NEW.prev_hash <> coalesce((SELECT hash FROM events ORDER BY seq DESC LIMIT 1), printf('%064d', 0))
BEGIN SELECT RAISE(ABORT, 'events follow one another'); END""",
    "frozen_never_changes": """
CREATE TRIGGER frozen_never_changes BEFORE UPDATE ON frozen
BEGIN SELECT RAISE(ABORT, 'frozen months are never changed'); END""",
    "frozen_never_goes": """
CREATE TRIGGER frozen_never_goes BEFORE DELETE ON frozen
BEGIN SELECT RAISE(ABORT, 'frozen months are never deleted'); END""",
    "frozen_once": """
CREATE TRIGGER frozen_once BEFORE INSERT ON frozen
WHEN EXISTS (SELECT 1 FROM frozen WHERE month = NEW.month)
BEGIN SELECT RAISE(ABORT, 'a month is frozen once'); END""",
}
"""Triggers by name; an audit looks for each."""

_TABLES: Final = (
    ("board", "features", "台账 board"),
    ("events", "attributes", "台账事件 events"),
    ("frozen", "attributes", "月报快照 frozen months"),
    ("head", "attributes", "台账末条 head"),
)


def create_tables(db: sqlite3.Connection, spatial: Iterable[Sequence[Any]], srs_id: int) -> None:
    """Create everything a ledger needs in an empty database.

    Parameters
    ----------
    db : sqlite3.Connection
        The new file.
    spatial : iterable of rows
        Rows of ``gpkg_spatial_ref_sys``, those the standard asks for included.
    srs_id : int
        Coordinate system of the parcels.
    """
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {_USER_VERSION}")
    db.executescript(_GEOPACKAGE + _LEDGER)
    db.executemany("INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, ?)", list(spatial))
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    for name, kind, title in _TABLES:
        db.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, last_change, srs_id)"
            " VALUES (?, ?, ?, ?, ?)",
            (name, kind, title, stamp, srs_id if kind == "features" else None),
        )
    db.execute(
        "INSERT INTO gpkg_geometry_columns VALUES ('board', 'geom', 'MULTIPOLYGON', ?, 0, 0)", (srs_id,)
    )
    for statement in TRIGGERS.values():
        db.execute(statement)


def copy_shapes(db: sqlite3.Connection, result: Path) -> None:
    """Copy the parcels' polygons of a result into the board, as they stand there.

    New parcels get a row; known ones the newer shape. Runs outside a transaction boundary of its own.
    """
    source = open_to_read(result)
    try:
        rows = source.execute("SELECT parcel_id, geom FROM decisions ORDER BY fid")
        db.executemany(
            "INSERT INTO board (parcel_id, geom) VALUES (?, ?)"
            " ON CONFLICT (parcel_id) DO UPDATE SET geom = excluded.geom",
            rows,
        )
        box = source.execute(
            "SELECT min_x, min_y, max_x, max_y FROM gpkg_contents WHERE table_name = 'decisions'"
        ).fetchone()
        if box:
            db.execute(
                "UPDATE gpkg_contents SET min_x = ?, min_y = ?, max_x = ?, max_y = ?"
                " WHERE table_name = 'board'",
                box,
            )
    finally:
        source.close()
