"""Zip files as inputs: what is inside is read as if unpacked by hand, and nothing hostile is unpacked."""

from __future__ import annotations

import stat
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import geopandas as gpd
import pytest
import shapely
from landremed_cli.main import main

import landremed
from landremed.convert import convert
from landremed.errors import InputError
from landremed.inspect.look import look
from landremed.io.limits import Limits
from landremed.io.vector import list_layers, read_vector

E0, N0 = 560_000.0, 4_300_000.0


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """After every test, whatever happened in it, no unpacked data is left."""
    place = tmp_path / "scratch"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    assert list(place.iterdir()) == []


def frame(count: int = 2) -> gpd.GeoDataFrame:
    boxes = [shapely.box(E0 + 200 * i, N0, E0 + 200 * i + 100, N0 + 100) for i in range(count)]
    columns = {"TBBH": [f"T{i}" for i in range(count)], "名称": ["违法占地"] * count}
    return gpd.GeoDataFrame(columns, geometry=boxes, crs=4548)


def pack(target: Path, folder: Path, under: str = "") -> str:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, under + path.relative_to(folder).as_posix())
    return str(target)


def members(target: Path, **content: bytes) -> str:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return str(target)


def refused(path: str, **options) -> InputError:
    with pytest.raises(InputError) as caught:
        read_vector(path, **options)
    return caught.value


def status(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return int(stop.value.code or 0)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("suffix", [".shp", ".gpkg", ".geojson", ".gdb", ".fgb"])
def test_the_same_content_as_unpacked(tmp_path: Path, data: Path, suffix: str) -> None:
    options = {"driver": "OpenFileGDB"} if suffix == ".gdb" else {}
    frame().to_file(data / f"图斑{suffix}", **options)
    plain, _ = read_vector(str(data / f"图斑{suffix}"))
    packed = pack(tmp_path / "交付.ZIP", data, "2022/数据/")
    source, findings = read_vector(packed)
    assert source.content_hash == plain.content_hash
    assert source.crs_wkt == plain.crs_wkt
    assert source.file == packed
    assert [f.code for f in findings if f.code.startswith("zip")] == []
    again, _ = read_vector(source.display)
    assert again.content_hash == plain.content_hash


def test_several_must_be_named_and_are_listed(tmp_path: Path, data: Path) -> None:
    (data / "a").mkdir()
    frame(2).to_file(data / "a" / "parcels.shp")
    frame(3).to_file(data / "base.gpkg", layer="hx")
    frame(4).to_file(data / "base.gpkg", layer="jbnt")
    packed = pack(tmp_path / "z.zip", data)
    error = refused(packed)
    assert error.code == "layer_needed"
    for language in ("zh", "en"):
        assert all(name in error.text(language) for name in ("parcels", "hx", "jbnt"))
    assert len(read_vector(f"{packed}:parcels")[0]) == 2
    assert len(read_vector(f"{packed}:a/parcels.shp")[0]) == 2
    assert len(read_vector(packed, "JBNT")[0]) == 4
    assert len(read_vector(f"{packed}|layername=base.gpkg/hx")[0]) == 3
    assert refused(f"{packed}:nothing").code == "layer_missing"
    assert {i.name: i.rows for i in list_layers(packed)} == {"parcels": 2, "hx": 3, "jbnt": 4}
    assert sorted(one.layer for one in look(packed)) == ["hx", "jbnt", "parcels"]


def test_one_name_in_two_files_is_told_by_the_file(tmp_path: Path, data: Path) -> None:
    for year, count in (("2021", 2), ("2022", 3)):
        (data / year).mkdir()
        frame(count).to_file(data / year / "p.shp")
    packed = pack(tmp_path / "z.zip", data)
    assert "2021/p.shp, 2022/p.shp" in refused(f"{packed}").text("en")
    assert refused(f"{packed}:p").code == "layer_missing"
    assert len(read_vector(f"{packed}:2022/p.shp")[0]) == 3


def test_names_in_gbk_without_a_mark(tmp_path: Path, data: Path) -> None:
    frame().to_file(data / "x.geojson")
    name = "数据/永久基本农田.geojson"
    raw = name.encode("gb18030")
    target = tmp_path / "gbk.zip"
    placeholder = "x" * len(raw)
    members(target, **{placeholder: (data / "x.geojson").read_bytes()})
    target.write_bytes(target.read_bytes().replace(placeholder.encode(), raw))
    assert [info.name for info in list_layers(str(target))] == ["永久基本农田"]
    assert len(read_vector(f"{target}:永久基本农田")[0]) == 2


def test_names_in_utf8_without_a_mark(tmp_path: Path, data: Path) -> None:
    frame().to_file(data / "x.geojson")
    raw = "红线.geojson".encode()
    target = tmp_path / "mac.zip"
    placeholder = "x" * len(raw)
    members(target, **{placeholder: (data / "x.geojson").read_bytes()})
    target.write_bytes(target.read_bytes().replace(placeholder.encode(), raw))
    assert [info.name for info in list_layers(str(target))] == ["红线"]


@pytest.mark.parametrize(
    "name", ["../p.geojson", "a/../../p.geojson", "/etc/p.geojson", "C:/p.geojson", "..\\p.geojson"]
)
def test_members_that_lead_out_are_refused(tmp_path: Path, scratch: Path, name: str) -> None:
    packed = members(tmp_path / "z.zip", **{"good.geojson": b"{}", name: b"{}"})
    before = set(tmp_path.rglob("*"))
    error = refused(packed)
    assert error.code == "zip_member_unsafe"
    assert set(tmp_path.rglob("*")) == before


def test_links_are_refused(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("p.geojson")
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    assert refused(str(tmp_path / "z.zip")).code == "zip_member_unsafe"


def test_bombs_are_refused_before_unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = members(tmp_path / "z.zip", **{"p.geojson": b"\0" * 11_000_000})
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("was unpacked"))
    error = refused(packed)
    assert (error.code, error.params["key"]) == ("limit_exceeded", "max_zip_ratio")
    error = refused(packed, limits=Limits(max_unzipped_mb=10))
    assert (error.code, error.params["key"]) == ("limit_exceeded", "max_unzipped_mb")
    assert "11" in error.text("en")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({}, "zip_empty"),
        ({"a.zip": b"PK"}, "zip_nested"),
        ({"p.geojson": b"{}", "x/b.RAR": b""}, "zip_nested"),
        ({"说明.txt": b"hello", "t.json": b"{}"}, "zip_without_data"),
        ({"P.geojson": b"{}", "p.geojson": b"{}"}, "zip_member_twice"),
    ],
)
def test_what_holds_no_plain_data(tmp_path: Path, content: dict[str, bytes], code: str) -> None:
    error = refused(members(tmp_path / "z.zip", **content))
    assert error.code == code
    assert error.text("zh")


