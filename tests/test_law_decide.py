"""The law engine against a naive walk through every completion, and laws every decision obeys."""

from __future__ import annotations

import importlib.util
import itertools
import sqlite3
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landremed.law import decide, facts_used, load_rulebook
from landremed.law.conditions import Group, Test, kleene
from landremed.types import UNKNOWN, PartialDate

spec = importlib.util.spec_from_file_location("law_oracle", Path(__file__).with_name("law_oracle.py"))
oracle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(oracle)

AS_OF = date(2022, 3, 31)
BOOK = load_rulebook("binhai-2022")
DAYS = [date(2004, 10, 20), date(2004, 10, 21), date(2012, 5, 1), date(2015, 1, 1), date(2014, 12, 31),
        date(2020, 7, 3), date(2020, 7, 4), date(2021, 12, 30), date(2021, 12, 31), date(2022, 1, 1),
        date(2022, 5, 1)]  # fmt: skip
MONTHS = [(date(2004, 10, 1), date(2004, 10, 31)), (date(2004, 11, 1), date(2004, 11, 30)),
          (date(2020, 7, 1), date(2020, 7, 31)), (date(2021, 12, 1), date(2021, 12, 31)),
          (date(2014, 12, 1), date(2015, 1, 31)), (date(2022, 1, 1), date(2022, 1, 31))]  # fmt: skip
REASONS = sorted(set().union(*oracle.REASONS.values()))


def known(name, partial=False):
    if name.endswith(("_on", "_deadline")):
        if partial:
            return st.sampled_from(MONTHS).map(lambda pair: PartialDate(*pair))
        return st.sampled_from(DAYS).map(lambda day: PartialDate(day, day))
    if name == "exemption":
        return st.sampled_from(REASONS)
    if name in oracle.CODES:
        return st.sampled_from(oracle.CODES[name])
    return st.booleans()


@st.composite
def combinations(draw, category, most_open=3):
    """Facts of a class, at most a few of them open, so that the naive walk stays short."""
    targets = [category]
    facts = {"category": category}
    if category == "abandoned_farmland":
        related = draw(st.sampled_from([None, UNKNOWN, *oracle.RELATED]))
        facts["related_category"] = related
        names = oracle.RELATED[:4] if related is UNKNOWN else [related or "none"]
        targets = [category, *(name for name in names if name != "none")]
    listed = [code for target in targets for code in oracle.SUBTYPES.get(target, ())]
    facts["subtype"] = draw(st.sampled_from([None, UNKNOWN, *listed, "park_green", "industrial"]))
    names = sorted({name for target in targets for name in oracle.FACTS[target]})
    opened = set(draw(st.lists(st.sampled_from(names), max_size=most_open)))
    partial = draw(st.sampled_from([None, "occurred_on", "feedback_on", "feedback_deadline"]))
    for name in names:
        if name in opened:
            facts[name] = draw(st.sampled_from([None, UNKNOWN]))
        elif name in oracle.CLAIMS or name == "exemption":
            facts[name] = draw(st.none() | known(name, name == partial))
        else:
            facts[name] = draw(known(name, name == partial))
    if facts.get("feedback_deadline") is UNKNOWN:
        facts["feedback_deadline"] = None  # its date is open: tested by hand in the cases
    return facts


def view(decision):
    return (
        decision.outcome,
        decision.measure,
        decision.reason,
        list(decision.rules),
        set(decision.clauses),
        list(decision.possible_outcomes),
        list(decision.missing_facts),
        list(decision.schedules),
        decision.due_on,
    )


@pytest.mark.parametrize("category", list(oracle.FACTS))
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_agrees_with_the_walk_through_every_completion(category, data):
    facts = data.draw(combinations(category))
    assert view(decide(BOOK, facts, as_of=AS_OF)) == oracle.judge(category, facts)


