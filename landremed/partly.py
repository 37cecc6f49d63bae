"""Deciding only the parcels that changed; rows of the others are those of an earlier run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.decisions import Decided
from landremed.io.gpkg import OutLayer
from landremed.law import RuleBook
from landremed.output import PARCEL_ID, layers_of_rows, result_layers
from landremed.overlay import PolygonSet
from landremed.partitions.traces import trace_keys
from landremed.pipeline import Basis, Decisions, Overlay, Stage, decide_overlay
from landremed.results import decision_columns
from landremed.reuse import Reuse
from landremed.reuse.coded import plain_schema
from landremed.reuse.hashes import Digests, as_digests, places_of, raw_array
from landremed.reuse.rows import RowsOfRuns
from landremed.reuse.some import some_facts, some_measured
from landremed.reuse.splice import Splice, put_together, spread, starts_of
from landremed.types import Straddle

__all__ = ["DecidedLayers", "decided_layers"]

Ints: TypeAlias = npt.NDArray[np.int64]

_TRACE: Final = "trace_id"


@dataclass(frozen=True)
class DecidedLayers:
    """What was decided, as the layers of the result.

    Attributes
    ----------
    decided : Decisions or None
        None where only some parcels were decided.
    """

    layers: list[OutLayer]
    basis: Basis
    decided: Decisions | None


def decided_layers(
    overlay: Overlay, book: RuleBook, entries: Mapping[str, object], *, stage: Stage, reuse: Reuse
) -> DecidedLayers:
    """Decide the parcels that are not as they were, and return the layers of the result.

    Parameters
    ----------
    overlay : Overlay
        From ``landremed.pipeline.measure_project`` with the same ``reuse``.
    book : RuleBook
        With the readings wanted.
    entries : mapping
        Added to the provenance.
    stage : callable
        Told the name of each stage as it begins.
    reuse : Reuse
        What is taken over, and kept.
    """
    basis = Basis(overlay.project, book, overlay.crs)
    splice = None if _may_be_cut(overlay, book) else _unchanged(overlay, book, reuse)
    found = _spliced(overlay, book, entries, splice, stage, reuse) if splice is not None else None
    if found is not None:
        reuse.tell_decided()
        return DecidedLayers(found, basis, None)
    decided = decide_overlay(overlay, book, stage=stage, reuse=reuse)
    stage("tables")
    layers = result_layers(decided, entries)
    if splice is not None:
        table = {layer.name: layer.table for layer in layers}
        ours = len(_ours(overlay, table["decisions"]))
        rows, trace = table["decisions"].select(range(1, ours)), table["trace"]
        traced, _ = _told(trace, decided.parcels.decided.trace_id, np.arange(len(splice)))
        reuse.keep_rows(Splice(np.full(len(splice), -1)), rows, trace, traced)
    else:
        reuse.rows.decided = len(overlay.ids)
    reuse.tell_decided()
    return DecidedLayers(layers, basis, decided)


def _ours(overlay: Overlay, decisions: pa.Table) -> list[str]:
    """Return the columns of ``decisions`` that are ours: source attributes follow them."""
    names: list[str] = decisions.column_names
    return names[: len(names) - overlay.attributes.num_columns]


def _may_be_cut(overlay: Overlay, book: RuleBook) -> bool:
    return overlay.project.straddle is Straddle.SPLIT or bool(book.cuts) or overlay.part_measured is not None


def _unchanged(overlay: Overlay, book: RuleBook, reuse: Reuse) -> Splice:
    project = overlay.project
    told = (
        book.content_hash,
        sorted(book.readings.items()),
        project.settings_json,
        project.language,
        repr(project.layers),
        repr(project.tolerance),
        repr(project.sensitivity),
    )
    return reuse.take_rows(overlay.measured, overlay.given.columns, told, project.edges_within_m)


def _spliced(
    overlay: Overlay,
    book: RuleBook,
    entries: Mapping[str, object],
    splice: Splice,
    stage: Stage,
    reuse: Reuse,
) -> list[OutLayer] | None:
    """Return the layers of the result, most rows taken over; None where they do not fit together."""
    missing = splice.missing
    if len(missing) == len(splice):
        return None
    decided = decide_overlay(_some(overlay, missing, reuse), book, stage=stage, reuse=reuse)
    stage("tables")
    judged, ids = decided.parcels, decided.overlay.ids
    specs, language = overlay.project.layers, overlay.project.language or "zh"
    columns = decision_columns(book, ids, judged, specs, language)
    fresh = pa.table(columns).drop_columns([PARCEL_ID])
    old = reuse.rows.rows
    if fresh.schema != plain_schema(old.schema):
        return None
    rows = splice.rows(old, fresh)
    numbers, trace, traced = _traces(splice, reuse.rows, judged.decided)
    rows = rows.set_column(rows.column_names.index(_TRACE), rows.schema.field(_TRACE), pa.array(numbers))
    reuse.keep_rows(splice, rows, trace, traced)
    return layers_of_rows(overlay, book, rows, trace, entries)


def _some(overlay: Overlay, rows: Ints, reuse: Reuse) -> Overlay:
    """Return some of the parcels, as if there were no others."""
    place = np.zeros(len(overlay.ids), bool)
    place[rows] = True
    measured = some_measured(overlay.measured, rows)
    polygons = PolygonSet(overlay.polygons.wkb.take(pa.array(rows)))
    return replace(
        overlay,
        ids=[overlay.ids[row] for row in rows.tolist()],
        attributes=overlay.attributes.take(pa.array(rows)),
        polygons=polygons,
        measured=measured,
        given=replace(overlay.given, columns=some_facts(overlay.given.columns, rows)),
        overlaps=overlay.overlaps.filter(pa.array(place[overlay.measured.overlaps["parcel"].to_numpy()])),
        edges=reuse.edges_near(polygons, measured, overlay.project.edges_within_m),
    )


def _traces(splice: Splice, past: RowsOfRuns, new: Decided) -> tuple[Ints, pa.Table, Digests]:
    """Give traces of all rows their numbers, in the order of their first row; equal ones have one.

    Parameters
    ----------
    splice : Splice
        Where rows come from.
    past : RowsOfRuns
        Rows and traces of the earlier run.
    new : Decided
        Decisions of the rows made anew.

    Returns
    -------
    trace_id : ndarray of int
        Of every row.
    trace : pyarrow.Table
        Without traces that no row has any more.
    traced : ndarray of raw bytes
        Hash of what each trace says.
    """
    kept = np.flatnonzero(splice.old)
    own = past.rows[_TRACE].to_numpy()[splice.places[kept]] - 1
    first = np.full(len(past.traced), len(splice))
    first[own[::-1]] = kept[::-1]  # of equal ones the first row is set last
    used = np.flatnonzero(first < len(splice))
    made, made_first = _told(new.trace, new.trace_id, splice.missing)
    twin = places_of(past.traced[used], pa.chunked_array([raw_array(made)]))
    again = np.flatnonzero(twin >= 0)
    alone = np.ones(len(made), bool)
    alone[twin[again]] = False
    first_row = np.r_[first[used], made_first[alone]]
    first_row[again] = np.minimum(first_row[again], made_first[twin[again]])
    order = np.argsort(first_row)
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(1, len(order) + 1)
    number_then, number_now = np.zeros(len(first), np.int64), np.zeros(len(made), np.int64)
    number_then[used] = number[: len(used)]
    number_now[alone] = number[len(used) :]
    number_now[twin[again]] = number[again]
    of_row = np.empty(len(splice), np.int64)
    of_row[kept] = number_then[own]
    of_row[splice.missing] = number_now[new.trace_id - 1]
    traced = np.concatenate([past.traced[used], made[alone]])[order]
    return of_row, _laid_out((past.trace, used), (new.trace, np.flatnonzero(alone)), order), traced


def _told(trace: pa.Table, trace_id: Ints, rows: Ints) -> tuple[Digests, Ints]:
    """Return the hash of what each trace says, and its first row."""
    high, low, first = (column.to_numpy() for column in trace_keys(trace, trace_id, rows).columns)
    return as_digests(np.column_stack([high, low])), first


def _laid_out(then: tuple[pa.Table, Ints], now: tuple[pa.Table, Ints], order: Ints) -> pa.Table:
    """Return traces of two tables, numbered from 1; the order counts through those of both."""
    begin, count, above = [], [], 0
    for trace, traces in (then, now):
        starts = starts_of(trace[_TRACE].to_numpy() - 1, int(traces.max(initial=-1)) + 1)
        begin.append(starts[traces] + above)
        count.append(starts[traces + 1] - starts[traces])
        above += trace.num_rows
    first, size = np.concatenate(begin)[order], np.concatenate(count)[order]
    found = put_together(then[0], now[0], spread(first, size))
    number = pa.array(np.repeat(np.arange(1, len(order) + 1), size), pa.int64())
    return found.set_column(0, found.schema.field(0), number)
