"""What is written: the result of a run, and the measured overlay between ``overlay`` and ``decide``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from landremed.errors import OutputError, Where
from landremed.io.drivers import split_layer
from landremed.io.gpkg import (
    EarlyLayers,
    OutLayer,
    begin_layers,
    check_target,
    write_early,
    write_geopackage,
)
from landremed.law import RuleBook
from landremed.overlay import page_maker
from landremed.overlay_file import measure_tables
from landremed.pipeline import Basis, Decisions, Overlay
from landremed.project_spec import Project
from landremed.provenance import VOLATILE_KEYS, provenance_table
from landremed.report.code_lists import book_codes
from landremed.report.labels import labelled
from landremed.report.result_forms import result_forms
from landremed.report.styles import default_styles
from landremed.result_project import embed_project
from landremed.results import decision_columns, join_sources, measured_columns
from landremed.review.carry import carry_reviews
from landremed.review.tables import empty_review_layers
from landremed.summary import Sums, summary_sums, summary_table, sums_of
from landremed.tables import LAND_USE_SCHEMA, GivenFacts, plain_table
from landremed.types import Outcome

__all__ = [
    "PARCEL_ID",
    "area_sums",
    "check_output",
    "layers_of_rows",
    "overlay_layers",
    "result_layers",
    "result_provenance",
    "rules_fired",
    "titled_layers",
    "write_layers",
]

PARTS_OF: Final = "{}#{}"
PARCEL_ID: Final = "parcel_id"
_FACTS: Final = "facts"
_ROW_BYTES: Final = 100
"""About what a row of a result takes; facts take that, decisions ten times as much."""


def result_layers(decisions: Decisions, provenance: Mapping[str, object]) -> list[OutLayer]:
    """Return the layers of the result GeoPackage (``docs/outputs.md``).

    Parameters
    ----------
    decisions : Decisions
        From ``decide_overlay``.
    provenance : mapping
        Added to what the overlay knows of its inputs.
    """
    overlay = decisions.overlay
    language = overlay.project.language or "zh"
    specs = overlay.project.layers
    parcels = decision_columns(decisions.book, overlay.ids, decisions.parcels, specs, language)
    whole = join_sources(parcels, overlay.attributes)
    empty: pa.Table = whole.slice(0, 0)
    parts, traces = empty, [decisions.parcels.decided.trace]
    if decisions.parts is not None:
        columns = decision_columns(decisions.book, _part_ids(overlay), decisions.parts, specs, language)
        parts = join_sources(columns, overlay.attributes.take(pa.array(overlay.parent)))
        traces.append(decisions.parts.decided.trace)
    fired = result_provenance(overlay.inputs, rules_fired(decisions), provenance)
    return _whole_result(overlay, (whole, parts), pa.concat_tables(traces), area_sums(decisions), fired)


def layers_of_rows(
    overlay: Overlay, book: RuleBook, rows: pa.Table, trace: pa.Table, provenance: Mapping[str, object]
) -> list[OutLayer]:
    """Return the layers of the result from the rows of its ``decisions``; no parcel was cut.

    Parameters
    ----------
    overlay : Overlay
        All parcels.
    book : RuleBook
        By which they were decided.
    rows : pyarrow.Table
        Our columns of ``decisions``, but for ``parcel_id``; texts may be coded, here and in ``trace``.
    trace : pyarrow.Table
        All traces.
    provenance : mapping
        As for ``result_layers``.
    """
    named = {PARCEL_ID: pa.array(overlay.ids, pa.string())}
    named |= dict(zip(rows.column_names, rows.columns, strict=True))
    whole = join_sources(named, overlay.attributes)
    said = plain_table(rows.select(["category", "outcome", "rule"]))
    category, outcome = (_coded(said[name]) for name in ("category", "outcome"))
    sums = [sums_of(category, outcome, overlay.measured.area_m2, count=True)]
    fired = dict.fromkeys(book.rules, 0)
    decided = said["rule"].filter(pc.not_equal(said["outcome"], Outcome.NEEDS_REVIEW.value)).drop_null()
    for counted in decided.value_counts().to_pylist():
        for rule in counted["values"].split(","):
            fired[rule] += counted["counts"]
    entries = result_provenance(overlay.inputs, fired, provenance)
    return _whole_result(overlay, (whole, whole.slice(0, 0)), trace, sums, entries)


def _coded(column: pa.ChunkedArray) -> tuple[list[str], np.ndarray[Any, np.dtype[np.int64]]]:
    """Return the distinct texts of a column, and the number of each row's; no text counts as empty."""
    encoded = column.fill_null("").combine_chunks().dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)


