"""Compiled survey areas: the published vectors, and the numpy version."""

import numpy as np
import pytest
import shapely

from landremed.area import SurveyArea, round_half_up
from landremed.overlay import PolygonSet
from landremed.overlay.native.layerset import RingSet, wkb_bytes
from landremed.overlay.native.survey import survey_feature_areas

E, N = 39_560_000, 4_300_000
SLIVER = [(39575000, 4305000), (39575300, 4305120), (39575299.8, 4305120.46), (39574999.8, 4305000.46)]
PENTAGON = [
    (39590000, 4290000),
    (39590250, 4290030),
    (39590300, 4290260),
    (39590120, 4290310),
    (39589980, 4290150),
]
VECTORS = [
    (shapely.box(E, N, E + 100, N + 100), 9999.11),
    (shapely.box(39500000, 4320000, 39500100, 4320100), 10000.00),
    (shapely.Polygon(PENTAGON), 70985.80),
    (shapely.box(E, N, E + 1000, N + 1000), 999909.90),
    (shapely.Polygon(SLIVER), 161.98),
    (shapely.box(39575000.1234, 4305000.5678, 39575010.1234, 4305010.5678), 99.99),
    (shapely.box(E, N, E + 5000, N + 5000), 24997594.86),
]


def compiled(geometries, false_easting=39_500_000.0):
    rings = RingSet.from_bytes(*wkb_bytes(PolygonSet.from_geometries(geometries).wkb))
    return survey_feature_areas(rings.xy, rings.ro, rings.fr, rings.outer, false_easting, 117.0)


@pytest.mark.parametrize(("polygon", "official"), VECTORS)
def test_survey_area_of_the_published_vectors_to_the_cent(polygon, official):
    assert round_half_up(compiled([polygon]), 2)[0] == official


def test_survey_area_agrees_with_the_numpy_version():
    rng = np.random.default_rng(3)
    polygons = []
    for _ in range(300):
        angle = np.sort(rng.random(15)) * 2 * np.pi
        radius = 10 ** rng.uniform(0, 3) * (0.5 + rng.random(15))
        centre = (E + rng.uniform(-5e4, 5e4), N + rng.uniform(0, 1e5))
        ring = shapely.Polygon(np.c_[centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)])
        hole = shapely.Point(ring.representative_point()).buffer(0.5)
        polygons.append(ring - hole)
    expected = SurveyArea(39_500_000, 117).of(np.array(polygons))
    np.testing.assert_allclose(compiled(polygons), expected, rtol=1e-11, atol=1e-7)
