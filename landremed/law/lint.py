"""Checking a rule book: what stops it, and what a lawyer should look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from landremed.errors import RuleBookError, Where
from landremed.law.book import RuleBook
from landremed.law.cases import CaseResult, read_cases, run_cases
from landremed.law.compiled import Compiled, compiled
from landremed.law.completion import Explorer, Program
from landremed.law.conditions import Condition, Group
from landremed.law.load import open_folder, read_book
from landremed.law.records import Rule, Table
from landremed.types import UNKNOWN

__all__ = ["CheckReport", "OrderPair", "check_rulebook", "rule_cases", "test_rulebook"]


class OrderPair(NamedTuple):
    """Two rules that can both hold; only their order decides between their outcomes."""

    table: str
    first: str
    first_outcome: str
    second: str
    second_outcome: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `check_rulebook` found.

    Attributes
    ----------
    problems : tuple of RuleBookError
        Each with file and line; empty when the book can be used.
    order_pairs : tuple of OrderPair
        To be looked at, no fault.
    results : tuple of CaseResult
        The cases run.
    """

    name: str
    book: RuleBook | None
    problems: tuple[RuleBookError, ...]
    order_pairs: tuple[OrderPair, ...]
    results: tuple[CaseResult, ...]


def check_rulebook(name_or_path: str | Path) -> CheckReport:
    """Read a rule book, with its cases, and report every fault with file and line.

    Raises
    ------
    RuleBookError
        Only when there is no such rule book.
    """
    folder, name = open_folder(name_or_path)
    draft = read_book(folder, name)
    if draft.book is None or draft.problems:
        return CheckReport(name, None, tuple(draft.problems), (), ())
    book = draft.book
    problems: list[RuleBookError] = []
    cases = read_cases(folder, book, problems)
    results = tuple(run_cases(book, cases)) if not problems else ()
    problems += _uncovered_clauses(book)
    problems += _missing_duties(book)
    problems += _unreachable(book)
    if not cases and not problems:
        problems.append(RuleBookError("law_no_cases", Where(file=name)))
    elif not problems:
        problems += _untried(book, results)
    return CheckReport(name, book, tuple(problems), tuple(_order_pairs(book)), results)


def test_rulebook(
    name_or_path: str | Path,
) -> tuple[str, tuple[CaseResult, ...], tuple[RuleBookError, ...]]:
    """Run a rule book's cases.

    Returns
    -------
    name : str
        Name of the rule book.
    results : tuple of CaseResult
        Empty when the book or its cases cannot be read.
    faults : tuple of RuleBookError
        One for every field that came out otherwise, or what is wrong with the book.
    """
    folder, name = open_folder(name_or_path)
    draft = read_book(folder, name)
    problems = list(draft.problems)
    if draft.book is None or problems:
        return name, (), tuple(problems)
    cases = read_cases(folder, draft.book, problems)
    if problems or not cases:
        return name, (), tuple(problems) or (RuleBookError("law_no_cases", Where(file=name)),)
    results = tuple(run_cases(draft.book, cases))
    faults = [
        RuleBookError(
            "law_case_failed",
            Where(file=result.case.file, row=result.case.line),
            case=result.case.id,
            field=mismatch.field,
            found=mismatch.found,
            expected=mismatch.expected,
        )
        for result in results
        for mismatch in result.mismatches
    ]
    return name, results, tuple(faults)


test_rulebook.__test__ = False  # type: ignore[attr-defined]  # not a test itself


def rule_cases(book: RuleBook, results: Iterable[CaseResult]) -> dict[str, dict[str, list[str]]]:
    """Return for every rule the cases in which it fires, does not, or is left open.

    A rule fires where it decides in every completion, is left open where it decides in some, and does not
    fire where its table is asked and it decides in none.
    """
    found: dict[str, dict[str, list[str]]] = {
        rule: {"fires": [], "not": [], "open": []} for rule in book.rules
    }
    tables = {rule.id: table for c in book.classes.values() for table in c.tables for rule in table.rules}
    for result in results:
        decided = {step.rule for step in result.decision.trace if step.decides}
        asked = {tables[step.rule].id for step in result.decision.trace if step.rule in tables}
        for rule, table in tables.items():
            if table.id not in asked:
                continue
            if rule not in decided:
                found[rule]["not"].append(result.case.id)
            else:
                found[rule]["fires" if decided == {rule} else "open"].append(result.case.id)
    return found


