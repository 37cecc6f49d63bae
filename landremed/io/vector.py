"""One vector layer in, whatever the format: attributes as Arrow, geometry as plain WKB."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from landremed.crs import CRS_IMPLIED
from landremed.errors import InputError, Where
from landremed.io.damaged import DAMAGED, damaged_rows, marked
from landremed.io.drivers import Dataset, nearest, open_dataset, split_layer
from landremed.io.encoding import TextEncoding, decodes
from landremed.io.gdal import (
    LayerInfo,
    RawLayer,
    describe,
    list_raw_layers,
    pick_layer,
    quiet,
    read_bulk,
    unreadable,
)
from landremed.io.geojson_crs import crs_name
from landremed.io.geoparquet import parquet_rows, read_geoparquet
from landremed.io.hashing import content_hash
from landremed.io.limits import Limits, check_limit
from landremed.io.prj import plain_prj
from landremed.io.salvage import salvage
from landremed.io.shape_index import sound_index
from landremed.io.shapefile import read_shapefile
from landremed.io.stated_rows import all_members, require_all_rows
from landremed.io.survey_txt import read_survey_txt
from landremed.io.where import matching_rows
from landremed.io.wkb import as_large_binary, has_curves, plain_wkb, sound_offsets
from landremed.io.zipped import errors_named, layer_of_zip, unpacked, zip_layers, zip_named
from landremed.tables import VectorSource, whole_array
from landremed.types import Finding

__all__ = [
    "LayerInfo",
    "crs_text",
    "file_and_layer",
    "find_field",
    "is_whole",
    "layer_stem",
    "list_layers",
    "plain_attributes",
    "read_vector",
    "require_field",
    "split_layer",
]

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # 0001-01-01 and 9999-12-31, days from 1970-01-01
_FIXED = TextEncoding("", "", guessed=False)


def read_vector(
    path: str,
    layer: str | None = None,
    *,
    base: Path | None = None,
    where: str | None = None,
    encoding: str | None = None,
    columns: Sequence[str] | None = None,
    limits: Limits | None = None,
) -> tuple[VectorSource, list[Finding]]:
    """Read one layer: GeoPackage, Shapefile, GeoJSON, FlatGeobuf, FileGDB, GeoParquet, survey text, or a zip.

    Parameters
    ----------
    path : str
        File relative to ``base``; may carry the layer (``FILE:LAYER``).
    layer : str, optional
        Layer; needed where the file holds several.
    base : pathlib.Path, optional
        Folder of the project file; the current folder by default.
    where : str, optional
        SQL condition (SQLite's dialect) on the attributes.
    encoding : str, optional
        Text encoding of a shapefile, when its own statement is wrong or missing.
    columns : sequence of str, optional
        Attribute columns to keep; all by default.
    limits : Limits, optional
        Upper bounds.

    Returns
    -------
    source : VectorSource
        Attributes in file order; geometry as 2-D WKB, NULL stays null, nothing repaired.
    findings : list of Finding
        Guessed encoding, dropped Z values, rows that could not be read.

    Raises
    ------
    InputError
        When file, layer or field is missing, or the file is not what its name says.
    """
    limits = limits or Limits()
    archive, inner = zip_named(path)
    if archive:
        options = {"where": where, "encoding": encoding, "columns": columns, "limits": limits}
        return _read_zip(archive, layer or inner, base, options)
    path, layer = file_and_layer(path, layer, base)
    if path.lower().endswith(".txt"):
        return _survey_text(path, base, where, encoding, columns, limits)
    dataset = open_dataset(path, base, limits)
    with plain_prj(dataset) as plain, sound_index(plain) as (sound, notes, lost):
        name = pick_layer(sound, layer) if sound.driver != "GeoParquet" else layer_stem(sound, layer)
        place = Where(file=dataset.shown, layer="" if dataset.one_layer else name)
        raw, text, findings = _read(sound, name, encoding, limits)
        with ThreadPoolExecutor(1) as beside:
            cleaned = beside.submit(plain_attributes, raw.table)
            wkb, more = _geometry(raw, sound, name, place)
            table, odd = cleaned.result()
    findings += [*notes, *more]
    if len(lost):  # deleted rows shift the others: then every row without a shape may be one of them
        shifted = any(f.code == "rows_deleted" for f in findings)
        wkb = marked(wkb, np.flatnonzero(np.asarray(wkb.is_null())) if shifted else lost)
    findings += odd
    check_limit(limits, "max_features", len(wkb), place)
    check_limit(limits, "max_columns", table.num_columns, place)
    check_limit(limits, "max_vertices", (wkb.nbytes - 8 * len(wkb)) // 16, place)
    if where:
        keep = pa.array(matching_rows(table, where, place))
        table, wkb = table.take(keep), wkb.take(keep)
    if columns is not None:
        table = table.select([_require(table.column_names, column, place) for column in columns])
    crs, implied = crs_text(raw.crs, dataset)
    digest = content_hash(table, wkb, crs)
    if implied:
        table = table.replace_schema_metadata({CRS_IMPLIED: b"1"})
    source = VectorSource(
        file=dataset.shown,
        layer=place.layer,
        driver=dataset.driver,
        attributes=table,
        wkb=wkb,
        crs_wkt=crs,
        encoding=text.name,
        encoding_ground=text.ground,
        content_hash=digest,
    )
    return source, [f if f.file else dataclasses.replace(f, file=source.display) for f in findings]


def _read_zip(
    path: str, layer: str | None, base: Path | None, options: Mapping[str, Any]
) -> tuple[VectorSource, list[Finding]]:
    """Read a layer of a zip; where it lay does not enter its hash."""
    with unpacked(path, base, options["limits"]) as folder:
        one = layer_of_zip(folder, path, layer)
        with errors_named(path, folder):
            source, findings = read_vector(one.member, one.layer, base=folder, **options)
    named = dataclasses.replace(source, file=path, layer=one.name)
    return named, [dataclasses.replace(f, file=named.display) for f in findings]


def _list_zip(path: str, base: Path | None, limits: Limits) -> list[LayerInfo]:
    infos = []
    with unpacked(path, base, limits) as folder:
        layers = zip_layers(folder, path)
        for one in layers:
            try:
                with errors_named(path, folder):
                    if one.member.lower().endswith(".txt"):
                        rows = len(read_vector(one.member, base=folder, limits=limits)[0])
                        inside = [LayerInfo(one.name, "Polygon", rows)]
                    else:
                        inside = list_layers(one.member, base=folder, limits=limits)
            except InputError:
                if len(layers) == 1:
                    raise
                inside = []
            found = next((i for i in inside if one.layer in (None, i.name)), LayerInfo("", "", 0))
            infos.append(LayerInfo(one.name, found.geometry_type, found.rows))
    return infos


def _survey_text(
    path: str,
    base: Path | None,
    where: str | None,
    encoding: str | None,
    columns: Sequence[str] | None,
    limits: Limits,
) -> tuple[VectorSource, list[Finding]]:
    source, findings = read_survey_txt(path, base=base, encoding=encoding, limits=limits)
    table, wkb, place = source.attributes, source.wkb, Where(file=path)
    if where:
        keep = pa.array(matching_rows(table, where, place))
        table, wkb = table.take(keep), wkb.take(keep)
    if columns is not None:
        table = table.select([_require(table.column_names, column, place) for column in columns])
    digest = content_hash(table, wkb, source.crs_wkt)
    return dataclasses.replace(source, attributes=table, wkb=wkb, content_hash=digest), findings


def list_layers(path: str, *, base: Path | None = None, limits: Limits | None = None) -> list[LayerInfo]:
    """Return the vector layers of a file in file order, with geometry type and number of rows.

    Raises
    ------
    InputError
        When the file cannot be opened.
    """
    archive, _ = zip_named(path)
    if archive:
        return _list_zip(archive, base, limits or Limits())
    dataset = open_dataset(split_layer(path)[0] if not _exists(path, base) else path, base, limits)
    if dataset.driver == "GeoParquet":
        kind, rows = parquet_rows(dataset)
        return [LayerInfo(dataset.path.stem, kind, rows)]
    with plain_prj(dataset) as plain, sound_index(plain) as (sound, _, _):
        infos = []
        for name in list_raw_layers(sound):
            info = describe(sound, name, force_feature_count=True, **_text_options(sound))
            infos.append(LayerInfo(name, str(info["geometry_type"] or ""), int(info["features"])))
    return infos


def find_field(names: Sequence[str], wanted: str) -> str | None:
    """Return the name of a field: exactly as wanted, else the only one equal without regard to case."""
    if wanted in names:
        return wanted
    folded = [name for name in names if name.casefold() == wanted.casefold()]
    return folded[0] if len(folded) == 1 else None


def require_field(source: VectorSource, field: str) -> str:
    """Return the source's name of a field.

    Raises
    ------
    InputError
        Code ``input_field_missing``, with the nearest names.
    """
    return _require(source.attributes.column_names, field, Where(file=source.file, layer=source.layer))


def _require(names: Sequence[str], field: str, where: Where) -> str:
    found = find_field(names, field)
    if found is None:
        raise InputError("input_field_missing", where, field=field, nearest=nearest(field, names))
    return found


def _exists(path: str, base: Path | None) -> bool:
    try:
        return ((base or Path.cwd()) / path).exists()
    except (OSError, ValueError):
        return False


def file_and_layer(path: str, layer: str | None, base: Path | None) -> tuple[str, str | None]:
    """Return file and layer of a path that may carry the layer."""
    if layer is not None or _exists(path, base):
        return path, layer
    return split_layer(path)


def layer_stem(dataset: Dataset, layer: str | None) -> str:
    """Return the layer's name in a format that holds one and calls it like the file."""
    name = dataset.path.stem
    if layer is not None and layer != name:
        raise InputError("layer_missing", Where(file=dataset.shown), layer=layer, nearest=name)
    return name


def _text_options(dataset: Dataset) -> dict[str, Any]:
    """Keep a shapefile's names readable while it is only being described."""
    return {"encoding": "ISO-8859-1"} if dataset.driver == "ESRI Shapefile" else {}


def _read(
    dataset: Dataset, name: str, encoding: str | None, limits: Limits
) -> tuple[RawLayer, TextEncoding, list[Finding]]:
    if dataset.driver == "GeoParquet":
        return read_geoparquet(dataset, None, limits), _FIXED, []
    info = describe(dataset, name, **_text_options(dataset))
    check_limit(limits, "max_features", int(info["features"]), Where(file=dataset.shown))
    findings: list[Finding] = []
    try:
        if dataset.driver == "ESRI Shapefile":
            layer = read_shapefile(dataset, name, encoding)
            return layer.raw, layer.encoding, layer.findings
        raw = read_bulk(dataset, name, columns=None)
    except InputError:
        raise
    except Exception as error:  # pyogrio, pyarrow and GDAL raise many classes
        saved = salvage(dataset, name, info["crs"])
        if saved is None:
            raise unreadable(dataset, error) from error
        raw, findings = saved
    if dataset.driver == "GeoJSON":
        raw, findings = all_members(dataset, name, raw)
    require_all_rows(dataset, name, raw.table.num_rows, int(info["features"]))
    return raw, _FIXED, findings


def _geometry(raw: RawLayer, dataset: Dataset, name: str, place: Where) -> tuple[pa.Array, list[Finding]]:
    # GDAL's Arrow reader of FlatGeobuf writes broken offsets as soon as one row has no geometry
    wkb = as_large_binary(raw.wkb) if sound_offsets(raw.wkb) else _linear(dataset, name, place)
    if has_curves(wkb):
        wkb = _linear(dataset, name, place)
    lost = damaged_rows(dataset, name, wkb)
    plain = plain_wkb(wkb)
    findings = []
    if plain.flattened:
        findings.append(Finding("z_ignored", params={"count": plain.flattened}))
    known = np.flatnonzero(pc.equal(wkb, pa.scalar(DAMAGED, wkb.type)).fill_null(False))
    lost = np.union1d(lost, plain.unreadable)
    for row in np.setdiff1d(lost, known).tolist():
        findings.append(Finding("geometry_unreadable", row=row + 1))
    return marked(plain.wkb, lost), findings


def _linear(dataset: Dataset, name: str, place: Where) -> pa.Array:
    """Read geometry again feature by feature, which is where GDAL turns arcs into short lines."""
    import pyogrio

    if dataset.driver == "GeoParquet":
        raise InputError("geometry_curved", place)
    with quiet():
        try:
            geometry = pyogrio.raw.read(dataset.connection, layer=name, columns=[], force_2d=True)[2]
        except Exception as error:  # pyogrio and GDAL raise many classes
            raise unreadable(dataset, error) from error
    wkb = pa.array(geometry, type=pa.large_binary(), from_pandas=True)
    if has_curves(wkb):
        raise InputError("geometry_curved", place)
    return wkb


def plain_attributes(table: pa.Table) -> tuple[pa.Table, list[Finding]]:
    """Return one-chunk columns of plain types: whole and broken numbers, text, bool, date, timestamp."""
    findings: list[Finding] = []
    columns: dict[str, pa.Array] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        array = whole_array(column)
        if isinstance(array.type, pa.BaseExtensionType):  # JSON within a text field
            array = array.storage
        if pa.types.is_string_view(array.type) or pa.types.is_binary_view(array.type):
            array = pc.cast(array, pa.string() if pa.types.is_string_view(array.type) else pa.binary())
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type):
            findings.append(Finding("column_left_out", field=name))
            continue
        if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
            array, notes = _clean_text(array)
            findings += [dataclasses.replace(note, field=name) for note in notes]
        if pa.types.is_date(array.type) or pa.types.is_timestamp(array.type):
            array, count = _possible_days(array)
            if count:
                findings.append(Finding("date_impossible", field=name, params={"count": count}))
        columns[name] = _plain(array)
    if not columns:
        return pa.table({"_": pa.nulls(table.num_rows)}).select([]), findings
    return pa.table(columns), findings


