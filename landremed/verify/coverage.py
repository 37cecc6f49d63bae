"""Exact share of every raster cell that lies in a polygon.

Polygons are given in cell coordinates: x counts columns to the right, y counts rows downwards, cell (r, c)
is the unit square from (c, r) to (c + 1, r + 1). No sampling: every edge is cut at the grid lines, and each
piece adds the signed area between itself and the right-hand end of its row (the area to the right of a piece
within its own cell, its whole height in the cells beyond). Summed along the row this is the exact covered
area of each cell, holes and several parts included. The rounding error stays below 1e-9 of a cell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

__all__ = ["ENGINES", "Cells", "CoverageEngine", "Windows", "covered_cells", "exactextract_cells"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]

_NOTHING: Final = 1e-12
_ANY_PLANE: Final = "EPSG:32650"  # exactextract wants a CRS; cell coordinates have none


@dataclass(frozen=True, slots=True)
class Windows:
    """One window of cells per polygon: rows ``top <= r < bottom``, columns ``left <= c < right``."""

    top: IntArray
    left: IntArray
    bottom: IntArray
    right: IntArray

    def __len__(self) -> int:
        return len(self.top)

    def take(self, rows: IntArray) -> Windows:
        """Return the windows of some polygons."""
        return Windows(self.top[rows], self.left[rows], self.bottom[rows], self.right[rows])

    @property
    def cells(self) -> IntArray:
        """Number of cells per window; 0 where the window is empty."""
        height = np.maximum(self.bottom - self.top, 0)
        return np.asarray(height * np.maximum(self.right - self.left, 0), np.int64)


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells that polygons cover.

    Attributes
    ----------
    polygon, row, column : ndarray of int64
        Polygon by its place in the input, and the cell; ordered by polygon, row and column.
    share : ndarray of float64
        Covered share of the cell, above 0 and at most 1.
    """

    polygon: IntArray
    row: IntArray
    column: IntArray
    share: FloatArray


Shapes: TypeAlias = Sequence[Any] | npt.NDArray[Any]
CoverageEngine: TypeAlias = Callable[[Shapes, Windows], Cells]


def covered_cells(polygons: Shapes, windows: Windows) -> Cells:
    """Return the covered share of every cell of each polygon's window.

    Parameters
    ----------
    polygons : sequence of shapely polygons or multipolygons
        Valid, in cell coordinates.
    windows : Windows
        Cells to look at; what lies outside is left out, not moved in.

    Examples
    --------
    >>> one = np.array([0]), np.array([0]), np.array([2]), np.array([2])
    >>> covered_cells([shapely.box(0.5, 0.25, 1.5, 1.0)], Windows(*one)).share.tolist()
    [0.375, 0.375]
    """
    edges = _edges(polygons)
    pieces = _cut(*edges)
    width = np.maximum(windows.right - windows.left, 0)
    height = np.maximum(windows.bottom - windows.top, 0)
    stride = width + 1  # one more column takes what passes on beyond the window
    start = np.concatenate([[0], np.cumsum(height * stride)])
    sums = _accumulate(pieces, windows, stride, start)
    lines = np.repeat(np.arange(len(windows)), height)
    first = (
        start[lines] + (np.arange(len(lines)) - np.repeat(np.cumsum(height) - height, height)) * stride[lines]
    )
    along = np.concatenate([[0.0], np.cumsum(sums)])
    share = along[1:] - np.repeat(along[first], stride[lines])
    return _covered(share, windows, stride, start)


def exactextract_cells(polygons: Shapes, windows: Windows) -> Cells:
    """Return the same from the library exactextract (extra ``raster``), as a second opinion.

    It keeps shares as 32-bit numbers: single cells differ by up to 6e-8.
    """
    import geopandas as gpd
    from exactextract import exact_extract
    from exactextract.raster import NumPyRasterSource

    some = np.flatnonzero(windows.cells > 0)
    if not len(some):
        return _cells([], [], [], [])
    top, left = int(windows.top[some].min()), int(windows.left[some].min())
    bottom, right = int(windows.bottom[some].max()), int(windows.right[some].max())
    frame = gpd.GeoDataFrame(geometry=_upright(np.asarray(polygons, dtype=object)[some]), crs=_ANY_PLANE)
    grid = np.zeros((bottom - top, right - left), np.uint8)
    source = NumPyRasterSource(grid, left, -bottom, right, -top, srs_wkt=frame.crs.to_wkt())
    found = exact_extract(source, frame, ["cell_id", "coverage"], output="pandas")
    counts = [len(values) for values in found["cell_id"]]
    polygon = np.repeat(some, counts)
    number = np.concatenate([*found["cell_id"], []]).astype(np.int64)
    share = np.concatenate([*found["coverage"], []]).astype(np.float64)
    row, column = number // (right - left) + top, number % (right - left) + left
    inside = (row >= windows.top[polygon]) & (row < windows.bottom[polygon])
    inside &= (column >= windows.left[polygon]) & (column < windows.right[polygon]) & (share > _NOTHING)
    order = np.lexsort((column, row, polygon))
    order = order[inside[order]]
    return Cells(polygon[order], row[order], column[order], share[order])


