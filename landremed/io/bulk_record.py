"""Rows of Arrow columns as records of SQLite's file format, all rows of a column at a time.

A record is a header (its own length, then one *serial type* per column) and the values without their types;
numbers are big-endian, lengths and types are variable-length integers of seven bits a byte. Pieces of records
are kept as binary Arrow arrays and joined by Arrow, so that no row is touched by Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "Piece",
    "Value",
    "blob_value",
    "fixed",
    "integer_width",
    "is_storable",
    "joined",
    "null_value",
    "record",
    "some",
    "storable_value",
    "value_type",
    "varints",
    "without_nul",
]

Ints: TypeAlias = npt.NDArray[np.int64]
Bytes: TypeAlias = npt.NDArray[np.uint8]

_BINARY: Final = pa.large_binary()
_EMPTY: Final = pa.scalar(b"", _BINARY)
_NULL, _REAL, _ZERO, _ONE, _BLOB, _TEXT = 0, 7, 8, 9, 12, 13
_INTEGER_TYPES: Final = {1: 1, 2: 2, 3: 3, 4: 4, 6: 5, 8: 6}  # width in bytes -> serial type


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of every row: an Arrow array of them, and their lengths (one number where all are equal)."""

    data: pa.Array
    length: Ints | int


@dataclass(frozen=True, slots=True)
class Value:
    """One column of records: serial types, and the bytes of the values in the order of the pieces."""

    types: Ints | int
    body: Sequence[Piece]


def is_storable(kind: pa.DataType) -> bool:
    """Tell whether a column of this type is stored plainly."""
    return any(holds(value_type(kind)) for holds, _ in _STORED)


def value_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of a column's values, coded or not."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def storable_value(column: pa.Array) -> Value | None:
    """Return a column as SQLite stores it, None where its type is none that is stored plainly here.

    Empty text counts as NULL, and so does NaN; dates are text.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    for holds, stored in _STORED:
        if holds(column.type):
            return stored(column)
    return None


def integer_width(low: int, high: int) -> int:
    """Return how many bytes whole numbers from low to high are stored in, 0 where all are 0 or 1."""
    if low >= 0 and high <= 1:
        return 0
    return next(w for w in _INTEGER_TYPES if -(1 << (8 * w - 1)) <= low and high < 1 << (8 * w - 1))


def without_nul(column: pa.Array) -> pa.Array:
    """Return texts as SQLite can hold them: it would cut one at a character of number zero."""
    data = column.buffers()[2]
    if data is None or not len(column):
        return column
    wide = pa.types.is_large_string(column.type)
    ends = np.frombuffer(column.buffers()[1], np.int64 if wide else np.int32)
    low, high = ends[column.offset], ends[column.offset + len(column)]
    if (
        np.frombuffer(data, np.uint8)[low:high].min(initial=1)
        or not pc.any(pc.match_substring(column, "\0")).as_py()
    ):
        return column
    return pc.replace_substring(column, "\0", "\ufffd")


def null_value() -> Value:
    """Return a column of nothing but NULL."""
    return Value(_NULL, ())


def blob_value(pieces: Sequence[Piece], there: npt.NDArray[np.bool_]) -> Value:
    """Return a column of blobs put together from pieces, NULL where ``there`` is false."""
    length: Any = sum(piece.length for piece in pieces)
    return Value(np.where(there, _BLOB + 2 * length, _NULL), pieces)


def record(values: Sequence[Value], rows: int) -> list[Piece]:
    """Return the pieces of a table's records, in order: header, then values."""
    header = _header([value.types for value in values], rows)
    length: Any = sum(piece.length for piece in header)
    size = np.broadcast_to(np.asarray(length, np.int64), rows)
    # the header's length counts its own one or two bytes
    return [varints(np.where(size < 127, size + 1, size + 2)), *header, *(p for v in values for p in v.body)]


def joined(pieces: Sequence[Piece]) -> pa.Array:
    """Put the pieces of every row together."""
    arrays = [piece.data for piece in pieces]
    return pc.binary_join_element_wise(*arrays, _EMPTY) if len(arrays) > 1 else arrays[0]


