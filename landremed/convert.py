"""From one vector format to another; what the format could not keep is found by reading the output back."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyproj

from landremed.area import area_measure
from landremed.convert_losses import losses, one_kind
from landremed.crs import (
    central_meridian,
    crs_label,
    false_easting,
    guard_coordinates,
    is_cgcs2000_gauss_krueger,
    parse_crs,
    resolve_crs,
    to_working,
)
from landremed.errors import CrsError, LandremedError, OutputError, Where, short
from landremed.io.exchange import replace_folder
from landremed.io.leftovers import folder_beside
from landremed.io.limits import Limits
from landremed.io.survey_txt import COLUMNS, read_survey_txt, survey_text
from landremed.io.vector import read_vector, split_layer
from landremed.io.wkb import parse_wkb
from landremed.io.zipped import is_zip
from landremed.layers import text_ids
from landremed.tables import VectorSource
from landremed.text import message_text
from landremed.types import AreaKind, Finding

__all__ = ["FORMATS", "Converted", "convert"]

FORMATS: Final = {
    ".gpkg": "GPKG",
    ".shp": "ESRI Shapefile",
    ".geojson": "GeoJSON",
    ".fgb": "FlatGeobuf",
    ".gdb": "OpenFileGDB",
    ".parquet": "GeoParquet",
    ".txt": "TXT",
}
"""Extension (lower case) -> format that is written."""

_NAME_BYTES: Final = 10
_HINTS: Final = {
    "crs_missing": "convert_crs_missing",
    "crs_conflict": "convert_crs_conflict",
    "crs_metres_as_degrees": "convert_crs_metres",
    "crs_datum_shift": "convert_crs_datum",
}
_ID_FIELDS: Final = ("DKBH", "TBBH", "JCBH", "YGTBZJ", "WFDKXH", "BSM")


@dataclass(frozen=True)
class Converted:
    """What was written.

    Attributes
    ----------
    findings : list of Finding
        What was noticed while reading, and what the output does not keep.
    """

    rows: int
    crs: str
    findings: Sequence[Finding]


def convert(
    source: str,
    target: str | Path,
    *,
    crs: str | None = None,
    input_crs: str | None = None,
    encoding: str | None = None,
    overwrite: bool = False,
    limits: Limits | None = None,
) -> Converted:
    """Write a layer in the format that the target's extension names.

    Parameters
    ----------
    source : str
        ``FILE`` or ``FILE:LAYER``; a survey coordinate file ends in ``.txt``.
    target : path
        File (FileGDB: folder) to write; it takes its place only when it is complete.
    crs : str, optional
        CRS to transform to; refused between datums without published parameters.
    input_crs : str, optional
        CRS of an input that states none.
    encoding : str, optional
        Text encoding of the input, where its own statement is wrong or missing.
    overwrite : bool
        Replace an existing target.
    limits : Limits, optional
        Upper bounds on the input.

    Raises
    ------
    LandremedError
        When the input cannot be read, its CRS contradicts the numbers, or the target cannot be written.
    """
    path = Path(target)
    driver = _driver(path, overwrite)
    given, findings = _read(source, encoding, limits or Limits())
    with _own_hints():
        given, system = _in_system(given, crs, input_crs)
    if system is None:
        findings.append(Finding("convert_no_crs", file=given.display))
    if driver == "TXT":
        given, system, notes = _with_prefix(given, system)
        findings += notes
    prepared, names = _named(given, driver)
    folder = folder_beside(path)
    try:
        temp = folder / path.name
        _write(prepared, temp, driver, system)
        findings += losses(given, _written(temp, len(given), limits or Limits()), names, system)
        _move(folder, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError("convert_failed", Where(file=str(target)), reason=reason) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Converted(len(given), crs_label(system) if system is not None else "", findings)


def _driver(path: Path, overwrite: bool) -> str:
    where = Where(file=str(path))
    driver = FORMATS.get(path.suffix.lower())
    if driver is None:
        raise OutputError("convert_type_unknown", where, known=", ".join(FORMATS))
    if not path.parent.is_dir():
        raise OutputError("output_folder_missing", where, folder=str(path.parent))
    if path.exists() and not overwrite:
        raise OutputError("output_exists", where)
    if path.is_dir() != (driver == "OpenFileGDB") and path.exists():
        raise OutputError("output_is_folder", where)
    if not os.access(path.parent, os.W_OK):
        raise OutputError("output_folder_unwritable", where, folder=str(path.parent))
    return driver


def _in_system(
    given: VectorSource, crs: str | None, input_crs: str | None
) -> tuple[VectorSource, pyproj.CRS | None]:
    """Return the input in the CRS that is asked for, and that CRS; None where nobody says one."""
    if given.crs_wkt is None and input_crs is None and crs is None:
        return given, None
    system = resolve_crs(given, input_crs, key="parcels")
    guard_coordinates(given, system, "parcels")
    if crs is None:
        return given, system
    wanted = parse_crs(crs)
    return dataclasses.replace(given, wkb=to_working(given, system, wanted, "parcels")), wanted


@contextmanager
def _own_hints() -> Iterator[None]:
    """Let errors about a CRS advise what this command knows, not keys of a project file."""
    try:
        yield
    except CrsError as error:
        code = _HINTS.get(error.code)
        if code is None:
            raise
        raise CrsError(code, error.where, **error.params) from error


def _read(source: str, encoding: str | None, limits: Limits) -> tuple[VectorSource, list[Finding]]:
    if source.lower().endswith(".txt") and not is_zip(source):
        return read_survey_txt(source, encoding=encoding, limits=limits)
    path, layer = (source, None) if Path(source).exists() else split_layer(source)
    return read_vector(path, layer, encoding=encoding, limits=limits)


def _written(path: Path, rows: int, limits: Limits) -> VectorSource:
    """Read an output back."""
    try:
        written, _ = _read(str(path), None, limits)
    except LandremedError as error:
        reason = message_text(error.code, error.params, "en")
        raise OutputError("convert_failed", Where(file=path.name), reason=reason) from error
    if len(written) != rows:
        raise OutputError("convert_rows_differ", Where(file=path.name), given=rows, written=len(written))
    return written


def _named(given: VectorSource, driver: str) -> tuple[VectorSource, dict[str, str]]:
    """Return the source with names that the format can hold, and the new name of each kept column."""
    names = given.attributes.column_names
    if driver == "TXT":
        kept = {name: name for name in names if name in COLUMNS}
        field = _id_field(names)
        return given, kept | ({field: "DKBH"} if field else {})
    if driver != "ESRI Shapefile":
        return given, {name: name for name in names}
    new: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        new[name] = _short(name, taken)
        taken.add(new[name].casefold())
    return dataclasses.replace(given, attributes=given.attributes.rename_columns(list(new.values()))), new


def _short(name: str, taken: set[str]) -> str:
    """Return a name of at most ten UTF-8 bytes, cut between characters, that is not taken."""
    for number in range(10_000):
        tail = str(number) if number else ""
        room = _NAME_BYTES - len(tail)
        cut = name.encode()[:room].decode(errors="ignore") + tail
        if cut.casefold() not in taken:
            return cut
    return cut


def _write(source: VectorSource, path: Path, driver: str, crs: pyproj.CRS | None) -> None:
    if driver == "TXT":
        _write_txt(source, path, crs)
    elif driver == "GeoParquet":
        _write_parquet(source, path, crs)
    else:
        _write_gdal(source, path, driver, crs)


def _write_gdal(source: VectorSource, path: Path, driver: str, crs: pyproj.CRS | None) -> None:
    import pyogrio
    import shapely

    shapes = parse_wkb(source.wkb)
    kind, shapes = one_kind(shapes)
    wkb = pa.array(shapely.to_wkb(shapes, byte_order=1), pa.large_binary(), from_pandas=True)
    table = _narrow(source.attributes) if driver == "OpenFileGDB" else source.attributes
    rows = table.replace_schema_metadata(None).append_column("geometry__", wkb)
    options: dict[str, Any] = {"encoding": "UTF-8"} if driver == "ESRI Shapefile" else {}
    if driver == "GeoJSON":
        options = {"layer_options": {"COORDINATE_PRECISION": "9" if crs and crs.is_geographic else "6"}}
    elif driver == "FlatGeobuf":
        options = {"layer_options": {"SPATIAL_INDEX": "NO"}}  # the index would change the order of rows
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pyogrio.raw.write_arrow(
                rows,
                str(path),
                layer=source.layer or Path(source.file).stem,
                driver=driver,
                geometry_name="geometry__",
                geometry_type=kind,
                crs=crs.to_wkt() if crs is not None else None,
                **options,
            )
    except Exception as error:  # pyogrio and GDAL raise many classes
        reason = short(error)
        raise OutputError("convert_failed", Where(file=path.name), reason=reason) from error


def _narrow(table: pa.Table) -> pa.Table:
    """Return whole numbers in 32 bits where they fit: older FileGDBs hold no wider ones."""
    for at, name in enumerate(table.column_names):
        column = table.column(at)
        if pa.types.is_int64(column.type):
            low, high = (pc.min(column).as_py(), pc.max(column).as_py())
            if low is None or (low > -(2**31) and high < 2**31):
                table = table.set_column(at, name, column.cast(pa.int32()))
    return table


def _write_parquet(source: VectorSource, path: Path, crs: pyproj.CRS | None) -> None:
    import pyarrow.parquet as pq
    import shapely

    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": [],
        "crs": crs.to_json_dict() if crs is not None else None,
    }
    geo = {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": column}}
    readable = pa.array(~shapely.is_missing(parse_wkb(source.wkb)))
    wkb = pc.if_else(readable, source.wkb, pa.scalar(None, pa.large_binary()))
    table = source.attributes.append_column("geometry", wkb)
    pq.write_table(table.replace_schema_metadata({b"geo": json.dumps(geo).encode()}), path)


def _write_txt(source: VectorSource, path: Path, crs: pyproj.CRS | None) -> None:
    import shapely

    if not len(source):
        raise OutputError("txt_no_parcel", Where(file=path.name))
    if crs is None or not is_cgcs2000_gauss_krueger(crs) or false_easting(crs) < 1e6:
        label = crs_label(crs) if crs is not None else "–"
        raise OutputError("convert_txt_crs", Where(file=path.name), crs=label)
    shapes = parse_wkb(source.wkb)
    if set(np.unique(shapely.get_type_id(shapes)).tolist()) - {-1, 3, 6}:
        raise OutputError("convert_txt_shape", Where(file=path.name))
    zone = int(false_easting(crs) // 1e6)
    names = source.attributes.column_names
    columns = {name: source.attributes.column(name).to_pylist() for name in COLUMNS if name in names}
    field = _id_field(names)
    numbers = [str(i + 1) for i in range(len(source))]
    columns["DKBH"] = text_ids(source.attributes.column(field)).to_pylist() if field else numbers
    rows = [
        {name: "" if values[i] is None else str(values[i]) for name, values in columns.items()}
        for i in range(len(source))
    ]
    areas = area_measure(AreaKind.SURVEY, crs).of(shapes) / 1e4
    day = date.today().isoformat()
    text = survey_text(rows, shapes, areas, width=6 if zone < 24 else 3, zone=zone, day=day)
    path.write_bytes(text.encode("gb18030"))


def _id_field(names: Sequence[str]) -> str | None:
    return next((name for name in _ID_FIELDS if name in names), None)


def _with_prefix(
    given: VectorSource, system: pyproj.CRS | None
) -> tuple[VectorSource, pyproj.CRS | None, list[Finding]]:
    """Return the source with zone numbers in its eastings, as survey coordinate text has them."""
    if system is None or not is_cgcs2000_gauss_krueger(system) or false_easting(system) > 1e6:
        return given, system, []
    meridian = central_meridian(system)
    zone = round(meridian / 3.0)
    if abs(meridian - 3.0 * zone) > 1e-9 or not 25 <= zone <= 45:
        return given, system, []
    prefixed = pyproj.CRS.from_epsg(4488 + zone)
    moved = dataclasses.replace(given, wkb=to_working(given, system, prefixed, "convert"))
    note = Finding("convert_prefix_added", file=given.display, params={"zone": zone})
    return moved, prefixed, [note]


def _move(folder: Path, path: Path) -> None:
    """Put what was written into its place; of an old shapefile no side file may stay behind."""
    if path.suffix.lower() == ".gdb":
        replace_folder(folder / path.name, path)
        return
    if path.suffix.lower() == ".shp":
        for suffix in (".dbf", ".shx", ".prj", ".cpg", ".qix", ".sbn", ".sbx"):
            path.with_suffix(suffix).unlink(missing_ok=True)
    for item in sorted(folder.iterdir(), key=lambda p: p.name == path.name):
        if not item.name.startswith("."):
            item.replace(path.parent / item.name)
