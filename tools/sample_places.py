"""Finding a place for a parcel: where it must lie is said per layer, and checked before it is taken.

A place says for each layer how the parcel lies to it; a seeded search tries spots until one fits. "Clearly"
means: 25 m away from a boundary, at least 30 % on both sides of one, or the stated overlap for a sliver.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import shapely
from sample_geography import ZONES, District, rng_for
from shapely import Polygon
from shapely.geometry.base import BaseGeometry

__all__ = ["CLEAR_M", "SLIVER_M2", "Place", "Plotter", "outline"]

CLEAR_M = 25.0
SLIVER_M2 = 0.4
LAYERS = {
    "farmland": "permanent_basic_farmland",
    "red_line": "ecological_red_line",
    "boundary": "urban_development_boundary",
    "barrier": "green_ecological_barrier",
    "undelivered": "hole",
}


@dataclass(frozen=True)
class Place:
    """How a parcel lies to each layer.

    ``overlaps``: at least 40 % and 1000 m² of it (fields have balks between them) · ``clear``: 25 m away ·
    ``inside``: wholly, by 25 m · ``straddles``: 30 to 70 % · ``sliver``: 0.4 m² · ``half``: 30 to 70 % of a
    very small parcel · ``either``: inside or clear.
    ``units`` are the admin units it lies in wholly (or crosses, where two are named); ``ZONELESS`` is none.
    ``within`` narrows the search to a named area; ``farmland_outside``: farmland outside the boundary too.
    """

    farmland: str = "clear"
    red_line: str = "clear"
    boundary: str = "either"
    barrier: str = "clear"
    undelivered: str = "clear"
    farmland_outside: bool = False
    units: tuple[str, ...] = ()
    within: str = ""
    size: tuple[float, float] = (150.0, 110.0)

    def states(self) -> dict[str, str]:
        """State per layer, in a fixed order."""
        return {key: getattr(self, key) for key in LAYERS}


def outline(kind: str, size: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Return ring coordinates around (0, 0) that stay within ``size`` (width, height in metres)."""
    w, h = size
    if kind == "square":
        return np.array([(-w / 2, -h / 2), (w / 2, -h / 2), (w / 2, h / 2), (-w / 2, h / 2)])
    if kind == "corner":  # the first corner is a right angle that points down, at the origin
        s = min(w, h)
        return np.array([(0, 0), (s * 0.7, s * 0.7), (s * 0.75, s * 1.2), (0, s * 1.5), (-s * 0.6, s * 0.6)])
    if kind == "step":
        a, b = rng.uniform(0.35, 0.65, 2)
        x, y = w * (a - 0.5), h * (b - 0.5)
        return np.array([(-w / 2, -h / 2), (w / 2, -h / 2), (w / 2, y), (x, y), (x, h / 2), (-w / 2, h / 2)])
    if kind == "blob":
        n = int(rng.integers(12, 41))
        angle = np.sort((np.arange(n) + rng.uniform(-0.3, 0.3, n)) * 2 * np.pi / n)
        wobble = (
            0.84 + 0.1 * np.sin(angle * rng.integers(2, 5) + rng.uniform(0, 6)) + rng.uniform(-0.05, 0.05, n)
        )
        return np.column_stack([np.cos(angle) * wobble * w / 2, np.sin(angle) * wobble * h / 2])
    corners = np.array([(-w / 2, -h / 2), (w / 2, -h / 2), (w / 2, h / 2), (-w / 2, h / 2)]) * rng.uniform(
        0.8, 1.0, (4, 2)
    )
    ring = []
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        ring.append(a)
        for t in np.sort(rng.uniform(0.15, 0.85, int(rng.integers(0, 4)))):
            ring.append((a + t * (b - a)) * (1 - rng.uniform(0.0, 0.06)))
    return np.array(ring)


def put(ring: np.ndarray, x: float, y: float, turn: float) -> Polygon:
    """Turn a ring (radians) and move it to a spot, in whole millimetres."""
    c, s = np.cos(turn), np.sin(turn)
    return Polygon(np.round(ring @ np.array([[c, s], [-s, c]]) + (x, y), 3))


