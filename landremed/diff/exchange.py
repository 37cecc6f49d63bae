"""Deciding one parcel on a mixture of what two results know of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.diff.books import Element, differing_elements, mixed_book
from landremed.diff.sides import Side, column
from landremed.errors import LandremedError
from landremed.law import Brief, Decision, RuleBook, brief, combine_parts, decide
from landremed.tables import FactColumn
from landremed.types import FactValue

__all__ = ["ASPECTS", "Books", "Exchange", "Half", "Thing", "aspect_of"]

ASPECTS: Final = ("outcome", "measure", "clause", "deadline", "overdue")
"""What of a decision is compared, weightiest first."""


class Thing(NamedTuple):
    """What can be exchanged between old and new.

    ``kind`` is fact, parts (how a cut parcel was cut and measured), shape (whether there is a usable one),
    rules, reading or as_of; ``name`` is the fact or reading.
    """

    kind: str
    name: str = ""


@dataclass(frozen=True)
class Half:
    """One side's facts, row by row, by the vocabulary of both books."""

    side: Side
    facts: Mapping[str, FactColumn]
    part_facts: Mapping[str, FactColumn]
    computed: frozenset[str]

    def parts_at(self, row: int) -> list[dict[str, FactValue]]:
        """Return the measured facts of each part; empty for a parcel that was not cut."""
        if not self.side.parts_of:
            return []
        rows = self.side.parts_of.get(self.side.ids[row].as_py(), ())
        return [{name: c[part] for name, c in self.part_facts.items()} for part in rows]

    @cached_property
    def has_shape(self) -> npt.NDArray[np.bool_]:
        """Whether each parcel could be measured."""
        areas = column(self.side.decisions, "area_m2", pa.float64())
        return np.asarray(areas.is_valid().to_numpy(zero_copy_only=False), bool)

    @cached_property
    def values(self) -> Mapping[str, tuple[list[int], Sequence[FactValue]]]:
        """Codes and values of every fact as plain lists, which are read one by one much faster."""
        return {name: (c.codes.tolist(), list(c.values)) for name, c in self.facts.items()}

    def at(self, row: int, wanted: Iterable[str]) -> dict[str, FactValue]:
        """Return facts of a whole parcel."""
        known = self.values
        return {name: known[name][1][known[name][0][row]] for name in wanted if name in known}


