"""Verdicts from shares: every branch by hand, and that doubt never turns into a claim."""

import itertools

import pytest

from landremed.errors import InputError
from landremed.verify.classmaps import (
    GROUPS,
    Check,
    built_in_maps,
    choose_map,
    load_checks,
    load_map,
)
from landremed.verify.verdict import Judgement, Seen, Verdict, judge, judge_index, together

CHECKS = load_checks()
LIMITS = CHECKS.thresholds
LAKE = CHECKS.items["lake_filled"]
CROP = CHECKS.items["planted_again"]
PART = CHECKS.items["fit_for_planting"]
KEPT = CHECKS.items["area_not_reduced"]
WORK = CHECKS.items["work_started"]
BUILT = CHECKS.items["demolished"]


def seen(share, cells=100.0, coverage=1.0):
    return Seen(share, coverage, cells)


OFF = Seen(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("check", "before", "after", "verdict", "reason"),
    [
        (LAKE, seen(0.9), seen(0.05), "supported", "gone"),
        (LAKE, seen(0.9), seen(0.10), "supported", "gone"),
        (LAKE, seen(0.9), seen(0.11), "cannot_tell", "between"),
        (LAKE, seen(0.9), seen(0.30), "contradicted", "still_there"),
        (LAKE, seen(0.0), seen(0.60), "contradicted", "still_there"),
        (LAKE, seen(0.2), seen(0.00), "cannot_tell", "not_seen_before"),
        (LAKE, OFF, seen(0.0), "cannot_tell", "no_before"),
        (LAKE, OFF, seen(0.9), "contradicted", "still_there"),
        (LAKE, seen(0.9), OFF, "cannot_tell", "off_raster"),
        (LAKE, seen(0.9), seen(0.0, coverage=0.9), "cannot_tell", "partly_off_raster"),
        (LAKE, seen(0.9), seen(0.0, cells=24.9), "cannot_tell", "too_small"),
        (LAKE, seen(0.9), seen(0.0, cells=25.0), "supported", "gone"),
        (LAKE, seen(0.9, cells=3), seen(0.0), "cannot_tell", "no_before"),
        (CROP, seen(0.1), seen(0.70), "supported", "reached"),
        (CROP, seen(0.1), seen(0.69), "cannot_tell", "between"),
        (CROP, seen(0.1), seen(0.40), "contradicted", "not_reached"),
        (CROP, seen(0.8), seen(0.95), "cannot_tell", "seen_before"),
        (CROP, OFF, seen(0.95), "cannot_tell", "no_before"),
        (CROP, OFF, seen(0.1), "contradicted", "not_reached"),
        (KEPT, seen(0.5), seen(0.41), "supported", "kept"),
        (KEPT, seen(0.5), seen(0.39), "contradicted", "reduced"),
        (KEPT, seen(0.05), seen(0.0), "cannot_tell", "not_seen_before"),
        (KEPT, OFF, seen(0.5), "cannot_tell", "no_before"),
        (WORK, seen(0.0), seen(0.5), "supported", "appeared"),
        (WORK, seen(0.0), seen(0.0), "cannot_tell", "not_appeared"),
        (WORK, seen(0.5), seen(0.9), "cannot_tell", "seen_before"),
    ],
)
def test_branches(check, before, after, verdict, reason):
    assert judge(check, before, after, LIMITS) == Judgement(Verdict(verdict), reason)


def test_a_part_is_judged_by_its_own_share_and_cells():
    # 40 of 100 cells are to be planted: 36 planted cells are 0.9 of them
    assert judge(PART, seen(0.0), seen(0.36), LIMITS, part=0.4).verdict is Verdict.SUPPORTED
    assert judge(PART, seen(0.0), seen(0.36), LIMITS, part=0.2).reason == "too_small"


@pytest.mark.parametrize(
    ("check", "before", "after", "shift", "verdict", "reason"),
    [
        (LAKE, seen(0.9), seen(0.0), 0.02, "supported", "gone"),
        (LAKE, seen(0.9), seen(0.0), -0.15, "supported", "gone"),
        (LAKE, seen(0.9), seen(0.0), -0.16, "cannot_tell", "scene_shift"),
        (LAKE, seen(0.9), seen(0.0), None, "cannot_tell", "partly_off_raster"),
        (LAKE, seen(0.9), seen(0.8), 0.0, "contradicted", "still_there"),
        (BUILT, seen(0.9), seen(0.0), 0.0, "supported", "gone"),
        (BUILT, seen(0.9), seen(0.8), 0.0, "cannot_tell", "index_ambiguous"),
        (LAKE, OFF, seen(0.9), 0.0, "cannot_tell", "no_before"),
    ],
)
def test_imagery(check, before, after, shift, verdict, reason):
    assert judge_index(check, before, after, LIMITS, shift=shift) == Judgement(Verdict(verdict), reason)


def test_two_sources():
    yes, no = Judgement(Verdict.SUPPORTED, "gone"), Judgement(Verdict.CONTRADICTED, "still_there")
    doubt = Judgement(Verdict.CANNOT_TELL, "too_small")
    assert together([doubt, yes]) == yes
    assert together([no, doubt]) == no
    assert together([doubt]) == doubt
    assert together([yes, no]).reason == "sources_disagree"


