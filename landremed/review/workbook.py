"""Packages for teams without QField: a workbook, written to be filled in and read back.

The first sheet is for people; the sheet ``landremed`` keeps what was packed, so that changed ids, edited
machine cells and renamed columns are noticed when the workbook comes back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from landremed.errors import InputError, Where
from landremed.io.spreadsheet import RawTable, read_table
from landremed.io.table_shape import column_name
from landremed.report.review_words import review_word, review_words
from landremed.report.target import write_whole
from landremed.review.field import PHOTOS, QUESTION, FieldPackage, visit_reviews
from landremed.review.questions import Question
from landremed.review.records import Problem, Review

__all__ = ["read_workbook", "write_workbook"]

_KEPT: Final = "landremed"
_KEPT_COLUMNS: Final = ("kind", "name", "value")
_SHOWN: Final = (
    "parcel_id",
    "visit_rank",
    "outcome_label",
    "why",
    "missing_facts_label",
    "implementing_unit",
    "area_mu",
)
_POSITION: Final = ("lon", "lat")
_FILLED: Final = ("surveyor", "visited_at", "verdict", "remark", *PHOTOS, *_POSITION)
_HEAD_COLORS: Final = {"machine": "#d9d9d9", "visit": "#cfe8cf", "fact": "#fff2b3"}
_ADDED: Final = "+"
_ROWS_TO_FILL: Final = 500
_LONGEST_LIST: Final = 255
_WIDTHS: Final[Mapping[str, int]] = {"why": 50, "missing_facts_label": 40, "remark": 30, "visit_rank": 8}
_WIDTH: Final = 16


def write_workbook(
    path: Path,
    parcels: pa.Table,
    asked: Sequence[Question],
    head: Mapping[str, str],
    language: str,
    *,
    overwrite: bool,
) -> None:
    """Write one row per parcel with cells for the answers; what is not asked there is grey.

    Parameters
    ----------
    path : Path
        ``*.xlsx`` to write.
    parcels : pyarrow.Table
        Layer ``parcels`` of the package.
    asked : sequence of Question
        Facts that are missing for any of them.
    head : mapping of str to str
        What the package is: its id, what it was made from, the working CRS.
    language : {"zh", "en"}
        Language of titles and lists.
    overwrite : bool
        Replace an existing file.
    """
    import xlsxwriter

    def write(target: Path) -> None:
        options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
        with xlsxwriter.Workbook(str(target), options) as book:
            book.set_properties({"created": datetime(2000, 1, 1)})  # equal packages give equal bytes
            titles = _titles(asked, language)
            name = review_word("words", "field_project", language)
            _fill_sheet(book, book.add_worksheet(name), parcels, asked, titles, language)
            _keep(book.add_worksheet(_KEPT), parcels, {**head, "sheet": name}, titles)

    write_whole(path, write, overwrite=overwrite)


def read_workbook(path: Path) -> FieldPackage:
    """Read a workbook that was filled in.

    Raises
    ------
    InputError
        It is missing, damaged, or its sheet ``landremed`` is gone.
    """
    where = Where(file=str(path))
    try:
        kept = read_table(str(path), sheet=_KEPT)
    except InputError as error:
        raise InputError("not_a_package", where) if error.code == "table_sheet_missing" else error from error
    if kept.columns != _KEPT_COLUMNS:
        raise InputError("not_a_package", where)
    head = dict(_kept(kept, "package"))
    columns = {column_name(title): code for code, title in _kept(kept, "column")}
    packed = {pid: json.loads(text) for pid, text in _kept(kept, "parcel")}
    table = read_table(str(path), sheet=head.get("sheet", ""))
    identity = head.get("package_id", "")
    if "parcel_id" not in (columns.get(title) for title in table.columns):
        title = next(title for title, code in columns.items() if code == "parcel_id")
        raise InputError("workbook_column_gone", where, title=title)
    rows = [_row(table, cells, columns) for cells in table.rows]
    renamed, problems = _renamed(rows, packed, identity)
    reviews: list[Review] = []
    for row in rows:
        said = row["parcel_id"]
        parcel = renamed.get(said, said)
        if said in renamed and _is_filled(row):
            problems.append(
                Problem(parcel, "review_of_renamed", identity, row.get("surveyor", ""), "parcel_id", said)
            )
        problems += _edited(row, packed.get(parcel, {}), parcel, identity)
        found, unread = _reviews(row, parcel, identity, path.parent)
        reviews += found
        problems += unread
    gone = set(packed) - {renamed.get(row["parcel_id"], row["parcel_id"]) for row in rows}
    problems += [Problem(pid, "parcel_deleted", identity) for pid in sorted(gone)]
    base, crs = head.get("base", ""), head.get("crs", "")
    return FieldPackage(identity, base, crs, reviews, [], list(dict.fromkeys(problems)))


def _titles(asked: Sequence[Question], language: str) -> dict[str, str]:
    """Return the title of every column by its code; no two are alike."""
    titles = {name: review_word("columns", name, language) for name in (*_SHOWN, *_FILLED)}
    taken = {title.casefold() for title in titles.values()}
    for question in asked:
        alike = question.label.casefold() in taken
        titles[question.column] = f"{question.label} ({question.fact})" if alike else question.label
        taken.add(titles[question.column].casefold())
    return titles


def _fill_sheet(
    book: Any,
    sheet: Any,
    parcels: pa.Table,
    asked: Sequence[Question],
    titles: Mapping[str, str],
    language: str,
) -> None:
    top = {"bold": True, "text_wrap": True, "valign": "top", "border": 1}
    heads = {kind: book.add_format({**top, "bg_color": c}) for kind, c in _HEAD_COLORS.items()}
    wrap = book.add_format({"text_wrap": True, "valign": "top"})
    grey = book.add_format({"bg_color": "#d0d0d0"})
    text = book.add_format({"num_format": "@", "text_wrap": True, "valign": "top"})
    for column, (name, title) in enumerate(titles.items()):
        kind = "machine" if name in _SHOWN else "visit" if name in _FILLED else "fact"
        sheet.write_string(0, column, title, heads[kind])
        sheet.set_column(column, column, _WIDTHS.get(name, _WIDTH))
    place = {name: column for column, name in enumerate(titles)}
    lists = {"verdict": list(review_words("values.verdict", language).values())}
    lists |= {q.column: _labels(q, language) for q in asked}
    rows = parcels.to_pylist()
    for number, row in enumerate(rows, 1):
        for name in _SHOWN:
            value = row[name]
            sheet.write(number, place[name], "" if value is None else value, wrap)
        for name in _FILLED:
            sheet.write_blank(number, place[name], None, text)
        missing = (row["missing_facts"] or "").split(",")
        for question in asked:
            sheet.write_blank(
                number, place[question.column], None, text if question.fact in missing else grey
            )
    last = len(rows) + _ROWS_TO_FILL  # further visits to a parcel may be added below
    for name, labels in lists.items():
        if labels and len(",".join(labels)) < _LONGEST_LIST:
            options = {"validate": "list", "source": labels, "error_type": "warning"}
            sheet.data_validation(1, place[name], last, place[name], options)
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, len(rows), len(titles) - 1)


def _keep(sheet: Any, parcels: pa.Table, head: Mapping[str, str], titles: Mapping[str, str]) -> None:
    """Keep what was packed in a sheet that nobody needs to look at."""
    rows = [("package", key, value) for key, value in head.items()]
    rows += [("column", name, title) for name, title in titles.items()]
    for row in parcels.to_pylist():
        shown = {name: _cell_text(row[name]) for name in _SHOWN}
        rows.append(("parcel", str(row["parcel_id"]), json.dumps(shown, ensure_ascii=False)))
    for number, cells in enumerate([_KEPT_COLUMNS, *rows]):
        for column, value in enumerate(cells):
            sheet.write_string(number, column, value or "")
    sheet.hide()


def _labels(question: Question, language: str) -> list[str]:
    if question.spec.kind == "bool":
        return [review_word("words", name, language) for name in ("true", "false")]
    return [v.label_zh if language == "zh" else v.label_en for v in question.spec.values.values()]


def _kept(table: RawTable, kind: str) -> Iterator[tuple[str, str]]:
    for found, name, value in table.rows:
        if found == kind:
            yield str(name or ""), str(value or "")


def _row(table: RawTable, cells: Sequence[Any], columns: Mapping[str, str]) -> dict[str, str]:
    """Return one row as text by code; columns that were added keep their titles after a mark."""
    cells_by_title = zip(table.columns, cells, strict=True)
    return {columns.get(title, _ADDED + title): _cell_text(cell) for title, cell in cells_by_title}


def _cell_text(cell: Any) -> str:
    """Return a cell as the text a person sees; dates in ISO form."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        midnight = (cell.hour, cell.minute, cell.second) == (0, 0, 0)
        return cell.date().isoformat() if midnight else cell.isoformat(timespec="seconds")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _renamed(
    rows: Sequence[Mapping[str, str]], packed: Mapping[str, Mapping[str, str]], package: str
) -> tuple[dict[str, str], list[Problem]]:
    """Know a parcel with a changed id again by the rest of its row."""
    by_rest = {_rest(shown): pid for pid, shown in packed.items()}
    present = {row["parcel_id"] for row in rows}
    renamed: dict[str, str] = {}
    for row in rows:
        said = row["parcel_id"]
        old = by_rest.get(_rest(row))
        if said not in packed and old is not None and old not in present:
            renamed[said] = old
    problems = [
        Problem(old, "parcel_id_changed", package, "", "parcel_id", new)
        for new, old in sorted(renamed.items())
    ]
    return renamed, problems