def _possible_days(array: pa.Array) -> tuple[pa.Array, int]:
    """Return dates without those that no calendar holds, and how many there are."""
    kind = array.type
    if pa.types.is_date32(kind):
        numbers, per_day = array.cast(pa.int32()).cast(pa.int64()), 1
    else:
        unit = "ms" if pa.types.is_date64(kind) else kind.unit
        if unit == "ns":  # 64 bits of it reach from 1677 to 2262
            return array, 0
        numbers, per_day = array.cast(pa.int64()), 86_400 * _PER_SECOND[unit]
    margin = 1 if pa.types.is_timestamp(kind) and kind.tz else 0  # a zone may move the ends by a day
    low, high = (_FIRST_DAY + margin) * per_day, (_LAST_DAY + 1 - margin) * per_day - 1
    odd = pc.or_(pc.less(numbers, low), pc.greater(numbers, high)).fill_null(False)
    count = int(pc.sum(odd).as_py() or 0)
    return (pc.if_else(odd, pa.scalar(None, array.type), array), count) if count else (array, 0)


def is_whole(kind: pa.DataType) -> bool:
    """Tell whether a type holds whole numbers of which some may need more than 64 bits."""
    return bool(pa.types.is_uint64(kind) or (pa.types.is_decimal(kind) and kind.scale <= 0))


