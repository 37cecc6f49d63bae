"""Finding candidate pairs, and shortening huge rings to what matters inside a rectangle."""

from __future__ import annotations

import numpy as np

from landremed.overlay.native.arrays import F8, I4, I8, Tuple
from landremed.overlay.native.compiled import entry, kernel, lean

__all__ = ["build_boxes", "build_grid", "count_boxes", "join_boxes", "limit_ring", "outcode"]

_LEAF = 16
_FAN = 8


@kernel
def tree_size(edges: int) -> int:
    """Return the number of boxes over a ring of that many edges."""
    k = (edges + _LEAF - 1) // _LEAF
    s = k
    while k > 1:
        k = (k + _FAN - 1) // _FAN
        s += k
    return s


@entry
def count_boxes(ro: I8) -> I8:
    """Return the offsets of the rings' trees of boxes."""
    rings = len(ro) - 1
    first = np.zeros(rings + 1, np.int64)
    for r in range(rings):
        first[r + 1] = first[r] + tree_size(max(0, ro[r + 1] - ro[r] - 1))
    return first


@entry
def build_boxes(xy: F8, ro: I8, first: I8, lo: int, hi: int, box: F8) -> None:
    """Build a tree of bounding boxes over each of the rings lo..hi, bottom level first: leaves hold 16 edges,
    nodes 8 children.
    """
    for r in range(lo, hi):
        a = ro[r]
        edges = max(0, ro[r + 1] - a - 1)
        k = (edges + _LEAF - 1) // _LEAF
        b = first[r]
        for i in range(k):
            v0 = a + i * _LEAF
            x0 = xy[v0, 0]
            x1 = x0
            y0 = xy[v0, 1]
            y1 = y0
            for v in range(v0 + 1, a + min(edges, (i + 1) * _LEAF) + 1):
                x = xy[v, 0]
                y = xy[v, 1]
                x0 = min(x0, x)
                x1 = max(x1, x)
                y0 = min(y0, y)
                y1 = max(y1, y)
            box[b + i, 0] = x0
            box[b + i, 1] = y0
            box[b + i, 2] = x1
            box[b + i, 3] = y1
        while k > 1:
            k2 = (k + _FAN - 1) // _FAN
            for i in range(k2):
                q = b + k + i
                s = b + i * _FAN
                for d in range(4):
                    box[q, d] = box[s, d]
                for t in range(s + 1, b + min(k, (i + 1) * _FAN)):
                    box[q, 0] = min(box[q, 0], box[t, 0])
                    box[q, 1] = min(box[q, 1], box[t, 1])
                    box[q, 2] = max(box[q, 2], box[t, 2])
                    box[q, 3] = max(box[q, 3], box[t, 3])
            b += k
            k = k2


@entry
def build_grid(bb: F8, x0: float, y0: float, cell: float, nx: int, ny: int) -> Tuple:
    """Bucket bounding boxes into a uniform grid (offsets per cell, ids)."""
    start = np.zeros(nx * ny + 1, np.int64)
    for f in range(len(bb)):
        if bb[f, 0] <= bb[f, 2]:
            for j in range(int((bb[f, 1] - y0) / cell), int((bb[f, 3] - y0) / cell) + 1):
                for i in range(int((bb[f, 0] - x0) / cell), int((bb[f, 2] - x0) / cell) + 1):
                    start[j * nx + i + 1] += 1
    for c in range(nx * ny):
        start[c + 1] += start[c]
    at = start.copy()
    ids = np.empty(start[-1], np.int32)
    for f in range(len(bb)):
        if bb[f, 0] <= bb[f, 2]:
            for j in range(int((bb[f, 1] - y0) / cell), int((bb[f, 3] - y0) / cell) + 1):
                for i in range(int((bb[f, 0] - x0) / cell), int((bb[f, 2] - x0) / cell) + 1):
                    c = j * nx + i
                    ids[at[c]] = f
                    at[c] += 1
    return start, ids


@entry
def join_boxes(
    pb: F8, lo: int, hi: int, bb: F8, x0: float, y0: float, cell: float, nx: int, ny: int, start: I8, ids: I4
) -> Tuple:
    """Find pairs of meeting boxes for parcels lo..hi, each once (the cell of the lower left corner of the
    common rectangle reports it).

    Returns
    -------
    first : offsets per parcel of the range
    feature : ids, ascending within a parcel
    """
    feature = np.empty(4 * (hi - lo) + 64, np.int32)
    first = np.zeros(hi - lo + 1, np.int64)
    k = 0
    for p in range(lo, hi):
        ax = pb[p, 0]
        ay = pb[p, 1]
        bx = pb[p, 2]
        by = pb[p, 3]
        begin = k
        if ax <= bx and bx >= x0 and by >= y0:
            i0 = max(0, int((max(ax, x0) - x0) / cell))
            i1 = min(nx - 1, int((bx - x0) / cell))
            j0 = max(0, int((max(ay, y0) - y0) / cell))
            j1 = min(ny - 1, int((by - y0) / cell))
            most = k
            for j in range(j0, j1 + 1):
                if i0 <= i1:
                    most += start[j * nx + i1 + 1] - start[j * nx + i0]
            if most > len(feature):  # here and not below: a name bound anew in an inner loop is counted there
                more = np.empty(2 * most, np.int32)
                more[:k] = feature[:k]
                feature = more
            k = meeting_boxes(
                (ax, ay, bx, by), (i0, i1, j0, j1), bb, (x0, y0, cell, nx), start, ids, feature, k
            )
        for a in range(begin + 1, k):
            f = feature[a]
            b = a - 1
            while b >= begin and feature[b] > f:
                feature[b + 1] = feature[b]
                b -= 1
            feature[b + 1] = f
        first[p - lo + 1] = k
    return first, feature[:k].copy()


