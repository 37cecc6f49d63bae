"""Cases of a rule book: facts in, decision out. What a lawyer reads and writes, and what proves the book."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources.abc import Traversable
from typing import NamedTuple

from landremed.errors import RuleBookError
from landremed.law.book import RuleBook
from landremed.law.decide import decide
from landremed.law.decision import Decision
from landremed.law.source import Block, Page, Text, decoded, nearest
from landremed.types import UNKNOWN, FactSpec, FactValue, PartialDate

__all__ = ["Case", "CaseResult", "Mismatch", "decision_text", "parse_partial_date", "read_cases", "run_cases"]

_AS_OF = "2022-03-31"
_DATE = re.compile(r"^(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?$")
_SCALARS = ("yes", "no", "YYYY-MM-DD", "unknown", "absent")
_FIELDS = (
    "category", "table_category", "outcome", "measure", "rule", "clause", "reason", "possible_outcomes",
    "missing_facts", "schedule", "due_on", "overdue", "next_milestone_on", "next_milestone_share", "priority",
    "zero_tolerance", "assumed", "handed_over",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One example.

    Attributes
    ----------
    expect : mapping of str to str
        Field of the decision -> its text; ``-`` is empty, lists are joined with ``,``.
    """

    id: str
    title: str
    facts: Mapping[str, FactValue]
    readings: Mapping[str, str]
    as_of: date
    has_geometry: bool
    expect: Mapping[str, str]
    file: str
    line: int


class Mismatch(NamedTuple):
    """A field that came out otherwise than expected."""

    field: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A case with its decision and what differs."""

    case: Case
    decision: Decision
    mismatches: tuple[Mismatch, ...]


def read_cases(folder: Traversable, book: RuleBook, problems: list[RuleBookError]) -> tuple[Case, ...]:
    """Read ``cases/*.yaml`` of a rule book's folder; faults are added to ``problems``."""
    cases: list[Case] = []
    seen: set[str] = set()
    sub = folder.joinpath("cases")
    entries = sorted(sub.iterdir(), key=lambda entry: entry.name) if sub.is_dir() else []
    for path in entries:
        if not path.name.endswith(".yaml"):
            continue
        page = Page.read(decoded(path, problems), f"{book.name}/cases/{path.name}", problems)
        for case in _page_cases(page, book):
            if case.id in seen:
                page.fault("law_duplicate_id", case.line, id=case.id)
            seen.add(case.id)
            cases.append(case)
    return tuple(cases)


def run_cases(book: RuleBook, cases: Iterable[Case]) -> list[CaseResult]:
    """Decide every case, under its readings, and compare."""
    results: list[CaseResult] = []
    books: dict[tuple[tuple[str, str], ...], RuleBook] = {(): book}
    for case in cases:
        key = tuple(sorted(case.readings.items()))
        if key not in books:
            books[key] = book.with_readings(case.readings)
        decision = decide(books[key], case.facts, as_of=case.as_of, has_geometry=case.has_geometry)
        mismatches = tuple(
            Mismatch(name, expected, found)
            for name, expected in case.expect.items()
            if (found := decision_text(decision, name)) != expected
        )
        results.append(CaseResult(case, decision, mismatches))
    return results


def decision_text(decision: Decision, name: str) -> str:
    """Return one field of a decision as cases write it."""
    attribute = {"rule": "rules", "clause": "clauses", "schedule": "schedules"}.get(name, name)
    value = getattr(decision, attribute)
    if isinstance(value, tuple):
        return ",".join(value) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0%}"
    if isinstance(value, date):
        return value.isoformat()
    return "-" if value in (None, "") else str(value)


def parse_partial_date(text: str) -> PartialDate | None:
    """Read ``YYYY``, ``YYYY-MM`` or ``YYYY-MM-DD``; None when it is no date.

    Examples
    --------
    >>> str(parse_partial_date("2020-02").last)
    '2020-02-29'
    """
    match = _DATE.match(text)
    if match is None:
        return None
    year, month, day = (int(part) if part else None for part in match.groups())
    try:
        first = date(year or 0, month or 1, day or 1)
        last_month = month or 12
        last_day = day or calendar.monthrange(first.year, last_month)[1]
        return PartialDate(first, date(first.year, last_month, last_day))
    except ValueError:
        return None


def _page_cases(page: Page, book: RuleBook) -> list[Case]:
    page.keys(page.content, "a file of cases", ("cases",), ("common", "as_of"))
    common = _facts(page, page.block(page.content.get("common"), "common"), book.vocabulary)
    default_day = page.text(page.content, "as_of", _AS_OF)
    found: list[Case] = []
    for block in page.blocks(page.content.get("cases"), "a case"):
        optional = ("title", "readings", "as_of", "has_geometry")
        if not page.keys(block, "a case", ("id", "facts", "expect"), optional):
            continue
        as_of = page.text(block, "as_of") if "as_of" in block else default_day
        facts = _facts(page, page.block(block["facts"], "facts"), book.vocabulary)
        found.append(
            Case(
                id=str(page.text(block, "id")),
                title=str(page.text(block, "title")),
                facts={**common, **facts},
                readings=_readings(page, page.block(block.get("readings"), "readings"), book),
                as_of=page.day(as_of, "as_of"),
                has_geometry=page.flag(block, "has_geometry", True),
                expect=_expect(page, page.block(block["expect"], "expect")),
                file=page.file,
                line=block.line,
            )
        )
    return found


def _facts(page: Page, block: Block, vocabulary: Mapping[str, FactSpec]) -> dict[str, FactValue]:
    facts: dict[str, FactValue] = {}
    for name in block:
        spec = vocabulary.get(name)
        if spec is None:
            hint = nearest(name, vocabulary)
            page.fault("law_unknown_fact", block.key_lines[name], name=name, nearest=hint)
            continue
        facts[name] = _value(page, page.text(block, name), spec)
    return facts


def _value(page: Page, text: Text, spec: FactSpec) -> FactValue:
    if text in {"unknown", "absent"} and text not in spec.values:
        return UNKNOWN if text == "unknown" else None
    found: FactValue = None
    if spec.kind == "bool":
        found = {"yes": True, "true": True, "no": False, "false": False}.get(text)
    elif spec.kind == "date":
        found = parse_partial_date(text)
    elif spec.kind == "number":
        found = float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else None
    else:
        found = str(text) if text in spec.values else None
    if found is None:
        hint = nearest(text, spec.values or _SCALARS)
        page.fault("law_unknown_value", text.line, name=spec.name, value=str(text), nearest=hint)
    return found


def _readings(page: Page, block: Block, book: RuleBook) -> dict[str, str]:
    wanted = {name: str(page.text(block, name)) for name in block}
    try:
        book.with_readings(wanted)
    except RuleBookError as error:
        page.fault(error.code, block.line, **error.params)
        return {}
    return wanted


def _expect(page: Page, block: Block) -> dict[str, str]:
    page.keys(block, "expect", (), _FIELDS)
    return {name: str(page.text(block, name)) for name in block if name in _FIELDS}
