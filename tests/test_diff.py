"""What changed between two results, against sets worked by hand and against trying every subset."""

import itertools
import json
import random
import shutil
import sqlite3
from dataclasses import replace
from datetime import date
from pathlib import Path

import geopandas as gpd
import pytest
import review_district as district
import shapely
from ledger_results import CLERK, proof, walk
from test_cli_run import landremed_cli as cli

import landremed
from landremed import diff
from landremed.diff.search import smallest_set
from landremed.diff.sides import Side
from landremed.law import decide, load_rulebook
from landremed.law.cases import parse_partial_date
from landremed.law.vocabulary import rules_root
from landremed.ledger import init_ledger
from landremed.review.merge import merge_reviews
from landremed.review.pack import pack_reviews

CRS = "EPSG:4548"
AS_OF = "project.as_of=2022-03-31"
PLANE = "project.area=plane"
RED = shapely.box(560000, 4299000, 561000, 4305000)
FAR = shapely.box(570000, 4310000, 570010, 4310010)
AWAY, ON = 562000, 560100
FINE = {
    "category": "illegal_occupation", "subtype": "industrial", "occurred_on": "2012",
    "plan_conforms": "yes", "safety_compliant": "yes", "abandoned": "no", "demolition_required_by_law": "no",
    "above_scale_industry": "yes", "retained_park": "yes", "override_occupies_permanent_basic_farmland": "no",
}  # fmt: skip


def frame(rows):
    """Parcels of 100 x 100 m in a row; ``x`` says where each lies, ``dx`` how much longer it is."""
    columns = sorted({name for row in rows.values() for name in row} - {"x", "dx"})
    data = {"TBBH": list(rows)} | {name: [row.get(name) for row in rows.values()] for name in columns}
    shapes = [
        shapely.box(x, 4299200 + 110 * i, x + 100 + row.get("dx", 0), 4299300 + 110 * i)
        for i, row in enumerate(rows.values())
        for x in [row.get("x", AWAY)]
    ]  # fmt: skip
    return gpd.GeoDataFrame(data, geometry=shapes, crs=CRS)


def side(rows, name="x", red=RED, settings=()):
    layers = {"red_line": gpd.GeoDataFrame({"v": [0]}, geometry=[shapely.union(red, FAR)], crs=CRS)}
    result = landremed.run_frames(frame(rows), layers, id="TBBH", settings=[AS_OF, PLANE, *settings])
    return diff.side_of_run(result, name)


def compared(old, new, **options):
    """Compare sides, or rows of which sides are made."""
    sides = [found if isinstance(found, Side) else side(found) for found in (old, new)]
    return diff.compare(*sides, **options)


def things(difference, parcel, aspect="outcome"):
    """Names of what made one aspect of one parcel's change."""
    change = next(c for c in difference.changes if c.parcel_id == parcel)
    cause = next(c for c in change.causes if aspect in c.aspects)
    assert cause.replayed
    return [item.thing.name or item.thing.kind for item in cause.things], cause.others


def origins(difference, parcel):
    change = next(c for c in difference.changes if c.parcel_id == parcel)
    return [(o.kind, o.name) for item in change.causes[0].things for o in item.origins]


def test_hand_worked_smallest_sets():
    """Every set here was found on paper from the tables of the plan."""
    hold = {"category": "pre_expropriation", "plan_conforms": "yes"}
    end = {"plan_conforms": "no", "conversion_possible": "no", "owners_willing_to_return": "yes"}
    old = {
        "either": FINE,
        "all_three": hold,
        "only_one": hold | {"conversion_possible": "no", "owners_willing_to_return": "yes"},
        "deadline": FINE,
        "noise": FINE,
    }
    new = {
        # abandoned, or on the red line: either does; abandoned stands first in the facts' list
        "either": FINE | {"abandoned": "yes", "x": ON},
        # the agreement ends only where the land neither conforms nor can be converted and owners return
        "all_three": hold | end,
        "only_one": hold | end,
        "deadline": FINE | {"feedback_source": "audit", "feedback_deadline": "2022-05-01"},
        # what no rule asks for any more changes nothing
        "noise": FINE | {"safety_rectifiable": "no"},
    }  # fmt: skip
    found = compared(old, new)
    assert things(found, "either") == (["abandoned"], 1)
    # owners_willing_to_return stands in the outcome only together with the other two
    assert things(found, "all_three") == (
        ["plan_conforms", "conversion_possible", "owners_willing_to_return"],
        0,
    )
    assert things(found, "only_one") == (["plan_conforms"], 0)
    assert things(found, "deadline", "deadline") == (["feedback_source", "feedback_deadline"], 0)
    assert next(c for c in found.changes if c.parcel_id == "deadline").kinds == ("deadline",)
    assert {c.parcel_id for c in found.changes} == {"either", "all_three", "only_one", "deadline"}