@dataclass
class Books:
    """The rule books of both sides and their mixtures, each made once."""

    old: Side
    new: Side
    _made: dict[Any, RuleBook | None] = field(default_factory=dict)
    _kept: dict[Any, Any] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        """Whether both results were made with the same rule book."""
        return self.old.provenance.get("rules_hash") == self.new.provenance.get("rules_hash")

    @property
    def things(self) -> list[Thing]:
        """Return what of the rules differs: the book, readings, the day of judging."""
        found = [] if self.same else [Thing("rules")]
        before, after = self.old.readings, self.new.readings
        names = dict.fromkeys((*before, *after))
        found += [Thing("reading", name) for name in names if before.get(name) != after.get(name)]
        return found + ([Thing("as_of")] if self.old.as_of != self.new.as_of else [])

    def things_for(self, categories: frozenset[str]) -> list[Thing]:
        """Return what of the rules differs and can matter for some classes."""
        key = ("things", categories)
        if key not in self._kept:
            self._kept[key] = [t for t in self.things if t.kind != "reading" or self._touches(t, categories)]
        found: list[Thing] = self._kept[key]
        return found

    def _touches(self, reading: Thing, categories: frozenset[str]) -> bool:
        """Tell whether a reading changes anything for some classes, or for those they hand over to."""
        texts = [side.readings.get(reading.name) for side in (self.old, self.new)]
        for book in (self.old.any_book, self.new.any_book):
            if book is None:
                continue
            try:
                ways = [book.with_readings({reading.name: text}) for text in texts if text is not None]
            except (LandremedError, KeyError, ValueError):
                return True
            if len(ways) < len(texts) or ways[0].parameters != ways[1].parameters:
                return True
            concerned = set(categories)
            for found in (book.classes.get(name) for name in categories):
                concerned |= set(found.hand_over.categories) if found and found.hand_over else set()
            if not categories or any(_of_class(ways[0], c) != _of_class(ways[1], c) for c in concerned):
                return True
        return False

    @property
    def elements(self) -> list[Element]:
        """Return what differs between the two states of the rule book, where both can be had."""
        if "elements" not in self.old.memo:
            both = self.old.book and self.new.book and not self.same
            found = differing_elements(self.old.book, self.new.book) if both else []  # type: ignore[arg-type]
            self.old.memo["elements"] = found
        elements: list[Element] = self.old.memo["elements"]
        return elements

    def book(
        self,
        taken: frozenset[Thing],
        elements: frozenset[Element] | None = None,
        *,
        stand_in: bool = False,
    ) -> RuleBook | None:
        """Return the book with these things as the new side has them; None where it cannot be had.

        ``elements`` exchanges only these entries of the book in place of the whole. With ``stand_in`` one
        side's book takes the place of the other's that cannot be had.
        """
        mixed = frozenset(thing for thing in taken if thing.kind in ("rules", "reading"))
        key = (mixed, elements, stand_in)
        if key not in self._made:
            self._made[key] = self._make(*key)
        return self._made[key]

    def _make(
        self, taken: frozenset[Thing], elements: frozenset[Element] | None, stand_in: bool
    ) -> RuleBook | None:
        source = self.new if Thing("rules") in taken else self.old
        book = source.book or (self.other(source).book if self.same or stand_in else None)
        if book is None and stand_in:
            book = source.stand_in or self.other(source).stand_in
        wanted = {**self.old.readings, **self.new.readings}
        for name in wanted:
            if Thing("reading", name) not in taken and name in self.old.readings:
                wanted[name] = self.old.readings[name]
        try:
            if elements is not None and self.old.book and self.new.book:
                return mixed_book(self.old.book, self.new.book, elements, wanted)
            if book is None:
                return None
            return book.with_readings({n: v for n, v in wanted.items() if n in book.reading_specs})
        except (LandremedError, KeyError, ValueError):
            return None

    def other(self, side: Side) -> Side:
        """Return the other side."""
        return self.new if side is self.old else self.old


