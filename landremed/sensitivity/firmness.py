"""By how much a boundary would have to move before a parcel's outcome changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from landremed.sensitivity.bounds import open_cases
from landremed.sensitivity.cutting import outcomes_by_parts
from landremed.sensitivity.edges import Edges
from landremed.sensitivity.judged import Judgement, measured_rows
from landremed.sensitivity.moved import Cases, Mover, Shift, cases_of
from landremed.threads import in_threads

__all__ = ["Firmness", "Judgement", "firmness", "pairs_asked"]

IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.float64]

_RESOLUTION_M: Final = 0.004
_EXACT_BELOW_M: Final = 0.04
_SLACK_SHARE: Final = 1 / 8
_ROUGH_SHARES: Final = (1 / 2, 1 / 8)
_SLICE: Final = 64  # cases a thread takes at once


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
    judgement: Judgement,
    edges: Edges,
    cases: Cases,
    position_m: float,
    limit_m: FloatArray,
) -> tuple[BoolArray, FloatArray]:
    """Return which cases flip at the positional accuracy, and where each one flips first.

    A case is left open (infinite) beyond its limit. The further the edge moves the more ground changes hands,
    so that halving finds the place.
    """
    changed = _Changed(judgement, edges, cases)
    flips = np.zeros(len(cases), dtype=bool)
    within = np.flatnonzero(cases.near & (cases.start_m <= position_m))
    flips[within] = changed.surely(np.full(len(within), position_m), within)
    high = np.where(flips, position_m, limit_m)
    low = np.where(flips, 0.0, np.minimum(position_m, high))
    low = np.maximum(low, np.minimum(cases.start_m, high))
    others = ~np.isin(cases.rows, cases.rows[flips])
    further = np.flatnonzero(cases.far & ~flips & others & (high > low) & (cases.start_m < high))
    reached = further[changed.surely(high[further], further)]
    active = np.sort(np.concatenate([np.flatnonzero(flips), reached]))
    distance = np.full(len(cases), np.inf)
    while len(active):
        width = high[active] - low[active]
        middle = (low[active] + high[active]) / 2
        slack = np.where(width > _EXACT_BELOW_M, width * _SLACK_SHARE, 0.0)
        hit = changed(middle, slack, active)
        high[active] = np.where(hit, middle + slack, high[active])
        low[active] = np.where(hit, low[active], middle - slack)
        done = high[active] - low[active] <= _RESOLUTION_M
        distance[active[done]] = (low[active[done]] + high[active[done]]) / 2
        active = active[~done]
    return flips, distance


class _Changed:
    """Tells whether cases have another outcome with the edge moved so far; slices in threads."""

    def __init__(self, judgement: Judgement, edges: Edges, cases: Cases) -> None:
        self._judgement = judgement
        self._edges = edges
        self._cases = cases
        self._mover = Mover(judgement, edges, cases)
        self._by_parts = judgement.may_be_cut(cases.rows)
        self._base = judgement.outcome[cases.rows]

    def surely(self, distance_m: FloatArray, which: IntArray) -> BoolArray:
        """Tell which cases have another outcome at a distance: by rough edges where these settle it."""
        hit = np.zeros(len(which), dtype=bool)
        left = np.arange(len(which))
        for share in _ROUGH_SHARES:
            slack = distance_m * share
            left = left[self(distance_m[left] + slack[left], slack[left], which[left])]
            sure = self(distance_m[left] - slack[left], slack[left], which[left])
            hit[left[sure]] = True
            left = left[~sure]
        hit[left] = self(distance_m[left], np.zeros(len(left)), which[left])
        return hit

    def __call__(self, distance_m: FloatArray, slack_m: FloatArray, which: IntArray) -> BoolArray:
        """Tell which cases have another outcome with the edge moved so far, give or take the slack."""
        if not len(which):
            return np.zeros(0, dtype=bool)
        slices = [slice(i, i + _SLICE) for i in range(0, len(which), _SLICE)]
        shifts = in_threads(lambda s: self._mover.at(distance_m[s], slack_m[s], which[s]), slices)
        found = [self._outcomes(shift, which[s]) for shift, s in zip(shifts, slices, strict=True)]
        return np.asarray(np.concatenate(found) != self._base[which])

    def _outcomes(self, shift: Shift, which: IntArray) -> npt.NDArray[np.object_]:
        rows = self._cases.rows[which]
        cut = np.flatnonzero(self._by_parts[which])
        if not len(cut):
            return self._judgement.outcomes(rows, shift.measured)
        found = np.full(len(which), None, dtype=object)
        whole = np.flatnonzero(~self._by_parts[which])
        if len(whole):
            found[whole] = self._judgement.outcomes(rows[whole], measured_rows(shift.measured, whole))
        cases = self._cases.take(which[cut])
        piece = np.where(cases.inward, shift.change[cut], shapely.union(cases.piece, shift.change[cut]))
        found[cut] = outcomes_by_parts(
            self._judgement, self._edges, rows[cut], measured_rows(shift.measured, cut), (cases.role, piece)
        )
        return found