FACTS = {
    "plan_conforms": ("yes", "no", None),
    "plan_includable": ("yes", "no", None),
    "safety_compliant": ("yes", "no", None),
    "abandoned": ("yes", "no", None),
    "retained_park": ("yes", "no"),
    "above_scale_industry": ("yes", "no"),
    "demolition_required_by_law": ("no", "no", "yes"),
    "occurred_on": ("2003", "2012", "2021", "2004", None),
    "feedback_source": ("audit", None),
    "feedback_deadline": ("2022-05-01", "2021-11-01", None),
    "conversion_done": ("yes", "no", None),
}  # fmt: skip


def truth(rows):
    """The facts of one row as the law engine takes them, made without reading any result."""
    values = {"yes": True, "no": False}
    facts = {name: values.get(v, v) for name, v in rows.items() if v is not None and name not in ("x", "dx")}
    for name in [n for n in facts if n.startswith("override_")]:
        facts[name.removeprefix("override_")] = facts.pop(name)
    for name in ("occurred_on", "feedback_deadline"):
        if name in facts:
            facts[name] = parse_partial_date(facts[name])
    facts["occupies_ecological_red_line"] = rows["x"] == ON
    if rows["x"] != ON:
        # measured, though the boundary is not given: off the red line is off the part outside of it too
        facts.setdefault("red_line_outside_boundary", False)
    return facts


def naive_smallest(book, old, new, settings, aspect):
    """Try every subset of everything that differs, smallest first, in the order of the vocabulary."""
    order = [n for n in book.vocabulary if old.get(n) != new.get(n)]
    order += [name for name in settings if settings[name][0] != settings[name][1]]

    def result(taken):
        facts = {n: (new if n in taken else old).get(n) for n in book.vocabulary}
        chosen = {name: values[int(name in taken)] for name, values in settings.items()}
        as_of = chosen.pop("as_of")
        found = decide(book.with_readings(chosen), facts, as_of=as_of)
        return {
            "outcome": found.outcome,
            "measure": (found.outcome, found.measure),
            "clause": found.clauses,
            "deadline": (found.schedules, found.due_on),
            "overdue": found.overdue,
        }[aspect]

    target = result(order)
    for size in range(len(order) + 1):
        hits = [list(c) for c in itertools.combinations(order, size) if result(c) == target]
        if hits:
            return hits[0], len(hits) - 1
    raise AssertionError


SPATIAL = {
    "within_urban_development_boundary": ("yes", "no", None),
    "within_green_barrier": ("yes", "no", None),
    "red_line_outside_boundary": ("no", "no", "yes", None),
    "farmland_outside_boundary": ("yes", "no", None),
    "occupies_permanent_basic_farmland": ("yes", "no", "no"),
}
OPEN = ("yes", "no", None)
PARK = ("approval_obtained", "plan_conforms", "conversion_possible")
RESERVE = ("quota_available", "major_infrastructure", "swap_possible", "owners_willing_to_return")
CLASSES = [
    ("illegal_occupation", "industrial", FACTS),
    ("lake", "park_green", dict.fromkeys(PARK, OPEN)),
    ("irregular_reserve", None, dict.fromkeys(RESERVE, OPEN)),
]


