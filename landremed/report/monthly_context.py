"""The month's figures as text, row by row: what a template of the monthly report can place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from landremed.report.monthly_words import (
    column,
    day_text,
    month_text,
    mu_text,
    percent,
    plain_text,
    section,
    word,
)

__all__ = ["ROWS_SHOWN", "template_context", "verdict"]

ROWS_SHOWN: Final = 40
"""Rows of long lists in the document; the workbook has all."""

_FLOWS: Final = ("opening", "new", "transferred_in", "transferred_out", "reopened", "closed", "closing")


def template_context(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything a template may name (``docs/ledger.md`` lists it).

    Parameters
    ----------
    document : mapping
        A month's figures from ``landremed.ledger.monthly_document``.
    """
    language = str(document["language"])
    overdue = document["overdue"]
    context = {
        "t": _titles(language),
        "c": {name: column(name, language) for name in _COLUMNS},
        "title": word("title", language),
        "subtitle": word(
            "subtitle",
            language,
            month=month_text(document["month"], language),
            last=day_text(document["last"], language),
            report_on=day_text(document["report_on"], language),
        ),
        "plan": document["plan"],
        "project": document["project"],
        "secrecy": document["secrecy"],
        "draft": word("draft", language) if document["draft"] else "",
        "overview": _overview(document, language),
        "account": [_account_row(line, language) for line in _account_lines(document, language)],
        "classes": _figure_rows(document["by"]["class"], document["total"], language),
        "units": _figure_rows(document["by"]["unit"], document["total"], language),
        "outcomes": _figure_rows(document["by"]["outcome"], document["total"], language),
        "subsets": _subset_rows(document["subsets"], language),
        "milestones": [_milestone_row(line, language) for line in document["milestones"]],
        "overdue": [_overdue_row(line, language) for line in overdue[:ROWS_SHOWN]],
        "overdue_more": _more(len(overdue), language),
        "problems": _noted(document["problems"]),
        "next_steps": _noted(document["next_steps"]),
        "moved": _moved_rows(document, language),
        "others": _others(document, language),
        "footnote": word("footnote", language, basis=word(f"basis_{document['basis']}", language)),
        "chain": word("chain", language, seq=document["head"]["seq"], hash=document["head"]["hash"]),
    }
    cleaned: dict[str, Any] = _clean(context)
    return cleaned


def verdict(line: Mapping[str, Any], language: str) -> str:
    """Return whether a milestone is met, missed, or will be met."""
    if line["met"]:
        return word("met", language)
    if line["forecast_met"] is None:
        return word("missed", language)
    return word("on_pace" if line["forecast_met"] else "behind", language)


_COLUMNS: Final = (
    "label",
    "class",
    "unit",
    "outcome",
    "subset",
    "base",
    "base_mu",
    "cultivated_mu",
    "overlap_mu",
    "done_month",
    "done",
    "done_mu",
    "dropped",
    "open",
    "rate_count",
    "rate_area",
    *_FLOWS,
    "group",
    "on",
    "target",
    "reached",
    "reached_mu",
    "short",
    "short_mu",
    "basis",
    "rate_on_day",
    "verdict",
    "parcel_id",
    "measure",
    "state",
    "due_on",
    "area_mu",
    "kind",
    "text",
    "times",
)
_SECTIONS: Final = (
    "overview",
    "account",
    "class",
    "unit",
    "outcome",
    "subsets",
    "milestones",
    "overdue",
    "problems",
    "next_steps",
    "moved",
    "others",
)


def _titles(language: str) -> dict[str, str]:
    return {name: section("sections", name, language) for name in _SECTIONS}


def _overview(document: Mapping[str, Any], language: str) -> str:
    total = document["total"]
    return word(
        "overview",
        language,
        base=total["base"]["count"],
        base_mu=mu_text(total["base"]["mu"]),
        cultivated_mu=mu_text(total["cultivated"]["mu"]),
        month_count=total["done_month"]["count"],
        month_mu=mu_text(total["done_month"]["mu"]),
        done=total["done"]["count"],
        done_mu=mu_text(total["done"]["mu"]),
        rate_count=percent(total["rate_count"]),
        rate_area=percent(total["rate_area"]),
        dropped=total["dropped"]["count"],
        open=total["open"]["count"],
        open_mu=mu_text(total["open"]["mu"]),
        overdue=len(document["overdue"]),
    )


