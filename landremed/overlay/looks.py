"""What can be told of polygons from their bytes: by kernels where these are at hand, else as always.

The answers are the same either way; kernels need no geometry object and take a fraction of the time. They are
at hand when they have been loaded already, or are compiled and the shapes many: small jobs do not wait.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from landremed.crs import Places, placed
from landremed.io.wkb_scan import perimeters, polygon_bounds
from landremed.overlay.native.compiled import allow_kernels, at_hand, follow_engine, mark_loaded
from landremed.threads import in_threads

__all__ = [
    "allow_kernels",
    "at_hand",
    "bounds_of",
    "edges_from",
    "follow_engine",
    "lengths_of",
    "places_of",
    "points_in_boxes",
    "shares_of",
    "surely_valid",
]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

_SHARE_BYTES: Final = 1 << 22  # looked at by one thread at a time


def surely_valid(wkb: pa.Array) -> BoolArray:
    """Tell which rows are certainly valid polygons; of the others nothing is said.

    Parameters
    ----------
    wkb : pyarrow.Array
        ``large_binary`` 2-D WKB of any type, sound or not.

    Returns
    -------
    ndarray of bool
        All False where the kernels are not at hand.
    """
    if not at_hand(wkb.nbytes):
        return np.zeros(len(wkb), bool)
    from landremed.overlay.native.soundness import SOUND

    return np.asarray((_looked(wkb, deep=True)[2] & SOUND) > 0)


def places_of(wkb: pa.Array) -> Places:
    """Return what ``landremed.crs.placed`` does: first vertices, and rows that are not finite.

    Parameters
    ----------
    wkb : pyarrow.Array
        ``large_binary`` 2-D WKB of any type, sound or not.
    """
    if not at_hand(wkb.nbytes):
        return placed(wkb)
    from landremed.overlay.native.soundness import FINITE, PLAIN

    _, first, state = _looked(wkb, deep=False)
    plain, finite = (state & PLAIN) > 0, (state & FINITE) > 0
    rest = _others(wkb, plain)
    found = placed(wkb.take(pa.array(rest)))
    rows = np.concatenate([np.flatnonzero(finite), rest[found.rows]])
    x = np.concatenate([first[finite, 0], found.x])
    y = np.concatenate([first[finite, 1], found.y])
    bad = np.concatenate([np.flatnonzero(plain & ~finite), rest[found.not_finite]])
    order = np.argsort(rows, kind="stable")
    return Places(x[order], y[order], rows[order], np.sort(bad))


def bounds_of(wkb: pa.Array) -> FloatArray:
    """Return x min, y min, x max, y max of every row, NaN for null and empty ones.

    Parameters
    ----------
    wkb : pyarrow.Array
        ``binary`` or ``large_binary`` 2-D polygons and multipolygons.
    """
    if not at_hand(wkb.nbytes):
        return polygon_bounds(wkb)
    from landremed.overlay.native.soundness import FINITE

    box, _, state = _looked(wkb, deep=False)
    rest = _others(wkb, (state & FINITE) > 0)
    if len(rest):
        box[rest] = polygon_bounds(wkb.take(pa.array(rest)))
    return box


def lengths_of(wkb: pa.Array, rows: IntArray) -> FloatArray:
    """Return the length of all rings of some rows, in the units of their coordinates; 0 for null ones.

    Parameters
    ----------
    wkb : pyarrow.Array
        ``binary`` or ``large_binary`` 2-D polygons and multipolygons.
    rows : ndarray of int
        Rows wanted.
    """
    if not at_hand(wkb.nbytes):
        return perimeters(wkb.take(pa.array(rows)))
    from landremed.overlay.native.layerset import wkb_bytes
    from landremed.overlay.native.soundness import outline_lengths

    data, offsets = wkb_bytes(wkb)
    found: FloatArray = outline_lengths(data, offsets, rows.astype(np.int64))
    return found


def edges_from(wkb: pa.Array, rows: IntArray, least: float) -> tuple[FloatArray, IntArray]:
    """Return the edges of some rows that go at least so far along the axes together.

    Parameters
    ----------
    wkb : pyarrow.Array
        ``binary`` or ``large_binary`` 2-D polygons and multipolygons.
    rows : ndarray of int
        Rows wanted, none of them null.
    least : float
        In the units of their coordinates.

    Returns
    -------
    edges : ndarray (n, 4)
        First and last point of each.
    owner : ndarray of int
        Number in ``rows`` of each one's row.
    """
    if at_hand(int(pc.sum(pc.binary_length(wkb).take(pa.array(rows))).as_py() or 0)):
        from landremed.overlay.native.layerset import bytes_of_rows
        from landremed.overlay.native.outlines import long_edges

        found: tuple[FloatArray, IntArray] = long_edges(*bytes_of_rows(wkb, rows), least)
        return found
    shapes = shapely.from_wkb(wkb.take(pa.array(rows)).to_numpy(zero_copy_only=False))
    parts, owner = shapely.get_parts(shapes, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    far = np.abs(xy[1:] - xy[:-1]).sum(axis=1) >= least
    at = np.flatnonzero((ring[1:] == ring[:-1]) & far)
    return np.column_stack([xy[at], xy[at + 1]]), owner[part[ring[at]]].astype(np.int64)


def points_in_boxes(points: FloatArray, boxes: FloatArray) -> tuple[IntArray, IntArray]:
    """Return pairs of a box and a point that lies in it, or on its edge.

    Parameters
    ----------
    points : ndarray (n, 2)
        Coordinates.
    boxes : ndarray (m, 4)
        Bounds; none may be NaN.
    """
    if not at_hand(boxes.nbytes):
        box, point = shapely.STRtree(shapely.points(points)).query(shapely.box(*boxes.T))
        return box, point
    from landremed.overlay.native.layerset import grid_over
    from landremed.overlay.native.search import join_boxes

    flat = np.ascontiguousarray(np.column_stack([points, points]))
    first, found = join_boxes(np.ascontiguousarray(boxes), 0, len(boxes), flat, *grid_over(flat))
    return np.repeat(np.arange(len(boxes)), np.diff(first)), found.astype(np.int64)


def shares_of(offsets: IntArray) -> list[IntArray]:
    """Cut stretches of bytes into shares of a few megabytes; return the offsets of each.

    Parameters
    ----------
    offsets : ndarray of int
        Where each stretch begins, and where the last ends.
    """
    count = max(1, int(offsets[-1] - offsets[0]) // _SHARE_BYTES)
    ends = np.linspace(int(offsets[0]), int(offsets[-1]), count + 1)[1:-1]
    cuts = np.unique(np.r_[0, np.searchsorted(offsets, ends), len(offsets) - 1]).tolist()
    return [offsets[a : b + 1] for a, b in pairwise(cuts)]


def _looked(wkb: pa.Array, *, deep: bool) -> tuple[FloatArray, FloatArray, IntArray]:
    from landremed.overlay.native.layerset import wkb_bytes
    from landremed.overlay.native.soundness import look_over

    data, offsets = wkb_bytes(wkb)
    look: Callable[[IntArray], Any] = lambda share: look_over(data, share, deep)  # noqa: E731
    parts = in_threads(look, shares_of(offsets))
    mark_loaded()
    if not parts:
        return np.zeros((0, 4)), np.zeros((0, 2)), np.zeros(0, np.int64)
    box, first, state = (np.concatenate(column) for column in zip(*parts, strict=True))
    return box, first, state


def _others(wkb: pa.Array, known: BoolArray) -> IntArray:
    """Return the rows that hold something of which nothing is known yet."""
    filled = np.asarray(wkb.is_valid()) if wkb.null_count else np.ones(len(wkb), bool)
    return np.flatnonzero(filled & ~known)
