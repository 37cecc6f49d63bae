"""How near to the edge a decision was: planted parcels, worked by hand, and moved layers run anew."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from shapely import box

import landremed
from landremed.errors import InputError
from landremed.project import make_project
from landremed.sensitivity import Judgement, bands, staying
from landremed.sensitivity.bounds import _Segments
from landremed.sensitivity.occupied import Occupied
from landremed.sensitivity.staying import distances, staying_m2

X, Y = 560_000.0, 4_300_000.0
CRS = "EPSG:4548"
SETTINGS = ["project.as_of=2022-03-31", "project.area='plane'", "project.crs='EPSG:4548'"]
OCCUPIED = {
    "category": "illegal_occupation",
    "subtype": "industrial",
    "occurred_on": "2019",
    "plan_conforms": "1",
    "safety_compliant": "1",
    "abandoned": "0",
    "above_scale_industry": "1",
    "demolition_required_by_law": "0",
    "conversion_done": "0",
}
PARK = {"category": "lake", "subtype": "park_green", "approval_obtained": "0", "plan_conforms": "1"}
RESERVE = {"category": "irregular_reserve", "quota_available": "1", "major_infrastructure": "0"}


def square(x, y, size=100.0):
    return box(X + x, Y + y, X + x + size, Y + y + size)


def run(parcels, layers, *settings):
    """Run parcels given as (facts, geometry) against layers of shapes; return the decisions by id."""
    frame = gpd.GeoDataFrame(
        pd.DataFrame([facts for facts, _ in parcels]), geometry=[shape for _, shape in parcels], crs=CRS
    )
    frame["name"] = [f"p{i}" for i in range(len(frame))]
    named = {role: gpd.GeoDataFrame(geometry=list(shapes), crs=CRS) for role, shapes in layers.items()}
    settings = [*settings, *(f"layers.{role}.disjoint=true" for role in layers)]
    result = landremed.run_frames(frame, named, id="name", settings=[*SETTINGS, *settings], engine="shapely")
    return result.decisions.set_index("parcel_id")


def flags(row):
    return set((row["flags"] or "").split(","))


# an overlap of a parcel of 1 ha counts when it is more than 10 m2: along a side of 100 m, 0.1 m deep
RED_LINE = box(X + 1000, Y - 5000, X + 9000, Y + 5000)


@pytest.mark.parametrize(
    ("gap_m", "margin_m"),
    [
        (0.7, 0.8),  # outside: the edge has to come 0.7 m to touch, and 0.1 m more
        (0.0, 0.1),
        (1.5, 1.6),
        (-0.05, 0.05),  # a sliver of 5 m2 overlaps already; another 0.05 m makes it count
        (-0.4, 0.3),  # overlaps by 0.4 m: 0.3 m back leaves 10 m2, which do not count
        (3.0, None),  # beyond the limit of 2 m
        (-60.0, None),
    ],
)
def test_straight_edge(gap_m, margin_m):
    row = run([(OCCUPIED, square(900 - gap_m, 0))], {"red_line": [RED_LINE]}).loc["p0"]
    if margin_m is None:
        assert pd.isna(row["margin_m"])
    else:
        assert row["margin_m"] == pytest.approx(margin_m, abs=0.01)
    near = margin_m is not None and margin_m <= 1.0
    assert row["robust"] == (0 if near else 1)
    assert ("sensitive:ecological_red_line" in flags(row)) == near


def test_limit_and_accuracy_are_settings():
    parcel, layers = [(OCCUPIED, square(897, 0))], {"red_line": [RED_LINE]}
    far = run(parcel, layers, "sensitivity.limit_m=5").loc["p0"]
    assert far["margin_m"] == pytest.approx(3.1, abs=0.01)
    assert far["robust"] == 1
    rough = run(parcel, layers, "tolerance.position_m=4").loc["p0"]
    assert rough["robust"] == 0
    off = run(parcel, layers, "sensitivity.enabled=false").loc["p0"]
    assert pd.isna(off["robust"])
    assert pd.isna(off["margin_m"])


def test_what_the_law_does_not_ask_about_is_firm():
    residential = {**OCCUPIED, "subtype": "residential"}
    abandoned = {**OCCUPIED, "abandoned": "1"}  # demolished whatever lies under it
    found = run(
        [(residential, square(899.5, 0)), (abandoned, square(899.5, 300)), (OCCUPIED, square(899.5, 600))],
        {"red_line": [RED_LINE], "farmland": [RED_LINE]},
    )
    assert found["robust"].tolist() == [1, 1, 0]
    assert found["margin_m"].isna().tolist() == [True, True, False]


def test_a_round_corner_is_round():
    # corner to corner, 1 m apart each way: the edge comes nearer along a circle, not along a mitre.
    # Gained is the quarter disc of radius d about the red line's corner, beyond both lines 1 m off it;
    # with d = 4.9: found by summing columns of 1 mm
    def gained(d):
        x = np.arange(1.0, d, 0.001) + 0.0005
        return float(np.maximum(np.sqrt(np.maximum(d * d - x * x, 0)) - 1.0, 0).sum() * 0.001)

    low, high = 1.5, 8.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if gained(middle) > 10 else (middle, high)
    parcel = box(X + 899, Y - 5101, X + 999, Y - 5001)
    row = run([(OCCUPIED, parcel)], {"red_line": [RED_LINE]}, "sensitivity.limit_m=8").loc["p0"]
    assert row["margin_m"] == pytest.approx(high, abs=0.01)


def test_inside_a_boundary_that_straddles_when_moved():
    # 0.5 m inside its edge: moved back by 0.6 m the parcel straddles, and nothing is certain any more
    boundary = box(X - 1000, Y - 1000, X + 100.5, Y + 1000)
    row = run([(PARK, square(0, 0))], {"urban_boundary": [boundary]}).loc["p0"]
    assert row["outcome"] == "complete_paperwork"
    assert row["margin_m"] == pytest.approx(0.6, abs=0.01)
    assert "sensitive:urban_development_boundary" in flags(row)


def test_three_way_facts_move_with_either_layer():
    # all of it on the red line; the development boundary ends 0.3 m beyond the parcel's side
    boundary = box(X - 1000, Y - 1000, X + 100.3, Y + 1000)
    whole = box(X - 2000, Y - 2000, X + 2000, Y + 2000)
    row = run([(RESERVE, square(0, 0))], {"urban_boundary": [boundary], "red_line": [whole]}).loc["p0"]
    assert row["outcome"] == "complete_paperwork"
    assert row["margin_m"] == pytest.approx(0.4, abs=0.01)
    assert "sensitive:urban_development_boundary" in flags(row)
    assert "sensitive:ecological_red_line" not in flags(row)


def test_missing_facts_stay_missing():
    # conformity unknown: needs review; on the red line it would be demolished whatever the answer
    facts = {**OCCUPIED, "plan_conforms": None}
    row = run([(facts, square(899.8, 0))], {"red_line": [RED_LINE]}).loc["p0"]
    assert row["outcome"] == "needs_review"
    assert row["margin_m"] == pytest.approx(0.3, abs=0.01)


def test_neighbours_of_a_layer_have_no_edge_between_them():
    tiles = [box(X + i * 30, Y - 500, X + (i + 1) * 30, Y + 500) for i in range(-20, 20)]
    row = run([(OCCUPIED, square(0, 0))], {"red_line": tiles}).loc["p0"]
    assert row["outcome"] == "demolish_restore"
    assert row["robust"] == 1
    assert pd.isna(row["margin_m"])


def test_no_geometry_is_not_firm():
    found = run([(OCCUPIED, None), (OCCUPIED, square(0, 0))], {"red_line": [RED_LINE]})
    assert pd.isna(found.loc["p0", "robust"])
    assert pd.isna(found.loc["p0", "margin_m"])
    assert found.loc["p1", "robust"] == 1


def ragged(rng, x, y, size, points=40):
    """Return a star-shaped polygon with a noisy edge."""
    angle = np.sort(rng.uniform(0, 2 * np.pi, points))
    radius = size * rng.uniform(0.7, 1.3, points)
    return shapely.Polygon(np.c_[X + x + radius * np.cos(angle), Y + y + radius * np.sin(angle)])


def moved(shapes, by_m):
    """Return a layer with its boundary moved: the union's offset, finely rounded."""
    return [shapely.buffer(shapely.union_all(shapes), by_m, quad_segs=64)]


