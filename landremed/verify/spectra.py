"""Spectral indices of multi-band imagery under polygons.

NDVI = (NIR - red) / (NIR + red), NDBI = (SWIR - NIR) / (SWIR + NIR) (Zha, Gao and Ni 2003) and
MNDWI = (green - SWIR) / (green + SWIR) (Xu 2006), on reflectance = scale x cell + offset as the file says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from landremed.errors import InputError, Where
from landremed.verify.coverage import CoverageEngine
from landremed.verify.rasters import Raster
from landremed.verify.zonal import FloatArray, ground_weight, read_cells

__all__ = ["INDICES", "ROLES", "IndexTable", "check_bands", "index_table"]

ROLES: Final = ("blue", "green", "red", "nir", "swir")
"""Band roles; each index needs two of them."""

INDICES: Final[Mapping[str, tuple[str, str]]] = {
    "ndvi": ("nir", "red"),
    "ndbi": ("swir", "nir"),
    "mndwi": ("green", "swir"),
}
"""Index -> the two bands of (first - second) / (first + second)."""


@dataclass(frozen=True, slots=True)
class IndexTable:
    """Statistics of one index per polygon; NaN where no cell has a value.

    Attributes
    ----------
    cells : ndarray of float64
        Covered cells with a value, parts counted by their share.
    coverage : ndarray of float64
        Share of the polygon's ground on such cells.
    mean, deviation, lowest, highest : ndarray of float64
        Weighted by covered ground; the extremes are of every cell that is touched.
    above : ndarray of float64
        Share of the seen ground whose index is above the threshold; NaN for an index without one.
    """

    cells: FloatArray
    coverage: FloatArray
    mean: FloatArray
    deviation: FloatArray
    lowest: FloatArray
    highest: FloatArray
    above: FloatArray


def check_bands(bands: Mapping[str, int], raster: Raster) -> None:
    """Refuse band roles that the image does not have.

    Raises
    ------
    InputError
        An unknown role, a band number beyond the last, or too few roles for any index.
    """
    for role, band in bands.items():
        place = Where(file=raster.file, field="--bands", value=f"{role}={band}")
        if role not in ROLES:
            raise InputError("band_role_unknown", place, known=", ".join(ROLES))
        if not 1 <= band <= raster.bands:
            raise InputError("band_missing", place, bands=raster.bands)
    if not any(set(pair) <= set(bands) for pair in INDICES.values()):
        place = Where(file=raster.file, field="--bands")
        raise InputError("bands_too_few", place, known=", ".join(ROLES))


def index_table(
    raster: Raster,
    shapes: npt.NDArray[Any],
    engine: CoverageEngine,
    bands: Mapping[str, int],
    above: Mapping[str, float],
) -> dict[str, IndexTable]:
    """Return the statistics of every index that the bands allow.

    Parameters
    ----------
    raster : Raster
        The image.
    shapes : ndarray of polygons
        In cell coordinates.
    engine : callable
        How shares of cells are found.
    bands : mapping of role to int
        Bands, counted from 1.
    above : mapping of index to float
        Thresholds for ``IndexTable.above``.
    """
    roles = [role for role in ROLES if role in bands]
    names = [name for name, pair in INDICES.items() if set(pair) <= set(roles)]
    sums = {name: _Sums(len(shapes), above.get(name)) for name in names}
    for block in read_cells(raster, shapes, engine, [bands[role] for role in roles]):
        light = {
            role: raster.scales[bands[role] - 1] * block.values[i].astype(np.float64)
            + raster.offsets[bands[role] - 1]
            for i, role in enumerate(roles)
        }
        for name in names:
            first, second = (light[role] for role in INDICES[name])
            total = first + second
            # dark water can come out slightly negative after an offset; an index of it means nothing
            good = block.valid & (total > 0)
            value = (first[good] - second[good]) / total[good]
            sums[name].add(block.polygon[good], block.share[good], block.weight[good], np.clip(value, -1, 1))
    whole = ground_weight(raster, shapes)
    return {name: entry.table(whole) for name, entry in sums.items()}


class _Sums:
    """Running sums of one index."""

    def __init__(self, count: int, threshold: float | None) -> None:
        self.threshold = threshold
        self.cells, self.weight, self.first, self.second, self.over = (np.zeros(count) for _ in range(5))
        self.lowest, self.highest = np.full(count, np.inf), np.full(count, -np.inf)

    def add(
        self, polygon: npt.NDArray[np.int64], share: FloatArray, weight: FloatArray, value: FloatArray
    ) -> None:
        count = len(self.cells)
        self.cells += np.bincount(polygon, share, count)
        self.weight += np.bincount(polygon, weight, count)
        self.first += np.bincount(polygon, weight * value, count)
        self.second += np.bincount(polygon, weight * value**2, count)
        if self.threshold is not None:
            self.over += np.bincount(polygon, weight * (value > self.threshold), count)
        np.minimum.at(self.lowest, polygon, value)
        np.maximum.at(self.highest, polygon, value)

    def table(self, whole: FloatArray) -> IndexTable:
        seen = self.weight > 0
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = self.first / self.weight
            spread = np.sqrt(np.maximum(self.second / self.weight - mean**2, 0.0))
            above = self.over / self.weight
            coverage = np.minimum(self.weight / whole, 1.0)
        unseen = np.full(len(seen), np.nan)
        return IndexTable(
            self.cells,
            np.where(seen, coverage, 0.0),
            mean,
            spread,
            np.where(seen, self.lowest, np.nan),
            np.where(seen, self.highest, np.nan),
            above if self.threshold is not None else unseen,
        )
