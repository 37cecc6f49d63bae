"""Which file is meant, and which driver may open it.

The driver is chosen here, by extension *and* by the first bytes, never by GDAL's own guess: a file that
is called ``.geojson`` and holds a virtual data set would otherwise hand over rows of another file.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import sqlite3
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from landremed.errors import InputError, Where
from landremed.io.geojson_crs import crs_name
from landremed.io.limits import Limits, check_limit
from landremed.io.sqlite_read import open_to_read

__all__ = [
    "EXTENSIONS",
    "FOREIGN",
    "Dataset",
    "foreign",
    "layer_file",
    "nearest",
    "open_dataset",
    "resolve_input",
    "sidecar",
    "split_layer",
]

EXTENSIONS = {
    ".gpkg": "GPKG",
    ".shp": "ESRI Shapefile",
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
    ".fgb": "FlatGeobuf",
    ".gdb": "OpenFileGDB",
    ".parquet": "GeoParquet",
    ".geoparquet": "GeoParquet",
}
"""File extension (lower case) -> the one driver that may read it."""

FOREIGN: Mapping[str, str] = {
    ".mdb": "Personal Geodatabase (MDB)",
    ".dwg": "DWG",
    ".dxf": "DXF",
    ".kml": "KML",
    ".kmz": "KMZ",
    ".ovkml": "OVKML",
    ".ovkmz": "OVKMZ",
    ".vct": "VCT",
    ".tab": "MapInfo TAB",
    ".mif": "MapInfo MIF",
    ".gml": "GML",
    ".e00": "E00",
    ".rar": "RAR",
    ".7z": "7z",
    ".tar": "TAR",
    ".gz": "GZ",
    ".tgz": "TGZ",
}
"""Extensions of other data that people have (lower case) -> what it is called."""

_WEB_MAP = frozenset({".kml", ".kmz", ".ovkml", ".ovkmz"})

ONE_LAYER = frozenset({"ESRI Shapefile", "GeoJSON", "FlatGeobuf", "GeoParquet"})

_SHAPEFILE_PARTS = (".shx", ".dbf", ".prj", ".cpg", ".qix", ".sbn", ".sbx", ".idm", ".ind")
"""What GDAL opens beside a ``.shp``."""

_MODULE = re.compile(r"\bUSING\s+[\"'`\[]?(\w+)", re.IGNORECASE)
_INDEXES = frozenset({"rtree", "rtree_i32", "geopoly", "fts3", "fts4", "fts5"})

_ODD_NAME = re.compile(r"[!;\x00-\x1f]")  # pyogrio would cut the path there, or look for an archive
_LAYER_MARK = "|layername="
_VIRTUAL = b"<OGRVRT"
_HEAD = 65_536
_COMPARED_CHARS = 100  # of two names; comparing takes the square of their length


@dataclass(frozen=True, slots=True)
class Dataset:
    """An existing local file (or FileGDB folder) together with its driver.

    Attributes
    ----------
    shown : str
        Path as the user wrote it.
    path : pathlib.Path
        Absolute path without symbolic links.
    driver : str
        GDAL's driver name, or ``GeoParquet``.
    """

    shown: str
    path: Path
    driver: str

    @property
    def one_layer(self) -> bool:
        """Whether the format holds one layer only."""
        return self.driver in ONE_LAYER

    @property
    def connection(self) -> str:
        """What GDAL is given; the prefix pins the driver where GDAL has one for it."""
        if self.driver == "GeoJSON":
            return f"GeoJSON:{self.path}"
        return str(self.path)


def layer_file(path: str, layer: str | None, base: Path) -> Path:
    """Return the file of an input that names its layer, if it does, apart or behind the file's name."""
    return base / (path if layer is not None else split_layer(path)[0])


def split_layer(text: str) -> tuple[str, str | None]:
    """Split ``FILE:LAYER`` or ``FILE|layername=LAYER`` into file and layer.

    The last colon counts, never the one of a drive; without a layer the second item is None.

    Examples
    --------
    >>> split_layer("data/base.gpkg:yjjbnt")
    ('data/base.gpkg', 'yjjbnt')
    >>> split_layer("C:/data/base.gpkg|layername=yjjbnt")
    ('C:/data/base.gpkg', 'yjjbnt')
    >>> split_layer("C:/data/base.gpkg")
    ('C:/data/base.gpkg', None)
    """
    if _LAYER_MARK in text:
        file, _, rest = text.partition(_LAYER_MARK)
        return file, rest.split("|")[0] or None
    at = text.rfind(":")
    drive = at == 1 and text[0].isalpha()
    if at < 1 or drive or text[at + 1 :].startswith(("//", "\\\\")):
        return text, None
    return text[:at], text[at + 1 :] or None


