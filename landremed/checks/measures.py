"""Small measures of polygons that several checks use."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

__all__ = ["mean_width", "places"]

FloatArray: TypeAlias = npt.NDArray[np.float64]


def mean_width(geometries: Any) -> FloatArray:
    """Return twice the area over the perimeter, m: the width of long thin shapes, half that of a square."""
    with np.errstate(invalid="ignore", divide="ignore"):
        width: FloatArray = 2.0 * shapely.area(geometries) / shapely.length(geometries)
    return width


def places(geometries: Any) -> FloatArray:
    """Return a point within each geometry; NaN where there is none."""
    points = shapely.point_on_surface(geometries)
    return np.column_stack([shapely.get_x(points), shapely.get_y(points)]).reshape(-1, 2)