def _rest(row: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(row.get(name, "") for name in _SHOWN if name != "parcel_id")


def _edited(row: Mapping[str, str], packed: Mapping[str, str], parcel: str, package: str) -> list[Problem]:
    """List machine cells that were changed; a row added below may leave them empty."""
    changed = {
        name: (packed[name], row[name])
        for name in _SHOWN
        if name != "parcel_id" and name in packed and row.get(name) and row[name] != packed[name]
    }
    return [
        Problem(parcel, "machine_column_edited", package, "", name, f"{before} -> {now}")
        for name, (before, now) in changed.items()
    ]


def _is_filled(row: Mapping[str, str]) -> bool:
    return any(value for name, value in row.items() if name not in _SHOWN)


def _reviews(
    row: Mapping[str, str], parcel: str, package: str, folder: Path
) -> tuple[list[Review], list[Problem]]:
    if not _is_filled(row):
        return [], []
    visit: dict[str, Any] = {name: row.get(name, "") for name in _FILLED}
    visit |= {name: value for name, value in row.items() if name.startswith(QUESTION)}
    verdicts = {
        label: code
        for language in ("zh", "en")
        for code, label in review_words("values.verdict", language).items()
    }
    visit["verdict"] = verdicts.get(visit["verdict"], visit["verdict"])
    problems = []
    for name in _POSITION:
        text, visit[name] = visit[name], _degrees(visit[name])
        if text and visit[name] is None:
            problems.append(Problem(parcel, "position_unreadable", package, visit["surveyor"], name, text))
    reviews = visit_reviews(visit, parcel, package, folder)
    first = reviews[0]
    reviews += [
        Review(
            parcel,
            "note",
            remark=f"{name.removeprefix(_ADDED)}: {value}",
            person=first.person,
            role=first.role,
            made_at=first.made_at,
            package=package,
        )
        for name, value in row.items()
        if name.startswith(_ADDED) and value
    ]
    return reviews, problems


def _degrees(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) <= 180.0 else None
