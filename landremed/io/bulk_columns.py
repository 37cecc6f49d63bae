"""Columns of a table as compiled code reads them: where their values lie in memory, nothing copied.

What is stored of a value is said in ``landremed.io.bulk_record``, which makes the same records without
compiled code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from landremed.io.bulk_record import Bytes, Ints, integer_width, without_nul

__all__ = ["BLOB", "CODED", "NOTHING", "REAL", "SHAPE", "TEXT", "WHOLE", "Columns"]

NOTHING: Final = 0
"""A column of NULL."""
TEXT: Final = 1
CODED: Final = 2
"""Text by its number in a dictionary."""
WHOLE: Final = 3
REAL: Final = 4
BLOB: Final = 5
"""Bytes, as many in every row."""
SHAPE: Final = 6
"""Polygons as WKB, which lie elsewhere."""

_FIELDS: Final = 8  # kind, values, ends of texts, their width, validity, first bit of it, width, codes


@dataclass
class Columns:
    """Columns one behind the other.

    Attributes
    ----------
    places : list of list of int
        Per column: kind; address of the values; address of the offsets of texts, and bytes of each; address
        of the validity bits or 0, and number of the first; bytes of a stored whole number (0: it is 0 or 1)
        or of a blob; address of the codes.
    held : list
        What the addresses lie in.
    """

    places: list[list[int]] = field(default_factory=list)
    held: list[object] = field(default_factory=list)

    def table(self) -> Ints:
        """Return ``places`` as an array."""
        return np.array(self.places, np.int64).reshape(-1, _FIELDS)

    def add_nothing(self) -> None:
        """Add a column of NULL."""
        self.places.append([NOTHING, *[0] * (_FIELDS - 1)])

    def add_shapes(self, wkb: pa.Array) -> None:
        """Add the column of polygons; of the array only what is null is looked at."""
        self._add(SHAPE, wkb)

    def add_blobs(self, rows: Bytes) -> None:
        """Add a column of blobs of equal length (rows, length)."""
        raw = np.ascontiguousarray(rows)
        self.held.append(raw)
        self.places.append([BLOB, raw.ctypes.data, 0, 0, 0, 0, raw.shape[1], 0])

    def add(self, column: pa.Array) -> bool:
        """Add a column, False when its type is none that is stored plainly."""
        kind = column.type
        if pa.types.is_dictionary(kind):
            return self._add_coded(column)
        if pa.types.is_date32(kind):
            return self.add(column.cast(pa.string()))
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            self._add_text(column)
        elif pa.types.is_boolean(kind) or pa.types.is_signed_integer(kind):
            self._add_whole(column)
        elif pa.types.is_floating(kind):
            self._add(REAL, column.cast(pa.float64()))
        else:
            return False
        return True

    def _add_whole(self, column: pa.Array) -> None:
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.int8())
        numbers = column.cast(pa.int64())
        ends = pc.min_max(numbers)
        low, high = (ends[key].as_py() or 0 for key in ("min", "max"))
        self._add(WHOLE, numbers, width=integer_width(min(low, 0), max(high, 0)))

    def _add_text(self, column: pa.Array, kind: int = TEXT) -> list[int]:
        column = without_nul(column)
        _, offsets, data = column.buffers()
        width = 8 if pa.types.is_large_string(column.type) else 4
        self.held.append(column)
        first = _address(offsets) + width * column.offset
        place = [kind, _address(data), first, width, *_validity(column), 0, 0]
        self.places.append(place)
        return place

    def _add_coded(self, column: pa.DictionaryArray) -> bool:
        words = column.dictionary
        text = pa.types.is_string(words.type) or pa.types.is_large_string(words.type)
        if words.null_count or not text:
            return self.add(column.dictionary_decode())
        place = self._add_text(words, CODED)
        codes = column.indices.cast(pa.int32())
        self.held.append(codes)
        place[4:6] = _validity(codes)
        place[7] = _address(codes.buffers()[1]) + 4 * codes.offset
        return True

    def _add(self, kind: int, column: pa.Array, *, width: int = 0) -> None:
        """Add a column of numbers of eight bytes, or of shapes."""
        self.held.append(column)
        values = _address(column.buffers()[1]) + 8 * column.offset if kind != SHAPE else 0
        self.places.append([kind, values, 0, 0, *_validity(column), width, 0])


def _validity(column: pa.Array) -> tuple[int, int]:
    """Return the address of the bits that tell which rows are not null, or 0, and the number of the first."""
    return (_address(column.buffers()[0]), column.offset) if column.null_count else (0, 0)


def _address(buffer: pa.Buffer | None) -> int:
    return buffer.address if buffer is not None else 0
