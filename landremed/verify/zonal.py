"""Cells of a raster under many polygons, read window by window.

Polygons are taken tile by tile of the raster, so that memory stays small whatever the raster's size and
every block is read about once. A polygon larger than a window is taken in strips.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from landremed.verify.coverage import Cells, CoverageEngine, Windows
from landremed.verify.rasters import Raster, cell_weights, raster_open

__all__ = ["CellBlock", "ClassTable", "class_table", "ground_weight", "in_cells", "read_cells"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]

_TILE: Final = 1024
_BATCH_CELLS: Final = 2_000_000
_WINDOW_CELLS: Final = 8_000_000
_WHOLE: Final = 1.0 - 1e-9


@dataclass(frozen=True, slots=True)
class CellBlock:
    """Cells under some polygons, with what the raster holds there.

    Attributes
    ----------
    polygon : ndarray of int64
        Polygon by its place in the whole input.
    share : ndarray of float64
        Covered share of the cell; ``weight`` is the same times the cell's relative ground area.
    values : ndarray, one row per band
        Raw cells; ``valid`` says where they hold something.
    """

    polygon: IntArray
    share: FloatArray
    weight: FloatArray
    values: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ClassTable:
    """Cells by polygon and code, ordered by both.

    Attributes
    ----------
    polygon, code : ndarray of int64
        Polygon and class code.
    cells : ndarray of float64
        Covered cells, parts of cells counted by their share.
    weight : ndarray of float64
        Ground area in the raster's own unit.
    whole : ndarray of float64
        Number of cells that lie wholly inside.
    all_weight : ndarray of float64
        Per polygon: its own ground area in the same unit, on the raster or off it.
    """

    polygon: IntArray
    code: IntArray
    cells: FloatArray
    weight: FloatArray
    whole: FloatArray
    all_weight: FloatArray

    def without(self, codes: Iterable[int]) -> ClassTable:
        """Return the table without the rows of some codes."""
        keep = ~np.isin(self.code, list(codes))
        return ClassTable(
            self.polygon[keep],
            self.code[keep],
            self.cells[keep],
            self.weight[keep],
            self.whole[keep],
            self.all_weight,
        )

    def per_polygon(self, values: FloatArray) -> FloatArray:
        """Return a column summed per polygon."""
        return np.asarray(np.bincount(self.polygon, values, len(self.all_weight)), np.float64)


def in_cells(polygons: npt.NDArray[Any], raster: Raster) -> npt.NDArray[Any]:
    """Return polygons of the raster's CRS in its cell coordinates; missing and empty ones become None."""
    shapes = np.array(polygons, dtype=object)
    shapes[shapely.is_empty(shapes)] = None
    return np.asarray(shapely.transform(shapes, raster.to_cells), dtype=object)


def read_cells(
    raster: Raster, shapes: npt.NDArray[Any], engine: CoverageEngine, bands: Sequence[int] = (1,)
) -> Iterator[CellBlock]:
    """Yield the cells under polygons, some polygons at a time.

    Parameters
    ----------
    raster : Raster
        Where to read.
    shapes : ndarray of polygons
        In cell coordinates (`in_cells`); None has no cells.
    engine : callable
        How shares of cells are found (``coverage.ENGINES``).
    bands : sequence of int
        Bands, counted from 1.
    """
    windows = _windows(shapes, raster)
    with raster_open(raster.path, raster.where) as dataset:
        for rows, part in _batches(windows):
            cells = engine(shapes[rows], part)
            if not len(cells.share):
                continue
            yield _block(dataset, raster, rows, cells, bands)


