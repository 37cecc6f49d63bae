"""Workbooks for the units that report in Excel: one each, machine columns locked, drop-downs for the rest."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from landremed.errors import InputError, OutputError, Where
from landremed.law import AcceptanceItem, RuleBook
from landremed.ledger.case import ParcelCase, area_cents, mu
from landremed.ledger.changes import allowed_moves, item_list
from landremed.ledger.desk import Clerk, Desk, writing_desk
from landremed.ledger.dues import is_overdue
from landremed.ledger.events import Entry, Kind
from landremed.ledger.monthly import figures_of, month_days
from landremed.ledger.words import help_lines, word, words_of

__all__ = ["BY_COLUMNS", "META_SHEET", "check_code", "write_sheets"]

BY_COLUMNS: Final = ("implementing_unit", "category", "lead")
"""What workbooks can be split by."""

META_SHEET: Final = "_landremed"
_MADE: Final = datetime(2000, 1, 1)
_WIDTHS: Final = {"parcel_id": 16, "measure": 22, "item": 24, "problem": 30, "next_step": 30, "evidence": 24}
_SAFE: Final = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


@dataclass(frozen=True)
class _Column:
    key: str
    title: str
    number: int = 0
    code: str = ""

    @property
    def fill_in(self) -> bool:
        return self.key in _FILL_IN

    @property
    def name(self) -> str:
        """Name by which the workbook is read back."""
        return self.key + (f".{self.number}" if self.number else "") + (f".{self.code}" if self.code else "")


_FILL_IN: Final = frozenset(
    {
        "new_state",
        "date",
        "tick",
        "gate",
        "mark",
        "meeting",
        "evidence",
        "person",
        "problem",
        "next_step",
    }
)


def write_sheets(
    path: Path,
    folder: Path,
    clerk: Clerk,
    *,
    month: str,
    by: str = "implementing_unit",
    language: str = "zh",
    overwrite: bool = False,
) -> dict[str, Path]:
    """Write one workbook per unit and note in the ledger that they went out.

    Parameters
    ----------
    path : Path
        The ledger.
    folder : Path
        Where the workbooks go; made when missing.
    month : str
        ``YYYY-MM`` that is reported.
    by : str
        One of ``BY_COLUMNS``.

    Returns
    -------
    dict of unit to Path
    """
    _, last = month_days(month)
    with writing_desk(path) as desk:
        if month_days(month)[0] > clerk.today:
            raise InputError(
                "ledger_month_future", Where(field="--month", value=month), today=clerk.today.isoformat()
            )
        if desk.journal.frozen(month) is not None:
            raise InputError("ledger_month_frozen", Where(field="--month", value=month))
        groups: dict[str, list[ParcelCase]] = {}
        for case in desk.cases().values():
            if case.present:
                groups.setdefault(str(case.record.get(by) or ""), []).append(case)
        files = _targets(groups, folder, month, desk, by, language)
        _check_free(list(files.values()), folder, overwrite)
        before = desk.cases(month_days(month)[0] - timedelta(days=1))
        temps = {target: target.with_name(f".{target.name}.tmp-{os.getpid()}") for target in files.values()}
        try:
            for unit, target in files.items():
                meta = {
                    "ledger": desk.ledger_id,
                    "month": month,
                    "by": by,
                    "unit": unit,
                    "language": language,
                }
                _write(temps[target], desk, groups[unit], before, meta, last)
            new = {"month": month, "by": by, "units": list(files)}
            desk.write([Entry("", Kind.SHEETS, clerk.today, new)], clerk, {})
            for target, temp in temps.items():
                temp.replace(target)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError("output_write_failed", Where(file=str(folder)), reason=reason) from error
        finally:
            for temp in temps.values():
                temp.unlink(missing_ok=True)
    return files


def check_code(ledger_id: str, parcel_id: str) -> str:
    """Return the short code that ties a row to its parcel: a column sorted by itself shows."""
    return hashlib.sha256(f"{ledger_id}|{parcel_id}".encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _targets(
    groups: Mapping[str, Sequence[ParcelCase]], folder: Path, month: str, desk: Desk, by: str, language: str
) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for unit in sorted(groups, key=lambda name: (name == "", name)):
        label = unit or word("no_unit", language)
        if by == "category":
            label = desk.book.value_label("category", unit or None, language)
        stem = re.sub(r'[\\/:*?"<>|\x00-\x1f]+', "_", label).strip(" .")[:60] or "_"
        target = folder / f"{stem}-{month}.xlsx"
        number = 2
        while target in files.values():
            target = folder / f"{stem}-{number}-{month}.xlsx"
            number += 1
        files[unit] = target
    return files


def _check_free(targets: Sequence[Path], folder: Path, overwrite: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            "output_write_failed", Where(file=str(folder)), reason=error.strerror or str(error)
        ) from error
    for target in targets:
        if target.exists() and not overwrite:
            raise OutputError("output_exists", Where(file=str(target)))


def _write(
    temp: Path,
    desk: Desk,
    cases: Sequence[ParcelCase],
    before: Mapping[str, ParcelCase],
    meta: Mapping[str, str],
    last: date,
) -> None:
    import xlsxwriter
    from xlsxwriter.exceptions import XlsxWriterException

    try:
        book = xlsxwriter.Workbook(str(temp), {**_SAFE, "default_date_format": "yyyy-mm-dd"})
        book.set_properties({"created": _MADE})
        _ledger_page(book, desk, cases, before, meta, last)
        _figures_page(book, desk, cases, before, meta["language"], last)
        page = book.add_worksheet(word("help_sheet", meta["language"]))
        page.set_column(0, 0, 90)
        for row, line in enumerate(help_lines(meta["language"])):
            page.write_string(row, 0, line)
        book.close()
    except XlsxWriterException as error:
        raise OutputError("output_write_failed", Where(file=str(temp.parent)), reason=str(error)) from error


def _columns(desk: Desk, cases: Sequence[ParcelCase], language: str) -> list[_Column]:
    titles = words_of("columns", language)
    plain = ("parcel_id", "check", "category", "outcome", "measure", "area_mu", "due_on", "overdue")
    found = [_Column(key, titles[key]) for key in (*plain, "last_state", "state", "new_state", "date")]
    most = max((len(item_list(desk.book, case)) for case in cases), default=0)
    for number in range(1, most + 1):
        found.append(_Column("item", f"{titles['item']}{number}", number))
        found.append(_Column("tick", f"{titles['tick']}{number}", number))
    gates = desk.rules.gates
    if any(case.record.get("measure") in gates.measures for case in cases):
        for gate in gates.items:
            found.append(_Column("gate", f"{titles['gate']} {gate.label.of(language)}", code=gate.id))
        found.append(_Column("meeting", titles["meeting"]))
    if any(case.record.get("zero_tolerance") == 1 for case in cases):
        for mark in desk.rules.marks:
            found.append(_Column("mark", f"{titles['mark']} {mark.label.of(language)}", code=mark.id))
    found += [_Column(key, titles[key]) for key in ("evidence", "person", "problem", "next_step")]
    return found


def _ledger_page(
    book: Any,
    desk: Desk,
    cases: Sequence[ParcelCase],
    before: Mapping[str, ParcelCase],
    meta: Mapping[str, str],
    last: date,
) -> None:
    language = meta["language"]
    page = book.add_worksheet(word("sheet", language))
    columns = _columns(desk, cases, language)
    head = book.add_format(
        {"bold": True, "bg_color": "#D9E2EC", "border": 1, "text_wrap": True, "valign": "top"}
    )
    locked = book.add_format({"border": 1, "valign": "top", "text_wrap": True})
    number = book.add_format({"border": 1, "valign": "top", "num_format": "#,##0.00"})
    open_ = {"locked": False, "bg_color": "#FFF9DB", "border": 1, "valign": "top", "text_wrap": True}
    free, day = book.add_format(open_), book.add_format({**open_, "num_format": "yyyy-mm-dd"})
    for at, column in enumerate(columns):
        page.write_string(0, at, column.title, head)
        page.set_column(at, at, _WIDTHS.get(column.key, 13))
    for row, case in enumerate(cases, start=1):
        _row(
            page,
            row,
            columns,
            _cells(desk, case, before.get(case.parcel_id), language, last),
            (locked, number),
        )
        for at, column in enumerate(columns):
            if column.fill_in:
                style = day if column.key == "date" else free
                page.write_string(row, at, _filled(column, desk.book, case, language), style)
                rule = _drop_down(column, desk, case, language, last)
                if rule:
                    page.data_validation(row, at, row, at, rule)
    page.freeze_panes(1, 1)
    page.autofilter(0, 0, len(cases), len(columns) - 1)
    page.protect("", {"autofilter": True, "sort": False, "format_columns": True, "format_rows": True})
    page.set_landscape()
    page.set_paper(8)
    page.repeat_rows(0)
    page.fit_to_pages(1, 0)
    hidden = book.add_worksheet(META_SHEET)
    told = {**meta, **{f"column.{column.name}": column.title for column in columns}}
    for line, (key, value) in enumerate([("key", "value"), *told.items()]):
        hidden.write_string(line, 0, key)
        hidden.write_string(line, 1, value)
    hidden.very_hidden()


def _row(
    page: Any, row: int, columns: Sequence[_Column], cells: Mapping[str, Any], formats: Sequence[Any]
) -> None:
    for at, column in enumerate(columns):
        value = cells.get(column.name, "")
        if column.fill_in:
            continue
        if isinstance(value, float):
            page.write_number(row, at, value, formats[1])
        else:
            page.write_string(row, at, str(value), formats[0])


def _cells(
    desk: Desk, case: ParcelCase, before: ParcelCase | None, language: str, last: date
) -> dict[str, Any]:
    record, book = case.record, desk.book
    cells: dict[str, Any] = {
        "parcel_id": case.parcel_id,
        "check": check_code(desk.ledger_id, case.parcel_id),
        "category": book.value_label("category", record.get("category"), language),
        "outcome": record.get("outcome_label") or "",
        "measure": record.get("measure_label") or "",
        "area_mu": mu(area_cents(record.get("area_m2"))),
        "due_on": record.get("due_on") or "",
        "overdue": word("yes", language) if is_overdue(case, book, last) else "",
        "last_state": _state(desk, before.state, language) if before else "",
        "state": _state(desk, case.state, language),
    }
    for number, item in enumerate(item_list(book, case), start=1):
        cells[f"item.{number}"] = item.text.of(language)
    return cells


def _drop_down(
    column: _Column, desk: Desk, case: ParcelCase, language: str, last: date
) -> dict[str, Any] | None:
    """Return what may be chosen in a cell."""
    if column.key == "new_state":
        moves = allowed_moves(desk.book, case, last)
        names = list(dict.fromkeys(_state(desk, move.target, language) for move in moves))
        return {"validate": "list", "source": names} if names else None
    if column.key in ("tick", "gate", "mark"):
        return {"validate": "list", "source": [word("yes", language)]}
    if column.key == "date":
        return {"validate": "date", "criteria": "between", "minimum": date(2000, 1, 1), "maximum": last}
    return None


def _filled(column: _Column, book: RuleBook, case: ParcelCase, language: str) -> str:
    """Return what stands there already, so that nobody ticks twice."""
    items: Sequence[AcceptanceItem] = item_list(book, case)
    done = {
        "tick": len(items) >= column.number > 0 and items[column.number - 1].id in case.ticks,
        "gate": column.code in case.gates,
        "mark": column.code in case.marks,
    }
    if column.key in ("problem", "next_step"):
        return case.notes.get(column.key, "")
    return word("yes", language) if done.get(column.key) else ""


def _figures_page(
    book: Any,
    desk: Desk,
    cases: Sequence[ParcelCase],
    before: Mapping[str, ParcelCase],
    language: str,
    last: date,
) -> None:
    page = book.add_worksheet(word("figures_sheet", language))
    titles = words_of("figures", language)
    head = book.add_format({"bold": True, "bg_color": "#D9E2EC", "border": 1, "text_wrap": True})
    share, area = book.add_format({"num_format": "0.0%"}), book.add_format({"num_format": "#,##0.00"})
    for at, title in enumerate(titles.values()):
        page.write_string(0, at, title, head)
        page.set_column(at, at, 20 if at == 0 else 13)
    first = (last.replace(day=1) - timedelta(days=1)).replace(day=1)
    mine = [before[case.parcel_id] for case in cases if case.parcel_id in before]
    groups: dict[str, list[ParcelCase]] = {}
    for case in mine:
        groups.setdefault(str(case.record.get("category") or ""), []).append(case)
    for row, code in enumerate(sorted(groups), start=1):
        told = figures_of(groups[code], desk.rules, first)
        page.write_string(row, 0, desk.book.value_label("category", code or None, language))
        page.write_number(row, 1, told["base"]["count"])
        page.write_number(row, 2, told["base"]["mu"], area)
        page.write_number(row, 3, told["done_month"]["count"])
        page.write_number(row, 4, told["done"]["count"])
        page.write_number(row, 5, told["done"]["mu"], area)
        for at, name in ((6, "rate_count"), (7, "rate_area")):
            if told[name] is not None:
                page.write_number(row, at, told[name], share)


def _state(desk: Desk, code: str, language: str) -> str:
    state = desk.rules.states.get(code)
    return state.label.of(language) if state else code
