"""The fast path for one parcel ring and one feature whose boundaries only cross properly.

Crossings alternate between entering and leaving along both boundaries, so the pieces can be walked directly.
Whatever is not plainly so (an uncertain sign, crossings close together, an inner ring) is left to the
arrangement, which decides exactly.
"""

from __future__ import annotations

import numpy as np

from landremed.overlay.native.arrays import B1, F8, I8, Tuple
from landremed.overlay.native.compiled import kernel, lean
from landremed.overlay.native.faces import point_in_rings
from landremed.overlay.native.region import DOUBTFUL, EMPTY, FAILED, PARTIAL

__all__ = ["clip_simple"]

_APART_M = 1e-6  # crossings on one edge nearer than this are left to the arrangement


@lean
def order_by(order: I8, at: I8, par: F8, k: int, column: int) -> None:
    """Sort crossings along the parcel (column 0) or the feature (column 1)."""
    for m in range(k):
        order[m] = m
    for m in range(1, k):
        v = order[m]
        s = m - 1
        while s >= 0:
            w = order[s]
            if at[w, column] < at[v, column]:
                break
            if at[w, column] == at[v, column] and par[w, column] <= par[v, column]:
                break
            order[s + 1] = w
            s -= 1
        order[s + 1] = v


@lean
def alternate(order: I8, at: I8, par: F8, k: int, side: int) -> bool:
    """Whether neighbours in the order alternate between entering and leaving, and are apart."""
    for m in range(1, k):
        a = order[m - 1]
        b = order[m]
        if side == 1 and at[a, 3] != at[b, 3]:
            continue
        if at[a, 2] == at[b, 2]:
            return False
        if at[a, side] == at[b, side] and abs(par[a, 2] - par[b, 2]) + abs(par[a, 3] - par[b, 3]) < _APART_M:
            return False
    return True


