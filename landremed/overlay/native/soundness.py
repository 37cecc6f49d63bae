"""Polygons looked over as they lie in WKB: bounds, first vertex, and whether they are surely valid.

Nothing is believed of the bytes: every count is held against the length of its row. A shape is *surely valid*
when floating point alone certifies it: rings closed, no two edges with a point in common but neighbours, which
do not fold back; holes in their shell and beside each other; shells apart. What is left open (rings that touch,
repeated vertices, signs within rounding) may be valid or not, and is somebody else's question.
"""

from __future__ import annotations

import numpy as np

from landremed.overlay.native.arrays import F8, I8, U1, Tuple
from landremed.overlay.native.compiled import entry, lean
from landremed.overlay.native.memory import copy_bytes
from landremed.overlay.native.predicates import certain_orient
from landremed.overlay.native.rings import read_u32

__all__ = ["FINITE", "PLAIN", "SOUND", "look_over", "outline_lengths"]

PLAIN = 1  # the bytes are a polygon or multipolygon, and its first ring has a vertex
FINITE = 2  # so are all coordinates
SOUND = 4  # surely valid, and not farther than _FARTHEST from the origin

_FARTHEST = 1e8
_BLOCK = 16  # edges of a block, and blocks of a group of blocks
_SMALL = 24  # vertices up to which every edge is held against every other
_MOST_RINGS = 3000
_LEAST_SIGN = 1e-270  # below it, products may have lost digits


@lean
def ring_places(buf: U1, p: int, end: int, ro: I8, part: I8, place: I8) -> int:
    """Find the rings of the geometry at p.

    Writes vertex offsets, part numbers and byte places; returns how many there are, -1 when the bytes are no
    polygon or multipolygon that ends at ``end``.
    """
    if end - p < 9 or buf[p] != 1:
        return -1
    kind = read_u32(buf, p + 1)
    if kind != 3 and kind != 6:
        return -1
    parts = 1
    p += 5
    if kind == 6:
        parts = read_u32(buf, p)
        p += 4
    r = 0
    ro[0] = 0
    for k in range(parts):
        if kind == 6:
            if end - p < 9 or buf[p] != 1 or read_u32(buf, p + 1) != 3:
                return -1
            p += 5
        if end - p < 4:
            return -1
        rings = read_u32(buf, p)
        p += 4
        for _ in range(rings):
            if end - p < 4:
                return -1
            count = read_u32(buf, p)
            p += 4
            if count > (end - p) // 16:
                return -1
            place[r] = p
            part[r] = k
            ro[r + 1] = ro[r] + count
            r += 1
            p += 16 * count
    return r if p == end else -1


@lean
def clear_of(i: int, lo: int, hi: int, xy: F8, e: F8) -> bool:
    """Whether edge i surely has no point in common with the edges lo..hi but its neighbour, if it is there."""
    x0 = e[0, i]
    x1 = e[1, i]
    y0 = e[2, i]
    y1 = e[3, i]
    near = 0
    for j in range(lo, hi):
        near += (e[0, j] <= x1) & (e[1, j] >= x0) & (e[2, j] <= y1) & (e[3, j] >= y0)
    if near == 0:
        return True
    for j in range(lo, hi):
        if meet(e, i, e, j) and j != e[4, i] and not (one_side(i, j, xy) or one_side(j, i, xy)):
            return False
    return True


@lean
def one_side(i: int, j: int, xy: F8) -> bool:
    """Whether edge j surely lies on one side of the line through edge i."""
    a = certain_orient(xy[i, 0], xy[i, 1], xy[i + 1, 0], xy[i + 1, 1], xy[j, 0], xy[j, 1])
    b = certain_orient(xy[i, 0], xy[i, 1], xy[i + 1, 0], xy[i + 1, 1], xy[j + 1, 0], xy[j + 1, 1])
    return (a > _LEAST_SIGN and b > _LEAST_SIGN) or (a < -_LEAST_SIGN and b < -_LEAST_SIGN)


@lean
def goes_on(u: int, v: int, w: int, xy: F8) -> bool:
    """Whether the way u → v → w surely does not fold back at v."""
    turn = certain_orient(xy[u, 0], xy[u, 1], xy[v, 0], xy[v, 1], xy[w, 0], xy[w, 1])
    if abs(turn) > _LEAST_SIGN:
        return True
    along = (xy[v, 0] - xy[u, 0]) * (xy[w, 0] - xy[v, 0])
    across = (xy[v, 1] - xy[u, 1]) * (xy[w, 1] - xy[v, 1])
    return along + across > 1e-9 * (abs(along) + abs(across)) + _LEAST_SIGN


