"""A district of sixty squares that wait for facts, run once, and packages filled in for it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import shapely

import landremed

EAST, NORTH = 560_000, 4_300_000
KINDS = [
    ("abandoned_farmland", None, {}),
    ("approved_unsupplied", None, {}),
    ("pre_expropriation", None, {"plan_conforms": "false"}),
    ("lake", "lake_digging", {}),
    ("illegal_occupation", "industrial", {"occurred_on": "2019-05-17"}),
]
COUNT = 60


def square(number, size=80.0):
    x, y = EAST + 200 * (number % 10), NORTH + 200 * (number // 10)
    return shapely.box(x, y, x + size, y + size)


def write_project(folder, straddle="review"):
    """Write parcels, two layers and a project file."""
    rows = []
    for number in range(COUNT):
        category, subtype, facts = KINDS[number % len(KINDS)]
        row = {"pid": f"P-{number:03d}", "category": category, "subtype": subtype, **facts}
        rows.append(row | {"geometry": square(number)})
    parcels = gpd.GeoDataFrame(rows, crs="EPSG:4548")
    parcels.to_file(folder / "parcels.gpkg", layer="parcels")
    strip = gpd.GeoDataFrame(
        {"secret": ["inside information"]},
        geometry=[shapely.box(EAST - 5000, NORTH - 5000, EAST + 40, NORTH + 5000)],
        crs="EPSG:4548",
    )
    strip.to_file(folder / "red.gpkg", layer="red")
    barrier = gpd.GeoDataFrame(
        geometry=[shapely.box(EAST + 640, NORTH - 5000, EAST + 1000, NORTH + 5000)], crs="EPSG:4548"
    )
    barrier.to_file(folder / "barrier.gpkg", layer="barrier")
    split = '[layers.green_barrier]\npath = "barrier.gpkg"\n' if straddle == "split" else ""
    (folder / "project.toml").write_text(
        f"""
[project]
name = "review-district"
as_of = 2022-03-31
language = "zh"
straddle = "{straddle}"
crs = "EPSG:4548"
[parcels]
path = "parcels.gpkg"
id = "pid"
[layers.red_line]
path = "red.gpkg"
{split}""",
        encoding="utf-8",
    )
    return folder / "project.toml"


def make_result(folder: Path, straddle="review") -> Path:
    """Run the project and return the result."""
    project = write_project(folder, straddle)
    out = folder / "result.gpkg"
    landremed.run(project, out, engine="shapely")
    return out


def fill(package: Path, visits):
    """Write visits into a package as a program in the field would: one row each."""
    data = package / "data.gpkg" if package.is_dir() else package
    with closing(sqlite3.connect(data)) as db, db:
        for visit in visits:
            columns = ", ".join(visit)
            marks = ", ".join("?" * len(visit))
            db.execute(f"INSERT INTO visits ({columns}) VALUES ({marks})", list(visit.values()))


def said(parcel, person, at="2022-04-01T09:00:00", verdict="confirmed", **answers):
    return {"parcel_id": parcel, "surveyor": person, "visited_at": at, "verdict": verdict} | answers


def table(path, name, order="fid"):
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        return [dict(r) for r in db.execute(f"SELECT * FROM {name} ORDER BY {order}")]


def state(path):
    """Return everything a merge may change, as comparable values."""
    names = (
        *("decisions", "parts", "facts", "trace", "summary", "reviews", "review_clashes", "review_changes"),
        *("review_overrules", "review_problems", "review_boundaries", "review_machine"),
    )
    order = {"review_machine": "place, fid"}
    return {name: table(path, name, order.get(name, "fid")) for name in names}
