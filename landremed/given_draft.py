"""One fact while it is being filled from several sources, and the table of where its values came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.tables import GIVEN_FACTS_SCHEMA
from landremed.types import UNKNOWN, FactSpec, FactValue

__all__ = ["Draft", "source_table", "value_text"]

_STEP: Final = 8192
"""Parcels whose values are picked at a time."""


@dataclass
class Draft:
    """One fact while it is being filled.

    Attributes
    ----------
    codes : ndarray of int32
        Index into ``values`` per parcel.
    values : list of FactValue
        Distinct values; index 0 is None.
    place : ndarray of int32
        Index into ``places`` (source, file, field) per parcel.
    row : ndarray of int64
        Row in that file.
    raw : ndarray of int32
        Index into ``raws`` (values as written) per parcel.
    index : dict
        Value, with its type, -> index into ``values``.
    """

    spec: FactSpec
    codes: npt.NDArray[np.int32]
    place: npt.NDArray[np.int32]
    row: npt.NDArray[np.int64]
    raw: npt.NDArray[np.int32]
    values: list[FactValue] = field(default_factory=lambda: [None])
    places: list[tuple[str, str, str]] = field(default_factory=lambda: [("", "", "")])
    raws: list[str] = field(default_factory=lambda: [""])
    index: dict[tuple[type, FactValue], int] = field(default_factory=lambda: {(type(None), None): 0})

    @classmethod
    def blank(cls, spec: FactSpec, count: int) -> Draft:
        """Return a draft without any value."""
        small = [np.zeros(count, np.int32) for _ in range(3)]
        return cls(spec, small[0], small[1], np.zeros(count, np.int64), small[2])

    def code(self, value: FactValue) -> int:
        """Return the index of a value, adding it when it is new."""
        key = (type(value), value)
        if key not in self.index:
            self.index[key] = len(self.values)
            self.values.append(value)
        return self.index[key]

    def source(self, kind: str, file: str, name: str) -> int:
        """Return the index of a source, adding it when it is new."""
        if (kind, file, name) not in self.places:
            self.places.append((kind, file, name))
        return self.places.index((kind, file, name))


def value_text(value: FactValue) -> str:
    """Return a fact's value as tables show it: true, false, unknown, a code, a number or a date."""
    if value is None:
        return ""
    if value is UNKNOWN:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def source_table(drafts: Mapping[str, Draft], parcel_ids: Sequence[str]) -> pa.Table:
    """Return the place of every value, in parcel and fact order; texts are coded, as most stand often."""
    if not drafts:
        return GIVEN_FACTS_SCHEMA.empty_table()
    items = list(drafts.values())
    given = np.stack([draft.codes > 0 for draft in items], axis=1)
    each = given.sum(axis=1)

    def coded(name: str, lists: Sequence[Sequence[str]]) -> pa.Array:
        """Code what drafts say by lists of their own; a text may stand in several of them, or twice."""
        number = {text: at for at, text in enumerate(dict.fromkeys(chain.from_iterable(lists)))}
        kind = _width(len(number))
        own: list[npt.NDArray[Any]] = [np.array([number[text] for text in texts], kind) for texts in lists]
        return _texts(_picked(items, given, name, kind, own), list(number))

    parcel: npt.NDArray[Any] = np.repeat(np.arange(len(parcel_ids), dtype=_width(len(parcel_ids))), each)
    few = _width(len(items))
    fact: list[npt.NDArray[Any]] = [np.full(len(draft.values), at, few) for at, draft in enumerate(items)]
    source, file, column = (
        coded("place", [[entry[part] for entry in draft.places] for draft in items]) for part in range(3)
    )
    return pa.table(
        {
            "parcel_id": _texts(parcel, parcel_ids),
            "fact": _texts(_picked(items, given, "codes", few, fact), list(drafts)),
            "value": coded("codes", [[value_text(v) for v in draft.values] for draft in items]),
            "source": source,
            "file": file,
            "row": _picked(items, given, "row", np.int64),
            "field": column,
            "raw": coded("raw", [draft.raws for draft in items]),
        }
    )


def _picked(
    items: Sequence[Draft],
    given: npt.NDArray[np.bool_],
    name: str,
    kind: type,
    codes: Sequence[npt.NDArray[Any]] = (),
) -> npt.NDArray[Any]:
    """Return what the drafts hold where it is given, parcel by parcel; by other codes where there are some.

    Some thousand parcels at a time: fresh memory takes longer than what is done in it.
    """
    columns = [getattr(draft, name) for draft in items]
    found: npt.NDArray[Any] = np.empty(np.count_nonzero(given), kind)
    room: npt.NDArray[Any] = np.empty((_STEP, len(items)), kind)
    end = 0
    for low in range(0, len(given), _STEP):
        here = given[low : low + _STEP]
        block = room[: len(here)]
        for at, column in enumerate(columns):
            part = column[low : low + _STEP]
            block[:, at] = codes[at].take(part) if codes else part
        begin, end = end, end + int(np.count_nonzero(here))
        np.compress(here.ravel(), block.ravel(), out=found[begin:end])
    return found


def _width(count: int) -> type:
    """Return the type of so many codes."""
    return np.int8 if count < 1 << 7 else np.int16 if count < 1 << 15 else np.int32


def _texts(codes: npt.NDArray[Any], words: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(words, pa.string()))
