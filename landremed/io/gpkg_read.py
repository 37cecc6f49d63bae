"""Rows of a result GeoPackage by parcel: a look-up of one parcel in a file of a million is instant.

Plain SQL with parameters over the indexes that ``landremed.io.gpkg`` writes. The file is opened read-only.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from landremed.errors import InputError, Where
from landremed.io.gpkg_extras import quoted
from landremed.io.sqlite_read import open_to_read

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["layer_names", "nearest_ids", "read_layer", "read_rows"]

_PARAMETERS_AT_ONCE: Final = 500
_COMPARED_AT_MOST: Final = 5000
_ALIKE: Final = 0.5
_KINDS: Final = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "MEDIUMINT", "INT", "INTEGER"), "INTEGER"),
    **dict.fromkeys(("FLOAT", "DOUBLE", "REAL"), "REAL"),
    **{kind: kind for kind in ("BOOLEAN", "DATE", "BLOB")},
}


def layer_names(path: Path) -> list[str]:
    """Return the names of the layers and tables of a GeoPackage, in the order in which they were written.

    Raises
    ------
    InputError
        The file is missing or no GeoPackage.
    """
    with closing(_open(path)) as db, _told(path):
        return [row[0] for row in db.execute("SELECT table_name FROM gpkg_contents ORDER BY rowid")]


def read_layer(
    path: Path,
    layer: str,
    ids: Iterable[str | int] | None = None,
    *,
    key: str = "parcel_id",
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Return rows of one layer, without geometry, in the order in which they were written.

    Parameters
    ----------
    path : Path
        A GeoPackage written by ``write_geopackage``.
    layer : str
        Layer or table.
    ids : iterable, optional
        Only rows whose ``key`` is one of these; all rows when left out.
    key : str
        Column of the ids.
    columns : sequence of str, optional
        Only these columns; all but ``fid`` and the geometry when left out.

    Raises
    ------
    InputError
        The file is missing or no GeoPackage, or has no such layer or column.
    """
    import pyarrow as pa

    rows, declared = _read(path, layer, ids, key, columns)
    kinds = {
        "BOOLEAN": pa.bool_(),
        "REAL": pa.float64(),
        "INTEGER": pa.int64(),
        "DATE": pa.date32(),
        "BLOB": pa.binary(),
    }
    with _told(path):
        arrays = [
            pa.array(list(v), kinds.get(k, pa.string())) for v, k in zip(rows, declared.values(), strict=True)
        ]
    return pa.table(arrays, names=list(declared))


