"""Reading layers: the same content from every format, and nothing lost on the way."""

from __future__ import annotations

import json
import math
import os
import shutil
import sqlite3
import struct
import warnings
from decimal import Decimal
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from landremed.errors import InputError
from landremed.io.damaged import DAMAGED
from landremed.io.drivers import split_layer
from landremed.io.limits import Limits
from landremed.io.vector import list_layers, read_vector, require_field

FORMATS = ["gpkg", "shp", "geojson", "fgb", "gdb", "parquet"]
E0, N0 = 560000.0, 4300000.0


def squares(count: int = 3) -> list[shapely.Polygon]:
    return [shapely.box(E0 + 200 * i, N0, E0 + 200 * i + 100, N0 + 100) for i in range(count)]


def write(path: Path, frame: gpd.GeoDataFrame, **options: object) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".parquet":
            frame.to_parquet(path)
        else:
            frame.to_file(path, **({"driver": "OpenFileGDB"} if path.suffix == ".gdb" else {}), **options)
    return str(path)


def edit_gpkg(path: Path, *statements: tuple[str, tuple[object, ...]]) -> None:
    """Change rows behind the spatial index's back."""
    with sqlite3.connect(path) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='trigger'").fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')
        for statement, values in statements:
            connection.execute(statement, values)
    connection.close()


def frame() -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"TBBH": ["a1", "滨海", None], "MJ": [1.5, None, 3.0], "n": [1, 2, 3]}, geometry=squares(), crs=4548
    )


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_the_same_content(tmp_path: Path, suffix: str) -> None:
    source, findings = read_vector(write(tmp_path / f"p.{suffix}", frame(), **_no_index(suffix)))
    assert source.attributes.column_names[:3] == ["TBBH", "MJ", "n"]
    assert source.attributes.column("TBBH").to_pylist() == ["a1", "滨海", None]
    assert source.attributes.column("MJ").to_pylist() == [1.5, None, 3.0]
    assert source.attributes.column("n").to_pylist() == [1, 2, 3]
    assert source.crs_wkt == "EPSG:4548"
    assert source.wkb.type == pa.large_binary()
    read = shapely.from_wkb(np.asarray(source.wkb.to_pylist(), dtype=object))
    assert [g.symmetric_difference(s).area for g, s in zip(read, squares(), strict=True)] == [0.0, 0.0, 0.0]
    assert all(raw[0] == 1 for raw in source.wkb.to_pylist())
    assert findings == []
    assert source.layer == ("p" if suffix in {"gpkg", "gdb"} else "")


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_row_without_geometry_stays(tmp_path: Path, suffix: str) -> None:
    given = gpd.GeoDataFrame({"n": [1, 2, 3]}, geometry=[squares()[0], None, squares()[2]], crs=4548)
    source, _ = read_vector(write(tmp_path / f"p.{suffix}", given, **_no_index(suffix)))
    assert source.attributes.column("n").to_pylist() == [1, 2, 3]
    assert [raw is None for raw in source.wkb.to_pylist()] == [False, True, False]
    assert shapely.from_wkb(source.wkb[2].as_py()).area == 10_000.0


def _no_index(suffix: str) -> dict[str, str]:
    return {"SPATIAL_INDEX": "NO"} if suffix == "fgb" else {}


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "fgb", "gdb", "parquet", "shp"])
def test_heights_are_dropped_and_said_so(tmp_path: Path, suffix: str) -> None:
    high = [shapely.force_3d(g, 7.0) for g in squares()]
    path = write(tmp_path / f"p.{suffix}", gpd.GeoDataFrame({"n": [1, 2, 3]}, geometry=high, crs=4548))
    source, findings = read_vector(path)
    read = shapely.from_wkb(np.asarray(source.wkb.to_pylist(), dtype=object))
    assert not shapely.has_z(read).any()
    assert [g.area for g in read] == [10_000.0] * 3
    assert [(f.code, f.params["count"]) for f in findings] == [("z_ignored", 3)]


