"""Areas of single pairs of polygons, without any union: the first step of measuring alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely

from landremed.area import PlaneArea
from landremed.overlay.native.arrays import F8, I8
from landremed.overlay.native.jobs import ParcelRange, run_pairs
from landremed.overlay.native.layerset import LayerIndex, RingSet, wkb_bytes
from landremed.overlay.native.region import EMPTY, WHOLE
from landremed.overlay.native.settle import exact_area
from landremed.overlay.tables import PolygonSet

__all__ = ["PairMeasure"]


class PairMeasure:
    """Two tables of polygons, unpacked once; pairs of their rows are measured piece by piece."""

    def __init__(self, one: PolygonSet, other: PolygonSet) -> None:
        features = RingSet.from_bytes(*wkb_bytes(one.wkb))
        rings = features if other is one else RingSet.from_bytes(*wkb_bytes(other.wkb))
        self._layer = LayerIndex.build(features, None)
        self._rings = rings

    def common(self, left: I8, right: I8, least_m2: float) -> tuple[F8, npt.NDArray[np.object_]]:
        """Return the plane area of ``one[left] ∩ other[right]``, and a point within those above an area.

        Where piece and formula differ, exact arithmetic says which area it is.
        """
        owners = ParcelRange(self._rings, self._rings.plane, (0, 0.0, 0.0), PlaneArea())
        found = run_pairs(owners, self._layer, right, left)
        area = np.where(found.state == WHOLE, self._rings.plane[right], found.plane)
        area[found.state == EMPTY] = 0.0
        for i in np.flatnonzero(found.disputed).tolist():
            area[i] = exact_area((self._rings, int(right[i])), [(self._layer.rings, int(left[i]))])
        wkb = np.full(len(left), None, dtype=object)
        for i in np.flatnonzero(area > least_m2).tolist():
            wkb[i] = self._owner(int(right[i])) if found.state[i] == WHOLE else found.geometry_bytes(i)
        return area, shapely.point_on_surface(shapely.from_wkb(wkb))

    def _owner(self, row: int) -> bytes:
        return self._rings.buf[self._rings.off[row] : self._rings.off[row + 1]].tobytes()
