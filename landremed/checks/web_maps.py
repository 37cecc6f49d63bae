"""The offsets of Chinese web maps: GCJ-02 and BD-09, and whether two layers lie apart by one of them.

GCJ-02 moves every place by some hundred metres in a way that changes slowly; BD-09 moves it once more. Data
taken from such maps and declared as CGCS2000 overlay without an error, on the wrong ground.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from landremed.layers import Layer, Parcels
from landremed.types import Finding

__all__ = ["from_web_map", "shifted_findings", "to_bd09", "to_gcj02"]

Floats: TypeAlias = npt.NDArray[np.float64]

_AXIS_M: Final = 6_378_245.0  # the ellipsoid of Krassowsky
_SQUARED: Final = 0.00669342162296594323  # its eccentricity squared
_BD: Final = np.pi * 3000.0 / 180.0
_ON_EDGE_M: Final = 2.0
_SHORTEST_M: Final = 5.0
_PARCELS: Final = 200
_POINTS: Final = 800
_LEAST_POINTS: Final = 12
_LEAST_HITS: Final = 8
_LEAST_SHARE: Final = 0.25
_CELL_M: Final = 2_000.0
_ELSEWHERE: Final = tuple(
    (length * np.cos(turn), length * np.sin(turn))
    for length in (130.0, 217.0, 331.0, 439.0, 557.0, 661.0, 787.0, 941.0)
    for turn in np.radians(np.arange(8) * 45.0 + 17.0)
)


def to_gcj02(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Return where GCJ-02 shows places, in degrees; ``lon`` and ``lat`` on WGS 84 or CGCS2000."""
    x, y = lon - 105.0, lat - 35.0
    both = 20.0 * np.sin(6.0 * np.pi * x) + 20.0 * np.sin(2.0 * np.pi * x)
    root = np.sqrt(np.abs(x))
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    north += (both + _waves(y, (20.0, 1.0), (40.0, 3.0), (160.0, 12.0), (320.0, 30.0))) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    east += (both + _waves(x, (20.0, 1.0), (40.0, 3.0), (150.0, 12.0), (300.0, 30.0))) * 2.0 / 3.0
    phi = np.radians(lat)
    curved = 1.0 - _SQUARED * np.sin(phi) ** 2
    meridian = _AXIS_M * (1.0 - _SQUARED) / curved**1.5
    parallel = _AXIS_M / np.sqrt(curved) * np.cos(phi)
    return lon + np.degrees(east / parallel), lat + np.degrees(north / meridian)


