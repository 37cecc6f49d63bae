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
from landremed.partitions.traces import TraceNumbers, trace_keys
from landremed.pipeline import Basis, Decisions, Overlay, Stage, decide_overlay
from landremed.results import decision_columns
from landremed.reuse import Reuse
from landremed.reuse.some import some_facts, some_measured
from landremed.reuse.splice import Splice, put_together
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
        rows = table["decisions"].select(range(1, ours))
        reuse.keep_rows(Splice(np.full(len(splice), -1)), rows, table["trace"])
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
    if fresh.schema != old.schema:
        return None
    rows = splice.rows(old, fresh)
    numbers, trace = _traces(splice, (old[_TRACE].to_numpy(), reuse.rows.trace), judged.decided)
    rows = rows.set_column(rows.column_names.index(_TRACE), rows.schema.field(_TRACE), pa.array(numbers))
    reuse.keep_rows(splice, rows, trace)
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


def _traces(splice: Splice, old: tuple[Ints, pa.Table], new: Decided) -> tuple[Ints, pa.Table]:
    """Give traces of all rows their numbers, in the order of their first row; equal ones have one.

    Parameters
    ----------
    splice : Splice
        Where rows come from.
    old : (trace of every row of the earlier run, ``trace`` of that run)
        Numbered from 1.
    new : Decided
        Decisions of the rows made anew.

    Returns
    -------
    trace_id : ndarray of int
        Of every row.
    trace : pyarrow.Table
        Without traces that no row has any more.
    """
    trace_id, trace = old
    kept = np.flatnonzero(splice.old)
    own = trace_id[splice.places[kept]]
    used, inverse = np.unique(own, return_inverse=True)
    count = np.bincount(trace["trace_id"].to_numpy(), minlength=int(trace_id.max(initial=0)) + 1)
    at = np.flatnonzero(np.isin(trace["trace_id"].to_numpy(), used))
    shares = [
        _renumbered(trace.take(pa.array(at)), np.repeat(np.arange(1, len(used) + 1), count[used])),
        new.trace,
    ]
    keys = [
        trace_keys(shares[0], inverse + 1, kept),
        trace_keys(new.trace, new.trace_id, splice.missing),
    ]
    numbers = TraceNumbers.of(keys)
    of_row = np.empty(len(splice), np.int64)
    of_row[kept] = numbers.numbers[0][inverse]
    of_row[splice.missing] = numbers.numbers[1][new.trace_id - 1]
    ids, tables = [], []
    for share, number, stays in zip(shares, numbers.numbers, numbers.kept, strict=True):
        local = share["trace_id"].to_numpy() - 1
        tables.append(share.filter(pa.array(stays[local])))
        ids.append(number[local][stays[local]])
    whole = np.concatenate(ids)
    order = np.argsort(whole, kind="stable")
    return of_row, _renumbered(put_together(tables[0], tables[1], order), whole[order])


def _renumbered(trace: pa.Table, number: Ints) -> pa.Table:
    return trace.set_column(0, trace.schema.field(0), pa.array(number, pa.int64()))
