"""The kernel that measures regions: a parcel with one feature, with several, or outside a boundary."""

from __future__ import annotations

import numpy as np

from landremed.overlay.native.arrays import F8, I4, I8, Tuple
from landremed.overlay.native.compare import CHUNK, MOST_CROSSINGS, compare_boundaries, list_near_edges
from landremed.overlay.native.compiled import entry, kernel, lean
from landremed.overlay.native.formula import formula_area
from landremed.overlay.native.memory import copy_bytes
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
from landremed.overlay.native.search import limit_ring
from landremed.overlay.native.simple import clip_simple
from landremed.overlay.native.survey import survey_ring_area, survey_room

__all__ = ["MARGIN_M", "run_jobs"]

MARGIN_M = 1e-3  # rectangles are widened by this before rings are limited to them
SMALL_RING = 48  # edges up to which a ring is taken as it is
_FEW_POINTS = 4096
_TOUCH_M2 = 1e-6  # overlaps smaller than this are touching, not overlapping


@kernel
def rings_room(scratch: Tuple, points: int, rings: int) -> Tuple:
    """Return the scratch rings with room for more points and rings, twice as large where there was not enough."""
    h, rs, rset = scratch
    more = h
    if points > len(h):
        more = np.empty((2 * points, 2))
        more[: len(h)] = h
    if rings + 2 <= len(rs):
        return more, rs, rset
    starts = np.empty(2 * rings + 2, np.int64)
    starts[: len(rs)] = rs
    sets = np.empty(2 * rings + 2, np.int64)
    sets[: len(rset)] = rset
    return more, starts, sets


@kernel
def add_rings(geo: Tuple, feature: int, rect: Tuple, to: int, scratch: Tuple, nr: int, todo: I8) -> Tuple:
    """Append the rings of one feature, limited to the rectangle, to the scratch rings.

    Rings wholly on one outer side are left out. Returns (scratch, number of rings).
    """
    more = geo[2][feature + 1] - geo[2][feature]
    scratch = rings_room(scratch, scratch[1][nr] + _FEW_POINTS, nr + more)
    while True:
        k = put_rings(geo, feature, rect, to, scratch, nr, todo)
        if k >= 0:
            return scratch, k
        scratch = rings_room(scratch, 2 * len(scratch[0]), nr + more)


@lean
def put_rings(geo: Tuple, feature: int, rect: Tuple, to: int, scratch: Tuple, nr: int, todo: I8) -> int:
    """Do what ``add_rings`` says; return the number of rings, -1 when there is no room for all points."""
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
        if edges <= SMALL_RING:
            if k + edges + 1 > len(h):
                return -1
            copy_bytes(h, 16 * k, xy, 16 * a, 16 * (edges + 1))
            k += edges + 1
        else:
            k = limit_ring(xy, a, edges, box, first[r], rect, h, k, todo)
            if k < 0:
                return -1
        rset[nr] = to
        nr += 1
        rs[nr] = k
    return nr


@lean
def region_area(out: F8, ro: I8, ra: F8, rings: int, area: float, kind: Tuple, room: F8) -> float:
    """Area of a traced region in the kind asked for; NaN where it must be measured from the geometry."""
    how, fe, cm = kind
    if how == 0:
        return area
    if how != 1:
        return np.nan
    s = 0.0
    for r in range(rings):
        a = survey_ring_area(out, ro[r], ro[r + 1], fe, cm, room)
        s += a if ra[r] > 0 else -a
    return s


@kernel
def bar_m2(exact: float, smaller: float) -> float:
    """Return the difference of two areas above which one of them is wrong."""
    return max(1e-6 * abs(exact), 1e-9 * smaller, 1e-4)