@lean
def edge_boxes(xy: F8, ro: I8, rings: int, e: F8, rb: F8) -> bool:
    """Write the boxes of all edges and rings; tell whether each ring is closed and nowhere folds back.

    An edge is named by its first vertex, and beside its box stands the ring's last edge where it is the first.
    The edge from the last vertex of a ring, which there is not, gets a box that meets none.
    """
    for r in range(rings):
        a = ro[r]
        b = ro[r + 1] - 1
        if b - a < 3 or xy[a, 0] != xy[b, 0] or xy[a, 1] != xy[b, 1]:
            return False
        x0 = np.inf
        y0 = np.inf
        x1 = -np.inf
        y1 = -np.inf
        for v in range(a, b):
            if not goes_on(v - 1 if v > a else b - 1, v, v + 1, xy):
                return False
            e[0, v] = min(xy[v, 0], xy[v + 1, 0])
            e[1, v] = max(xy[v, 0], xy[v + 1, 0])
            e[2, v] = min(xy[v, 1], xy[v + 1, 1])
            e[3, v] = max(xy[v, 1], xy[v + 1, 1])
            e[4, v] = -1
            x0 = min(x0, e[0, v])
            x1 = max(x1, e[1, v])
            y0 = min(y0, e[2, v])
            y1 = max(y1, e[3, v])
        e[0, b] = np.inf
        e[1, b] = -np.inf
        e[2, b] = np.inf
        e[3, b] = -np.inf
        e[4, a] = b - 1
        rb[r, 0] = x0
        rb[r, 1] = x1
        rb[r, 2] = y0
        rb[r, 3] = y1
    return True


@lean
def join_up(e: F8, n: int, up: F8) -> int:
    """Write the boxes of every 16 boxes; return how many."""
    k = (n + _BLOCK - 1) // _BLOCK
    for i in range(k):
        x0 = np.inf
        y0 = np.inf
        x1 = -np.inf
        y1 = -np.inf
        for j in range(i * _BLOCK, min(n, (i + 1) * _BLOCK)):
            x0 = min(x0, e[0, j])
            x1 = max(x1, e[1, j])
            y0 = min(y0, e[2, j])
            y1 = max(y1, e[3, j])
        up[0, i] = x0
        up[1, i] = x1
        up[2, i] = y0
        up[3, i] = y1
    return k


@lean
def meet(a: F8, i: int, b: F8, j: int) -> bool:
    """Whether box i of a meets box j of b."""
    return a[0, i] <= b[1, j] and a[1, i] >= b[0, j] and a[2, i] <= b[3, j] and a[3, i] >= b[2, j]


@lean
def all_apart(xy: F8, n: int, e: F8, up: F8, top: F8) -> bool:
    """Whether surely no two edges but neighbours have a point in common; fills the boxes of blocks."""
    blocks = join_up(e, n, up)
    for i in range(n - 2 if n <= _SMALL else 0):
        if not clear_of(i, i + 2, n, xy, e):
            return False
    groups = join_up(up, blocks, top) if n > _SMALL else 0
    for g in range(groups):
        for h in range(g, groups):
            if meet(top, g, top, h):
                for b in range(g * _BLOCK, min(blocks, (g + 1) * _BLOCK)):
                    if meet(up, b, top, h):
                        for c in range(max(b, h * _BLOCK), min(blocks, (h + 1) * _BLOCK)):
                            if meet(up, b, up, c) and not blocks_apart(b, c, n, xy, e, up):
                                return False
    return True


@lean
def blocks_apart(b: int, c: int, n: int, xy: F8, e: F8, up: F8) -> bool:
    """Whether the edges of two blocks, the same or one behind the other, surely meet only as neighbours."""
    for i in range(b * _BLOCK, min(n, (b + 1) * _BLOCK)):
        first = max(i + 2, c * _BLOCK)
        if meet(e, i, up, c) and not clear_of(i, first, min(n, (c + 1) * _BLOCK), xy, e):
            return False
    return True


@lean
def inside(x: float, y: float, a: int, b: int, xy: F8, e: F8, up: F8) -> int:
    """Tell whether a point that is on no edge lies in the ring a..b: 1, 0, or -1 when that is not certain."""
    odd = False
    v = a
    while v < b:
        k = v // _BLOCK
        stop = min(b, (k + 1) * _BLOCK)
        if up[2, k] <= y and up[3, k] >= y and up[1, k] >= x:
            for i in range(v, stop):
                if (xy[i, 1] > y) != (xy[i + 1, 1] > y) and e[1, i] >= x:
                    side = 1.0 if xy[i + 1, 1] > xy[i, 1] else -1.0
                    if e[0, i] <= x:
                        side *= certain_orient(xy[i, 0], xy[i, 1], xy[i + 1, 0], xy[i + 1, 1], x, y)
                        if abs(side) <= _LEAST_SIGN:
                            return -1
                    else:
                        side = 1.0
                    if side > 0.0:
                        odd = not odd
        v = stop
    return 1 if odd else 0


