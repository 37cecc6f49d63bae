"""The rule book binhai-2022 as data: vocabulary, labels, duties, readings, cases."""

from __future__ import annotations

import re
import shutil
from datetime import date
from pathlib import Path

import pytest

from landremed.errors import RuleBookError
from landremed.law import check_rulebook, decide, facts_used, load_rulebook, load_vocabulary
from landremed.law.lint import rule_cases
from landremed.types import PartialDate

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "rules" / "binhai-2022"
BOOK = load_rulebook("binhai-2022")
REPORT = check_rulebook("binhai-2022")
AS_OF = date(2022, 3, 31)


def test_vocabulary_is_in_the_order_in_which_missing_facts_are_listed():
    vocabulary = load_vocabulary()
    names = list(vocabulary)
    assert names[:4] == ["category", "subtype", "occurred_on", "feedback_source"]
    assert names[-7:] == [
        "occupies_permanent_basic_farmland", "occupies_ecological_red_line",
        "within_urban_development_boundary", "within_green_barrier", "red_line_outside_boundary",
        "farmland_outside_boundary", "cultivated_area_m2",
    ]  # fmt: skip
    assert [spec.order for spec in vocabulary.values()] == list(range(len(names)))
    assert {name for name, spec in vocabulary.items() if spec.source == "computed"} == set(names[-7:])
    assert {name for name, spec in vocabulary.items() if spec.claim} == {
        "exemption", "related_category", "conversion_done", "followup_done", "court_enforcement_approved",
        "feedback_source", "feedback_on", "feedback_deadline",
    }  # fmt: skip


def test_scopes_of_listed_values():
    vocabulary = load_vocabulary()
    subtypes = {code: value.scope for code, value in vocabulary["subtype"].values.items()}
    assert subtypes["park_green"] == ("lake",)
    assert subtypes["idle"] == ("idle_land",)
    reasons = vocabulary["exemption"].values
    assert reasons["sliver"].scope == ("lake_digging",)
    assert reasons["survey_error"].scope == ("park_green", "lake_digging")
    assert "none" in vocabulary["related_category"].values


def test_words_people_write_name_one_value_only():
    for spec in load_vocabulary().values():
        seen: dict[str, set[str]] = {}
        for code, value in spec.values.items():
            for word in (value.label_zh, *value.synonyms):
                seen.setdefault(word, set()).add(code)
        assert not [word for word, codes in seen.items() if len(codes) > 1], spec.name


def test_every_rule_has_a_case_that_fires_one_that_does_not_and_one_left_open():
    found = rule_cases(BOOK, REPORT.results)
    lacking = {rule: [k for k, v in kinds.items() if not v] for rule, kinds in found.items()}
    # housing goes elsewhere whatever else is known, so nothing but the subtype can leave it open
    assert {rule: kinds for rule, kinds in lacking.items() if kinds} == {}


def test_every_schedule_and_every_alternative_has_a_case():
    met = {name for result in REPORT.results for name in result.decision.schedules}
    assert met == set(BOOK.schedules)
    switched = {(k, v) for result in REPORT.results for k, v in result.case.readings.items()}
    for reading in BOOK.reading_specs.values():
        if not reading.switchable:
            continue
        for alternative in reading.alternatives:
            assert (reading.id, alternative) in switched
    assert ("scope_start", "2004-10-01") in switched


def test_the_book_has_no_fault_and_its_cases_hold():
    assert [problem.text() for problem in REPORT.problems] == []
    assert [result.case.id for result in REPORT.results if result.mismatches] == []


def test_labels():
    assert BOOK.clause_label("3.2.1(2)") == "三（二）1（2）"
    assert BOOK.clause_label("1(3)") == "一（三）"
    assert BOOK.outcome_label("demolish_restore", "", "zh") == "建议拆除恢复"
    assert BOOK.outcome_label("demolish_restore", "replant", "zh") == "建议复耕"
    assert BOOK.outcome_label("demolish_restore", "terminate_and_return", "zh") == "建议解除协议"
    assert BOOK.outcome_label("complete_paperwork", "reclaim", "zh") == "建议依法收回"
    assert BOOK.outcome_label("complete_paperwork", "swap", "zh") == "建议置换"
    assert BOOK.outcome_label("complete_paperwork", "offsite_swap", "zh") == "建议置换"
    assert BOOK.outcome_label("needs_review", "", "zh") == "待研判"
    assert BOOK.value_label("category", "illegal_occupation", "zh") == "违法占地"
    assert BOOK.value_label("plan_conforms", False, "zh") == "否"
    assert BOOK.value_label("plan_conforms", None, "zh") == "不详"
    assert BOOK.value_label("conversion_done", None, "zh") == "未主张"
    day = PartialDate(date(2019, 1, 1), date(2019, 12, 31))
    assert BOOK.value_label("occurred_on", day, "en") == "2019"