def test_arcs_become_short_lines(tmp_path: Path) -> None:
    path = tmp_path / "arc.gpkg"
    write(path, gpd.GeoDataFrame({"n": [1]}, geometry=[shapely.box(0, 0, 1, 1)], crs=4548))
    ring = [(E0 - 50, N0), (E0, N0 + 50), (E0 + 50, N0), (E0, N0 - 50), (E0 - 50, N0)]
    arc = struct.pack("<BII", 1, 8, len(ring)) + b"".join(struct.pack("<dd", *p) for p in ring)
    blob = b"GP\x00\x01" + struct.pack("<i", 4548) + struct.pack("<BII", 1, 10, 1) + arc
    edit_gpkg(path, ("UPDATE arc SET geom = ?", (blob,)))
    source, _ = read_vector(str(path))
    circle = shapely.from_wkb(source.wkb[0].as_py())
    assert circle.geom_type == "Polygon"
    assert circle.area == pytest.approx(math.pi * 2500, rel=1e-3)


def test_other_geometry_is_kept_as_stored(tmp_path: Path) -> None:
    mixed = [shapely.Point(E0, N0), shapely.LineString([(E0, N0), (E0 + 1, N0)]), squares()[0]]
    source, _ = read_vector(write(tmp_path / "p.gpkg", gpd.GeoDataFrame(geometry=mixed, crs=4548)))
    read = shapely.from_wkb(np.asarray(source.wkb.to_pylist(), dtype=object))
    assert [g.geom_type for g in read] == ["Point", "LineString", "Polygon"]


class TestLayers:
    def test_layer_by_name_colon_or_qgis_mark(self, tmp_path: Path) -> None:
        path = write(tmp_path / "base.gpkg", frame(), layer="图斑")
        write(tmp_path / "base.gpkg", frame().head(1), layer="other")
        assert len(read_vector(path, "图斑")[0]) == 3
        assert len(read_vector(f"{path}:other")[0]) == 1
        assert len(read_vector(f"{path}|layername=图斑")[0]) == 3
        assert len(read_vector(path, "OTHER")[0]) == 1
        infos = list_layers(path)
        assert [(i.name, i.geometry_type, i.rows) for i in infos] == [
            ("图斑", "Polygon", 3),
            ("other", "Polygon", 1),
        ]

    def test_tables_without_geometry_do_not_count(self, tmp_path: Path) -> None:
        path = write(tmp_path / "one.gpkg", frame())
        edit_gpkg(
            tmp_path / "one.gpkg",
            ("CREATE TABLE notes (id INTEGER PRIMARY KEY, t TEXT)", ()),
            (
                "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES (?, ?, ?)",
                ("notes", "attributes", "notes"),
            ),
        )
        assert read_vector(path)[0].layer == "one"

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a.gpkg", ("a.gpkg", None)),
            ("a.gpkg:l", ("a.gpkg", "l")),
            ("a:b.gpkg:l", ("a:b.gpkg", "l")),
            ("C:/d/a.gpkg", ("C:/d/a.gpkg", None)),
            ("C:\\d\\a.gpkg:图层", ("C:\\d\\a.gpkg", "图层")),
            ("C:a.gpkg", ("C:a.gpkg", None)),
            ("a.gpkg|layername=x:y", ("a.gpkg", "x:y")),
            ("a.gpkg|layername=x|subset=1", ("a.gpkg", "x")),
            ("a.gpkg:", ("a.gpkg", None)),
        ],
    )
    def test_split(self, text: str, expected: tuple[str, str | None]) -> None:
        assert split_layer(text) == expected


class TestFilterAndColumns:
    def test_where_is_the_same_for_every_format(self, tmp_path: Path) -> None:
        for suffix in FORMATS:
            path = write(tmp_path / f"p.{suffix}", frame())
            source, _ = read_vector(path, where="\"MJ\" > 1 AND TBBH LIKE 'a%'")
            assert source.attributes.column("n").to_pylist() == [1], suffix
            assert len(source.wkb) == 1

    def test_where_sees_nothing_but_the_layer(self, tmp_path: Path) -> None:
        path = write(tmp_path / "p.gpkg", frame())
        for condition in [
            "n IN (SELECT 1 FROM sqlite_master)); DELETE FROM features; --",
            "load_extension('x')",
            "n = 1; ATTACH 'y.db' AS y",
        ]:
            with pytest.raises(InputError) as caught:
                read_vector(path, where=condition)
            assert caught.value.code == "where_invalid"

    def test_a_misspelt_field_in_where_is_an_error(self, tmp_path: Path) -> None:
        path = write(tmp_path / "p.gpkg", frame())
        for condition in ["\"TBHB\" = 'a1'", "TBHB = 'a1'"]:
            with pytest.raises(InputError, match="TBHB"):
                read_vector(path, where=condition)

    def test_columns_are_picked_in_the_order_asked_for(self, tmp_path: Path) -> None:
        source, _ = read_vector(write(tmp_path / "p.gpkg", frame()), columns=["n", "tbbh"])
        assert source.attributes.column_names == ["n", "TBBH"]
        with pytest.raises(InputError, match="nearest first: TBBH"):
            require_field(source, "TBH")