def read_rows(
    path: Path,
    layer: str,
    ids: Iterable[str | int] | None = None,
    *,
    key: str = "parcel_id",
    columns: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Return the same as ``read_layer`` as plain records, which for a few rows is far quicker."""
    values, declared = _read(path, layer, ids, key, columns)
    return [dict(zip(declared, row, strict=True)) for row in zip(*values, strict=True)]


def _read(
    path: Path, layer: str, ids: Iterable[str | int] | None, key: str, columns: Sequence[str] | None
) -> tuple[list[list[Any]], dict[str, str]]:
    """Return the values of each column, and the kind of each column by name."""
    with closing(_open(path)) as db, _told(path):
        declared = _columns(db, path, layer)
        names = list(columns) if columns is not None else list(declared)
        for name in [*names, *([key] if ids is not None else [])]:
            if name not in declared:
                where = Where(file=str(path), layer=layer)
                raise InputError("result_column_missing", where, column=name)
        fields = ", ".join(quoted(name) for name in names) or "NULL"
        select = f"SELECT fid, {fields} FROM {quoted(layer)}"  # noqa: S608
        rows = _rows(db, select, key, ids)
        kinds = {name: _KINDS.get(declared[name].split("(")[0], "TEXT") for name in names}
        values = [[_python(row[i], kind) for row in rows] for i, kind in enumerate(kinds.values(), start=1)]
    return values, kinds


def nearest_ids(path: Path, layer: str, wanted: str, *, limit: int = 5) -> list[str]:
    """Return ids of parcels that look most like one that is not there.

    Parameters
    ----------
    path : Path
        A result GeoPackage.
    layer : str
        Layer with the column ``parcel_id``.
    wanted : str
        The id asked for.
    limit : int
        How many at most.
    """
    from difflib import SequenceMatcher

    with closing(_open(path)) as db, _told(path):
        _columns(db, path, layer)
        found = _similar(db, layer, wanted)
    plain = _plain(wanted)
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(plain)
    ranked = []
    for value in found:
        matcher.set_seq1(_plain(value))
        ratio = matcher.ratio() if matcher.quick_ratio() > _ALIKE else 0.0
        if ratio > _ALIKE:
            ranked.append((-ratio, value))
    return [value for _, value in sorted(ranked)[:limit]]


def _similar(db: sqlite3.Connection, layer: str, wanted: str) -> list[str]:
    """Return all ids of a small file, of a large one those that hold a piece of the wanted one."""
    select = f"SELECT DISTINCT parcel_id FROM {quoted(layer)}"  # noqa: S608
    found = [str(row[0]) for row in db.execute(f"{select} LIMIT {_COMPARED_AT_MOST + 1}")]
    if len(found) <= _COMPARED_AT_MOST:
        return found
    half = max(1, len(wanted) // 2)
    for piece in (wanted, wanted[:-1], wanted[1:], wanted[half:], wanted[:half]):
        pattern = piece.replace("!", "!!").replace("%", "!%").replace("_", "!_")
        query = f"{select} WHERE parcel_id LIKE ? ESCAPE '!' LIMIT {_COMPARED_AT_MOST}"
        some = [str(row[0]) for row in db.execute(query, (f"%{pattern}%",))] if piece else []
        if some:
            return some
    return found


def _plain(text: str) -> str:
    """Return an id without what people get wrong first: case, signs and leading zeros."""
    return "".join(re.sub(r"\d+", lambda found: str(int(found.group())), text.lower()).split()).replace(
        "_", "-"
    )


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say that the file is damaged where its tables are not what they must be."""
    try:
        yield
    except (sqlite3.Error, ValueError, TypeError) as error:
        raise InputError("result_not_geopackage", Where(file=str(path)), reason=str(error)) from error


def _open(path: Path) -> sqlite3.Connection:
    where = Where(file=str(path))
    if not path.is_file():
        raise InputError("result_missing", where)
    db = open_to_read(path)
    try:
        db.execute("SELECT table_name FROM gpkg_contents LIMIT 1")
    except sqlite3.Error as error:
        db.close()
        raise InputError("result_not_geopackage", where, reason=str(error)) from error
    return db


def _columns(db: sqlite3.Connection, path: Path, layer: str) -> dict[str, str]:
    """Return the declared type per column, without the row number and the geometry."""
    where = Where(file=str(path), layer=layer)
    known = db.execute("SELECT 1 FROM gpkg_contents WHERE table_name = ?", (layer,)).fetchone()
    if known is None:
        raise InputError("result_layer_missing", where, layer=layer)
    geometry = {
        row[0]
        for row in db.execute("SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?", (layer,))
    }
    info = db.execute(f"PRAGMA table_info({quoted(layer)})").fetchall()
    return {name: kind.upper() for _, name, kind, _, _, key in info if name not in geometry and not key}


def _rows(
    db: sqlite3.Connection, select: str, key: str, ids: Iterable[str | int] | None
) -> list[tuple[Any, ...]]:
    if ids is None:
        return db.execute(f"{select} ORDER BY fid").fetchall()
    wanted = list(dict.fromkeys(ids))
    rows: list[tuple[Any, ...]] = []
    for start in range(0, len(wanted), _PARAMETERS_AT_ONCE):
        part = wanted[start : start + _PARAMETERS_AT_ONCE]
        marks = ", ".join("?" * len(part))
        rows += db.execute(f"{select} WHERE {quoted(key)} IN ({marks})", part).fetchall()
    return sorted(rows, key=lambda row: int(row[0]))


def _python(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "DATE":
        return date.fromisoformat(value)
    if kind == "BOOLEAN":
        return bool(value)
    return str(value) if kind == "TEXT" else value
