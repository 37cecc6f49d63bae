"""The ``.prj`` of a shapefile in encodings that GDAL cannot read, and names of local grids in it."""

from __future__ import annotations

import geopandas as gpd
import pyproj
import pytest
import shapely

from landremed.crs import local_grid
from landremed.errors import InputError
from landremed.io.vector import list_layers, read_vector
from landremed.layers import load_parcels
from landremed.project import load_project

ESRI_NAME = "CGCS2000_3_Degree_GK_CM_117E"


def shapefile(folder, prj: bytes, name="t"):
    box = shapely.box(560_000, 4_300_000, 560_100, 4_300_100)
    gpd.GeoDataFrame({"TBBH": ["T1"]}, geometry=[box], crs=4548).to_file(folder / f"{name}.shp")
    (folder / f"{name}.prj").write_bytes(prj)
    return str(folder / f"{name}.shp")


def esri(name=ESRI_NAME) -> str:
    return pyproj.CRS(4548).to_wkt("WKT1_ESRI").replace(ESRI_NAME, name)


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_a_national_statement_in_any_encoding(tmp_path, codec):
    path = shapefile(tmp_path, esri().encode(codec))
    source, _ = read_vector(path)
    assert source.crs_wkt == "EPSG:4548"
    assert [(i.name, i.rows) for i in list_layers(path)] == [("t", 1)]
    assert source.attributes.column("TBBH").to_pylist() == ["T1"]
    assert local_grid(source) == []


@pytest.mark.parametrize("codec", ["gbk", "utf-8", "utf-16"])
def test_a_local_grid_under_national_figures_is_said(tmp_path, codec):
    path = shapefile(tmp_path, esri("天津城市坐标系").encode(codec))
    source, _ = read_vector(path)
    found = local_grid(source)
    assert [f.params for f in found] == [{"name": "天津城市坐标系", "meridian": "117", "easting": "500000"}]
    (tmp_path / "p.toml").write_text(f'[parcels]\npath = "{path}"\nid = "TBBH"\n')
    loaded = load_parcels(load_project(tmp_path / "p.toml"))
    assert [f.code for f in loaded.findings if f.code == "crs_name_local"] == ["crs_name_local"]


@pytest.mark.parametrize(
    "name",
    ["2000国家大地坐标系 3度带 高斯克吕格 第39带", "CGCS2000_GK_CM_117E", "unnamed", "国家2000_3度带_117"],
)
def test_usual_names_are_none_of_a_local_grid(tmp_path, name):
    source, _ = read_vector(shapefile(tmp_path, esri(name).encode("utf-8")))
    assert local_grid(source) == []


@pytest.mark.parametrize("prj", [b"", b"hello", b"\xff\xff\xff\x80", bytes(range(256)), "坐标".encode("gbk")])
def test_damaged_statements_are_none(tmp_path, prj):
    source, _ = read_vector(shapefile(tmp_path, prj))
    assert source.crs_wkt is None


@pytest.mark.parametrize("suffix", [".prj", ".cpg", ".qix", ".sbn", ".idm"])
def test_parts_that_are_links_out_of_the_folder_are_refused(tmp_path, suffix):
    (tmp_path / "in").mkdir()
    path = shapefile(tmp_path / "in", esri().encode())
    (tmp_path / "secret").write_text("UTF-8")
    part = (tmp_path / "in" / "t").with_suffix(suffix)
    part.unlink(missing_ok=True)
    part.symlink_to(tmp_path / "secret")
    with pytest.raises(InputError) as caught:
        read_vector(path)
    assert caught.value.code == "path_leaves_folder"
