"""Ground within a distance of an edge: worked by hand, against drawn and united shapes, and compiled."""

from functools import cache

import numpy as np
import pytest
import shapely

from landremed.overlay.native.band import band_areas
from landremed.sensitivity.band import Band
from landremed.sensitivity.intervals import uncovered

X, Y = 39_560_000.0, 4_300_000.0
WAYS = ["numpy", "compiled"]


def at(x, y):
    return X + x, Y + y


def line(*points):
    return shapely.LineString([at(*p) for p in points])


def box(x0, y0, x1, y1):
    return shapely.box(*at(x0, y0), *at(x1, y1))


def within(way, lines, grounds, distance, reach=None):
    distance = np.broadcast_to(np.asarray(distance, float), len(lines)).copy()
    band = Band(np.array(lines), [np.array(g) for g in grounds], distance if reach is None else reach)
    return band.within(distance) if way == "numpy" else band.within_compiled(band_areas, distance)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("edge", "ground", "area", "length"),
    [
        # a strip of 2 m along an edge that goes on beyond the ground
        (line((-50, 0), (50, 0)), box(-5, -10, 5, 10), 10 * 4, 2 * 10),
        (line((-50, 0), (50, 0)), box(-5, 0.5, 5, 10), 10 * 1.5, 10),
        # an edge that ends: half a disc; a corner: a quarter of one
        (line((0, 0), (0, -50)), box(-10, 0, 10, 10), np.pi * 2, 2 * np.pi),
        (line((0, -50), (0, 0), (-50, 0)), box(0, 0, 10, 10), np.pi, np.pi),
        # within the angle the two strips cover the same square
        (line((0, -50), (0, 0), (-50, 0)), box(-10, -10, 0, 0), 2 * 20 - 4, 2 * 8),
        # a small square all of whose ground is near, and one with nothing near
        (line((0, 0), (3, 0), (3, 3), (0, 3), (0, 0)), box(0, 0, 3, 3), 9, 0),
        (line((0, 0), (9, 0)), box(0, 2.5, 9, 9), 0, 0),
        # around a short edge, all of it: a stadium
        (line((0, 0), (1, 0)), box(-9, -9, 9, 9), 4 + 4 * np.pi, 2 + 4 * np.pi),
        # a vertex on a straight line changes nothing
        (line((-50, 0), (0.25, 0), (0.5, 0), (50, 0)), box(-5, -10, 5, 10), 40, 20),
    ],
)
def test_by_hand(way, edge, ground, area, length):
    # at 2.0 some of these grounds end where the strip does, which counts as unsure; a hair less does not
    found, grows, sure = within(way, [edge], [[ground]], 2 - 1e-7)
    assert sure.all()
    assert found[0, 0] == pytest.approx(area, abs=1e-5)
    assert grows[0, 0] == pytest.approx(length, abs=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_lines_that_coincide_are_right_or_said_to_be_unsure(way):
    edge, distances = line((-50, 0), (50, 0)), [0.5, 1.0, 2.0, 3.0]
    grounds = [box(-5, d, 5, 9) for d in distances] + [box(-5, -d, 5, d) for d in distances]
    found, _, sure = within(way, [edge] * 8, [grounds], distances * 2)
    true = np.r_[np.zeros(4), [20 * d for d in distances]]
    assert found[0][sure] == pytest.approx(true[sure], abs=1e-6)


def ragged(random, x, y, size, points):
    turn = np.sort(random.uniform(0, 2 * np.pi, points))
    far = size * random.uniform(0.5, 1.5, points)
    drawn = shapely.Polygon(np.c_[X + x + far * np.cos(turn), Y + y + far * np.sin(turn)])
    return shapely.make_valid(drawn, method="structure")


def polygons(shape):
    return shapely.MultiPolygon([p for p in shapely.get_parts(shape) if p.geom_type == "Polygon"])


@cache
def drawn(edge, distance):
    """Return what lies within the distance by another way: drawn around each segment, and united."""
    around = []
    for ring in shapely.get_parts(edge):
        xy = shapely.get_coordinates(ring)
        segments = shapely.linestrings(np.stack([xy[:-1], xy[1:]], 1))
        around += list(shapely.buffer(segments, distance, quad_segs=128))
    return shapely.union_all(around)


@pytest.fixture(scope="module")
def district():
    random = np.random.default_rng(7)
    layers, grounds, others = [], [], []
    for i in range(24):
        parcel = ragged(random, 0, 0, random.uniform(3, 40), int(random.integers(4, 60)))
        layer = ragged(
            random, *random.uniform(-30, 30, 2), random.uniform(3, 40), int(random.integers(4, 60))
        )
        if i % 3 == 0:
            layer = polygons(shapely.difference(layer, ragged(random, 0, 0, 5, 8)))
        layers.append(layer)
        cut = shapely.intersection if i % 2 else shapely.difference
        grounds.append(polygons(cut(parcel, layer)))
        others.append(polygons(shapely.difference(grounds[-1], ragged(random, 0, 0, 6, 7))))
    return list(shapely.boundary(layers)), grounds, others


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("distance", [0.01, 0.7, 5.0])
def test_the_same_as_shapes_drawn_and_united(way, district, distance):
    edges, *grounds = district
    found, grows, sure = within(way, edges, grounds, distance)
    assert sure.all()
    true = shapely.area(shapely.intersection(grounds, [drawn(edge, distance) for edge in edges]))
    # chords of the drawn arcs lie inside them, by 4e-5 of a disc at most; drawn points are rounded to 1e-8 m
    assert (np.abs(found - true) <= 4e-5 * true + 2e-4).all()
    assert (found > 1).sum() > 15 or distance < 0.1
    step = 1e-5
    less, _, _ = within(way, edges, grounds, distance - step)
    assert np.quantile(np.abs((found - less) / step - grows), 0.95) < 0.05


@pytest.mark.parametrize("distance", [0.01, 0.7, 5.0])
def test_compiled_and_plain_agree(district, distance):
    edges, *grounds = district
    plain, compiled = (within(way, edges, grounds, distance) for way in WAYS)
    for one, other in zip(plain, compiled, strict=True):
        assert other == pytest.approx(one, rel=1e-9, abs=1e-7)


@pytest.mark.parametrize("way", WAYS)
def test_cases_do_not_hang_on_their_neighbours(way, district):
    edges, *grounds = district
    together = within(way, edges, grounds, 0.7)
    for i in (0, 11, 23):
        alone = within(way, edges[i : i + 1], [g[i : i + 1] for g in grounds], 0.7)
        assert (alone[0][:, 0] == together[0][:, i]).all()
        assert (alone[1][:, 0] == together[1][:, i]).all()


def test_what_intervals_leave():
    piece = np.array([0, 0, 0, 2, 2, 3, 4])
    low = np.array([0.5, 0.0, 0.1, 0.2, 0.6, 0.0, 0.9])
    high = np.array([0.6, 0.2, 0.3, 0.7, 0.8, 1.0, 0.4])
    found = list(zip(*(a.tolist() for a in uncovered(5, piece, low, high)), strict=True))
    assert found == [(0, 0.3, 0.5), (0, 0.6, 1.0), (1, 0.0, 1.0), (2, 0.0, 0.2), (2, 0.8, 1.0), (4, 0.0, 1.0)]