def to_bd09(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Return where BD-09 shows places, in degrees; ``lon`` and ``lat`` on WGS 84 or CGCS2000."""
    x, y = to_gcj02(lon, lat)
    radius = np.hypot(x, y) + 0.00002 * np.sin(y * _BD)
    angle = np.arctan2(y, x) + 0.000003 * np.cos(x * _BD)
    return radius * np.cos(angle) + 0.0065, radius * np.sin(angle) + 0.006


_SYSTEMS: Final[Mapping[str, Callable[[Floats, Floats], tuple[Floats, Floats]]]] = {
    "GCJ-02": to_gcj02,
    "BD-09": to_bd09,
}


def from_web_map(system: str, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Return the true places (degrees) of what a web map shows; ``system`` is ``GCJ-02`` or ``BD-09``."""
    true_lon, true_lat = lon.copy(), lat.copy()
    for _ in range(12):  # the offset changes by less than a thousandth from place to place
        shown_lon, shown_lat = _SYSTEMS[system](true_lon, true_lat)
        true_lon, true_lat = true_lon + lon - shown_lon, true_lat + lat - shown_lat
    return true_lon, true_lat


def shifted_findings(parcels: Parcels, layer: Layer) -> Iterator[Finding]:
    """Yield a finding where edges of parcels lie on edges of a layer only after undoing a web map's offset.

    Counted are the edges of parcels whose middle lies on an edge of the layer (within 2 m): as they are, with
    the parcels taken back from the web map, with the layer taken back, and at 64 other offsets up to 1000 m.
    It is said only when a quarter of the edges meet, and twice as many as at any other offset: a regular
    pattern of fields meets itself at many.
    """
    points = _edge_middles(parcels.polygons.geometries)
    if len(points) < _LEAST_POINTS:
        return
    edges = _Edges(layer.polygons.geometries, points)
    asis = edges.share(points)
    best, system, ours, moved = 0.0, "", True, points
    for name, whose, candidate in _candidates(points, parcels.crs):
        share = edges.share(candidate)
        if share > best:
            best, system, ours, moved = share, name, whose, candidate
    if best < max(_LEAST_SHARE, 2.0 * asis) or best * len(points) < _LEAST_HITS:
        return
    elsewhere = max(edges.share(points + np.array(offset)) for offset in _ELSEWHERE)
    if best < max(2.0 * elsewhere, elsewhere + _LEAST_SHARE):
        return
    east, north = np.median(points - moved if ours else moved - points, axis=0)
    yield Finding(
        "web_map_shift",
        file=parcels.source.display if ours else layer.source.display,
        params={
            "system": system,
            "other": layer.source.display if ours else parcels.source.display,
            "metres": f"{np.hypot(east, north):.0f}",
            "degrees": f"{np.degrees(np.arctan2(east, north)) % 360.0:.0f}",
            "before": f"{100.0 * asis:.0f}",
            "after": f"{100.0 * best:.0f}",
            "count": len(points),
        },
    )


class _Edges:
    """The edges of a layer around a sample of points."""

    def __init__(self, polygons: npt.NDArray[np.object_], points: Floats) -> None:
        rings = shapely.get_rings(polygons[~shapely.is_missing(polygons)])
        xy, ring = shapely.get_coordinates(rings, return_index=True)
        start = np.flatnonzero(ring[1:] == ring[:-1])
        middle = (xy[start] + xy[start + 1]) / 2.0
        long = np.abs(xy[start + 1] - xy[start]).max(axis=1) > _CELL_M / 2.0
        near = start[long | np.isin(_cells(middle), _cells_around(points))]
        self._tree = shapely.STRtree(shapely.linestrings(np.stack([xy[near], xy[near + 1]], axis=1)))

    def share(self, points: Floats) -> float:
        """Return the share of points that lie on an edge."""
        hits = self._tree.query(shapely.points(points), predicate="dwithin", distance=_ON_EDGE_M)[0]
        return len(np.unique(hits)) / len(points)


def _candidates(points: Floats, crs: pyproj.CRS) -> Iterator[tuple[str, bool, Floats]]:
    """Yield where the points lie if they, or else the other layer, come from a web map."""
    there = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    lon, lat = there.transform(points[:, 0], points[:, 1])
    if not ((lon > 73.0) & (lon < 136.0) & (lat > 3.0) & (lat < 54.0)).all():
        return
    for system, shown in _SYSTEMS.items():
        for ours, place in ((True, from_web_map(system, lon, lat)), (False, shown(lon, lat))):
            back = there.transform(*place, direction="INVERSE")
            yield system, ours, np.column_stack(back)


def _edge_middles(polygons: npt.NDArray[np.object_]) -> Floats:
    """Return the middles of longer edges of parcels spread over the file."""
    usable = np.flatnonzero(~shapely.is_missing(polygons) & ~shapely.is_empty(polygons))
    if not len(usable):
        return np.zeros((0, 2))
    chosen = np.unique(np.linspace(0, len(usable) - 1, _PARCELS).astype(int))
    xy, ring = shapely.get_coordinates(shapely.get_rings(polygons[usable[chosen]]), return_index=True)
    start = np.flatnonzero(ring[1:] == ring[:-1])
    start = start[np.hypot(*(xy[start + 1] - xy[start]).T) >= _SHORTEST_M]
    if len(start) > _POINTS:
        start = start[np.linspace(0, len(start) - 1, _POINTS).astype(int)]
    middles: Floats = (xy[start] + xy[start + 1]) / 2.0
    return middles


def _cells(points: Floats) -> npt.NDArray[np.int64]:
    column, row = np.floor(points / _CELL_M).astype(np.int64).T
    numbers: npt.NDArray[np.int64] = column * 1_000_003 + row
    return numbers


def _cells_around(points: Floats) -> npt.NDArray[np.int64]:
    steps = [np.array([i, j]) * _CELL_M for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return np.unique(np.concatenate([_cells(points + step) for step in steps]))


def _waves(value: Floats, *terms: tuple[float, float]) -> Floats:
    total = np.zeros_like(value)
    for height, length in terms:
        total = total + height * np.sin(np.pi * value / length)
    return total
