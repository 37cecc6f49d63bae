"""Area of ground within a distance of edges, compiled: the arithmetic of ``landremed.sensitivity.band``.

Of every case the edge's segments, their vertices and the grounds' boundaries stand together.
"""

from __future__ import annotations

import math

import numpy as np

from landremed.overlay.native.arrays import F8, I8, Tuple
from landremed.overlay.native.compiled import entry, kernel
from landremed.overlay.native.nearest import square
from landremed.overlay.native.stretches import boxes_over, free, near, on_circle, on_line, order

__all__ = ["band_areas", "measure_once"]

_BESIDE = 1e-9
_WAVES = ((0.83, 0.55, 0.7), (-0.47, 0.88, 1.9))
_TURN = 2 * math.pi


@kernel
def inside(ring: F8, a: int, b: int, tree: Tuple, kind: I8, wanted: int, at: Tuple, found: I8) -> bool:
    """Tell whether a point lies in one of the grounds, by the edges to its right."""
    x, y = at
    hit = False
    for q in range(near(ring, a, b, tree, (x, y, np.inf, y), found)):
        s = found[q]
        if kind[s] != wanted or (ring[s, 1] <= y) == (ring[s, 3] <= y):
            continue
        if x < ring[s, 0] + (y - ring[s, 1]) / (ring[s, 3] - ring[s, 1]) * (ring[s, 2] - ring[s, 0]):
            hit = not hit
    return hit


@kernel
def crossed(line: Tuple, edge: F8) -> float:
    """Return where a segment is crossed by an edge, NaN where it is not."""
    x, y, wx, wy = line
    ex = edge[2] - edge[0]
    ey = edge[3] - edge[1]
    base = wx * ey - wy * ex
    ax = edge[0] - x
    ay = edge[1] - y
    if base == 0:
        return np.nan
    on = (ax * wy - ay * wx) / base
    if on < -_BESIDE or on > 1 + _BESIDE:
        return np.nan
    return (ax * ey - ay * ex) / base


@kernel
def met(cx: float, cy: float, d: float, edge: F8) -> Tuple:
    """Return at which turns an edge crosses a circle, NaN where it does not."""
    wx = edge[2] - edge[0]
    wy = edge[3] - edge[1]
    ax = edge[0] - cx
    ay = edge[1] - cy
    length2 = wx * wx + wy * wy
    half = wx * ax + wy * ay
    inner = half * half - length2 * (ax * ax + ay * ay - d * d)
    if inner < 0:
        return np.nan, np.nan
    root = math.sqrt(inner)
    return turn_on((-half - root) / length2, ax, ay, wx, wy), turn_on((root - half) / length2, ax, ay, wx, wy)


@kernel
def turn_on(on: float, ax: float, ay: float, wx: float, wy: float) -> float:
    """Return the direction of a place on an edge, NaN beyond the edge."""
    if on < -_BESIDE or on > 1 + _BESIDE:
        return np.nan
    turns = math.atan2(ay + on * wy, ax + on * wx) / _TURN
    return turns - math.floor(turns)


@kernel
def mark(total: F8, x0: float, y0: float, x1: float, y1: float) -> None:
    """Add what a stretch from one point to another leaves of two waves: nothing, around closed lines."""
    for k in range(2):
        wx, wy, phase = _WAVES[k]
        total[2 + k] += math.sin(wx * x1 + wy * y1 + phase) - math.sin(wx * x0 + wy * y0 + phase)