@kernel
def clip_simple(scratch: Tuple, nr: int, rect: Tuple, near: int, k: int, work: Tuple) -> Tuple:
    """Compute the intersection of ring 0 with the feature of rings 1..nr, where that is plain.

    The k crossings are in ``work`` as ``compare_boundaries`` found them; ``near`` is at least the number of the
    feature's edges between them.

    Returns
    -------
    status : PARTIAL, EMPTY, DOUBTFUL (a ring may touch itself), or FAILED where the arrangement must decide
    out, moved, ro, ra, rings, area : as ``compute_region``; all rings are outer ones
    """
    h, rs, rset = scratch
    at, par, along_p, along_f, place = work
    out = np.empty((0, 2))
    moved = np.empty(0, np.bool_)
    ro = np.zeros(2, np.int64)
    ra = np.empty(0)
    if k < 2:
        return FAILED, out, moved, ro, ra, 0, 0.0
    order_by(along_p, at, par, k, 0)
    order_by(along_f, at, par, k, 1)
    if not alternate(along_p, at, par, k, 0) or not alternate(along_f, at, par, k, 1):
        return FAILED, out, moved, ro, ra, 0, 0.0
    x0, y0, x1, y1 = rect
    m = 0
    for r in range(1, nr):
        if m < k and at[along_f[m], 3] == r:
            ins = 0
            lo = m
            while m < k and at[along_f[m], 3] == r:
                ins += 2 * at[along_f[m], 2] - 1
                m += 1
            if ins != 0 or m - lo < 2:
                return FAILED, out, moved, ro, ra, 0, 0.0
            continue
        # a ring without crossings matters only inside the parcel
        v = rs[r]
        if x0 <= h[v, 0] <= x1 and y0 <= h[v, 1] <= y1 and point_in_rings(h[v, 0], h[v, 1], h, rs, 0, 1) != 0:
            return FAILED, out, moved, ro, ra, 0, 0.0
    for m in range(k):
        place[m, 0] = -1
    for m in range(k):
        place[along_p[m], 0] = m
        place[along_f[m], 1] = m
    out = np.empty((rs[1] - rs[0] + near + 3 * k + 8, 2))
    moved = np.zeros(len(out), np.bool_)
    ro = np.zeros(k // 2 + 2, np.int64)
    ra = np.empty(k // 2 + 1)
    rings = 0
    total = 0.0
    mixed = False  # rings of the feature that touch in a point may make a ring that comes through it twice
    for s in range(k):
        if at[s, 2] == 0 or place[s, 0] < 0:
            continue
        o = ro[rings]
        a = o
        cur = s
        while True:
            # along the parcel from where it enters the feature
            o = append(out, moved, a, o, par[cur, 2], par[cur, 3], True)
            m = place[cur, 0]
            if m < 0:
                return FAILED, out, moved, ro, ra, 0, 0.0
            place[cur, 0] = -1
            nxt = along_p[m + 1 if m + 1 < k else 0]
            v = at[cur, 0]
            steps = at[nxt, 0] - v
            if steps < 0 or (steps == 0 and par[nxt, 0] < par[cur, 0]):
                steps += rs[1] - rs[0] - 1
            for _ in range(steps):
                v += 1
                if v == rs[1] - 1:
                    v = rs[0]
                if o + 4 >= len(out):
                    return FAILED, out, moved, ro, ra, 0, 0.0
                o = append(out, moved, a, o, h[v, 0], h[v, 1], False)
            # along the feature from where the parcel leaves it
            o = append(out, moved, a, o, par[nxt, 2], par[nxt, 3], True)
            r = at[nxt, 3]
            if r != at[s, 3]:
                mixed = True
            m = place[nxt, 1] + 1
            if m == k or at[along_f[m], 3] != r:
                m = place[nxt, 1]
                while m > 0 and at[along_f[m - 1], 3] == r:
                    m -= 1
            cur = along_f[m]
            v = at[nxt, 1]
            steps = at[cur, 1] - v
            if steps < 0 or (steps == 0 and par[cur, 1] < par[nxt, 1]):
                steps += rs[r + 1] - rs[r] - 1
            for _ in range(steps):
                v += 1
                if v == rs[r + 1] - 1:
                    v = rs[r]
                if o + 4 >= len(out):
                    return FAILED, out, moved, ro, ra, 0, 0.0
                o = append(out, moved, a, o, h[v, 0], h[v, 1], False)
            if cur == s:
                break
        while o > a + 1 and out[o - 1, 0] == out[a, 0] and out[o - 1, 1] == out[a, 1]:
            o -= 1
        if o - a < 3:
            continue
        out[o, 0] = out[a, 0]
        out[o, 1] = out[a, 1]
        moved[o] = True
        o += 1
        area = 0.0
        length = 0.0
        for i in range(a, o - 1):
            area += (out[i, 0] - out[a, 0]) * (out[i + 1, 1] - out[a, 1]) - (out[i + 1, 0] - out[a, 0]) * (
                out[i, 1] - out[a, 1]
            )
            length += abs(out[i + 1, 0] - out[i, 0]) + abs(out[i + 1, 1] - out[i, 1])
        grain = max(abs(out[a, 0]), abs(out[a, 1])) * 4.5e-16
        if abs(area) <= 2e-9 + 2 * grain * length:
            continue
        if area < 0.0:
            return FAILED, out, moved, ro, ra, 0, 0.0
        ra[rings] = 0.5 * area
        total += 0.5 * area
        rings += 1
        ro[rings] = o
    if rings == 0:
        return EMPTY, out, moved, ro, ra, 0, 0.0
    return DOUBTFUL if mixed else PARTIAL, out, moved, ro, ra, rings, total


@lean
def append(out: F8, moved: B1, a: int, o: int, x: float, y: float, computed: bool) -> int:
    """Append a point to the ring begun at a unless it repeats the last one; return the new end."""
    if o > a and out[o - 1, 0] == x and out[o - 1, 1] == y:
        return o
    out[o, 0] = x
    out[o, 1] = y
    moved[o] = computed
    return o + 1
