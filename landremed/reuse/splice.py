"""Rows of an earlier run and rows made anew, put together in the order of today's parcels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["Splice", "put_together"]

Ints: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Splice:
    """Where every parcel of today comes from.

    Attributes
    ----------
    places : ndarray of int
        Its row in the earlier run; -1 where it is made anew.
    """

    places: Ints

    def __len__(self) -> int:
        return len(self.places)

    @property
    def old(self) -> BoolArray:
        """Parcels that are taken over."""
        return self.places >= 0

    @property
    def missing(self) -> Ints:
        """Rows of those made anew, rising."""
        return np.flatnonzero(self.places < 0)

    def rows(self, old: pa.Table, new: pa.Table) -> pa.Table:
        """Return a table of one row per parcel.

        Parameters
        ----------
        old, new : pyarrow.Table
            Rows of the earlier run, and those of ``missing``, with the same columns.
        """
        at = self.places.copy()
        at[self.missing] = old.num_rows + np.arange(new.num_rows)
        return put_together(old, new, at)

    def about(self, old: pa.Table, new: pa.Table) -> pa.Table:
        """Return a table of any number of rows per parcel, in the order of today's parcels.

        Parameters
        ----------
        old, new : pyarrow.Table
            Their first column, ``parcel``, rises: rows of the earlier run, and places in ``missing``.
        """
        starts = [
            np.searchsorted(table.column(0).to_numpy(), np.arange(count + 1))
            for table, count in ((old, int(self.places.max(initial=-1)) + 1), (new, len(self.missing)))
        ]
        first, count = np.empty((2, len(self)), np.int64)
        known = self.old
        for mask, start, at, shift in (
            (known, starts[0], self.places[known], 0),
            (~known, starts[1], np.arange(len(self.missing)), old.num_rows),
        ):
            first[mask], count[mask] = start[at] + shift, start[at + 1] - start[at]
        ends = np.cumsum(count)
        at = np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - ends + count, count)
        found = put_together(old, new, at)
        parcel = np.repeat(np.arange(len(self), dtype=np.int32), count)
        return found.set_column(0, old.schema.field(0), pa.array(parcel))


def put_together(old: pa.Table, new: pa.Table, at: Ints) -> pa.Table:
    """Return rows of two tables with the same columns; ``at`` counts through the first, then the second."""
    columns = [_gathered([_whole(old.column(i)), _whole(new.column(i))], at) for i in range(old.num_columns)]
    return pa.table(columns, schema=old.schema)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _gathered(arrays: list[pa.Array], at: Ints) -> pa.Array:
    if pa.types.is_large_binary(arrays[0].type) and not any(array.null_count for array in arrays):
        return _joined(arrays, at)
    return pa.concat_arrays(arrays).take(pa.array(at))


def _joined(arrays: list[pa.Array], at: Ints) -> pa.Array:
    """Gather shapes, whose bytes are copied in stretches: neighbours mostly stay neighbours."""
    views, offsets, base = [], [], []
    shift = 0
    for array in arrays:
        _, places, data = array.buffers()
        found = np.frombuffer(places, np.int64, len(array) + 1, 8 * array.offset) if len(array) else [0]
        view = memoryview(data if data is not None else b"")
        views.append(view)
        offsets.append(np.asarray(found))
        base.append(shift)
        shift += len(array)
    low = np.concatenate([found[:-1] for found in offsets])
    high = np.concatenate([found[1:] for found in offsets])
    length = high[at] - low[at]
    begins = np.ones(len(at), bool)
    begins[1:] = (np.diff(at) != 1) | (at[1:] == base[1])
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(at)) - 1 if len(at) else first
    kind = (at[first] >= base[1]).tolist()
    spans = zip(kind, low[at[first]].tolist(), high[at[last]].tolist(), strict=True)
    data = b"".join([views[which][a:b] for which, a, b in spans])
    places = np.zeros(len(at) + 1, np.int64)
    np.cumsum(length, out=places[1:])
    buffers = [None, pa.py_buffer(places), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_binary(), len(at), buffers)