def test_damaged(tmp_path: Path, data: Path) -> None:
    frame(50).to_file(data / "p.gpkg")
    whole = Path(pack(tmp_path / "z.zip", data)).read_bytes()
    for bad in (whole[: len(whole) // 2], b"", b"no zip", whole[:200] + b"\xff" * 60 + whole[260:]):
        (tmp_path / "bad.zip").write_bytes(bad)
        assert refused(str(tmp_path / "bad.zip")).code == "zip_damaged"


def test_a_name_that_cannot_be_made_does_not_tell_where(tmp_path: Path, scratch: Path) -> None:
    error = refused(members(tmp_path / "z.zip", **{"p" * 300 + ".geojson": b"{}"}))
    assert error.code == "file_unreadable"
    assert str(scratch) not in error.text("en")


def test_passwords_are_said(tmp_path: Path) -> None:
    target = tmp_path / "z.zip"
    members(target, **{"p.geojson": b"{}"})
    data = bytearray(target.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    target.write_bytes(data)
    assert refused(str(target)).code == "zip_encrypted"


def test_a_fault_inside_names_zip_and_member(tmp_path: Path, data: Path, scratch: Path) -> None:
    frame().to_file(data / "p.shp")
    (data / "p.dbf").unlink()
    text = refused(pack(tmp_path / "z.zip", data, "sub/")).text("en")
    assert "z.zip/sub/p.shp" in text
    assert str(scratch) not in text


def test_what_a_killed_program_unpacked_is_removed(tmp_path: Path, data: Path, scratch: Path) -> None:
    code = (
        "import os, signal, sys, tempfile; tempfile.tempdir = sys.argv[2]\n"
        "from landremed.io.zipped import unpacked, Limits\n"
        "with unpacked(sys.argv[1], None, Limits()): os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    frame().to_file(data / "p.gpkg")
    packed = pack(tmp_path / "z.zip", data)
    subprocess.run([sys.executable, "-c", code, packed, str(scratch)], check=False)
    (left,) = scratch.iterdir()
    assert left.stat().st_mode & 0o777 == 0o700
    read_vector(packed)
    assert not left.exists()


def test_every_command_takes_it(tmp_path: Path, data: Path, monkeypatch, capfd) -> None:
    monkeypatch.chdir(tmp_path)
    shp = frame().rename(columns={"名称": "WTLX"})
    shp.to_file(data / "p.shp", encoding="UTF-8")
    gpd.GeoDataFrame(
        {"HXBM": ["1"], "HXLX": ["a"], "HXMC": ["b"]},
        geometry=[shapely.box(E0, N0, E0 + 50, N0 + 100)],
        crs=4548,
    ).to_file(data / "STBHHX.gpkg")
    pack(tmp_path / "z.zip", data, "d/")
    assert status("info", "z.zip") == 0
    assert status("init", "z.zip:p", "z.zip", "-o", "project.toml") in (0, 3)
    text = (tmp_path / "project.toml").read_text(encoding="utf-8")
    assert "[layers.ecological_red_line]" in text
    assert status("check", "project.toml") in (0, 3)
    assert status("run", "project.toml", "-o", "out.gpkg") in (0, 3)
    overlay = landremed.run_overlay(landremed.load_project("project.toml"))
    areas = overlay.frame("parcels")["ecological_red_line_area_m2"]
    assert areas.round(-2).tolist() == [5000.0, 0.0]
    convert("z.zip:p", "p.geojson")
    assert len(gpd.read_file("p.geojson")) == 2
