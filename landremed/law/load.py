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
from landremed.law.book import (
    ClassRules,
    Clause,
    HandOver,
    Measure,
    OutcomeSpec,
    Rule,
    RuleBook,
    Table,
)
from landremed.law.conditions import Names, Parameter, parse_conditions
from landremed.law.load_duties import read_duties, read_items, read_steps
from landremed.law.load_schedules import Terms, read_readings, read_schedules
from landremed.law.readings import apply_readings
from landremed.law.source import Block, Item, Page, Rows, Text, nearest
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
_OPTIONAL_FILES = ("facts.yaml",)


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
    folder, name = open_folder(name_or_path)
    if isinstance(name_or_path, str) and folder is not None and not Path(name_or_path).is_dir():
        return _built_in(name)
    return _usable(folder, name)


def open_folder(name_or_path: str | Path) -> tuple[Traversable, str]:
    """Return the folder of a rule book and its name; raises `RuleBookError` when there is none."""
    path = Path(name_or_path)
    if path.is_dir():
        return path, path.resolve().name
    name = str(name_or_path)
    valid = built_in_books()
    if name in valid:
        return rules_root().joinpath(name), name
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


def read_book(folder: Traversable, name: str) -> Draft:
    """Read every file but the cases; faults are collected, not raised."""
    draft = Draft()
    shared = shared_vocabulary()
    for path in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if path.is_file() and path.name.endswith(".yaml"):
            text = _decoded(path, draft.problems)
            draft.pages[path.name] = Page.read(text, path.name, draft.problems)
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


def _decoded(path: Traversable, problems: list[RuleBookError]) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        problems.append(RuleBookError("law_unreadable", Where(file=path.name), problem=str(error)))
        return "{}"


def _assemble(draft: Draft, name: str, vocabulary: Vocabulary) -> RuleBook:
    plan = draft.pages["plan.yaml"]
    required = ("title", "document", "dated", "outcomes", "measures", "clauses", "parameters")
    plan.keys(plan.content, "plan.yaml", required)
    outcomes = _outcomes(plan)
    measures = _measures(plan, outcomes)
    clauses = _clauses(plan)
    parameters = _parameters(plan, clauses)
    names = Names(vocabulary.facts, parameters)
    found: dict[str, ClassRules] = {}
    seen: dict[str, str] = {}
    for file, page in draft.pages.items():
        if file in _FIXED_FILES or file in _OPTIONAL_FILES:
            continue
        read = _ClassReader(page, names, measures, clauses, seen).read()
        if read is not None and read.category in found:
            page.fault("law_duplicate_id", 1, id=read.category)
        elif read is not None:
            found[read.category] = read
    order = list(vocabulary.facts["category"].values)
    classes = {code: found[code] for code in order if code in found}
    terms = Terms(names, classes, measures, clauses)
    schedules = read_schedules(draft.pages["schedules.yaml"], terms)
    readings = read_readings(draft.pages["readings.yaml"], terms, schedules.schedules)
    duties = draft.pages["duties.yaml"]
    duties.keys(duties.content, "duties.yaml", ("duties", "steps", "acceptance"))
    raw = RuleBook(
        name=name,
        title=plan.label(plan.content, "title"),
        document=str(plan.text(plan.content, "document")),
        content_hash=_content_hash(draft, vocabulary),
        vocabulary=vocabulary.facts,
        straddle_facts=vocabulary.straddle,
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
        all_items=read_items(duties, terms),
    )
    if draft.problems:
        return raw
    return apply_readings(raw, {spec.id: spec.chosen for spec in readings.values() if spec.switchable})


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
    for code in valid:
        if code not in found:
            page.fault("law_missing_key", 1, key=code, what="outcomes")
    return {code: found[code] for code in valid if code in found}


def _measures(page: Page, outcomes: Mapping[str, OutcomeSpec]) -> dict[str, Measure]:
    found: dict[str, Measure] = {}
    for block in page.blocks(page.content.get("measures"), "a measure"):
        keys = ("code", "outcome", "zh", "en")
        if not page.keys(block, "a measure", keys, ("outcome_label", "scheduled")):
            continue
        code, outcome = page.text(block, "code"), page.text(block, "outcome")
        if code in found:
            page.fault("law_duplicate_id", code.line, id=str(code))
        if outcome not in outcomes or outcome == Outcome.NEEDS_REVIEW:
            hint = nearest(outcome, [o for o in outcomes if o != Outcome.NEEDS_REVIEW])
            page.fault("law_unknown_value", outcome.line, name="outcome", value=str(outcome), nearest=hint)
        shown = page.label(block, "outcome_label") if "outcome_label" in block else None
        scheduled = page.flag(block, "scheduled", True)
        found[str(code)] = Measure(str(code), str(outcome), page.label(block), shown, scheduled)
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
        found[str(code)] = Clause(str(code), str(page.text(block, "label")), page.label(block), str(note))
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
        _known(page, clause, clauses, "law_unknown_clause")
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


def _known(page: Page, text: Text, valid: Mapping[str, object], code: str) -> None:
    if text not in valid:
        page.fault(code, text.line, name=str(text), nearest=nearest(text, valid))