@kernel
def along_rings(edges: Tuple, border: Tuple, d: float, scratch: Tuple, total: F8) -> None:
    """Add the stretches of the grounds' boundaries within the distance."""
    seg, a, b, tree, _ = edges
    ring, first, after, _, kind = border
    found, low, high, begin, stop, _, _ = scratch
    hint = a
    for e in range(first, after):
        x0, y0, x1, y1 = ring[e, 0], ring[e, 1], ring[e, 2], ring[e, 3]
        rect = min(x0, x1) - d, min(y0, y1) - d, max(x0, x1) + d, max(y0, y1) + d
        k = 0
        share = 0.0
        n = near(seg, a, b, tree, rect, found)
        if n > 0:  # what covered the last one often covers this one
            lo, hi = on_line((x0, y0, x1 - x0, y1 - y0), seg[hint], d, True, True)
            if lo <= 0 and hi >= 1:
                share = 1.0
                n = 0
        for q in range(n):
            lo, hi = on_line((x0, y0, x1 - x0, y1 - y0), seg[found[q]], d, True, True)
            if lo <= 0 and hi >= 1:
                share = 1.0
                hint = found[q]
                break
            if lo < hi:
                low[k] = lo
                high[k] = hi
                k += 1
        if share > 0:
            mark(total[kind[e]], x0, y0, x1, y1)
        elif k > 0:
            mark(total[kind[e]], x0, y0, x1, y1)
            share = 1.0
            for g in range(free(low, high, k, begin, stop)):
                lo, hi = begin[g], stop[g]
                share -= hi - lo
                wx = x1 - x0
                wy = y1 - y0
                mark(total[kind[e]], x0 + hi * wx, y0 + hi * wy, x0 + lo * wx, y0 + lo * wy)
        total[kind[e], 0] += share * (x0 * y1 - y0 * x1) / 2


@kernel
def beside(line: Tuple, seg: F8, ends: I8, s: int, j: int, d: float) -> Tuple:
    """Return from where to where a line beside segment s lies within the distance of segment j."""
    # the circle around a vertex of its own is touched by a side, and no more
    own0 = ends[0, j] == ends[0, s] or ends[0, j] == ends[1, s]
    own1 = ends[1, j] == ends[0, s] or ends[1, j] == ends[1, s]
    return on_line(line, seg[j], d, not own0, not own1)


@kernel
def along_sides(edges: Tuple, border: Tuple, d: float, box: F8, scratch: Tuple, total: F8) -> None:
    """Add what no other segment covers of the lines beside the segments, within the grounds."""
    seg, a, b, tree, ends = edges
    found, low, high, begin, stop, _, _ = scratch
    hints = np.full(2, a)
    for i in range(2 * a, 2 * b):
        s = i // 2
        wx = seg[s, 2] - seg[s, 0]
        wy = seg[s, 3] - seg[s, 1]
        length = math.sqrt(wx * wx + wy * wy)
        ax = wy / length * d
        ay = -wx / length * d
        if i % 2 == 0:  # there and back: what lies within the distance is to the left of both
            line = seg[s, 0] + ax, seg[s, 1] + ay, wx, wy
        else:
            line = seg[s, 2] - ax, seg[s, 3] - ay, -wx, -wy
        x, y, wx, wy = line
        rect = min(x, x + wx), min(y, y + wy), max(x, x + wx), max(y, y + wy)
        if rect[0] > box[2] or rect[2] < box[0] or rect[1] > box[3] or rect[3] < box[1]:
            continue
        k = 0
        # what covered the last one on this side often covers this one; else the next segments do
        for j in (hints[i % 2], s - 1, s + 1):
            if a <= j < b and j != s:
                lo, hi = beside(line, seg, ends, s, j, d)
                if lo <= 0 and hi >= 1:
                    k = -1
                    break
        if k < 0:
            continue
        n = near(seg, a, b, tree, (rect[0] - d, rect[1] - d, rect[2] + d, rect[3] + d), found)
        for q in range(n):  # those that reach its middle first
            j = found[q]
            if j != s and square(seg[j], x + wx / 2, y + wy / 2) < d * d:
                lo, hi = beside(line, seg, ends, s, j, d)
                if lo <= 0 and hi >= 1:
                    hints[i % 2] = j
                    k = -1
                    break
        if k < 0:
            continue
        for q in range(n):
            j = found[q]
            if j != s:
                lo, hi = beside(line, seg, ends, s, j, d)
                if lo < hi:
                    low[k] = lo
                    high[k] = hi
                    k += 1
        for g in range(free(low, high, k, begin, stop)):
            add_line(line, (begin[g], stop[g]), border, scratch, total)


