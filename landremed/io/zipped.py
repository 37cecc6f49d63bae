"""Zip files as inputs: which layers they hold, unpacked safely into a private folder for as long as needed.

Everything is checked against the list of members before a byte is unpacked. GDAL's own reader of archives
is never used: it knows no limits and follows whatever a member is called.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import stat
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from landremed.errors import InputError, LandremedError, Where
from landremed.io.drivers import EXTENSIONS, ONE_LAYER, nearest, open_dataset, resolve_input
from landremed.io.gdal import list_raw_layers
from landremed.io.leftovers import folder_beside
from landremed.io.limits import Limits, check_limit

__all__ = [
    "ZIP",
    "ZipLayer",
    "errors_named",
    "holds_layer",
    "is_zip",
    "layer_of_zip",
    "table_of_zip",
    "unpacked",
    "zip_layers",
    "zip_named",
    "zip_tables",
    "zips_kept",
]

ZIP: Final = ".zip"
_ARCHIVES: Final = frozenset({".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".kmz"})
_BESIDE: Final = frozenset(
    {".shx", ".dbf", ".prj", ".cpg", ".cst", ".txt", ".gpkg-wal", ".gpkg-shm", ".gpkg-journal"}
)
_TABLES: Final = frozenset({".csv", ".tsv", ".xlsx", ".xlsm", ".xls"})
_LARGE: Final = 10_000_000  # below this a member's ratio says nothing: empty pages and blanks pack very well
_LEAST_CHINESE: Final = "\u2e80"
_SURVEY_MARKS: Final = tuple(
    "[地块坐标]".encode(name) for name in ("utf-8", "gb18030", "utf-16-le", "utf-16-be")
)


@dataclass(frozen=True, slots=True)
class ZipLayer:
    """One layer in an unpacked zip.

    Attributes
    ----------
    name : str
        How it is asked for: its own name, with its file before it where several share the name.
    member : str
        File (or FileGDB folder) inside the zip.
    layer : str or None
        Layer of that file; None for the only one.
    """

    name: str
    member: str
    layer: str | None


@dataclass
class _Held:
    folder: Path
    users: int


_held: dict[tuple[str, int, int], _Held] = {}
_lock = threading.RLock()
_keepers: list[object] = []


def is_zip(path: str) -> bool:
    """Tell whether a path, with or without a layer behind it, names a zip."""
    return zip_named(path)[0] != ""


def zip_named(path: str) -> tuple[str, str | None]:
    """Split ``FILE.zip:LAYER`` into file and layer; the file is "" for anything but a zip.

    Examples
    --------
    >>> zip_named("data/delivery.zip:sub/base.gpkg/yjjbnt")
    ('data/delivery.zip', 'sub/base.gpkg/yjjbnt')
    >>> zip_named("base.gpkg:a.zip")
    ('', None)
    """
    text = os.fspath(path)
    if text.lower().endswith(ZIP) and ":" not in text[2:]:
        return text, None
    for mark in ("|layername=", ":"):
        at = text.lower().find(ZIP + mark)
        if at > 0:
            end = at + len(ZIP)
            return text[:end], text[end + len(mark) :] or None
    return "", None


@contextmanager
def unpacked(path: str, base: Path | None, limits: Limits) -> Iterator[Path]:
    """Unpack a zip's data into a private folder, which is removed with its last user.

    Raises
    ------
    InputError
        The zip is damaged, encrypted, empty, over a limit, holds another archive, or a member's name leads
        out of the folder.
    """
    where = Where(file=path)
    real = resolve_input(path, base)
    if real.is_dir():
        raise InputError("file_is_folder", where)
    state = real.stat()
    key = (str(real), state.st_mtime_ns, state.st_size)
    with _lock:
        if key not in _held:
            check_limit(limits, "max_file_mb", state.st_size // 1_000_000, where)
            _held[key] = _Held(_unpack(real, where, limits), 0)
        held = _held[key]
        held.users += 1
    try:
        yield held.folder
    finally:
        with _lock:
            held.users -= 1
            _let_go()


@contextmanager
def zips_kept() -> Iterator[None]:
    """Keep what is unpacked inside until the end, so that a zip is unpacked once for all of its layers."""
    keeper = object()
    with _lock:
        _keepers.append(keeper)
    try:
        yield
    finally:
        with _lock:
            _keepers.remove(keeper)
            _let_go()


def _let_go() -> None:
    """Remove what nobody uses, unless it is kept."""
    if _keepers:
        return
    for key in [key for key, held in _held.items() if not held.users]:
        shutil.rmtree(_held.pop(key).folder, ignore_errors=True)


def zip_layers(folder: Path, shown: str) -> list[ZipLayer]:
    """Return the layers in an unpacked zip, sorted by file.

    A file that cannot be opened counts as one layer, so that reading it tells why.
    """
    found: list[tuple[str, str, str | None]] = []
    for member in _datasets(folder):
        pure = PurePosixPath(member)
        driver = EXTENSIONS.get(pure.suffix.lower(), "")
        names: list[str] = []
        if driver and driver not in ONE_LAYER:
            try:
                names = list_raw_layers(open_dataset(member, folder))
            except LandremedError:
                names = []
        found += [(name, member, name) for name in names] or [(pure.stem, member, None)]
    if not found:
        raise InputError("zip_without_data", Where(file=shown), known=", ".join(sorted(EXTENSIONS)))
    short = [name.casefold() for name, _, _ in found]
    return [
        ZipLayer(
            name if short.count(name.casefold()) == 1 else (f"{member}/{layer}" if layer else member),
            member,
            layer,
        )
        for name, member, layer in found
    ]


def layer_of_zip(folder: Path, shown: str, wanted: str | None) -> ZipLayer:
    """Return the layer that is asked for: by its name, its file, or ``file/layer``.

    Raises
    ------
    InputError
        It is not there, or must be named since there are several; what is inside is listed.
    """
    layers = zip_layers(folder, shown)
    names = [one.name for one in layers]
    if wanted is None:
        if len(layers) == 1:
            return layers[0]
        raise InputError("layer_needed", Where(file=shown), layers=", ".join(names), count=len(names))
    asked = wanted.casefold()
    by_name = [one for one in layers if one.name.casefold() == asked]
    by_file = [
        one for one in layers if asked in (one.member.casefold(), f"{one.member}/{one.layer}".casefold())
    ]
    for fits in (by_name, by_file):
        if len(fits) == 1:
            return fits[0]
    raise InputError("layer_missing", Where(file=shown), layer=wanted, nearest=nearest(wanted, names))


def zip_tables(folder: Path) -> list[str]:
    """Return the tables in an unpacked zip: files relative to the folder, sorted."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.lower().endswith(".gdb")]
        found += [Path(place, name) for name in files if Path(name).suffix.lower() in _TABLES]
    return sorted(path.relative_to(folder).as_posix() for path in found)


