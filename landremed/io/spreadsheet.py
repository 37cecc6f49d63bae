"""Tables people keep: CSV in any usual encoding, and XLSX."""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from landremed.errors import InputError, Where
from landremed.io.drivers import nearest, resolve_input
from landremed.io.encoding import canonical_encoding
from landremed.io.limits import Limits, check_limit
from landremed.types import Finding

__all__ = ["RawTable", "read_table"]

_TEXT_FILES = frozenset({".csv", ".tsv", ".txt"})
_OFFICE_FILES = frozenset({".xlsx", ".xlsm"})
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
        Names in the first row, blanks around them cut.
    rows : list of tuple
        Cells as typed in the file: text only in CSV; text, numbers, bools, dates in XLSX; None when blank.
        Rows without any value are left out.
    row_numbers : list of int
        Row of each as a spreadsheet program counts them: the header is row 1, the first data row 2.
    kind : {"csv", "xlsx"}
        Kind of file.
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
    limits: Limits | None = None,
) -> RawTable:
    """Read a CSV (comma, semicolon or tab) or XLSX table with its names in the first row.

    Parameters
    ----------
    path : str
        File relative to ``base``.
    base : pathlib.Path, optional
        Folder of the project file; the current folder by default.
    sheet : str, optional
        Sheet of a workbook; the first one by default.
    encoding : str, optional
        Encoding of a CSV; by default the byte order mark, strict UTF-8 or GB18030 decides.
    limits : Limits, optional
        Upper bounds.

    Raises
    ------
    InputError
        When the file is missing, no table, or its header has blank or repeated names.
    """
    limits = limits or Limits()
    real = resolve_input(path, base)
    where = Where(file=path)
    suffix = real.suffix.lower()
    if suffix not in _TEXT_FILES | _OFFICE_FILES:
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
    if suffix in _OFFICE_FILES:
        return _read_office(data, where, sheet, limits)
    if data.startswith(_ZIP):
        raise InputError("file_not_of_type", where, driver="CSV", found="zip")
    return _read_text(data, where, encoding, limits)


def _read_text(data: bytes, where: Where, encoding: str | None, limits: Limits) -> RawTable:
    text, name = _decoded(data, where, encoding)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        return _table(_numbered(reader), where, limits, kind="csv", encoding=name)
    except csv.Error as error:
        raise InputError("table_text_broken", where, reason=str(error)) from error


def _decoded(data: bytes, where: Where, encoding: str | None) -> tuple[str, str]:
    if encoding is not None:
        name = canonical_encoding(encoding)
        if name is None:
            raise InputError("encoding_name_unknown", where, encoding=encoding)
        choices: Sequence[str] = [name]
    elif data.startswith((b"\xff\xfe", b"\xfe\xff")):
        choices = ["UTF-16"]
    else:
        choices = ["UTF-8", "GB18030"]
    for name in choices:
        try:
            return data.decode("utf-8-sig" if name == "UTF-8" else name), name
        except UnicodeDecodeError:
            continue
    raise InputError("encoding_unclear", where)


def _delimiter(text: str) -> str:
    """Return the delimiter that stands most often in the header outside quotes."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    outside = "".join(header.split('"')[::2])
    return max(_DELIMITERS, key=outside.count)


def _numbered(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[int, Sequence[Any]]]:
    return enumerate(rows, start=1)


def _read_office(data: bytes, where: Where, sheet: str | None, limits: Limits) -> RawTable:
    import openpyxl

    _check_zip(data, where, limits)
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    except Exception as error:  # openpyxl raises whatever the XML makes it raise
        raise InputError("file_unreadable", where, reason=_short(error)) from error
    try:
        names = [ws.title for ws in book.worksheets]
        if not names:
            raise InputError("table_no_rows", where)
        chosen = names[0] if sheet is None else sheet
        if chosen not in names:
            raise InputError("table_sheet_missing", where, sheet=chosen, nearest=nearest(chosen, names))
        page = book[chosen]
        page.reset_dimensions()
        table = _table(
            _numbered(page.iter_rows(values_only=True)),
            Where(file=where.file, layer=chosen if len(names) > 1 else ""),
            limits,
            kind="xlsx",
            sheet=chosen,
        )
        if sheet is None and len(names) > 1:
            params = {"sheet": chosen, "count": len(names)}
            table.findings.append(Finding("table_sheet_chosen", file=where.file, params=params))
        return table
    except InputError:
        raise
    except Exception as error:  # openpyxl raises whatever the XML makes it raise
        raise InputError("file_unreadable", where, reason=_short(error)) from error
    finally:
        book.close()


def _check_zip(data: bytes, where: Where, limits: Limits) -> None:
    """Refuse bombs and documents with entities before any XML is parsed."""
    if not data.startswith(_ZIP):
        raise InputError("file_not_of_type", where, driver="XLSX", found="unknown")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            check_limit(limits, "max_unzipped_mb", sum(i.file_size for i in infos) // 1_000_000, where)
            for info in infos:
                packed = max(info.compress_size, 1)
                if info.file_size > 10_000_000:
                    check_limit(limits, "max_zip_ratio", info.file_size // packed, where)
            for info in infos:
                if info.filename.endswith((".xml", ".rels")):
                    with archive.open(info) as member:
                        if b"<!" in member.read(4096).replace(b"<!--", b""):
                            raise InputError("table_text_broken", where, reason="DOCTYPE in " + info.filename)
    except (
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
    ) as error:
        raise InputError("file_truncated", where, reason=_short(error)) from error


def _table(
    rows: Iterator[tuple[int, Sequence[Any]]],
    where: Where,
    limits: Limits,
    *,
    kind: str,
    sheet: str = "",
    encoding: str = "",
) -> RawTable:
    header: Sequence[Any] = ()
    for _, cells in rows:
        header = cells
        break
    names = _names(header, where)
    check_limit(limits, "max_columns", len(names), where)
    kept: list[tuple[Any, ...]] = []
    numbers: list[int] = []
    findings: list[Finding] = []
    width = len(names)
    for number, cells in rows:
        values = [None if _empty(c) else c for c in cells]
        while values and values[-1] is None:
            values.pop()
        if not values:
            continue
        if len(values) > width:
            if kind == "xlsx":
                raise InputError("table_header_blank", where, column=_letter(len(values)))
            params = {"found": len(values), "expected": width}
            findings.append(Finding("table_row_too_long", file=where.source, row=number, params=params))
            continue
        kept.append((*values, *[None] * (width - len(values))))
        numbers.append(number)
        check_limit(limits, "max_features", len(kept), where)
    blank = [i for i, name in enumerate(names) if not name]
    for at in blank:
        if any(row[at] is not None for row in kept):
            raise InputError("table_header_blank", where, column=_letter(at + 1))
    keep = [i for i, name in enumerate(names) if name]
    if blank:
        kept = [tuple(row[i] for i in keep) for row in kept]
    columns = tuple(names[i] for i in keep)
    return RawTable(where.file, columns, kept, numbers, kind, sheet, encoding, findings)


def _names(header: Sequence[Any], where: Where) -> list[str]:
    names = ["" if c is None else str(c).replace("\ufeff", "").strip() for c in header]
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


def _empty(cell: Any) -> bool:
    if isinstance(cell, str):
        return not cell.strip().strip("\u200b\ufeff")
    return cell is None or cell != cell  # noqa: PLR0124 - only NaN differs from itself


def _letter(column: int) -> str:
    """Return the spreadsheet letter of a 1-based column."""
    text = ""
    while column:
        column, rest = divmod(column - 1, 26)
        text = chr(65 + rest) + text
    return text


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
