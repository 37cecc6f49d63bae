"""Gathering why a parcel got its recommendation."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from landremed.explain.facts import FactLine, fact_lines, known_facts
from landremed.explain.record import ParcelRecord, listed
from landremed.explain.slivers import SliverLine, sliver_lines
from landremed.explain.whatif import MissingFact, what_if
from landremed.law import Decision, RuleBook
from landremed.report.labels import flag_text, role_title, value_label
from landremed.tables import FactColumn
from landremed.types import PartialDate
from landremed.why import Measures, why_sentences

__all__ = ["ClauseLine", "Deadline", "Explanation", "RuleLine", "explain"]

_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class ClauseLine:
    """A clause cited, its number in the plan's own style and a paraphrase."""

    clause: str
    label: str
    text: str


@dataclass(frozen=True)
class RuleLine:
    """One rule walked: whether its condition holds (true, false, unknown) and whether it decides."""

    rule: str
    clause: str
    clause_label: str
    condition: str
    words: str
    facts: Mapping[str, str]
    unknown: Sequence[str]
    value: str
    value_label: str
    decides: bool


@dataclass(frozen=True)
class Deadline:
    """When the parcel must be done; dates are None where the plan sets none."""

    schedules: Sequence[Mapping[str, Any]]
    due_on: date | None
    overdue: int | None
    next_milestone_on: date | None
    next_milestone_share: float | None
    priority: int | None
    zero_tolerance: int | None


