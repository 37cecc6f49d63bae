"""The arrangement of several rings inside a rectangle: nodes, edges, crossings; exact in every decision.

Edges that coincide are merged and carry, per set of polygons, by how much the winding number to their left
exceeds that to their right; edges whose differences cancel (a boundary between two neighbours of one layer)
vanish. Edges are then divided where a vertex lies on them, so that what remains meets only in end points or
crosses properly; proper crossings become nodes, and crossings in exactly the same point become one node.
"""

from __future__ import annotations

import numpy as np

from landremed.overlay.native.arrays import F8, I8, Tuple
from landremed.overlay.native.compiled import kernel, lean
from landremed.overlay.native.predicates import compare_crossings, orient, orient_value
from landremed.overlay.native.search import outcode

__all__ = [
    "SETS",
    "collect_edges",
    "cross_edges",
    "crossing_point",
    "find_meetings",
    "meeting_of_points",
    "split_edges",
]

SETS = 3  # parcel, layer, boundary
_SWEEP = 2048  # edges from which pairs are found by a sweep
_CHUNK = 8  # edges whose common box is looked at first


@kernel
def table_size(n: int) -> int:
    """Return a power of two of at least 3 n."""
    s = 16
    while s < 3 * n:
        s *= 2
    return s


@kernel
def mix(a: int, b: int, mask: int) -> int:
    """Hash two integers."""
    k = a * 0x1E3779B97F4A7C15 + b * 0x12B2AE3D27D4EB4F
    k ^= k >> 31
    k *= 0x1B03738712FAD5C9
    k ^= k >> 29
    return k & mask


@lean
def find_node(table: I8, x: F8, y: F8, n: int, px: float, py: float, ox: float, oy: float) -> int:
    """Return the id of the node at (px, py); it is n, and put into the table, when there was none."""
    mask = len(table) - 1
    s = mix(int((px - ox) * 1048576.0), int((py - oy) * 1048576.0), mask)
    while table[s] >= 0:
        k = table[s]
        if x[k] == px and y[k] == py:
            return k
        s = (s + 1) & mask
    table[s] = n
    x[n] = px
    y[n] = py
    return n


@kernel
def collect_edges(h: F8, rs: I8, rset: I8, rings: int, rect: Tuple) -> Tuple:
    """List the edges of rings that meet the rectangle.

    Parameters
    ----------
    h, rs : closed rings, h[rs[r]:rs[r + 1]]
    rset : set (0 parcel, 1 layer, 2 boundary) per ring; rings of set 0 come first

    Returns
    -------
    x, y : nodes
    eu, ev : end nodes per edge
    delta : (edges, 3) winding left of eu → ev less winding right of it, per set
    org : original edge (index of its start in h); of merged ones the lowest
    r1, r2 : rings it belongs to (two of them, where merged)
    shared : whether any edges were merged
    outside : edges of set 0 that do not meet the rectangle
    """
    x0, y0, x1, y1 = rect
    cap = 0
    for r in range(rings):
        cap += rs[r + 1] - rs[r]
    hit = np.empty(cap, np.int64)
    owner = np.empty(cap, np.int64)
    n = 0
    outside = 0
    for r in range(rings):
        a = rs[r]
        if rs[r + 1] - a < 4:
            continue
        c = outcode(h[a, 0], h[a, 1], x0, y0, x1, y1)
        for i in range(a, rs[r + 1] - 1):
            d = outcode(h[i + 1, 0], h[i + 1, 1], x0, y0, x1, y1)
            if c & d:
                if rset[r] == 0:
                    outside += 1
            elif h[i, 0] != h[i + 1, 0] or h[i, 1] != h[i + 1, 1]:
                hit[n] = i
                owner[n] = r
                n += 1
            c = d
    table = np.full(table_size(2 * n), -1, np.int64)
    x = np.empty(2 * n)
    y = np.empty(2 * n)
    eu = np.empty(n, np.int64)
    ev = np.empty(n, np.int64)
    first_ring = np.empty(2 * n, np.int64)
    nodes = 0
    shared = False
    for m in range(n):
        i = hit[m]
        if m > 0 and hit[m - 1] == i - 1 and owner[m - 1] == owner[m]:
            u = ev[m - 1]
        else:
            u = find_node(table, x, y, nodes, h[i, 0], h[i, 1], x0, y0)
        if u == nodes:
            first_ring[u] = owner[m]
            nodes += 1
        elif first_ring[u] != owner[m]:
            shared = True
        v = find_node(table, x, y, nodes, h[i + 1, 0], h[i + 1, 1], x0, y0)
        if v == nodes:
            first_ring[v] = owner[m]
            nodes += 1
        elif first_ring[v] != owner[m]:
            shared = True
        eu[m] = u
        ev[m] = v
    delta = np.zeros((n, SETS), np.int64)
    for m in range(n):
        delta[m, rset[owner[m]]] = 1
    org = hit[:n].copy()
    r1 = owner[:n].copy()
    r2 = owner[:n].copy()
    if shared:
        eu, ev, delta, org, r1, r2 = merge_edges(eu, ev, delta, org, r1, r2, n)
    return x[:nodes], y[:nodes], eu, ev, delta, org, r1, r2, outside


