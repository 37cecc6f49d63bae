"""Repair: nothing dropped, fine rows untouched to the bit, areas by hand."""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from landremed.repair import repair

BOX = shapely.box(0, 0, 10, 10)


def raw_polygon(*rings: list[tuple[float, float]]) -> bytes:
    """Return WKB of rings exactly as given, closed or not (OGC 06-103r4, 8.2)."""
    body = b"".join(struct.pack("<I", len(r)) + b"".join(struct.pack("<dd", *p) for p in r) for r in rings)
    return struct.pack("<BII", 1, 3, len(rings)) + body


def wkb(*items: shapely.Geometry | bytes | None) -> pa.Array:
    raws = [i if i is None or isinstance(i, bytes) else shapely.to_wkb(i, byte_order=1) for i in items]
    return pa.array(raws, pa.large_binary())


CASES = [
    # what, geometry, status, area before, area after
    ("fine", BOX, "ok", None, None),
    ("fine with hole", shapely.Polygon(BOX.exterior, [shapely.box(1, 1, 2, 2).exterior]), "ok", None, None),
    ("fine multi", shapely.MultiPolygon([BOX, shapely.box(20, 0, 21, 1)]), "ok", None, None),
    ("bow tie", raw_polygon([(0, 0), (2, 2), (2, 0), (0, 2), (0, 0)]), "repaired", 0.0, 2.0),
    ("double vertex", raw_polygon([(0, 0), (0, 0), (2, 0), (2, 2), (0, 0)]), "ok", None, None),
    (
        "spike",
        raw_polygon([(0, 0), (10, 0), (10, 10), (10, 20), (10, 10), (0, 10), (0, 0)]),
        "repaired",
        100.0,
        100.0,
    ),
    (
        "hole outside",
        raw_polygon([(0, 0), (10, 0), (10, 10), (0, 10), (0, 0)], [(20, 20), (21, 20), (21, 21), (20, 20)]),
        "repaired",
        99.5,
        100.5,  # GEOS takes a hole that lies apart for a part
    ),
    (
        "hole across the shell",
        raw_polygon([(0, 0), (10, 0), (10, 10), (0, 10), (0, 0)], [(8, 2), (12, 2), (12, 4), (8, 4), (8, 2)]),
        "repaired",
        92.0,
        96.0,
    ),
    (
        "overlapping parts",
        shapely.MultiPolygon([shapely.box(0, 0, 2, 2), shapely.box(1, 0, 3, 2)]),
        "repaired",
        8.0,
        6.0,
    ),
    (
        "nested hole",
        raw_polygon(
            [(0, 0), (10, 0), (10, 10), (0, 10), (0, 0)],
            [(1, 1), (9, 1), (9, 9), (1, 9), (1, 1)],
            [(2, 2), (3, 2), (3, 3), (2, 3), (2, 2)],
        ),
        "repaired",
        35.0,
        36.0,
    ),
    (
        "polygon among others",
        shapely.GeometryCollection([shapely.box(0, 0, 3, 1), shapely.Point(9, 9)]),
        "repaired",
        3.0,
        3.0,
    ),
    ("ring not closed", raw_polygon([(0, 0), (4, 0), (4, 4), (0, 4)]), "repaired", 16.0, 16.0),
    ("null", None, "empty", None, None),
    ("empty", shapely.Polygon(), "empty", None, None),
    ("point", shapely.Point(1, 1), "empty", None, None),
    ("line", shapely.LineString([(0, 0), (1, 1)]), "empty", None, None),
    ("no width", raw_polygon([(0, 0), (5, 5), (9, 9), (0, 0)]), "unrepairable", 0.0, None),
    ("two points", raw_polygon([(0, 0), (5, 5), (0, 0)]), "unrepairable", None, None),
    ("nan", raw_polygon([(0, 0), (float("nan"), 5), (9, 9), (0, 0)]), "not_finite", None, None),
    (
        "nan first",
        raw_polygon([(float("nan"), 0), (5, 5), (9, 0), (float("nan"), 0)]),
        "not_finite",
        None,
        None,
    ),
    ("infinite", raw_polygon([(0, 0), (float("inf"), 5), (9, 9), (0, 0)]), "not_finite", None, None),
    ("rubbish", b"\x01\x03\x00\x00\x00\xff\xff\xff\xff", "unrepairable", None, None),
    ("cut", shapely.to_wkb(BOX)[:40], "unrepairable", None, None),
]


