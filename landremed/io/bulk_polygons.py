"""Rows with a polygon each, for whoever makes pages of them in one go.

A big layer's pages are nearly all coordinates. ``landremed.io.bulk_geometry`` puts them together column by
column, without compiled code; a `PageMaker` copies every row once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.io.bulk_record import Bytes, Ints, Value, joined

__all__ = ["PageMaker", "PolygonPages", "PolygonRows", "polygon_rows"]

Take: TypeAlias = Callable[[int], Ints]

_BINARY = pa.large_binary()


@dataclass(frozen=True, slots=True)
class PolygonRows:
    """Some rows of a layer.

    Attributes
    ----------
    first_id : int
        Row id of the first one; the others count on.
    types : ndarray of int (rows, columns)
        Serial types; that of the geometry, in ``column``, is for the maker of pages to fill in.
    tail : pyarrow.Array
        The values, all of which stand behind the geometry.
    wkb : pyarrow.Array
        ``large_binary``, none null.
    srs_id : int
        Of the layer.
    """

    first_id: int
    types: Ints
    column: int
    tail: pa.Array
    wkb: pa.Array
    srs_id: int


@dataclass(frozen=True, slots=True)
class PolygonPages:
    """What the rows have become.

    Attributes
    ----------
    leaves, ends : ndarray of bytes
        Leaf pages of the table, and the pages for what is too long for them; they last until the next rows.
    last_ids, end_numbers : ndarray of int
        Row id of each leaf's last row; page numbers of the ends.
    boxes : ndarray (n, 4)
        x min, y min, x max, y max; NaN for empty polygons.
    """

    leaves: Bytes
    last_ids: Ints
    ends: Bytes
    end_numbers: Ints
    boxes: npt.NDArray[np.float64]


class PageMaker(Protocol):
    """Makes pages of rows."""

    def __call__(self, rows: PolygonRows, take: Take, page_size: int) -> PolygonPages | None:
        """Return the pages, None when a shape is no 2-D little-endian polygon; ``take`` numbers new pages."""


def polygon_rows(
    values: list[Value], column: int, wkb: pa.Array, first_id: int, srs_id: int
) -> PolygonRows | None:
    """Return rows as a `PageMaker` takes them; None when some have no shape or values stand before it.

    Parameters
    ----------
    values : list of Value
        The columns as declared; what stands at ``column`` is not looked at.
    """
    if wkb.null_count or any(value.body for value in values[:column]):
        return None
    types = np.empty((len(wkb), len(values)), np.int64)
    for place, value in enumerate(values):
        types[:, place] = value.types
    pieces = [piece for value in values[column + 1 :] for piece in value.body]
    tail = joined(pieces) if pieces else pa.array([b""] * len(wkb), _BINARY)
    return PolygonRows(first_id, types, column, tail, wkb.cast(_BINARY), srs_id)