EXHAUSTIVE = {
    "park": ("lake", "park_green", oracle.FACTS["lake"][:5]),
    "digging": ("lake", "lake_digging", ("exemption", *oracle.FACTS["lake"][5:])),
    "pre_expropriation": ("pre_expropriation", None, oracle.FACTS["pre_expropriation"]),
    "irregular_reserve": ("irregular_reserve", None, oracle.FACTS["irregular_reserve"]),
    "idle": ("idle_land", "idle", oracle.FACTS["idle_land"]),
    "default": ("idle_land", "default_completion", oracle.FACTS["idle_land"]),
    "idle_or_default": ("idle_land", None, oracle.FACTS["idle_land"]),
    "abandoned_farmland": ("abandoned_farmland", None, oracle.FACTS["abandoned_farmland"]),
    "approved_unsupplied": ("approved_unsupplied", None, oracle.FACTS["approved_unsupplied"]),
}


@pytest.mark.parametrize("name", list(EXHAUSTIVE))
def test_every_combination_of_a_small_table(name):
    category, subtype, names = EXHAUSTIVE[name]
    choices = [
        (None, UNKNOWN, "survey_error", "sliver", "temporary_greening")
        if fact == "exemption"
        else (*oracle.CODES.get(fact, (True, False)), None)
        for fact in names
    ]
    for values in itertools.product(*choices):
        facts = {"category": category, "subtype": subtype, **dict(zip(names, values, strict=True))}
        assert view(decide(BOOK, facts, as_of=AS_OF)) == oracle.judge(category, facts), facts


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_schedules_of_a_demolition_agree_too(data):
    """Parcels whose outcome is plain, so that every way to a deadline is met."""
    partial = data.draw(st.sampled_from([None, "occurred_on", "feedback_on", "feedback_deadline"]))
    facts = {name: True for name in oracle.FACTS["illegal_occupation"] if name not in oracle.CLAIMS}
    facts["category"] = "illegal_occupation"
    facts["subtype"] = data.draw(st.sampled_from(oracle.SUBTYPES["illegal_occupation"][:3]))
    for name in ("feedback_source", "feedback_on", "feedback_deadline", "court_enforcement_approved"):
        value = known(name, name == partial)
        unreadable = st.none() if name == "feedback_deadline" else st.sampled_from([None, UNKNOWN])
        facts[name] = data.draw(value | value | unreadable)
    late = st.sampled_from([day for day in DAYS if day.year > 2004]).map(lambda day: PartialDate(day, day))
    month = st.just(PartialDate(*MONTHS[2]))
    facts["occurred_on"] = data.draw(month if partial == "occurred_on" else late)
    facts["occupies_permanent_basic_farmland"] = data.draw(st.sampled_from([True, False, None]))
    assert view(decide(BOOK, facts, as_of=AS_OF)) == oracle.judge("illegal_occupation", facts)


@pytest.mark.parametrize("category", list(oracle.FACTS))
def test_with_nothing_known(category):
    facts = {"category": category}
    assert view(decide(BOOK, facts, as_of=AS_OF)) == oracle.judge(category, facts)


@pytest.mark.parametrize("category", list(oracle.FACTS))
@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_forgetting_a_fact_never_turns_one_firm_outcome_into_another(category, data):
    facts = data.draw(combinations(category))
    before = decide(BOOK, facts, as_of=AS_OF)
    removable = [name for name in facts if name != "category"]
    name = data.draw(st.sampled_from(removable))
    # a claim that is taken back is another statement, not less knowledge: it becomes unreadable instead
    claims = oracle.CLAIMS | {"exemption", "related_category"}
    less = {**facts, name: UNKNOWN if name in claims else None}
    after = decide(BOOK, less, as_of=AS_OF)
    if after.outcome != "needs_review":
        assert before.outcome == after.outcome
        assert not after.measure or before.measure == after.measure
    if after.reason == "no_clause":
        assert before.reason == "no_clause"


