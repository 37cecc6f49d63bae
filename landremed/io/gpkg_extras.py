"""What a GeoPackage holds besides its rows: styles, column titles, code lists and metadata.

Written by SQL after the layers: these tables have no triggers and need no spatial functions.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

__all__ = ["LayerStyle", "TableNotes", "add_extras", "quoted"]

_METADATA_STANDARD: Final = "urn:landremed:provenance"

_EXTENSIONS_DDL: Final = """
CREATE TABLE IF NOT EXISTS gpkg_extensions (
    table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, definition TEXT NOT NULL,
    scope TEXT NOT NULL, CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name))
"""

_SCHEMA_DDL: Final = """
CREATE TABLE gpkg_data_columns (
    table_name TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT, title TEXT, description TEXT,
    mime_type TEXT, constraint_name TEXT,
    CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name), CONSTRAINT gdc_tn UNIQUE (table_name, name));
CREATE TABLE gpkg_data_column_constraints (
    constraint_name TEXT NOT NULL, constraint_type TEXT NOT NULL, value TEXT, min NUMERIC,
    min_is_inclusive BOOLEAN, max NUMERIC, max_is_inclusive BOOLEAN, description TEXT,
    CONSTRAINT gdcc_ntv UNIQUE (constraint_name, constraint_type, value));
"""

_METADATA_DDL: Final = """
CREATE TABLE gpkg_metadata (
    id INTEGER CONSTRAINT m_pk PRIMARY KEY ASC NOT NULL, md_scope TEXT NOT NULL DEFAULT 'dataset',
    md_standard_uri TEXT NOT NULL, mime_type TEXT NOT NULL DEFAULT 'text/xml',
    metadata TEXT NOT NULL DEFAULT '');
CREATE TABLE gpkg_metadata_reference (
    reference_scope TEXT NOT NULL, table_name TEXT, column_name TEXT, row_id_value INTEGER,
    timestamp DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
    md_file_id INTEGER NOT NULL, md_parent_id INTEGER,
    CONSTRAINT crmr_mfi_fk FOREIGN KEY (md_file_id) REFERENCES gpkg_metadata(id),
    CONSTRAINT crmr_mpi_fk FOREIGN KEY (md_parent_id) REFERENCES gpkg_metadata(id));
"""

# as QGIS writes it; it finds a table without geometry only when f_geometry_column is '' and not NULL
_STYLES_DDL: Final = """
CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256), f_table_schema TEXT(256),
    f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
    useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),
    update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')))
"""


class LayerStyle(Protocol):
    """A QGIS style of one layer."""

    @property
    def name(self) -> str:
        """Name shown in QGIS."""

    @property
    def qml(self) -> str:
        """The style as QML."""

    @property
    def description(self) -> str:
        """One line about it."""


@dataclass(frozen=True)
class TableNotes:
    """Titles and code lists of one written table."""

    name: str
    columns: Sequence[str]
    titles: Mapping[str, str]
    value_labels: Mapping[str, Mapping[str, str]]
    spatial: bool


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def add_extras(
    db: sqlite3.Connection,
    tables: Sequence[TableNotes],
    styles: Mapping[str, LayerStyle],
    metadata: Mapping[str, Any],
    stamp: str,
) -> None:
    """Add styles, column titles, code lists and metadata to a GeoPackage with its layers written.

    Parameters
    ----------
    db : sqlite3.Connection
        Open GeoPackage.
    tables : sequence of TableNotes
        The layers written.
    styles : mapping of layer name to LayerStyle
        Default styles; layers that are not there are passed over.
    metadata : mapping
        One JSON document, tied to the first layer.
    stamp : str
        Time written wherever the format wants one, so that equal inputs give equal bytes.
    """
    with db:
        db.execute(_EXTENSIONS_DDL)
        _add_titles(db, tables)
        _add_metadata(db, tables[0].name, metadata, stamp)
        _add_styles(db, tables, styles, stamp)


def _add_titles(db: sqlite3.Connection, tables: Iterable[TableNotes]) -> None:
    db.executescript(_SCHEMA_DDL)
    for table in tables:
        used: set[str] = set()
        for column in table.columns:
            title = table.titles.get(column, "")
            labels = table.value_labels.get(column, {})
            if not title and not labels:
                continue
            constraint = f"{table.name}_{column}".lower() if labels else None
            name: str | None = title or column
            if name in used:  # names are unique in a table
                name = f"{name} ({column})"
            used.add(str(name))
            db.execute(
                "INSERT INTO gpkg_data_columns VALUES (?, ?, ?, ?, ?, NULL, ?)",
                (table.name, column, name, title or column, title or None, constraint),
            )
            db.executemany(
                "INSERT INTO gpkg_data_column_constraints VALUES (?, 'enum', ?, NULL, NULL, NULL, NULL, ?)",
                [(constraint, code, label) for code, label in labels.items()],
            )
    _register(db, "gpkg_schema", "extension_schema", ("gpkg_data_columns", "gpkg_data_column_constraints"))


def _add_metadata(db: sqlite3.Connection, table: str, metadata: Mapping[str, Any], stamp: str) -> None:
    db.executescript(_METADATA_DDL)
    text = json.dumps(metadata, ensure_ascii=False, default=str)
    db.execute(
        "INSERT INTO gpkg_metadata VALUES (1, 'dataset', ?, 'application/json', ?)",
        (_METADATA_STANDARD, text),
    )
    db.execute(
        "INSERT INTO gpkg_metadata_reference VALUES ('table', ?, NULL, NULL, ?, 1, NULL)", (table, stamp)
    )
    _register(db, "gpkg_metadata", "extension_metadata", ("gpkg_metadata", "gpkg_metadata_reference"))


def _add_styles(
    db: sqlite3.Connection, tables: Iterable[TableNotes], styles: Mapping[str, LayerStyle], stamp: str
) -> None:
    db.execute(_STYLES_DDL)
    db.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change, srs_id)"
        " VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?, 0)",
        (stamp,),
    )
    for table in tables:
        style = styles.get(table.name)
        if style is not None:
            db.execute(
                "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column,"
                " styleName, styleQML, styleSLD, useAsDefault, description, owner, update_time)"
                " VALUES ('', '', ?, ?, ?, ?, '', 1, ?, '', ?)",
                (
                    table.name,
                    "geom" if table.spatial else "",
                    style.name,
                    style.qml,
                    style.description,
                    stamp,
                ),
            )


def _register(db: sqlite3.Connection, extension: str, anchor: str, tables: Iterable[str]) -> None:
    definition = f"http://www.geopackage.org/spec130/#{anchor}"
    db.executemany(
        "INSERT INTO gpkg_extensions VALUES (?, NULL, ?, ?, 'read-write')",
        [(table, extension, definition) for table in tables],
    )
