"""Which engine ``auto`` takes: by the work there is, the same however the parcels are divided."""

import numpy as np
import pytest
import shapely

from landremed.overlay import Expected, LayerInput, PolygonSet
from landremed.overlay.engine import chosen_engine

X, Y = 500_000.0, 4_300_000.0


def squares(count, size, step, across):
    i = np.arange(count)
    x, y = X + (i % across) * step, Y + (i // across) * step
    return shapely.box(x, y, x + size, y + size)


def circle(radius, vertices):
    angle = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    return shapely.Polygon(np.c_[X + 2000 + radius * np.cos(angle), Y + 2000 + radius * np.sin(angle)])


def choice(layer, parcels):
    return chosen_engine(
        [LayerInput("fields", PolygonSet.from_geometries(layer))],
        "auto",
        Expected.of(PolygonSet.from_geometries(parcels)),
    )


@pytest.fixture(scope="module")
def fields():
    return squares(20_000, 19.0, 20.0, 141)  # 2.8 km by 2.8 km


def test_a_parcel_of_very_many_vertices_is_much_work(fields):
    parcels = squares(62, 30.0, 40.0, 8)
    assert choice(fields, parcels) == "shapely"
    parcels[17] = circle(1000.0, 200_000)  # meets thousands of fields, 8 ms each
    assert choice(fields, parcels) == "native"


def test_but_not_where_it_meets_little(fields):
    assert choice(fields, [circle(10.0, 200_000)]) == "shapely"
    assert choice(squares(3, 19.0, 20.0, 3), [circle(5000.0, 200_000)]) == "shapely"


def test_many_parcels_and_huge_features_are_much_work_too(fields):
    assert choice(fields, squares(300_000, 5.0, 6.0, 600)) == "native"
    assert choice([circle(1000.0, 100_000)], squares(10_000, 5.0, 6.0, 100)) == "native"


def test_what_is_expected_does_not_hang_on_how_parcels_are_divided():
    rng = np.random.default_rng(8)
    shapes = shapely.buffer(shapely.points(X + rng.random((300, 2)) * 500), rng.random(300) * 30)
    shapes[5], shapes[77] = None, shapely.Polygon()
    parcels = PolygonSet.from_geometries(shapes)
    whole = Expected.of(parcels)
    assert whole.parcels == 300
    for cut in (1, 7, 299):
        parts = [Expected.of(PolygonSet(parcels.wkb.slice(at, cut))) for at in range(0, 300, cut)]
        assert sum(parts, Expected()) == whole
