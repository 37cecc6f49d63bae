"""Deciding one combination of facts, over every completion of what is unknown."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple

from landremed.law.book import RuleBook
from landremed.law.compiled import SILENT_RESULT, Compiled, compiled
from landremed.law.completion import Assumed, node, variables_in
from landremed.law.conditions import Condition
from landremed.law.decision import Decision, Reason
from landremed.law.schedule import due_dates
from landremed.law.situation import Situation, fact_text
from landremed.law.trace import grounds, trace_steps
from landremed.types import FactValue, Outcome

__all__ = [
    "clauses_of",
    "decide",
    "decide_alike",
    "facts_used",
    "rule_leaves",
    "schedules_of",
    "value_keys",
]

_MEMO_LIMIT = 100_000
_REVIEW = Outcome.NEEDS_REVIEW.value


def facts_used(
    book: RuleBook, category: str | None, subtype: str | None = None, related: str | None = None
) -> tuple[str, ...]:
    """Return every fact that can matter for the decision of a class, in the order of the vocabulary.

    Parameters
    ----------
    category, subtype, related : str or None
        None is unknown and gives the union over all; ``related`` is the class named by a hand-over fact.

    Returns
    -------
    tuple of str
        Facts of tables, schedules, zero tolerance and priority; ``category`` is always among them.
    """
    key = ("used", category, subtype, related)
    known = book.memo.get(key)
    if isinstance(known, tuple):
        return known
    ready = compiled(book)
    found = {"category"}
    for own in [category] if category is not None else book.categories:
        targets: tuple[str, ...] = (own,)
        hand_over = book.classes[own].hand_over if own in book.classes else None
        if hand_over is not None:
            found.add(hand_over.fact)
            if related is None:
                targets = (own, *hand_over.categories)
            elif related in hand_over.categories:
                targets = (related,)
        for target in targets:
            found |= ready.asked(target, _listed_subtype(book, target, subtype))
    used = tuple(name for name in book.vocabulary if name in found)
    book.memo[key] = used
    return used


def decide(
    book: RuleBook, facts: Mapping[str, FactValue], *, as_of: date, has_geometry: bool = True
) -> Decision:
    """Decide one combination of facts.

    Parameters
    ----------
    facts : mapping of str to FactValue
        Values by fact; a fact that is not there is absent.
    as_of : date
        Day on which deadlines are judged.
    has_geometry : bool
        False: the outcome is ``needs_review`` whatever the facts say.

    Examples
    --------
    >>> from landremed.law import load_rulebook
    >>> book = load_rulebook("binhai-2022")
    >>> facts = {"category": "approved_unsupplied", "supply_status": "corner_land"}
    >>> found = decide(book, facts, as_of=date(2022, 3, 31))
    >>> found.outcome, found.measure, found.due_on.isoformat()
    ('complete_paperwork', 'allocate_to_department', '2023-06-30')
    """
    return _dated(book, _core_of(book, facts, has_geometry), facts, as_of)


def decide_alike(
    book: RuleBook,
    combinations: Sequence[Mapping[str, FactValue]],
    keys: Sequence[tuple[Hashable, ...]],
    *,
    as_of: date,
    has_geometry: Sequence[bool],
) -> list[Decision]:
    """Decide many combinations of facts.

    Parameters
    ----------
    combinations : sequence of mapping
        As ``decide`` takes them.
    keys : sequence of tuple
        For each combination the ``value_keys`` of the facts that its class uses, in the order of
        ``facts_used``; of all facts where the class is not known.
    as_of, has_geometry
        As for ``decide``.
    """
    return [
        _dated(book, _core_of(book, facts, there, key), facts, as_of)
        for facts, key, there in zip(combinations, keys, has_geometry, strict=True)
    ]


def value_keys(book: RuleBook, name: str, values: Sequence[FactValue]) -> list[Hashable]:
    """Return what matters of values of a fact; those between which no rule tells a difference are equal."""
    ready = compiled(book)
    return [ready.key(name, value) for value in values]


def _core_of(
    book: RuleBook,
    facts: Mapping[str, FactValue],
    has_geometry: bool,
    keys: tuple[Hashable, ...] | None = None,
) -> _Core:
    ready = compiled(book)
    category = facts.get("category")
    known = category if isinstance(category, str) and category in book.vocabulary["category"].values else None
    subtype = facts.get("subtype")
    # The subtype is kept in the key even where no rule asks for it: the decision repeats it.
    if keys is None:
        keys = tuple(ready.key(name, facts.get(name)) for name in facts_used(book, known))
    key = ("core", known, subtype, has_geometry, keys)
    core = book.memo.get(key)
    if not isinstance(core, _Core):
        if len(book.memo) > _MEMO_LIMIT:
            book.memo.clear()
        core = book.memo[key] = _core(ready, known, facts, has_geometry)
    return core


@dataclass(frozen=True, slots=True)
class _Core:
    """A decision without what hangs on the exact day of a date, or on ``as_of``."""

    decision: Decision
    grounds: tuple[str, ...]
    dated_steps: frozenset[int]


class _Settled(NamedTuple):
    outcome: str
    measure: str
    reason: Reason
    possible: tuple[str, ...]
    missing: tuple[str, ...]


def _listed_subtype(book: RuleBook, category: str, subtype: str | None) -> str | None:
    """Return the subtype if it is one of the class's, else None: it counts as unknown there."""
    spec = book.vocabulary["subtype"].values.get(subtype or "")
    return subtype if spec is not None and (not spec.scope or category in spec.scope) else None