def nearest(wanted: str, names: Iterable[str], *, limit: int = 5) -> str:
    """Return names as one text for a message, the most similar to ``wanted`` first."""
    pool = [str(name) for name in names]
    folded = wanted[:_COMPARED_CHARS].casefold()

    def unlike(name: str) -> float:
        return -difflib.SequenceMatcher(
            None, folded, name[:_COMPARED_CHARS].casefold(), autojunk=False
        ).ratio()

    ranked = sorted(pool, key=unlike)
    more = f", … ({len(pool)})" if len(pool) > limit > 1 else ""
    return ", ".join(ranked[:limit]) + more if pool else "–"


def resolve_input(path: str, base: Path | None = None) -> Path:
    """Return the absolute path of an existing local input.

    Parameters
    ----------
    path : str
        As the user wrote it, relative to ``base``.
    base : pathlib.Path, optional
        Folder of the project file; the current folder by default.

    Raises
    ------
    InputError
        For addresses and virtual paths, missing files, and links that lead out of the project folder.
    """
    where = Where(file=path)
    text = os.fspath(path)
    if "\0" in text or not text.strip():
        raise InputError("path_not_local", Where(file=text.replace("\0", "?")))
    if "://" in text or text.replace("\\", "/").lower().startswith(("/vsi", "//vsi")):
        raise InputError("path_not_local", where)
    root = Path(base) if base is not None else Path.cwd()
    written = root / text
    try:
        real = written.resolve()
        exists = real.exists()
    except (OSError, RuntimeError) as error:
        raise InputError("file_unreadable", where, reason=str(error)) from error
    if str(real).startswith("/vsi"):
        raise InputError("path_not_local", where)
    if base is not None and not Path(text).is_absolute():
        _refuse_escape(root, text, real)
    if not exists:
        raise InputError("file_missing", where, nearest=_neighbours(written))
    if not (real.is_file() or real.is_dir()):  # a pipe or a device would be waited on for ever
        raise InputError("path_not_local", where)
    return real


