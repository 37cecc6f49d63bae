"""QGIS projects inside a GeoPackage: kept, read back, and pointed at the file's present name.

A project knows its own file by name. When somebody renames the file every layer is lost, so the project is
written for the name the file will have, and ``relink`` mends it afterwards.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import sqlite3
import zipfile
import zlib
from contextlib import closing
from pathlib import Path
from typing import Final

from landremed.errors import InputError, Where
from landremed.io.gpkg import replace_whole
from landremed.io.sqlite_read import open_to_read

__all__ = ["keep_project", "project_names", "read_project", "relink", "zipped"]

_DDL: Final = "CREATE TABLE IF NOT EXISTS qgis_projects (name TEXT PRIMARY KEY, metadata BLOB, content BLOB)"
_FIXED_TIME: Final = (2000, 1, 1, 0, 0, 0)
_STAMP: Final = "2000-01-01T00:00:00"
_OWN_SOURCE: Final = re.compile(r'(?<=[>"])\./[^|<>"]+\.gpkg(?=\|layername=)')


def zipped(name: str, document: str) -> bytes:
    """Return a project as the bytes of a ``.qgz``; equal projects give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(f"{name}.qgs", _FIXED_TIME)
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, document.encode("utf-8"))
    return buffer.getvalue()


def keep_project(db: sqlite3.Connection, name: str, document: str) -> None:
    """Put a project into an open GeoPackage, in place of one of the same name."""
    metadata = json.dumps({"last_modified_time": _STAMP, "last_modified_user": "landremed"})
    with db:
        db.execute(_DDL)
        # QGIS wants the zip as hexadecimal text
        db.execute(
            "INSERT OR REPLACE INTO qgis_projects VALUES (?, ?, ?)",
            (name, metadata, zipped("project", document).hex()),
        )


def project_names(path: Path) -> list[str]:
    """Return the names of the projects in a GeoPackage."""
    with closing(_open(path)) as db:
        return [name for name, _ in _projects(db)]


def read_project(path: Path, name: str) -> str:
    """Return one project as XML."""
    with closing(_open(path)) as db:
        return dict(_projects(db))[name]


def relink(path: Path) -> list[str]:
    """Point the projects in a GeoPackage at the name the file has now.

    Parameters
    ----------
    path : Path
        GeoPackage that was renamed.

    Returns
    -------
    list of str
        Names of the projects that pointed elsewhere; none is changed when all are right.

    Raises
    ------
    InputError
        The file is missing, no GeoPackage, or holds no project.
    OutputError
        The file is open elsewhere, or cannot be replaced.
    """
    with closing(_open(path)) as db:
        try:
            found = list(_projects(db))
        except (sqlite3.Error, ValueError) as error:
            raise InputError("relink_damaged", Where(file=str(path)), reason=str(error)[:200]) from error
    if not found:
        raise InputError("relink_no_project", Where(file=str(path)))
    own = f"./{_escaped(path.resolve().name)}"
    mended = {name: _OWN_SOURCE.sub(lambda _: own, text) for name, text in found}
    changed = [name for name, text in found if mended[name] != text]
    if changed:
        with replace_whole(path) as temp:
            shutil.copyfile(path.resolve(), temp)
            with closing(sqlite3.connect(temp)) as db:
                for name in changed:
                    keep_project(db, name, mended[name])
    return changed


def _escaped(name: str) -> str:
    return name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _open(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise InputError("result_missing", Where(file=str(path)))
    db = open_to_read(path)
    try:
        db.execute("SELECT table_name FROM gpkg_contents LIMIT 1")
    except sqlite3.Error as error:
        db.close()
        raise InputError("result_not_geopackage", Where(file=str(path)), reason=str(error)) from error
    return db


def _projects(db: sqlite3.Connection) -> list[tuple[str, str]]:
    there = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'qgis_projects'").fetchone()
    if not there:
        return []
    found = []
    for name, content in db.execute("SELECT name, content FROM qgis_projects ORDER BY name"):
        found.append((str(name), _unpacked(content)))
    return found


def _unpacked(content: object) -> str:
    """Return the project's text; a ValueError says that it is damaged."""
    text = content.decode("ascii") if isinstance(content, bytes) else str(content)
    try:
        with zipfile.ZipFile(io.BytesIO(bytes.fromhex(text))) as archive:
            inner = next(n for n in archive.namelist() if n.endswith(".qgs"))
            return archive.read(inner).decode("utf-8")
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        RuntimeError,
        NotImplementedError,
        StopIteration,
    ) as error:
        raise ValueError(str(error) or "no project inside") from error
