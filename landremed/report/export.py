"""A result for people without QGIS projects: shapefiles, GeoJSON, FileGDB, KML and coordinates as text."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyogrio
import pyproj
import shapely

from landremed.crs import central_meridian, crs_label, false_easting, is_cgcs2000_gauss_krueger
from landremed.errors import OutputError, Where
from landremed.io.exchange import replace_folder
from landremed.io.leftovers import folder_beside
from landremed.io.survey_txt import survey_text
from landremed.report.formats import plain_text
from landremed.report.labels import column_titles, value_label
from landremed.report.resultfile import ResultFile, open_result

__all__ = ["export_result", "short_names"]

_LEGEND: Final = "legend.csv"
_NAME_BYTES: Final = 10
_TEXT_BYTES: Final = 254
_NO_UNIT: Final = "-"
_M2_PER_HA: Final = 10_000.0
_ZONE_M: Final = 1_000_000
_CENTRE_M: Final = 500_000.0
_FIRST_3_DEGREE_ZONE: Final = 24
_FORBIDDEN: Final = re.compile(r'[\\/:*?"<>|\x00-\x1f]')
_SHORT: Final[Mapping[str, str]] = {
    "permanent_basic_farmland": "PBF",
    "ecological_red_line": "ERL",
    "urban_development_boundary": "UDB",
    "green_ecological_barrier": "GEB",
    "red_line_outside_boundary": "ERL_OUT",
    "farmland_outside_boundary": "PBF_OUT",
}
_PLAIN: Final = (
    "parcel_id",
    "outcome_label",
    "measure_label",
    "why",
    "clause",
    "missing_facts_label",
    "due_on",
    "overdue",
    "implementing_unit",
    "area_m2",
    "area_mu",
)


def export_result(
    result: Path | str,
    output: Path | str,
    *,
    kind: str = "shp",
    by: str | None = None,
    where: str | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write the recommendations of a result into a folder.

    Parameters
    ----------
    result : path
        Result GeoPackage.
    output : path
        Folder; it appears when everything in it is complete.
    kind : {"shp", "geojson", "gdb", "kml", "txt"}
        ``shp`` in GB18030 with short field names and ``legend.csv``; ``geojson`` and ``kml`` in WGS 84;
        ``txt`` the coordinate exchange format of land surveys, metres in the working CRS.
    by : {"outcome", "unit"}, optional
        One file for each.
    where : str, optional
        SQL condition over the columns of ``decisions``.
    overwrite : bool
        Replace a folder that ``export`` wrote.

    Returns
    -------
    list of Path
        Files written, by name.

    Raises
    ------
    InputError, OutputError
        Nothing is selected, or the folder cannot or must not be written.
    """
    opened, target = open_result(result), Path(output)
    _check_folder(target, overwrite)
    chosen = set(opened.select(where))
    rows = np.array([i for i, pid in enumerate(opened.decisions["parcel_id"].to_pylist()) if pid in chosen])
    table, shapes = opened.decisions.take(pa.array(rows)), opened.shapes("decisions")[rows]
    work = folder_beside(target.resolve())
    try:
        for name, at in _groups(table, by, opened.language):
            _WRITERS[kind](work, name, table.take(pa.array(at)), shapes[at], opened)
        work.chmod(0o755)
        replace_folder(work, target.resolve())
    except (OSError, RuntimeError) as error:
        raise OutputError("output_write_failed", Where(file=str(target)), reason=str(error)) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return sorted(target.iterdir())


def short_names(columns: list[str]) -> dict[str, str]:
    """Return a field name of at most ten bytes for every column, none twice.

    Examples
    --------
    >>> list(short_names(["parcel_id", "ecological_red_line_area_m2", "处置建议意见"]).values())
    ['parcel_id', 'ERL_area', 'F3']
    """
    taken: set[str] = set()
    names = {}
    for number, column in enumerate(columns, 1):
        stem = column
        for long, short in _SHORT.items():
            stem = stem.replace(long, short)
        stem = stem.removesuffix("_m2")
        name = stem if stem.isascii() else f"F{number}"
        name, turn = name[:_NAME_BYTES], 1
        while name.lower() in taken:
            turn += 1
            name = f"{stem[: _NAME_BYTES - len(str(turn))] if stem.isascii() else f'F{number}'}{turn}"
        taken.add(name.lower())
        names[column] = name
    return names


