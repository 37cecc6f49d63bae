"""Attributes of a shapefile, read from the raw bytes of its DBF.

GDAL decodes text before anyone can look at it and cannot open a table whose field names were cut within a
character. Here names and values stay bytes until the encoding is known.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.errors import InputError, Where
from landremed.io.encoding import (
    TextEncoding,
    canonical_encoding,
    decodes,
    language_encoding,
    likely_encoding,
    plainly_gb2312,
)

__all__ = ["DbfField", "DbfTable", "Decoded", "choose_encoding", "read_dbf"]

_UTF8, _GB = "UTF-8", "GB18030"
_OTHERS = {_UTF8: _GB, _GB: _UTF8}
_GROUNDS = {_UTF8: "utf-8 bytes", _GB: "not utf-8"}

_TEXT = "C"
_MAX_SAMPLES = 200_000
_LONGEST_HEAD = 1 << 16
_NAME_BYTES = 10


@dataclass(frozen=True, slots=True)
class DbfField:
    """One field as declared: raw name, type letter, place in the record, decimals."""

    name: bytes
    kind: str
    start: int
    width: int
    decimals: int


@dataclass(frozen=True, slots=True)
class DbfTable:
    """A DBF in memory, nothing decoded.

    Attributes
    ----------
    fields : tuple of DbfField
        In file order.
    records : ndarray of uint8
        ``(rows, record length)``, deleted ones included.
    language : int
        Language byte of the header.
    """

    fields: tuple[DbfField, ...]
    records: npt.NDArray[np.uint8]
    language: int

    def cells(self, field: DbfField) -> npt.NDArray[np.bytes_]:
        """Return the raw cells of a field, trailing blanks and NULs cut."""
        block = np.ascontiguousarray(self.records[:, field.start : field.start + field.width])
        cells = block.view(f"S{field.width}").ravel()
        return np.char.rstrip(cells, b" \0") if len(cells) else cells

    def to_arrow(self, encoding: TextEncoding) -> Decoded:
        """Decode into an arrow table."""
        decoded = [_decode(f.name, encoding, len(f.name) >= _NAME_BYTES) for f in self.fields]
        names = _unique_names([text for text, _ in decoded])
        odd = sum(fate not in ("", "broken") for _, fate in decoded)
        cut = [
            name
            for f, name in zip(self.fields, names, strict=True)
            if len(f.name) >= _NAME_BYTES and not decodes(f.name, encoding.name)
        ]
        arrays: list[pa.Array] = []
        broken = 0
        others: list[tuple[str, npt.NDArray[np.int64]]] = []
        for field, name in zip(self.fields, names, strict=True):
            if field.kind == _TEXT:
                array, bad, rows = _text_array(self.cells(field), encoding, field.width)
                broken += bad
                if len(rows):
                    others.append((name, rows))
            else:
                array = _OTHER.get(field.kind, _nothing)(self.cells(field), field)
            arrays.append(array)
        return Decoded(pa.table(arrays, names=names), broken, tuple(others), odd, tuple(cut))


@dataclass(frozen=True, slots=True)
class Decoded:
    """The attributes of a DBF as text and numbers.

    Attributes
    ----------
    table : pyarrow.Table
        All fields that hold values.
    broken : int
        Number of distinct texts that are not in the encoding; bad bytes became U+FFFD.
    others : tuple of (str, ndarray)
        Fields with texts in the other of UTF-8 and GB18030, and their rows from 0.
    other_names : int
        Number of field names in the other one.
    cut : tuple of str
        Names of fields that end within a character.
    """

    table: pa.Table
    broken: int
    others: tuple[tuple[str, npt.NDArray[np.int64]], ...]
    other_names: int
    cut: tuple[str, ...]


def read_dbf(path: Path, where: Where) -> DbfTable:
    """Read a DBF without decoding it.

    Raises
    ------
    InputError
        When the header is not one of a DBF or records are missing.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            data = stream.read(_LONGEST_HEAD)
    except OSError as error:
        raise InputError("file_unreadable", where, reason=error.strerror or str(error)) from error
    if len(data) < 33:
        raise InputError("file_truncated", where)
    rows, head, length = struct.unpack("<IHH", data[4:12])
    fields: list[DbfField] = []
    at, start = 32, 1
    while at + 32 <= min(head, len(data)) and data[at] != 0x0D:
        name = data[at : at + 11].split(b"\0")[0]
        kind, width, decimals = chr(data[at + 11]), data[at + 16], data[at + 17]
        if kind == _TEXT and decimals:
            width += 256 * decimals  # long text fields keep the high byte there
            decimals = 0
        fields.append(DbfField(name, kind, start, width, decimals))
        at, start = at + 32, start + width
    if head < 33 or length < 1 or start > length or any(f.width == 0 for f in fields):
        raise InputError("file_not_of_type", where, driver="DBF", found="unknown")
    if size < head + rows * length:
        raise InputError("file_truncated", where)
    records = np.zeros((0, length), np.uint8)
    if rows:
        records = np.memmap(path, np.uint8, mode="r", offset=head, shape=(rows, length))
    return DbfTable(tuple(fields), records, data[29])