def table_of_zip(folder: Path, shown: str, wanted: str | None) -> tuple[str, str | None]:
    """Return the table that is asked for, by path or name, and the sheet behind it (``a.xlsx:SHEET``).

    Raises
    ------
    InputError
        It is not there, or must be named since there are several; what is inside is listed.
    """
    tables = zip_tables(folder)
    if wanted is None and len(tables) == 1:
        return tables[0], None
    file, _, sheet = (wanted or "").partition(":")
    asked = file.casefold()
    for fits in (
        [t for t in tables if t.casefold() == asked],
        [t for t in tables if asked in (PurePosixPath(t).name.casefold(), PurePosixPath(t).stem.casefold())],
    ):
        if len(fits) == 1:
            return fits[0], sheet or None
    raise InputError("zip_without_table", Where(file=shown), table=file or "?", nearest=nearest(file, tables))


def holds_layer(file: Path) -> bool:
    """Tell whether a file holds a layer: by its name, for JSON and text by what stands in its head."""
    suffix = file.suffix.lower()
    if suffix not in (".txt", ".json"):
        return suffix in EXTENSIONS
    try:
        with file.open("rb") as stream:
            head = stream.read(65_536)
    except OSError:
        return False
    if suffix == ".json":  # settings and metadata are JSON too
        return b'"Feature' in head
    return any(mark in head for mark in _SURVEY_MARKS)


@contextmanager
def errors_named(shown: str, folder: Path) -> Iterator[None]:
    """Let errors about an unpacked file name the zip and the member."""
    try:
        yield
    except LandremedError as error:
        file = error.where.file
        if file and not file.startswith(shown):
            inner = file.removeprefix(str(folder)).lstrip("/\\")
            error.where = dataclasses.replace(error.where, file=f"{shown}/{inner}")
        raise


