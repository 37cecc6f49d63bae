"""From one vector format to another; what the format could not keep is found by reading the output back."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyproj

from landremed.area import area_measure
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
from landremed.errors import LandremedError, OutputError, Where
from landremed.io.survey_txt import COLUMNS, read_survey_txt, survey_text
from landremed.io.vector import read_vector, split_layer
from landremed.io.wkb import parse_wkb
from landremed.layers import text_ids
from landremed.tables import VectorSource
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
_ID_FIELDS: Final = ("DKBH", "TBBH", "JCBH", "YGTBZJ", "WFDKXH", "BSM")
_MOVED: Final = 1e-9
_REORDERED: Final = 1e-2


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

    Raises
    ------
    LandremedError
        When the input cannot be read, its CRS contradicts the numbers, or the target cannot be written.
    """
    path = Path(target)
    driver = _driver(path, overwrite)
    given, findings = _read(source, encoding)
    system = None
    if given.crs_wkt is None and input_crs is None:
        findings.append(Finding("convert_no_crs", file=given.display))
    else:
        system = resolve_crs(given, input_crs, key="convert")
        guard_coordinates(given, system, "parcels")
    if crs is not None:
        wanted = parse_crs(crs)
        system = resolve_crs(given, input_crs, key="convert") if system is None else system
        given = dataclasses.replace(given, wkb=to_working(given, system, wanted, "convert"))
        system = wanted
    if driver == "TXT":
        given, system, notes = _with_prefix(given, system)
        findings += notes
    prepared, names = _named(given, driver)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        temp = folder / path.name
        _write(prepared, temp, driver, system)
        findings += _losses(given, names, temp, system)
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


def _read(source: str, encoding: str | None) -> tuple[VectorSource, list[Finding]]:
    if source.lower().endswith(".txt"):
        return read_survey_txt(source, encoding=encoding)
    path, layer = (source, None) if Path(source).exists() else split_layer(source)
    return read_vector(path, layer, encoding=encoding)


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
    kind, shapes = _one_kind(shapes)
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
        reason = " ".join(str(error).split())[:200] or type(error).__name__
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


def _one_kind(shapes: Any) -> tuple[str, Any]:
    """Return the geometry type of a layer, with single shapes made multiple where both stand in it."""
    import shapely

    names = ["Point", "LineString", "LinearRing", "Polygon"]
    kinds = {int(k) for k in np.unique(shapely.get_type_id(shapes)) if k >= 0}
    for single, several in ((0, 4), (1, 5), (3, 6)):
        if kinds == {single}:
            return names[single], shapes
        if kinds and kinds <= {single, several}:
            build = {0: shapely.MultiPoint, 1: shapely.MultiLineString, 3: shapely.MultiPolygon}[single]
            turned = np.array(
                [build([s]) if s is not None and s.geom_type == names[single] else s for s in shapes], object
            )
            return f"Multi{names[single]}", turned
    return "Unknown", shapes