@dataclass(frozen=True)
class Explanation:
    """Everything there is to say about one parcel. Areas in m² and 亩, shares 0..1.

    ``head`` holds the identity and the recommendation, ``missing`` what would settle it, ``layers`` the
    measured overlaps, ``slivers`` the small ones among them, ``notes`` remarks about the rule book used.
    """

    parcel_id: str
    language: str
    file: str
    head: Mapping[str, Any]
    clauses: Sequence[ClauseLine]
    facts: Sequence[FactLine]
    other_facts: Sequence[FactLine]
    rules: Sequence[RuleLine]
    deadline: Deadline
    duties: Mapping[str, str]
    steps: Sequence[Mapping[str, str]]
    acceptance: Sequence[str]
    possible_outcomes: Sequence[Mapping[str, str]]
    missing: Sequence[MissingFact]
    flags: Sequence[str]
    notices: Sequence[str]
    slivers: Sequence[SliverLine]
    issues: Sequence[Mapping[str, Any]]
    parts: Sequence[Mapping[str, Any]]
    basis: Mapping[str, Any]
    notes: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values for JSON; dates as ISO text."""
        plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self), default=str))
        return {"schema_version": _SCHEMA_VERSION, **plain}


def explain(path: Path, parcel_id: str, language: str = "zh") -> Explanation:
    """Gather why a parcel, or a part of one (``<id>#n``), got its recommendation.

    Parameters
    ----------
    path : Path
        Result GeoPackage of ``landremed run``.
    parcel_id : str
        The parcel.
    language : {"zh", "en"}
        Language of labels and sentences; what the file holds as text stays as it is.

    Raises
    ------
    InputError
        The file is no result, or has no such parcel; nearest ids are named.
    """
    result = ParcelRecord.read(path, parcel_id, language)
    row, book = result.row, result.book
    known = known_facts(book, row, result.given)
    tried = what_if(book, known, row, as_of=result.provenance.get("as_of", ""), language=language)
    rules = _rules(result)
    values = {name: value for rule in rules for name, value in rule.facts.items()}
    used = [*(name for name in _ALWAYS_SHOWN if row.get(name)), *values]
    lines = fact_lines(result, list(dict.fromkeys(used)), values)
    deciding = listed(row, "clause")
    category = (tried.decision and tried.decision.table_category) or str(row.get("category") or "")
    measure = str(row.get("measure") or "")
    subtype = row.get("subtype")
    steps = book.steps(category, subtype, measure, deciding) if book and measure else ()
    items = book.acceptance(category, measure, deciding) if book and measure else ()
    return Explanation(
        parcel_id=parcel_id,
        language=language,
        file=str(path),
        head=_head(result, tried.decision),
        clauses=_clauses(result, rules),
        facts=lines.used,
        other_facts=lines.others,
        rules=rules,
        deadline=_deadline(result),
        duties={key: str(row[key]) for key in _DUTY_COLUMNS if row.get(key)},
        steps=[
            {"actor": s.actor.of(language), "text": s.text.of(language), "clause": _label(book, s.clause)}
            for s in steps
        ],
        acceptance=[item.text.of(language) for item in items],
        possible_outcomes=[
            {"outcome": code, "label": value_label("outcome", code, language)}
            for code in listed(row, "possible_outcomes")
        ],
        missing=tried.facts,
        flags=listed(row, "flags"),
        notices=_notices(result),
        slivers=sliver_lines(result),
        issues=result.rows("issues"),
        parts=result.parts,
        basis=_basis(result),
        notes=result.notes,
    )


_ALWAYS_SHOWN = ("category", "subtype")
_DUTY_COLUMNS = ("lead", "cooperating", "implementing", "implementing_unit", "other_units")


def _why(result: ParcelRecord, decision: Decision | None) -> str:
    """Return the sentence of the file, in the language asked for where the decision can be rebuilt."""
    row, book = result.row, result.book
    if decision is None or book is None or result.language == result.provenance.get("language"):
        return str(row.get("why") or "")
    areas = {
        column.removesuffix("_area_m2"): np.array([value], dtype=np.float64)
        for column, value in row.items()
        if column.endswith("_area_m2") and isinstance(value, float)
    }
    whole = np.array([row.get("area_m2") or np.nan], dtype=np.float64)
    only = np.zeros(1, np.int32)
    dates = {name: FactColumn(only, [day]) for name, day in decision.grounds if isinstance(day, PartialDate)}
    measures = Measures(areas, whole, dates)
    return str(why_sentences(book, [decision], np.zeros(1, np.int64), measures, result.language)[0])


def _head(result: ParcelRecord, decision: Decision | None) -> dict[str, Any]:
    row, book, language = result.row, result.book, result.language
    outcome, measure = str(row.get("outcome") or ""), str(row.get("measure") or "")
    head: dict[str, Any] = {
        "outcome": outcome,
        "outcome_label": row.get("outcome_label") or outcome,
        "measure": measure,
        "measure_label": row.get("measure_label") or measure,
        "reason": row.get("reason") or "",
        "reason_label": value_label("reason", str(row.get("reason") or ""), language),
        "why": _why(result, decision),
        "area_m2": row.get("area_m2"),
        "area_mu": row.get("area_mu"),
        "robust": row.get("robust"),
        "margin_m": row.get("margin_m"),
        "part_of": result.part_of,
        "secrecy": result.provenance.get("secrecy", ""),
    }
    for name in ("category", "subtype"):
        head[name] = row.get(name) or ""
        head[f"{name}_label"] = book.value_label(name, row.get(name), language) if book else head[name]
        if not head[name]:
            head[f"{name}_label"] = ""
    if book and outcome in book.outcomes:
        head["outcome_label"] = book.outcome_label(outcome, measure, language)
        head["measure_label"] = book.measure_label(measure, language) if measure in book.measures else measure
    return head


def _clauses(result: ParcelRecord, rules: Sequence[RuleLine]) -> list[ClauseLine]:
    """Return the clauses that decided, or for an open parcel those of the rules that could."""
    cited = listed(result.row, "clause")
    if not cited:
        found = [clause for rule in rules if rule.decides for clause in rule.clause.split(",") if clause]
        cited = list(dict.fromkeys(found))
    book = result.book
    return [
        ClauseLine(c, _label(book, c), book.clause_text(c, result.language) if book else "") for c in cited
    ]


def _rules(result: ParcelRecord) -> list[RuleLine]:
    book, language = result.book, result.language
    classes = book.classes.values() if book else ()
    hand_overs = {c.hand_over.id: c.hand_over.title.of(language) for c in classes if c.hand_over}
    bracket = "（{}）" if language == "zh" else " ({})"
    lines = []
    for step in sorted(result.trace, key=lambda r: int(r["step"])):
        rule, clause = str(step.get("rule") or ""), str(step.get("clause") or "")
        pairs = dict(part.partition("=")[::2] for part in listed(step, "facts"))
        words = str(step.get("condition") or "")
        if book and rule in book.rules:
            words = book.condition_in_words(rule, language)
        clauses = ", ".join(_label(book, part) for part in clause.split(",") if part)
        if rule in hand_overs:
            words = hand_overs[rule] + bracket.format(clauses)
        lines.append(
            RuleLine(
                rule=rule,
                clause=clause,
                clause_label=clauses,
                condition=str(step.get("condition") or ""),
                words=words,
                facts=pairs,
                unknown=[result.fact_titles.get(n, n) for n, v in pairs.items() if v == "unknown"],
                value=str(step["value"]),
                value_label=value_label("holds", str(step["value"]), language),
                decides=bool(step["decides"]),
            )
        )
    return lines


def _deadline(result: ParcelRecord) -> Deadline:
    row, book, language = result.row, result.book, result.language
    schedules: list[dict[str, Any]] = []
    for name in listed(row, "schedule"):
        spec = book.schedules.get(name) if book else None
        schedules.append(
            {
                "schedule": name,
                "label": spec.label.of(language) if spec else name,
                "clause": _label(book, spec.clause) if spec else "",
                "at_once": bool(spec and spec.at_once_from),
                "series": [
                    {
                        "label": series.label.of(language),
                        "basis": series.basis,
                        "milestones": [{"on": m.on, "share": m.share} for m in series.milestones],
                    }
                    for series in (spec.series if spec else ())
                ],
            }
        )
    return Deadline(schedules, **{f.name: row.get(f.name) for f in dataclasses.fields(Deadline)[1:]})


def _basis(result: ParcelRecord) -> dict[str, Any]:
    kept = result.provenance
    inputs = {}
    for key, value in kept.items():
        if key.startswith("input."):
            role = key.removeprefix("input.")
            title = result.fact_titles.get(role) or role_title(role, result.language)
            inputs[role] = {"title": title, **_json(value)}
    readings = {k.removeprefix("reading."): v for k, v in kept.items() if k.startswith("reading.")}
    names = ("version", "rules", "rules_hash", "as_of", "crs", "area", "straddle", "secrecy")
    specs = result.book.reading_specs if result.book else {}
    switched = {name: v for name, v in readings.items() if name in specs and v != specs[name].chosen}
    more = {"readings": readings, "readings_switched": switched, "inputs": inputs}
    return {name: kept.get(name, "") for name in names} | more


def _notices(result: ParcelRecord) -> list[str]:
    """Return the flags in words, one sentence for all subjects of a kind."""
    subjects: dict[str, list[str]] = {}
    for flag in listed(result.row, "flags"):
        name, _, subject = flag.partition(":")
        title = result.fact_titles.get(subject) or role_title(subject, result.language)
        subjects.setdefault(name, []).append(title)
    joined = "、" if result.language == "zh" else ", "
    return [flag_text(f"{name}:{joined.join(titles)}", result.language) for name, titles in subjects.items()]


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return {"file": text}
    return value if isinstance(value, dict) else {"file": text}


def _label(book: RuleBook | None, clause: str) -> str:
    return book.clause_label(clause) if book else clause