def varints(values: Ints) -> Piece:
    r"""Write whole numbers, not negative, in as few bytes of seven bits as they need, the last one unmarked.

    Examples
    --------
    >>> varints(np.array([1, 127, 128, 16384])).data.to_pylist()
    [b'\x01', b'\x7f', b'\x81\x00', b'\x81\x80\x00']
    """
    top = int(values.max(initial=0))
    if top < 128:
        return fixed(values.astype(np.uint8).reshape(-1, 1))
    length = np.ones(len(values), np.int64)
    most = 1
    while top >> (7 * most):
        length += values >= 1 << (7 * most)
        most += 1
    offsets = _offsets(length)
    data = np.empty(offsets[-1], np.uint8)
    for size in range(1, most + 1):
        at = np.flatnonzero(length == size)
        if not len(at):
            continue
        mine, start = values[at], offsets[at]
        for place in range(size):
            byte = (mine >> (7 * (size - 1 - place))) & 0x7F
            data[start + place] = byte | 0x80 if place < size - 1 else byte
    return Piece(_ragged(data, offsets), length)


def some(raw: Bytes, there: npt.NDArray[np.bool_]) -> Piece:
    """Return rows of equal width, nothing where ``there`` is false."""
    if there.all():
        return fixed(raw)
    length = there * np.int64(raw.shape[1])
    return Piece(_ragged(np.ascontiguousarray(raw[there]).reshape(-1), _offsets(length)), length)


def fixed(raw: Bytes) -> Piece:
    """Return rows of equal width (rows, width)."""
    rows, width = raw.shape
    offsets = np.arange(rows + 1, dtype=np.int64) * width
    return Piece(_ragged(np.ascontiguousarray(raw).reshape(-1), offsets), width)


def _header(types: Sequence[Ints | int], rows: int) -> list[Piece]:
    """Write serial types; neighbours of one byte each go into one piece."""
    pieces: list[Piece] = []
    narrow: list[Any] = []

    def flush() -> None:
        if narrow:
            block = np.empty((rows, len(narrow)), np.uint8)
            for at, column in enumerate(narrow):
                block[:, at] = column
            pieces.append(fixed(block))
            narrow.clear()

    for column in types:
        if (column if isinstance(column, int) else int(column.max(initial=0))) < 128:
            narrow.append(column)
        else:
            flush()
            pieces.append(varints(np.broadcast_to(np.asarray(column, np.int64), rows)))
    flush()
    return pieces


def _text(column: pa.Array) -> Value:
    column = without_nul(column)
    length = pc.binary_length(column).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    if not length.any():
        return null_value()
    filled = column.fill_null("") if column.null_count else column
    body = filled.cast(pa.large_string()).cast(_BINARY)
    return Value(np.where(length > 0, _TEXT + 2 * length, _NULL), (Piece(body, length),))


def _integers(column: pa.Array) -> Value:
    there = _there(column)
    numbers = column.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    width = integer_width(int(numbers.min(initial=0)), int(numbers.max(initial=0)))
    if not width:
        return Value(np.where(there, _ZERO + numbers, _NULL), ())
    raw = numbers.astype(">i8").view(np.uint8).reshape(-1, 8)[:, 8 - width :]
    return Value(np.where(there, _INTEGER_TYPES[width], _NULL), (some(raw, there),))


def _reals(column: pa.Array) -> Value:
    numbers = column.fill_null(np.nan).to_numpy(zero_copy_only=False)
    there = ~np.isnan(numbers)
    # as SQLite does: the whole number zero takes no bytes, and a column of reals gives it back as 0.0
    zero = numbers == 0
    types = np.where(there, np.where(zero, _ZERO, _REAL), _NULL)
    raw = numbers.astype(">f8").view(np.uint8).reshape(-1, 8)
    return Value(types, (some(raw, there & ~zero),))


def _there(column: pa.Array) -> npt.NDArray[np.bool_]:
    there: npt.NDArray[np.bool_] = column.is_valid().to_numpy(zero_copy_only=False)
    return there


def _offsets(length: Ints) -> Ints:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(length)])


def _ragged(data: Bytes, offsets: Ints) -> pa.Array:
    buffers = [None, pa.py_buffer(np.ascontiguousarray(offsets)), pa.py_buffer(data)]
    return pa.Array.from_buffers(_BINARY, len(offsets) - 1, buffers)


_STORED: Final[Sequence[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], Value]]]] = (
    (pa.types.is_string, _text),
    (pa.types.is_large_string, _text),
    (pa.types.is_date32, lambda column: _text(column.cast(pa.string()))),
    (pa.types.is_boolean, lambda column: _integers(column.cast(pa.int8()))),
    (pa.types.is_signed_integer, _integers),
    (pa.types.is_floating, lambda column: _reals(column.cast(pa.float64()))),
)
