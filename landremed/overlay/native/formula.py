"""The second opinion: the area of an intersection as a sum over pairs of edges.

A polygon is the signed sum of the areas below its edges; the intersection of two is the signed sum, over pairs
of edges, of ∫ min(y₁, y₂) dx over the x both span. No crossing is ordered, no ring is traced: nothing is
shared with the engine that makes the pieces but the rings themselves.
"""

from __future__ import annotations

import numpy as np

from landremed.overlay.native.arrays import F8, I8, Tuple
from landremed.overlay.native.compiled import kernel, lean

__all__ = ["formula_area"]

_CHUNK = 8  # segments whose common span is looked at first


@lean
def put_segment(seg: F8, n: int, x0: float, y0: float, x1: float, y1: float, sign: float) -> int:
    """Write one segment; return the next index."""
    seg[n, 0] = x0
    seg[n, 1] = y0
    seg[n, 2] = x1
    seg[n, 3] = y1
    seg[n, 4] = sign
    return n + 1


@kernel
def clip_segments(h: F8, rs: I8, lo: int, hi: int, rect: Tuple, seg: F8) -> Tuple:
    """Cut the edges of rings lo..hi to the rectangle's columns and clamp them to its height.

    Each segment is (x0, y0, x1, y1, sign), x0 < x1, relative to the rectangle's lower left corner; what runs
    above the rectangle becomes its top edge, what runs below bounds nothing inside and is left out.

    Returns (seg, number); seg is reallocated when it is too small.
    """
    most = 3 * (rs[hi] - rs[lo]) + 4
    if most > len(seg):
        seg = np.empty((2 * most, 5))
    return seg, clip_into(h, rs, lo, hi, rect, seg)


@lean
def clip_into(h: F8, rs: I8, lo: int, hi: int, rect: Tuple, seg: F8) -> int:
    """Do what ``clip_segments`` says, with room enough; return the number of segments."""
    ox, oy, x1, y1 = rect
    wide = x1 - ox
    high = y1 - oy
    n = 0
    for r in range(lo, hi):
        for i in range(rs[r], rs[r + 1] - 1):
            ax = h[i, 0] - ox
            bx = h[i + 1, 0] - ox
            if ax == bx or (ax <= 0.0 and bx <= 0.0) or (ax >= wide and bx >= wide):
                continue
            ay = h[i, 1] - oy
            by = h[i + 1, 1] - oy
            if ay <= 0.0 and by <= 0.0:
                continue
            sign = -1.0
            if ax > bx:
                ax, bx = bx, ax
                ay, by = by, ay
                sign = 1.0
            u = max(ax, 0.0)
            v = min(bx, wide)
            if ay >= high and by >= high:
                n = put_segment(seg, n, u, high, v, high, sign)
                continue
            if u == ax and v == bx and 0.0 <= ay <= high and 0.0 <= by <= high:
                n = put_segment(seg, n, ax, ay, bx, by, sign)
                continue
            slope = (by - ay) / (bx - ax)
            yu = ay if u == ax else ay + (u - ax) * slope
            yv = by if v == bx else by + (v - bx) * slope
            if 0.0 <= yu <= high and 0.0 <= yv <= high:
                n = put_segment(seg, n, u, yu, v, yv, sign)
                continue
            # up to three stretches: below (left out), within, above (the top edge)
            cut_low = u if yu >= 0.0 else min(v, u - yu / slope)
            cut_high = u if yu >= high else min(v, u + (high - yu) / slope) if yv > high else v
            if slope >= 0.0:
                p = cut_low
                q = max(p, cut_high)
            else:
                p = u if yu <= high else min(v, u + (high - yu) / slope)
                q = v if yv >= 0.0 else min(v, u - yu / slope)
                q = max(p, q)
            if slope < 0.0 and p > u:
                n = put_segment(seg, n, u, high, p, high, sign)
            if q > p:
                n = put_segment(
                    seg,
                    n,
                    p,
                    min(max(yu + (p - u) * slope, 0.0), high),
                    q,
                    min(max(yu + (q - u) * slope, 0.0), high),
                    sign,
                )
            if slope > 0.0 and yv > high and v > q:
                n = put_segment(seg, n, q, high, v, high, sign)
    return n


@kernel
def pair_area(p: F8, n: int, q: F8, m: int) -> float:
    """Sum the signed integrals of min over all pairs of segments, m²."""
    chunks = (m + _CHUNK - 1) // _CHUNK
    span = np.empty((chunks, 2))
    for c in range(chunks):
        lo = q[c * _CHUNK, 0]
        hi = q[c * _CHUNK, 2]
        for j in range(c * _CHUNK + 1, min(m, (c + 1) * _CHUNK)):
            lo = min(lo, q[j, 0])
            hi = max(hi, q[j, 2])
        span[c, 0] = lo
        span[c, 1] = hi
    s = 0.0
    for i in range(n):
        part = 0.0
        for c in range(chunks):
            if span[c, 0] < p[i, 2] and span[c, 1] > p[i, 0]:
                part += below_both(p, i, q, c * _CHUNK, min(m, (c + 1) * _CHUNK))
        s += p[i, 4] * part
    return s