def test_every_label_of_a_recommendation_says_that_it_is_one():
    for measure in BOOK.measures.values():
        if measure.outcome in ("out_of_scope", "needs_review"):
            continue
        assert BOOK.outcome_label(measure.outcome, measure.code, "zh").startswith("建议")


def test_clause_numbers_agree_with_the_plans_own():
    digits = "零一二三四五六七"
    for clause in BOOK.clauses.values():
        match = re.fullmatch(r"(\d)(?:\((\d)\)|\.(\d)(?:\.(\d)(?:\((\d)\))?)?)", clause.id)
        assert match, clause.id
        chapter, only, section, item, sub = match.groups()
        expected = f"{digits[int(chapter)]}（{digits[int(only or section)]}）"
        expected += (item or "") + (f"（{sub}）" if sub else "")
        assert clause.label == expected


def test_duties():
    assert BOOK.duties("lake")[:3] == (
        "市规划资源局滨海新区分局",
        "区农业农村委、区城市管理委员会、区生态环境局",
        "各开发区管委会、各镇人民政府（街道办事处）",
    )
    occupation = BOOK.duties("illegal_occupation")
    assert occupation.lead == "市规划资源局滨海新区分局、区农业农村委"
    assert occupation.cooperating is None
    assert BOOK.duties("abandoned_farmland").lead == "区农业农村委"
    kinds = {category: BOOK.duties(category).unit_kinds for category in BOOK.categories}
    zones = {"pre_expropriation", "irregular_reserve", "idle_land", "approved_unsupplied"}
    assert {category for category, found in kinds.items() if found == ("zone",)} == zones
    assert BOOK.duties("pre_expropriation").unit_name_contains == "高新区"
    assert BOOK.duties(None).lead is None


def test_steps_follow_subtype_and_clause():
    industrial = BOOK.steps("illegal_occupation", "industrial", "complete_land_procedures")
    public = BOOK.steps("illegal_occupation", "public_service", "complete_land_procedures")
    assert len(industrial) == 8
    assert len(public) == 10
    assert industrial[:4] == public[:4]
    demolition = BOOK.steps("illegal_occupation", "industrial", "demolish")
    assert [step.clause for step in demolition] == ["3.2.1(3)"] * 3
    strict = BOOK.steps("irregular_reserve", None, "terminate_and_return", ["3.4.1(3)"])
    assert strict[-1].text.zh == "纳入严格管理"
    assert all("严格管理" not in step.text.zh for step in BOOK.steps(
        "irregular_reserve", None, "terminate_and_return", ["3.4.1(2)"]))  # fmt: skip
    assert BOOK.steps("lake", "park_green", "exempt") == ()


def test_acceptance_items():
    def items(category, measure, clauses=None):
        return [item.id for item in BOOK.acceptance(category, measure, clauses)]

    assert items("lake", "fill_and_recultivate") == [
        "lake_filled", "trees_moved", "facilities_removed", "fit_for_cultivation",
    ]  # fmt: skip
    assert "site_cleared" in items("pre_expropriation", "terminate_and_return")
    assert "site_cleared" not in items("irregular_reserve", "terminate_and_return")
    assert items("irregular_reserve", "offsite_swap", ["3.4.2(1)"]) == ["swap_signed", "quota_in_place"]
    assert items("irregular_reserve", "offsite_swap", ["3.4.1(4)"]) == ["swap_signed"]
    scheduled = {rule.measure for rule in BOOK.rules.values() if BOOK.measures[rule.measure].scheduled}
    for measure in scheduled - {"rural_housing_programme", "before_2004_decision"}:
        assert any(items(category, measure) for category in BOOK.categories)


def test_readings_in_force_and_switched():
    assert BOOK.readings == {
        "park_outside_boundary": "boundary_first", "industry_scale": "neither", "red_line_extent": "whole",
        "reserve_order": "swap_first", "scope_start": "2004-10-21", "deadline_conflict": "earliest",
        "abandonment_order": "cultivable_first",
    }  # fmt: skip
    other = BOOK.with_readings({"scope_start": date(2004, 10, 28), "red_line_extent": "part"})
    assert other.readings["scope_start"] == "2004-10-28"
    assert other.readings["industry_scale"] == "neither"
    assert other.cuts == {"illegal_occupation": ("occupies_ecological_red_line",)}
    assert BOOK.cuts == {}
    assert other.with_readings({"red_line_extent": "whole"}).cuts == {}
    assert other.content_hash == BOOK.content_hash


