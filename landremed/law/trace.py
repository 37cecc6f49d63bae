"""The trace of a decision: every rule looked at, with its facts and its own truth."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from landremed.law.conditions import Condition, Group, Test, condition_text, kleene, tests_of
from landremed.law.decision import TraceStep
from landremed.law.records import HandOver, Rule, Table
from landremed.law.situation import Context, Situation, fact_text

__all__ = ["grounds", "trace_steps"]


def trace_steps(situation: Situation, fired: set[str]) -> Iterator[TraceStep]:
    """Yield the rules of every table concerned, down to the last that decides in some completion.

    Parameters
    ----------
    fired : set of str
        Rules that decide in some completion. A table in which none does is shown whole.
    """
    if situation.category is None:
        yield TraceStep("", "", "category is given", (("category", "unknown"),), "unknown", False)
        return
    hand_over = situation.hand_over
    if hand_over is not None and situation.targets != (situation.category,):
        yield _hand_over_step(situation, hand_over)
    tables: dict[str, list[Context]] = {}
    for context in situation.contexts:
        if context.table is not None:
            tables.setdefault(context.table.id, []).append(context)
    for contexts in tables.values():
        table = contexts[0].table
        if table is not None:
            yield from _table_steps(situation, table, [context.subtype for context in contexts], fired)


def grounds(situation: Situation, rules: tuple[str, ...]) -> tuple[str, ...]:
    """Return the known facts that make the deciding rules' tests true, in the order of the conditions."""
    found: dict[str, None] = {}
    for context in situation.contexts:
        if context.table is None:
            continue
        for rule in context.table.rules:
            if rule.id not in rules:
                continue
            for test in tests_of(situation.ready.condition(rule.id)):
                values = situation.possible(context.table, test.fact)
                if len(values) == 1 and test.holds(values[0]):
                    found[test.fact] = None
    return tuple(found)


def _hand_over_step(situation: Situation, hand_over: HandOver) -> TraceStep:
    fact = hand_over.fact
    value = situation.facts.get(fact)
    test = Test(fact, "is one of", hand_over.categories)
    truth = kleene(test, lambda name: situation.ready.candidates(name, value, None, ""))
    shown = ((fact, fact_text(situation.book, fact, value)),)
    return TraceStep(hand_over.id, hand_over.clause, str(test), shown, truth, False)


def _table_steps(
    situation: Situation, table: Table, subtypes: list[str], fired: set[str]
) -> Iterator[TraceStep]:
    last = max((i for i, rule in enumerate(table.rules) if rule.id in fired), default=len(table.rules))
    for rule in table.rules[: last + 1]:
        yield _step(situation, table, rule, subtypes, fired)


def _step(situation: Situation, table: Table, rule: Rule, subtypes: list[str], fired: set[str]) -> TraceStep:
    written: tuple[Condition, ...] = rule.when.items
    resolved: tuple[Condition, ...] = (situation.ready.condition(rule.id),)
    if table.subtype:
        test = Test("subtype", "is", (table.subtype,))
        written, resolved = (test, *written), (test, *resolved)
    group = Group("all", written)
    names = dict.fromkeys(test.fact for test in tests_of(group))
    return TraceStep(
        rule=rule.id,
        clause=",".join(rule.all_clauses(subtypes)),
        condition=condition_text(group),
        facts=tuple((name, fact_text(situation.book, name, situation.facts.get(name))) for name in names),
        value=kleene(Group("all", resolved), partial(situation.possible, table)),
        decides=rule.id in fired,
    )
