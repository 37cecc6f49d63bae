"""Rows as pages of a GeoPackage's table: every value is copied once, from where it lies to where it stays.

What pages look like is said in ``landremed.io.bulk_pages``, which makes the same ones without compiled code.
"""

from __future__ import annotations

import numpy as np

from landremed.io.bulk_columns import SHAPE
from landremed.overlay.native.arrays import F8, I4, I8, U1, Tuple
from landremed.overlay.native.cells import (
    cell_bytes,
    cell_type,
    is_there,
    put_cell,
    put_u16,
    put_u32_big,
    put_varint,
    varint_size,
)
from landremed.overlay.native.compiled import entry, lean
from landremed.overlay.native.memory import copy_bytes
from landremed.overlay.native.rings import put_u32, read_u32

__all__ = ["fill_rows", "plan_rows"]

_HEAD, _BOUNDS, _PROMOTED = 8, 32, 9  # bytes before the WKB: head, bounds, head of a multipolygon of one
_LEAF_HEAD = 8
_BLOB = 12
_SLACK = 16  # bytes behind a record that may be written over


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


@lean
def row_bounds(shape: Tuple, columns: I8, c: int, i: int, xy: F8, boxes: F8) -> int:
    """Write the bounds of a row's polygon; return the bytes that come before its WKB, 0 without one, or -1."""
    wkb, off = shape
    if not is_there(columns, c, i):
        for d in range(4):
            boxes[i, d] = np.nan
        return 0
    kind = outer_bounds(wkb, off[i], off[i + 1], xy, boxes[i])
    if kind == 0:
        return -1
    return _HEAD + (_BOUNDS if boxes[i, 0] <= boxes[i, 2] else 0) + (_PROMOTED if kind == 3 else 0)


@entry
def plan_rows(shape: Tuple, columns: I8, n: int, first_id: int, ids: I8, page: int) -> Tuple:
    """Find out how long every row is and on which page it comes.

    Parameters
    ----------
    shape : (wkb, off)
        Of no length without a column of shapes.
    columns : described columns
    n : rows
    first_id, ids : row id of the first row, or of every row

    Returns
    -------
    known : False when a shape is no 2-D little-endian polygon
    boxes : bounds per row, NaN for an empty polygon
    sizes : (rows, 4) bytes of the record's head, of the record, of what stays on the leaf, of the blob's start
    first : first row of every leaf
    spilled : pages for what does not stay, before every leaf and in all
    """
    off = shape[1]
    boxes = np.empty((len(off) - 1 if len(off) else 0, 4))
    sizes = np.zeros((n, 4), np.int32)
    first = np.empty(n, np.int64)
    spilled = np.empty(n + 1, np.int64)
    xy = np.empty((1, 2))
    for c in range(columns.shape[0]):
        if columns[c, 0] == SHAPE:
            for i in range(n):
                start = row_bounds(shape, columns, c, i, xy, boxes)
                if start < 0:
                    return False, boxes, sizes, first[:0], spilled[:1]
                blob = start + off[i + 1] - off[i] if start else 0
                sizes[i, 0] += varint_size(_BLOB + 2 * blob) if start else 1
                sizes[i, 1] += blob
                sizes[i, 3] = start
        else:
            for i in range(n):
                serial = cell_type(columns, c, i)
                sizes[i, 0] += varint_size(serial)
                sizes[i, 1] += cell_bytes(serial)
    leaves = lay_out(sizes, first_id, ids, page, first, spilled)
    return True, boxes, sizes, first[:leaves].copy(), spilled[: leaves + 1].copy()


@lean
def lay_out(sizes: I4, first_id: int, ids: I8, page: int, first: I8, spilled: I8) -> int:
    """Lay records out on leaves, given the bytes of their serial types and of their values; return how many."""
    most = page - 35
    least = (page - 12) * 32 // 255 - 23
    ends = 0
    leaves = 0
    used = page
    for i in range(sizes.shape[0]):
        head = np.int64(sizes[i, 0])
        head += 1 if head < 127 else 2
        record = head + sizes[i, 1]
        kept = record
        if record > most:
            kept = least + (record - least) % (page - 4)
            if kept > most:
                kept = least
        row_id = ids[i] if len(ids) else first_id + i
        cell = kept + varint_size(record) + varint_size(row_id) + (4 if kept < record else 0)
        if used + cell + 2 > page:
            first[leaves] = i
            spilled[leaves] = ends
            leaves += 1
            used = _LEAF_HEAD
        used += cell + 2
        if kept < record:
            ends += (record - kept + page - 5) // (page - 4)
        sizes[i, 0] = head
        sizes[i, 1] = record
        sizes[i, 2] = kept
    spilled[leaves] = ends
    return leaves


