"""The life of a parcel: what may follow what, and what signing off needs."""

import hashlib
from datetime import date

import pytest
from ledger_results import (
    CLERK,
    DEMOLISH,
    FILL,
    HOLD,
    NEW,
    PATH,
    UNSUPPLIED,
    case_of,
    items_of,
    make_ledger,
    proof,
    walk,
)

from landremed.errors import InputError
from landremed.ledger import Change, approve_batch, audit_ledger, record_changes

DAY = date(2022, 5, 10)
SEEN = hashlib.sha256(b"seen").hexdigest()


def refused(ledger, *changes):
    with pytest.raises(InputError) as caught:
        record_changes(ledger, changes, CLERK)
    assert caught.value.text("zh") != caught.value.text("en")
    return caught.value


def test_from_issue_to_sign_off(tmp_path):
    ledger = make_ledger(tmp_path, {"P": FILL})
    walk(ledger, "P", DAY, evidence=proof(tmp_path))
    case = case_of(ledger, "P")
    assert (case.state, case.closed_on) == ("closed", DAY)
    tick = case.ticks["lake_filled"]
    assert (tick.on, tick.person, tick.evidence[0]["sha256"]) == (DAY, "tester", SEEN)
    assert audit_ledger(ledger).findings == []


@pytest.mark.parametrize("state", ["judged", "applied", "accepted", "closed", "sent_back", "reopened"])
def test_steps_cannot_be_skipped(tmp_path, state):
    ledger = make_ledger(tmp_path, {"P": FILL})
    error = refused(ledger, Change("P", DAY, state=state))
    assert error.code == "ledger_move_refused"
    assert "已外业核实" in error.text("zh")
    assert "verified" in error.text("en")
    assert error.text("en").isascii()


def test_states_by_label(tmp_path):
    ledger = make_ledger(tmp_path, {"P": FILL})
    record_changes(ledger, [Change("P", DAY, state="已外业核实")], CLERK)
    record_changes(ledger, [Change("P", DAY, state="Judged")], CLERK)
    assert case_of(ledger, "P").state == "judged"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (Change("P", DAY, state="verifed"), "ledger_state_unknown"),
        (Change("P", date(2022, 9, 21), state="verified"), "ledger_day_future"),
        (Change("Q", DAY, state="verified"), "ledger_parcel_unknown"),
        (Change("P", DAY, ticks=("demolished",)), "ledger_item_unknown"),
        (Change("P", DAY, gates=("warned",)), "ledger_gate_unknown"),
        (Change("P", DAY, gates=("deliberated",)), "ledger_meeting_missing"),
        (Change("P", DAY, marks=("seen",)), "ledger_mark_unknown"),
        (Change("P", DAY, stages=("started",)), "ledger_stage_unknown"),
        (Change("P", DAY, state="nothing_to_rectify"), "ledger_move_evidence"),
    ],
)
def test_bad_changes_change_nothing(tmp_path, change, code):
    ledger = make_ledger(tmp_path, {"P": FILL})
    before = audit_ledger(ledger).head
    assert refused(ledger, change).code == code
    assert audit_ledger(ledger).head == before


def test_closing_names_what_is_open(tmp_path):
    ledger = make_ledger(tmp_path, {"P": FILL})
    walk(ledger, "P", DAY, to="accepted")
    error = refused(ledger, Change("P", DAY, state="closed"))
    assert error.code == "ledger_close_items"
    assert "湖已填" in error.text("zh")
    items = items_of(ledger, "P")
    assert len(items) == 4
    record_changes(ledger, [Change("P", DAY, ticks=items[:3], evidence=proof(tmp_path))], CLERK)
    error = refused(ledger, Change("P", DAY, state="closed"))
    assert "fit_for_cultivation" in error.text("en")
    assert "lake_filled" not in error.text("en")
    record_changes(ledger, [Change("P", DAY, ticks=items[3:])], CLERK)
    assert refused(ledger, Change("P", DAY, state="closed")).code == "ledger_close_evidence"
    record_changes(ledger, [Change("P", DAY, ticks=items[3:], evidence=proof(tmp_path, "b.jpg"))], CLERK)
    record_changes(ledger, [Change("P", DAY, state="closed")], CLERK)
    assert case_of(ledger, "P").state == "closed"


@pytest.mark.parametrize(("cultivated", "needed"), [(900.0, 3), (0.0, 2), (None, 3), (0.5, 2)])
def test_planting_only_where_land_is_cultivated(tmp_path, cultivated, needed):
    ledger = make_ledger(tmp_path, {"P": {**DEMOLISH, "cultivated_area_m2": cultivated}})
    walk(ledger, "P", DAY, to="accepted")
    ticks = items_of(ledger, "P")[:needed]
    changes = [Change("P", DAY, ticks=ticks, evidence=proof(tmp_path)), Change("P", DAY, state="closed")]
    record_changes(ledger, changes, CLERK)
    assert case_of(ledger, "P").state == "closed"


def test_parcel_without_a_measure_cannot_be_closed(tmp_path):
    open_ = {
        **FILL,
        "outcome": "needs_review",
        "measure": None,
        "rule": None,
        "schedule": None,
        "due_on": None,
    }
    ledger = make_ledger(tmp_path, {"P": open_})
    walk(ledger, "P", DAY, to="accepted")
    assert (
        refused(ledger, Change("P", DAY, state="closed", evidence=proof(tmp_path))).code
        == "ledger_close_undecided"
    )


