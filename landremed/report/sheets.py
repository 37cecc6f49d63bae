"""The overlay table (套合分析) as a workbook: parcels, subtotals, findings, provenance.

Every text is written as text: nothing in the data can become a formula or a link.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from landremed.report.formats import (
    EXCEL_AREA,
    EXCEL_COUNT,
    EXCEL_DATE,
    EXCEL_HECTARES,
    EXCEL_SHARE,
    plain_text,
)
from landremed.report.labels import column_titles, value_label
from landremed.report.palette import OUTCOME_FILLS
from landremed.report.resultfile import ResultFile, open_result
from landremed.report.sheet_rows import Column, columns, rows, subtotal_columns, subtotals
from landremed.report.target import write_whole
from landremed.report.words import Words

__all__ = ["write_table"]

_LONGEST_TEXT: Final = 32_000  # a cell holds 32 767 characters
_LONGEST_HEADER: Final = 80
_CREATED: Final = datetime(2000, 1, 1)  # equal results give equal bytes
_A3, _A4 = 8, 9
_WIDTH_OF_A_PAGE: Final = 240  # characters that stay readable on A3 across
_FORMATS: Final[Mapping[str, Mapping[str, object]]] = {
    "text": {},
    "long": {"text_wrap": True},
    "area": {"num_format": EXCEL_AREA},
    "hectares": {"num_format": EXCEL_HECTARES},
    "share": {"num_format": EXCEL_SHARE},
    "count": {"num_format": EXCEL_COUNT},
    "order": {"num_format": "0", "align": "center"},
    "date": {"num_format": EXCEL_DATE, "align": "center"},
}
_NUMBERS: Final = frozenset({"area", "hectares", "share", "count", "order"})


def write_table(
    result: Path | str, output: Path | str, *, language: str | None = None, overwrite: bool = False
) -> int:
    """Write the workbook.

    Parameters
    ----------
    result : path
        Result GeoPackage.
    output : path
        Workbook (xlsx).
    language : {"zh", "en"}, optional
        Language of titles and labels; that of the result by default.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    int
        Number of parcels.
    """
    opened = open_result(result)
    words = Words("sheets", language or opened.language)

    def write(path: Path) -> None:
        import xlsxwriter

        # rows go out as they are written: the memory needed does not grow with the number of parcels
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        with xlsxwriter.Workbook(str(path), options) as book:
            book.set_properties({"title": plain_text(words("title")), "created": _CREATED})
            _Workbook(book, opened, words).write()

    write_whole(Path(output), write, overwrite=overwrite)
    return int(opened.decisions.num_rows)


class _Workbook:
    """Writes one workbook sheet by sheet."""

    def __init__(self, book: Any, result: ResultFile, words: Words) -> None:
        self.book, self.result, self.words = book, result, words
        font: dict[str, object] = {
            "font_name": "Microsoft YaHei" if words.language == "zh" else "Calibri",
            "font_size": 10,
        }
        line: dict[str, object] = {"valign": "vcenter"}
        edge = {"border": 1, "border_color": "#b9c3cb"}
        head = {**font, **line, **edge, "bold": True, "align": "center", "text_wrap": True}
        self.title = book.add_format({**font, "font_size": 16, "bold": True, "valign": "vcenter"})
        self.note = book.add_format({**font, "font_color": "#5b6773", "valign": "vcenter"})
        self.group = book.add_format({**head, "bg_color": "#1d5c83", "font_color": "#ffffff"})
        self.head = book.add_format({**head, "bg_color": "#e4edf3"})
        self.cells = {kind: book.add_format({**font, **line, **more}) for kind, more in _FORMATS.items()}
        total: dict[str, object] = {"bold": True, "bg_color": "#f3f5f7", "top": 1}
        self.totals = {k: book.add_format({**font, **line, **more, **total}) for k, more in _FORMATS.items()}
        self.outcomes = {
            code: book.add_format({**font, **line, "bold": True, "bg_color": _tint(fill.color)})
            for code, fill in OUTCOME_FILLS.items()
        }

    def write(self) -> None:
        words, result = self.words, self.result
        self._parcels()
        book = result.book
        names = book.categories if book else ()
        classes = {c: book.value_label("category", c, words.language) for c in names} if book else {}
        units = subtotals(result, "implementing_unit", {}, words("no_unit"))
        self._subtotals("s_units", units, words("unit"))
        self._subtotals(
            "s_classes", subtotals(result, "category", classes, words("no_class")), words("class")
        )
        self._issues()
        self._provenance()

    def _sheet(self, name: str, spec: Sequence[Column], first: int, *, paper: int = _A3) -> Any:
        """Add a sheet with its widths and print set-up; ``first`` is the row after the header."""
        sheet = self.book.add_worksheet(self.words(name))
        for place, column in enumerate(spec):
            sheet.set_column(place, place, column.width)
        sheet.freeze_panes(first, 2 if first > 3 else 1)
        sheet.set_landscape()
        sheet.set_paper(paper)
        sheet.fit_to_pages(max(1, round(sum(column.width for column in spec) / _WIDTH_OF_A_PAGE)), 0)
        sheet.repeat_columns(0, 1 if first > 3 else 0)
        sheet.repeat_rows(first - 1)
        sheet.hide_gridlines(0)
        sheet.set_margins(0.4, 0.4, 0.6, 0.6)
        secrecy = plain_text(self.result.provenance.get("secrecy"))[:_LONGEST_HEADER].replace("&", "&&")
        title = plain_text(self.result.title)[:_LONGEST_HEADER].replace("&", "&&")
        sheet.set_header(f"&L{title}&R{secrecy}")
        sheet.set_footer(f"&C{self.words('page')}")
        return sheet

    def _head(self, sheet: Any, row: int, spec: Iterable[Column]) -> None:
        sheet.set_row(row, 32)
        for place, column in enumerate(spec):
            sheet.write_string(row, place, plain_text(column.title), self.head)

    def _parcels(self) -> None:
        spec = columns(self.result, self.words)
        sheet = self._sheet("s_parcels", spec, 5)
        sheet.repeat_rows(3, 4)
        sheet.set_row(0, 26)
        sheet.write_string(0, 0, self.words("title"), self.title)
        for row, text in enumerate(self._notes(), 1):
            sheet.write_string(row, 0, text, self.note)
        self._groups(sheet, 3, spec)
        self._head(sheet, 4, spec)
        outcome_at = next(i for i, column in enumerate(spec) if column.key == "outcome_label")
        sums = _Sums(spec)
        row = 4
        for row, values in enumerate(rows(self.result, self.words), 5):
            sums.add(values)
            self._row(sheet, row, spec, values)
            style = self.outcomes.get(values["outcome"], self.cells["text"])
            self._cell(sheet, row, outcome_at, spec[outcome_at], values["outcome_label"], style)
        self._totals(sheet, sums, 5, row)
        if row > 4:
            sheet.autofilter(4, 0, row, len(spec) - 1)

    def _groups(self, sheet: Any, row: int, spec: Sequence[Column]) -> None:
        first = 0
        for place in range(1, len(spec) + 1):
            if place < len(spec) and spec[place].group == spec[first].group:
                continue
            text = self.words(spec[first].group)
            if place - first > 1:
                sheet.merge_range(row, first, row, place - 1, text, self.group)
            else:
                sheet.write_string(row, first, text, self.group)
            first = place

    def _notes(self) -> list[str]:
        kept, words = self.result.provenance, self.words
        first = [
            kept.get("secrecy", ""),
            words("as_of", day=kept.get("as_of", "")) if kept.get("as_of") else "",
            words("basis", book=kept.get("rules", ""), hash=kept.get("rules_hash", "")[:12]),
            words("software", version=kept.get("version", "")),
            words("advice"),
        ]
        layers = [_layer_words(self.result, name, words.language) for name in self.result.overlaid]
        comma = "；" if words.language == "zh" else "; "
        return [
            plain_text("　".join(part for part in first if part)),
            plain_text(words("layers_used", layers=comma.join(layers)))[:_LONGEST_TEXT],
        ]

    def _subtotals(self, name: str, found: Sequence[Mapping[str, Any]], title: str) -> None:
        spec = subtotal_columns(self.result, self.words, title)
        sheet = self._sheet(name, spec, 1)
        self._head(sheet, 0, spec)
        sums = _Sums(spec)
        row = 0
        for row, values in enumerate(found, 1):
            sums.add(values)
            self._row(sheet, row, spec, values)
        self._totals(sheet, sums, 1, row)

    def _issues(self) -> None:
        table = self.result.table("issues")
        titles = column_titles("issues", table.column_names, self.words.language)
        widths = {"message": 90, "code": 28, "file": 28, "severity": 9, "row": 8}
        spec = [
            Column(n, titles.get(n, n), "count" if n == "row" else "text", widths.get(n, 18))
            for n in table.column_names
        ]
        sheet = self._sheet("s_issues", spec, 1, paper=_A4)
        self._head(sheet, 0, spec)
        row = 0
        for row, values in enumerate(table.to_pylist(), 1):
            values["severity"] = value_label("severity", values["severity"], self.words.language)
            self._row(sheet, row, spec, values)
        if row:
            sheet.autofilter(0, 0, row, len(spec) - 1)

    def _provenance(self) -> None:
        spec = [
            Column("key", self.words("key"), "text", 36),
            Column("value", self.words("value"), "text", 120),
        ]
        sheet = self._sheet("s_provenance", spec, 1, paper=_A4)
        self._head(sheet, 0, spec)
        for row, (key, value) in enumerate(self.result.provenance.items(), 1):
            self._row(sheet, row, spec, {"key": key, "value": value})

    def _row(self, sheet: Any, row: int, spec: Sequence[Column], values: Mapping[str, Any]) -> None:
        for place, column in enumerate(spec):
            self._cell(sheet, row, place, column, values.get(column.key), self.cells[column.kind])

    def _cell(self, sheet: Any, row: int, place: int, column: Column, value: Any, style: Any) -> None:
        if value is None or value == "":
            return
        if column.kind in _NUMBERS and isinstance(value, (int, float)):
            sheet.write_number(row, place, value, style)
        elif column.kind == "date" and hasattr(value, "isoformat"):
            sheet.write_datetime(row, place, value, style)
        else:
            text = plain_text(value)
            cut = text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"
            sheet.write_string(row, place, cut, style)

    def _totals(self, sheet: Any, sums: _Sums, first: int, last: int) -> None:
        """Write sums that follow the filter."""
        from xlsxwriter.utility import xl_range

        row = last + 1
        for place, column in enumerate(sums.spec):
            style = self.totals[column.kind]
            if column.total and last >= first:
                formula = f"=SUBTOTAL(109,{xl_range(first, place, last, place)})"
                sheet.write_formula(row, place, formula, style, sums.of(column))
            elif place == (1 if first > 1 else 0):
                sheet.write_string(row, place, self.words("total"), style)
            else:
                sheet.write_blank(row, place, None, style)


class _Sums:
    """Sums of the columns that have one, for readers that do not calculate."""

    def __init__(self, spec: Sequence[Column]) -> None:
        self.spec = spec
        self._sums = dict.fromkeys((column.key for column in spec if column.total), 0.0)

    def add(self, values: Mapping[str, Any]) -> None:
        for key in self._sums:
            self._sums[key] += values.get(key) or 0

    def of(self, column: Column) -> float:
        return round(self._sums[column.key], 4)


def _layer_words(result: ResultFile, name: str, language: str) -> str:
    import json

    try:
        kept = json.loads(result.provenance.get(f"input.{name}", "{}"))
    except ValueError:
        kept = {}
    about = [str(kept[key]) for key in ("version", "date") if kept.get(key)]
    title = result.layer_title(name, language)
    return f"{title}（{'，'.join(about)}）" if about else title


def _tint(color: str) -> str:
    """Return a colour light enough to write on."""
    parts = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 - (255 - part) * 0.35):02x}" for part in parts)
