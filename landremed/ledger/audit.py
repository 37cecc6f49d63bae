"""Whether anybody edited the ledger behind its back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from landremed.errors import LandremedError, Where
from landremed.ledger.case import board_row, cases_at
from landremed.ledger.changes import ledger_rules
from landremed.ledger.desk import Desk
from landremed.ledger.events import Kind
from landremed.ledger.record import rule_book_of
from landremed.ledger.store import Journal, missing_triggers, reading
from landremed.types import Finding

__all__ = ["AuditReport", "audit_ledger"]


class AuditReport(NamedTuple):
    """What an audit found. ``head`` is worth keeping elsewhere: it proves that nothing was cut off."""

    events: int
    parcels: int
    head: str
    findings: list[Finding]


def audit_ledger(path: Path, *, head: str = "") -> AuditReport:
    """Check the chain of hashes, the guards, the kept reports and the map layer against the events.

    Parameters
    ----------
    path : Path
        The ledger.
    head : str
        Hash (or its first 8 digits or more) of an event noted earlier, as reports print it; the chain must
        still hold it.
    """
    with reading(path, check=False) as journal:
        findings = [*_chain(journal), *_guards(journal), *_frozen(journal)]
        if head and not any(event.hash.startswith(head.lower()) for event in journal.events):
            findings.append(Finding("audit_head_gone", value=head))
        if not journal.breaks:
            findings += _board(journal)
        parcels = {event.parcel_id for event in journal.events if event.parcel_id}
        return AuditReport(len(journal.events), len(parcels), journal.head[1], findings)


def _chain(journal: Journal) -> Iterator[Finding]:
    codes = {"hash": "audit_event_edited", "prev": "audit_link_broken", "seq": "audit_event_missing"}
    for broken in journal.breaks:
        yield Finding(codes.get(broken.what, "audit_cut_off"), value=str(broken.seq))


def _guards(journal: Journal) -> Iterator[Finding]:
    for name in missing_triggers(journal.db):
        yield Finding("audit_guard_gone", value=name)
    verdict = str(journal.db.execute("PRAGMA integrity_check").fetchone()[0])
    if verdict != "ok":
        yield Finding("audit_file_damaged", value=verdict[:200])


def _frozen(journal: Journal) -> Iterator[Finding]:
    kept = journal.frozen_months()
    told = {str(e.new["month"]): str(e.new["sha256"]) for e in journal.events if e.event == Kind.FROZEN}
    for month in sorted(set(kept) | set(told)):
        digest = hashlib.sha256(kept.get(month, "").encode("utf-8", "surrogatepass")).hexdigest()
        if told.get(month) != digest:
            yield Finding("audit_month_edited", value=month)


def _board(journal: Journal) -> Iterator[Finding]:
    told = {}
    for event in journal.events:
        if event.event in (Kind.OPENED, Kind.RUN):
            told = event.new["run"]
    try:
        book = rule_book_of(told, Where(file=str(journal.path)))
    except LandremedError:
        yield Finding("audit_rules_other")
        return
    rules = ledger_rules(book)
    desk = Desk(journal, book)
    shown = journal.board()
    for parcel, case in cases_at(journal.events, rules).items():
        if shown.pop(parcel, None) != board_row(case, rules, desk.language):
            yield Finding("audit_board_differs", parcel_id=parcel)
    for parcel in shown:
        yield Finding("audit_board_differs", parcel_id=parcel)
