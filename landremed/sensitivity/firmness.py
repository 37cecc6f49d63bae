"""By how much a boundary would have to move before a parcel's outcome changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from landremed.sensitivity.bounds import open_cases
from landremed.sensitivity.edges import Edges
from landremed.sensitivity.halving import halved
from landremed.sensitivity.judged import Judgement
from landremed.sensitivity.moved import Cases, cases_of
from landremed.sensitivity.narrowing import narrowed

__all__ = ["Firmness", "Judgement", "firmness", "pairs_asked"]

IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Firmness:
    """How firm the outcomes of all parcels are.

    Attributes
    ----------
    robust : ndarray of int8
        1 the outcome stays when any one boundary moves by the positional accuracy, 0 it does not,
        -1 not known.
    margin_m : ndarray of float
        Smallest move of one boundary that changes the outcome, metres; NaN beyond the limit.
    sensitive : mapping of layer to bool array
        Layers that flip a parcel's outcome within the positional accuracy.
    """

    robust: npt.NDArray[np.int8]
    margin_m: FloatArray
    sensitive: Mapping[str, BoolArray]


def pairs_asked(judgement: Judgement) -> dict[str, IntArray]:
    """Return, for every layer, the parcels whose outcome some value of its facts would change."""
    found = {role: judgement.asked(role) for role in judgement.roles}
    return {role: rows for role, rows in found.items() if len(rows)}


def firmness(judgement: Judgement, edges: Edges, *, position_m: float, limit_m: float) -> Firmness:
    """Move the boundary of each layer, one at a time, and see where an outcome changes.

    Parameters
    ----------
    judgement : Judgement
        What was decided.
    edges : Edges
        The layers' edges near the parcels, with a limit not under ``limit_m`` and ``position_m``.
    position_m : float
        Positional accuracy, metres.
    limit_m : float
        How far the search for the margin goes, metres.
    """
    rows = len(judgement.measured.area_m2)
    robust = np.where(np.isnan(judgement.measured.area_m2), -1, 1).astype(np.int8)
    margin = np.full(rows, np.inf)
    sensitive: dict[str, BoolArray] = {}
    unknown = np.zeros(rows, dtype=bool)
    for role, asked in pairs_asked(judgement).items():
        unknown[np.setdiff1d(asked, edges.known(role, asked))] = True
        position, limit = np.full(len(asked), position_m), np.minimum(limit_m, margin[asked])
        cases = cases_of(judgement, role, open_cases(judgement, edges, role, asked, (position, limit)))
        if not len(cases):
            continue
        flips, distance = _search(
            judgement, edges, cases, position_m, np.minimum(limit_m, margin[cases.rows])
        )
        sensitive[role] = np.zeros(rows, dtype=bool)
        sensitive[role][cases.rows[flips]] = True
        np.minimum.at(margin, cases.rows, distance)
    for mask in sensitive.values():
        robust[mask] = 0
    robust[unknown] = -1
    margin[unknown | ~np.isfinite(margin)] = np.nan
    return Firmness(robust, margin, {role: mask & ~unknown for role, mask in sensitive.items()})


def _search(
    judgement: Judgement, edges: Edges, cases: Cases, position_m: float, limit_m: FloatArray
) -> tuple[BoolArray, FloatArray]:
    """Return which cases flip at the positional accuracy, and where each flips first; infinite: nowhere."""
    flips, distance = np.zeros(len(cases), dtype=bool), np.full(len(cases), np.inf)
    by_parts = judgement.may_be_cut(cases.rows)
    for find, some in ((halved, np.flatnonzero(by_parts)), (narrowed, np.flatnonzero(~by_parts))):
        if len(some):
            flips[some], distance[some] = find(judgement, edges, cases.take(some), position_m, limit_m[some])
    return flips, distance