@pytest.mark.parametrize(("what", "geometry", "status", "before", "after"), CASES, ids=[c[0] for c in CASES])
def test_cases(what: str, geometry: object, status: str, before: float | None, after: float | None) -> None:
    stored = wkb(geometry)  # type: ignore[arg-type]
    fixed = repair(stored)
    assert fixed.status.tolist() == [status]
    if before is not None:
        assert fixed.area_before[0] == pytest.approx(before, abs=1e-12)
    if after is not None:
        assert fixed.area_after[0] == pytest.approx(after, abs=1e-12)
    assert bool(fixed.usable[0]) == (status in {"ok", "repaired"})
    if status == "ok":
        assert fixed.wkb[0] == stored[0]
        assert fixed.reason[0] == ""
    elif status == "repaired":
        polygon = shapely.from_wkb(fixed.wkb[0].as_py())
        assert polygon.is_valid
        assert polygon.area == pytest.approx(after, abs=1e-12)
        assert fixed.point[0] is not None
    else:
        assert fixed.wkb[0].as_py() is None
    assert (fixed.reason[0] != "") == (status != "ok")


def test_the_hole_stays_a_hole() -> None:
    """The default method of make_valid would fill it."""
    shell = [(0, 0), (10, 0), (10, 10), (0, 10), (0, 0)]
    hole = [(2, 2), (8, 2), (8, 8), (2, 8), (2, 5), (1, 5), (2, 5), (2, 2)]  # with a spike
    fixed = repair(wkb(raw_polygon(shell, hole)))
    assert fixed.area_after[0] == pytest.approx(64.0)


def test_great_changes_are_marked() -> None:
    slight = shapely.transform(BOX, lambda c: c * 100)
    spike = raw_polygon([*list(slight.exterior.coords)[:-1], (1000, 0), (1001, 0), (1000, 0)])
    tie = raw_polygon([(0, 0), (20, 20), (20, 0), (0, 20), (0, 0)])
    fixed = repair(wkb(slight, spike, tie, None))
    assert fixed.changed_much.tolist() == [False, False, True, False]


def test_place_to_zoom_to() -> None:
    fixed = repair(wkb(raw_polygon([(0, 0), (2, 2), (2, 0), (0, 2), (0, 0)]), None, shapely.Point(3, 4)))
    assert fixed.point == [(1.0, 1.0), None, (3.0, 4.0)]
    assert fixed.box[0].tolist() == [0.0, 0.0, 2.0, 2.0]
    assert np.isnan(fixed.box[1]).all()


def test_nothing_to_do_gives_the_very_same_array() -> None:
    stored = wkb(BOX, None, BOX)
    assert repair(stored).wkb is stored
    assert len(repair(wkb()).status) == 0


def test_workers_make_no_difference() -> None:
    rng = np.random.default_rng(7)
    rings = rng.integers(0, 8, size=(20_000, 6, 2)).astype(float)
    stored = wkb(*(raw_polygon([*map(tuple, ring), tuple(ring[0])]) for ring in rings))
    one, two = repair(stored, jobs=1), repair(stored, jobs=2)
    assert one.wkb.equals(two.wkb)
    assert (one.status == two.status).all()
    assert one.reason == two.reason


coordinate = st.one_of(
    st.integers(0, 6).map(float),
    st.floats(width=64, allow_nan=True, allow_infinity=True),
)
ring = st.lists(st.tuples(coordinate, coordinate), min_size=0, max_size=7).map(lambda r: r + r[:1])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.none(), st.lists(ring, max_size=3).map(lambda r: raw_polygon(*r)), st.binary(max_size=60)
        ),
        max_size=6,
    )
)
def test_any_bytes_come_out_valid_or_not_at_all(items: list[bytes | None]) -> None:
    stored = wkb(*items)
    fixed = repair(stored, jobs=1)
    assert len(fixed.wkb) == len(items)
    for row, status in enumerate(fixed.status.tolist()):
        raw = fixed.wkb[row].as_py()
        assert (raw is not None) == (status in {"ok", "repaired"})
        if raw is not None:
            polygon = shapely.from_wkb(raw)
            assert polygon.geom_type in {"Polygon", "MultiPolygon"}
            assert polygon.is_valid
            assert not polygon.is_empty
            assert np.isfinite(polygon.area)
            assert not polygon.has_z
        if status == "ok":
            assert raw == items[row]
    assert repair(fixed.wkb, jobs=1).wkb.equals(fixed.wkb)


