"""A rule book made ready for deciding: parameters filled in, programs per table, possible values per fact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from landremed.law.book import RuleBook
from landremed.law.records import Rule, Schedule, Table
from landremed.law.completion import Explorer, Program, Values, simplified
from landremed.law.conditions import Complete, Condition, Group, Test, resolve, tests_of
from landremed.types import UNKNOWN, FactValue, PartialDate

__all__ = ["Compiled", "compiled"]

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
        self._programs: dict[tuple[str, str, str, str], Program | None] = {}
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

    def rule_program(self, table: Table | None, subtype: str) -> Program:
        """Return a table's program; its leaves are (rule, clause)."""
        rules = table.rules if table is not None else ()
        return Program(tuple((self._conditions[r.id], (r.id, r.clause(subtype))) for r in rules))

    def joint_program(self, table: Table | None, subtype: str) -> Program:
        """Return a table's program that goes on to the schedule; its leaves are schedules, "" for none."""
        if table is None:
            return Program(())
        items = [
            (self._conditions[rule.id], self.schedule_program(table.category, subtype, rule) or "")
            for rule in table.rules
        ]
        return Program(tuple(items))

    def schedule_program(self, category: str, subtype: str, rule: Rule) -> Program | None:
        """Return how the schedule is found for a rule that decides; None when its result has none."""
        key = (category, subtype, rule.id, rule.clause(subtype))
        if key not in self._programs:
            self._programs[key] = self._schedule_program(category, subtype, rule)
        return self._programs[key]

    def values(self, facts: Mapping[str, FactValue], table: Table | None, category: str) -> Values:
        """Return the possible values of every fact in a table's context, assumed tests last."""
        found: dict[str, tuple[Complete, ...]] = {
            name: self.candidates(name, facts.get(name), table, category) for name in self.book.vocabulary
        }
        assumed = {
            f"?{name}": values if len(values) == 1 else (False,)
            for name, values in found.items()
            if name in self._assumable
        }
        return {**found, **assumed}

    def candidates(
        self, name: str, value: FactValue, table: Table | None, category: str
    ) -> tuple[Complete, ...]:
        """Return the possible values of one fact: one when it is known, else all that are left open."""
        spec = self.book.vocabulary[name]
        open_claim = spec.claim and value is None
        if spec.kind == "bool":
            if isinstance(value, bool):
                return (value,)
            return (False,) if open_claim else (True, False)
        if spec.kind in {"date", "number"}:
            return (None,) if open_claim else self.cells(name, value)
        if open_claim:
            return (None,)
        listed = table.listed.get(name) if table is not None else None
        if listed is not None:
            return (value,) if value in listed and isinstance(value, str) else (*listed, None)
        scoped = tuple(c for c, v in spec.values.items() if not v.scope or category in v.scope)
        valid = scoped if name == "subtype" else tuple(spec.values)
        if isinstance(value, str) and value in valid:
            return (value,)
        return valid or (None,)

    def cells(self, name: str, value: FactValue) -> tuple[Complete, ...]:
        """Cut the possible days or numbers at the thresholds; one representative per cell."""
        cuts = self._cuts.get(name, ())
        if isinstance(value, PartialDate):
            start = max((cut for cut in cuts if cut <= value.first), default=date.min)  # type: ignore[operator, type-var]
            return (start, *(cut for cut in cuts if value.first < cut <= value.last))  # type: ignore[operator]
        if self.book.vocabulary[name].kind == "date":
            return (date.min, *cuts)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return (float(value),)
        if not cuts:
            return (0.0,)
        numbers = [float(cut) for cut in cuts if isinstance(cut, (int, float))]
        between = [(low + high) / 2 for low, high in zip(numbers, numbers[1:], strict=False)]
        return tuple(sorted([numbers[0] - 1, *numbers, *between, numbers[-1] + 1]))

    def key(self, name: str, value: FactValue) -> object:
        """Return what matters of a value, so that days without a threshold between them count as one."""
        spec = self.book.vocabulary[name]
        if spec.kind in {"date", "number"}:
            return value if value is None and spec.claim else self.cells(name, value)
        if spec.kind == "bool" and not isinstance(value, bool):
            return UNKNOWN if value is not None or not spec.claim else None
        return value

    def explorer(self, facts: Mapping[str, FactValue], table: Table | None, category: str) -> Explorer:
        """Return the walk over the completions in a table's context."""
        return Explorer(self.values(facts, table, category))

    def asked(self, category: str, subtype: str | None) -> set[str]:
        """Return the facts that a class's tables and schedules ask for."""
        tests: list[Test] = []
        for table in self.tables(category, subtype):
            for rule in table.rules:
                tests.extend(tests_of(self._conditions[rule.id]))
        found = {test.fact for test in tests}
        for schedule in self.book.schedules.values():
            if schedule.category == category:
                found |= {test.fact for test in tests_of(self._schedules[schedule.id])}
                found |= {fact for fact in (schedule.due_from, schedule.at_once_from) if fact}
                found |= {"subtype"} if schedule.subtype else set()
        for owner, condition in self.zero_tolerance:
            if owner in ("", category):
                found |= {test.fact for test in tests_of(condition)}
        for entry, condition in self.priorities:
            if entry.category in ("", category):
                found |= {test.fact for test in tests_of(condition)}
        if len(self.tables(category, None)) > 1 or self._clause_by_subtype(category):
            found.add("subtype")
        return found

    def _clause_by_subtype(self, category: str) -> bool:
        return any(len(rule.clauses) > 1 for table in self.tables(category, None) for rule in table.rules)

    @property
    def _assumable(self) -> set[str]:
        conditions = [*self._schedules.values(), *(condition for _, condition in self.priorities)]
        return {test.fact for condition in conditions for test in tests_of(condition) if test.assumed}

    def _plain(self, condition: Condition) -> Condition:
        return simplified(resolve(condition, self.book.parameters, {}))

    def _thresholds(self) -> dict[str, tuple[date | float, ...]]:
        conditions = [*self._conditions.values(), *self._schedules.values()]
        conditions += [condition for _, condition in self.zero_tolerance]
        conditions += [condition for _, condition in self.priorities]
        found: dict[str, set[date | float]] = {}
        for condition in conditions:
            for test in tests_of(condition):
                if test.parameter:
                    found.setdefault(test.fact, set()).update(_cut(test))
        for chooser in self.book.choosers.values():
            for step in chooser.steps:
                dated = [s for s in map(self.book.schedules.__getitem__, step) if s.due_from]
                fixed = [s.due_on for s in map(self.book.schedules.__getitem__, step) if s.due_on]
                for schedule in dated:
                    for day in fixed:
                        found.setdefault(schedule.due_from, set()).update((day, day + _ONE_DAY))
        return {name: tuple(sorted(cuts)) for name, cuts in found.items()}  # type: ignore[type-var]

    def _schedule_program(self, category: str, subtype: str, rule: Rule) -> Program | None:
        book = self.book
        if not book.outcomes[rule.outcome].scheduled or not book.measures[rule.measure].scheduled:
            return None
        chooser = book.choosers.get(category)
        own = [s.id for s in book.schedules.values() if s.category == category]
        steps: Iterable[tuple[str, ...]] = chooser.steps if chooser else [(name,) for name in own]
        items: list[tuple[Condition, object]] = []
        for step in steps:
            fitting = [book.schedules[n] for n in step if _fits(book.schedules[n], subtype, rule)]
            if len(fitting) == 2:
                items.append(self._earlier(*fitting))
            items.extend((self._schedules[schedule.id], schedule.id) for schedule in fitting)
        items.append((True, ""))
        return Program(tuple(items))  # type: ignore[arg-type]

    def _earlier(self, first: Schedule, second: Schedule) -> tuple[Condition, object]:
        """Both apply: the earlier date; on the same day the one named first."""
        both = simplified(Group("all", (self._schedules[first.id], self._schedules[second.id])))
        if first.due_on is not None and second.due_on is not None:
            return both, first.id if first.due_on <= second.due_on else second.id
        if first.due_from:
            test = Test(first.due_from, "not after", (second.due_on,))
            return both, Program(((test, first.id), (True, second.id)))
        test = Test(second.due_from, "before", (first.due_on,))
        return both, Program(((test, second.id), (True, first.id)))


def _fits(schedule: Schedule, subtype: str, rule: Rule) -> bool:
    if schedule.subtype and schedule.subtype != subtype:
        return False
    if not schedule.applies:
        return True
    clauses = schedule.applies.get(rule.measure)
    return clauses is not None and (not clauses or rule.clause(subtype) in clauses)


def _cut(test: Test) -> tuple[date | float, ...]:
    """Return where the possible days must be cut for a test: the first day of each new cell."""
    bound = test.operands[0]
    if isinstance(bound, date):
        return (bound,) if test.operator in {"before", "not before"} else (bound + _ONE_DAY,)
    return (float(bound),) if isinstance(bound, (int, float)) else ()
