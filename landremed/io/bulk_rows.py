"""Rows of a table and entries of an index, for whoever makes pages of them in one go.

``landremed.io.bulk_record`` and ``landremed.io.bulk_geometry`` put rows together column by column, without
compiled code; a `PageMaker` copies every value once, from where it lies to its page. It is asked twice: how
many pages there will be, and, when these have numbers, for the pages, some at a time and in any thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.io.bulk_columns import Columns
from landremed.io.bulk_record import Bytes, Ints

__all__ = ["IndexPlan", "PageMaker", "TablePlan", "TableRows"]

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TableRows:
    """Some rows of a table.

    Attributes
    ----------
    count : int
        How many.
    columns : Columns
        As declared.
    wkb : pyarrow.Array or None
        ``large_binary`` polygons of the column of shapes, if there is one.
    srs_id : int
        Of the layer.
    first_id : int
        Row id of the first one; the others count on, unless ``ids`` tells them.
    """

    count: int
    columns: Columns
    wkb: pa.Array | None = None
    srs_id: int = 0
    first_id: int = 1
    ids: Ints = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True, slots=True)
class TablePlan:
    """The pages that some rows take.

    Attributes
    ----------
    last_ids : ndarray of int
        Row id of each leaf page's last row.
    spilled : ndarray of int (leaves + 1,)
        Pages for what is too long for its leaf: how many belong to the leaves before each.
    boxes : ndarray (n, 4)
        x min, y min, x max, y max; NaN for empty polygons and where there is none. No row without a geometry
        column.
    make, layout
        Who makes the pages, and what it remembers.
    """

    rows: TableRows
    last_ids: Ints
    spilled: Ints
    boxes: Floats
    make: PageMaker
    layout: Any


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """The leaf pages that the entries of an index take.

    Attributes
    ----------
    first : ndarray of int
        First entry of every leaf.
    separators : ndarray of int
        Entries that stand between two leaves.
    make, layout
        Who makes the pages, and what it remembers.
    """

    first: Ints
    separators: Ints
    make: PageMaker
    layout: Any


class PageMaker(Protocol):
    """Makes pages of rows and of index entries. What it gives lasts until the same thread asks it again."""

    def plan_rows(self, rows: TableRows, page_size: int) -> TablePlan | None:
        """Lay rows out; None when a shape is no 2-D little-endian polygon."""

    def fill_rows(self, plan: TablePlan, low: int, high: int, ends: Ints) -> tuple[Bytes, Bytes]:
        """Return the leaves from low to high and the pages of what they spill, whose numbers are given."""

    def plan_index(self, key: Columns, count: int, order: Ints, page_size: int) -> IndexPlan:
        """Lay the entries of an index out, given its column and the rows in order, none when they lie so."""

    def fill_index(self, plan: IndexPlan, low: int, high: int) -> Bytes:
        """Return the leaves from low to high."""

    def entries(self, plan: IndexPlan) -> list[bytes]:
        """Return the entries that stand between leaves."""

    def text_runs(self, texts: Columns, count: int) -> tuple[Ints, bool]:
        """Return the first row of every run of equal texts, and whether they lie in order."""