@pytest.mark.parametrize("category", list(oracle.FACTS))
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_priority_and_zero_tolerance(category, data):
    facts = data.draw(combinations(category))
    decision = decide(BOOK, facts, as_of=AS_OF)
    marks, levels = set(), []
    farmland = facts.get("occupies_permanent_basic_farmland")
    for target, _, complete, _ in oracle.completions(category, facts):
        occupation = target == "illegal_occupation"
        marks.add(int(occupation and complete["occurred_on"] > date(2020, 7, 3)))
        levels.append((occupation and oracle.certain(complete, farmland), complete, occupation))
    zero = marks.pop() if len(marks) == 1 else None
    assert decision.zero_tolerance == zero
    source, deadline = facts.get("feedback_source"), facts.get("feedback_deadline")
    reported = source in ("inspection", "audit", "national_inspector") and deadline is not None
    expected = 1 if zero == 1 else 2 if reported else 3 if all(row[0] for row in levels) else 4
    assert decision.priority == expected


@pytest.mark.parametrize("category", list(oracle.FACTS))
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_assumed_farmland(category, data):
    facts = data.draw(combinations(category))
    decision = decide(BOOK, facts, as_of=AS_OF)
    asked = False
    points = list(oracle.completions(category, facts))
    for target, _, complete, _ in points:
        if target != "illegal_occupation" or oracle.certain(complete, None):
            continue
        _, _, _, measure = oracle.first_rule(target, complete)
        scheduled = decision.outcome not in ("needs_review", "out_of_scope")
        scheduled = scheduled and measure not in oracle.NO_SCHEDULE
        asked |= scheduled and complete["occurred_on"] <= date(2020, 7, 3)
        asked |= decision.priority > 2 and all(t == "illegal_occupation" for t, _, _, _ in points)
    farmland = facts.get("occupies_permanent_basic_farmland")
    unknown = farmland is None or farmland is UNKNOWN
    assert bool(decision.assumed) == (asked and unknown)


@pytest.mark.parametrize("category", list(oracle.FACTS))
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_facts_that_are_not_used_change_nothing(category, data):
    facts = data.draw(combinations(category))
    related = facts.get("related_category")
    used = facts_used(BOOK, category, None, related if isinstance(related, str) else None)
    kept = {name: value for name, value in facts.items() if name in used or name == "subtype"}
    assert decide(BOOK, kept, as_of=AS_OF) == decide(BOOK, facts, as_of=AS_OF)
    noise = {name: True for name in BOOK.vocabulary if name not in used and name != "subtype"}
    noise.pop("related_category", None)
    assert decide(BOOK, {**noise, **kept}, as_of=AS_OF) == decide(BOOK, kept, as_of=AS_OF)


def test_the_same_facts_give_the_same_decision_with_a_warm_memory():
    facts = {"category": "illegal_occupation", "subtype": "industrial", "abandoned": True}
    first = decide(BOOK.with_readings({}), facts, as_of=AS_OF)
    for year in (2010, 2011, 2019):
        day = PartialDate(date(year, 2, 3), date(year, 2, 3))
        decide(BOOK, {**facts, "occurred_on": day}, as_of=AS_OF)
    assert decide(BOOK, facts, as_of=AS_OF) == first


def test_dates_in_trace_and_grounds_are_the_parcels_own():
    base = {"category": "illegal_occupation", "subtype": "industrial"}
    for day in (date(1999, 1, 2), date(2001, 3, 4)):
        facts = {**base, "occurred_on": PartialDate(day, day)}
        decision = decide(BOOK, facts, as_of=AS_OF)
        assert decision.rules == ("occ.before_scope",)
        assert decision.grounds == (("occurred_on", PartialDate(day, day)),)
        assert decision.trace[1].facts == (("occurred_on", day.isoformat()),)


def test_trace_ends_with_the_last_rule_that_can_decide():
    facts = {
        "category": "lake", "subtype": "lake_digging", "within_green_barrier": None,
        "ecological_construction": True, "exemption": None,
    }  # fmt: skip
    decision = decide(BOOK, facts, as_of=AS_OF)
    shown = [(step.rule, step.value, step.decides) for step in decision.trace]
    assert shown == [("lake.dig.in_barrier", "unknown", True), ("lake.dig.ecological", "true", True)]
    assert decision.trace[0].condition == "subtype is lake_digging and within_green_barrier is true"
    assert decision.trace[0].facts == (("subtype", "lake_digging"), ("within_green_barrier", "unknown"))


