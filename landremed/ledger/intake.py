"""Runs into the ledger: the base, and what a new run changes."""

from __future__ import annotations

import secrets
import sqlite3
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from landremed.errors import InputError, Where
from landremed.io.spreadsheet import read_table
from landremed.ledger.board import dress_board
from landremed.ledger.case import ParcelCase
from landremed.ledger.changes import ledger_rules
from landremed.ledger.desk import Clerk, Desk
from landremed.ledger.events import Entry, Kind
from landremed.ledger.record import Record, RunRecords, read_run, rule_book_of
from landremed.ledger.store import FORMAT, created, writing

__all__ = ["Intake", "id_list", "init_ledger", "update_ledger"]

_SILENT: Final = frozenset({"why", "outcome_label", "measure_label", "missing_facts"})
_ID_COLUMNS: Final = ("parcel_id", "图斑编号", "tbbh", "id", "编号")


@dataclass
class Intake:
    """What a run brought.

    Attributes
    ----------
    entered, transferred_in, left, changed : list of str
        Parcels.
    outcomes : Counter
        Outcomes of everything in the run.
    same : int
        Parcels the run leaves as they were.
    day : date
        The day it counts from.
    """

    entered: list[str] = field(default_factory=list)
    transferred_in: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    same: int = 0
    day: date = date.min
    outcomes: Counter[str] = field(default_factory=Counter)
    entries: list[Entry] = field(default_factory=list, repr=False)


def init_ledger(
    result: Path, path: Path, clerk: Clerk, *, on: date | None = None, overwrite: bool = False
) -> Intake:
    """Open a ledger on the decisions of a run.

    Parameters
    ----------
    result : Path
        GeoPackage of ``landremed run``.
    path : Path
        The new ledger.
    on : date, optional
        Day of the base figures; the run's ``as_of`` by default.
    overwrite : bool
        Replace what is there.

    Raises
    ------
    InputError
        The result cannot be used; the rule book is not the one it was made with.
    OutputError
        The ledger exists or cannot be written.
    """
    run = read_run(result)
    day = _day(on or run.as_of, clerk)
    book = rule_book_of(run.provenance, Where(file=str(result)))
    ledger_rules(book)
    head = run.head()
    opening = {
        "format": FORMAT,
        "id": secrets.token_hex(8),
        "language": head["language"] or "zh",
        "run": head,
    }
    intake = Intake(entered=list(run.records), day=day, outcomes=_outcomes(run))
    entries = [Entry("", Kind.OPENED, day, opening, source=result.name)]
    entries += [
        Entry(parcel, Kind.ENTER, day, {"how": "base", "record": record}, source=result.name)
        for parcel, record in run.records.items()
    ]

    def dress(db: sqlite3.Connection) -> None:
        dress_board(db, book, ledger_rules(book), str(opening["language"]))

    with created(path, result, dress=dress, overwrite=overwrite) as journal:
        Desk(journal, book).write(entries, clerk, {})
    return intake


def update_ledger(
    path: Path,
    result: Path,
    clerk: Clerk,
    *,
    on: date | None = None,
    transferred_in: Collection[str] = (),
    keep_missing: bool = False,
    accept_rules: bool = False,
    dry_run: bool = False,
) -> Intake:
    """Take a new run in: new parcels, changed decisions, transfers in and out.

    Parameters
    ----------
    transferred_in : collection of str
        New parcels that were handed over by somebody else, not newly found.
    keep_missing : bool
        Leave parcels alone that the run does not have; else they are transferred out.
    accept_rules : bool
        Take a run whose rule book has the same name but other content.
    dry_run : bool
        Say what would happen, and write nothing.
    """
    run = read_run(result)
    day = _day(on or run.as_of, clerk)
    with writing(path) as journal:
        told: Mapping[str, Any] = {}
        for event in journal.events:
            if event.event in (Kind.OPENED, Kind.RUN):
                told = event.new["run"]
        _same_rules(told, run, Where(file=str(result)), accept_rules)
        desk = Desk(journal, rule_book_of(run.provenance, Where(file=str(result))))
        cases = desk.cases()
        intake = _compare(cases, run, day, frozenset(transferred_in), keep_missing)
        if not dry_run:
            head = Entry("", Kind.RUN, day, {"run": run.head()}, {"run": dict(told)}, result.name)
            journal.take_shapes(result)
            desk.write([head, *intake.entries], clerk, cases)
    return intake


