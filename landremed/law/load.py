"""Reading a rule book from its folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path

from landremed.errors import RuleBookError, Where
from landremed.law.book import RuleBook
from landremed.law.conditions import Names, Parameter
from landremed.law.load_classes import ClassReader, check_known
from landremed.law.load_duties import read_duties, read_items, read_steps
from landremed.law.load_ledger import read_ledger
from landremed.law.load_schedules import Terms, read_readings, read_schedules
from landremed.law.readings import apply_readings
from landremed.law.records import ClassRules, Clause, Measure, OutcomeSpec
from landremed.law.source import Block, Item, Page, Rows, Text, decoded, nearest
from landremed.law.vocabulary import (
    Vocabulary,
    built_in_books,
    read_vocabulary,
    rules_root,
    shared_vocabulary,
)
from landremed.types import Outcome

__all__ = ["Draft", "load_rulebook", "open_folder", "read_book"]

_FIXED_FILES = ("plan.yaml", "schedules.yaml", "readings.yaml", "duties.yaml")
_OPTIONAL_FILES = ("facts.yaml", "ledger.yaml")


def load_rulebook(name_or_path: str | Path) -> RuleBook:
    """Return a rule book with its chosen readings.

    Parameters
    ----------
    name_or_path : str or Path
        Name of a built-in rule book, or a folder.

    Raises
    ------
    RuleBookError
        When there is none of that name, or it cannot be used; says the file and line of the first fault.

    Examples
    --------
    >>> book = load_rulebook("binhai-2022")
    >>> book.clause_label("3.2.1(2)")
    '三（二）1（2）'
    """
    if isinstance(name_or_path, str) and name_or_path in built_in_books():
        return _built_in(name_or_path)
    return _usable(*open_folder(name_or_path))


def open_folder(name_or_path: str | Path) -> tuple[Traversable, str]:
    """Return the folder of a rule book and its name; raises `RuleBookError` when there is none."""
    name = str(name_or_path)
    valid = built_in_books()
    if isinstance(name_or_path, str) and name in valid:
        return rules_root().joinpath(name), name
    path = Path(name_or_path)
    if path.is_dir():
        return path, path.resolve().name
    raise RuleBookError(
        "law_no_book", Where(), name=name, nearest=nearest(name, valid), valid=", ".join(valid)
    )


@dataclass
class Draft:
    """A rule book while it is read: what is there so far, and every fault found."""

    problems: list[RuleBookError] = field(default_factory=list)
    pages: dict[str, Page] = field(default_factory=dict)
    book: RuleBook | None = None


@cache
def _built_in(name: str) -> RuleBook:
    return _usable(rules_root().joinpath(name), name)


def _usable(folder: Traversable, name: str) -> RuleBook:
    draft = read_book(folder, name)
    if draft.problems:
        raise draft.problems[0]
    if draft.book is None:
        raise RuleBookError("law_no_plan", Where(file=name))
    return draft.book


def read_book(folder: Traversable, name: str, shared: Vocabulary | None = None) -> Draft:
    """Read every file but the cases; faults are collected, not raised.

    ``shared`` is the vocabulary the book builds on; that of this installation by default.
    """
    draft = Draft()
    shared = shared or shared_vocabulary()
    for path in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if path.is_file() and path.name.endswith(".yaml"):
            text = decoded(path, draft.problems)
            draft.pages[path.name] = Page.read(text, f"{name}/{path.name}", draft.problems)
    for required in _FIXED_FILES:
        if required not in draft.pages:
            draft.problems.append(RuleBookError("law_no_file", Where(file=name), name=required))
    if draft.problems:
        return draft
    vocabulary = shared
    if "facts.yaml" in draft.pages:
        vocabulary = read_vocabulary(draft.pages["facts.yaml"], shared)
    draft.book = _assemble(draft, name, vocabulary)
    return draft


def _assemble(draft: Draft, name: str, vocabulary: Vocabulary) -> RuleBook:
    plan = draft.pages["plan.yaml"]
    required = ("title", "document", "dated", "outcomes", "measures", "clauses", "parameters")
    plan.keys(plan.content, "plan.yaml", required)
    outcomes = _outcomes(plan)
    measures = _measures(plan, outcomes)
    clauses = _clauses(plan)
    parameters = _parameters(plan, clauses)
    names = Names(vocabulary.facts, parameters)
    classes = _read_classes(draft, names, measures, clauses)
    terms = Terms(names, classes, measures, clauses)
    schedules = read_schedules(draft.pages["schedules.yaml"], terms)
    readings = read_readings(draft.pages["readings.yaml"], terms, schedules.schedules)
    duties = draft.pages["duties.yaml"]
    duties.keys(duties.content, "duties.yaml", ("duties", "steps", "acceptance"))
    items = read_items(duties, terms)
    ledger = None
    if "ledger.yaml" in draft.pages:
        dated = plan.day(plan.text(plan.content, "dated"), "dated")
        ledger = read_ledger(draft.pages["ledger.yaml"], terms, schedules.schedules, items, dated)
    raw = RuleBook(
        name=name,
        title=plan.label(plan.content, "title"),
        document=str(plan.text(plan.content, "document")),
        content_hash=_content_hash(draft, vocabulary),
        vocabulary=vocabulary.facts,
        straddle_facts=vocabulary.straddle,
        layers=vocabulary.layers,
        outcomes=outcomes,
        measures=measures,
        clauses=clauses,
        parameters=parameters,
        classes=classes,
        schedules=schedules.schedules,
        choosers=schedules.choosers,
        tests=schedules.tests,
        zero_tolerance=schedules.zero_tolerance,
        priorities=schedules.priorities,
        reading_specs=readings,
        all_duties=read_duties(duties, terms),
        all_steps=read_steps(duties, terms),
        all_items=items,
        ledger=ledger,
    )
    if draft.problems:
        return raw
    return apply_readings(raw, {spec.id: spec.chosen for spec in readings.values() if spec.switchable})


def _read_classes(
    draft: Draft, names: Names, measures: Mapping[str, Measure], clauses: Mapping[str, Clause]
) -> dict[str, ClassRules]:
    found: dict[str, ClassRules] = {}
    seen: dict[str, str] = {}
    for file, page in draft.pages.items():
        if file in _FIXED_FILES or file in _OPTIONAL_FILES:
            continue
        read = ClassReader(page, names, measures, clauses, seen).read()
        if read is not None and read.category in found:
            page.fault("law_duplicate_id", 1, id=read.category)
        elif read is not None:
            found[read.category] = read
    return {code: found[code] for code in names.vocabulary["category"].values if code in found}


def _outcomes(page: Page) -> dict[str, OutcomeSpec]:
    valid = [outcome.value for outcome in Outcome]
    found: dict[str, OutcomeSpec] = {}
    for block in page.blocks(page.content.get("outcomes"), "an outcome"):
        if not page.keys(block, "an outcome", ("code", "zh", "en"), ("scheduled",)):
            continue
        code = page.text(block, "code")
        if code not in valid:
            page.fault(
                "law_unknown_value", code.line, name="outcome", value=str(code), nearest=nearest(code, valid)
            )
        elif code in found:
            page.fault("law_duplicate_id", code.line, id=str(code))
        else:
            found[str(code)] = OutcomeSpec(page.label(block), page.flag(block, "scheduled", True))
    for name in valid:
        if name not in found:
            page.fault("law_missing_key", 1, key=name, what="outcomes")
    return {name: found[name] for name in valid if name in found}


def _measures(page: Page, outcomes: Mapping[str, OutcomeSpec]) -> dict[str, Measure]:
    found: dict[str, Measure] = {}
    for block in page.blocks(page.content.get("measures"), "a measure"):
        keys = ("code", "outcome", "zh", "en")
        if not page.keys(
            block, "a measure", keys, ("outcome_label", "scheduled", "demolishes", "recultivates")
        ):
            continue
        code, outcome = page.text(block, "code"), str(page.text(block, "outcome"))
        if code in found:
            page.fault("law_duplicate_id", code.line, id=str(code))
        valid = [known for known in outcomes if known != Outcome.NEEDS_REVIEW.value]
        if outcome not in valid:
            hint = nearest(outcome, valid)
            page.fault("law_unknown_value", block.line, name="outcome", value=outcome, nearest=hint)
        shown = page.label(block, "outcome_label") if "outcome_label" in block else None
        found[str(code)] = Measure(
            str(code),
            outcome,
            page.label(block),
            shown,
            page.flag(block, "scheduled", True),
            page.flag(block, "demolishes", False),
            page.flag(block, "recultivates", True),
        )
    return found


def _clauses(page: Page) -> dict[str, Clause]:
    found: dict[str, Clause] = {}
    for block in page.blocks(page.content.get("clauses"), "a clause"):
        if not page.keys(block, "a clause", ("id", "label", "zh", "en"), ("note",)):
            continue
        code, note = page.text(block, "id"), page.text(block, "note")
        if code in found:
            page.fault("law_duplicate_id", code.line, id=str(code))
        if "note" in block and note not in {"silent", "see"}:
            hint = nearest(note, ("silent", "see"))
            page.fault("law_unknown_value", note.line, name="note", value=str(note), nearest=hint)
        found[str(code)] = Clause(
            str(code), str(page.text(block, "label")), page.label(block), str(note), block.line
        )
    return found


def _parameters(page: Page, clauses: Mapping[str, Clause]) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}
    for block in page.blocks(page.content.get("parameters"), "a parameter"):
        if not page.keys(block, "a parameter", ("id", "type", "value", "zh", "en", "source", "clause")):
            continue
        code, kind, value = (page.text(block, key) for key in ("id", "type", "value"))
        if code in found:
            page.fault("law_duplicate_id", code.line, id=str(code))
        if kind not in {"date", "number"}:
            hint = nearest(kind, ("date", "number"))
            page.fault("law_unknown_value", kind.line, name="type", value=str(kind), nearest=hint)
            continue
        number = page.day(value, str(code)) if kind == "date" else _number(page, value, str(code))
        clause = page.text(block, "clause")
        check_known(page, clause, clauses, "law_unknown_clause")
        label = page.label(block)
        found[str(code)] = Parameter(
            str(code), str(kind), number, label, page.label(block, "source"), str(clause)
        )
    return found


def _number(page: Page, text: Text, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        page.fault("law_type_mismatch", text.line, name=name, value=str(text), expected="number")
        return 0.0


def _content_hash(draft: Draft, vocabulary: Vocabulary) -> str:
    """Hash what the files say, blind to comments, quoting, key order and layout."""
    content = {file: _plain(page.content) for file, page in draft.pages.items() if file != "facts.yaml"}
    # books written before facts named their layers keep their hash
    layers = (f"{s.name} {s.within} {s.layer} {s.outside}" for s in vocabulary.facts.values())
    named = [text for text in layers if len(text.split()) > 1]
    named += [f"{role} {title}" for role, title in vocabulary.layers.items()]
    facts = [repr(spec) for spec in vocabulary.facts.values()] + sorted(vocabulary.straddle) + named
    text = json.dumps([content, facts], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(item: Item) -> object:
    if isinstance(item, Rows):
        return [_plain(entry) for entry in item]
    if isinstance(item, Block):
        return {key: _plain(entry) for key, entry in item.items()}
    return str(item)
