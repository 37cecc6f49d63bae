"""Deciding parcels again with the facts people learned, on what the result kept of its measuring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from landremed.decisions import decide_rows
from landremed.explain.facts import fact_value, known_facts
from landremed.facts import counts
from landremed.law import Decision, RuleBook, combine_parts, decide
from landremed.project import Tolerance
from landremed.tables import FactColumn
from landremed.trace_table import OVERRIDE
from landremed.types import FactValue, Outcome, PartialDate
from landremed.why import Measures, why_sentences

__all__ = ["Case", "Redecided", "combined_columns", "redecide"]


@dataclass(frozen=True)
class Case:
    """A parcel, or a part of one, to be decided again.

    Attributes
    ----------
    row : mapping
        Its row as the machine wrote it.
    given : sequence of mapping
        Rows of ``facts`` of its parcel, from attributes and evidence.
    learned : mapping of fact to str
        Facts learned, ``override_…`` for computed ones.
    tolerance : Tolerance
        What the run counted as an overlap.
    """

    row: Mapping[str, Any]
    given: Sequence[Mapping[str, Any]]
    learned: Mapping[str, str]
    tolerance: Tolerance


@dataclass(frozen=True)
class Redecided:
    """New values of the columns of each case, and the rows of its trace."""

    columns: list[dict[str, Any]]
    decisions: list[Decision]
    trace: pa.Table


def redecide(
    book: RuleBook, cases: Sequence[Case], *, as_of: date, first_trace: int, language: str
) -> Redecided:
    """Decide cases again.

    Parameters
    ----------
    book : RuleBook
        In the readings of the result.
    cases : sequence of Case
        Parcels and parts.
    as_of : date
        Day on which deadlines are judged.
    first_trace : int
        Traces that stand in the file already.
    language : {"zh", "en"}
        Language of the result.
    """
    facts = [_facts(book, case) for case in cases]
    columns = {
        name: _column([f.get(name) for f in facts]) for name in dict.fromkeys(n for f in facts for n in f)
    }
    geometry = np.array([case.row.get("reason") != "no_geometry" for case in cases], dtype=bool)
    decided = decide_rows(book, columns, as_of=as_of, has_geometry=geometry, first_trace=first_trace)
    decisions = [
        decide(book, known, as_of=as_of, has_geometry=bool(there))
        for known, there in zip(facts, geometry, strict=True)
    ]
    found = [
        _columns(book, case, decision, int(trace), language)
        for case, decision, trace in zip(cases, decisions, decided.trace_id, strict=True)
    ]
    return Redecided(found, decisions, decided.trace)


def combined_columns(book: RuleBook, case: Case, parts: Sequence[Decision], language: str) -> dict[str, Any]:
    """Return the columns of a parcel that was cut, from the decisions of its parts."""
    trace = case.row.get("trace_id")
    return _columns(book, case, combine_parts(book, parts), int(trace or 0), language)


def _facts(book: RuleBook, case: Case) -> dict[str, FactValue]:
    facts = dict(known_facts(book, case.row, case.given))
    for name, text in case.learned.items():
        subject = name.removeprefix(OVERRIDE)
        value = fact_value(book.vocabulary[subject], text)
        facts[subject] = value
        if name != subject:
            facts[name] = value
    return facts


def _column(values: Sequence[FactValue]) -> FactColumn:
    distinct: dict[Any, int] = {}
    codes = [distinct.setdefault((type(value), value), len(distinct)) for value in values]
    return FactColumn(np.array(codes, np.int32), [value for _, value in distinct])


def _columns(book: RuleBook, case: Case, decision: Decision, trace: int, language: str) -> dict[str, Any]:
    row = case.row
    listed = "、" if language == "zh" else ", "
    category = decision.category
    duties = book.duties(category)
    restored = decision.outcome == Outcome.DEMOLISH_RESTORE
    area = row.get("area_m2") or 0.0
    return {
        "outcome": str(decision.outcome),
        "outcome_label": book.outcome_label(decision.outcome, decision.measure, language),
        "measure": decision.measure or None,
        "measure_label": book.measure_label(decision.measure, language) if decision.measure else None,
        "why": _why(book, row, decision, language),
        "missing_facts": ",".join(decision.missing_facts) or None,
        "missing_facts_label": listed.join(book.fact_label(f, language) for f in decision.missing_facts)
        or None,
        "due_on": _day(decision.due_on),
        "overdue": decision.overdue,
        "demolish_area_m2": area if book.demolishes(decision.measure) else 0.0,
        "restore_area_m2": area if restored else 0.0,
        "restore_cultivation": _cultivation(case, book.recultivates(decision.outcome, decision.measure)),
        "category": category,
        "subtype": decision.subtype,
        "rule": ",".join(decision.rules) or None,
        "clause": ",".join(decision.clauses) or None,
        "reason": decision.reason or None,
        "possible_outcomes": ",".join(decision.possible_outcomes) or None,
        "schedule": ",".join(decision.schedules) or None,
        "next_milestone_on": _day(decision.next_milestone_on),
        "next_milestone_share": decision.next_milestone_share,
        "priority": decision.priority,
        "zero_tolerance": decision.zero_tolerance,
        "lead": duties.lead,
        "cooperating": duties.cooperating,
        "implementing": duties.implementing,
        "flags": _flags(row, decision, case),
        "trace_id": trace,
    }


def _why(book: RuleBook, row: Mapping[str, Any], decision: Decision, language: str) -> str:
    areas = {
        name.removesuffix("_area_m2"): np.array([value], dtype=np.float64)
        for name, value in row.items()
        if name.endswith("_area_m2") and isinstance(value, float)
    }
    whole = np.array([row.get("area_m2") or np.nan], dtype=np.float64)
    only = np.zeros(1, np.int32)
    dates = {name: FactColumn(only, [day]) for name, day in decision.grounds if isinstance(day, PartialDate)}
    measures = Measures(areas, whole, dates)
    return str(why_sentences(book, [decision], np.zeros(1, np.int64), measures, language)[0])


def _cultivation(case: Case, asked: bool) -> int | None:
    """Say whether cultivated land is to be restored; empty without a land-use layer."""
    area, whole = case.row.get("cultivated_area_m2"), case.row.get("area_m2")
    if area is None or whole is None:
        return None
    return int(asked and bool(counts(np.array([area]), np.array([whole]), case.tolerance)[0]))


def _flags(row: Mapping[str, Any], decision: Decision, case: Case) -> str | None:
    """Keep the notices about measuring; renew those that hang on the decision."""
    kept = [
        flag
        for flag in str(row.get("flags") or "").split(",")
        if flag and flag != "farmland_conflict" and not flag.startswith(("assumed:", "sensitive:"))
    ]
    new = [f"assumed:{fact}" for fact in sorted(decision.assumed)]
    on_farmland = case.learned.get("override_occupies_permanent_basic_farmland") or row.get(
        "fact_occupies_permanent_basic_farmland"
    )
    if decision.outcome == Outcome.COMPLETE_PAPERWORK and on_farmland == "true":
        new.append("farmland_conflict")
    late = next((i for i, flag in enumerate(kept) if flag.startswith("layer_postdates_case")), len(kept))
    return ",".join([*kept[:late], *new, *kept[late:]]) or None


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