@lean
def below_both(p: F8, i: int, q: F8, lo: int, hi: int) -> float:
    """Sum the signed integrals of min over segment i of p with the segments lo..hi of q, m²."""
    ax = p[i, 0]
    bx = p[i, 2]
    ay = p[i, 1]
    ka = (p[i, 3] - ay) / (bx - ax)
    low = min(ay, p[i, 3])
    top = max(ay, p[i, 3])
    part = 0.0
    for j in range(lo, hi):
        u = max(ax, q[j, 0])
        v = min(bx, q[j, 2])
        if u >= v:
            continue
        cy = q[j, 1]
        dy = q[j, 3]
        if cy >= top and dy >= top:
            part += q[j, 4] * (v - u) * (ay + ((u + v) * 0.5 - ax) * ka)
            continue
        kb = (dy - cy) / (q[j, 2] - q[j, 0])
        if cy <= low and dy <= low:
            part += q[j, 4] * (v - u) * (cy + ((u + v) * 0.5 - q[j, 0]) * kb)
            continue
        au = ay + (u - ax) * ka
        av = ay + (v - ax) * ka
        bu = cy + (u - q[j, 0]) * kb
        bv = cy + (v - q[j, 0]) * kb
        du = au - bu
        dv = av - bv
        if du <= 0.0 and dv <= 0.0:
            part += q[j, 4] * (v - u) * 0.5 * (au + av)
        elif du >= 0.0 and dv >= 0.0:
            part += q[j, 4] * (v - u) * 0.5 * (bu + bv)
        else:
            # min = mean of both less half their distance
            w = (v - u) * (du * du + dv * dv) / (abs(du) + abs(dv)) * 0.5
            part += q[j, 4] * 0.5 * ((v - u) * 0.5 * (au + av + bu + bv) - w)
    return part


@kernel
def formula_area(h: F8, rs: I8, p0: int, p1: int, f0: int, f1: int, rect: Tuple, seg: Tuple) -> Tuple:
    """Area of (rings p0..p1) ∩ (rings f0..f1) inside the rectangle, m². Returns (scratch, area)."""
    a, b = seg
    a, n = clip_segments(h, rs, p0, p1, rect, a)
    b, m = clip_segments(h, rs, f0, f1, rect, b)
    if n * m > 4_000_000:
        return (a, b), pair_area_by_columns(a, n, b, m, rect[2] - rect[0])
    return (a, b), pair_area(a, n, b, m)


@kernel
def pair_area_by_columns(p: F8, n: int, q: F8, m: int, wide: float) -> float:
    """Sum over columns of the rectangle, each with the segments that reach into it."""
    columns = int(np.sqrt(min(n, m)))
    pf, pi = bucket_columns(p, n, columns, wide)
    qf, qi = bucket_columns(q, m, columns, wide)
    s = 0.0
    for c in range(columns):
        u = wide * c / columns
        v = wide * (c + 1) / columns if c + 1 < columns else wide
        a = cut_column(p, pi, pf[c], pf[c + 1], u, v)
        b = cut_column(q, qi, qf[c], qf[c + 1], u, v)
        s += pair_area(a, len(a), b, len(b))
    return s


@kernel
def bucket_columns(p: F8, n: int, columns: int, wide: float) -> Tuple:
    """List the segments per column."""
    first = np.zeros(columns + 1, np.int64)
    for i in range(n):
        lo = max(0, min(columns - 1, int(p[i, 0] / wide * columns) - 1))
        hi = max(0, min(columns - 1, int(p[i, 2] / wide * columns) + 1))
        for c in range(lo, hi + 1):
            first[c + 1] += 1
    for c in range(columns):
        first[c + 1] += first[c]
    at = first.copy()
    item = np.empty(first[columns], np.int64)
    for i in range(n):
        lo = max(0, min(columns - 1, int(p[i, 0] / wide * columns) - 1))
        hi = max(0, min(columns - 1, int(p[i, 2] / wide * columns) + 1))
        for c in range(lo, hi + 1):
            item[at[c]] = i
            at[c] += 1
    return first, item


@kernel
def cut_column(p: F8, item: I8, lo: int, hi: int, u: float, v: float) -> F8:
    """Copy segments cut to the column u..v."""
    out = np.empty((hi - lo, 5))
    k = 0
    for t in range(lo, hi):
        i = item[t]
        a = max(u, p[i, 0])
        b = min(v, p[i, 2])
        if a >= b:
            continue
        slope = (p[i, 3] - p[i, 1]) / (p[i, 2] - p[i, 0])
        out[k, 0] = a
        out[k, 1] = p[i, 1] if a == p[i, 0] else p[i, 1] + (a - p[i, 0]) * slope
        out[k, 2] = b
        out[k, 3] = p[i, 3] if b == p[i, 2] else p[i, 1] + (b - p[i, 0]) * slope
        out[k, 4] = p[i, 4]
        k += 1
    return out[:k]
