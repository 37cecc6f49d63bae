"""Where an outcome changes, found from how fast the areas change it hangs on."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from landremed.measure import OUTSIDE
from landremed.project import Tolerance
from landremed.sensitivity.edges import Edges
from landremed.sensitivity.grounds import MovedAreas
from landremed.sensitivity.judged import Judgement
from landremed.sensitivity.moved import Cases

__all__ = ["narrowed"]

IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.float64]

_RESOLUTION_M: Final = 0.001
_NEAR_M: Final = 0.005
"""So near to a place looked at, the growth of the area there tells the place sought to a fraction of a mm."""
_HALVED_EVERY: Final = 5


def narrowed(
    judgement: Judgement, edges: Edges, cases: Cases, position_m: float, limit_m: FloatArray
) -> tuple[BoolArray, FloatArray]:
    """Return which cases flip at the positional accuracy, and where each one flips first.

    A case is left open (infinite) beyond its limit. The further the edge moves the more ground changes hands.

    Parameters
    ----------
    cases : Cases
        Of parcels decided as a whole.
    position_m : float
        Positional accuracy, metres.
    limit_m : ndarray of float
        How far each case is looked at, metres.
    """
    search = _Search(judgement, edges, cases, np.maximum(position_m, limit_m))
    flips = np.zeros(len(cases), dtype=bool)
    within = np.flatnonzero(cases.near & (cases.start_m <= position_m))
    flips[within] = search.look(np.full(len(within), position_m), within)
    left = cases.far & ~flips & ~np.isin(cases.rows, cases.rows[flips])
    further = np.flatnonzero(left & (limit_m > position_m) & (cases.start_m < limit_m))
    reached = further[search.look(limit_m[further], further)]
    # where the bounds left nothing to see at the accuracy, the search starts from there all the same
    unseen = reached[search.low_m[reached] < position_m]
    search.look(np.full(len(unseen), position_m), unseen, known=False)
    return flips, search.distances(np.sort(np.r_[np.flatnonzero(flips), reached]))


class _Search:
    """Cases between a distance at which nothing changes and one at which the outcome is another.

    Attributes
    ----------
    low_m : ndarray of float
        Greatest distance known to change nothing.
    """

    def __init__(self, judgement: Judgement, edges: Edges, cases: Cases, reach_m: FloatArray) -> None:
        self._judgement = judgement
        self._rows = cases.rows
        self._areas = MovedAreas(judgement, edges, cases, reach_m)
        self.low_m, self._high_m = cases.start_m.copy(), np.full(len(cases), np.inf)
        base = np.stack([ground.base_of(self._areas.base, cases.role) for ground in self._areas.grounds])
        unknown = np.full(base.shape, np.nan)
        self._at_low, self._at_high = np.stack([base, unknown]), np.stack([unknown, unknown])
        sides = {*judgement.within.values(), *(boundary for _, boundary in OUTSIDE.values())}
        self._critical = _critical(self._areas, judgement.project.tolerance, cases.role in sides)

    def look(self, distance_m: FloatArray, which: IntArray, *, known: bool | None = None) -> BoolArray:
        """Move the edge, and tell which cases have another outcome, unless that is known."""
        if not len(which):
            return np.zeros(0, dtype=bool)
        areas, growth = self._areas.at(distance_m, which)
        rows = self._rows[which]
        if known is None:
            outcomes = self._judgement.outcomes(rows, self._areas.measured(areas, which))
            hit = np.asarray(outcomes != self._judgement.outcome[rows], dtype=bool)
        else:
            hit = np.full(len(which), known)
        found = np.stack([areas, growth])
        self._high_m[which[hit]], self.low_m[which[~hit]] = distance_m[hit], distance_m[~hit]
        self._at_high[..., which[hit]], self._at_low[..., which[~hit]] = found[..., hit], found[..., ~hit]
        return hit

    def distances(self, active: IntArray) -> FloatArray:
        """Return where the outcome changes of cases that have been seen to change; infinite for others."""
        distance = np.full(len(self._rows), np.inf)
        turn = 0
        while len(active):
            expected, told = self._expected(active)
            low, high = self.low_m[active], self._high_m[active]
            done = told | (high - low <= _RESOLUTION_M)
            distance[active[done]] = expected[done]
            active, expected, low, high = active[~done], expected[~done], low[~done], high[~done]
            turn += 1
            halved = (expected <= low) | (expected >= high) | (turn % _HALVED_EVERY == 0)
            self.look(np.where(halved, (low + high) / 2, expected), active)
        return distance

    def _expected(self, which: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return where one of the areas is expected to be what a fact hangs on; in the middle if none is.

        Also whether that place is told by the growth near by, and no other place is in question.
        """
        low, high = self.low_m[which], self._high_m[which]
        found = []
        for ground, critical in self._critical:
            first, last = self._at_low[:, ground, which], self._at_high[:, ground, which]
            found.append(_reached(critical[which], (low, *first), (high, *last)))
        places, told = (np.stack(parts) for parts in zip(*found, strict=True))
        met = (~np.isnan(places)).sum(axis=0)
        places = np.sort(places, axis=0)  # those that are not met, NaN, stand at the end
        last = np.maximum(met - 1, 0)[None]
        middle, farthest = (np.take_along_axis(places, at, axis=0)[0] for at in (last // 2, last))
        one = farthest - places[0] <= _RESOLUTION_M
        return np.where(met > 0, middle, (low + high) / 2), one & told.any(axis=0)


def _critical(areas: MovedAreas, tolerance: Tolerance, sides: bool) -> list[tuple[int, FloatArray]]:
    """Return the areas at which facts change, each with the number of its ground.

    ``sides``: whether it matters also when most, or all but nothing, of a parcel lies in the layer.
    Only where the search looks first hangs on them, not what it finds.
    """
    whole = areas.base.area_m2
    share = tolerance.min_overlap_share * whole
    usual = np.maximum(np.minimum(share, tolerance.sliver_max_area_m2), tolerance.min_overlap_area_m2)
    least = np.where(whole < 2 * tolerance.min_overlap_area_m2, share, usual)
    overlap = [(0, least), (0, whole - least), (0, whole / 2)] if sides else [(0, least)]
    return overlap + [(i, least) for i in range(1, len(areas.grounds))]


def _reached(
    wanted: FloatArray,
    low: tuple[FloatArray, FloatArray, FloatArray],
    high: tuple[FloatArray, FloatArray, FloatArray],
) -> tuple[FloatArray, BoolArray]:
    """Return where an area is what is wanted between two distances (NaN: nowhere), and whether that is sure.

    Parameters
    ----------
    wanted : ndarray of float
        Area.
    low, high : (distance, area, growth)
        The growth may be unknown (NaN).
    """
    rise, width = high[1] - low[1], high[0] - low[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (wanted - low[1]) / rise
        # distance as a function of the area, by its values and slopes at both ends
        slopes = [rise / growth for growth in (low[2], high[2])]
        sound = [(slope > 0) & (slope < 3 * width) for slope in slopes]
        first, last = (np.where(good, slope, width) for good, slope in zip(sound, slopes, strict=True))
        rest = 1 - share
        place = low[0] + share * share * (3 - 2 * share) * width
        place += share * rest * (rest * first - share * last)
        near = (sound[0] & (share * slopes[0] <= _NEAR_M)) | (sound[1] & (rest * slopes[1] <= _NEAR_M))
    met = (share >= 0) & (share <= 1)
    return np.where(met, np.clip(place, low[0], high[0]), np.nan), met & near
