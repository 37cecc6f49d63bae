"""Finding, for every change, the smallest set of things that made it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.diff.books import Element
from landremed.diff.exchange import ASPECTS, Books, Exchange, Half, Thing, aspect_of
from landremed.diff.grouping import groups_of
from landremed.diff.origins import (
    Given,
    Origin,
    Settings,
    given_rows,
    measuring_changes,
    override_name,
)
from landremed.diff.pairs import Pairs
from landremed.diff.records import Cause, Exchanged
from landremed.diff.search import smallest_set
from landremed.law import RuleBook, facts_used
from landremed.law.situation import fact_text
from landremed.law.spatial import layers_of_fact
from landremed.law.vocabulary import within_layers

__all__ = ["Explainer"]

IntArray: TypeAlias = npt.NDArray[np.int64]
_WRITTEN: Final = ("category", "outcome", "measure", "clause", "schedule", "due_on", "overdue")
_Key: TypeAlias = tuple[tuple[Thing, ...], tuple[Element, ...], int, bool, bool]


class Explainer:
    """Replays the decisions of two results with old and new facts, rules and settings exchanged.

    Parameters
    ----------
    old, new : Half
        Facts of both sides.
    pairs : Pairs
        Rows that belong together.
    books : Books
        Rule books of both sides.
    limit : int
        Sets tried for one change at most.
    """

    def __init__(self, old: Half, new: Half, pairs: Pairs, books: Books, limit: int) -> None:
        self._halves = (old, new)
        self._pairs = pairs
        self._books = books
        self._limit = limit
        self._known: list[RuleBook] = [b for b in (old.side.any_book, new.side.any_book) if b is not None]
        within = {k: v for book in self._known for k, v in within_layers(book.vocabulary).items()}
        self._settings = Settings(old.side, new.side, pairs, within)
        self._asked: dict[tuple[str | None, ...], tuple[str, ...]] = {}
        self._measuring: dict[Any, tuple[Origin, ...]] = {}
        self._plain = [{n: h.side.decisions[n].to_pylist() for n in _WRITTEN} for h in self._halves]
        self._given: tuple[Mapping[tuple[str, str], Given], ...] = ({}, {})

    def causes(self, chosen: IntArray, masks: Mapping[str, npt.NDArray[np.bool_]]) -> dict[int, list[Cause]]:
        """Return the causes of every chosen pair.

        Parameters
        ----------
        chosen : ndarray of int
            Pairs of which something decided changed.
        masks : mapping of aspect to ndarray of bool
            Which aspects changed, per pair.
        """
        found: list[tuple[IntArray, dict[_Key, list[str]]]] = []
        for group in groups_of(*self._halves, self._pairs, chosen, self._known, self._asked_of):
            first = int(group[0])
            aspects = [aspect for aspect in ASPECTS if masks[aspect][first]]
            found.append((group, self._sets(self._exchange(first), first, aspects)))
        wanted: dict[str, set[str]] = {}
        ids = self._halves[1].side.ids.take(pa.array(self._pairs.new)).to_pylist()
        for group, sets in found:
            names = {thing.name for things, *_ in sets for thing in things if thing.kind == "fact"}
            both = names | set(map(override_name, names))
            wanted.update((ids[pair], both) for pair in group.tolist())
        self._given = tuple(given_rows(half.side, wanted) for half in self._halves)
        return {
            pair: [self._cause(pair, key, aspects) for key, aspects in sets.items()]
            for group, sets in found
            for pair in group.tolist()
        }

    def _asked_of(self, pair: int) -> tuple[str, ...]:
        """Return the facts that can matter for the classes of both sides."""
        key = tuple(
            found["category"][int(rows[pair])]
            for found, rows in zip(self._plain, (self._pairs.old, self._pairs.new), strict=True)
        )
        if key not in self._asked:
            asked = {name for book in self._known for category in key for name in facts_used(book, category)}
            old, new = self._halves
            self._asked[key] = tuple(n for n in dict.fromkeys((*new.facts, *old.facts)) if n in asked)
        return self._asked[key]

    def _exchange(self, pair: int) -> Exchange:
        rows = (int(self._pairs.old[pair]), int(self._pairs.new[pair]))
        return Exchange(*self._halves, rows, self._books, self._asked_of(pair))

    def _sets(self, exchange: Exchange, pair: int, aspects: Sequence[str]) -> dict[_Key, list[str]]:
        """Return the smallest sets, each with the aspects that it makes."""
        sets: dict[_Key, list[str]] = {}
        for aspect in aspects:
            written = [self._written(i, pair, aspect) for i in (0, 1)]
            stand_in = _stands_in(exchange, aspect, written)
            things = [n for n, t in enumerate(exchange.things) if not (stand_in and t.kind == "rules")]
            key: _Key = ((), (), 0, True, False)
            if _as_written(exchange, things, aspect, written, stand_in):
                makes = _maker(exchange, things, aspect, written[1], stand_in)
                hit = smallest_set(len(things), makes, self._limit)
                if hit is not None:
                    chosen = tuple(exchange.things[things[number]] for number in hit.chosen)
                    elements = self._elements(exchange, chosen, aspect, written[1])
                    key = (chosen, elements, hit.others, hit.proved, True)
            sets.setdefault(key, []).append(aspect)
        return sets

    def _elements(
        self, exchange: Exchange, chosen: tuple[Thing, ...], aspect: str, target: object
    ) -> tuple[Element, ...]:
        """Return, where the rule book is in the set, the fewest of its entries that do as well."""
        every = self._books.elements
        if Thing("rules") not in chosen or not every:
            return ()
        rest = exchange.bits(thing for thing in chosen if thing.kind != "rules")

        def makes(taken: frozenset[int]) -> bool:
            decision = exchange.decide(rest, frozenset(every[number] for number in taken))
            return decision is not None and aspect_of(decision, aspect) == target

        hit = smallest_set(len(every), makes, self._limit)
        return tuple(every[number] for number in hit.chosen) if hit is not None else ()

    def _written(self, side: int, pair: int, aspect: str) -> object:
        """Return what stands in a result, as the decision says it."""
        row = int((self._pairs.old, self._pairs.new)[side][pair])
        found = self._plain[side]
        if aspect == "measure":
            return (found["outcome"][row] or "", found["measure"][row] or "")
        if aspect == "clause":
            return _listed(found["clause"][row])
        if aspect == "deadline":
            return (_listed(found["schedule"][row]), found["due_on"][row])
        return found[aspect][row]

    def _cause(self, pair: int, key: _Key, aspects: Sequence[str]) -> Cause:
        chosen, elements, others, proved, replayed = key
        things = tuple(self._exchanged(pair, thing, elements) for thing in chosen)
        return Cause(tuple(aspects), things, others, proved, replayed)

    def _exchanged(self, pair: int, thing: Thing, elements: tuple[Element, ...]) -> Exchanged:
        old, new = (half.side for half in self._halves)
        if thing.kind == "fact":
            values = [self._value(i, pair, thing.name) for i in (0, 1)]
            return Exchanged(thing, values[0], values[1], tuple(self._fact_origins(pair, thing.name)))
        if thing.kind == "parts":
            texts = self._part_texts(pair)
            return Exchanged(thing, texts[0], texts[1], tuple(self._part_origins(pair)))
        if thing.kind == "shape":
            return Exchanged(thing, "", "", (Origin("shape"),))
        if thing.kind == "rules":
            texts = (_rules_text(old.provenance), _rules_text(new.provenance))
            return Exchanged(thing, texts[0], texts[1], elements=elements)
        key = "as_of" if thing.kind == "as_of" else f"reading.{thing.name}"
        return Exchanged(thing, old.provenance.get(key, ""), new.provenance.get(key, ""))

    def _value(self, side: int, pair: int, fact: str) -> str:
        half = self._halves[side]
        row = int((self._pairs.old, self._pairs.new)[side][pair])
        book = half.side.any_book or self._known[0]
        found = half.facts.get(fact)
        if fact not in book.vocabulary:
            return "unknown"
        return fact_text(book, fact, found[row] if found is not None else None)

    def _fact_origins(self, pair: int, fact: str) -> Iterator[Origin]:
        parcel = self._halves[1].side.ids[int(self._pairs.new[pair])].as_py()
        computed = any(fact in half.computed for half in self._halves)
        name = override_name(fact) if computed else fact
        places = [given.get((parcel, name)) for given in self._given]
        if not computed or any(place is not None for place in places):
            yield Origin("given", name, *(_place(place) for place in places))
            return
        yield from self._measured_origins(pair, fact)

    def _measured_origins(self, pair: int, fact: str) -> Sequence[Origin]:
        settings, redrawn = self._settings, bool(self._pairs.redrawn[pair])
        grounds: tuple[bool, tuple[str, ...]] | None = (True, ())
        if settings.keys:
            grounds = settings.grounds(fact, pair)
        key = (fact, redrawn, grounds)
        if key not in self._measuring:
            self._measuring[key] = tuple(self._grounds(self._layers(fact), redrawn, grounds))
        return self._measuring[key]

    def _layers(self, fact: str) -> tuple[str, ...]:
        spec = next((b.vocabulary[fact] for b in self._known if fact in b.vocabulary), None)
        return layers_of_fact(spec) if spec is not None else ()

    def _grounds(
        self, roles: Sequence[str], redrawn: bool, grounds: tuple[bool, tuple[str, ...]] | None
    ) -> Iterator[Origin]:
        old, new = (half.side for half in self._halves)
        areas, keys = grounds if grounds is not None else (True, tuple(self._settings.keys))
        for name in keys:
            kind = name.partition(".")[0]
            yield Origin(kind, name, old.provenance.get(name, ""), new.provenance.get(name, ""))
        if areas:
            yield from measuring_changes(old, new, roles, redrawn)
        if grounds is None:
            yield Origin("not_told_apart")

    def _part_origins(self, pair: int) -> Iterator[Origin]:
        old, new = (half.side for half in self._halves)
        for name in self._settings.keys:
            kind = name.partition(".")[0]
            yield Origin(kind, name, old.provenance.get(name, ""), new.provenance.get(name, ""))
        cutting = [b.reading_specs.values() for b in self._known[:1]]
        for spec in (spec for specs in cutting for spec in specs):
            texts = [side.readings.get(spec.id, "") for side in (old, new)]
            if texts[0] != texts[1] and any(a.cuts for a in spec.alternatives.values()):
                yield Origin("reading", spec.id, *texts)
        roles = [key.removeprefix("input.") for key in new.provenance if key.startswith("input.")]
        roles = [role for role in roles if role != "parcels" and not role.startswith("evidence.")]
        found = measuring_changes(old, new, roles, bool(self._pairs.redrawn[pair]))
        yield from (origin for origin in found if origin.kind in ("shape", "layer"))

    def _part_texts(self, pair: int) -> tuple[str, str]:
        texts = []
        for side, rows in zip(self._halves, (self._pairs.old, self._pairs.new), strict=True):
            parcel = side.side.ids[int(rows[pair])].as_py()
            parts = side.side.parts_of.get(parcel, ())
            outcomes = [side.side.parts["outcome"][row].as_py() or "" for row in parts]
            texts.append(",".join(f"#{n}={outcome}" for n, outcome in enumerate(outcomes, 1)))
        return texts[0], texts[1]


def _stands_in(exchange: Exchange, aspect: str, written: Sequence[object]) -> bool:
    """Tell whether the one rule book at hand gives both decisions, so that it may stand in for the other."""
    ends = (0, exchange.every)
    if all(exchange.decide(taken) is not None for taken in ends):
        return False
    found = (exchange.decide(taken, stand_in=True) for taken in ends)
    return all(
        decision is not None and aspect_of(decision, aspect) == text
        for decision, text in zip(found, written, strict=True)
    )


def _as_written(
    exchange: Exchange, things: Sequence[int], aspect: str, written: Sequence[object], stand_in: bool
) -> bool:
    """Tell whether deciding again gives what stands in both results."""
    before = exchange.decide(0, stand_in=stand_in)
    after = exchange.decide(sum(1 << number for number in things), stand_in=stand_in)
    if after is None or aspect_of(after, aspect) != written[1]:
        return False
    return before is None or aspect_of(before, aspect) == written[0]


def _maker(
    exchange: Exchange, things: Sequence[int], aspect: str, target: object, stand_in: bool
) -> Callable[[frozenset[int]], bool]:
    bits = [1 << number for number in things]

    def makes(taken: frozenset[int]) -> bool:
        decision = exchange.decide(sum(bits[number] for number in taken), stand_in=stand_in)
        return decision is not None and aspect_of(decision, aspect) == target

    return makes


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part for part in (text or "").split(",") if part)


def _rules_text(provenance: Mapping[str, str]) -> str:
    return f"{provenance.get('rules', '')} #{provenance.get('rules_hash', '')[:8]}"


def _place(place: Given | None) -> str:
    if place is None:
        return ""
    row = "" if place.row is None else f"#{place.row}"
    field = f"[{place.field}]" if place.field else ""
    return f"{place.file}{row}{field}"
