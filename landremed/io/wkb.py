"""Stored geometries as 2-D little-endian WKB."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "PlainGeometry",
    "as_large_binary",
    "geometry_types",
    "has_curves",
    "loose_coordinates",
    "parse_wkb",
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


def parse_wkb(wkb: pa.Array) -> npt.NDArray[np.object_]:
    """Return shapely geometries, None for null and for bytes that GEOS does not accept."""
    import shapely

    with np.errstate(invalid="ignore"):
        return np.asarray(
            shapely.from_wkb(wkb.to_numpy(zero_copy_only=False), on_invalid="ignore"), dtype=object
        )


def loose_coordinates(raw: bytes) -> npt.NDArray[np.float64] | None:
    """Return all vertices of a 2-D WKB geometry that GEOS does not accept, such as rings with NaN.

    Returns
    -------
    ndarray of float64, shape (n, 2), or None
        None when the bytes are no WKB.
    """
    found: list[Any] = []
    try:
        if _walk(raw, 0, found, 0) != len(raw):
            return None
    except (struct.error, ValueError, IndexError):
        return None
    return np.concatenate(found) if found else np.zeros((0, 2))


def _walk(raw: bytes, at: int, found: list[Any], depth: int) -> int:
    """Collect the vertices of the geometry at a place; return the place behind it."""
    order = "<" if raw[at] == 1 else ">"
    (kind,) = struct.unpack_from(order + "I", raw, at + 1)
    at += 5
    if kind not in _NESTED or depth > _MAX_DEPTH:
        raise ValueError("no plain geometry")
    rings, parts = _NESTED[kind]
    if kind == 1:
        return _points(raw, at, 1, order, found)
    (count,) = struct.unpack_from(order + "I", raw, at)
    if count > len(raw):
        raise ValueError("more than the bytes hold")
    if not rings and not parts:
        return _points(raw, at + 4, count, order, found)
    at += 4
    for _ in range(count):
        if parts:
            at = _walk(raw, at, found, depth + 1)
        else:
            (points,) = struct.unpack_from(order + "I", raw, at)
            at = _points(raw, at + 4, points, order, found)
    return at


def _points(raw: bytes, at: int, count: int, order: str, found: list[Any]) -> int:
    if at + 16 * count > len(raw):
        raise ValueError("more than the bytes hold")
    found.append(np.frombuffer(raw, order + "f8", count=2 * count, offset=at).reshape(-1, 2))
    return at + 16 * count


_NESTED = {
    1: (False, False),
    2: (False, False),
    3: (True, False),
    4: (False, True),
    5: (False, True),
    6: (False, True),
    7: (False, True),
}
"""Type -> whether it holds rings, whether it holds geometries."""

_MAX_DEPTH = 8


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
    geometries = parse_wkb(some)
    lost = shapely.has_z(geometries) | shapely.has_m(geometries)
    plain = shapely.to_wkb(shapely.force_2d(geometries), byte_order=1, output_dimension=2)
    values = np.empty(len(rows), dtype=object)
    values[:] = plain
    mask = np.zeros(len(wkb), bool)
    mask[rows] = True
    result = pc.replace_with_mask(wkb, pa.array(mask), pa.array(values, pa.large_binary(), from_pandas=True))
    return PlainGeometry(result, int(lost.sum()), rows[shapely.is_missing(geometries)])
