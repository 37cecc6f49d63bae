"""One combination of facts in front of a rule book: which classes, subtypes and tables it may fall under."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from landremed.law.book import RuleBook
from landremed.law.compiled import Compiled
from landremed.law.completion import Explorer
from landremed.law.conditions import Complete
from landremed.law.records import HandOver, Table
from landremed.types import FactValue, PartialDate

__all__ = ["Context", "Situation", "fact_text"]


@dataclass(frozen=True, slots=True)
class Context:
    """One class and subtype that a completion may put the parcel in; no table: the plan says nothing."""

    category: str
    subtype: str
    table: Table | None
    explorer: Explorer


@dataclass(frozen=True, slots=True)
class Situation:
    """A combination of facts with the contexts it may fall under.

    ``targets`` are the classes whose table may decide: several while the hand-over is open, none without a
    category.
    """

    ready: Compiled
    category: str | None
    facts: Mapping[str, FactValue]
    targets: tuple[str, ...]
    contexts: tuple[Context, ...]

    @classmethod
    def of(cls, ready: Compiled, category: str | None, facts: Mapping[str, FactValue]) -> Situation:
        """Find the contexts of a combination of facts."""
        targets = _targets(ready, category, facts)
        contexts = tuple(context for target in targets for context in _contexts(ready, facts, target))
        return cls(ready, category, facts, targets, contexts)

    @property
    def book(self) -> RuleBook:
        """The rule book."""
        return self.ready.book

    @property
    def hand_over(self) -> HandOver | None:
        """The hand-over of the parcel's own class."""
        return _hand_over(self.ready, self.category)

    def possible(self, table: Table, name: str) -> tuple[Complete, ...]:
        """Return the possible values of a fact as a table reads it."""
        return self.ready.candidates(name, self.facts.get(name), table, table.category)


def fact_text(book: RuleBook, name: str, value: FactValue) -> str:
    """Return a value as traces show it: ``unknown``, or ``absent`` for a claim nobody makes."""
    if value is None and book.vocabulary[name].claim:
        return "absent"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, float, int, PartialDate)):
        return str(value)
    return "unknown"


def _hand_over(ready: Compiled, category: str | None) -> HandOver | None:
    own = ready.book.classes.get(category or "")
    return own.hand_over if own else None


def _targets(ready: Compiled, category: str | None, facts: Mapping[str, FactValue]) -> tuple[str, ...]:
    if category is None:
        return ()
    hand_over = _hand_over(ready, category)
    if hand_over is None:
        return (category,)
    named = ready.candidates(hand_over.fact, facts.get(hand_over.fact), None, "")
    found = [str(name) if name in hand_over.categories else category for name in named]
    return tuple(dict.fromkeys(found))


def _contexts(ready: Compiled, facts: Mapping[str, FactValue], target: str) -> Iterator[Context]:
    subtypes = [""]
    if "subtype" in ready.asked(target, None):
        candidates = ready.candidates("subtype", facts.get("subtype"), None, target)
        subtypes = [str(value) for value in candidates if value is not None] or [""]
    for subtype in subtypes:
        table = ready.table(target, subtype)
        known = {**facts, "subtype": subtype} if subtype else facts
        yield Context(target, subtype, table, ready.explorer(known, table, target))
