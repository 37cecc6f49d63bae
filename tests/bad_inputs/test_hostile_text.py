"""Forty hostile strings in ids, texts, evidence, names of fields, layers and files, through to every output.

What comes out is parsed: workbooks hold no formula, pages no new tag, databases their tables, and the text
itself is still there.
"""

from __future__ import annotations

import contextlib
import csv
import html.parser
import io
import json
import sqlite3
import tomllib
import zipfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import geopandas as gpd
import good_files
import openpyxl
import pytest
from command import call, deadline, fault

HOSTILE = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://127.0.0.1","x")',
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1+2",
    "\r=1+3",
    " =1+4",
    "＝1+1",
    "%0A=1+1",
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<!--",
    "-->",
    "]]>",
    "<img src=x onerror=alert(3)>",
    '" onmouseover="alert(4)',
    "javascript:alert(5)",
    "&lt;b&gt;&amp;&#x3c;",
    "'; DROP TABLE decisions; --",
    '"; DROP TABLE decisions; --',
    "' OR '1'='1",
    "x') UNION SELECT 1--",
    "%s%s%n%d",
    "{0}{outcome}{self.__class__}",
    "{{ 7*7 }}{% raw %}",
    "${jndi:ldap://127.0.0.1/x}",
    "$(touch x)`touch x`",
    "../../../etc/passwd",
    "C:\\windows\\system32",
    "\u202egnp.exe",
    "\u200b\ufeff\u2066隐\u2069",
    "e\u0301\u0489\u0489",
    "👩‍👩‍👧‍👦🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "a\nb\r\nc",
    '#panic("typst") #read("/etc/passwd") $x$',
    "\x1b[31m\x07\x08",
    "NULL",
    "长" * 2000,
]
TEXT_FIELD = "备注=<b>'"
LAYER = "r\"'<i>;--"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty parcels named by the strings, decided once."""
    place = tmp_path_factory.mktemp("hostile") / "=a'b%s{0} ＜"
    place.mkdir()
    assert len(HOSTILE) == 40
    boxes = [good_files.box(i) for i in range(len(HOSTILE))]
    count = len(HOSTILE)
    frame = gpd.GeoDataFrame(
        {
            "TBBH": HOSTILE,
            "WTLX": ["违法占地"] * count,
            "XL": ["产业类", None] * (count // 2),
            "FSRQ": ["2019-05-06"] * count,
            TEXT_FIELD: HOSTILE,
        },
        geometry=boxes,
        crs=4548,
    )
    good_files.write(frame, place / "p.gpkg", layer="p")
    halves = [good_files.box(i, 50) for i in range(count)]
    red = gpd.GeoDataFrame({"HXBM": HOSTILE}, geometry=halves, crs=4548)
    good_files.write(red, place / "r.gpkg", layer=LAYER)
    with (place / "e=1.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["TBBH", "plan_conforms", "owner"])
        writer.writerows([name, ("是", name)[i % 2], name] for i, name in enumerate(HOSTILE))
    text = good_files.PROJECT.replace(
        "[[evidence]]", f'by = ["HXBM"]\nlayer = {json.dumps(LAYER)}\n[[evidence]]'
    )
    text = text.replace("e.csv", "e=1.csv").replace('name = "坏文件"', f"name = {json.dumps(HOSTILE[11])}")
    (place / "project.toml").write_text(text, encoding="utf-8")
    (place / "out").mkdir()
    command(place, "run", "project.toml", "-o", "o.gpkg")
    return place


def command(folder: Path, *arguments: str) -> str:
    """Run a command in the folder; it must not stop."""
    with contextlib.chdir(folder), deadline(60):
        status, text = call(["--lang", "en", *arguments])
    assert status in (0, 3), text
    assert not fault(list(arguments), status, text, folder / "nowhere"), text
    assert not set(text) & set("\x1b\x07\x08\u202e\x00"), "the terminal is steered"
    return text


def test_result(folder: Path) -> None:
    with sqlite3.connect(folder / "o.gpkg") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = db.execute(f'SELECT parcel_id, "{TEXT_FIELD}" FROM decisions ORDER BY fid').fetchall()
        assert db.execute("SELECT count(*) FROM overlaps").fetchone()[0] == len(HOSTILE)
        hits = [r[0] for r in db.execute("SELECT HXBM FROM overlap_features ORDER BY fid")]
    trimmed = [name.strip() for name in HOSTILE]
    assert [row[0] for row in rows] == trimmed
    assert [row[1] for row in rows] == HOSTILE
    assert sorted(hits) == sorted(HOSTILE)


def test_every_parcel_is_explained(folder: Path) -> None:
    for name in HOSTILE:
        text = command(folder, "explain", "o.gpkg", "--", name.strip())
        assert "demolish" in text or "review" in text


def formulas(path: Path) -> list[str]:
    """Return every formula, live link and macro in a workbook, by its raw XML."""
    found = []
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith((".bin", ".vml")) or "externalLink" in name:
                found.append(name)
            if name.startswith("xl/worksheets/") and name.endswith(".xml"):
                root = ElementTree.fromstring(archive.read(name))
                space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
                found += [f"{name}: {f.text}" for f in root.iter(f"{space}f") if not ours(f.text or "")]
                found += [f"{name}: link" for _ in root.iter(f"{space}hyperlink")]
    return found


def ours(formula: str) -> bool:
    return formula.startswith(("SUM(", "SUBTOTAL(", "COUNTIF(", "IF("))


def texts(path: Path) -> set[str]:
    workbook = openpyxl.load_workbook(path)
    return {str(c.value) for page in workbook for row in page.iter_rows() for c in row if c.value is not None}


def test_overlay_table(folder: Path) -> None:
    command(folder, "report", "table", "o.gpkg", "-o", "out/t.xlsx")
    assert formulas(folder / "out/t.xlsx") == []
    shown = texts(folder / "out/t.xlsx")
    for name in HOSTILE[:6]:
        assert name in shown or f"'{name}" in shown, name


def test_ledger_sheets(folder: Path) -> None:
    command(folder, "ledger", "init", "o.gpkg", "-o", "l.gpkg", "--who", HOSTILE[1], "--on", "2022-04-01")
    arguments = ["ledger", "sheets", "l.gpkg", "-o", "out/s", "--month", "2022-04", "--who", HOSTILE[11]]
    command(folder, *arguments)
    books = sorted((folder / "out/s").glob("*.xlsx"))
    assert books
    for path in books:
        assert formulas(path) == []
    with sqlite3.connect(folder / "l.gpkg") as db:
        assert (
            db.execute("SELECT count(DISTINCT parcel_id) FROM events WHERE parcel_id != ''").fetchone()[0]
            >= 40
        )
    command(folder, "ledger", "history", "l.gpkg", "--", HOSTILE[21])


class Tags(html.parser.HTMLParser):
    """Counts tags and event attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.events: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.events += [name for name, _ in attrs if name.startswith("on")]


