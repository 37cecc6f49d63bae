"""A work package for surveyors: the parcels, what they occupy, and only the questions that matter."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import shapely

from landremed.errors import InputError, OutputError, Where
from landremed.io.disk import flush
from landremed.io.exchange import replace_folder
from landremed.io.gpkg import OutLayer, write_geopackage
from landremed.io.leftovers import folder_beside
from landremed.provenance import VOLATILE_KEYS
from landremed.report.code_lists import book_codes
from landremed.report.resultfile import ResultFile, open_result
from landremed.report.review_words import review_titled
from landremed.report.styles import default_styles
from landremed.review.field_project import field_project, question_codes
from landremed.review.fingerprint import fingerprints
from landremed.review.questions import Question, questions_of, visit_values
from landremed.review.simple_pack import write_kml
from landremed.review.workbook import write_workbook

__all__ = ["Package", "base_hash", "pack_reviews"]

DATA_NAME: Final = "data.gpkg"
PROJECT_NAME: Final = "project.qgz"
PHOTO_FOLDER: Final = "DCIM"
PACKED: Final = (
    "parcel_id",
    "outcome",
    "outcome_label",
    "why",
    "category",
    "missing_facts",
    "missing_facts_label",
    "implementing_unit",
    "area_m2",
    "area_mu",
)
_VISIT_COLUMNS: Final = (
    "parcel_id",
    "surveyor",
    "visited_at",
    "verdict",
    "remark",
    "photo_1",
    "photo_2",
    "photo_3",
    "lon",
    "lat",
    "gps_accuracy_m",
)
_NUMBERS: Final = ("lon", "lat", "gps_accuracy_m")
_MIN_CORNERS: Final = 8


@dataclass(frozen=True)
class Package:
    """What was packed: the package's id, its parcels by falling visit value, and the questions asked."""

    package_id: str
    parcels: list[str]
    questions: list[str]
    constraint_pieces: int


def pack_reviews(
    result: Path | str,
    output: Path | str,
    *,
    where: str | None = None,
    assign: str | None = None,
    project: Path | str | None = None,
    clip_m: float = 200.0,
    kind: str = "qgis",
    overwrite: bool = False,
) -> Package:
    """Write a package for the field.

    Parameters
    ----------
    result : path
        Result GeoPackage of ``landremed run``.
    output : path
        ``*.gpkg`` with the project inside, ``*.zip``, or a folder with ``project.qgz``, ``data.gpkg`` and
        ``DCIM``; a file for the other kinds.
    where : str, optional
        SQL condition over the columns of ``decisions``; without it all parcels that wait for facts.
    assign : str, optional
        Only the parcels for which this unit answers; it is named in the package.
    project : path, optional
        Project file whose constraint layers are cut to the parcels' surroundings; without it only what lies
        inside the parcels is carried along.
    clip_m : float
        How far around the parcels constraint layers are kept, metres.
    kind : {"qgis", "xlsx", "kml"}
        Form of the package.
    overwrite : bool
        Replace an existing package, unless it holds visits.

    Raises
    ------
    InputError, OutputError
        Nothing is selected, or the output cannot or must not be written.
    """
    opened, target = open_result(result), Path(output)
    ids = _selected(opened, where, assign)
    asked = questions_of(opened, ids)
    ranked = visit_values(opened, ids)
    layers = _layers(opened, ranked, asked, assign)
    cut = _constraints(opened, [pid for pid, _ in ranked], project, clip_m)
    layers.append(cut)
    identity = _identity(opened, layers, assign)
    head = _head(opened, identity, assign)
    layers += [_package_table(head), *fingerprints(layers[0])]
    package = Package(identity, [pid for pid, _ in ranked], [q.fact for q in asked], len(cut.table))
    if kind == "xlsx":
        write_workbook(target, layers[0].table, asked, head, opened.language, overwrite=overwrite)
    elif kind == "kml":
        write_kml(target, layers[0], opened.crs, opened.language, overwrite=overwrite)
    else:
        _write(target, opened, layers, asked, overwrite)
    return package