def choose_encoding(table: DbfTable, cpg: str | None, given: str | None, where: Where) -> TextEncoding:
    """Choose the encoding of a DBF; the order is that of the module ``encoding``.

    A ``.cpg`` or language byte that the bytes contradict does not count.

    Raises
    ------
    InputError
        When ``given`` is no encoding, or nothing fits.
    """
    samples = _samples(table)
    likely = [likely_encoding(raw, cut=cut) for raw, cut in samples]
    votes = {name: likely.count(name) for name in (_UTF8, _GB)}
    if given is not None:
        name = canonical_encoding(given)
        if name is None:
            raise InputError("encoding_name_unknown", where, encoding=given)
        against = "" if _agrees(name, votes, samples) else max(votes, key=lambda one: votes[one])
        return TextEncoding(name, "given", guessed=False, against=against)
    page = (cpg or "").strip("\ufeff \t\r\n\0")
    declared = [
        (ground, label, name)
        for ground, label, name in (
            ("cpg", f".cpg: {page}", canonical_encoding(page)),
            ("ldid", f"LDID 0x{table.language:02X}", language_encoding(table.language)),
        )
        if name is not None
    ]
    mixed = all(votes.values())
    against = ""
    for ground, label, name in declared:
        if _agrees(name, votes, samples) and (name in votes or _misfits(samples, name) == 0):
            if likely.count("") and name in votes and not votes[name]:
                continue
            return TextEncoding(name, ground, guessed=False, against=against, mixed=mixed and name in votes)
        against = against or label
    if not samples:
        return TextEncoding(_UTF8, "ascii", guessed=False)
    if not any(votes.values()) and declared and likely.count(""):
        return TextEncoding(declared[0][2], declared[0][0], guessed=False)
    if likely.count("") * 10 > len(samples):
        raise InputError("encoding_unclear", where)
    best = _UTF8 if votes[_UTF8] >= votes[_GB] else _GB
    return TextEncoding(best, _GROUNDS[best], guessed=True, against=against, mixed=mixed)


def _agrees(name: str, votes: dict[str, int], samples: list[tuple[bytes, bool]]) -> bool:
    """Tell whether the bytes do not plainly speak against an encoding."""
    if name in votes:
        return votes[name] >= max(votes.values())
    if votes[_UTF8] and not votes[_GB]:
        return False
    return not plainly_gb2312(samples, name)


def _misfits(samples: list[tuple[bytes, bool]], name: str) -> int:
    return sum(not decodes(raw, name, cut=cut) for raw, cut in samples)


def _samples(table: DbfTable) -> list[tuple[bytes, bool]]:
    """Return the distinct non-ASCII names and texts; a full cell may be cut within a character."""
    found: dict[tuple[bytes, bool], None] = {}
    for field in table.fields:
        if any(byte > 127 for byte in field.name):
            found[field.name, len(field.name) >= 10] = None
    for field in table.fields:
        if field.kind != _TEXT or not len(table.records):
            continue
        block = table.records[:, field.start : field.start + field.width]
        rows = np.flatnonzero((block > 127).any(axis=1))
        cells = np.unique(np.ascontiguousarray(block[rows]).view(f"S{field.width}").ravel())
        for cell in cells[:_MAX_SAMPLES]:
            raw = bytes(cell)
            found[raw.rstrip(b" \0"), len(raw) >= field.width] = None
    return list(found)


