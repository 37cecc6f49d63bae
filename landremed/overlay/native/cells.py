"""Values of Arrow columns as they stand in records of SQLite's file format.

Columns are described by the table of ``landremed.io.bulk_columns``, whose addresses are read here.
"""

from __future__ import annotations

from landremed.io.bulk_columns import BLOB, CODED, NOTHING, REAL, TEXT, WHOLE
from landremed.overlay.native.arrays import I8, U1
from landremed.overlay.native.compiled import inlined
from landremed.overlay.native.memory import copy_from, load_i32, load_i64, load_u8, put_be

__all__ = ["cell_bytes", "cell_type", "is_there", "put_cell", "put_u16", "put_u32_big", "put_varint"]

__all__ += ["text_at", "varint_size"]

_KIND, _VALUES, _OFFSETS, _STEP, _VALID, _FIRST, _WIDTH, _CODES = 0, 1, 2, 3, 4, 5, 6, 7
_REAL, _ZERO, _BLOB, _TEXT = 7, 8, 12, 13
_INFINITE, _MAGNITUDE = 0x7FF0000000000000, 0x7FFFFFFFFFFFFFFF


@inlined
def varint_size(v: int) -> int:
    """Return how many bytes a number takes, seven bits a byte."""
    n = 1
    while v >= 128:
        v >>= 7
        n += 1
    return n


@inlined
def put_varint(b: U1, i: int, v: int) -> int:
    """Write a number, seven bits a byte, all but the last byte marked; return the place behind it."""
    if v < 128:
        b[i] = v
        return i + 1
    n = varint_size(v)
    for k in range(n):
        byte = (v >> (7 * (n - 1 - k))) & 127
        b[i + k] = byte | 128 if k < n - 1 else byte
    return i + n


@inlined
def put_u16(b: U1, i: int, v: int) -> None:
    """Write a big-endian number of two bytes."""
    b[i] = (v >> 8) & 255
    b[i + 1] = v & 255


@inlined
def put_u32_big(b: U1, i: int, v: int) -> None:
    """Write a big-endian number of four bytes."""
    put_u16(b, i, v >> 16)
    put_u16(b, i + 2, v & 65535)


@inlined
def is_there(columns: I8, c: int, i: int) -> bool:
    """Tell whether a value is not null."""
    if columns[c, _VALID] == 0:
        return True
    bit = columns[c, _FIRST] + i
    return (load_u8(columns[c, _VALID] + (bit >> 3)) >> (bit & 7)) & 1 == 1


@inlined
def text_at(columns: I8, c: int, i: int) -> tuple[int, int]:
    """Return the address of a text and how many bytes it has."""
    if columns[c, _KIND] == CODED:
        i = load_i32(columns[c, _CODES] + 4 * i)
    place = columns[c, _OFFSETS] + columns[c, _STEP] * i
    if columns[c, _STEP] == 4:
        start = load_i32(place)
        return columns[c, _VALUES] + start, load_i32(place + 4) - start
    start = load_i64(place)
    return columns[c, _VALUES] + start, load_i64(place + 8) - start


@inlined
def cell_type(columns: I8, c: int, i: int) -> int:
    """Return the serial type of a value."""
    kind = columns[c, _KIND]
    if kind == NOTHING or not is_there(columns, c, i):
        return 0
    if kind == TEXT or kind == CODED:
        size = text_at(columns, c, i)[1]
        return _TEXT + 2 * size if size > 0 else 0
    if kind == WHOLE:
        width = columns[c, _WIDTH]
        if width == 0:
            return _ZERO + load_i64(columns[c, _VALUES] + 8 * i)
        return width if width <= 4 else (5 if width == 6 else 6)
    if kind == REAL:
        bits = load_i64(columns[c, _VALUES] + 8 * i) & _MAGNITUDE
        if bits > _INFINITE:
            return 0
        return _ZERO if bits == 0 else _REAL
    return _BLOB + 2 * columns[c, _WIDTH]


@inlined
def cell_bytes(serial: int) -> int:
    """Return how many bytes a value of some serial type takes."""
    if serial >= _BLOB:
        return (serial - _BLOB) >> 1
    if serial < 5:
        return serial
    if serial == 5:
        return 6
    return 8 if serial <= _REAL else 0


@inlined
def put_cell(b: U1, p: int, columns: I8, c: int, i: int, serial: int) -> int:
    """Write a value of a known serial type; return the place behind it.

    Up to eight bytes behind the value may be written over.
    """
    if serial == 0 or serial == _ZERO or serial == _ZERO + 1:
        return p
    kind = columns[c, _KIND]
    if kind == TEXT or kind == CODED:
        place, size = text_at(columns, c, i)
        copy_from(b, p, place, size)
        return p + size
    if kind == WHOLE:
        width = columns[c, _WIDTH]
        put_be(b, p, load_i64(columns[c, _VALUES] + 8 * i) << (64 - 8 * width))
        return p + width
    if kind == REAL:
        put_be(b, p, load_i64(columns[c, _VALUES] + 8 * i))
        return p + 8
    if kind == BLOB:
        width = columns[c, _WIDTH]
        copy_from(b, p, columns[c, _VALUES] + width * i, width)
        return p + width
    return p
