"""Words of the comparison, and what made a change said in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Final

import pyarrow as pa

from landremed.diff.books import Element
from landremed.diff.exchange import Thing
from landremed.diff.origins import Origin
from landremed.diff.records import Cause, Change, Difference, Exchanged
from landremed.diff.sides import column
from landremed.explain.facts import fact_value
from landremed.report.labels import role_title, value_label
from landremed.text import own_yaml
from landremed.types import M2_PER_MU, Outcome

__all__ = ["SIDES", "Telling", "by_cause", "turns_of", "values_at", "words"]

SIDES: Final = ("old", "new")


def words(section: str, language: str) -> dict[str, str]:
    """Return the words of a section."""
    return {name: entry[language] for name, entry in _words()[section].items()}


@cache
def _words() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    file = resources.files("landremed.diff").joinpath("words.yaml")
    loaded: Mapping[str, Mapping[str, Mapping[str, str]]] = own_yaml(file)
    return loaded


def turns_of(difference: Difference) -> list[str]:
    """Return for every change the kind by which a map is coloured."""
    before, after = (values_at(difference, side, "outcome", pa.string()).to_pylist() for side in SIDES)
    return [
        _turn(change, old or "", new or "")
        for change, old, new in zip(difference.changes, before, after, strict=True)
    ]


def _turn(change: Change, before: str, after: str) -> str:
    if change.kinds[0] in ("added", "gone"):
        return change.kinds[0]
    if not change.flips:
        return "reshaped" if change.kinds == ("reshaped",) else "detail"
    if after == Outcome.DEMOLISH_RESTORE:
        return "to_demolish"
    if before == Outcome.DEMOLISH_RESTORE:
        return "from_demolish"
    if after == Outcome.NEEDS_REVIEW:
        return "to_review"
    return "settled" if before == Outcome.NEEDS_REVIEW else "other_outcome"


def values_at(difference: Difference, side: str, name: str, kind: pa.DataType) -> pa.Array:
    """Return one column of the old or new result for every change, null where the parcel is not there."""
    changes = difference.changes
    rows = [c.old_row for c in changes] if side == "old" else [c.new_row for c in changes]
    source = difference.old if side == "old" else difference.new
    return column(source.decisions, name, kind).take(pa.array(rows, pa.int64()))


class Telling:
    """Says in one language what made a change."""

    def __init__(self, difference: Difference, language: str) -> None:
        self.language = language
        self.text = words("text", language)
        self.kinds = words("kinds", language)
        self._books = [b for b in (difference.new.any_book, difference.old.any_book) if b is not None]
        self._sections = {name: words(name, language) for name in ("things", "elements", "origins")}

    def cause(self, change: Change) -> str:
        """Return what made a parcel's changes, each set with what it made where there are several."""
        told = [self._one(cause) for cause in change.causes]
        if len(told) > 1:
            comma = self.text["list"]
            heads = [comma.join(self.kinds[a] for a in cause.aspects) for cause in change.causes]
            told = [
                self.text["of_aspect"].format(aspects=head, cause=text)
                for head, text in zip(heads, told, strict=True)
            ]
        return self.text["join"].join(told)

    def group(self, cause: Cause) -> str:
        """Return a cause without what is a single parcel's own, so that parcels can be counted by it."""
        if not cause.replayed:
            return self.text["not_replayed"]
        return self.text["and"].join(self._thing(item, own=False) for item in cause.things)

    def outcome(self, code: str) -> str:
        """Return an outcome's label, as the plan words it; "" is not there."""
        if not code:
            return self.text["not_there"]
        book = next((b for b in self._books if code in b.outcomes), None)
        return (
            book.outcomes[code].label.of(self.language)
            if book
            else value_label("outcome", code, self.language)
        )

    def _one(self, cause: Cause) -> str:
        if not cause.replayed:
            return self.text["not_replayed"]
        text = self.text["and"].join(self._thing(item) for item in cause.things)
        text = text or self.text["nothing_exchanged"]
        if not cause.proved:
            return text + self.text["at_limit"]
        return text + (self.text["others"].format(count=cause.others) if cause.others else "")

    def _thing(self, item: Exchanged, *, own: bool = True) -> str:
        thing, colon, arrow = item.thing, self.text["colon"], self.text["arrow"]
        head = self.thing_name(thing)
        if thing.kind == "rules" and item.elements:
            return head + colon + self.text["list"].join(map(self._element, item.elements))
        kind = self._kind(thing.name)
        if thing.kind == "fact" and (own or kind not in ("date", "number")):
            head += colon + self.value(thing.name, item.old) + arrow + self.value(thing.name, item.new)
        elif thing.kind in ("reading", "as_of", "rules") or (thing.kind == "parts" and own):
            head += f"{colon}{item.old or self.text['none']}{arrow}{item.new or self.text['none']}"
        origins = [o for o in item.origins if own or o.kind != "given"]
        if not origins:
            return head
        told = self.text["list"].join(map(self.origin, origins))
        return head + self.text["origin"].format(origins=told)

    def thing_name(self, thing: Thing) -> str:
        """Return what was exchanged, in words."""
        if thing.kind != "fact":
            return self._sections["things"][thing.kind].format(name=thing.name)
        book = next((b for b in self._books if thing.name in b.vocabulary), None)
        return book.fact_label(thing.name, self.language) if book else thing.name

    def value(self, fact: str, text: str) -> str:
        """Return a fact's value in words."""
        if text in ("unknown", "absent"):
            return value_label("truth", text, self.language)
        book = next((b for b in self._books if fact in b.vocabulary), None)
        if book is None:
            return text
        return book.value_label(fact, fact_value(book.vocabulary[fact], text), self.language)

    def origin(self, origin: Origin) -> str:
        """Return where a value came from, in words."""
        name = origin.kind
        if name in ("layer", "given") and not (origin.old and origin.new):
            name += "_new" if origin.new else "_gone"
        if name == "given_gone" and not origin.old:
            return self.text["none"]
        own = next((b.layers[origin.name] for b in self._books if origin.name in b.layers), None)
        title = own.of(self.language) if own else role_title(origin.name, self.language)
        return self._sections["origins"][name].format(
            title=title, name=origin.name, old=origin.old, new=origin.new
        )

    def _element(self, element: Element) -> str:
        return self._sections["elements"][element.kind].format(name=element.name)

    def _kind(self, fact: str) -> str:
        book = next((b for b in self._books if fact in b.vocabulary), None)
        return book.vocabulary[fact].kind if book else ""


def by_cause(difference: Difference, telling: Telling) -> Sequence[tuple[str, int, float]]:
    """Count parcels and areas (亩) by what made their weightiest change, most first."""
    sums: dict[str, list[float]] = {}
    areas = values_at(difference, "new", "area_m2", pa.float64()).to_pylist()
    for change, area in zip(difference.changes, areas, strict=True):
        if not change.causes:
            continue
        entry = sums.setdefault(telling.group(change.causes[0]), [0, 0.0])
        entry[0] += 1
        entry[1] += area or 0.0
    rows = [(text, int(count), area / M2_PER_MU) for text, (count, area) in sums.items()]
    return sorted(rows, key=lambda row: (-row[1], row[0]))
