"""The native engine: small cases by hand, the reference engine, exact arithmetic, permanent cases."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import shapely
from shapely import box

from landremed.area import GeodesicArea, PlaneArea, SurveyArea
from landremed.errors import ProjectError
from landremed.overlay import LayerInput, PolygonSet, prepare
from landremed.overlay.rational import region_area_exact

HERE = Path(__file__).parent
X, Y = 500_000.0, 4_300_000.0
TABLES = ("overlaps", "features", "groups", "outside", "disputed")


def polygons(*geometries):
    return PolygonSet.from_geometries(np.array(geometries, dtype=object))


def measure(parcels, layers, outside=(), area=None, engine="native", jobs=1):
    inputs = [
        LayerInput(name, polygons(*entry[0]), np.array(entry[1], np.int32) if entry[1] is not None else None)
        for name, entry in layers.items()
    ]
    ruler = prepare(inputs, outside=list(outside), area=area or PlaneArea(), engine=engine, jobs=jobs)
    return ruler.measure(polygons(*parcels))


def piece(tables, row=0):
    return shapely.from_wkb(tables.overlaps["geometry"][row].as_py())


def rows(table, *columns):
    return list(zip(*(table[c].to_pylist() for c in columns), strict=True))


def at(x0, y0, x1, y1):
    return box(X + x0, Y + y0, X + x1, Y + y1)


def fuzz():
    path = HERE.parent / "tools" / "fuzz_overlay.py"
    spec = importlib.util.spec_from_file_location("fuzz_overlay", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_overlap_counts_a_layer_that_overlaps_itself_once():
    tables = measure([at(0, 0, 10, 10)], {"a": ([at(0, 0, 6, 10), at(4, 0, 8, 10)], None)})
    assert tables.overlaps["area_m2"].to_pylist() == [80.0]
    assert rows(tables.features, "feature", "area_m2") == [(0, 60.0), (1, 40.0)]
    assert tables.disputed.num_rows == 0


def test_piece_of_neighbours_has_no_vertex_where_the_parcel_crosses_their_common_edge():
    tables = measure([at(0, 0, 10, 10)], {"a": ([at(-5, -5, 5, 8), at(5, -5, 15, 8)], None)})
    # corners of the parcel, crossings with the layer's outer boundary, and the neighbours' own common corner
    expected = {(0, 0), (10, 0), (10, 8), (5, 8), (0, 8)}
    assert {(x - X, y - Y) for x, y in shapely.get_coordinates(piece(tables))} == expected


def test_covered_parcel_is_copied_to_the_byte():
    parcel = at(0, 0, 10.1, 9.7)
    for cover in ([at(-1, -1, 11, 11)], [parcel], [at(0, 0, 5, 9.7), at(5, 0, 10.1, 9.7)]):
        tables = measure([parcel], {"a": (cover, None)})
        assert tables.overlaps["geometry"][0].as_py() == shapely.to_wkb(parcel)


@pytest.mark.parametrize(
    "other", [at(10, 0, 20, 10), at(10, 10, 20, 20), at(10, 3, 20, 5), at(20, 0, 30, 10), at(10, -5, 12, 15)]
)
def test_touching_is_no_overlap(other):
    tables = measure([at(0, 0, 10, 10)], {"a": ([other], None)})
    assert tables.overlaps.num_rows == 0
    assert tables.features.num_rows == 0


def test_overlap_below_a_millionth_of_a_square_metre_is_touching():
    tables = measure([at(0, 0, 10, 10)], {"a": ([box(X + 10 - 5e-8, Y, X + 20, Y + 10)], None)})
    assert tables.overlaps.num_rows == 0


def test_groups_are_united_by_code():
    layer = ([at(0, 0, 4, 10), at(3, 0, 6, 10), at(6, 0, 9, 10), at(9, 0, 12, 10)], [7, 7, 2, -1])
    tables = measure([at(0, 0, 10, 10)], {"use": layer})
    assert rows(tables.groups, "parcel", "layer", "group", "area_m2") == [(0, 0, 2, 30.0), (0, 0, 7, 60.0)]


def test_outside_is_parcel_and_layer_without_the_boundary():
    layers = {"red": ([at(0, 0, 6, 10)], None), "urban": ([at(-5, -5, 2, 20), at(1, 5, 20, 20)], None)}
    tables = measure([at(0, 0, 10, 10), at(0, 0, 2, 2), at(50, 50, 60, 60)], layers, [("red", "urban")])
    # first parcel: x 2..6 and y 0..5; the second lies inside both
    assert rows(tables.outside, "parcel", "pair", "area_m2") == [(0, 0, 20.0)]


def test_outside_where_the_layer_covers_the_parcel():
    layers = {"red": ([at(-5, -5, 50, 50)], None), "urban": ([at(-5, -5, 4, 50)], None)}
    tables = measure([at(0, 0, 10, 10)], layers, [("red", "urban")])
    assert tables.outside["area_m2"].to_pylist() == [60.0]


def test_hole_multipart_and_missing_parcels():
    ring = at(0, 0, 10, 10) - at(4, 4, 6, 6)
    two = shapely.MultiPolygon([at(0, 0, 1, 1), at(20, 0, 21, 1)])
    tables = measure([ring, None, two], {"a": ([at(3, 3, 7, 30), at(20, 0, 30, 30)], None)})
    assert rows(tables.overlaps, "parcel", "area_m2") == [(0, 24.0), (2, 1.0)]
    assert np.isnan(tables.parcel_area[1])
    assert tables.parcel_area[[0, 2]].tolist() == [96.0, 2.0]


def test_parcel_with_a_part_outside_the_feature_is_not_covered():
    # one part lies inside the feature, one far off but overlapping its bounding box's rows
    parcel = shapely.MultiPolygon([at(2, 2, 4, 4), at(12, 0, 20, 10)])
    tables = measure([parcel], {"a": ([at(0, 0, 10, 10)], None)})
    assert tables.overlaps["area_m2"].to_pylist() == [4.0]


def test_strip_without_a_vertex_inside_the_feature_rectangle():
    strip = shapely.Polygon([(X - 50, Y + 4), (X + 60, Y + 5), (X + 60, Y + 6)])
    tables = measure([strip], {"a": ([at(0, 0, 10, 10)], None)})
    exact = region_area_exact([list(strip.exterior.coords)], [[list(at(0, 0, 10, 10).exterior.coords)]], [])
    assert tables.overlaps["area_m2"][0].as_py() == pytest.approx(float(exact), rel=1e-12)


def test_pieces_keep_the_parcels_vertices_to_the_bit():
    rng = np.random.default_rng(5)
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    radius = 30 + 5 * rng.random(40)
    parcel = shapely.Polygon(np.c_[X + radius * np.cos(angle), Y + radius * np.sin(angle)])
    tables = measure([parcel], {"a": ([at(-10, -100, 100, 100)], None)})
    own = {tuple(c) for c in shapely.get_coordinates(parcel)}
    new = [c for c in map(tuple, shapely.get_coordinates(piece(tables))) if c not in own]
    assert len(set(new)) == 2  # where the two boundaries cross


def district(seed, n=60):
    rng = np.random.default_rng(seed)
    make = fuzz()

    def many(count, size):
        shapes = [make.star(rng, size) for _ in range(count)]
        moved = [shapely.transform(s, lambda c: np.add(c, (X, Y)) + rng.random(2) * 300) for s in shapes]
        return [shapely.make_valid(s, method="structure", keep_collapsed=False) for s in moved]

    grid = [at(i * 40, j * 40, i * 40 + 40, j * 40 + 40) for i in range(9) for j in range(9)]
    layers = {
        "a": (many(60, 30.0), rng.integers(-1, 4, 60)),
        "b": ([make.jagged(rng), make.jagged(rng)], None),
        "grid": (grid, rng.integers(0, 4, 81)),
    }
    layers["b"] = (
        [shapely.transform(make.clean(g, np.zeros(2)), lambda c: np.add(c, (X, Y))) for g in layers["b"][0]],
        None,
    )
    return [*many(n, 25.0), grid[4], grid[40], None], layers, [("a", "b"), ("grid", "a")]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("area", [PlaneArea(), SurveyArea(500_000, 117)], ids=["plane", "survey"])
def test_native_and_reference_engine_agree(seed, area):
    parcels, layers, outside = district(seed)
    native = measure(parcels, layers, outside, area)
    reference = measure(parcels, layers, outside, area, engine="shapely")
    np.testing.assert_allclose(native.parcel_area, reference.parcel_area, rtol=1e-12)
    for name in TABLES[:4]:
        ours, theirs = getattr(native, name), getattr(reference, name)
        keys = [c for c in ours.column_names if c not in ("area_m2", "geometry")]
        assert rows(ours, *keys) == rows(theirs, *keys)
        np.testing.assert_allclose(ours["area_m2"], theirs["area_m2"], rtol=1e-9, atol=1e-6)
    assert shapely.is_valid(shapely.from_wkb(native.overlaps["geometry"].to_pylist())).all()


@pytest.mark.parametrize(
    ("parcel", "features", "vertices"),
    [
        (at(0, 0, 20, 20), [at(2, 2, 10, 5), at(2, 5, 10, 9)], 6),  # stacked: corners of both stay
        (at(0, 0, 20, 20), [at(-2, 2, 10, 5), at(-2, 5, 10, 9)], 5),  # their common edge ends on the parcel's
        (at(0, 0, 20, 20), [at(0, 2, 10, 5), at(0, 5, 10, 9)], 5),
        (at(0, 0, 20, 20), [at(2, 2, 10, 9), at(5, 3, 10, 5)], 4),  # the second lies on an edge of the first
        (at(0, 0, 20, 20), [at(-2, 2, 10, 5), at(-2, 5, 10, 9), at(-3, 1, 3, 11)], 9),
        (shapely.union(at(0, 0, 20, 4), at(0, 4, 20, 20)), [at(-3, 2, 10, 7)], 5),  # the parcel's own stays
    ],
)
def test_no_engine_leaves_vertices_on_straight_edges(parcel, features, vertices):
    for engine in ("native", "shapely"):
        tables = measure([parcel], {"a": (features, None)}, engine=engine)
        assert len(shapely.get_coordinates(piece(tables))) - 1 == vertices, engine


def test_results_do_not_depend_on_chunks_or_threads(monkeypatch):
    from landremed.overlay.native import engine as native

    parcels, layers, outside = district(4, 120)
    whole = measure(parcels, layers, outside)
    monkeypatch.setattr(native, "RANGE", 7)
    cut = measure(parcels, layers, outside, jobs=3)
    assert whole.parcel_area.tobytes() == cut.parcel_area.tobytes()
    for name in TABLES:
        assert getattr(whole, name).combine_chunks().equals(getattr(cut, name).combine_chunks())


def test_geodesic_areas_come_from_the_measure_itself():
    import pyproj

    area = GeodesicArea(pyproj.CRS("EPSG:32650"))
    parcels, layers, outside = district(6, 20)
    native = measure(parcels, layers, outside, area)
    reference = measure(parcels, layers, outside, area, engine="shapely")
    for name in TABLES[:4]:
        np.testing.assert_allclose(
            getattr(native, name)["area_m2"], getattr(reference, name)["area_m2"], rtol=1e-7, atol=1e-5
        )


def test_empty_inputs():
    for parcels, layer in (([], [at(0, 0, 1, 1)]), ([at(0, 0, 1, 1)], []), ([None], [None])):
        tables = measure(parcels, {"a": (layer, None)})
        assert tables.overlaps.num_rows == 0
        assert len(tables.parcel_area) == len(parcels)


def test_binary_and_sliced_columns_are_read():
    wkb = pa.array([b"", shapely.to_wkb(at(0, 0, 2, 2)), None], pa.binary()).slice(1)
    ruler = prepare([LayerInput("a", polygons(at(1, 0, 3, 3)))], area=PlaneArea(), engine="native")
    assert ruler.measure(PolygonSet(wkb)).overlaps["area_m2"].to_pylist() == [2.0]


def test_unknown_engine_is_refused():
    with pytest.raises(ProjectError):
        prepare([], area=PlaneArea(), engine="fast")


def test_small_jobs_go_to_shapely_and_do_not_compile():
    ruler = prepare([LayerInput("a", polygons(at(0, 0, 1, 1)))], area=PlaneArea())
    ruler.measure(polygons(at(0, 0, 2, 2)))
    assert ruler.name == "shapely"


def test_a_wrong_piece_would_be_disputed_and_settled(monkeypatch):
    from landremed.overlay.native import jobs

    real = jobs.run_jobs

    def lying(*arguments):
        state, value, disputed, woff, wkb = real(*arguments)
        value[:, 0] += 1.0
        disputed[:] = True
        return state, value, disputed, woff, wkb

    monkeypatch.setattr(jobs, "run_jobs", lying)
    tables = measure([at(0, 0, 10, 10)], {"a": ([at(5, 0, 20, 20)], None)})
    found = tables.disputed.to_pylist()
    assert [(r["parcel"], r["layer"], r["area_pieces_m2"], r["area_exact_m2"]) for r in found] == [
        (0, 0, 51.0, 50.0)
    ]


def test_fuzzed_pairs_agree_with_exact_arithmetic():
    make = fuzz()
    assert make.judge(list(make.cases(20_240_601, 1500))) == []


@pytest.mark.parametrize("path", sorted((HERE / "overlay_cases").glob("*.json")), ids=lambda p: p.stem)
def test_permanent_cases(path):
    case = json.loads(path.read_text(encoding="utf-8"))
    parcel = shapely.from_wkb(case["parcel"])
    layer = [shapely.from_wkb(f) for f in case["layer"]]
    assert fuzz().judge([(case["kind"], parcel, layer)]) == []