def base_hash(provenance: dict[str, str] | Any) -> str:
    """Return a short hash of what a result rests on; two runs on the same inputs have the same."""
    # what was decided follows from the rest, and changes when a boundary is measured again
    passed_over = (*VOLATILE_KEYS, "rules_fired")
    lasting = {k: v for k, v in provenance.items() if k not in passed_over}
    return hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()[:16]


def _selected(opened: ResultFile, where: str | None, assign: str | None) -> list[str]:
    ids = opened.select(where if where is not None else "missing_facts IS NOT NULL")
    if assign is None:
        return ids
    units = dict(
        zip(*(opened.decisions[name].to_pylist() for name in ("parcel_id", "implementing_unit")), strict=True)
    )
    chosen = [pid for pid in ids if units.get(pid) == assign]
    if not chosen:
        there = sorted({unit for pid in ids if (unit := units.get(pid))})
        raise InputError(
            "pack_no_such_unit", Where(file=str(opened.path)), unit=assign, units="、".join(there)
        )
    return chosen


def _layers(
    opened: ResultFile, ranked: list[tuple[str, float]], asked: list[Question], assign: str | None
) -> list[OutLayer]:
    ids = [pid for pid, _ in ranked]
    place = {str(pid): row for row, pid in enumerate(opened.decisions["parcel_id"].to_pylist())}
    rows = np.array([place[pid] for pid in ids])
    table = opened.decisions.select(list(PACKED)).take(pa.array(rows))
    table = table.append_column("visit_value", pa.array([value for _, value in ranked], pa.float64()))
    table = table.append_column("visit_rank", pa.array(range(1, len(ids) + 1), pa.int64()))
    table = table.append_column("assigned_to", pa.array([assign] * len(ids), pa.string()))
    shapes = opened.shapes("decisions")[rows]
    overlaps = opened.table("overlaps", ids)
    kinds = {name: pa.float64() for name in _NUMBERS}
    names = [*_VISIT_COLUMNS, *(q.column for q in asked)]
    visits = pa.schema([(name, kinds.get(name, pa.string())) for name in names])
    drawn = pa.schema([(name, pa.string()) for name in ("parcel_id", "surveyor", "visited_at", "remark")])
    return [
        OutLayer("parcels", table, _wkb(shapes)),
        OutLayer("pieces", overlaps, _wkb(opened.shapes("overlaps", ids))),
        OutLayer("visits", visits.empty_table()),
        OutLayer("resurveyed", drawn.empty_table(), pa.array([], pa.large_binary())),
    ]


def _constraints(opened: ResultFile, ids: list[str], project: Path | str | None, clip_m: float) -> OutLayer:
    """Cut the whole layers to the surroundings of the parcels; nothing but the layer's name is kept."""
    names: list[str] = []
    pieces: list[shapely.Geometry] = []
    if project is not None:
        from landremed.report.surroundings import read_surroundings

        shapes = opened.shapes("decisions", ids)
        around = shapely.buffer(shapes[~shapely.is_missing(shapes)], clip_m, quad_segs=_MIN_CORNERS)
        near = shapely.union_all(around)
        for role, polygons in read_surroundings(project, opened.crs).items():
            if role in ("admin_units", "land_use"):
                continue
            usable = polygons[~shapely.is_missing(polygons)]
            touching = usable[shapely.intersects(usable, near)]
            for piece in shapely.get_parts(shapely.intersection(touching, near)):
                if shapely.get_type_id(piece) == shapely.GeometryType.POLYGON and not piece.is_empty:
                    names.append(role)
                    pieces.append(piece)
    found = np.empty(len(pieces), dtype=object)
    found[:] = pieces
    return OutLayer("constraints", pa.table({"layer": pa.array(names, pa.string())}), _wkb(found))


def _identity(opened: ResultFile, layers: list[OutLayer], assign: str | None) -> str:
    content = json.dumps(
        [base_hash(opened.provenance), assign, layers[0].table.to_pylist()], default=str, sort_keys=True
    )
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def _head(opened: ResultFile, identity: str, assign: str | None) -> dict[str, str]:
    """Return what a package is and what it was made from."""
    kept = {
        k: opened.provenance.get(k) or "" for k in ("version", "project", "secrecy", "rules", "rules_hash")
    }
    return {
        "package_id": identity,
        "base": base_hash(opened.provenance),
        "assigned_to": assign or "",
        **kept,
        "crs": opened.provenance.get("crs", ""),
        "result": opened.path.name,
    }