class TestHash:
    def test_it_is_about_content(self, tmp_path: Path) -> None:
        one, _ = read_vector(write(tmp_path / "a.gpkg", frame()))
        two, _ = read_vector(write(tmp_path / "b.fgb", frame(), SPATIAL_INDEX="NO"))
        assert one.content_hash == two.content_hash

    @pytest.mark.parametrize("change", ["value", "name", "order", "geometry", "crs", "null"])
    def test_any_change_shows(self, tmp_path: Path, change: str) -> None:
        other = frame()
        if change == "value":
            other.loc[0, "TBBH"] = "a2"
        elif change == "name":
            other = other.rename(columns={"MJ": "MJ2"})
        elif change == "order":
            other = other[["MJ", "TBBH", "n", "geometry"]]
        elif change == "geometry":
            other.loc[0, "geometry"] = shapely.box(E0, N0, E0 + 100, N0 + 100.0001)
        elif change == "crs":
            other = other.set_crs(4549, allow_override=True)
        else:
            other.loc[2, "TBBH"] = ""
        one, _ = read_vector(write(tmp_path / "a.gpkg", frame()))
        two, _ = read_vector(write(tmp_path / "b.gpkg", other))
        assert one.content_hash != two.content_hash

    def test_opening_and_vacuuming_changes_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "a.gpkg"
        before = read_vector(write(path, frame()))[0].content_hash
        raw = path.read_bytes()
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE gpkg_contents SET last_change = '2001-01-01T00:00:00Z'")
        connection.execute("VACUUM")
        connection.close()
        assert path.read_bytes() != raw
        assert read_vector(str(path))[0].content_hash == before


