"""Write ``data/samples`` and its golden tables: ``python tools/make_samples.py``.

The district is invented (``sample_geography``), the named parcels and what must come out of them are in
``sample_cases``; the other parcels are random. The same script gives the same files.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

os.environ["OPENPYXL_LXML"] = "False"  # the same bytes whether lxml is installed or not

import numpy as np
import sample_tables
from sample_cases import Case, read_cases
from sample_geography import District, make_district, polygons, rng_for
from sample_land import add_land
from sample_places import Place, Plotter, outline, put
from shapely import Polygon
from shapely.geometry import LineString
from shapely.geometry.base import BaseGeometry
from shapely.ops import split

REPO = Path(__file__).resolve().parents[1]
SAMPLES = REPO / "data" / "samples"
GOLDEN = REPO / "tests" / "golden"
TOTAL = 600
PROGRAMMES = {
    "违法违规占地": ["乱占耕地建房", "督察", "清查整治", "审计"],
    "挖田造湖": ["清查整治", "督察"],
}
MIX = {
    "违法违规占地": 0.36,
    "挖田造湖": 0.14,
    "预征土地": 0.07,
    "违规收储": 0.12,
    "闲置土地及违约竣工": 0.10,
    "耕地撂荒": 0.13,
    "批而未供": 0.08,
}
SUBTYPES = {
    "违法违规占地": (["产业类", "公共管理服务类", "基础设施类", "住宅类"], [0.5, 0.22, 0.18, 0.1]),
    "挖田造湖": (["公园绿地", "挖田造湖"], [0.45, 0.55]),
    "闲置土地及违约竣工": (["闲置土地", "违约竣工"], [0.75, 0.25]),
}
YES = ["是", "否"]
CHANCES: dict[str, list[tuple[str, list[object], list[float], float]]] = {
    # class -> (fact, values, chances, chance that it is known)
    "违法违规占地": [
        ("plan_conforms", YES, [0.55, 0.45], 0.93),
        ("plan_includable", YES, [0.4, 0.6], 0.93),
        ("safety_compliant", [True, False], [0.7, 0.3], 0.93),
        ("safety_rectifiable", [True, False], [0.6, 0.4], 0.93),
        ("abandoned", [True, False], [0.1, 0.9], 0.95),
        ("above_scale_industry", YES, [0.45, 0.55], 0.93),
        ("retained_park", YES, [0.35, 0.65], 0.93),
        ("demolition_required_by_law", [True, False], [0.12, 0.88], 0.93),
        ("conversion_done", YES, [0.5, 0.5], 0.16),
        ("followup_done", YES, [0.4, 0.6], 0.1),
    ],
    "挖田造湖": [
        ("approval_obtained", YES, [0.2, 0.8], 0.9),
        ("plan_conforms", YES, [0.5, 0.5], 0.9),
        ("conversion_possible", YES, [0.5, 0.5], 0.9),
        ("ecological_construction", ["是", "否"], [0.35, 0.65], 0.85),
    ],
    "预征土地": [
        ("plan_conforms", YES, [0.4, 0.6], 0.9),
        ("conversion_possible", YES, [0.15, 0.85], 0.9),
        ("owners_willing_to_return", YES, [0.5, 0.5], 0.85),
    ],
    "违规收储": [
        ("quota_available", YES, [0.5, 0.5], 0.92),
        ("major_infrastructure", YES, [0.4, 0.6], 0.92),
        ("swap_possible", YES, [0.3, 0.7], 0.9),
        ("owners_willing_to_return", YES, [0.5, 0.5], 0.9),
    ],
    "闲置土地及违约竣工": [
        ("idle_cause", ["政府原因", "自身原因", "司法查封、涉法涉诉"], [0.5, 0.35, 0.15], 0.88),
        ("disposal_mode", ["促开工", "收回", "置换"], [0.5, 0.3, 0.2], 0.85),
    ],
    "耕地撂荒": [
        ("cultivable", [True, False], [0.5, 0.5], 0.92),
        (
            "abandonment_cause",
            ["垃圾渣土堆积", "自然条件差", "法律纠纷", "承包人弃种", "客观无法复耕", "其他"],
            [0.2, 0.25, 0.15, 0.2, 0.08, 0.12],
            0.88,
        ),
    ],
    "批而未供": [
        ("supply_status", ["project_not_landed", "已用未供", "不能利用的边角地"], [0.5, 0.3, 0.2], 0.85)
    ],
}


def main() -> None:
    """Write everything."""
    district = make_district()
    add_land(district)
    plotter = Plotter(district)
    parcels: list[dict[str, object]] = []
    geometries: list[BaseGeometry | None] = []
    found: dict[str, BaseGeometry] = {}
    cases = read_cases()
    for case in cases:
        polygon = (
            found[case.damage[5:]]
            if case.damage.startswith("same:")
            else plotter.find(case.parcel_id, case.place)
        )
        found[case.parcel_id] = polygon
        geometries.append(damaged(polygon, case.damage))
        parcels.append(named_row(case, polygon))
    facts = {c.parcel_id: c.facts for c in cases}
    rng = rng_for("anonymous")
    while len(parcels) < TOTAL:
        for polygon, kind in random_places(district, plotter, rng, TOTAL - len(parcels)):
            row, known = random_parcel(f"BH-{len(parcels) + 1:04d}", kind, polygon, rng)
            parcels.append(row)
            geometries.append(polygon)
            facts[str(row["TBBH"])] = known
    towns = [(g, str(a["XZQMC"])) for g, a in district.layers["admin_units"] if a["LX"] == "town"]
    for row, polygon in zip(parcels, [*found.values(), *geometries[len(cases) :]], strict=True):
        row["ZLDWMC"] = next((n for g, n in towns if g.contains(polygon.representative_point())), "")
    order = np.argsort(rng_for("order").random(len(parcels)), kind="stable")
    parcels, geometries = [parcels[i] for i in order], [geometries[i] for i in order]
    sample_tables.write_all(SAMPLES, district, parcels, geometries, facts)
    write_golden(cases)


def damaged(polygon: Polygon, odd: str) -> BaseGeometry | None:
    """Return the geometry as a careless file would hold it."""
    if odd == "null":
        return None
    if odd == "empty":
        return Polygon()
    ring = list(polygon.minimum_rotated_rectangle.exterior.coords)[:4]
    a, b, c, d = (tuple(np.round(p, 3)) for p in ring)
    if odd == "bowtie":
        return Polygon([a, b, d, c])
    coords = list(polygon.exterior.coords)[:-1]
    if odd == "duplicate":
        return Polygon([p for q in coords for p in (q, q)])
    if odd == "spike":
        x, y = polygon.centroid.coords[0]
        inner = (round((coords[0][0] + x) / 2, 3), round((coords[0][1] + y) / 2, 3))
        return Polygon([coords[0], inner, *coords])
    if odd == "hole":
        cut = polygon.buffer(-0.25 * polygon.area**0.5).simplify(1)
        hole = polygons(cut, 10)[0].exterior.coords
        return Polygon(polygon.exterior.coords, [[tuple(np.round(p, 3)) for p in hole]])
    return polygon


def named_row(case: Case, polygon: Polygon) -> dict[str, object]:
    """Return the attributes of a named parcel."""
    programmes = PROGRAMMES.get(case.kind, ["清查整治"])
    programme = "督察" if case.damage.startswith("same:") else programmes[0]
    return {
        "TBBH": case.parcel_id,
        "WTLX": case.kind or None,
        "XL": case.subtype or None,
        "FSRQ": case.occurred_on or None,
        "WTLY": case.facts.get("feedback_source"),
        "source_programme": programme,
        "TBMJ": round(polygon.area, 2),
        "BZ": case.shows,
    }


def random_places(
    district: District, plotter: Plotter, rng: np.random.Generator, room: int
) -> list[tuple[Polygon, str]]:
    """Return one random parcel, or the two or three pieces of one that was cut into touching parcels."""
    kind = str(rng.choice(list(MIX), p=list(MIX.values())))
    area = district.land
    if kind in {"违规收储", "闲置土地及违约竣工", "批而未供"} and rng.random() < 0.92:
        area = district.union["zones"]
    elif kind == "预征土地" and rng.random() < 0.92:
        area = district.union["滨海高新区"]
    elif kind == "耕地撂荒" and rng.random() < 0.85:
        area = district.union["permanent_basic_farmland"]
    x0, y0, x1, y1 = area.bounds
    while True:
        size = float(np.clip(rng.lognormal(5.15, 0.42), 45, 520))
        spot = put(
            outline(str(rng.choice(["", "step", "blob"])), (size, size * rng.uniform(0.45, 0.9)), rng),
            rng.uniform(x0, x1),
            rng.uniform(y0, y1),
            rng.uniform(0, np.pi),
        )
        if (
            spot.is_valid
            and area.intersects(spot.centroid)
            and plotter.narrowed["land-"].contains(spot)
            and plotter.free(spot, 12)
        ):
            break
    plotter.taken.append(spot)
    if size < 150 or rng.random() > 0.3:
        return [(spot, kind)]
    c = np.array(spot.centroid.coords[0])
    turn = rng.uniform(0, np.pi)
    reach = np.array([np.cos(turn), np.sin(turn)]) * size
    pieces = polygons(split(spot, LineString([c - reach, c + reach])), 200)[:room]
    return [(Polygon(np.round(p.exterior.coords, 3)), kind) for p in pieces]


def random_parcel(
    parcel_id: str, kind: str, polygon: Polygon, rng: np.random.Generator
) -> tuple[dict[str, object], dict[str, object]]:
    """Return attributes and facts of an unnamed parcel; three in ten lack some fact."""
    subtypes = SUBTYPES.get(kind)
    subtype = str(rng.choice(subtypes[0], p=subtypes[1])) if subtypes else None
    complete = rng.random() < 0.7
    facts: dict[str, object] = {}
    for fact, values, chances, known in CHANCES[kind]:
        claim = fact in {"conversion_done", "followup_done"}
        if rng.random() < (known if claim or not complete else 1.0) * (1.0 if claim or complete else 0.75):
            facts[fact] = values[int(rng.choice(len(values), p=chances))]
    if facts.get("followup_done") and not facts.get("conversion_done"):
        del facts["followup_done"]
    if kind == "违法违规占地" and rng.random() < 0.12:
        source = str(rng.choice(["巡视", "审计", "国家自然资源督察"]))
        facts["feedback_source"] = source
        facts["feedback_on"] = f"{int(rng.integers(2014, 2022))}-0{int(rng.integers(1, 10))}-15"
        if rng.random() < 0.6:
            facts["feedback_deadline"] = str(rng.choice(["2022-06-30", "2022-12-31", "2021-12-31"]))
    if kind == "挖田造湖" and rng.random() < 0.12:
        facts["exemption"] = str(rng.choice(["survey_error", "other"]))
    row: dict[str, object] = {
        "TBBH": parcel_id,
        "WTLX": kind,
        "XL": subtype,
        "FSRQ": random_date(rng, complete),
        "WTLY": facts.get("feedback_source"),
        "source_programme": str(rng.choice(PROGRAMMES.get(kind, ["清查整治"]))),
        "TBMJ": round(polygon.area, 2),
        "BZ": None,
    }
    return row, facts


def random_date(rng: np.random.Generator, complete: bool) -> str | None:
    """Return a date in one of the usual spellings; some only to the month or year."""
    year = int(np.clip(round(rng.normal(2014, 4)), 1998, 2021))
    month, day = int(rng.integers(1, 13)), int(rng.integers(1, 29))
    if not complete and rng.random() < 0.08:
        return None
    spellings = [
        f"{year}-{month:02d}-{day:02d}",
        f"{year}/{month}/{day}",
        f"{year}.{month}.{day}",
        f"{year}年{month}月{day}日",
        f"{year}-{month:02d}",
        f"{year}年",
    ]
    return spellings[int(rng.choice(6, p=[0.45, 0.18, 0.12, 0.15, 0.06, 0.04]))]


def write_golden(cases: list[Case]) -> None:
    """Write what must come out of the named parcels, and where they lie."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    stated = [
        "outcome",
        "measure",
        "rule",
        "clause",
        "reason",
        "missing",
        "possible",
        "schedule",
        "due_on",
        "overdue",
        "priority",
        "zero_tolerance",
        "unit",
        "other_units",
        "flags",
        "no_flags",
    ]
    names = {"missing": "missing_facts", "possible": "possible_outcomes", "unit": "implementing_unit"}
    with (GOLDEN / "samples_expected.csv").open("w", encoding="utf-8", newline="") as handle:
        out = csv.writer(handle, lineterminator="\n")
        out.writerow(["parcel_id", *(names.get(s, s) for s in stated)])
        for case in cases:
            values = [getattr(case.expected, s) for s in stated]
            out.writerow([case.parcel_id, *("*" if v is None else v for v in values)])
    with (GOLDEN / "samples_expected_split.csv").open("w", encoding="utf-8", newline="") as handle:
        out = csv.writer(handle, lineterminator="\n")
        out.writerow(["parcel_id", "outcome", "reason", "possible_outcomes"])
        for case in cases:
            if case.expected_split:
                split_up = case.expected_split
                out.writerow([case.parcel_id, split_up.outcome, split_up.reason, split_up.possible])
    with (GOLDEN / "samples_places.csv").open("w", encoding="utf-8", newline="") as handle:
        out = csv.writer(handle, lineterminator="\n")
        out.writerow(
            ["parcel_id", "farmland", "red_line", "boundary", "barrier", "uncovered", "units", "damage"]
        )
        for case in cases:
            place: Place = case.place
            units = "/".join(place.units)
            out.writerow([case.parcel_id, *place.states().values(), units, case.damage])


if __name__ == "__main__":
    main()
