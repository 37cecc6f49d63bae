"""What a comparison finds, as plain records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from landremed.diff.books import Element
from landremed.diff.exchange import Thing
from landremed.diff.origins import Origin
from landremed.diff.sides import Side

__all__ = [
    "KINDS",
    "Cause",
    "Change",
    "Difference",
    "Exchanged",
    "InputLine",
    "LedgerMark",
    "MatrixCell",
    "Suggestion",
]

KINDS: Final = ("added", "gone", "outcome", "measure", "clause", "deadline", "overdue", "parts", "reshaped")
"""Kinds of change, in the order in which they are named."""


class Exchanged(NamedTuple):
    """One thing of a smallest set, with its values and where the new one comes from.

    ``elements`` are, for the rule book, the entries of it that suffice.
    """

    thing: Thing
    old: str
    new: str
    origins: tuple[Origin, ...] = ()
    elements: tuple[Element, ...] = ()


@dataclass(frozen=True)
class Cause:
    """The smallest set of things that made one or more changes of a parcel.

    Attributes
    ----------
    aspects : tuple of str
        What it made: outcome, measure, clause, deadline, overdue.
    things : tuple of Exchanged
        In the order of the facts' list; empty where the change could not be replayed.
    others : int
        Further sets of the same size that do as well.
    proved : bool
        Whether no smaller set does; False where the search met its limit.
    replayed : bool
        Whether deciding again gave what stands in both results.
    """

    aspects: tuple[str, ...]
    things: tuple[Exchanged, ...]
    others: int
    proved: bool
    replayed: bool = True


class LedgerMark(NamedTuple):
    """Where a parcel stands in the ledger. ``weight``: 2 closed, 1 signed, 0 neither."""

    state: str
    label: str
    weight: int


@dataclass(frozen=True)
class Change:
    """One parcel that is not the same in both results. A row is None where the parcel is not there."""

    parcel_id: str
    kinds: tuple[str, ...]
    old_row: int | None
    new_row: int | None
    moved_m2: float | None
    causes: Sequence[Cause] = ()
    ledger: LedgerMark | None = None

    @property
    def flips(self) -> bool:
        """Whether the outcome is another."""
        return "outcome" in self.kinds


class InputLine(NamedTuple):
    """One input or setting of both results."""

    key: str
    old: str
    new: str

    @property
    def same(self) -> bool:
        """Whether it is the same in both."""
        return self.old == self.new


class MatrixCell(NamedTuple):
    """Parcels by old and new outcome; "" stands for not there. Areas in m²."""

    old: str
    new: str
    parcels: int
    old_m2: float
    new_m2: float


class Suggestion(NamedTuple):
    """A parcel gone and one added that are nearly the same ground."""

    gone: str
    added: str
    share: float


@dataclass(frozen=True)
class Difference:
    """Two results held against each other.

    Attributes
    ----------
    changes : sequence of Change
        Parcels closed or signed in the ledger whose outcome would flip first.
    inputs : sequence of InputLine
        Content hashes, settings, readings and versions of both.
    hashes : (str, str)
        SHA-256 over rows, shapes and facts of both.
    limit : int
        Sets tried for one change at most.
    notes : sequence of (str, dict)
        Codes of messages with their values.
    """

    old: Side
    new: Side
    changes: Sequence[Change]
    matrix: Sequence[MatrixCell]
    suggestions: Sequence[Suggestion]
    inputs: Sequence[InputLine]
    hashes: tuple[str, str]
    limit: int
    notes: Sequence[tuple[str, dict[str, object]]] = field(default_factory=list)

    @property
    def same_inputs(self) -> bool:
        """Whether both rest on the same inputs, settings, rules and versions."""
        return all(line.same for line in self.inputs)

    @property
    def same_results(self) -> bool:
        """Whether every row, shape and fact is the same."""
        return self.hashes[0] == self.hashes[1]
