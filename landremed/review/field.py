"""Reading what comes back from the field, without touching it.

A package is copied before it is read, with the write-ahead log that QGIS leaves while it is open, so that
nothing written is missed and nothing is changed.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pyarrow as pa
import pyogrio
import shapely

from landremed.errors import InputError, Where
from landremed.io.gdal import quiet
from landremed.io.gpkg import GEOMETRY_COLUMN, layer_names
from landremed.io.gpkg_read import read_rows
from landremed.io.wkb import as_large_binary, parse_wkb
from landremed.review.fingerprint import row_text, shape_hash
from landremed.review.records import Boundary, Problem, Review
from landremed.types import PartialDate
from landremed.values import parse_date

__all__ = ["PHOTOS", "QUESTION", "FieldPackage", "read_package", "visit_reviews"]

QUESTION: Final = "q_"
"""Columns of visits that hold an answer begin with it."""

PHOTOS: Final = ("photo_1", "photo_2", "photo_3")
"""Columns of visits that name a photo."""

_DATA: Final = "data.gpkg"
_WANTED: Final = {"parcels", "visits", "package", "package_rows"}
_MOST_BYTES: Final = 4 << 30


@dataclass(frozen=True)
class FieldPackage:
    """What a package holds: its id, what it was made from, and what people wrote."""

    package_id: str
    base: str
    crs: str
    reviews: list[Review]
    boundaries: list[Boundary]
    problems: list[Problem]


def read_package(path: Path) -> FieldPackage:
    """Read a package: a ``*.gpkg``, a folder or a zip.

    Raises
    ------
    InputError
        It is missing, damaged, or no package.
    """
    if not path.exists():
        raise InputError("result_missing", Where(file=str(path)))
    try:
        return _read_copy(path)
    except InputError as error:  # the private copy is named by the file that was given
        where = replace(error.where, file=str(path))
        raise InputError(error.code, where, **error.params) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise InputError("package_damaged", Where(file=str(path)), verdict=str(error)) from error


def _read_copy(path: Path) -> FieldPackage:
    with (
        tempfile.TemporaryDirectory(prefix="landremed-") as work,
        _unfolded(path, Path(work)) as (data, photos),
    ):
        try:
            with closing(sqlite3.connect(data)) as db:
                sound = db.execute("PRAGMA integrity_check").fetchone()[0]
                db.execute("PRAGMA journal_mode = DELETE")
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise InputError("result_not_geopackage", Where(file=str(path)), reason=str(error)) from error
        if sound != "ok":
            raise InputError("package_damaged", Where(file=str(path)), verdict=sound)
        missing = _WANTED - set(layer_names(data))
        if missing:
            raise InputError("not_a_package", Where(file=str(path)))
        return _read(data, photos)


@contextmanager
def _unfolded(path: Path, work: Path) -> Iterator[tuple[Path, Path]]:
    """Give a private copy of the data, and the folder that paths of photos are relative to."""
    copy = work / _DATA
    if path.is_dir():
        data, photos = path / _DATA, path
    elif zipfile.is_zipfile(path):
        _unzip(path, work / "unzipped")
        data, photos = work / "unzipped" / _DATA, work / "unzipped"
    else:
        data, photos = path, path.parent
    if not data.is_file():
        raise InputError("not_a_package", Where(file=str(path)))
    shutil.copyfile(data, copy)
    log = data.with_name(data.name + "-wal")
    if log.exists():
        shutil.copyfile(log, copy.with_name(copy.name + "-wal"))
    yield copy, photos


def _unzip(path: Path, folder: Path) -> None:
    """Unpack plain relative names only, and no more than a package can hold."""
    folder.mkdir()
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > _MOST_BYTES:
            raise InputError("package_damaged", Where(file=str(path)), verdict="too large")
        entries = [e for e in archive.infolist() if not e.is_dir()]
        roots = {
            str(PurePosixPath(e.filename).parent) for e in entries if PurePosixPath(e.filename).name == _DATA
        }
        root = min(roots, key=len, default=".")
        for entry in entries:
            name = PurePosixPath(entry.filename)
            if name.is_absolute() or ".." in name.parts or not name.is_relative_to(root):
                continue
            target = folder.joinpath(*name.relative_to(root).parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, target.open("wb") as out:
                shutil.copyfileobj(source, out)


def _read(data: Path, photos: Path) -> FieldPackage:
    head = {str(row["key"]): str(row["value"] or "") for row in read_rows(data, "package")}
    identity = head.get("package_id", "")
    problems, renamed = _edited(data, identity)
    reviews: list[Review] = []
    for visit in read_rows(data, "visits"):
        parcel = str(visit.get("parcel_id") or "")
        if parcel in renamed:
            problems.append(
                Problem(
                    renamed[parcel],
                    "review_of_renamed",
                    identity,
                    str(visit.get("surveyor") or ""),
                    "parcel_id",
                    parcel,
                )
            )
        reviews += visit_reviews(visit, renamed.get(parcel, parcel), identity, photos)
    boundaries = []
    for row, shape in _shapes(data, "resurveyed"):
        parcel = str(row.get("parcel_id") or "")
        if shape is None or shape.is_empty:
            problems.append(Problem(parcel, "boundary_empty", identity, str(row.get("surveyor") or "")))
            continue
        boundaries.append(
            Boundary(
                renamed.get(parcel, parcel),
                str(row.get("surveyor") or ""),
                str(row.get("visited_at") or ""),
                identity,
                str(row.get("remark") or ""),
                shapely.to_wkb(shapely.force_2d(shape), byte_order=1),
            )
        )
    return FieldPackage(identity, head.get("base", ""), head.get("crs", ""), reviews, boundaries, problems)


def visit_reviews(visit: Mapping[str, Any], parcel: str, package: str, photos: Path) -> list[Review]:
    """Turn one visit into reviews: its verdict or note, each answer, each further photo.

    Parameters
    ----------
    visit : mapping
        Columns of ``visits``.
    parcel : str
        The parcel it is about.
    package : str
        Id of the package.
    photos : Path
        Folder that the paths of photos are relative to.
    """
    text = {name: "" if value is None else str(value).strip() for name, value in visit.items()}
    common: dict[str, Any] = {
        "parcel_id": parcel,
        "person": text.get("surveyor", ""),
        "role": "surveyor",
        "made_at": _moment(text.get("visited_at", "")),
        "package": package,
        "lon": visit.get("lon"),
        "lat": visit.get("lat"),
    }
    shown = [text[name] for name in PHOTOS if text.get(name)]
    hashes = [_photo_hash(photos, name) for name in shown]
    first: dict[str, Any] = {"photo": shown[0], "photo_hash": hashes[0]} if shown else {}
    verdict = text.get("verdict", "")
    found = [
        Review(
            kind="verdict" if verdict else "note",
            value=verdict,
            remark=text.get("remark", ""),
            **common,
            **first,
        )
    ]
    found += [
        Review(kind="fact", fact=name.removeprefix(QUESTION), value=value, **common, **first)
        for name, value in text.items()
        if name.startswith(QUESTION) and value
    ]
    found += [
        Review(kind="note", photo=name, photo_hash=digest, **common)
        for name, digest in zip(shown[1:], hashes[1:], strict=True)
    ]
    return found


def _moment(text: str) -> str:
    """Return a time in ISO form, by which reviews are ordered; a day typed in another way too."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        day = parse_date(text)
        return str(day) if isinstance(day, PartialDate) and day.exact else text
    return text


