"""Where an outcome changes, found by moving the edge itself and halving.

For parcels that are decided by their parts: what the parts come to hangs on shapes, not on areas alone.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from landremed.sensitivity.cutting import outcomes_by_parts
from landremed.sensitivity.edges import Edges
from landremed.sensitivity.judged import Judgement
from landremed.sensitivity.moved import Cases, Mover, Shift
from landremed.threads import in_threads

__all__ = ["halved"]

IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.float64]

_RESOLUTION_M: Final = 0.004
_EXACT_BELOW_M: Final = 0.04
_SLACK_SHARE: Final = 1 / 8
_ROUGH_SHARES: Final = (1 / 2, 1 / 8)
_SLICE: Final = 64  # cases a thread takes at once


def halved(
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
        cases = self._cases.take(which)
        piece = np.where(cases.inward, shift.change, shapely.union(cases.piece, shift.change))
        return outcomes_by_parts(self._judgement, self._edges, rows, shift.measured, (cases.role, piece))