def class_table(raster: Raster, shapes: npt.NDArray[Any], engine: CoverageEngine) -> ClassTable:
    """Count the cells of each class code under each polygon.

    Parameters
    ----------
    raster : Raster
        One band of whole numbers.
    shapes : ndarray of polygons
        In cell coordinates.
    engine : callable
        How shares of cells are found.
    """
    rows: list[tuple[IntArray, IntArray, FloatArray, FloatArray, FloatArray]] = []
    for block in read_cells(raster, shapes, engine):
        codes, nth = np.unique(block.values[0][block.valid], return_inverse=True)
        if not len(codes):
            continue
        keys, at = np.unique(block.polygon[block.valid] * len(codes) + nth, return_inverse=True)
        share, weight = block.share[block.valid], block.weight[block.valid]
        sums = [np.bincount(at, values, len(keys)) for values in (share, weight, share >= _WHOLE)]
        rows.append((keys // len(codes), codes.astype(np.int64)[keys % len(codes)], *sums))
    return ClassTable(*_merged(rows), ground_weight(raster, shapes))


def ground_weight(raster: Raster, shapes: npt.NDArray[Any]) -> FloatArray:
    """Return each polygon's own area in the unit of ``CellBlock.weight``, on or off the raster."""
    area = np.nan_to_num(shapely.area(shapes))
    if raster.crs.is_projected or raster.turned:
        return np.asarray(area, np.float64)
    middle = np.nan_to_num(shapely.get_y(shapely.centroid(shapes)))
    return np.asarray(area * cell_weights(raster, middle - 0.5), np.float64)


def _merged(
    rows: list[tuple[IntArray, IntArray, FloatArray, FloatArray, FloatArray]],
) -> tuple[IntArray, IntArray, FloatArray, FloatArray, FloatArray]:
    """Join the counts of all blocks; a polygon taken in strips has several rows per code."""
    if not rows:
        none = np.zeros(0, np.int64)
        return none, none, np.zeros(0), np.zeros(0), np.zeros(0)
    polygon, code = (np.concatenate([row[i] for row in rows]) for i in (0, 1))
    sums = [np.concatenate([row[i] for row in rows]) for i in (2, 3, 4)]
    order = np.lexsort((code, polygon))
    polygon, code = polygon[order], code[order]
    new = np.ones(len(polygon), bool)
    new[1:] = (np.diff(polygon) != 0) | (np.diff(code) != 0)
    at = np.cumsum(new) - 1
    cells, weight, whole = (np.asarray(np.bincount(at, values[order]), np.float64) for values in sums)
    return polygon[new], code[new], cells, weight, whole


def _windows(shapes: npt.NDArray[Any], raster: Raster) -> Windows:
    """Return the cells each polygon may cover, within the raster."""
    bounds = shapely.bounds(shapes)
    there = np.isfinite(bounds).all(axis=1)
    box = np.where(there[:, None], bounds, 0.0)
    size = np.array([raster.columns, raster.rows, raster.columns, raster.rows], float)
    box = np.clip(box, 0.0, size)
    low = np.floor(box[:, :2]).astype(np.int64)
    high = np.ceil(box[:, 2:]).astype(np.int64)
    return Windows(low[:, 1], low[:, 0], high[:, 1], high[:, 0])


def _batches(windows: Windows) -> Iterator[tuple[IntArray, Windows]]:
    """Yield polygons that lie together, tile by tile; very large ones alone, strip by strip."""
    cells = windows.cells
    some = np.flatnonzero(cells > 0)
    across = (windows.left[some] + windows.right[some]) // 2 // _TILE
    down = (windows.top[some] + windows.bottom[some]) // 2 // _TILE
    order = some[np.lexsort((some, across, down))]
    tile = dict(zip(some.tolist(), zip(down.tolist(), across.tolist(), strict=True), strict=True))
    batch: list[int] = []
    held, place = 0, None
    for row in order.tolist():
        if cells[row] > _BATCH_CELLS:
            yield from _strips(row, windows)
            continue
        if batch and (tile[row] != place or held + cells[row] > _BATCH_CELLS):
            yield from _within_reach(np.array(batch), windows)
            batch, held = [], 0
        place = tile[row]
        batch.append(row)
        held += int(cells[row])
    if batch:
        yield from _within_reach(np.array(batch), windows)


def _within_reach(rows: IntArray, windows: Windows) -> Iterator[tuple[IntArray, Windows]]:
    """Yield a batch whole, or in halves while the window around it is too large."""
    part = windows.take(rows)
    area = (part.bottom.max() - part.top.min()) * (part.right.max() - part.left.min())
    if area <= _WINDOW_CELLS or len(rows) == 1:
        yield rows, part
        return
    middle = len(rows) // 2
    yield from _within_reach(rows[:middle], windows)
    yield from _within_reach(rows[middle:], windows)


def _strips(row: int, windows: Windows) -> Iterator[tuple[IntArray, Windows]]:
    top, bottom = int(windows.top[row]), int(windows.bottom[row])
    width = int(windows.right[row] - windows.left[row])
    step = max(1, _BATCH_CELLS // width)
    at = np.array([row])
    for first in range(top, bottom, step):
        last = min(first + step, bottom)
        yield at, Windows(np.array([first]), windows.left[at], np.array([last]), windows.right[at])


def _block(dataset: Any, raster: Raster, rows: IntArray, cells: Cells, bands: Sequence[int]) -> CellBlock:
    top, left = int(cells.row.min()), int(cells.column.min())
    bottom, right = int(cells.row.max()) + 1, int(cells.column.max()) + 1
    grid = dataset.read(list(bands), window=((top, bottom), (left, right)))
    values = grid[:, cells.row - top, cells.column - left]
    masks = dataset.read_masks(list(bands), window=((top, bottom), (left, right)))
    valid = (masks[:, cells.row - top, cells.column - left] != 0).all(axis=0)
    if values.dtype.kind == "f":
        valid &= np.isfinite(values).all(axis=0)
    weight = cells.share * cell_weights(raster, cells.row)
    return CellBlock(rows[cells.polygon], cells.share, weight, values, valid)
