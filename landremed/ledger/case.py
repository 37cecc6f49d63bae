"""Where a parcel stands: derived from its events, and only from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any, NamedTuple

from landremed.law.load_ledger import LedgerRules
from landremed.ledger.events import Event, Kind
from landremed.ledger.record import Record

__all__ = ["ParcelCase", "Standing", "Tick", "area_cents", "board_row", "cases_at", "mu", "replay"]

_HUNDREDTHS_PER_MU = Fraction(200_000, 3)


class Tick(NamedTuple):
    """A tick of an acceptance item, stage, gate or mark."""

    on: date
    person: str
    evidence: tuple[dict[str, Any], ...]
    meeting: str = ""


class Standing(NamedTuple):
    """What figures ask of a parcel before and after an event."""

    present: bool
    state: str
    category: str
    unit: str
    outcome: str
    cents: int


@dataclass
class ParcelCase:
    """One parcel as its events leave it.

    Attributes
    ----------
    record : dict
        What the last run says (``landremed.ledger.record``).
    present : bool
        Whether it is in the ledger, not transferred out.
    since : date
        Day from which the state counts.
    closed_on : date or None
        Day from which it counts as done (closed, or held with everything ticked).
    relapses, sent_back : int
        How often.
    """

    parcel_id: str
    record: Record = field(default_factory=dict)
    present: bool = False
    state: str = ""
    since: date = date.min
    entered_on: date = date.min
    entered_how: str = ""
    left_on: date | None = None
    closed_on: date | None = None
    relapses: int = 0
    sent_back: int = 0
    ticks: dict[str, Tick] = field(default_factory=dict)
    stages: dict[str, Tick] = field(default_factory=dict)
    gates: dict[str, Tick] = field(default_factory=dict)
    marks: dict[str, Tick] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    objections: list[dict[str, Any]] = field(default_factory=list)
    last_seq: int = 0

    @property
    def standing(self) -> Standing:
        """What figures ask."""
        record = self.record
        return Standing(
            self.present,
            self.state,
            str(record.get("category") or ""),
            str(record.get("implementing_unit") or ""),
            str(record.get("outcome") or ""),
            area_cents(record.get("area_m2")),
        )

    def apply(self, event: Event, rules: LedgerRules) -> None:
        """Take one event in."""
        self.last_seq = event.seq
        kind, new = event.event, event.new
        if kind == Kind.ENTER:
            self._enter(event, rules)
        elif kind == Kind.LEAVE:
            self.present, self.left_on = False, event.booked_on
        elif kind == Kind.DECISION:
            self.record = {**self.record, **new}
        elif kind == Kind.STATE:
            self._move(event, rules)
        elif kind in (Kind.TICK, Kind.STAGE, Kind.GATE, Kind.MARK):
            self._tick(kind, event)
        elif kind == Kind.NOTE:
            self.notes[str(new["kind"])] = str(new["text"])
        elif kind in (Kind.OBJECTION, Kind.ANSWER):
            self.objections.append({"event": kind, "seq": event.seq, "day": event.day.isoformat(), **new})

    def _enter(self, event: Event, rules: LedgerRules) -> None:
        self.record = dict(event.new["record"])
        self.present, self.left_on = True, None
        self.entered_on, self.entered_how = event.booked_on, str(event.new["how"])
        if not self.state:
            self.state, self.since = rules.start, event.booked_on

    def _move(self, event: Event, rules: LedgerRules) -> None:
        target = str(event.new["state"])
        if event.new.get("relapse"):
            self.relapses += 1
            self.ticks.clear()
            self.stages.clear()
            self.gates.clear()
            for mark in rules.marks:
                if mark.renewed:
                    self.marks.pop(mark.id, None)
        if target in rules.returned:
            self.sent_back += 1
        self.state, self.since = target, event.booked_on
        counts = rules.states[target].counts if target in rules.states else "open"
        self.closed_on = event.booked_on if counts in ("struck", "done") else None

    def _tick(self, kind: str, event: Event) -> None:
        into = {Kind.TICK: self.ticks, Kind.STAGE: self.stages, Kind.GATE: self.gates}.get(
            Kind(kind), self.marks
        )
        item, new = str(event.new["item"]), event.new
        if not new.get("done", True):
            into.pop(item, None)
            return
        into[item] = Tick(
            event.day,
            str(new.get("person") or event.who),
            tuple(new.get("evidence", ())),
            str(new.get("meeting", "")),
        )


def cases_at(
    events: Iterable[Event], rules: LedgerRules, *, as_of: date | None = None, until: int | None = None
) -> dict[str, ParcelCase]:
    """Return every parcel as it stood.

    Parameters
    ----------
    events : iterable of Event
        In order.
    as_of : date, optional
        Only what counts on this day or before.
    until : int, optional
        Only events up to this number.
    """
    cases: dict[str, ParcelCase] = {}
    for event in events:
        if until is not None and event.seq > until:
            break
        if event.parcel_id and (as_of is None or event.booked_on <= as_of):
            cases.setdefault(event.parcel_id, ParcelCase(event.parcel_id)).apply(event, rules)
    return cases


def replay(
    events: Iterable[Event], rules: LedgerRules
) -> Iterator[tuple[Event, ParcelCase, Standing, Standing]]:
    """Yield each parcel event with the parcel and what figures ask of it before and after."""
    cases: dict[str, ParcelCase] = {}
    for event in events:
        if event.parcel_id:
            case = cases.setdefault(event.parcel_id, ParcelCase(event.parcel_id))
            before = case.standing
            case.apply(event, rules)
            yield event, case, before, case.standing


def board_row(case: ParcelCase, rules: LedgerRules, language: str) -> tuple[Any, ...]:
    """Return the map layer's columns of one parcel (``BOARD_COLUMNS``)."""
    record = case.record
    state = rules.states.get(case.state)
    return (
        record.get("category"),
        record.get("outcome"),
        record.get("measure"),
        record.get("implementing_unit"),
        case.state,
        state.label.of(language) if state else case.state,
        case.since.isoformat(),
        record.get("due_on"),
        case.closed_on.isoformat() if case.closed_on else None,
        record.get("area_m2"),
        record.get("zero_tolerance"),
        case.relapses,
        int(case.present),
    )


def area_cents(area_m2: object) -> int:
    """Return an area in hundredths of a square metre, 0 where it is not known: sums are exact."""
    return round(float(area_m2) * 100) if isinstance(area_m2, (int, float)) else 0


def mu(cents: int) -> float:
    """Return hundredths of a square metre in 亩, rounded half-up to 2 decimals.

    Examples
    --------
    >>> mu(200_000), mu(100_000)
    (3.0, 1.5)
    """
    hundredths = Fraction(abs(cents) * 100) / _HUNDREDTHS_PER_MU + Fraction(1, 2)
    value = (hundredths.numerator // hundredths.denominator) / 100
    return -value if cents < 0 else value
