"""The outcome alone: what a combination of facts comes to, without clauses, deadlines or trace."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from landremed.law.book import RuleBook
from landremed.law.compiled import compiled
from landremed.law.completion import Explorer
from landremed.law.situation import Situation
from landremed.types import FactValue, Outcome

__all__ = ["outcome_facts", "outcome_known", "outcome_of"]


def outcome_facts(
    book: RuleBook, category: str | None, subtype: str | None = None, related: str | None = None
) -> tuple[str, ...]:
    """Return the facts on which the outcome of a class can hang; a part of ``facts_used``.

    Parameters
    ----------
    category, subtype, related : str or None
        As for ``facts_used``.
    """
    key = ("outcome facts", category, subtype, related)
    known = book.memo.get(key)
    if isinstance(known, tuple):
        return known
    ready = compiled(book)
    if category is None or category not in book.classes:
        return ()
    found = {"category"}
    targets: tuple[str, ...] = (category,)
    hand_over = book.classes[category].hand_over
    if hand_over is not None:
        found.add(hand_over.fact)
        if related is None:
            targets = (category, *hand_over.categories)
        elif related in hand_over.categories:
            targets = (related,)
    for target in targets:
        if "subtype" in ready.asked(target, None):
            found.add("subtype")
        for table in ready.tables(target, None):
            found |= ready.table_facts(table)
    used = tuple(name for name in book.vocabulary if name in found)
    book.memo[key] = used
    return used


def outcome_of(book: RuleBook, facts: Mapping[str, FactValue]) -> str:
    """Return the outcome of one combination of facts: that of ``decide``, at a fraction of its price.

    Parameters
    ----------
    facts : mapping of str to FactValue
        Values by fact; a fact that is not there is absent.
    """
    ready = compiled(book)
    category = facts.get("category")
    known = category if isinstance(category, str) and category in book.vocabulary["category"].values else None
    if known is None:
        return Outcome.NEEDS_REVIEW.value
    used = outcome_facts(book, known)
    key = ("outcome", tuple(ready.key(name, facts.get(name)) for name in used))
    found = book.memo.get(key)
    if not isinstance(found, str):
        found = book.memo[key] = _settled(Situation.of(ready, known, facts))
    return found


def outcome_known(book: RuleBook, keys: tuple[Hashable, ...]) -> str | None:
    """Return what ``outcome_of`` found before where ``outcome_facts`` have these ``value_keys``."""
    found = book.memo.get(("outcome", keys))
    return found if isinstance(found, str) else None


def _settled(situation: Situation) -> str:
    ready = situation.ready
    leaves: set[Any] = set()
    for context in situation.contexts:
        explorer: Explorer = context.explorer
        leaves |= explorer.leaves(ready.rule_program(context.table, context.subtype))
    review = Outcome.NEEDS_REVIEW.value
    found = {ready.rules[leaf[0]].outcome if isinstance(leaf, tuple) else review for leaf in leaves}
    return found.pop() if len(found) == 1 else review
