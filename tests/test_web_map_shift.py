"""Offsets of web maps: the algorithm against published pairs, planted shifts, and layers that carry none."""

from __future__ import annotations

import math

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely
from shapely import affinity

from landremed.checks import check_project
from landremed.checks.web_maps import from_web_map, to_bd09, to_gcj02

E0, N0 = 560_000.0, 4_300_000.0
DEGREES = pyproj.Transformer.from_crs(4548, 4490, always_xy=True)
SHOWN = {"GCJ-02": to_gcj02, "BD-09": to_bd09}


def test_published_pairs():
    # the pairs in the documentation of widely used converters, for a point in Beijing
    lon, lat = np.array([116.404]), np.array([39.915])
    assert [float(v[0]) for v in to_gcj02(lon, lat)] == pytest.approx(
        [116.41024449916938, 39.91640428150164], abs=1e-9
    )
    gcj = from_web_map("GCJ-02", lon, lat)
    assert [float(v[0]) for v in to_bd09(*gcj)] == pytest.approx(
        [116.41036949371029, 39.92133699351021], abs=1e-9
    )


@pytest.mark.parametrize("system", SHOWN)
def test_taken_back_it_is_where_it_was(system):
    lon, lat = np.meshgrid(np.linspace(75.0, 134.0, 40), np.linspace(4.0, 53.0, 40))
    back = from_web_map(system, *SHOWN[system](lon, lat))
    assert np.abs(back[0] - lon).max() < 1e-10
    assert np.abs(back[1] - lat).max() < 1e-10


def test_length_at_binhai():
    lon, lat = np.array([117.7]), np.array([38.9])
    shown = to_gcj02(lon, lat)
    distance = pyproj.Geod(ellps="GRS80").inv(lon, lat, *shown)[2][0]
    assert distance == pytest.approx(549.0, abs=2.0)


def fields(seed=1, count=14):
    """Fields of uneven sizes, as a land survey has them."""
    random = np.random.default_rng(seed)
    across = np.cumsum(random.uniform(60, 260, count))
    up = np.cumsum(random.uniform(60, 260, count))
    return [
        affinity.translate(shapely.box(across[i], up[j], across[i + 1], up[j + 1]), E0, N0)
        for i in range(count - 1)
        for j in range(count - 1)
    ]


def shown_on(geometry, system):
    def turn(xy):
        there = SHOWN[system](*DEGREES.transform(xy[:, 0], xy[:, 1]))
        return np.column_stack(DEGREES.transform(*there, direction="INVERSE"))

    return [shapely.transform(g, turn) for g in geometry]


def findings(folder, parcels, layer):
    ids = [f"T{i}" for i in range(1, len(parcels) + 1)]
    columns = {"TBBH": ids, "category": ["illegal_occupation"] * len(ids)}
    gpd.GeoDataFrame(columns, geometry=parcels, crs=4548).to_file(folder / "p.gpkg")
    gpd.GeoDataFrame({"n": range(len(layer))}, geometry=layer, crs=4548).to_file(folder / "l.gpkg")
    text = '[project]\nlanguage = "en"\n[parcels]\npath = "p.gpkg"\nid = "TBBH"\n'
    text += '[layers.permanent_basic_farmland]\npath = "l.gpkg"\n'
    (folder / "project.toml").write_text(text, encoding="utf-8")
    rows = check_project(folder / "project.toml").issues.to_pylist()
    return [row for row in rows if row["code"] == "web_map_shift"]


def offset(system):
    lon, lat = DEGREES.transform(E0 + 1100, N0 + 1100)
    x, y = DEGREES.transform(*SHOWN[system](np.array([lon]), np.array([lat])), direction="INVERSE")
    return float(x[0]) - E0 - 1100, float(y[0]) - N0 - 1100


@pytest.mark.parametrize("system", SHOWN)
def test_shifted_parcels_are_told_with_length_and_direction(tmp_path, system):
    layer = fields()
    (row,) = findings(tmp_path, shown_on(layer[::3], system), layer)
    east, north = offset(system)
    assert row["file"].startswith("p.gpkg")
    assert system in row["message"]
    metres, degrees = (int(t) for t in row["message"].split(" web maps: ")[1].replace("°", "").split()[0:4:3])
    assert metres == pytest.approx(math.hypot(east, north), abs=3.0)
    assert degrees == pytest.approx(math.degrees(math.atan2(east, north)) % 360, abs=1.0)


@pytest.mark.parametrize("system", SHOWN)
def test_a_shifted_layer_is_told_from_shifted_parcels(tmp_path, system):
    parcels = fields()
    (row,) = findings(tmp_path, parcels[::3], shown_on(parcels, system))
    assert row["file"].startswith("l.gpkg")
    assert system in row["message"]


def test_half_of_the_parcels_follow_no_field(tmp_path):
    layer = fields()
    loose = [affinity.rotate(affinity.scale(g, 0.7, 0.6), 20) for g in layer[1::3]]
    assert len(findings(tmp_path, shown_on([*layer[::3], *loose], "GCJ-02"), layer)) == 1


@pytest.mark.parametrize("shift", [(0.0, 0.0), (1.0, -1.0), (300.0, 410.0), (-520.0, -60.0)])
def test_no_web_map_no_finding(tmp_path, shift):
    layer = fields()
    moved = [affinity.translate(g, *shift) for g in layer[::3]]
    assert findings(tmp_path, moved, layer) == []


def test_parcels_that_follow_nothing(tmp_path):
    assert findings(tmp_path, fields(seed=7)[::3], fields(seed=1)) == []


def test_a_regular_pattern_meets_itself_anywhere(tmp_path):
    east, north = offset("GCJ-02")
    grid = [
        shapely.box(E0 + 50 * i, N0 + 50 * j, E0 + 50 * i + 50, N0 + 50 * j + 50)
        for i in range(40)
        for j in range(40)
    ]
    # one of the two directions meets by chance
    moved = [affinity.translate(g, east % 50.0, (north + 23.0) % 50.0) for g in grid[::9]]
    assert findings(tmp_path, moved, grid) == []