def open_dataset(path: str, base: Path | None = None, limits: Limits | None = None) -> Dataset:
    """Find a vector file and the driver for it, and check that its first bytes agree.

    Raises
    ------
    InputError
        Missing, empty, cut off, of another type than its name says, or too large.
    """
    real = resolve_input(path, base)
    where = Where(file=path)
    driver = EXTENSIONS.get(real.suffix.lower())
    if driver is None and real.suffix.lower() in FOREIGN:
        raise foreign(path)
    if driver is None:
        raise InputError("file_type_unknown", where, known=", ".join(sorted(EXTENSIONS)))
    if _ODD_NAME.search(str(real)):
        raise InputError("path_odd_name", where)
    if real.is_dir() != (driver == "OpenFileGDB"):
        raise InputError("file_is_folder" if real.is_dir() else "gdb_not_folder", where)
    check_limit(limits or Limits(), "max_file_mb", _size(real, where) // 1_000_000, where)
    _CHECKS[driver](real, where)
    return Dataset(path, real, driver)


def foreign(path: str) -> InputError:
    """Return the error that names data of another program, and what to do with it."""
    suffix = Path(path).suffix.lower()
    code = "file_type_web_map" if suffix in _WEB_MAP else "file_type_foreign"
    return InputError(code, Where(file=path), kind=FOREIGN[suffix])


def _refuse_escape(root: Path, text: str, real: Path) -> None:
    """Refuse a link below the project folder that leads out of it."""
    home = root.resolve()
    plain = Path(os.path.normpath(home / text))
    if real != plain and not real.is_relative_to(home):
        raise InputError("path_leaves_folder", Where(file=text))


def _neighbours(written: Path) -> str:
    try:
        names = [
            p.name
            for p in written.parent.iterdir()
            if p.suffix.lower() in {*EXTENSIONS, ".csv", ".xlsx", ".zip"}
        ]
    except OSError:
        return "–"
    return nearest(written.name, names)


def _size(real: Path, where: Where) -> int:
    try:
        if not real.is_dir():
            return real.stat().st_size
        inside = list(real.iterdir())
        for item in inside:
            if item.is_symlink() and item.resolve().parent != real:
                raise InputError("path_leaves_folder", where)
        return sum(item.stat().st_size for item in inside if item.is_file())
    except OSError as error:
        raise InputError("file_unreadable", where, reason=error.strerror or str(error)) from error


def _head(real: Path, where: Where) -> bytes:
    try:
        with real.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        raise InputError("file_unreadable", where, reason=error.strerror or str(error)) from error
    if not head:
        raise InputError("file_empty", where)
    return head


def _check_gpkg(real: Path, where: Where) -> None:
    head = _head(real, where)
    if not head.startswith(b"SQLite format 3\0"):
        raise InputError("file_not_of_type", where, driver="GeoPackage", found=_looks_like(head))
    if len(head) < 100:
        raise InputError("file_truncated", where)
    page = struct.unpack(">H", head[16:18])[0]
    pages, change, valid_for = (struct.unpack(">I", head[i : i + 4])[0] for i in (28, 24, 92))
    expected = (65_536 if page == 1 else page) * pages
    if change == valid_for and real.stat().st_size < expected:
        raise InputError("file_truncated", where)
    for log in ("-wal", "-shm", "-journal"):
        if real.with_name(real.name + log).is_symlink():
            raise InputError("path_leaves_folder", Where(file=where.file + log))
    _refuse_modules(real, where)


def _refuse_modules(real: Path, where: Where) -> None:
    """Refuse virtual tables that read other files; those of spatial and text indexes are usual."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(open_to_read(real)) as data:
        tables = data.execute("SELECT sql FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%'").fetchall()
        modules = [match[1].lower() for (sql,) in tables for match in [_MODULE.search(sql)] if match]
        odd = [name for name in modules if name not in _INDEXES]
        if odd or len(modules) < len(tables):
            raise InputError("gpkg_virtual_table", where, module=", ".join(odd) or "?")


def _check_shapefile(real: Path, where: Where) -> None:
    head = _head(real, where)
    if len(head) < 100 and b"\x00\x00\x27\x0a".startswith(head[:4]):
        raise InputError("file_truncated", where)
    if head[:4] != b"\x00\x00\x27\x0a":
        raise InputError("file_not_of_type", where, driver="Shapefile", found=_looks_like(head))
    if real.stat().st_size < 2 * struct.unpack(">i", head[24:28])[0]:
        raise InputError("file_truncated", where)
    for suffix in (".shx", ".dbf"):
        part = sidecar(real, suffix)
        if part is None:
            raise InputError("shapefile_part_missing", where, part=real.stem + suffix)
        _head(part, Where(file=str(Path(where.file).with_suffix(suffix))))
    for suffix in _SHAPEFILE_PARTS:
        part = sidecar(real, suffix)
        if part is not None and part.is_symlink() and part.resolve().parent != real.parent:
            raise InputError("path_leaves_folder", Where(file=str(Path(where.file).with_suffix(suffix))))


def _check_geojson(real: Path, where: Where) -> None:
    head = _head(real, where)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise InputError("file_empty", where)
    if not text.startswith(b"{"):
        raise InputError("file_not_of_type", where, driver="GeoJSON", found=_looks_like(head))
    crs_name(real, where)


def _check_flatgeobuf(real: Path, where: Where) -> None:
    head = _head(real, where)
    if not head.startswith(b"fgb\x03fgb") or _VIRTUAL in head.split(b"\0")[0]:
        raise InputError("file_not_of_type", where, driver="FlatGeobuf", found=_looks_like(head))
    if len(head) < 12:
        raise InputError("file_truncated", where)


def _check_parquet(real: Path, where: Where) -> None:
    head = _head(real, where)
    if not head.startswith(b"PAR1"):
        raise InputError("file_not_of_type", where, driver="GeoParquet", found=_looks_like(head))
    with real.open("rb") as stream:
        stream.seek(-min(4, len(head)), os.SEEK_END)
        if stream.read() != b"PAR1":
            raise InputError("file_truncated", where)


def _check_gdb(real: Path, where: Where) -> None:
    names = {p.name.lower() for p in real.iterdir()}
    if "a00000001.gdbtable" not in names:
        raise InputError("file_not_of_type", where, driver="FileGDB", found="folder")
    if "a00000001.gdbtablx" not in names:
        raise InputError("file_truncated", where)


def sidecar(real: Path, suffix: str) -> Path | None:
    """Return the file beside a shapefile with that extension in any case, or None."""
    wanted = (real.stem + suffix).lower()
    exact = real.with_suffix(suffix)
    if exact.exists():
        return exact
    return next((p for p in sorted(real.parent.iterdir()) if p.name.lower() == wanted), None)


def _looks_like(head: bytes) -> str:
    """Name what the first bytes show, for the message."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    marks = (
        (b"SQLite format 3\0", "SQLite"),
        (b"fgb\x03", "FlatGeobuf"),
        (b"PAR1", "Parquet"),
        (b"PK\x03\x04", "zip"),
        (b"\x00\x00\x27\x0a", "Shapefile"),
        (b"{", "JSON"),
        (b"[", "JSON"),
    )
    for mark, name in marks:
        if head.startswith(mark) or text.startswith(mark):
            return name
    if _VIRTUAL in head:
        return "OGR VRT"
    return "XML" if text.startswith(b"<") else "unknown"


_CHECKS = {
    "GPKG": _check_gpkg,
    "ESRI Shapefile": _check_shapefile,
    "GeoJSON": _check_geojson,
    "FlatGeobuf": _check_flatgeobuf,
    "GeoParquet": _check_parquet,
    "OpenFileGDB": _check_gdb,
}
