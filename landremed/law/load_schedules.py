"""Reading ``schedules.yaml`` and ``readings.yaml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from landremed.law.conditions import Condition, Group, Names, assuming, parse_conditions
from landremed.law.records import (
    Alternative,
    Chooser,
    ClassRules,
    Clause,
    Measure,
    Milestone,
    NamedTest,
    Priority,
    Reading,
    Schedule,
    Series,
    Table,
)
from landremed.law.source import Block, Label, Page, Text, nearest

__all__ = ["ScheduleBook", "Terms", "read_readings", "read_schedules"]

_MILESTONE = re.compile(r"^(\d{4}-\d{2}-\d{2}) (\d{1,3})%$")
_APPLIES = re.compile(r"^(\S+)(?: by (\S+))?$")
_BASES = ("area", "count", "unstated")


class Terms(NamedTuple):
    """What the other files may refer to."""

    names: Names
    classes: Mapping[str, ClassRules]
    measures: Mapping[str, Measure]
    clauses: Mapping[str, Clause]

    def tables(self) -> dict[str, Table]:
        """Return every table by its id."""
        return {table.id: table for found in self.classes.values() for table in found.tables}

    def check(self, page: Page, text: Text, valid: Mapping[str, object], kind: str) -> None:
        """Report a name that is not among the valid ones; an empty one is fine."""
        if text and text not in valid:
            page.fault(f"law_unknown_{kind}", text.line, name=str(text), nearest=nearest(text, valid))


@dataclass
class ScheduleBook:
    """Everything ``schedules.yaml`` says."""

    schedules: dict[str, Schedule] = field(default_factory=dict)
    choosers: dict[str, Chooser] = field(default_factory=dict)
    tests: dict[str, NamedTest] = field(default_factory=dict)
    zero_tolerance: tuple[Priority, ...] = ()
    priorities: tuple[Priority, ...] = ()


def read_schedules(page: Page, terms: Terms) -> ScheduleBook:
    """Read schedules, how one is chosen, named tests, zero tolerance and priorities."""
    required = ("schedules", "choose", "tests", "zero_tolerance", "priorities")
    page.keys(page.content, "schedules.yaml", required)
    found = ScheduleBook()
    for block in page.blocks(page.content.get("tests"), "a test"):
        if not page.keys(block, "a test", ("id", "zh", "en", "clause", "when"), ("assume_false",)):
            continue
        code, clause = page.text(block, "id"), page.text(block, "clause")
        terms.check(page, clause, terms.clauses, "clause")
        assumed = page.texts(block, "assume_false")
        for fact in assumed:
            terms.check(page, fact, terms.names.vocabulary, "fact")
        when = assuming(parse_conditions(page, block.get("when"), terms.names), frozenset(assumed))
        _once(page, code, found.tests)
        found.tests[str(code)] = NamedTest(str(code), page.label(block), when, str(clause))
    for block in page.blocks(page.content.get("schedules"), "a schedule"):
        schedule = _schedule(page, block, terms, found.tests)
        if schedule is not None:
            _once(page, page.text(block, "id"), found.schedules)
            found.schedules[schedule.id] = schedule
    for block in page.blocks(page.content.get("choose"), "choose"):
        if page.keys(block, "choose", ("category", "steps")):
            category = page.text(block, "category")
            terms.check(page, category, terms.classes, "class")
            found.choosers[str(category)] = Chooser(str(category), _steps(page, block, found.schedules))
    found.zero_tolerance = tuple(
        _priority(page, block, terms, found.tests)
        for block in page.blocks(page.content.get("zero_tolerance"), "zero_tolerance")
    )
    found.priorities = tuple(
        _priority(page, block, terms, found.tests)
        for block in page.blocks(page.content.get("priorities"), "a priority")
    )
    return found


def read_readings(page: Page, terms: Terms, schedules: Mapping[str, Schedule]) -> dict[str, Reading]:
    """Read the choices that the text leaves open."""
    page.keys(page.content, "readings.yaml", ("readings",))
    found: dict[str, Reading] = {}
    for block in page.blocks(page.content.get("readings"), "a reading"):
        optional = ("alternatives", "parameter", "chosen", "switchable")
        if not page.keys(block, "a reading", ("id", "question", "clause"), optional):
            continue
        code, clause, parameter = (page.text(block, key) for key in ("id", "clause", "parameter"))
        _once(page, code, found)
        terms.check(page, clause, terms.clauses, "clause")
        terms.check(page, parameter, terms.names.parameters, "parameter")
        alternatives: dict[str, Alternative] = {}
        for entry in page.blocks(block.get("alternatives"), "an alternative"):
            alternative = _alternative(page, entry, terms, schedules)
            if alternative.id in alternatives:
                page.fault("law_duplicate_id", entry.line, id=alternative.id)
            alternatives[alternative.id] = alternative
        chosen = page.text(block, "chosen")
        if parameter in terms.names.parameters:
            chosen = Text(str(terms.names.parameters[parameter].value), block.line)
        elif chosen not in alternatives:
            hint = nearest(chosen, alternatives)
            page.fault("law_unknown_value", chosen.line, name="chosen", value=str(chosen), nearest=hint)
        found[str(code)] = Reading(
            str(code),
            page.label(block, "question"),
            str(clause),
            str(chosen),
            alternatives,
            str(parameter),
            page.flag(block, "switchable", True),
        )
    return found


def _once(page: Page, code: Text, found: Mapping[str, object]) -> None:
    if code in found:
        page.fault("law_duplicate_id", code.line, id=str(code))


def _schedule(page: Page, block: Block, terms: Terms, tests: Mapping[str, NamedTest]) -> Schedule | None:
    required = ("id", "zh", "en", "category", "clause")
    optional = ("subtype", "for", "when", "test", "series", "milestones", "at_once_from", "due_from")
    if not page.keys(block, "a schedule", required, optional):
        return None
    clause = page.text(block, "clause")
    terms.check(page, page.text(block, "category"), terms.classes, "class")
    terms.check(
        page, page.text(block, "subtype"), terms.names.vocabulary["subtype"].values, "value_of_subtype"
    )
    terms.check(page, clause, terms.clauses, "clause")
    dates = {key: page.text(block, key) for key in ("at_once_from", "due_from")}
    for text in dates.values():
        valid = {name: spec for name, spec in terms.names.vocabulary.items() if spec.kind == "date"}
        terms.check(page, text, valid, "fact")
    series = [_series(page, entry) for entry in page.blocks(block.get("series"), "a series")]
    if "milestones" in block:
        series.append(Series(Label("", ""), "", _milestones(page, block)))
    return Schedule(
        id=str(page.text(block, "id")),
        label=page.label(block),
        category=str(page.text(block, "category")),
        subtype=str(page.text(block, "subtype")),
        applies=_applies(page, block, terms),
        when=_when(page, block, terms, tests),
        clause=str(clause),
        series=tuple(found for found in series if found.milestones),
        at_once_from=str(dates["at_once_from"]),
        due_from=str(dates["due_from"]),
    )


def _applies(page: Page, block: Block, terms: Terms) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for text in page.texts(block, "for"):
        match = _APPLIES.match(text)
        measure, clause = (match.group(1), match.group(2) or "") if match else (str(text), "")
        terms.check(page, Text(measure, text.line), terms.measures, "measure")
        terms.check(page, Text(clause, text.line), terms.clauses, "clause")
        found[measure] = found.get(measure, ()) + ((clause,) if clause else ())
    return found


def _series(page: Page, block: Block) -> Series:
    page.keys(block, "a series", ("zh", "en", "milestones"), ("basis",))
    basis = page.text(block, "basis", "unstated")
    if basis not in _BASES:
        hint = nearest(basis, _BASES)
        page.fault("law_unknown_value", basis.line, name="basis", value=str(basis), nearest=hint)
    return Series(page.label(block), "" if basis == "unstated" else str(basis), _milestones(page, block))


def _milestones(page: Page, block: Block) -> tuple[Milestone, ...]:
    found: list[Milestone] = []
    for text in page.texts(block, "milestones"):
        match = _MILESTONE.match(text)
        if match is None:
            page.fault(
                "law_type_mismatch", text.line, name="milestones", value=str(text), expected="YYYY-MM-DD NN%"
            )
            continue
        day = page.day(Text(match.group(1), text.line), "milestones")
        share = int(match.group(2)) / 100
        if found and (day <= found[-1].on or share < found[-1].share):
            page.fault("law_milestone_order", text.line, value=str(text))
        found.append(Milestone(day, share))
    return tuple(found)


def _when(page: Page, block: Block, terms: Terms, tests: Mapping[str, NamedTest]) -> Condition:
    """Return the written condition, or that of the named test."""
    if "test" in block:
        terms.check(page, page.text(block, "test"), tests, "test")
        if "when" in block:
            page.fault("law_unknown_key", block.key_lines["when"], key="when", what="test", nearest="test")
        name = str(page.text(block, "test"))
        return tests[name].when if name in tests else Group("all", ())
    return parse_conditions(page, block.get("when"), terms.names)


def _steps(page: Page, block: Block, schedules: Mapping[str, Schedule]) -> tuple[tuple[str, ...], ...]:
    steps: list[tuple[str, ...]] = []
    for text in page.texts(block, "steps"):
        words = text.split()
        earlier = words[:1] == ["earlier"] and len(words) == 3
        names = words[1:] if earlier else words
        if len(names) != (2 if earlier else 1):
            page.fault("law_step", text.line, text=str(text))
            continue
        for name in names:
            if name not in schedules:
                page.fault("law_unknown_schedule", text.line, name=name, nearest=nearest(name, schedules))
        if earlier and all(name in schedules and schedules[name].due_from for name in names):
            page.fault("law_step", text.line, text=str(text))
        steps.append(tuple(names))
    return tuple(steps)


def _priority(page: Page, block: Block, terms: Terms, tests: Mapping[str, NamedTest]) -> Priority:
    page.keys(block, "a priority", ("zh", "en", "clause"), ("level", "category", "when", "test"))
    level = page.text(block, "level", "1")
    if not level.isdigit():
        page.fault("law_type_mismatch", level.line, name="level", value=str(level), expected="1, 2, 3 ...")
    category, clause, test = (page.text(block, key) for key in ("category", "clause", "test"))
    terms.check(page, category, terms.classes, "class")
    terms.check(page, clause, terms.clauses, "clause")
    zero_tolerance = test == "zero_tolerance"
    if not zero_tolerance:
        terms.check(page, test, tests, "test")
    return Priority(
        level=int(level) if level.isdigit() else 1,
        label=page.label(block),
        category=str(category),
        when=Group("all", ()) if zero_tolerance else _when(page, block, terms, tests),
        zero_tolerance=zero_tolerance,
        clause=str(clause),
    )


def _alternative(page: Page, block: Block, terms: Terms, schedules: Mapping[str, Schedule]) -> Alternative:
    page.keys(block, "an alternative", ("id", "zh", "en"), ("order", "replace", "choose", "cut"))
    tables = terms.tables()
    orders: dict[str, tuple[str, ...]] = {}
    conditions: dict[str, Group] = {}
    for entry in page.blocks(block.get("order"), "order"):
        if not page.keys(entry, "order", ("table", "rules")):
            continue
        table = page.text(entry, "table")
        terms.check(page, table, tables, "table")
        rules = page.texts(entry, "rules")
        if table in tables and sorted(rules) != sorted(rule.id for rule in tables[table].rules):
            page.fault("law_order", entry.line, table=str(table))
        else:
            orders[str(table)] = tuple(map(str, rules))
    owners = {rule.id: table for table in tables.values() for rule in table.rules}
    for entry in page.blocks(block.get("replace"), "replace"):
        if not page.keys(entry, "replace", ("rule", "when")):
            continue
        rule = page.text(entry, "rule")
        terms.check(page, rule, owners, "rule")
        if rule in owners:
            names = terms.names._replace(listed=owners[rule].listed)
            conditions[str(rule)] = parse_conditions(page, entry.get("when"), names)
    choosers = {
        str(page.text(entry, "category")): _steps(page, entry, schedules)
        for entry in page.blocks(block.get("choose"), "choose")
        if page.keys(entry, "choose", ("category", "steps"))
    }
    return Alternative(
        str(page.text(block, "id")),
        page.label(block),
        orders,
        conditions,
        choosers,
        _cuts(page, block, terms),
    )


def _cuts(page: Page, block: Block, terms: Terms) -> dict[str, tuple[str, ...]]:
    cuts: dict[str, tuple[str, ...]] = {}
    for entry in page.blocks(block.get("cut"), "cut"):
        if page.keys(entry, "cut", ("category", "along")):
            category, fact = page.text(entry, "category"), page.text(entry, "along")
            terms.check(page, category, terms.classes, "class")
            terms.check(page, fact, terms.names.vocabulary, "fact")
            cuts[str(category)] = (*cuts.get(str(category), ()), str(fact))
    return cuts
