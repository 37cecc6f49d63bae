"""Conditions: one comparison per line, lists are "and", ``any:`` lists are "or".

A line reads ``fact operator value``. What may stand there depends on the type of the fact:

===========  ==========================================================================
yes/no       ``is true``, ``is false``
code         ``is X``, ``is not X``, ``is one of X, Y``, ``is listed``, ``is not listed``
date         ``before P``, ``after P``, ``not before P``, ``not after P``
number       ``< P``, ``<= P``, ``> P``, ``>= P``
claims       ``is given``, ``is not given`` (codes and dates)
===========  ==========================================================================

``P`` is the name of a parameter, never a bare number or date. ``is listed`` asks whether the table lists the
value (as the reasons of an exemption clause).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal, NamedTuple, TypeAlias

from landremed.law.source import Block, Item, Label, Page, Rows, Text, nearest
from landremed.types import FactSpec

__all__ = [
    "Complete",
    "Condition",
    "Group",
    "Kleene",
    "Names",
    "Parameter",
    "Test",
    "assuming",
    "condition_text",
    "condition_words",
    "kleene",
    "parse_conditions",
    "resolve",
    "tests_of",
]

Complete: TypeAlias = bool | str | float | date | None
"""A fact's value in one completion; None only for a claim nobody makes."""

Kleene: TypeAlias = Literal["true", "false", "unknown"]

_LINE = re.compile(r"^(\S+)\s+(.*)$")
_OPERATORS = {
    "bool": ("is",),
    "code": ("is one of", "is not listed", "is listed", "is not", "is"),
    "date": ("not before", "not after", "before", "after"),
    "number": ("<=", ">=", "<", ">"),
}
_CLAIM_OPERATORS = ("is not given", "is given")
_WITHOUT_VALUE = frozenset({"is given", "is not given", "is listed", "is not listed"})
_ORDERED: Mapping[str, Callable[[float | date, float | date], bool]] = {
    "before": lambda value, bound: value < bound,  # type: ignore[operator]
    "after": lambda value, bound: value > bound,  # type: ignore[operator]
    "not before": lambda value, bound: value >= bound,  # type: ignore[operator]
    "not after": lambda value, bound: value <= bound,  # type: ignore[operator]
    "<": lambda value, bound: value < bound,  # type: ignore[operator]
    ">": lambda value, bound: value > bound,  # type: ignore[operator]
    "<=": lambda value, bound: value <= bound,  # type: ignore[operator]
    ">=": lambda value, bound: value >= bound,  # type: ignore[operator]
}
_WORDS = {
    "zh": {"before": "早于", "after": "晚于", "not before": "不早于", "not after": "不晚于",
           "true": "是", "false": "否", "is": "为", "is not": "不为", "is one of": "为其中之一：",
           "is listed": "属于本条所列", "is not listed": "不属于本条所列", "is given": "已提供",
           "is not given": "未提供", "and": "，且", "or": "；或者", "always": "其余情形"},
    "en": {"before": "before", "after": "after", "not before": "on or after", "not after": "on or before",
           "true": "yes", "false": "no", "is": "is", "is not": "is not", "is one of": "is one of",
           "is listed": "is one the clause lists", "is not listed": "is none the clause lists",
           "is given": "is given", "is not given": "is not given", "and": ", and ", "or": "; or ",
           "always": "all other cases"},
}  # fmt: skip


class Parameter(NamedTuple):
    """A named date or number of the plan, with its source."""

    name: str
    kind: str
    value: date | float
    label: Label
    source: Label
    clause: str


class Names(NamedTuple):
    """What a condition may name."""

    vocabulary: Mapping[str, FactSpec]
    parameters: Mapping[str, Parameter]
    listed: Mapping[str, tuple[str, ...]] = {}