@pytest.mark.parametrize("check", [LAKE, CROP, KEPT, WORK], ids=lambda c: c.kind)
def test_hiding_a_raster_never_turns_one_firm_verdict_into_the_other(check):
    shares = [i / 20 for i in range(21)]
    for b, a in itertools.product(shares, shares):
        firm = judge(check, seen(b), seen(a), LIMITS).verdict
        for before, after in ((OFF, seen(a)), (seen(b), OFF), (OFF, OFF)):
            less = judge(check, before, after, LIMITS).verdict
            assert less in (firm, Verdict.CANNOT_TELL) or firm is Verdict.CANNOT_TELL
            assert less is not Verdict.SUPPORTED or firm is Verdict.SUPPORTED


def test_a_larger_share_of_water_never_makes_filling_likelier():
    rank = {Verdict.SUPPORTED: 0, Verdict.CANNOT_TELL: 1, Verdict.CONTRADICTED: 2}
    found = [rank[judge(LAKE, seen(0.8), seen(i / 100), LIMITS).verdict] for i in range(101)]
    assert found == sorted(found)


def test_thresholds_can_be_set_within_their_range():
    assert load_checks({"min_cells": 9}).thresholds["min_cells"] == 9
    for name, value, code in (
        ("min_cell", 9, "threshold_unknown"),
        ("min_coverage", 1.5, "threshold_out_of_range"),
        ("gone_max_share", 0.5, "thresholds_cross"),
        ("min_cells", 0, "threshold_out_of_range"),
        ("present_min_share", float("nan"), "threshold_out_of_range"),
    ):
        with pytest.raises(InputError) as stop:
            load_checks({name: value})
        assert stop.value.code == code


def test_every_threshold_has_a_source():
    assert set(CHECKS.sources) == set(LIMITS)
    assert all(len(source) > 20 for source in CHECKS.sources.values())


def test_checked_items_stand_in_the_rule_book():
    from landremed.law import load_rulebook

    book = load_rulebook("binhai-2022")
    known = {item.entry.id for item in book.all_items}
    assert set(CHECKS.items) <= known


def test_class_maps_of_the_products():
    """A few codes each, as the products' own descriptions have them."""
    maps = built_in_maps()
    assert set(maps) == {"clcd", "globeland30", "worldcover"}
    wanted = {
        "worldcover": {10: "tree", 40: "cultivated", 50: "built", 60: "bare", 80: "water"},
        "clcd": {1: "cultivated", 2: "tree", 5: "water", 7: "bare", 8: "built"},
        "globeland30": {10: "cultivated", 20: "tree", 60: "water", 80: "built", 90: "bare"},
    }
    counts = {"worldcover": 11, "clcd": 9, "globeland30": 11}
    for name, codes in wanted.items():
        assert {code: maps[name].group[code] for code in codes} == codes
        assert len(maps[name].group) == counts[name]
        assert set(maps[name].group.values()) <= set(GROUPS)
        assert maps[name].source


def test_the_product_is_told_by_tags_or_codes_and_never_guessed():
    tags = [{"description": "ESA WorldCover product at 10m resolution"}] * 2
    assert choose_map(tags, [10, 40])[0].id == "worldcover"
    assert choose_map([{}, {}], [1, 5, 8])[0].id == "clcd"
    assert choose_map([{}, {}], [10, 95])[0].id == "worldcover"
    for codes in ([10, 40, 80], [], [1, 200]):
        with pytest.raises(InputError) as stop:
            choose_map([{}, {}], codes)
        assert stop.value.code == "class_map_unclear"
    with pytest.raises(InputError):
        choose_map([tags[0], {}], [10, 40])


GOOD = "id: mine\nclasses:\n  1: {group: water, zh: 水, en: water}\n"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "NoneType"),
        ("- 1\n", "list"),
        ("classes: {}\n", "classes"),
        (GOOD + "colour: red\n", "colour"),
        (GOOD.replace("water,", "sea,", 1), "sea"),
        (GOOD.replace("  1:", "  one:"), "one"),
        (GOOD.replace("{group: water, zh: 水, en: water}", "water"), "classes"),
        (GOOD + "nodata: none\n", "nodata"),
        (GOOD + "x: !!python/object/apply:os.getcwd []\n", "python"),
        ("a: [1\n", "parsing"),
    ],
)
def test_broken_class_maps_say_what_is_wrong(tmp_path, text, word):
    path = tmp_path / "map.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as stop:
        load_map(str(path))
    assert stop.value.code == "class_map_broken"
    assert word in stop.value.text("en")


def test_own_class_map(tmp_path):
    path = tmp_path / "map.yaml"
    path.write_text(GOOD, encoding="utf-8")
    found = load_map(str(path))
    assert (found.id, found.group, found.label[1]["zh"]) == ("mine", {1: "water"}, "水")
    with pytest.raises(InputError) as stop:
        load_map("worldcovr")
    assert "worldcover" in stop.value.text("en")


def test_checks_are_frozen():
    with pytest.raises(AttributeError):
        Check("gone", "water").kind = "kept"