@lean
def nested_well(xy: F8, ro: I8, part: I8, rings: int, e: F8, up: F8, rb: F8) -> bool:
    """Whether holes surely lie in their shell and in no hole of it, and shells in no other one."""
    shell = 0
    for r in range(rings):
        if r > 0 and part[r] != part[r - 1]:
            shell = r
        x = xy[ro[r], 0]
        y = xy[ro[r], 1]
        if r > shell and inside(x, y, ro[shell], ro[shell + 1] - 1, xy, e, up) != 1:
            return False
        for s in range(rings):
            other_hole = s != r and r > shell and part[s] == part[r] and s != shell
            other_shell = r == shell and part[s] != part[r] and (s == 0 or part[s] != part[s - 1])
            around = rb[s, 0] <= x <= rb[s, 1] and rb[s, 2] <= y <= rb[s, 3]
            if (other_hole or other_shell) and around and inside(x, y, ro[s], ro[s + 1] - 1, xy, e, up) != 0:
                return False
    return True


@lean
def bounds_into(xy: F8, n: int, box: F8, f: int, state: I8) -> bool:
    """Write bounds and state of row f; tell whether all its coordinates are near enough to be places."""
    x0 = np.inf
    y0 = np.inf
    x1 = -np.inf
    y1 = -np.inf
    finite = True
    for v in range(n):
        x = xy[v, 0]
        y = xy[v, 1]
        if not (abs(x) < np.inf and abs(y) < np.inf):
            finite = False
        else:
            x0 = min(x0, x)
            x1 = max(x1, x)
            y0 = min(y0, y)
            y1 = max(y1, y)
    state[f] = PLAIN + (FINITE if finite else 0)
    if x0 <= x1:
        box[f, 0] = x0
        box[f, 1] = y0
        box[f, 2] = x1
        box[f, 3] = y1
    return finite and max(-x0, x1) < _FARTHEST and max(-y0, y1) < _FARTHEST


@entry
def look_over(buf: U1, off: I8, deep: bool) -> Tuple:
    """Look over WKB row by row.

    Returns
    -------
    box : (rows, 4) x min, y min, x max, y max of the finite coordinates of plain rows, else NaN
    first : (rows, 2) first vertex of plain rows, else NaN
    state : PLAIN, FINITE and, with ``deep``, SOUND, added up
    """
    n = len(off) - 1
    longest = longest_row(off)
    box = np.full((n, 4), np.nan)
    first = np.full((n, 2), np.nan)
    state = np.zeros(n, np.int64)
    xy = np.empty((longest // 16 + 1, 2))
    ro = np.empty(longest // 4 + 2, np.int64)
    part = np.empty(longest // 4 + 2, np.int64)
    place = np.empty(longest // 4 + 2, np.int64)
    room = longest // 16 + 1 if deep else 0
    e = np.empty((5, room))
    up = np.empty((4, room // _BLOCK + 1))
    top = np.empty((4, room // _BLOCK // _BLOCK + 1))
    rb = np.empty((_MOST_RINGS, 4))
    for f in range(n):
        rings = ring_places(buf, off[f], off[f + 1], ro, part, place)
        if rings < 1 or part[0] != 0 or ro[1] == 0:
            continue
        for r in range(rings):
            copy_bytes(xy, 16 * ro[r], buf, place[r], 16 * (ro[r + 1] - ro[r]))
        first[f, 0] = xy[0, 0]
        first[f, 1] = xy[0, 1]
        near = bounds_into(xy, ro[rings], box, f, state)
        tried = deep and near and rings <= _MOST_RINGS
        apart = tried and edge_boxes(xy, ro, rings, e, rb) and all_apart(xy, ro[rings], e, up, top)
        if apart and (rings == 1 or nested_well(xy, ro, part, rings, e, up, rb)):
            state[f] += SOUND
    return box, first, state


@lean
def longest_row(off: I8) -> int:
    """Return the bytes of the longest row."""
    longest = 0
    for f in range(len(off) - 1):
        longest = max(longest, off[f + 1] - off[f])
    return longest


@entry
def outline_lengths(buf: U1, off: I8, rows: I8) -> F8:
    """Return the length of all rings of some rows of polygon WKB, in the units of its coordinates."""
    length = np.zeros(len(rows))
    longest = longest_row(off)
    xy = np.empty((longest // 16 + 1, 2))
    ro = np.empty(longest // 4 + 2, np.int64)
    part = np.empty(longest // 4 + 2, np.int64)
    place = np.empty(longest // 4 + 2, np.int64)
    for k in range(len(rows)):
        f = rows[k]
        rings = ring_places(buf, off[f], off[f + 1], ro, part, place)
        s = 0.0
        for r in range(rings):
            m = ro[r + 1] - ro[r]
            copy_bytes(xy, 0, buf, place[r], 16 * m)
            for v in range(m - 1):
                dx = xy[v + 1, 0] - xy[v, 0]
                dy = xy[v + 1, 1] - xy[v, 1]
                s += np.sqrt(dx * dx + dy * dy)
        length[k] = s
    return length
