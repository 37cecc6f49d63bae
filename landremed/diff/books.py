"""Two states of a rule book: what differs between them, and books that are part one, part the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from landremed.law import RuleBook
from landremed.law.conditions import Condition, Group, Test
from landremed.law.records import ClassRules, Rule, Schedule, Table

__all__ = ["Element", "differing_elements", "mixed_book"]

T = TypeVar("T")


class Element(NamedTuple):
    """One entry of a rule book that differs: its kind (rule, order, parameter, ...) and its name."""

    kind: str
    name: str


def differing_elements(old: RuleBook, new: RuleBook) -> list[Element]:
    """Return what differs between two states of a rule book, as far as it can change a decision.

    Rules first, in table order, then the order of tables, what they list, parameters, schedules, how one is
    chosen, priorities, measures, and the vocabulary.
    """
    first, second = old.base or old, new.base or new
    found: list[Element] = []
    before, after = _tables(first), _tables(second)
    for name in dict.fromkeys((*before, *after)):
        found += _in_table(before.get(name), after.get(name))
    hand_overs = [{code: repr(c.hand_over) for code, c in b.classes.items()} for b in (first, second)]
    found += _differing("hand_over", *hand_overs)
    found += _differing(
        "parameter", *({n: p.value for n, p in b.parameters.items()} for b in (first, second))
    )
    found += _differing(
        "schedule", *({n: _schedule(s) for n, s in b.schedules.items()} for b in (first, second))
    )
    found += _differing("choice", first.choosers, second.choosers)
    if _priorities(first) != _priorities(second):
        found.append(Element("priorities", ""))
    measures = ({n: (m.outcome, m.scheduled) for n, m in b.measures.items()} for b in (first, second))
    found += _differing("measure", *measures)
    if repr(first.vocabulary) != repr(second.vocabulary):
        found.append(Element("vocabulary", ""))
    return found


def mixed_book(
    old: RuleBook, new: RuleBook, taken: frozenset[Element], readings: Mapping[str, str]
) -> RuleBook:
    """Return the old book with these elements as the new one has them.

    Parameters
    ----------
    readings : mapping
        In force; those that the mixture does not know are left out.

    Raises
    ------
    KeyError, ValueError
        The mixture does not hold together, such as a schedule's measure that it does not have.
    """
    first, second = old.base or old, new.base or new
    mixed = replace(
        first,
        classes=_classes(first, second, taken),
        parameters=_merged(first.parameters, second.parameters, "parameter", taken),
        schedules=_merged(first.schedules, second.schedules, "schedule", taken),
        choosers=_merged(first.choosers, second.choosers, "choice", taken),
        measures={**second.measures, **_merged(first.measures, second.measures, "measure", taken)},
        clauses={**second.clauses, **first.clauses},
        vocabulary=second.vocabulary if Element("vocabulary", "") in taken else first.vocabulary,
        base=None,
        memo={},
    )
    if Element("priorities", "") in taken:
        mixed = replace(mixed, priorities=second.priorities, zero_tolerance=second.zero_tolerance)
    known = {name: value for name, value in readings.items() if name in mixed.reading_specs}
    return mixed.with_readings(known)


def _in_table(before: Table | None, after: Table | None) -> Iterator[Element]:
    first = {rule.id: rule for rule in before.rules} if before else {}
    second = {rule.id: rule for rule in after.rules} if after else {}
    yield from _differing(
        "rule", {n: _rule(r) for n, r in first.items()}, {n: _rule(r) for n, r in second.items()}
    )
    table = before or after
    name = table.id if table else ""
    if [n for n in first if n in second] != [n for n in second if n in first]:
        yield Element("order", name)
    if before and after and before.listed != after.listed:
        yield Element("listed", name)


def _differing(kind: str, first: Mapping[str, object], second: Mapping[str, object]) -> list[Element]:
    names = dict.fromkeys((*first, *second))
    return [Element(kind, name) for name in names if first.get(name) != second.get(name)]


def _tables(book: RuleBook) -> dict[str, Table]:
    return {table.id: table for found in book.classes.values() for table in found.tables}


def _rule(rule: Rule) -> tuple[object, ...]:
    return (dict(rule.clauses), _condition(rule.when), rule.outcome, rule.measure)


def _schedule(schedule: Schedule) -> tuple[object, ...]:
    return (
        (schedule.category, schedule.subtype, dict(schedule.applies), _condition(schedule.when)),
        tuple(series.milestones for series in schedule.series),
        (schedule.at_once_from, schedule.due_from),
    )


def _priorities(book: RuleBook) -> list[object]:
    entries = (*book.priorities, *book.zero_tolerance)
    return [(e.level, e.category, _condition(e.when), e.zero_tolerance) for e in entries]


def _condition(condition: Condition) -> object:
    if isinstance(condition, Group):
        return (condition.kind, tuple(_condition(item) for item in condition.items))
    if isinstance(condition, Test):
        return (str(condition), condition.assumed)
    return condition


def _merged(
    first: Mapping[str, T], second: Mapping[str, T], kind: str, taken: frozenset[Element]
) -> dict[str, T]:
    """Return the entries of the old book, those taken as the new one has them, if it has them."""
    found: dict[str, T] = {}
    for name in dict.fromkeys((*first, *second)):
        source = second if Element(kind, name) in taken else first
        if name in source:
            found[name] = source[name]
    return found


def _classes(first: RuleBook, second: RuleBook, taken: frozenset[Element]) -> dict[str, ClassRules]:
    found: dict[str, ClassRules] = {}
    for code in dict.fromkeys((*first.classes, *second.classes)):
        base = first.classes.get(code) or second.classes[code]
        other = second.classes.get(code, base)
        hand_over = other.hand_over if Element("hand_over", code) in taken else base.hand_over
        before = {t.id: t for t in first.classes[code].tables} if code in first.classes else {}
        after = {t.id: t for t in other.tables} if code in second.classes else {}
        names = dict.fromkeys((*before, *after))
        tables = (_table(before.get(name), after.get(name), taken) for name in names)
        found[code] = replace(base, tables=tuple(t for t in tables if t is not None), hand_over=hand_over)
    return found


def _table(before: Table | None, after: Table | None, taken: frozenset[Element]) -> Table | None:
    table = before or after
    if table is None:
        return None
    first, second = before.rules if before else (), after.rules if after else ()
    rules = _rules(first, second, taken, Element("order", table.id) in taken)
    if not rules:
        return None
    listed = after.listed if after and Element("listed", table.id) in taken else table.listed
    return replace(table, rules=rules, listed=listed)


def _rules(
    first: Sequence[Rule], second: Sequence[Rule], taken: frozenset[Element], reordered: bool
) -> tuple[Rule, ...]:
    """Put the rules taken in, each behind the rule that stands before it in the new table."""
    by_id = {rule.id: rule for rule in second}
    kept = [rule for rule in first if Element("rule", rule.id) not in taken or rule.id in by_id]
    rules = [by_id[rule.id] if Element("rule", rule.id) in taken else rule for rule in kept]
    old_ids = {rule.id for rule in first}
    if reordered:
        place = {rule.id: number for number, rule in enumerate(second)}
        common = sorted((rule for rule in rules if rule.id in place), key=lambda rule: place[rule.id])
        coming = iter(common)
        rules = [next(coming) if rule.id in place else rule for rule in rules]
    for number, rule in enumerate(second):
        if rule.id in old_ids or Element("rule", rule.id) not in taken:
            continue
        before = {found.id for found in second[:number]}
        at = max((i + 1 for i, found in enumerate(rules) if found.id in before), default=0)
        rules.insert(at, rule)
    return tuple(rules)