@pytest.mark.parametrize(("seed", "number"), [(1, 0), (2, 0), (3, 1), (4, 2)])
def test_brute_force_over_all_subsets(seed, number):
    dice = random.Random(seed)
    category, subtype, facts = CLASSES[number]
    rows = [
        {
            f"P{i}": {"category": category, "subtype": subtype, "x": dice.choice([ON, AWAY, AWAY])}
            | {name: dice.choice(values) for name, values in facts.items()}
            | {f"override_{name}": dice.choice(values) for name, values in SPATIAL.items()}
            for i in range(16)
        }
        for _ in range(2)
    ]
    settings = {
        "park_outside_boundary": ("boundary_first", "conformity_first"),
        "industry_scale": ("neither", "either"),
        "reserve_order": ("swap_first", "return_first"),
        "as_of": (date(2022, 3, 31), date(2022, 9, 1)),
    }
    changed = [f"readings.{name}={values[1]}" for name, values in settings.items() if name != "as_of"]
    found = compared(side(rows[0]), side(rows[1], settings=[*changed, "project.as_of=2022-09-01"]))
    book = load_rulebook("binhai-2022")
    tried = 0
    for change in found.changes:
        for aspect in set(change.kinds) - {"parts", "reshaped"}:
            old, new = (truth(side[change.parcel_id]) for side in rows)
            named = things(found, change.parcel_id, aspect)
            assert named == naive_smallest(book, old, new, settings, aspect), (change.parcel_id, aspect)
            tried += 1
    assert tried > 30


def test_search_says_where_it_stops():
    full = frozenset(range(9))
    assert smallest_set(9, lambda taken: taken == full, limit=20).proved is False
    assert smallest_set(9, lambda taken: taken == full, limit=20).chosen == tuple(range(9))
    assert smallest_set(9, lambda taken: {2, 5, 8} <= taken, limit=20).chosen == (2, 5, 8)
    assert smallest_set(9, lambda taken: taken == full).proved
    assert smallest_set(3, lambda taken: False) is None


def test_layer_shape_and_table_are_told_apart():
    rows = {"A": FINE | {"x": ON}, "B": FINE, "C": FINE}
    moved = shapely.box(561900, 4299000, 563000, 4299350)  # now under A's and B's rows, not under C's
    before = side(rows)
    after = side(rows, red=moved)
    layer = diff.compare(before, after)
    assert things(layer, "B") == (["occupies_ecological_red_line"], 0)
    assert origins(layer, "B") == [("layer", "ecological_red_line")]
    assert origins(layer, "A") == [("layer", "ecological_red_line")]
    shape = diff.compare(before, side(rows | {"B": FINE | {"x": ON}}))
    assert origins(shape, "B") == [("shape", "")]
    assert next(c for c in shape.changes if c.parcel_id == "B").kinds[-1] == "reshaped"
    assert next(c for c in shape.changes if c.parcel_id == "B").moved_m2 == pytest.approx(20000)
    told = diff.compare(before, side(rows | {"C": FINE | {"override_occupies_ecological_red_line": "yes"}}))
    assert origins(told, "C") == [("given", "override_occupies_ecological_red_line")]


def test_tolerance_and_straddle_are_named():
    # 100 x 0.5 m = 50 m2 of 10 050 m2 lie on the red line: 0.5 % counts by default, not above 60 m2
    rows = {"A": FINE | {"x": 560999.5 - 0.0}}
    old = side(rows)
    new = side(rows, settings=["tolerance.min_overlap_area_m2=60"])
    found = diff.compare(old, new)
    assert things(found, "A") == (["occupies_ecological_red_line"], 0)
    assert origins(found, "A") == [("tolerance", "tolerance.min_overlap_area_m2")]
    # raising the share alone does nothing, as 50 m2 are more than sliver_max_area_m2; both together do
    both = ["tolerance.min_overlap_share=0.01", "tolerance.sliver_max_area_m2=70"]
    found = diff.compare(old, side(rows, settings=both))
    expected = [("tolerance", f"tolerance.{key}") for key in ("min_overlap_share", "sliver_max_area_m2")]
    assert origins(found, "A") == expected


