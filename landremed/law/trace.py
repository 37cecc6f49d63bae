"""The trace of a decision: every rule looked at, with its facts and its own truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from landremed.law.compiled import Compiled
from landremed.law.conditions import Complete, Condition, Group, Test, condition_text, kleene, tests_of
from landremed.law.decision import TraceStep
from landremed.law.records import HandOver, Rule, Table
from landremed.law.situation import Context, Situation, fact_text

__all__ = ["grounds", "trace_steps"]

_STEPS_LIMIT = 50_000


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
            for test in situation.ready.tests(rule.id):
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
    values: dict[str, tuple[Complete, ...]] = {}
    texts: dict[str, str] = {}

    def possible(name: str) -> tuple[Complete, ...]:
        if name not in values:
            values[name] = situation.possible(table, name)
        return values[name]

    def text(name: str) -> str:
        if name not in texts:
            texts[name] = fact_text(situation.book, name, situation.facts.get(name))
        return texts[name]

    for rule in table.rules[: last + 1]:
        yield _step(situation.ready, _shown(situation.ready, table, rule, subtypes), possible, text, fired)


class _Shown(NamedTuple):
    """What a step shows whatever the facts are.

    ``resolved`` is the condition with parameters filled in, ``asked`` its facts.
    """

    rule: str
    clause: str
    condition: str
    names: tuple[str, ...]
    resolved: Group
    asked: tuple[str, ...]


def _shown(ready: Compiled, table: Table, rule: Rule, subtypes: list[str]) -> _Shown:
    key = ("shown", table.id, rule.id, *subtypes)
    known = ready.shown.get(key)
    if isinstance(known, _Shown):
        return known
    written: tuple[Condition, ...] = rule.when.items
    resolved: tuple[Condition, ...] = (ready.condition(rule.id),)
    if table.subtype:
        test = Test("subtype", "is", (table.subtype,))
        written, resolved = (test, *written), (test, *resolved)
    whole = Group("all", written)
    found = _Shown(
        rule.id,
        ",".join(rule.all_clauses(subtypes)),
        condition_text(whole),
        tuple(dict.fromkeys(test.fact for test in tests_of(whole))),
        Group("all", resolved),
        tuple(dict.fromkeys(test.fact for test in tests_of(Group("all", resolved)))),
    )
    ready.shown[key] = found
    return found


def _step(
    ready: Compiled,
    shown: _Shown,
    possible: Callable[[str], tuple[Complete, ...]],
    text: Callable[[str], str],
    fired: set[str],
) -> TraceStep:
    """Return one step; the same one for the same facts."""
    facts = tuple([(name, text(name)) for name in shown.names])
    decides = shown.rule in fired
    key = (id(shown), decides, facts, *[possible(name) for name in shown.asked])
    known = ready.steps.get(key)
    if known is None:
        if len(ready.steps) > _STEPS_LIMIT:
            ready.steps.clear()
        known = ready.steps[key] = TraceStep(
            rule=shown.rule,
            clause=shown.clause,
            condition=shown.condition,
            facts=facts,
            value=kleene(shown.resolved, possible),
            decides=decides,
        )
    return known
