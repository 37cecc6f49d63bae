"""The records a rule book consists of: rules, tables, schedules, readings, duties."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from landremed.law.conditions import Condition, Group
from landremed.law.source import Label

__all__ = [
    "AcceptanceItem",
    "Alternative",
    "Chooser",
    "ClassRules",
    "Clause",
    "Duties",
    "HandOver",
    "Measure",
    "Milestone",
    "NamedTest",
    "OutcomeSpec",
    "Priority",
    "Reading",
    "Rule",
    "Schedule",
    "Scoped",
    "Series",
    "Step",
    "Table",
]


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of a table.

    ``clauses`` maps a subtype, or ``default``, to the clause that the rule rests on.
    """

    id: str
    title: Label
    clauses: Mapping[str, str]
    when: Group
    outcome: str
    measure: str
    file: str
    line: int

    def clause(self, subtype: str | None) -> str:
        """Return the clause for a subtype."""
        return self.clauses.get(subtype or "default", self.clauses.get("default", ""))

    def all_clauses(self, subtypes: Iterable[str]) -> tuple[str, ...]:
        """Return the clauses that can apply to these subtypes, without repeats."""
        found = dict.fromkeys(self.clause(subtype) for subtype in subtypes)
        return tuple(found) or tuple(dict.fromkeys(self.clauses.values()))


@dataclass(frozen=True, slots=True)
class Table:
    """The ordered rules of a class, or of one of its subtypes.

    ``listed`` holds, for a code fact, the values that the clause lists (reasons of exemption).
    """

    category: str
    subtype: str
    listed: Mapping[str, tuple[str, ...]]
    rules: tuple[Rule, ...]

    @property
    def id(self) -> str:
        """Name of the table in readings: ``category`` or ``category.subtype``."""
        return f"{self.category}.{self.subtype}" if self.subtype else self.category


@dataclass(frozen=True, slots=True)
class HandOver:
    """A class that leaves its parcels to another class's table when a fact names one."""

    id: str
    fact: str
    categories: tuple[str, ...]
    clause: str
    title: Label


@dataclass(frozen=True, slots=True)
class ClassRules:
    """Everything of one class."""

    category: str
    clause: str
    tables: tuple[Table, ...]
    hand_over: HandOver | None


@dataclass(frozen=True, slots=True)
class OutcomeSpec:
    """Labels of an outcome, and whether deadlines apply to it."""

    label: Label
    scheduled: bool


@dataclass(frozen=True, slots=True)
class Measure:
    """A clause's own kind of action.

    ``demolishes``: what stands on the parcel is taken down. ``recultivates``: cultivated land in it goes back
    under the plough.
    """

    code: str
    outcome: str
    label: Label
    outcome_label: Label | None
    scheduled: bool
    demolishes: bool = False
    recultivates: bool = True


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause: its number in the plan's own style and a paraphrase."""

    id: str
    label: str
    text: Label
    note: str
    line: int


class Milestone(NamedTuple):
    """A day by which a share (0..1) must be done."""

    on: date
    share: float


@dataclass(frozen=True, slots=True)
class Series:
    """Milestones of one kind. ``basis`` is ``area``, ``count`` or "" where the plan is silent."""

    label: Label
    basis: str
    milestones: tuple[Milestone, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a decided parcel must be done.

    ``applies`` maps a measure to the clauses it must come from (empty: any); no entry at all means every
    measure of the class that has deadlines.
    """

    id: str
    label: Label
    category: str
    subtype: str
    applies: Mapping[str, tuple[str, ...]]
    when: Condition
    clause: str
    series: tuple[Series, ...]
    at_once_from: str
    due_from: str

    @property
    def main_series(self) -> Series | None:
        """The series that is finished last; its milestones are the ones shown next."""
        return max(self.series, key=lambda s: s.milestones[-1].on, default=None)

    @property
    def due_on(self) -> date | None:
        """Date of the last milestone; None without a fixed one."""
        series = self.main_series
        return series.milestones[-1].on if series else None


@dataclass(frozen=True, slots=True)
class Chooser:
    """How one of several schedules that apply is chosen: the first step that applies.

    A step of two schedules stands for the earlier of their dates where both apply; on the same day the one
    named first.
    """

    category: str
    steps: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class NamedTest:
    """A condition with a name."""

    id: str
    label: Label
    when: Condition
    clause: str


@dataclass(frozen=True, slots=True)
class Priority:
    """One level of priority; an empty category means every class."""

    level: int
    label: Label
    category: str
    when: Condition
    zero_tolerance: bool
    clause: str


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to read a clause, and what it changes."""

    id: str
    text: Label
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    conditions: Mapping[str, Group] = field(default_factory=dict)
    choosers: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    cuts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """A choice that the text leaves open.

    With ``parameter`` any value of that parameter's type may be set; else one of the alternatives.
    """

    id: str
    question: Label
    clause: str
    chosen: str
    alternatives: Mapping[str, Alternative]
    parameter: str = ""
    switchable: bool = True


class Duties(NamedTuple):
    """Who answers for a class; names are joined with 、, None where the plan names nobody."""

    lead: str | None
    cooperating: str | None
    implementing: str | None
    unit_kinds: tuple[str, ...] = ()
    unit_name_contains: str = ""
    clause: str = ""


class Step(NamedTuple):
    """One step of a measure."""

    actor: Label
    text: Label
    clause: str


class AcceptanceItem(NamedTuple):
    """One tick before a parcel is signed off."""

    id: str
    text: Label


class Scoped(NamedTuple):
    """A step or item that holds only for some classes, subtypes or clauses (empty: all)."""

    entry: Step | AcceptanceItem
    measures: tuple[str, ...]
    categories: tuple[str, ...]
    subtypes: tuple[str, ...]
    clauses: tuple[str, ...]
