"""What the law engine returns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple

from landremed.law.conditions import Kleene
from landremed.types import FactValue

__all__ = ["Decision", "Reason", "TraceStep"]

Reason = Literal["", "missing_facts", "no_clause", "parts_differ", "no_geometry"]


class TraceStep(NamedTuple):
    """One rule as it was looked at.

    Attributes
    ----------
    facts : tuple of (str, str)
        Facts in the condition with their values as text: ``unknown``, or ``absent`` for a claim nobody makes.
    value : {"true", "false", "unknown"}
        Its own truth by Kleene's logic.
    decides : bool
        Whether it decides in some completion of the unknown facts.
    """

    rule: str
    clause: str
    condition: str
    facts: tuple[tuple[str, str], ...]
    value: Kleene
    decides: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision of one combination of facts.

    Attributes
    ----------
    category, subtype : str or None
        As given; None when unknown.
    table_category : str or None
        The class whose table decided, after a hand-over; None while that is open.
    outcome : str
        One of the five outcomes.
    measure : str
        "" while open.
    rules, clauses : tuple of str
        Those that decide in some completion, in table order; empty for ``needs_review``.
    reason : str
        Why it needs review, else "".
    possible_outcomes : tuple of str
        Outcomes met, without ``needs_review``, when they differ.
    missing_facts : tuple of str
        Unknown facts on which outcome or measure hang.
    schedules : tuple of str
        Schedules met over the completions.
    due_on, next_milestone_on : date or None
        Of the schedule with the earliest date.
    overdue : int or None
        1, 0 or None without a schedule or date.
    next_milestone_share : float or None
        Share (0..1) due by ``next_milestone_on``.
    zero_tolerance : int or None
        1, 0 or None while open.
    assumed : tuple of str
        Unknown facts that were counted as false for schedule or priority.
    grounds : tuple of (str, value)
        Known facts that made the deciding rules fire, in the order of their conditions.
    trace : tuple of TraceStep
        Every rule looked at.
    handed_over : bool
        Whether another class's table decided.
    uses : frozenset of str
        Facts of a straddled boundary that the table's conditions ask for.
    """

    category: str | None
    table_category: str | None
    subtype: str | None
    outcome: str
    measure: str
    rules: tuple[str, ...]
    clauses: tuple[str, ...]
    reason: Reason
    possible_outcomes: tuple[str, ...]
    missing_facts: tuple[str, ...]
    schedules: tuple[str, ...]
    due_on: date | None
    overdue: int | None
    next_milestone_on: date | None
    next_milestone_share: float | None
    priority: int
    zero_tolerance: int | None
    assumed: tuple[str, ...]
    grounds: tuple[tuple[str, FactValue], ...]
    trace: tuple[TraceStep, ...]
    handed_over: bool
    uses: frozenset[str]
