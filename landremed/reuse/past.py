"""What is kept of an earlier run, on the ground of today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.reuse.features import Features, moves
from landremed.reuse.hashes import Digests
from landremed.reuse.kept import Kept

__all__ = ["Past"]

Ints: TypeAlias = npt.NDArray[np.int64]


class Past:
    """An earlier run, held against the layers of today.

    Parameters
    ----------
    kept : Kept
        What lies beside its result.
    ground : str
        Hash of what measures hang on today; nothing of a run on another ground is taken over.
    layers : sequence of Features
        Today's layers.

    Attributes
    ----------
    changed : ndarray (n, 4)
        Bounding boxes of all features that are not as they were.
    area_m2 : ndarray of float
        Areas of the shapes kept.
    firm : pyarrow.Table
        How firm outcomes were.
    """

    def __init__(self, kept: Kept, ground: str, layers: Sequence[Features]) -> None:
        self._kept = kept if kept.ground == ground else Kept()
        self._moves = [moves(old, new) for old, new in zip(self._kept.layers, layers, strict=False)]
        self.changed = np.concatenate([np.zeros((0, 4)), *(found.changed for found in self._moves)])
        keys = self._kept.tables["keys"]
        self._places = {key: row for row, key in enumerate(keys["key"].to_pylist())}
        self.area_m2 = keys["area_m2"].to_numpy()
        self.firm = self._kept.tables["firm"]

    def places(self, keys: Digests) -> Ints:
        """Return where each shape stands among those kept, -1 where it does not."""
        return _looked_up(self._places, keys)

    def firm_places(self, keys: Digests) -> Ints:
        """Return where each parcel's firmness stands among what is kept, -1 where it does not."""
        return _looked_up({key: row for row, key in enumerate(self.firm["key"].to_pylist())}, keys)

    def rows_of(self, name: str, rows: Ints, places: Ints) -> pa.Table:
        """Return what a table holds of some shapes, as rows of today, with today's features and groups."""
        table = self._kept.tables[name]
        last = int(places.max(initial=-1)) + 1
        start = np.searchsorted(table["parcel"].to_numpy(), np.arange(last + 1))
        found = table.take(pa.array(_spans(start, places)))
        today = np.repeat(rows, start[places + 1] - start[places]).astype(np.int32)
        found = found.set_column(0, table.schema.field(0), pa.array(today))
        if name not in ("features", "groups"):
            return found
        layer, value = (found.column(i).to_numpy() for i in (1, 2))
        again = value.copy()
        for number, move in enumerate(self._moves):
            here = layer == number
            again[here] = (move.rows if name == "features" else move.groups)[value[here]]
        return found.set_column(2, table.schema.field(2), pa.array(again.astype(np.int32)))


def _looked_up(places: Mapping[bytes, int], keys: Digests) -> Ints:
    get = places.get
    return np.array([get(key, -1) for key in keys.tolist()], np.int64)


def _spans(start: Ints, rows: Ints) -> Ints:
    """Return the positions start[r]..start[r + 1] of every row, one after the other."""
    count = start[rows + 1] - start[rows]
    ends = np.cumsum(count)
    whole: Ints = np.arange(ends[-1] if len(ends) else 0) + np.repeat(start[rows] - ends + count, count)
    return whole
