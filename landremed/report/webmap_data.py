"""What the map page knows of the parcels: columns of codes, and the words for the codes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

from landremed.law import RuleBook
from landremed.report.labels import column_titles, flag_text, value_label
from landremed.report.palette import (
    CLASS_COLORS,
    DEADLINE_COLORS,
    LAYER_HATCHES,
    OTHER_HATCH,
    OUTCOME_FILLS,
    UNIT_COLORS,
)
from landremed.report.resultfile import ResultFile
from landremed.report.webmap_shapes import columns_of
from landremed.report.words import LANGUAGES, words_of
from landremed.types import Outcome

__all__ = ["page_data"]

_SOON_DAYS: Final = 90
_YEAR_DAYS: Final = 365
_TEXTS: Final = (
    "outcome",
    "measure",
    "category",
    "subtype",
    "why",
    "clause",
    "reason",
    "possible_outcomes",
    "missing_facts",
    "schedule",
    "due_on",
    "next_milestone_on",
    "implementing_unit",
    "other_units",
    "lead",
    "cooperating",
    "implementing",
    "flags",
    "trace_id",
    "rule",
    "source_programme",
)
_DUTY_COLUMNS: Final = ("implementing_unit", "other_units", "lead", "cooperating", "implementing")
_NUMBERS: Final = (
    "area_m2",
    "area_mu",
    "overdue",
    "priority",
    "zero_tolerance",
    "next_milestone_share",
    "red_line_outside_boundary_area_m2",
    "farmland_outside_boundary_area_m2",
    "cultivated_area_m2",
    "demolish_area_m2",
    "restore_area_m2",
    "restore_cultivation",
    "robust",
)


def page_data(result: ResultFile, shown_layers: Iterable[str], *, whole_layers: bool) -> dict[str, Any]:
    """Return everything but the shapes, as plain values.

    Parameters
    ----------
    result : ResultFile
        The result.
    shown_layers : iterable of str
        Layers that can be switched on.
    whole_layers : bool
        Whether they are the layers around the parcels, or only their parts inside parcels.
    """
    table = result.decisions
    there = set(table.column_names)
    texts = {
        name: columns_of(None if v is None else str(v) for v in table[name].to_pylist())
        for name in _TEXTS
        if name in there
    }
    measured = [f"{layer}_{kind}" for layer in result.overlaid for kind in ("area_m2", "share")]
    numbers = {name: table[name].to_pylist() for name in (*_NUMBERS, *measured) if name in there}
    for name in measured:
        if name.endswith("_share") and name in numbers:
            numbers[name] = [None if v is None else round(v, 6) for v in numbers[name]]
    as_of = result.provenance.get("as_of", "")
    return {
        "meta": _meta(result, whole_layers=whole_layers),
        "ids": [str(value) for value in table["parcel_id"].to_pylist()],
        "texts": texts,
        "numbers": numbers,
        "bucket": [
            _bucket(due, late, as_of)
            for due, late in zip(table["due_on"].to_pylist(), table["overdue"].to_pylist(), strict=True)
        ],
        "measured": [name for name in result.overlaid if name not in ("admin_units", "land_use")],
        "layers": list(shown_layers),
        "colors": _colors(result, shown_layers),
        "words": {language: words_of("map", language) for language in LANGUAGES},
        "labels": {language: _labels(result, texts, language) for language in LANGUAGES},
        "trace": _trace(result),
        "rule_class": _rule_class(result.book),
    }


def _meta(result: ResultFile, *, whole_layers: bool) -> dict[str, Any]:
    kept = result.provenance
    book = result.book
    return {
        "title": result.title,
        "secrecy": kept.get("secrecy", ""),
        "as_of": kept.get("as_of", ""),
        "version": kept.get("version", ""),
        "rules": kept.get("rules", ""),
        "hash": kept.get("rules_hash", "")[:12],
        "crs": kept.get("crs", ""),
        "area": kept.get("area", ""),
        "file_language": result.language,
        "book": {language: book.title.of(language) for language in LANGUAGES} if book else {},
        "whole_layers": whole_layers,
        "footer": {
            language: {
                name: words_of("common", language)[name] for name in ("advice", "as_of", "basis", "software")
            }
            for language in LANGUAGES
        },
    }


def _bucket(due: date | None, late: int | None, as_of: str) -> str:
    """Return how near a deadline is; a parcel due at once has no date and is told by its flag."""
    if late == 1:
        return "overdue"
    if due is None or not as_of:
        return "none"
    days = (due - date.fromisoformat(as_of)).days
    return "soon" if days <= _SOON_DAYS else "year" if days <= _YEAR_DAYS else "later"


def _colors(result: ResultFile, layers: Iterable[str]) -> dict[str, Any]:
    classes = list(result.book.categories) if result.book else []
    return {
        "outcome": {
            code: {"fill": f.color, "line": f.outline, "dash": f.line == "dash"}
            for code, f in OUTCOME_FILLS.items()
        },
        "class": dict(zip(classes, CLASS_COLORS, strict=False)),
        "deadline": dict(DEADLINE_COLORS),
        "unit": list(UNIT_COLORS),
        "layer": {
            name: {"color": fill.color, "pattern": fill.pattern}
            for name in layers
            for fill in [LAYER_HATCHES.get(name, OTHER_HATCH)]
        },
    }


def _labels(result: ResultFile, texts: Mapping[str, Any], language: str) -> dict[str, Any]:
    """Return what the codes in this file mean."""
    book = result.book

    def met(name: str) -> list[str]:
        codes = (str(v) for v in texts.get(name, {"v": []})["v"] if v)
        return list(dict.fromkeys(part for code in codes for part in code.split(",")))

    facts = book.titles(language) if book else {}
    roles = {name: result.layer_title(name, language) for name in (*result.overlaid, *LAYER_HATCHES)}
    measures = {code: book.measure_label(code, language) for code in book.measures} if book else {}
    flags = dict.fromkeys(flag.partition(":")[0] for flag in met("flags"))
    outcomes = {}
    for outcome in Outcome:
        outcomes[outcome.value] = value_label("outcome", outcome, language)
        for code in met("measure") if book else []:
            if book and code in book.measures:
                outcomes[f"{outcome.value}|{code}"] = book.outcome_label(outcome, code, language)
    return {
        "outcome": outcomes,
        "measure": measures,
        "category": {c: book.value_label("category", c, language) for c in met("category")} if book else {},
        "subtype": {c: book.value_label("subtype", c, language) for c in met("subtype")} if book else {},
        "clause": {c: book.clause_label(c) for c in book.clauses} if book else {},
        "clause_text": {c: book.clause_text(c, language) for c in met("clause")} if book else {},
        "reason": {c: value_label("reason", c, language) for c in met("reason")},
        "fact": facts,
        "layer": roles,
        "holds": {c: value_label("holds", c, language) for c in ("true", "false", "unknown")},
        "flag": {n: flag_text(f"{n}:{{name}}", language) for n in flags},
        "schedule": _schedules(book, met("schedule"), language),
        "rule": _rule_words(result, language),
        "columns": column_titles("decisions", _DUTY_COLUMNS, language),
        **_duties(result, language),
    }


def _schedules(book: RuleBook | None, names: Iterable[str], language: str) -> dict[str, Any]:
    found = {}
    for name in names:
        spec = book.schedules.get(name) if book else None
        if book and spec:
            found[name] = f"{spec.label.of(language)}（{book.clause_label(spec.clause)}）"
            if language == "en":
                found[name] = f"{spec.label.of(language)} ({book.clause_label(spec.clause)})"
    return found


def _rule_words(result: ResultFile, language: str) -> dict[str, str]:
    book = result.book
    if book is None:
        return {}
    words = {name: book.condition_in_words(name, language) for name in book.rules}
    for found in book.classes.values():
        if found.hand_over:
            words[found.hand_over.id] = found.hand_over.title.of(language)
    return words


def _rule_class(book: RuleBook | None) -> dict[str, str]:
    classes = book.classes.values() if book else ()
    return {rule.id: c.category for c in classes for table in c.tables for rule in table.rules}


def _duties(result: ResultFile, language: str) -> dict[str, Any]:
    """Return steps and acceptance items of every case that occurs, by ``class|subtype|measure|clauses``."""
    book = result.book
    steps: dict[str, list[str]] = {}
    items: dict[str, list[str]] = {}
    if book is None:
        return {"steps": steps, "acceptance": items}
    owner = _rule_class(book)
    names = ("category", "subtype", "measure", "clause", "rule")
    rows = {tuple(row[name] or "" for name in names) for row in result.decisions.select(names).to_pylist()}
    for category, subtype, measure, clause, rule in sorted(rows):
        if not measure:
            continue
        deciding = owner.get(rule.split(",")[0], category)
        key = "|".join((deciding, subtype, measure, clause))
        cited = clause.split(",") if clause else None
        steps[key] = [
            f"{s.text.of(language)}（{s.actor.of(language)}）" if language == "zh" else _english(s, language)
            for s in book.steps(deciding, subtype or None, measure, cited)
        ]
        items[key] = [i.text.of(language) for i in book.acceptance(deciding, measure, cited)]
    return {"steps": steps, "acceptance": items}


def _english(step: Any, language: str) -> str:
    return f"{step.text.of(language)} ({step.actor.of(language)})"


def _trace(result: ResultFile) -> dict[str, list[list[Any]]]:
    """Return for every combination of facts the rules walked: rule, whether it holds, whether it decides."""
    found: dict[str, list[list[Any]]] = {}
    for row in result.table("trace").to_pylist():
        steps = found.setdefault(str(row["trace_id"]), [])
        steps.append([row["rule"], row["value"], row["decides"], row["clause"] or ""])
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]
