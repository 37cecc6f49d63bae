"""Hash of what a layer holds, whatever file it lies in."""

from __future__ import annotations

import hashlib
import struct
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from landremed.tables import whole_array
from landremed.threads import in_threads

__all__ = ["BLOCK", "BlockHash", "content_hash"]


BLOCK: Final = 65_536
"""Rows hashed at a time."""


def content_hash(attributes: pa.Table, wkb: pa.Array, crs: str | None) -> str:
    """Return the SHA-256 of names, types, values, geometry and CRS.

    The rows are hashed in blocks, so that a layer can be hashed while it is being read (`BlockHash`).
    Integers count as 64-bit integers, all floats as doubles, every timestamp as milliseconds, so that the
    width a format happens to store makes no difference. File bytes, chunks, and slack do not enter.

    Parameters
    ----------
    attributes : pyarrow.Table
        Attribute columns.
    wkb : pyarrow.Array
        ``large_binary`` geometries, row for row.
    crs : str or None
        Canonical text of the CRS.
    """
    blocks = BlockHash()
    starts = range(0, max(len(wkb), 1), BLOCK)
    for found in in_threads(lambda at: _of_block(attributes.slice(at, BLOCK), wkb.slice(at, BLOCK)), starts):
        blocks.add_hash(found)
    return blocks.finished(crs)


class BlockHash:
    """The hash of a layer whose rows arrive in blocks of `BLOCK`, the last one shorter."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256(b"landremed layer 2\n")

    def add(self, attributes: pa.Table, wkb: pa.Array) -> None:
        """Add the next rows."""
        self.add_hash(_of_block(attributes, wkb))

    def add_hash(self, found: bytes) -> None:
        """Add the hash of the next rows."""
        self._digest.update(found)

    def finished(self, crs: str | None) -> str:
        """Return the hash once all rows are in."""
        whole = self._digest.copy()
        _text(whole, crs or "")
        return whole.hexdigest()


def _of_block(attributes: pa.Table, wkb: pa.Array) -> bytes:
    block = hashlib.sha256(struct.pack("<qq", attributes.num_rows, attributes.num_columns))
    for name, column in zip(attributes.column_names, attributes.columns, strict=True):
        _text(block, name)
        _column(block, whole_array(column))
    _column(block, wkb)
    return block.digest()


def _text(digest: Any, text: str) -> None:
    raw = text.encode()
    digest.update(struct.pack("<q", len(raw)))
    digest.update(raw)


def _column(digest: Any, array: pa.Array) -> None:
    array = _canonical(array)
    _text(digest, str(array.type))
    if array.null_count:
        digest.update(np.packbits(np.asarray(array.is_valid())).tobytes())
    else:
        digest.update(b"all")
    if pa.types.is_large_binary(array.type) or pa.types.is_large_string(array.type):
        _variable(digest, array)
    else:
        digest.update(
            np.ascontiguousarray(array.fill_null(0).to_numpy(zero_copy_only=False)).view(np.uint8).data
        )


def _variable(digest: Any, array: pa.Array) -> None:
    if array.null_count:
        array = array.fill_null(b"" if pa.types.is_large_binary(array.type) else "")
    if not len(array):
        return
    _, offsets, data = array.buffers()
    places = np.frombuffer(offsets, np.int64, count=len(array) + 1, offset=8 * array.offset)
    digest.update(np.ascontiguousarray(places - places[0]).view(np.uint8).data)
    if data is not None:
        digest.update(memoryview(data)[int(places[0]) : int(places[-1])])


def _canonical(array: pa.Array) -> pa.Array:
    """Return the values in the one type that stands for their kind."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = array.type
    if pa.types.is_timestamp(kind):
        return pc.cast(pc.cast(array, pa.timestamp("ms", kind.tz), safe=False), pa.int64())
    if pa.types.is_date(kind):
        return pc.cast(pc.cast(array, pa.date32()), pa.int32())
    for belongs, target in _TARGETS:
        if belongs(kind):
            return pc.cast(array, target)
    return pc.cast(array, pa.large_string())


_TARGETS = (
    (pa.types.is_boolean, pa.uint8()),
    (pa.types.is_unsigned_integer, pa.uint64()),
    (pa.types.is_integer, pa.int64()),
    (pa.types.is_floating, pa.float64()),
    (pa.types.is_binary, pa.large_binary()),
    (pa.types.is_large_binary, pa.large_binary()),
)