def _check_folder(target: Path, overwrite: bool) -> None:
    where = Where(file=str(target))
    if not target.resolve().parent.is_dir():
        raise OutputError("output_folder_missing", where, folder=str(target.parent))
    if not target.exists():
        return
    if not overwrite:
        raise OutputError("output_exists", where)
    ours = target.is_dir() and all(_is_ours(path) for path in target.iterdir())
    if not ours:
        raise OutputError("export_folder_strange", where)


def _is_ours(path: Path) -> bool:
    endings = (".shp", ".shx", ".dbf", ".prj", ".cpg", ".geojson", ".kml", ".txt", ".gdb")
    return path.name == _LEGEND or path.suffix.lower() in endings


def _groups(table: pa.Table, by: str | None, language: str) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
    """Yield a file name and the rows of each group, in the order of the first row."""
    if by is None:
        yield "decisions", np.arange(len(table))
        return
    values = table["outcome" if by == "outcome" else "implementing_unit"].to_pylist()
    groups: dict[str, list[int]] = {}
    for row, value in enumerate(values):
        groups.setdefault(value or _NO_UNIT, []).append(row)
    for value, at in groups.items():
        label = value_label("outcome", value, language) if by == "outcome" else value
        yield _FORBIDDEN.sub("_", label).strip(". ") or _NO_UNIT, np.array(at)


def _write_shp(
    work: Path, name: str, table: pa.Table, shapes: npt.NDArray[np.object_], opened: ResultFile
) -> None:
    names = short_names(table.column_names)
    titles = column_titles("decisions", table.column_names, opened.language, _fact_titles(opened))
    columns = {names[c]: _cut(table[c]) for c in table.column_names}
    _vector(work / f"{name}.shp", columns, shapes, opened.crs, "ESRI Shapefile", encoding="GB18030")
    legend = "\r\n".join(
        ["field,column,title", *(",".join(map(_cell, (names[c], c, titles.get(c, "")))) for c in names)]
    )
    (work / _LEGEND).write_text(legend + "\r\n", encoding="utf-8-sig", newline="")


def _write_geojson(
    work: Path, name: str, table: pa.Table, shapes: npt.NDArray[np.object_], opened: ResultFile
) -> None:
    _vector(
        work / f"{name}.geojson",
        _columns(table),
        _degrees(shapes, opened.crs),
        _WGS84,
        "GeoJSON",
        RFC7946="YES",
    )


def _write_gdb(
    work: Path, name: str, table: pa.Table, shapes: npt.NDArray[np.object_], opened: ResultFile
) -> None:
    layer = re.sub(r"\W", "_", name)
    layer = layer if not layer[:1].isdigit() else f"_{layer}"
    columns = {name: _for_geodatabase(column) for name, column in _columns(table).items()}
    _vector(work / "decisions.gdb", columns, shapes, opened.crs, "OpenFileGDB", layer=layer)


def _write_kml(
    work: Path, name: str, table: pa.Table, shapes: npt.NDArray[np.object_], opened: ResultFile
) -> None:
    listed = [c for c in _PLAIN if c in table.column_names]
    titles = column_titles("decisions", listed, opened.language)
    rows = table.select(listed).to_pylist()
    texts = [
        "\n".join(f"{titles.get(k, k)}: {plain_text(v)}" for k, v in r.items() if v is not None) for r in rows
    ]
    columns = {
        "Name": pa.array([plain_text(r["parcel_id"]) for r in rows]),
        "Description": pa.array(texts, pa.string()),
    }
    _vector(work / f"{name}.kml", columns, _degrees(shapes, opened.crs), _WGS84, "KML")


def _write_txt(
    work: Path, name: str, table: pa.Table, shapes: npt.NDArray[np.object_], opened: ResultFile
) -> None:
    """Write boundary points as survey teams exchange them, eastings with the zone's number."""
    zone, shift = _zone(opened.crs)
    there = np.array([shape is not None and not shape.is_empty for shape in shapes], dtype=bool)
    rows = table.filter(pa.array(there)).to_pylist()
    moved = shapely.transform(shapes[there], lambda xy: xy + np.array([shift, 0.0]))
    text = survey_text(
        [{"DKBH": plain_text(r["parcel_id"]), "DKMC": plain_text(r["outcome_label"] or "")} for r in rows],
        moved,
        np.array([(r["area_m2"] or 0.0) / _M2_PER_HA for r in rows], np.float64),
        width=3 if zone >= _FIRST_3_DEGREE_ZONE else 6,
        zone=zone,
    )
    (work / f"{name}.txt").write_bytes(text.encode("gb18030"))


