"""Which boxes may meet any of many others, by a grid of the cells that these reach."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Occupied"]

IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.float64]

_PER_SIDE: Final = 16
_MOST: Final = 768
"""Cells along each side: so many times the root of the number of boxes, and at most."""


class Occupied:
    """Cells of a grid that boxes reach.

    Parameters
    ----------
    boxes : ndarray of float, (n, 4)
        x min, y min, x max, y max; NaN where there is none.
    """

    def __init__(self, boxes: FloatArray) -> None:
        boxes = boxes[~np.isnan(boxes).any(axis=1)]
        self._low = boxes[:, :2].min(axis=0, initial=np.inf)
        self._high = boxes[:, 2:].max(axis=0, initial=-np.inf)
        self._cells = int(np.clip(_PER_SIDE * np.sqrt(len(boxes)), 1, _MOST))
        self._size = np.maximum(self._high - self._low, 1e-9) / self._cells
        x0, y0, x1, y1 = self._cells_of(boxes)
        steps = np.zeros((self._cells + 1, self._cells + 1), np.int32)
        for x, y, sign in ((x0, y0, 1), (x1 + 1, y1 + 1, 1), (x0, y1 + 1, -1), (x1 + 1, y0, -1)):
            np.add.at(steps, (x, y), sign)
        reached = steps.cumsum(axis=0).cumsum(axis=1) > 0
        self._sums = np.zeros((self._cells + 1, self._cells + 1), np.int32)
        self._sums[1:, 1:] = reached[:-1, :-1].cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32)

    def met_by(self, boxes: FloatArray) -> BoolArray:
        """Tell which boxes may meet some of those the grid was made of; "no" is certain, and so for NaN."""
        if not np.isfinite(self._low).all():
            return np.zeros(len(boxes), dtype=bool)
        (x0, y0), (x1, y1) = self._low, self._high
        inside = (boxes[:, 0] <= x1) & (boxes[:, 1] <= y1) & (boxes[:, 2] >= x0) & (boxes[:, 3] >= y0)
        rows = np.flatnonzero(inside)
        first_x, first_y, last_x, last_y = self._cells_of(boxes[rows])
        last_x, last_y = last_x + 1, last_y + 1
        side, sums = self._cells + 1, self._sums.ravel()
        reached = sums.take(last_x * side + last_y) + sums.take(first_x * side + first_y)
        reached -= sums.take(first_x * side + last_y) + sums.take(last_x * side + first_y)
        inside[rows] = reached > 0
        return np.asarray(inside)

    @property
    def grid(self) -> tuple[tuple[float, float, float, float, int, float, float], npt.NDArray[Any]]:
        """Bounds, cells along each side, their width and height; and sums of the cells that are reached."""
        (x0, y0), (x1, y1), (wide, high) = self._low, self._high, self._size
        return (x0, y0, x1, y1, self._cells, wide, high), self._sums

    def _cells_of(self, boxes: FloatArray) -> list[IntArray]:
        """Return the first cells in x and y, and the last ones; the same rounding for all boxes."""
        found = []
        for side in range(4):
            place = (boxes[:, side] - self._low[side % 2]) / self._size[side % 2]
            np.clip(place, 0, self._cells - 1, out=place)
            found.append(place.astype(np.int64))
        return found
