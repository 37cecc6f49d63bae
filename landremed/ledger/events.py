"""Events: what happened to a parcel, chained by hashes so that a later edit shows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final, NamedTuple

__all__ = ["FIRST_HASH", "Broken", "Entry", "Event", "Kind", "canonical", "chain_breaks", "event_hash"]

FIRST_HASH: Final = "0" * 64
"""What stands as the hash before the first event."""


class Kind(StrEnum):
    """Kinds of events. Those of the ledger as a whole have no parcel."""

    OPENED = "opened"
    RUN = "run"
    FROZEN = "frozen"
    SHEETS = "sheets"
    REPORTED = "reported"
    ENTER = "enter"
    LEAVE = "leave"
    DECISION = "decision"
    STATE = "state"
    TICK = "tick"
    STAGE = "stage"
    GATE = "gate"
    MARK = "mark"
    NOTE = "note"
    OBJECTION = "objection"
    ANSWER = "answer"


class Entry(NamedTuple):
    """An event before it is written. ``day`` is when it happened."""

    parcel_id: str
    event: Kind
    day: date
    new: Any
    old: Any = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One written event.

    Attributes
    ----------
    seq : int
        Number from 1 without gaps.
    at : str
        When it was written, UTC.
    day : date
        When it happened.
    booked_on : date
        The day it counts in figures: never in a month whose report is frozen, never before an earlier
        event of the same parcel.
    old, new : object
        What JSON holds.
    source : str
        Where it comes from: a command, a file, a workbook row.
    """

    seq: int
    parcel_id: str
    event: str
    who: str
    at: str
    day: date
    booked_on: date
    old: Any
    new: Any
    source: str
    prev_hash: str
    hash: str

    def payload(self) -> tuple[object, ...]:
        """Return the columns the hash is over."""
        return (
            self.seq,
            self.parcel_id,
            self.event,
            self.who,
            self.at,
            self.day.isoformat(),
            self.booked_on.isoformat(),
            canonical(self.old),
            canonical(self.new),
            self.source,
            self.prev_hash,
        )


class Broken(NamedTuple):
    """A place where the chain does not hold. ``what`` is hash, prev or seq."""

    seq: int
    what: str


def canonical(value: object) -> str:
    """Return JSON with one way to write everything.

    Examples
    --------
    >>> canonical({"b": 1, "a": "台账"})
    '{"a":"台账","b":1}'
    """
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, default=repr
    )


def event_hash(payload: Iterable[object]) -> str:
    """Return the SHA-256 over an event's columns and the hash before it."""
    return hashlib.sha256(canonical(list(payload)).encode("utf-8", "surrogatepass")).hexdigest()


def chain_breaks(events: Iterable[Event]) -> Iterator[Broken]:
    """Yield every event whose number, link or content does not fit."""
    number, previous = 0, FIRST_HASH
    for event in events:
        number += 1
        if event.seq != number:
            yield Broken(event.seq, "seq")
            number = event.seq
        if event.prev_hash != previous:
            yield Broken(event.seq, "prev")
        if event_hash(event.payload()) != event.hash:
            yield Broken(event.seq, "hash")
        previous = event.hash