@pytest.mark.parametrize("mode", ["review", "split", "majority"])
def test_moved_layers_run_anew_say_the_same(mode):
    rng = np.random.default_rng({"review": 1, "split": 2, "majority": 3}[mode])
    layers = {
        "red_line": [ragged(rng, x, 0, 120) for x in (0, 150, 700)],
        "farmland": [ragged(rng, x, 200, 90) for x in (0, 90, 400)],
        "urban_boundary": [ragged(rng, 300, 100, 260, 80)],
    }
    classes = [OCCUPIED, PARK, RESERVE, {**RESERVE, "quota_available": "0", "swap_possible": "0"}]
    edges = [shapely.boundary(shapely.union_all(shapes)) for shapes in layers.values()]
    parcels = []
    for i in range(160):
        place = edges[i % 3].interpolate(rng.uniform(0, edges[i % 3].length))
        aside = rng.uniform(-12, 12, 2)
        shape = ragged(rng, place.x - X + aside[0], place.y - Y + aside[1], rng.uniform(4, 12), 9)
        parcels.append((classes[int(rng.integers(4))], shape))
    setting = f"project.straddle='{mode}'"
    base = run(parcels, layers, setting)

    def outcomes(by_m):
        other = {}
        for role, shapes in layers.items():
            for way in (by_m, -by_m):
                changed = {**layers, role: moved(shapes, way)}
                other[role, way] = run(parcels, changed, setting, "sensitivity.enabled=false")["outcome"]
        return pd.DataFrame(other).ne(base["outcome"], axis=0)

    at_one = outcomes(1.0).T.groupby(level=0).any().T
    roles = {
        "red_line": "ecological_red_line",
        "farmland": "permanent_basic_farmland",
        "urban_boundary": "urban_development_boundary",
    }
    assert at_one.any(axis=1).sum() >= 5  # the case is worth something
    assert (base["robust"] == (~at_one.any(axis=1)).astype(int)).all()
    for role, name in roles.items():
        flagged = base["flags"].fillna("").str.contains(f"sensitive:{name}")
        assert (flagged == at_one[role]).all(), role
    # parcels that flip between 1 and 2 m have a margin there, the others none
    at_two = outcomes(2.0).any(axis=1) | at_one.any(axis=1)
    assert (base["margin_m"].notna() == at_two).all()
    assert (base["margin_m"].fillna(9) <= 1.0).equals(~(base["robust"].astype(bool)))