@dataclass(frozen=True, eq=False)
class Test:
    """One comparison. Two tests are the same only when they are one object, which keeps look-ups fast.

    Attributes
    ----------
    operands : tuple
        Values compared with; for a date or number filled in by `resolve` from the parameter.
    parameter : str
        Name of the parameter, "" without one.
    assumed : bool
        While the fact is unknown it counts here as false and is not completed.
    """

    __test__ = False  # not a pytest class

    fact: str
    operator: str
    operands: tuple[Complete, ...] = ()
    parameter: str = ""
    assumed: bool = False

    def holds(self, value: Complete) -> bool:
        """Tell whether it is true of a complete value."""
        match self.operator:
            case "is" | "is one of" | "is listed":
                return value in self.operands
            case "is not" | "is not listed":
                return value not in self.operands
            case "is given":
                return value is not None
            case "is not given":
                return value is None
        bound = self.operands[0]
        if value is None or isinstance(value, str) or bound is None or isinstance(bound, str):
            return False
        return _ORDERED[self.operator](value, bound)

    def __str__(self) -> str:
        if self.operator in _WITHOUT_VALUE:
            return f"{self.fact} {self.operator}"
        value = self.parameter or ", ".join(_plain(operand) for operand in self.operands)
        return f"{self.fact} {self.operator} {value}"


class Group(NamedTuple):
    """Conditions joined by "all" or "any"."""

    kind: Literal["all", "any"]
    items: tuple[Condition, ...]


Condition: TypeAlias = Test | Group | bool


def parse_conditions(page: Page, item: Item | None, names: Names) -> Group:
    """Read a ``when:`` list; parameters and lists of the table are filled in later by `resolve`."""
    if item is None:
        return Group("all", ())
    rows = item if isinstance(item, Rows) else [item]
    found = [_parse_item(page, row, names) for row in rows]
    return Group("all", tuple(condition for condition in found if condition is not None))


def resolve(
    condition: Condition,
    parameters: Mapping[str, Parameter],
    listed: Mapping[str, tuple[str, ...]],
) -> Condition:
    """Fill in parameters and the table's lists."""
    if isinstance(condition, bool):
        return condition
    if isinstance(condition, Group):
        return Group(condition.kind, tuple(resolve(item, parameters, listed) for item in condition.items))
    operands: tuple[Complete, ...] = condition.operands
    if condition.parameter:
        operands = (parameters[condition.parameter].value,)
    elif condition.operator in {"is listed", "is not listed"}:
        operands = listed.get(condition.fact, ())
    return replace(condition, operands=operands)


def assuming(condition: Condition, facts: frozenset[str]) -> Condition:
    """Mark the tests of these facts: while unknown, the fact counts as false there."""
    if isinstance(condition, Group):
        return Group(condition.kind, tuple(assuming(item, facts) for item in condition.items))
    if isinstance(condition, Test) and condition.fact in facts:
        return replace(condition, assumed=True)
    return condition


def tests_of(condition: Condition) -> Iterator[Test]:
    """Yield the comparisons in their written order."""
    if isinstance(condition, Test):
        yield condition
    elif isinstance(condition, Group):
        for item in condition.items:
            yield from tests_of(item)


def kleene(condition: Condition, candidates: Callable[[str], tuple[Complete, ...]]) -> Kleene:
    """Return the truth value by Kleene's three-valued logic.

    Parameters
    ----------
    candidates : callable
        Possible values of a fact; one when it is known.
    """
    if isinstance(condition, bool):
        return "true" if condition else "false"
    if isinstance(condition, Test):
        found = {condition.holds(value) for value in candidates(condition.fact)}
        if len(found) > 1:
            return "unknown"
        return "true" if found.pop() else "false"
    values = [kleene(item, candidates) for item in condition.items]
    absorbing: Kleene = "false" if condition.kind == "all" else "true"
    if absorbing in values:
        return absorbing
    if "unknown" in values:
        return "unknown"
    return "true" if condition.kind == "all" else "false"


def condition_text(condition: Condition) -> str:
    """Return the condition in the words of the rule book, on one line."""
    return _join(condition, str, {"and": " and ", "or": " or ", "always": "otherwise"})


def condition_words(
    condition: Condition,
    vocabulary: Mapping[str, FactSpec],
    parameters: Mapping[str, Parameter],
    language: str,
) -> str:
    """Return the condition in Chinese or English words."""
    words = _WORDS[language]

    def one(test: Test) -> str:
        spec = vocabulary[test.fact]
        label = spec.label_zh if language == "zh" else spec.label_en
        gap = "" if language == "zh" else " "
        if spec.kind == "bool" and test.operator == "is":
            return f"{label}{'：' if language == 'zh' else ': '}{words[_plain(test.operands[0])]}"
        sign = words.get(test.operator, f" {test.operator} " if language == "zh" else test.operator)
        if test.operator in _WITHOUT_VALUE:
            return f"{label}{gap}{sign}"
        if test.parameter:
            value = _plain(parameters[test.parameter].value)
        else:
            labels = [spec.values[str(code)] for code in test.operands]
            value = ("、" if language == "zh" else ", ").join(
                v.label_zh if language == "zh" else v.label_en for v in labels
            )
        return f"{label}{gap}{sign}{gap}{value}"

    return _join(condition, one, words)


