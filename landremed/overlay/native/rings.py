"""From WKB to rings: coordinates, ring and feature offsets, bounding boxes.

Rings are kept closed; outer rings run counter-clockwise and holes clockwise, so the interior of a polygon
always lies to the left of its edges. Zero-size rings are left out.
"""

from __future__ import annotations

import numpy as np

from landremed.overlay.native.arrays import B1, F8, I8, U1, Tuple
from landremed.overlay.native.compiled import entry, lean
from landremed.overlay.native.memory import copy_bytes
from landremed.overlay.native.predicates import orient

__all__ = ["count_rings", "fill_rings", "gather_bytes", "plane_areas", "put_u32", "read_u32"]


@lean
def read_u32(b: U1, i: int) -> int:
    """Read a little-endian unsigned integer."""
    return (
        np.int64(b[i]) | (np.int64(b[i + 1]) << 8) | (np.int64(b[i + 2]) << 16) | (np.int64(b[i + 3]) << 24)
    )


@lean
def put_u32(b: U1, i: int, v: int) -> None:
    """Write a little-endian unsigned integer."""
    b[i] = v & 255
    b[i + 1] = (v >> 8) & 255
    b[i + 2] = (v >> 16) & 255
    b[i + 3] = (v >> 24) & 255


@entry
def count_rings(buf: U1, off: I8, lo: int, hi: int) -> Tuple:
    """Count rings per feature and coordinates in rows lo..hi of 2-D little-endian (Multi)Polygon WKB.

    A count of -1 marks anything else.
    """
    rings = np.zeros(hi - lo, np.int64)
    points = 0
    for f in range(lo, hi):
        p = off[f]
        if off[f + 1] - p < 9:
            continue
        kind = read_u32(buf, p + 1)
        if buf[p] != 1 or (kind != 3 and kind != 6):
            rings[f - lo] = -1
            continue
        p += 5
        parts = 1
        if kind == 6:
            parts = read_u32(buf, p)
            p += 4
        for _ in range(parts):
            if kind == 6:
                p += 5
            k = read_u32(buf, p)
            p += 4
            rings[f - lo] += k
            for _ in range(k):
                c = read_u32(buf, p)
                points += c
                p += 4 + 16 * c
    return rings, points


@lean
def is_clockwise(xy: F8, a: int, b: int) -> bool:
    """Whether the closed ring xy[a:b] runs clockwise; exact also for slivers."""
    ox = xy[a, 0]
    oy = xy[a, 1]
    s = 0.0
    m = 0.0
    for i in range(a, b - 1):
        l = (xy[i, 0] - ox) * (xy[i + 1, 1] - oy)
        r = (xy[i + 1, 0] - ox) * (xy[i, 1] - oy)
        s += l - r
        m += abs(l) + abs(r)
    if abs(s) > 1e-11 * m:
        return s < 0
    # the turn at the lowest, then leftmost vertex decides
    v = a
    for i in range(a + 1, b - 1):
        if xy[i, 1] < xy[v, 1] or (xy[i, 1] == xy[v, 1] and xy[i, 0] < xy[v, 0]):
            v = i
    i = v
    while True:
        i = b - 2 if i == a else i - 1
        if i == v or xy[i, 0] != xy[v, 0] or xy[i, 1] != xy[v, 1]:
            break
    j = v
    while True:
        j = a if j == b - 2 else j + 1
        if j == v or xy[j, 0] != xy[v, 0] or xy[j, 1] != xy[v, 1]:
            break
    return orient(xy[i, 0], xy[i, 1], xy[v, 0], xy[v, 1], xy[j, 0], xy[j, 1]) < 0


@entry
def fill_rings(
    buf: U1, off: I8, lo: int, hi: int, start: int, fr: I8, ro: I8, outer: B1, xy: F8, bb: F8
) -> None:
    """Unpack rows lo..hi of WKB.

    Parameters
    ----------
    start : first coordinate that belongs to row lo
    fr : feature offsets into the rings
    ro : ring offsets into xy; those of the rows' rings are filled in, all but the first one's
    outer : whether each ring is an outer one
    xy : (n, 2) coordinates
    bb : (features, 4) bounding boxes; empty ones have xmin > xmax
    """
    r = fr[lo]
    for f in range(lo, hi):
        p = off[f]
        x0 = np.inf
        y0 = np.inf
        x1 = -np.inf
        y1 = -np.inf
        if fr[f + 1] > fr[f]:
            multi = read_u32(buf, p + 1) == 6
            p += 5
            parts = 1
            if multi:
                parts = read_u32(buf, p)
                p += 4
            for _ in range(parts):
                if multi:
                    p += 5
                k = read_u32(buf, p)
                p += 4
                for j in range(k):
                    c = read_u32(buf, p)
                    p += 4
                    copy_bytes(xy, 16 * start, buf, p, 16 * c)
                    p += 16 * c
                    end = start + c
                    for i in range(start, end):
                        x = xy[i, 0]
                        y = xy[i, 1]
                        x0 = min(x0, x)
                        x1 = max(x1, x)
                        y0 = min(y0, y)
                        y1 = max(y1, y)
                    if c > 3 and is_clockwise(xy, start, end) == (j == 0):
                        lo = start
                        hi = end - 1
                        while lo < hi:
                            for d in range(2):
                                s = xy[lo, d]
                                xy[lo, d] = xy[hi, d]
                                xy[hi, d] = s
                            lo += 1
                            hi -= 1
                    start = end
                    outer[r] = j == 0
                    ro[r + 1] = start
                    r += 1
        bb[f, 0] = x0
        bb[f, 1] = y0
        bb[f, 2] = x1
        bb[f, 3] = y1


@entry
def plane_areas(xy: F8, ro: I8, fr: I8, lo: int, hi: int, area: F8) -> None:
    """Write the plane areas of features lo..hi, m²."""
    for f in range(lo, hi):
        s = 0.0
        for r in range(fr[f], fr[f + 1]):
            if ro[r + 1] - ro[r] > 3:
                ox = xy[ro[r], 0]
                oy = xy[ro[r], 1]
                for v in range(ro[r], ro[r + 1] - 1):
                    s += (xy[v, 0] - ox) * (xy[v + 1, 1] - oy) - (xy[v + 1, 0] - ox) * (xy[v, 1] - oy)
        area[f] = 0.5 * s


@entry
def gather_bytes(pick: I8, src: U1, off: I8, dst: U1, doff: I8) -> None:
    """Copy the byte strings ``pick`` of (src, off) to the offsets ``doff`` of dst."""
    for i in range(len(pick)):
        k = pick[i]
        if k >= 0:
            copy_bytes(dst, doff[i], src, off[k], off[k + 1] - off[k])
