"""The decision of a parcel from those of its parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from landremed.law.book import RuleBook
from landremed.law.decision import Decision, Reason
from landremed.types import Outcome

__all__ = ["combine_parts"]


def combine_parts(book: RuleBook, parts: Sequence[Decision]) -> Decision:
    """Return the decision of a parcel that was cut into parts, each decided by itself.

    Parameters
    ----------
    parts : sequence of Decision
        By falling area; at least one.

    Returns
    -------
    Decision
        The parts' common outcome, or ``needs_review`` with the reason ``parts_differ``. Dates follow the part
        with the earliest one.

    Raises
    ------
    ValueError
        Without any part.
    """
    if not parts:
        raise ValueError("a parcel without parts cannot be combined")
    first = parts[0]
    if len(parts) == 1:
        return first
    outcomes = {part.outcome for part in parts}
    agree = len(outcomes) == 1
    outcome = first.outcome if agree else Outcome.NEEDS_REVIEW.value
    decided = outcome != Outcome.NEEDS_REVIEW
    measures = {part.measure for part in parts}
    met = outcomes.union(*(part.possible_outcomes for part in parts))
    possible = tuple(o.value for o in Outcome if o.value in met and o != Outcome.NEEDS_REVIEW)
    cited = dict.fromkeys(clause for rule in book.rules.values() for clause in rule.clauses.values())
    dated = min(
        (part for part in parts if part.due_on is not None),
        key=lambda part: part.due_on or date.max,
        default=next((part for part in parts if part.overdue is not None), first),
    )
    return Decision(
        category=first.category,
        table_category=_common(part.table_category for part in parts),
        subtype=first.subtype,
        outcome=outcome,
        measure=first.measure if agree and len(measures) == 1 else "",
        rules=_ordered((part.rules for part in parts), book.rules) if decided else (),
        clauses=_ordered((part.clauses for part in parts), cited) if decided else (),
        reason="" if decided else _reason(parts, agree),
        possible_outcomes=() if decided else possible,
        missing_facts=_ordered((part.missing_facts for part in parts), book.vocabulary),
        schedules=_ordered((part.schedules for part in parts), book.schedules) if decided else (),
        due_on=dated.due_on if decided else None,
        overdue=dated.overdue if decided else None,
        next_milestone_on=dated.next_milestone_on if decided else None,
        next_milestone_share=dated.next_milestone_share if decided else None,
        priority=min(part.priority for part in parts),
        zero_tolerance=_highest({part.zero_tolerance for part in parts}),
        assumed=_ordered((part.assumed for part in parts), book.vocabulary),
        grounds=tuple(dict.fromkeys(ground for part in parts for ground in part.grounds)) if decided else (),
        trace=tuple(dict.fromkeys(step for part in parts for step in part.trace)),
        handed_over=all(part.handed_over for part in parts),
        uses=frozenset().union(*(part.uses for part in parts)),
    )


def _reason(parts: Sequence[Decision], agree: bool) -> Reason:
    """Return why the whole needs review; parts that all need it keep the reason that can be worked on."""
    if not agree:
        return "parts_differ"
    found = {part.reason for part in parts}
    ordered: tuple[Reason, ...] = ("no_geometry", "missing_facts", "parts_differ", "no_clause")
    return next((reason for reason in ordered if reason in found), "parts_differ")


def _highest(marks: set[int | None]) -> int | None:
    """Return 1 if any part has it, None while one is open, else 0."""
    return 1 if 1 in marks else None if None in marks else 0


def _common(values: Iterable[str | None]) -> str | None:
    found = set(values)
    return found.pop() if len(found) == 1 else None


def _ordered(groups: Iterable[Sequence[str]], order: Iterable[str]) -> tuple[str, ...]:
    found = {name for group in groups for name in group}
    return tuple(name for name in order if name in found)
