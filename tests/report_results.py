"""Results for the tests of reports: the sample district, and one whose every text is hostile."""

from __future__ import annotations

import json

import geopandas as gpd
import shapely

import landremed

HOSTILE = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1+1)",
    '=HYPERLINK("http://example.invalid","x")',
    "=cmd|' /C calc'!A0",
    "<script>document.title='hit'</script>",
    "</script><script>document.title='hit'</script>",
    "<img src=x onerror=\"document.title='hit'\">",
    "<svg onload=\"document.title='hit'\">",
    '"><b id=hit>x</b>',
    "'><i id=hit>x</i>",
    "javascript:alert(1)",
    "{{7*7}}",
    "{0}{name}%s%(x)s",
    "${7*7}`${7}`",
    '#import "/etc/hostname": x',
    '#panic("hit")',
    "$ sum_(i=0)^n i $",
    "*bold* _it_ = Heading",
    "@label <label>",
    "\\frac{1}{2} \\u{41}",
    "'; DROP TABLE decisions; --",
    '" OR 1=1 --',
    "_x0041_",
    "&amp; &lt; &#60;",
    "]]> <!-- -->",
    "<!--[data]-->",
    "../../etc/passwd",
    "C:\\con\\nul",
    "https://example.invalid/",
    "file:///etc/passwd",
    "a" * 300,
    "  spaces  ",
    "\u202etxt.exe",
    "é́zero\u200bwidth",
    "𣵦䶮镕",
    "😀🏳️‍🌈",
    "NULL",
    "1e999",
]

EAST, NORTH = 560000, 4300000


def sample_result(path):
    """Run the sample district."""
    landremed.run(landremed.sample_project(), path, engine="shapely")
    return path


def hostile_result(folder):
    """Run forty parcels whose ids, units, features, programme and project are hostile texts."""
    boxes = [
        shapely.box(EAST + 200 * k, NORTH, EAST + 200 * k + 100, NORTH + 100) for k in range(len(HOSTILE))
    ]
    frame = gpd.GeoDataFrame(
        {
            "TBBH": HOSTILE,
            "category": ["illegal_occupation"] * len(HOSTILE),
            "subtype": ["industrial"] * len(HOSTILE),
            "occurred_on": ["2015"] * len(HOSTILE),
            "source_programme": HOSTILE,
            "note": HOSTILE,
        },
        geometry=boxes,
        crs="EPSG:4548",
    )
    frame.to_file(folder / "p.gpkg", layer="p")
    halves = [shapely.box(b.bounds[0], NORTH, b.bounds[0] + 50, NORTH + 100) for b in boxes]
    red = gpd.GeoDataFrame({"HX": HOSTILE, "LX": HOSTILE[::-1]}, geometry=halves, crs="EPSG:4548")
    red.to_file(folder / "c.gpkg", layer="red")
    wide = [b.buffer(20, join_style="mitre") for b in boxes]
    units = gpd.GeoDataFrame({"N": [f"{t}镇" for t in HOSTILE], "K": "town"}, geometry=wide, crs="EPSG:4548")
    units.to_file(folder / "c.gpkg", layer="units")
    quoted = json.dumps(HOSTILE[6])
    (folder / "project.toml").write_text(
        f"""[project]
name = {quoted}
secrecy = {json.dumps(HOSTILE[8])}
as_of = 2022-03-31
language = "zh"
[parcels]
path = "p.gpkg"
id = "TBBH"
[layers.ecological_red_line]
path = "c.gpkg"
layer = "red"
id = "HX"
by = ["LX"]
version = {quoted}
[layers.admin_units]
path = "c.gpkg"
layer = "units"
name = "N"
kind = "K"
""",
        encoding="utf-8",
    )
    landremed.run(folder / "project.toml", folder / "hostile.gpkg", engine="shapely")
    return folder / "hostile.gpkg"
