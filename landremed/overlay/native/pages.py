"""Pieces as pages of a GeoPackage's table: every row is copied once, to where it stays.

What pages look like is said in ``landremed.io.bulk_pages``, which makes the same ones without compiled code.
"""

from __future__ import annotations

import numpy as np

from landremed.io.bulk_polygons import PolygonPages, PolygonRows, Take
from landremed.overlay.native.arrays import F8, I8, U1, Tuple
from landremed.overlay.native.compiled import entry, kernel, lean
from landremed.overlay.native.layerset import wkb_bytes
from landremed.overlay.native.memory import copy_bytes
from landremed.overlay.native.rings import put_u32, read_u32

__all__ = ["NativePages"]

_HEAD, _BOUNDS, _PROMOTED = 8, 32, 9  # bytes before the WKB: head, bounds, head of a multipolygon of one
_LEAF_HEAD = 8
_BLOB = 12


class NativePages:
    """A maker of pages (``landremed.io.bulk_polygons``) that keeps its room from call to call."""

    def __init__(self) -> None:
        self._leaves = np.empty(0, np.uint8)
        self._ends = np.empty(0, np.uint8)

    def __call__(self, rows: PolygonRows, take: Take, page_size: int) -> PolygonPages | None:
        """Return the pages of some rows; they last until the next call."""
        wkb, off = wkb_bytes(rows.wkb)
        tail, tail_off = wkb_bytes(rows.tail)
        types = np.ascontiguousarray(rows.types)
        known, boxes, sizes, first, ends = plan_pages(
            wkb, off, types, rows.column, tail_off, rows.first_id, page_size
        )
        if not known:
            return None
        numbers = take(int(ends))
        self._leaves = _room(self._leaves, page_size * len(first))
        self._ends = _room(self._ends, page_size * len(numbers))
        fill_pages(
            (wkb, off, boxes, rows.srs_id), (types, rows.column, tail, tail_off), sizes, first, rows.first_id,
            numbers, page_size, self._leaves, self._ends,
        )  # fmt: skip
        last = rows.first_id + np.append(first[1:], len(rows.wkb)) - 1
        leaves, spilled = self._leaves[: page_size * len(first)], self._ends[: page_size * len(numbers)]
        return PolygonPages(leaves, last, spilled, numbers, boxes)