def _photo_hash(folder: Path, name: str) -> str:
    """Return the hash of a photo of the package, nothing when it is not there."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        return ""
    file = folder.joinpath(*path.parts)
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file.is_file() else ""


def _edited(data: Path, package: str) -> tuple[list[Problem], dict[str, str]]:
    """Compare the machine's columns and shapes with what was packed.

    Returns the problems, and for parcels that were given another id the old one by the new one.
    """
    packed = {str(row["parcel_id"]): row for row in read_rows(data, "package_rows")}
    present: dict[str, list[tuple[dict[str, Any], str]]] = {}
    for row, shape in _shapes(data, "parcels"):
        present.setdefault(str(row.get("parcel_id") or ""), []).append((row, shape_hash(shape)))
    by_shape = {str(row["shape"]): pid for pid, row in packed.items() if row["shape"]}
    problems: list[Problem] = []
    renamed: dict[str, str] = {}
    for pid, rows in sorted(present.items()):
        if pid not in packed:
            old = by_shape.get(rows[0][1])
            if old is not None and old not in present:
                renamed[pid] = old
                problems.append(Problem(old, "parcel_id_changed", package, "", "parcel_id", pid))
            else:
                problems.append(Problem(pid, "parcel_added", package))
            continue
        if len(rows) > 1:
            problems.append(Problem(pid, "shape_split", package, "", "geom", str(len(rows))))
        elif rows[0][1] != (packed[pid]["shape"] or ""):
            problems.append(Problem(pid, "shape_moved", package, "", "geom"))
        problems += _columns_edited(pid, rows[0][0], str(packed[pid]["attributes"]), package)
    gone = set(packed) - set(present) - set(renamed.values())
    return problems + [Problem(pid, "parcel_deleted", package) for pid in sorted(gone)], renamed


def _columns_edited(pid: str, row: Mapping[str, Any], packed: str, package: str) -> list[Problem]:
    import json

    before, now = json.loads(packed), json.loads(row_text(row))
    return [
        Problem(
            pid, "machine_column_edited", package, "", name, f"{before.get(name, '')} -> {now.get(name, '')}"
        )
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]


def _shapes(data: Path, layer: str) -> list[tuple[dict[str, Any], shapely.Geometry | None]]:
    if layer not in layer_names(data):
        return []
    try:
        with quiet():
            _, table = pyogrio.read_arrow(data, layer=layer)
        shapes = parse_wkb(as_large_binary(table[GEOMETRY_COLUMN]))
    except (RuntimeError, ValueError, KeyError, pa.ArrowException) as error:  # pyogrio raises many classes
        raise InputError("package_damaged", Where(file=data.name, layer=layer), verdict=str(error)) from error
    rows = table.drop_columns([GEOMETRY_COLUMN]).to_pylist()
    return list(zip(rows, shapes, strict=True))