def test_day_and_reading_are_named():
    rows = {"A": FINE, "B": FINE | {"retained_park": "no"}}
    found = diff.compare(side(rows), side(rows, settings=["readings.industry_scale=either"]))
    assert [c.parcel_id for c in found.changes] == ["B"]
    assert things(found, "B") == (["industry_scale"], 0)
    later = diff.compare(side(rows), side(rows, settings=["project.as_of=2023-07-01"]))
    assert [c.kinds for c in later.changes] == [("overdue",), ("overdue",)]
    assert things(later, "A", "overdue") == (["as_of"], 0)


def test_added_gone_and_new_ids():
    old = {"A": FINE, "B": FINE, "C": FINE | {"x": ON}}
    new = {"A": FINE, "B2": FINE, "D": FINE | {"x": 565000}}
    found = compared(old, new)
    assert [(c.parcel_id, c.kinds) for c in found.changes] == [
        ("B2", ("added",)), ("D", ("added",)), ("B", ("gone",)), ("C", ("gone",)),
    ]  # fmt: skip
    assert [(s.gone, s.added, round(s.share, 6)) for s in found.suggestions] == [("B", "B2", 1.0)]
    cells = {(c.old, c.new): (c.parcels, c.old_m2, c.new_m2) for c in found.matrix}
    assert cells == {
        ("complete_paperwork", "complete_paperwork"): (1, 10000.0, 10000.0),
        ("complete_paperwork", ""): (1, 10000.0, 0.0),
        ("demolish_restore", ""): (1, 10000.0, 0.0),
        ("", "complete_paperwork"): (2, 0.0, 20000.0),
    }


def test_same_vertices_in_another_order_are_no_new_shape():
    first, second = side({"A": FINE}), frame({"A": FINE})
    ring = list(second.geometry[0].exterior.coords)[:-1]
    second.geometry = [shapely.Polygon([*ring[2:], *ring[:2]][::-1])]
    layers = {"red_line": gpd.GeoDataFrame({"v": [0]}, geometry=[shapely.union(RED, FAR)], crs=CRS)}
    result = landremed.run_frames(second, layers, id="TBBH", settings=[AS_OF, PLANE])
    found = diff.compare(first, diff.side_of_run(result, "y"))
    assert not found.changes
    assert not found.same_inputs  # the parcels' content is another, and that is said
    assert compared({"A": FINE}, {"A": FINE | {"dx": 0.001}}).changes[0].kinds == ("reshaped",)


