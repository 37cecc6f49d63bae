"""From an arrangement to a region: winding numbers, the fragments that bound it, its rings.

Winding numbers spread from one ray cast per connected component, around nodes and along fragments, by exact
angular order. Nodes outside the rectangle are never walked through: there the arrangement is incomplete.
"""

from __future__ import annotations

import numpy as np

from landremed.overlay.native.arrange import SETS
from landremed.overlay.native.arrays import B1, F8, I8, Tuple
from landremed.overlay.native.compiled import kernel, lean
from landremed.overlay.native.predicates import direction_cross, orient

__all__ = ["link_fragments", "point_in_rings", "select_fragments", "trace_rings", "wind_fragments"]


@kernel
def inside(a: int, b: int, c: int, mode: int) -> bool:
    """Whether a place belongs to the region: 0 parcel ∩ layer, 1 and outside the boundary, 2 parcel \\ boundary."""
    if a <= 0:
        return False
    if mode == 0:
        return b > 0
    if mode == 1:
        return b > 0 and c <= 0
    return c <= 0


@lean
def cast_ray(h: F8, rs: I8, rset: I8, rings: int, px: float, py: float, out: I8) -> None:
    """Write the winding number per set just right of and above the point; edges through it do not count."""
    for d in range(SETS):
        out[d] = 0
    for r in range(rings):
        w = 0
        a = rs[r]
        yi = h[a, 1]
        for i in range(a, rs[r + 1] - 1):
            yj = h[i + 1, 1]
            if (yi <= py) != (yj <= py):
                xi = h[i, 0]
                xj = h[i + 1, 0]
                if xi > px and xj > px:
                    w += 1 if yi <= py else -1
                elif xi >= px or xj >= px:
                    o = orient(xi, yi, xj, yj, px, py)
                    if yi <= py:
                        if o > 0.0:
                            w += 1
                    elif o < 0.0:
                        w -= 1
            yi = yj
        out[rset[r]] += w


@lean
def point_in_rings(px: float, py: float, h: F8, rs: I8, lo: int, hi: int) -> int:
    """Return 1 inside, 0 outside, -1 on the boundary of the closed rings lo..hi (odd-even rule), exactly."""
    c = 0
    for r in range(lo, hi):
        for i in range(rs[r], rs[r + 1] - 1):
            yi = h[i, 1]
            yj = h[i + 1, 1]
            if (yi < py and yj < py) or (yi > py and yj > py):
                continue
            xi = h[i, 0]
            xj = h[i + 1, 0]
            if xi < px and xj < px:
                continue
            if xi > px and xj > px:
                if (yi <= py) != (yj <= py):
                    c ^= 1
                continue
            o = orient(xi, yi, xj, yj, px, py)
            if o == 0.0:
                if min(xi, xj) <= px <= max(xi, xj) and min(yi, yj) <= py <= max(yi, yj):
                    return -1
            elif (yi <= py) != (yj <= py) and (o > 0.0) == (yj > yi):
                c ^= 1
    return c


@lean
def arm_before(x: F8, y: F8, a: int, b: int, c: int, d: int) -> bool:
    """Whether direction a → b comes before c → d, counter-clockwise from just above the x axis."""
    h1 = 0 if (y[b] > y[a] or (y[b] == y[a] and x[b] < x[a])) else 1
    h2 = 0 if (y[d] > y[c] or (y[d] == y[c] and x[d] < x[c])) else 1
    if h1 != h2:
        return h1 < h2
    return direction_cross(x[a], y[a], x[b], y[b], x[c], y[c], x[d], y[d]) > 0.0


@kernel
def build_arms(nodes: int, fu: I8, fv: I8) -> Tuple:
    """List the fragments around every node: 2 f when fragment f leaves it, 2 f + 1 when it arrives."""
    first = np.zeros(nodes + 1, np.int64)
    n = len(fu)
    for f in range(n):
        first[fu[f] + 1] += 1
        first[fv[f] + 1] += 1
    for i in range(nodes):
        first[i + 1] += first[i]
    at = first.copy()
    arm = np.empty(2 * n, np.int64)
    for f in range(n):
        arm[at[fu[f]]] = 2 * f
        at[fu[f]] += 1
        arm[at[fv[f]]] = 2 * f + 1
        at[fv[f]] += 1
    return first, arm


@lean
def sort_arms(x: F8, y: F8, eu: I8, ev: I8, fe: I8, arm: I8, lo: int, hi: int) -> None:
    """Sort the arms of one node counter-clockwise, by the directions of their edges."""
    for i in range(lo + 1, hi):
        a = arm[i]
        e = fe[a >> 1]
        u = ev[e] if a & 1 else eu[e]
        v = eu[e] if a & 1 else ev[e]
        j = i - 1
        while j >= lo:
            b = arm[j]
            g = fe[b >> 1]
            p = ev[g] if b & 1 else eu[g]
            q = eu[g] if b & 1 else ev[g]
            if not arm_before(x, y, u, v, p, q):
                break
            arm[j + 1] = b
            j -= 1
        arm[j + 1] = a


