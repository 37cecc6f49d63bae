"""The monthly report as a workbook: every figure as a number, every list whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from landremed.ledger.case import mu as _mu
from landremed.ledger.lists import LIST_COLUMNS
from landremed.report.monthly_context import template_context, verdict
from landremed.report.monthly_words import column, plain_text, section, word

__all__ = ["write_workbook"]

_MADE: Final = datetime(2000, 1, 1)  # keeps equal workbooks equal byte by byte
_SAFE: Final = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
_FLOWS: Final = ("opening", "new", "transferred_in", "transferred_out", "reopened", "closed")
_SHARES: Final = frozenset({"rate_count", "rate_area", "target", "rate_on_day"})
_WIDE: Final = {"why": 44, "text": 60, "open_items": 34, "open_gates": 24, "implementing": 34, "lead": 26}
_YES: Final = frozenset({"zero_tolerance", "at_once", "overdue", "before_plan"})


class _Page(NamedTuple):
    """One sheet: keys of its columns and rows of values by key."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Mapping[str, Any]]


def write_workbook(document: Mapping[str, Any], path: Path) -> None:
    """Write a month's figures and the four lists.

    Parameters
    ----------
    document : mapping
        From ``landremed.ledger.monthly_document``.
    path : Path
        The workbook; replaced when there.
    """
    import xlsxwriter

    language = str(document["language"])
    book = xlsxwriter.Workbook(str(path), _SAFE)
    book.set_properties({"created": _MADE, "title": word("title", language)})
    styles = _Styles(book)
    _overview(book.add_worksheet(section("sheets", "overview", language)), document, styles)
    for page in _pages(document, language):
        _write_page(book.add_worksheet(page.name), page, styles, language)
    book.close()


class _Styles:
    """The few formats of the workbook."""

    def __init__(self, book: Any) -> None:
        edge = {"border": 1, "border_color": "#C3CCD5", "valign": "top"}
        self.title = book.add_format({"bold": True, "font_size": 14})
        self.head = book.add_format({**edge, "bold": True, "bg_color": "#D9E2EC", "text_wrap": True})
        self.text = book.add_format({**edge, "text_wrap": True})
        self.number = book.add_format({**edge, "num_format": "#,##0"})
        self.area = book.add_format({**edge, "num_format": "#,##0.00"})
        self.share = book.add_format({**edge, "num_format": "0.0%"})
        self.wrap = book.add_format({"text_wrap": True, "valign": "top"})


def _overview(page: Any, document: Mapping[str, Any], styles: _Styles) -> None:
    context = template_context(document)
    page.set_column(0, 0, 110)
    page.write_string(0, 0, f"{context['plan']} {context['title']}", styles.title)
    lines = [context["subtitle"], context["draft"], context["secrecy"], context["overview"]]
    lines += [*context["others"], context["footnote"], context["chain"]]
    for row, line in enumerate((line for line in lines if line), start=1):
        page.write_string(row, 0, line, styles.wrap)


def _pages(document: Mapping[str, Any], language: str) -> list[_Page]:
    def name(key: str) -> str:
        return section("sheets", key, language)

    figures = (
        "base",
        "base_mu",
        "cultivated_mu",
        "done_month",
        "done_month_mu",
        "done",
        "done_mu",
        "dropped",
        "open",
        "open_mu",
        "rate_count",
        "rate_area",
    )
    pages = [_account_page(document, name("account"), language)]
    for key in ("class", "unit", "outcome"):
        rows = [
            _figure_row(line, key, line["label"] or word("no_unit", language)) for line in document["by"][key]
        ]
        rows.append(_figure_row(document["total"], key, word("total", language)))
        pages.append(_Page(name(key), (key, *figures), rows))
    subsets = [
        _figure_row(line, "subset", section("subsets", key, language)) | {"overlap_mu": line["overlap"]["mu"]}
        for key, line in document["subsets"].items()
    ]
    pages.append(_Page(name("subsets"), ("subset", "overlap_mu", *figures), subsets))
    pages.append(_milestone_page(document, name("milestones"), language))
    pages.append(_overdue_page(document, name("overdue"), language))
    pages.append(_notes_page(document, name("notes"), language))
    pages.append(_moved_page(document, name("moved"), language))
    for key, columns in LIST_COLUMNS.items():
        rows = [_yes(row, language) for row in document["lists"][key]]
        pages.append(_Page(name(key), columns, rows))
    return pages


def _figure_row(line: Mapping[str, Any], key: str, label: str) -> dict[str, Any]:
    row: dict[str, Any] = {key: label, "cultivated_mu": line["cultivated"]["mu"]}
    for name in ("base", "done_month", "done", "dropped", "open"):
        row[name], row[f"{name}_mu"] = line[name]["count"], line[name]["mu"]
    return row | {"rate_count": line["rate_count"], "rate_area": line["rate_area"]}


