"""The invented district of the samples: coast, river, fields, towns and the constraint layers.

Everything here is drawn from a seeded generator; no line of it follows a real boundary. Coordinates are
metres in EPSG:4548, built from kilometre offsets to ``ORIGIN``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from zlib import crc32

import numpy as np
import shapely
from shapely import Polygon, box
from shapely.geometry import LineString
from shapely.geometry.base import BaseGeometry
from shapely.ops import split

__all__ = [
    "ORIGIN",
    "SEED",
    "ZONES",
    "District",
    "at",
    "cut_up",
    "make_district",
    "polygons",
    "ragged_line",
    "ragged_ring",
    "rng_for",
    "tidy",
]

SEED = 20220318
ORIGIN = (545000.0, 4285000.0)
WIDTH_KM, HEIGHT_KM = 20.0, 15.0
MM = 0.001

ZONES = {
    "天津经济技术开发区": [
        (8.6, 0.5),
        (12.0, 0.4),
        (17.4, 0.3),
        (17.6, 3.2),
        (17.3, 6.0),
        (12.6, 5.9),
        (8.8, 6.0),
    ],
    "滨海高新区": [
        (8.3, 8.6),
        (11.2, 8.3),
        (13.2, 8.7),
        (13.3, 11.0),
        (13.0, 14.5),
        (8.5, 14.4),
        (8.2, 11.0),
    ],
    "天津港保税区": [
        (12.7, 9.0),
        (15.0, 9.2),
        (17.6, 8.9),
        (17.8, 12.0),
        (17.5, 14.7),
        (12.7, 14.6),
        (12.6, 11.8),
    ],
}
"""Development zones; the second and third overlap each other by some hundred metres."""


@dataclass
class District:
    """Layers as lists of (geometry, attributes), and their unions for placing parcels."""

    layers: dict[str, list[tuple[BaseGeometry, dict[str, object]]]] = field(default_factory=dict)
    union: dict[str, BaseGeometry] = field(default_factory=dict)
    land: BaseGeometry = field(default_factory=Polygon)
    coast: BaseGeometry = field(default_factory=LineString)
    river: BaseGeometry = field(default_factory=Polygon)


def rng_for(name: str) -> np.random.Generator:
    """Return a generator of its own for one part of the district, so that edits elsewhere leave it alone."""
    return np.random.default_rng([SEED, crc32(name.encode())])


def polygons(geometry: BaseGeometry, least_m2: float = 400.0) -> list[Polygon]:
    """Return the polygons of a geometry that are larger than ``least_m2``."""
    parts = shapely.get_parts(geometry) if not geometry.is_empty else []
    return [p for p in parts if isinstance(p, Polygon) and p.area > least_m2]


def tidy(geometry: BaseGeometry) -> BaseGeometry:
    """Round to millimetres, as survey files are written, keeping the geometry valid."""
    return shapely.set_precision(geometry, MM)


def at(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Kilometres of the district -> metres of the map."""
    return [(ORIGIN[0] + 1000 * x, ORIGIN[1] + 1000 * y) for x, y in points]


def ragged(
    points: list[tuple[float, float]], rng: np.random.Generator, rough: float, step_m: float
) -> np.ndarray:
    """Displace midpoints until no segment is longer than ``step_m``."""
    line = np.array(points, dtype=float)
    while True:
        delta = np.diff(line, axis=0)
        length = np.hypot(delta[:, 0], delta[:, 1])
        if (length <= step_m).all():
            return line
        out = [line[0]]
        for a, d, s, b in zip(line[:-1], delta, length, line[1:], strict=True):
            if s > step_m:
                normal = np.array([-d[1], d[0]]) / s
                out.append(
                    (a + b) / 2 + normal * float(np.clip(rng.normal(0, rough), -2 * rough, 2 * rough)) * s
                )
            out.append(b)
        line = np.array(out)


def ragged_ring(
    points: list[tuple[float, float]], name: str, rough: float = 0.09, step_m: float = 260.0
) -> Polygon:
    """Return a closed ragged outline through ``points`` (kilometres)."""
    closed = at(points)
    ring = Polygon(ragged([*closed, closed[0]], rng_for(name), rough, step_m))
    if not ring.is_valid:
        raise ValueError(f"outline {name} crosses itself; choose another")
    return ring