def test_sent_back_and_relapsed(tmp_path):
    ledger = make_ledger(tmp_path, {"P": FILL})
    walk(ledger, "P", DAY, to="applied")
    again = [Change("P", DAY, state=s) for s in ("sent_back", "applied", "checked", "accepted")]
    record_changes(ledger, again, CLERK)
    ticks = Change("P", DAY, ticks=items_of(ledger, "P"), evidence=proof(tmp_path))
    record_changes(ledger, [ticks, Change("P", DAY, state="closed")], CLERK)
    record_changes(ledger, [Change("P", date(2022, 6, 1), state="reopened")], CLERK)
    case = case_of(ledger, "P")
    assert (case.sent_back, case.relapses, case.closed_on, case.ticks) == (1, 1, None, {})
    assert case_of(ledger, "P", DAY).state == "closed"


def test_demolition_without_due_process_warns(tmp_path):
    ledger = make_ledger(tmp_path, {"P": DEMOLISH, "L": FILL})
    walk(ledger, "L", DAY, to="in_progress")
    walk(ledger, "P", DAY, to="plan_approved")
    record_changes(ledger, [Change("P", DAY, gates=("notified", "deliberated"), meeting="5")], CLERK)
    report = record_changes(ledger, [Change("P", DAY, state="in_progress")], CLERK)
    assert [w.code for w in report.warnings] == ["ledger_gates_missing"]
    gates = str(report.warnings[0].params["codes"])
    assert "heard_or_waived" in gates
    assert "decision_served" in gates
    assert "notified" not in gates
    assert case_of(ledger, "P").gates["deliberated"].meeting == "5"
    assert report.status == 3


def test_marks_of_new_violations(tmp_path):
    ledger = make_ledger(tmp_path, {"P": NEW, "Q": NEW})
    for parcel, marks in (("P", ("found", "eliminated")), ("Q", ("found", "消除", "accountability_done"))):
        walk(ledger, parcel, DAY, to="accepted")
        record_changes(
            ledger,
            [Change(parcel, DAY, marks=marks, ticks=items_of(ledger, parcel), evidence=proof(tmp_path))],
            CLERK,
        )
    report = record_changes(ledger, [Change(p, DAY, state="closed") for p in "PQ"], CLERK)
    assert [(w.code, w.parcel_id) for w in report.warnings] == [("ledger_marks_missing", "P")]


def test_written_statement_only_when_the_deadline_has_passed(tmp_path):
    ledger = make_ledger(tmp_path, {"P": UNSUPPLIED})
    early = Change("P", date(2022, 6, 30), state="written_statement", evidence=proof(tmp_path))
    assert refused(ledger, early).code == "ledger_move_refused"
    late = Change("P", date(2022, 7, 1), state="written_statement", evidence=proof(tmp_path))
    record_changes(ledger, [late], CLERK)
    assert case_of(ledger, "P").closed_on is None


def test_hold_on_account(tmp_path):
    ledger = make_ledger(tmp_path, {"P": HOLD, "L": FILL})
    for parcel in "PL":
        walk(ledger, parcel, DAY, to="judged")
    assert refused(ledger, Change("L", DAY, state="held_on_account")).code == "ledger_move_refused"
    assert refused(ledger, Change("P", DAY, state="held_on_account")).code == "ledger_close_items"
    changes = [
        Change("P", DAY, ticks=items_of(ledger, "P"), evidence=proof(tmp_path)),
        Change("P", DAY, state="held_on_account"),
    ]
    record_changes(ledger, changes, CLERK)
    assert case_of(ledger, "P").closed_on == DAY


def test_court_stay_and_nothing_to_rectify(tmp_path):
    ledger = make_ledger(tmp_path, {"P": FILL})
    changes = [
        Change("P", DAY, state="court_stay", evidence=proof(tmp_path)),
        Change("P", DAY, state="nothing_to_rectify", evidence=proof(tmp_path)),
        Change("P", DAY, state="reopened"),
    ]
    record_changes(ledger, changes, CLERK)
    assert case_of(ledger, "P").relapses == 1


def test_the_same_again_writes_nothing(tmp_path):
    ledger = make_ledger(tmp_path, {"P": FILL})
    change = Change("P", DAY, state="verified", ticks=("lake_filled",), notes={"problem": "x"})
    assert len(record_changes(ledger, [change], CLERK).events) == 3
    again = record_changes(ledger, [change], CLERK)
    assert (again.events, again.unchanged) == ([], ["P"])


def test_approve_signs_a_batch_and_names_the_rest(tmp_path):
    ledger = make_ledger(tmp_path, {"P": DEMOLISH, "Q": FILL, "R": FILL})
    for parcel in "PQ":
        walk(ledger, parcel, DAY, to="judged")
    report = approve_batch(ledger, ["P", "Q", "R", "S"], "5", CLERK, day=DAY)
    assert {p: case_of(ledger, p).state for p in "PQR"} == {
        "P": "plan_approved",
        "Q": "plan_approved",
        "R": "issued",
    }
    assert [(r.parcel_id, r.error.code) for r in report.refused] == [
        ("R", "ledger_move_refused"),
        ("S", "ledger_parcel_unknown"),
    ]
    assert case_of(ledger, "P").gates["deliberated"].meeting == "5"
    assert case_of(ledger, "Q").gates == {}


def test_every_step_of_the_path_is_a_state():
    from ledger_results import BOOK

    assert set(PATH) <= set(BOOK.ledger.states)