def _room(array: U1, size: int) -> U1:
    return array if len(array) >= size else np.empty(size + size // 4, np.uint8)


@kernel
def varint_size(v: int) -> int:
    """Return how many bytes a number takes, seven bits a byte."""
    n = 1
    while v >= 128:
        v >>= 7
        n += 1
    return n


@lean
def put_varint(b: U1, i: int, v: int) -> int:
    """Write a number, seven bits a byte, all but the last byte marked; return the place behind it."""
    n = varint_size(v)
    for k in range(n):
        byte = (v >> (7 * (n - 1 - k))) & 127
        b[i + k] = byte | 128 if k < n - 1 else byte
    return i + n


@lean
def put_u16(b: U1, i: int, v: int) -> None:
    """Write a big-endian number of two bytes."""
    b[i] = (v >> 8) & 255
    b[i + 1] = v & 255


@lean
def outer_bounds(b: U1, p: int, end: int, xy: F8, box: F8) -> int:
    """Write the bounds of a polygon's or multipolygon's outer rings; NaN when it is empty.

    Returns 3 for a polygon, 6 for a multipolygon, 0 for anything else. ``xy`` is scratch of (1, 2).
    """
    for d in range(4):
        box[d] = np.nan
    if end - p < 9 or b[p] != 1:
        return 0
    kind = read_u32(b, p + 1)
    if kind != 3 and kind != 6:
        return 0
    p += 5
    parts = 1
    if kind == 6:
        parts = read_u32(b, p)
        p += 4
    x0 = np.inf
    y0 = np.inf
    x1 = -np.inf
    y1 = -np.inf
    for _ in range(parts):
        if kind == 6:
            if p + 9 > end or b[p] != 1 or read_u32(b, p + 1) != 3:
                return 0
            p += 5
        rings = read_u32(b, p)
        p += 4
        for r in range(rings):
            if p + 4 > end:
                return 0
            points = read_u32(b, p)
            p += 4
            if p + 16 * points > end:
                return 0
            if r == 0:
                for i in range(points):
                    copy_bytes(xy, 0, b, p + 16 * i, 16)
                    x0 = min(x0, xy[0, 0])
                    y0 = min(y0, xy[0, 1])
                    x1 = max(x1, xy[0, 0])
                    y1 = max(y1, xy[0, 1])
            p += 16 * points
    if p != end:
        return 0
    if x0 <= x1:
        box[0] = x0
        box[1] = y0
        box[2] = x1
        box[3] = y1
    return kind


@entry
def plan_pages(wkb: U1, off: I8, types: I8, column: int, tail_off: I8, first_id: int, page: int) -> Tuple:
    """Find out how long every row is and on which page it comes; fill in the serial types of the geometry.

    Returns
    -------
    known : False when a shape is no 2-D little-endian polygon
    boxes : bounds per row, NaN for an empty polygon
    sizes : (rows, 4) bytes of the record's head, of the record, of what stays on the leaf, of the blob's start
    first : first row of every leaf
    ends : pages for what does not stay
    """
    n = len(off) - 1
    boxes = np.empty((n, 4))
    sizes = np.empty((n, 4), np.int64)
    first = np.empty(n, np.int64)
    xy = np.empty((1, 2))
    most = page - 35
    least = (page - 12) * 32 // 255 - 23
    ends = 0
    leaves = 0
    used = page
    for i in range(n):
        kind = outer_bounds(wkb, off[i], off[i + 1], xy, boxes[i])
        if kind == 0:
            return False, boxes, sizes, first[:0], 0
        start = _HEAD + (_BOUNDS if boxes[i, 0] <= boxes[i, 2] else 0) + (_PROMOTED if kind == 3 else 0)
        blob = start + off[i + 1] - off[i]
        types[i, column] = _BLOB + 2 * blob
        head = 0
        for c in range(types.shape[1]):
            head += varint_size(types[i, c])
        head += 1 if head < 127 else 2
        record = head + blob + tail_off[i + 1] - tail_off[i]
        kept = record
        if record > most:
            kept = least + (record - least) % (page - 4)
            if kept > most:
                kept = least
            ends += (record - kept + page - 5) // (page - 4)
        cell = kept + varint_size(record) + varint_size(first_id + i) + (4 if kept < record else 0)
        if used + cell + 2 > page:
            first[leaves] = i
            leaves += 1
            used = _LEAF_HEAD
        used += cell + 2
        sizes[i, 0] = head
        sizes[i, 1] = record
        sizes[i, 2] = kept
        sizes[i, 3] = start
    return True, boxes, sizes, first[:leaves].copy(), ends


@lean
def put_lead(b: U1, shape: Tuple, types: I8, column: int, i: int, sizes: I8, number: F8) -> int:
    """Write what stands before a row's WKB: the record's head, the blob's head; return how long it is.

    ``number`` is scratch of (1, 4).
    """
    wkb, off, boxes, srs_id = shape
    head = sizes[i, 0]
    p = put_varint(b, 0, head)
    for c in range(types.shape[1]):
        p = put_varint(b, p, types[i, c])
    bounded = boxes[i, 0] <= boxes[i, 2]
    b[p] = 71  # "GP", version 0
    b[p + 1] = 80
    b[p + 2] = 0
    b[p + 3] = 3 if bounded else 17  # little-endian, with bounds; or empty
    put_u32(b, p + 4, srs_id)
    p += _HEAD
    if bounded:
        number[0, 0] = boxes[i, 0]
        number[0, 1] = boxes[i, 2]
        number[0, 2] = boxes[i, 1]
        number[0, 3] = boxes[i, 3]
        copy_bytes(b, p, number, 0, _BOUNDS)
        p += _BOUNDS
    if p < head + sizes[i, 3]:
        b[p] = 1
        put_u32(b, p + 1, 6)
        put_u32(b, p + 5, 1)
        p += _PROMOTED
    return p


@lean
def copy_common(to: U1, at: int, lo: int, hi: int, src: U1, first: int, base: int, size: int) -> None:
    """Of bytes base..base + size of a record, which begin at ``first`` of src, copy what lies within lo..hi.

    ``at`` is the place of byte lo.
    """
    a = max(lo, base)
    b = min(hi, base + size)
    if a < b:
        copy_bytes(to, at + a - lo, src, first + a - base, b - a)


@entry
def fill_pages(
    shape: Tuple,
    values: Tuple,
    sizes: I8,
    first: I8,
    first_id: int,
    numbers: I8,
    page: int,
    leaves: U1,
    ends: U1,
) -> None:
    """Write the pages that ``plan_pages`` laid out.

    Parameters
    ----------
    shape : (wkb, off, boxes, srs id)
    values : (types, column, tail, tail offsets)
    numbers : page numbers of the ends
    leaves, ends : where the pages go
    """
    wkb, off = shape[0], shape[1]
    types, column, tail, tail_off = values
    n = len(off) - 1
    lead = np.empty(11 + 10 * types.shape[1] + _HEAD + _BOUNDS + _PROMOTED, np.uint8)
    number = np.empty((1, 4))
    spilled = 0
    for leaf in range(len(first)):
        lo = first[leaf]
        hi = first[leaf + 1] if leaf + 1 < len(first) else n
        base = leaf * page
        used = 0
        for i in range(lo, hi):
            kept = sizes[i, 2]
            used += (
                kept + varint_size(sizes[i, 1]) + varint_size(first_id + i) + (4 if kept < sizes[i, 1] else 0)
            )
        leaves[base : base + _LEAF_HEAD] = 0
        leaves[base] = 13
        put_u16(leaves, base + 3, hi - lo)
        put_u16(leaves, base + 5, page - used)
        leaves[base + _LEAF_HEAD + 2 * (hi - lo) : base + page - used] = 0
        p = base + page - used
        for i in range(lo, hi):
            record = sizes[i, 1]
            kept = sizes[i, 2]
            put_u16(leaves, base + _LEAF_HEAD + 2 * (i - lo), p - base)
            p = put_varint(leaves, p, record)
            p = put_varint(leaves, p, first_id + i)
            size = put_lead(lead, shape, types, column, i, sizes, number)
            rest = size + off[i + 1] - off[i]
            copy_common(leaves, p, 0, kept, lead, 0, 0, size)
            copy_common(leaves, p, 0, kept, wkb, off[i], size, rest - size)
            copy_common(leaves, p, 0, kept, tail, tail_off[i], rest, record - rest)
            p += kept
            if kept == record:
                continue
            put_u32_big(leaves, p, numbers[spilled])
            p += 4
            while kept < record:
                end = min(record, kept + page - 4)
                q = spilled * page
                put_u32_big(ends, q, numbers[spilled + 1] if end < record else 0)
                copy_common(ends, q + 4, kept, end, wkb, off[i], size, rest - size)
                copy_common(ends, q + 4, kept, end, tail, tail_off[i], rest, record - rest)
                ends[q + 4 + end - kept : q + page] = 0
                kept = end
                spilled += 1


@lean
def put_u32_big(b: U1, i: int, v: int) -> None:
    """Write a big-endian number of four bytes."""
    put_u16(b, i, v >> 16)
    put_u16(b, i + 2, v & 65535)
