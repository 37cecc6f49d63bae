"""Areas against the published vectors, PROJ's geodesics, and figures worked by hand."""

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from landremed.area import GeodesicArea, PlaneArea, SurveyArea, area_measure, default_kind, round_half_up
from landremed.errors import ProjectError
from landremed.types import AreaKind

ZONE_39 = SurveyArea(39500000, 117)
PENTAGON = [
    (39590000, 4290000),
    (39590250, 4290030),
    (39590300, 4290260),
    (39590120, 4290310),
    (39589980, 4290150),
]
SLIVER = [(39575000, 4305000), (39575300, 4305120), (39575299.8, 4305120.46), (39574999.8, 4305000.46)]

# shape, official area (2 decimals), area on the ellipsoid
VECTORS = [
    (shapely.box(39560000, 4300000, 39560100, 4300100), "9999.11", 9999.1124),
    (shapely.box(39500000, 4320000, 39500100, 4320100), "10000.00", 10000.0000),
    (shapely.Polygon(PENTAGON), "70985.80", 70985.8015),
    (shapely.box(39560000, 4300000, 39561000, 4301000), "999909.90", None),
    (shapely.Polygon(SLIVER), "161.98", 161.9775),
    (shapely.box(39575000.1234, 4305000.5678, 39575010.1234, 4305010.5678), "99.99", 99.9862),
    (shapely.box(39560000, 4300000, 39565000, 4305000), "24997594.86", None),
]


@pytest.mark.parametrize(("shape", "official", "geodesic"), VECTORS)
def test_survey_vectors_to_the_cent(shape, official, geodesic):
    with_prefix = ZONE_39.of(np.array([shape]))
    without = SurveyArea(500000, 117).of(np.array([shapely.transform(shape, lambda xy: xy - [39000000, 0])]))
    for area in (with_prefix, without):
        assert f"{round_half_up(area)[0]:.2f}" == official


@pytest.mark.parametrize(("shape", "official", "geodesic"), [v for v in VECTORS if v[2]])
def test_geodesic_vectors(shape, official, geodesic):
    # the published figures take edges straight on the ellipsoid, ours straight in the plane
    assert GeodesicArea(pyproj.CRS(4527)).of(np.array([shape]))[0] == pytest.approx(geodesic, abs=2e-3)


@pytest.mark.parametrize("epsg", [4527, 32650, 3857])
def test_geodesic_agrees_with_proj_on_densified_edges(epsg):
    crs = pyproj.CRS(epsg)
    to_plane = pyproj.Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True)
    x, y = to_plane.transform(117.7, 38.9)
    shape = shapely.affinity.rotate(shapely.box(x, y, x + 1300, y + 700), 27)
    dense = shapely.get_coordinates(shapely.segmentize(shape, 2.0))
    lon, lat = to_plane.transform(dense[:, 0], dense[:, 1], direction="INVERSE")
    expected = abs(crs.get_geod().polygon_area_perimeter(lon, lat)[0])
    assert GeodesicArea(crs).of(np.array([shape]))[0] == pytest.approx(expected, rel=1e-7)


def test_holes_parts_and_missing():
    ring = shapely.Polygon(
        [(0, 0), (100, 0), (100, 100), (0, 100)], [[(20, 20), (30, 20), (30, 30), (20, 30)]]
    )
    here = shapely.transform(ring, lambda xy: np.add(xy, (39500000, 4320000)))
    other = shapely.box(39500200, 4320000, 39500210, 4320010)
    areas = ZONE_39.of(np.array([None, shapely.MultiPolygon([here, other]), shapely.Polygon()], dtype=object))
    assert areas[[0, 2]].tolist() == [0, 0]
    assert areas[1] == pytest.approx(10000 - 100 + 100, abs=0.01)


@given(
    start=st.integers(0, 4),
    reverse=st.booleans(),
    east=st.floats(-80000, 80000),
    north=st.floats(4260000, 4360000),
)
@settings(max_examples=60, deadline=None)
def test_survey_area_knows_no_first_vertex_or_direction(start, reverse, east, north):
    xy = np.round(np.array(PENTAGON, float) - PENTAGON[0] + [39500000 + east, north], 4)
    turned = np.roll(xy, start, axis=0)[:: -1 if reverse else 1]
    one, two = ZONE_39.of(np.array([shapely.Polygon(xy), shapely.Polygon(turned)]))
    assert one == pytest.approx(two, abs=1e-4)


@given(st.decimals(min_value=-9, max_value=9, places=3))
def test_rounding_is_half_away_from_zero(value):
    exact = value.quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert round_half_up(np.array([float(value)]))[0] == pytest.approx(float(exact), abs=1e-12)


def test_survey_needs_gauss_krueger():
    with pytest.raises(ProjectError) as error:
        area_measure(AreaKind.SURVEY, pyproj.CRS(32650))
    assert "geodesic" in str(error.value)
    assert default_kind(pyproj.CRS(32650)) is AreaKind.GEODESIC
    assert default_kind(pyproj.CRS(4548)) is AreaKind.SURVEY


def test_plane():
    assert PlaneArea().of(np.array([shapely.box(0, 0, 3, 4), None], dtype=object)).tolist() == [12, 0]