def nothing(band):
    empty = np.zeros((len(band._grounds) // band._cases, band._cases))
    return empty, empty, np.zeros(band._cases, dtype=bool)


@pytest.mark.parametrize("way", ["numpy", "compiled", "where lines coincide"])
def test_the_moved_edge_drawn_says_the_same(monkeypatch, way):
    rng = np.random.default_rng(6)
    layers = {
        "red_line": [ragged(rng, x, 0, 120, 300) for x in (0, 150, 700)],
        "farmland": [ragged(rng, x, 200, 90) for x in (0, 90, 400)],
        "urban_boundary": [ragged(rng, 300, 100, 260, 80)],
    }
    edges = [shapely.boundary(shapely.union_all(shapes)) for shapes in layers.values()]
    classes = [OCCUPIED, PARK, RESERVE, {**RESERVE, "quota_available": "0", "swap_possible": "0"}]
    parcels = []
    for i in range(120):
        place = edges[i % 3].interpolate(rng.uniform(0, edges[i % 3].length))
        aside = rng.uniform(-9, 9, 2)
        shape = ragged(rng, place.x - X + aside[0], place.y - Y + aside[1], rng.uniform(4, 12), 9)
        parcels.append((classes[int(rng.integers(4))], shape))
    for module in (bands, staying):
        monkeypatch.setattr(module, "worth_loading", lambda _: way == "compiled")
    if way == "where lines coincide":  # then nothing that was summed up is sure
        monkeypatch.setattr(bands.Band, "within", lambda band, _: nothing(band))
    settings = ["tolerance.position_m=1.5", "sensitivity.limit_m=3"]
    by_areas = run(parcels, layers, *settings)
    # parcels that may be cut have no bounds, and their edges are drawn and halved between
    monkeypatch.setattr(Judgement, "may_be_cut", lambda _, rows: np.ones(len(rows), dtype=bool))
    drawn = run(parcels, layers, *settings)
    assert (by_areas["robust"] == 0).sum() >= 10
    assert by_areas["robust"].equals(drawn["robust"])
    assert by_areas["flags"].equals(drawn["flags"])
    assert by_areas["margin_m"].notna().equals(drawn["margin_m"].notna())
    # halving stops at 4 mm, and chords in place of arcs lie up to 3 mm nearer
    assert (by_areas["margin_m"] - drawn["margin_m"]).abs().max() < 0.006


def test_an_overlay_keeps_what_deciding_needs(tmp_path):
    # 3 m off the red line: firm within 1 m, not within 4 m
    frame = gpd.GeoDataFrame(pd.DataFrame([OCCUPIED]), geometry=[square(897, 0)], crs=CRS)
    frame.assign(name=["p0"]).to_file(tmp_path / "p.gpkg")
    gpd.GeoDataFrame(geometry=[RED_LINE], crs=CRS).to_file(tmp_path / "r.gpkg")
    settings = [*SETTINGS, "layers.ecological_red_line.disjoint=true", "parcels.id='name'"]
    layers = [f"red_line={tmp_path / 'r.gpkg'}"]

    def overlay(*more):
        project = make_project(str(tmp_path / "p.gpkg"), layers, settings=[*settings, *more])
        landremed.run_overlay(project, tmp_path / "v.gpkg", overwrite=True, engine="shapely")

    def decided(*more):
        found = landremed.run_decide(tmp_path / "v.gpkg", settings=more)
        return found.tables["decisions"]["robust"].to_pylist()

    overlay()
    assert decided() == [1]
    assert decided("tolerance.position_m=0.5") == [1]
    for farther in ("tolerance.position_m=4", "sensitivity.limit_m=2.5"):
        with pytest.raises(InputError) as stopped:
            decided(farther)
        assert stopped.value.code == "overlay_edges_short"
    assert decided("tolerance.position_m=4", "sensitivity.enabled=false") == [None]
    overlay("tolerance.position_m=4")
    assert decided() == [0]
    overlay("sensitivity.enabled=false")
    assert decided() == [None]
    with pytest.raises(InputError):
        decided("sensitivity.enabled=true")


def wavy(random, points=60):
    """Return a closed shape with a restless edge around the middle of a square of 100 m."""
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False)
    far = random.uniform(15, 60, points)
    return shapely.Polygon(np.c_[X + 50 + far * np.cos(turn), Y + 50 + far * np.sin(turn)])


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("cells", [3, 8, 16])
def test_what_surely_stays_of_a_piece_is_no_more_than_stays(monkeypatch, cells, compiled):
    monkeypatch.setattr(staying, "worth_loading", lambda _: compiled)
    random = np.random.default_rng(4)
    layers = [wavy(random) for _ in range(40)]
    parcels = np.array([shapely.affinity.rotate(square(0, 0), a) for a in random.uniform(0, 90, 40)])
    pieces = shapely.intersection(parcels, layers)
    distance = random.uniform(0.05, 8, 40)
    distances_m = [distance, 2 * distance]
    for moved_m, stays in zip(
        distances_m, staying_m2(pieces, parcels, shapely.boundary(layers), distances_m, cells), strict=True
    ):
        true = shapely.area(shapely.difference(pieces, shapely.buffer(shapely.boundary(layers), moved_m)))
        assert (stays <= true).all()
        assert (stays > 0).any() or cells == 3


@pytest.mark.parametrize("compiled", [False, True])
def test_what_surely_stays_of_a_big_piece_is_most_of_it(monkeypatch, compiled):
    monkeypatch.setattr(staying, "worth_loading", lambda _: compiled)
    parcel, red_line = np.array([square(0, 0)]), box(X - 100, Y - 100, X + 100, Y + 300)
    [stays] = staying_m2(parcel, parcel, np.array([shapely.boundary(red_line)]), [np.array([1.0])], 16)
    # the last column of cells lies on the edge, and each border on the parcel's
    assert 0.7 * 10_000 < stays[0] < 99 * 100


def test_distances_from_lines_are_those_of_shapely():
    random = np.random.default_rng(5)
    lines = np.array([shapely.LineString(random.uniform(0, 100, (n, 2))) for n in (2, 9, 40, 3)])
    lines[3] = shapely.LineString([(5, 5), (5, 5), (9, 9)])
    lines = np.append(lines, [shapely.MultiLineString(list(lines[:2])), shapely.MultiLineString()])
    x, y = random.uniform(-50, 150, (2, len(lines), 25))
    true = shapely.distance(shapely.points(x, y), lines[:, None])
    assert np.nan_to_num(true, nan=np.inf) == pytest.approx(distances(x, y, lines), abs=1e-9)


def test_compiled_distances_are_those_of_shapely_up_to_a_bound():
    random = np.random.default_rng(8)
    lines = np.array([shapely.LineString(random.uniform(0, 100, (n, 2))) for n in (2, 300, 40, 3)])
    lines = np.append(lines, [shapely.MultiLineString(list(lines[:2])), shapely.MultiLineString()])
    x, y = random.uniform(-50, 150, (2, len(lines), 25))
    most = random.uniform(1, 60, len(lines))
    true = np.nan_to_num(shapely.distance(shapely.points(x, y), lines[:, None]), nan=np.inf)
    found = staying._compiled_distances(x, y, lines, lines, most, most)
    near = true <= most[:, None]
    assert near.any()
    assert found[near] == pytest.approx(true[near], abs=1e-9)
    assert (found[~near] > np.broadcast_to(most[:, None], near.shape)[~near]).all()


def test_boxes_that_meet_none_of_many_are_few_and_sure():
    random = np.random.default_rng(9)

    def boxes(count, size):
        low = random.uniform(0, 1000, (count, 2))
        return np.c_[low, low + random.uniform(0, size, (count, 2))]

    many, asked = boxes(60, 20), boxes(2000, 30)
    asked[:40, 2:], asked[40:80, 2:] = asked[:40, :2], 5000  # points, and boxes beyond all
    many[7], asked[-1] = np.nan, np.nan
    meet = ((asked[:, None, :2] <= many[:, 2:]) & (asked[:, None, 2:] >= many[:, :2])).all(axis=2).any(axis=1)
    told = Occupied(many).met_by(asked)
    assert (told | ~meet).all()
    assert told[~meet].mean() < 0.1
    assert not told[-1]
    assert not Occupied(many[:0]).met_by(asked).any()


def test_lengths_within_boxes_are_those_of_what_is_clipped():
    random = np.random.default_rng(10)
    lines = np.array([shapely.LineString(random.uniform(0, 100, (n, 2)).round(-1)) for n in (2, 9, 40, 80)])
    lines = np.append(
        lines, [shapely.MultiLineString(list(lines[1:3])), shapely.LineString([(0, 0), (0, 50)])]
    )
    low = random.uniform(-20, 60, (len(lines), 2)).round(-1)
    low[-1] = 0, 10  # one that goes along the box
    sides = np.c_[low, low + random.uniform(10, 60, low.shape)]
    clipped = shapely.intersection(lines, shapely.box(*sides.T))
    wider = sides + np.array([-1, -1, 1, 1]) * 7
    length, parts = _Segments.of(lines, wider).within(sides)
    drawn = [
        sum(shapely.length(shapely.intersection(s, b)) for s in segments(a))
        for a, b in zip(lines, shapely.box(*sides.T), strict=True)
    ]
    assert length == pytest.approx(drawn)
    assert (length >= shapely.length(clipped) - 1e-9).all()
    joined = shapely.line_merge(clipped)
    assert (parts >= [len(components(shape)) for shape in joined]).all()


def segments(line):
    for part in shapely.get_parts(line):
        xy = shapely.get_coordinates(part)
        yield from shapely.linestrings(np.stack([xy[:-1], xy[1:]], 1))


def components(lines):
    """Return the groups of lines that hang together."""
    groups = []
    for line in shapely.get_parts(lines):
        if shapely.get_dimensions(line) == 1:
            met = [group for group in groups if shapely.intersects(group, line)]
            groups = [group for group in groups if not shapely.intersects(group, line)]
            groups.append(shapely.union_all([*met, line]))
    return groups