class TestText:
    """Chinese text of shapefiles, bytes written here by hand."""

    WORDS = ("违法占地", "滨海新区中塘镇", "A-1")

    def shapefile(self, tmp_path: Path, encoding: str, *, cpg: str | None = None, ldid: int = 0) -> str:
        path = tmp_path / "t.shp"
        write(path, gpd.GeoDataFrame({"n": [1, 2, 3]}, geometry=squares(), crs=4548))
        (tmp_path / "t.cpg").unlink(missing_ok=True)
        if cpg is not None:
            (tmp_path / "t.cpg").write_text(cpg)
        write_dbf(
            tmp_path / "t.dbf",
            [("名称".encode(encoding), 30)],
            [[w.encode(encoding)] for w in self.WORDS],
            ldid,
        )
        return str(path)

    @pytest.mark.parametrize(
        ("encoding", "cpg", "ldid", "name", "ground", "guessed"),
        [
            ("gbk", "GBK", 0, "GB18030", "cpg", False),
            ("gbk", "936\n", 0, "GB18030", "cpg", False),
            ("utf-8", "UTF-8", 0, "UTF-8", "cpg", False),
            ("gbk", None, 0x4D, "GB18030", "ldid", False),
            ("gbk", None, 0, "GB18030", "not utf-8", True),
            ("gbk", None, 0x57, "GB18030", "not utf-8", True),
            ("utf-8", None, 0, "UTF-8", "utf-8 bytes", True),
            ("gb18030", None, 0, "GB18030", "not utf-8", True),
            ("gbk", "UTF-8", 0, "GB18030", "not utf-8", True),
            ("utf-8", None, 0x4D, "UTF-8", "utf-8 bytes", True),
        ],
    )
    def test_encoding_is_found_and_its_ground_stated(
        self, tmp_path: Path, encoding: str, cpg: str | None, ldid: int, name: str, ground: str, guessed: bool
    ) -> None:
        source, findings = read_vector(self.shapefile(tmp_path, encoding, cpg=cpg, ldid=ldid))
        assert source.attributes.column_names == ["名称"]
        assert source.attributes.column("名称").to_pylist() == list(self.WORDS)
        assert (source.encoding, source.encoding_ground) == (name, ground)
        contradicted = guessed and (cpg is not None or ldid == 0x4D)
        told = "encoding_contradicted" if contradicted else "encoding_guessed"
        assert [f.code for f in findings] == ([told] if guessed else [])

    @pytest.mark.parametrize("cpg", ["ISO-8859-1", "ANSI 1252", "1251", "BIG5", "SHIFT_JIS", "cp949"])
    @pytest.mark.parametrize("encoding", ["gbk", "utf-8"])
    def test_a_foreign_statement_over_chinese_bytes_does_not_count(
        self, tmp_path: Path, encoding: str, cpg: str
    ) -> None:
        self.WORDS = ("滨海新区中塘镇", "小王庄镇一村", "海滨街道")  # type: ignore[misc]
        source, findings = read_vector(self.shapefile(tmp_path, encoding, cpg=cpg))
        assert source.attributes.column("名称").to_pylist() == list(self.WORDS)
        assert [(f.code, f.params["stated"]) for f in findings] == [("encoding_contradicted", f".cpg: {cpg}")]

    @pytest.mark.parametrize(
        ("cpg", "text"),
        [
            ("ISO-8859-1", "Zürich é Genève née"),
            ("1251", "Москва улица Земля"),
            ("BIG5", "濱海新區中塘鎮的耕地面積"),
        ],
    )
    def test_true_foreign_text_is_kept(self, tmp_path: Path, cpg: str, text: str) -> None:
        codec = {"1251": "cp1251"}.get(cpg, cpg)
        path = self.shapefile(tmp_path, "gbk", cpg=cpg)
        write_dbf(tmp_path / "t.dbf", [(b"MC", 40)], [[text.encode(codec)], [b""], [b"x"]])
        source, findings = read_vector(path)
        assert (source.attributes.column("MC").to_pylist(), findings) == ([text, None, "x"], [])

    @pytest.mark.parametrize("main", ["gbk", "utf-8"])
    @pytest.mark.parametrize("cpg", [None, "UTF-8", "GBK"])
    def test_texts_of_two_encodings_in_one_file(self, tmp_path: Path, main: str, cpg: str | None) -> None:
        other = {"gbk": "utf-8", "utf-8": "gbk"}[main]
        words = [f"中塘镇第{i}村" for i in range(9)] + ["海滨街道"]
        path = tmp_path / "t.shp"
        write(path, gpd.GeoDataFrame({"n": range(10)}, geometry=squares(10), crs=4548))
        (tmp_path / "t.cpg").unlink(missing_ok=True)
        if cpg is not None:
            (tmp_path / "t.cpg").write_text(cpg)
        pairs = zip(words, [main] * 9 + [other], strict=True)
        write_dbf(tmp_path / "t.dbf", [(b"MC", 30)], [[w.encode(c)] for w, c in pairs])
        source, findings = read_vector(str(path))
        assert source.attributes.column("MC").to_pylist() == words
        mixed = [f for f in findings if f.code == "encoding_mixed"]
        assert [(f.field, f.row, f.params["count"]) for f in mixed] == [("MC", 10, 1)]

    def test_an_encoding_that_was_given_against_the_bytes_is_said(self, tmp_path: Path) -> None:
        path = self.shapefile(tmp_path, "utf-8")
        source, findings = read_vector(path, encoding="GB18030")
        assert [(f.code, f.params["likely"]) for f in findings][:1] == [("encoding_given_odd", "UTF-8")]
        assert source.encoding == "GB18030"

    @pytest.mark.parametrize("encoding", ["gbk", "utf-8"])
    def test_field_names_cut_within_a_character_are_said(self, tmp_path: Path, encoding: str) -> None:
        path = self.shapefile(tmp_path, encoding)
        name = "A永久基本农田面积".encode(encoding)[:10]
        write_dbf(tmp_path / "t.dbf", [(name, 9), (b"B", 9)], [[b"1", b"2"]] * 3)
        source, findings = read_vector(path)
        whole = {"gbk": "A永久基本", "utf-8": "A永久基"}[encoding]
        assert source.attributes.column_names == [whole, "B"]
        cut = [f for f in findings if f.code == "field_names_cut"]
        assert [f.params["names"] for f in cut] == ([whole] if len(whole.encode(encoding)) < 10 else [])

    def test_another_encoding_by_its_cpg(self, tmp_path: Path) -> None:
        path = self.shapefile(tmp_path, "gbk", cpg="BIG5")
        write_dbf(tmp_path / "t.dbf", [(b"MC", 30)], [["濱海".encode("big5")], [b""], [b"x"]])
        source, findings = read_vector(path)
        assert source.attributes.column("MC").to_pylist() == ["濱海", None, "x"]
        assert (source.encoding, findings) == ("big5", [])

    def test_what_the_project_says_wins(self, tmp_path: Path) -> None:
        source, _ = read_vector(self.shapefile(tmp_path, "gbk"), encoding="GBK")
        assert source.encoding_ground == "given"
        assert source.attributes.column("名称").to_pylist() == list(self.WORDS)

    def test_rare_characters(self, tmp_path: Path) -> None:
        self.WORDS = ("𣵦村", "㐀", "滨")  # type: ignore[misc]
        source, _ = read_vector(self.shapefile(tmp_path, "gb18030"))
        assert source.attributes.column("名称").to_pylist() == ["𣵦村", "㐀", "滨"]

    def test_plain_ascii_needs_no_guess(self, tmp_path: Path) -> None:
        path = write(tmp_path / "t.shp", gpd.GeoDataFrame({"n": ["a"]}, geometry=squares(1), crs=4548))
        (tmp_path / "t.cpg").unlink()
        source, findings = read_vector(path)
        assert (source.encoding, source.encoding_ground, findings) == ("UTF-8", "ascii", [])

    def test_text_cut_within_a_character_at_the_end_of_its_field(self, tmp_path: Path) -> None:
        path = tmp_path / "t.shp"
        write(path, gpd.GeoDataFrame({"n": [1]}, geometry=squares(1), crs=4548))
        (tmp_path / "t.cpg").unlink()
        write_dbf(tmp_path / "t.dbf", [(b"BZ", 10)], [["滨海新区".encode()[:10]]])
        source, _ = read_vector(str(path))
        assert source.encoding == "UTF-8"
        assert source.attributes.column("BZ").to_pylist() == ["滨海新"]

    def test_field_names_cut_within_a_character_are_recovered(self, tmp_path: Path) -> None:
        path = tmp_path / "t.shp"
        write(path, gpd.GeoDataFrame({"n": [1]}, geometry=squares(1), crs=4548))
        names = ["图斑编号名称".encode()[:10], "图斑编号类型".encode()[:10]]
        write_dbf(tmp_path / "t.dbf", [(names[0], 10), (names[1], 10)], [["一".encode(), "二".encode()]])
        (tmp_path / "t.cpg").write_text("UTF-8")
        source, _ = read_vector(str(path))
        assert source.attributes.column_names == ["图斑编", "图斑编_1"]
        assert [c.to_pylist() for c in source.attributes.columns] == [["一"], ["二"]]

    def test_deleted_records_stay_with_their_shapes(self, tmp_path: Path) -> None:
        path = tmp_path / "t.shp"
        write(path, gpd.GeoDataFrame({"n": [1, 2, 3]}, geometry=squares(), crs=4548))
        write_dbf(tmp_path / "t.dbf", [(b"BZ", 4)], [[b"a"], [b"b"], [b"c"]], deleted={1})
        source, _ = read_vector(str(path))
        assert source.attributes.column("BZ").to_pylist() == ["a", "c"]
        lefts = [shapely.from_wkb(raw).bounds[0] for raw in source.wkb.to_pylist()]
        assert lefts == [E0, E0 + 400]

    def test_numbers_dates_and_flags(self, tmp_path: Path) -> None:
        path = tmp_path / "t.shp"
        write(path, gpd.GeoDataFrame({"n": [1, 2, 3]}, geometry=squares(), crs=4548))
        fields = [(b"I", 6, "N", 0), (b"F", 8, "N", 2), (b"D", 8, "D", 0), (b"L", 1, "L", 0)]
        rows = [
            [b"    12", b"    1.50", b"20220318", b"T"],
            [b"******", b"        ", b"20220230", b"?"],
            [b"-3", b"1e3", b"", b"n"],
        ]
        write_dbf(tmp_path / "t.dbf", fields, rows)
        source, _ = read_vector(str(path))
        import datetime as dt

        assert source.attributes.column("I").to_pylist() == [12, None, -3]
        assert source.attributes.column("F").to_pylist() == [1.5, None, 1000.0]
        assert source.attributes.column("D").to_pylist() == [dt.date(2022, 3, 18), None, None]
        assert source.attributes.column("L").to_pylist() == [True, None, False]

    def test_text_that_is_no_utf8_in_a_utf8_format(self, tmp_path: Path) -> None:
        path = tmp_path / "p.geojson"
        write(path, frame())
        path.write_bytes(path.read_bytes().replace("滨海".encode(), "滨海".encode("gbk")))
        source, findings = read_vector(str(path))
        assert source.attributes.column("TBBH").to_pylist() == ["a1", "滨海", None]
        assert [(f.code, f.field) for f in findings] == [("encoding_guessed", "TBBH")]


