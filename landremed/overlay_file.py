"""The measured overlay as a file: what ``landremed overlay`` adds for ``landremed decide``, and reading it.

Areas shown to people are rounded; decisions rest on unrounded ones, which the table ``measures`` keeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyogrio
import pyproj

from landremed.area import area_measure
from landremed.errors import InputError, Where
from landremed.io.gdal import quiet
from landremed.io.gpkg import GEOMETRY_COLUMN, OutLayer, layer_names, read_layer
from landremed.io.wkb import as_large_binary
from landremed.layers import Units
from landremed.measure import OUTSIDE, GroupAreas, Measured
from landremed.overlay import PolygonSet
from landremed.pipeline import Overlay, decide_overlay, rule_book
from landremed.project import Project, load_project, project_from_json
from landremed.results import measured_columns
from landremed.sensitivity import EDGE_SCHEMA, KeptEdges, kept_table, pairs_asked
from landremed.tables import GIVEN_FACTS_SCHEMA, ISSUES_SCHEMA, FactColumn, GivenFacts
from landremed.trace_table import OVERRIDE
from landremed.types import AreaKind, FactValue, Straddle
from landremed.values import parse_value

__all__ = ["measure_tables", "read_overlay", "renewed_inputs"]

FloatArray: TypeAlias = npt.NDArray[np.float64]


def measure_tables(overlay: Overlay) -> list[OutLayer]:
    """Return the unrounded measures of parcels and parts, and their units, as tables."""
    layers = []
    for prefix, measured in (("", overlay.measured), ("part_", overlay.part_measured)):
        if measured is None:
            continue
        columns: dict[str, object] = {"row": np.arange(len(measured.area_m2)), "area_m2": measured.area_m2}
        for role, area in measured.overlap_m2.items():
            columns[f"{role}.overlap"] = area
            columns[f"{role}.complete"] = measured.complete[role].astype(np.int32)
            columns[f"{role}.void"] = measured.void[role].astype(np.int32)
        for name, area in measured.outside_m2.items():
            columns[f"{name}.outside"] = area
            columns[f"{name}.sure"] = measured.outside_sure_m2[name]
        if prefix:
            columns |= {"parent": overlay.parent, "number": overlay.part_number}
        layers.append(OutLayer(f"{prefix}measures", _plain(columns)))
        for role in ("land_use", "admin_units"):
            groups: GroupAreas | None = getattr(measured, role)
            if groups is not None:
                layers.append(OutLayer(f"{prefix}{role}_groups", _group_table(groups)))
    return [*layers, OutLayer("edges", _edge_table(overlay))]


def _edge_table(overlay: Overlay) -> pa.Table:
    """Return the edges that ``decide`` needs to say how firm an outcome is, under the present settings."""
    if overlay.edges is None or not overlay.project.sensitivity.enabled:
        return EDGE_SCHEMA.empty_table()
    judgement = decide_overlay(replace(overlay, edges=None), rule_book(overlay.project)).judgement
    known = ~np.isnan(overlay.measured.area_m2)
    incomplete = {r: np.flatnonzero(known & ~c) for r, c in overlay.measured.complete.items()}
    return kept_table(overlay.edges, pairs_asked(judgement), incomplete)


def read_overlay(path: Path, *, project: str | Path | None = None, settings: Sequence[str] = ()) -> Overlay:
    """Read what ``landremed overlay`` wrote.

    Parameters
    ----------
    path : Path
        The GeoPackage.
    project : path, optional
        Project file whose tolerances, readings, rules, dates and languages replace those kept in the file.
    settings : sequence of "key=value"
        Override any key.

    Raises
    ------
    InputError
        When the file is no overlay, or was not cut as the settings want it.
    """
    names = layer_names(path)
    if not {"parcels", "measures", "provenance"} <= set(names):
        raise InputError("not_an_overlay", Where(file=str(path)))
    kept = dict(zip(*(c.to_pylist() for c in read_layer(path, "provenance").columns), strict=True))
    checked = _project(path, kept, project, settings)
    parcels, wkb = _read_spatial(path, "parcels")
    part_wkb = _read_spatial(path, "parts")[1]
    measures = read_layer(path, "measures")
    if len(measures) != len(parcels):
        rows = f"measures: {len(measures)} rows, parcels: {len(parcels)}"
        raise InputError("result_damaged", Where(file=str(path)), reason=rows)
    part_measures = read_layer(path, "part_measures") if "part_measures" in names else None
    book = rule_book(checked)
    _require_cuts(path, checked, bool(book.cuts), part_measures is not None, kept)
    ids = parcels["parcel_id"].to_pylist()
    measured = _measured(path, names, measures, "")
    none = np.zeros(0, np.int64)
    inputs = {
        k: v for k, v in kept.items() if k not in ("started", "finished", "elapsed_s", "output", "jobs")
    }
    return Overlay(
        project=checked,
        ids=ids,
        attributes=_source_attributes(parcels, measured),
        polygons=PolygonSet(wkb),
        crs=pyproj.CRS.from_user_input(kept["crs"]),
        measured=measured,
        given=_given(_whole(path, "facts", read_layer(path, "facts"), GIVEN_FACTS_SCHEMA), ids, checked),
        overlaps=_table_with_geometry(path, "overlaps"),
        features=read_layer(path, "overlap_features"),
        land_use=read_layer(path, "land_use") if "land_use_groups" in names else None,
        issues=_whole(path, "issues", _table_with_geometry(path, "issues"), ISSUES_SCHEMA),
        inputs=renewed_inputs(inputs, checked),
        parent=none if part_measures is None else part_measures["parent"].to_numpy(),
        part_number=none if part_measures is None else part_measures["number"].to_numpy(),
        part_polygons=PolygonSet(part_wkb),
        part_measured=None if part_measures is None else _measured(path, names, part_measures, "part_"),
        area=area_measure(AreaKind(kept["area"]), pyproj.CRS.from_user_input(kept["crs"])),
        edges=_kept_edges(path, names, PolygonSet(wkb), checked, kept),
    )


def _kept_edges(
    path: Path, names: Sequence[str], parcels: PolygonSet, project: Project, kept: Mapping[str, str]
) -> KeptEdges | None:
    """Return the edges kept for these settings; refuse settings that reach farther than what is kept."""
    if not project.sensitivity.enabled or "edges" not in names:
        return None
    within_m = project_from_json(kept["settings"], base=project.base).edges_within_m
    if project.edges_within_m > within_m:
        where = Where(file=str(path))
        raise InputError("overlay_edges_short", where, kept=within_m, wanted=project.edges_within_m)
    return KeptEdges(_whole(path, "edges", read_layer(path, "edges"), EDGE_SCHEMA), parcels)


def _project(
    path: Path, kept: Mapping[str, str], project: str | Path | None, settings: Sequence[str]
) -> Project:
    if project is None:
        return project_from_json(kept["settings"], base=path.resolve().parent, settings=settings)
    return load_project(project, settings=settings)


def _require_cuts(path: Path, project: Project, cuts: bool, measured: bool, kept: Mapping[str, str]) -> None:
    """Refuse settings that cut parcels differently from what was measured."""
    wanted = (project.straddle is Straddle.SPLIT, cuts)
    had = (kept["straddle"] == Straddle.SPLIT, kept.get("reading.red_line_extent") == "part")
    if wanted != had:
        raise InputError("overlay_cut_otherwise", Where(file=str(path)), straddle=kept["straddle"])


def _plain(columns: Mapping[str, object]) -> pa.Table:
    return pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})


def _group_table(groups: GroupAreas) -> pa.Table:
    names = pa.array(groups.units.names, pa.string())
    kinds = pa.array([",".join(sorted(k)) for k in groups.units.kinds], pa.string())
    at = pa.array(groups.group)
    return pa.table(
        {
            "row": pa.array(groups.parcel),
            "name": names.take(at),
            "kind": kinds.take(at),
            "area_m2": pa.array(groups.area_m2),
        }
    )


def _measured(path: Path, names: Sequence[str], table: pa.Table, prefix: str) -> Measured:
    def column(name: str) -> FloatArray:
        return np.asarray(table[name].to_numpy(zero_copy_only=False), dtype=np.float64)

    def mask(name: str) -> npt.NDArray[np.bool_]:
        return np.asarray(column(name) == 1)

    roles = [n.removesuffix(".overlap") for n in table.column_names if n.endswith(".overlap")]
    outside = [name for name in OUTSIDE if f"{name}.outside" in table.column_names]
    groups = {
        role: _groups(read_layer(path, f"{prefix}{role}_groups"))
        for role in ("land_use", "admin_units")
        if f"{prefix}{role}_groups" in names
    }
    empty = pa.table({})
    return Measured(
        area_m2=column("area_m2"),
        overlap_m2={role: column(f"{role}.overlap") for role in roles},
        complete={role: mask(f"{role}.complete") for role in roles},
        void={role: mask(f"{role}.void") for role in roles},
        outside_m2={name: column(f"{name}.outside") for name in outside},
        outside_sure_m2={name: column(f"{name}.sure") for name in outside},
        land_use=groups.get("land_use"),
        admin_units=groups.get("admin_units"),
        overlaps=empty,
        features=empty,
        disputed=empty,
    )


def _groups(table: pa.Table) -> GroupAreas:
    encoded = table["name"].combine_chunks().dictionary_encode()
    code = encoded.indices.to_numpy()
    kinds: list[frozenset[str]] = [frozenset()] * len(encoded.dictionary)
    for number, kind in zip(code, table["kind"].to_pylist(), strict=True):
        kinds[number] = frozenset((kind or "").split(","))
    return GroupAreas(
        Units(encoded.dictionary.to_pylist(), kinds),
        table["row"].to_numpy().astype(np.int32),
        code.astype(np.int32),
        table["area_m2"].to_numpy(),
    )


def _given(sources: pa.Table, ids: Sequence[str], project: Project) -> GivenFacts:
    """Rebuild the fact columns from the table of given facts."""
    vocabulary = rule_book(project).vocabulary
    row_of = {value: row for row, value in enumerate(ids)}
    columns: dict[str, FactColumn] = {}
    for fact in pc.unique(sources["fact"]).to_pylist():
        rows = sources.filter(pc.equal(sources["fact"], fact))
        spec = vocabulary[fact.removeprefix(OVERRIDE)]
        texts = rows["value"].combine_chunks().dictionary_encode()
        values: list[FactValue] = [None, *(parse_value(text, spec) for text in texts.dictionary.to_pylist())]
        codes = np.zeros(len(ids), np.int32)
        at = [row_of[value] for value in rows["parcel_id"].to_pylist()]
        codes[at] = texts.indices.to_numpy() + 1
        columns[fact] = FactColumn(codes, values)
    return GivenFacts(columns, sources)


def _read_spatial(path: Path, layer: str) -> tuple[pa.Table, pa.Array]:
    try:
        with quiet():
            _, table = pyogrio.read_arrow(path, layer=layer)
        table.validate(full=True)  # text that is none would stop the writing half-way
        wkb = as_large_binary(table[GEOMETRY_COLUMN])
    except (RuntimeError, ValueError, KeyError, pa.ArrowException) as error:  # pyogrio raises many classes
        raise InputError("result_not_geopackage", Where(file=str(path)), reason=str(error)[:200]) from error
    return table.drop_columns([GEOMETRY_COLUMN]), wkb


def _whole(path: Path, layer: str, table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table that has all its columns."""
    for name in schema.names:
        if name not in table.column_names:
            raise InputError("result_column_missing", Where(file=str(path), layer=layer), column=name)
    return table


def _table_with_geometry(path: Path, layer: str) -> pa.Table:
    table, wkb = _read_spatial(path, layer)
    return table.append_column("geometry", wkb)


def _source_attributes(parcels: pa.Table, measured: Measured) -> pa.Table:
    """Take our own columns away, and the prefix of those that clashed with them."""
    ours = ["parcel_id", *measured_columns(measured)]
    kept = parcels.drop_columns(ours)
    return kept.rename_columns([n.removeprefix("src_") for n in kept.column_names])


def renewed_inputs(inputs: Mapping[str, object], project: Project) -> dict[str, object]:
    """Say which settings decided, where they differ from those measured with."""
    book = rule_book(project)
    changed = {
        "rules": book.name,
        "rules_hash": book.content_hash,
        "as_of": project.as_of,
        "straddle": project.straddle.value,
        "basis": project.basis,
        "language": project.language or "zh",
        **{f"tolerance.{k}": getattr(project.tolerance, k) for k in project.tolerance.__slots__},
        **{f"reading.{name}": value for name, value in book.readings.items()},
        **{f"sensitivity.{k}": getattr(project.sensitivity, k) for k in project.sensitivity.__slots__},
        "settings": project.settings_json,
    }
    return {**inputs, **changed}