@kernel
def wind_fragments(arr: Tuple, frag: Tuple, arms: Tuple, rings: Tuple, alive: B1) -> Tuple:
    """Give every fragment that can be reached inside the rectangle the winding numbers on its sides.

    Returns
    -------
    wl, wr : (fragments, 3) winding numbers to the left and right
    known : whether they are set
    ok : False where windings contradict each other, which valid polygons cannot cause
    """
    x, y, eu, ev, delta = arr
    fu, fv, fe = frag
    first, arm = arms
    h, rs, rset, nr = rings
    vertices = len(x)
    n = len(fu)
    wl = np.zeros((n, SETS), np.int64)
    wr = np.zeros((n, SETS), np.int64)
    known = np.zeros(n, np.bool_)
    done = np.zeros(len(first) - 1, np.bool_)
    stack = np.empty(2 * n + 2, np.int64)
    w = np.zeros(SETS, np.int64)
    for seed in range(vertices):
        if done[seed] or not alive[seed] or first[seed] == first[seed + 1]:
            continue
        stack[0] = seed
        done[seed] = True
        k = 1
        fresh = True
        while k > 0:
            k -= 1
            node = stack[k]
            lo = first[node]
            hi = first[node + 1]
            if fresh or hi - lo > 2:
                sort_arms(x, y, eu, ev, fe, arm, lo, hi)
            start = lo
            if fresh:
                cast_ray(h, rs, rset, nr, x[node], y[node], w)
                fresh = False
            else:
                while start < hi and not known[arm[start] >> 1]:
                    start += 1
                if start == hi:
                    return wl, wr, known, False
                f = arm[start] >> 1
                for d in range(SETS):
                    # the sector before an arm is right of it as seen going out
                    w[d] = wl[f, d] if arm[start] & 1 else wr[f, d]
            for step in range(hi - lo):
                i = start + step
                if i >= hi:
                    i -= hi - lo
                f = arm[i] >> 1
                arriving = arm[i] & 1
                if known[f]:
                    for d in range(SETS):
                        right = wl[f, d] if arriving else wr[f, d]
                        if right != w[d]:
                            return wl, wr, known, False
                        w[d] = wr[f, d] if arriving else wl[f, d]
                else:
                    known[f] = True
                    e = fe[f]
                    for d in range(SETS):
                        if arriving:
                            wl[f, d] = w[d]
                            w[d] -= delta[e, d]
                            wr[f, d] = w[d]
                        else:
                            wr[f, d] = w[d]
                            w[d] += delta[e, d]
                            wl[f, d] = w[d]
                    other = fu[f] if arriving else fv[f]
                    if not done[other] and alive[other]:
                        done[other] = True
                        stack[k] = other
                        k += 1
    return wl, wr, known, True


@kernel
def select_fragments(
    px: F8, py: F8, frag: Tuple, delta: I8, winding: Tuple, mode: int, ox: float, oy: float
) -> Tuple:
    """Choose the fragments with the region on one side only.

    Returns
    -------
    keep : 1 when the region is left of the fragment, -1 when it is right of it, else 0
    kept, parcels, foreign : fragments kept; fragments on the parcel's boundary; kept ones that are not
    cover : ∫ of the layer's winding number over the parcel, m²: overlap counted per feature
    """
    fu, fv, fe = frag
    wl, wr, known = winding
    n = len(fu)
    keep = np.zeros(n, np.int64)
    kept = 0
    parcels = 0
    foreign = 0
    cover = 0.0
    for f in range(n):
        own = delta[fe[f], 0] != 0
        if own:
            parcels += 1
        if not known[f]:
            continue
        left = inside(wl[f, 0], wl[f, 1], wl[f, 2], mode)
        right = inside(wr[f, 0], wr[f, 1], wr[f, 2], mode)
        if left != right:
            keep[f] = 1 if left else -1
            kept += 1
            if not own:
                foreign += 1
        cl = max(0, wl[f, 1]) if wl[f, 0] > 0 else 0
        cr = max(0, wr[f, 1]) if wr[f, 0] > 0 else 0
        if cl != cr:
            u = fu[f]
            v = fv[f]
            cover += (cl - cr) * ((px[u] - ox) * (py[v] - oy) - (px[v] - ox) * (py[u] - oy))
    return keep, kept, parcels, foreign, 0.5 * cover