@lean
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
    fb = layer[3]
    n = len(jp)
    states = np.zeros(n, np.int8)
    value = np.zeros((n, 4))
    disputed = np.zeros(n, np.bool_)
    woff = np.zeros(n + 1, np.int64)
    wkb = np.empty(1 << 14, np.uint8)
    scratch = (np.empty((2 * _FEW_POINTS, 2)), np.zeros(64, np.int64), np.zeros(64, np.int64))
    edge = np.empty(1024, np.int64)
    box = np.empty((256, 4))
    todo = np.empty(352, np.int64)
    seg = (np.empty((512, 5)), np.empty((512, 5)))
    owner = np.empty(64, np.int64)
    at = np.empty((MOST_CROSSINGS, 4), np.int64)
    par = np.empty((MOST_CROSSINGS, 4))
    work = (
        at,
        par,
        np.empty(MOST_CROSSINGS, np.int64),
        np.empty(MOST_CROSSINGS, np.int64),
        np.empty((MOST_CROSSINGS, 2), np.int64),
    )
    room = survey_room()
    pro = parcel[1]
    pfr = parcel[2]
    w = 0
    last = -1  # the parcel whose rings begin the scratch rings, as a whole
    pr = 0
    for i in range(n):
        woff[i] = w
        p = np.int64(jp[i])
        a = jfirst[i]
        b = jfirst[i + 1]
        if mode == 0:
            rect = job_rect(pb, p, fb, jfeature, a, b)
        else:
            rect = (pb[p, 0] - MARGIN_M, pb[p, 1] - MARGIN_M, pb[p, 2] + MARGIN_M, pb[p, 3] + MARGIN_M)
        complete = rect[0] < pb[p, 0] and rect[1] < pb[p, 1] and rect[2] > pb[p, 2] and rect[3] > pb[p, 3]
        as_it_is = complete or (pfr[p + 1] - pfr[p] == 1 and pro[pfr[p] + 1] - pro[pfr[p]] <= SMALL_RING)
        if not (as_it_is and p == last):
            scratch, pr = add_rings(parcel, p, rect, 0, scratch, 0, todo)
            last = p if as_it_is and pr == pfr[p + 1] - pfr[p] else -1
        if pr == 0:
            continue
        nr = pr
        for j in range(a, b):
            scratch, nr = add_rings(layer, np.int64(jfeature[j]), rect, 1, scratch, nr, todo)
        if nr == pr and mode == 0:
            continue
        for j in range(bfirst[i], bfirst[i + 1]):
            scratch, nr = add_rings(boundary, np.int64(bfeature[j]), rect, 2, scratch, nr, todo)
        h, rs, rset = scratch
        single = mode == 0 and b - a == 1
        common = rect
        state = FAILED
        near = 0
        crossings = 0
        plane = 0.0
        cover = 0.0
        if single:
            f = np.int64(jfeature[a])
            common = (
                max(pb[p, 0], fb[f, 0]) - MARGIN_M,
                max(pb[p, 1], fb[f, 1]) - MARGIN_M,
                min(pb[p, 2], fb[f, 2]) + MARGIN_M,
                min(pb[p, 3], fb[f, 3]) + MARGIN_M,
            )
            if rs[nr] > len(edge):
                edge = np.empty(2 * rs[nr], np.int64)
                box = np.empty((len(edge) // CHUNK + 1, 4))
            near, closed = list_near_edges(scratch, pr, nr, rect, common, edge, box)
            state, crossings = compare_boundaries(
                scratch, (pr, nr), (rect, common), (near, closed, edge, box), complete, (at, par)
            )
        if state == PARTIAL or state == FAILED:
            plain = False
            if state == PARTIAL:
                state, out, moved, ro, ra, rings, plane = clip_simple(
                    scratch, nr, rect, near, crossings, work
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
                        value[i, 1] = region_area(out, ro, ra, rings, plane, kind, room)
        if state == WHOLE:
            plane = pplane[p]
            value[i, 1] = parea[p]
            if single:
                cover = plane
        states[i] = state
        value[i, 0] = plane
        value[i, 3] = cover
        if single and state != FAILED and (near > 0 or state != EMPTY):
            seg, opinion = formula_area(h, rs, 0, pr, pr, nr, common, seg)
            value[i, 2] = opinion
            disputed[i] = abs(opinion - plane) > bar_m2(plane, min(pplane[p], layer_plane[jfeature[a]]))
    woff[n] = w
    return states, value, disputed, woff, wkb[:w]
