"""Deciding one combination of facts, over every completion of what is unknown."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from landremed.law.book import RuleBook
from landremed.law.compiled import Compiled, compiled
from landremed.law.decision import Decision, TraceStep
from landremed.law.elements import (
    NOTHING_DUE,
    Common,
    Rank,
    Timing,
    Verdict,
    assembled,
    common_of,
    rank_of,
    timing_of,
    verdict_of,
)
from landremed.law.situation import Situation, fact_text
from landremed.law.trace import trace_steps
from landremed.types import FactValue

__all__ = ["decide", "facts_used", "value_keys"]

_MEMO_LIMIT = 100_000


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


def value_keys(book: RuleBook, name: str, values: Sequence[FactValue]) -> list[Hashable]:
    """Return what matters of values of a fact; those between which no rule tells a difference are equal."""
    ready = compiled(book)
    return [ready.key(name, value) for value in values]


def _core_of(book: RuleBook, facts: Mapping[str, FactValue], has_geometry: bool) -> _Core:
    ready = compiled(book)
    category = facts.get("category")
    known = category if isinstance(category, str) and category in book.vocabulary["category"].values else None
    subtype = facts.get("subtype")
    # The subtype is kept in the key even where no rule asks for it: the decision repeats it.
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

    elements: tuple[Common, Verdict, Timing, Rank]
    trace: tuple[TraceStep, ...]
    dated_steps: frozenset[int]


def _listed_subtype(book: RuleBook, category: str, subtype: str | None) -> str | None:
    """Return the subtype if it is one of the class's, else None: it counts as unknown there."""
    spec = book.vocabulary["subtype"].values.get(subtype or "")
    return subtype if spec is not None and (not spec.scope or category in spec.scope) else None


def _dated(book: RuleBook, core: _Core, facts: Mapping[str, FactValue], as_of: date) -> Decision:
    """Fill in what hangs on exact days."""
    trace = core.trace
    if core.dated_steps:
        trace = tuple(
            step._replace(facts=tuple((n, fact_text(book, n, facts.get(n))) for n, _ in step.facts))
            if index in core.dated_steps
            else step
            for index, step in enumerate(trace)
        )
    common, verdict, timing, rank = core.elements
    return assembled(book, common, verdict, timing, rank, facts=facts, as_of=as_of, trace=trace)


def _core(ready: Compiled, category: str | None, facts: Mapping[str, FactValue], has_geometry: bool) -> _Core:
    """Decide over all completions."""
    situation = Situation.of(ready, category, facts)
    verdict = verdict_of(situation, has_geometry)
    timing = timing_of(situation) if verdict.decided else NOTHING_DUE
    trace = tuple(trace_steps(situation, verdict.fired))
    dated = {name for name, spec in ready.book.vocabulary.items() if spec.kind in {"date", "number"}}
    steps = frozenset(i for i, step in enumerate(trace) if any(name in dated for name, _ in step.facts))
    return _Core((common_of(situation), verdict, timing, rank_of(situation)), trace, steps)
