"""Rates, milestones, dues and the account, against figures worked by hand."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_results import (
    BOOK,
    CLERK,
    DEMOLISH,
    FILL,
    IDLE,
    JUDICIAL,
    NEW,
    case_of,
    items_of,
    make_ledger,
    make_result,
    proof,
    walk,
)

from landremed.errors import InputError
from landremed.ledger import (
    Change,
    due_lines,
    milestone_lines,
    reading_desk,
    record_changes,
    update_ledger,
)
from landremed.ledger.balance import FLOWS, balance
from landremed.ledger.case import mu
from landremed.ledger.events import FIRST_HASH, Event, Kind, chain_breaks, event_hash

JUNE = (date(2022, 6, 1), date(2022, 6, 30))


def lines_of(ledger, day, **options):
    with reading_desk(ledger) as desk:
        found = milestone_lines(desk.book, desk.journal.events, day, began_on=desk.began_on, **options)
    return {(line.schedule, line.series, str(line.on)): line for line in found}


def test_mu_is_two_thousand_thirds():
    # 666.67 m2 are 1.000005 mu; 3.33 m2 are 0.004995 mu; 3.34 m2 are 0.00501 mu
    assert [mu(c) for c in (66_667, 333, 334, 0, -66_667)] == [1.0, 0.0, 0.01, 0.0, -1.0]


def test_shares_by_count_and_by_area(tmp_path):
    areas = [100.0, 200.0, 300.0, 400.0, 1000.0]
    ledger = make_ledger(tmp_path, {f"P{i}": {**FILL, "area_m2": area} for i, area in enumerate(areas)})
    walk(ledger, "P0", date(2022, 5, 1), evidence=proof(tmp_path))
    walk(ledger, "P1", date(2022, 6, 20), evidence=proof(tmp_path))
    walk(ledger, "P2", date(2022, 7, 3), evidence=proof(tmp_path))
    half = lines_of(ledger, date(2022, 6, 30))["lake.dig_fill", "", "2022-06-30"]
    # half of five parcels is two and a half, so three; two are done. Half of 2000 m2 is 1000, 300 are done
    assert (half.count.total, half.count.reached, half.count.needed, half.count.short) == (5, 2, 3, 1)
    assert (half.cents.total, half.cents.reached, half.cents.short) == (200_000, 30_000, 70_000)
    assert (half.basis, half.basis_named, half.met, half.past) == ("count", False, False, True)
    later = lines_of(ledger, date(2022, 7, 31))["lake.dig_fill", "", "2022-06-30"]
    assert (later.count.reached, later.met, later.rate_on_day) == (3, True, 0.4)
    by_area = lines_of(ledger, date(2022, 7, 31), basis="area")["lake.dig_fill", "", "2022-06-30"]
    assert (by_area.met, by_area.rate_on_day) == (False, 0.15)


def test_forecast_at_the_pace_of_ninety_days(tmp_path):
    ledger = make_ledger(tmp_path, {f"P{i}": FILL for i in range(10)})
    for parcel in ("P0", "P1", "P2"):
        walk(ledger, parcel, date(2022, 5, 15), evidence=proof(tmp_path))
    # on 29 July three are done in 90 days; 155 days are left to 31 December: 3 + floor(3 * 155 / 90) = 8
    line = lines_of(ledger, date(2022, 7, 29))["lake.dig_fill", "", "2022-12-31"]
    assert (line.count.forecast, line.count.needed, line.forecast_met) == (8, 10, False)
    # on 31 August the three lie 108 days back: no pace
    line = lines_of(ledger, date(2022, 8, 31))["lake.dig_fill", "", "2022-12-31"]
    assert line.count.forecast == 3


def test_deadlines_before_the_plan(tmp_path):
    early = {**DEMOLISH, "schedule": "occ.certain", "due_on": date(2021, 12, 31)}
    ledger = make_ledger(tmp_path, {"P": early, "Q": FILL})
    lines = lines_of(ledger, date(2022, 4, 30))
    assert lines["occ.certain", "", "2021-12-31"].before_plan
    assert lines["occ.certain", "", "2021-12-31"].rate_on_day is None
    assert not lines["lake.dig_fill", "", "2022-06-30"].before_plan


def test_disposed_and_in_place(tmp_path):
    ledger = make_ledger(
        tmp_path,
        {
            "A": {**IDLE, "area_m2": 100.0},
            "B": {**IDLE, "area_m2": 300.0},
            "J": {**JUDICIAL, "area_m2": 600.0},
            "D": {
                **IDLE,
                "area_m2": 50.0,
                "measure": "disposal_opinion",
                "rule": "idle.default",
                "subtype": "default_completion",
                "schedule": "default",
                "due_on": date(2023, 6, 30),
            },
        },
    )
    day = date(2022, 4, 10)
    record_changes(ledger, [Change("B", day, ticks=("plan_approved",))], CLERK)
    record_changes(ledger, [Change("D", day, stages=("disposal_approved",))], CLERK)
    walk(ledger, "A", day, evidence=proof(tmp_path))
    lines = lines_of(ledger, date(2022, 4, 30))
    disposed, in_place = (lines["idle", name, "2022-03-31"] for name in ("处置率", "处置到位率"))
    assert (disposed.basis, disposed.basis_named) == ("area", True)
    # disposed: A and B of all three, 400 of 1000 m2; in place: A of all three, 100 of 1000 m2
    assert (disposed.cents.reached, disposed.cents.total) == (40_000, 100_000)
    assert (in_place.cents.reached, in_place.cents.total, in_place.excluded) == (10_000, 100_000, 0)
    assert in_place.cents.needed == 75_000
    assert lines["default", "处置率", "2021-12-31"].cents.reached == 5_000
    assert lines["default", "处置到位率", "2022-06-30"].cents.reached == 0
    # a judicial case with finding, approval and notice leaves the second denominator only
    ticks = ("finding_made", "plan_approved", "judiciary_informed")
    record_changes(ledger, [Change("J", day, ticks=ticks, evidence=proof(tmp_path))], CLERK)
    lines = lines_of(ledger, date(2022, 4, 30))
    disposed, in_place = (lines["idle", name, "2022-03-31"] for name in ("处置率", "处置到位率"))
    assert (disposed.cents.reached, disposed.cents.total) == (100_000, 100_000)
    assert (in_place.cents.reached, in_place.cents.total, in_place.excluded) == (10_000, 40_000, 1)


def test_nothing_to_rectify_leaves_the_rates(tmp_path):
    ledger = make_ledger(tmp_path, {"P": FILL, "Q": FILL})
    change = Change("P", date(2022, 5, 1), state="nothing_to_rectify", evidence=proof(tmp_path))
    record_changes(ledger, [change], CLERK)
    line = lines_of(ledger, date(2022, 5, 31))["lake.dig_fill", "", "2022-06-30"]
    assert (line.count.total, line.excluded) == (1, 1)


def test_due_and_overdue(tmp_path):
    ledger = make_ledger(
        tmp_path,
        {
            "A": FILL,
            "B": {**FILL, "due_on": date(2022, 6, 30), "implementing_unit": "乙区"},
            "C": {**FILL, "due_on": date(2022, 6, 30)},
            "N": NEW,
            "U": {**FILL, "due_on": date(2021, 10, 31), "implementing_unit": None},
        },
        facts=[("N", "occurred_on", "2021-05-06")],
    )
    walk(ledger, "C", date(2022, 6, 1), evidence=proof(tmp_path))

    def due(day, days):
        with reading_desk(ledger) as desk:
            found = due_lines(desk.cases(day), desk.book, day, days=days)
        return [(line.parcel_id, line.overdue, line.days, line.before_plan) for line in found]

    on_the_day = [("B", False, 0, False), ("N", True, None, False), ("U", True, -242, True)]
    assert sorted(due(date(2022, 6, 30), 30)) == on_the_day
    assert ("B", True, -1, False) in due(date(2022, 7, 1), 0)
    # by unit, those without one last; what is due at once comes first
    assert [line[0] for line in due(date(2022, 6, 30), 184)] == ["B", "N", "A", "U"]


def account(ledger, first, last, key=lambda standing: ""):
    with reading_desk(ledger) as desk:
        return balance(desk.journal.events, desk.rules, first, last, key)


def test_account_of_a_month(tmp_path):
    parcels = {f"P{i}": {**FILL, "area_m2": 100.0 * (i + 1)} for i in range(5)}
    ledger = make_ledger(tmp_path, parcels)
    walk(ledger, "P0", date(2022, 5, 3), evidence=proof(tmp_path))
    walk(ledger, "P1", date(2022, 6, 3), evidence=proof(tmp_path))
    record_changes(ledger, [Change("P0", date(2022, 6, 5), state="reopened")], CLERK)
    # P2 leaves, P3 is measured anew and goes to another unit, P5 is new, P6 handed over
    newer = {k: v for k, v in parcels.items() if k != "P2"}
    newer["P3"] = {**FILL, "area_m2": 450.0, "implementing_unit": "乙区"}
    newer |= {"P5": FILL, "P6": {**FILL, "area_m2": 7.5}}
    result = make_result(tmp_path / "june.gpkg", newer, as_of="2022-06-15")
    report = update_ledger(ledger, result, CLERK, transferred_in={"P6"})
    assert (report.entered, report.transferred_in, report.left, report.changed, report.same) == (
        ["P5"],
        ["P6"],
        ["P2"],
        ["P3"],
        3,
    )
    total = account(ledger, *JUNE)[""]
    assert total.count == {
        "opening": 4,
        "new": 1,
        "transferred_in": 1,
        "transferred_out": 1,
        "reopened": 1,
        "closed": 1,
        "remeasured": 0,
        "closing": 5,
    }
    assert total.cents["remeasured"] == 5_000
    assert total.cents["opening"] == 20_000 + 30_000 + 40_000 + 50_000
    assert total.cents["closing"] == 10_000 + 45_000 + 50_000 + 100_000 + 750
    units = account(ledger, *JUNE, lambda standing: standing.unit)
    assert units["乙区"].count == {"transferred_in": 1, "closing": 1}
    assert units["甲镇"].count["transferred_out"] == 2


def test_the_base_is_the_first_opening(tmp_path):
    ledger = make_ledger(tmp_path, {"P": FILL, "Q": FILL})
    first = account(ledger, date(2022, 3, 1), date(2022, 3, 31))[""]
    assert first.count == {"opening": 2, "closing": 2}


def test_a_parcel_that_comes_back_is_transferred_in(tmp_path):
    ledger = make_ledger(tmp_path, {"P": FILL, "Q": FILL})
    walk(ledger, "P", date(2022, 4, 3), to="judged")
    for number, parcels in enumerate(({"Q": FILL}, {"P": FILL, "Q": FILL}), start=5):
        result = make_result(tmp_path / f"{number}.gpkg", parcels, as_of=f"2022-0{number}-01")
        update_ledger(ledger, result, CLERK)
    case = case_of(ledger, "P")
    assert (case.present, case.state, case.entered_how) == (True, "judged", "transfer_in")
    with pytest.raises(InputError) as caught:
        update_ledger(ledger, make_result(tmp_path / "z.gpkg", {"Z": FILL}), CLERK)
    assert caught.value.code == "ledger_run_elsewhere"


def test_update_can_be_tried_and_kept_partial(tmp_path):
    ledger = make_ledger(tmp_path, {"P": FILL, "Q": FILL})
    result = make_result(tmp_path / "n.gpkg", {"P": {**FILL, "priority": 1}}, as_of="2022-05-01")
    tried = update_ledger(ledger, result, CLERK, dry_run=True)
    assert (tried.left, tried.changed) == (["Q"], ["P"])
    assert case_of(ledger, "Q").present
    assert update_ledger(ledger, result, CLERK, keep_missing=True).left == []
    assert case_of(ledger, "P").record["priority"] == 1


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"rules": "other"}, "ledger_no_rules"),
        ({"rules_hash": "0" * 64}, "ledger_run_rules_changed"),
        ({"reading.industry_scale": "either"}, "ledger_run_rules_changed"),
    ],
)
def test_update_of_another_rule_book(tmp_path, told, code):
    ledger = make_ledger(tmp_path, {"P": FILL})
    before = ledger.read_bytes()
    with pytest.raises(InputError) as caught:
        update_ledger(ledger, make_result(tmp_path / "o.gpkg", {"P": FILL}, **told), CLERK)
    assert caught.value.code == code
    assert ledger.read_bytes() == before


def test_update_of_a_copied_rule_book(tmp_path):
    ledger = make_ledger(tmp_path, {"P": FILL})
    folder = tmp_path / "office"
    shutil.copytree(Path(__file__).parents[1] / "rules" / "binhai-2022", folder)
    result = make_result(tmp_path / "o.gpkg", {"P": FILL}, rules=str(folder))
    with pytest.raises(InputError) as caught:
        update_ledger(ledger, result, CLERK)
    assert caught.value.code == "ledger_other_rules"
    assert str(folder) in caught.value.text("zh")


def test_changed_readings_can_be_accepted(tmp_path):
    ledger = make_ledger(tmp_path, {"P": FILL})
    result = make_result(tmp_path / "o.gpkg", {"P": FILL}, **{"reading.industry_scale": "either"})
    update_ledger(ledger, result, CLERK, accept_rules=True)
    with reading_desk(ledger) as desk:
        assert desk.book.readings["industry_scale"] == "either"


def chain(steps):
    """Return events of random steps: (parcel, kind, day, area, unit)."""
    previous, found, booked = FIRST_HASH, [], {}
    for parcel, step, offset, area, unit in steps:
        day = max(date(2022, 5, 1) + timedelta(days=offset), booked.get(parcel, date.min))
        booked[parcel] = day
        new = {
            Kind.ENTER: {
                "how": "transfer_in" if area % 2 else "new",
                "record": {"area_m2": area / 100, "implementing_unit": unit, "category": "lake"},
            },
            Kind.LEAVE: {"how": "transfer_out"},
            Kind.DECISION: {"area_m2": area / 100, "implementing_unit": unit},
        }.get(step)
        kind = step if new else Kind.STATE
        new = new or {"state": step}
        bare = Event(len(found) + 1, parcel, kind, "w", "t", day, day, None, new, "", previous, "")
        previous = event_hash(bare.payload())
        found.append(Event(*[getattr(bare, n) for n in bare.__dataclass_fields__][:-1], previous))
    return found


STEPS = st.lists(
    st.tuples(
        st.sampled_from("PQRS"),
        st.sampled_from(
            [Kind.ENTER, Kind.LEAVE, Kind.DECISION, "closed", "reopened", "in_progress", "nothing_to_rectify"]
        ),
        st.integers(0, 90),
        st.integers(1, 10**7),
        st.sampled_from(["甲镇", "乙区", ""]),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(STEPS)
def test_the_account_always_balances(steps):
    events = chain(steps)
    assert not list(chain_breaks(events))
    for key in (lambda s: "", lambda s: s.unit):
        lines = balance(events, BOOK.ledger, *JUNE, key)
        for line in lines.values():
            for amounts in (line.count, line.cents):
                told = {flow: amounts.get(flow, 0) for flow in ("opening", *FLOWS, "remeasured", "closing")}
                assert (
                    told["opening"]
                    + told["new"]
                    + told["transferred_in"]
                    - told["transferred_out"]
                    + told["reopened"]
                    - told["closed"]
                    + told["remeasured"]
                    == told["closing"]
                )


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(STEPS)
def test_one_month_closes_where_the_next_opens(steps):
    events = chain(steps)
    may = balance(events, BOOK.ledger, date(2022, 5, 1), date(2022, 5, 31))
    june = balance(events, BOOK.ledger, *JUNE)
    for amount in ("count", "cents"):
        closing = getattr(may[""], amount).get("closing", 0) if may else 0
        assert closing == (getattr(june[""], amount).get("opening", 0) if june else 0)


def test_items_come_from_the_deciding_class(tmp_path):
    handed_over = {**FILL, "category": "abandoned_farmland"}
    ledger = make_ledger(tmp_path, {"P": handed_over})
    assert items_of(ledger, "P")[0] == "lake_filled"
