"""Which units were given workbooks, and which have handed them back."""

from __future__ import annotations

from collections.abc import Iterable

from landremed.ledger.events import Event, Kind

__all__ = ["missing_units", "sheet_months"]


def missing_units(events: Iterable[Event], month: str) -> list[str]:
    """Return the units whose workbook of a month is out and not back, in the order of issue."""
    issued: dict[str, None] = {}
    back: set[str] = set()
    for event in events:
        if event.event == Kind.SHEETS and event.new["month"] == month:
            issued |= dict.fromkeys(str(unit) for unit in event.new["units"])
        elif event.event == Kind.REPORTED and event.new["month"] == month:
            back.add(str(event.new["unit"]))
    return [unit for unit in issued if unit not in back]


def sheet_months(events: Iterable[Event]) -> list[str]:
    """Return the months for which workbooks were given out."""
    found = {str(event.new["month"]) for event in events if event.event == Kind.SHEETS}
    return sorted(found)
