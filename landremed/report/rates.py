"""How far each schedule, class and unit is against its milestones, from the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

__all__ = ["Rate", "read_rates"]


@dataclass(frozen=True)
class Rate:
    """Progress of one group.

    Attributes
    ----------
    name : str
        Schedule, class or unit.
    reached, target : float
        Shares (0..1) on the headline basis; of several schedules all amounts together, by count.
    total : int
        Parcels that belong to it.
    on : date or None
        Day of the milestone; None for several schedules, or at once.
    due : bool
        Whether the milestone is past.
    """

    name: str
    reached: float
    target: float
    total: int
    on: date | None
    due: bool = True


def read_rates(ledger: Path, as_of: date, language: str) -> Mapping[str, list[Rate]]:
    """Return the rates by schedule, by class and by unit.

    Each schedule is held against its last milestone that is past, or while none is against its first.

    Parameters
    ----------
    ledger : Path
        Ledger.
    as_of : date
        Day looked at.
    language : {"zh", "en"}
        Language of the names.
    """
    from landremed.ledger import milestone_lines, reading_desk
    from landremed.ledger.case import cases_at

    with reading_desk(ledger) as desk:
        events, book = desk.journal.events, desk.book
        basis = str(desk.run_head().get("basis") or "count")
        cases = {k: c for k, c in cases_at(events, desk.rules, as_of=as_of).items() if c.present}

        def lines(chosen: Mapping[str, Any]) -> list[Any]:
            every = milestone_lines(
                book, events, as_of, began_on=desk.began_on, basis=basis, language=language, cases=chosen
            )
            return _current(every)

        def grouped(column: str) -> dict[str, dict[str, Any]]:
            groups: dict[str, dict[str, Any]] = {}
            for key, case in cases.items():
                groups.setdefault(str(case.record.get(column) or ""), {})[key] = case
            return groups

        schedules = [
            Rate(line.label, line.headline.rate or 0.0, line.target, line.count.total, line.on, line.past)
            for line in lines(cases)
        ]
        classes = grouped("category")
        return {
            "schedule": schedules,
            "class": [
                rate
                for code in book.categories
                if code in classes
                for rate in _together(book.value_label("category", code, language), lines(classes[code]))
            ],
            "unit": [
                rate
                for unit, chosen in sorted(
                    grouped("implementing_unit").items(), key=lambda i: (not i[0], -len(i[1]), i[0])
                )
                for rate in _together(unit, lines(chosen))
            ],
        }


def _current(lines: Iterable[Any]) -> list[Any]:
    """Return of every schedule and series the milestone it stands at; of two series the later one."""
    found: dict[str, Any] = {}
    for line in lines:
        before = found.get(line.schedule)
        if before is None or line.series != before.series or line.past:
            found[line.schedule] = line
    return list(found.values())


def _together(name: str, lines: Iterable[Any]) -> list[Rate]:
    """Add up the schedules of a group, by count; nothing is needed yet for a milestone to come."""
    there = [line for line in lines if line.count.total]
    total = sum(line.count.total for line in there)
    if not total:
        return []
    reached = sum(line.count.reached for line in there) / total
    needed = sum(line.count.needed for line in there if line.past) / total
    return [Rate(name, reached, needed, total, None)]
