"""What lies within a distance of edges: for many cases, by all threads, compiled where that is ready."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from landremed.sensitivity.band import Band, Kernel
from landremed.sensitivity.compiled import worth_loading
from landremed.threads import in_threads

__all__ = ["Bands"]

BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Geometries: TypeAlias = npt.NDArray[np.object_]

_SHARE: Final = 64
"""Cases that a thread takes at once."""


class Bands:
    """The same for any number of cases, in shares for all threads; compiled where that is ready.

    Parameters
    ----------
    lines, grounds, reach_m
        As for ``Band``.
    """

    def __init__(self, lines: Geometries, grounds: Sequence[Geometries], reach_m: FloatArray) -> None:
        self._spans = [slice(i, i + _SHARE) for i in range(0, len(lines), _SHARE)]
        self._bands = in_threads(
            lambda span: Band(lines[span], [ground[span] for ground in grounds], reach_m[span]), self._spans
        )
        self._kernel: Kernel | None = None
        if worth_loading(sum(map(len, self._bands))):
            from landremed.overlay.native.band import band_areas

            self._kernel = band_areas

    def within(self, distance_m: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Return what ``Band.within`` does."""
        distance_m = np.where(distance_m > 0, distance_m, np.nan)

        def share(i: int) -> tuple[FloatArray, FloatArray, BoolArray]:
            band, distance = self._bands[i], distance_m[self._spans[i]]
            if self._kernel is not None:
                return band.within_compiled(self._kernel, distance)
            return band.within(distance)

        area, length, sure = zip(*in_threads(share, range(len(self._bands))), strict=True)
        return np.concatenate(area, axis=1), np.concatenate(length, axis=1), np.concatenate(sure)
