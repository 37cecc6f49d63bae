"""``landremed init``: what it writes loads, runs, and claims no more than it knows."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

import landremed
from landremed.errors import LandremedError
from landremed.inspect import write_project

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "data" / "samples"
E0, N0 = 560_000.0, 4_300_000.0


def write(path: Path, boxes, crs=4548, layer=None, **columns) -> str:
    geometry = [shapely.box(E0 + x, N0 + y, E0 + x + 100, N0 + y + 100) for x, y in boxes]
    gpd.GeoDataFrame(columns, geometry=geometry, crs=crs).to_file(path, layer=layer)
    return str(path)


def parcels(folder: Path, **columns) -> str:
    columns = {"TBBH": ["T1", "T2"], "WTLX": ["违法占地", "耕地撂荒"]} | columns
    return write(folder / "p.gpkg", [(0, 0), (200, 0)], **columns)


def test_the_sample_runs_like_its_own_project(tmp_path):
    for item in SAMPLES.iterdir():
        if item.is_file() and item.name != "project.toml":
            shutil.copy(item, tmp_path)
    draft, text = write_project(
        str(tmp_path / "parcels.gpkg"), [str(tmp_path)], [], tmp_path / "project.toml"
    )
    assert draft.complete
    table = tomllib.loads(text)
    assert table["parcels"]["fields"]["category"] == "WTLX"
    assert '# "违法违规占地"' in text
    assert len(table["evidence"]) == 3
    # the office's own word and the layers' dates are what a person has to add
    mine = landremed.load_project(tmp_path / "project.toml")
    own = landremed.load_project(SAMPLES / "project.toml")
    assert {s.role for s in mine.layers} == {s.role for s in own.layers} - {"sea_dyke_zone"}
    ours, theirs = landremed.run_overlay(mine).frame("parcels"), landremed.run_overlay(own).frame("parcels")
    for role in ("ecological_red_line", "urban_development_boundary", "green_ecological_barrier"):
        assert len(ours[f"{role}_area_m2"].unique()) > 5
        assert ours[f"{role}_area_m2"].equals(theirs[f"{role}_area_m2"]), role


def test_a_name_alone_binds_nothing(tmp_path):
    red = write(tmp_path / "STBHHX.gpkg", [(0, 0)], BSM=["1"])
    draft, text = write_project(parcels(tmp_path), [red], [], tmp_path / "x.toml", language="en")
    assert not draft.layers
    assert "name suggests ecological_red_line, but no field confirms it" in text
    assert "layers" not in tomllib.loads(text)
    draft, text = write_project(
        parcels(tmp_path), [], [f"red_line={red}"], tmp_path / "y.toml", language="en"
    )
    assert [b.role for b in draft.layers] == ["ecological_red_line"]
    assert landremed.load_project(tmp_path / "y.toml").layers[0].role == "ecological_red_line"


def test_the_stronger_layer_gets_the_role(tmp_path):
    weak = write(tmp_path / "a.gpkg", [(0, 0)], HXBM=["1"])
    strong = write(tmp_path / "b.gpkg", [(0, 0)], HXBM=["1"], HXMC=["a"], HXLX=["b"])
    draft, text = write_project(parcels(tmp_path), [weak, strong], [], tmp_path / "x.toml", language="en")
    assert [b.seen.file for b in draft.layers] == [strong]
    assert "also looks like ecological_red_line" in text


def test_what_cannot_be_used_stays_a_comment(tmp_path):
    none = write(tmp_path / "none.gpkg", [(0, 0)], crs=None, HXBM=["1"], HXMC=["a"])
    far = write(tmp_path / "far.gpkg", [(500_0, 900_000)], GHFQMC=["城镇集中建设区"])
    draft, text = write_project(parcels(tmp_path), [none, far], [], tmp_path / "x.toml", language="en")
    assert not draft.complete
    assert {b.role: b.problem.code for b in draft.layers} == {
        "ecological_red_line": "crs_missing",
        "urban_development_boundary": "layer_elsewhere",
    }
    assert "# [layers.ecological_red_line]" in text
    assert "layers" not in tomllib.loads(text)
    assert landremed.run(tmp_path / "x.toml").decisions["parcel_id"].tolist() == ["T1", "T2"]


def test_land_use_without_codes_stays_a_comment(tmp_path):
    land = write(tmp_path / "l.gpkg", [(0, 0)], KIND=["a"])
    draft, text = write_project(parcels(tmp_path), [f"land_use={land}"], [], tmp_path / "x.toml")
    assert not draft.complete
    assert "layers" not in tomllib.loads(text)


def test_hostile_names_stay_text(tmp_path):
    field = 'a"]\n[severity]\nx'
    path = parcels(tmp_path, **{"WTLX": ['"]\nevil = 1 #', "耕地撂荒"], "BZ": ["x", "y"]})
    write(tmp_path / "red.gpkg", [(0, 0)], HXBM=["1"], **{"HXMC": [field]})
    _, text = write_project(path, [str(tmp_path / "red.gpkg")], [], tmp_path / "x.toml")
    assert set(tomllib.loads(text)) == {"project", "parcels", "layers"}
    landremed.load_project(tmp_path / "x.toml")


def test_parcels_without_crs_or_id(tmp_path):
    path = write(tmp_path / "p.gpkg", [(0, 0), (200, 0)], crs=None, BZ=["a", "a"])
    draft, text = write_project(path, [], [], tmp_path / "x.toml", language="en")
    assert not draft.complete
    assert "rows are numbered" in text
    assert '# crs = "EPSG:' in text
    assert "id" not in tomllib.loads(text)["parcels"]


def test_evidence_must_be_about_these_parcels(tmp_path):
    (tmp_path / "e.csv").write_text("编号,abandoned\nT1,是\nT2,否\n", encoding="utf-8")
    (tmp_path / "other.csv").write_text("编号,abandoned\nX1,是\nX2,否\n", encoding="utf-8")
    draft, _ = write_project(
        parcels(tmp_path), [str(tmp_path / "e.csv"), str(tmp_path / "other.csv")], [], tmp_path / "x.toml"
    )
    assert [(g.seen.file, g.id_field) for g in draft.evidence] == [(str(tmp_path / "e.csv"), "编号")]


def test_folder_geodatabase_and_zip_are_searched(tmp_path):
    gdb = tmp_path / "d.gdb"
    for name, fields in (("A1", {"HXBM": ["1"], "HXMC": ["a"]}), ("STBHHX", {"BSM": ["1"]})):
        box = shapely.box(E0, N0, E0 + 100, N0 + 100)
        frame = gpd.GeoDataFrame(fields, geometry=[box], crs=4548)
        frame.to_file(gdb, layer=name, driver="OpenFileGDB")
    folder = tmp_path / "delivery"
    folder.mkdir()
    write(folder / "x.shp", [(0, 0)], GHFQMC=["城镇集中建设区"])
    write(folder / "YJJBNTBHTB.gpkg", [(0, 0)], n=["1"])
    (folder / "notes.pdf").write_bytes(b"%PDF")
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        archive.writestr("1.jpg", b"")
    given = write(tmp_path / "g.gpkg", [(0, 0)], n=["1"])
    others = [str(gdb), str(folder), f"green_barrier={given}"]
    draft, text = write_project(parcels(tmp_path), others, [], tmp_path / "x.toml", language="en")
    table = tomllib.loads(text)["layers"]
    assert {role: (Path(v["path"]).name, v.get("layer")) for role, v in table.items()} == {
        "ecological_red_line": ("d.gdb", "A1"),
        "urban_development_boundary": ("x.shp", None),
        "green_ecological_barrier": ("g.gpkg", "g"),
    }
    assert {b.role for b in draft.layers if b.given} == {"green_ecological_barrier"}
    left = text.split("# Not bound to a role:")[1]
    assert "d.gdb:STBHHX" in left
    assert "YJJBNTBHTB.gpkg" in left
    assert "photos.zip" not in left


def test_several_layers_of_parcels_must_be_told_apart(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / "p.gpkg", [(0, 0)], layer=name, JCBH=["1"])
    with pytest.raises(LandremedError, match="2 layers"):
        write_project(str(tmp_path / "p.gpkg"), [], [], tmp_path / "x.toml")
    write_project(f"{tmp_path / 'p.gpkg'}:b", [], [], tmp_path / "x.toml")
    assert landremed.load_project(tmp_path / "x.toml").parcels.layer == "b"


def test_command(tmp_path):
    path = parcels(tmp_path)
    order = [
        sys.executable,
        "-m",
        "landremed_cli",
        "--lang",
        "zh",
        "init",
        path,
        "-o",
        str(tmp_path / "x.toml"),
    ]
    run = subprocess.run(order, capture_output=True, text=True, encoding="utf-8", check=False)
    assert run.returncode == 0, run.stderr
    assert tomllib.loads(run.stdout)["parcels"]["path"] == "p.gpkg"
    again = subprocess.run(order, capture_output=True, text=True, encoding="utf-8", check=False)
    assert again.returncode == 1
    assert "Traceback" not in again.stderr
