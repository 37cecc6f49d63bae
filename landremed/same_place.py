"""Parcels that were reported twice: nearly the same ground under two ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely

from landremed.overlay import PolygonSet
from landremed.types import Finding

__all__ = ["SAME_PLACE_SHARE", "same_place"]

SAME_PLACE_SHARE: Final = 0.9
"""Two parcels are the same place when their intersection is more than this share of the larger one."""


def same_place(
    ids: Sequence[str], parcels: PolygonSet, file: str, rows: npt.NDArray[np.int64] | None = None
) -> list[Finding]:
    """Return a finding for every pair of parcels that cover nearly the same ground.

    Parameters
    ----------
    ids : sequence of str
        Parcel ids.
    parcels : PolygonSet
        Parcels in the working CRS.
    file : str
        Shown with the finding.
    rows : ndarray of int, optional
        1-based rows of the parcels in their file, rising; 1, 2, … by default.
    """
    numbers = np.arange(1, len(ids) + 1) if rows is None else rows
    geometries = parcels.geometries
    bounds = shapely.bounds(geometries)
    tree = shapely.STRtree(geometries)
    left, right = tree.query(geometries)
    left, right = left[left < right], right[left < right]
    size = np.prod(bounds[:, 2:] - bounds[:, :2], axis=1)
    low, high = (
        np.maximum(bounds[left, :2], bounds[right, :2]),
        np.minimum(bounds[left, 2:], bounds[right, 2:]),
    )
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    # a shared area of 90 % of both needs boxes that agree too
    close = shared > 0.5 * np.maximum(size[left], size[right])
    left, right = left[close], right[close]
    common = shapely.area(shapely.intersection(geometries[left], geometries[right]))
    larger = np.maximum(shapely.area(geometries[left]), shapely.area(geometries[right]))
    same = common > SAME_PLACE_SHARE * larger
    order = np.lexsort((left[same], right[same]))
    findings = []
    for a, b, share in zip(
        left[same][order], right[same][order], (common / larger)[same][order], strict=True
    ):
        point = shapely.point_on_surface(geometries[b])
        params = {"other": ids[a], "percent": f"{100 * share:.1f}"}
        place = (float(point.x), float(point.y))
        row = int(numbers[b])
        findings.append(Finding("same_place", ids[b], file, row, "geometry", ids[a], params, place))
    return findings