def _write_parquet(source: VectorSource, path: Path, crs: pyproj.CRS | None) -> None:
    import pyarrow.parquet as pq

    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": [],
        "crs": crs.to_json_dict() if crs is not None else None,
    }
    geo = {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": column}}
    table = source.attributes.append_column("geometry", source.wkb)
    pq.write_table(table.replace_schema_metadata({b"geo": json.dumps(geo).encode()}), path)


def _write_txt(source: VectorSource, path: Path, crs: pyproj.CRS | None) -> None:
    import shapely

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


def _losses(
    given: VectorSource, names: dict[str, str], path: Path, crs: pyproj.CRS | None
) -> Iterator[Finding]:
    """Read the output back and yield what differs from the input."""
    written, _ = _read(str(path), None)
    if len(written) != len(given):
        raise OutputError(
            "convert_rows_differ", Where(file=path.name), given=len(given), written=len(written)
        )
    for old in given.attributes.column_names:
        new = names.get(old)
        if new is None or new not in written.attributes.column_names:
            yield Finding("convert_field_left_out", file=given.display, field=old)
            continue
        if new != old:
            yield Finding("convert_field_renamed", file=given.display, field=old, params={"new": new})
        yield from _column_losses(given, old, given.attributes.column(old), written.attributes.column(new))
    yield from _shape_losses(given, written)
    own = crs_label(crs) if crs is not None else "–"
    try:
        back = crs_label(parse_crs(written.crs_wkt)) if written.crs_wkt else "–"
    except LandremedError:
        back = "?"
    if back != own:
        yield Finding("convert_crs_changed", file=given.display, params={"old": own, "new": back})


def _column_losses(
    given: VectorSource, name: str, old: pa.ChunkedArray, new: pa.ChunkedArray
) -> Iterator[Finding]:
    one, other = _family(old.type), _family(new.type)
    if one != other:
        params = {"old": one, "new": other}
        yield Finding("convert_type_changed", file=given.display, field=name, params=params)
    blank = int(pc.sum(pc.not_equal(pc.is_null(old), pc.is_null(new))).as_py() or 0)
    if blank:
        yield Finding("convert_nulls_lost", file=given.display, field=name, params={"count": blank})
    pairs = zip(old.to_pylist(), new.to_pylist(), strict=True)
    changed = sum(a is not None and b is not None and not _same(a, b) for a, b in pairs)
    if changed:
        yield Finding("convert_values_changed", file=given.display, field=name, params={"count": changed})


def _same(one: Any, other: Any) -> bool:
    if type(one) is type(other) or (isinstance(one, bool | int | float) and isinstance(other, int | float)):
        return bool(one == other)
    return str(one) == str(other)


def _family(kind: pa.DataType) -> str:
    tests = (
        ("whole number", pa.types.is_integer),
        ("number", pa.types.is_floating),
        ("text", lambda k: pa.types.is_string(k) or pa.types.is_large_string(k)),
        ("yes/no", pa.types.is_boolean),
        ("date", pa.types.is_date),
        ("time", pa.types.is_timestamp),
    )
    return next((name for name, test in tests if test(kind)), str(kind))


def _shape_losses(given: VectorSource, written: VectorSource) -> Iterator[Finding]:
    import shapely

    one, other = _comparable(given), _comparable(written)
    none = (
        shapely.is_missing(one) | shapely.is_empty(one),
        shapely.is_missing(other) | shapely.is_empty(other),
    )
    differ = (shapely.get_num_coordinates(one) != shapely.get_num_coordinates(other)) | (none[0] != none[1])
    if differ.any():
        yield Finding("convert_geometry_changed", file=given.display, params={"count": int(differ.sum())})
    moved = _moved(one[~differ], other[~differ])
    if moved > _MOVED:
        params = {"distance": f"{moved:.2g}"}
        yield Finding("convert_geometry_moved", file=given.display, params=params)


def _moved(one: Any, other: Any) -> float:
    """Return how far a vertex has moved at most."""
    import shapely

    a, row = shapely.get_coordinates(one, return_index=True)
    apart = np.abs(a - shapely.get_coordinates(other)).max(axis=1, initial=0.0)
    apart[~np.isfinite(apart)] = 0.0
    # rings that cross themselves may be listed in another order without having changed
    for at in np.unique(row[apart > _REORDERED]).tolist():
        apart[row == at] = shapely.hausdorff_distance(one[at], other[at])
    return float(apart.max(initial=0.0))


def _comparable(source: VectorSource) -> Any:
    """Return geometries as multiple ones where kinds are mixed, parts and rings in one fixed order."""
    import shapely

    return shapely.normalize(_one_kind(parse_wkb(source.wkb))[1])


def _move(folder: Path, path: Path) -> None:
    """Put what was written into its place; of an old shapefile no side file may stay behind."""
    if path.is_dir():
        old = folder / ".old"
        path.rename(old)
    elif path.suffix.lower() == ".shp":
        for suffix in (".dbf", ".shx", ".prj", ".cpg", ".qix", ".sbn", ".sbx"):
            path.with_suffix(suffix).unlink(missing_ok=True)
    for item in sorted(folder.iterdir(), key=lambda p: p.name == path.name):
        if not item.name.startswith("."):
            item.replace(path.parent / item.name)