def _whole_result(
    overlay: Overlay,
    decided: tuple[pa.Table, pa.Table],
    trace: pa.Table,
    sums: Sequence[Sums],
    entries: Mapping[str, object],
) -> list[OutLayer]:
    """Return the layers of the result in their order."""
    return [
        OutLayer("decisions", decided[0], overlay.polygons.wkb),
        OutLayer("parts", decided[1], overlay.part_polygons.wkb),
        *_shared_layers(overlay),
        OutLayer("trace", trace),
        _spatial("issues", overlay.issues, "Point"),
        OutLayer("summary", summary_table(sums)),
        OutLayer("provenance", provenance_table(entries)),
    ]


def overlay_layers(overlay: Overlay, provenance: Mapping[str, object]) -> list[OutLayer]:
    """Return the layers of the file that ``landremed overlay`` writes and ``landremed decide`` reads."""
    first: dict[str, Any] = {"parcel_id": pa.array(overlay.ids, pa.string())}
    parcels = join_sources(first | measured_columns(overlay.measured), overlay.attributes)
    parts: pa.Table = parcels.slice(0, 0)
    if overlay.part_measured is not None and len(overlay.parent):
        named: dict[str, Any] = {"parcel_id": pa.array(_part_ids(overlay), pa.string())}
        attributes = overlay.attributes.take(pa.array(overlay.parent))
        parts = join_sources(named | measured_columns(overlay.part_measured), attributes)
    return [
        OutLayer("parcels", parcels, overlay.polygons.wkb),
        OutLayer("parts", parts, overlay.part_polygons.wkb),
        *_shared_layers(overlay),
        _spatial("issues", overlay.issues, "Point"),
        *measure_tables(overlay),
        OutLayer("provenance", provenance_table({**overlay.inputs, **provenance})),
    ]


def area_sums(decisions: Decisions) -> list[Sums]:
    """Return what ``summary`` adds up: a split parcel counts once, its area by the outcomes of its parts."""
    overlay, judged = decisions.overlay, decisions.parcels
    area = overlay.measured.area_m2.copy()
    area[np.unique(overlay.parent)] = np.nan
    sums = [summary_sums(judged.category, judged.decided, area, count=True)]
    if decisions.parts is not None and overlay.part_measured is not None:
        parts = decisions.parts
        sums.append(summary_sums(parts.category, parts.decided, overlay.part_measured.area_m2, count=False))
    return sums


def rules_fired(decisions: Decisions) -> dict[str, int]:
    """Count how often each rule decided; a rule that never does is shown with 0."""
    fired = dict.fromkeys(decisions.book.rules, 0)
    for judged in (decisions.parcels, decisions.parts):
        if judged is None:
            continue
        counts = np.bincount(judged.decided.code, minlength=len(judged.decided.decisions))
        for decision, count in zip(judged.decided.decisions, counts, strict=True):
            if decision.outcome == Outcome.NEEDS_REVIEW:
                continue
            for rule in decision.rules:
                fired[rule] = fired.get(rule, 0) + int(count)
    return fired


def result_provenance(
    inputs: Mapping[str, object], fired: Mapping[str, int], more: Mapping[str, object]
) -> dict[str, object]:
    """Return the entries of ``provenance`` of a result, in order."""
    return {**inputs, "rules_fired": json.dumps(fired), **more}


def check_output(path: Path, project: Project | None, *, overwrite: bool, also: Sequence[Path] = ()) -> None:
    """Refuse an output that cannot be written, or that would take the place of an input.

    Parameters
    ----------
    path : Path
        GeoPackage to be written.
    project : Project or None
        The job; its parcels, layers, evidence and the project file itself are inputs.
    overwrite : bool
        Whether an existing output may be replaced.
    also : sequence of Path
        Further inputs.

    Raises
    ------
    OutputError
        See ``landremed.io.gpkg.check_target``; also when it is an input, or is not named ``.gpkg``.
    """
    check_target(path, overwrite=overwrite)
    if path.exists() and any(path.samefile(file) for file in [*also, *_inputs(project)] if file.exists()):
        raise OutputError("output_is_input", Where(file=str(path)))
    if path.suffix.lower() != ".gpkg":
        raise OutputError("output_not_geopackage", Where(file=str(path)))


