"""What is left of overlaid polygons when points and lines are dropped."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

__all__ = ["polygonal"]


def polygonal(geometries: npt.NDArray[Any]) -> npt.NDArray[np.object_]:
    """Keep the polygons; where there are none the geometry is empty.

    Parameters
    ----------
    geometries : ndarray of geometry
        Results of intersecting or subtracting polygons, with the points and lines in which they touch.
    """
    kept = np.array(geometries, dtype=object)
    for i in np.flatnonzero(~np.isin(shapely.get_type_id(kept), (3, 6))):
        parts = [p for p in shapely.get_parts(kept[i]) if shapely.get_dimensions(p) == 2]
        kept[i] = shapely.MultiPolygon([q for p in parts for q in shapely.get_parts(p)])
    return kept