def id_list(path: Path) -> list[str]:
    """Return the parcels of a CSV or XLSX list: the column of numbers, else the first.

    Raises
    ------
    InputError
        No such table, or a number stands there twice.
    """
    table = read_table(str(path))
    names = {name.casefold(): name for name in table.columns}
    column = next((names[word] for word in _ID_COLUMNS if word in names), table.columns[0])
    found: list[str] = []
    for cell, row in zip(table.column(column), table.row_numbers, strict=True):
        if cell is None:
            continue
        text = str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()
        if text in found:
            raise InputError("ledger_list_twice", Where(file=str(path), row=row, field=column, value=text))
        found.append(text)
    if not found:
        raise InputError("ledger_list_empty", Where(file=str(path), field=column))
    return found


def _same_rules(told: Mapping[str, Any], run: RunRecords, where: Where, accept: bool) -> None:
    if run.provenance["rules"] != told.get("rules"):
        raise InputError(
            "ledger_other_rules", where, ledger=told.get("rules", ""), run=run.provenance["rules"]
        )
    changed = run.provenance["rules_hash"] != told.get("rules_hash")
    if (changed or run.head()["readings"] != told.get("readings")) and not accept:
        raise InputError("ledger_run_rules_changed", where, book=run.provenance["rules"])


def _compare(
    cases: Mapping[str, ParcelCase],
    run: RunRecords,
    day: date,
    transferred_in: frozenset[str],
    keep_missing: bool,
) -> Intake:
    where = Where(file=str(run.path))
    present = {parcel for parcel, case in cases.items() if case.present}
    unknown = sorted(transferred_in - set(run.records))
    if unknown:
        raise InputError("ledger_transfer_unknown", where, parcel=unknown[0])
    if present and not present & set(run.records):
        raise InputError("ledger_run_elsewhere", where)
    intake, source = Intake(day=day, outcomes=_outcomes(run)), run.path.name
    for parcel, record in run.records.items():
        case = cases.get(parcel)
        if case is None or not case.present:
            moved = parcel in transferred_in or case is not None
            (intake.transferred_in if moved else intake.entered).append(parcel)
            new = {"how": "transfer_in" if moved else "new", "record": record}
            intake.entries.append(Entry(parcel, Kind.ENTER, day, new, source=source))
            continue
        old, new = _difference(case.record, record)
        if new:
            intake.changed.append(parcel)
            intake.entries.append(Entry(parcel, Kind.DECISION, day, new, old, source))
        else:
            intake.same += 1
    if not keep_missing:
        for parcel in sorted(present - set(run.records)):
            intake.left.append(parcel)
            new = {"how": "transfer_out"}
            intake.entries.append(Entry(parcel, Kind.LEAVE, day, new, source=source))
    return intake


def _difference(old: Record, new: Record) -> tuple[Record, Record]:
    """Return the fields that differ; sentences that only repeat other fields do not count alone."""
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if not set(names) - _SILENT:
        return {}, {}
    return {name: old.get(name) for name in names}, {name: new.get(name) for name in names}


def _day(day: date, clerk: Clerk) -> date:
    if day > clerk.today:
        raise InputError("ledger_day_future", Where(value=day.isoformat()), today=clerk.today.isoformat())
    return day


def _outcomes(run: RunRecords) -> Counter[str]:
    return Counter(str(record["outcome"]) for record in run.records.values())