def tags(path: Path) -> Tags:
    parser = Tags()
    parser.feed(path.read_text(encoding="utf-8"))
    return parser


def test_map(folder: Path, tmp_path: Path) -> None:
    command(folder, "report", "map", "o.gpkg", "-o", "out/m.html")
    good_files.project(tmp_path)
    command(tmp_path, "run", "project.toml", "-o", "o.gpkg")
    command(tmp_path, "report", "map", "o.gpkg", "-o", "m.html")
    hostile, plain = tags(folder / "out/m.html"), tags(tmp_path / "m.html")
    assert hostile.tags == plain.tags
    assert hostile.events == plain.events


@pytest.mark.parametrize("form", ["shp", "geojson", "kml", "gdb"])
def test_export(folder: Path, form: str) -> None:
    command(folder, "export", "o.gpkg", "-f", form, "-o", f"out/{form}")
    made = folder / "out" / form
    assert all(p.resolve().is_relative_to(made.resolve()) for p in made.rglob("*"))
    if form == "kml":
        for path in made.glob("*.kml"):
            root = ElementTree.fromstring(path.read_bytes())
            names = {element.tag.rsplit("}", 1)[-1] for element in root.iter()}
            assert not names & {"script", "img", "b", "i"}
    if form == "geojson":
        (path,) = made.glob("*.geojson")
        rows = json.loads(path.read_text(encoding="utf-8"))["features"]
        assert [r["properties"]["parcel_id"] for r in rows] == [name.strip() for name in HOSTILE]
    for path in made.glob("*.csv"):
        for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))):
            assert not any(cell.startswith(("=", "+", "@")) for cell in row)


def test_case_file(folder: Path) -> None:
    command(folder, "report", "casefile", "o.gpkg", HOSTILE[0], "-o", "out/c.zip")
    with zipfile.ZipFile(folder / "out/c.zip") as archive:
        assert not [n for n in archive.namelist() if n.startswith("/") or ".." in n.split("/")]
        for name in archive.namelist():
            if name.endswith(".csv"):
                for row in csv.reader(io.StringIO(archive.read(name).decode("utf-8-sig"))):
                    assert not any(cell.startswith(("=", "+", "@")) for cell in row), name
    command(folder, "replay", "out/c.zip")


def test_field_package(folder: Path) -> None:
    command(folder, "review", "pack", "o.gpkg", "-o", "out/f.gpkg")
    command(folder, "review", "merge", "o.gpkg", "out/f.gpkg")
    with sqlite3.connect(folder / "out/f.gpkg") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_project_written_for_hostile_fields(folder: Path) -> None:
    command(folder, "init", "p.gpkg", f"red_line=r.gpkg:{LAYER}", "-o", "out/i.toml")
    made = tomllib.loads((folder / "out/i.toml").read_text(encoding="utf-8"))
    assert set(made) <= {
        "project",
        "tolerance",
        "parcels",
        "layers",
        "evidence",
        "limits",
        "report",
        "readings",
    }


def test_info(folder: Path) -> None:
    command(folder, "info", "p.gpkg", "r.gpkg")


def test_convert(folder: Path) -> None:
    for name in ("x.geojson", "x.parquet", "x.shp", "x.fgb"):
        command(folder, "convert", "p.gpkg", f"out/{name}")
    rows = json.loads((folder / "out/x.geojson").read_bytes())["features"]
    assert [row["properties"][TEXT_FIELD] for row in rows] == HOSTILE
