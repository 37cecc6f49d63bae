"""The kernel that measures regions: a parcel with one feature, with several, or outside a boundary."""

from __future__ import annotations

import numpy as np

from landremed.overlay.native.arrange import meeting_of_points
from landremed.overlay.native.arrays import F8, I4, I8, Tuple
from landremed.overlay.native.compiled import entry, kernel
from landremed.overlay.native.faces import point_in_rings
from landremed.overlay.native.formula import formula_area
from landremed.overlay.native.region import (
    DOUBTFUL,
    EMPTY,
    FAILED,
    PARTIAL,
    WHOLE,
    assign_holes,
    compute_region,
    rounding_conflict,
    write_wkb,
)
from landremed.overlay.native.search import limit_ring, outcode
from landremed.overlay.native.simple import clip_simple
from landremed.overlay.native.survey import survey_ring_area
from landremed.overlay.native.touch import keep_apart, same_ring, shares_point

__all__ = ["MARGIN_M", "run_jobs"]

MARGIN_M = 1e-3  # rectangles are widened by this before rings are limited to them
_SMALL_RING = 48
_TOUCH_M2 = 1e-6  # overlaps smaller than this are touching, not overlapping
_PAIRS_AT_ONCE = 2_000_000


@kernel
def room_f(a: F8, n: int) -> F8:
    """Return a, enlarged when it holds fewer than n items."""
    if n <= len(a):
        return a
    b = np.empty(max(n, 2 * len(a)), a.dtype)
    b[: len(a)] = a
    return b


@kernel
def add_rings(geo: Tuple, feature: int, rect: Tuple, to: int, scratch: Tuple, nr: int) -> Tuple:
    """Append the rings of one feature, limited to the rectangle, to the scratch rings.

    Rings wholly on one outer side are left out. Returns (scratch, number of rings).
    """
    xy, ro, fr, bb, box, first = geo
    h, rs, rset = scratch
    x0, y0, x1, y1 = rect
    for r in range(fr[feature], fr[feature + 1]):
        a = ro[r]
        edges = ro[r + 1] - a - 1
        if edges < 3:
            continue
        top = first[r + 1] - 1
        if box[top, 2] < x0 or box[top, 0] > x1 or box[top, 3] < y0 or box[top, 1] > y1:
            continue
        k = rs[nr]
        if edges <= _SMALL_RING:
            if k + edges + 1 > len(h):
                more = np.empty((2 * len(h) + edges, 2))
                more[:k] = h[:k]
                h = more
            for v in range(a, a + edges + 1):
                h[k, 0] = xy[v, 0]
                h[k, 1] = xy[v, 1]
                k += 1
        else:
            h, k = limit_ring(xy, a, edges, box, first[r], rect, h, k)
        if nr + 2 >= len(rs):
            rs = room_f(rs, nr + 3)
            rset = room_f(rset, nr + 3)
        rset[nr] = to
        nr += 1
        rs[nr] = k
    return (h, rs, rset), nr


