"""The account of a period: what came, what went, what is left. It balances by construction of its events.

opening + new + transferred in - transferred out + reopened - closed = closing, for counts in every line; for
areas also + re-measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, TypeAlias

from landremed.law.load_ledger import LedgerRules
from landremed.ledger.case import Standing, replay
from landremed.ledger.events import Event, Kind

__all__ = ["FLOWS", "Line", "LineKey", "balance"]

FLOWS: Final = ("new", "transferred_in", "transferred_out", "reopened", "closed")
"""Flows in the order of the account."""

LineKey: TypeAlias = Callable[[Standing], str]


@dataclass
class Line:
    """Counts and areas (hundredths of a square metre) of one line of the account."""

    count: dict[str, int] = field(default_factory=dict)
    cents: dict[str, int] = field(default_factory=dict)

    def add(self, flow: str, cents: int, number: int = 1) -> None:
        """Add parcels to a flow."""
        self.count[flow] = self.count.get(flow, 0) + number
        self.cents[flow] = self.cents.get(flow, 0) + cents

    def closing(self, amounts: Mapping[str, int]) -> int:
        """Return what the flows leave, of ``count`` or ``cents``."""
        sign = {"transferred_out": -1, "closed": -1}
        return sum(sign.get(flow, 1) * amount for flow, amount in amounts.items())


def balance(
    events: Iterable[Event],
    rules: LedgerRules,
    first: date,
    last: date,
    key: LineKey = lambda standing: "",
) -> dict[str, Line]:
    """Return the account from one day to another, both included.

    Parameters
    ----------
    events : iterable of Event
        In order.
    first, last : date
        The period; what is booked before it is the opening.
    key : callable
        Which line a parcel belongs to; one line for all by default. A parcel that changes lines is
        transferred out of one and into the other.

    Returns
    -------
    dict of str to Line
        Each with ``opening``, the flows, ``remeasured`` (area only) and ``closing``, which is counted from
        the parcels themselves, not from the flows.
    """
    lines: dict[str, Line] = {}
    standing: dict[str, Standing] = {}

    def line(of: Standing) -> Line:
        return lines.setdefault(key(of), Line())

    for event, case, before, after in replay((e for e in events if e.booked_on <= last), rules):
        standing[case.parcel_id] = after
        was, now = _counts(before, rules), _counts(after, rules)
        if event.booked_on < first:
            if was:
                line(before).add("opening", -before.cents, -1)
            if now:
                line(after).add("opening", after.cents)
            continue
        _flow(event, before, after, was, now, line)
    for after in standing.values():
        if _counts(after, rules):
            line(after).add("closing", after.cents)
    return lines


def _flow(
    event: Event, before: Standing, after: Standing, was: bool, now: bool, line: Callable[[Standing], Line]
) -> None:
    if now and not was:
        line(after).add(_arrival(event), after.cents)
    elif was and not now:
        line(before).add("transferred_out" if event.event == Kind.LEAVE else "closed", before.cents)
    elif was and now:
        if line(before) is not line(after):
            line(before).add("transferred_out", before.cents)
            line(after).add("transferred_in", after.cents)
        elif before.cents != after.cents:
            line(after).add("remeasured", after.cents - before.cents, 0)


def _arrival(event: Event) -> str:
    if event.event == Kind.ENTER:
        # what the ledger began with is nobody's new finding
        return {"transfer_in": "transferred_in", "base": "opening"}.get(str(event.new["how"]), "new")
    return "reopened"


def _counts(standing: Standing, rules: LedgerRules) -> bool:
    state = rules.states.get(standing.state)
    return standing.present and state is not None and state.on_account