def _unpack(real: Path, where: Where, limits: Limits) -> Path:
    folder = folder_beside(Path(tempfile.gettempdir()).resolve() / "landremed-zip")
    try:
        with zipfile.ZipFile(real) as archive:
            for info, name in _wanted(archive, where, limits):
                target = folder.joinpath(*PurePosixPath(name).parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(info) as source, target.open("xb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, InputError):
            raise
        if isinstance(error, zipfile.BadZipFile | zlib.error | EOFError):
            raise InputError("zip_damaged", where, reason=str(error) or type(error).__name__) from error
        if isinstance(error, OSError | NotImplementedError | RuntimeError | ValueError):
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError("file_unreadable", where, reason=reason) from error
        raise
    return folder


def _wanted(archive: zipfile.ZipFile, where: Where, limits: Limits) -> list[tuple[zipfile.ZipInfo, str]]:
    """Check all members, and return those that are data with their names."""
    infos = archive.infolist()
    if not infos:
        raise InputError("zip_empty", where)
    check_limit(limits, "max_unzipped_mb", sum(i.file_size for i in infos) // 1_000_000, where)
    names = _names(infos)
    seen: set[str] = set()
    wanted = []
    for info, name in zip(infos, names, strict=True):
        _check_member(info, name, where, limits)
        if info.is_dir() or not _is_data(name):
            continue
        if name.casefold() in seen:
            raise InputError("zip_member_twice", where, member=name)
        seen.add(name.casefold())
        wanted.append((info, name))
    check_limit(limits, "max_files", len(wanted), where)
    return wanted


def _check_member(info: zipfile.ZipInfo, name: str, where: Where, limits: Limits) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    parts = name.split("/")
    odd = kind not in (0, stat.S_IFREG, stat.S_IFDIR)
    if odd or name.startswith("/") or ".." in parts or ":" in name or "\0" in info.orig_filename:
        raise InputError("zip_member_unsafe", where, member=name)
    if info.flag_bits & 0x1:
        raise InputError("zip_encrypted", where, member=name)
    if PurePosixPath(name).suffix.lower() in _ARCHIVES and not info.is_dir():
        raise InputError("zip_nested", where, member=name)
    if info.file_size > _LARGE:
        check_limit(limits, "max_zip_ratio", info.file_size // max(info.compress_size, 1), where)


def _names(infos: list[zipfile.ZipInfo]) -> list[str]:
    """Return the members' names with ``/`` between folders.

    Programs that do not mark their names as UTF-8 wrote the bytes of their system: GBK on a Chinese Windows,
    UTF-8 all the same on a Mac. UTF-8 is believed where all names together are, and only as Chinese text.
    """
    raw = [None if i.flag_bits & 0x800 else i.orig_filename.encode("cp437") for i in infos]
    whole = [name for name in raw if name is not None]
    encoding = "utf-8" if all(_is_chinese_utf8(name) for name in whole) else "gb18030"
    names = []
    for info, name in zip(infos, raw, strict=True):
        text = info.orig_filename if name is None else name.decode(encoding, errors="replace")
        names.append(text.replace("\\", "/"))
    return names


def _is_chinese_utf8(name: bytes) -> bool:
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(sign.isascii() or sign >= _LEAST_CHINESE for sign in text)


def _is_data(name: str) -> bool:
    pure = PurePosixPath(name)
    if "__MACOSX" in pure.parts or pure.name.startswith((".", "~")):
        return False
    suffix = pure.suffix.lower()
    in_gdb = any(part.lower().endswith(".gdb") for part in pure.parts[:-1])
    data = suffix in EXTENSIONS or suffix in _TABLES or suffix in _BESIDE
    return in_gdb or (data and suffix != ".gdb")


def _datasets(folder: Path) -> list[str]:
    """Return the files and FileGDB folders that hold data, relative to the folder."""
    found = []
    for place, folders, files in os.walk(folder):
        for name in [n for n in folders if n.lower().endswith(".gdb")]:
            folders.remove(name)
            found.append(Path(place, name))
        found += [Path(place, name) for name in files if holds_layer(Path(place, name))]
    return sorted(path.relative_to(folder).as_posix() for path in found)