@kernel
def classify_pair(
    scratch: Tuple, pr: int, nr: int, rect: Tuple, common: Tuple, complete: bool, edge: I8
) -> Tuple:
    """Settle the easy pairs: boundaries that do not meet, only touch in shared edges, or are the same.

    ``rect`` is what the rings were limited to, ``common`` the part of it where both have something.

    Returns
    -------
    state : EMPTY, WHOLE, or PARTIAL where the region must be computed
    near : edges of the feature that meet the common rectangle
    edge : scratch
    """
    h, rs, rset = scratch
    x0, y0, x1, y1 = rect
    u0, v0, u1, v1 = common
    near = 0
    closed = False
    for r in range(pr, nr):
        a = rs[r]
        inside = 0
        c = outcode(h[a, 0], h[a, 1], u0, v0, u1, v1)
        for i in range(a, rs[r + 1] - 1):
            d = outcode(h[i + 1, 0], h[i + 1, 1], u0, v0, u1, v1)
            if c & d == 0:
                if near == len(edge):
                    edge = room_f(edge, near + 1)
                edge[near] = i
                near += 1
            if x0 <= h[i, 0] <= x1 and y0 <= h[i, 1] <= y1:
                inside += 1
            c = d
        closed = closed or inside == rs[r + 1] - a - 1
    if near > 0 or closed or not complete:
        if pr > 1 or near * (rs[pr] - rs[0]) > _PAIRS_AT_ONCE:
            return PARTIAL, near, edge
        one = nr - pr == 1
        if one and complete and same_ring(h, rs[0], rs[1], rs[1], rs[2]):
            return WHOLE, near, edge
        touching = False
        for i in range(rs[0], rs[1] - 1):
            ax = h[i, 0]
            ay = h[i, 1]
            bx = h[i + 1, 0]
            by = h[i + 1, 1]
            ex0 = min(ax, bx)
            ex1 = max(ax, bx)
            ey0 = min(ay, by)
            ey1 = max(ay, by)
            if ex1 < u0 or ex0 > u1 or ey1 < v0 or ey0 > v1:
                continue
            for m in range(near):
                j = edge[m]
                cx = h[j, 0]
                dx = h[j + 1, 0]
                if (cx < ex0 and dx < ex0) or (cx > ex1 and dx > ex1):
                    continue
                cy = h[j, 1]
                dy = h[j + 1, 1]
                if (cy < ey0 and dy < ey0) or (cy > ey1 and dy > ey1):
                    continue
                if shares_point(h, i, j) or meeting_of_points(ax, ay, bx, by, cx, cy, dx, dy):
                    if not one or not keep_apart(h, rs[0], rs[1], i, rs[1], rs[2], j):
                        return PARTIAL, near, edge
                    touching = True
        if touching:
            return EMPTY, near, edge
        if closed or not complete:
            if not one:
                return PARTIAL, near, edge
            # two single rings without contact, the feature's wholly in the rectangle: it may lie in the parcel
            v = rs[1]
            if not (x0 <= h[v, 0] <= x1 and y0 <= h[v, 1] <= y1):
                return PARTIAL, near, edge
            if point_in_rings(h[v, 0], h[v, 1], h, rs, 0, 1) != 0:
                return PARTIAL, near, edge
    # No contact and no ring of the feature inside: one point of the parcel speaks for all of it.
    v = rs[0]
    place = point_in_rings(h[v, 0], h[v, 1], h, rs, pr, nr)
    if place < 0 or (place == 1 and not complete):
        return PARTIAL, near, edge
    return (WHOLE if place == 1 else EMPTY), near, edge


@kernel
def region_area(out: F8, ro: I8, ra: F8, rings: int, area: float, kind: Tuple) -> float:
    """Area of a traced region in the kind asked for; NaN where it must be measured from the geometry."""
    how, fe, cm = kind
    if how == 0:
        return area
    if how != 1:
        return np.nan
    s = 0.0
    for r in range(rings):
        a = survey_ring_area(out, ro[r], ro[r + 1], fe, cm)
        s += a if ra[r] > 0 else -a
    return s


@kernel
def bar_m2(exact: float, smaller: float) -> float:
    """Return the difference of two areas above which one of them is wrong."""
    return max(1e-6 * abs(exact), 1e-9 * smaller, 1e-4)


@kernel
def job_rect(pb: F8, p: int, fb: F8, features: I4, lo: int, hi: int) -> Tuple:
    """Return the smaller of the parcel's and the features' bounding rectangles, widened by the margin.

    It holds every vertex of one side, so that each connected component of the arrangement that matters has a
    vertex inside from which winding numbers can start.
    """
    x0 = np.inf
    y0 = np.inf
    x1 = -np.inf
    y1 = -np.inf
    for i in range(lo, hi):
        f = features[i]
        x0 = min(x0, fb[f, 0])
        y0 = min(y0, fb[f, 1])
        x1 = max(x1, fb[f, 2])
        y1 = max(y1, fb[f, 3])
    if (x1 - x0) * (y1 - y0) > (pb[p, 2] - pb[p, 0]) * (pb[p, 3] - pb[p, 1]):
        x0 = pb[p, 0]
        y0 = pb[p, 1]
        x1 = pb[p, 2]
        y1 = pb[p, 3]
    return x0 - MARGIN_M, y0 - MARGIN_M, x1 + MARGIN_M, y1 + MARGIN_M