def _decode(raw: bytes, encoding: TextEncoding, cut: bool) -> tuple[str, str]:
    """Return a text and what became of it: "", ``broken``, or the other encoding that it is in."""
    name, fate = encoding.name, ""
    if encoding.mixed and not raw.isascii() and likely_encoding(raw, cut=cut) == _OTHERS[name]:
        name = fate = _OTHERS[name]
    try:
        return raw.decode(name), fate
    except UnicodeDecodeError as error:
        if len(raw) - error.start <= 3:  # cut off at the end of the field
            try:
                return raw[: error.start].decode(name), fate
            except UnicodeDecodeError:
                pass
        return raw.decode(name, errors="replace"), "broken"


def _unique_names(names: list[str]) -> list[str]:
    """Return names that are all different and not empty."""
    taken: set[str] = set()
    result = []
    for place, name in enumerate(names, start=1):
        base = name.strip() or f"field_{place}"
        chosen, count = base, 1
        while chosen.casefold() in taken:
            chosen, count = f"{base}_{count}", count + 1
        taken.add(chosen.casefold())
        result.append(chosen)
    return result


def _text_array(
    cells: npt.NDArray[np.bytes_], encoding: TextEncoding, width: int
) -> tuple[pa.Array, int, npt.NDArray[np.int64]]:
    distinct, codes = np.unique(cells, return_inverse=True)
    texts: list[str | None] = []
    fates = []
    for cell in distinct:
        text, fate = _decode(bytes(cell), encoding, len(cell) >= width)
        fates.append(fate)
        texts.append(text if text else None)
    values = pa.array(texts, type=pa.string())
    codes = codes.ravel().astype(np.int64)
    other = np.array([fate not in ("", "broken") for fate in fates], bool)
    rows = np.flatnonzero(other[codes]) if other.any() else np.zeros(0, np.int64)
    return values.take(pa.array(codes)), fates.count("broken"), rows


def _number_array(cells: npt.NDArray[np.bytes_], field: DbfField) -> pa.Array:
    texts = np.char.strip(cells, b" \0")
    whole = field.decimals == 0 and field.width < 19 and field.kind == "N"
    distinct, codes = np.unique(texts, return_inverse=True)
    values: list[float | int | None] = []
    for raw in distinct:
        values.append(_number(bytes(raw), whole))
    if whole and any(isinstance(v, float) for v in values):
        values = [None if v is None else float(v) for v in values]
        whole = False
    array = pa.array(values, type=pa.int64() if whole else pa.float64())
    return array.take(pa.array(codes.ravel().astype(np.int64)))


def _number(raw: bytes, whole: bool) -> float | int | None:
    if not raw or raw.startswith(b"*"):
        return None
    try:
        return int(raw) if whole else float(raw)
    except ValueError:
        pass
    try:
        return float(raw.replace(b",", b"."))
    except ValueError:
        return None


def _date_array(cells: npt.NDArray[np.bytes_], field: DbfField) -> pa.Array:
    from datetime import date

    distinct, codes = np.unique(cells, return_inverse=True)
    values: list[date | None] = []
    for raw in distinct:
        try:
            values.append(date(int(raw[:4]), int(raw[4:6]), int(raw[6:8])))
        except ValueError:
            values.append(None)
    return pa.array(values, type=pa.date32()).take(pa.array(codes.ravel().astype(np.int64)))


def _flag_array(cells: npt.NDArray[np.bytes_], field: DbfField) -> pa.Array:
    true = np.isin(cells, [b"T", b"t", b"Y", b"y", b"1"])
    false = np.isin(cells, [b"F", b"f", b"N", b"n", b"0"])
    return pa.array(true, type=pa.bool_(), mask=~(true | false))


def _whole_array(cells: npt.NDArray[np.bytes_], field: DbfField) -> pa.Array:
    if field.width != 4:
        return _nothing(cells, field)
    return pc.cast(
        pa.array([struct.unpack("<i", bytes(c).ljust(4, b"\0"))[0] for c in cells], pa.int32()), "int64"
    )


def _nothing(cells: npt.NDArray[np.bytes_], field: DbfField) -> pa.Array:
    return pa.nulls(len(cells), pa.string())


_OTHER: dict[str, Any] = {
    "N": _number_array,
    "F": _number_array,
    "D": _date_array,
    "L": _flag_array,
    "I": _whole_array,
}