@kernel
def add_line(line: Tuple, span: Tuple, border: Tuple, scratch: Tuple, total: F8) -> None:
    """Add the parts of a stretch of a segment that lie in the grounds."""
    ring, first, after, tree, kind = border
    found, _, _, _, _, cuts, tested = scratch
    x, y, wx, wy = line
    length = math.sqrt(wx * wx + wy * wy)
    xa, ya, xb, yb = x + span[0] * wx, y + span[0] * wy, x + span[1] * wx, y + span[1] * wy
    rect = min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb)
    n = near(ring, first, after, tree, rect, found)
    for which in range(len(total)):
        cuts[0, 0] = span[0]
        k = 1
        for q in range(n):
            if kind[found[q]] == which:
                at = crossed(line, ring[found[q]])
                if span[0] < at < span[1]:
                    cuts[0, k] = at
                    k += 1
        cuts[0, k] = span[1]
        order(cuts[0], cuts[1], k + 1)
        for c in range(k):
            lo, hi = cuts[0, c], cuts[0, c + 1]
            middle = (lo + hi) / 2
            here = x + middle * wx, y + middle * wy
            if hi > lo and inside(ring, first, after, tree, kind, which, here, tested):
                total[which, 0] += (hi - lo) * (x * wy - y * wx) / 2
                total[which, 1] += (hi - lo) * length
                mark(total[which], x + lo * wx, y + lo * wy, x + hi * wx, y + hi * wy)


@kernel
def add_interval(span: Tuple, low: F8, high: F8, k: int) -> int:
    """Append an arc, that beyond the whole turn at its beginning; return the new length."""
    lo, hi = span
    if lo < hi:
        low[k] = lo
        high[k] = hi
        k += 1
        if hi > 1:
            low[k] = 0.0
            high[k] = hi - 1
            k += 1
    return k


@kernel
def over_gaps(circle: Tuple, v: int, edges: Tuple, counts: Tuple, scratch: Tuple) -> Tuple:
    """Append the arcs near segments that reach the middle of a gap: these alone mostly cover all there is.

    Returns the number of intervals, and the segment that covers all gaps by itself, -1 for none.
    """
    seg, _, _, _, ends = edges
    found, low, high, begin, stop, cuts, _ = scratch
    x, y, d = circle
    n, k, left = counts
    middles = min(left, cuts.shape[1])
    for g in range(middles):
        turn = (begin[g] + stop[g]) / 2 * _TURN
        cuts[0, g] = x + d * math.cos(turn)
        cuts[1, g] = y + d * math.sin(turn)
    for q in range(n):
        j = found[q]
        if ends[0, j] == v or ends[1, j] == v:
            continue
        hit = False
        for g in range(middles):
            hit = hit or square(seg[j], cuts[0, g], cuts[1, g]) < d * d
        if hit:
            lo, hi = on_circle(x, y, seg[j], d, False)
            k = add_interval((lo, hi), low, high, k)
            rest = 0
            for g in range(left):
                rest += not (lo <= begin[g] and stop[g] <= hi) and not stop[g] <= hi - 1
            if rest == 0:
                return k, j
    return k, -1


@kernel
def along_circles(
    edges: Tuple, points: Tuple, border: Tuple, d: float, box: F8, scratch: Tuple, total: F8
) -> None:
    """Add what no segment covers of the circles around the vertices, within the grounds."""
    seg, a, b, tree, ends = edges
    vertex, first, after = points
    found, low, high, begin, stop, _, _ = scratch
    hint = a
    for v in range(first, after):
        x, y = vertex[v, 0], vertex[v, 1]
        if x - d > box[2] or x + d < box[0] or y - d > box[3] or y + d < box[1]:
            continue
        n = near(seg, a, b, tree, (x - 2 * d, y - 2 * d, x + 2 * d, y + 2 * d), found)
        k = 0
        for q in range(-1, n):  # its own segments, and what covered the rest of the last one
            j = hint if q < 0 else found[q]
            own = ends[0, j] == v or ends[1, j] == v
            if q < 0 or own:
                k = add_interval(on_circle(x, y, seg[j], d, own), low, high, k)
        left = free(low, high, k, begin, stop)
        if left > 0:
            k, covering = over_gaps((x, y, d), v, edges, (n, k, left), scratch)
            if covering >= 0:
                hint = covering
                continue
            left = free(low, high, k, begin, stop)
        if left > 0:
            for q in range(n):
                j = found[q]
                if ends[0, j] != v and ends[1, j] != v:
                    k = add_interval(on_circle(x, y, seg[j], d, False), low, high, k)
            left = free(low, high, k, begin, stop)
        for g in range(left):
            add_arc((x, y, d), (begin[g], stop[g]), border, scratch, total)