@entry
def run_jobs(
    parcel: Tuple,
    parcel_areas: Tuple,
    layer: Tuple,
    layer_plane: F8,
    boundary: Tuple,
    jobs: Tuple,
    kind: Tuple,
) -> Tuple:
    """Measure regions: one parcel with the union of some features each.

    Parameters
    ----------
    parcel, layer, boundary : (xy, ro, fr, bb, box, first) as made by ``fill_rings`` and ``build_boxes``
    parcel_areas : plane area and area of the kind asked for, per parcel
    jobs : (parcel, first, feature, boundary_first, boundary_feature, mode); modes as in ``compute_region``
    kind : (0 plane | 1 survey | 2 measured later, false easting, central meridian)

    Returns
    -------
    state : EMPTY, PARTIAL, WHOLE, DOUBTFUL or FAILED per job
    value : (jobs, 4) plane area, area, area by the formula (single features only), overlap counted per feature
    disputed : whether piece and formula differ by more than the bar
    woff, wkb : the partial pieces
    """
    jp, jfirst, jfeature, bfirst, bfeature, mode = jobs
    pplane, parea = parcel_areas
    pb = parcel[3]
    n = len(jp)
    states = np.zeros(n, np.int8)
    value = np.zeros((n, 4))
    disputed = np.zeros(n, np.bool_)
    woff = np.zeros(n + 1, np.int64)
    wkb = np.empty(1 << 14, np.uint8)
    scratch = (np.empty((4096, 2)), np.zeros(64, np.int64), np.zeros(64, np.int64))
    edge = np.empty(512, np.int64)
    seg = (np.empty((512, 5)), np.empty((512, 5)))
    owner = np.empty(64, np.int64)
    work = (
        np.empty((256, 4), np.int64),
        np.empty((256, 4)),
        np.empty(256, np.int64),
        np.empty(256, np.int64),
        np.empty((256, 2), np.int64),
    )
    w = 0
    for i in range(n):
        woff[i] = w
        p = np.int64(jp[i])
        a = jfirst[i]
        b = jfirst[i + 1]
        if mode == 0:
            rect = job_rect(pb, p, layer[3], jfeature, a, b)
        else:
            rect = (pb[p, 0] - MARGIN_M, pb[p, 1] - MARGIN_M, pb[p, 2] + MARGIN_M, pb[p, 3] + MARGIN_M)
        complete = rect[0] < pb[p, 0] and rect[1] < pb[p, 1] and rect[2] > pb[p, 2] and rect[3] > pb[p, 3]
        scratch, pr = add_rings(parcel, p, rect, 0, scratch, 0)
        if pr == 0:
            continue
        nr = pr
        for j in range(a, b):
            scratch, nr = add_rings(layer, np.int64(jfeature[j]), rect, 1, scratch, nr)
        if nr == pr and mode == 0:
            continue
        for j in range(bfirst[i], bfirst[i + 1]):
            scratch, nr = add_rings(boundary, np.int64(bfeature[j]), rect, 2, scratch, nr)
        h, rs, rset = scratch
        single = mode == 0 and b - a == 1
        common = rect
        if single:
            f = np.int64(jfeature[a])
            fb = layer[3]
            common = (
                max(pb[p, 0], fb[f, 0]) - MARGIN_M,
                max(pb[p, 1], fb[f, 1]) - MARGIN_M,
                min(pb[p, 2], fb[f, 2]) + MARGIN_M,
                min(pb[p, 3], fb[f, 3]) + MARGIN_M,
            )
        state = PARTIAL
        near = 1
        apart = False
        plane = 0.0
        cover = 0.0
        if single:
            state, near, edge = classify_pair(scratch, pr, nr, rect, common, complete, edge)
            apart = state == EMPTY
        if state == PARTIAL:
            plain = False
            if single and pr == 1 and near > 0:
                state, out, moved, ro, ra, rings, plane = clip_simple(
                    scratch, nr, rect, common, edge, near, work
                )
                plain = state != FAILED
                cover = plane
                if state == PARTIAL and rounding_conflict(out, ro, moved, rings):
                    state = DOUBTFUL
            if not plain:
                state, out, ro, ra, rings, plane, cover = compute_region(
                    h, rs, rset, nr, rect, mode, complete
                )
            if state == PARTIAL or state == DOUBTFUL:
                if plane < _TOUCH_M2:
                    state = EMPTY
                else:
                    if rings > len(owner):
                        owner = np.empty(2 * rings, np.int64)
                    shells = assign_holes(out, ro, ra, rings, owner)
                    if shells < 0:
                        state = FAILED
                    else:
                        need = w + 9 + 13 * rings + 16 * ro[rings]
                        if need > len(wkb):
                            more = np.empty(2 * len(wkb) + need, np.uint8)
                            more[:w] = wkb[:w]
                            wkb = more
                        w = write_wkb(wkb, w, out, ro, ra, rings, owner, shells)
                        value[i, 1] = region_area(out, ro, ra, rings, plane, kind)
        if state == WHOLE:
            plane = pplane[p]
            value[i, 1] = parea[p]
            if single:
                cover = plane
        states[i] = state
        value[i, 0] = plane
        value[i, 3] = cover
        if single and state != FAILED and not apart:
            seg, opinion = formula_area(h, rs, 0, pr, pr, nr, common, seg)
            value[i, 2] = opinion
            disputed[i] = abs(opinion - plane) > bar_m2(plane, min(pplane[p], layer_plane[jfeature[a]]))
    woff[n] = w
    return states, value, disputed, woff, wkb[:w]
