"""Polygons unpacked for the kernels, and the grid that finds them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.overlay.native.arrays import B1, F8, I4, I8, U1
from landremed.overlay.native.rings import count_rings, fill_rings, plane_areas
from landremed.overlay.native.search import build_boxes, build_grid, count_boxes, join_boxes
from landremed.threads import in_threads, usable_threads

__all__ = ["AreaKindCode", "LayerIndex", "RingSet", "bytes_of_rows", "grid_over", "wkb_bytes"]

_SHARE_BYTES: Final = 16_000_000

AreaKindCode: TypeAlias = tuple[int, float, float]
"""0 plane, 1 survey, 2 measured from the pieces; false easting, m; central meridian, degrees."""


@dataclass(frozen=True)
class RingSet:
    """Polygons of one table as closed rings.

    Attributes
    ----------
    buf, off : WKB of all rows and its offsets
    xy, ro, fr : coordinates, ring offsets, feature offsets
    bb : bounding box per feature
    outer : whether each ring is an outer one
    box, first : trees of boxes over the rings
    plane : plane area per feature, m²
    """

    buf: U1
    off: I8
    xy: F8
    ro: I8
    fr: I8
    bb: F8
    outer: B1
    box: F8
    first: I8
    plane: F8

    @property
    def geo(self) -> tuple[Any, ...]:
        """The arrays that kernels take."""
        return self.xy, self.ro, self.fr, self.bb, self.box, self.first

    @classmethod
    def from_bytes(cls, buf: U1, off: I8) -> RingSet:
        """Unpack 2-D little-endian polygon WKB; empty strings are rows without geometry."""
        spans = _spans(len(off) - 1, len(buf))
        counted = in_threads(lambda span: count_rings(buf, off, *span), spans)
        rings = np.concatenate([found for found, _ in counted])
        if (rings < 0).any():
            row = int(np.flatnonzero(rings < 0)[0])
            raise ValueError(f"row {row} is no 2-D little-endian Polygon or MultiPolygon")
        fr, start = _offsets(rings), _offsets(np.array([points for _, points in counted]))
        ro, outer = np.zeros(fr[-1] + 1, np.int64), np.zeros(fr[-1], np.bool_)
        xy, bb, plane = np.empty((start[-1], 2)), np.empty((len(rings), 4)), np.empty(len(rings))
        in_threads(
            lambda part: fill_rings(buf, off, *part[0], part[1], fr, ro, outer, xy, bb),
            list(zip(spans, start[:-1].tolist(), strict=True)),
        )
        first = count_boxes(ro)
        box = np.empty((first[-1], 4))

        def finish(span: tuple[int, int]) -> None:
            lo, hi = span
            build_boxes(xy, ro, first, fr[lo], fr[hi], box)
            plane_areas(xy, ro, fr, lo, hi, plane)

        in_threads(finish, spans)
        return cls(buf, off, xy, ro, fr, bb, outer, box, first, plane)


@dataclass(frozen=True)
class LayerIndex:
    """One layer's polygons with a uniform grid over their bounding boxes."""

    rings: RingSet
    group: npt.NDArray[np.int32] | None
    grid: tuple[Any, ...]

    @classmethod
    def build(cls, rings: RingSet, group: npt.NDArray[np.int32] | None) -> LayerIndex:
        """Index a layer."""
        return cls(rings, group, grid_over(rings.bb))

    def candidates(self, bb: F8) -> tuple[I8, I4]:
        """Return, per bounding box, the features whose boxes meet it (offsets, ascending ids)."""
        first, feature = join_boxes(bb, 0, len(bb), self.rings.bb, *self.grid)
        return first, feature


def _spans(rows: int, size: int) -> list[tuple[int, int]]:
    """Divide rows of so many bytes in all into shares that are worth a thread each."""
    shares = max(1, min(usable_threads(), size // _SHARE_BYTES))
    at = [rows * share // shares for share in range(shares + 1)]
    return list(pairwise(at))


def _offsets(count: I8) -> I8:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])


def grid_over(boxes: F8) -> tuple[Any, ...]:
    """Return a grid over boxes: about one of them per cell, cells no smaller than needed for 4 million."""
    bb = boxes[boxes[:, 0] <= boxes[:, 2]]
    if not len(bb):
        return 0.0, 0.0, 1.0, 1, 1, np.zeros(2, np.int64), np.empty(0, np.int32)
    x0, y0 = bb[:, :2].min(axis=0)
    x1, y1 = bb[:, 2:].max(axis=0)
    wide, high = max(x1 - x0, 1e-6), max(y1 - y0, 1e-6)
    typical = float(np.median(np.maximum(bb[:, 2] - bb[:, 0], bb[:, 3] - bb[:, 1])))
    cell = max(np.sqrt(wide * high / len(bb)), typical, wide / 2000, high / 2000)
    nx, ny = int(wide / cell) + 1, int(high / cell) + 1
    start, ids = build_grid(boxes, x0, y0, cell, nx, ny)
    return x0, y0, cell, nx, ny, start, ids


def wkb_bytes(wkb: pa.Array) -> tuple[U1, I8]:
    """Return the bytes of a binary column and their offsets; null rows are empty."""
    if wkb.null_count:
        wkb = pc.fill_null(wkb, b"")
    wide = pa.types.is_large_binary(wkb.type)
    buffers = wkb.buffers()
    offsets = np.frombuffer(buffers[1], np.int64 if wide else np.int32)[
        wkb.offset : wkb.offset + len(wkb) + 1
    ]
    data = np.frombuffer(buffers[2] if buffers[2] is not None else b"", np.uint8)
    data.flags.writeable = False
    return data, np.array(offsets, np.int64)


def bytes_of_rows(wkb: pa.Array, rows: I8) -> tuple[U1, I8, I8]:
    """Return the bytes of a binary column, their offsets, and where some rows, none of them null, lie in it."""
    if wkb.null_count:  # only they are copied
        wkb, rows = wkb.take(pa.array(rows)), np.arange(len(rows))
    return (*wkb_bytes(wkb), rows.astype(np.int64))
