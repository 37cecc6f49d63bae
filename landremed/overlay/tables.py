"""Tables that go into and come out of the measuring engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from landremed.overlay.looks import bounds_of

__all__ = [
    "DISPUTED_SCHEMA",
    "FEATURE_SCHEMA",
    "GROUP_SCHEMA",
    "OUTSIDE_SCHEMA",
    "OVERLAP_SCHEMA",
    "RANGE",
    "AreaMeasure",
    "LayerInput",
    "OverlapTables",
    "PolygonSet",
]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int32]

RANGE: Final = 4096
"""Parcels that one thread of the native engine measures at a time."""

OVERLAP_SCHEMA = pa.schema(
    [
        ("parcel", pa.int32()),
        ("layer", pa.int16()),
        ("area_m2", pa.float64()),
        ("geometry", pa.large_binary()),
    ]
)
"""One row per parcel × layer with a positive overlap: the parcel's intersection with the layer's union."""

FEATURE_SCHEMA = pa.schema(
    [("parcel", pa.int32()), ("layer", pa.int16()), ("feature", pa.int32()), ("area_m2", pa.float64())]
)
"""One row per parcel × feature with a positive overlap (rows of one layer may overlap each other)."""

GROUP_SCHEMA = pa.schema(
    [("parcel", pa.int32()), ("layer", pa.int16()), ("group", pa.int32()), ("area_m2", pa.float64())]
)
"""One row per parcel × group of a layer that has groups: intersection with the union of the group."""

OUTSIDE_SCHEMA = pa.schema([("parcel", pa.int32()), ("pair", pa.int16()), ("area_m2", pa.float64())])
"""One row per parcel × (layer, boundary) pair with a positive overlap with the layer outside the boundary."""

DISPUTED_SCHEMA = pa.schema(
    [
        ("parcel", pa.int32()),
        ("layer", pa.int16()),
        ("area_pieces_m2", pa.float64()),
        ("area_formula_m2", pa.float64()),
        ("area_exact_m2", pa.float64()),
    ]
)
"""One row per parcel × layer whose two independently computed plane areas differ by more than they may."""


class AreaMeasure(Protocol):
    """Area of one kind in one CRS (``landremed.area``)."""

    def of(self, geometries: npt.NDArray[np.object_]) -> FloatArray:
        """Return the area in m² of each polygonal shapely geometry (0 for None and empty ones)."""


@dataclass(frozen=True)
class PolygonSet:
    """Polygons of one table, in the working CRS.

    Attributes
    ----------
    wkb : pyarrow.Array
        ``binary`` or ``large_binary``; 2-D little-endian Polygon or MultiPolygon per row, valid;
        null where a row has no usable geometry.
    """

    wkb: pa.Array

    def __len__(self) -> int:
        return len(self.wkb)

    @classmethod
    def with_boxes(cls, wkb: pa.Array, boxes: FloatArray) -> PolygonSet:
        """Build from shapes whose bounds are known."""
        found = cls(wkb)
        found.__dict__["boxes"] = boxes
        return found

    @cached_property
    def geometries(self) -> npt.NDArray[np.object_]:
        """The same as shapely geometries, None for null."""
        return np.asarray(shapely.from_wkb(self.wkb.to_numpy(zero_copy_only=False)), dtype=object)

    def some(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
        """Return some rows as shapely geometries, without making all of them."""
        if "geometries" in self.__dict__:
            return np.asarray(self.geometries[rows], dtype=object)
        wkb = self.wkb.take(pa.array(rows, pa.int64()))
        return np.asarray(shapely.from_wkb(wkb.to_numpy(zero_copy_only=False)), dtype=object)

    @cached_property
    def boxes(self) -> FloatArray:
        """Bounds (x min, y min, x max, y max) per row, NaN for null."""
        return bounds_of(self.wkb)

    @cached_property
    def plane_areas(self) -> FloatArray:
        """Plane area per row in m², NaN for null."""
        areas: FloatArray = shapely.area(self.geometries)
        return areas

    @classmethod
    def from_geometries(cls, geometries: Any) -> PolygonSet:
        """Build from shapely geometries; None stays null."""
        geoms = np.asarray(geometries, dtype=object)
        wkb = shapely.to_wkb(geoms, output_dimension=2, byte_order=1)
        return cls(pa.array(wkb, type=pa.large_binary(), from_pandas=True))


@dataclass(frozen=True)
class LayerInput:
    """One layer to measure against.

    Attributes
    ----------
    name : str
        Role or name of the layer.
    polygons : PolygonSet
        Its features; null rows are skipped.
    group : ndarray of int32, optional
        Group code per feature (land-use code, administrative unit), -1 for none. With it the overlap is
        also measured with the union of each group.
    """

    name: str
    polygons: PolygonSet
    group: IntArray | None = None


@dataclass(frozen=True)
class OverlapTables:
    """What ``measure`` returns for one chunk. Areas are unrounded, in m², of the kind asked for.

    Every table is sorted by its key columns; ``parcel`` is the row in the chunk, ``layer`` and ``pair`` index
    the lists given to ``prepare``, ``feature`` the layer's rows. ``disputed`` holds plane areas; an engine
    that computes them only once leaves it empty.
    """

    parcel_area: FloatArray
    overlaps: pa.Table
    features: pa.Table
    groups: pa.Table
    outside: pa.Table
    disputed: pa.Table = field(default_factory=DISPUTED_SCHEMA.empty_table)
