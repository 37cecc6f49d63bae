"""Splinters: parcels and features of layers that are themselves too thin or too small to be meant."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from landremed.overlay import PolygonSet
from landremed.project import Tolerance
from landremed.slivers.outlines import elongated

__all__ = ["hits", "splinter_share", "splinters"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

_LARGEST_BYTES: Final = 16 * 1024  # what has a thousand vertices is no splinter


def splinters(area_m2: FloatArray, perimeter_m: FloatArray, tolerance: Tolerance) -> BoolArray:
    """Tell which polygons are splinters: strips narrower than ``position_m``, or below the least area.

    Parameters
    ----------
    area_m2, perimeter_m : ndarray
        Of the polygons, in the plane.
    tolerance : Tolerance
        ``position_m`` and ``min_overlap_area_m2``.
    """
    thin = 2.0 * area_m2 < tolerance.position_m * perimeter_m
    return (elongated(area_m2, perimeter_m) & thin) | (area_m2 <= tolerance.min_overlap_area_m2)


def splinter_share(
    features: pa.Table, number: int, parcels: IntArray, polygons: PolygonSet, tolerance: Tolerance
) -> FloatArray:
    """Return which area, m², of the overlaps of parcels with one layer lies in splinters of the layer.

    Parameters
    ----------
    features : pyarrow.Table
        ``landremed.overlay.tables.FEATURE_SCHEMA``, sorted by parcel.
    number : int
        The layer.
    parcels : ndarray
        Rows of parcels, rising.
    polygons : PolygonSet
        Features of the layer.
    tolerance : Tolerance
        What is a splinter.
    """
    met = hits(features, number, parcels)
    total = np.zeros(len(parcels))
    if not len(met):
        return total
    feature = met["feature"].to_numpy()
    known, place = np.unique(feature, return_inverse=True)
    size = pc.binary_length(polygons.wkb).fill_null(_LARGEST_BYTES).to_numpy()[known]
    small = np.flatnonzero(size < _LARGEST_BYTES)
    shapes: Any = shapely.from_wkb(polygons.wkb.take(pa.array(known[small])).to_numpy(zero_copy_only=False))
    splinter = np.zeros(len(known), bool)
    splinter[small] = splinters(shapely.area(shapes), shapely.length(shapes), tolerance)
    counted = splinter[place]
    at = np.searchsorted(parcels, met["parcel"].to_numpy()[counted])
    np.add.at(total, at, met["area_m2"].to_numpy()[counted])
    return total


def hits(features: pa.Table, number: int, parcels: IntArray) -> pa.Table:
    """Return the rows of one layer that belong to some parcels."""
    own = features.filter(pc.equal(features["layer"], number))
    parcel = own["parcel"].to_numpy()
    place = np.minimum(np.searchsorted(parcels, parcel), max(len(parcels) - 1, 0))
    return own.filter(pa.array(parcels[place] == parcel)) if len(parcels) else own.slice(0, 0)
