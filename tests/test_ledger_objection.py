"""Objections: decided again with the owner's facts."""

import pytest
from ledger_results import CLERK, DEMOLISH, case_of, make_ledger

from landremed.errors import InputError
from landremed.ledger import audit_ledger, object_to

FACTS = {
    "category": "illegal_occupation",
    "subtype": "industrial",
    "occurred_on": "2015",
    "plan_conforms": "false",
    "plan_includable": "false",
    "occupies_ecological_red_line": "false",
    "safety_compliant": "true",
    "abandoned": "false",
    "above_scale_industry": "true",
    "retained_park": "false",
    "demolition_required_by_law": "false",
}


@pytest.fixture
def ledger(tmp_path):
    return make_ledger(tmp_path, {"P": DEMOLISH}, facts=[("P", *pair) for pair in FACTS.items()])


def claims(tmp_path, text):
    path = tmp_path / "claims.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_claim_that_flips(ledger, tmp_path):
    text = "fact,value\nplan_conforms,是\nabandoned,否\n"
    found = object_to(ledger, "P", claims(tmp_path, text), CLERK, answer="已受理")
    assert (found.before["outcome"], found.after["outcome"]) == ("demolish_restore", "complete_paperwork")
    assert found.flips
    assert found.reasons == (("plan_conforms", "false", "true"),)
    kept = case_of(ledger, "P").objections
    assert [entry["event"] for entry in kept] == ["objection", "answer"]
    assert kept[0]["file"]["file"] == "claims.csv"
    assert case_of(ledger, "P").record["outcome"] == "demolish_restore"


def test_a_claim_that_does_not_matter(ledger, tmp_path):
    found = object_to(ledger, "P", claims(tmp_path, "事实,值\n废弃不用,否\n"), CLERK)
    assert (found.flips, found.reasons) == (False, ())


def test_one_row_per_parcel(ledger, tmp_path):
    text = "parcel_id,plan_includable,abandoned\nQ,否,是\nP,是,\n"
    found = object_to(ledger, "P", claims(tmp_path, text), CLERK)
    assert found.claims == {"plan_includable": "true"}
    assert found.flips


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("fact,value\nplan_conform,是\n", "ledger_claim_fact"),
        ("fact,value\nplan_conforms,大概\n", "ledger_claim_value"),
        ("a,b\n1,2\n", "ledger_claims_columns"),
        ("parcel_id,abandoned\nQ,是\n", "ledger_claims_empty"),
    ],
)
def test_bad_claims_keep_nothing(ledger, tmp_path, text, code):
    before = audit_ledger(ledger).head
    with pytest.raises(InputError) as caught:
        object_to(ledger, "P", claims(tmp_path, text), CLERK)
    assert caught.value.code == code
    assert audit_ledger(ledger).head == before


def test_answers_need_an_objection(ledger, tmp_path):
    with pytest.raises(InputError) as caught:
        object_to(ledger, "P", None, CLERK, answer="x")
    assert caught.value.code == "ledger_no_objection"
    object_to(ledger, "P", claims(tmp_path, "fact,value\nabandoned,否\n"), CLERK)
    assert object_to(ledger, "P", None, CLERK, answer="不予采纳") is None
    assert case_of(ledger, "P").objections[-1]["text"] == "不予采纳"
