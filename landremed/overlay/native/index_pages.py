"""Entries of an index as its leaf pages: the values of one column in order, each with its row number.

What pages look like is said in ``landremed.io.bulk_pages``, which makes the same ones without compiled code.
"""

from __future__ import annotations

import numpy as np

from landremed.overlay.native.arrays import I8, U1, Tuple
from landremed.overlay.native.cells import (
    cell_bytes,
    cell_type,
    is_there,
    put_cell,
    put_u16,
    put_varint,
    text_at,
    varint_size,
)
from landremed.overlay.native.compiled import entry, lean
from landremed.overlay.native.memory import load_u8, put_be

__all__ = ["fill_index", "plan_index", "put_entries", "text_runs"]

_LEAF_HEAD = 8
_INDEX_LEAF = 10


@lean
def entry_size(column: I8, row: int, width: int) -> int:
    """Return how many bytes an entry's record takes; ``width`` is that of row numbers."""
    serial = cell_type(column, 0, row)
    return 2 + varint_size(serial) + cell_bytes(serial) + width


@lean
def put_entry(b: U1, p: int, column: I8, row: int, width: int) -> int:
    """Write an entry: its length, its head, the value and the row number; return the place behind it."""
    serial = cell_type(column, 0, row)
    p = put_varint(b, p, entry_size(column, row, width))
    p = put_varint(b, p, 2 + varint_size(serial))
    p = put_varint(b, p, serial)
    b[p] = (width if width <= 4 else (5 if width == 6 else 6)) if width else 9  # the only row is number one
    p = put_cell(b, p + 1, column, 0, row, serial)
    if width:
        put_be(b, p, (row + 1) << (64 - 8 * width))
    return p + width


@entry
def plan_index(column: I8, order: I8, n: int, width: int, page: int) -> Tuple:
    """Find out which entries begin a leaf and which stand between two.

    Parameters
    ----------
    column : described column
    order : rows in order; none when they lie so
    n : rows
    width : bytes of a row number
    """
    first = np.empty(n, np.int64)
    separators = np.empty(n, np.int64)
    leaves = 0
    row = 0
    while True:
        first[leaves] = row
        leaves += 1
        stop = row
        used = _LEAF_HEAD
        while stop < n:
            size = entry_size(column, order[stop] if len(order) else stop, width)
            used += size + varint_size(size) + 2
            if used > page:
                break
            stop += 1
        if stop >= n:
            break
        if stop == n - 1:  # the last leaf needs an entry too
            stop -= 1
        separators[leaves - 1] = stop
        row = stop + 1
    return first[:leaves].copy(), separators[: leaves - 1].copy()


@entry
def fill_index(column: I8, order: I8, n: int, width: int, pages: Tuple, page: int, leaves: U1) -> None:
    """Write some of the leaves that ``plan_index`` laid out.

    Parameters
    ----------
    pages : (first entry of every leaf, entries between, first leaf, leaf behind the last)
    leaves : where the pages go, with some room behind
    """
    first, separators, low, high = pages
    for leaf in range(low, high):
        lo = first[leaf]
        hi = separators[leaf] if leaf < len(separators) else n
        base = (leaf - low) * page
        used = 0
        for k in range(lo, hi):
            size = entry_size(column, order[k] if len(order) else k, width)
            used += size + varint_size(size)
        p = base + page - used
        leaves[base : base + _LEAF_HEAD] = 0
        leaves[base] = _INDEX_LEAF
        put_u16(leaves, base + 3, hi - lo)
        put_u16(leaves, base + 5, page - used)
        leaves[base + _LEAF_HEAD + 2 * (hi - lo) : p] = 0
        for k in range(lo, hi):
            put_u16(leaves, base + _LEAF_HEAD + 2 * (k - lo), p - base)
            p = put_entry(leaves, p, column, order[k] if len(order) else k, width)


@entry
def put_entries(column: I8, rows: I8, width: int) -> Tuple:
    """Return some entries one behind the other, and where each ends."""
    ends = np.zeros(len(rows) + 1, np.int64)
    for k in range(len(rows)):
        size = entry_size(column, rows[k], width)
        ends[k + 1] = ends[k] + size + varint_size(size)
    data = np.empty(ends[-1] + 8, np.uint8)
    p = 0
    for k in range(len(rows)):
        p = put_entry(data, p, column, rows[k], width)
    return data, ends


@lean
def compared(column: I8, one: int, other: int) -> int:
    """Return -1, 0 or 1 as a text stands before, with or behind another; none, or an empty one, stands first."""
    p, m = text_at(column, 0, one) if is_there(column, 0, one) else (0, 0)
    q, n = text_at(column, 0, other) if is_there(column, 0, other) else (0, 0)
    for k in range(min(m, n)):
        difference = load_u8(p + k) - load_u8(q + k)
        if difference != 0:
            return -1 if difference < 0 else 1
    return 0 if m == n else (-1 if m < n else 1)


@entry
def text_runs(column: I8, n: int) -> Tuple:
    """Return the first row of every run of equal texts, and whether each stands behind the one before."""
    starts = np.empty(n, np.int64)
    runs = 0
    rising = True
    for i in range(n):
        step = compared(column, i - 1, i) if i else -1
        if step != 0:
            starts[runs] = i
            runs += 1
        if step > 0:
            rising = False
    return starts[:runs].copy(), rising
