"""Switching the readings of a rule book: orders, conditions, parameters and choices, all as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from landremed.law.book import RuleBook
from landremed.law.records import Alternative, Chooser, ClassRules, Table
from landremed.law.source import parse_date

__all__ = ["apply_readings"]


def apply_readings(book: RuleBook, readings: Mapping[str, str]) -> RuleBook:
    """Return ``book`` with these readings (validated) in force, built anew from its base."""
    base = book.base or book
    parameters = dict(base.parameters)
    alternatives: list[Alternative] = []
    for name, value in readings.items():
        spec = base.reading_specs[name]
        if spec.parameter:
            day = parse_date(value)
            if day is not None:
                parameters[spec.parameter] = parameters[spec.parameter]._replace(value=day)
        else:
            alternatives.append(spec.alternatives[value])
    classes = dict(base.classes)
    choosers = dict(base.choosers)
    cuts: dict[str, tuple[str, ...]] = {}
    for alternative in alternatives:
        classes = {code: _changed_class(found, alternative) for code, found in classes.items()}
        for category, steps in alternative.choosers.items():
            choosers[category] = Chooser(category, steps)
        for category, facts in alternative.cuts.items():
            cuts[category] = cuts.get(category, ()) + facts
    return replace(
        base,
        parameters=parameters,
        classes=classes,
        choosers=choosers,
        cuts=cuts,
        readings=dict(readings),
        base=base,
        memo={},
    )


def _changed_class(found: ClassRules, alternative: Alternative) -> ClassRules:
    return replace(found, tables=tuple(_changed_table(table, alternative) for table in found.tables))


def _changed_table(table: Table, alternative: Alternative) -> Table:
    rules = table.rules
    order = alternative.orders.get(table.id)
    if order:
        by_id = {rule.id: rule for rule in rules}
        rules = tuple(by_id[name] for name in order)
    conditions = alternative.conditions
    rules = tuple(
        replace(rule, when=conditions[rule.id]) if rule.id in conditions else rule for rule in rules
    )
    return replace(table, rules=rules)