@lean
def put_record(b: U1, p: int, shape: Tuple, columns: I8, i: int, sizes: I4, scratch: Tuple) -> None:
    """Write a row's record: the lengths and types of its values, then the values.

    ``shape`` holds the bounds and the number of the CRS too; ``scratch`` is room for (columns,) and (1, 4).
    """
    wkb, off, boxes, srs_id = shape
    serials, number = scratch
    start = np.int64(sizes[i, 3])
    p = put_varint(b, p, np.int64(sizes[i, 0]))
    for c in range(columns.shape[0]):
        if columns[c, 0] == SHAPE:
            serial = _BLOB + 2 * (start + off[i + 1] - off[i]) if start else np.int64(0)
        else:
            serial = cell_type(columns, c, i)
        serials[c] = serial
        p = put_varint(b, p, serial)
    for c in range(columns.shape[0]):
        if columns[c, 0] != SHAPE:
            p = put_cell(b, p, columns, c, i, serials[c])
        elif start:
            p = put_blob_head(b, p, boxes[i], srs_id, start, number)
            size = off[i + 1] - off[i]
            copy_bytes(b, p, wkb, off[i], size)
            p += size


@lean
def put_blob_head(b: U1, p: int, box: F8, srs_id: int, start: int, number: F8) -> int:
    """Write what stands before a polygon's WKB, in all ``start`` bytes; return the place behind it."""
    end = p + start
    bounded = box[0] <= box[2]
    b[p] = 71  # "GP", version 0
    b[p + 1] = 80
    b[p + 2] = 0
    b[p + 3] = 3 if bounded else 17  # little-endian, with bounds; or empty
    put_u32(b, p + 4, srs_id)
    p += _HEAD
    if bounded:
        number[0, 0] = box[0]
        number[0, 1] = box[2]
        number[0, 2] = box[1]
        number[0, 3] = box[3]
        copy_bytes(b, p, number, 0, _BOUNDS)
        p += _BOUNDS
    if p < end:
        b[p] = 1
        put_u32(b, p + 1, 6)
        put_u32(b, p + 5, 1)
    return end


@lean
def put_leaf_head(b: U1, base: int, page: int, lo: int, hi: int, sizes: I4, first_id: int, ids: I8) -> int:
    """Write the head of a leaf with the rows lo..hi and its empty middle; return the place of its first cell."""
    used = 0
    for i in range(lo, hi):
        kept = np.int64(sizes[i, 2])
        record = np.int64(sizes[i, 1])
        row_id = ids[i] if len(ids) else first_id + i
        used += kept + varint_size(record) + varint_size(row_id) + (4 if kept < record else 0)
    b[base : base + _LEAF_HEAD] = 0
    b[base] = 13
    put_u16(b, base + 3, hi - lo)
    put_u16(b, base + 5, page - used)
    b[base + _LEAF_HEAD + 2 * (hi - lo) : base + page - used] = 0
    return base + page - used


@lean
def put_ends(b: U1, record: U1, kept: int, size: int, spilled: int, numbers: I8, page: int) -> int:
    """Write what does not stay on a leaf, page after page from ``spilled`` on; return how many there are then."""
    while kept < size:
        end = min(size, kept + page - 4)
        q = spilled * page
        put_u32_big(b, q, numbers[spilled + 1] if end < size else 0)
        copy_bytes(b, q + 4, record, kept, end - kept)
        b[q + 4 + end - kept : q + page] = 0
        kept = end
        spilled += 1
    return spilled


@entry
def fill_rows(
    shape: Tuple,
    columns: I8,
    sizes: I4,
    spans: Tuple,
    row_ids: Tuple,
    numbers: I8,
    page: int,
    leaves: U1,
    ends: U1,
) -> None:
    """Write some of the pages that ``plan_rows`` laid out.

    Parameters
    ----------
    shape : (wkb, off, boxes, srs id)
    spans : (first row of every leaf, first leaf, leaf behind the last)
    row_ids : (row id of the first row, row ids)
    numbers : page numbers of the ends
    leaves, ends : where the pages go, with some room behind
    """
    first, low, high = spans
    first_id, ids = row_ids
    scratch = (np.empty(columns.shape[0], np.int64), np.empty((1, 4)))
    whole = np.empty(4 * page, np.uint8)
    spilled = 0
    for leaf in range(low, high):
        lo = first[leaf]
        hi = first[leaf + 1] if leaf + 1 < len(first) else sizes.shape[0]
        base = (leaf - low) * page
        p = put_leaf_head(leaves, base, page, lo, hi, sizes, first_id, ids)
        for i in range(lo, hi):
            record = np.int64(sizes[i, 1])
            kept = np.int64(sizes[i, 2])
            put_u16(leaves, base + _LEAF_HEAD + 2 * (i - lo), p - base)
            p = put_varint(leaves, p, record)
            p = put_varint(leaves, p, ids[i] if len(ids) else first_id + i)
            if kept == record:
                put_record(leaves, p, shape, columns, i, sizes, scratch)
                p += kept
                continue
            if len(whole) < record + _SLACK:
                whole = np.empty(2 * record, np.uint8)
            put_record(whole, 0, shape, columns, i, sizes, scratch)
            copy_bytes(leaves, p, whole, 0, kept)
            p += kept
            put_u32_big(leaves, p, numbers[spilled])
            p += 4
            spilled = put_ends(ends, whole, kept, record, spilled, numbers, page)
