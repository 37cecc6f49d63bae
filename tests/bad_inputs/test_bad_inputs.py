"""Files that must stop a command, each with the words its sentence must hold.

Every maker writes one broken input into a folder and returns what the user would have written.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import warnings
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pytest
import shapely

from landremed.crs import guard_coordinates, parse_crs, resolve_crs, to_working
from landremed.errors import CrsError, InputError, LandremedError
from landremed.io.spreadsheet import read_table
from landremed.io.vector import read_vector, require_field
from landremed.repair import repair

E0, N0 = 560000.0, 4300000.0
BOXES = [shapely.box(E0 + 200 * i, N0, E0 + 200 * i + 100, N0 + 100) for i in range(200)]
VRT = (
    '<OGRVRTDataSource><OGRVRTLayer name="x"><SrcDataSource>{secret}</SrcDataSource>'
    "<SrcLayer>secret</SrcLayer></OGRVRTLayer></OGRVRTDataSource>"
)


def write(
    path: Path, crs: int | None = 4548, geometry: list[shapely.Geometry] | None = None, **options: str
) -> Path:
    geometry = BOXES if geometry is None else geometry
    frame = gpd.GeoDataFrame({"TBBH": [f"T{i}" for i in range(len(geometry))]}, geometry=geometry, crs=crs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".parquet":
            frame.to_parquet(path)
        elif path.suffix == ".gdb":
            frame.to_file(path, driver="OpenFileGDB")
        else:
            frame.to_file(path, **options)
    return path


def moved(dx: float = 0.0, dy: float = 0.0, *, swap: bool = False) -> list[shapely.Geometry]:
    result = shapely.transform(BOXES, lambda c: c + np.array([dx, dy]))
    return list(shapely.transform(result, lambda c: c[:, ::-1]) if swap else result)


def degrees(*, swap: bool = False) -> list[shapely.Geometry]:
    boxes = [shapely.box(117.5 + 0.01 * i, 38.9, 117.505 + 0.01 * i, 38.905) for i in range(5)]
    return list(shapely.transform(boxes, lambda c: c[:, ::-1])) if swap else boxes


def cut(path: Path, share: float) -> str:
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])
    return path.name


def put(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return path.name


def without(path: Path, *suffixes: str) -> str:
    for suffix in suffixes:
        path.with_suffix(suffix).unlink()
    return path.name


def secret(folder: Path) -> Path:
    return write(folder / "secret.gpkg")


def polyglot(folder: Path) -> str:
    text = {
        "type": "FeatureCollection",
        "x": VRT.format(secret=secret(folder)).replace('"', "'"),
        "features": [],
    }
    return put(folder / "p.geojson", json.dumps(text).encode())


def cut_gdb(folder: Path) -> str:
    path = write(folder / "p.gdb")
    largest = max(path.glob("*.gdbtable"), key=lambda p: p.stat().st_size)
    cut(largest, 0.6)
    return path.name


def two_layers(folder: Path) -> str:
    write(folder / "p.gpkg", layer="图斑")
    write(folder / "p.gpkg", layer="耕地")
    return "p.gpkg"


def link(folder: Path) -> str:
    outside = folder.parent / f"{folder.name}_outside"
    outside.mkdir()
    write(outside / "secret.gpkg")
    (folder / "p.gpkg").symlink_to(outside / "secret.gpkg")
    return "p.gpkg"


def linked_dbf(folder: Path) -> str:
    outside = folder.parent / f"{folder.name}_outside"
    outside.mkdir()
    path = write(folder / "p.shp")
    shutil.move(path.with_suffix(".dbf"), outside / "p.dbf")
    path.with_suffix(".dbf").symlink_to(outside / "p.dbf")
    return "p.shp"


def scrambled_gpkg(folder: Path) -> str:
    path = write(folder / "p.gpkg")
    raw = bytearray(path.read_bytes())
    raw[100:4096] = os.urandom(0) + b"\xa5" * 3996
    return put(path, bytes(raw))


FILES: dict[str, tuple[Callable[[Path], str], list[str]]] = {
    "missing file": (
        lambda d: [write(d / "parcels.gpkg"), "parcel.gpkg"][1],
        ["no such file", "parcels.gpkg"],
    ),
    "missing folder": (lambda d: "nowhere/p.gpkg", ["nowhere/p.gpkg", "no such file"]),
    "web address": (lambda d: "https://example.org/p.gpkg", ["plain local files"]),
    "virtual path": (lambda d: "/vsicurl/https://example.org/p.gpkg", ["plain local files"]),
    "zip path": (lambda d: "/vsizip/p.zip/p.shp", ["plain local files"]),
    "unknown type": (lambda d: put(d / "p.dwg", b"AC1032"), ["DWG is not read", "GeoPackage"]),
    "map of the web": (lambda d: put(d / "p.kml", b"<kml/>"), ["KML is not read", "GCJ-02", "surveyed"]),
    "virtual data set": (lambda d: put(d / "p.vrt", VRT.encode()), ["type of file is not read"]),
    "zero-byte gpkg": (lambda d: put(d / "p.gpkg", b""), ["empty"]),
    "zero-byte shp": (lambda d: put(write(d / "p.shp"), b""), ["empty"]),
    "zero-byte dbf": (lambda d: [write(d / "p.shp"), put(d / "p.dbf", b""), "p.shp"][2], ["p.dbf", "empty"]),
    "zero-byte geojson": (lambda d: put(d / "p.geojson", b" \n"), ["empty"]),
    "zero-byte fgb": (lambda d: put(d / "p.fgb", b""), ["empty"]),
    "zero-byte parquet": (lambda d: put(d / "p.parquet", b""), ["empty"]),
    "cut gpkg": (lambda d: cut(write(d / "p.gpkg"), 0.6), ["cut off"]),
    "very cut gpkg": (lambda d: put(d / "p.gpkg", b"SQLite format 3\0"), ["cut off"]),
    "cut shp": (lambda d: cut(write(d / "p.shp"), 0.6), ["cut off"]),
    "shp header only": (lambda d: put(write(d / "p.shp"), b"\x00\x00\x27\x0a"), ["cut off"]),
    "cut dbf": (
        lambda d: [cut(write(d / "p.shp").with_suffix(".dbf"), 0.6), "p.shp"][1],
        ["p.dbf", "cut off"],
    ),
    "cut geojson": (lambda d: cut(write(d / "p.geojson"), 0.6), ["cut off"]),
    "cut fgb": (lambda d: cut(write(d / "p.fgb", SPATIAL_INDEX="NO"), 0.6), ["cut off"]),
    "cut indexed fgb": (lambda d: cut(write(d / "p.fgb"), 0.6), ["p.fgb"]),
    "fgb header only": (lambda d: put(d / "p.fgb", b"fgb\x03fgb\x00"), ["cut off"]),
    "cut parquet": (lambda d: cut(write(d / "p.parquet"), 0.6), ["cut off"]),
    "parquet with a broken middle": (
        lambda d: put(d / "p.parquet", b"PAR1" + b"\x00" * 100 + b"PAR1"),
        ["cut off"],
    ),
    "cut gdb": (cut_gdb, ["p.gdb"]),
    "gdb without its tables": (lambda d: [(d / "p.gdb").mkdir(), "p.gdb"][1], ["not a FileGDB"]),
    "gdb that is a file": (lambda d: put(d / "p.gdb", b"x"), [".gdb", "folder"]),
    "folder called shp": (lambda d: [(d / "p.shp").mkdir(), "p.shp"][1], ["folder"]),
    "no dbf": (lambda d: without(write(d / "p.shp"), ".dbf"), ["p.dbf", "missing"]),
    "no shx": (lambda d: without(write(d / "p.shp"), ".shx"), ["p.shx", "missing"]),
    "vrt called geojson": (
        lambda d: put(d / "p.geojson", VRT.format(secret=secret(d)).encode()),
        ["not a GeoJSON", "OGR VRT"],
    ),
    "vrt called gpkg": (
        lambda d: put(d / "p.gpkg", VRT.format(secret=secret(d)).encode()),
        ["not a GeoPackage"],
    ),
    "vrt called shp": (
        lambda d: put(d / "p.shp", VRT.format(secret=secret(d)).encode()),
        ["not a Shapefile"],
    ),
    "vrt called fgb": (
        lambda d: put(d / "p.fgb", b"fgb\x03fgb" + VRT.format(secret=secret(d)).encode()),
        ["not a FlatGeobuf"],
    ),
    "gpkg called geojson": (
        lambda d: shutil.move(write(d / "p.gpkg"), d / "p.geojson").name,
        ["looks like: SQLite"],
    ),
    "geojson called gpkg": (
        lambda d: shutil.move(write(d / "p.geojson"), d / "p.gpkg").name,
        ["looks like: JSON"],
    ),
    "text called parquet": (lambda d: put(d / "p.parquet", b"hello"), ["not a GeoParquet"]),
    "json that is no collection": (lambda d: put(d / "p.geojson", b'{"a": 1}'), ["p.geojson"]),
    "deeply nested json": (lambda d: put(d / "p.geojson", b'{"type":' * 50_000), ["p.geojson"]),
    "plain sqlite": (
        lambda d: [sqlite3.connect(d / "p.gpkg").executescript("CREATE TABLE a (b); VACUUM;"), "p.gpkg"][1],
        ["p.gpkg"],
    ),
    "scrambled gpkg": (scrambled_gpkg, ["p.gpkg"]),
    "parquet without geometry": (
        lambda d: [gpd.pd.DataFrame({"a": [1]}).to_parquet(d / "p.parquet"), "p.parquet"][1],
        ["no layer with geometry"],
    ),
    "layer not named": (two_layers, ["2 layers", "图斑", "耕地"]),
    "layer misspelt": (lambda d: two_layers(d) + ":图班", ["no layer 图班", "nearest first: 图斑"]),
    "link out of the folder": (link, ["link", "out of its folder"]),
    "linked dbf": (linked_dbf, ["p.dbf", "link"]),
}


@pytest.mark.parametrize("name", FILES)
def test_files(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    make, words = FILES[name]
    path = make(tmp_path)
    with pytest.raises(InputError) as caught:
        read_vector(path, base=tmp_path)
    sentence_holds(caught.value, words, capfd)


def test_vrt_with_json_around_it_reads_nothing_else(tmp_path: Path) -> None:
    source, _ = read_vector(polyglot(tmp_path), base=tmp_path)
    assert source.driver == "GeoJSON"
    assert len(source) == 0


def test_missing_field(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source, _ = read_vector(str(write(tmp_path / "p.gpkg")))
    with pytest.raises(InputError) as caught:
        require_field(source, "TBHB")
    sentence_holds(caught.value, ["no field TBHB", "TBBH"], capfd)


CRSES: dict[str, tuple[Callable[[Path], Path], list[str]]] = {
    "no crs": (lambda d: write(d / "p.gpkg", None), ["does not say", 'crs = "EPSG', "[layers.x]"]),
    "no prj": (lambda d: d / without(write(d / "p.shp"), ".prj"), ["does not say"]),
    "null crs in parquet": (lambda d: write(d / "p.parquet", None), ["does not say"]),
    "degrees as metres": (
        lambda d: write(d / "p.gpkg", 4548, degrees()),
        ["EPSG:4548", "are degrees", "expected x 100000…900000", "found x 117.5"],
    ),
    "metres as degrees": (lambda d: write(d / "p.gpkg", 4490), ["EPSG:4490", "are metres", "found x 560100"]),
    "geojson in metres without crs": (
        lambda d: write(d / "p.geojson", None),
        ["are metres", "GeoJSON without crs counts as WGS 84"],
    ),
    "prefixed eastings as 4548": (
        lambda d: write(d / "p.gpkg", 4548, moved(39e6)),
        ["EPSG:4548", "carry a zone prefix", "found x 39560100", "EPSG:4527"],
    ),
    "one prefixed feature in a layer": (
        lambda d: write(d / "p.gpkg", 4548, [*BOXES[:99], *moved(39e6)[:1]]),
        ["carry a zone prefix", "1 features, first row 100"],
    ),
    "unprefixed eastings as 4527": (
        lambda d: write(d / "p.gpkg", 4527),
        ["EPSG:4527", "carry no zone prefix", "expected x 39100000…39900000", "found x 560100"],
    ),
    "another zone's prefix": (lambda d: write(d / "p.gpkg", 4527, moved(40e6)), ["prefix of another zone"]),
    "prefix twice": (
        lambda d: write(d / "p.gpkg", 4527, moved(78e6)),
        ["do not lie where", "found x 78560100"],
    ),
    "swapped axes": (
        lambda d: write(d / "p.gpkg", 4548, moved(swap=True)),
        ["swapped", "EPSG:4548", "found x 4300000"],
    ),
    "swapped axes with prefix": (lambda d: write(d / "p.gpkg", 4527, moved(39e6, swap=True)), ["swapped"]),
    "swapped degrees": (lambda d: write(d / "p.gpkg", 4490, degrees(swap=True)), ["swapped", "y 117.5"]),
    "swapped WGS 84": (lambda d: write(d / "p.gpkg", 4326, degrees(swap=True)), ["swapped"]),
    "local grid as 4548": (
        lambda d: write(d / "p.gpkg", 4548, moved(-E0 + 12_000, -N0 + 25_000)),
        ["do not lie where EPSG:4548", "local city grid"],
    ),
    "xian 1980": (lambda d: write(d / "p.gpkg", 2363, moved(39e6)), ["Xian 1980", "CGCS2000", "parameters"]),
    "beijing 1954": (lambda d: write(d / "p.gpkg", 2415, moved(39e6)), ["Beijing 1954", "parameters"]),
    "xian 1980 degrees": (lambda d: write(d / "p.gpkg", 4610, degrees()), ["Xian 1980", "parameters"]),
}


@pytest.mark.parametrize("name", CRSES)
def test_coordinate_systems(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    make, words = CRSES[name]
    path = make(tmp_path)
    with pytest.raises(CrsError) as caught:
        load_layer(path)
    sentence_holds(caught.value, words, capfd)


def load_layer(path: Path, declared: str | None = None, key: str = "layers.x") -> pa.Array:
    source, _ = read_vector(path.name, base=path.parent)
    crs = resolve_crs(source, declared, key=f"{key}.crs")
    guard_coordinates(source, crs, key)
    return to_working(source, crs, parse_crs("EPSG:4548"), key)


def test_declared_crs_that_the_file_contradicts(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CrsError) as caught:
        load_layer(write(tmp_path / "p.gpkg"), "EPSG:4527")
    sentence_holds(caught.value, ["EPSG:4527", "the file itself says EPSG:4548"], capfd)


def test_declared_crs_that_is_none(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CrsError) as caught:
        load_layer(write(tmp_path / "p.gpkg", None), "EPSG:99999999")
    sentence_holds(caught.value, ["EPSG:99999999", "EPSG:4548"], capfd)


class TestNotFinite:
    """NaN in the middle of a ring, and as its first vertex, so that the ring never closes."""

    @pytest.fixture(params=[1, 0])
    def path(self, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[int, int], Path]:
        def make(bad: int, total: int) -> Path:
            features = []
            for i, box in enumerate(BOXES[:total]):
                ring = [list(p) for p in box.exterior.coords]
                if i < bad:
                    ring[request.param][1] = float("nan")
                    ring[-1] = ring[0]
                geometry = {"type": "Polygon", "coordinates": [ring]}
                features.append({"type": "Feature", "properties": {"n": i}, "geometry": geometry})
            crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4548"}}
            text = json.dumps({"type": "FeatureCollection", "crs": crs, "features": features})
            return tmp_path / put(tmp_path / "p.geojson", text.encode())

        return make

    def test_one_in_a_layer_stops(
        self, path: Callable[[int, int], Path], capfd: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(CrsError) as caught:
            load_layer(path(1, 5))
        sentence_holds(caught.value, ["row 1", "not a finite number"], capfd)

    def test_one_among_parcels_does_not(self, path: Callable[[int, int], Path]) -> None:
        repaired = repair(load_layer(path(1, 5), key="parcels"))
        assert list(repaired.status) == ["not_finite", "ok", "ok", "ok", "ok"]

    def test_every_parcel_stops(
        self, path: Callable[[int, int], Path], capfd: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(CrsError) as caught:
            load_layer(path(3, 3), key="parcels")
        sentence_holds(caught.value, ["not a finite number"], capfd)


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
TABLES: dict[str, tuple[str, bytes, list[str]]] = {
    "empty": ("e.csv", b"", ["empty"]),
    "xls": ("e.xls", b"\xd0\xcf\x11\xe0", ["no workbook", ".xlsx"]),
    "no header": ("e.csv", b",,\n1,2,3\n", ["first row"]),
    "blank header over values": ("e.csv", b"TBBH,\n1,2\n", ["column B", "no name"]),
    "header twice": ("e.csv", b"TBBH,a,A\n1,2,3\n", ["A stands twice", "B and C"]),
    "csv called xlsx": ("e.xlsx", b"a,b\n1,2\n", ["no workbook", "text", ".csv"]),
    "web page called xls": ("e.xls", b"<html><table></table></html>", ["no workbook", "HTML"]),
    "old workbook cut off": ("e.xls", OLE + bytes(600), ["cannot be read", ".xlsx"]),
    "old workbook with a password": (
        "e.xls",
        OLE + bytes(64) + "EncryptedPackage".encode("utf-16-le"),
        ["password"],
    ),
    "xlsx called csv": ("e.csv", b"PK\x03\x04xxxx", ["not a CSV", "zip"]),
    "cut xlsx": ("e.xlsx", b"PK\x03\x04" + b"\x00" * 60, ["cut off"]),
    "no text": ("e.csv", b"a,b\n\xff\xff\xff,1\n", ["neither UTF-8 nor GB18030"]),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    file, content, words = TABLES[name]
    (tmp_path / file).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_table(file, base=tmp_path)
    sentence_holds(caught.value, words, capfd)


def test_workbook_with_entities(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "e.xlsx", "w") as archive:
        archive.writestr(
            "[Content_Types].xml", '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'
        )
    with pytest.raises(InputError, match="DOCTYPE"):
        read_table("e.xlsx", base=tmp_path)


def test_workbook_that_unfolds_without_end(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "e.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 50_000_000)
    with pytest.raises(InputError, match="max_zip_ratio"):
        read_table("e.xlsx", base=tmp_path)


def sentence_holds(error: LandremedError, words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """One line in either language, with the words, and nothing else on the terminal."""
    text = error.text("en")
    for word in words:
        assert word in text
    assert "\n" not in text
    assert "{" not in text
    assert any("\u4e00" <= letter <= "\u9fff" for letter in error.text("zh"))
    assert capfd.readouterr() == ("", "")
