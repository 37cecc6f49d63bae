"""One fact while it is being filled from several sources, and the table of where its values came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
    """Return the place of every value, in parcel and fact order."""
    if not drafts:
        return GIVEN_FACTS_SCHEMA.empty_table()
    items = list(drafts.items())
    given = np.stack([draft.codes > 0 for _, draft in items], axis=1).ravel()
    parcel = np.repeat(np.arange(len(parcel_ids), dtype=np.int32), len(items))[given]
    fact = np.tile(np.arange(len(items), dtype=np.int32), len(parcel_ids))[given]

    def merged(name: str, lists: Sequence[Sequence[str]]) -> pa.Array:
        starts = np.concatenate([[0], np.cumsum([len(texts) for texts in lists])]).astype(np.int32)
        codes = np.stack([getattr(draft, name) for _, draft in items], axis=1).ravel()[given]
        pool = [text for texts in lists for text in texts]
        return _texts(codes + starts[fact], pool)

    rows = np.stack([draft.row for _, draft in items], axis=1).ravel()[given]
    places = [draft.places for _, draft in items]
    return pa.table(
        [
            _texts(parcel, list(parcel_ids)),
            _texts(fact, [name for name, _ in items]),
            merged("codes", [[value_text(v) for v in draft.values] for _, draft in items]),
            *(merged("place", [[entry[part] for entry in entries] for entries in places]) for part in (0, 1)),
            pa.array(rows, pa.int64()),
            merged("place", [[entry[2] for entry in entries] for entries in places]),
            merged("raw", [draft.raws for _, draft in items]),
        ],
        schema=GIVEN_FACTS_SCHEMA,
    )


def _texts(codes: npt.NDArray[np.int32], pool: list[str]) -> pa.Array:
    if len(codes) and (codes == codes[0]).all():
        return pa.repeat(pa.scalar(pool[codes[0]], pa.string()), len(codes))
    return pa.array(pool, pa.string()).take(pa.array(codes))
