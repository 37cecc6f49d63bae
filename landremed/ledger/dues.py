"""What falls due, what is overdue, by unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from landremed.law import RuleBook
from landremed.ledger.case import ParcelCase, area_cents, mu
from landremed.ledger.changes import ledger_rules
from landremed.ledger.milestones import main_schedule
from landremed.types import UNKNOWN, PartialDate
from landremed.values import parse_date

__all__ = ["DueLine", "due_lines", "is_overdue"]


@dataclass(frozen=True)
class DueLine:
    """One parcel that is overdue or falls due.

    Attributes
    ----------
    due_on : date or None
        None: due at once, since it occurred.
    days : int or None
        Days left; negative when overdue, None for what is due at once.
    before_plan : bool
        Whether the deadline lies before the plan's own day.
    """

    parcel_id: str
    unit: str
    category: str
    measure: str
    state: str
    due_on: date | None
    days: int | None
    overdue: bool
    before_plan: bool
    area_mu: float
    priority: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return plain | {"due_on": self.due_on.isoformat() if self.due_on else None}


def is_overdue(case: ParcelCase, book: RuleBook, as_of: date) -> bool:
    """Tell whether a parcel that is not done is past its deadline."""
    state = ledger_rules(book).states.get(case.state)
    if not case.present or case.closed_on is not None or (state and state.counts == "dropped"):
        return False
    due = case.record.get("due_on")
    if due:
        return as_of > date.fromisoformat(str(due))
    return _due_at_once(case, book, as_of)


def due_lines(
    cases: Mapping[str, ParcelCase], book: RuleBook, as_of: date, *, days: int = 30
) -> list[DueLine]:
    """Return what is overdue and what falls due in the next days, by unit, then day, then parcel.

    Parameters
    ----------
    days : int
        How far to look ahead.
    """
    until = as_of + timedelta(days=days)
    found: list[DueLine] = []
    rules = ledger_rules(book)
    for case in cases.values():
        state = rules.states.get(case.state)
        if not case.present or case.closed_on is not None or (state and state.counts == "dropped"):
            continue
        due_text = case.record.get("due_on")
        due = date.fromisoformat(str(due_text)) if due_text else None
        late = is_overdue(case, book, as_of)
        if not late and (due is None or due > until):
            continue
        found.append(_line(case, due, late, as_of, rules.dated))
    return sorted(found, key=lambda e: (e.unit == "", e.unit, e.due_on or date.min, e.parcel_id))


def _line(case: ParcelCase, due: date | None, late: bool, as_of: date, dated: date) -> DueLine:
    record = case.record
    return DueLine(
        parcel_id=case.parcel_id,
        unit=str(record.get("implementing_unit") or ""),
        category=str(record.get("category") or ""),
        measure=str(record.get("measure") or ""),
        state=case.state,
        due_on=due,
        days=(due - as_of).days if due else None,
        overdue=late,
        before_plan=due is not None and due < dated,
        area_mu=mu(area_cents(record.get("area_m2"))),
        priority=int(record.get("priority") or 4),
    )


def _due_at_once(case: ParcelCase, book: RuleBook, as_of: date) -> bool:
    schedule = book.schedules.get(main_schedule(case.record, book))
    if schedule is None or not schedule.at_once_from:
        return False
    occurred = parse_date(case.record.get(schedule.at_once_from))
    if occurred is UNKNOWN or not isinstance(occurred, PartialDate):
        return False
    return as_of >= occurred.last
