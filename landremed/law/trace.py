"""The trace of a decision: every rule looked at, with its facts and its own truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from typing import NamedTuple

from landremed.law.compiled import Compiled
from landremed.law.conditions import Complete, Condition, Group, Test, condition_text, kleene, tests_of
from landremed.law.decision import TraceStep
from landremed.law.records import HandOver, Rule, Table
from landremed.law.situation import Situation, fact_text

__all__ = ["Place", "grounds", "places", "present", "trace_steps"]

_STEPS_LIMIT = 50_000


class Place(NamedTuple):
    """Where a step of a trace can stand.

    Attributes
    ----------
    rule, table : str
        Rule and table; of a step that shows no rule of a table, ``table`` is "".
    facts : tuple of str
        Facts that the step shows or asks for.
    step : callable (situation, decides)
        Makes the step.
    """

    rule: str
    table: str
    facts: tuple[str, ...]
    step: Callable[[Situation, bool], TraceStep]


_NO_CLASS = TraceStep("", "", "category is given", (("category", "unknown"),), "unknown", False)


def places(situation: Situation) -> tuple[Place, ...]:
    """Return where the steps of such a combination's trace can stand, in order.

    Parameters
    ----------
    situation : Situation
        Only class, subtype and the fact of a hand-over are looked at.
    """
    if situation.category is None:
        return (Place("", "", (), lambda situation, decides: _NO_CLASS),)
    found: list[Place] = []
    hand_over = situation.hand_over
    if hand_over is not None and situation.targets != (situation.category,):
        over = hand_over
        found.append(Place(over.id, "", (over.fact,), lambda own, decides: _hand_over_step(own, over)))
    for table, subtypes in _tables(situation):
        for rule in table.rules:
            found.append(_rule_place(situation.ready, table, rule, subtypes))
    return tuple(found)


def present(found: Sequence[Place], fired: Set[str]) -> tuple[bool, ...]:
    """Tell which places a trace fills: of every table the rules down to the last that decides, else all."""
    last: dict[str, int] = {}
    for at, place in enumerate(found):
        if place.table and place.rule in fired:
            last[place.table] = at
    return tuple(at <= last.get(place.table, len(found)) for at, place in enumerate(found))


def trace_steps(situation: Situation, fired: Set[str]) -> Iterator[TraceStep]:
    """Yield the rules of every table concerned, down to the last that decides in some completion.

    Parameters
    ----------
    fired : set of str
        Rules that decide in some completion. A table in which none does is shown whole.
    """
    if situation.category is None:
        yield _NO_CLASS
        return
    hand_over = situation.hand_over
    if hand_over is not None and situation.targets != (situation.category,):
        yield _hand_over_step(situation, hand_over)
    for table, subtypes in _tables(situation):
        yield from _table_steps(situation, table, subtypes, fired)


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


def _tables(situation: Situation) -> list[tuple[Table, list[str]]]:
    """Return the tables concerned, each with the subtypes that may fall under it."""
    found: dict[str, tuple[Table, list[str]]] = {}
    for context in situation.contexts:
        if context.table is not None:
            found.setdefault(context.table.id, (context.table, []))[1].append(context.subtype)
    return list(found.values())


def _rule_place(ready: Compiled, table: Table, rule: Rule, subtypes: list[str]) -> Place:
    shown = _shown(ready, table, rule, subtypes)

    def step(situation: Situation, decides: bool) -> TraceStep:
        def possible(name: str) -> tuple[Complete, ...]:
            return situation.possible(table, name)

        def text(name: str) -> str:
            return fact_text(situation.book, name, situation.facts.get(name))

        return _step(ready, shown, possible, text, {rule.id} if decides else set())

    return Place(rule.id, table.id, tuple(dict.fromkeys((*shown.names, *shown.asked))), step)


def _hand_over_step(situation: Situation, hand_over: HandOver) -> TraceStep:
    fact = hand_over.fact
    value = situation.facts.get(fact)
    test = Test(fact, "is one of", hand_over.categories)
    truth = kleene(test, lambda name: situation.ready.candidates(name, value, None, ""))
    shown = ((fact, fact_text(situation.book, fact, value)),)
    return TraceStep(hand_over.id, hand_over.clause, str(test), shown, truth, False)


def _table_steps(
    situation: Situation, table: Table, subtypes: list[str], fired: Set[str]
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
    fired: Set[str],
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