@dataclass
class _ClassReader:
    """Reads one class file."""

    page: Page
    names: Names
    measures: Mapping[str, Measure]
    clauses: Mapping[str, Clause]
    seen: dict[str, str]

    def read(self) -> ClassRules | None:
        page, content = self.page, self.page.content
        if not page.keys(content, "a class file", ("category", "clause", "tables"), ("hand_over",)):
            return None
        category, clause = page.text(content, "category"), page.text(content, "clause")
        valid = self.names.vocabulary["category"].values
        if category not in valid:
            page.fault(
                "law_unknown_value",
                category.line,
                name="category",
                value=str(category),
                nearest=nearest(category, valid),
            )
            return None
        _known(page, clause, self.clauses, "law_unknown_clause")
        tables = tuple(
            self._table(block, category) for block in page.blocks(content.get("tables"), "a table")
        )
        return ClassRules(str(category), str(clause), tables, self._hand_over(content))

    def _hand_over(self, content: Block) -> HandOver | None:
        page = self.page
        if "hand_over" not in content:
            return None
        block = page.block(content["hand_over"], "hand_over")
        if not page.keys(block, "hand_over", ("id", "title", "fact", "categories", "clause")):
            return None
        fact, clause = page.text(block, "fact"), page.text(block, "clause")
        _known(page, fact, self.names.vocabulary, "law_unknown_fact")
        _known(page, clause, self.clauses, "law_unknown_clause")
        categories = page.texts(block, "categories")
        for code in categories:
            _known_value(page, code, "category", self.names.vocabulary["category"].values)
        self._once(page.text(block, "id"))
        title = page.label(block, "title")
        return HandOver(
            str(page.text(block, "id")), str(fact), tuple(map(str, categories)), str(clause), title
        )

    def _table(self, block: Block, category: str) -> Table:
        page = self.page
        page.keys(block, "a table", ("rules",), ("subtype", "listed"))
        subtype = page.text(block, "subtype")
        subtypes = {c: v for c, v in self.names.vocabulary["subtype"].values.items() if category in v.scope}
        if subtype:
            _known_value(page, subtype, "subtype", subtypes)
        listed = self._listed(page.block(block.get("listed"), "listed"))
        names = self.names._replace(listed=listed)
        rules = [self._rule(entry, names, subtypes) for entry in page.blocks(block.get("rules"), "a rule")]
        return Table(str(category), str(subtype), listed, tuple(rule for rule in rules if rule is not None))

    def _listed(self, block: Block) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for fact in block:
            spec = self.names.vocabulary.get(fact)
            if spec is None or spec.kind != "code":
                hint = nearest(fact, self.names.vocabulary)
                self.page.fault("law_unknown_fact", block.key_lines[fact], name=fact, nearest=hint)
                continue
            values = self.page.texts(block, fact)
            for value in values:
                _known_value(self.page, value, fact, spec.values)
            found[fact] = tuple(map(str, values))
        return found

    def _rule(self, block: Block, names: Names, subtypes: Mapping[str, object]) -> Rule | None:
        page = self.page
        if not page.keys(
            block, "a rule", ("id", "title", "clause", "outcome", "measure"), ("when", "otherwise")
        ):
            return None
        self._once(page.text(block, "id"))
        if ("when" in block) == page.flag(block, "otherwise", False):
            page.fault("law_when_or_otherwise", block.line, id=str(page.text(block, "id")))
        outcome, measure = page.text(block, "outcome"), page.text(block, "measure")
        _known(page, measure, self.measures, "law_unknown_measure")
        if measure in self.measures and self.measures[measure].outcome != outcome:
            page.fault(
                "law_measure_outcome",
                outcome.line,
                measure=str(measure),
                outcome=str(outcome),
                expected=self.measures[measure].outcome,
            )
        when = parse_conditions(page, block.get("when"), names)
        clauses = self._rule_clauses(block, subtypes)
        return Rule(
            str(page.text(block, "id")),
            page.label(block, "title"),
            clauses,
            when,
            str(outcome),
            str(measure),
            page.file,
            block.line,
        )

    def _rule_clauses(self, block: Block, subtypes: Mapping[str, object]) -> dict[str, str]:
        page, item = self.page, block["clause"]
        if isinstance(item, Text):
            _known(page, item, self.clauses, "law_unknown_clause")
            return {"default": str(item)}
        found: dict[str, str] = {}
        inner = page.block(item, "clause")
        page.keys(inner, "clause", ("default",), subtypes)
        for key in inner:
            clause = page.text(inner, key)
            _known(page, clause, self.clauses, "law_unknown_clause")
            found[key] = str(clause)
        return found

    def _once(self, code: Text) -> None:
        if code in self.seen:
            self.page.fault("law_duplicate_id", code.line, id=str(code))
        self.seen[str(code)] = self.page.file


def _known_value(page: Page, text: Text, fact: str, valid: Mapping[str, object]) -> None:
    if text not in valid:
        page.fault("law_unknown_value", text.line, name=fact, value=str(text), nearest=nearest(text, valid))


def _content_hash(draft: Draft, vocabulary: Vocabulary) -> str:
    """Hash what the files say, blind to comments, quoting, key order and layout."""
    content = {file: _plain(page.content) for file, page in draft.pages.items() if file != "facts.yaml"}
    facts = [repr(spec) for spec in vocabulary.facts.values()] + sorted(vocabulary.straddle)
    text = json.dumps([content, facts], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(item: Item) -> object:
    if isinstance(item, Rows):
        return [_plain(entry) for entry in item]
    if isinstance(item, Block):
        return {key: _plain(entry) for key, entry in item.items()}
    return str(item)