def test_trace_shows_the_hand_over_and_no_rule_when_the_plan_is_silent():
    facts = {
        "category": "abandoned_farmland", "related_category": "pre_expropriation", "plan_conforms": False,
        "conversion_possible": True,
    }  # fmt: skip
    decision = decide(BOOK, facts, as_of=AS_OF)
    assert decision.reason == "no_clause"
    assert [step.rule for step in decision.trace] == [
        "aband.hand_over", "pre.hold", "pre.terminate", "pre.lease",
    ]  # fmt: skip
    assert decision.trace[0].clause == "3.6.1(1)"
    assert not any(step.decides for step in decision.trace)


def test_trace_of_a_parcel_without_a_class():
    decision = decide(BOOK, {}, as_of=AS_OF)
    assert [(s.value, s.facts) for s in decision.trace] == [("unknown", (("category", "unknown"),))]


def test_straddle_facts_of_the_table_that_decides():
    boundary, barrier = "within_urban_development_boundary", "within_green_barrier"
    uses = {
        facts: decide(BOOK, dict(facts), as_of=AS_OF).uses
        for facts in (
            (("category", "lake"),),
            (("category", "lake"), ("subtype", "park_green")),
            (("category", "lake"), ("subtype", "lake_digging")),
            (("category", "illegal_occupation"),),
            (("category", "abandoned_farmland"), ("related_category", "lake")),
            (("category", "irregular_reserve"),),
        )
    }
    found = list(uses.values())
    assert found == [{boundary, barrier}, {boundary}, {barrier}, set(), {boundary, barrier}, set()]


def test_kleene_agrees_with_three_valued_sql():
    """SQL's AND, OR and NULL are Kleene's logic, worked out by somebody else."""
    tests = {name: Test(name, "is", (True,)) for name in "abc"}
    shapes = {
        "a AND b AND c": Group("all", (tests["a"], tests["b"], tests["c"])),
        "a OR b OR c": Group("any", (tests["a"], tests["b"], tests["c"])),
        "a AND (b OR c)": Group("all", (tests["a"], Group("any", (tests["b"], tests["c"])))),
        "a OR (b AND c)": Group("any", (tests["a"], Group("all", (tests["b"], tests["c"])))),
        "(a OR b) AND (b OR c)": Group(
            "all", (Group("any", (tests["a"], tests["b"])), Group("any", (tests["b"], tests["c"])))
        ),
    }
    words = {1: "true", 0: "false", None: "unknown"}
    database = sqlite3.connect(":memory:")
    for values in itertools.product((1, 0, None), repeat=3):
        row = dict(zip("abc", values, strict=True))
        for text, condition in shapes.items():
            expected = database.execute(f"SELECT {text} FROM (SELECT ? AS a, ? AS b, ? AS c)", values)
            found = kleene(
                condition, lambda name, row=row: (True, False) if row[name] is None else (bool(row[name]),)
            )
            assert found == words[expected.fetchone()[0]], (text, row)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_kleene_never_says_more_than_the_completions(data):
    """A rule that Kleene calls true or false is so in every completion."""
    facts = data.draw(combinations("illegal_occupation"))
    decision = decide(BOOK, facts, as_of=AS_OF)
    rows = {rule: holds for rule, _, holds, _, _ in oracle.OCC}
    points = [complete for _, _, complete, _ in oracle.completions("illegal_occupation", facts)]
    for step in decision.trace:
        truths = {bool(rows[step.rule](complete)) for complete in points}
        if step.value != "unknown":
            assert truths == {step.value == "true"}


def test_thousands_of_combinations_stay_cheap_in_work():
    """The walk never visits more remainders than a few per open fact."""
    from landremed.law.compiled import compiled

    ready = compiled(BOOK)
    explorer = ready.explorer({}, ready.table("illegal_occupation", "industrial"), "illegal_occupation")
    explorer.leaves(ready.rule_program(ready.table("illegal_occupation", "industrial"), "industrial"))
    assert len(explorer._leaves) < 60
