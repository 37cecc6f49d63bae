"""A rule book in words: what ``landremed rules list`` and ``show`` print."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from landremed.errors import RuleBookError, Where
from landremed.law.book import RuleBook
from landremed.law.cases import CaseResult
from landremed.law.conditions import condition_text, condition_words
from landremed.law.lint import rule_cases
from landremed.law.records import Reading, Rule, Schedule, Table
from landremed.law.source import nearest

__all__ = ["RuleCard", "describe_rule", "list_rules"]


@dataclass(frozen=True, slots=True)
class RuleCard:
    """One rule beside its clause, in one language.

    Attributes
    ----------
    clauses : tuple of (str, str, str)
        Clause id, the plan's own number, paraphrase.
    readings : tuple of (str, str, str, str)
        Reading that touches the rule: name, question, alternative, what the alternative says.
    cases : dict
        ``fires``, ``not`` and ``open`` -> names of cases.
    """

    id: str
    title: str
    category: str
    subtype: str
    clauses: tuple[tuple[str, str, str], ...]
    condition: str
    condition_words: str
    outcome: str
    outcome_label: str
    measure: str
    measure_label: str
    schedules: tuple[tuple[str, str], ...]
    steps: tuple[tuple[str, str, str], ...]
    acceptance: tuple[str, ...]
    readings: tuple[tuple[str, str, str, str], ...]
    cases: dict[str, list[str]]


def list_rules(book: RuleBook, language: str) -> list[dict[str, str]]:
    """Return every rule in table order: id, class, clause, condition and result in words."""
    rows = []
    for table, rule in _pairs(book):
        rows.append(
            {
                "rule": rule.id,
                "title": rule.title.of(language),
                "category": book.value_label("category", table.category, language),
                "subtype": book.value_label("subtype", table.subtype, language) if table.subtype else "",
                "clause": ",".join(dict.fromkeys(rule.clauses.values())),
                "clause_label": "、".join(map(book.clause_label, dict.fromkeys(rule.clauses.values()))),
                "condition": _condition(book, rule, language),
                "outcome": rule.outcome,
                "measure": rule.measure,
                "outcome_label": book.outcome_label(rule.outcome, rule.measure, language),
                "measure_label": book.measure_label(rule.measure, language),
            }
        )
    return rows


def describe_rule(
    book: RuleBook, rule_id: str, language: str, results: Iterable[CaseResult] = ()
) -> RuleCard:
    """Return everything there is to read about one rule.

    Raises
    ------
    RuleBookError
        When there is no such rule; names the nearest.
    """
    found = {rule.id: (table, rule) for table, rule in _pairs(book)}
    if rule_id not in found:
        raise RuleBookError("law_unknown_rule", Where(), name=rule_id, nearest=nearest(rule_id, found))
    table, rule = found[rule_id]
    clauses = tuple(dict.fromkeys(rule.clauses.values()))
    steps = book.steps(table.category, table.subtype or None, rule.measure, clauses)
    items = book.acceptance(table.category, rule.measure, clauses)
    return RuleCard(
        id=rule.id,
        title=rule.title.of(language),
        category=book.value_label("category", table.category, language),
        subtype=book.value_label("subtype", table.subtype, language) if table.subtype else "",
        clauses=tuple((c, book.clause_label(c), book.clause_text(c, language)) for c in clauses),
        condition=condition_text(rule.when),
        condition_words=_condition(book, rule, language),
        outcome=rule.outcome,
        outcome_label=book.outcome_label(rule.outcome, rule.measure, language),
        measure=rule.measure,
        measure_label=book.measure_label(rule.measure, language),
        schedules=tuple((s.id, _schedule_words(s, language)) for s in _schedules(book, table, rule)),
        steps=tuple((s.actor.of(language), s.text.of(language), s.clause) for s in steps),
        acceptance=tuple(item.text.of(language) for item in items),
        readings=tuple(_readings(book, table, rule, language)),
        cases=rule_cases(book, results)[rule_id],
    )


def _pairs(book: RuleBook) -> list[tuple[Table, Rule]]:
    return [(t, rule) for found in book.classes.values() for t in found.tables for rule in t.rules]


def _condition(book: RuleBook, rule: Rule, language: str) -> str:
    return condition_words(rule.when, book.vocabulary, book.parameters, language)


def _schedules(book: RuleBook, table: Table, rule: Rule) -> list[Schedule]:
    """Return the schedules that a result of this rule may fall under."""
    if not book.outcomes[rule.outcome].scheduled or not book.measures[rule.measure].scheduled:
        return []
    clauses = set(rule.clauses.values())
    return [
        s
        for s in book.schedules.values()
        if s.category == table.category
        and s.subtype in ("", table.subtype)
        and (
            not s.applies or (rule.measure in s.applies and clauses & set(s.applies[rule.measure] or clauses))
        )
    ]


def _schedule_words(schedule: Schedule, language: str) -> str:
    series = "; ".join(
        " ".join(
            [s.label.of(language), ", ".join(f"{m.on.isoformat()} {m.share:.0%}" for m in s.milestones)]
        ).strip()
        for s in schedule.series
    )
    return f"{schedule.label.of(language)}: {series}" if series else schedule.label.of(language)


def _readings(book: RuleBook, table: Table, rule: Rule, language: str) -> list[tuple[str, str, str, str]]:
    """Return the alternatives of readings that would change this rule or its place."""
    found = []
    asked = {test for test in condition_text(rule.when).split() if test in book.parameters}
    for reading in book.reading_specs.values():
        for alternative in reading.alternatives.values():
            order = alternative.orders.get(table.id)
            moved = order is not None and rule.id in _moved(table, order)
            if rule.id in alternative.conditions or moved:
                text = alternative.text.of(language)
                found.append((reading.id, reading.question.of(language), alternative.id, text))
        if reading.parameter in asked:
            found.append((reading.id, reading.question.of(language), *_parameter(book, reading, language)))
    return found


def _parameter(book: RuleBook, reading: Reading, language: str) -> tuple[str, str]:
    parameter = book.parameters[reading.parameter]
    return str(parameter.value), parameter.label.of(language)


def _moved(table: Table, order: tuple[str, ...]) -> set[str]:
    """Return the rules that stand before or after another rule than they did."""
    now = [rule.id for rule in table.rules]
    place = {name: index for index, name in enumerate(order)}
    return {
        name
        for i, name in enumerate(now)
        for j, other in enumerate(now)
        if (i < j) != (place[name] < place[other]) and i != j
    }
