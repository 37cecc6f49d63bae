"""A decision in its elements: what the rules say, deadlines, priority; each hangs on few facts."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import date
from typing import NamedTuple

from landremed.law.book import RuleBook
from landremed.law.compiled import SILENT_RESULT, Compiled
from landremed.law.completion import Assumed, Program, node, variables_in
from landremed.law.conditions import Condition
from landremed.law.decision import Decision, Reason, TraceStep
from landremed.law.schedule import due_dates
from landremed.law.situation import Situation
from landremed.law.trace import grounds
from landremed.types import FactValue, Outcome

__all__ = [
    "NOTHING_DUE",
    "Common",
    "Rank",
    "Timing",
    "Verdict",
    "assembled",
    "clauses_of",
    "common_of",
    "rank_of",
    "rule_leaves",
    "schedule_programs",
    "timing_of",
    "verdict_of",
]

_REVIEW = Outcome.NEEDS_REVIEW.value


class Verdict(NamedTuple):
    """What the rules of the tables come to.

    Attributes
    ----------
    fired : frozenset of str
        Rules that decide in some completion, also where that settles nothing.
    alone : tuple of str
        For each context the rule that decides in every completion; empty where one has none.
    grounds : tuple of str
        Known facts that made the deciding rules fire.
    """

    outcome: str
    measure: str
    reason: Reason
    possible_outcomes: tuple[str, ...]
    missing_facts: tuple[str, ...]
    rules: tuple[str, ...]
    clauses: tuple[str, ...]
    fired: frozenset[str]
    alone: tuple[str, ...]
    grounds: tuple[str, ...]

    @property
    def decided(self) -> bool:
        """Whether there is anything to be done by a day."""
        return self.outcome != _REVIEW


class Timing(NamedTuple):
    """The schedules met, and the facts that were counted as false on the way."""

    schedules: tuple[str, ...]
    assumed: frozenset[str]


class Rank(NamedTuple):
    """Priority and zero tolerance, and the facts that were counted as false on the way."""

    priority: int
    zero_tolerance: int | None
    assumed: frozenset[str]


NOTHING_DUE = Timing((), frozenset())
"""Of a combination of facts that is not decided."""


def verdict_of(situation: Situation, has_geometry: bool) -> Verdict:
    """Return what the rules say over all completions."""
    ready = situation.ready
    by_context = _leaves_by_context(situation)
    leaves = {leaf for found in by_context for leaf in found}
    fired = {leaf for leaf in leaves if isinstance(leaf, tuple)}
    settled = _settle(situation, leaves, has_geometry)
    names = frozenset(rule for rule, _ in fired)
    rules = tuple(name for name in ready.rules if name in names) if settled.outcome != _REVIEW else ()
    sole = [next(iter(found)) for found in by_context if len(found) == 1]
    alone = tuple(leaf[0] for leaf in sole if isinstance(leaf, tuple))
    if len(alone) < len(by_context):
        alone = ()
    clauses = clauses_of(ready, rules, fired)
    return Verdict(*settled, rules, clauses, names, alone, grounds(situation, rules))


def timing_of(situation: Situation, alone: tuple[str, ...] = ()) -> Timing:
    """Return the schedules of a combination of facts that is decided.

    Parameters
    ----------
    alone : tuple of str
        As in the verdict: where one rule decides in every completion of a context, only the choice of its
        schedule is looked at.
    """
    programs = schedule_programs(situation, alone)
    found: set[Hashable] = set()
    for context, program in zip(situation.contexts, programs, strict=True):
        found |= context.explorer.leaves(program) if program is not None else set()
    return Timing(tuple(name for name in situation.book.schedules if name in found), _assumed(found))


def schedule_programs(situation: Situation, alone: tuple[str, ...]) -> list[Program | None]:
    """Return how the schedule of each context is chosen, None where there is none.

    ``alone`` as in the verdict: without it the rule is still to be found as well.
    """
    ready = situation.ready
    if not alone:
        return [ready.joint_program(context.table, context.subtype) for context in situation.contexts]
    programs: list[Program | None] = []
    for context, name in zip(situation.contexts, alone, strict=True):
        rules = context.table.rules if context.table is not None else ()
        items = ready.joint_program(context.table, context.subtype).items
        chosen = next(leaf for rule, (_, leaf) in zip(rules, items, strict=True) if rule.id == name)
        programs.append(chosen if isinstance(chosen, Program) else None)
    return programs


def rank_of(situation: Situation) -> Rank:
    """Return how urgent it is."""
    zero_tolerance = _zero_tolerance(situation)
    priority, assumed = _priority(situation, zero_tolerance)
    return Rank(priority, zero_tolerance, assumed)


class Common(NamedTuple):
    """What every decision of one class, subtype and hand-over says."""

    category: str | None
    table_category: str | None
    subtype: str | None
    handed_over: bool
    uses: frozenset[str]


def common_of(situation: Situation) -> Common:
    """Return what hangs on class, subtype and hand-over alone."""
    target = situation.targets[0] if len(situation.targets) == 1 else None
    subtype = situation.facts.get("subtype")
    return Common(
        situation.category,
        target,
        subtype if isinstance(subtype, str) else None,
        target is not None and target != situation.category,
        _uses(situation),
    )


def assembled(
    book: RuleBook,
    common: Common,
    verdict: Verdict,
    timing: Timing,
    rank: Rank,
    *,
    facts: Mapping[str, FactValue],
    as_of: date,
    trace: tuple[TraceStep, ...] = (),
) -> Decision:
    """Put a decision together.

    Parameters
    ----------
    facts : mapping of fact to value
        Grounds of the verdict, and dates that become deadlines.
    """
    assumed = timing.assumed | rank.assumed
    due = due_dates([book.schedules[name] for name in timing.schedules], facts, as_of)
    return Decision(
        category=common.category,
        table_category=common.table_category,
        subtype=common.subtype,
        outcome=verdict.outcome,
        measure=verdict.measure,
        rules=verdict.rules,
        clauses=verdict.clauses,
        reason=verdict.reason,
        possible_outcomes=verdict.possible_outcomes,
        missing_facts=verdict.missing_facts,
        schedules=timing.schedules,
        due_on=due.due_on,
        overdue=due.overdue,
        next_milestone_on=due.next_on,
        next_milestone_share=due.next_share,
        priority=rank.priority,
        zero_tolerance=rank.zero_tolerance,
        assumed=tuple(name for name in book.vocabulary if name in assumed) if assumed else (),
        grounds=tuple((name, facts.get(name)) for name in verdict.grounds),
        trace=trace,
        handed_over=common.handed_over,
        uses=common.uses,
    )


def rule_leaves(situation: Situation) -> set[Hashable]:
    """Return what decides over all completions: (rule, clause), or that no rule does."""
    return {leaf for found in _leaves_by_context(situation) for leaf in found}


def _leaves_by_context(situation: Situation) -> list[frozenset[Hashable]]:
    ready = situation.ready
    return [c.explorer.leaves(ready.rule_program(c.table, c.subtype)) for c in situation.contexts]


class _Settled(NamedTuple):
    outcome: str
    measure: str
    reason: Reason
    possible: tuple[str, ...]
    missing: tuple[str, ...]


def _settle(situation: Situation, leaves: set[Hashable], has_geometry: bool) -> _Settled:
    if situation.category is None:
        return _Settled(_REVIEW, "", "missing_facts" if has_geometry else "no_geometry", (), ("category",))
    rules = situation.ready.rules
    results = {
        (rules[leaf[0]].outcome, rules[leaf[0]].measure) if isinstance(leaf, tuple) else SILENT_RESULT
        for leaf in leaves
    }
    outcomes = {outcome for outcome, _ in results}
    missing = _missing(situation) if len(results) > 1 else ()
    possible: tuple[str, ...] = ()
    if len(outcomes) > 1:
        possible = tuple(o.value for o in Outcome if o.value in outcomes and o.value != _REVIEW)
    if not has_geometry:
        return _Settled(_REVIEW, "", "no_geometry", possible, missing)
    if len(outcomes) > 1:
        return _Settled(_REVIEW, "", "missing_facts", possible, missing)
    outcome, measure = next(iter(results))
    if outcome == _REVIEW:
        return _Settled(_REVIEW, "", "no_clause", (), ())
    return _Settled(outcome, measure if len(results) == 1 else "", "", (), missing)


def _missing(situation: Situation) -> tuple[str, ...]:
    """Return the unknown facts on which (outcome, measure) hang."""
    trees: dict[str, list[Hashable]] = {}
    for context in situation.contexts:
        tree = context.explorer.diagram(situation.ready.review_program(context.table, context.subtype))
        trees.setdefault(context.category, []).append(tree)
    by_target = [node("subtype", trees[target]) for target in situation.targets]
    hand_over = situation.hand_over
    found = variables_in(node(hand_over.fact if hand_over else "category", by_target))
    return tuple(name for name in situation.book.vocabulary if name in found)


def clauses_of(ready: Compiled, rules: tuple[str, ...], fired: set[tuple[str, str]]) -> tuple[str, ...]:
    """Return the clauses of the deciding rules, without repeats, in table order."""
    found: dict[str, None] = {}
    for name in rules:
        for clause in ready.rules[name].clauses.values():
            if (name, clause) in fired:
                found[clause] = None
    return tuple(found)


def _zero_tolerance(situation: Situation) -> int | None:
    found: set[Hashable] = set()
    for target in situation.targets or situation.book.categories:
        truths = [
            _truth(situation, condition, target)
            for owner, condition in situation.ready.zero_tolerance
            if owner in ("", target)
        ]
        found |= {True} if frozenset((True,)) in truths else {False}.union(*truths)
    if found == {True}:
        return 1
    return None if True in found else 0


def _priority(situation: Situation, zero_tolerance: int | None) -> tuple[int, frozenset[str]]:
    """Return the first level that surely holds, and the facts that were counted as false on the way."""
    targets = situation.targets or situation.book.categories
    assumed: frozenset[str] = frozenset()
    level = 0
    for entry, condition in situation.ready.priorities:
        level = entry.level
        if entry.category and set(targets) != {entry.category}:
            continue
        if entry.zero_tolerance:
            if zero_tolerance == 1:
                break
            continue
        found = _truth(situation, condition, targets[0])
        assumed |= _assumed(found)
        if False not in found:
            break
    return level, assumed


def _truth(situation: Situation, condition: Condition, category: str) -> frozenset[Hashable]:
    """Return the truth values that a condition has over the completions."""
    explorer = situation.ready.explorer(situation.facts, None, category)
    return explorer.leaves(situation.ready.truth_program(condition))


def _assumed(leaves: set[Hashable] | frozenset[Hashable]) -> frozenset[str]:
    return frozenset(leaf.fact for leaf in leaves if isinstance(leaf, Assumed))


def _uses(situation: Situation) -> frozenset[str]:
    """Return the facts of a straddled boundary that the tables ask for."""
    tables = [context.table for context in situation.contexts if context.table is not None]
    names = {f for table in tables for f in situation.ready.table_facts(table)}
    return frozenset(names & situation.book.straddle_facts)