def ragged_line(
    points: list[tuple[float, float]], name: str, rough: float = 0.1, step_m: float = 260.0
) -> LineString:
    """Return a ragged line through ``points`` (kilometres)."""
    return LineString(ragged(at(points), rng_for(name), rough, step_m))


def cut_up(region: Polygon, target_m2: float, rng: np.random.Generator, skew: float = 0.06) -> list[Polygon]:
    """Halve a region across its longer side until the pieces are about ``target_m2``: blocks, then fields."""
    done: list[Polygon] = []
    todo = [region]
    while todo:
        piece = todo.pop()
        if piece.area < target_m2 * rng.uniform(0.9, 1.7):
            done.append(piece)
            continue
        frame = piece.minimum_rotated_rectangle
        c = np.array(frame.exterior.coords)[:4]
        sides = [np.hypot(*(c[(i + 1) % 4] - c[i])) for i in range(2)]
        i = int(np.argmax(sides))
        t0, t1 = np.clip(rng.normal(0.5, skew, 2), 0.35, 0.65)
        a, b = c[i] + t0 * (c[(i + 1) % 4] - c[i]), c[(i + 3) % 4] + t1 * (c[(i + 2) % 4] - c[(i + 3) % 4])
        knife = LineString([a - 0.2 * (b - a), b + 0.2 * (b - a)])
        parts = polygons(split(piece, knife), 1.0)
        if len(parts) < 2:
            done.append(piece)
        else:
            todo.extend(parts)
    return sorted(done, key=lambda p: (round(p.centroid.y), round(p.centroid.x)))


def make_district() -> District:
    """Draw the district but for its fields and land use."""
    d = District()
    _coast_and_river(d)
    _development_boundary(d)
    _red_line(d)
    _barrier(d)
    _admin_units(d)
    _coverage(d)
    _sea_dyke(d)
    return d


def _coast_and_river(d: District) -> None:
    shore = [
        (16.9, -0.4),
        (17.3, 1.5),
        (16.8, 3.2),
        (17.5, 5.2),
        (16.7, 6.6),
        (17.4, 8.0),
        (17.0, 10.2),
        (17.6, 12.5),
        (17.1, 15.4),
    ]
    d.coast = ragged_line(shore, "coast", 0.14, 150)
    west = at([(0, 15.4), (0, -0.4)])
    land = Polygon([*d.coast.coords, *west]).buffer(0)
    frame = box(ORIGIN[0], ORIGIN[1], ORIGIN[0] + WIDTH_KM * 1000, ORIGIN[1] + HEIGHT_KM * 1000)
    d.land = tidy(max(polygons(land.intersection(frame)), key=lambda p: p.area))
    course = [
        (-0.3, 9.3),
        (2.5, 8.4),
        (4.6, 9.2),
        (7.2, 8.0),
        (10.0, 7.3),
        (12.5, 7.7),
        (15.2, 6.9),
        (17.4, 7.1),
    ]
    bed = ragged_line(course, "river", 0.12, 200)
    d.river = tidy(bed.buffer(62).intersection(d.land))


def _development_boundary(d: District) -> None:
    main = ragged_ring(
        [
            (9.2, 8.9),
            (11.5, 8.6),
            (15.6, 9.0),
            (15.9, 11.2),
            (15.4, 13.6),
            (12.2, 13.9),
            (9.4, 13.2),
            (9.0, 11.0),
        ],
        "udb main",
    )
    park = ragged_ring([(11.2, 1.8), (14.4, 1.6), (14.6, 4.6), (11.6, 4.9)], "udb park")
    town = ragged_ring([(2.7, 11.0), (4.7, 10.9), (4.9, 12.8), (2.9, 13.0)], "udb town")
    spring = ragged_ring([(1.4, 5.2), (2.9, 5.1), (3.0, 6.4), (1.5, 6.5)], "udb special")
    village = ragged_ring([(6.3, 3.0), (7.6, 2.9), (7.7, 4.0), (6.4, 4.1)], "village")
    line = ragged_line([(12.9, 8.2), (12.7, 11.2), (13.0, 14.4)], "udb inner", 0.05)
    halves = [tidy(p) for p in polygons(split(main, line))]
    halves.sort(key=lambda p: p.centroid.x)
    d.layers["urban_development_boundary"] = [
        (halves[0], {"GHFQDM": "120", "GHFQMC": "城镇弹性发展区"}),
        (halves[1], {"GHFQDM": "110", "GHFQMC": "城镇集中建设区"}),
        (tidy(park), {"GHFQDM": "110", "GHFQMC": "城镇集中建设区"}),
        (tidy(town), {"GHFQDM": "110", "GHFQMC": "城镇集中建设区"}),
        (tidy(spring), {"GHFQDM": "130", "GHFQMC": "特别用途区"}),
        (tidy(village), {"GHFQDM": "900", "GHFQMC": "村庄建设边界"}),
    ]
    rows = d.layers["urban_development_boundary"]
    d.union["urban_development_boundary"] = shapely.union_all([g for g, a in rows if a["GHFQDM"] != "900"])
    d.union["village"] = rows[-1][0]