def _package_table(head: Mapping[str, str]) -> OutLayer:
    columns = {"key": pa.array(list(head), pa.string()), "value": pa.array(list(head.values()), pa.string())}
    return OutLayer("package", pa.table(columns))


def _write(
    target: Path, opened: ResultFile, layers: list[OutLayer], asked: list[Question], overwrite: bool
) -> None:
    language = opened.language
    codes: dict[str, Mapping[str, Mapping[str, str]]] = {"visits": question_codes(asked, language)}
    if opened.book is not None:
        known = book_codes(opened.book, language)
        codes |= {"parcels": known, "pieces": known, "constraints": known}
    shown = [
        review_titled(layer, language, codes.get(layer.name))
        if layer.name not in ("package", "package_rows")
        else layer
        for layer in layers
    ]
    if target.suffix.lower() == ".gpkg":
        _refuse_visited(target)
        _write_data(target, shown, opened, asked, overwrite, embed=True)
        return
    if target.exists() and not overwrite:
        raise OutputError("output_exists", Where(file=str(target)))
    _refuse_visited(target)
    if not target.resolve().parent.is_dir():
        raise OutputError("output_folder_missing", Where(file=str(target)), folder=str(target.parent))
    work = folder_beside(target.resolve())
    try:
        _write_data(work / DATA_NAME, shown, opened, asked, False, embed=False)
        project = field_project(work / DATA_NAME, shown, opened, asked)
        from landremed.io.gpkg_project import zipped

        (work / PROJECT_NAME).write_bytes(zipped("project", project))
        (work / PHOTO_FOLDER).mkdir()
        if target.suffix.lower() == ".zip":
            archive = work.with_name(f"{work.name}.zip")
            _zip(work, archive)
            archive.replace(target)
        else:
            work.chmod(0o755)
            replace_folder(work, target.resolve())
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError("output_write_failed", Where(file=str(target)), reason=reason) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write_data(
    path: Path,
    layers: list[OutLayer],
    opened: ResultFile,
    asked: list[Question],
    overwrite: bool,
    *,
    embed: bool,
) -> None:
    from contextlib import closing
    from sqlite3 import connect

    from landremed.io.gpkg_project import keep_project
    from landremed.report.review_words import review_word

    def finish(temp: Path) -> bool:
        if embed:
            document = field_project(temp, layers, opened, asked, name=path.name)
            with closing(connect(temp)) as db:
                keep_project(db, review_word("words", "field_project", opened.language), document)
        return False

    write_geopackage(
        path,
        layers,
        crs_wkt=opened.crs.to_wkt(),
        overwrite=overwrite,
        styles=default_styles(layers, opened.language),
        language=opened.language,
        finish=finish,
    )


def _refuse_visited(target: Path) -> None:
    """Never replace a package in which somebody has written already."""
    from landremed.io.gpkg_read import layer_names, read_layer

    data = target / DATA_NAME if target.is_dir() else target
    if data.suffix.lower() != ".gpkg" or not data.is_file():
        if target.is_dir() and any(target.iterdir()):
            raise OutputError("pack_folder_strange", Where(file=str(target)))
        return
    names = layer_names(data)
    for layer in ("visits", "resurveyed"):
        if layer in names and len(read_layer(data, layer)):
            raise OutputError("pack_holds_visits", Where(file=str(target)))


def _zip(folder: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                out.writestr(zipfile.ZipInfo(f"{path.name}/", (2000, 1, 1, 0, 0, 0)), b"")
                continue
            entry = zipfile.ZipInfo(path.name, (2000, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            out.writestr(entry, path.read_bytes())
    flush(archive)


def _wkb(shapes: Any) -> pa.Array:
    values = [None if shape is None else shapely.to_wkb(shape, byte_order=1) for shape in shapes]
    return pa.array(values, pa.large_binary())
