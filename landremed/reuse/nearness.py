"""Which boxes come near any of others: first by cells of a grid, then one by one."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from landremed.sensitivity.occupied import Occupied

__all__ = ["near"]

Boxes: TypeAlias = npt.NDArray[np.float64]


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
    maybe = Occupied(changed).met_by(np.hstack([low, high]))
    rows, low, high = rows[maybe], low[maybe], high[maybe]
    shapes = shapely.box(low[:, 0], low[:, 1], high[:, 0], high[:, 1])
    hit[rows[shapely.STRtree(shapely.box(*changed.T)).query(shapes)[0]]] = True
    return hit
