"""Looks into WKB without building geometries: first vertices, and rows that may hold NaN or infinity.

Checks of a whole layer would else cost more than reading it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from landremed.io.wkb import geometry_types, loose_coordinates, parse_wkb, wkb_buffers

__all__ = ["first_vertices", "not_finite_rows", "perimeters", "polygon_bounds"]

_POLYGON, _MULTIPOLYGON = 3, 6
_FIRST = {_POLYGON: 13, _MULTIPOLYGON: 22}
"""Type -> bytes before the first vertex: header, counts, and the header of the first part."""

_BLOCK = 1 << 24
_ROWS = 8192
_BINARY = pa.large_binary()
_ONE_RING = bytes.fromhex("010300000001000000")


def first_vertices(
    wkb: pa.Array,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return x and y of the first vertex of every row that has one, and the row numbers.

    Parameters
    ----------
    wkb : pyarrow.Array
        ``large_binary``, 2-D little-endian.
    """
    offsets, data = wkb_buffers(wkb)
    lengths = np.diff(offsets)
    order, kinds = geometry_types(wkb)
    x, y = np.full((2, len(wkb)), np.nan)
    slow = np.asarray(wkb.is_valid()) if wkb.null_count else np.ones(len(wkb), bool)
    for kind, ahead in _FIRST.items():
        rows = np.flatnonzero((kinds == kind) & (order == 1) & (lengths >= ahead + 16))
        starts = (offsets[:-1][rows] + ahead)[:, None]
        counts = data[starts + np.arange(-8, 0)].view(np.uint32)
        filled = (counts > 0).all(axis=1)  # the first part may be empty
        rows, starts = rows[filled], starts[filled]
        pairs = data[starts + np.arange(16)].view(np.float64)
        x[rows], y[rows] = pairs[:, 0], pairs[:, 1]
        slow[rows] = False
    others = np.flatnonzero(slow)
    points, index = shapely.get_coordinates(parse_wkb(wkb.take(pa.array(others))), return_index=True)
    found, first = np.unique(index, return_index=True)
    x[others[found]], y[others[found]] = points[first, 0], points[first, 1]
    rows = np.flatnonzero(~np.isnan(x) & ~np.isnan(y))
    return x[rows], y[rows], rows


def polygon_bounds(wkb: pa.Array) -> npt.NDArray[np.float64]:
    """Return x min, y min, x max, y max of every row, NaN for null and empty ones.

    A polygon of one ring is nothing but its coordinates, so that most rows need no parsing.

    Parameters
    ----------
    wkb : pyarrow.Array
        ``binary`` or ``large_binary`` 2-D polygons and multipolygons.
    """
    # some rows at a time: fresh memory costs more than the work on it
    parts = [_some_bounds(wkb.slice(start, _ROWS)) for start in range(0, len(wkb), _ROWS)]
    return np.concatenate(parts) if parts else np.zeros((0, 4))


