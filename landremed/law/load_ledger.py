"""Reading ``ledger.yaml``: states of a parcel, allowed moves, gates, marks and stages."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from landremed.law.load_schedules import Terms
from landremed.law.records import AcceptanceItem, Schedule, Scoped
from landremed.law.source import Block, Label, Page, Text, nearest

__all__ = ["Exclusion", "Gates", "LedgerItem", "LedgerRules", "Move", "Stage", "State", "read_ledger"]

_COUNTS = ("open", "done", "struck", "dropped")
_NEEDS = ("acceptance", "evidence")
_ACTORS = ("implementing", "town_or_zone", "lead")
_CONDITIONS = ("cultivated", "after_due")


class State(NamedTuple):
    """One state. ``counts`` is open, done, struck or dropped (see the head of ``ledger.yaml``).

    ``returned``: the parcel was sent back, which is counted.
    """

    id: str
    label: Label
    counts: str
    returned: bool = False

    @property
    def on_account(self) -> bool:
        """Whether a parcel in this state is still on the account."""
        return self.counts in ("open", "done")


@dataclass(frozen=True, slots=True)
class Move:
    """An allowed change of state; empty scopes mean every measure or class."""

    sources: tuple[str, ...]
    target: str
    by: str
    needs: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    after_due: bool = False
    relapse: bool = False

    def fits(self, category: str, measure: str) -> bool:
        """Tell whether the move exists for a parcel of this class and measure."""
        return (not self.measures or measure in self.measures) and (
            not self.categories or category in self.categories
        )


class LedgerItem(NamedTuple):
    """A gate or a mark. ``meeting``: needs a meeting's number; ``renewed``: due again after a relapse."""

    id: str
    label: Label
    meeting: bool = False
    renewed: bool = False


class Gates(NamedTuple):
    """What should stand before a parcel with one of ``measures`` goes into the state ``before``."""

    measures: tuple[str, ...]
    before: str
    clause: str
    items: tuple[LedgerItem, ...]


class Stage(NamedTuple):
    """What reaches a series that is not the final one.

    ``series`` maps a schedule to the number of the series (from 1).
    """

    id: str
    label: Label
    series: Mapping[str, int]
    items: tuple[str, ...]


class Exclusion(NamedTuple):
    """Parcels that leave the denominator of a series once their items are ticked."""

    schedule: str
    series: int
    measures: tuple[str, ...]
    clause: str


@dataclass(frozen=True, slots=True)
class LedgerRules:
    """Everything ``ledger.yaml`` says, with the day of the plan (``dated``)."""

    start: str
    states: Mapping[str, State]
    moves: tuple[Move, ...]
    gates: Gates
    marks: tuple[LedgerItem, ...]
    stages: tuple[Stage, ...]
    conditions: Mapping[str, str]
    exclusions: tuple[Exclusion, ...]
    dated: date

    @property
    def returned(self) -> frozenset[str]:
        """States of parcels that were sent back."""
        return frozenset(code for code, state in self.states.items() if state.returned)

    @property
    def approved(self) -> str:
        """The state in which a parcel's plan is approved: the first from which the work begins."""
        work = self.gates.before
        return next((move.sources[0] for move in self.moves if move.target == work), self.start)


def read_ledger(
    page: Page, terms: Terms, schedules: Mapping[str, Schedule], items: tuple[Scoped, ...], dated: date
) -> LedgerRules:
    """Read the page; faults are collected on it."""
    required = ("start", "states", "moves", "gates", "marks")
    page.keys(page.content, "ledger.yaml", required, ("stages", "items_when", "leaves_denominator"))
    names = {scoped.entry.id for scoped in items if isinstance(scoped.entry, AcceptanceItem)}
    reader = _Reader(page, terms, schedules, names)
    states = reader.states()
    start = page.text(page.content, "start")
    reader.known(start, states, "start")
    marks = page.block(page.content.get("marks"), "marks")
    page.keys(marks, "marks", ("clause", "items"))
    terms.check(page, page.text(marks, "clause"), terms.clauses, "clause")
    return LedgerRules(
        start=str(start),
        states=states,
        moves=reader.moves(states),
        gates=reader.gates(states),
        marks=reader.items(marks, "a mark"),
        stages=reader.stages(),
        conditions=reader.conditions(),
        exclusions=reader.exclusions(),
        dated=dated,
    )


