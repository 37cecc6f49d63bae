"""The vocabulary of facts (``rules/facts.yaml``) and where rule books are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

from landremed.errors import RuleBookError, Where
from landremed.law.source import Block, Label, Page, Text, nearest
from landremed.types import FactSpec, ValueSpec

__all__ = [
    "Vocabulary",
    "built_in_books",
    "default_book",
    "load_vocabulary",
    "outside_layers",
    "read_vocabulary",
    "rules_root",
    "shared_vocabulary",
    "within_layers",
]

_KINDS = ("bool", "code", "date", "number")
_SOURCES = ("given", "computed")


class Vocabulary(NamedTuple):
    """Facts in their order, those unknown where a parcel straddles a boundary, titles of layers."""

    facts: Mapping[str, FactSpec]
    straddle: frozenset[str]
    layers: Mapping[str, Label] = {}


def rules_root() -> Traversable:
    """Return the folder of rule books: the installed package, or the source tree beside ``landremed``."""
    try:
        return resources.files("landremed_rules")
    except ModuleNotFoundError:
        return Path(__file__).resolve().parents[2] / "rules"


def built_in_books() -> tuple[str, ...]:
    """Return the names of the rule books that come with landremed."""
    return tuple(
        sorted(entry.name for entry in rules_root().iterdir() if entry.joinpath("plan.yaml").is_file())
    )


def default_book() -> str:
    """Return the name of the rule book that is used where none is named (``rules/default.yaml``)."""
    page = Page.read(rules_root().joinpath("default.yaml").read_text(encoding="utf-8"), "default.yaml", [])
    return str(page.text(page.content, "rules"))


def load_vocabulary() -> Mapping[str, FactSpec]:
    """Return every fact rules may use, by name, in the order in which missing facts are listed.

    Raises
    ------
    RuleBookError
        When ``rules/facts.yaml`` cannot be used.

    Examples
    --------
    >>> load_vocabulary()["occurred_on"].kind
    'date'
    """
    return shared_vocabulary().facts


@cache
def shared_vocabulary() -> Vocabulary:
    """Read ``rules/facts.yaml``; raises `RuleBookError` when it is faulty."""
    problems: list[RuleBookError] = []
    path = rules_root().joinpath("facts.yaml")
    if not path.is_file():
        raise RuleBookError("law_no_facts", Where(file="facts.yaml"))
    page = Page.read(path.read_text(encoding="utf-8"), "facts.yaml", problems)
    found = read_vocabulary(page, Vocabulary({}, frozenset()))
    if problems:
        raise problems[0]
    return found


def within_layers(facts: Mapping[str, FactSpec]) -> dict[str, str]:
    """Return the facts that ask on which side of a layer's boundary a parcel lies, with the layer."""
    return {name: spec.within for name, spec in facts.items() if spec.within}


def outside_layers(facts: Mapping[str, FactSpec]) -> dict[str, tuple[str, str]]:
    """Return the three-way facts: (layer, boundary outside of which it counts)."""
    return {name: (spec.layer, spec.outside) for name, spec in facts.items() if spec.outside}


def read_vocabulary(page: Page, base: Vocabulary) -> Vocabulary:
    """Read a ``facts.yaml`` on top of another vocabulary.

    ``facts:`` adds facts; ``more_values:`` adds listed values to a code fact that is there already (classes,
    subtypes or reasons of another plan); ``layers:`` gives layers a title. With
    ``alone: yes`` the page's own facts are all there are.
    """
    alone = page.flag(page.content, "alone", False)
    facts = {} if alone else dict(base.facts)
    straddle = set() if alone else set(base.straddle)
    page.keys(page.content, "facts.yaml", (), ("facts", "more_values", "layers", "alone"))
    for block in page.blocks(page.content.get("facts"), "a fact"):
        spec = _read_fact(page, block, len(facts))
        if spec is None:
            continue
        if spec.name in facts:
            page.fault("law_duplicate_id", block.line, id=spec.name)
            continue
        facts[spec.name] = spec
        if page.flag(block, "straddles", False):
            straddle.add(spec.name)
    for block in page.blocks(page.content.get("more_values"), "more values"):
        _add_values(page, block, facts)
    _check_scopes(page, facts)
    layers = {} if alone else dict(base.layers)
    for block in page.blocks(page.content.get("layers"), "a layer"):
        if page.keys(block, "a layer", ("role", "zh", "en")):
            layers[str(page.text(block, "role"))] = page.label(block)
    return Vocabulary(facts, frozenset(straddle), layers)


def _read_fact(page: Page, block: Block, order: int) -> FactSpec | None:
    optional = ("source", "claim", "values", "synonyms", "straddles", "within", "layer", "outside")
    if not page.keys(block, "a fact", ("name", "type", "zh", "en"), optional):
        return None
    kind = _one_of(page, page.text(block, "type"), _KINDS, "type")
    label = page.label(block)
    values = _read_values(page, block, {})
    if (kind == "code") != bool(values):
        page.fault("law_type_mismatch", block.line, name="values", value=str(len(values)), expected=kind)
    return FactSpec(
        name=str(page.text(block, "name")),
        kind=kind,
        label_zh=label.zh,
        label_en=label.en,
        source=_one_of(page, page.text(block, "source", "given"), _SOURCES, "source"),
        claim=page.flag(block, "claim", False),
        order=order,
        values=values,
        synonyms=tuple(map(str, page.texts(block, "synonyms"))),
        within=str(page.text(block, "within")),
        layer=str(page.text(block, "layer")),
        outside=str(page.text(block, "outside")),
    )


def _read_values(page: Page, block: Block, base: Mapping[str, ValueSpec]) -> dict[str, ValueSpec]:
    values = dict(base)
    for entry in page.blocks(block.get("values"), "a value"):
        if not page.keys(entry, "a value", ("code", "zh", "en"), ("synonyms", "scope")):
            continue
        code = str(page.text(entry, "code"))
        if code in values:
            page.fault("law_duplicate_id", entry.line, id=code)
            continue
        label = page.label(entry)
        synonyms = tuple(map(str, page.texts(entry, "synonyms")))
        values[code] = ValueSpec(
            code, label.zh, label.en, synonyms, tuple(map(str, page.texts(entry, "scope")))
        )
    return values


def _add_values(page: Page, block: Block, facts: dict[str, FactSpec]) -> None:
    if not page.keys(block, "more values", ("fact", "values")):
        return
    name = page.text(block, "fact")
    spec = facts.get(name)
    if spec is None or spec.kind != "code":
        codes = [fact.name for fact in facts.values() if fact.kind == "code"]
        page.fault("law_unknown_fact", name.line, name=str(name), nearest=nearest(name, codes))
        return
    facts[name] = replace(spec, values=_read_values(page, block, spec.values))


def _check_scopes(page: Page, facts: Mapping[str, FactSpec]) -> None:
    """Report scopes that are neither a class nor a subtype."""
    known = {code for name in ("category", "subtype") if name in facts for code in facts[name].values}
    for spec in facts.values():
        for value in spec.values.values():
            for scope in value.scope:
                if scope not in known:
                    page.fault(
                        "law_unknown_value", 1, name=spec.name, value=scope, nearest=nearest(scope, known)
                    )


def _one_of(page: Page, text: Text, valid: Iterable[str], key: str) -> str:
    valid = tuple(valid)
    if text in valid:
        return str(text)
    page.fault("law_unknown_value", text.line, name=key, value=str(text), nearest=nearest(text, valid))
    return valid[0]