def _inputs(project: Project | None) -> list[Path]:
    if project is None:
        return []
    layers = [*(spec.path for spec in project.layers), *(spec.coverage or "" for spec in project.layers)]
    named = [project.parcels.path, *layers, *(table.path for table in project.evidence)]
    if project.file:
        named.append(Path(project.file).name)
    return [project.base / name for text in named if text for name in {text, split_layer(text)[0]}]


def write_layers(
    path: Path,
    layers: Sequence[OutLayer],
    *,
    crs_wkt: str,
    language: str,
    overwrite: bool,
    fact_titles: Mapping[str, str] | None = None,
    basis: Basis | None = None,
    early: EarlyLayers | None = None,
) -> None:
    """Write layers with titles and default styles; see ``landremed.io.gpkg.write_geopackage``.

    A result also gets its review tables, with the rows of an earlier result of that name, and its project.
    """
    titled = titled_layers(layers, language, fact_titles, basis)
    if basis is not None:
        titled += empty_review_layers(language, book_codes(basis.book, language)["fact"])

    def finish(temp: Path) -> bool:
        if basis is None:
            return False
        embed_project(temp, path, titled, basis, language)
        return carry_reviews(path, temp)

    write_geopackage(
        path,
        titled,
        crs_wkt=crs_wkt,
        overwrite=overwrite,
        styles=default_styles(titled, language, result_forms(titled, language) if basis else None),
        language=language,
        metadata=_metadata(layers),
        finish=finish,
        early=early,
        make_pages=page_maker(_ROW_BYTES * sum(layer.rows for layer in layers)),
    )


def titled_layers(
    layers: Sequence[OutLayer],
    language: str,
    fact_titles: Mapping[str, str] | None = None,
    basis: Basis | None = None,
) -> list[OutLayer]:
    """Return layers with their titles and the meanings of their codes."""
    codes = book_codes(basis.book, language) if basis is not None else {}
    return [labelled(layer, language, fact_titles, codes) for layer in layers]


def _metadata(layers: Sequence[OutLayer]) -> dict[str, object]:
    """Return what the layers rest on, for programs that show a GeoPackage's metadata."""
    table = next((layer.table for layer in layers if layer.name == "provenance"), None)
    rows = table.to_pylist() if table is not None else []
    return {row["key"]: row["value"] for row in rows if row["key"] not in VOLATILE_KEYS and row["value"]}


@contextmanager
def begin_writing(path: Path | None) -> Iterator[EarlyLayers | None]:
    """Give what layers can be written to before the others are known; None without a file.

    What was begun is gone afterwards, unless ``write_layers`` has finished it.
    """
    if path is None:
        yield None
        return
    with begin_layers(path) as early:
        yield early


def write_facts_early(early: EarlyLayers | None, project: Project, given: GivenFacts) -> None:
    """Begin to write the given facts, which are known before anything is measured."""
    _write_early(early, project, [_facts(given)], "")


def write_measures_early(early: EarlyLayers | None, overlay: Overlay) -> None:
    """Begin to write what is known before anything is decided."""
    rest = [layer for layer in _shared_layers(overlay) if layer.name != _FACTS]
    _write_early(early, overlay.project, rest, overlay.crs.to_wkt())


def _write_early(
    early: EarlyLayers | None, project: Project, layers: Sequence[OutLayer], crs_wkt: str
) -> None:
    if early is None:
        return
    named = [labelled(layer, project.language or "zh") for layer in layers]
    size = sum(layer.table.nbytes for layer in layers)
    write_early(early, named, crs_wkt=crs_wkt, make_pages=page_maker(size))


def _shared_layers(overlay: Overlay) -> list[OutLayer]:
    land_use = overlay.land_use if overlay.land_use is not None else LAND_USE_SCHEMA.empty_table()
    return [
        _spatial("overlaps", overlay.overlaps),
        OutLayer("overlap_features", overlay.features),
        OutLayer("land_use", land_use),
        _facts(overlay.given),
    ]


def _facts(given: GivenFacts) -> OutLayer:
    return OutLayer(_FACTS, given.sources)


def _spatial(name: str, table: pa.Table, kind: str = "MultiPolygon") -> OutLayer:
    return OutLayer(name, table.drop_columns(["geometry"]), table["geometry"], kind)


def _part_ids(overlay: Overlay) -> list[str]:
    return [
        PARTS_OF.format(overlay.ids[row], number)
        for row, number in zip(overlay.parent, overlay.part_number, strict=True)
    ]
