"""Places along a Hilbert curve: parcels that follow each other lie near each other."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["hilbert_places"]

Ints: TypeAlias = npt.NDArray[np.int64]

_BITS: Final = 16
_LAST: Final = 1 << 62  # after every place on the curve


def hilbert_places(boxes: npt.NDArray[np.float64], extent: npt.NDArray[np.float64]) -> Ints:
    """Return the place of each box's middle along a Hilbert curve over the extent.

    Parameters
    ----------
    boxes : ndarray (n, 4)
        x min, y min, x max, y max, in metres; NaN for rows without a place, which come last.
    extent : ndarray (4,)
        Bounds of all boxes.
    """
    span = max(float((extent[2:] - extent[:2]).max()), 1e-9)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2.0
    known = ~np.isnan(middle[:, 0])
    scaled = np.clip((middle[known] - extent[:2]) / span, 0.0, 1.0) * ((1 << _BITS) - 1)
    x, y = scaled[:, 0].astype(np.int64), scaled[:, 1].astype(np.int64)
    place = np.zeros(len(x), np.int64)
    for bit in range(_BITS - 1, -1, -1):
        right, upper = (x >> bit) & 1, (y >> bit) & 1
        place += ((3 * right) ^ upper) << (2 * bit)
        turn = upper == 0
        flip = turn & (right == 1)
        x, y = (np.where(flip, (1 << _BITS) - 1 - x, x), np.where(flip, (1 << _BITS) - 1 - y, y))
        x, y = np.where(turn, y, x), np.where(turn, x, y)
    found = np.full(len(boxes), _LAST, np.int64)
    found[known] = place
    return found