def _uncovered_clauses(book: RuleBook) -> Iterator[RuleBookError]:
    cited = {clause for rule in book.rules.values() for clause in rule.clauses.values()}
    cited |= {found.clause for found in book.classes.values()}
    cited |= {found.hand_over.clause for found in book.classes.values() if found.hand_over}
    cited |= {schedule.clause for schedule in book.schedules.values()}
    cited |= {entry.clause for entry in (*book.zero_tolerance, *book.priorities)}
    cited |= {test.clause for test in book.tests.values()}
    cited |= {duties.clause for duties in book.all_duties.values()}
    cited |= {getattr(scoped.entry, "clause", "") for scoped in book.all_steps}
    cited |= {reading.clause for reading in book.reading_specs.values()}
    for clause in book.clauses.values():
        if clause.id not in cited and not clause.note:
            yield RuleBookError(
                "law_clause_uncovered",
                Where(file=f"{book.name}/plan.yaml", row=clause.line),
                clause=clause.id,
            )


def _missing_duties(book: RuleBook) -> Iterator[RuleBookError]:
    where = Where(file=f"{book.name}/duties.yaml")
    for category in book.classes:
        if category not in book.all_duties:
            yield RuleBookError("law_class_without_duties", where, name=category)
    used = {rule.measure for rule in book.rules.values() if _has_duties(book, rule)}
    with_steps = {measure for scoped in book.all_steps for measure in scoped.measures}
    with_items = {measure for scoped in book.all_items for measure in scoped.measures}
    for measure in book.measures:
        if measure in used - with_steps:
            yield RuleBookError("law_measure_without_steps", where, name=measure)
        if measure in used - with_items:
            yield RuleBookError("law_measure_without_items", where, name=measure)


def _has_duties(book: RuleBook, rule: Rule) -> bool:
    """Tell whether something must be done under a rule: where deadlines apply there is."""
    return book.outcomes[rule.outcome].scheduled and book.measures[rule.measure].scheduled


def _unreachable(book: RuleBook) -> Iterator[RuleBookError]:
    ready = compiled(book)
    for table in _tables(book):
        found = {leaf for explorer in _explorers(ready, table) for leaf in _reached(ready, table, explorer)}
        for rule in table.rules:
            if rule.id not in found:
                yield RuleBookError(
                    "law_rule_unreachable", Where(file=rule.file, row=rule.line), rule=rule.id
                )


def _untried(book: RuleBook, results: Iterable[CaseResult]) -> Iterator[RuleBookError]:
    for rule, cases in rule_cases(book, results).items():
        where = Where(file=book.rules[rule].file, row=book.rules[rule].line)
        if not cases["fires"]:
            yield RuleBookError("law_rule_never_fires", where, rule=rule)
        if not cases["not"]:
            yield RuleBookError("law_rule_always_fires", where, rule=rule)


def _order_pairs(book: RuleBook) -> Iterator[OrderPair]:
    """Yield pairs where the first decides, the second holds too, and their outcomes differ."""
    ready = compiled(book)
    for table in _tables(book):
        explorers = list(_explorers(ready, table))
        conditions = [ready.condition(rule.id) for rule in table.rules]
        for i, first in enumerate(table.rules):
            for j, second in enumerate(table.rules[i + 1 :], i + 1):
                # A rule for all the rest stands last by its nature.
                if first.outcome == second.outcome or conditions[j] is True:
                    continue
                program = _both(conditions[:i], conditions[i], conditions[j])
                if any(True in explorer.leaves(program) for explorer in explorers):
                    yield OrderPair(table.id, first.id, first.outcome, second.id, second.outcome)


def _both(before: list[Condition], first: Condition, second: Condition) -> Program:
    earlier = tuple((condition, False) for condition in before)
    return Program((*earlier, (Group("all", (first, second)), True), (True, False)))


def _tables(book: RuleBook) -> Iterator[Table]:
    for found in book.classes.values():
        yield from found.tables


def _explorers(ready: Compiled, table: Table) -> Iterator[Explorer]:
    """Yield a walk over all completions for every subtype, with every fact open, claims too."""
    spec = ready.book.vocabulary["subtype"]
    own = [c for c, v in spec.values.items() if not v.scope or table.category in v.scope]
    subtypes = [table.subtype] if table.subtype else own or [""]
    unknown = dict.fromkeys(ready.book.vocabulary, UNKNOWN)
    for subtype in subtypes:
        yield ready.explorer({**unknown, "subtype": subtype}, table, table.category)


def _reached(ready: Compiled, table: Table, explorer: Explorer) -> set[object]:
    return {leaf[0] for leaf in explorer.leaves(ready.rule_program(table, "")) if isinstance(leaf, tuple)}
