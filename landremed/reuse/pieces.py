"""Pieces of parcels as they are kept: one that is the whole parcel is not kept a second time.

Many parcels lie wholly in one unit and on one land use, so that these pieces would be much of the file.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.io.wkb import wkb_buffers
from landremed.overlay.looks import at_hand
from landremed.tables import whole_array

__all__ = ["with_whole", "without_whole"]

_GEOMETRY: Final = "geometry"
_WKB: Final = pa.large_binary()


def without_whole(overlaps: pa.Table, shapes: pa.Array) -> pa.Table:
    """Return overlaps with no geometry where it is the parcel's, byte for byte.

    Parameters
    ----------
    overlaps : pyarrow.Table
        ``landremed.overlay.tables.OVERLAP_SCHEMA``.
    shapes : pyarrow.Array
        WKB of the parcels by the numbers that ``parcel`` gives.
    """
    size = pc.binary_length(shapes).fill_null(-1).to_numpy(zero_copy_only=False)
    chunks = [
        _left_out(batch["parcel"].to_numpy(), batch[_GEOMETRY], shapes, size)
        for batch in overlaps.to_batches()
    ]
    return _with_geometry(overlaps, pa.chunked_array(chunks, _WKB))


def with_whole(overlaps: pa.Table, shapes: pa.Array) -> pa.Table:
    """Return what ``without_whole`` was given."""
    geometry = whole_array(overlaps[_GEOMETRY])
    if not geometry.null_count:
        return overlaps
    parcel = overlaps["parcel"].to_numpy()
    made = (_gathered if at_hand(shapes.nbytes) else _taken)(parcel, geometry, shapes)
    return _with_geometry(overlaps, pa.chunked_array([made]))


def _left_out(
    parcel: npt.NDArray[np.int32], geometry: pa.Array, shapes: pa.Array, whole_bytes: npt.NDArray[Any]
) -> pa.Array:
    own = pc.binary_length(geometry).to_numpy(zero_copy_only=False)
    alike = np.flatnonzero(whole_bytes[parcel] == own)
    same = pc.equal(shapes.take(pa.array(parcel[alike])).cast(_WKB), geometry.take(pa.array(alike)))
    left_out = np.zeros(len(parcel), bool)
    left_out[alike] = same.to_numpy(zero_copy_only=False)
    return geometry.take(pa.array(np.arange(len(parcel)), mask=left_out))


def _taken(parcel: npt.NDArray[np.int32], geometry: pa.Array, shapes: pa.Array) -> pa.Array:
    return pc.coalesce(geometry, shapes.take(pa.array(parcel)).cast(_WKB))


def _gathered(parcel: npt.NDArray[np.int32], geometry: pa.Array, shapes: pa.Array) -> pa.Array:
    """Do the same, each byte copied once."""
    from landremed.overlay.native.rings import gather_bytes

    kept = geometry.is_valid().to_numpy(zero_copy_only=False)
    sources = [
        (*_bytes(geometry), np.where(kept, np.arange(len(parcel)), -1)),
        (*_bytes(shapes.cast(_WKB)), np.where(kept, -1, parcel)),
    ]
    offsets = np.zeros(len(parcel) + 1, np.int64)
    for _, ends, pick in sources:
        mine = pick >= 0
        offsets[1:][mine] = np.diff(ends)[pick[mine]]
    np.cumsum(offsets, out=offsets)
    room = pa.allocate_buffer(int(offsets[-1]))
    data = np.frombuffer(room, np.uint8)
    for raw, ends, pick in sources:
        gather_bytes(pick.astype(np.int64), raw, ends, data, offsets[:-1])
    buffers: list[Any] = [None, pa.py_buffer(offsets), room]
    return pa.Array.from_buffers(_WKB, len(parcel), buffers)


def _bytes(wkb: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return the bytes of shapes, of which kernels only read, and where each begins."""
    ends, data = wkb_buffers(wkb)
    raw = data[:]
    raw.flags.writeable = False
    return raw, np.array(ends)


def _with_geometry(overlaps: pa.Table, geometry: pa.ChunkedArray) -> pa.Table:
    at = overlaps.schema.get_field_index(_GEOMETRY)
    return overlaps.set_column(at, overlaps.schema.field(at), geometry)
