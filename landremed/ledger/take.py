"""Workbooks back from the units: per row accepted or refused with the reason; twice is once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from landremed.errors import InputError, LandremedError, Where
from landremed.io.spreadsheet import RawTable, read_table
from landremed.io.table_shape import column_name
from landremed.ledger.case import ParcelCase
from landremed.ledger.changes import Change, item_list, prepare
from landremed.ledger.desk import Clerk, Desk, Refusal, reading_desk, writing_desk
from landremed.ledger.events import Entry, Kind, canonical
from landremed.ledger.evidence import evidence_of
from landremed.ledger.monthly import month_days
from landremed.ledger.sheet_state import missing_units
from landremed.ledger.sheets import META_SHEET, check_code
from landremed.ledger.words import word
from landremed.types import Finding, PartialDate
from landremed.values import parse_bool, parse_date

__all__ = ["TakenFile", "TakenSheets", "take_sheets"]

_SEPARATORS: Final = re.compile(r"[;；,，、\n]+")
_TICKED: Final = ("tick", "gate", "mark")


@dataclass
class TakenFile:
    """What became of one workbook.

    Attributes
    ----------
    accepted : list of str
        Parcels for which something was written.
    repeated : int
        Rows that had been taken before.
    blank : int
        Rows in which nothing new stands.
    error : LandremedError or None
        Why the whole file was refused.
    """

    path: Path
    unit: str = ""
    month: str = ""
    accepted: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    repeated: int = 0
    blank: int = 0
    error: LandremedError | None = None


@dataclass
class TakenSheets:
    """What became of all of them. ``not_reported`` maps a month to the units still missing."""

    files: list[TakenFile]
    not_reported: dict[str, list[str]]

    @property
    def status(self) -> int:
        """Exit status: 3 with anything refused, warned of or missing."""
        bad = any(file.error or file.refused or file.warnings for file in self.files)
        return 3 if bad or any(self.not_reported.values()) else 0


class _DryRunError(Exception):
    """Ends a transaction that was only tried."""


@dataclass(frozen=True)
class _Workbook:
    meta: Mapping[str, str]
    rows: Sequence[tuple[int, dict[str, Any]]]

    @property
    def unit(self) -> str:
        return self.meta["unit"]


def take_sheets(path: Path, files: Sequence[Path], clerk: Clerk, *, dry_run: bool = False) -> TakenSheets:
    """Read workbooks of ``ledger sheets`` back.

    Each file is one transaction. A row that is refused leaves the others alone; a file that is no workbook
    of this ledger is refused whole.

    Parameters
    ----------
    dry_run : bool
        Say what would be taken, and write nothing.
    """
    taken: list[TakenFile] = []
    back: dict[str, set[str]] = {}
    for file in files:
        report = TakenFile(file)
        try:
            workbook = _read(file)
            report.unit, report.month = workbook.unit, workbook.meta["month"]
            _take_file(path, workbook, report, clerk, dry_run)
            back.setdefault(report.month, set()).add(report.unit)
        except LandremedError as error:
            if error.where.file == str(path):
                raise
            report.error = error
        taken.append(report)
    with reading_desk(path) as desk:
        events = desk.journal.events
        months = sorted(back)
        missing = {
            month: [unit for unit in missing_units(events, month) if unit not in back[month]]
            for month in months
        }
    return TakenSheets(taken, missing)


def _take_file(path: Path, workbook: _Workbook, report: TakenFile, clerk: Clerk, dry_run: bool) -> None:
    try:
        with writing_desk(path) as desk:
            _check_meta(desk, workbook, report.path)
            _take_rows(desk, workbook, report, clerk)
            new = {"month": report.month, "unit": report.unit, "file": report.path.name}
            told = any(event.event == Kind.REPORTED and event.new == new for event in desk.journal.events)
            if not told:
                desk.write([Entry("", Kind.REPORTED, clerk.today, new, source=report.path.name)], clerk, {})
            if dry_run:
                raise _DryRunError
    except _DryRunError:
        return


def _take_rows(desk: Desk, workbook: _Workbook, report: TakenFile, clerk: Clerk) -> None:
    cases = desk.cases()
    known = {event.source.rpartition("#")[2] for event in desk.journal.events if "#" in event.source}
    last = min(month_days(report.month)[1], clerk.today)
    seen: set[str] = set()
    for number, cells in workbook.rows:
        parcel = str(cells.get("parcel_id") or "")
        where = Where(file=str(report.path), row=number, value=parcel)
        try:
            case = _case(desk, cases, workbook, cells, where, seen)
            change = _change(desk, case, cells, report, where, last)
            mark = change.source.rpartition("#")[2]
            if mark in known:
                report.repeated += 1
                continue
            prepared = prepare(desk.book, case, change, today=clerk.today)
        except LandremedError as error:
            report.refused.append(Refusal(parcel, error, number))
            continue
        if not prepared.entries:
            report.blank += 1
            continue
        report.warnings += prepared.warnings
        desk.write(prepared.entries, clerk, cases)
        report.accepted.append(parcel)


def _case(
    desk: Desk,
    cases: dict[str, ParcelCase],
    workbook: _Workbook,
    cells: Mapping[str, Any],
    where: Where,
    seen: set[str],
) -> ParcelCase:
    parcel = str(cells.get("parcel_id") or "")
    if parcel in seen:
        raise InputError("ledger_list_twice", where)
    seen.add(parcel)
    if parcel not in cases or str(cells.get("check") or "") != check_code(desk.ledger_id, parcel):
        raise InputError("ledger_row_moved", where)
    case = cases[parcel]
    if str(case.record.get(workbook.meta["by"]) or "") != workbook.unit:
        raise InputError("ledger_row_other_unit", where)
    return case


def _change(
    desk: Desk, case: ParcelCase, cells: Mapping[str, Any], report: TakenFile, where: Where, last: date
) -> Change:
    filled = {name: _plain(value) for name, value in cells.items() if _is_fill_in(name) and value is not None}
    print_ = hashlib.sha256(
        canonical([desk.ledger_id, report.month, report.unit, case.parcel_id, filled]).encode(
            "utf-8", "surrogatepass"
        )
    ).hexdigest()[:16]
    items = [item.id for item in item_list(desk.book, case)]
    ticked = [name for name in cells if name.partition(".")[0] in _TICKED and _ticked(name, cells, where)]
    ticks = []
    for name in ticked:
        kind, _, code = name.partition(".")
        if kind == "tick":
            if int(code) > len(items):
                raise InputError("ledger_row_no_item", where)
            # what was ticked with evidence before keeps that evidence
            known = case.ticks.get(items[int(code) - 1])
            if known is None or not known.evidence:
                ticks.append(items[int(code) - 1])
    notes = {kind: str(cells[kind]) for kind in ("problem", "next_step") if cells.get(kind) is not None}
    return Change(
        case.parcel_id,
        _day(cells.get("date"), where, last),
        state=str(cells.get("new_state") or "").strip(),
        ticks=tuple(ticks),
        gates=tuple(code for code in _codes(ticked, "gate") if code not in case.gates),
        marks=tuple(code for code in _codes(ticked, "mark") if code not in case.marks),
        meeting=_plain(cells.get("meeting") or ""),
        evidence=evidence_of(_evidence(cells.get("evidence"), report.path.parent, where)),
        notes=notes,
        person=str(cells.get("person") or "").strip(),
        source=f"{report.path.name} row {where.row} #{print_}",
    )


def _codes(ticked: Sequence[str], kind: str) -> list[str]:
    return [name.partition(".")[2] for name in ticked if name.startswith(f"{kind}.")]


def _ticked(name: str, cells: Mapping[str, Any], where: Where) -> bool:
    read = parse_bool(cells[name])
    if read is None or isinstance(read, bool):
        return bool(read)
    place = Where(file=where.file, row=where.row, field=name, value=str(cells[name]))
    raise InputError("ledger_row_tick", place)


def _day(cell: Any, where: Where, last: date) -> date:
    if cell is None:
        return last
    read = parse_date(cell, serial_dates=True)
    if not isinstance(read, PartialDate) or not read.exact:
        raise InputError("ledger_row_date", Where(file=where.file, row=where.row, value=str(cell)))
    return read.first


def _evidence(cell: Any, folder: Path, where: Where) -> list[Path]:
    names = [name.strip() for name in _SEPARATORS.split(str(cell or "")) if name.strip()]
    for name in names:
        if Path(name).is_absolute() or ".." in Path(name).parts or "\\" in name:
            raise InputError("ledger_evidence_outside", Where(file=where.file, row=where.row, value=name))
    return [folder / name for name in names]


def _is_fill_in(name: str) -> bool:
    return name.partition(".")[0] in {
        *_TICKED,
        "new_state",
        "date",
        "meeting",
        "evidence",
        "person",
        "problem",
        "next_step",
    }


def _plain(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _read(file: Path) -> _Workbook:
    where = Where(file=str(file))
    try:
        told = read_table(str(file), sheet=META_SHEET)
    except InputError as error:
        if error.code == "table_sheet_missing":
            raise InputError("ledger_sheet_foreign", where) from error
        raise
    if not {"key", "value"} <= set(told.columns):
        raise InputError("ledger_sheet_foreign", where)
    meta = {
        str(key): "" if value is None else str(value)
        for key, value in zip(told.column("key"), told.column("value"), strict=True)
    }
    if not {"ledger", "month", "by", "unit", "language"} <= set(meta):
        raise InputError("ledger_sheet_foreign", where)
    table = read_table(str(file), sheet=word("sheet", meta["language"]))
    return _Workbook(meta, _rows(table, meta, where))


def _rows(table: RawTable, meta: Mapping[str, str], where: Where) -> list[tuple[int, dict[str, Any]]]:
    names = {
        column_name(title): key.removeprefix("column.")
        for key, title in meta.items()
        if key.startswith("column.")
    }
    missing = [title for title in names if title not in table.columns]
    if missing:
        raise InputError("ledger_sheet_column", where, column=missing[0])
    return [
        (number, {names[c]: cell for c, cell in zip(table.columns, row, strict=True) if c in names})
        for number, row in zip(table.row_numbers, table.rows, strict=True)
    ]


def _check_meta(desk: Desk, workbook: _Workbook, file: Path) -> None:
    where = Where(file=str(file))
    if workbook.meta["ledger"] != desk.ledger_id:
        raise InputError("ledger_sheet_other", where)
    month, unit = workbook.meta["month"], workbook.unit
    issued = any(
        event.event == Kind.SHEETS and event.new["month"] == month and unit in event.new["units"]
        for event in desk.journal.events
    )
    if not issued:
        raise InputError("ledger_sheet_not_issued", where, unit=unit or "–", month=month)