def _red_line(d: District) -> None:
    strip = ragged_ring(
        [
            (15.6, 0.6),
            (15.3, 2.5),
            (15.8, 4.4),
            (15.2, 5.9),
            (16.7, 6.2),
            (18.0, 5.9),
            (18.3, 4.2),
            (18.0, 2.2),
            (18.2, 0.7),
            (16.8, 0.4),
        ],
        "red strip",
        0.12,
        160,
    )
    harbours = [
        ragged_ring([(16.0, 1.6), (16.7, 1.5), (16.6, 2.2), (16.1, 2.2)], "harbour 1", 0.1, 120),
        ragged_ring([(15.9, 4.6), (16.6, 4.5), (16.7, 5.2), (16.0, 5.2)], "harbour 2", 0.1, 120),
        ragged_ring([(16.6, 3.1), (17.0, 3.0), (17.1, 3.5)], "harbour 3", 0.1, 120),
    ]
    cut = ragged_line([(14.8, 3.3), (16.2, 3.0), (18.9, 3.4)], "red cut", 0.08, 200)
    pieces = sorted(
        polygons(split(strip.difference(shapely.union_all(harbours)), cut)), key=lambda p: p.centroid.y
    )
    marsh = ragged_ring(
        [(1.7, 0.6), (4.8, 0.5), (5.2, 1.8), (4.6, 3.1), (2.2, 3.2), (1.4, 1.9)], "marsh", 0.11, 180
    )
    heart = ragged_ring([(2.5, 1.3), (3.9, 1.2), (4.1, 2.3), (2.7, 2.4)], "marsh heart", 0.08, 150)
    island = ragged_ring([(4.3, 1.4), (4.7, 1.4), (4.7, 1.9), (4.3, 1.9)], "marsh island", 0.08, 120)
    wetland = ragged_ring([(14.0, 11.0), (14.9, 10.9), (15.0, 11.8), (14.1, 11.9)], "urban wetland", 0.1, 120)
    overlap = heart.buffer(40)  # the same ground delivered twice: core and general control overlap by 40 m
    rows = [
        (pieces[0], "一般控制区", "滨海滩涂"),
        (pieces[1], "核心保护区", "滨海滩涂"),
        (marsh.difference(heart).difference(island), "一般控制区", "湿地"),
        (overlap, "核心保护区", "湿地"),
        (wetland, "一般控制区", "城市湿地"),
    ]
    d.layers["ecological_red_line"] = [
        (tidy(g), {"HXBM": f"HX{i:03d}", "HXMC": f"{kind}生态保护红线", "HXLX": kind, "ZRBHDFQ": zone})
        for i, (g, zone, kind) in enumerate(rows, 1)
    ]
    d.union["red hole"] = shapely.union_all([*harbours, island])
    d.union["ecological_red_line"] = shapely.union_all([g for g, _ in d.layers["ecological_red_line"]])


def _barrier(d: District) -> None:
    west = ragged_line(
        [(5.7, 15.2), (5.5, 11.0), (5.9, 7.0), (5.6, 3.0), (5.9, -0.2)], "barrier west", 0.08, 220
    )
    east = ragged_line(
        [(8.0, -0.2), (8.1, 4.0), (7.8, 8.0), (8.0, 12.0), (7.7, 15.2)], "barrier east", 0.08, 220
    )
    belt = Polygon([*west.coords, *east.coords]).intersection(d.land)
    line = ragged_line([(6.8, 15.4), (6.7, 9.0), (6.9, -0.4)], "barrier inner", 0.06, 300)
    pieces = sorted((tidy(p) for p in polygons(split(belt, line))), key=lambda p: p.centroid.x)
    d.layers["green_ecological_barrier"] = [
        (g, {"PZMC": "双城间绿色生态屏障（示意）", "GKDJ": grade})
        for g, grade in zip(pieces, ("二级管控区", "一级管控区"), strict=True)
    ]
    d.union["green_ecological_barrier"] = shapely.union_all(pieces)


