"""Deciding one combination of facts, over every completion of what is unknown."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial

from landremed.law.book import RuleBook
from landremed.law.records import ClassRules, Rule, Table
from landremed.law.compiled import Compiled, compiled
from landremed.law.completion import SILENT, Assumed, Explorer, Program, node, variables_in
from landremed.law.conditions import Complete, Condition, Group, Test, condition_text, kleene, tests_of
from landremed.law.decision import Decision, Reason, TraceStep
from landremed.law.schedule import due_dates
from landremed.types import FactValue, Outcome, PartialDate

__all__ = ["decide", "facts_used"]


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
    ready = compiled(book)
    found = {"category"}
    for own in [category] if category is not None else book.categories:
        targets = [own]
        hand_over = book.classes[own].hand_over if own in book.classes else None
        if hand_over is not None:
            found.add(hand_over.fact)
            targets = [own, *hand_over.categories]
            if related is not None:
                targets = [related] if related in hand_over.categories else [own]
        for target in targets:
            found |= ready.asked(target, subtype)
    return tuple(name for name in book.vocabulary if name in found)


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
    ready = compiled(book)
    category = facts.get("category")
    known = category if isinstance(category, str) and category in book.vocabulary["category"].values else None
    used = _used(book, known)
    key = ("core", known, has_geometry, *(ready.key(name, facts.get(name)) for name in used))
    core = book.memo.get(key)
    if not isinstance(core, _Core):
        core = book.memo[key] = _Deciding(ready, known, facts, has_geometry).core()
    return _dated(book, core, facts, as_of)


@dataclass(frozen=True, slots=True)
class _Core:
    """Everything that does not hang on the exact day of a date fact or on ``as_of``."""

    decision: Decision
    grounds: tuple[str, ...]
    dated_steps: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Context:
    """One class and subtype that a completion may put the parcel in."""

    category: str
    subtype: str
    table: Table | None
    explorer: Explorer


def _used(book: RuleBook, category: str | None) -> tuple[str, ...]:
    key = ("used", category)
    found = book.memo.get(key)
    if not isinstance(found, tuple):
        found = book.memo[key] = facts_used(book, category)
    return found


def _dated(book: RuleBook, core: _Core, facts: Mapping[str, FactValue], as_of: date) -> Decision:
    """Fill in what hangs on exact days."""
    base = core.decision
    due = due_dates([book.schedules[name] for name in base.schedules], facts, as_of)
    trace = base.trace
    if core.dated_steps:
        trace = tuple(
            step._replace(facts=tuple((name, _shown(book, name, facts.get(name))) for name, _ in step.facts))
            if index in core.dated_steps
            else step
            for index, step in enumerate(trace)
        )
    return Decision(
        category=base.category,
        table_category=base.table_category,
        subtype=base.subtype,
        outcome=base.outcome,
        measure=base.measure,
        rules=base.rules,
        clauses=base.clauses,
        reason=base.reason,
        possible_outcomes=base.possible_outcomes,
        missing_facts=base.missing_facts,
        schedules=base.schedules,
        due_on=due.due_on,
        overdue=due.overdue,
        next_milestone_on=due.next_on,
        next_milestone_share=due.next_share,
        priority=base.priority,
        zero_tolerance=base.zero_tolerance,
        assumed=base.assumed,
        grounds=tuple((name, facts.get(name)) for name in core.grounds),
        trace=trace,
        handed_over=base.handed_over,
        uses=base.uses,
    )


def _shown(book: RuleBook, name: str, value: FactValue) -> str:
    spec = book.vocabulary[name]
    if value is None and spec.claim:
        return "absent"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, float, int, PartialDate)):
        return str(value)
    return "unknown"


class _Deciding:
    """One combination of facts on its way through the book."""

    def __init__(
        self, ready: Compiled, category: str | None, facts: Mapping[str, FactValue], has_geometry: bool
    ) -> None:
        self.ready = ready
        self.book = ready.book
        self.category = category
        self.facts = facts
        self.has_geometry = has_geometry
        self.own: ClassRules | None = ready.book.classes.get(category or "")
        self.hand_over = self.own.hand_over if self.own else None
        self.targets = self._targets()
        self.contexts = [context for target in self.targets for context in self._contexts(target)]

    def core(self) -> _Core:
        """Return outcome, rules, schedules, priority and trace."""
        leaves = self._rule_leaves()
        fired = [leaf for leaf in leaves if isinstance(leaf, tuple)]
        outcome, measure, reason, possible, missing = self._settle(leaves)
        assumed: set[str] = set()
        schedules: tuple[str, ...] = ()
        if outcome != Outcome.NEEDS_REVIEW:
            schedules = self._schedules(assumed)
        zero_tolerance = self._zero_tolerance()
        priority = self._priority(zero_tolerance, assumed)
        decided = outcome != Outcome.NEEDS_REVIEW
        rules = tuple(name for name in self.ready.rules if name in {rule for rule, _ in fired})
        subtype = self.facts.get("subtype")
        only = self.targets[0] if len(self.targets) == 1 else None
        trace = tuple(self._trace({rule for rule, _ in fired}))
        decision = Decision(
            category=self.category,
            table_category=only if self.category is not None else None,
            subtype=subtype if isinstance(subtype, str) else None,
            outcome=outcome,
            measure=measure,
            rules=rules if decided else (),
            clauses=self._clauses(rules, fired) if decided else (),
            reason=reason,
            possible_outcomes=possible,
            missing_facts=missing,
            schedules=schedules,
            due_on=None,
            overdue=None,
            next_milestone_on=None,
            next_milestone_share=None,
            priority=priority,
            zero_tolerance=zero_tolerance,
            assumed=tuple(name for name in self.book.vocabulary if name in assumed),
            grounds=(),
            trace=trace,
            handed_over=self.category is not None and only is not None and only != self.category,
            uses=self._uses(),
        )
        dated = {n for n, spec in self.book.vocabulary.items() if spec.kind in {"date", "number"}}
        steps = frozenset(i for i, step in enumerate(trace) if any(name in dated for name, _ in step.facts))
        return _Core(decision, self._grounds(rules) if decided else (), steps)

    # -- which tables

    def _targets(self) -> list[str]:
        """Return the classes whose table may decide; several while the hand-over is open."""
        if self.category is None:
            return []
        if self.hand_over is None:
            return [self.category]
        named = self.ready.candidates(self.hand_over.fact, self.facts.get(self.hand_over.fact), None, "")
        found = [str(name) if name in self.hand_over.categories else self.category for name in named]
        return list(dict.fromkeys(found))

    def _contexts(self, target: str) -> Iterator[_Context]:
        for subtype in self._subtypes(target):
            table = self.ready.table(target, subtype)
            facts = {**self.facts, "subtype": subtype} if subtype else self.facts
            yield _Context(target, subtype, table, self.ready.explorer(facts, table, target))

    def _subtypes(self, target: str) -> list[str]:
        if "subtype" not in self.ready.asked(target, None):
            return [""]
        found = self.ready.candidates("subtype", self.facts.get("subtype"), None, target)
        return [str(value) for value in found if value is not None] or [""]

    # -- outcome

    def _rule_leaves(self) -> set[Hashable]:
        found: set[Hashable] = set()
        for context in self.contexts:
            program = self.ready.rule_program(context.table, context.subtype)
            found |= context.explorer.leaves(program)
        return found

    def _settle(self, leaves: set[Hashable]) -> tuple[str, str, Reason, tuple[str, ...], tuple[str, ...]]:
        """Return outcome, measure, reason, possible outcomes and missing facts."""
        review = Outcome.NEEDS_REVIEW.value
        if self.category is None:
            reason: Reason = "missing_facts" if self.has_geometry else "no_geometry"
            return review, "", reason, (), ("category",)
        results = {self._result(leaf) for leaf in leaves}
        outcomes = {outcome for outcome, _ in results}
        missing = self._missing() if len(results) > 1 else ()
        possible: tuple[str, ...] = ()
        if len(outcomes) > 1:
            outcome, measure, reason = review, "", "missing_facts"
            possible = tuple(o.value for o in Outcome if o.value in outcomes and o.value != review)
        elif outcomes == {review}:
            outcome, measure, reason = review, "", "no_clause"
        else:
            outcome, reason = next(iter(outcomes)), ""
            measure = next(iter(results))[1] if len(results) == 1 else ""
        if not self.has_geometry:
            outcome, measure, reason = review, "", "no_geometry"
        return outcome, measure, reason, possible, missing

    def _result(self, leaf: Hashable) -> tuple[str, str]:
        if leaf is SILENT or not isinstance(leaf, tuple):
            return Outcome.NEEDS_REVIEW.value, ""
        rule = self.ready.rules[leaf[0]]
        return rule.outcome, rule.measure

    def _missing(self) -> tuple[str, ...]:
        """Return the unknown facts on which (outcome, measure) hang."""
        trees: dict[str, list[Hashable]] = {}
        for context in self.contexts:
            rules = self.ready.rule_program(context.table, context.subtype)
            program = Program(tuple((condition, self._result(leaf)) for condition, leaf in rules.items))
            tree = context.explorer.diagram(program)
            silent = self._result(SILENT)
            trees.setdefault(context.category, []).append(silent if tree is SILENT else tree)
        by_target = [node("subtype", trees[target]) for target in self.targets]
        fact = self.hand_over.fact if self.hand_over else "category"
        found = variables_in(node(fact, by_target))
        return tuple(name for name in self.book.vocabulary if name in found)

    def _clauses(self, rules: tuple[str, ...], fired: list[tuple[str, str]]) -> tuple[str, ...]:
        """Return the clauses of the deciding rules, without repeats, in table order."""
        found: dict[str, None] = {}
        for name in rules:
            cited = {clause for rule, clause in fired if rule == name}
            for clause in dict.fromkeys(self.ready.rules[name].clauses.values()):
                if clause in cited:
                    found[clause] = None
        return tuple(found)

    # -- schedule, zero tolerance, priority

    def _schedules(self, assumed: set[str]) -> tuple[str, ...]:
        found: set[Hashable] = set()
        for context in self.contexts:
            program = self.ready.joint_program(context.table, context.subtype)
            found |= context.explorer.leaves(program)
        assumed |= {leaf.fact for leaf in found if isinstance(leaf, Assumed)}
        return tuple(name for name in self.book.schedules if name in found)

    def _zero_tolerance(self) -> int | None:
        found: set[Hashable] = set()
        for target in self.targets or self.book.categories:
            for owner, condition in self.ready.zero_tolerance:
                if owner in ("", target):
                    found |= self._truth(condition, target)
                else:
                    found.add(False)
        if found == {True}:
            return 1
        return None if True in found else 0

    def _priority(self, zero_tolerance: int | None, assumed: set[str]) -> int:
        targets = self.targets or list(self.book.categories)
        for entry, condition in self.ready.priorities:
            if entry.category and targets != [entry.category]:
                continue
            if entry.zero_tolerance:
                if zero_tolerance == 1:
                    return entry.level
                continue
            found = self._truth(condition, targets[0])
            assumed |= {leaf.fact for leaf in found if isinstance(leaf, Assumed)}
            if False not in found:
                return entry.level
        return self.ready.priorities[-1][0].level

    def _truth(self, condition: Condition, category: str) -> frozenset[Hashable]:
        explorer = self.ready.explorer(self.facts, None, category)
        return explorer.leaves(Program(((condition, True), (True, False))))

    # -- trace and grounds

    def _trace(self, fired: set[str]) -> Iterator[TraceStep]:
        if self.category is None:
            yield TraceStep("", "", "category is given", (("category", "unknown"),), "unknown", False)
            return
        if self.hand_over is not None and self.targets != [self.category]:
            yield self._hand_over_step()
        for target in self.targets:
            tables: dict[str, list[_Context]] = {}
            for context in self.contexts:
                if context.category == target and context.table is not None:
                    tables.setdefault(context.table.id, []).append(context)
            for contexts in tables.values():
                yield from self._table_steps(contexts, fired)

    def _hand_over_step(self) -> TraceStep:
        if self.hand_over is None:
            raise ValueError("no hand-over in this class")
        fact = self.hand_over.fact
        test = Test(fact, "is one of", self.hand_over.categories)
        value = kleene(test, lambda name: self.ready.candidates(name, self.facts.get(name), None, ""))
        shown = ((fact, _shown(self.book, fact, self.facts.get(fact))),)
        return TraceStep(self.hand_over.id, self.hand_over.clause, str(test), shown, value, False)

    def _table_steps(self, contexts: list[_Context], fired: set[str]) -> Iterator[TraceStep]:
        table = contexts[0].table
        if table is None:
            return
        last = max((i for i, rule in enumerate(table.rules) if rule.id in fired), default=len(table.rules))
        for rule in table.rules[: last + 1]:
            yield self._step(table, rule, [context.subtype for context in contexts], fired)

    def _step(self, table: Table, rule: Rule, subtypes: list[str], fired: set[str]) -> TraceStep:
        written: tuple[Condition, ...] = rule.when.items
        resolved: tuple[Condition, ...] = (self.ready.condition(rule.id),)
        if table.subtype:
            test = Test("subtype", "is", (table.subtype,))
            written, resolved = (test, *written), (test, *resolved)
        group = Group("all", written)
        names = dict.fromkeys(test.fact for test in tests_of(group))
        return TraceStep(
            rule=rule.id,
            clause=",".join(rule.all_clauses(subtypes)),
            condition=condition_text(group),
            facts=tuple((name, _shown(self.book, name, self.facts.get(name))) for name in names),
            value=kleene(Group("all", resolved), partial(self._possible, table)),
            decides=rule.id in fired,
        )

    def _possible(self, table: Table, name: str) -> tuple[Complete, ...]:
        return self.ready.candidates(name, self.facts.get(name), table, table.category)

    def _grounds(self, rules: tuple[str, ...]) -> tuple[str, ...]:
        """Return the known facts that make the deciding rules' tests true, in the order of the conditions."""
        found: dict[str, None] = {}
        for context in self.contexts:
            for rule in context.table.rules if context.table is not None else ():
                if rule.id not in rules or context.table is None:
                    continue
                for test in tests_of(self.ready.condition(rule.id)):
                    values = self._possible(context.table, test.fact)
                    if len(values) == 1 and test.holds(values[0]):
                        found[test.fact] = None
        return tuple(found)

    def _uses(self) -> frozenset[str]:
        return frozenset(
            test.fact
            for context in self.contexts
            for rule in (context.table.rules if context.table is not None else ())
            for test in tests_of(self.ready.condition(rule.id))
            if test.fact in self.book.straddle_facts
        )
