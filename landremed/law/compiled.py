"""A rule book made ready for deciding: parameters filled in, programs per table, possible values per fact."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Mapping
from datetime import date, timedelta
from typing import Final

from landremed.law.book import RuleBook
from landremed.law.completion import Explorer, Program, Shared, simplified
from landremed.law.conditions import Complete, Condition, Group, Test, resolve, tests_of
from landremed.law.decision import TraceStep
from landremed.law.records import Rule, Schedule, Table
from landremed.types import UNKNOWN, FactSpec, FactValue, Outcome, PartialDate

__all__ = ["SILENT_RESULT", "Compiled", "compiled"]

SILENT_RESULT: Final = (Outcome.NEEDS_REVIEW.value, "")
"""Outcome and measure where no rule holds."""

_ONE_DAY = timedelta(days=1)


def compiled(book: RuleBook) -> Compiled:
    """Return the book made ready, once per book."""
    found = book.memo.get("compiled")
    if not isinstance(found, Compiled):
        found = book.memo["compiled"] = Compiled(book)
    return found


class Compiled:
    """Resolved conditions and thresholds of one rule book."""

    def __init__(self, book: RuleBook) -> None:
        self.book = book
        self.rules = book.rules
        self.order = {name: place for place, name in enumerate(book.vocabulary)}
        self._conditions = {
            rule.id: simplified(resolve(rule.when, book.parameters, table.listed))
            for found in book.classes.values()
            for table in found.tables
            for rule in table.rules
        }
        self._schedules = {s.id: self._plain(s.when) for s in book.schedules.values()}
        self.zero_tolerance = tuple(
            (entry.category, self._plain(entry.when)) for entry in book.zero_tolerance
        )
        self.priorities = tuple((entry, self._plain(entry.when)) for entry in book.priorities)
        self._programs: dict[tuple[str, str, str], Program] = {}
        self._truths = {
            id(condition): Program(((condition, True), (True, False)))
            for _, condition in (*self.zero_tolerance, *self.priorities)
        }
        self._shared = Shared()
        self.steps: dict[Hashable, TraceStep] = {}
        self.shown: dict[Hashable, object] = {}
        self._asked: dict[tuple[str, str | None], frozenset[str]] = {}
        self._tests = {rule: tuple(tests_of(condition)) for rule, condition in self._conditions.items()}
        self._table_facts: dict[str, frozenset[str]] = {}
        self._cuts = self._thresholds()

    def condition(self, rule: str) -> Condition:
        """Return a rule's condition with parameters and lists filled in."""
        return self._conditions[rule]

    def tables(self, category: str, subtype: str | None) -> tuple[Table, ...]:
        """Return the tables of a class, or the one of a subtype."""
        found = self.book.classes.get(category)
        if found is None:
            return ()
        return tuple(t for t in found.tables if not t.subtype or subtype is None or t.subtype == subtype)

    def table(self, category: str, subtype: str) -> Table | None:
        """Return the table that serves a class and subtype."""
        return next(iter(self.tables(category, subtype)), None)

    def tests(self, rule: str) -> tuple[Test, ...]:
        """Return the comparisons of a rule's condition in their written order."""
        return self._tests[rule]

    def table_facts(self, table: Table) -> frozenset[str]:
        """Return the facts that a table's conditions ask for."""
        found = self._table_facts.get(table.id)
        if found is None:
            found = frozenset(test.fact for rule in table.rules for test in self._tests[rule.id])
            self._table_facts[table.id] = found
        return found

    def rule_program(self, table: Table | None, subtype: str) -> Program:
        """Return a table's program; its leaves are (rule, clause)."""
        key = ("rules", table.id if table else "", subtype)
        if key not in self._programs:
            rules = table.rules if table is not None else ()
            items = tuple((self._conditions[r.id], (r.id, r.clause(subtype))) for r in rules)
            self._programs[key] = Program(items)
        return self._programs[key]

    def result_program(self, table: Table | None, subtype: str) -> Program:
        """Return a table's program; its leaves are (outcome, measure)."""
        key = ("results", table.id if table else "", subtype)
        if key not in self._programs:
            rules = table.rules if table is not None else ()
            items = tuple((self._conditions[r.id], (r.outcome, r.measure)) for r in rules)
            self._programs[key] = Program(items)
        return self._programs[key]

    def review_program(self, table: Table | None, subtype: str) -> Program:
        """Return the program of results, with one for where no rule holds."""
        key = ("review", table.id if table else "", subtype)
        if key not in self._programs:
            items = self.result_program(table, subtype).items
            self._programs[key] = Program((*items, (True, SILENT_RESULT)))
        return self._programs[key]

    def truth_program(self, condition: Condition) -> Program:
        """Return the program that asks for the truth of a condition of zero tolerance or a priority."""
        return self._truths[id(condition)]

    def joint_program(self, table: Table | None, subtype: str) -> Program:
        """Return a table's program that goes on to the schedule; its leaves are schedules, "" for none."""
        key = ("joint", table.id if table else "", subtype)
        if key not in self._programs:
            rules = table.rules if table is not None else ()
            category = table.category if table is not None else ""
            items = tuple(
                (self._conditions[r.id], self._schedule_program(category, subtype, r)) for r in rules
            )
            self._programs[key] = Program(items)
        return self._programs[key]

    def candidates(
        self, name: str, value: FactValue, table: Table | None, category: str
    ) -> tuple[Complete, ...]:
        """Return the possible values of one fact: one when it is known, else all that are left open."""
        spec = self.book.vocabulary[name]
        if spec.claim and value is None:
            return (False,) if spec.kind == "bool" else (None,)
        if spec.kind == "bool":
            return (value,) if isinstance(value, bool) else (True, False)
        if spec.kind == "code":
            listed = table.listed.get(name) if table is not None else None
            return _codes(spec, value, listed, category)
        return self.cells(name, value)

    def cells(self, name: str, value: FactValue) -> tuple[Complete, ...]:
        """Cut the possible days or numbers at the thresholds; one representative per cell."""
        cuts = self._cuts.get(name, ())
        if self.book.vocabulary[name].kind == "date":
            days = [cut for cut in cuts if isinstance(cut, date)]
            if not isinstance(value, PartialDate):
                return (date.min, *days)
            start = max((day for day in days if day <= value.first), default=date.min)
            return (start, *(day for day in days if value.first < day <= value.last))
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return (float(value),)
        numbers = [cut for cut in cuts if isinstance(cut, float)] or [0.0]
        between = [(low + high) / 2 for low, high in itertools.pairwise(numbers)]
        return tuple(sorted([numbers[0] - 1, *numbers, *between, numbers[-1] + 1]))

    def key(self, name: str, value: FactValue) -> Hashable:
        """Return what matters of a value: days and numbers without a threshold between them count as one."""
        spec = self.book.vocabulary[name]
        if spec.kind == "number" and isinstance(value, float):
            cuts = [cut for cut in self._cuts.get(name, ()) if isinstance(cut, float)]
            return bisect_left(cuts, value), bisect_right(cuts, value)
        if spec.kind in {"date", "number"}:
            return value if value is None and spec.claim else self.cells(name, value)
        if spec.kind == "bool" and not isinstance(value, bool):
            return UNKNOWN if value is not None or not spec.claim else None
        return value

    def explorer(self, facts: Mapping[str, FactValue], table: Table | None, category: str) -> Explorer:
        """Return the walk over the completions in a table's context."""
        found: dict[str, tuple[Complete, ...]] = {}

        def candidates(name: str) -> tuple[Complete, ...]:
            if name not in found:
                found[name] = self.candidates(name, facts.get(name), table, category)
            return found[name]

        return Explorer(candidates, self.order, self._shared)

    def asked(self, category: str, subtype: str | None) -> frozenset[str]:
        """Return the facts that a class's tables, schedules and priorities ask for."""
        key = (category, subtype)
        if key not in self._asked:
            self._asked[key] = frozenset(self._asked_facts(category, subtype))
        return self._asked[key]

    def _asked_facts(self, category: str, subtype: str | None) -> set[str]:
        tables = self.tables(category, subtype)
        conditions = [self._conditions[rule.id] for table in tables for rule in table.rules]
        found: set[str] = set()
        for schedule in self.book.schedules.values():
            if schedule.category == category:
                conditions.append(self._schedules[schedule.id])
                found |= {fact for fact in (schedule.due_from, schedule.at_once_from) if fact}
                found |= {"subtype"} if schedule.subtype else set()
        conditions += [condition for owner, condition in self.zero_tolerance if owner in ("", category)]
        conditions += [condition for entry, condition in self.priorities if entry.category in ("", category)]
        found |= {test.fact for condition in conditions for test in tests_of(condition)}
        every = self.tables(category, None)
        if len(every) > 1 or any(len(rule.clauses) > 1 for table in every for rule in table.rules):
            found.add("subtype")
        return found

    def _plain(self, condition: Condition) -> Condition:
        return simplified(resolve(condition, self.book.parameters, {}))

    def _thresholds(self) -> dict[str, tuple[date | float, ...]]:
        """Return, per date or number, where a condition or a choice of schedules changes."""
        conditions = [*self._conditions.values(), *self._schedules.values()]
        conditions += [condition for _, condition in self.zero_tolerance]
        conditions += [condition for _, condition in self.priorities]
        days: dict[str, set[date]] = {}
        numbers: dict[str, set[float]] = {}
        for test in (test for condition in conditions for test in tests_of(condition) if test.parameter):
            bound = test.operands[0]
            if isinstance(bound, date):
                begins = bound if test.operator in {"before", "not before"} else bound + _ONE_DAY
                days.setdefault(test.fact, set()).add(begins)
            elif isinstance(bound, float):
                numbers.setdefault(test.fact, set()).add(bound)
        for chooser in self.book.choosers.values():
            for step in chooser.steps:
                schedules = [self.book.schedules[name] for name in step]
                fixed = {s.due_on for s in schedules if s.due_on is not None}
                for schedule in schedules:
                    if schedule.due_from and fixed:
                        found = days.setdefault(schedule.due_from, set())
                        found |= fixed | {day + _ONE_DAY for day in fixed}
        return {name: tuple(sorted(cuts)) for name, cuts in days.items()} | {
            name: tuple(sorted(cuts)) for name, cuts in numbers.items()
        }

    def _schedule_program(self, category: str, subtype: str, rule: Rule) -> Hashable:
        """Return how the schedule is found where this rule decides; "" when its result has none."""
        book = self.book
        if not book.outcomes[rule.outcome].scheduled or not book.measures[rule.measure].scheduled:
            return ""
        chooser = book.choosers.get(category)
        own = [s.id for s in book.schedules.values() if s.category == category]
        steps = chooser.steps if chooser else tuple((name,) for name in own)
        items: list[tuple[Condition, Hashable]] = []
        for step in steps:
            fitting = [s for s in map(book.schedules.__getitem__, step) if _fits(s, subtype, rule)]
            if len(fitting) == 2:
                items.append(self._earlier(*fitting))
            items.extend((self._schedules[schedule.id], schedule.id) for schedule in fitting)
        items.append((True, ""))
        return Program(tuple(items))

    def _earlier(self, first: Schedule, second: Schedule) -> tuple[Condition, Hashable]:
        """Return the choice where both apply: the earlier date, on the same day the one named first."""
        both = simplified(Group("all", (self._schedules[first.id], self._schedules[second.id])))
        if first.due_from:
            test = Test(first.due_from, "not after", (second.due_on,))
            return both, Program(((test, first.id), (True, second.id)))
        if second.due_from:
            test = Test(second.due_from, "before", (first.due_on,))
            return both, Program(((test, second.id), (True, first.id)))
        return both, second.id if (second.due_on or date.max) < (first.due_on or date.max) else first.id


def _codes(
    spec: FactSpec, value: FactValue, listed: tuple[str, ...] | None, category: str
) -> tuple[Complete, ...]:
    """Return the possible codes; a value that the table does not list may or may not count."""
    if listed is not None:
        return (value,) if isinstance(value, str) and value in listed else (*listed, None)
    valid = tuple(spec.values)
    if spec.name == "subtype":
        valid = tuple(code for code, v in spec.values.items() if not v.scope or category in v.scope)
    if isinstance(value, str) and value in valid:
        return (value,)
    return valid or (None,)


def _fits(schedule: Schedule, subtype: str, rule: Rule) -> bool:
    if schedule.subtype and schedule.subtype != subtype:
        return False
    if not schedule.applies:
        return True
    clauses = schedule.applies.get(rule.measure)
    return clauses is not None and (not clauses or rule.clause(subtype) in clauses)
