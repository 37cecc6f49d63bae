"""Workbooks in the format of spreadsheet programs until 2007 (.xls), given as those of ``workbook``."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator, Sequence
from typing import Any, Final

from landremed.errors import InputError, Where, short
from landremed.io.workbook import Sheet

__all__ = ["XLS_MARK", "XlsWorkbook"]

XLS_MARK: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""First bytes of the container of old office files."""

_EMPTY: Final = frozenset({0, 6})
_DATE, _BOOL, _ERROR = 3, 4, 5
_ERRORS: Final = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
}


class XlsWorkbook:
    """An opened workbook; close it. Values of formulas are always kept in this format."""

    def __init__(self, data: bytes, where: Where) -> None:
        import xlrd

        try:
            self._book = xlrd.open_workbook(
                file_contents=data, formatting_info=True, ragged_rows=True, logfile=io.StringIO()
            )
        except Exception as error:  # damaged files make xlrd raise whatever comes
            reason = short(error)
            code = "table_encrypted" if "encrypted" in reason.casefold() else "table_workbook_broken"
            raise InputError(code, where, reason=reason) from error

    @property
    def sheets(self) -> list[Sheet]:
        """The sheets of cells, with their merged cells."""
        return [
            Sheet(
                page.name,
                page.visibility != 0,
                _Page(page, self._book.datemode),
                [(top + 1, left + 1, bottom, right) for top, bottom, left, right in page.merged_cells],
            )
            for page in self._book.sheets()
        ]

    def marked(self, sheet: Sheet) -> Sheet:
        """Return the sheet, which has its marks already."""
        return sheet

    def close(self) -> None:
        """Let go of the file."""
        self._book.release_resources()


class _Page:
    """One sheet as openpyxl gives it."""

    def __init__(self, page: Any, datemode: int) -> None:
        self._page, self._datemode = page, datemode

    def reset_dimensions(self) -> None:
        """Do nothing: there are no stated dimensions to distrust."""

    def iter_rows(self, *, values_only: bool) -> Iterator[Sequence[Any]]:
        """Yield the cells of every row."""
        for row in range(self._page.nrows):
            kinds, values = self._page.row_types(row), self._page.row_values(row)
            yield tuple(self._value(k, v) for k, v in zip(kinds, values, strict=True))

    def _value(self, kind: int, value: Any) -> Any:
        import xlrd

        if kind in _EMPTY:
            return None
        if kind == _DATE:
            try:
                when: dt.datetime = xlrd.xldate_as_datetime(value, self._datemode)
            except (xlrd.XLDateError, OverflowError, ValueError):
                return value
            return when.time() if value < 1 else when
        if kind == _BOOL:
            return bool(value)
        if kind == _ERROR:
            return _ERRORS.get(value, "#N/A")
        whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
        return int(value) if whole else value
