"""Segments near a place, and what lies of a segment or circle within a distance of others, compiled.

The arithmetic of ``landremed.sensitivity.intervals``. Searching goes through boxes over 16 and over 256 segments
that follow each other.
"""

from __future__ import annotations

import math

import numpy as np

from landremed.overlay.native.arrays import F8, I8, Tuple
from landremed.overlay.native.compiled import kernel

__all__ = ["boxes_over", "free", "near", "on_circle", "on_line", "order"]

_FAN = 16
_TURN = 2 * math.pi


@kernel
def boxes_over(seg: F8, a: int, b: int) -> Tuple:
    """Return the boxes over each 16 segments of a..b, and over each 16 of these."""
    leaves = (b - a + _FAN - 1) // _FAN
    leaf = np.empty((leaves, 4))
    for i in range(leaves):
        leaf[i, 0] = leaf[i, 1] = np.inf
        leaf[i, 2] = leaf[i, 3] = -np.inf
        for s in range(a + i * _FAN, min(b, a + (i + 1) * _FAN)):
            leaf[i, 0] = min(leaf[i, 0], seg[s, 0], seg[s, 2])
            leaf[i, 1] = min(leaf[i, 1], seg[s, 1], seg[s, 3])
            leaf[i, 2] = max(leaf[i, 2], seg[s, 0], seg[s, 2])
            leaf[i, 3] = max(leaf[i, 3], seg[s, 1], seg[s, 3])
    uppers = (leaves + _FAN - 1) // _FAN
    upper = np.empty((uppers, 4))
    for i in range(uppers):
        upper[i, 0] = upper[i, 1] = np.inf
        upper[i, 2] = upper[i, 3] = -np.inf
        for s in range(i * _FAN, min(leaves, (i + 1) * _FAN)):
            upper[i, 0] = min(upper[i, 0], leaf[s, 0])
            upper[i, 1] = min(upper[i, 1], leaf[s, 1])
            upper[i, 2] = max(upper[i, 2], leaf[s, 2])
            upper[i, 3] = max(upper[i, 3], leaf[s, 3])
    return leaf, upper


@kernel
def near(seg: F8, a: int, b: int, tree: Tuple, rect: Tuple, found: I8) -> int:
    """Put the segments of a..b whose boxes meet a rectangle into ``found``; return how many."""
    x0, y0, x1, y1 = rect
    leaf, upper = tree
    n = 0
    for u in range(len(upper)):
        if upper[u, 0] > x1 or upper[u, 2] < x0 or upper[u, 1] > y1 or upper[u, 3] < y0:
            continue
        for v in range(u * _FAN, min(len(leaf), (u + 1) * _FAN)):
            if leaf[v, 0] > x1 or leaf[v, 2] < x0 or leaf[v, 1] > y1 or leaf[v, 3] < y0:
                continue
            for s in range(a + v * _FAN, min(b, a + (v + 1) * _FAN)):
                if min(seg[s, 0], seg[s, 2]) > x1 or max(seg[s, 0], seg[s, 2]) < x0:
                    continue
                if min(seg[s, 1], seg[s, 3]) > y1 or max(seg[s, 1], seg[s, 3]) < y0:
                    continue
                found[n] = s
                n += 1
    return n


@kernel
def on_line(line: Tuple, other: F8, d: float, first: bool, last: bool) -> Tuple:
    """Return from where to where a segment lies within a distance of another.

    ``first``, ``last``: whether it may do so around that point of the other.
    """
    x, y, wx, wy = line
    low, high = np.inf, -np.inf
    length2 = wx * wx + wy * wy
    for k in range(2):
        if (k == 0 and not first) or (k == 1 and not last):
            continue
        ax = x - other[2 * k]
        ay = y - other[2 * k + 1]
        half = ax * wx + ay * wy
        inner = half * half - length2 * (ax * ax + ay * ay - d * d)
        if inner > 0:
            root = math.sqrt(inner)
            low = min(low, (-half - root) / length2)
            high = max(high, (root - half) / length2)
    ex = other[2] - other[0]
    ey = other[3] - other[1]
    length = math.sqrt(ex * ex + ey * ey)
    ex /= length
    ey /= length
    ax = x - other[0]
    ay = y - other[1]
    b0, b1 = within_bounds(ax * ex + ay * ey, wx * ex + wy * ey, 0.0, length)
    h0, h1 = within_bounds(ay * ex - ax * ey, wy * ex - wx * ey, -d, d)
    b0 = max(b0, h0)
    b1 = min(b1, h1)
    if b0 < b1:
        low = min(low, b0)
        high = max(high, b1)
    return max(low, 0.0), min(high, 1.0)


@kernel
def within_bounds(at: float, step: float, low: float, high: float) -> Tuple:
    """Return where ``at + t * step`` lies between two bounds."""
    if step == 0:
        if low < at < high:
            return -np.inf, np.inf
        return np.inf, -np.inf
    one = (low - at) / step
    other = (high - at) / step
    return min(one, other), max(one, other)


@kernel
def on_circle(cx: float, cy: float, other: F8, d: float, end: bool) -> Tuple:
    """Return from which to which turn a circle lies within its radius of a segment; one that begins at 1 is none.

    ``end``: whether the segment ends in the middle of the circle.
    """
    x = other[0] - cx
    y = other[1] - cy
    ex = other[2] - other[0]
    ey = other[3] - other[1]
    length = math.sqrt(ex * ex + ey * ey)
    ex /= length
    ey /= length
    first = x * ex + y * ey
    height = y * ex - x * ey
    turned = height < 0
    height = abs(height)
    low, high = np.inf, -np.inf
    if end:
        low = -math.pi / 2 if abs(first) < abs(first + length) else math.pi / 2
        high = low + math.pi
    else:
        for k in range(2):
            at = first + k * length
            apart = math.sqrt(at * at + height * height) / (2 * d)
            if apart < 1:
                half = math.acos(apart)
                middle = math.atan2(height, at)
                low = min(low, middle - half)
                high = max(high, middle + half)
        if height < 2 * d:
            across = math.sqrt(height * (2 * d - height))
            angle = math.asin(height / d - 1)
            if first <= across <= first + length:
                low = min(low, angle)
                high = max(high, angle)
            if first <= -across <= first + length:
                low = min(low, math.pi - angle)
                high = max(high, math.pi - angle)
    if not low < high:
        return 1.0, 0.0
    base = math.atan2(ey, ex)
    begin = (base - high if turned else base + low) / _TURN
    begin -= math.floor(begin)
    return begin, begin + (high - low) / _TURN


@kernel
def order(values: F8, partner: F8, n: int) -> None:
    """Sort the first values, and their partners with them (Shell's sort)."""
    step = 1
    while step < n // 3:
        step = 3 * step + 1
    while step > 0:
        for i in range(step, n):
            v = values[i]
            p = partner[i]
            j = i
            while j >= step and values[j - step] > v:
                values[j] = values[j - step]
                partner[j] = partner[j - step]
                j -= step
            values[j] = v
            partner[j] = p
        step //= 3


@kernel
def free(low: F8, high: F8, n: int, begin: F8, stop: F8) -> int:
    """Write what intervals leave of 0 to 1; return the number of stretches."""
    order(low, high, n)
    reached = 0.0
    k = 0
    for i in range(n):
        if low[i] > reached:
            begin[k] = reached
            stop[k] = low[i]
            k += 1
        reached = max(reached, high[i])
    if reached < 1:
        begin[k] = reached
        stop[k] = 1.0
        k += 1
    return k