def perimeters(wkb: pa.Array) -> npt.NDArray[np.float64]:
    """Return the length of all rings of each row in the units of its coordinates, 0 for null and empty ones.

    Parameters
    ----------
    wkb : pyarrow.Array
        ``binary`` or ``large_binary`` 2-D polygons and multipolygons.
    """
    parts = [_some_perimeters(wkb.slice(start, _ROWS)) for start in range(0, len(wkb), _ROWS)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _some_perimeters(wkb: pa.Array) -> npt.NDArray[np.float64]:
    found = np.zeros(len(wkb))
    plain, xy, first, rest, raw = _rings(wkb)
    if len(xy):
        length = np.hypot(*np.diff(np.ascontiguousarray(xy.T), append=0.0))
        length[np.r_[first[1:], len(xy)] - 1] = 0.0  # from one ring to the next
        found[plain] = np.add.reduceat(length, first)
    if len(rest):
        found[rest] = shapely.length(shapely.from_wkb(raw))
    return found


def _some_bounds(wkb: pa.Array) -> npt.NDArray[np.float64]:
    boxes = np.full((len(wkb), 4), np.nan)
    plain, xy, first, rest, raw = _rings(wkb)
    if len(xy):
        for side, coordinate in enumerate(np.ascontiguousarray(xy.T)):
            boxes[plain, side] = np.minimum.reduceat(coordinate, first)
            boxes[plain, side + 2] = np.maximum.reduceat(coordinate, first)
    if len(rest):
        boxes[rest] = shapely.bounds(shapely.from_wkb(raw))
    return boxes


class _Rings(NamedTuple):
    """Rows that are one ring, their vertices and where each begins; other rows that are filled, their WKB."""

    plain: npt.NDArray[np.bool_]
    xy: npt.NDArray[np.float64]
    first: npt.NDArray[np.int64]
    rest: npt.NDArray[np.int64]
    raw: npt.NDArray[np.object_]


def _rings(wkb: pa.Array) -> _Rings:
    wkb = wkb.cast(_BINARY)
    wkb = wkb.fill_null(b"") if wkb.null_count else wkb
    length = pc.binary_length(wkb).to_numpy(zero_copy_only=False)
    plain = pc.equal(pc.binary_slice(wkb, 0, 9), pa.scalar(_ONE_RING, _BINARY)).to_numpy(zero_copy_only=False)
    # bytes behind the last vertex, which readers pass over, are no vertices
    plain &= length > 13
    starts, data = wkb_buffers(wkb)
    counts = data[(starts[:-1][plain] + 9)[:, None] + np.arange(4)].view(np.uint32)[:, 0]
    plain[plain] = length[plain] == 13 + 16 * counts.astype(np.int64)
    # an open end makes Arrow ask for a buffer of negative size
    rings = pc.binary_slice(wkb.filter(pa.array(plain)), 13, int(length.max(initial=13)))
    xy, first = np.zeros((0, 2)), np.zeros(0, np.int64)
    if len(rings):
        _, offsets, data = rings.buffers()
        ends = np.frombuffer(offsets, np.int64, len(rings) + 1)
        xy = np.frombuffer(data, np.float64, int(ends[-1] - ends[0]) // 8, int(ends[0])).reshape(-1, 2)
        first = (ends[:-1] - ends[0]) // 16
    rest = np.flatnonzero(~plain & (length > 0))
    raw = wkb.take(pa.array(rest)).to_numpy(zero_copy_only=False)
    return _Rings(plain, xy, first, rest, raw)


def not_finite_rows(wkb: pa.Array) -> npt.NDArray[np.int64]:
    """Return the rows in which a coordinate is NaN or infinite.

    The bytes are searched for the exponent of such numbers; only the rows where it turns up are parsed.
    """
    suspects = _suspects(wkb)
    if not len(suspects):
        return suspects
    some = wkb.take(pa.array(suspects))
    geometries = parse_wkb(some)
    points, index = shapely.get_coordinates(geometries, return_index=True)
    bad = np.zeros(len(suspects), bool)
    bad[index[~np.isfinite(points).all(axis=1)]] = True
    for at in np.flatnonzero(shapely.is_missing(geometries)).tolist():
        loose = loose_coordinates(some[at].as_py())  # a ring that begins with NaN never closes
        bad[at] = loose is not None and not np.isfinite(loose).all()
    return suspects[bad]


def _suspects(wkb: pa.Array) -> npt.NDArray[np.int64]:
    """Return rows with two bytes that could end a number with the exponent of NaN and infinity."""
    offsets, data = wkb_buffers(wkb)
    data = data[: int(offsets[-1])]
    hits = []
    for start in range(int(offsets[0]), len(data), _BLOCK):
        block = data[start : start + _BLOCK + 1]
        found = np.flatnonzero(((block[1:] & 0x7F) == 0x7F) & (block[:-1] >= 0xF0))
        hits.append(found + (start + 1))
    if not hits:
        return np.zeros(0, np.int64)
    places = np.concatenate(hits)
    rows = np.searchsorted(offsets, places, side="right") - 1
    _, kinds = geometry_types(wkb)
    # in a polygon the last byte of a number stands at a multiple of 4: 9, 4 per ring, 8 per number, less 1
    odd = (kinds[rows] == _POLYGON) & ((places - offsets[rows]) % 4 != 0)
    return np.unique(rows[~odd]).astype(np.int64)
