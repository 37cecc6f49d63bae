"""What follows from reviews, by hand: agreement, correction, clash, ruling, overruling."""

import random

import pytest

from landremed.law import load_vocabulary
from landremed.review.records import Review
from landremed.review.state import settled_state

VOCABULARY = load_vocabulary()
OUTCOMES = {"P": "needs_review", "Q": "retain"}


def fact(person, value, at="2022-04-01", parcel="P", name="cultivable", **more):
    return Review(parcel, "fact", name, value, person=person, made_at=at, package="k", **more)


def settled(*reviews, given=None):
    return settled_state(reviews, given or {}, OUTCOMES, VOCABULARY)


def codes(state):
    return [p.code for p in state.problems]


def test_two_who_agree_teach():
    state = settled(fact("a", "是"), fact("b", "true"))
    assert state.values == {("P", "cultivable"): "true"}
    assert state.clashes == []


def test_two_who_differ_clash_and_teach_nothing():
    state = settled(fact("a", "true"), fact("b", "false", at="2022-04-09"))
    assert state.learned == {}
    clash = state.clashes[0]
    assert (clash["parcel_id"], clash["fact"], clash["settled"]) == ("P", "cultivable", 0)
    assert clash["said"] == "a: true (2022-04-01); b: false (2022-04-09)"


def test_a_person_may_correct_himself():
    state = settled(fact("a", "true", at="2022-04-02"), fact("a", "false", at="2022-04-03"))
    assert state.values == {("P", "cultivable"): "false"}
    assert state.clashes == []


def test_a_reviewer_settles_a_clash():
    ruling = Review("P", "settle", "cultivable", "false", person="r", role="reviewer", made_at="2022-05-01")
    state = settled(fact("a", "true"), fact("b", "false"), ruling)
    assert state.values == {("P", "cultivable"): "false"}
    assert [(c["settled"], c["settled_value"]) for c in state.clashes] == [(1, "false")]


def test_evidence_that_says_otherwise_is_a_clash():
    state = settled(fact("a", "true"), given={("P", "cultivable"): "false"})
    assert state.learned == {}
    assert state.clashes[0]["said"].endswith("*: false")


def test_evidence_that_says_the_same_is_none():
    state = settled(fact("a", "true"), given={("P", "cultivable"): "true"})
    assert (state.learned, state.clashes) == ({}, [])


def test_unreadable_evidence_does_not_stand_against_people():
    assert settled(fact("a", "true"), given={("P", "cultivable"): "unknown"}).values


def test_computed_facts_are_overridden():
    state = settled(fact("a", "true", name="within_green_barrier"))
    assert state.values == {("P", "override_within_green_barrier"): "true"}


@pytest.mark.parametrize(
    ("review", "code"),
    [
        (fact("a", "true", parcel="X"), "review_unknown_parcel"),
        (fact("a", "true", name="colour"), "review_unknown_fact"),
        (fact("a", "perhaps"), "review_value_unreadable"),
        (fact("a", "true", photo="DCIM/1.jpg"), "photo_missing"),
        (Review("P", "overrule", value="retain", person="r"), "overrule_without_reason"),
        (Review("P", "overrule", value="keep", person="r", remark="why"), "overrule_no_outcome"),
    ],
)
def test_what_cannot_take_effect_is_listed(review, code):
    state = settled(review)
    assert codes(state) == [code]
    assert state.overrules == []
    assert bool(state.learned) == (code == "photo_missing")


def test_overruling_keeps_both():
    review = Review(
        "Q", "overrule", value="demolish_restore", person="r", remark="现场已废弃", made_at="2022-05-02"
    )
    assert settled(review).overrules == [
        {
            "parcel_id": "Q",
            "machine_outcome": "retain",
            "outcome": "demolish_restore",
            "reason": "现场已废弃",
            "person": "r",
            "made_at": "2022-05-02",
        }
    ]


def test_verdicts_that_differ_clash():
    reviews = [
        Review("P", "verdict", value=v, person=p, made_at="1")
        for p, v in (("a", "confirmed"), ("b", "not_found"))
    ]
    assert [(c["kind"], c["settled"]) for c in settled(*reviews).clashes] == [("verdict", 0)]


def test_order_and_repetition_do_not_matter():
    rng = random.Random(5)
    reviews = [
        fact(rng.choice("abc"), rng.choice(["true", "false"]), f"2022-04-{rng.randint(1, 30):02}", name=name)
        for name in ("cultivable", "safety_compliant", "abandoned")
        for _ in range(40)
    ]
    expected = settled(*reviews)
    for _ in range(20):
        rng.shuffle(reviews)
        assert settled(*reviews, *rng.sample(reviews, 9)) == expected