def write_dbf(
    path: Path,
    fields: list[tuple[bytes, int]] | list[tuple[bytes, int, str, int]],
    rows: list[list[bytes]],
    ldid: int = 0,
    deleted: set[int] = frozenset(),  # type: ignore[assignment]
) -> None:
    """Write a dBase III table from raw bytes (format: Xbase file header, 32 bytes per field)."""
    full = [(f[0], f[1], *(f[2:] if len(f) > 2 else ("C", 0))) for f in fields]
    length = 1 + sum(f[1] for f in full)
    head = struct.pack("<B3BIHH16xBB2x", 3, 122, 3, 18, len(rows), 33 + 32 * len(full), length, 0, ldid)
    body = b"".join(
        struct.pack("<11sc4xBB14x", name, kind.encode(), width, decimals)
        for name, width, kind, decimals in full
    )
    records = b"".join(
        (b"*" if i in deleted else b" ")
        + b"".join(cell.ljust(f[1])[: f[1]] for cell, f in zip(row, full, strict=True))
        for i, row in enumerate(rows)
    )
    path.write_bytes(head + body + b"\r" + records + b"\x1a")


def test_one_damaged_record_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "p.fgb"
    many = [shapely.box(E0 + 200 * i, N0, E0 + 200 * i + 100, N0 + 100) for i in range(50)]
    write(path, gpd.GeoDataFrame({"n": range(50)}, geometry=many, crs=4548))
    intact = read_vector(str(path))[0]
    raw = bytearray(path.read_bytes())
    at = 12 + struct.unpack_from("<I", raw, 8)[0] + 40 * (50 + 4 + 1)  # header, then the nodes of the index
    for _ in range(30):
        at += 4 + struct.unpack_from("<I", raw, at)[0]
    raw[at + 4 : at + 24] = b"\xee" * 20
    path.write_bytes(raw)
    source, findings = read_vector(str(path))
    assert [f.code for f in findings] == ["record_unreadable"]
    lost = findings[0].row
    assert lost == 31
    assert len(source) == 50
    for row in range(50):
        if row != lost - 1:
            assert source.wkb[row] == intact.wkb[row]
            assert source.attributes.column("n")[row] == intact.attributes.column("n")[row]
    assert source.wkb[lost - 1].as_py() == DAMAGED