@kernel
def merge_edges(eu: I8, ev: I8, delta: I8, org: I8, r1: I8, r2: I8, n: int) -> Tuple:
    """Merge edges with the same ends and drop those across which nothing changes."""
    table = np.full(table_size(n), -1, np.int64)
    mask = len(table) - 1
    k = 0
    for m in range(n):
        u = min(eu[m], ev[m])
        v = max(eu[m], ev[m])
        s = mix(u, v, mask)
        while table[s] >= 0:
            t = table[s]
            if min(eu[t], ev[t]) == u and max(eu[t], ev[t]) == v:
                break
            s = (s + 1) & mask
        t = table[s]
        if t < 0:
            table[s] = k
            eu[k] = eu[m]
            ev[k] = ev[m]
            org[k] = org[m]
            r1[k] = r1[m]
            r2[k] = r2[m]
            for d in range(SETS):
                delta[k, d] = delta[m, d]
            k += 1
        else:
            same = eu[t] == eu[m]
            for d in range(SETS):
                delta[t, d] += delta[m, d] if same else -delta[m, d]
            org[t] = min(org[t], org[m])
            if r1[m] != r1[t]:
                r2[t] = r1[m]
    n = k
    k = 0
    for m in range(n):
        if delta[m, 0] != 0 or delta[m, 1] != 0 or delta[m, 2] != 0:
            eu[k] = eu[m]
            ev[k] = ev[m]
            org[k] = org[m]
            r1[k] = r1[m]
            r2[k] = r2[m]
            for d in range(SETS):
                delta[k, d] = delta[m, d]
            k += 1
    return eu[:k].copy(), ev[:k].copy(), delta[:k].copy(), org[:k].copy(), r1[:k].copy(), r2[:k].copy()


@lean
def meeting(x: F8, y: F8, a: int, b: int, c: int, d: int) -> int:
    """Tell how two edges a–b and c–d with overlapping boxes meet.

    0 not or only in a common end, 1 they cross properly, else bits: 2 a on c–d, 4 b on c–d, 8 c on a–b, 16 d on a–b.
    """
    if a == c or a == d or b == c or b == d:
        s = a if (a == c or a == d) else b
        p = b if s == a else a
        q = d if s == c else c
        if orient(x[s], y[s], x[p], y[p], x[q], y[q]) != 0.0:
            return 0
        if between(x, y, p, s, q):
            return 2 if p == a else 4
        if between(x, y, q, s, p):
            return 8 if q == c else 16
        return 0
    o1 = orient(x[c], y[c], x[d], y[d], x[a], y[a])
    o2 = orient(x[c], y[c], x[d], y[d], x[b], y[b])
    if (o1 > 0.0 and o2 > 0.0) or (o1 < 0.0 and o2 < 0.0):
        return 0
    o3 = orient(x[a], y[a], x[b], y[b], x[c], y[c])
    o4 = orient(x[a], y[a], x[b], y[b], x[d], y[d])
    if (o3 > 0.0 and o4 > 0.0) or (o3 < 0.0 and o4 < 0.0):
        return 0
    if o1 != 0.0 and o2 != 0.0 and o3 != 0.0 and o4 != 0.0:
        return 1
    found = 0
    if o1 == 0.0 and between(x, y, a, c, d):
        found |= 2
    if o2 == 0.0 and between(x, y, b, c, d):
        found |= 4
    if o3 == 0.0 and between(x, y, c, a, b):
        found |= 8
    if o4 == 0.0 and between(x, y, d, a, b):
        found |= 16
    return found


