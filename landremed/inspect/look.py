"""What files hold: layers, geometry, coordinate system, encoding, fields, and what they might be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.crs import CRS_IMPLIED, crs_label, guard_coordinates, local_grid, parse_crs
from landremed.errors import CrsError, InputError, LandremedError, Where
from landremed.inspect.fact_fields import FactField, distinct_values, fact_fields, vocabulary
from landremed.inspect.folders import TABLES, expand, refuse_link
from landremed.inspect.roles import RoleGuess, guess_id, guess_role
from landremed.inspect.words import word
from landremed.io.limits import Limits
from landremed.io.spreadsheet import OFFICE_FILES, RawTable, list_sheets, read_table
from landremed.io.vector import list_layers, read_vector, split_layer
from landremed.io.wkb_scan import first_vertices
from landremed.io.zipped import unpacked, zip_named, zip_tables
from landremed.tables import VectorSource
from landremed.text import default_severity, message_text
from landremed.types import Finding

__all__ = ["FieldLook", "LayerLook", "crs_guess", "expand", "look"]

_KINDS: Final = (
    "?",
    "Point",
    "LineString",
    "Polygon",
    "MultiPoint",
    "MultiLineString",
    "MultiPolygon",
    "GeometryCollection",
)
_BESIDE: Final = frozenset({"zip_without_data"})
_SAMPLES: Final = 3
_SAMPLE_CHARS: Final = 24


@dataclass(frozen=True, slots=True)
class FieldLook:
    """One field: type, number of filled rows, some distinct values."""

    name: str
    type: str
    filled: int
    samples: tuple[str, ...]


@dataclass(frozen=True)
class LayerLook:
    """What one layer or table holds.

    Attributes
    ----------
    crs_state : {"declared", "implied", "contradicted", "missing", ""}
        How sure the CRS is; empty for tables.
    crs : str
        Label of the CRS, or for ``missing`` the guess as a key of ``words.yaml`` in ``crs_params``.
    extent : tuple of float or None
        x min, y min, x max, y max in the layer's own CRS.
    problem : LandremedError or None
        Why the CRS is contradicted, or the layer cannot be read.
    source : VectorSource, RawTable or None
        What was read.
    damage : tuple of Finding
        Rows that the file holds and that could not be read whole.
    notes : tuple of Finding
        What else was noticed while reading: doubtful encodings, rows passed over, heights left out.
    """

    file: str
    layer: str
    format: str
    rows: int = 0
    geometry: Mapping[str, int] = field(default_factory=dict)
    crs_state: str = ""
    crs: str = ""
    crs_params: Mapping[str, object] = field(default_factory=dict)
    encoding: str = ""
    encoding_ground: str = ""
    extent: tuple[float, float, float, float] | None = None
    fields: tuple[FieldLook, ...] = ()
    role: RoleGuess = field(default_factory=RoleGuess)
    id: tuple[str, ...] = ()
    facts: tuple[FactField, ...] = ()
    problem: LandremedError | None = None
    source: Any = None
    damage: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()

    @property
    def display(self) -> str:
        """File and layer in the ``FILE:LAYER`` form."""
        return f"{self.file}:{self.layer}" if self.layer else self.file

    @property
    def readable(self) -> bool:
        """Whether it could be read at all."""
        return self.source is not None

    def crs_text(self, language: str) -> str:
        """Return the CRS and how sure it is."""
        if self.crs_state == "missing":
            return word("crs_missing", language, guess=word(self.crs, language, **self.crs_params))
        problem = self.problem.text(language) if self.problem is not None else ""
        return word(f"crs_{self.crs_state}", language, crs=self.crs, problem=problem)

    def document(self) -> dict[str, object]:
        """Return it for machines."""
        if not self.readable and self.problem is not None:
            error = {"code": self.problem.code, "message": self.problem.text("en")}
            return {"file": self.file, "layer": self.layer, "error": error}
        return {
            "file": self.file,
            "layer": self.layer,
            "format": self.format,
            "rows": self.rows,
            "geometry": dict(self.geometry),
            "crs": None if self.crs_state in ("missing", "") else self.crs,
            "crs_state": self.crs_state,
            "crs_text": self.crs_text("en") if self.crs_state else "",
            "encoding": self.encoding,
            "encoding_ground": self.encoding_ground,
            "extent": list(self.extent) if self.extent else None,
            "fields": [
                {"name": f.name, "type": f.type, "filled": f.filled, "samples": list(f.samples)}
                for f in self.fields
            ],
            "role": self.role.role or None,
            "role_grounds": {"fields": list(self.role.fields), "name": self.role.name},
            "role_suggested": list(self.role.others),
            "id": list(self.id),
            "facts": {f.fact: {"field": f.field, "share": round(f.share, 4)} for f in self.facts},
            "damage": [{"code": f.code, "row": f.row} for f in self.damage],
            "notes": [
                {
                    "code": f.code,
                    "row": f.row,
                    "field": f.field,
                    "message": message_text(f.code, f.params, "en"),
                }
                for f in self.notes
            ],
        }


def look(path: str, *, base: Path | None = None, limits: Limits | None = None) -> list[LayerLook]:
    """Look into a file, one layer of it (``FILE:LAYER``), or all files of a folder and the folders in it.

    Faults of single layers are kept in ``problem``; nothing is raised.
    """
    bounds = limits or Limits()
    try:
        files = expand(path, base, bounds)
    except LandremedError as error:
        return [LayerLook(path, "", "", problem=error)]
    found = []
    for file in files:
        try:
            if file != path:
                refuse_link(file, path, base)
            found += _look_file(file, base, bounds)
        except LandremedError as error:
            if error.code in _BESIDE and file != path:  # photos and papers beside the data
                continue
            name, layer = split_layer(file)
            found.append(LayerLook(name, layer or "", "", problem=error))
    return found


def crs_guess(source: VectorSource) -> tuple[str, dict[str, object]]:
    """Guess from the numbers alone what the coordinates are.

    Returns
    -------
    key : str
        Of ``words.yaml``.
    params : dict
        Zone and EPSG code where the eastings carry a zone number; the features of each zone where several.
    """
    x, y, _ = first_vertices(source.wkb)
    finite = np.isfinite(x) & np.isfinite(y)
    if not finite.any():
        return "guess_nothing", {}
    east, north = float(np.median(x[finite])), float(np.median(y[finite]))
    if abs(east) <= 180.0 and abs(north) <= 90.0:
        return "guess_degrees", {}
    if 1e5 < north < 6.3e6 and 1.2e7 <= east < 4.7e7:
        return _prefixed(x[finite])
    if 1e6 < north < 6.3e6 and 1e5 < east < 9e5:
        return "guess_plain", {}
    if 1e6 < east < 6.3e6 and (1e5 < north < 9e5 or 1.2e7 <= north < 4.7e7):
        return "guess_swapped", {}
    return "guess_local", {}


def _prefixed(x: npt.NDArray[np.float64]) -> tuple[str, dict[str, object]]:
    """Guess from eastings most of which carry a zone number."""
    carried, counts = np.unique(x[(x >= 1.2e7) & (x < 4.7e7)] // 1e6, return_counts=True)
    if len(carried) > 1:
        zones = ", ".join(f"{zone:.0f}: {count}" for zone, count in zip(carried, counts, strict=True))
        return "guess_zones_mixed", {"zones": zones}
    zone = int(carried[0])
    key, epsg = ("guess_prefixed", 4488 + zone) if zone >= 24 else ("guess_six", 4478 + zone)
    return key, {"zone": zone, "epsg": epsg}


def _look_file(path: str, base: Path | None, limits: Limits) -> list[LayerLook]:
    archive, layer = zip_named(path)
    if archive:
        with unpacked(archive, base, limits) as folder:  # once, however many layers are read
            return _look_zip(archive, layer, base, folder, limits)
    if Path(split_layer(path)[0]).suffix.lower() in TABLES:
        return _look_tables(path, base, limits)
    if Path(path).suffix.lower() == ".txt":
        return [_look_layer(path, None, base, limits)]
    file, layer = split_layer(path)
    whole = layer is None or ((base or Path.cwd()) / path).exists()
    return _look_layers(path, None, base, limits) if whole else _look_layers(file, layer, base, limits)


def _look_zip(
    archive: str, wanted: str | None, base: Path | None, folder: Path, limits: Limits
) -> list[LayerLook]:
    """Look at all layers and tables of a zip, or at the one that is named."""
    tables = zip_tables(folder)
    if wanted is not None:
        named = Path(split_layer(wanted)[0]).suffix.lower() in TABLES
        return (
            _look_tables(f"{archive}:{wanted}", base, limits)
            if named
            else _look_layers(archive, wanted, base, limits)
        )
    try:
        found = _look_layers(archive, None, base, limits)
    except InputError as error:
        if error.code != "zip_without_data" or not tables:
            raise
        found = []
    for table in tables:
        try:
            found += _look_tables(f"{archive}:{table}", base, limits)
        except LandremedError as error:
            found.append(LayerLook(f"{archive}:{table}", "", "", problem=error))
    return found


def _look_layers(path: str, layer: str | None, base: Path | None, limits: Limits) -> list[LayerLook]:
    if layer is not None:
        return [_look_layer(path, layer, base, limits)]
    names = [info.name for info in list_layers(path, base=base, limits=limits)]
    if not names:
        raise InputError("no_vector_layer", Where(file=path))
    if len(names) == 1:
        return [_look_layer(path, names[0], base, limits)]
    found = []
    for name in names:
        try:
            found.append(_look_layer(path, name, base, limits))
        except LandremedError as error:
            found.append(LayerLook(path, name, "", problem=error))
    return found


def _look_tables(path: str, base: Path | None, limits: Limits) -> list[LayerLook]:
    """Look at every sheet that is shown; of several, those without a table are left out."""
    if Path(path).suffix.lower() not in OFFICE_FILES:
        return [_look_table(read_table(path, base=base, limits=limits))]
    names = list_sheets(path, base=base, limits=limits)
    found: list[LayerLook] = []
    for name in names:
        try:
            found.append(_look_table(read_table(path, base=base, sheet=name, limits=limits)))
        except LandremedError as error:
            if error.code != "table_no_rows":
                found.append(LayerLook(path, name, "", problem=error))
    if not found:
        raise InputError("table_no_rows", Where(file=path))
    return found


def _look_layer(path: str, layer: str | None, base: Path | None, limits: Limits) -> LayerLook:
    source, findings = read_vector(path, layer, base=base, limits=limits)
    state, crs, params, problem = _crs(source)
    attributes = source.attributes
    columns = {name: distinct_values(attributes.column(name)) for name in attributes.column_names}
    role = guess_role(f"{Path(path).stem} {source.layer}", attributes)
    return LayerLook(
        file=path,
        layer=source.layer,
        format=source.driver,
        rows=len(source),
        geometry=_kinds(source.wkb),
        crs_state=state,
        crs=crs,
        crs_params=params,
        encoding=source.encoding or "UTF-8",
        encoding_ground=source.encoding_ground,
        extent=_extent(source.wkb),
        fields=tuple(
            _field(
                name,
                str(attributes.schema.field(name).type),
                columns[name],
                attributes.column(name).null_count,
                len(source),
            )
            for name in attributes.column_names
        ),
        role=role,
        id=guess_id(role.role, attributes),
        facts=tuple(fact_fields(columns, vocabulary())) if role.role in ("", "parcels") else (),
        problem=problem,
        source=source,
        damage=tuple(f for f in findings if default_severity(f.code) == "error"),
        notes=_notes([*findings, *(local_grid(source) if state == "declared" else [])]),
    )


def _look_table(table: RawTable) -> LayerLook:
    columns = {name: distinct_values(table.column(name)) for name in table.columns}
    fields = []
    for name in table.columns:
        cells = table.column(name)
        kinds = sorted({type(c).__name__ for c in cells if c is not None}) or ["-"]
        fields.append(_field(name, "/".join(kinds), columns[name], sum(c is None for c in cells), len(cells)))
    whole = {name: [None if c is None else str(c) for c in table.column(name)] for name in table.columns}
    return LayerLook(
        file=table.file,
        layer=table.sheet if table.kind == "xlsx" else "",
        format=Path(table.file).suffix[1:].upper(),
        rows=len(table.rows),
        encoding=table.encoding,
        fields=tuple(fields),
        id=guess_id("parcels", pa.table(whole)) if table.rows else (),
        facts=tuple(fact_fields(columns, vocabulary())),
        source=table,
        notes=_notes(table.findings),
    )


def _notes(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return what is worth a line of its own; the ground of an encoding is told beside it."""
    return tuple(f for f in findings if default_severity(f.code) != "error" and f.code != "encoding_guessed")