def test_sound_parts_keep_every_vertex():
    sound = shapely.Polygon([(20, 5), (20, 0), (25, 0), (25, 5)])
    bow = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    repaired = repair(wkb(shapely.MultiPolygon([bow, sound])))
    assert repaired.status.tolist() == ["repaired"]
    parts = shapely.get_parts(shapely.from_wkb(repaired.wkb[0].as_py()))
    assert sorted(p.area for p in parts) == [1.0, 1.0, 25.0]
    (kept,) = (p for p in parts if p.area == 25.0)
    assert shapely.get_coordinates(kept).tolist() == shapely.get_coordinates(sound).tolist()


@pytest.mark.parametrize(
    ("most", "status"),
    [
        ((1.0, 0.0), "repaired"),  # never more than the whole
        ((0.99, 1.9), "unrepaired"),  # 0 before, 2 after
        ((0.0, 2.0), "repaired"),
        ((0.99, float("inf")), "repaired"),
        ((0.0, 0.0), "unrepaired"),
    ],
)
def test_no_more_is_repaired_than_allowed(most, status):
    bow = raw_polygon([(0, 0), (2, 2), (2, 0), (0, 2), (0, 0)])
    spike = raw_polygon([(0, 0), (10, 0), (10, 10), (10, 20), (10, 10), (0, 10), (0, 0)])  # no area changes
    repaired = repair(wkb(BOX, bow, spike), most=most)
    assert repaired.status.tolist() == ["ok", status, "repaired"]
    assert (repaired.area_before[1], repaired.area_after[1]) == (0.0, 2.0)
    assert repaired.wkb.is_null().to_pylist() == [False, status == "unrepaired", False]
    assert repaired.box[1].tolist() == [0.0, 0.0, 2.0, 2.0]
    assert repaired.point[1] == (1.0, 1.0)


def test_what_is_known_to_be_fine_is_not_looked_at():
    bow, square = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)]), shapely.box(0, 0, 1, 1)
    wkb = pa.array([square.wkb, bow.wkb, None, square.wkb, bow.wkb], pa.large_binary())
    whole = repair(wkb)
    for fine in ([True, False, False, True, False], [False] * 5):
        some = repair(wkb, fine=np.array(fine))
        assert some.wkb.equals(whole.wkb)
        assert some.status.tolist() == whole.status.tolist()
        assert (some.reason, some.point) == (whole.reason, whole.point)
        assert np.array_equal(some.box, whole.box, equal_nan=True)
    assert repair(wkb, fine=np.ones(5, bool)).wkb is wkb


@pytest.mark.parametrize("behind", [b"x" * 5, struct.pack("<dd", -9.0, 99.0), b"\xff" * 32])
@pytest.mark.parametrize(
    "shape",
    [
        BOX,
        shapely.Polygon(BOX.exterior, [shapely.box(1, 1, 2, 2).exterior]),
        shapely.MultiPolygon([BOX, shapely.box(20, 0, 21, 1)]),
    ],
)
def test_bytes_behind_a_geometry_are_cut_off_and_told(shape, behind):
    sound = shapely.to_wkb(shape, byte_order=1)
    repaired = repair(wkb(sound + behind, sound))
    assert repaired.status.tolist() == ["repaired", "ok"]
    assert repaired.reason == ["bytes behind the geometry", ""]
    assert repaired.area_before[0] == repaired.area_after[0] == shape.area
    assert len(repaired.wkb[0].as_py()) == len(sound)
    assert shapely.from_wkb(repaired.wkb[0].as_py()).equals(shape)


def test_empty_parts_and_holes_take_the_bytes_they_take():
    raw = struct.pack("<BII", 1, 6, 2) + raw_polygon() + shapely.to_wkb(BOX, byte_order=1)
    assert shapely.is_valid(shapely.from_wkb(raw))
    repaired = repair(wkb(raw))
    assert repaired.status.tolist() == ["ok"]
    assert repaired.wkb[0].as_py() == raw
