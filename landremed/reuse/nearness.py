"""Which boxes come near any of others: first by cells of a grid, then one by one."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

__all__ = ["near"]

Boxes: TypeAlias = npt.NDArray[np.float64]

_CELLS: Final = 512


def near(boxes: Boxes, changed: Boxes, reach_m: float = 0.0) -> npt.NDArray[np.bool_]:
    """Tell which boxes come within a distance of any of those that changed.

    Parameters
    ----------
    boxes, changed : ndarray (n, 4)
        Bounds, NaN where there is nothing.
    reach_m : float
        The distance, along x and along y.
    """
    hit = np.zeros(len(boxes), bool)
    changed = changed[~np.isnan(changed[:, 0])]
    rows = np.flatnonzero(~np.isnan(boxes[:, 0]))
    if not len(changed) or not len(rows):
        return hit
    low, high = boxes[rows, :2] - reach_m, boxes[rows, 2:] + reach_m
    maybe = _in_marked_cells(low, high, changed)
    rows, low, high = rows[maybe], low[maybe], high[maybe]
    shapes = shapely.box(low[:, 0], low[:, 1], high[:, 0], high[:, 1])
    hit[rows[shapely.STRtree(shapely.box(*changed.T)).query(shapes)[0]]] = True
    return hit


def _in_marked_cells(low: Boxes, high: Boxes, changed: Boxes) -> npt.NDArray[np.bool_]:
    """Tell which boxes share a cell with one of the changed: no other can meet one."""
    start, end = changed[:, :2].min(axis=0), changed[:, 2:].max(axis=0)
    size = np.maximum((end - start) / _CELLS, 1e-9)

    def cell(points: Boxes) -> npt.NDArray[np.int64]:
        found: npt.NDArray[np.int64] = np.floor((points - start) / size).astype(np.int64)
        return np.clip(found, -1, _CELLS + 1) + 1

    first, last = cell(changed[:, :2]), cell(changed[:, 2:]) + 1
    corners = np.zeros((_CELLS + 4, _CELLS + 4), np.int64)
    for x, y, sign in ((first, first, 1), (last, first, -1), (first, last, -1), (last, last, 1)):
        np.add.at(corners, (x[:, 0], y[:, 1]), sign)
    marked = corners.cumsum(axis=0).cumsum(axis=1) > 0
    total = np.zeros((_CELLS + 5, _CELLS + 5), np.int64)
    total[1:, 1:] = marked.cumsum(axis=0).cumsum(axis=1)
    a, b = cell(low), cell(high) + 1
    (x0, y0), (x1, y1) = a.T, b.T
    inside = total[x1, y1] - total[x0, y1] - total[x1, y0] + total[x0, y0]
    return np.asarray(inside > 0)
