"""The compiled maker of pages."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from landremed.io.bulk_columns import Columns
from landremed.io.bulk_record import integer_width
from landremed.io.bulk_rows import IndexPlan, TablePlan, TableRows
from landremed.overlay.native.arrays import F8, I4, I8, U1
from landremed.overlay.native.index_pages import fill_index, plan_index, put_entries, text_runs
from landremed.overlay.native.layerset import wkb_bytes
from landremed.overlay.native.pages import fill_rows, plan_rows

__all__ = ["NativePages", "make_pages_once"]

_SLACK = 64
_NO_ROWS = np.zeros(0, np.int64)
_NO_BYTES = np.zeros(0, np.uint8)
_NO_BYTES.flags.writeable = False


@dataclass(frozen=True, slots=True)
class _Laid:
    """Rows laid out on leaves."""

    wkb: U1
    off: I8
    boxes: F8
    columns: I8
    sizes: I4
    first: I8
    page: int


@dataclass(frozen=True, slots=True)
class _Listed:
    """Entries of an index laid out on leaves."""

    key: Columns
    column: I8
    order: I8
    count: int
    width: int
    page: int


class NativePages:
    """A maker of pages (``landremed.io.bulk_rows``) that keeps room for them, for every thread its own."""

    def __init__(self) -> None:
        self._rooms = threading.local()

    def plan_rows(self, rows: TableRows, page_size: int) -> TablePlan | None:
        """Lay rows out; None when a shape is no 2-D little-endian polygon."""
        wkb, off = (_NO_BYTES, _NO_ROWS) if rows.wkb is None else wkb_bytes(rows.wkb)
        columns = rows.columns.table()
        known, boxes, sizes, first, spilled = plan_rows(
            (wkb, off), columns, rows.count, rows.first_id, rows.ids, page_size
        )
        if not known:
            return None
        last = np.append(first[1:], rows.count) - 1
        last = rows.ids[last] if len(rows.ids) else rows.first_id + last
        laid = _Laid(wkb, off, boxes, columns, sizes, first, page_size)
        return TablePlan(rows, last, spilled, boxes, self, laid)

    def fill_rows(self, plan: TablePlan, low: int, high: int, ends: I8) -> tuple[U1, U1]:
        """Return the leaves from low to high and the pages of what they spill, whose numbers are given."""
        laid: _Laid = plan.layout
        rows, page = plan.rows, laid.page
        leaves, spilled = self._room("leaves", (high - low) * page), self._room("ends", len(ends) * page)
        fill_rows(
            (laid.wkb, laid.off, laid.boxes, rows.srs_id), laid.columns, laid.sizes, (laid.first, low, high),
            (rows.first_id, rows.ids), ends, page, leaves, spilled,
        )  # fmt: skip
        return leaves[: (high - low) * page], spilled[: len(ends) * page]

    def plan_index(self, key: Columns, count: int, order: I8, page_size: int) -> IndexPlan:
        """Lay the entries of an index out, given its column and the rows in the order of their keys."""
        listed = _Listed(key, key.table(), order, count, integer_width(0, count), page_size)
        first, separators = plan_index(listed.column, order, count, listed.width, page_size)
        return IndexPlan(first, separators, self, listed)

    def fill_index(self, plan: IndexPlan, low: int, high: int) -> U1:
        """Return the leaves from low to high."""
        at: _Listed = plan.layout
        leaves = self._room("leaves", (high - low) * at.page)
        pages = (plan.first, plan.separators, low, high)
        fill_index(at.column, at.order, at.count, at.width, pages, at.page, leaves)
        return leaves[: (high - low) * at.page]

    def entries(self, plan: IndexPlan) -> list[bytes]:
        """Return the entries that stand between leaves."""
        at: _Listed = plan.layout
        rows = at.order[plan.separators] if len(at.order) else plan.separators
        data, ends = put_entries(at.column, rows, at.width)
        raw, places = data.tobytes(), ends.tolist()
        return [raw[a:b] for a, b in pairwise(places)]

    def text_runs(self, texts: Columns, count: int) -> tuple[I8, bool]:
        """Return the first row of every run of equal texts, and whether they lie in order."""
        starts, rising = text_runs(texts.table(), count)
        return starts, bool(rising)

    def _room(self, name: str, size: int) -> U1:
        room: U1 = getattr(self._rooms, name, _NO_BYTES)
        if len(room) < size + _SLACK:
            room = np.empty(size + size // 4 + _SLACK, np.uint8)
            setattr(self._rooms, name, room)
        return room


def make_pages_once(wkb: pa.Array) -> None:
    """Call every kernel of this module, given some polygons."""
    maker, columns, page = NativePages(), Columns(), 4096
    columns.add_shapes(wkb)
    columns.add(pa.array([""] * len(wkb)))
    for shapes in (wkb, None):
        plan = maker.plan_rows(TableRows(len(wkb), columns if shapes else Columns(), shapes), page)
        if plan is not None:
            maker.fill_rows(plan, 0, len(plan.last_ids), _NO_ROWS)
    key = Columns()
    key.add(pa.array(["b", "a"]))
    maker.text_runs(key, 2)
    entries = maker.plan_index(key, 2, np.array([1, 0]), page)
    maker.fill_index(entries, 0, 1)
    maker.entries(entries)