@lean
def meeting_boxes(
    rect: Tuple, cells: Tuple, bb: F8, grid: Tuple, start: I8, ids: I4, feature: I4, k: int
) -> int:
    """Append the features of some cells whose boxes meet the rectangle, each once; return the new length."""
    ax, ay, bx, by = rect
    i0, i1, j0, j1 = cells
    x0, y0, cell, nx = grid
    for j in range(j0, j1 + 1):
        for i in range(i0, i1 + 1):
            c = j * nx + i
            for q in range(start[c], start[c + 1]):
                f = ids[q]
                if bb[f, 0] > bx or bb[f, 2] < ax or bb[f, 1] > by or bb[f, 3] < ay:
                    continue
                if int((max(ax, bb[f, 0]) - x0) / cell) != i or int((max(ay, bb[f, 1]) - y0) / cell) != j:
                    continue
                feature[k] = f
                k += 1
    return k


@kernel
def outcode(x: float, y: float, x0: float, y0: float, x1: float, y1: float) -> int:
    """Tell on which outer sides of the rectangle a point lies (bits: left, right, below, above)."""
    return (x < x0) * 1 | (x > x1) * 2 | (y < y0) * 4 | (y > y1) * 8


@lean
def limit_ring(xy: F8, a: int, edges: int, box: F8, nb: int, rect: Tuple, out: F8, k: int, todo: I8) -> int:
    """Append a closed ring to out[k:], leaving out what stays on one outer side of the rectangle.

    Every stretch wholly on one outer side is replaced by its end points. That moves the ring only outside
    the rectangle, so each edge that meets it, and the winding number of each point in it, stay as they are,
    and no coordinate is made up. ``todo`` is scratch of 352 items.

    Returns the new length of out, -1 when it is too short.
    """
    x0, y0, x1, y1 = rect
    if k + 2 * _LEAF + 4 > len(out):
        return -1
    out[k, 0] = xy[a, 0]
    out[k, 1] = xy[a, 1]
    k += 1
    run = outcode(xy[a, 0], xy[a, 1], x0, y0, x1, y1)  # common outer sides of the current stretch
    length = 1  # points written for it: the last one may be moved on while there are two
    size = todo[:16]
    base = todo[16:32]
    todo_level = todo[32:192]
    todo_item = todo[192:]
    m = (edges + _LEAF - 1) // _LEAF
    level = 0
    size[0] = m
    base[0] = nb
    while m > 1:
        base[level + 1] = base[level] + m
        m = (m + _FAN - 1) // _FAN
        level += 1
        size[level] = m
    n = 1
    todo_level[0] = level
    todo_item[0] = 0
    while n > 0:
        n -= 1
        h = todo_level[n]
        i = todo_item[n]
        b = base[h] + i
        sides = (box[b, 2] < x0) * 1 | (box[b, 0] > x1) * 2 | (box[b, 3] < y0) * 4 | (box[b, 1] > y1) * 8
        first = a + i * _LEAF + 1
        last = first
        if sides:
            w = _LEAF
            for _ in range(h):
                w *= _FAN
            first = a + min(edges, (i + 1) * w)
            last = first + 1
        elif h > 0:
            for c in range(min(size[h - 1], (i + 1) * _FAN) - 1, i * _FAN - 1, -1):
                todo_level[n] = h - 1
                todo_item[n] = c
                n += 1
        else:
            last = a + min(edges, (i + 1) * _LEAF) + 1
        for v in range(first, last):
            # a skipped subtree lies on `sides` as a whole, its first point (already written) included
            c = sides if sides else outcode(xy[v, 0], xy[v, 1], x0, y0, x1, y1)
            if run & c:
                run &= c
                if length >= 2:
                    k -= 1
                length = 2
            else:
                run = c
                length = 2 if sides else 1
            out[k, 0] = xy[v, 0]
            out[k, 1] = xy[v, 1]
            k += 1
        if k + 2 * _LEAF + 4 > len(out):
            return -1
    return k