def _admin_units(d: District) -> None:
    cuts = [
        ragged_line([(6.9, 15.4), (6.4, 11.5), (7.1, 8.0), (6.6, 4.0), (7.0, -0.4)], "town 1", 0.1, 300),
        ragged_line([(-0.4, 7.6), (3.0, 7.2), (7.6, 7.4)], "town 2", 0.1, 300),
        ragged_line([(6.2, 6.9), (10.0, 6.6), (14.0, 6.4), (18.0, 6.3)], "town 3", 0.1, 300),
        ragged_line([(12.2, 6.2), (12.5, 9.0), (12.1, 12.0), (12.6, 15.4)], "town 4", 0.1, 300),
    ]
    pieces = [d.land]
    for i, cut in enumerate(cuts):
        nxt: list[Polygon] = []
        for p in pieces:
            x, y = (p.centroid.x - ORIGIN[0]) / 1000, (p.centroid.y - ORIGIN[1]) / 1000
            here = i == 0 or (i == 1 and x < 7) or (i == 2 and x > 7) or (i == 3 and x > 7 and y > 6.5)
            nxt.extend(polygons(split(p, cut), 1.0) if here else [p])
        pieces = nxt
    seats = {
        "小王庄镇": (3.0, 3.5),
        "中塘镇": (3.5, 11.5),
        "海滨街道": (12.0, 3.0),
        "大港街道": (9.8, 11.0),
        "古林街道": (15.0, 11.0),
    }
    units: dict[str, BaseGeometry] = {}
    for name, seat in seats.items():
        point = shapely.Point(at([seat])[0])
        units[name] = next(p for p in pieces if p.contains(point))
    for p in pieces:  # crumbs cut off by crossing lines go to the nearest town
        if not any(p is q for q in units.values()):
            name = max(units, key=lambda n: p.boundary.intersection(units[n].boundary).length)
            units[name] = units[name].union(p)
    rows = [(tidy(g), {"XZQDM": "", "XZQMC": n, "LX": "town"}) for n, g in units.items()]
    for name, outline in ZONES.items():
        zone = tidy(ragged_ring(outline, name, 0.05, 400))
        rows.append((zone, {"XZQDM": "", "XZQMC": name, "LX": "zone"}))
    codes = {
        "小王庄镇": "157",
        "中塘镇": "158",
        "海滨街道": "054",
        "大港街道": "051",
        "古林街道": "053",
        "天津经济技术开发区": "400",
        "滨海高新区": "402",
        "天津港保税区": "401",
    }
    for _, a in rows:
        a["XZQDM"] = "120116" + codes[str(a["XZQMC"])]
    d.layers["admin_units"] = rows
    for g, a in rows:
        d.union[str(a["XZQMC"])] = g
    d.union["zones"] = shapely.union_all([g for g, a in rows if a["LX"] == "zone"])


def _coverage(d: District) -> None:
    frame = box(
        ORIGIN[0] - 500,
        ORIGIN[1] - 500,
        ORIGIN[0] + 1000 * WIDTH_KM + 500,
        ORIGIN[1] + 1000 * HEIGHT_KM + 500,
    )
    hole = ragged_ring(
        [(9.7, 3.6), (11.0, 3.4), (12.2, 3.9), (12.1, 5.2), (10.9, 5.6), (9.8, 5.2)],
        "undelivered sheet",
        0.04,
        400,
    )
    d.union["hole"] = tidy(hole)
    d.union["coverage"] = tidy(frame.difference(hole))
    d.layers["coverage"] = [(d.union["coverage"], {"BZ": "永久基本农田已交付范围"})]


def _sea_dyke(d: District) -> None:
    band = d.coast.buffer(180, cap_style="flat").intersection(d.land.buffer(60))
    d.layers["sea_dyke_zone"] = [
        (tidy(p), {"MC": f"海堤管理范围（示意）{i}"}) for i, p in enumerate(polygons(band), 1)
    ]
    d.union["sea_dyke_zone"] = shapely.union_all([g for g, _ in d.layers["sea_dyke_zone"]])
