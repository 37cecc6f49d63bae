"""Named bad inputs through the real commands: status, words, nothing half written, no traceback, no hang.

Every case works in a folder of its own that holds a good file of every format (``good_files``), breaks one of
them, and runs one command in English and in Chinese.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import geopandas as gpd
import good_files
import openpyxl
import pytest
import shapely
from command import call, deadline, fault
from damage import damage
from good_files import IDS, PROJECT, VECTORS

SECONDS = 20.0
RUN = ["run", "project.toml", "-o", "out/x.gpkg"]
CHECK = ["check", "project.toml"]
CONVERT = ["convert", "p.geojson", "out/x.geojson"]
FIRST = IDS[0]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder with everything good."""
    folder = tmp_path_factory.mktemp("good")
    for kind in VECTORS:
        good_files.vector(folder, kind)
    good_files.evidence_xlsx(folder / "e.xlsx")
    good_files.results(folder, lambda arguments: call(list(arguments))[0])
    good_files.rule_book(folder)
    (folder / "h.csv").write_text(good_files.CALENDAR, encoding="utf-8")
    next((folder / "sheets").glob("*.xlsx")).rename(folder / "s.xlsx")
    (folder / "out").mkdir()
    return folder


@pytest.fixture
def folder(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of it, where commands run."""
    place = tmp_path / "坏 文件"
    shutil.copytree(good, place)
    monkeypatch.chdir(place)
    yield place
    for path in place.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)


def run(arguments: list[str], folder: Path, language: str = "en") -> tuple[int, str]:
    """Run a command that must end in time and in order."""
    with deadline(SECONDS):
        status, text = call(["--lang", language, *arguments])
    wrong = fault(arguments, status, text, folder / "out") if language == "en" else ""
    assert not wrong, f"{wrong}\n{text}"
    return status, text


def stops(arguments: list[str], folder: Path, words: list[str], status: int = 1) -> None:
    """A command must end with a status and words, in both languages, and leave the folder as it was."""
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
    found, text = run(arguments, folder)
    assert found == status, text
    flat = " ".join(text.split())
    for word in words:
        assert word in flat, f"{word!r} is not in:\n{text}"
    again, chinese = run(arguments if status != 3 else [*arguments, *again_options(arguments)], folder, "zh")
    assert again == status, chinese
    assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese)
    assert "内部错误" not in chinese
    if status in (1, 2):
        assert {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()} == before


def quiet_call(arguments: list[str]) -> tuple[int, str]:
    """Run a command whose words are kept in memory: files may not grow."""
    from landremed_cli.main import main

    out = io.StringIO()
    status: object = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            main(arguments)
        except SystemExit as stop:
            status = stop.code
    return int(status or 0), out.getvalue()  # type: ignore[call-overload]


def again_options(arguments: list[str]) -> list[str]:
    return ["--overwrite"] if "-o" in arguments or arguments[0] == "convert" else []


# --- files cut off and heads blanked, one after another ---------------------------------------------------

CUT: dict[str, tuple[str, list[str], tuple[float, ...]]] = {
    "gpkg": ("p.gpkg", ["info", "p.gpkg"], (0.05, 0.3, 0.6, 0.9)),
    "shp": ("p.shp", ["info", "p.shp"], (0.03, 0.3, 0.6, 0.95)),
    "shx": ("p.shx", ["info", "p.shp"], (0.2, 0.5, 0.9)),
    "dbf": ("p.dbf", ["info", "p.shp"], (0.02, 0.3, 0.6, 0.95)),
    "geojson": ("p.geojson", ["info", "p.geojson"], (0.01, 0.3, 0.6, 0.98)),
    "fgb": ("p.fgb", ["info", "p.fgb"], (0.001, 0.3, 0.6, 0.95)),
    "parquet": ("p.parquet", ["info", "p.parquet"], (0.01, 0.3, 0.6, 0.99)),
    "gdb": ("p.gdb/a00000009.gdbtable", ["info", "p.gdb"], (0.01, 0.3, 0.6, 0.9)),
    "layer": ("r.gpkg", RUN, (0.3, 0.7)),
    "xlsx": ("e.xlsx", ["run", "x.toml", "-o", "out/x.gpkg"], (0.01, 0.3, 0.6, 0.98)),
    "result": ("o.gpkg", ["explain", "o.gpkg", FIRST], (0.05, 0.5, 0.9)),
    "overlay": ("v.gpkg", ["decide", "v.gpkg", "-o", "out/x.gpkg"], (0.05, 0.5, 0.9)),
    "field": ("f.gpkg", ["review", "merge", "o.gpkg", "f.gpkg"], (0.05, 0.5, 0.9)),
    "ledger": ("l.gpkg", ["ledger", "progress", "l.gpkg"], (0.05, 0.5, 0.9)),
    "casefile": ("c.zip", ["replay", "c.zip"], (0.05, 0.5, 0.95)),
    "sheet": ("s.xlsx", ["ledger", "take", "l.gpkg", "s.xlsx", "--who", "甲"], (0.05, 0.5, 0.95)),
}


REFUSED = {"sheet": 3}  # one of many workbooks: the others are taken in


@pytest.mark.parametrize(("kind", "share"), [(k, s) for k, (_, _, shares) in CUT.items() for s in shares])
def test_cut_off(folder: Path, kind: str, share: float) -> None:
    name, arguments, _ = CUT[kind]
    (folder / "x.toml").write_text(PROJECT.replace("e.csv", "e.xlsx"), encoding="utf-8")
    raw = (folder / name).read_bytes()
    (folder / name).write_bytes(raw[: int(len(raw) * share)])
    stops(arguments, folder, [name.split("/")[0].replace(".shx", ".")], REFUSED.get(kind, 1))


@pytest.mark.parametrize("kind", [k for k in CUT if k not in {"shx", "gdb"}])
def test_head_blanked(folder: Path, kind: str) -> None:
    name, arguments, _ = CUT[kind]
    (folder / "x.toml").write_text(PROJECT.replace("e.csv", "e.xlsx"), encoding="utf-8")
    raw = (folder / name).read_bytes()
    (folder / name).write_bytes(bytes(64) + raw[64:])
    stops(arguments, folder, [name], REFUSED.get(kind, 1))


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_survey_text_cut_off(folder: Path, share: float) -> None:
    """What is left is a good text; the stated number of points tells that some are missing."""
    raw = (folder / "p.txt").read_bytes()
    cut = raw[: int(len(raw) * share)]
    (folder / "p.txt").write_bytes(cut[: cut.rfind(b"\r\n", 0, cut.rfind(b"\r\n")) + 2])
    status, text = run(["convert", "p.txt", "out/x.geojson"], folder)
    assert status in (1, 3), text
    assert "p.txt" in text


# --- one hand-made fault each -----------------------------------------------------------------------------

Maker = Callable[[Path], object]


def put(name: str, content: bytes | str) -> Maker:
    raw = content.encode() if isinstance(content, str) else content
    return lambda d: (d / name).write_bytes(raw)


def edit(name: str, *pairs: tuple[str, str]) -> Maker:
    def make(folder: Path) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        (folder / name).write_text(text, encoding="utf-8", newline="")

    return make


def sql(name: str, *statements: str) -> Maker:
    def make(folder: Path) -> None:
        db = sqlite3.connect(folder / name)
        for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f'DROP TRIGGER "{trigger}"')
        for statement in statements:
            db.execute(statement)
        db.commit()
        db.close()

    return make


def poke(name: str, at: int, raw: bytes) -> Maker:
    def make(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        at_ = at if at >= 0 else len(data) + at
        data[at_ : at_ + len(raw)] = raw
        (folder / name).write_bytes(data)

    return make


def record_place(folder: Path, row: int) -> int:
    return 2 * struct.unpack_from(">i", (folder / "p.shx").read_bytes(), 100 + 8 * row)[0]


def both(*makers: Maker) -> Maker:
    def make(folder: Path) -> None:
        for maker in makers:
            maker(folder)

    return make


def toml(text: str) -> Maker:
    return put("project.toml", text)


def member(change: Callable[[dict[str, object]], object]) -> Maker:
    """Change the third feature of the GeoJSON."""

    def make(folder: Path) -> None:
        document = json.loads((folder / "p.geojson").read_bytes())
        replaced = change(document["features"][2])
        if replaced is not None:
            document["features"][2] = replaced
        (folder / "p.geojson").write_text(json.dumps(document), encoding="utf-8")

    return make


def book(rows: list[list[object]], name: str = "e.csv") -> Maker:
    def make(folder: Path) -> None:
        workbook = openpyxl.Workbook()
        for row in rows:
            workbook.active.append(row)
        workbook.save(folder / "e.xlsx")
        (folder / "project.toml").write_text(PROJECT.replace("e.csv", "e.xlsx"), encoding="utf-8")

    return make


def archive(name: str, members: dict[str, bytes]) -> Maker:
    def make(folder: Path) -> None:
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as file:
            for inner, content in members.items():
                file.writestr(inner, content)

    return make


def dbf_of_gigabytes(folder: Path) -> None:
    """Write a table with holes in it that says and holds millions of rows."""
    raw = (folder / "p.dbf").read_bytes()
    head, length = struct.unpack("<HH", raw[8:12])
    rows = 5_000_000_000 // length
    (folder / "p.dbf").write_bytes(raw[:4] + struct.pack("<I", rows) + raw[8:])
    os.truncate(folder / "p.dbf", head + rows * length)


def scribble(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """A first parcel that crosses itself about a million times."""
    numbers = random.Random(1)
    points = [(560000 + 1000 * numbers.random(), 4.3e6 + 1000 * numbers.random()) for _ in range(3000)]
    return frame.set_geometry([shapely.Polygon(points), *frame.geometry[1:]])


VRT = (
    '<OGRVRTDataSource><OGRVRTLayer name="p"><SrcDataSource>r.gpkg</SrcDataSource>'
    "<SrcLayer>r</SrcLayer></OGRVRTLayer></OGRVRTDataSource>"
)
XXE = '<?xml version="1.0"?><!DOCTYPE k [<!ENTITY x SYSTEM "file:///etc/passwd">]><kml>&x;</kml>'
LAUGHS = "<!DOCTYPE k [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {chr(98 + i)} '{('&' + chr(97 + i) + ';') * 10}'>" for i in range(9)
)
SQUARES = good_files.parcels()
POINTS = SQUARES.set_geometry(SQUARES.geometry.centroid)
LINES = SQUARES.set_geometry(SQUARES.geometry.boundary)


def frame(name: str, change: Callable[[object], object]) -> Maker:
    def make(folder: Path) -> None:
        path = folder / name
        path.unlink()
        good_files.write(change(SQUARES.copy()), path)

    return make


def with_ids(ids: list[object]) -> Maker:
    return frame("p.gpkg", lambda f: f.assign(TBBH=ids))


OTHER = ["info", "p.gpkg"]
STOPS: dict[str, tuple[Maker, list[str], list[str]]] = {
    # paths
    "vrt called geojson": (put("p.geojson", VRT), ["info", "p.geojson"], ["p.geojson", "OGR VRT"]),
    "vrt called gpkg as a layer": (put("r.gpkg", VRT), RUN, ["r.gpkg", "not a GeoPackage"]),
    "vrt": (put("p.vrt", VRT), ["info", "p.vrt"], ["p.vrt", "type of file is not read"]),
    "vsicurl": (lambda d: None, ["info", "/vsicurl/http://127.0.0.1/p.gpkg"], ["plain local files"]),
    "vsizip": (lambda d: None, ["convert", "/vsizip/p.zip/p.shp", "out/x.geojson"], ["plain local files"]),
    "vsistdin": (lambda d: None, ["info", "/vsistdin/"], ["plain local files"]),
    "web address": (lambda d: None, ["info", "https://127.0.0.1/p.gpkg"], ["plain local files"]),
    "connection string": (
        lambda d: None,
        ["run", "PG:host=127.0.0.1", "--layer", "red_line=r.gpkg", "-o", "out/x.gpkg"],
        ["PG", "no such file"],
    ),
    "vsi path in a project": (edit("project.toml", ("r.gpkg", "/vsimem/r.gpkg")), RUN, ["plain local files"]),
    "link out of the project": (
        lambda d: [
            shutil.move(d / "r.gpkg", d.parent / "r.gpkg"),
            (d / "r.gpkg").symlink_to(d.parent / "r.gpkg"),
        ],
        RUN,
        ["r.gpkg", "link", "out of its folder"],
    ),
    "link to itself": (
        lambda d: [(d / "r.gpkg").unlink(), (d / "r.gpkg").symlink_to(d / "r.gpkg")],
        RUN,
        ["r.gpkg"],
    ),
    "pipe": (lambda d: [(d / "p.gpkg").unlink(), os.mkfifo(d / "p.gpkg")], OTHER, ["plain local files"]),
    "device": (lambda d: None, ["info", "/dev/zero"], ["/dev/zero"]),
    "NUL in a path": (edit("project.toml", ('"r.gpkg"', '"r\\u0000.gpkg"')), RUN, ["plain local files"]),
    "line break in a path": (
        edit("project.toml", ('"r.gpkg"', '"r\\n.gpkg"')),
        RUN,
        ["no such file"],
    ),
    "very long path": (
        edit("project.toml", ('"r.gpkg"', '"' + "a" * 5000 + '.gpkg"')),
        RUN,
        ["cannot be read"],
    ),
    "folder instead of a file": (
        lambda d: [(d / "r.gpkg").unlink(), (d / "r.gpkg").mkdir()],
        RUN,
        ["r.gpkg", "folder"],
    ),
    "folder instead of evidence": (
        lambda d: [(d / "e.csv").unlink(), (d / "e.csv").mkdir()],
        RUN,
        ["e.csv", "folder"],
    ),
    "missing layer file": (lambda d: (d / "r.gpkg").unlink(), RUN, ["r.gpkg", "no such file"]),
    "missing evidence": (lambda d: (d / "e.csv").unlink(), RUN, ["e.csv", "no such file"]),
    "missing project": (lambda d: (d / "project.toml").unlink(), RUN, ["project.toml"]),
    "missing calendar": (
        toml(PROJECT + '[calendar]\npath = "nowhere.csv"\n'),
        RUN,
        ["nowhere.csv"],
    ),
    "missing rule book": (
        edit("project.toml", ('rules = "book"', 'rules = "bok"')),
        RUN,
        ["bok"],
    ),
    # not what the name says
    "gpkg called shp": (
        lambda d: shutil.copy(d / "p.gpkg", d / "p.shp"),
        ["info", "p.shp"],
        ["p.shp", "not a Shapefile", "SQLite"],
    ),
    "zip called gpkg": (
        lambda d: shutil.copy(d / "c.zip", d / "p.gpkg"),
        OTHER,
        ["p.gpkg", "looks like: zip"],
    ),
    "xml called geojson": (put("p.geojson", XXE), ["info", "p.geojson"], ["p.geojson", "looks like: XML"]),
    "entities called gpkg": (put("p.gpkg", LAUGHS), OTHER, ["p.gpkg", "not a GeoPackage"]),
    "text called gdb": (
        lambda d: [shutil.rmtree(d / "p.gdb"), (d / "p.gdb").write_text("x")],
        ["info", "p.gdb"],
        ["p.gdb", "folder"],
    ),
    "nothing at all": (put("p.gpkg", b""), OTHER, ["p.gpkg", "empty"]),
    "nothing but NULs": (put("p.gpkg", bytes(5000)), OTHER, ["p.gpkg", "not a GeoPackage"]),
    "empty evidence": (put("e.csv", b"\xef\xbb\xbf"), RUN, ["e.csv", "no names"]),
    "empty project": (toml(""), RUN, ["project.toml", "parcels"]),
    # shapefiles
    "no dbf": (lambda d: (d / "p.dbf").unlink(), ["info", "p.shp"], ["p.dbf is missing"]),
    "no shx": (lambda d: (d / "p.shx").unlink(), ["convert", "p.shp", "out/x.gpkg"], ["p.shx is missing"]),
    "no shp": (lambda d: (d / "p.shp").unlink(), ["info", "p.shp"], ["p.shp", "no such file"]),
    "fewer rows than shapes": (
        poke("p.dbf", 4, struct.pack("<I", 10)),
        ["convert", "p.shp", "out/x.geojson"],
        ["p.shp", "10 rows", "12 shapes"],
    ),
    "fewer shapes than rows": (
        lambda d: [
            (d / "p.shx").write_bytes(
                (d / "p.shx").read_bytes()[:24] + struct.pack(">i", 90) + (d / "p.shx").read_bytes()[28:180]
            )
        ],
        ["run", "p.shp", "--layer", "red_line=r.gpkg", "-o", "out/x.gpkg"],
        ["p.shp", "12 rows", "10 shapes"],
    ),
    "more rows than bytes": (poke("p.dbf", 4, struct.pack("<I", 2**31)), ["info", "p.shp"], ["p.dbf"]),
    "dbf records of length 0": (poke("p.dbf", 10, b"\0\0"), ["info", "p.shp"], ["p.dbf", "DBF"]),
    "another file's dbf": (put("p.dbf", b"\x03" * 400), ["info", "p.shp"], ["p.dbf"]),
    # GeoPackages that lie
    "contents name no table": (
        sql("r.gpkg", "UPDATE gpkg_contents SET table_name = 'x'"),
        RUN,
        ["r.gpkg"],
    ),
    "no contents": (sql("r.gpkg", "DROP TABLE gpkg_contents"), RUN, ["r.gpkg"]),
    "no geometry columns": (sql("r.gpkg", "DROP TABLE gpkg_geometry_columns"), RUN, ["r.gpkg"]),
    "no spatial reference": (
        sql("r.gpkg", "UPDATE gpkg_geometry_columns SET srs_id = -1", "UPDATE gpkg_contents SET srs_id = -1"),
        RUN,
        ["r.gpkg", "does not say", "layers.ecological_red_line"],
    ),
    "rubbish as reference": (
        sql(
            "p.gpkg",
            "UPDATE gpkg_spatial_ref_sys SET definition = 'PROJCS[', organization = 'x' WHERE srs_id = 4548",
        ),
        RUN,
        ["p.gpkg"],
    ),
    "unknown projection in a prj": (
        edit("p.prj", ("Gauss_Kruger", "Gauss_&Kruger")),
        ["convert", "p.shp", "out/x.geojson"],
        ["p.shp", "not a coordinate system"],
    ),
    "prj of rubbish": (put("p.prj", "PROJCS["), ["convert", "p.shp", "out/x.geojson"], ["p.shp"]),
    "no tables": (
        lambda d: [(d / "p.gpkg").unlink(), sqlite3.connect(d / "p.gpkg").execute("VACUUM").close()],
        OTHER,
        ["p.gpkg"],
    ),
    # what is in the layers
    "no parcels": (sql("p.gpkg", "DELETE FROM p"), RUN, ["p.gpkg", "has no rows"]),
    "empty layer": (sql("r.gpkg", "DELETE FROM r"), RUN, ["r.gpkg", "no polygon", "disjoint"]),
    "layer of points": (
        lambda d: [(d / "r.gpkg").unlink(), good_files.write(POINTS.assign(HXBM="x"), d / "r.gpkg")],
        RUN,
        ["r.gpkg", "no polygon"],
    ),
    "layer of lines": (
        lambda d: [(d / "r.gpkg").unlink(), good_files.write(LINES.assign(HXBM="x"), d / "r.gpkg")],
        RUN,
        ["r.gpkg", "no polygon"],
    ),
    "layer elsewhere": (
        lambda d: [
            (d / "r.gpkg").unlink(),
            good_files.write(
                good_files.red_line().set_geometry(good_files.red_line().translate(0, 50000)), d / "r.gpkg"
            ),
        ],
        RUN,
        ["r.gpkg", "E 560000-563000", "disjoint"],
    ),
    "ids twice": (with_ids([*IDS[:-1], IDS[0]]), RUN, ["p.gpkg", "row 12", IDS[0]]),
    "ids that differ in blanks": (with_ids([*IDS[:-1], f" {IDS[0]} "]), RUN, ["p.gpkg", "row 12"]),
    "no id field": (edit("project.toml", ('id = "TBBH"\n[', 'id = "TBBM"\n[')), RUN, ["TBBM", "TBBH"]),
    "no field for a fact": (edit("project.toml", ('"WTLX"', '"WTLXX"')), RUN, ["WTLXX", "WTLX"]),
    "no layer id field": (edit("project.toml", ('"HXBM"', '"HXBN"')), RUN, ["HXBN", "HXBM"]),
    "every coordinate infinite": (
        edit("p.geojson", (" 4300000.0 ", " Infinity "), (" 4300100.0 ", " -Infinity ")),
        ["convert", "p.geojson", "out/x.gpkg"],
        ["p.geojson"],
    ),
    # tables
    "header twice": (edit("e.csv", ("plan_conforms", "备注")), RUN, ["e.csv", "stands twice"]),
    "evidence id absent": (edit("e.csv", ("TBBH", "TBBM")), RUN, ["e.csv", "no field TBBH", "TBBM"]),
    "evidence in no encoding": (
        put("e.csv", b"TBBH,abandoned\n\xff\xfe\xff\xff,1\n\x80\n"),
        RUN,
        ["e.csv", "neither UTF-8 nor GB18030"],
    ),
    "evidence in two encodings": (
        lambda d: (d / "e.csv").write_bytes(
            "TBBH,备注\n".encode() + "图斑001,数据\n".encode("gb18030") + b"\xff\xff\n"
        ),
        RUN,
        ["e.csv", "neither UTF-8 nor GB18030"],
    ),
    "lone quote": (
        lambda d: (d / "e.csv").write_text('TBBH,备注\n"' + "x,y\n" * 50_000, encoding="utf-8"),
        RUN,
        ["e.csv"],
    ),
    "evidence of wrong type": (
        lambda d: [
            (d / "e.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)),
            (d / "project.toml").write_text(PROJECT.replace("e.csv", "e.xls"), encoding="utf-8"),
        ],
        RUN,
        ["e.xls", ".xlsx"],
    ),
    "encrypted workbook": (
        both(book([["TBBH"]]), put("e.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4000))),
        RUN,
        ["e.xlsx", "password"],
    ),
    "workbook with a bomb": (
        both(book([["TBBH"]]), archive("e.xlsx", {"xl/worksheets/sheet1.xml": b"0" * 60_000_000})),
        RUN,
        ["e.xlsx", "max_zip_ratio"],
    ),
    "workbook with entities": (
        both(book([["TBBH"]]), archive("e.xlsx", {"[Content_Types].xml": XXE.encode()})),
        RUN,
        ["e.xlsx", "DOCTYPE"],
    ),
    "workbook that climbs out": (
        both(book([["TBBH"]]), archive("e.xlsx", {"../../x.xml": b"<a/>"})),
        RUN,
        ["e.xlsx"],
    ),
    "workbook without sheets": (
        both(book([["TBBH"]]), archive("e.xlsx", {"[Content_Types].xml": b"<Types/>"})),
        RUN,
        ["e.xlsx"],
    ),
    "calendar without columns": (
        put("h.csv", "day,work\n2022-10-08,1\n"),
        ["report", "monthly", "l.gpkg", "--month", "2022-09", "--calendar", "h.csv", "-o", "out/m"],
        ["h.csv"],
    ),
    "calendar with a bad day": (
        put("h.csv", "date,workday\n2022-13-08,1\n"),
        ["report", "monthly", "l.gpkg", "--month", "2022-09", "--calendar", "h.csv", "-o", "out/m"],
        ["h.csv", "2022-13-08"],
    ),
    "calendar with a bad flag": (
        put("h.csv", "date,workday\n2022-10-08,maybe\n"),
        ["report", "monthly", "l.gpkg", "--month", "2022-09", "--calendar", "h.csv", "-o", "out/m"],
        ["h.csv", "maybe"],
    ),
    # project files
    "no toml": (toml("[project\n"), RUN, ["project.toml", "line 1"]),
    "key twice": (toml('[parcels]\npath = "a"\npath = "b"\n'), RUN, ["project.toml", "line 3"]),
    "table twice": (toml('[parcels]\npath = "p.gpkg"\n[parcels]\n'), RUN, ["project.toml"]),
    "key misspelt": (edit("project.toml", ("as_of", "asof")), RUN, ["project.asof", "project.as_of"]),
    "table misspelt": (edit("project.toml", ("[parcels]", "[parcel]")), RUN, ["parcel", "parcels"]),
    "path as a number": (edit("project.toml", ('path = "p.gpkg"', "path = 7")), RUN, ["parcels.path", "7"]),
    "parcels as a list": (toml("parcels = [1, 2]\n"), RUN, ["parcels"]),
    "layers as text": (toml('layers = "x"\n[parcels]\npath = "p.gpkg"\n'), RUN, ["layers"]),
    "date as words": (edit("project.toml", ("2022-03-31", '"soon"')), RUN, ["project.as_of", "soon"]),
    "date that is none": (edit("project.toml", ("2022-03-31", "2022-02-30")), RUN, ["project.toml", "line"]),
    "nested without end": (toml("a = " + "[" * 5000), RUN, ["project.toml", "not valid TOML"]),
    "number without end": (toml(PROJECT + "[limits]\nmax_features = " + "9" * 5000), RUN, ["project.toml"]),
    "day at the end of days": (
        edit("project.toml", ("2022-03-31", "9999-12-31")),
        RUN,
        ["project.as_of", "9999-12-31"],
    ),
    "text of 300 MB": (
        lambda d: os.truncate(d / "e.csv", 300_000_000),
        RUN,
        ["e.csv", "max_text_mb", "300"],
    ),
    "survey text of 300 MB": (
        lambda d: os.truncate(d / "p.txt", 300_000_000),
        ["info", "p.txt"],
        ["p.txt", "max_text_mb"],
    ),
    "dbf of 5 GB": (dbf_of_gigabytes, ["info", "p.shp"], ["p.shp", "12 shapes"]),
    "straddle unknown": (
        edit("project.toml", ("as_of", 'straddle = "cut"\nas_of')),
        RUN,
        ["project.straddle", "split"],
    ),
    "negative tolerance": (
        toml(PROJECT + "[tolerance]\nmin_overlap_area_m2 = -1\n"),
        RUN,
        ["min_overlap_area_m2", "-1"],
    ),
    "tolerance not a number": (
        toml(PROJECT + "[tolerance]\nmin_overlap_share = nan\n"),
        RUN,
        ["min_overlap_share", "nan"],
    ),
    "limit as text": (toml(PROJECT + '[limits]\nmax_features = "many"\n'), RUN, ["max_features", "many"]),
    "limit too low": (toml(PROJECT + "[limits]\nmax_features = 5\n"), RUN, ["max_features = 5", "12"]),
    "limit on vertices": (toml(PROJECT + "[limits]\nmax_vertices = 9\n"), RUN, ["max_vertices = 9"]),
    "severity unknown": (toml(PROJECT + '[severity]\nlayer_absent = "bad"\n'), RUN, ["layer_absent", "bad"]),
    "finding unknown": (toml(PROJECT + '[severity]\nlayer_absnt = "off"\n'), RUN, ["layer_absent"]),
    "crs unknown": (edit("project.toml", ("EPSG:4548", "EPSG:999999")), RUN, ["EPSG:999999"]),
    "crs in degrees": (edit("project.toml", ("EPSG:4548", "EPSG:4490")), RUN, ["EPSG:4490", "project.crs"]),
    "project in latin-1": (
        toml("") and put("project.toml", b'[project]\nname = "\xe9\xff"\n'),
        RUN,
        ["project.toml"],
    ),
    "reading unknown": (toml(PROJECT + '[readings]\nindustry = "x"\n'), RUN, ["industry"]),
    "evidence as a table": (toml(PROJECT.replace("[[evidence]]", "[evidence]")), RUN, ["evidence"]),
    # rule books
    "rule book with tabs": (put("book/lake.yaml", "id:\tlake\n\t- x"), RUN, ["lake.yaml"]),
    "rule book in no encoding": (put("book/lake.yaml", b"\xff\xfe\x00x\x80"), RUN, ["lake.yaml"]),
    "cases in no encoding": (
        put("book/cases/lake.yaml", b"\xff\xfe\x00x\x80"),
        ["rules", "check", "book"],
        ["lake.yaml"],
    ),
    "rule book with an alias": (put("book/lake.yaml", "a: &x 1\nb: *x\n"), RUN, ["lake.yaml"]),
    "rule book with code": (
        put("book/lake.yaml", '!!python/object/apply:os.system ["true"]\n'),
        RUN,
        ["lake.yaml"],
    ),
    "rule book nested without end": (put("book/lake.yaml", "[" * 5000), RUN, ["lake.yaml"]),
    "rule book without a plan": (lambda d: (d / "book/plan.yaml").unlink(), RUN, ["plan.yaml"]),
    # results
    "no such parcel": (lambda d: None, ["explain", "o.gpkg", "图斑999"], ["图斑999", "图斑009"]),
    "explain an input": (lambda d: None, ["explain", "p.gpkg", FIRST], ["p.gpkg"]),
    "decide on a result": (lambda d: None, ["decide", "o.gpkg", "-o", "out/x.gpkg"], ["o.gpkg"]),
    "relink an input": (lambda d: None, ["relink", "p.gpkg"], ["p.gpkg", "no QGIS project"]),
    "export an input": (lambda d: None, ["export", "p.gpkg", "-o", "out/x"], ["p.gpkg"]),
    "merge an input": (lambda d: None, ["review", "merge", "o.gpkg", "p.gpkg"], ["p.gpkg"]),
    "merge a text": (put("f.gpkg", "x"), ["review", "merge", "o.gpkg", "f.gpkg"], ["f.gpkg"]),
    "ledger of an input": (
        lambda d: None,
        ["ledger", "init", "p.gpkg", "-o", "out/l.gpkg", "--who", "甲"],
        ["p.gpkg"],
    ),
    "progress of a result": (lambda d: None, ["ledger", "progress", "o.gpkg"], ["o.gpkg"]),
    "replay a workbook": (lambda d: None, ["replay", "e.xlsx"], ["e.xlsx"]),
    "table of an input": (lambda d: None, ["report", "table", "p.gpkg", "-o", "out/x.xlsx"], ["p.gpkg"]),
    "result without its trace": (
        sql("o.gpkg", "ALTER TABLE trace RENAME COLUMN step TO steps"),
        ["explain", "o.gpkg", FIRST],
        ["o.gpkg"],
    ),
    "result with a damaged project": (
        sql("o.gpkg", "UPDATE qgis_projects SET content = 'zz'"),
        ["relink", "o.gpkg"],
        ["o.gpkg", "damaged"],
    ),
    "result without decisions": (
        sql("o.gpkg", "DROP TABLE decisions"),
        ["report", "table", "o.gpkg", "-o", "out/x.xlsx"],
        ["o.gpkg"],
    ),
    "ledger edited": (
        sql("l.gpkg", "UPDATE events SET who = 'x' WHERE seq = 1"),
        ["ledger", "progress", "l.gpkg"],
        ["l.gpkg"],
    ),
    # outputs
    "output is the parcels": (
        lambda d: None,
        [*RUN[:3], "p.gpkg", "--overwrite"],
        ["p.gpkg", "one of the files"],
    ),
    "output is a layer": (
        lambda d: None,
        [*RUN[:3], "r.gpkg", "--overwrite"],
        ["r.gpkg", "one of the files"],
    ),
    "output is a link to the parcels": (
        lambda d: (d / "k.gpkg").symlink_to("p.gpkg"),
        [*RUN[:3], "k.gpkg", "--overwrite"],
        ["k.gpkg", "one of the files"],
    ),
    "output exists": (lambda d: None, [*RUN[:3], "o.gpkg"], ["o.gpkg", "--overwrite"]),
    "output folder missing": (lambda d: None, [*RUN[:3], "nowhere/x.gpkg"], ["nowhere"]),
    "output is a folder": (lambda d: (d / "d.gpkg").mkdir(), [*RUN[:3], "d.gpkg"], ["d.gpkg", "folder"]),
    "output of another type": (lambda d: None, [*RUN[:3], "out/x.shp"], ["x.shp", ".gpkg"]),
    "output open elsewhere": (put("o.gpkg-wal", b"x"), [*RUN[:3], "o.gpkg", "--overwrite"], ["o.gpkg-wal"]),
    "converted onto itself": (lambda d: None, ["convert", "p.gpkg", "p.gpkg"], ["p.gpkg"]),
    "converted to an unknown type": (lambda d: None, ["convert", "p.gpkg", "out/x.dwg"], ["x.dwg", ".shp"]),
    "project over a project": (lambda d: None, ["init", "p.gpkg", "-o", "project.toml"], ["project.toml"]),
}


@pytest.mark.parametrize("name", STOPS)
def test_stops(folder: Path, name: str) -> None:
    make, arguments, words = STOPS[name]
    make(folder)
    stops(arguments, folder, words)


# --- faults of one row: the command goes on, says so, and ends with 3 --------------------------------------

TO_JSON = ["convert", "p.geojson", "out/x.geojson"]
FINDINGS: dict[str, tuple[Maker, list[str], list[str]]] = {
    "geometry column misnamed": (
        sql("r.gpkg", "UPDATE gpkg_geometry_columns SET column_name = 'shape'"),
        RUN,
        ["r.gpkg", "row 1", "damaged"],
    ),
    "workbook that is no sheet": (
        lambda d: None,
        ["ledger", "take", "l.gpkg", "e.xlsx", "--who", "甲"],
        ["e.xlsx", "no workbook"],
    ),
    "member of another type": (
        member(lambda f: f.update(type="Featur")),
        TO_JSON,
        ["p.geojson", "row 3", "damaged"],
    ),
    "member that is nothing": (member(lambda f: 7), TO_JSON, ["p.geojson", "row 3", "damaged"]),
    "geometry of another type": (
        member(lambda f: f["geometry"].update(type="Polygn")),
        TO_JSON,
        ["p.geojson", "row 3", "damaged"],
    ),
    "words as coordinates": (
        member(lambda f: f["geometry"].update(coordinates=[[["a", "b"]]])),
        TO_JSON,
        ["p.geojson", "row 3", "damaged"],
    ),
    "shape with too many points": (
        poke("p.shp", 100 + 8 + 40, struct.pack("<i", 10**9)),
        ["convert", "p.shp", "out/x.gpkg"],
        ["p.shp", "row 1", "damaged"],
    ),
    "index entry that leads nowhere": (
        poke("p.shx", 100 + 8 * 4, b"\xff" * 8),
        ["convert", "p.shp", "out/x.gpkg"],
        ["p.shp", "1 rows to wrong places"],
    ),
    "index entry and record damaged": (
        both(
            lambda d: poke("p.shp", record_place(d, 4), b"\xee" * 8)(d),
            poke("p.shx", 100 + 8 * 4, b"\xff" * 8),
        ),
        ["convert", "p.shp", "out/x.gpkg"],
        ["p.shp", "row 5", "damaged"],
    ),
    "layer with a damaged blob": (
        sql("r.gpkg", "UPDATE r SET geom = x'0011223344' WHERE fid = 2"),
        RUN,
        ["r.gpkg", "row 2", "damaged"],
    ),
    "parcel with a damaged blob": (
        sql("p.gpkg", "UPDATE p SET geom = x'47500001e4110000' WHERE fid = 2"),
        RUN,
        ["p.gpkg", "row 2", IDS[1], "damaged"],
    ),
    "parcel with a vertex far away": (
        frame(
            "p.gpkg",
            lambda f: f.set_geometry(
                [shapely.Polygon([(560000, 4.3e6), (560100, 4.3e6), (1e300, 4.31e6)]), *f.geometry[1:]]
            ),
        ),
        RUN,
        ["p.gpkg", "row 1", "farther than the Earth"],
    ),
    "parcel across the country": (
        frame("p.gpkg", lambda f: f.set_geometry([shapely.box(560000, 4.3e6, 9e7, 4.31e6), *f.geometry[1:]])),
        RUN,
        ["p.gpkg", "row 1", IDS[0], "not to be trusted"],
    ),
    "parcel that crosses itself without end": (
        frame("p.gpkg", scribble),
        RUN,
        ["p.gpkg", "row 1", "crosses itself without end"],
    ),
    "points as parcels": (frame("p.gpkg", lambda f: POINTS), RUN, ["p.gpkg", "row 1"]),
    "blank ids": (with_ids([*IDS[:-1], None]), RUN, ["p.gpkg", "row 12", "TBBH"]),
    "ids without their zeros": (edit("e.csv", ("图斑001,", "图斑1,")), RUN, ["e.csv", "row 2", "图斑1"]),
    "ragged rows": (edit("e.csv", ("图斑003,是,,false", "图斑003,是,,false,1,2,3")), RUN, ["e.csv", "row 4"]),
    "unreadable flag": (edit("e.csv", ("图斑003,是", "图斑003,maybe")), RUN, ["e.csv", "row 4", "maybe"]),
    "NUL in a cell": (edit("e.csv", ("图斑003,是", "图斑003,\0是")), RUN, ["e.csv", "row 4"]),
    "contradiction": (edit("e.csv", ("图斑002,", "图斑001,")), RUN, ["e.csv", IDS[0]]),
    "unknown category": (
        sql("p.gpkg", "UPDATE p SET WTLX = 'x' WHERE fid = 4"),
        RUN,
        ["p.gpkg", "row 4", "WTLX"],
    ),
    "date that is none": (
        sql("p.gpkg", "ALTER TABLE p ADD d TEXT", "UPDATE p SET d = '2019-02-30' WHERE fid = 5"),
        ["run", "project.toml", "--set", "parcels.fields.occurred_on=d", "-o", "out/x.gpkg"],
        ["p.gpkg", "row 5", "2019-02-30"],
    ),
}


@pytest.mark.parametrize("name", FINDINGS)
def test_goes_on(folder: Path, name: str) -> None:
    make, arguments, words = FINDINGS[name]
    make(folder)
    stops(arguments, folder, words, status=3)
    if arguments[0] == "run":
        with sqlite3.connect(folder / "out/x.gpkg") as db:
            assert db.execute("SELECT count(*) FROM decisions").fetchone()[0] == good_files.ROWS
    elif arguments[2].endswith("json"):
        assert len(json.loads((folder / "out/x.geojson").read_bytes())["features"]) == good_files.ROWS


def test_a_damaged_shape_of_a_layer_is_no_zero(folder: Path) -> None:
    """The first parcel lies half on the damaged feature: its fact is unknown, not false."""
    sql("r.gpkg", "UPDATE r SET geom = x'0011223344' WHERE fid = 1")(folder)
    assert run(RUN, folder)[0] == 3
    with sqlite3.connect(folder / "out/x.gpkg") as db:
        query = "SELECT fact_occupies_ecological_red_line, flags FROM decisions WHERE parcel_id = ?"
        value, flags = db.execute(query, (FIRST,)).fetchone()
    assert value in (None, "unknown")
    assert "layer_unusable_here:ecological_red_line" in flags


def test_good_results_are_not_called_damaged(good: Path) -> None:
    from landremed.checks import damaged_file

    for name in ("o.gpkg", "v.gpkg", "f.gpkg", "l.gpkg", "p.gpkg"):
        assert damaged_file([str(good / name)]) is None, name


def test_info_tells_damaged_rows(folder: Path) -> None:
    member(lambda f: f.update(type="Featur"))(folder)
    stops(["info", "p.geojson"], folder, ["rows 12", "row 3", "damaged"], status=3)
    _, text = run(["--json", "info", "p.geojson"], folder)
    (layer,) = json.loads(text)["layers"]
    assert layer["damage"] == [{"code": "record_unreadable", "row": 3}]


def test_an_index_entry_of_another_row_moves_no_parcel(folder: Path) -> None:
    """Row 5 leads to the shape of row 1, which is a good one: its own is found by its number."""
    index = (folder / "p.shx").read_bytes()
    good = json.loads(converted(folder, "p.shp"))
    poke("p.shx", 100 + 8 * 4, index[100:108])(folder)
    assert json.loads(converted(folder, "p.shp")) == good


def converted(folder: Path, name: str) -> str:
    status, text = run(["convert", name, "out/x.geojson", "--overwrite"], folder)
    assert status in (0, 3), text
    return (folder / "out/x.geojson").read_text(encoding="utf-8")


# --- surroundings -----------------------------------------------------------------------------------------


WRITERS = [
    RUN[:3],
    ["overlay", "project.toml", "-o"],
    ["convert", "p.gpkg"],
    ["review", "pack", "o.gpkg", "-o"],
    ["export", "o.gpkg", "-o"],
    ["report", "table", "o.gpkg", "-o"],
    ["report", "map", "o.gpkg", "-o"],
    ["report", "casefile", "o.gpkg", FIRST, "-o"],
    ["report", "dossier", "o.gpkg", "-o"],
    ["ledger", "init", "o.gpkg", "--who", "甲", "-o"],
]


@pytest.mark.parametrize("arguments", WRITERS, ids=lambda a: " ".join(a[:2]))
def test_unwritable_folder(folder: Path, arguments: list[str]) -> None:
    """Nobody may make files in /proc, not even root."""
    suffix = {"table": ".xlsx", "map": ".html", "casefile": ".zip", "dossier": ""}.get(arguments[1], ".gpkg")
    stops([*arguments, f"/proc/x{'' if arguments[0] == 'export' else suffix}"], folder, ["/proc/"])


FULL: dict[str, list[str]] = {
    "run": [*RUN[:3], "out/x.gpkg"],
    "overlay": ["overlay", "project.toml", "-o", "out/x.gpkg"],
    "decide": ["decide", "v.gpkg", "-o", "out/x.gpkg"],
    "check": ["check", "project.toml", "-o", "out/x.gpkg"],
    **{
        f"convert to {x}": ["convert", "p.gpkg", f"out/x.{x}"]
        for x in ("gpkg", "shp", "geojson", "fgb", "gdb")
    },
    "convert to txt": ["convert", "p.gpkg", "out/x.txt", "--crs", "EPSG:4527"],
    "convert to parquet": ["convert", "p.gpkg", "out/x.parquet"],
    **{
        f"export {x}": ["export", "o.gpkg", "-f", x, "-o", "out/x"]
        for x in ("shp", "geojson", "kml", "txt", "gdb")
    },
    "table": ["report", "table", "o.gpkg", "-o", "out/x.xlsx"],
    "map": ["report", "map", "o.gpkg", "-o", "out/x.html"],
    "casefile": ["report", "casefile", "o.gpkg", FIRST, "-o", "out/x.zip"],
    "pack": ["review", "pack", "o.gpkg", "-o", "out/x.gpkg"],
    "ledger": ["ledger", "init", "o.gpkg", "-o", "out/x.gpkg", "--who", "甲"],
    "sheets": ["ledger", "sheets", "l.gpkg", "-o", "out/x", "--month", "2022-05", "--who", "甲"],
    "init": ["init", "p.gpkg", "-o", "out/x.toml"],
    "set": ["ledger", "set", "l.gpkg", FIRST, "--tick", "all", "--who", "甲"],
    "merge": ["review", "merge", "o.gpkg", "f.gpkg"],
}


@pytest.mark.parametrize("name", FULL)
def test_no_room(folder: Path, name: str) -> None:
    """No file may grow beyond 700 bytes: whatever was to be written is not there, and the rest as it was."""
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with deadline(SECONDS):
            resource.setrlimit(resource.RLIMIT_FSIZE, (700, hard))
            status, text = quiet_call(["--lang", "en", *FULL[name]])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert status == 1 or (status in (0, 3) and name in {"set", "merge"}), text
    assert "Traceback" not in text
    assert "Internal fault" not in text, text
    if status == 1:
        assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before, text


def test_log_beside_a_geopackage_is_read(folder: Path) -> None:
    """What another program has written but not yet put into the file itself counts."""
    db = sqlite3.connect(folder / "p.gpkg", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA wal_autocheckpoint = 0")
    for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f'DROP TRIGGER "{trigger}"')
    db.execute("DELETE FROM p WHERE fid > 9")
    assert (folder / "p.gpkg-wal").stat().st_size
    status, _ = run(["convert", "p.gpkg", "out/x.geojson"], folder)
    assert status in (0, 3)
    assert len(json.loads((folder / "out/x.geojson").read_bytes())["features"]) == 9
    db.close()


def test_locked_geopackage(folder: Path) -> None:
    db = sqlite3.connect(folder / "p.gpkg", isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    status, text = run(["convert", "p.gpkg", "out/x.geojson"], folder)
    if status == 1:
        assert "p.gpkg" in text
    else:
        rows = json.loads((folder / "out/x.geojson").read_bytes())["features"]
        assert len(rows) == good_files.ROWS
    db.close()


def test_huge_dimensions_of_a_sheet(folder: Path) -> None:
    """One cell in the farthest corner must not make a million rows of sixteen thousand cells."""
    book([["TBBH", "abandoned"], [FIRST, "是"]])(folder)
    workbook = openpyxl.load_workbook(folder / "e.xlsx")
    workbook.active["A1048576"] = "x"
    workbook.save(folder / "e.xlsx")
    status, text = run(CHECK, folder)
    assert status in (1, 3)
    assert "e.xlsx" in text
    workbook.active["XFD3"] = "x"
    workbook.save(folder / "e.xlsx")
    status, text = run(CHECK, folder)
    assert status == 1
    assert "e.xlsx" in text


# --- seeded damage ----------------------------------------------------------------------------------------

SEEDED: dict[str, tuple[list[str], list[list[str]]]] = {
    "gpkg": (["p.gpkg"], [["convert", "p.gpkg", "out/x.geojson"]]),
    "shp": (["p.shp", "p.dbf", "p.shx", "p.prj"], [["convert", "p.shp", "out/x.geojson"]]),
    "geojson": (["p.geojson"], [["convert", "p.geojson", "out/x.geojson"]]),
    "fgb": (["p.fgb"], [["convert", "p.fgb", "out/x.geojson"]]),
    "gdb": (
        ["p.gdb/a00000009.gdbtable", "p.gdb/a00000009.gdbtablx"],
        [["convert", "p.gdb", "out/x.geojson"]],
    ),
    "parquet": (["p.parquet"], [["convert", "p.parquet", "out/x.geojson"]]),
    "txt": (["p.txt"], [["convert", "p.txt", "out/x.geojson"]]),
    "csv": (["e.csv"], [CHECK]),
    "xlsx": (["e.xlsx"], [["check", "x.toml"]]),
    "toml": (["project.toml"], [CHECK]),
    "yaml": (["book/lake.yaml", "book/schedules.yaml", "book/duties.yaml"], [["rules", "check", "book"]]),
    "result": (
        ["o.gpkg"],
        [["explain", "o.gpkg", FIRST], ["relink", "o.gpkg"], ["export", "o.gpkg", "-o", "out/x"]],
    ),
    "overlay": (["v.gpkg"], [["decide", "v.gpkg", "-o", "out/x.gpkg"]]),
    "field": (["f.gpkg"], [["review", "merge", "o.gpkg", "f.gpkg"]]),
    "ledger": (["l.gpkg"], [["ledger", "audit", "l.gpkg"], ["ledger", "progress", "l.gpkg"]]),
    "casefile": (["c.zip"], [["replay", "c.zip"]]),
    "sheet": (["s.xlsx"], [["ledger", "take", "l.gpkg", "s.xlsx", "--dry-run", "--who", "甲"]]),
}


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("kind", SEEDED)
def test_seeded_damage(folder: Path, kind: str, number: int) -> None:
    """Some of these files still read; then every row they hold comes out, or it is said which do not."""
    files, commands = SEEDED[kind]
    (folder / "x.toml").write_text(PROJECT.replace("e.csv", "e.xlsx"), encoding="utf-8")
    target = files[random.Random(number).randrange(len(files))]
    damage(folder / target, f"{kind}:{number}")
    for arguments in commands:
        with deadline(SECONDS):
            status, text = call(["--lang", "en", *arguments])
        source = folder / arguments[1] if kind in VECTORS else None
        assert not fault(arguments, status, text, folder / "out", source), text
        shutil.rmtree(folder / "out")
        (folder / "out").mkdir()


SEEDS = sorted((Path(__file__).parent / "seeds").glob("*.zip"))


@pytest.mark.parametrize("seed", SEEDS, ids=lambda p: p.stem)
def test_finds_of_the_fuzzer(folder: Path, seed: Path) -> None:
    """Files that once ended in a traceback, a hang or rows lost without a word."""
    with zipfile.ZipFile(seed) as found:
        names = [n for n in found.namelist() if n != "command.json"]
        found.extractall(folder, names)
        command = json.loads(found.read("command.json"))
    with deadline(SECONDS):
        status, text = call(["--lang", "en", *command["arguments"]])
    source = folder / command["source"] if command.get("source") else None
    assert not fault(command["arguments"], status, text, folder / "out", source), text
    if "status" in command:
        assert status in command["status"], text