def _crs(source: VectorSource) -> tuple[str, str, dict[str, object], LandremedError | None]:
    if source.crs_wkt is None:
        key, params = crs_guess(source)
        return "missing", key, params, None
    implied = CRS_IMPLIED in (source.attributes.schema.metadata or {})
    try:
        crs = parse_crs(source.crs_wkt, Where(file=source.file, layer=source.layer))
        guard_coordinates(source, crs, "layers.x")
    except CrsError as error:
        label = source.crs_wkt if len(source.crs_wkt) < 60 else "…"
        return "contradicted", label, {}, error
    return ("implied" if implied else "declared"), crs_label(crs), {}, None


def _kinds(wkb: pa.Array) -> dict[str, int]:
    """Return the number of rows of each geometry type; ``-`` for rows without one."""
    heads = pc.binary_slice(wkb, 1, 2)
    counts: dict[str, int] = {}
    for entry in pc.value_counts(heads).to_pylist():
        code = entry["values"]
        name = "-" if code is None else _KINDS[code[0]] if code and code[0] < len(_KINDS) else "?"
        counts[name] = counts.get(name, 0) + entry["counts"]
    return counts


def _extent(wkb: pa.Array) -> tuple[float, float, float, float] | None:
    import shapely

    from landremed.io.wkb import parse_wkb

    bounds = shapely.bounds(parse_wkb(wkb))
    bounds = bounds[np.isfinite(bounds).all(axis=1)]
    if not len(bounds):
        return None
    low, high = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _field(name: str, kind: str, values: Mapping[Any, int], blank: int, rows: int) -> FieldLook:
    shown: Sequence[str] = [str(v) for v in values if v is not None and str(v).strip()]
    short = [v if len(v) <= _SAMPLE_CHARS else v[: _SAMPLE_CHARS - 1] + "…" for v in shown[:_SAMPLES]]
    return FieldLook(name, kind, rows - blank, tuple(short))