@dataclass
class Plotter:
    """Finds free spots in a district."""

    district: District
    taken: list[BaseGeometry] = field(default_factory=list)
    narrowed: dict[str, BaseGeometry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, name in LAYERS.items():
            g = self.district.union[name]
            self.narrowed[key] = g
            self.narrowed[f"{key}+"] = g.buffer(CLEAR_M)
            self.narrowed[f"{key}-"] = g.buffer(-CLEAR_M)
        for name, g in self.district.union.items():
            self.narrowed[f"@{name}"] = g.buffer(-CLEAR_M)
        self.narrowed["zones+"] = self.district.union["zones"].buffer(CLEAR_M)
        self.narrowed["land-"] = self.district.land.buffer(-CLEAR_M)
        for g in self.narrowed.values():
            shapely.prepare(g)

    def find(self, name: str, place: Place, tries: int = 60_000) -> Polygon:
        """Return the first spot that fits; the search is seeded by the parcel's name."""
        rng = rng_for(name)
        for polygon in self._candidates(place, rng, tries):
            if self.fits(polygon, place) and self.free(polygon):
                self.taken.append(polygon)
                return polygon
        raise ValueError(f"no spot for {name}: {place}")

    def free(self, polygon: BaseGeometry, gap_m: float = 20.0) -> bool:
        """Whether nothing else stands within ``gap_m``."""
        if not self.taken:
            return True
        return not bool(shapely.dwithin(np.array(self.taken), polygon, gap_m).any())

    def fits(self, polygon: BaseGeometry, place: Place) -> bool:
        """Whether a polygon lies as the place says."""
        return all(self._lies(polygon, k, s) for k, s in place.states().items()) and self._units_fit(
            polygon, place
        )

    def _lies(self, polygon: BaseGeometry, key: str, state: str) -> bool:
        g = self.narrowed
        if state == "clear":
            return not g[f"{key}+"].intersects(polygon)
        if state == "inside":
            return bool(g[f"{key}-"].contains(polygon))
        if state == "either":
            return not g[f"{key}+"].intersects(polygon) or bool(g[f"{key}-"].contains(polygon))
        overlap = g[key].intersection(polygon).area
        if state == "overlaps":
            return overlap > max(0.4 * polygon.area, 1000.0)
        if state == "sliver":
            return abs(overlap - SLIVER_M2) < 0.02
        return 0.3 * polygon.area < overlap < 0.7 * polygon.area

    def _units_fit(self, polygon: BaseGeometry, place: Place) -> bool:
        g, union = self.narrowed, self.district.union
        if not g["land-"].contains(polygon):
            return False
        if place.within and not g[f"@{place.within}"].contains(polygon):
            return False
        if place.farmland_outside:
            outside = polygon.difference(union["urban_development_boundary"])
            if union["permanent_basic_farmland"].intersection(outside).area < 1000:
                return False
        if place.units == ("ZONELESS",):
            return not g["zones+"].intersects(polygon)
        if len(place.units) == 2:
            first, second = (union[u].intersection(polygon).area / polygon.area for u in place.units)
            split = 0.55 < first < 0.8 and 0.2 < second < 0.45
            town_around = place.units[1] not in ZONES and 0.55 < first < 0.8 and second > 0.99
            return split or town_around or (first > 0.99 and 0.2 < second < 0.45)
        if not place.units:
            return True
        others = [z for z in ZONES if z not in place.units]
        clear = not any(union[z].intersects(polygon) for z in others)
        return clear and g[f"@{place.units[0]}"].contains(polygon)

    def _candidates(self, place: Place, rng: np.random.Generator, tries: int) -> Iterator[Polygon]:
        edge = next((k for k, s in place.states().items() if s in {"straddles", "sliver", "half"}), "")
        if edge:
            yield from self._along(self.narrowed[edge], place, place.states()[edge], rng, tries)
            return
        area = self._search_area(place)
        x0, y0, x1, y1 = area.bounds
        for _ in range(tries):
            x, y = rng.uniform(x0, x1), rng.uniform(y0, y1)
            if shapely.contains_xy(area, x, y):
                kind = str(rng.choice(["", "step", "blob"]))
                yield put(outline(kind, place.size, rng), x, y, rng.uniform(0, np.pi))

    def _search_area(self, place: Place) -> BaseGeometry:
        area = self.district.land
        for key, state in place.states().items():
            if state in {"overlaps", "inside"}:
                area = area.intersection(self.narrowed[key])
            elif state == "clear":
                area = area.difference(self.narrowed[f"{key}+"])
        for name in [u for u in place.units if u != "ZONELESS"] + ([place.within] if place.within else []):
            grown = (
                self.district.union[name].buffer(80) if len(place.units) == 2 else self.district.union[name]
            )
            area = area.intersection(grown)
        shapely.prepare(area)
        return area

    def _along(
        self, layer: BaseGeometry, place: Place, state: str, rng: np.random.Generator, tries: int
    ) -> Iterator[Polygon]:
        rings = [r for p in shapely.get_parts(layer) for r in [p.exterior, *p.interiors]]
        edges = np.concatenate(
            [np.stack([c[:-1], c[1:]], axis=1) for c in (shapely.get_coordinates(r) for r in rings)]
        )
        edges = edges[np.hypot(*(edges[:, 1] - edges[:, 0]).T) > 20]
        for _ in range(tries):
            a, b = edges[int(rng.integers(len(edges)))]
            middle, along = (a + b) / 2, (b - a) / np.hypot(*(b - a))
            turn = float(np.arctan2(along[1], along[0])) + np.pi * int(rng.integers(2))
            if state == "sliver":
                up = np.array([-np.sin(turn), np.cos(turn)])
                spot = middle - up * np.sqrt(SLIVER_M2)
                yield put(outline("corner", place.size, rng), *spot, turn)
            elif state == "half":
                yield put(outline("square", place.size, rng), *middle, turn)
            else:
                kind = str(rng.choice(["", "step", "blob"]))
                yield put(outline(kind, place.size, rng), *middle, turn + rng.uniform(-0.3, 0.3))
