"""The figures of a month: computed from events once and kept, so that the month comes out the same later."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from landremed.errors import InputError, Where
from landremed.law import RuleBook
from landremed.law.load_ledger import LedgerRules
from landremed.ledger.balance import FLOWS, LineKey, balance
from landremed.ledger.case import ParcelCase, area_cents, mu
from landremed.ledger.desk import Clerk, Desk, reading_desk, writing_desk
from landremed.ledger.dues import due_lines
from landremed.ledger.events import Entry, Event, Kind, canonical
from landremed.ledger.lists import parcel_lists
from landremed.ledger.milestones import milestone_lines
from landremed.ledger.sheet_state import missing_units
from landremed.ledger.workdays import OfficeCalendar, report_day
from landremed.types import Outcome

__all__ = ["figures_of", "month_days", "monthly_document", "monthly_figures"]

_DOCUMENT: Final = 1


def month_days(month: str) -> tuple[date, date]:
    """Return first and last day of ``YYYY-MM``.

    Raises
    ------
    InputError
        It is no month.
    """
    try:
        first = date.fromisoformat(f"{month}-01")
    except ValueError as error:
        raise InputError("ledger_month_unreadable", Where(field="--month", value=month)) from error
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def monthly_document(
    path: Path,
    month: str,
    clerk: Clerk,
    *,
    language: str = "zh",
    calendar: OfficeCalendar | None = None,
    draft: bool = False,
    before_freeze: Callable[[Mapping[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Return a month's figures; a month that is over is kept in the ledger from then on.

    Parameters
    ----------
    month : str
        ``YYYY-MM``.
    language : {"zh", "en"}
        Language of labels; a kept month keeps its own.
    draft : bool
        Do not keep it. The running month is always a draft.
    before_freeze : callable, optional
        Called with the figures before they are kept; when it raises, nothing is kept.

    Raises
    ------
    InputError
        The month lies in the future or before the ledger; the holidays of the report day are unknown.
    """
    first, last = month_days(month)
    if first > clerk.today:
        raise InputError(
            "ledger_month_future", Where(field="--month", value=month), today=clerk.today.isoformat()
        )
    keep = not draft and last < clerk.today
    with writing_desk(path) if keep else reading_desk(path) as desk:
        kept = desk.journal.frozen(month)
        if kept is not None:
            document: dict[str, Any] = json.loads(kept)
            if before_freeze:
                before_freeze(document)
            return document
        if last < desk.began_on:
            raise InputError(
                "ledger_month_before", Where(field="--month", value=month), began=desk.began_on.isoformat()
            )
        figures = monthly_figures(desk, month, today=clerk.today, language=language, calendar=calendar)
        # as it will be read back, so that the first report is the same as every later one
        document = json.loads(canonical(figures | {"draft": not keep}))
        if before_freeze:
            before_freeze(document)
        if keep:
            text = canonical(document)
            digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
            desk.journal.freeze(month, text)
            new = {"month": month, "sha256": digest}
            desk.write([Entry("", Kind.FROZEN, clerk.today, new)], clerk, {})
    return document