@pytest.mark.parametrize(
    "name",
    [
        "空 格.gpkg",
        "quote'\".gpkg",
        "a,b.gpkg",
        "100%.gpkg",
        "-x.gpkg",
        "a#b?.gpkg",
        "$(id).gpkg",
        "[x].gpkg",
        "ünï.gpkg",
    ],
)
def test_odd_file_and_layer_names_are_only_names(tmp_path: Path, name: str) -> None:
    layer = "l\"'; DROP TABLE x;--"
    path = write(tmp_path / "plain.gpkg", frame(), layer=layer)
    shutil.move(path, tmp_path / name)
    source, _ = read_vector(name, layer, base=tmp_path)
    assert (len(source), source.layer, source.file) == (3, layer, name)


@pytest.mark.parametrize("name", ["a;b.gpkg", "a!b.gpkg", "a\nb.gpkg"])
def test_a_name_that_would_open_another_file_is_refused(tmp_path: Path, name: str) -> None:
    shutil.copy(write(tmp_path / "a", frame(), driver="GPKG"), tmp_path / name)
    with pytest.raises(InputError) as caught:
        read_vector(name, base=tmp_path)
    assert caught.value.code == "path_odd_name"


def test_hostile_attribute_text_stays_text(tmp_path: Path) -> None:
    texts = [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "@SUM(1)",
        "<script>alert(1)</script>",
        "'; DROP TABLE p;--",
        "\u202eabc",
        "a\x07b",
    ]
    path = write(tmp_path / "p.gpkg", gpd.GeoDataFrame({"t": texts}, geometry=squares(len(texts)), crs=4548))
    assert read_vector(path)[0].attributes.column("t").to_pylist() == texts