@kernel
def link_fragments(arr: Tuple, frag: Tuple, arms: Tuple, keep: I8) -> Tuple:
    """Find for every kept fragment the next one along the same piece of the region.

    Where the region touches itself in a node, the sharpest left turn stays within the same wedge of it.

    Returns (next fragment, nodes where rings touch, ok).
    """
    x, y, eu, ev, delta = arr
    fu, fv, fe = frag
    first, arm = arms
    nodes = len(first) - 1
    nxt = np.full(len(fu), -1, np.int64)
    multiple = np.zeros(nodes, np.bool_)
    for node in range(nodes):
        lo = first[node]
        hi = first[node + 1]
        came = -1
        went = -1
        ins = 0
        outs = 0
        for i in range(lo, hi):
            f = arm[i] >> 1
            if keep[f] != 0:
                if (keep[f] > 0) == (arm[i] & 1 == 0):
                    went = f
                    outs += 1
                else:
                    came = f
                    ins += 1
        if ins != outs:
            return nxt, multiple, False
        if ins == 1:
            nxt[came] = went
        elif ins > 1:
            multiple[node] = True
            for i in range(lo, hi):
                f = arm[i] >> 1
                if keep[f] == 0 or (keep[f] > 0) == (arm[i] & 1 == 0):
                    continue
                j = i
                g = f
                while True:
                    j = hi - 1 if j == lo else j - 1
                    g = arm[j] >> 1
                    if keep[g] != 0:
                        break
                if (keep[g] > 0) != (arm[j] & 1 == 0):
                    return nxt, multiple, False
                nxt[f] = g
    return nxt, multiple, True


@kernel
def trace_rings(px: F8, py: F8, frag: Tuple, org: I8, keep: I8, links: Tuple, vertices: int) -> Tuple:
    """Follow the links into simple closed rings, split wherever one comes back to a node.

    A node between two fragments of one original edge is left out. Rings thinner than the coordinates'
    own resolution are dropped.

    Returns
    -------
    out, ro : closed rings
    ra : their signed areas (holes negative)
    moved : per point whether it is a computed crossing
    rings : their number
    ok : False when the links do not close
    """
    fu, fv, fe = frag
    nxt, multiple = links
    n = len(fu)
    seen = np.zeros(n, np.bool_)
    at = np.full(len(px), -1, np.int64)
    stack = np.empty(n + 1, np.int64)
    out = np.empty((2 * n + 8, 2))
    moved = np.zeros(2 * n + 8, np.bool_)
    ro = np.zeros(n + 2, np.int64)
    ra = np.empty(n + 1)
    rings = 0
    for f0 in range(n):
        if keep[f0] == 0 or seen[f0]:
            continue
        f = f0
        k = 0
        while not seen[f]:
            seen[f] = True
            at[fu[f] if keep[f] > 0 else fv[f]] = k
            stack[k] = f
            k += 1
            head = fv[f] if keep[f] > 0 else fu[f]
            if at[head] >= 0:
                base = at[head]
                o = ro[rings]
                for i in range(base, k):
                    g = stack[i]
                    before = stack[i - 1] if i > base else stack[k - 1]
                    tail = fu[g] if keep[g] > 0 else fv[g]
                    at[tail] = -1
                    if org[fe[g]] == org[fe[before]] and not multiple[tail]:
                        continue
                    if o > ro[rings] and out[o - 1, 0] == px[tail] and out[o - 1, 1] == py[tail]:
                        continue
                    out[o, 0] = px[tail]
                    out[o, 1] = py[tail]
                    moved[o] = tail >= vertices
                    o += 1
                k = base
                a = ro[rings]
                while o > a + 1 and out[o - 1, 0] == out[a, 0] and out[o - 1, 1] == out[a, 1]:
                    o -= 1
                if o - a >= 3:
                    out[o, 0] = out[a, 0]
                    out[o, 1] = out[a, 1]
                    moved[o] = moved[a]
                    o += 1
                    area = 0.0
                    length = 0.0
                    for i in range(a, o - 1):
                        area += (out[i, 0] - out[a, 0]) * (out[i + 1, 1] - out[a, 1]) - (
                            out[i + 1, 0] - out[a, 0]
                        ) * (out[i, 1] - out[a, 1])
                        length += abs(out[i + 1, 0] - out[i, 0]) + abs(out[i + 1, 1] - out[i, 1])
                    grain = max(abs(out[a, 0]), abs(out[a, 1])) * 4.5e-16
                    if abs(area) > 2e-9 + 2 * grain * length:
                        ra[rings] = 0.5 * area
                        rings += 1
                        ro[rings] = o
            f = nxt[f]
            if f < 0:
                return out, ro, ra, moved, rings, False
        if k != 0:
            return out, ro, ra, moved, rings, False
    return out, ro, ra, moved, rings, True
