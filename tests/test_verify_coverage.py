"""Exact cell shares: against shapely, cell by cell, and against exactextract."""

import os

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon, box

from landremed.verify.coverage import Cells, Windows, covered_cells, exactextract_cells


def windows_of(shapes, clip=None):
    bounds = shapely.bounds(np.asarray(shapes, dtype=object))
    low, high = np.floor(bounds[:, :2]).astype(int), np.ceil(bounds[:, 2:]).astype(int)
    sides = [low[:, 1], low[:, 0], high[:, 1], high[:, 0]]
    if clip:
        sides = [np.clip(side, *clip) for side in sides]
    return Windows(*sides)


def oracle(shape, cells: Cells, polygon: int):
    """Area of the intersection with each cell, by GEOS."""
    own = cells.polygon == polygon
    squares = shapely.box(cells.column[own], cells.row[own], cells.column[own] + 1, cells.row[own] + 1)
    return shapely.area(shapely.intersection(shape, squares))


def random_shapes(seed, count=60):
    rng = np.random.default_rng(seed)
    shapes = []
    while len(shapes) < count:
        centre, corners = rng.uniform(0, 50, 2), rng.integers(3, 40)
        turn = np.sort(rng.uniform(0, 2 * np.pi, corners))
        reach = rng.uniform(0.3, 1, corners) * rng.choice([0.3, 2, 9])
        shape = Polygon(centre + np.column_stack([reach * np.cos(turn), reach * np.sin(turn)]))
        if not shape.is_valid:
            continue
        if rng.random() < 0.4:
            shape = shape.difference(shape.buffer(-0.6))
        if rng.random() < 0.3:
            shape = shapely.union(shape, shapely.transform(shape, lambda xy: xy + np.array([21.3, 4.7])))
        if isinstance(shape, shapely.Polygon | shapely.MultiPolygon) and not shape.is_empty:
            shapes.append(shape)
    return shapes


@pytest.mark.parametrize("seed", range(4))
def test_shares_are_the_intersection_areas(seed):
    shapes = random_shapes(seed)
    cells = covered_cells(shapes, windows_of(shapes))
    for i, shape in enumerate(shapes):
        own = cells.polygon == i
        assert np.abs(oracle(shape, cells, i) - cells.share[own]).max() < 1e-9
        assert cells.share[own].sum() == pytest.approx(shape.area, rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("engine", [covered_cells, exactextract_cells])
def test_a_clipped_window_keeps_what_lies_in_it(engine):
    if engine is exactextract_cells:
        optional("exactextract")
    shapes = random_shapes(9)
    windows = windows_of(shapes, clip=(5, 37))
    cells = engine(shapes, windows)
    for i, shape in enumerate(shapes):
        frame = box(windows.left[i], windows.top[i], windows.right[i], windows.bottom[i])
        wanted = shape.intersection(frame).area if windows.cells[i] else 0.0
        assert cells.share[cells.polygon == i].sum() == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_both_engines_find_the_same_cells():
    optional("exactextract")
    shapes = random_shapes(5)
    own, other = (engine(shapes, windows_of(shapes)) for engine in (covered_cells, exactextract_cells))
    # exactextract leaves out corners below its 32-bit precision
    tables = [
        {(p, r, c): s for p, r, c, s in zip(t.polygon, t.row, t.column, t.share, strict=True)}
        for t in (own, other)
    ]
    keys = set(tables[0]) | set(tables[1])
    assert max(abs(tables[0].get(k, 0.0) - tables[1].get(k, 0.0)) for k in keys) < 1e-6


def test_by_hand():
    triangle = Polygon([(0, 0), (2, 0), (0, 2)])  # half of the square, cut along the diagonal
    cells = covered_cells([triangle], windows_of([triangle]))
    found = dict(zip(zip(cells.row.tolist(), cells.column.tolist(), strict=True), cells.share, strict=True))
    assert found == {(0, 0): 1.0, (0, 1): 0.5, (1, 0): 0.5}


def test_edges_on_grid_lines_add_no_cell():
    square = box(3, 4, 6, 6)
    cells = covered_cells([square], Windows(*(np.array([v]) for v in (0, 0, 10, 10))))
    assert set(zip(cells.row.tolist(), cells.column.tolist(), strict=True)) == {
        (r, c) for r in (4, 5) for c in (3, 4, 5)
    }
    assert (cells.share == 1.0).all()


def test_ring_direction_and_start_do_not_matter():
    shape = random_shapes(2)[3]
    windows = windows_of([shape])
    one = covered_cells([shape], windows)
    other = covered_cells([shape.reverse()], windows)
    assert np.array_equal(one.column, other.column)
    assert np.abs(one.share - other.share).max() < 1e-12


def test_an_empty_window_gives_nothing():
    none = Windows(*(np.array([v]) for v in (4, 4, 4, 9)))
    assert len(covered_cells([box(0, 0, 9, 9)], none).share) == 0
    assert len(exactextract_cells([box(0, 0, 9, 9)], none).share) == 0 if available("exactextract") else True


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(0, 24), st.integers(0, 24)), min_size=3, max_size=12, unique=True),
    st.integers(1, 7),
)
def test_any_polygon_on_a_fine_lattice(points, parts):
    """Corners on grid lines and grid points are where such sums go wrong."""
    hull = shapely.convex_hull(shapely.multipoints(np.array(points) / parts))
    if not isinstance(hull, Polygon):
        return
    cells = covered_cells([hull], windows_of([hull]))
    assert np.abs(oracle(hull, cells, 0) - cells.share).max(initial=0) < 1e-9
    assert cells.share.sum() == pytest.approx(hull.area, rel=1e-12)


def available(name):
    try:
        __import__(name)
    except ImportError:
        return False
    return True


def optional(name):
    if not available(name):
        if os.environ.get("CI"):
            pytest.fail(f"{name} is missing")
        pytest.skip(f"needs {name} (extra raster)")
