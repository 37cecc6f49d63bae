"""Fields, permanent basic farmland and land use of the samples' district."""

from __future__ import annotations

import shapely
from sample_geography import District, cut_up, polygons, ragged_line, ragged_ring, rng_for, tidy
from shapely import Polygon
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

__all__ = ["add_land"]


def add_land(d: District) -> None:
    """Add fields, basic farmland and land use to a district, and check every layer."""
    rng = rng_for("fields")
    farmland: list[tuple[BaseGeometry, dict[str, object]]] = []
    use: list[tuple[BaseGeometry, dict[str, object]]] = []
    region = _field_region(d)
    towns = [(g, str(a["XZQMC"])) for g, a in d.layers["admin_units"] if a["LX"] == "town"]
    villages = ["一村", "二村", "三村", "新立村", "东庄村", "西庄村", "前营村", "后营村"]
    for area in polygons(region):
        for block in cut_up(area, 520_000, rng):
            inner = block.buffer(-9, join_style="mitre")
            fields = [f for p in polygons(inner, 8000) for f in cut_up(p, 60_000, rng, 0.09)]
            shapes = [tidy(f.buffer(-2.5, join_style="mitre")) for f in fields]
            shapes = [q for s in shapes for q in polygons(s, 3000)]
            town = next((n for g, n in towns if g.contains(block.representative_point())), "海滨街道")
            village = f"{town}{villages[int(rng.integers(len(villages)))]}"
            code = str(rng.choice(["0101", "0102", "0103"], p=[0.3, 0.55, 0.15]))
            reserved = bool(rng.random() < 0.1)  # a block that was never designated
            for shape in shapes:
                own = code if rng.random() < 0.9 else str(rng.choice(["0101", "0102", "1104", "1202"]))
                use.append((shape, {"DLBM": own, "ZLDWMC": village}))
                if own.startswith("01") and not reserved and rng.random() < 0.93:
                    for piece in polygons(tidy(shape.difference(d.union["hole"])), 2000):
                        farmland.append((piece, {"DLBM": own, "ZLDWMC": village}))
            road = tidy(block.difference(shapely.union_all(shapes)) if shapes else block)
            use.append((road, {"DLBM": "1006", "ZLDWMC": village}))
    for i in (140, 371, 702):  # delivered twice with a shifted edge: the union is what counts
        shape, attributes = farmland[i]
        farmland.append((tidy(shape.buffer(9, join_style="mitre")), dict(attributes)))
    d.layers["permanent_basic_farmland"] = farmland
    d.union["permanent_basic_farmland"] = shapely.union_all([g for g, _ in farmland])
    _other_land_use(d, use, region)
    for rows in d.layers.values():
        for g, _ in rows:
            if not g.is_valid or not isinstance(g, Polygon | MultiPolygon):
                raise ValueError("a layer of the district is not a valid polygon")


def _field_region(d: District) -> BaseGeometry:
    parts = {
        "fields north-west": [
            (0.1, 9.8),
            (2.2, 10.0),
            (5.2, 9.7),
            (5.5, 12.2),
            (5.1, 14.9),
            (2.0, 14.7),
            (0.1, 14.9),
        ],
        "fields west": [(0.1, 3.7), (3.2, 3.5), (5.3, 3.9), (6.6, 4.7), (6.5, 7.4), (3.4, 7.6), (0.1, 7.4)],
        "fields south": [(8.3, 0.5), (11.3, 0.6), (11.5, 3.2), (12.1, 6.6), (8.4, 6.8), (8.1, 3.4)],
        "fields north": [(8.4, 9.1), (10.7, 9.2), (10.4, 11.6), (10.6, 14.6), (8.3, 14.5), (8.1, 11.9)],
        "fields centre": [(12.4, 5.0), (15.0, 5.1), (14.8, 6.4), (12.5, 6.7)],
    }
    town = d.layers["urban_development_boundary"][3][0]
    park = d.layers["urban_development_boundary"][2][0]
    keep_out = shapely.union_all(
        [d.river.buffer(60), town, park.buffer(-420), d.union["ecological_red_line"].buffer(60)]
    )
    return (
        shapely.union_all([ragged_ring(p, name, 0.07, 300) for name, p in parts.items()])
        .intersection(d.land)
        .difference(keep_out)
    )


def _other_land_use(
    d: District, use: list[tuple[BaseGeometry, dict[str, object]]], region: BaseGeometry
) -> None:
    rng = rng_for("land use")
    names = [(g, str(a["XZQMC"])) for g, a in d.layers["admin_units"] if a["LX"] == "town"]

    def add(shape: BaseGeometry, code: str) -> None:
        point = shape.representative_point()
        use.append(
            (shape, {"DLBM": code, "ZLDWMC": next((n for g, n in names if g.contains(point)), "海域")})
        )

    river = d.river.difference(region)
    for p in polygons(river):
        add(tidy(p), "1101")
    built = shapely.union_all([g for g, _ in d.layers["urban_development_boundary"]])
    built = built.intersection(d.land).difference(region).difference(d.river)
    marsh = d.layers["ecological_red_line"]
    wet = (
        shapely.union_all([g for g, a in marsh if a["HXLX"] == "湿地"])
        .difference(region)
        .difference(built)
        .difference(d.river)
    )
    urban_codes = ["0702", "0602", "08H2", "0810", "0601", "05H1"]
    for p in polygons(built):
        blocks = [
            tidy(q)
            for b in cut_up(p, 110_000, rng, 0.1)
            for q in polygons(b.buffer(-9, join_style="mitre"), 2000)
        ]
        for q in blocks:
            add(q, str(rng.choice(urban_codes, p=[0.34, 0.26, 0.12, 0.12, 0.08, 0.08])))
        for q in polygons(tidy(p.difference(shapely.union_all(blocks)))):
            add(q, "1004")
    for p in polygons(wet):
        for q in cut_up(p, 350_000, rng, 0.12):
            add(tidy(q), str(rng.choice(["1106", "1104", "0402"], p=[0.6, 0.25, 0.15])))
    sea_side = ragged_line(
        [(18.0, -0.4), (18.6, 3.0), (18.4, 7.0), (18.9, 11.0), (18.5, 15.4)], "low water", 0.1, 240
    )
    flat = Polygon([*d.coast.coords, *reversed(sea_side.coords)]).buffer(0)
    for p in polygons(flat.difference(d.land)):
        for q in cut_up(p, 1_400_000, rng, 0.1):
            add(tidy(q), "1105")
    rest = d.land.difference(shapely.union_all([region, built, wet, d.river]))
    codes = ["0404", "1104", "1204", "0307", "1202", "0602", "1003"]
    for p in polygons(rest):
        for q in cut_up(p, 260_000, rng, 0.12):
            add(tidy(q), str(rng.choice(codes, p=[0.3, 0.3, 0.14, 0.12, 0.05, 0.05, 0.04])))
    d.layers["land_use"] = [(g, a) for g, a in use if not g.is_empty]
