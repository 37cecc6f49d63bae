"""Polygons as GeoPackage geometries: multipolygons with a head that holds their bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.io.bulk_record import Piece, some
from landremed.io.wkb_scan import polygon_bounds

__all__ = ["GeometryRows", "geometry_rows"]

Floats: TypeAlias = npt.NDArray[np.float64]

_BINARY: Final = pa.large_binary()
_POLYGON_HEADS: Final = (b"\x01\x03\x00\x00\x00", b"\x00\x00\x00\x00\x03")
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
    boxes = polygon_bounds(filled)
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
