"""The lists the plan asks for: problems, tasks, responsibilities, times; one row per parcel in each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from landremed.law import RuleBook
from landremed.ledger.case import ParcelCase, area_cents, mu
from landremed.ledger.changes import item_list, ledger_rules, missing_gates, open_items
from landremed.ledger.dues import is_overdue
from landremed.ledger.milestones import main_schedule

__all__ = ["LIST_COLUMNS", "parcel_lists"]

_HEAD: Final = ("parcel_id", "category", "unit")
LIST_COLUMNS: Final = {
    "problems": (
        *_HEAD,
        "subtype",
        "programme",
        "occurred_on",
        "area_mu",
        "farmland_mu",
        "red_line_mu",
        "outcome",
        "why",
        "state",
        "since",
        "zero_tolerance",
        "marks",
        "sent_back",
        "relapses",
        "problem",
    ),
    "tasks": (
        *_HEAD,
        "measure",
        "clause",
        "items",
        "ticked",
        "open_items",
        "open_gates",
        "next_step",
    ),
    "duties": (*_HEAD, "lead", "cooperating", "implementing", "other_units"),
    "times": (
        *_HEAD,
        "schedule",
        "due_on",
        "at_once",
        "days",
        "overdue",
        "before_plan",
        "closed_on",
    ),
}
"""问题台账, 任务清单, 责任清单, 时间清单, and their columns."""


def parcel_lists(
    cases: Mapping[str, ParcelCase], book: RuleBook, as_of: date, language: str
) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the four lists, parcels in the ledger's order, without those transferred out."""
    present = [case for case in cases.values() if case.present]
    makers = {"problems": _problem, "tasks": _task, "duties": _duty, "times": _time}
    return {name: [makers[name](case, book, as_of, language) for case in present] for name in LIST_COLUMNS}


def _head(case: ParcelCase, book: RuleBook, language: str) -> dict[str, Any]:
    record = case.record
    category = record.get("category")
    return {
        "parcel_id": case.parcel_id,
        "category": book.value_label("category", category, language),
        "unit": record.get("implementing_unit") or "",
    }


def _problem(case: ParcelCase, book: RuleBook, as_of: date, language: str) -> dict[str, Any]:
    record, rules = case.record, ledger_rules(book)
    subtype = record.get("subtype")
    state = rules.states.get(case.state)
    marks = [mark.label.of(language) for mark in rules.marks if mark.id in case.marks]
    return _head(case, book, language) | {
        "subtype": book.value_label("subtype", subtype, language) if subtype else "",
        "programme": record.get("source_programme") or "",
        "occurred_on": record.get("occurred_on") or "",
        "area_mu": mu(area_cents(record.get("area_m2"))),
        "farmland_mu": mu(area_cents(record.get("permanent_basic_farmland_area_m2"))),
        "red_line_mu": mu(area_cents(record.get("ecological_red_line_area_m2"))),
        "outcome": record.get("outcome_label") or "",
        "why": record.get("why") or "",
        "state": state.label.of(language) if state else case.state,
        "since": case.since.isoformat(),
        "zero_tolerance": 1 if record.get("zero_tolerance") == 1 else 0,
        "marks": "、".join(marks),
        "sent_back": case.sent_back,
        "relapses": case.relapses,
        "problem": case.notes.get("problem", ""),
    }


def _task(case: ParcelCase, book: RuleBook, as_of: date, language: str) -> dict[str, Any]:
    items = item_list(book, case)
    waiting = open_items(book, case, as_of) if case.closed_on is None else []
    gates = missing_gates(book, case) if case.closed_on is None else []
    return _head(case, book, language) | {
        "measure": case.record.get("measure_label") or "",
        "clause": "、".join(
            book.clause_label(part) for part in str(case.record.get("clause") or "").split(",") if part
        ),
        "items": len(items),
        "ticked": sum(1 for item in items if item.id in case.ticks),
        "open_items": "、".join(item.text.of(language) for item, _ in waiting),
        "open_gates": "、".join(gate.label.of(language) for gate in gates),
        "next_step": case.notes.get("next_step", ""),
    }


def _duty(case: ParcelCase, book: RuleBook, as_of: date, language: str) -> dict[str, Any]:
    record = case.record
    names = ("lead", "cooperating", "implementing", "other_units")
    return _head(case, book, language) | {name: record.get(name) or "" for name in names}


def _time(case: ParcelCase, book: RuleBook, as_of: date, language: str) -> dict[str, Any]:
    schedule = book.schedules.get(main_schedule(case.record, book))
    due = date.fromisoformat(case.record["due_on"]) if case.record.get("due_on") else None
    return _head(case, book, language) | {
        "schedule": schedule.label.of(language) if schedule else "",
        "due_on": due.isoformat() if due else "",
        "at_once": 1 if schedule is not None and schedule.at_once_from and due is None else 0,
        "days": (due - as_of).days if due and case.closed_on is None else None,
        "overdue": 1 if is_overdue(case, book, as_of) else 0,
        "before_plan": 1 if due is not None and due < ledger_rules(book).dated else 0,
        "closed_on": case.closed_on.isoformat() if case.closed_on else "",
    }