def test_parts_of_cut_parcels():
    rows = {"A": FINE | {"x": 560950}}
    whole, cut = side(rows), side(rows, settings=["readings.red_line_extent=part"])
    found = diff.compare(whole, cut)
    assert (found.changes[0].kinds[0], found.changes[0].kinds[-1]) == ("outcome", "parts")
    assert things(found, "A") == (["parts"], 0)
    assert ("reading", "red_line_extent") in origins(found, "A")
    # on both sides cut alike: what a given fact did is told as such
    gone = side({"A": rows["A"] | {"abandoned": "yes"}}, settings=["readings.red_line_extent=part"])
    found = diff.compare(cut, gone)
    assert things(found, "A") == (["abandoned"], 0)
    assert "parts" in found.changes[0].kinds


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two results as files, and a ledger of the old one."""
    folder = tmp_path_factory.mktemp("diff")
    rows = {"A": FINE, "B": FINE, "C": FINE, "D": FINE}
    later = {
        "A": FINE | {"abandoned": "yes"},
        "B": FINE | {"abandoned": "yes"},
        "C": FINE,
        "D": FINE | {"x": ON},
    }
    red = gpd.GeoDataFrame({"v": [0]}, geometry=[shapely.union(RED, FAR)], crs=CRS)
    red.to_file(folder / "red.gpkg")
    for name, found in (("old", rows), ("new", later)):
        frame(found).to_file(folder / f"{name}_parcels.gpkg")
        settings = [AS_OF, PLANE, 'parcels.id="TBBH"']
        parcels = f"{name}_parcels.gpkg"
        project = landremed.make_project(parcels, ["red_line=red.gpkg"], settings=settings, base=folder)
        landremed.run(project, folder / f"{name}.gpkg")
    return folder


def test_files_and_memory_agree(files):
    found = diff.compare(diff.read_side(files / "old.gpkg"), diff.read_side(files / "new.gpkg"))
    assert [(c.parcel_id, c.kinds[0]) for c in found.changes] == [
        ("A", "outcome"),
        ("B", "outcome"),
        ("D", "outcome"),
    ]
    assert things(found, "D") == (["occupies_ecological_red_line"], 0)
    assert origins(found, "A") == [("given", "abandoned")]
    equal = diff.compare(diff.read_side(files / "old.gpkg"), diff.read_side(files / "old.gpkg"))
    assert equal.same_inputs
    assert equal.same_results
    assert not equal.changes


def test_a_changed_result_with_the_same_inputs_is_told(files, tmp_path):
    shutil.copy(files / "old.gpkg", tmp_path / "edited.gpkg")
    with sqlite3.connect(tmp_path / "edited.gpkg") as db:
        db.execute("DROP TRIGGER IF EXISTS rtree_decisions_geom_update6")
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='trigger'").fetchall():
            db.execute(f'DROP TRIGGER "{name}"')
        db.execute("UPDATE decisions SET outcome='retain' WHERE parcel_id='C'")
    found = diff.compare(diff.read_side(files / "old.gpkg"), diff.read_side(tmp_path / "edited.gpkg"))
    assert found.same_inputs
    assert not found.same_results
    assert [code for code, _ in found.notes] == ["diff_same_inputs_other_results"]
    # deciding again does not give "retain": no cause is made up
    assert [c.replayed for c in found.changes[0].causes] == [False]


def test_rule_book_changes_are_named_by_rule(tmp_path):
    def book(name, old=None, new=None, file="illegal_occupation.yaml"):
        shutil.copytree(Path(str(rules_root())) / "binhai-2022", tmp_path / name / "my-plan")
        path = tmp_path / name / "my-plan" / file
        text = path.read_text(encoding="utf-8")
        if old:
            assert old in text
            path.write_text(text.replace(old, new), encoding="utf-8")
        return tmp_path / name / "my-plan"

    first = book("first")
    second = book("second", "      - abandoned is true\n", "      - retained_park is true\n")
    hold = {"category": "pre_expropriation", "plan_conforms": "yes", "conversion_possible": "no"}
    rows = {"A": FINE, "B": FINE | {"abandoned": "yes"}, "C": hold | {"owners_willing_to_return": "no"}}
    later = rows | {"C": rows["C"] | {"plan_conforms": "no"}}
    sides = [
        side(given, settings=[f'project.rules="{folder.as_posix()}"'])
        for given, folder in ((rows, first), (later, second))
    ]
    found = diff.compare(*sides)
    assert things(found, "A") == (["rules"], 0)
    items = {c.parcel_id: c.causes[0].things[0] for c in found.changes}
    assert [tuple(e) for e in items["A"].elements] == [("rule", "occ.abandoned")]
    # without the old book only sets with the whole new book can be tried, and that is said
    blind = diff.compare(replace(sides[0], book=None), sides[1])
    assert [code for code, _ in blind.notes] == ["diff_no_rules"]
    assert things(blind, "A") == (["rules"], 0)
    # the rules of C are the same in both books: the one at hand stands in for the other
    assert things(blind, "C") == (["plan_conforms"], 0)
    assert things(found, "C") == (["plan_conforms"], 0)
    # neither side's book is here, only a later state of it: it serves where it gives both decisions
    older = [replace(sides[0], book=None, stand_in=sides[1].book), side(later, settings=[])]
    older[1] = replace(older[1], book=None, stand_in=sides[1].book, provenance={**sides[0].provenance})
    lost = diff.compare(*older)
    assert things(lost, "C") == (["plan_conforms"], 0)
    assert {code for code, _ in lost.notes} >= {"diff_no_rules"}


def test_signed_and_closed_parcels_come_first(files, tmp_path):
    ledger = tmp_path / "ledger.gpkg"
    init_ledger(files / "old.gpkg", ledger, CLERK)
    walk(ledger, "D", date(2022, 9, 1), evidence=proof(tmp_path))
    walk(ledger, "B", date(2022, 9, 1), to="plan_approved")
    run = cli("diff", files / "old.gpkg", files / "new.gpkg", "--ledger", ledger, "--json", "--lang", "en")
    found = json.loads(run.stdout)
    assert [c["parcel_id"] for c in found["changes"]] == ["D", "B", "A"]
    assert [c["ledger"]["weight"] for c in found["changes"]] == [2, 1, 0]
    text = cli("diff", files / "old.gpkg", files / "new.gpkg", "--ledger", ledger, "--lang", "en").stdout
    assert "1 closed and 1 signed parcels of the ledger would flip" in text


def test_command_writes_a_layer_and_tells_scripts(files, tmp_path):
    old, new, out = files / "old.gpkg", files / "new.gpkg", tmp_path / "diff.gpkg"
    run = cli("diff", old, new, "-o", out, "--lang", "zh")
    assert run.returncode == 0
    assert "废弃不用：否→是" in run.stdout
    assert cli("diff", old, new, "--exit-code", "-q").returncode == 3
    assert cli("diff", old, old, "--exit-code", "-q").returncode == 0
    changes = gpd.read_file(out, layer="changes")
    assert changes["parcel_id"].tolist() == ["A", "B", "D"]
    assert changes["turn"].tolist() == ["to_demolish"] * 3
    assert changes["outcome_old"].tolist() == ["complete_paperwork"] * 3
    # D moved: the layer shows it where it lies now
    assert changes.geometry[2].bounds[0] == ON
    causes = gpd.read_file(out, layer="causes")
    assert causes[["parcel_id", "name", "old", "new"]].values.tolist()[0] == [
        "A",
        "abandoned",
        "false",
        "true",
    ]
    assert causes["origin"][0].startswith("old_parcels.gpkg:old_parcels#1[abandoned]")
    with sqlite3.connect(out) as db:
        styles = dict(db.execute("SELECT f_table_name, styleQML FROM layer_styles"))
    assert all(f'value="{turn}"' in styles["changes"] for turn in ("to_demolish", "gone", "reshaped"))
    again = cli("diff", old, new, "-o", out)
    assert again.returncode == 1
    assert "--overwrite" in again.stderr
    assert cli("diff", old, new, "-o", old, "--overwrite").returncode == 1


def test_command_refuses_what_it_cannot_use(files, tmp_path):
    assert cli("diff", files / "old.gpkg").returncode == 2
    assert cli("diff", files / "old.gpkg", files / "new.gpkg", "--with", "a.b=c").returncode == 2
    stopped = cli("diff", files / "old.gpkg", tmp_path / "none.gpkg")
    assert stopped.returncode == 1
    assert "none.gpkg" in stopped.stderr
    plain = cli("diff", files / "old.gpkg", files / "red.gpkg")
    assert plain.returncode == 1
    assert "decisions" in plain.stderr
    other = cli("diff", files / "old.gpkg", files / "new.gpkg", "--old-rules", "tests/bad_rules/base")
    assert other.returncode == 1
    assert "binhai-2022" in other.stderr


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("ALTER TABLE decisions DROP COLUMN outcome", "outcome"),
        ("UPDATE decisions SET parcel_id = NULL WHERE parcel_id = 'A'", "parcel_id"),
        ("UPDATE decisions SET parcel_id = 'B' WHERE parcel_id = 'A'", "parcel_id"),
    ],
)
def test_results_that_cannot_be_matched_are_refused(files, tmp_path, statement, word):
    shutil.copy(files / "old.gpkg", tmp_path / "bad.gpkg")
    with sqlite3.connect(tmp_path / "bad.gpkg") as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f'DROP TRIGGER "{name}"')
        db.execute(statement)
    run = cli("diff", files / "old.gpkg", tmp_path / "bad.gpkg")
    assert run.returncode == 1
    assert "bad.gpkg" in run.stderr
    assert word in run.stderr


def test_two_settings_without_files(files, tmp_path):
    project = files / "project.toml"
    project.write_text(
        "[project]\nas_of = 2022-03-31\narea = 'plane'\n[parcels]\npath = 'old_parcels.gpkg'\nid = 'TBBH'\n"
        "[layers.red_line]\npath = 'red.gpkg'\n",
        encoding="utf-8",
    )
    run = cli("diff", project, "--with", "tolerance.min_overlap_area_m2=2", "--json")
    assert run.returncode == 0
    assert json.loads(run.stdout)["changes"] == []
    wide = gpd.GeoDataFrame({"v": [0]}, geometry=[shapely.box(561000, 4299000, 563000, 4299305)], crs=CRS)
    wide.to_file(tmp_path / "wide.gpkg")
    run = cli("diff", project, "--with", f"red_line={tmp_path / 'wide.gpkg'}", "--json", "--exit-code")
    assert run.returncode == 3
    found = json.loads(run.stdout)
    assert [c["parcel_id"] for c in found["changes"]] == ["A"]
    thing = found["changes"][0]["causes"][0]["things"][0]
    assert (thing["name"], thing["origins"][0]["kind"]) == ("occupies_ecological_red_line", "layer")
    # the same by two runs, as one without files
    for name, extra in (("x", ()), ("y", ("--layer", f"red_line={tmp_path / 'wide.gpkg'}"))):
        cli("run", project, "-o", tmp_path / f"{name}.gpkg", *extra)
    files_found = json.loads(cli("diff", tmp_path / "x.gpkg", tmp_path / "y.gpkg", "--json").stdout)
    assert files_found["changes"] == found["changes"]
    assert files_found["matrix"] == found["matrix"]


def test_facts_learned_in_the_field_are_named(tmp_path):
    """A result into which reviews were merged, against itself before."""
    reviewed = district.make_result(tmp_path)
    shutil.copy(reviewed, tmp_path / "before.gpkg")
    pack_reviews(reviewed, tmp_path / "field")
    visits = [
        district.said("P-000", "王工", q_cultivable="true"),
        district.said("P-003", "王工", q_within_green_barrier="true"),
    ]
    district.fill(tmp_path / "field", visits)
    merge_reviews(reviewed, [tmp_path / "field"])
    found = diff.compare(diff.read_side(tmp_path / "before.gpkg"), diff.read_side(reviewed))
    assert things(found, "P-000") == (["cultivable"], 0)
    assert things(found, "P-003") == (["within_green_barrier"], 0)
    # measured, and set by hand: the table is named, not the layer
    assert origins(found, "P-003") == [("given", "override_within_green_barrier")]
    assert [code for code, _ in found.notes] == ["diff_same_inputs_other_results"]


def test_settings_and_layers_of_a_run_stand_in_its_result(files, tmp_path):
    """``run --set … --layer …``: what was set is kept, and says so."""
    project = tmp_path / "project.toml"
    project.write_text(
        f"[project]\nas_of = 2022-03-31\n[parcels]\npath = '{files / 'old_parcels.gpkg'}'\nid = 'TBBH'\n"
        f"[layers.red_line]\npath = '{files / 'red.gpkg'}'\nversion = '2018'\n",
        encoding="utf-8",
    )
    wide = gpd.GeoDataFrame({"v": [0]}, geometry=[shapely.box(561000, 4299000, 563000, 4299305)], crs=CRS)
    wide.to_file(tmp_path / "wide.gpkg")
    settings = ("readings.park_outside_boundary=conformity_first", "project.straddle=majority")
    options = [word for text in settings for word in ("--set", text)]
    options += ["--layer", f"ecological_red_line={tmp_path / 'wide.gpkg'}"]
    run = cli("run", project, "-o", tmp_path / "set.gpkg", *options)
    assert run.returncode in (0, 3)
    cli("run", project, "-o", tmp_path / "plain.gpkg")
    found = diff.compare(diff.read_side(tmp_path / "plain.gpkg"), diff.read_side(tmp_path / "set.gpkg"))
    differing = {line.key: (line.old, line.new) for line in found.inputs if not line.same}
    assert differing["reading.park_outside_boundary"] == ("boundary_first", "conformity_first")
    assert differing["straddle"] == ("review", "majority")
    # the version belongs to the file that was replaced
    assert "version=2018" in differing["input.ecological_red_line"][0]
    assert "version" not in differing["input.ecological_red_line"][1]
    assert set(differing) == {"reading.park_outside_boundary", "straddle", "input.ecological_red_line"}