def test_orders_of_the_alternatives():
    park = BOOK.with_readings({"park_outside_boundary": "conformity_first"}).classes["lake"].tables[0]
    assert [rule.id.removeprefix("lake.park.") for rule in park.rules] == [
        "approved", "conforms", "convertible", "exempt_outside", "outside_boundary", "exempt",
        "not_convertible",
    ]  # fmt: skip
    cause = BOOK.with_readings({"abandonment_order": "cause_first"}).classes["abandoned_farmland"].tables[0]
    assert [rule.id.removeprefix("aband.") for rule in cause.rules] == [
        "consolidate", "clear", "improve", "dispute", "replant",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("readings", "words"),
    [
        ({"industry_scal": "either"}, 'no reading "industry_scal"; did you mean "industry_scale"'),
        ({"industry_scale": "eihter"}, 'no alternative "eihter"; did you mean "either"'),
        ({"scope_start": "October"}, 'needs a date (YYYY-MM-DD), not "October"'),
        ({"owners_willing_to_return": "x"}, 'no reading "owners_willing_to_return"'),
    ],
)
def test_bad_readings(readings, words):
    with pytest.raises(RuleBookError, match=re.escape(words)):
        BOOK.with_readings(readings)


def test_unknown_book():
    with pytest.raises(RuleBookError, match=r'no rule book "binhai-2023".*Built in: binhai-2022'):
        load_rulebook("binhai-2023")


def test_hash_is_blind_to_layout_and_sees_content(tmp_path):
    folder = tmp_path / "binhai-2022"
    shutil.copytree(FOLDER, folder)
    assert load_rulebook(folder).content_hash == BOOK.content_hash
    lake = folder / "lake.yaml"
    text = lake.read_text(encoding="utf-8")
    lake.write_text("# another comment\n" + text.replace('"3.1.1(1)"', "'3.1.1(1)'"), encoding="utf-8")
    assert load_rulebook(folder).content_hash == BOOK.content_hash
    shutil.rmtree(folder / "cases")
    assert load_rulebook(folder).content_hash == BOOK.content_hash
    lake.write_text(text.replace("approval_obtained is true", "approval_obtained is false"), encoding="utf-8")
    assert load_rulebook(folder).content_hash != BOOK.content_hash


def test_facts_used_follow_the_class():
    park = facts_used(BOOK, "lake", "park_green")
    assert "within_urban_development_boundary" in park
    assert "within_green_barrier" not in park
    assert {"category", "subtype", "exemption", "feedback_source", "feedback_deadline"} <= set(park)
    assert "occurred_on" not in park
    aband = facts_used(BOOK, "abandoned_farmland")
    assert {"related_category", "cultivable", "occupies_ecological_red_line", "quota_available"} <= set(aband)
    handed = facts_used(BOOK, "abandoned_farmland", None, "lake")
    assert "related_category" in handed
    assert "cultivable" not in handed
    assert "cultivable" in facts_used(BOOK, "abandoned_farmland", None, "none")
    assert set(facts_used(BOOK, None)) >= set(aband)
    assert list(aband) == [name for name in BOOK.vocabulary if name in aband]


def test_book_names_nothing_that_python_would_have_to_know():
    """Classes, measures and rules of the plan stand in the data alone."""
    words = {*BOOK.measures, *BOOK.rules, *BOOK.schedules, *BOOK.categories}
    words -= {"idle", "default", "lake", "swap", "demolish", "exempt", "aband", "unsup", "replant", "reclaim"}
    for path in (ROOT / "landremed" / "law").glob("*.py"):
        # the example of decide() shows a parcel of the plan
        text = re.sub(r">>>.*|'complete_paperwork', 'allocate.*", "", path.read_text(encoding="utf-8"))
        assert not [word for word in words if re.search(rf"\b{re.escape(word)}\b", text)], path.name


def test_a_class_of_the_vocabulary_without_rules_is_silent():
    folder = Path(__file__).with_name("bad_rules") / "base"
    decision = decide(load_rulebook(folder), {"category": "lake"}, as_of=AS_OF)
    assert (decision.outcome, decision.reason) == ("needs_review", "no_clause")
