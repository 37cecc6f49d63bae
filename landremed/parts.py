"""Cutting parcels along a boundary, where the project or a reading asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from landremed.facts import ComputedFacts, counts
from landremed.law import Decision, RuleBook, facts_used
from landremed.layers import Layer
from landremed.measure import OUTSIDE, Measured
from landremed.overlay import PolygonSet
from landremed.overlay.tables import AreaMeasure
from landremed.project import Tolerance
from landremed.types import Straddle

__all__ = ["cut_parcels", "plan_cuts"]

IntArray: TypeAlias = npt.NDArray[np.int64]

_OCCUPIES: Final = "occupies_"


def plan_cuts(
    book: RuleBook,
    decisions: Sequence[Decision],
    code: IntArray,
    measured: Measured,
    computed: ComputedFacts,
    straddle: Straddle,
) -> dict[int, list[str]]:
    """Return, for every parcel to be cut, the layers it is cut along.

    With ``straddle = "split"`` these are the boundaries that the parcel's table asks about, itself or by a
    three-way fact, and that the parcel straddles; readings may add others. What an override or the coverage
    has settled is not cut.
    """
    plan: dict[int, list[str]] = {}
    for row, number in enumerate(code):
        decision = decisions[number]
        facts = _asked_sides(book, decision, computed.within) if straddle is Straddle.SPLIT else []
        facts += book.cuts.get(decision.table_category or "", ())
        for fact in facts:
            layer = computed.within.get(fact, fact.removeprefix(_OCCUPIES))
            truth = computed.truth[fact][row]
            wanted = truth == -1 if fact in computed.within else truth == 1
            if wanted and layer in computed.straddles and computed.straddles[layer][row]:
                plan.setdefault(row, []).append(layer)
    return plan


def _asked_sides(book: RuleBook, decision: Decision, within: Mapping[str, str]) -> list[str]:
    """Return the facts of the boundaries that a table asks about, itself or by a three-way fact."""
    asked = set(decision.uses)
    if decision.table_category is not None:
        used = facts_used(book, decision.table_category, decision.subtype, "")
        boundaries = {boundary for name, (_, boundary) in OUTSIDE.items() if name in used}
        asked |= {fact for fact, layer in within.items() if layer in boundaries}
    return [fact for fact in within if fact in asked]


def cut_parcels(
    parcels: PolygonSet,
    plan: Mapping[int, Sequence[str]],
    layers: Sequence[Layer],
    area: AreaMeasure,
    tolerance: Tolerance,
) -> tuple[IntArray, IntArray, PolygonSet]:
    """Cut parcels into the parts inside and outside of layers.

    Parameters
    ----------
    parcels : PolygonSet
        All parcels.
    plan : mapping of row to layers
        From ``plan_cuts``.
    layers : sequence of Layer
        All layers, in the working CRS.
    area : AreaMeasure
        Measures the parts; a cut of which one side does not count is not made.
    tolerance : Tolerance
        What counts.

    Returns
    -------
    parent : ndarray of int
        Row of the parcel each part belongs to.
    number : ndarray of int
        1, 2, … by falling area within the parcel.
    parts : PolygonSet
        Their polygons.
    """
    trees = {
        layer.spec.role: shapely.STRtree(layer.polygons.geometries)
        for layer in layers
        if any(layer.spec.role in roles for roles in plan.values())
    }
    parent: list[int] = []
    number: list[int] = []
    pieces: list[shapely.Geometry] = []
    for row, roles in plan.items():
        found = [parcels.geometries[row]]
        for role in roles:
            found = [half for piece in found for half in _halves(piece, trees[role], area, tolerance)]
        sizes = area.of(np.array(found, dtype=object))
        order = np.argsort(-sizes, kind="stable")
        parent += [row] * len(found)
        number += range(1, len(found) + 1)
        pieces += [found[i] for i in order]
    return np.array(parent, np.int64), np.array(number, np.int64), PolygonSet.from_geometries(pieces)


def _halves(
    piece: shapely.Geometry, tree: shapely.STRtree, area: AreaMeasure, tolerance: Tolerance
) -> list[shapely.Geometry]:
    """Return the parts inside and outside of the layer, or the piece where one of them does not count."""
    near = tree.geometries[tree.query(piece)]
    origin = np.floor(np.array(piece.bounds[:2]) / 1000) * 1000
    here = shapely.transform(piece, lambda xy: xy - origin)
    layer = shapely.union_all(shapely.transform(near, lambda xy: xy - origin))
    halves = [
        shapely.transform(_polygons(half), lambda xy: xy + origin)
        for half in (shapely.intersection(here, layer), shapely.difference(here, layer))
    ]
    sizes = area.of(np.array(halves, dtype=object))
    whole = area.of(np.array([piece], dtype=object))[0]
    return halves if counts(sizes, np.full(2, whole), tolerance).all() else [piece]


def _polygons(geometry: shapely.Geometry) -> shapely.Geometry:
    flat = [part for part in shapely.get_parts(geometry) if shapely.get_dimensions(part) == 2]
    return flat[0] if len(flat) == 1 else shapely.MultiPolygon(flat)
