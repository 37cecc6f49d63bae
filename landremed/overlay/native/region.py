"""One region from start to end: rings in, rings, area and WKB out."""

from __future__ import annotations

import numpy as np

from landremed.overlay.native.arrange import collect_edges, cross_edges, find_meetings, split_edges
from landremed.overlay.native.arrays import B1, F8, I8, U1, Tuple
from landremed.overlay.native.compiled import kernel, lean
from landremed.overlay.native.faces import (
    build_arms,
    link_fragments,
    point_in_rings,
    select_fragments,
    trace_rings,
    wind_fragments,
)
from landremed.overlay.native.memory import copy_bytes
from landremed.overlay.native.predicates import orient
from landremed.overlay.native.rings import put_u32

__all__ = [
    "DOUBTFUL",
    "EMPTY",
    "FAILED",
    "PARTIAL",
    "WHOLE",
    "assign_holes",
    "compute_region",
    "rounding_conflict",
    "write_wkb",
]

EMPTY, PARTIAL, WHOLE, FAILED, DOUBTFUL = 0, 1, 2, 3, 4
_CHUNK = 8  # edges whose common box is looked at first


@kernel
def compute_region(h: F8, rs: I8, rset: I8, nr: int, rect: Tuple, mode: int, complete: bool) -> Tuple:
    """Compute parcel ∩ layer (mode 0), parcel ∩ layer \\ boundary (1) or parcel \\ boundary (2).

    Parameters
    ----------
    h, rs, rset, nr : closed rings limited to ``rect`` and their sets; the parcel's first
    rect : rectangle that holds the region, with a margin of 1 mm
    complete : whether it holds the whole parcel

    Returns
    -------
    status : EMPTY, PARTIAL, WHOLE (the parcel itself), DOUBTFUL (rounded crossings made rings meet) or FAILED
    out, ro, ra, rings : rings of the region and their signed areas
    area : plane area, m²
    cover : the layer's overlaps counted once per feature, m²
    """
    x, y, eu, ev, delta, org, r1, r2, outside = collect_edges(h, rs, rset, nr, rect)
    nothing = np.empty((0, 2))
    offsets = np.zeros(2, np.int64)
    areas = np.empty(0)
    rounds = 0
    while True:
        ci, cj, ve, vn = find_meetings(x, y, eu, ev, r1, r2)
        if len(ve) == 0:
            break
        rounds += 1
        if rounds > 8:
            return FAILED, nothing, offsets, areas, 0, 0.0, 0.0
        eu, ev, delta, org, r1, r2 = split_edges(x, y, eu, ev, delta, org, r1, r2, ve, vn)
    px, py, fu, fv, fe = cross_edges(x, y, eu, ev, ci, cj)
    alive = np.empty(len(px), np.bool_)
    m = 5e-4
    for i in range(len(px)):
        alive[i] = rect[0] + m <= px[i] <= rect[2] - m and rect[1] + m <= py[i] <= rect[3] - m
    arr = (x, y, eu, ev, delta)
    frag = (fu, fv, fe)
    arms = build_arms(len(px), fu, fv)
    wl, wr, known, ok = wind_fragments(arr, frag, arms, (h, rs, rset, nr), alive)
    if not ok:
        return FAILED, nothing, offsets, areas, 0, 0.0, 0.0
    keep, kept, parcels, foreign, cover = select_fragments(
        px, py, frag, delta, (wl, wr, known), mode, rect[0], rect[1]
    )
    if kept == 0:
        return EMPTY, nothing, offsets, areas, 0, 0.0, cover
    if complete and foreign == 0 and kept == parcels and outside == 0:
        return WHOLE, nothing, offsets, areas, 0, 0.0, cover
    nxt, multiple, ok = link_fragments(arr, frag, arms, keep)
    if not ok:
        return FAILED, nothing, offsets, areas, 0, 0.0, cover
    out, ro, ra, moved, rings, ok = trace_rings(px, py, frag, org, keep, (nxt, multiple), len(x))
    if not ok:
        return FAILED, nothing, offsets, areas, 0, 0.0, cover
    area = 0.0
    for r in range(rings):
        area += ra[r]
    if rings == 0 or area <= 0.0:
        return EMPTY, nothing, offsets, areas, 0, 0.0, cover
    status = PARTIAL
    if len(ci) > 0 and rounding_conflict(out, ro, moved, rings):
        status = DOUBTFUL
    return status, out, ro, ra, rings, area, cover


