"""What each missing fact would change: the parcel decided again with every value the fact could have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, NamedTuple

from landremed.explain.record import Row, listed
from landremed.law import Decision, RuleBook, decide
from landremed.law.conditions import tests_of
from landremed.report.labels import value_label
from landremed.text import message_text
from landremed.types import FactSpec, FactValue, Outcome, PartialDate

__all__ = ["MissingFact", "WhatIf", "Whether", "what_if"]


@dataclass(frozen=True)
class Whether:
    """What follows if a missing fact has one of these values."""

    values: Sequence[str]
    outcome: str
    measure: str
    result: str
    still_missing: Sequence[str]


@dataclass(frozen=True)
class MissingFact:
    """A fact that would matter, and what each of its values would lead to."""

    fact: str
    label: str
    cases: Sequence[Whether]


class WhatIf(NamedTuple):
    """The decision rebuilt, None where it is not the one in the file, and the missing facts."""

    decision: Decision | None
    facts: list[MissingFact]


class _Candidate(NamedTuple):
    words: str
    value: FactValue


def what_if(
    book: RuleBook | None, facts: Mapping[str, FactValue], row: Row, *, as_of: str, language: str
) -> WhatIf:
    """Decide again with each value of each missing fact, the other facts as they are.

    The values are tried only when the facts rebuilt from the file give the decision that stands there;
    else the missing facts are named without them.

    Parameters
    ----------
    book : RuleBook or None
        In the readings the file was made with.
    facts : mapping
        What is known, from ``known_facts``.
    row : mapping
        The parcel's row.
    as_of : str
        ISO date on which deadlines are judged.
    language : {"zh", "en"}
        Language of the words.
    """
    missing = listed(row, "missing_facts")
    if book is None:
        return WhatIf(None, [MissingFact(name, name, []) for name in missing])
    day = _day(as_of)
    has_geometry = row.get("reason") != "no_geometry"
    decision = decide(book, facts, as_of=day, has_geometry=has_geometry)
    found = (str(decision.outcome), decision.measure, decision.reason)
    same = found == tuple(row.get(name) or "" for name in ("outcome", "measure", "reason"))
    lines = []
    for name in missing:
        spec = book.vocabulary.get(name)
        cases = _cases(book, facts, spec, day, language) if same and spec is not None else []
        lines.append(MissingFact(name, book.fact_label(name, language) if spec else name, cases))
    return WhatIf(decision if same else None, lines)


def _cases(
    book: RuleBook, facts: Mapping[str, FactValue], spec: FactSpec, as_of: date, language: str
) -> list[Whether]:
    found: dict[tuple[Any, ...], Whether] = {}
    for candidate in _candidates(book, facts, spec, language):
        decision = decide(book, {**facts, spec.name: candidate.value}, as_of=as_of)
        key = (decision.outcome, decision.measure, decision.reason, decision.missing_facts)
        before = found.get(key)
        values = [*(before.values if before else ()), candidate.words]
        found[key] = Whether(
            values=values,
            outcome=str(decision.outcome),
            measure=decision.measure,
            result=_result_words(book, decision, language),
            still_missing=decision.missing_facts,
        )
    return [replace(case, values=_merged(case.values)) for case in found.values()]


def _candidates(
    book: RuleBook, facts: Mapping[str, FactValue], spec: FactSpec, language: str
) -> Iterator[_Candidate]:
    if spec.kind == "bool":
        yield from (_Candidate(book.value_label(spec.name, v, language), v) for v in (True, False))
    elif spec.kind == "code":
        scopes = {value for value in facts.values() if isinstance(value, str)}
        for value in spec.values.values():
            if not value.scope or scopes.intersection(value.scope):
                yield _Candidate(value.label_zh if language == "zh" else value.label_en, value.code)
        if spec.claim:
            yield _Candidate(value_label("truth", "absent", language), None)
    elif spec.kind == "date":
        yield from _date_candidates(book, facts.get(spec.name), spec.name, language)


def _date_candidates(book: RuleBook, known: FactValue, fact: str, language: str) -> Iterator[_Candidate]:
    """Cut the possible days where a rule or deadline changes its mind."""
    if not _cuts(book, fact):
        return
    possible = known if isinstance(known, PartialDate) else PartialDate(date.min, date.max)
    cuts = sorted(day for day in _cuts(book, fact) if possible.first < day <= possible.last)
    starts = [possible.first, *cuts]
    ends = [*(day - timedelta(days=1) for day in cuts), possible.last]
    for first, last in zip(starts, ends, strict=True):
        if first == date.min:
            code, params = "explain_before", {"day": last + timedelta(days=1)}
        elif last == date.max:
            code, params = "explain_from", {"day": first}
        else:
            code, params = "explain_between", {"first": first, "last": last}
        yield _Candidate(message_text(code, params, language), PartialDate(first, last))


def _cuts(book: RuleBook, fact: str) -> set[date]:
    """Return the first day after each change of mind."""
    conditions = [rule.when for rule in book.rules.values()]
    days = set()
    for condition in conditions:
        for test in tests_of(condition):
            if test.fact == fact and test.parameter:
                bound = book.parameters[test.parameter].value
                if isinstance(bound, date):
                    after = test.operator in ("after", "not after")
                    days.add(bound + timedelta(days=1) if after else bound)
    return days


def _result_words(book: RuleBook, decision: Decision, language: str) -> str:
    if decision.outcome == Outcome.NEEDS_REVIEW:
        if decision.reason == "no_clause":
            return message_text("explain_silent", {}, language)
        labels = [value_label("outcome", code, language) for code in decision.possible_outcomes]
        listing = ("、" if language == "zh" else ", ").join(labels)
        return message_text("explain_still_open", {"outcomes": listing}, language)
    label = book.outcome_label(decision.outcome, decision.measure, language)
    measure = book.measure_label(decision.measure, language)
    if not measure or measure in label:
        return label
    return f"{label}（{measure}）" if language == "zh" else f"{label}: {measure}"


def _merged(values: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return date.max
