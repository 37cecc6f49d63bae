"""Deadlines with shares: how far each group of parcels is, by count and by area (``rules.md`` section 5).

No deadline moves for a holiday; those before the plan's own day are shown as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from fractions import Fraction
from math import ceil
from typing import Any, Final

from landremed.law import RuleBook, Schedule
from landremed.law.load_ledger import Stage
from landremed.law.records import Series
from landremed.ledger.case import ParcelCase, area_cents, cases_at, mu
from landremed.ledger.changes import item_list, ledger_rules
from landremed.ledger.events import Event

__all__ = ["PACE_DAYS", "Measure", "MilestoneLine", "main_schedule", "milestone_lines"]

PACE_DAYS: Final = 90
"""Days over which the pace of a forecast is taken."""


@dataclass(frozen=True)
class Measure:
    """Progress in one unit: parcels, or hundredths of a square metre.

    Attributes
    ----------
    total : int
        The denominator.
    reached : int
        What is done of it.
    needed : int
        What must be done by the milestone.
    forecast : int or None
        What will be done by then at the pace of the last 90 days; None for a milestone that is past.
    """

    total: int
    reached: int
    needed: int
    forecast: int | None

    @property
    def short(self) -> int:
        """What is missing."""
        return max(0, self.needed - self.reached)

    @property
    def rate(self) -> float | None:
        """Share reached; None where nothing belongs to it."""
        return self.reached / self.total if self.total else None


@dataclass(frozen=True)
class MilestoneLine:
    """One milestone of one group.

    Attributes
    ----------
    series : str
        What the rate is called (处置率, 处置到位率, …); "" where a schedule has one only.
    on : date or None
        None: at once.
    target : float
        Share (0..1).
    basis : str
        ``count`` or ``area``: the headline.
    basis_named : bool
        Whether the plan names the basis; else it is the office's setting.
    excluded : int
        Parcels that left the denominator.
    before_plan : bool
        Whether the day lies before the plan itself.
    reached_on_day : Measure pair or None
        What was reached when the day came; None for a day to come, or before the ledger began.
    """

    schedule: str
    label: str
    clause: str
    series: str
    on: date | None
    target: float
    basis: str
    basis_named: bool
    count: Measure
    cents: Measure
    excluded: int
    before_plan: bool
    past: bool
    rate_on_day: float | None

    @property
    def headline(self) -> Measure:
        """The measure of the basis."""
        return self.cents if self.basis == "area" else self.count

    @property
    def met(self) -> bool:
        """Whether the target is reached on the headline basis."""
        return self.headline.short == 0

    @property
    def forecast_met(self) -> bool | None:
        """Whether the pace suffices; None for a milestone that is past."""
        forecast = self.headline.forecast
        return None if forecast is None else forecast >= self.headline.needed

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        plain = asdict(self)
        plain["on"] = self.on.isoformat() if self.on else None
        for name, measure in (("count", self.count), ("cents", self.cents)):
            plain[name] |= {"short": measure.short, "rate": measure.rate}
        plain["short_mu"] = mu(self.cents.short)
        plain["met"], plain["forecast_met"] = self.met, self.forecast_met
        return plain


def main_schedule(record: Mapping[str, Any], book: RuleBook) -> str:
    """Return the schedule a record follows: of several the one its ``due_on`` comes from."""
    names = [name for name in str(record.get("schedule") or "").split(",") if name in book.schedules]
    due = record.get("due_on")
    for name in names:
        day = book.schedules[name].due_on
        if due and day is not None and day.isoformat() == due:
            return name
    return names[0] if names else ""


def milestone_lines(
    book: RuleBook,
    events: Sequence[Event],
    as_of: date,
    *,
    began_on: date,
    basis: str = "count",
    language: str = "zh",
    cases: Mapping[str, ParcelCase] | None = None,
) -> list[MilestoneLine]:
    """Return every milestone of every schedule that has parcels, in the rule book's order.

    Parameters
    ----------
    events : sequence of Event
        All of them.
    as_of : date
        The day looked at.
    began_on : date
        The day of the base figures: the ledger knows nothing before it.
    basis : {"count", "area"}
        Headline where the plan names none.
    cases : mapping, optional
        Only these parcels (their keys); all by default.
    """
    rules = ledger_rules(book)
    now = cases_at(events, rules, as_of=as_of)
    chosen = set(now if cases is None else cases)
    snapshots: dict[date, dict[str, ParcelCase]] = {as_of: now}

    def at(day: date) -> dict[str, ParcelCase]:
        if day not in snapshots:
            snapshots[day] = cases_at(events, rules, as_of=day)
        return snapshots[day]

    lines: list[MilestoneLine] = []
    for schedule in book.schedules.values():
        members = [
            case
            for parcel, case in now.items()
            if parcel in chosen and case.present and main_schedule(case.record, book) == schedule.id
        ]
        if not members:
            continue
        for group, series, number, on, target in _goals(schedule, members):
            counted, excluded = _denominator(book, schedule, number, group)
            stage = _stage(book, schedule.id, number)
            total = _amount(counted)
            reached = _amount(c for c in counted if _reached(book, c, stage))
            ids = {c.parcel_id for c in counted}

            def done_at(day: date, ids: set[str] = ids, stage: Stage | None = stage) -> tuple[int, int]:
                return _amount(c for p, c in at(day).items() if p in ids and _reached(book, c, stage))

            past = on is None or on <= as_of
            forecast = None if past or on is None else _forecast(reached, done_at, as_of, on, began_on, total)
            rate_on_day = None
            shown = series.basis if series and series.basis else basis
            if past and on is not None and on >= began_on:
                axis = 1 if shown == "area" else 0
                rate_on_day = done_at(on)[axis] / total[axis] if total[axis] else None
            lines.append(
                MilestoneLine(
                    schedule=schedule.id,
                    label=schedule.label.of(language),
                    clause=book.clause_label(schedule.clause),
                    series=series.label.of(language) if series and len(schedule.series) > 1 else "",
                    on=on,
                    target=float(target),
                    basis=shown,
                    basis_named=bool(series and series.basis),
                    count=Measure(total[0], reached[0], ceil(target * total[0]), forecast and forecast[0]),
                    cents=Measure(total[1], reached[1], ceil(target * total[1]), forecast and forecast[1]),
                    excluded=excluded,
                    before_plan=on is not None and on < rules.dated,
                    past=past,
                    rate_on_day=rate_on_day,
                )
            )
    return lines


def _goals(
    schedule: Schedule, members: Sequence[ParcelCase]
) -> Iterator[tuple[list[ParcelCase], Series | None, int, date | None, Fraction]]:
    """Yield parcels, series and its number, day and share of every milestone."""
    if not schedule.series:
        days = sorted({str(case.record.get("due_on") or "") for case in members})
        for day in days:
            group = [case for case in members if str(case.record.get("due_on") or "") == day]
            if day or schedule.at_once_from:
                yield group, None, 1, date.fromisoformat(day) if day else None, Fraction(1)
        return
    for number, series in enumerate(schedule.series, start=1):
        for milestone in series.milestones:
            share = Fraction(milestone.share).limit_denominator(1000)
            yield list(members), series, number, milestone.on, share


def _denominator(
    book: RuleBook, schedule: Schedule, number: int, group: Iterable[ParcelCase]
) -> tuple[list[ParcelCase], int]:
    """Return the parcels a rate is taken over, and how many left it."""
    rules = ledger_rules(book)
    counted: list[ParcelCase] = []
    excluded = 0
    for case in group:
        state = rules.states.get(case.state)
        leaves = any(
            rule.schedule == schedule.id
            and rule.series == number
            and case.record.get("measure") in rule.measures
            and all(item.id in case.ticks for item in item_list(book, case))
            for rule in rules.exclusions
        )
        if leaves or (state is not None and state.counts == "dropped"):
            excluded += 1
        else:
            counted.append(case)
    return counted, excluded


def _stage(book: RuleBook, schedule: str, number: int) -> Stage | None:
    return next((s for s in ledger_rules(book).stages if s.series.get(schedule) == number), None)


def _reached(book: RuleBook, case: ParcelCase, stage: Stage | None) -> bool:
    if case.closed_on is not None:
        return True
    if stage is None:
        return False
    return stage.id in case.stages or any(item in case.ticks for item in stage.items)


def _amount(cases: Iterable[ParcelCase]) -> tuple[int, int]:
    count = cents = 0
    for case in cases:
        count += 1
        cents += area_cents(case.record.get("area_m2"))
    return count, cents


def _forecast(
    reached: tuple[int, int], done_at: Any, as_of: date, on: date, began_on: date, total: tuple[int, int]
) -> tuple[int, int]:
    """Return what is done by ``on`` at the pace of the last 90 days, or of the ledger's days if fewer."""
    start = max(as_of - timedelta(days=PACE_DAYS), began_on)
    days = (as_of - start).days
    if days <= 0:
        return reached
    before = done_at(start)
    ahead = (on - as_of).days
    first, second = (
        min(total[i], max(0, reached[i] + (reached[i] - before[i]) * ahead // days)) for i in (0, 1)
    )
    return first, second
