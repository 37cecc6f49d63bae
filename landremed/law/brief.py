"""What a combination of facts comes to, without trace, priority and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from landremed.law.book import RuleBook
from landremed.law.compiled import Compiled, compiled
from landremed.law.completion import variables_of
from landremed.law.elements import clauses_of, rule_leaves, timing_of
from landremed.law.schedule import due_dates
from landremed.law.situation import Situation
from landremed.types import FactValue, Outcome

__all__ = ["Brief", "brief", "brief_facts"]

_MEMO_LIMIT = 500_000
_REVIEW = Outcome.NEEDS_REVIEW.value


class Brief(NamedTuple):
    """A decision in short; every field is that of ``Decision``."""

    outcome: str
    measure: str
    clauses: tuple[str, ...] = ()
    schedules: tuple[str, ...] = ()
    due_on: date | None = None
    overdue: int | None = None


_OPEN = Brief(_REVIEW, "")


def brief(book: RuleBook, facts: Mapping[str, FactValue], *, as_of: date, has_geometry: bool = True) -> Brief:
    """Decide one combination of facts: what ``decide`` says, at a fraction of its price.

    Parameters
    ----------
    facts, as_of, has_geometry
        As for ``decide``.
    """
    asked = brief_facts(book, facts)
    if not asked or not has_geometry:
        return _OPEN
    ready = compiled(book)
    key = ("brief", *[ready.key(name, facts.get(name)) for name in asked])
    core = book.memo.get(key)
    if not isinstance(core, Brief):
        if len(book.memo) > _MEMO_LIMIT:
            book.memo.clear()
        core = book.memo[key] = _core(ready, facts)
    if not core.schedules:
        return core
    schedules = [book.schedules[name] for name in core.schedules]
    days = [facts.get(name) for s in schedules for name in (s.due_from, s.at_once_from) if name]
    dated = ("due", core, as_of, *days)
    found = book.memo.get(dated)
    if not isinstance(found, Brief):
        due = due_dates(schedules, facts, as_of)
        found = book.memo[dated] = core._replace(due_on=due.due_on, overdue=due.overdue)
    return found


def brief_facts(book: RuleBook, facts: Mapping[str, FactValue]) -> tuple[str, ...]:
    """Return the facts on which a decision in short hangs, but for days that become deadlines.

    There are none without a class.

    Parameters
    ----------
    facts : mapping of str to FactValue
        Only class, subtype and the fact of a hand-over are looked at.
    """
    category = facts.get("category")
    if not isinstance(category, str) or category not in book.vocabulary["category"].values:
        return ()
    own = book.classes.get(category)
    handed = own.hand_over.fact if own is not None and own.hand_over is not None else "subtype"
    key = ("brief facts", category, facts.get("subtype"), facts.get(handed))
    found = book.memo.get(key)
    if not isinstance(found, tuple):
        ready = compiled(book)
        names = {"category", "subtype", handed}
        known = {name: facts.get(name) for name in names}
        for context in Situation.of(ready, category, known).contexts:
            for made in (ready.rule_program, ready.joint_program):
                names |= {
                    name.removeprefix("?") for name in variables_of(made(context.table, context.subtype))
                }
        found = book.memo[key] = tuple(name for name in book.vocabulary if name in names)
    return found


def _core(ready: Compiled, facts: Mapping[str, FactValue]) -> Brief:
    situation = Situation.of(ready, str(facts["category"]), facts)
    leaves = rule_leaves(situation)
    fired = {leaf for leaf in leaves if isinstance(leaf, tuple)}
    silent = len(fired) < len(leaves)
    results = {(ready.rules[rule].outcome, ready.rules[rule].measure) for rule, _ in fired}
    outcomes = {outcome for outcome, _ in results} | ({_REVIEW} if silent else set())
    outcome = outcomes.pop()
    if outcomes or outcome == _REVIEW:
        return _OPEN
    names = {rule for rule, _ in fired}
    rules = tuple(name for name in ready.rules if name in names)
    measure = next(iter(results))[1] if len(results) == 1 else ""
    return Brief(outcome, measure, clauses_of(ready, rules, fired), timing_of(situation).schedules)