def monthly_figures(
    desk: Desk,
    month: str,
    *,
    today: date,
    language: str = "zh",
    calendar: OfficeCalendar | None = None,
) -> dict[str, Any]:
    """Compute a month's figures from the events booked up to its last day (of the running month: today)."""
    first, last = month_days(month)
    last = min(last, today)
    book, rules = desk.book, desk.rules
    events = [event for event in desk.journal.events if event.booked_on <= last]
    cases = desk.cases(last)
    present = [case for case in cases.values() if case.present]
    run = desk.run_head()
    basis = str(run.get("basis") or "count")
    keys = _keys(desk, language)
    due = due_lines(cases, book, last, days=31)
    seq, digest = desk.journal.head
    return {
        "document": _DOCUMENT,
        "month": month,
        "first": first.isoformat(),
        "last": last.isoformat(),
        "report_on": report_day(month, calendar).isoformat(),
        "language": language,
        "draft": False,
        "head": {"seq": seq, "hash": digest},
        "plan": book.title.of(language),
        "project": run.get("project", ""),
        "secrecy": run.get("secrecy", ""),
        "rules": {"name": book.name, "hash": book.content_hash},
        "basis": basis,
        "total": figures_of(present, rules, first),
        "by": {name: _grouped(present, desk, first, key, label) for name, (key, label) in keys.items()},
        "subsets": _subsets(present, rules, first),
        "account": _accounts(events, rules, first, last, desk, language),
        "milestones": [
            line.to_dict()
            for line in milestone_lines(
                book, events, last, began_on=desk.began_on, basis=basis, language=language
            )
        ],
        "overdue": [_due_row(line.to_dict(), desk, language) for line in due if line.overdue],
        "due_next": [_due_row(line.to_dict(), desk, language) for line in due if not line.overdue],
        "problems": _notes(present, "problem"),
        "next_steps": _notes(present, "next_step"),
        "sent_back": _moved(events, first, rules.returned, cases),
        "relapsed": _moved(events, first, frozenset(), cases, relapse=True),
        "new_violations": _marks(present, rules, language),
        "objections": _objections(events, first),
        "not_reported": missing_units(desk.journal.events, month),
        "lists": parcel_lists(cases, book, last, language),
    }


def _keys(desk: Desk, language: str) -> dict[str, tuple[Callable[[ParcelCase], str], Callable[[str], str]]]:
    book = desk.book
    return {
        "class": (
            lambda case: str(case.record.get("category") or ""),
            lambda code: book.value_label("category", code or None, language),
        ),
        "unit": (lambda case: str(case.record.get("implementing_unit") or ""), str),
        "outcome": (
            lambda case: str(case.record.get("outcome") or ""),
            lambda code: book.outcomes[code].label.of(language) if code in book.outcomes else code,
        ),
    }


def figures_of(cases: Iterable[ParcelCase], rules: LedgerRules, first: date) -> dict[str, Any]:
    """Return base, done in the month and in all, rates by count and by area."""
    sums = {name: [0, 0] for name in ("base", "done", "done_month", "dropped", "open")}
    cultivated = 0
    for case in cases:
        cents = area_cents(case.record.get("area_m2"))
        cultivated += area_cents(case.record.get("cultivated_area_m2"))
        names = ["base"]
        if rules.states[case.state].counts == "dropped":
            names.append("dropped")
        elif case.closed_on is not None:
            names += ["done", "done_month"] if case.closed_on >= first else ["done"]
        else:
            names.append("open")
        for name in names:
            sums[name][0] += 1
            sums[name][1] += cents
    found: dict[str, Any] = {
        name: {"count": count, "cents": cents, "mu": mu(cents)} for name, (count, cents) in sums.items()
    }
    found["cultivated"] = {"cents": cultivated, "mu": mu(cultivated)}
    for place, name in enumerate(("rate_count", "rate_area")):
        base = sums["base"][place] - sums["dropped"][place]
        found[name] = sums["done"][place] / base if base else None
    return found


def _grouped(
    cases: Sequence[ParcelCase],
    desk: Desk,
    first: date,
    key: Callable[[ParcelCase], str],
    label: Callable[[str], str],
) -> list[dict[str, Any]]:
    groups: dict[str, list[ParcelCase]] = {}
    for case in cases:
        groups.setdefault(key(case), []).append(case)
    names = sorted(groups, key=_order(desk.book))
    return [
        {"code": name, "label": label(name)} | figures_of(groups[name], desk.rules, first) for name in names
    ]


def _order(book: RuleBook) -> Callable[[str], tuple[bool, int, str]]:
    """Put classes and outcomes into the plan's order, others by name, the nameless last."""
    known = {code: place for place, code in enumerate((*book.classes, *(o.value for o in Outcome)))}
    return lambda code: (code == "", known.get(code, len(known)), code)


