"""Polygons as GeoPackage geometries: multipolygons with a head that holds their bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from landremed.io.bulk_record import Ints, Piece, some

__all__ = ["GeometryRows", "geometry_rows"]

Floats: TypeAlias = npt.NDArray[np.float64]

_BINARY: Final = pa.large_binary()
_POLYGON_HEADS: Final = (b"\x01\x03\x00\x00\x00", b"\x00\x00\x00\x00\x03")
_ONE_RING: Final = bytes.fromhex("010300000001000000")
_MULTI_POLYGON_OF_ONE: Final = bytes.fromhex("010600000001000000")
_LITTLE_ENDIAN, _WITH_BOUNDS, _IS_EMPTY = 0x01, 0x02, 0x10


@dataclass(frozen=True, slots=True)
class GeometryRows:
    """Geometries of some rows.

    Attributes
    ----------
    pieces : sequence of Piece
        Parts of each blob, of no length where there is no geometry.
    there : ndarray of bool
        Which rows have a geometry.
    boxes : ndarray (n, 4)
        x min, y min, x max, y max; NaN for none and for empty ones.
    """

    pieces: Sequence[Piece]
    there: npt.NDArray[np.bool_]
    boxes: Floats


def geometry_rows(wkb: pa.Array, srs_id: int) -> GeometryRows:
    """Return polygons as a GeoPackage stores them; single ones are promoted to multipolygons of one.

    Parameters
    ----------
    wkb : pyarrow.Array
        ``binary`` or ``large_binary`` 2-D WKB of polygons and multipolygons.
    srs_id : int
        Of the layer, in ``gpkg_spatial_ref_sys``.
    """
    wkb = wkb.cast(_BINARY)
    there = wkb.is_valid().to_numpy(zero_copy_only=False)
    filled = wkb.fill_null(b"") if wkb.null_count else wkb
    length = pc.binary_length(filled).to_numpy(zero_copy_only=False).astype(np.int64)
    boxes = _bounds(filled, length)
    bounded = ~np.isnan(boxes[:, 0])
    head = np.zeros((len(wkb), 8), np.uint8)
    head[:, :2] = np.frombuffer(b"GP", np.uint8)
    head[:, 3] = _LITTLE_ENDIAN | np.where(bounded, _WITH_BOUNDS, _IS_EMPTY)
    head[:, 4:] = np.frombuffer(srs_id.to_bytes(4, "little", signed=True), np.uint8)
    envelope = np.ascontiguousarray(boxes[:, [0, 2, 1, 3]]).astype("<f8").view(np.uint8).reshape(-1, 32)
    single = pc.is_in(pc.binary_slice(filled, 0, 5), pa.array(_POLYGON_HEADS, _BINARY)).to_numpy(
        zero_copy_only=False
    )
    around = np.broadcast_to(np.frombuffer(_MULTI_POLYGON_OF_ONE, np.uint8), (len(wkb), 9))
    pieces = (some(head, there), some(envelope, bounded), some(around, single), Piece(filled, length))
    return GeometryRows(pieces, there, boxes)


def _bounds(wkb: pa.Array, length: Ints) -> Floats:
    """Return the bounds of each geometry; a polygon of one ring is nothing but its coordinates."""
    boxes = np.full((len(wkb), 4), np.nan)
    plain = pc.equal(pc.binary_slice(wkb, 0, 9), pa.scalar(_ONE_RING, _BINARY)).to_numpy(zero_copy_only=False)
    plain &= length > 13
    # an open end makes Arrow ask for a buffer of negative size
    rings = pc.binary_slice(wkb.filter(pa.array(plain)), 13, int(length.max(initial=13)))
    if len(rings):
        _, offsets, data = rings.buffers()
        ends = np.frombuffer(offsets, np.int64, len(rings) + 1)
        xy = np.frombuffer(data, np.float64, int(ends[-1] - ends[0]) // 8, int(ends[0])).reshape(-1, 2)
        first = (ends[:-1] - ends[0]) // 16
        for side, coordinate in enumerate(np.ascontiguousarray(xy.T)):
            boxes[plain, side] = np.minimum.reduceat(coordinate, first)
            boxes[plain, side + 2] = np.maximum.reduceat(coordinate, first)
    rest = np.flatnonzero(~plain & (length > 0))
    if len(rest):
        raw = wkb.take(pa.array(rest)).to_numpy(zero_copy_only=False)
        boxes[rest] = shapely.bounds(shapely.from_wkb(raw))
    return boxes
