"""Stored geometries as 2-D little-endian WKB."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "PlainGeometry",
    "as_large_binary",
    "geometry_types",
    "has_curves",
    "plain_wkb",
    "sound_offsets",
    "wkb_buffers",
]

_CURVES = frozenset(range(8, 18))
"""ISO base types that are no plain points, lines or polygons (curves, surfaces, TINs)."""

_TYPE_MASK = 0x0FFFFFFF


@dataclass(frozen=True, slots=True)
class PlainGeometry:
    """Geometries after normalising.

    Attributes
    ----------
    wkb : pyarrow.Array
        ``large_binary``, 2-D, little-endian; null where nothing is stored or nothing can be read.
    flattened : int
        Rows that lost a Z or M value.
    unreadable : ndarray of int64
        Rows whose bytes are no geometry.
    """

    wkb: pa.Array
    flattened: int
    unreadable: npt.NDArray[np.int64]


def as_large_binary(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return one contiguous ``large_binary`` array without offset."""
    if isinstance(column, pa.ChunkedArray):
        wide = pc.cast(column, pa.large_binary())
        array = (
            wide.chunk(0)
            if wide.num_chunks == 1
            else pa.concat_arrays(wide.chunks or [pa.array([], pa.large_binary())])
        )
    else:
        array = pc.cast(column, pa.large_binary())
    return pa.concat_arrays([array]) if array.offset else array


def sound_offsets(column: pa.ChunkedArray) -> bool:
    """Tell whether a binary column's offsets rise and stay within its data."""
    for chunk in column.chunks:
        _, offsets, data = chunk.buffers()
        if not len(chunk):
            continue
        kind = np.int64 if pa.types.is_large_binary(chunk.type) else np.int32
        size = np.dtype(kind).itemsize
        places = np.frombuffer(offsets, kind, count=len(chunk) + 1, offset=size * chunk.offset)
        if (np.diff(places) < 0).any() or places[-1] > (data.size if data is not None else 0):
            return False
    return True


def has_curves(wkb: pa.Array) -> bool:
    """Tell whether a row holds arcs or surfaces, which plain WKB readers do not know."""
    kinds = (geometry_types(wkb)[1] & _TYPE_MASK) % 1000
    return bool(np.isin(kinds, list(_CURVES)).any())


def wkb_buffers(wkb: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return offsets (rows + 1) and bytes of a ``large_binary`` array without copying."""
    _, offsets, data = wkb.buffers()
    if len(wkb) == 0:
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    places = np.frombuffer(offsets, np.int64, count=len(wkb) + 1, offset=8 * wkb.offset)
    return places, np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)


def geometry_types(wkb: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
    """Return byte order and raw type number per row; both 0 for rows without geometry or header."""
    offsets, data = wkb_buffers(wkb)
    order = np.zeros(len(wkb), np.uint8)
    kind = np.zeros(len(wkb), np.uint32)
    rows = np.flatnonzero(np.diff(offsets) >= 5)
    if wkb.null_count:
        rows = rows[np.asarray(wkb.is_valid())[rows]]
    at = offsets[:-1][rows]
    order[rows] = data[at]
    little = np.zeros(len(rows), np.uint32)
    big = np.zeros(len(rows), np.uint32)
    for place in range(4):
        byte = data[at + 1 + place].astype(np.uint32)
        little |= byte << np.uint32(8 * place)
        big |= byte << np.uint32(8 * (3 - place))
    kind[rows] = np.where(data[at] == 0, big, little)
    return order, kind


def plain_wkb(wkb: pa.Array) -> PlainGeometry:
    """Drop Z and M, turn big-endian bytes round, and find what is no geometry.

    Rows that are plain already keep their bytes.
    """
    import shapely

    order, kind = geometry_types(wkb)
    present = np.asarray(wkb.is_valid()) if wkb.null_count else np.ones(len(wkb), bool)
    base = (kind & _TYPE_MASK) % 1000
    flat = (order == 1) & (kind == base) & (base >= 1) & (base <= 7)
    rows = np.flatnonzero(present & ~flat)
    if not len(rows):
        return PlainGeometry(wkb, 0, np.zeros(0, np.int64))
    some = wkb.take(pa.array(rows))
    with np.errstate(invalid="ignore"):
        geometries = shapely.from_wkb(some.to_numpy(zero_copy_only=False), on_invalid="ignore")
    lost = shapely.has_z(geometries) | shapely.has_m(geometries)
    plain = shapely.to_wkb(shapely.force_2d(geometries), byte_order=1, output_dimension=2)
    values = np.empty(len(rows), dtype=object)
    values[:] = plain
    mask = np.zeros(len(wkb), bool)
    mask[rows] = True
    result = pc.replace_with_mask(wkb, pa.array(mask), pa.array(values, pa.large_binary(), from_pandas=True))
    return PlainGeometry(result, int(lost.sum()), rows[shapely.is_missing(geometries)])