@lean
def between(x: F8, y: F8, p: int, a: int, b: int) -> bool:
    """Whether p, known to be on the line through a and b, lies on the edge."""
    return min(x[a], x[b]) <= x[p] <= max(x[a], x[b]) and min(y[a], y[b]) <= y[p] <= max(y[a], y[b])


@kernel
def enlarge(a: I8, n: int, size: int) -> I8:
    """Return an array of twice a size with the first n items of a."""
    b = np.empty(2 * size, np.int64)
    for i in range(n):
        b[i] = a[i]
    return b


@lean
def sort_by_left(order: I8, box: F8) -> None:
    """Heap-sort box ids by their left edge."""
    n = len(order)
    for step in range(n // 2 + n - 1):
        if step < n // 2:
            at = n // 2 - 1 - step
            end = n
        else:
            end = n - 1 - (step - n // 2)
            top = order[0]
            order[0] = order[end]
            order[end] = top
            at = 0
        item = order[at]
        key = box[item, 0]
        while True:
            child = 2 * at + 1
            if child >= end:
                break
            if child + 1 < end and box[order[child + 1], 0] > box[order[child], 0]:
                child += 1
            if box[order[child], 0] <= key:
                break
            order[at] = order[child]
            at = child
        order[at] = item


@kernel
def chunk_boxes(box: F8) -> F8:
    """Bounding boxes of every few edges in a row."""
    n = len(box)
    chunk = np.empty(((n + _CHUNK - 1) // _CHUNK, 4))
    for i in range(n):
        c = i // _CHUNK
        if i % _CHUNK == 0:
            for d in range(4):
                chunk[c, d] = box[i, d]
        else:
            chunk[c, 0] = min(chunk[c, 0], box[i, 0])
            chunk[c, 1] = min(chunk[c, 1], box[i, 1])
            chunk[c, 2] = max(chunk[c, 2], box[i, 2])
            chunk[c, 3] = max(chunk[c, 3], box[i, 3])
    return chunk


@kernel
def find_meetings(x: F8, y: F8, eu: I8, ev: I8, r1: I8, r2: I8) -> Tuple:
    """Find where edges of different rings meet other than in common ends.

    Returns
    -------
    ci, cj : edges of each proper crossing
    ve, vn : edge and node of each vertex on an edge
    """
    n = len(eu)
    box = np.empty((n, 4))
    for i in range(n):
        a = eu[i]
        b = ev[i]
        box[i, 0] = min(x[a], x[b])
        box[i, 1] = min(y[a], y[b])
        box[i, 2] = max(x[a], x[b])
        box[i, 3] = max(y[a], y[b])
    order = np.arange(n)
    sweep = n > _SWEEP
    if sweep:
        sort_by_left(order, box)
        chunk = np.empty((0, 4))
    else:
        chunk = chunk_boxes(box)
    ci = np.empty(2 * n, np.int64)
    cj = np.empty(2 * n, np.int64)
    ve = np.empty(8 * n, np.int64)
    vn = np.empty(8 * n, np.int64)
    k = 0
    m = 0
    later = 0  # first edge of a later ring: edges are in the order of their (first) rings
    for s in range(n):
        if k + n > len(ci):
            ci = enlarge(ci, k, k + n)
            cj = enlarge(cj, k, k + n)
        if m + 4 * n > len(ve):
            ve = enlarge(ve, m, m + 4 * n)
            vn = enlarge(vn, m, m + 4 * n)
        i = order[s]
        x0 = box[i, 0]
        y0 = box[i, 1]
        x1 = box[i, 2]
        y1 = box[i, 3]
        a = r1[i]
        b = r2[i]
        t = s
        if not sweep:
            while later < n and r1[later] <= a:
                later += 1
            t = later - 1
        while t + 1 < n:
            t += 1
            if sweep:
                j = order[t]
                if box[j, 0] > x1:
                    break
            else:
                j = t
                if j % _CHUNK == 0:
                    c = j // _CHUNK
                    if chunk[c, 0] > x1 or chunk[c, 2] < x0 or chunk[c, 1] > y1 or chunk[c, 3] < y0:
                        t += _CHUNK - 1
                        continue
                if box[j, 0] > x1:
                    continue
            if box[j, 2] < x0 or box[j, 1] > y1 or box[j, 3] < y0:
                continue
            if r1[j] == a or r1[j] == b or r2[j] == a or r2[j] == b:
                continue
            found = meeting(x, y, eu[i], ev[i], eu[j], ev[j])
            if found == 0:
                continue
            if found == 1:
                ci[k] = min(i, j)
                cj[k] = max(i, j)
                k += 1
                continue
            for bit in range(4):
                if found & (2 << bit):
                    ve[m] = j if bit < 2 else i
                    vn[m] = eu[i] if bit == 0 else ev[i] if bit == 1 else eu[j] if bit == 2 else ev[j]
                    m += 1
    return ci[:k], cj[:k], ve[:m], vn[:m]


@kernel
def split_edges(x: F8, y: F8, eu: I8, ev: I8, delta: I8, org: I8, r1: I8, r2: I8, ve: I8, vn: I8) -> Tuple:
    """Divide edges at the vertices that lie on them, and merge what then coincides."""
    n = len(eu)
    first = np.zeros(n + 1, np.int64)
    for m in range(len(ve)):
        first[ve[m] + 1] += 1
    for i in range(n):
        first[i + 1] += first[i]
    at = first.copy()
    nodes = np.empty(len(ve), np.int64)
    for m in range(len(ve)):
        nodes[at[ve[m]]] = vn[m]
        at[ve[m]] += 1
    total = n + len(ve)
    su = np.empty(total, np.int64)
    sv = np.empty(total, np.int64)
    sd = np.empty((total, SETS), np.int64)
    so = np.empty(total, np.int64)
    s1 = np.empty(total, np.int64)
    s2 = np.empty(total, np.int64)
    k = 0
    for i in range(n):
        u = eu[i]
        v = ev[i]
        along_x = abs(x[v] - x[u]) >= abs(y[v] - y[u])
        up = (x[v] > x[u]) if along_x else (y[v] > y[u])
        for a in range(first[i] + 1, first[i + 1]):
            w = nodes[a]
            key = x[w] if along_x else y[w]
            b = a - 1
            while b >= first[i]:
                other = x[nodes[b]] if along_x else y[nodes[b]]
                if (other > key) == up and other != key:
                    nodes[b + 1] = nodes[b]
                    b -= 1
                else:
                    break
            nodes[b + 1] = w
        for a in range(first[i], first[i + 1] + 1):
            w = nodes[a] if a < first[i + 1] else v
            if w != u:
                su[k] = u
                sv[k] = w
                for d in range(SETS):
                    sd[k, d] = delta[i, d]
                so[k] = org[i]
                s1[k] = r1[i]
                s2[k] = r2[i]
                k += 1
                u = w
    return merge_edges(su, sv, sd, so, s1, s2, k)


@kernel
def crossing_point(
    ax: float, ay: float, bx: float, by: float, cx: float, cy: float, dx: float, dy: float
) -> Tuple:
    """Return where a–b and c–d cross, as a fraction along each and as a point.

    The point is interpolated on the shorter edge from its nearer end; the result does not depend on
    the order or direction in which the edges are given.
    """
    na = orient_value(cx, cy, dx, dy, ax, ay)
    nb = orient_value(cx, cy, dx, dy, bx, by)
    nc = orient_value(ax, ay, bx, by, cx, cy)
    nd = orient_value(ax, ay, bx, by, dx, dy)
    t = na / (na - nb)
    s = nc / (nc - nd)
    if abs(bx - ax) + abs(by - ay) <= abs(dx - cx) + abs(dy - cy):
        if abs(na) <= abs(nb):
            return t, s, ax + t * (bx - ax), ay + t * (by - ay)
        r = nb / (nb - na)
        return t, s, bx + r * (ax - bx), by + r * (ay - by)
    if abs(nc) <= abs(nd):
        return t, s, cx + s * (dx - cx), cy + s * (dy - cy)
    r = nd / (nd - nc)
    return t, s, dx + r * (cx - dx), dy + r * (cy - dy)


@lean
def root(parent: I8, i: int) -> int:
    """Return the representative of i."""
    while parent[i] != i:
        i = parent[i]
    return i


@kernel
def cross_edges(x: F8, y: F8, eu: I8, ev: I8, ci: I8, cj: I8) -> Tuple:
    """Turn proper crossings into nodes and edges into the fragments between them.

    Returns
    -------
    px, py : coordinates of all nodes, the crossings after the vertices
    fu, fv : nodes of each fragment, in its edge's direction
    fe : its edge
    """
    n = len(eu)
    nodes = len(x)
    k = len(ci)
    px = np.empty(nodes + k)
    py = np.empty(nodes + k)
    px[:nodes] = x
    py[:nodes] = y
    first = np.zeros(n + 1, np.int64)
    for c in range(k):
        first[ci[c] + 1] += 1
        first[cj[c] + 1] += 1
    for i in range(n):
        first[i + 1] += first[i]
    at = first.copy()
    item = np.empty(2 * k, np.int64)
    par = np.empty(2 * k)
    parent = np.arange(k)
    for c in range(k):
        i = ci[c]
        j = cj[c]
        t, s, px[nodes + c], py[nodes + c] = crossing_point(
            x[eu[i]], y[eu[i]], x[ev[i]], y[ev[i]], x[eu[j]], y[eu[j]], x[ev[j]], y[ev[j]]
        )
        item[at[i]] = c
        par[at[i]] = t
        at[i] += 1
        item[at[j]] = c
        par[at[j]] = s
        at[j] += 1
    for i in range(n):
        for a in range(first[i] + 1, first[i + 1]):
            c = item[a]
            t = par[a]
            b = a - 1
            while b >= first[i]:
                o = item[b]
                if par[b] - t > 1e-10:
                    later = 1.0
                elif t - par[b] > 1e-10:
                    later = -1.0
                else:
                    oe = cj[o] if ci[o] == i else ci[o]
                    ce = cj[c] if ci[c] == i else ci[c]
                    later = compare_crossings(x, y, eu[i], ev[i], eu[oe], ev[oe], eu[ce], ev[ce])
                    if later == 0.0:
                        p = root(parent, o)
                        q = root(parent, c)
                        parent[max(p, q)] = min(p, q)
                if later <= 0.0:
                    break
                item[b + 1] = o
                par[b + 1] = par[b]
                b -= 1
            item[b + 1] = c
            par[b + 1] = t
    fu = np.empty(n + 2 * k, np.int64)
    fv = np.empty(n + 2 * k, np.int64)
    fe = np.empty(n + 2 * k, np.int64)
    f = 0
    for i in range(n):
        u = eu[i]
        for a in range(first[i], first[i + 1] + 1):
            v = ev[i] if a == first[i + 1] else nodes + root(parent, item[a])
            if v != u:
                fu[f] = u
                fv[f] = v
                fe[f] = i
                f += 1
                u = v
    return px, py, fu[:f], fv[:f], fe[:f]


@kernel
def meeting_of_points(
    ax: float, ay: float, bx: float, by: float, cx: float, cy: float, dx: float, dy: float
) -> bool:
    """Whether two edges with overlapping boxes have a point in common, or may have."""
    o1 = orient(cx, cy, dx, dy, ax, ay)
    o2 = orient(cx, cy, dx, dy, bx, by)
    if (o1 > 0.0 and o2 > 0.0) or (o1 < 0.0 and o2 < 0.0):
        return False
    o3 = orient(ax, ay, bx, by, cx, cy)
    o4 = orient(ax, ay, bx, by, dx, dy)
    return not ((o3 > 0.0 and o4 > 0.0) or (o3 < 0.0 and o4 < 0.0))
