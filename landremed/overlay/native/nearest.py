"""How far points lie from segments, compiled."""

from __future__ import annotations

import math

import numpy as np

from landremed.overlay.native.arrays import F8, I8, Tuple
from landremed.overlay.native.compiled import entry, kernel
from landremed.overlay.native.stretches import boxes_over

__all__ = ["distances_up_to", "measure_one_point"]

_FAN = 16


@kernel
def box_square(box: F8, x: float, y: float) -> float:
    """Return the squared distance of a point from a box."""
    dx = max(box[0] - x, x - box[2], 0.0)
    dy = max(box[1] - y, y - box[3], 0.0)
    return dx * dx + dy * dy


@kernel
def square(seg: F8, x: float, y: float) -> float:
    """Return the squared distance of a point from a segment."""
    wx = seg[2] - seg[0]
    wy = seg[3] - seg[1]
    length2 = wx * wx + wy * wy
    x -= seg[0]
    y -= seg[1]
    part = (x * wx + y * wy) / length2 if length2 > 0 else 0.0
    part = min(max(part, 0.0), 1.0)
    x -= part * wx
    y -= part * wy
    return x * x + y * y


@kernel
def nearest(seg: F8, a: int, b: int, tree: Tuple, x: float, y: float, best: float) -> float:
    """Return the least squared distance of a point from the segments a..b, no more than ``best``."""
    leaf, upper = tree
    for u in range(len(upper)):
        if box_square(upper[u], x, y) >= best:
            continue
        for v in range(u * _FAN, min(len(leaf), (u + 1) * _FAN)):
            if box_square(leaf[v], x, y) >= best:
                continue
            for s in range(a + v * _FAN, min(b, a + (v + 1) * _FAN)):
                best = min(best, square(seg[s], x, y))
    return best


@entry
def distances_up_to(seg: F8, first: I8, x: F8, y: F8, most: F8, span: Tuple, out: F8) -> None:
    """Write how far the points of cases lo..hi lie from their segments, ``most`` where it is more.

    Parameters
    ----------
    seg, first : segments (n, 4), first segment per case
    x, y : a row of points for each case
    most : per case
    span : (lo, hi)
    out : distances, a row for each case
    """
    for c in range(span[0], span[1]):
        a, b = first[c], first[c + 1]
        tree = boxes_over(seg, a, b)
        for i in range(x.shape[1]):
            out[c, i] = math.sqrt(nearest(seg, a, b, tree, x[c, i], y[c, i], most[c] * most[c]))


def measure_one_point() -> None:
    """Measure from one point, so that the kernel is compiled or loaded for the types it is used with."""
    one = np.zeros((1, 1))
    distances_up_to(np.zeros((1, 4)), np.array([0, 1]), one, one, np.ones(1), (0, 1), one.copy())
