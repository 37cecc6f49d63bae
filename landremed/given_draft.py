"""One fact while it is being filled from several sources, and the table of where its values came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.tables import GIVEN_FACTS_SCHEMA
from landremed.types import UNKNOWN, FactSpec, FactValue

__all__ = ["Draft", "source_table", "value_text"]


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
    taken = np.flatnonzero(given)
    parcel = np.repeat(np.arange(len(parcel_ids), dtype=np.int32), given.sum(axis=1))
    fact = np.tile(np.arange(len(items), dtype=np.int32), len(parcel_ids)).take(taken)

    def picked(name: str) -> npt.NDArray[Any]:
        return np.stack([getattr(draft, name) for draft in items], axis=1).ravel().take(taken)

    def merged(codes: npt.NDArray[Any], lists: Sequence[Sequence[str]]) -> pa.Array:
        starts = np.cumsum([0, *(len(texts) for texts in lists)]).astype(np.int32)
        return _coded(codes + starts.take(fact), [text for texts in lists for text in texts])

    place = picked("place")
    source, file, field_name = (
        merged(place, [[entry[part] for entry in draft.places] for draft in items]) for part in range(3)
    )
    return pa.table(
        {
            "parcel_id": _coded(parcel, parcel_ids),
            "fact": _coded(fact, list(drafts)),
            "value": merged(picked("codes"), [[value_text(v) for v in draft.values] for draft in items]),
            "source": source,
            "file": file,
            "row": picked("row"),
            "field": field_name,
            "raw": merged(picked("raw"), [draft.raws for draft in items]),
        }
    )


def _coded(codes: npt.NDArray[Any], pool: Sequence[str]) -> pa.Array:
    """Return texts by their numbers in a list, in which one may stand twice."""
    number = {text: at for at, text in enumerate(dict.fromkeys(pool))}
    kind = np.int8 if len(number) < 128 else np.int32
    again: npt.NDArray[Any] = np.fromiter((number[text] for text in pool), kind, len(pool))
    return pa.DictionaryArray.from_arrays(pa.array(again.take(codes)), pa.array(list(number), pa.string()))
