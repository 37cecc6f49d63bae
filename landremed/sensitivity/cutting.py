"""Parcels that are decided by their parts, with one boundary moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from landremed.decisions import decide_rows
from landremed.facts import computed_facts, counts
from landremed.law import combine_parts
from landremed.measure import OUTSIDE, Measured
from landremed.parts import plan_cuts
from landremed.sensitivity.edges import Edges
from landremed.sensitivity.judged import Judgement, measured_rows
from landremed.sensitivity.polygons import polygonal
from landremed.types import Straddle

__all__ = ["outcomes_by_parts"]

IntArray: TypeAlias = npt.NDArray[np.int64]
Geometries: TypeAlias = npt.NDArray[np.object_]
Pieces: TypeAlias = Mapping[str, Mapping[int, shapely.Geometry]]


def outcomes_by_parts(
    judgement: Judgement, edges: Edges, rows: IntArray, measured: Measured, moved: tuple[str, Geometries]
) -> Geometries:
    """Return the outcomes of parcels that may be cut.

    Parameters
    ----------
    rows : ndarray of int
        The parcels; one may stand more than once.
    measured : Measured
        Their areas with the boundary moved.
    moved : (role, geometries)
        The layer, and what each parcel shares with it after the move.
    """
    project, book = judgement.project, judgement.book
    computed = computed_facts(measured, project.tolerance, project.straddle, judgement.within)
    columns = judgement.joined(rows, judgement.computed(rows, measured))
    known = ~np.isnan(measured.area_m2)
    decided = decide_rows(book, columns, as_of=project.as_of, has_geometry=known)
    plan = plan_cuts(book, decided.decisions, decided.code, measured, computed, project.straddle)
    found = np.array([d.outcome for d in decided.decisions], dtype=object)[decided.code]
    pieces = {role: judgement.pieces(role) for role in measured.overlap_m2} if plan else {}
    for i, roles in plan.items():
        row = int(rows[i])
        own = {role: here[row] for role, here in pieces.items() if row in here}
        own[moved[0]] = moved[1][i]
        found[i] = _outcome(judgement, edges, row, measured_rows(measured, np.array([i])), own, roles)
    return found


def _outcome(
    judgement: Judgement,
    edges: Edges,
    row: int,
    whole: Measured,
    pieces: Mapping[str, shapely.Geometry],
    roles: Sequence[str],
) -> str:
    """Cut one parcel, decide its parts, and return the outcome they have in common."""
    parts = [judgement.polygons.some(np.array([row]))[0]]
    for role in roles:
        parts = [half for part in parts for half in _halves(judgement, part, pieces.get(role))]
    sizes = judgement.area.of(np.array(parts, dtype=object))
    parts = [parts[i] for i in np.argsort(-sizes, kind="stable")]
    measured = _measured(judgement, edges, row, whole, pieces, np.array(parts, dtype=object))
    rows = np.full(len(parts), row)
    columns = judgement.joined(rows, judgement.computed(rows, measured, Straddle.REVIEW))
    decided = decide_rows(
        judgement.book,
        columns,
        as_of=judgement.project.as_of,
        has_geometry=np.ones(len(parts), dtype=bool),
    )
    return str(combine_parts(judgement.book, [decided[i] for i in range(len(parts))]).outcome)


def _halves(
    judgement: Judgement, part: shapely.Geometry, piece: shapely.Geometry | None
) -> list[shapely.Geometry]:
    if piece is None:
        return [part]
    halves = polygonal(np.array([shapely.intersection(part, piece), shapely.difference(part, piece)]))
    sizes = judgement.area.of(halves)
    size = judgement.area.of(np.array([part], dtype=object))[0]
    return list(halves) if counts(sizes, np.full(2, size), judgement.project.tolerance).all() else [part]


def _measured(
    judgement: Judgement,
    edges: Edges,
    row: int,
    whole: Measured,
    pieces: Mapping[str, shapely.Geometry],
    parts: Geometries,
) -> Measured:
    """Measure the parts against what the parcel shares with each layer."""
    area = judgement.area
    total = len(parts)
    size = area.of(parts)
    shared = {
        role: polygonal(shapely.intersection(parts, pieces[role]))
        for role in whole.overlap_m2
        if role in pieces
    }
    overlap = {
        role: area.of(shared[role]) if role in shared else np.zeros(total) for role in whole.overlap_m2
    }
    complete, cover = {}, {}
    for role, reached in whole.complete.items():
        complete[role] = np.full(total, bool(reached[0]))
        if not reached[0]:
            cover[role] = edges.covered(role, np.array([row]))[0]
            held = area.of(polygonal(shapely.intersection(parts, cover[role])))
            complete[role] = held >= size - np.maximum(1e-9 * size, 1e-4)
    outside, sure = {}, {}
    for name, (inner, boundary) in OUTSIDE.items():
        if name not in whole.outside_m2:
            continue
        left = shared.get(inner, np.full(total, shapely.MultiPolygon(), dtype=object))
        if boundary in pieces:
            left = polygonal(shapely.difference(left, pieces[boundary]))
        outside[name] = sure[name] = area.of(left)
        if boundary in cover:
            held = area.of(polygonal(shapely.intersection(left, cover[boundary])))
            sure[name] = np.where(complete[boundary], outside[name], held)
    void = {role: np.full(total, bool(hit[0])) for role, hit in whole.void.items()}
    return replace(
        whole,
        area_m2=size,
        overlap_m2=overlap,
        complete=complete,
        void=void,
        outside_m2=outside,
        outside_sure_m2=sure,
    )