def _plain(array: pa.Array) -> pa.Array:
    kind = array.type
    if is_whole(kind):
        return _whole_numbers(array)
    if pa.types.is_duration(kind):
        return _durations(array)
    if pa.types.is_nested(kind):
        texts = (
            None if v is None else json.dumps(v, ensure_ascii=False, default=str) for v in array.to_pylist()
        )
        return pa.array(texts, pa.string())
    return pc.cast(array, _plain_type(kind), safe=False)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        return pa.float64()
    if pa.types.is_timestamp(kind) and kind.unit == "ns":  # which Python's own datetimes cannot hold
        return pa.timestamp("us", kind.tz)
    if pa.types.is_null(kind) or pa.types.is_time(kind) or pa.types.is_large_string(kind):
        return pa.string()
    return kind


def _whole_numbers(array: pa.Array) -> pa.Array:
    """Return whole numbers of any size; as text, digit by digit, where 64 bits do not hold them all."""
    try:
        return pc.cast(array, pa.int64())
    except pa.ArrowInvalid:
        return pa.array([None if v is None else str(int(v)) for v in array.to_pylist()], pa.string())


def _durations(array: pa.Array) -> pa.Array:
    """Return lengths of time as ISO 8601 writes them in seconds: ``PT86400.5S``."""
    per_second = _PER_SECOND[array.type.unit]
    texts: list[str | None] = []
    for count in array.cast(pa.int64()).to_pylist():
        if count is None:
            texts.append(None)
            continue
        seconds, rest = divmod(abs(count), per_second)
        tail = f".{rest:0{len(str(per_second)) - 1}d}".rstrip("0") if rest else ""
        texts.append(f"{'-' if count < 0 else ''}PT{seconds}{tail}S")
    return pa.array(texts, pa.string())