def _account_page(document: Mapping[str, Any], title: str, language: str) -> _Page:
    rows: list[dict[str, Any]] = []
    units = (("count", "in_parcels", 1), ("cents", "in_mu", 0))
    for by in ("total", "class", "unit"):
        for line in document["account"][by]:
            for kind, label, _ in units:
                amounts = line[kind]
                row: dict[str, Any] = {
                    "breakdown": word("total", language) if by == "total" else column(by, language),
                    "label": line["label"] or word("total" if by == "total" else "no_unit", language),
                    "kind": column(label, language),
                }
                for flow in (*_FLOWS, "remeasured", "closing"):
                    amount = amounts.get(flow, 0)
                    row[flow] = amount if kind == "count" else _mu(amount)
                rows.append(row)
    return _Page(title, ("breakdown", "label", "kind", *_FLOWS, "remeasured", "closing"), rows)


def _milestone_page(document: Mapping[str, Any], title: str, language: str) -> _Page:
    rows = []
    for line in document["milestones"]:
        count, cents = line["count"], line["cents"]
        rows.append(
            {
                "group": f"{line['label']} {line['series']}".strip(),
                "clause": line["clause"],
                "on": line["on"] or word("at_once", language),
                "before_plan": word("yes", language) if line["before_plan"] else "",
                "target": line["target"],
                "total": count["total"],
                "total_mu": _mu(cents["total"]),
                "excluded": line["excluded"],
                "reached": count["reached"],
                "reached_mu": _mu(cents["reached"]),
                "rate_count": count["rate"],
                "rate_area": cents["rate"],
                "short": count["short"],
                "short_mu": line["short_mu"],
                "basis": f"{word('basis_' + line['basis'], language)}"
                f"（{word('by_plan' if line['basis_named'] else 'by_setting', language)}）",
                "rate_on_day": line["rate_on_day"],
                "forecast": count["forecast"],
                "forecast_mu": None if cents["forecast"] is None else _mu(cents["forecast"]),
                "verdict": verdict(line, language),
            }
        )
    columns = (
        "group",
        "clause",
        "on",
        "before_plan",
        "target",
        "total",
        "total_mu",
        "excluded",
        "reached",
        "reached_mu",
        "rate_count",
        "rate_area",
        "short",
        "short_mu",
        "basis",
        "rate_on_day",
        "forecast",
        "forecast_mu",
        "verdict",
    )
    return _Page(title, columns, rows)


def _overdue_page(document: Mapping[str, Any], title: str, language: str) -> _Page:
    rows = [
        {
            "unit": line["unit"] or word("no_unit", language),
            "parcel_id": line["parcel_id"],
            "category": line["category_label"],
            "measure": line["measure_label"],
            "state": line["state_label"],
            "due_on": line["due_on"] or word("at_once", language),
            "before_plan": word("yes", language) if line["before_plan"] else "",
            "days": line["days"],
            "area_mu": line["area_mu"],
        }
        for line in document["overdue"]
    ]
    columns = (
        "unit",
        "parcel_id",
        "category",
        "measure",
        "state",
        "due_on",
        "before_plan",
        "days",
        "area_mu",
    )
    return _Page(title, columns, rows)


def _notes_page(document: Mapping[str, Any], title: str, language: str) -> _Page:
    rows = [
        {**row, "kind": section("kinds", kind, language)}
        for kind, key in (("problem", "problems"), ("next_step", "next_steps"))
        for row in document[key]
    ]
    return _Page(title, ("kind", "unit", "parcel_id", "text"), rows)


def _moved_page(document: Mapping[str, Any], title: str, language: str) -> _Page:
    rows = [
        {**row, "kind": section("kinds", kind, language)}
        for kind in ("sent_back", "relapsed")
        for row in document[kind]
    ]
    return _Page(title, ("kind", "unit", "parcel_id", "on", "times"), rows)


def _yes(row: Mapping[str, Any], language: str) -> dict[str, Any]:
    return {
        key: (word("yes", language) if value == 1 else "") if key in _YES else value
        for key, value in row.items()
    }


def _write_page(page: Any, sheet: _Page, styles: _Styles, language: str) -> None:
    for at, key in enumerate(sheet.columns):
        page.write_string(0, at, column(key, language), styles.head)
        page.set_column(at, at, _WIDE.get(key, 16 if at < 3 else 13))
    for line, row in enumerate(sheet.rows, start=1):
        for at, key in enumerate(sheet.columns):
            _write_cell(page, line, at, key, row.get(key), styles)
    page.freeze_panes(1, 0)
    if sheet.rows:
        page.autofilter(0, 0, len(sheet.rows), len(sheet.columns) - 1)
    page.set_landscape()
    page.repeat_rows(0)
    page.fit_to_pages(1, 0)


def _write_cell(page: Any, row: int, at: int, key: str, value: Any, styles: _Styles) -> None:
    if value is None:
        page.write_string(row, at, "", styles.text)
    elif isinstance(value, (int, float)):
        style = styles.number if isinstance(value, int) else styles.area
        page.write_number(row, at, value, styles.share if key in _SHARES else style)
    else:
        page.write_string(row, at, plain_text(value)[:32767], styles.text)
