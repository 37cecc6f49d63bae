"""How much work parcels are, by which ``auto`` chooses the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow.compute as pc

from landremed.overlay.tables import LayerInput, PolygonSet

__all__ = ["Expected", "shapely_seconds"]

_PAIR_S: Final = 1e-4
_VERTEX_S: Final = 4e-8
"""What shapely needs for a pair of shapes, and for each vertex of either (8 ms for 200 000)."""

_READ_S: Final = 3e-7
_VERTEX_BYTES: Final = 16
_FARTHEST: Final = 1e15


@dataclass(frozen=True, slots=True)
class Expected:
    """The parcels of a whole job; sums of whole numbers, the same however the parcels are divided.

    Attributes
    ----------
    parcels, vertices : int
        How many there are.
    reach : int
        Vertices of each parcel times the area of its box in m², summed: a parcel costs its vertices with
        every feature that it meets.
    """

    parcels: int = 0
    vertices: int = 0
    reach: int = 0

    @classmethod
    def of(cls, polygons: PolygonSet) -> Expected:
        """Return what is expected of some parcels in a working CRS in metres."""
        size = np.asarray(pc.fill_null(pc.binary_length(polygons.wkb), 0)).astype(np.int64)
        vertices = size // _VERTEX_BYTES
        reach = np.minimum(vertices * np.nan_to_num(_box_m2(polygons)), _FARTHEST).astype(np.int64)
        return cls(len(polygons), int(vertices.sum()), int(reach.sum()))

    def __add__(self, other: Expected) -> Expected:
        return Expected(
            self.parcels + other.parcels, self.vertices + other.vertices, self.reach + other.reach
        )


def shapely_seconds(layers: Sequence[LayerInput], expected: Expected) -> float:
    """Estimate, roughly, how long shapely would take for parcels and layers."""
    seconds = 0.0
    for layer in layers:
        features = len(layer.polygons)
        vertices = layer.polygons.wkb.nbytes / _VERTEX_BYTES
        seconds += expected.parcels * (_PAIR_S + _VERTEX_S * vertices / max(1, features))
        seconds += vertices * _READ_S + expected.vertices * _VERTEX_S
        # a parcel meets about as many features as its share of the layer's ground holds
        boxes = layer.polygons.boxes[~np.isnan(layer.polygons.boxes[:, 0])]
        if len(boxes):
            ground = float(np.prod(boxes[:, 2:].max(axis=0) - boxes[:, :2].min(axis=0)))
            met = expected.reach * features / ground if ground > 0.0 else 0.0
            seconds += min(met, float(features * expected.vertices)) * _VERTEX_S
    return seconds


def _box_m2(polygons: PolygonSet) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    box = polygons.boxes
    return np.asarray((box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]))