@kernel
def ring_chunks(out: F8, ro: I8, rings: int) -> F8:
    """Bounding boxes of every few edges of each ring."""
    box = np.empty((ro[rings] // _CHUNK + rings + 1, 4))
    c = -1
    for r in range(rings):
        a = ro[r]
        for i in range(a, ro[r + 1] - 1):
            if (i - a) % _CHUNK == 0:
                c += 1
                box[c, 0] = box[c, 2] = out[i, 0]
                box[c, 1] = box[c, 3] = out[i, 1]
            x = out[i + 1, 0]
            y = out[i + 1, 1]
            box[c, 0] = min(box[c, 0], x, out[i, 0])
            box[c, 1] = min(box[c, 1], y, out[i, 1])
            box[c, 2] = max(box[c, 2], x, out[i, 0])
            box[c, 3] = max(box[c, 3], y, out[i, 1])
    return box


@kernel
def rounding_conflict(out: F8, ro: I8, moved: B1, rings: int) -> bool:
    """Whether an edge that ends in a computed crossing meets another edge of the region, or folds back."""
    box = ring_chunks(out, ro, rings)
    for r in range(rings):
        for i in range(ro[r], ro[r + 1] - 1):
            if (moved[i] or moved[i + 1]) and conflict_at(out, ro, rings, box, r, i):
                return True
    return False


@lean
def meet_in_end(out: F8, v: int, j: int) -> bool:
    """Whether vertex v is an end of edge j."""
    return (out[v, 0] == out[j, 0] and out[v, 1] == out[j, 1]) or (
        out[v, 0] == out[j + 1, 0] and out[v, 1] == out[j + 1, 1]
    )


@lean
def conflict_at(out: F8, ro: I8, rings: int, box: F8, r: int, i: int) -> bool:
    """Whether edge i of ring r meets another edge than in a common end, or folds back."""
    x0 = min(out[i, 0], out[i + 1, 0])
    x1 = max(out[i, 0], out[i + 1, 0])
    y0 = min(out[i, 1], out[i + 1, 1])
    y1 = max(out[i, 1], out[i + 1, 1])
    a = ro[r]
    b = ro[r + 1] - 1
    c = -1
    for s in range(rings):
        end = ro[s + 1] - 1
        for k in range(ro[s], end, _CHUNK):
            c += 1
            if box[c, 0] > x1 or box[c, 2] < x0 or box[c, 1] > y1 or box[c, 3] < y0:
                continue
            for j in range(k, min(end, k + _CHUNK)):
                if out[j, 0] < x0 and out[j + 1, 0] < x0:
                    continue
                if out[j, 0] > x1 and out[j + 1, 0] > x1:
                    continue
                if (out[j, 1] < y0 and out[j + 1, 1] < y0) or (out[j, 1] > y1 and out[j + 1, 1] > y1):
                    continue
                if j == i:
                    continue
                if s == r and (j == i + 1 or (i == b - 1 and j == a)):
                    if folds_at(out, i, i + 1, j + 1):
                        return True
                elif s == r and (i == j + 1 or (j == b - 1 and i == a)):
                    if folds_at(out, j, j + 1, i + 1):
                        return True
                elif s == r and (meet_in_end(out, i, j) or meet_in_end(out, i + 1, j)):
                    return True  # the ring comes through the same point twice
                elif edges_touch(out, i, j):
                    return True
    return False


@lean
def folds_at(out: F8, a: int, b: int, c: int) -> bool:
    """Whether b → c runs back over a → b."""
    if orient(out[a, 0], out[a, 1], out[b, 0], out[b, 1], out[c, 0], out[c, 1]) != 0.0:
        return False
    return (out[a, 0] - out[b, 0]) * (out[c, 0] - out[b, 0]) + (out[a, 1] - out[b, 1]) * (
        out[c, 1] - out[b, 1]
    ) > 0.0


@lean
def edges_touch(out: F8, i: int, j: int) -> bool:
    """Whether two edges meet other than in a common end, a node where rings touch; their boxes overlap."""
    for s in range(2):
        for t in range(2):
            if out[i + s, 0] == out[j + t, 0] and out[i + s, 1] == out[j + t, 1]:
                a = i + 1 - s
                return folds_at(out, a, i + s, j + 1 - t)
    o1 = orient(out[j, 0], out[j, 1], out[j + 1, 0], out[j + 1, 1], out[i, 0], out[i, 1])
    o2 = orient(out[j, 0], out[j, 1], out[j + 1, 0], out[j + 1, 1], out[i + 1, 0], out[i + 1, 1])
    if (o1 > 0.0 and o2 > 0.0) or (o1 < 0.0 and o2 < 0.0):
        return False
    o3 = orient(out[i, 0], out[i, 1], out[i + 1, 0], out[i + 1, 1], out[j, 0], out[j, 1])
    o4 = orient(out[i, 0], out[i, 1], out[i + 1, 0], out[i + 1, 1], out[j + 1, 0], out[j + 1, 1])
    return not ((o3 > 0.0 and o4 > 0.0) or (o3 < 0.0 and o4 < 0.0))


@lean
def assign_holes(out: F8, ro: I8, ra: F8, rings: int, owner: I8) -> int:
    """Write the outer ring of each hole to ``owner``; return the number of outer rings, -1 when unsure."""
    shells = 0
    last = 0
    for r in range(rings):
        owner[r] = r
        if ra[r] > 0:
            shells += 1
            last = r
    for r in range(rings):
        if ra[r] > 0:
            continue
        if shells == 1:
            owner[r] = last
            continue
        best = -1
        most = 0
        for s in range(rings):
            if ra[s] <= 0 or ra[s] < -ra[r]:
                continue
            # holes may touch in every vertex, and rounding may put one a step outside: all of them vote
            votes = 0
            for i in range(ro[r], ro[r + 1] - 1):
                for half in range(2):
                    x = out[i, 0] if half == 0 else out[i, 0] + 0.5 * (out[i + 1, 0] - out[i, 0])
                    y = out[i, 1] if half == 0 else out[i, 1] + 0.5 * (out[i + 1, 1] - out[i, 1])
                    place = point_in_rings(x, y, out, ro, s, s + 1)
                    if place >= 0:
                        votes += 2 * place - 1
            if votes > 0 and (best < 0 or ra[s] < ra[best]):
                best = s
                most = votes
        if best < 0 or most <= 0:
            return -1
        owner[r] = best
    return shells


@lean
def write_wkb(wkb: U1, w: int, out: F8, ro: I8, ra: F8, rings: int, owner: I8, shells: int) -> int:
    """Append a Polygon or MultiPolygon to the buffer, which is large enough; return its new length."""
    if shells > 1:
        wkb[w] = 1
        put_u32(wkb, w + 1, 6)
        put_u32(wkb, w + 5, shells)
        w += 9
    for s in range(rings):
        if ra[s] <= 0:
            continue
        wkb[w] = 1
        put_u32(wkb, w + 1, 3)
        count_at = w + 5
        w += 9
        count = 0
        for t in range(-1, rings):
            r = s if t < 0 else t
            if t >= 0 and (ra[t] > 0 or owner[t] != s):
                continue
            points = ro[r + 1] - ro[r]
            put_u32(wkb, w, points)
            w += 4
            copy_bytes(wkb, w, out, 16 * ro[r], 16 * points)
            w += 16 * points
            count += 1
        put_u32(wkb, count_at, count)
    return w