@kernel
def add_arc(circle: Tuple, span: Tuple, border: Tuple, scratch: Tuple, total: F8) -> None:
    """Add the parts of an arc that lie in the grounds."""
    ring, first, after, tree, kind = border
    found, _, _, _, _, cuts, tested = scratch
    x, y, d = circle
    n = near(ring, first, after, tree, (x - d, y - d, x + d, y + d), found)
    for which in range(len(total)):
        cuts[0, 0] = span[0]
        k = 1
        for q in range(n):
            if kind[found[q]] == which:
                for at in met(x, y, d, ring[found[q]]):
                    if span[0] < at < span[1]:
                        cuts[0, k] = at
                        k += 1
        cuts[0, k] = span[1]
        order(cuts[0], cuts[1], k + 1)
        for c in range(k):
            lo, hi = cuts[0, c] * _TURN, cuts[0, c + 1] * _TURN
            middle = (lo + hi) / 2
            here = x + d * math.cos(middle), y + d * math.sin(middle)
            if hi > lo and inside(ring, first, after, tree, kind, which, here, tested):
                xa, ya, xb, yb = (
                    x + d * math.cos(lo),
                    y + d * math.sin(lo),
                    x + d * math.cos(hi),
                    y + d * math.sin(hi),
                )
                total[which, 0] += (x * (yb - ya) - y * (xb - xa) + d * d * (hi - lo)) / 2
                total[which, 1] += d * (hi - lo)
                mark(total[which], xa, ya, xb, yb)


@entry
def band_areas(
    edges: Tuple, points: Tuple, border: Tuple, box: F8, distance: F8, span: Tuple, sums: F8
) -> None:
    """Add up the area of grounds within a distance of edges for cases lo..hi.

    Parameters
    ----------
    edges : (segments (n, 4), first segment per case, numbers of their vertices (2, n))
    points : (vertices (n, 2), first vertex per case)
    border : (boundaries of the grounds (n, 4), each to the left; first per case; which ground of the case)
    box : bounds around the grounds of each case
    distance : per case, NaN where nothing is asked
    span : (lo, hi)
    sums : written per case and ground: area, length at the distance, and two marks of how far the boundary is closed
    """
    seg, seg_first, ends = edges
    vertex, vertex_first = points
    ring, ring_first, kind = border
    for c in range(span[0], span[1]):
        d = distance[c]
        if not d > 0:
            continue
        a, b = seg_first[c], seg_first[c + 1]
        first, after = ring_first[c], ring_first[c + 1]
        size = 4 * (b - a) + 8
        scratch = (
            np.empty(max(b - a, after - first), np.int64),
            np.empty(size),
            np.empty(size),
            np.empty(size),
            np.empty(size),
            np.empty((2, 2 * (after - first) + 4)),
            np.empty(after - first, np.int64),
        )
        own = seg, a, b, boxes_over(seg, a, b), ends
        around = ring, first, after, boxes_over(ring, first, after), kind
        along_rings(own, around, d, scratch, sums[c])
        along_sides(own, around, d, box[c], scratch, sums[c])
        along_circles(
            own, (vertex, vertex_first[c], vertex_first[c + 1]), around, d, box[c], scratch, sums[c]
        )


def measure_once() -> None:
    """Measure around one segment, so that the kernel is compiled or loaded for the types it is used with."""
    one = np.zeros(1, np.int64)
    two = np.array([0, 1])
    segment = np.array([[0.0, 0.0, 1.0, 0.0]])
    band_areas(
        (segment, two, np.array([[0], [1]])),
        (segment.reshape(2, 2), np.array([0, 2])),
        (segment, two, one),
        np.array([[0.0, 0.0, 1.0, 1.0]]),
        np.ones(1),
        (0, 1),
        np.zeros((1, 1, 4)),
    )
