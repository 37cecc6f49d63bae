"""Dates of a decided parcel: due, overdue, next milestone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from landremed.law.records import Milestone, Schedule
from landremed.types import FactValue, PartialDate

__all__ = ["Due", "due_dates"]


class Due(NamedTuple):
    """Dates that follow from the schedules met."""

    due_on: date | None
    overdue: int | None
    next_on: date | None
    next_share: float | None


def due_dates(schedules: Sequence[Schedule], facts: Mapping[str, FactValue], as_of: date) -> Due:
    """Return the earliest due date, and what follows from the schedule it belongs to.

    A deadline that is itself a fact counts from its earliest possible day.
    """
    dated = [(due, schedule) for schedule in schedules if (due := _due_on(schedule, facts)) is not None]
    if not dated:
        if len(schedules) == 1 and schedules[0].at_once_from:
            return Due(None, _at_once(facts.get(schedules[0].at_once_from), as_of), None, None)
        return Due(None, None, None, None)
    due_on, schedule = min(dated, key=lambda pair: pair[0])
    milestones = schedule.main_series.milestones if schedule.main_series else (Milestone(due_on, 1.0),)
    coming = next((milestone for milestone in milestones if milestone.on >= as_of), None)
    return Due(
        due_on,
        1 if as_of > due_on else 0,
        coming.on if coming else None,
        coming.share if coming else None,
    )


def _due_on(schedule: Schedule, facts: Mapping[str, FactValue]) -> date | None:
    if schedule.due_from:
        value = facts.get(schedule.due_from)
        return value.first if isinstance(value, PartialDate) else None
    return schedule.due_on


def _at_once(occurred: FactValue, as_of: date) -> int | None:
    """Return whether a duty that is due at once has begun; None while its days disagree."""
    if not isinstance(occurred, PartialDate):
        return None
    if as_of >= occurred.last:
        return 1
    return 0 if as_of < occurred.first else None
