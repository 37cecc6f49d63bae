"""Tables people keep: CSV in any usual encoding, XLSX and XLS, also in a zip."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from landremed.errors import InputError, Where, short
from landremed.io.drivers import nearest, resolve_input, split_layer
from landremed.io.encoding import decode_text, likely_encoding
from landremed.io.limits import Limits, check_limit
from landremed.io.table_shape import Header, Merge, Skipped, body, empty, find_header
from landremed.io.workbook import Sheet, Workbook, open_workbook
from landremed.io.workbook_xls import XLS_MARK, XlsWorkbook
from landremed.io.zipped import errors_named, table_of_zip, unpacked, zip_named
from landremed.types import Finding

__all__ = ["OFFICE_FILES", "RawTable", "list_sheets", "read_table"]

AnyWorkbook: TypeAlias = Workbook | XlsWorkbook

_TEXT_FILES = frozenset({".csv", ".tsv", ".txt"})
OFFICE_FILES = frozenset({".xlsx", ".xlsm", ".xls"})
_DELIMITERS = (",", ";", "\t")
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class RawTable:
    """A table as it stands in its file.

    Attributes
    ----------
    file : str
        Path as the user wrote it.
    columns : tuple of str
        Names of the columns, without line breaks and blanks around them.
    rows : list of tuple
        Cells as typed in the file: text only in CSV; text, numbers, bools, dates in workbooks; None when
        blank. Rows without any value are left out.
    row_numbers : list of int
        Row of each as a spreadsheet program counts them, from 1 for the first row of the sheet.
    kind : {"csv", "xlsx"}
        Text, or a workbook of either age.
    sheet : str
        Name of the sheet ("" for CSV).
    encoding : str
        Text encoding of a CSV, else "".
    findings : list of Finding
        Rows that could not be read.
    """

    file: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    row_numbers: list[int]
    kind: str
    sheet: str = ""
    encoding: str = ""
    findings: list[Finding] = field(default_factory=list)

    def column(self, name: str) -> list[Any]:
        """Return the cells of one column."""
        at = self.columns.index(name)
        return [row[at] for row in self.rows]


def read_table(
    path: str,
    *,
    base: Path | None = None,
    sheet: str | None = None,
    encoding: str | None = None,
    wanted: Sequence[str] = (),
    limits: Limits | None = None,
) -> RawTable:
    """Read a CSV (comma, semicolon or tab), XLSX or XLS table, or one in a zip (``FILE.zip:TABLE``).

    The names stand in the first row, or below a title, or in several rows under merged cells; totals and
    notes are no rows (``landremed.io.table_shape``).

    Parameters
    ----------
    path : str
        File relative to ``base``.
    base : pathlib.Path, optional
        Folder of the project file; the current folder by default.
    sheet : str, optional
        Sheet of a workbook; by default the first visible one, see ``wanted``.
    encoding : str, optional
        Encoding of a CSV; by default the byte order mark, strict UTF-8 or GB18030 decides.
    wanted : sequence of str, optional
        Columns that the sheet should have, where no sheet is named.
    limits : Limits, optional
        Upper bounds.

    Raises
    ------
    InputError
        When the file is missing, no table, or its header has blank or repeated names.
    """
    limits = limits or Limits()
    archive, inner = zip_named(path)
    if archive:
        with unpacked(archive, base, limits) as folder:
            member, named = table_of_zip(folder, archive, inner)
            with errors_named(archive, folder):
                table = read_table(
                    member, base=folder, sheet=sheet or named, encoding=encoding, wanted=wanted, limits=limits
                )
        findings = [replace(f, file=f"{archive}:{f.file}") for f in table.findings]
        return replace(table, file=f"{archive}:{member}", findings=findings)
    path, sheet = _file_and_sheet(path, sheet, base)
    real = resolve_input(path, base)
    where = Where(file=path)
    suffix = real.suffix.lower()
    if suffix not in _TEXT_FILES | OFFICE_FILES:
        raise InputError("table_type_unknown", where)
    if real.is_dir():
        raise InputError("file_is_folder", where)
    try:
        size = real.stat().st_size
        check_limit(limits, "max_file_mb", size // 1_000_000, where)
        if suffix in _TEXT_FILES:
            check_limit(limits, "max_text_mb", size // 1_000_000, where)
        data = real.read_bytes()
    except OSError as error:
        raise InputError("file_unreadable", where, reason=error.strerror or str(error)) from error
    if not data.strip():
        raise InputError("file_empty", where)
    if suffix in OFFICE_FILES:
        return _read_office(data, where, sheet, wanted, limits)
    if data.startswith(_ZIP):
        raise InputError("file_not_of_type", where, driver="CSV", found="zip")
    return _read_text(data, where, encoding, limits)


def _file_and_sheet(path: str, sheet: str | None, base: Path | None) -> tuple[str, str | None]:
    file, named = split_layer(path)
    if sheet is not None or named is None or Path(file).suffix.lower() not in OFFICE_FILES:
        return path, sheet
    return file, named


def list_sheets(path: str, *, base: Path | None = None, limits: Limits | None = None) -> list[str]:
    """Return the names of the sheets that a spreadsheet program shows, in the order of the workbook.

    Raises
    ------
    InputError
        When the file is missing or no workbook.
    """
    limits = limits or Limits()
    archive, inner = zip_named(path)
    if archive:
        with unpacked(archive, base, limits) as folder:
            member, named = table_of_zip(folder, archive, inner)
            with errors_named(archive, folder):
                return [named] if named else list_sheets(member, base=folder, limits=limits)
    real, where = resolve_input(path, base), Where(file=path)
    check_limit(limits, "max_file_mb", real.stat().st_size // 1_000_000, where)
    book = _opened(real.read_bytes(), where, limits)
    try:
        sheets = book.sheets
        return [s.title for s in sheets if not s.hidden] or [s.title for s in sheets]
    finally:
        book.close()


def _read_text(data: bytes, where: Where, encoding: str | None, limits: Limits) -> RawTable:
    told = decode_text(data, encoding, where)
    reader = csv.reader(io.StringIO(told.text, newline=""), delimiter=_delimiter(told.text))
    try:
        rows = enumerate(reader, start=1)
        table = _table(_below_mark(rows), where, limits, kind="csv", encoding=told.encoding)
    except csv.Error as error:
        raise InputError("table_text_broken", where, reason=str(error)) from error
    if told.other_lines:
        params = {"count": len(told.other_lines), "encoding": told.encoding}
        note = Finding("encoding_mixed", file=where.source, row=told.other_lines[0], params=params)
        table.findings.append(note)
    return table


def _delimiter(text: str) -> str:
    """Return the delimiter that stands most often in a line at the head, outside quotes."""
    lines = list(islice((line for line in io.StringIO(text) if line.strip()), 10))
    if lines and lines[0].strip().casefold().startswith("sep=") and len(lines[0].strip()) == 5:
        return lines[0].strip()[-1]
    outside = ["".join(line.split('"')[::2]) for line in lines]
    if outside and any(mark in outside[0] for mark in _DELIMITERS):
        outside = outside[:1]
    return max(_DELIMITERS, key=lambda mark: max((line.count(mark) for line in outside), default=0))


def _below_mark(rows: Iterable[tuple[int, Sequence[str]]]) -> Iterator[tuple[int, Sequence[str]]]:
    """Leave out the line with which some programs name the delimiter."""
    for number, cells in rows:
        if number == 1 and cells and cells[0].strip().casefold() in ("sep=", "sep=,", "sep=;", "sep=\t"):
            continue
        yield number, cells


def _read_office(
    data: bytes, where: Where, sheet: str | None, wanted: Sequence[str], limits: Limits
) -> RawTable:
    book = _opened(data, where, limits)
    try:
        return _chosen_sheet(book, where, sheet, wanted, limits)
    except InputError:
        raise
    except Exception as error:  # openpyxl raises whatever the XML makes it raise
        raise InputError("file_unreadable", where, reason=short(error)) from error
    finally:
        book.close()


def _opened(data: bytes, where: Where, limits: Limits) -> AnyWorkbook:
    """Open a workbook by its first bytes: old and new ones are found under either extension."""
    if data.startswith(XLS_MARK):
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise InputError("table_encrypted", where)
        return XlsWorkbook(data, where)
    if not data.startswith(_ZIP):
        text = data[:4096].lstrip(b"\xef\xbb\xbf \r\n\t").lower()
        found = (
            "HTML" if b"<html" in text or b"<table" in text else "XML" if text.startswith(b"<") else "text"
        )
        found = found if b"\0" not in text and likely_encoding(text, cut=True) else "unknown"
        raise InputError("table_not_workbook", where, found=found)
    return open_workbook(data, where, limits)


def _chosen_sheet(
    book: AnyWorkbook, where: Where, sheet: str | None, wanted: Sequence[str], limits: Limits
) -> RawTable:
    """Read the sheet that is named, else the first visible one with the wanted columns, else with names."""
    sheets = book.sheets
    if not sheets:
        raise InputError("table_no_rows", where)
    if sheet is not None:
        named = [s for s in sheets if s.title == sheet]
        if not named:
            near = nearest(sheet, [s.title for s in sheets])
            raise InputError("table_sheet_missing", where, sheet=sheet, nearest=near)
        return _sheet_table(book, named[0], where, limits, several=len(sheets) > 1)
    shown = [s for s in sheets if not s.hidden] or sheets
    first: RawTable | None = None
    fault: InputError | None = None
    for one in shown:
        try:
            table = _sheet_table(book, one, where, limits, several=len(sheets) > 1)
        except InputError as error:
            fault = fault or error
            if not wanted and error.code != "table_no_rows":
                raise
            continue
        first = first or table
        folded = {name.casefold() for name in table.columns}
        if all(name.casefold() in folded for name in wanted):
            first = table
            break
    if first is None:
        raise fault or InputError("table_no_rows", where)
    if len(shown) > 1:
        others = ", ".join(s.title for s in shown if s.title != first.sheet)
        params = {"sheet": first.sheet, "count": len(shown), "others": others}
        first.findings.append(Finding("table_sheet_chosen", file=where.file, params=params))
    return first


def _sheet_table(book: AnyWorkbook, sheet: Sheet, where: Where, limits: Limits, *, several: bool) -> RawTable:
    place = Where(file=where.file, layer=sheet.title if several else "")
    marked = book.marked(sheet)
    table = _table(marked.rows(), place, limits, kind="xlsx", sheet=sheet.title, merges=marked.merges)
    if marked.unvalued:
        params = {"count": len(marked.unvalued), "cell": marked.unvalued[0]}
        table.findings.append(Finding("table_formula_empty", file=place.source, params=params))
    return table


def _table(
    rows: Iterable[tuple[int, Sequence[Any]]],
    where: Where,
    limits: Limits,
    *,
    kind: str,
    sheet: str = "",
    encoding: str = "",
    merges: Sequence[Merge] = (),
) -> RawTable:
    header, rest = find_header(rows, merges)
    names = _unique_names(header.names, where)
    check_limit(limits, "max_columns", len(names), where)
    skipped = Skipped()
    kept: list[tuple[Any, ...]] = []
    numbers: list[int] = []
    findings: list[Finding] = []
    width = len(names)
    for number, cells in body(rest, header, merges, skipped):
        values = [None if empty(c) else c for c in cells]
        while values and values[-1] is None:
            values.pop()
        if not values:
            continue
        if len(values) > width:
            if kind == "xlsx":
                raise _nameless(where, len(values), header)
            params = {"found": len(values), "expected": width}
            findings.append(Finding("table_row_too_long", file=where.source, row=number, params=params))
            continue
        kept.append((*values, *[None] * (width - len(values))))
        numbers.append(number)
        check_limit(limits, "max_features", len(kept), where)
    blank = [i for i, name in enumerate(names) if not name]
    for at in blank:
        if any(row[at] is not None for row in kept):
            raise _nameless(where, at + 1, header)
    keep = [i for i, name in enumerate(names) if name]
    if blank:
        kept = [tuple(row[i] for i in keep) for row in kept]
    columns = tuple(names[i] for i in keep)
    findings += skipped.findings(where.source, header)
    return RawTable(where.file, columns, kept, numbers, kind, sheet, encoding, findings)


def _nameless(where: Where, column: int, header: Header) -> InputError:
    return InputError("table_header_blank", where, column=_letter(column), row=header.rows[-1])


def _unique_names(names: Sequence[str], where: Where) -> Sequence[str]:
    if not any(names):
        raise InputError("table_no_rows", where)
    seen: dict[str, int] = {}
    for at, name in enumerate(names, start=1):
        if not name:
            continue
        if name.casefold() in seen:
            first = _letter(seen[name.casefold()])
            raise InputError("table_header_duplicate", where, name=name, first=first, second=_letter(at))
        seen[name.casefold()] = at
    return names


def _letter(column: int) -> str:
    """Return the spreadsheet letter of a 1-based column."""
    text = ""
    while column:
        column, rest = divmod(column - 1, 26)
        text = chr(65 + rest) + text
    return text
