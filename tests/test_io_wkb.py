"""Scans of raw WKB against full parsing."""

from __future__ import annotations

import math
import struct

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from landremed.io.wkb import loose_coordinates
from landremed.io.wkb_scan import first_vertices, not_finite_rows, perimeters, polygon_bounds

number = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(0, 2**64 - 1).map(lambda n: struct.unpack("<d", struct.pack("<Q", n))[0]),
    st.floats(4e5, 6e5),
)
point = st.tuples(number, number)
ring = st.lists(point, min_size=3, max_size=6).map(lambda r: [*r, r[0]])
polygon = st.lists(ring, min_size=0, max_size=3)
shape = st.one_of(st.none(), polygon, st.lists(polygon, max_size=3).map(tuple))


def raw_polygon(rings: list[list[tuple[float, float]]]) -> bytes:
    body = b"".join(struct.pack("<I", len(r)) + b"".join(struct.pack("<dd", *p) for p in r) for r in rings)
    return struct.pack("<BII", 1, 3, len(rings)) + body


def raw(item: object) -> bytes | None:
    if isinstance(item, tuple):
        return struct.pack("<BII", 1, 6, len(item)) + b"".join(raw_polygon(p) for p in item)
    return None if item is None else raw_polygon(item)  # type: ignore[arg-type]


def vertices(item: object) -> list[tuple[float, float]]:
    polygons = item if isinstance(item, tuple) else () if item is None else (item,)
    return [p for rings in polygons for r in rings for p in r]


@settings(max_examples=400, deadline=None)
@given(st.lists(shape, max_size=8))
def test_scans(items: list[object]) -> None:
    wkb = pa.array([raw(item) for item in items], pa.large_binary())
    all_vertices = [vertices(item) for item in items]
    bad = [
        row for row, found in enumerate(all_vertices) if not np.isfinite(np.array(found or [(0, 0)])).all()
    ]
    assert not_finite_rows(wkb).tolist() == bad
    x, y, rows = first_vertices(wkb)
    good = [row for row, found in enumerate(all_vertices) if found and row not in bad]
    firsts = {row: (a, b) for row, a, b in zip(rows.tolist(), x.tolist(), y.tolist(), strict=True)}
    for row in good:
        assert firsts[row] == all_vertices[row][0]
    for row, item in enumerate(items):
        if item is not None:
            loose = loose_coordinates(wkb[row].as_py())
            assert loose is not None
            assert np.array_equal(loose, np.array(all_vertices[row]).reshape(-1, 2), equal_nan=True)


def test_slices_and_other_types() -> None:
    shapes = [
        None,
        shapely.Point(1, 2),
        shapely.LineString([(3, 4), (5, 6)]),
        shapely.box(7, 8, 9, 10),
        shapely.Polygon(),
    ]
    wkb = pa.array([None if g is None else shapely.to_wkb(g) for g in shapes], pa.large_binary())
    for start in range(5):
        x, y, rows = first_vertices(wkb.slice(start))
        found = {r + start: (a, b) for r, a, b in zip(rows.tolist(), x.tolist(), y.tolist(), strict=True)}
        expected = {1: (1.0, 2.0), 2: (3.0, 4.0), 3: (9.0, 8.0)}
        assert found == {row: place for row, place in expected.items() if row >= start}
        assert not_finite_rows(wkb.slice(start)).tolist() == []


def test_only_its_own_bytes_are_a_geometry() -> None:
    whole = shapely.to_wkb(shapely.box(0, 0, 1, 1))
    assert loose_coordinates(whole + b"x") is None
    assert loose_coordinates(whole[:-1]) is None
    assert loose_coordinates(b"") is None
    assert loose_coordinates(struct.pack("<BII", 1, 7, 1) * 50) is None


BEHIND = [b"x" * 5, struct.pack("<dd", -9.0, 99.0), struct.pack("<4d", *[math.nan] * 4)]


@pytest.mark.parametrize("behind", BEHIND)
def test_bytes_behind_a_geometry_are_no_vertices(behind: bytes) -> None:
    square = raw_polygon([[(1, 2), (4, 2), (4, 6), (1, 6), (1, 2)]])
    wkb = pa.array([square + behind, square, None], pa.large_binary())
    expected = [[1, 2, 4, 6], [1, 2, 4, 6], [math.nan] * 4]
    np.testing.assert_array_equal(polygon_bounds(wkb), expected)
    assert perimeters(wkb).tolist() == [14, 14, 0]
