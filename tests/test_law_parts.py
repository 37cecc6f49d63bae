"""Parcels that were cut: the decision of the whole from those of its parts."""

from __future__ import annotations

from datetime import date

import pytest

from landremed.law import combine_parts, decide, load_rulebook
from landremed.types import PartialDate

BOOK = load_rulebook("binhai-2022")
AS_OF = date(2022, 3, 31)


def park(**facts):
    base = {"category": "lake", "subtype": "park_green", "approval_obtained": False}
    return decide(BOOK, {**base, **facts}, as_of=AS_OF)


OUTSIDE = park(within_urban_development_boundary=False)
CONFORMS = park(within_urban_development_boundary=True, plan_conforms=True)
BARREN = park(within_urban_development_boundary=True, plan_conforms=False, conversion_possible=False)
OPEN = park(within_urban_development_boundary=True, conversion_possible=False)


def test_one_part_is_the_whole():
    assert combine_parts(BOOK, [OUTSIDE]) == OUTSIDE


def test_parts_that_agree():
    whole = combine_parts(BOOK, [BARREN, OUTSIDE])
    assert (whole.outcome, whole.measure, whole.reason) == ("demolish_restore", "fill_and_recultivate", "")
    assert whole.rules == ("lake.park.outside_boundary", "lake.park.not_convertible")
    assert whole.clauses == ("3.1.1(1)",)
    assert whole.schedules == ("lake.park_fill",)
    assert whole.due_on == date(2022, 12, 31)


def test_parts_that_differ():
    whole = combine_parts(BOOK, [CONFORMS, OUTSIDE])
    assert (whole.outcome, whole.measure, whole.reason) == ("needs_review", "", "parts_differ")
    assert whole.possible_outcomes == ("complete_paperwork", "demolish_restore")
    assert (whole.rules, whole.clauses, whole.schedules, whole.due_on) == ((), (), (), None)


def test_a_part_in_review_brings_its_possibilities():
    whole = combine_parts(BOOK, [OUTSIDE, OPEN])
    assert whole.reason == "parts_differ"
    assert whole.possible_outcomes == ("complete_paperwork", "demolish_restore")
    assert whole.missing_facts == ("plan_conforms",)


def test_parts_all_in_review_keep_the_reason():
    whole = combine_parts(BOOK, [OPEN, OPEN])
    assert (whole.outcome, whole.reason) == ("needs_review", "missing_facts")
    assert whole.missing_facts == ("plan_conforms",)


def test_measures_that_differ_leave_the_measure_open():
    def dig(**facts):
        return decide(BOOK, {"category": "lake", "subtype": "lake_digging", **facts}, as_of=AS_OF)

    kept = dig(within_green_barrier=False, ecological_construction=True)
    excused = dig(within_green_barrier=False, ecological_construction=False, exemption="sliver")
    whole = combine_parts(BOOK, [kept, excused])
    assert (whole.outcome, whole.measure) == ("retain", "")
    assert whole.rules == ("lake.dig.ecological", "lake.dig.exempt")


def test_priority_zero_tolerance_and_earliest_date():
    def occupation(farmland, day):
        facts = {
            "category": "illegal_occupation", "subtype": "industrial", "abandoned": True,
            "occurred_on": PartialDate(day, day), "occupies_permanent_basic_farmland": farmland,
        }  # fmt: skip
        return decide(BOOK, facts, as_of=AS_OF)

    old = date(2012, 1, 1)
    whole = combine_parts(BOOK, [occupation(False, old), occupation(True, old)])
    assert whole.schedules == ("occ.certain", "occ.other")
    assert (whole.due_on, whole.overdue, whole.priority) == (date(2021, 12, 31), 1, 3)
    assert (whole.next_milestone_on, whole.next_milestone_share) == (None, None)
    mixed = combine_parts(BOOK, [occupation(False, old), occupation(False, date(2021, 1, 1))])
    assert (mixed.zero_tolerance, mixed.priority) == (1, 1)
    assert mixed.due_on == date(2023, 6, 30)


def test_no_parts():
    with pytest.raises(ValueError, match="without parts"):
        combine_parts(BOOK, [])