def _subsets(cases: Sequence[ParcelCase], rules: LedgerRules, first: date) -> dict[str, Any]:
    areas = {
        "on_farmland": "permanent_basic_farmland_area_m2",
        "on_red_line": "ecological_red_line_area_m2",
    }
    found: dict[str, Any] = {}
    for name, column in areas.items():
        members = [case for case in cases if case.record.get(name)]
        cents = sum(area_cents(case.record.get(column)) for case in members)
        found[name] = figures_of(members, rules, first) | {"overlap": {"cents": cents, "mu": mu(cents)}}
    return found


def _accounts(
    events: Sequence[Event], rules: LedgerRules, first: date, last: date, desk: Desk, language: str
) -> dict[str, list[dict[str, Any]]]:
    book = desk.book
    keys: dict[str, tuple[LineKey, Callable[[str], str]]] = {
        "total": (lambda standing: "", str),
        "class": (
            lambda standing: standing.category,
            lambda code: book.value_label("category", code or None, language),
        ),
        "unit": (lambda standing: standing.unit, str),
    }
    found: dict[str, list[dict[str, Any]]] = {}
    for name, (key, label) in keys.items():
        lines = balance(events, rules, first, last, key)
        found[name] = [
            {
                "code": code,
                "label": label(code),
                "count": {flow: lines[code].count.get(flow, 0) for flow in ("opening", *FLOWS, "closing")},
                "cents": {
                    flow: lines[code].cents.get(flow, 0)
                    for flow in ("opening", *FLOWS, "remeasured", "closing")
                },
            }
            for code in sorted(lines, key=_order(book))
        ]
    return found


def _due_row(line: dict[str, Any], desk: Desk, language: str) -> dict[str, Any]:
    book = desk.book
    state = desk.rules.states.get(line["state"])
    return line | {
        "category_label": book.value_label("category", line["category"] or None, language),
        "measure_label": book.measure_label(line["measure"], language),
        "state_label": state.label.of(language) if state else line["state"],
    }


def _notes(cases: Iterable[ParcelCase], kind: str) -> list[dict[str, str]]:
    return [
        {
            "parcel_id": case.parcel_id,
            "unit": str(case.record.get("implementing_unit") or ""),
            "text": case.notes[kind],
        }
        for case in cases
        if case.notes.get(kind) and case.closed_on is None
    ]


def _moved(
    events: Iterable[Event],
    first: date,
    states: frozenset[str],
    cases: Mapping[str, ParcelCase],
    *,
    relapse: bool = False,
) -> list[dict[str, Any]]:
    return [
        {
            "parcel_id": event.parcel_id,
            "unit": str(cases[event.parcel_id].record.get("implementing_unit") or ""),
            "on": event.booked_on.isoformat(),
            "times": cases[event.parcel_id].relapses if relapse else cases[event.parcel_id].sent_back,
        }
        for event in events
        if event.event == Kind.STATE
        and event.booked_on >= first
        and (event.new.get("relapse") if relapse else event.new["state"] in states)
    ]


def _marks(cases: Iterable[ParcelCase], rules: LedgerRules, language: str) -> dict[str, Any]:
    members = [case for case in cases if case.record.get("zero_tolerance") == 1]
    marks = [
        {
            "id": mark.id,
            "label": mark.label.of(language),
            "count": sum(1 for case in members if mark.id in case.marks),
        }
        for mark in rules.marks
    ]
    cents = sum(area_cents(case.record.get("area_m2")) for case in members)
    return {"count": len(members), "cents": cents, "mu": mu(cents), "marks": marks}


def _objections(events: Iterable[Event], first: date) -> dict[str, int]:
    told = [e for e in events if e.event == Kind.OBJECTION and e.booked_on >= first]
    answers = [e for e in events if e.event == Kind.ANSWER and e.booked_on >= first]
    return {
        "count": len(told),
        "flips": sum(1 for event in told if event.new["flips"]),
        "answers": len(answers),
    }
