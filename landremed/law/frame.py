"""Combinations of facts of one class, subtype and hand-over: on which facts each element of a decision hangs.

Elements are found once per distinct values of their own facts. Whoever decides many combinations looks these
up by column and puts decisions together from them (``landremed.decisions``); ``decide`` goes the plain way.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

from landremed.law.book import RuleBook
from landremed.law.compiled import Compiled, compiled
from landremed.law.completion import Program, variables_of
from landremed.law.decision import TraceStep
from landremed.law.elements import (
    Common,
    Rank,
    Timing,
    Verdict,
    common_of,
    rank_of,
    schedule_programs,
    timing_of,
    verdict_of,
)
from landremed.law.situation import Situation
from landremed.law.trace import Place, places
from landremed.types import FactValue

__all__ = ["Frame", "frame_of", "frame_selectors"]

_MEMO_LIMIT = 100_000

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Frame:
    """What all combinations with one class, subtype and hand-over have in common.

    Attributes
    ----------
    blank : Situation
        With no facts but the selectors.
    selectors : mapping of fact to value
        Class, subtype and, where the class has a hand-over, its fact.
    verdict_facts, schedule_facts, rank_facts : tuple of str
        Facts besides these on which what the rules say, schedules and priority can hang, in the order of the
        vocabulary.
    due_facts : tuple of str
        Dates that become deadlines themselves, or from which a duty is due at once.
    places : tuple of Place
        Where the steps of a trace can stand.
    """

    ready: Compiled
    blank: Situation
    common: Common
    selectors: Mapping[str, FactValue]
    verdict_facts: tuple[str, ...]
    schedule_facts: tuple[str, ...]
    rank_facts: tuple[str, ...]
    due_facts: tuple[str, ...]
    places: tuple[Place, ...]
    memo: dict[Hashable, object] = field(default_factory=dict, repr=False)

    @property
    def facts(self) -> tuple[str, ...]:
        """Every fact besides the selectors that can matter."""
        shown = (name for place in self.places for name in place.facts)
        found = dict.fromkeys(
            (*self.verdict_facts, *self.schedule_facts, *self.rank_facts, *self.due_facts, *shown)
        )
        return tuple(name for name in found if name not in self.selectors)

    def verdict(self, facts: Mapping[str, FactValue], has_geometry: bool) -> Verdict:
        """Return what the rules say; ``facts`` are those of ``verdict_facts``."""
        key = ("verdict", has_geometry, *self._keys(facts))
        return self._once(key, lambda: verdict_of(self._situation(facts), has_geometry))

    def timing_facts(self, alone: tuple[str, ...]) -> tuple[str, ...]:
        """Return the facts on which schedules hang; ``alone`` as in the verdict."""
        return self._once(("timing facts", alone), lambda: self._timing_facts(alone))

    def timing(self, alone: tuple[str, ...], facts: Mapping[str, FactValue]) -> Timing:
        """Return the schedules of a decided combination; ``facts`` are those of ``timing_facts``."""
        key = ("timing", alone, *self._keys(facts))
        return self._once(key, lambda: timing_of(self._situation(facts), alone))

    def rank(self, facts: Mapping[str, FactValue]) -> Rank:
        """Return priority and zero tolerance; ``facts`` are those of ``rank_facts``."""
        return self._once(("rank", *self._keys(facts)), lambda: rank_of(self._situation(facts)))

    def step(self, place: Place, facts: Mapping[str, FactValue], decides: bool) -> TraceStep:
        """Return a step of a trace; ``facts`` are those of the place."""
        known = {**self.selectors, **facts}
        return place.step(Situation(self.ready, self.blank.category, known, self.blank.targets, ()), decides)

    def _situation(self, facts: Mapping[str, FactValue]) -> Situation:
        return Situation.of(self.ready, self.blank.category, {**self.selectors, **facts})

    def _timing_facts(self, alone: tuple[str, ...]) -> tuple[str, ...]:
        if not alone:
            return self.schedule_facts
        programs = schedule_programs(self.blank, alone)
        asked = _variables(program for program in programs if program is not None)
        return tuple(name for name in self.schedule_facts if name in asked)

    def _keys(self, facts: Mapping[str, FactValue]) -> list[Hashable]:
        return [self.ready.key(name, value) for name, value in facts.items()]

    def _once(self, key: Hashable, find: Callable[[], T]) -> T:
        if key not in self.memo:
            if len(self.memo) > _MEMO_LIMIT:
                self.memo.clear()
            self.memo[key] = find()
        return cast(T, self.memo[key])


def frame_selectors(book: RuleBook, category: FactValue) -> tuple[str, ...]:
    """Return the facts besides the class that choose a frame."""
    own = book.classes.get(category) if isinstance(category, str) else None
    handed = (own.hand_over.fact,) if own is not None and own.hand_over is not None else ()
    return ("subtype", *handed)


def frame_of(book: RuleBook, selectors: Mapping[str, FactValue]) -> Frame:
    """Return the frame of a class, a subtype and the fact of a hand-over, once per book.

    Parameters
    ----------
    selectors : mapping of fact to value
        ``category``, and those that ``frame_selectors`` names.
    """
    key = ("frame", *selectors.items())
    found = book.memo.get(key)
    if not isinstance(found, Frame):
        found = book.memo[key] = _frame(compiled(book), selectors)
    return found


def _frame(ready: Compiled, selectors: Mapping[str, FactValue]) -> Frame:
    book = ready.book
    category = selectors.get("category")
    known = category if isinstance(category, str) and category in book.vocabulary["category"].values else None
    situation = Situation.of(ready, known, selectors)
    targets = situation.targets or book.categories
    tables = [(context.table, context.subtype) for context in situation.contexts]
    asked = {name for table, _ in tables if table is not None for name in ready.table_facts(table)}
    joint = _variables(ready.joint_program(*at) for at in tables)
    ranked = [condition for owner, condition in ready.zero_tolerance if owner in ("", *targets)]
    ranked += [condition for entry, condition in ready.priorities if entry.category in ("", *targets)]
    due = {
        name
        for schedule in book.schedules.values()
        if schedule.category in targets
        for name in (schedule.due_from, schedule.at_once_from)
    }

    def listed(names: set[str]) -> tuple[str, ...]:
        return tuple(name for name in book.vocabulary if name in names and name not in selectors)

    return Frame(
        ready,
        situation,
        common_of(situation),
        selectors,
        verdict_facts=listed(asked),
        schedule_facts=listed(joint),
        rank_facts=listed(_variables(ready.truth_program(condition) for condition in ranked)),
        due_facts=listed(due),
        places=places(situation),
    )


def _variables(programs: Iterable[Program]) -> set[str]:
    return {name.removeprefix("?") for program in programs for name in variables_of(program)}
