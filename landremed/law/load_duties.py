"""Reading ``duties.yaml``: who answers, steps of a measure, acceptance items."""

from __future__ import annotations

from landremed.law.load_schedules import Terms
from landremed.law.records import AcceptanceItem, Duties, Scoped, Step
from landremed.law.source import Block, Page, nearest

__all__ = ["read_duties", "read_items", "read_steps"]

_UNIT_KINDS = ("zone", "town")
_SCOPES = ("categories", "subtypes", "clauses")


def read_duties(page: Page, terms: Terms) -> dict[str, Duties]:
    """Read lead, cooperating and implementing units per class."""
    found: dict[str, Duties] = {}
    for block in page.blocks(page.content.get("duties"), "duties"):
        required = ("category", "clause", "lead", "implementing", "unit_kinds")
        if not page.keys(block, "duties", required, ("cooperating", "unit_name_contains")):
            continue
        category, clause = page.text(block, "category"), page.text(block, "clause")
        terms.check(page, category, terms.classes, "class")
        terms.check(page, clause, terms.clauses, "clause")
        kinds = page.texts(block, "unit_kinds")
        for kind in kinds:
            if kind not in _UNIT_KINDS:
                hint = nearest(kind, _UNIT_KINDS)
                page.fault("law_unknown_value", kind.line, name="unit_kinds", value=str(kind), nearest=hint)
        if category in found:
            page.fault("law_duplicate_id", category.line, id=str(category))
        names = [page.texts(block, key) for key in ("lead", "cooperating", "implementing")]
        lead, cooperating, implementing = ("、".join(listed) or None for listed in names)
        contains = str(page.text(block, "unit_name_contains"))
        found[str(category)] = Duties(
            lead, cooperating, implementing, tuple(map(str, kinds)), contains, str(clause)
        )
    return found


def read_steps(page: Page, terms: Terms) -> tuple[Scoped, ...]:
    """Read the ordered steps of every measure."""
    found: list[Scoped] = []
    for group in page.blocks(page.content.get("steps"), "steps"):
        page.keys(group, "steps", ("measures", "steps"), _SCOPES)
        for block in page.blocks(group.get("steps"), "a step"):
            if page.keys(block, "a step", ("actor", "zh", "en", "clause"), _SCOPES):
                clause = page.text(block, "clause")
                terms.check(page, clause, terms.clauses, "clause")
                step = Step(page.label(block, "actor"), page.label(block), str(clause))
                found.append(_scoped(page, step, group, block, terms))
    return tuple(found)


def read_items(page: Page, terms: Terms) -> tuple[Scoped, ...]:
    """Read what counts as done, per measure."""
    found: list[Scoped] = []
    for group in page.blocks(page.content.get("acceptance"), "acceptance"):
        page.keys(group, "acceptance", ("measures", "items"), _SCOPES)
        for block in page.blocks(group.get("items"), "an item"):
            if page.keys(block, "an item", ("id", "zh", "en"), _SCOPES):
                item = AcceptanceItem(str(page.text(block, "id")), page.label(block))
                found.append(_scoped(page, item, group, block, terms))
    return tuple(found)


def _scoped(page: Page, entry: Step | AcceptanceItem, group: Block, block: Block, terms: Terms) -> Scoped:
    measures = page.texts(group, "measures")
    for measure in measures:
        terms.check(page, measure, terms.measures, "measure")
    scopes: list[tuple[str, ...]] = []
    valid = {
        "categories": terms.classes,
        "subtypes": terms.names.vocabulary["subtype"].values,
        "clauses": terms.clauses,
    }
    kinds = {"categories": "class", "subtypes": "value_of_subtype", "clauses": "clause"}
    for key in _SCOPES:
        words = page.texts(block, key) or page.texts(group, key)
        for word in words:
            terms.check(page, word, valid[key], kinds[key])
        scopes.append(tuple(map(str, words)))
    return Scoped(entry, tuple(map(str, measures)), *scopes)