def _clean_text(array: pa.Array) -> tuple[pa.Array, list[Finding]]:
    """Return valid text; cells that are no UTF-8 are read as GB18030, and said to be."""
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        raw = pc.cast(array, pa.large_binary()).to_pylist()
    else:
        return array, []
    texts: list[str | None] = []
    counts = {"GB18030": 0, "?": 0}
    for cell in raw:
        if cell is None or decodes(cell, "utf-8"):
            texts.append(None if cell is None else cell.decode("utf-8"))
        elif decodes(cell, "gb18030"):
            texts.append(cell.decode("gb18030"))
            counts["GB18030"] += 1
        else:
            texts.append(cell.decode("utf-8", errors="replace"))
            counts["?"] += 1
    findings = []
    if counts["GB18030"]:
        params = {"encoding": "GB18030", "ground": "not utf-8"}
        findings.append(Finding("encoding_guessed", params=params))
    if counts["?"]:
        params_: dict[str, object] = {"encoding": "UTF-8", "count": counts["?"]}
        findings.append(Finding("text_undecodable", params=params_))
    return pa.array(texts, pa.string()), findings


def crs_text(text: str | None, dataset: Dataset) -> tuple[str | None, bool]:
    """Return the CRS and whether the format implies it.

    It is ``AUTHORITY:CODE`` where the registry has it, else WKT2.
    """
    import pyproj

    stated: str | None = "?"
    if dataset.driver == "GeoJSON":
        stated = crs_name(dataset.path, Where(file=dataset.shown))
        text = stated if stated and not _registered(stated) else text  # GDAL would take WGS 84 for it
    implied = stated == ""
    if not text or stated is None:
        return None, False
    try:
        crs = pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError:
        return text, implied
    if crs.is_engineering or crs.name.casefold() in {
        "unknown",
        "undefined cartesian srs",
        "undefined geographic srs",
    }:
        return None, False
    authority = crs.to_authority(min_confidence=100)
    return (":".join(authority) if authority else crs.to_wkt()), implied


def _registered(name: str) -> bool:
    """Tell whether a name of a CRS means one."""
    import pyproj

    try:
        pyproj.CRS.from_user_input(name)
    except pyproj.exceptions.CRSError:
        return False
    return True