def test_reading_makes_no_noise(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    write(tmp_path / "p.geojson", frame())
    broken = json.loads((tmp_path / "p.geojson").read_text("utf-8"))
    broken["features"][1]["geometry"]["coordinates"] = "x"
    (tmp_path / "p.geojson").write_text(json.dumps(broken))
    source, _ = read_vector(str(tmp_path / "p.geojson"))
    assert source.wkb[1].as_py() == DAMAGED
    (tmp_path / "bad.geojson").write_text('{"type": "FeatureCollection", "features": [')
    with pytest.raises(InputError):
        read_vector(str(tmp_path / "bad.geojson"))
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


@pytest.mark.parametrize(
    ("key", "limits"),
    [
        ("max_features", Limits(max_features=2)),
        ("max_vertices", Limits(max_vertices=10)),
        ("max_file_mb", Limits(max_file_mb=-1)),
        ("max_columns", Limits(max_columns=2)),
    ],
)
def test_limits_name_their_key(tmp_path: Path, key: str, limits: Limits) -> None:
    path = write(tmp_path / "p.gpkg", frame())
    with pytest.raises(InputError, match=f"raise {key} under"):
        read_vector(path, limits=limits)


def test_geojson_without_crs_is_longitude_and_latitude(tmp_path: Path) -> None:
    square = {"type": "Polygon", "coordinates": [[[117, 39], [117.1, 39], [117.1, 39.1], [117, 39]]]}
    collection = {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": {}, "geometry": square}],
    }
    (tmp_path / "p.geojson").write_text(json.dumps(collection))
    assert read_vector(str(tmp_path / "p.geojson"))[0].crs_wkt in {"EPSG:4326", "OGC:CRS84"}


def test_layer_without_crs_says_none(tmp_path: Path) -> None:
    source, _ = read_vector(write(tmp_path / "p.gpkg", frame().set_crs(None, allow_override=True)))
    assert source.crs_wkt is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "red.gpkg")
    with pytest.raises(InputError, match="local files"):
        read_vector("red.gpkg", base=tmp_path)


@pytest.mark.parametrize("zone", [None, "Asia/Shanghai"])
def test_times_to_the_nanosecond_keep_their_microseconds(tmp_path, zone):
    texts = ["2020-01-02 00:00:00", "2021-03-04 05:06:07.123456789", None]
    times = np.array([text or "NaT" for text in texts], dtype="datetime64[ns]")
    made = frame().assign(when=pd.Series(times).dt.tz_localize(zone))
    file = write(tmp_path / "times.parquet", made)
    source, _ = read_vector(file)
    read = source.attributes["when"].to_pylist()
    assert [None if time is None else time.replace(tzinfo=None).isoformat() for time in read] == [
        "2020-01-02T00:00:00",
        "2021-03-04T05:06:07.123456",
        None,
    ]
    assert zone is None or all(time.utcoffset().total_seconds() == 8 * 3600 for time in read[:2])


ROOMY = {
    "long": (
        pa.array([Decimal("20220001234567890123"), None], pa.decimal128(20, 0)),
        ["20220001234567890123", None],
    ),
    "short": (pa.array([Decimal(7), None], pa.decimal128(10, 0)), [7, None]),
    "unsigned": (pa.array([1, 2**63 + 5], pa.uint64()), ["1", "9223372036854775813"]),
    "small": (pa.array([1, 2], pa.uint64()), [1, 2]),
    "view": (pa.array(["一", None], pa.string_view()), ["一", None]),
    "lasted": (pa.array([1, -2_500_000_000], pa.duration("ns")), ["PT0.000000001S", "-PT2.5S"]),
    "days": (pa.array([86_400, None], pa.duration("s")), ["PT86400S", None]),
    "half": (pa.array([1.5, None], pa.float16()), [1.5, None]),
}


@pytest.mark.parametrize("name", ROOMY)
def test_types_that_only_parquet_has_keep_every_digit(tmp_path, name):
    column, told = ROOMY[name]
    shapes = pa.array([shapely.box(0, 0, 1, 1).wkb, shapely.box(1, 1, 2, 2).wkb])
    geo = {"encoding": "WKB", "geometry_types": []}
    head = {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": geo}}
    table = pa.table({name: column, "geometry": shapes})
    pq.write_table(table.replace_schema_metadata({b"geo": json.dumps(head).encode()}), tmp_path / "t.parquet")
    source, findings = read_vector("t.parquet", base=tmp_path)
    assert source.attributes[name].to_pylist() == told
    assert not findings
