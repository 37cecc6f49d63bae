"""Reading the file of one class: its tables and rules, and a hand-over to other classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from landremed.law.conditions import Names, parse_conditions
from landremed.law.records import ClassRules, Clause, HandOver, Measure, Rule, Table
from landremed.law.source import Block, Page, Text, nearest

__all__ = ["ClassReader", "check_known"]


@dataclass
class ClassReader:
    """Reads one class file."""

    page: Page
    names: Names
    measures: Mapping[str, Measure]
    clauses: Mapping[str, Clause]
    seen: dict[str, str]

    def read(self) -> ClassRules | None:
        """Return the class, or None when the file lacks what names it."""
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
        check_known(page, clause, self.clauses, "law_unknown_clause")
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
        check_known(page, fact, self.names.vocabulary, "law_unknown_fact")
        check_known(page, clause, self.clauses, "law_unknown_clause")
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
        check_known(page, measure, self.measures, "law_unknown_measure")
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
            check_known(page, item, self.clauses, "law_unknown_clause")
            return {"default": str(item)}
        found: dict[str, str] = {}
        inner = page.block(item, "clause")
        page.keys(inner, "clause", ("default",), subtypes)
        for key in inner:
            clause = page.text(inner, key)
            check_known(page, clause, self.clauses, "law_unknown_clause")
            found[key] = str(clause)
        return found

    def _once(self, code: Text) -> None:
        if code in self.seen:
            self.page.fault("law_duplicate_id", code.line, id=str(code))
        self.seen[str(code)] = self.page.file


def _known_value(page: Page, text: Text, fact: str, valid: Mapping[str, object]) -> None:
    if text not in valid:
        page.fault("law_unknown_value", text.line, name=fact, value=str(text), nearest=nearest(text, valid))


def check_known(page: Page, text: Text, valid: Mapping[str, object], code: str) -> None:
    """Report a name that is not among the valid ones."""
    if text not in valid:
        page.fault(code, text.line, name=str(text), nearest=nearest(text, valid))
