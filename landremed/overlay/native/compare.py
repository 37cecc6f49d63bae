"""How the boundaries of a parcel and a feature meet: settles the easy pairs, finds the crossings of plain ones."""

from __future__ import annotations

from landremed.overlay.native.arrange import crossing_point, meeting_of_points
from landremed.overlay.native.arrays import F8, I8, Tuple
from landremed.overlay.native.compiled import lean
from landremed.overlay.native.faces import point_in_rings
from landremed.overlay.native.predicates import certain_orient
from landremed.overlay.native.region import EMPTY, FAILED, PARTIAL, WHOLE
from landremed.overlay.native.search import outcode
from landremed.overlay.native.touch import keep_apart, same_ring, shares_point

__all__ = ["CHUNK", "MOST_CROSSINGS", "compare_boundaries", "list_near_edges"]

CHUNK = 8  # edges whose common box is looked at first
MOST_CROSSINGS = 256
_PAIRS_AT_ONCE = 2_000_000
_APART, _TOUCHING, _CROSSING, _UNCLEAR = 0, 1, 2, 3


@lean
def list_near_edges(scratch: Tuple, pr: int, nr: int, rect: Tuple, common: Tuple, edge: I8, box: F8) -> Tuple:
    """List the edges of rings pr..nr that may meet a rectangle, with a box around every few of them.

    ``rect`` is what the rings were limited to, ``common`` the part of it where both sides have something.

    Returns
    -------
    near : number of edges
    closed : whether a whole ring lies inside ``rect``
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
            px = h[i, 0]
            py = h[i, 1]
            qx = h[i + 1, 0]
            qy = h[i + 1, 1]
            d = outcode(qx, qy, u0, v0, u1, v1)
            if c & d == 0:
                k = near // CHUNK
                if near % CHUNK == 0:
                    box[k, 0] = box[k, 2] = px
                    box[k, 1] = box[k, 3] = py
                box[k, 0] = min(box[k, 0], px, qx)
                box[k, 1] = min(box[k, 1], py, qy)
                box[k, 2] = max(box[k, 2], px, qx)
                box[k, 3] = max(box[k, 3], py, qy)
                edge[near] = i
                near += 1
            if x0 <= px <= x1 and y0 <= py <= y1:
                inside += 1
            c = d
        closed = closed or inside == rs[r + 1] - a - 1
    return near, closed


@lean
def compare_boundaries(
    scratch: Tuple, rings: Tuple, rects: Tuple, listed: Tuple, complete: bool, found: Tuple
) -> Tuple:
    """Settle boundaries that do not meet, only touch in shared edges, or are the same; else list crossings.

    Parameters
    ----------
    scratch : rings limited to the rectangle, the parcel's first
    rings : (pr, nr): number of the parcel's rings, of all rings
    rects : (rect, common) as in ``list_near_edges``
    listed : (near, closed, edge, box) from there
    complete : whether the rectangle holds the whole parcel
    found : (at, par), filled as ``clip_simple`` takes them

    Returns
    -------
    state : EMPTY, WHOLE, PARTIAL where all meetings are the crossings listed, FAILED where the arrangement
        must decide
    k : number of crossings
    """
    h, rs, rset = scratch
    pr, nr = rings
    rect, common = rects
    near, closed, edge, box = listed
    if near > 0 or closed or not complete:
        if pr > 1 or near * (rs[pr] - rs[0]) > _PAIRS_AT_ONCE:
            return FAILED, 0
        one = nr - pr == 1
        if one and complete and same_ring(h, rs[0], rs[1], rs[1], rs[2]):
            return WHOLE, 0
        how, k = meet(h, rs, common, near, edge, box, one, found)
        if how == _UNCLEAR:
            return FAILED, 0
        if how == _CROSSING:
            return PARTIAL, k
        if how == _TOUCHING:
            return EMPTY, 0
        if closed or not complete:
            if not one:
                return FAILED, 0
            # two single rings without contact, the feature's wholly in the rectangle: it may lie in the parcel
            v = rs[1]
            x0, y0, x1, y1 = rect
            if not (x0 <= h[v, 0] <= x1 and y0 <= h[v, 1] <= y1):
                return FAILED, 0
            if point_in_rings(h[v, 0], h[v, 1], h, rs, 0, 1) != 0:
                return FAILED, 0
    # No contact and no ring of the feature inside: one point of the parcel speaks for all of it.
    v = rs[0]
    place = point_in_rings(h[v, 0], h[v, 1], h, rs, pr, nr)
    if place < 0 or (place == 1 and not complete):
        return FAILED, 0
    return (WHOLE if place == 1 else EMPTY), 0


@lean
def meet(h: F8, rs: I8, common: Tuple, near: int, edge: I8, box: F8, one: bool, found: Tuple) -> Tuple:
    """Compare every edge of ring 0 with the listed edges.

    Returns (_APART, _TOUCHING in shared vertices with the insides apart, _CROSSING properly, or _UNCLEAR,
    number of crossings).
    """
    at, par = found
    u0, v0, u1, v1 = common
    chunks = (near + CHUNK - 1) // CHUNK
    touching = False
    k = 0
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
        r = 1
        for c in range(chunks):
            if box[c, 0] > ex1 or box[c, 2] < ex0 or box[c, 1] > ey1 or box[c, 3] < ey0:
                continue
            for m in range(c * CHUNK, min(near, (c + 1) * CHUNK)):
                j = edge[m]
                cx = h[j, 0]
                dx = h[j + 1, 0]
                if (cx < ex0 and dx < ex0) or (cx > ex1 and dx > ex1):
                    continue
                cy = h[j, 1]
                dy = h[j + 1, 1]
                if (cy < ey0 and dy < ey0) or (cy > ey1 and dy > ey1):
                    continue
                if shares_point(h, i, j):
                    if k > 0 or not one or not keep_apart(h, rs[0], rs[1], i, rs[1], rs[2], j):
                        return _UNCLEAR, k
                    touching = True
                    continue
                o3 = certain_orient(ax, ay, bx, by, cx, cy)
                o4 = certain_orient(ax, ay, bx, by, dx, dy)
                if (o3 > 0.0 and o4 > 0.0) or (o3 < 0.0 and o4 < 0.0):
                    continue
                o1 = certain_orient(cx, cy, dx, dy, ax, ay)
                o2 = certain_orient(cx, cy, dx, dy, bx, by)
                if (o1 > 0.0 and o2 > 0.0) or (o1 < 0.0 and o2 < 0.0):
                    continue
                if o1 == 0.0 or o2 == 0.0 or o3 == 0.0 or o4 == 0.0:
                    if meeting_of_points(ax, ay, bx, by, cx, cy, dx, dy):
                        return _UNCLEAR, k
                    continue
                if touching or k == MOST_CROSSINGS:
                    return _UNCLEAR, k
                while rs[r + 1] <= j:
                    r += 1
                t, u, x, y = crossing_point(ax, ay, bx, by, cx, cy, dx, dy)
                at[k, 0] = i
                at[k, 1] = j
                at[k, 2] = 1 if o2 > 0.0 else 0
                at[k, 3] = r
                par[k, 0] = t
                par[k, 1] = u
                par[k, 2] = x
                par[k, 3] = y
                k += 1
    if k > 0:
        return _CROSSING, k
    return (_TOUCHING if touching else _APART), k