def _zone(crs: pyproj.CRS) -> tuple[int, float]:
    """Return the number of a zone, and what its eastings lack to begin with it."""
    if not is_cgcs2000_gauss_krueger(crs):
        raise OutputError("convert_txt_crs", Where(), crs=crs_label(crs))
    east = false_easting(crs)
    zone = int(east // _ZONE_M) or round(central_meridian(crs) / 3.0)
    return zone, zone * _ZONE_M + _CENTRE_M - east


_WRITERS: Final[Mapping[str, Callable[..., None]]] = {
    "shp": _write_shp,
    "geojson": _write_geojson,
    "gdb": _write_gdb,
    "kml": _write_kml,
    "txt": _write_txt,
}
_ENDS: Final = {"KML": b"</kml>", "GeoJSON": b"}"}
_WGS84: Final = pyproj.CRS.from_epsg(4326)


def _vector(
    path: Path,
    columns: Mapping[str, Any],
    shapes: npt.NDArray[np.object_],
    crs: pyproj.CRS,
    driver: str,
    **options: str,
) -> None:
    wkb = pa.array(
        [None if s is None else shapely.to_wkb(s, byte_order=1) for s in shapes], pa.large_binary()
    )
    encoding = options.pop("encoding", None)
    layer = options.pop("layer", path.stem)
    table = pa.table({**columns, "geom": wkb})
    pyogrio.raw.write_arrow(
        table,
        str(path),
        layer=layer,
        driver=driver,
        geometry_name="geom",
        geometry_type="MultiPolygon" if driver != "KML" else "Unknown",
        crs=crs.to_wkt(),
        encoding=encoding,
        append=driver == "OpenFileGDB" and path.exists(),
        layer_options=options or None,
    )
    end = _ENDS.get(driver)
    if end is not None and not _last_bytes(path).rstrip().endswith(end):
        raise OSError(errno.ENOSPC, f"{path.name} was cut off while it was written")  # GDAL says nothing


def _last_bytes(path: Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 64))
        return stream.read()


def _columns(table: pa.Table) -> dict[str, Any]:
    return {name: table[name] for name in table.column_names}


def _for_geodatabase(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a date as the midnight it begins with, and whole numbers in 32 bits where they fit."""
    if pa.types.is_date(column.type):
        return column.cast(pa.timestamp("ms")).cast(pa.timestamp("ms", "UTC"))
    if pa.types.is_int64(column.type):
        largest = pc.max(pc.abs(column)).as_py() or 0
        return column.cast(pa.int32()) if largest < 2**31 else column.cast(pa.float64())
    return column


def _cut(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Cut texts at whole characters to what a shapefile holds."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    cut = [None if v is None else _fitting(v) for v in column.to_pylist()]
    return pa.chunked_array([pa.array(cut, pa.string())])


def _fitting(text: str) -> str:
    raw = text.encode("gb18030", "replace")
    if len(raw) <= _TEXT_BYTES:
        return text
    return raw[:_TEXT_BYTES].decode("gb18030", "ignore")


def _degrees(shapes: npt.NDArray[np.object_], crs: pyproj.CRS) -> npt.NDArray[np.object_]:
    forward = pyproj.Transformer.from_crs(crs, _WGS84, always_xy=True)

    def degrees(xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.column_stack(forward.transform(xy[:, 0], xy[:, 1]))

    found: npt.NDArray[np.object_] = shapely.transform(shapes, degrees)
    return found


def _cell(value: str) -> str:
    guarded = f"'{value}" if value[:1] in ("=", "+", "-", "@") else value
    quoted = guarded.replace('"', '""')
    return f'"{quoted}"'


def _fact_titles(opened: ResultFile) -> dict[str, str]:
    book = opened.book
    return book.titles(opened.language) if book else {}