ENGINES: Final[dict[str, CoverageEngine]] = {"own": covered_cells, "exactextract": exactextract_cells}
"""Ways to the same shares; ``own`` is the one that runs everywhere alike."""


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Pieces of edges that lie in one cell each."""

    polygon: IntArray
    row: IntArray
    column: IntArray
    height: FloatArray
    left_part: FloatArray  # mean distance from the cell's left side


def _upright(shapes: Any) -> Any:
    return shapely.transform(shapes, lambda xy: xy * [1.0, -1.0])


def _cells(polygon: Any, row: Any, column: Any, share: Any) -> Cells:
    polygon, row, column = (np.asarray(values, np.int64) for values in (polygon, row, column))
    return Cells(polygon, row, column, np.asarray(share, np.float64))


def _edges(polygons: Shapes) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return polygon, begin and end of every edge that is not level; holes turn the other way."""
    shapes = shapely.orient_polygons(np.asarray(polygons, dtype=object), exterior_cw=True)
    parts, of_part = shapely.get_parts(shapes, return_index=True)
    rings, of_ring = shapely.get_rings(parts, return_index=True)
    points, of_point = shapely.get_coordinates(rings, return_index=True)
    same = of_point[1:] == of_point[:-1]
    level = points[1:, 1] == points[:-1, 1]
    keep = np.flatnonzero(same & ~level)
    return of_part[of_ring[of_point[keep]]], points[keep], points[keep + 1]


def _cut(polygon: IntArray, begin: FloatArray, end: FloatArray) -> _Pieces:
    """Cut every edge at the grid lines it crosses."""
    count = len(polygon)
    edge, places = [np.arange(count), np.arange(count)], [begin, end]
    along = [np.zeros(count), np.ones(count)]
    for axis in (0, 1):
        low = np.floor(np.minimum(begin[:, axis], end[:, axis]))
        lines = np.maximum(np.ceil(np.maximum(begin[:, axis], end[:, axis])) - low - 1, 0).astype(np.int64)
        of = np.repeat(np.arange(count), lines)
        nth = np.arange(len(of)) - np.repeat(np.cumsum(lines) - lines, lines)
        line = low[of] + 1 + nth
        t = (line - begin[of, axis]) / (end[of, axis] - begin[of, axis])
        place = begin[of] + t[:, None] * (end[of] - begin[of])
        place[:, axis] = line
        edge.append(of)
        along.append(t)
        places.append(place)
    edges, xy = np.concatenate(edge), np.concatenate(places)
    order = np.lexsort((np.concatenate(along), edges))
    edges, xy = edges[order], xy[order]
    same = np.flatnonzero(edges[1:] == edges[:-1])
    a, b = xy[same], xy[same + 1]
    middle = (a + b) / 2.0
    cell = np.floor(middle).astype(np.int64)
    return _Pieces(polygon[edges[same]], cell[:, 1], cell[:, 0], b[:, 1] - a[:, 1], middle[:, 0] - cell[:, 0])


def _accumulate(pieces: _Pieces, windows: Windows, stride: IntArray, start: IntArray) -> FloatArray:
    """Return, cell by cell, what a running sum along the row turns into covered area."""
    p = pieces.polygon
    keep = (pieces.row >= windows.top[p]) & (pieces.row < windows.bottom[p])
    keep &= pieces.column < windows.right[p]
    p, row, column = p[keep], pieces.row[keep], pieces.column[keep]
    height, part = pieces.height[keep], pieces.left_part[keep]
    left = windows.left[p]
    part = np.where(column < left, 0.0, part)  # left of the window: everything in it lies to the right
    at = start[p] + (row - windows.top[p]) * stride[p] + np.maximum(column - left, 0)
    size = int(start[-1])
    sums = np.bincount(at, height * (1.0 - part), minlength=size)
    sums += np.bincount(at + 1, height * part, minlength=size)[:size]
    return np.asarray(sums, np.float64)


def _covered(share: FloatArray, windows: Windows, stride: IntArray, start: IntArray) -> Cells:
    at = np.flatnonzero(np.abs(share) > _NOTHING)
    polygon = np.searchsorted(start, at, side="right") - 1
    within = at - start[polygon]
    row, column = within // stride[polygon], within % stride[polygon]
    inside = column < stride[polygon] - 1
    at, polygon, row, column = at[inside], polygon[inside], row[inside], column[inside]
    return Cells(
        polygon.astype(np.int64),
        row + windows.top[polygon],
        column + windows.left[polygon],
        np.clip(share[at], 0.0, 1.0),
    )