def _account_lines(document: Mapping[str, Any], language: str) -> list[Mapping[str, Any]]:
    account = document["account"]
    totals = [{**line, "label": word("total", language)} for line in account["total"]]
    return [*account["class"], *totals]


def _account_row(line: Mapping[str, Any], language: str) -> dict[str, str]:
    return {"label": line["label"]} | {flow: str(line["count"][flow]) for flow in _FLOWS}


def _figure_rows(
    lines: Sequence[Mapping[str, Any]], total: Mapping[str, Any], language: str
) -> list[dict[str, str]]:
    rows = [{"label": line["label"] or word("no_unit", language)} | _figures(line) for line in lines]
    return [*rows, {"label": word("total", language)} | _figures(total)]


def _figures(line: Mapping[str, Any]) -> dict[str, str]:
    return {
        "base": str(line["base"]["count"]),
        "base_mu": mu_text(line["base"]["mu"]),
        "cultivated_mu": mu_text(line["cultivated"]["mu"]),
        "done_month": str(line["done_month"]["count"]),
        "done": str(line["done"]["count"]),
        "done_mu": mu_text(line["done"]["mu"]),
        "dropped": str(line["dropped"]["count"]),
        "open": str(line["open"]["count"]),
        "rate_count": percent(line["rate_count"]),
        "rate_area": percent(line["rate_area"]),
    }


def _subset_rows(subsets: Mapping[str, Any], language: str) -> list[dict[str, str]]:
    return [
        {"label": section("subsets", name, language), "overlap_mu": mu_text(line["overlap"]["mu"])}
        | _figures(line)
        for name, line in subsets.items()
    ]


def _milestone_row(line: Mapping[str, Any], language: str) -> dict[str, str]:
    day = line["on"] or word("at_once", language)
    if line["before_plan"]:
        day = f"{day}（{word('before_plan', language)}）"
    named = word("by_plan" if line["basis_named"] else "by_setting", language)
    return {
        "label": f"{line['label']} {line['series']}".strip(),
        "clause": line["clause"],
        "on": day,
        "target": f"{line['target']:.0%}",
        "reached": f"{line['count']['reached']}/{line['count']['total']}",
        "rate_count": percent(line["count"]["rate"]),
        "rate_area": percent(line["cents"]["rate"]),
        "short": str(line["count"]["short"]),
        "short_mu": mu_text(line["short_mu"]),
        "basis": f"{word('basis_' + line['basis'], language)}（{named}）",
        "rate_on_day": percent(line["rate_on_day"]),
        "verdict": verdict(line, language),
    }


def _overdue_row(line: Mapping[str, Any], language: str) -> dict[str, str]:
    day = line["due_on"] or word("at_once", language)
    if line["before_plan"]:
        day = f"{day}（{word('before_plan', language)}）"
    return {
        "parcel_id": line["parcel_id"],
        "unit": line["unit"] or word("no_unit", language),
        "class": line["category_label"],
        "measure": line["measure_label"],
        "state": line["state_label"],
        "due_on": day,
        "area_mu": mu_text(line["area_mu"]),
    }


def _more(count: int, language: str) -> str:
    return word("more_rows", language, count=count - ROWS_SHOWN) if count > ROWS_SHOWN else ""


def _noted(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [{name: str(row[name]) for name in ("unit", "parcel_id", "text")} for row in rows[:ROWS_SHOWN]]


def _moved_rows(document: Mapping[str, Any], language: str) -> list[dict[str, str]]:
    return [
        {
            "kind": section("kinds", kind, language),
            "parcel_id": row["parcel_id"],
            "unit": row["unit"] or word("no_unit", language),
            "on": row["on"],
            "times": str(row["times"]),
        }
        for kind in ("sent_back", "relapsed")
        for row in document[kind]
    ]


def _others(document: Mapping[str, Any], language: str) -> list[str]:
    listed = "、" if language == "zh" else ", "
    new = document["new_violations"]
    marks = listed.join(f"{mark['label']} {mark['count']}" for mark in new["marks"])
    missing = [unit or word("no_unit", language) for unit in document["not_reported"]]
    colon = "：" if language == "zh" else ": "
    return [
        word("violations", language, count=new["count"], mu=mu_text(new["mu"]), marks=marks),
        word("objections", language, **document["objections"]),
        f"{word('not_reported', language)}{colon}{listed.join(missing) or word('none', language)}",
    ]


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, dict):
        return {key: _clean(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_clean(entry) for entry in value]
    return value