def _dated(book: RuleBook, core: _Core, facts: Mapping[str, FactValue], as_of: date) -> Decision:
    """Fill in what hangs on exact days."""
    base = core.decision
    if not base.schedules and not core.grounds and not core.dated_steps:
        return base
    trace = base.trace
    if core.dated_steps:
        trace = tuple(
            step._replace(facts=tuple((n, fact_text(book, n, facts.get(n))) for n, _ in step.facts))
            if index in core.dated_steps
            else step
            for index, step in enumerate(trace)
        )
    due = due_dates([book.schedules[name] for name in base.schedules], facts, as_of)
    return replace(
        base,
        due_on=due.due_on,
        overdue=due.overdue,
        next_milestone_on=due.next_on,
        next_milestone_share=due.next_share,
        grounds=tuple((name, facts.get(name)) for name in core.grounds),
        trace=trace,
    )


def _core(ready: Compiled, category: str | None, facts: Mapping[str, FactValue], has_geometry: bool) -> _Core:
    """Decide over all completions."""
    situation = Situation.of(ready, category, facts)
    book = ready.book
    leaves = rule_leaves(situation)
    fired = {leaf for leaf in leaves if isinstance(leaf, tuple)}
    settled = _settle(situation, leaves, has_geometry)
    decided = settled.outcome != _REVIEW
    names = {rule for rule, _ in fired}
    rules = tuple(name for name in ready.rules if name in names) if decided else ()
    schedules, assumed = schedules_of(situation) if decided else ((), frozenset())
    zero_tolerance = _zero_tolerance(situation)
    priority, assumed_for_priority = _priority(situation, zero_tolerance)
    subtype = facts.get("subtype")
    target = situation.targets[0] if len(situation.targets) == 1 else None
    trace = tuple(trace_steps(situation, names))
    decision = Decision(
        category=category,
        table_category=target,
        subtype=subtype if isinstance(subtype, str) else None,
        outcome=settled.outcome,
        measure=settled.measure,
        rules=rules,
        clauses=clauses_of(ready, rules, fired),
        reason=settled.reason,
        possible_outcomes=settled.possible,
        missing_facts=settled.missing,
        schedules=schedules,
        due_on=None,
        overdue=None,
        next_milestone_on=None,
        next_milestone_share=None,
        priority=priority,
        zero_tolerance=zero_tolerance,
        assumed=tuple(name for name in book.vocabulary if name in assumed | assumed_for_priority),
        grounds=(),
        trace=trace,
        handed_over=target is not None and target != category,
        uses=_uses(situation),
    )
    dated = {name for name, spec in book.vocabulary.items() if spec.kind in {"date", "number"}}
    steps = frozenset(i for i, step in enumerate(trace) if any(name in dated for name, _ in step.facts))
    return _Core(decision, grounds(situation, rules), steps)


def rule_leaves(situation: Situation) -> set[Hashable]:
    """Return what decides over all completions: (rule, clause), or that no rule does."""
    found: set[Hashable] = set()
    for context in situation.contexts:
        found |= context.explorer.leaves(situation.ready.rule_program(context.table, context.subtype))
    return found


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


def schedules_of(situation: Situation) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the schedules met, and the facts that were counted as false on the way."""
    found: set[Hashable] = set()
    for context in situation.contexts:
        found |= context.explorer.leaves(situation.ready.joint_program(context.table, context.subtype))
    return tuple(name for name in situation.book.schedules if name in found), _assumed(found)


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
