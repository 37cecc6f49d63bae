"""Outlines cut into short lines near boxes, by a kernel and without, held against cutting ring by ring."""

import numpy as np
import pyarrow as pa
import pytest
import shapely

from landremed.overlay import PolygonSet
from landremed.overlay.native import compiled
from landremed.sensitivity.occupied import Occupied
from landremed.sensitivity.stretches import stretches_near


@pytest.fixture(params=["kernel", "shapely"])
def way(request, monkeypatch):
    monkeypatch.setitem(compiled._state, "loaded", request.param == "kernel")
    monkeypatch.setitem(compiled._state, "allowed", request.param == "kernel")


def ring(n, x, y, size):
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    reach = size * (1 + 0.2 * np.sin(7 * angle))
    return np.column_stack([x + reach * np.cos(angle), y + reach * np.sin(angle)])


def layer():
    """Polygons of few and of many vertices, with holes, of several parts, and none."""
    holed = shapely.Polygon(ring(33, 40, 40, 30), [ring(5, 40, 40, 6), ring(64, 40, 55, 4)[::-1]])
    parts = shapely.MultiPolygon([shapely.Polygon(ring(n, 10 + 9 * n, 90, 3)) for n in (3, 4, 5)])
    shapes = [
        holed,
        None,
        parts,
        shapely.Polygon(ring(31, 70, 20, 9)),
        shapely.Polygon(ring(900, 50, 50, 49)),
    ]
    return PolygonSet.from_geometries(np.array(shapes, dtype=object))


def cut(shape):
    """Return all stretches of one polygon, in order."""
    found = []
    for part in shapely.get_parts(shape):
        for line in [part.exterior, *part.interiors]:
            points = shapely.get_coordinates(line)
            found += [points[at : at + 33] for at in range(0, len(points) - 1, 32)]
    return found


def bounds(points):
    return [*points.min(axis=0), *points.max(axis=0)]


@pytest.mark.parametrize("size", [0.0, 3.0, 40.0])
def test_stretches_near_boxes_are_found_and_are_those_of_the_rings(way, size):
    polygons = layer()
    rows = np.array([0, 2, 3, 4])
    every = [(row, points) for row in rows.tolist() for points in cut(polygons.geometries[row])]
    assert len(every) == (2 + 1 + 2) + 3 + 1 + 29
    low = np.random.default_rng(4).uniform(0, 100, (6, 2))
    boxes = np.c_[low, low + size]
    found = stretches_near(polygons, rows, Occupied(boxes))
    got = {
        (row, shapely.get_coordinates(line).tobytes())
        for row, line in zip(found.owner, found.lines, strict=True)
    }
    assert len(got) == len(found.lines)
    assert got <= {(row, points.tobytes()) for row, points in every}
    for row, points in every:
        x0, y0, x1, y1 = bounds(points)
        if ((x0 <= boxes[:, 2]) & (x1 >= boxes[:, 0]) & (y0 <= boxes[:, 3]) & (y1 >= boxes[:, 1])).any():
            assert (row, points.tobytes()) in got
    assert np.array_equal(found.boxes, shapely.bounds(found.lines))
    assert found.owner.tolist() == sorted(found.owner.tolist())


def test_nothing_near_and_nothing_there(way):
    far = Occupied(np.array([[900.0, 900, 901, 901]]))
    none = Occupied(np.zeros((0, 4)))
    for around, rows in [(far, [0, 2, 3, 4]), (none, [0, 4]), (far, [])]:
        found = stretches_near(layer(), np.array(rows, np.int64), around)
        assert (len(found.lines), len(found.owner), found.boxes.shape) == (0, 0, (0, 4))


def test_with_and_without_the_kernel_they_are_the_same(monkeypatch):
    random = np.random.default_rng(5)
    shapes = [shapely.Polygon(ring(int(n), *xy, 5)) for n, xy in zip(*_many(random), strict=True)]
    polygons = PolygonSet(PolygonSet.from_geometries(np.array([None, *shapes], dtype=object)).wkb.slice(1))
    assert polygons.wkb.type == pa.large_binary()
    low = random.uniform(0, 1000, (200, 2))
    around = Occupied(np.c_[low, low + 2])
    rows = np.flatnonzero(around.met_by(polygons.boxes))
    found = []
    for allowed in (True, False):
        monkeypatch.setitem(compiled._state, "loaded", True)
        monkeypatch.setitem(compiled._state, "allowed", allowed)
        found.append(stretches_near(polygons, rows, around))
    one, other = found
    assert shapely.to_wkb(one.lines).tolist() == shapely.to_wkb(other.lines).tolist()
    assert np.array_equal(one.owner, other.owner)
    assert np.array_equal(one.boxes, other.boxes)


def _many(random):
    return random.integers(3, 200, 600), random.uniform(0, 1000, (600, 2))
