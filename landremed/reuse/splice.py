"""Rows of an earlier run and rows made anew, put together in the order of today's parcels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.reuse.coded import recoded

__all__ = ["Splice", "put_together", "spread", "starts_of"]

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

    @property
    def pays(self) -> bool:
        """Whether so much is taken over that sorting it out costs less than making everything anew."""
        return 2 * len(self.missing) <= len(self)

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
            starts_of(table.column(0).to_numpy(), count)
            for table, count in ((old, int(self.places.max(initial=-1)) + 1), (new, len(self.missing)))
        ]
        first, count = np.empty((2, len(self)), np.int64)
        known = self.old
        for mask, start, at, shift in (
            (known, starts[0], self.places[known], 0),
            (~known, starts[1], np.arange(len(self.missing)), old.num_rows),
        ):
            first[mask], count[mask] = start[at] + shift, start[at + 1] - start[at]
        found = put_together(old, new, spread(first, count))
        parcel = np.repeat(np.arange(len(self), dtype=np.int32), count)
        return found.set_column(0, old.schema.field(0), pa.array(parcel))


def spread(first: Ints, count: Ints) -> Ints:
    """Return all numbers of spans, one span after the other."""
    ends = np.cumsum(count)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - ends + count, count)


def starts_of(number: npt.NDArray[Any], count: int) -> Ints:
    """Return where the rows of each number begin, and where the last one's end, in a column that rises."""
    starts = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(number, minlength=count)[:count], out=starts[1:])
    return starts


def put_together(old: pa.Table, new: pa.Table, at: Ints) -> pa.Table:
    """Return rows of two tables with the same columns; ``at`` counts through the first, then the second.

    Texts that are coded in the first (``landremed.reuse.coded``) are coded in what is returned.
    """
    columns = []
    for number, field in enumerate(old.schema):
        chunks = [*old.column(number).chunks, *new.column(number).chunks]
        columns.append(_gathered([chunk for chunk in chunks if len(chunk)], at, field.type))
    return pa.table(columns, schema=old.schema)


def _gathered(arrays: list[pa.Array], at: Ints, kind: pa.DataType) -> pa.Array:
    if not arrays:
        return pa.array([], kind)
    if pa.types.is_large_binary(kind):
        return _joined(arrays, at)
    if pa.types.is_dictionary(kind):
        return recoded(arrays, at)
    return pa.concat_arrays(arrays).take(pa.array(at))


def _joined(arrays: list[pa.Array], at: Ints) -> pa.Array:
    """Gather shapes, whose bytes are copied in stretches: neighbours mostly stay neighbours."""
    views, offsets = [], []
    for array in arrays:
        _, places, data = array.buffers()
        views.append(memoryview(data if data is not None else b""))
        offsets.append(np.frombuffer(places, np.int64, len(array) + 1, 8 * array.offset))
    start = np.cumsum([0, *(len(array) for array in arrays)])
    low = np.concatenate([found[:-1] for found in offsets])
    high = np.concatenate([found[1:] for found in offsets])
    begins = np.ones(len(at), bool)
    begins[1:] = (np.diff(at) != 1) | np.isin(at[1:], start)
    first = np.flatnonzero(begins)
    last = np.append(first, len(at))[1:] - 1
    which = np.searchsorted(start, at[first], side="right") - 1
    spans = zip(which.tolist(), low[at[first]].tolist(), high[at[last]].tolist(), strict=True)
    data = b"".join([views[number][a:b] for number, a, b in spans])
    places = np.zeros(len(at) + 1, np.int64)
    np.cumsum(high[at] - low[at], out=places[1:])
    buffers = [_validity(arrays, at), pa.py_buffer(places), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_binary(), len(at), buffers)


def _validity(arrays: list[pa.Array], at: Ints) -> pa.Buffer | None:
    if not any(array.null_count for array in arrays):
        return None
    valid = np.concatenate([array.is_valid().to_numpy(zero_copy_only=False) for array in arrays])
    return pa.py_buffer(np.packbits(valid[at], bitorder="little"))
