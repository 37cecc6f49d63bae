"""Shapes looked over by kernels: none invalid to GEOS is called valid; all else is as without them."""

import itertools
import struct
import sys
from unittest.mock import Mock

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from test_io_wkb import BEHIND, raw, raw_polygon, shape
from test_repair import CASES, wkb

from landremed.crs import placed
from landremed.io.wkb_scan import perimeters, polygon_bounds
from landremed.overlay import engine as choice
from landremed.overlay import looks
from landremed.overlay.native import compiled, engine
from landremed.repair import repair


@pytest.fixture
def kernels(monkeypatch):
    monkeypatch.setitem(compiled._state, "loaded", True)
    monkeypatch.setitem(compiled._state, "allowed", True)


@pytest.fixture
def no_kernels(monkeypatch):
    monkeypatch.setitem(compiled._state, "allowed", False)


def polygon(*rings):
    body = b"".join(struct.pack("<I", len(r)) + np.array(r, float).tobytes() for r in rings)
    return struct.pack("<BII", 1, 3, len(rings)) + body


def multi(*parts):
    return struct.pack("<BII", 1, 6, len(parts)) + b"".join(parts)


def ring(*points):
    return [*points, points[0]]


def box(x0, y0, x1, y1):
    return ring((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def circle(n, x=0.0, y=0.0, radius=10.0, turn=0.0):
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False) + turn
    return ring(*zip(x + radius * np.cos(angle), y + radius * np.sin(angle), strict=True))


BIG = circle(3000)
SWAPPED = [*BIG[:700], BIG[701], BIG[700], *BIG[702:]]
TOUCHING = [*BIG[:500], BIG[2000], *BIG[500:]]

SURE = [
    polygon(box(0, 0, 10, 10)),
    polygon(box(0, 0, 10, 10)[::-1]),
    polygon(ring((0, 0), (5, 0), (10, 0), (10, 10))),  # a vertex on a straight edge
    polygon(box(0, 0, 10, 10), box(1, 1, 2, 2), box(3, 1, 4, 2)),
    polygon(BIG, *(circle(50, x, 0.0, 0.4) for x in range(-8, 9))),
    polygon(circle(1000, 39_500_000.0, 4_300_000.0, 300.0)),
    multi(polygon(box(0, 0, 1, 1)), polygon(box(2, 0, 3, 1), box(2.2, 0.2, 2.8, 0.8))),
    multi(polygon(BIG), polygon(circle(200, 30.0))),
]
NOT_SURE = [
    polygon(ring((0, 0), (2, 2), (2, 0), (0, 2))),  # crosses itself
    polygon([(0, 0), (2, 0), (2, 2), (0, 1)]),  # not closed
    polygon([(0, 0), (1, 1), (0, 0)]),
    polygon(ring((0, 0), (1, 1), (2, 2))),  # no area
    polygon(ring((0, 0), (10, 0), (10, 10), (10, 20), (10, 10), (0, 10))),  # spike
    polygon(ring((0, 0), (4, 0), (4, 4), (2, 0), (0, 4))),  # touches itself
    polygon(SWAPPED),
    polygon(TOUCHING),
    polygon(BIG, circle(900, 0.0, 0.0, 9.9999999), circle(500, 0.0, 0.0, 5.0)),  # hole in a hole
    polygon(BIG, circle(30, 50.0)),  # hole outside
    polygon(box(0, 0, 10, 10), box(8, 2, 12, 4)),
    polygon(box(0, 0, 10, 10), box(1, 1, 9, 9), box(2, 2, 3, 3)),
    multi(polygon(box(0, 0, 2, 2)), polygon(box(1, 0, 3, 2))),
    multi(polygon(box(0, 0, 9, 9)), polygon(box(1, 1, 3, 2))),  # one in the other
    multi(polygon(BIG), polygon(circle(200))),
    polygon(ring((0, 0), (float("nan"), 0), (1, 1))),
    polygon(ring((0, 0), (float("inf"), 0), (1, 1))),
    polygon(ring((0, 0), (1e9, 0), (1e9, 1e9))),  # farther than the Earth
    polygon(box(0, 0, 10, 10))[:-1],
    polygon(box(0, 0, 10, 10)) + b"\0",
    polygon(),
    multi(),
    shapely.to_wkb(shapely.Point(1, 1), byte_order=1),
    shapely.to_wkb(shapely.box(0, 0, 1, 1), byte_order=0),
    b"\x00",
    b"",
]


def test_what_is_surely_valid_and_what_is_left_open(kernels):
    assert looks.surely_valid(pa.array(SURE, pa.large_binary())).all()
    assert not looks.surely_valid(pa.array([*NOT_SURE, None], pa.large_binary())).any()


def test_counts_beyond_the_bytes_are_not_believed(kernels):
    whole = polygon(box(0, 0, 10, 10), box(1, 1, 2, 2))
    raws = []
    for at in range(len(whole)):
        raws += [
            whole[:at],
            whole[:at] + b"\xff" + whole[at + 1 :],
            whole[:at] + b"\x7f" * 4 + whole[at + 4 :],
        ]
    sure = looks.surely_valid(pa.array(raws, pa.large_binary()))
    assert sure.sum() > 0  # a coordinate may change and leave the shape valid
    assert shapely.is_valid(shapely.from_wkb([r for r, s in zip(raws, sure, strict=True) if s])).all()


number = st.one_of(
    st.integers(0, 5).map(float), st.floats(0, 5), st.sampled_from([1 / 3, 2.0**-40, 5 - 2.0**-45])
)
rings = st.lists(st.tuples(number, number), min_size=3, max_size=7).map(lambda points: ring(*points))
boxes = st.tuples(*(st.integers(0, 6) for _ in range(4))).map(
    lambda b: box(b[0], b[1], b[0] + b[2], b[1] + b[3])
)
one = st.lists(st.one_of(rings, boxes), min_size=1, max_size=3)
some = st.one_of(
    one.map(lambda r: polygon(*r)),
    st.lists(one, max_size=3).map(lambda ps: multi(*(polygon(*p) for p in ps))),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(some, min_size=1, max_size=40), st.sampled_from([0.0, 4.5e5, 39_500_000.0]))
def test_no_invalid_shape_is_called_valid(items, away):
    shapes = shapely.from_wkb(items, on_invalid="ignore")
    moved = shapely.transform(shapes, lambda xy: xy + away)
    raws = [*items, *shapely.to_wkb(moved, byte_order=1)]
    sure = _sure(raws)
    valid = shapely.is_valid(shapely.from_wkb(raws, on_invalid="ignore"))
    assert not (sure & ~valid).any()


def _sure(raws):
    before = dict(compiled._state)
    compiled._state.update(loaded=True, allowed=True)
    try:
        return looks.surely_valid(pa.array(raws, pa.large_binary()))
    finally:
        compiled._state.update(before)


def test_no_invalid_shape_among_bent_rings_is_called_valid(kernels):
    """Rings with one vertex moved onto, or next to, another edge: at every scale down to the last bit."""
    rng = np.random.default_rng(11)
    raws, straight = [], 0
    for _ in range(1500):
        n = int(rng.integers(4, 300))
        angle = np.sort(rng.random(n)) * 2 * np.pi
        xy = np.c_[np.cos(angle), np.sin(angle)] * (1 - 0.2 * rng.random((n, 1))) * 50
        if rng.random() < 0.8:
            i, j = rng.integers(0, n, 2)
            on = xy[j] + rng.random() * (xy[(j + 1) % n] - xy[j])
            xy[i] = on + rng.normal(size=2) * 10.0 ** rng.integers(-14, 0)
        else:
            straight += 1
        xy = xy + rng.choice([0.0, 4.5e5, 39_500_000.0])
        raws.append(polygon([*xy.tolist(), xy[0].tolist()]))
    sure = looks.surely_valid(pa.array(raws, pa.large_binary()))
    valid = shapely.is_valid(shapely.from_wkb(raws))
    assert not (sure & ~valid).any()
    assert straight < sure.sum() <= valid.sum() < len(raws)


@settings(max_examples=200, deadline=None)
@given(st.lists(shape, max_size=8))
def test_places_are_those_found_without_kernels(items):
    array = pa.array([raw(item) for item in items], pa.large_binary())
    before = dict(compiled._state)
    compiled._state.update(loaded=True, allowed=True)
    try:
        ours = looks.places_of(array)
    finally:
        compiled._state.update(before)
    theirs = placed(array)
    for name in ("x", "y", "rows", "not_finite"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


def test_bounds_and_lengths_are_those_found_without_kernels(kernels):
    shapes = [*SURE, None, polygon(), *(s for s in NOT_SURE[5:9])]
    array = pa.array(shapes, pa.large_binary())
    np.testing.assert_array_equal(looks.bounds_of(array), polygon_bounds(array))
    np.testing.assert_array_equal(
        looks.bounds_of(array.cast(pa.binary()).slice(3)), polygon_bounds(array.slice(3))
    )
    rows = np.array([8, 1, 4, 3, 0, 7])
    np.testing.assert_allclose(
        looks.lengths_of(array, rows), perimeters(array.take(pa.array(rows))), rtol=1e-13
    )
    assert looks.lengths_of(array, np.array([0, 3]))[1] == 40.0 + 4.0 + 4.0


def test_repair_is_the_same_with_and_without_kernels(kernels, monkeypatch):
    array = wkb(*(case[1] for case in CASES), *SURE, *NOT_SURE, None)
    ours = repair(array)
    fine = np.arange(len(array)) % 5 == 0
    fine &= ours.status == "ok"
    known = repair(array, fine=fine)
    monkeypatch.setitem(compiled._state, "allowed", False)
    theirs = repair(array)
    for found in (ours, known):
        assert found.wkb.equals(theirs.wkb)
        assert found.reason == theirs.reason
        for name in ("status", "area_before", "area_after", "changed_much", "box"):
            np.testing.assert_array_equal(getattr(found, name), getattr(theirs, name))
    assert (ours.status == "ok").sum() >= len(SURE)


def test_without_kernels_nothing_is_sure_and_small_jobs_do_not_ask(no_kernels, monkeypatch):
    array = pa.array(SURE, pa.large_binary())
    assert not looks.surely_valid(array).any()
    monkeypatch.setitem(compiled._state, "allowed", True)
    monkeypatch.setitem(compiled._state, "loaded", False)
    monkeypatch.setattr(compiled, "is_warm", lambda: pytest.fail("asked for the kernels of a small job"))
    assert not looks.surely_valid(array).any()


def test_bytes_behind_a_geometry_are_no_vertices_for_kernels_either(kernels):
    square = raw_polygon([[(1, 2), (4, 2), (4, 6), (1, 6), (1, 2)]])
    array = pa.array([square + behind for behind in BEHIND], pa.large_binary())
    np.testing.assert_array_equal(looks.bounds_of(array), [[1, 2, 4, 6]] * len(BEHIND))
    assert not looks.surely_valid(array).any()  # so that repair looks at them


def test_loading_ahead_decides_nothing(monkeypatch):
    started = []
    monkeypatch.setattr(choice.threading, "Thread", lambda **given: started.append(given) or Mock())
    monkeypatch.setitem(compiled._state, "loaded", False)
    monkeypatch.delitem(sys.modules, "landremed.overlay.native.engine", raising=False)
    for allowed, size, count in [(True, 1 << 20, 0), (False, 1 << 30, 0), (True, 1 << 30, 1)]:
        monkeypatch.setitem(compiled._state, "allowed", allowed)
        choice.load_ahead(size)
        assert len(started) == count
        assert not compiled._state["loaded"]
    monkeypatch.undo()
    monkeypatch.setitem(compiled._state, "loaded", False)
    started[0]["target"]()
    assert not compiled._state["loaded"]
    monkeypatch.setattr(engine, "load_kernels", lambda: 1 / 0)
    started[0]["target"]()


@pytest.mark.parametrize("allowed", [True, False])
def test_long_edges_are_those_found_one_by_one(monkeypatch, allowed):
    monkeypatch.setitem(compiled._state, "loaded", True)
    monkeypatch.setitem(compiled._state, "allowed", allowed)
    shapes = [
        polygon(box(0, 0, 60, 40), box(10, 10, 50, 20)[::-1]),
        None,
        multi(polygon(box(0, 0, 1, 1)), polygon(box(5, 5, 5 + 25, 5 + 40))),
        polygon(ring((0, 0), (15, 25), (0, 50.0))),  # 15 + 25 are just enough
        polygon(circle(500)),
        polygon(ring((0, 0), (np.nextafter(40.0, 0), 0), (3, 3))),
    ]
    for kind in (pa.binary(), pa.large_binary()):
        wkb = pa.array([b"", *shapes], kind).slice(1)
        rows = np.array([0, 2, 3, 4, 5])
        edges, owner = looks.edges_from(wkb, rows, 40.0)
        expected = []
        for number, row in enumerate(rows.tolist()):
            for part in shapely.get_parts(shapely.from_wkb(shapes[row])):
                for line in [part.exterior, *part.interiors]:
                    xy = list(line.coords)
                    for (x0, y0), (x1, y1) in itertools.pairwise(xy):
                        if abs(x1 - x0) + abs(y1 - y0) >= 40:
                            expected.append((number, (x0, y0, x1, y1)))
        assert list(zip(owner.tolist(), map(tuple, edges.tolist()), strict=True)) == expected
        assert len(expected) == 4 + 2 + 2 + 3
        assert len(looks.edges_from(wkb, rows[:0], 1.0)[0]) == 0
    many = pa.array([polygon(circle(2000, radius=1000.0))] * 3, pa.large_binary())
    edges, owner = looks.edges_from(many, np.array([0, 2]), 1.0)
    assert (edges.shape, np.bincount(owner).tolist()) == ((4000, 4), [2000, 2000])
