"""The ledger as people use it: opened, kept up to date, asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from landremed.errors import InputError, LandremedError, Where
from landremed.law import RuleBook
from landremed.law.load_ledger import LedgerRules
from landremed.law.source import nearest
from landremed.ledger.case import ParcelCase, board_row, cases_at
from landremed.ledger.changes import Change, Prepared, ledger_rules, prepare
from landremed.ledger.events import Entry, Event, Kind
from landremed.ledger.record import rule_book_of
from landremed.ledger.store import Journal, reading, writing
from landremed.types import Finding

__all__ = ["Clerk", "Desk", "Recorded", "Refusal", "reading_desk", "record_changes", "writing_desk"]


@dataclass(frozen=True)
class Clerk:
    """Who writes, and when.

    Attributes
    ----------
    who : str
        The person who answers for the events.
    now : datetime
        Moment of writing, with a time zone; its day is today.
    """

    who: str
    now: datetime

    @property
    def today(self) -> date:
        """The day of writing."""
        return self.now.date()


@dataclass
class Desk:
    """An open ledger with its rule book."""

    journal: Journal
    book: RuleBook

    @property
    def rules(self) -> LedgerRules:
        """Moves, gates, marks."""
        return ledger_rules(self.book)

    @property
    def language(self) -> str:
        """Language of the labels kept in the file."""
        return str(self.journal.opening.get("language") or "zh")

    @property
    def ledger_id(self) -> str:
        """The hash of the first event, by which workbooks know their ledger."""
        return self.journal.events[0].hash[:16]

    @property
    def began_on(self) -> date:
        """The day of the base figures."""
        return self.journal.events[0].booked_on

    def run_head(self) -> dict[str, Any]:
        """Return what the last run said about itself."""
        found: dict[str, Any] = {}
        for event in self.journal.events:
            if event.event in (Kind.OPENED, Kind.RUN):
                found = event.new["run"]
        return found

    def cases(self, as_of: date | None = None) -> dict[str, ParcelCase]:
        """Return every parcel as it stands, or stood."""
        return cases_at(self.journal.events, self.rules, as_of=as_of)

    def case(self, cases: dict[str, ParcelCase], parcel_id: str) -> ParcelCase:
        """Return one parcel.

        Raises
        ------
        InputError
            There is none of that number; names the nearest.
        """
        found = cases.get(parcel_id)
        if found is None:
            near = nearest(parcel_id, cases)
            where = Where(file=str(self.journal.path), value=parcel_id)
            raise InputError("ledger_parcel_unknown", where, nearest=near)
        return found

    def write(self, entries: Sequence[Entry], clerk: Clerk, cases: dict[str, ParcelCase]) -> list[Event]:
        """Append events, and bring cases and map layer up to date."""
        written = self.journal.append(entries, who=clerk.who, now=clerk.now)
        changed: dict[str, ParcelCase] = {}
        for event in written:
            if event.parcel_id:
                case = cases.setdefault(event.parcel_id, ParcelCase(event.parcel_id))
                case.apply(event, self.rules)
                changed[event.parcel_id] = case
        rows = {parcel: board_row(case, self.rules, self.language) for parcel, case in changed.items()}
        self.journal.update_board(rows)
        return written


@dataclass(frozen=True)
class Refusal:
    """A change that was not taken, and why."""

    parcel_id: str
    error: LandremedError
    row: int | None = None


@dataclass
class Recorded:
    """What was written."""

    events: list[Event] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)

    @property
    def status(self) -> int:
        """Exit status: 3 with refusals or warnings."""
        return 3 if self.refused or self.warnings else 0


@contextmanager
def reading_desk(path: Path) -> Iterator[Desk]:
    """Open a ledger with its rule book to read it."""
    with reading(path) as journal:
        yield _desk(journal)


@contextmanager
def writing_desk(path: Path) -> Iterator[Desk]:
    """Open a ledger with its rule book for one transaction."""
    with writing(path) as journal:
        yield _desk(journal)


def record_changes(
    path: Path, changes: Iterable[Change], clerk: Clerk, *, all_or_none: bool = True
) -> Recorded:
    """Write changes in one transaction.

    Parameters
    ----------
    path : Path
        The ledger.
    changes : iterable of Change
        In order; each sees what the ones before it did.
    all_or_none : bool
        Raise at the first change that is refused, with nothing written; else it is listed and the others
        are written.
    """
    report = Recorded()
    with writing_desk(path) as desk:
        cases = desk.cases()
        for change in changes:
            try:
                prepared = prepare(desk.book, desk.case(cases, change.parcel_id), change, today=clerk.today)
            except LandremedError as error:
                if all_or_none:
                    raise
                report.refused.append(Refusal(change.parcel_id, error))
                continue
            _take(desk, prepared, clerk, cases, report, change.parcel_id)
    return report


def _take(
    desk: Desk,
    prepared: Prepared,
    clerk: Clerk,
    cases: dict[str, ParcelCase],
    report: Recorded,
    parcel_id: str,
) -> None:
    report.warnings += prepared.warnings
    if prepared.entries:
        report.events += desk.write(prepared.entries, clerk, cases)
    else:
        report.unchanged.append(parcel_id)


def _desk(journal: Journal) -> Desk:
    told: dict[str, Any] = {}
    for event in journal.events:
        if event.event in (Kind.OPENED, Kind.RUN):
            told = event.new["run"]
    book = rule_book_of(told, Where(file=str(journal.path)))
    ledger_rules(book)
    return Desk(journal, book)
