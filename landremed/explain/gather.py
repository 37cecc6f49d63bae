"""Gathering why a parcel got its recommendation."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from landremed.explain.facts import FactLine, fact_lines, known_facts
from landremed.explain.record import ParcelRecord, listed
from landremed.explain.whatif import MissingFact, what_if
from landremed.law import RuleBook
from landremed.report.labels import flag_text, role_title, value_label

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
    measured overlaps, ``notes`` remarks about the rule book used.
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
    flags: Sequence[Mapping[str, str]]
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
    rules = _rules(result)
    values = {name: value for rule in rules for name, value in rule.facts.items()}
    used = [*(name for name in _ALWAYS_SHOWN if row.get(name)), *values]
    lines = fact_lines(result, list(dict.fromkeys(used)), values)
    missing = what_if(book, known, row, as_of=result.provenance.get("as_of", ""), language=language)
    deciding = listed(row, "clause")
    category = missing.table_category or str(row.get("category") or "")
    measure = str(row.get("measure") or "")
    subtype = row.get("subtype")
    steps = book.steps(category, subtype, measure, deciding) if book and measure else ()
    items = book.acceptance(category, measure, deciding) if book and measure else ()
    return Explanation(
        parcel_id=parcel_id,
        language=language,
        file=str(path),
        head=_head(result),
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
        missing=missing.facts,
        flags=[{"flag": f, "text": flag_text(f, language, result.fact_titles)} for f in listed(row, "flags")],
        issues=result.rows("issues"),
        parts=result.parts,
        basis=_basis(result),
        notes=result.notes,
    )


_ALWAYS_SHOWN = ("category", "subtype")
_DUTY_COLUMNS = ("lead", "cooperating", "implementing", "implementing_unit", "other_units")


def _head(result: ParcelRecord) -> dict[str, Any]:
    row, book, language = result.row, result.book, result.language
    outcome, measure = str(row.get("outcome") or ""), str(row.get("measure") or "")
    head: dict[str, Any] = {
        "outcome": outcome,
        "outcome_label": row.get("outcome_label") or outcome,
        "measure": measure,
        "measure_label": row.get("measure_label") or measure,
        "reason": row.get("reason") or "",
        "reason_label": value_label("reason", str(row.get("reason") or ""), language),
        "why": row.get("why") or "",
        "area_m2": row.get("area_m2"),
        "area_mu": row.get("area_mu"),
        "robust": row.get("robust"),
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
    lines = []
    for step in sorted(result.trace, key=lambda r: int(r["step"])):
        rule, clause = str(step.get("rule") or ""), str(step.get("clause") or "")
        pairs = dict(part.partition("=")[::2] for part in listed(step, "facts"))
        words = str(step.get("condition") or "")
        if book and rule in book.rules:
            words = book.condition_in_words(rule, language)
        lines.append(
            RuleLine(
                rule=rule,
                clause=clause,
                clause_label=", ".join(_label(book, part) for part in clause.split(",") if part),
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
            inputs[role] = {"title": role_title(role, result.language), **_json(value)}
    readings = {k.removeprefix("reading."): v for k, v in kept.items() if k.startswith("reading.")}
    names = ("version", "rules", "rules_hash", "as_of", "crs", "area", "straddle", "secrecy")
    return {name: kept.get(name, "") for name in names} | {"readings": readings, "inputs": inputs}


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return {"file": text}
    return value if isinstance(value, dict) else {"file": text}


def _label(book: RuleBook | None, clause: str) -> str:
    return book.clause_label(clause) if book else clause
