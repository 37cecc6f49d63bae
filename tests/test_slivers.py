"""Small overlaps and what they come from: planted ones of every kind, and near misses of each."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import box

import landremed
from landremed.area import area_measure
from landremed.explain import explain, render
from landremed.frames import frame_source
from landremed.layers import load_layer, load_parcels
from landremed.measure import Ruler
from landremed.overlay import PolygonSet
from landremed.overlay_tables import overlap_table
from landremed.partitions.executors import InProcess
from landremed.partitions.memory import Bounds
from landremed.partitions.run import run_partitions
from landremed.pipeline import measure_project
from landremed.project import make_project
from landremed.slivers import find_shifts, kind_counts, merged_votes, named, with_evidence
from landremed.types import AreaKind

X, Y = 560_000.0, 4_300_000.0
CRS = "EPSG:4548"
SETTINGS = [
    "project.as_of=2022-03-31",
    "project.area='plane'",
    "project.crs='EPSG:4548'",
    "project.language='en'",
]
RED = "ecological_red_line"


def at(shape, x=0.0, y=0.0):
    return shapely.transform(shape, lambda xy: xy + np.array([X + x, Y + y]))


def frame(shapes, crs=CRS, **columns):
    shapes = [shapes] if isinstance(shapes, shapely.Geometry) else list(shapes)
    return gpd.GeoDataFrame(
        pd.DataFrame({"name": [f"p{i}" for i in range(len(shapes))], **columns}), geometry=shapes, crs=crs
    )


def run(parcels, layers, *more):
    """Run parcels against layers of shapes (or frames); return the result."""
    parcels = parcels if isinstance(parcels, gpd.GeoDataFrame) else frame(parcels)
    frames = {r: s if isinstance(s, gpd.GeoDataFrame) else frame(s) for r, s in layers.items()}
    more = [*SETTINGS, *more, *(f"layers.{role}.disjoint=true" for role in layers)]
    return landremed.run_frames(parcels, frames, id="name", settings=more, engine="shapely")


def kinds(result, role=RED):
    found = result.frame("overlaps")
    found = found[found["layer"] == role].set_index("parcel_id")
    return {k: None if pd.isna(v) else v for k, v in found["sliver_kind"].items()}


def kind_of(parcel, layer, *more):
    (kind,) = kinds(run([parcel], {"red_line": layer}, *more)).values()
    return kind


def issues(result, code):
    rows = result.frame("issues")
    return rows[rows["code"] == code].to_dict("records")


FIELD = at(box(0, 0, 100, 60))  # 6000 m2


# ---- along a shared edge


def drawn_twice(offsets, x0=0.0, x1=100.0):
    """Return a layer north of the field whose edge was digitised again: so deep in it at equal steps."""
    xs = np.linspace(x1, x0, len(offsets))
    edge = [(x, 60.0 - d) for x, d in zip(xs, offsets, strict=True)]
    return at(shapely.Polygon([(x0, 200), (x1, 200), *edge]))


@pytest.mark.parametrize(
    "offsets",
    [
        [0.05, 0.08, 0.03, 0.06, 0.04, 0.07],
        [0.3, 0.35, 0.28, 0.3],  # 30 m2: counts, and is called what it looks like all the same
        [0.05, -0.04, 0.06, -0.05, 0.05, -0.03, 0.04, -0.05],  # crossing again and again
        [0.8, 0.0],  # a wedge
    ],
)
def test_shared_edge(offsets):
    assert kind_of(FIELD, drawn_twice(offsets)) == "shared_edge"


def test_naming_decides_nothing():
    facts = {
        "category": "illegal_occupation",
        "subtype": "industrial",
        "occurred_on": "2019",
        "plan_conforms": "1",
    }
    parcel = frame([FIELD], **{name: [value] for name, value in facts.items()})
    result = run(parcel, {"red_line": drawn_twice([0.3, 0.3])})
    assert kinds(result) == {"p0": "shared_edge"}
    row = result.decisions.iloc[0]
    assert (row["outcome"], row["measure"], row["rule"]) == ("demolish_restore", "demolish", "occ.red_line")
    assert row["fact_occupies_ecological_red_line"] == "true"


def test_position_accuracy_is_the_limit():
    strip = at(box(0, 59.1, 10, 200))  # 0.9 m deep, 10 m long
    assert kind_of(FIELD, strip) == "shared_edge"
    assert kind_of(FIELD, strip, "tolerance.position_m=0.5") == "real_small"


# ---- real small overlaps


@pytest.mark.parametrize(
    "layer",
    [
        at(shapely.Polygon([(100, 60), (98, 60), (100, 58)])),  # a corner of 2 m2
        at(box(0, 58.8, 8, 200)),  # along the edge, but 1.2 m deep
        at(shapely.union(box(-50, 80, 150, 90), box(50, 40, 50.4, 85))),  # a ditch comes 20 m into the field
        at(box(40, 20, 43, 23)),  # a plot of 9 m2 of its own
        at(shapely.union(box(-50, 59.98, 150, 90), box(97, 57, 110, 70))),  # a sliver, and a corner of 9 m2
    ],
)
def test_real_small(layer):
    assert kind_of(FIELD, layer) == "real_small"


def test_what_is_neither_small_nor_narrow_has_no_name():
    result = run([FIELD], {"red_line": at(box(0, 50, 200, 200))})
    assert kinds(result) == {"p0": None}
    assert not [c for c in result.frame("issues")["code"] if c.startswith("overlaps_")]


# ---- remnants of cutting


def test_splinters_of_the_layer():
    far = at(box(500, 0, 900, 400))
    assert kind_of(FIELD, [far, at(box(20, 20, 60, 20.3))]) == "cut_remnant"  # 40 m long, 0.3 m wide
    assert kind_of(FIELD, [far, at(box(20, 20, 20.8, 20.9))]) == "cut_remnant"  # 0.72 m2
    assert kind_of(FIELD, [far, at(box(20, 20, 23, 23))]) == "real_small"


def test_splinters_among_the_parcels():
    red = at(box(-100, -100, 200, 200))
    strip, plot = at(box(0, 0, 80, 0.4)), at(box(10, 10, 13, 13))
    assert kinds(run([strip, plot], {"red_line": red})) == {"p0": "cut_remnant", "p1": "real_small"}


def test_no_wider_than_rounding():
    # both were cut along one line and rounded to millimetres
    assert kind_of(FIELD, drawn_twice([0.0, 0.001, 0.0005, 0.001, 0.0])) == "cut_remnant"
    assert kind_of(FIELD, drawn_twice([0.01, 0.011, 0.01])) == "shared_edge"


# ---- curve and chord

LAT, WEST, EAST = 39.0, 117.90, 117.95


def parallel(lons):
    """Return places along the parallel in the working system."""
    to_zone = pyproj.Transformer.from_crs("EPSG:4490", CRS, always_xy=True)
    return np.column_stack(to_zone.transform(np.asarray(lons), np.full(len(lons), LAT)))


def north_of(edge, depth=60.0):
    return shapely.Polygon([*edge, *(edge[::-1] + np.array([0.0, depth]))])


def sagitta(length):
    """Return how far a parallel runs from its chord, m: its curvature is tan(lat) over the normal radius."""
    lat, e2 = np.radians(LAT), 0.00669438002290
    radius = 6378137.0 / np.sqrt(1.0 - e2 * np.sin(lat) ** 2)
    return length**2 * np.tan(lat) / radius / 8.0


SOUTH = shapely.Polygon([(WEST, LAT), (EAST, LAT), (EAST, LAT - 0.01), (WEST, LAT - 0.01)])
LENGTH = float(np.hypot(*np.diff(parallel([WEST, EAST]), axis=0)[0]))


def test_chord_of_a_parallel():
    """The layer is kept in degrees with two vertices along the parallel, the parcel follows the parallel."""
    parcel = north_of(parallel(np.linspace(WEST, EAST, 45)))
    result = run([parcel], {"red_line": frame(SOUTH, "EPSG:4490")})
    assert kinds(result) == {"p0": "chord"}
    piece = result.frame("overlaps").geometry.iloc[0]
    depth = shapely.hausdorff_distance(piece, shapely.LineString(parallel([WEST, EAST])))
    assert depth == pytest.approx(sagitta(LENGTH), rel=0.01)  # 0.3 m; the densified edge is no arc itself
    assert piece.area == pytest.approx(2 / 3 * LENGTH * sagitta(LENGTH), rel=0.01)
    (told,) = issues(result, "overlaps_chord")
    assert f"{piece.area:.2f}" in told["message"]


def test_each_parcel_along_a_chord_sees_but_a_stretch_of_it():
    lons = np.linspace(WEST, EAST, 41)
    parcels = [north_of(parallel(lons[i : i + 2])) for i in range(5, 35)]
    assert set(kinds(run(parcels, {"red_line": frame(SOUTH, "EPSG:4490")})).values()) == {"chord"}


def test_chord_of_a_feature_of_several_parts():
    lons = np.linspace(WEST, EAST, 41)
    parcels = [north_of(parallel(lons[i : i + 2])) for i in range(5, 35)]
    both = shapely.MultiPolygon([shapely.box(WEST, LAT - 0.03, EAST, LAT - 0.02), SOUTH])
    assert set(kinds(run(parcels, {"red_line": frame(both, "EPSG:4490")})).values()) == {"chord"}


def test_chord_on_the_parcels_side():
    """The parcel has the straight edge, the layer was densified in degrees before it was transformed."""
    lons = np.linspace(WEST, EAST, 45)
    layer = shapely.Polygon(
        [*zip(lons, np.full(45, LAT), strict=True), (EAST, LAT + 0.01), (WEST, LAT + 0.01)]
    )
    parcel = shapely.Polygon([*parallel([WEST, EAST]), *(parallel([EAST, WEST]) - np.array([0.0, 60.0]))])
    assert kinds(run([parcel], {"red_line": frame(layer, "EPSG:4490")})) == {"p0": "chord"}


def test_one_vertex_is_enough_between_two_systems():
    layer = frame(SOUTH, "EPSG:4490")
    edge = parallel([WEST, (WEST + EAST) / 2, EAST])
    assert kinds(run([north_of(edge)], {"red_line": layer})) == {"p0": "chord"}
    same = frame(SOUTH, "EPSG:4490").to_crs(CRS)
    assert kinds(run([north_of(edge)], {"red_line": same})) == {"p0": "shared_edge"}
    more = parallel([WEST, WEST + 0.02, WEST + 0.03, EAST])
    assert kinds(run([north_of(more)], {"red_line": same})) == {"p0": "chord"}


def test_a_wide_chord_is_named_too():
    ends = [117.85, 118.0]  # 13 km: 2.7 m deep, 1.8 m wide
    layer = shapely.Polygon([(ends[0], LAT), (ends[1], LAT), (ends[1], LAT - 0.01), (ends[0], LAT - 0.01)])
    parcel = north_of(parallel(np.linspace(*ends, 60)))
    assert kinds(run([parcel], {"red_line": frame(layer, "EPSG:4490")})) == {"p0": "chord"}


@pytest.mark.parametrize(
    ("crs", "depth"), [("EPSG:4326", 1.59), ("EPSG:4549", 0.00183), ("EPSG:4527", 0.0), ("EPSG:32650", 0.0)]
)
def test_chords_of_other_systems(crs, depth):
    """An edge of 10 km, eastwards: between zones it differs by millimetres, within one by rounding alone."""
    there = pyproj.Transformer.from_crs(CRS, crs, always_xy=True)
    back = pyproj.Transformer.from_crs(crs, CRS, always_xy=True)
    one, two = (np.array(there.transform(x, 4_317_000)) for x in (575_000, 585_000))
    edge = np.column_stack(back.transform(*(one + (two - one) * np.linspace(0, 1, 41)[:, None]).T))
    off = shapely.distance(shapely.points(edge), shapely.LineString(edge[[0, -1]]))
    assert off.max() == pytest.approx(depth, rel=0.02, abs=1e-6)
    up = np.array(there.transform(580_000, 4_318_000)) - np.array(there.transform(580_000, 4_317_000))
    south = shapely.Polygon([*edge[::-1], *(edge - np.array([0.0, 60.0]))])
    found = []
    for parcel, way in ((north_of(edge), -up), (south, up)):  # one meets the layer, the other leaves a gap
        result = run([parcel], {"red_line": frame(shapely.Polygon([one, two, two + way, one + way]), crs)})
        found += [(k, result.frame("overlaps").geometry.area.sum()) for k in kinds(result).values()]
    if depth:
        ((kind, area),) = found
        assert (kind, area) == ("chord", pytest.approx(2 / 3 * 10_000 * depth, rel=0.05))
    assert all(kind in ("chord", "cut_remnant") for kind, _ in found)


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.3, 2.0])
def test_what_follows_another_curve_is_no_chord(factor):
    edge = parallel(np.linspace(WEST, EAST, 7))
    chord = parallel([WEST, EAST])
    on_chord = chord[0] + np.linspace(0, 1, 7)[:, None] * (chord[1] - chord[0])
    bent = on_chord + factor * (edge - on_chord)
    bent[[2, 4]] += 0.2 * (edge - on_chord)[[2, 4]]  # nor an arc
    assert kinds(run([north_of(bent)], {"red_line": frame(SOUTH, "EPSG:4490")})) == {"p0": "shared_edge"}


def test_chord_of_an_arc():
    angles = np.radians(np.linspace(80.0, 100.0, 9))
    arc = np.column_stack([50 + 300 * np.cos(angles), -240.2 + 300 * np.sin(angles)])  # rises 4.56 m
    chord = at(shapely.Polygon([arc[0], arc[-1], (0, 200), (100, 200)]))
    parcel = at(shapely.Polygon([*arc, (arc[-1][0], 0), (arc[0][0], 0)]))
    wide = ["tolerance.position_m=6"]
    assert kind_of(parcel, chord, *wide) == "chord"
    bumpy = arc + np.random.default_rng(3).normal(0, 0.5, arc.shape) * [[0, 1]]
    bumpy[[0, -1]] = arc[[0, -1]]
    parcel = at(shapely.Polygon([*bumpy, (arc[-1][0], 0), (arc[0][0], 0)]))
    assert kind_of(parcel, chord, *wide) == "shared_edge"


# ---- shifted layers


def patchwork(cells, seed=1, size=50.0):
    """Return the black and the white fields of a patchwork of irregular quadrilaterals without gaps."""
    corner = np.stack(np.meshgrid(np.arange(cells + 1), np.arange(cells + 1), indexing="ij"), axis=-1) * size
    corner = corner + np.random.default_rng(seed).uniform(-12, 12, corner.shape)
    shapes = {
        (i, j): at(shapely.Polygon([corner[i, j], corner[i + 1, j], corner[i + 1, j + 1], corner[i, j + 1]]))
        for i in range(cells)
        for j in range(cells)
    }
    return [s for (i, j), s in shapes.items() if (i + j) % 2], [
        s for (i, j), s in shapes.items() if (i + j) % 2 == 0
    ]


def moved(shapes, length, azimuth, noise=0.0, seed=2):
    """Return shapes shifted, with errors of each vertex."""
    rng = np.random.default_rng(seed)
    step = length * np.array([np.sin(np.radians(azimuth)), np.cos(np.radians(azimuth))])
    return [
        shapely.transform(s, lambda xy: _closed(xy + step + rng.normal(0, noise, xy.shape))) for s in shapes
    ]


def _closed(xy):
    xy[-1] = xy[0]
    return xy


def vector(length, azimuth):
    return length * np.exp(1j * np.radians(90.0 - azimuth))


@pytest.mark.parametrize(("length", "azimuth"), [(0.3, 60.0), (0.08, 200.0), (0.6, 315.0), (1.5, 10.0)])
def test_a_shift_is_found_to_a_centimetre(length, azimuth):
    parcels, layer = patchwork(10)
    result = run(parcels, {"red_line": moved(layer, length, azimuth)})
    rows = result.frame("overlaps")
    assert (rows["sliver_kind"] == "shifted_layer").mean() > 0.95
    hit = rows[rows["sliver_kind"] == "shifted_layer"].iloc[0]
    assert abs(vector(hit["shift_m"], hit["shift_azimuth"]) - vector(length, azimuth)) < 0.01
    (told,) = issues(result, "overlaps_shifted_layer")
    assert told["severity"] == "warning"
    assert f"{length:.2f} m towards {azimuth:.0f}°" in told["message"]


def test_a_coarse_accuracy_finds_large_shifts():
    parcels, layer = patchwork(10, size=4000.0)
    result = run(parcels, {"red_line": moved(layer, 200.0, 60.0)}, "tolerance.position_m=100")
    (told,) = issues(result, "overlaps_shifted_layer")
    assert "200.00 m towards 60°" in told["message"]


def test_errors_of_vertices_upon_a_shift():
    parcels, layer = patchwork(14)
    rows = run(parcels, {"red_line": moved(layer, 0.3, 60.0, noise=0.03)}).frame("overlaps")
    hit = rows[rows["sliver_kind"] == "shifted_layer"]
    assert abs(vector(hit["shift_m"].iloc[0], hit["shift_azimuth"].iloc[0]) - vector(0.3, 60.0)) < 0.01
    assert len(hit) > 0.5 * len(rows)
    assert set(rows["sliver_kind"]) <= {"shifted_layer", "shared_edge", "real_small", "cut_remnant"}


def test_only_the_layer_that_is_shifted_is_said_to_be():
    parcels, layer = patchwork(10)
    result = run(
        parcels, {"red_line": moved(layer, 0.3, 60.0), "farmland": moved(layer, 0.0, 0.0, noise=0.05)}
    )
    (told,) = issues(result, "overlaps_shifted_layer")
    assert RED in told["message"]
    farmland = set(kinds(result, "permanent_basic_farmland").values())
    assert "shared_edge" in farmland
    assert "shifted_layer" not in farmland


def test_no_shift_is_claimed_without_ground():
    parcels, layer = patchwork(3)
    few = run(parcels, {"red_line": moved(layer, 0.3, 60.0)})
    assert not issues(few, "overlaps_shifted_layer")
    assert set(kinds(few).values()) <= {"shared_edge", "real_small"}
    assert few.frame("overlaps")["shift_m"].isna().all()
    # one long straight edge tells how far across, not along
    row = [at(box(40 * i, 0, 40 * i + 30, 30)) for i in range(60)]
    one_way = run(row, {"red_line": at(box(-10, -100, 3000, 0.3))})
    assert not issues(one_way, "overlaps_shifted_layer")
    assert set(kinds(one_way).values()) == {"shared_edge"}
    # a layer drawn a little too wide all around
    parcels, layer = patchwork(10)
    wide = run(parcels, {"red_line": shapely.buffer(layer, 0.2, join_style="mitre")})
    assert not issues(wide, "overlaps_shifted_layer")


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), noise=st.sampled_from([0.02, 0.1, 0.3]))
def test_errors_alone_are_no_shift(seed, noise):
    parcels, layer = patchwork(8, seed)
    _, votes = looked_at(parcels, moved(layer, 0.0, 0.0, noise=noise, seed=seed))
    assert len(votes) > 20
    assert find_shifts(votes) == {}


def test_what_a_shift_explains_is_gone_when_the_layer_is_moved_back():
    parcels, layer = patchwork(12, seed=8)
    rng = np.random.default_rng(8)
    # some fields were drawn with a gap, some reach half a metre over their neighbours
    grown = rng.choice([-0.1, *[0.0] * 6, 0.5], len(parcels))
    parcels = [shapely.buffer(s, grown[i], join_style="mitre") for i, s in enumerate(parcels)]
    shifted = moved(layer, 0.4, 150.0)
    rows = run(parcels, {"red_line": shifted}).frame("overlaps").set_index("parcel_id")
    union = shapely.union_all(moved(shifted, 0.4, 330.0))
    before = pd.Series({f"p{i}": shapely.area(shapely.intersection(s, union)) for i, s in enumerate(parcels)})
    gone = before[rows.index] < 0.01
    assert 0.5 < gone.mean() < 0.95
    assert gone.equals(rows["sliver_kind"] == "shifted_layer")


def test_a_real_corner_stays_real_in_a_shifted_layer():
    parcels, layer = patchwork(10)
    victim = parcels[20]
    corner = shapely.get_coordinates(victim).max(axis=0)
    real = shapely.intersection(victim, box(*(corner - 30.0), *(corner + 30.0)))
    real = shapely.intersection(victim, shapely.buffer(shapely.centroid(real), 1.6))  # 8 m2 within the field
    before = kinds(run(parcels, {"red_line": moved(layer, 0.3, 60.0)}))
    after = kinds(run(parcels, {"red_line": [*moved(layer, 0.3, 60.0), real]}))
    assert before["p20"] == "shifted_layer"
    assert after["p20"] in ("real_small", None)  # None where the whole is no longer small
    assert {k: v for k, v in after.items() if k != "p20"} == {k: v for k, v in before.items() if k != "p20"}


# ---- what must not matter


def looked_at(parcels, layer, rows=None, crs=CRS):
    """Return evidence and votes of parcels, or of some rows of them."""
    project = make_project("parcels", ["red_line=red_line"], settings=[*SETTINGS, "parcels.id='name'"])
    sources = {
        "parcels": frame_source(frame(parcels, crs), "parcels"),
        RED: frame_source(frame(layer, crs), RED),
    }
    read = load_parcels(project, sources)
    layers = [load_layer(project, project.layers[0], read, sources)]
    if rows is not None:
        wkb = read.polygons.wkb.take(pa.array(rows))
        read = type(read)(**{**vars(read), "ids": [read.ids[i] for i in rows], "polygons": PolygonSet(wkb)})
    measured = Ruler(layers, area=area_measure(AreaKind.PLANE, read.crs), engine="shapely").measure(
        read.polygons
    )
    return with_evidence(overlap_table(read.ids, measured, [RED]), read, layers, measured, project.tolerance)


def by_parcel(overlaps):
    return {row["parcel_id"]: row for row in overlaps.drop_columns(["geometry"]).to_pylist()}


PARCELS, LAYER = patchwork(9, seed=5)
FIELD_APART = at(box(2900, 0, 3000, 60))
LAYER = moved(LAYER, 0.25, 120.0, noise=0.02)
OVERLAPS, VOTES = looked_at(PARCELS, LAYER)
NAMED = by_parcel(named(OVERLAPS, find_shifts(VOTES)))


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_shares_add_up(data):
    owner = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(PARCELS), max_size=len(PARCELS))))
    shares = [looked_at(PARCELS, LAYER, np.flatnonzero(owner == n)) for n in np.unique(owner)]
    shares = [shares[i] for i in data.draw(st.permutations(range(len(shares))))]
    votes = merged_votes(votes for _, votes in shares)
    assert votes.equals(merged_votes([VOTES]))
    shifts = find_shifts(votes)
    assert shifts == find_shifts(VOTES)
    found = {k: v for overlaps, _ in shares for k, v in by_parcel(named(overlaps, shifts)).items()}
    assert found == NAMED
    assert "shifted_layer" in {row["sliver_kind"] for row in found.values()}


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_order_ring_start_direction_and_place_are_no_matter(data):
    step = np.array(data.draw(st.tuples(st.integers(-20_000, 20_000), st.integers(-90_000, 90_000))))
    order = data.draw(st.permutations(range(len(PARCELS))))
    turn, back = data.draw(st.integers(0, 3)), data.draw(st.booleans())

    def again(shape):
        xy = np.roll(shapely.get_coordinates(shape)[:-1], turn, axis=0) + step
        return shapely.Polygon(xy[::-1] if back else xy)

    layer = [again(s) for s in data.draw(st.permutations(LAYER))]
    overlaps, votes = looked_at([again(PARCELS[i]) for i in order], layer)
    shift, expected = find_shifts(votes)[RED], find_shifts(VOTES)[RED]
    assert (shift.east_m, shift.north_m) == pytest.approx((expected.east_m, expected.north_m), abs=1e-4)
    found = by_parcel(named(overlaps, {RED: shift}))
    kinds = {f"p{i}": found[f"p{n}"]["sliver_kind"] for n, i in enumerate(order) if f"p{n}" in found}
    assert kinds == {parcel: row["sliver_kind"] for parcel, row in NAMED.items()}


def test_a_run_in_partitions_names_the_same(tmp_path):
    frame(PARCELS).to_file(tmp_path / "parcels.gpkg")
    frame(LAYER).to_file(tmp_path / "red.gpkg")
    files = [str(tmp_path / "parcels.gpkg"), [f"red_line={tmp_path / 'red.gpkg'}"]]
    project = make_project(*files, settings=[*SETTINGS, "parcels.id='name'"])
    whole = measure_project(project, engine="shapely")
    options = {
        "engine": "shapely",
        "stage": str,
        "progress": None,
        "entries": dict,
        "bounds": Bounds(rows=11),
    }
    done = run_partitions(project, tmp_path / "out.gpkg", executor=InProcess(), **options)
    layers = {layer.name: layer for layer in done.layers}
    assert layers["overlaps"].stream.whole()[0].equals(whole.overlaps.drop_columns(["geometry"]))
    assert layers["overlaps"].table.schema.equals(whole.overlaps.drop_columns(["geometry"]).schema)
    assert layers["issues"].table.equals(whole.issues.drop_columns(["geometry"]))
    assert "overlaps_shifted_layer" in layers["issues"].table["code"].to_pylist()


def test_explain_tells_the_parcel_with_the_next_step(tmp_path):
    frame([*PARCELS, FIELD_APART, at(box(3300, 0, 3400, 60))]).to_file(tmp_path / "parcels.gpkg")
    frame([*LAYER, at(box(2998, 58, 3100, 200))]).to_file(tmp_path / "red.gpkg")
    files = [str(tmp_path / "parcels.gpkg"), [f"red_line={tmp_path / 'red.gpkg'}"]]
    project = make_project(*files, settings=[*SETTINGS, "parcels.id='name'"])
    path = tmp_path / "out.gpkg"
    landremed.run(project, path, engine="shapely")
    told = explain(path, f"p{len(PARCELS)}", "en")
    (line,) = told.slivers
    assert (line.kind, line.area_m2, line.shift_m) == ("real_small", 4.0, None)
    assert "ecological red line, 4.00 m2: perhaps a real small overlap. Nothing explains it" in render(told)
    moved = next(k for k, row in NAMED.items() if row["sliver_kind"] == "shifted_layer")
    (line,) = explain(path, moved, "zh").slivers
    assert (line.kind, line.kind_label) == ("shifted_layer", "图层整体平移")
    assert line.shift_m == pytest.approx(0.25, abs=0.01)
    assert "平移约0.25米，方位角12" in line.text
    assert explain(path, moved, "zh").to_dict()["slivers"][0]["shift_azimuth"] == pytest.approx(120, abs=2)
    clear = explain(path, f"p{len(PARCELS) + 1}", "en")
    assert clear.slivers == []
    assert "Small overlaps" not in render(clear)


def test_counts_are_those_of_the_rows():
    rows = pd.DataFrame(NAMED.values())
    total = kind_counts(named(OVERLAPS, find_shifts(VOTES)))
    for kind, some in rows.groupby("sliver_kind"):
        assert total[RED, kind] == (len(some), round(100 * some["area_m2"].sum()))