def _join(condition: Condition, one: Callable[[Test], str], words: Mapping[str, str]) -> str:
    if isinstance(condition, bool):
        return words["always"] if condition else ""
    if isinstance(condition, Test):
        return one(condition)
    if not condition.items:
        return words["always"]
    parts = [
        f"({_join(item, one, words)})"
        if isinstance(item, Group) and len(item.items) > 1
        else _join(item, one, words)
        for item in condition.items
    ]
    return words["and" if condition.kind == "all" else "or"].join(parts)


def _plain(value: Complete) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else str(value)


def _parse_item(page: Page, item: Item, names: Names) -> Condition | None:
    if isinstance(item, Text):
        return _parse_line(page, item, names)
    if isinstance(item, Block) and len(item) == 1 and next(iter(item)) in {"any", "all"}:
        kind, inner = next(iter(item.items()))
        group = parse_conditions(page, inner, names)
        return Group("any" if kind == "any" else "all", group.items)
    if isinstance(item, Block) and item:
        page.fault("law_condition_key", item.line, key=next(iter(item)))
    else:
        page.fault("law_condition", item.line, text="")
    return None


def _parse_line(page: Page, line: Text, names: Names) -> Test | None:
    split = _LINE.match(line.strip())
    if split is None:
        page.fault("law_condition", line.line, text=str(line))
        return None
    fact, rest = split.groups()
    spec = names.vocabulary.get(fact)
    if spec is None:
        page.fault("law_unknown_fact", line.line, name=fact, nearest=nearest(fact, names.vocabulary))
        return None
    operators = _OPERATORS[spec.kind] + (_CLAIM_OPERATORS if spec.claim and spec.kind != "bool" else ())
    for operator in sorted(operators, key=len, reverse=True):
        if rest == operator or rest.startswith(operator + " "):
            test = Test(fact, operator)
            value = rest[len(operator) :].strip()
            if operator in _WITHOUT_VALUE:
                return _without_value(page, line, test, value, names)
            if spec.kind in {"bool", "code"}:
                return _with_values(page, line, test, value, spec)
            return _with_parameter(page, line, test, value, names)
    page.fault("law_operator", line.line, text=str(line), kind=spec.kind, operators="; ".join(operators))
    return None


def _without_value(page: Page, line: Text, test: Test, value: str, names: Names) -> Test | None:
    if value:
        page.fault("law_condition", line.line, text=str(line))
        return None
    if test.operator in {"is listed", "is not listed"} and test.fact not in names.listed:
        page.fault("law_nothing_listed", line.line, name=test.fact)
        return None
    return test


def _with_values(page: Page, line: Text, test: Test, value: str, spec: FactSpec) -> Test | None:
    if spec.kind == "bool":
        if value not in {"true", "false"}:
            page.fault("law_type_mismatch", line.line, name=spec.name, value=value, expected="true/false")
            return None
        return replace(test, operands=(value == "true",))
    codes = tuple(code.strip() for code in value.split(",")) if test.operator == "is one of" else (value,)
    for code in codes:
        if code not in spec.values:
            hint = nearest(code, spec.values)
            page.fault("law_unknown_value", line.line, name=spec.name, value=code, nearest=hint)
            return None
    return replace(test, operands=codes)


def _with_parameter(page: Page, line: Text, test: Test, value: str, names: Names) -> Test | None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", value):
        page.fault("law_bare_number", line.line, value=value, name=test.fact)
        return None
    parameter = names.parameters.get(value)
    if parameter is None:
        hint = nearest(value, names.parameters)
        page.fault("law_unknown_parameter", line.line, name=value, nearest=hint)
        return None
    expected = names.vocabulary[test.fact].kind
    if parameter.kind != expected:
        page.fault("law_type_mismatch", line.line, name=test.fact, value=value, expected=expected)
        return None
    return replace(test, parameter=value)
