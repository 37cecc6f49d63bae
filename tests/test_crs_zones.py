"""Eastings of zones 39 and 40 in one file."""

from __future__ import annotations

import geopandas as gpd
import pytest
import shapely

from landremed.checks import check_project
from landremed.crs import guard_coordinates, mixed_zones, parse_crs
from landremed.errors import CrsError
from landremed.inspect.look import look
from landremed.io.vector import read_vector
from landremed.layers import load_parcels
from landremed.project import load_project


def write(path, eastings, crs=4527):
    boxes = [shapely.box(e, 4.3e6 + 200 * i, e + 100, 4.3e6 + 200 * i + 100) for i, e in enumerate(eastings)]
    ids = [f"T{i}" for i in range(1, len(boxes) + 1)]
    gpd.GeoDataFrame({"TBBH": ids}, geometry=boxes, crs=crs).to_file(path)
    return str(path)


NEAR, OTHER = 39_580_000.0, 40_420_000.0


def test_a_layer_of_two_zones_is_refused_with_counts(tmp_path):
    source, _ = read_vector(write(tmp_path / "l.gpkg", [NEAR, NEAR, OTHER, NEAR, OTHER]))
    with pytest.raises(CrsError) as caught:
        guard_coordinates(source, parse_crs("EPSG:4527"), "layers.x")
    error = caught.value
    assert error.code == "crs_zones_mixed"
    assert (error.params["zones"], error.params["count"], error.params["row"]) == ("39: 3, 40: 2", 2, 3)
    for language in ("zh", "en"):
        assert "x 40420100…40420100" in error.text(language)
        assert "x 39100000…39900000" in error.text(language)


@pytest.mark.parametrize("crs", [4548, 4529])
def test_two_zones_under_another_declaration(tmp_path, crs):
    source, _ = read_vector(write(tmp_path / "l.gpkg", [NEAR, OTHER], crs))
    with pytest.raises(CrsError) as caught:
        guard_coordinates(source, parse_crs(f"EPSG:{crs}"), "layers.x")
    assert caught.value.code == "crs_zones_mixed"


def test_one_wrong_zone_is_not_called_mixed(tmp_path):
    source, _ = read_vector(write(tmp_path / "l.gpkg", [OTHER, OTHER]))
    with pytest.raises(CrsError) as caught:
        guard_coordinates(source, parse_crs("EPSG:4527"), "layers.x")
    assert caught.value.code == "crs_prefix_other"


@pytest.mark.parametrize(
    ("eastings", "crs"), [([NEAR] * 3, 4527), ([580_000.0] * 3, 4548), ([580_000.0, NEAR], 4548)]
)
def test_one_zone_gives_no_finding(tmp_path, eastings, crs):
    source, _ = read_vector(write(tmp_path / "p.gpkg", eastings, crs))
    assert mixed_zones(source, parse_crs(f"EPSG:{crs}")) == []


def test_parcels_of_two_zones_are_one_finding_and_not_measured(tmp_path):
    write(tmp_path / "p.gpkg", [NEAR, NEAR, NEAR, OTHER, OTHER])
    text = '[project]\nlanguage = "en"\n[parcels]\npath = "p.gpkg"\nid = "TBBH"\n'
    (tmp_path / "project.toml").write_text(text, encoding="utf-8")
    project = load_project(tmp_path / "project.toml")
    parcels = load_parcels(project)
    (mixed,) = [f for f in parcels.findings if f.code == "parcels_zones_mixed"]
    assert (mixed.row, mixed.params["zones"], mixed.params["count"]) == (4, "39: 3, 40: 2", 2)
    assert list(shapely.is_missing(parcels.polygons.geometries)) == [False] * 3 + [True] * 2
    astray = [f.parcel_id for f in parcels.findings if f.code == "parcel_out_of_place"]
    assert astray == ["T4", "T5"]
    codes = check_project(project).issues["code"].to_pylist()
    assert codes.count("parcels_zones_mixed") == 1


def test_info_tells_mixed_zones_of_a_layer_without_crs(tmp_path):
    (seen,) = look(write(tmp_path / "l.gpkg", [NEAR, NEAR, OTHER], None))
    assert seen.crs_state == "missing"
    assert "39: 2, 40: 1" in seen.crs_text("en")
    assert "39: 2, 40: 1" in seen.crs_text("zh")