class _Reader:
    """Reads the parts of one page."""

    def __init__(self, page: Page, terms: Terms, schedules: Mapping[str, Schedule], items: set[str]) -> None:
        self.page, self.terms, self.schedules, self.item_ids = page, terms, schedules, items

    def known(self, text: Text, valid: Collection[str], name: str) -> None:
        if text not in valid:
            hint = nearest(text, valid)
            self.page.fault("law_unknown_value", text.line, name=name, value=str(text), nearest=hint)

    def states(self) -> dict[str, State]:
        found: dict[str, State] = {}
        for block in self.page.blocks(self.page.content.get("states"), "a state"):
            if not self.page.keys(block, "a state", ("id", "zh", "en", "counts"), ("returned",)):
                continue
            code, counts = self.page.text(block, "id"), self.page.text(block, "counts")
            self.known(counts, _COUNTS, "counts")
            if code in found:
                self.page.fault("law_duplicate_id", code.line, id=str(code))
            returned = self.page.flag(block, "returned", False)
            found[str(code)] = State(str(code), self.page.label(block), str(counts), returned)
        return found

    def moves(self, states: Mapping[str, State]) -> tuple[Move, ...]:
        found: list[Move] = []
        optional = ("needs", "measures", "categories", "after_due", "relapse")
        for block in self.page.blocks(self.page.content.get("moves"), "a move"):
            if not self.page.keys(block, "a move", ("from", "to", "by"), optional):
                continue
            sources, target = self.page.texts(block, "from"), self.page.text(block, "to")
            for state in (*sources, target):
                self.known(state, states, "state")
            actor, needs = self.page.text(block, "by"), self.page.texts(block, "needs")
            self.known(actor, _ACTORS, "by")
            for need in needs:
                self.known(need, _NEEDS, "needs")
            move = Move(
                tuple(map(str, sources)),
                str(target),
                str(actor),
                tuple(map(str, needs)),
                self._named(block, "measures", self.terms.measures, "measure"),
                self._named(block, "categories", self.terms.classes, "class"),
                self.page.flag(block, "after_due", False),
                self.page.flag(block, "relapse", False),
            )
            found.append(move)
        return tuple(found)

    def gates(self, states: Mapping[str, State]) -> Gates:
        block = self.page.block(self.page.content.get("gates"), "gates")
        self.page.keys(block, "gates", ("measures", "before", "clause", "items"))
        before, clause = self.page.text(block, "before"), self.page.text(block, "clause")
        self.known(before, states, "before")
        self.terms.check(self.page, clause, self.terms.clauses, "clause")
        measures = self._named(block, "measures", self.terms.measures, "measure")
        return Gates(measures, str(before), str(clause), self.items(block, "a gate"))

    def items(self, block: Block, what: str) -> tuple[LedgerItem, ...]:
        found: dict[str, LedgerItem] = {}
        for entry in self.page.blocks(block.get("items"), what):
            if self.page.keys(entry, what, ("id", "zh", "en"), ("meeting", "renewed")):
                code = self.page.text(entry, "id")
                if code in found:
                    self.page.fault("law_duplicate_id", code.line, id=str(code))
                flags = (self.page.flag(entry, key, False) for key in ("meeting", "renewed"))
                found[str(code)] = LedgerItem(str(code), self.page.label(entry), *flags)
        return tuple(found.values())

    def stages(self) -> tuple[Stage, ...]:
        found: list[Stage] = []
        for block in self.page.blocks(self.page.content.get("stages"), "a stage"):
            if not self.page.keys(block, "a stage", ("id", "zh", "en", "series"), ("items",)):
                continue
            series = self.page.block(block.get("series"), "series")
            numbers: dict[str, int] = {}
            for schedule in series:
                name = Text(schedule, series.key_lines[schedule])
                numbers[schedule] = self._series(name, self.page.text(series, schedule))
            items = self.page.texts(block, "items")
            for item in items:
                self.known(item, self.item_ids, "items")
            code = str(self.page.text(block, "id"))
            found.append(Stage(code, self.page.label(block), numbers, tuple(map(str, items))))
        return tuple(found)

    def conditions(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for block in self.page.blocks(self.page.content.get("items_when"), "items_when"):
            if not self.page.keys(block, "items_when", ("items", "only")):
                continue
            only = self.page.text(block, "only")
            self.known(only, _CONDITIONS, "only")
            for item in self.page.texts(block, "items"):
                self.known(item, self.item_ids, "items")
                found[str(item)] = str(only)
        return found

    def exclusions(self) -> tuple[Exclusion, ...]:
        found: list[Exclusion] = []
        for block in self.page.blocks(self.page.content.get("leaves_denominator"), "leaves_denominator"):
            if not self.page.keys(block, "leaves_denominator", ("schedule", "series", "measures", "clause")):
                continue
            schedule, clause = self.page.text(block, "schedule"), self.page.text(block, "clause")
            self.terms.check(self.page, clause, self.terms.clauses, "clause")
            number = self._series(schedule, self.page.text(block, "series"))
            measures = self._named(block, "measures", self.terms.measures, "measure")
            found.append(Exclusion(str(schedule), number, measures, str(clause)))
        return tuple(found)

    def _series(self, schedule: Text, number: Text) -> int:
        self.terms.check(self.page, schedule, self.schedules, "schedule")
        count = len(self.schedules[schedule].series) if schedule in self.schedules else 1
        valid = tuple(str(n) for n in range(1, count + 1))
        self.known(number, valid, f"series of {schedule}")
        return int(number) if number in valid else 1

    def _named(self, block: Block, key: str, valid: Mapping[str, object], kind: str) -> tuple[str, ...]:
        texts = self.page.texts(block, key)
        for text in texts:
            self.terms.check(self.page, text, valid, kind)
        return tuple(map(str, texts))