class Exchange:
    """One parcel in both results, and what came out of any mixture of the two.

    A mixture is an int: bit ``i`` takes ``things[i]`` from the new side, all else is the old one's.

    Parameters
    ----------
    old, new : Half
        Facts of both sides.
    rows : (int, int)
        The parcel's row in each.
    books : Books
        Rule books and their mixtures.
    asked : sequence of str
        Facts that can matter, in the order in which they are exchanged; the others never are.
    """

    def __init__(
        self, old: Half, new: Half, rows: tuple[int, int], books: Books, asked: Sequence[str]
    ) -> None:
        both = tuple(zip((old, new), rows, strict=True))
        self._books = books
        self._computed = old.computed | new.computed
        self._parts = [half.parts_at(row) for half, row in both]
        wanted = {**new.facts, **old.facts} if any(self._parts) else asked
        self._facts = [half.at(row, wanted) for half, row in both]
        self._shapes = [bool(half.has_shape[row]) for half, row in both]
        self._made: dict[Any, Brief | Decision | None] = {}
        self._book_of: dict[Any, RuleBook | None] = {}
        self.things = self._things(asked)
        self.every = (1 << len(self.things)) - 1
        self._fact_bits = [(1 << i, t.name) for i, t in enumerate(self.things) if t.kind == "fact"]
        self._kind_bits = {t.kind: 1 << i for i, t in enumerate(self.things) if t.kind != "fact"}
        self._law = self.bits(t for t in self.things if t.kind in ("rules", "reading"))

    def bits(self, things: Iterable[Thing]) -> int:
        """Return the mixture in which just these are taken from the new side."""
        return sum(1 << self.things.index(thing) for thing in things)

    def decide(
        self,
        taken: int,
        elements: frozenset[Element] | None = None,
        *,
        stand_in: bool = False,
    ) -> Brief | Decision | None:
        """Return what comes out of a mixture.

        None where the rule book that would be needed cannot be had, unless the other may stand in for it.
        """
        key = (taken, elements, stand_in)
        if key not in self._made:
            book = self._book(taken & self._law, elements, stand_in)
            self._made[key] = None if book is None else self._decided(taken, book)
        return self._made[key]

    def _book(self, law: int, elements: frozenset[Element] | None, stand_in: bool) -> RuleBook | None:
        key = (law, elements, stand_in)
        if key not in self._book_of:
            taken = frozenset(self._taken(law))
            self._book_of[key] = self._books.book(taken, elements, stand_in=stand_in)
        return self._book_of[key]

    def _taken(self, mixture: int) -> Iterator[Thing]:
        return (thing for number, thing in enumerate(self.things) if mixture >> number & 1)

    def _things(self, asked: Sequence[str]) -> list[Thing]:
        cut = any(self._parts)
        old, new = self._facts
        found = [
            Thing("fact", name)
            for name in dict.fromkeys((*new, *old))
            if name in asked and old.get(name) != new.get(name) and not (cut and name in self._computed)
        ]
        if cut and self._whole(0) != self._whole(1):
            found.append(Thing("parts"))
        if self._shapes[0] != self._shapes[1]:
            found.append(Thing("shape"))
        classes = [side.get("category") for side in self._facts]
        known = frozenset(name for name in classes if isinstance(name, str))
        every = not all(isinstance(name, str) for name in classes)
        return found + self._books.things_for(frozenset() if every else known)

    def _whole(self, side: int) -> Sequence[Mapping[str, FactValue]]:
        measured = {name: v for name, v in self._facts[side].items() if name in self._computed}
        return self._parts[side] or [measured]

    def _decided(self, mixture: int, book: RuleBook) -> Brief | Decision:
        facts, new = dict(self._facts[0]), self._facts[1]
        for bit, name in self._fact_bits:
            if mixture & bit:
                facts[name] = new.get(name)
        as_of = (self._books.old, self._books.new)[self._side(mixture, "as_of")].as_of
        has_shape = self._shapes[self._side(mixture, "shape")]
        if not any(self._parts):
            return brief(book, facts, as_of=as_of, has_geometry=has_shape)
        given = {name: value for name, value in facts.items() if name not in self._computed}
        side = self._side(mixture, "parts")
        decided = [
            decide(book, {**given, **measured}, as_of=as_of, has_geometry=has_shape)
            for measured in self._whole(side)
        ]
        return combine_parts(book, decided) if self._parts[side] else decided[0]

    def _side(self, mixture: int, kind: str) -> int:
        return int(bool(mixture & self._kind_bits.get(kind, 0)))


def _of_class(book: RuleBook, category: str) -> tuple[object, ...]:
    """Return what a reading can change of one class; conditions are the same when they are one object."""
    return (book.classes.get(category), book.choosers.get(category), book.cuts.get(category))


def aspect_of(decision: Brief | Decision, aspect: str) -> object:
    """Return what of a decision an aspect compares."""
    if aspect == "measure":
        return (decision.outcome, decision.measure)
    if aspect == "clause":
        return decision.clauses
    if aspect == "deadline":
        return (decision.schedules, decision.due_on)
    return getattr(decision, aspect)


def joint_codes(
    first: FactColumn, second: FactColumn
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], list[FactValue]]:
    """Return the codes of two columns into one list of values."""
    number: dict[FactValue, int] = {}
    at = [
        np.array([number.setdefault(v, len(number)) for v in column.values], np.int64)
        for column in (first, second)
    ]
    return at[0][first.codes], at[1][second.codes], list(number)
