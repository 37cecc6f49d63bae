"""What is kept of an earlier run, on the ground of today."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.reuse.features import Features, moves
from landremed.reuse.hashes import Digests, places_of
from landremed.reuse.kept import Kept

__all__ = ["Past", "renumbered"]

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
        self._keys = keys["key"]
        self.area_m2 = keys["area_m2"].to_numpy()
        self.firm = self._kept.tables["firm"]
        self._today: dict[str, pa.Table] = {}

    def places(self, keys: Digests) -> Ints:
        """Return where each shape stands first among those kept, -1 where it does not; parts stand last."""
        return places_of(keys, self._keys)

    def firm_places(self, keys: Digests) -> Ints:
        """Return where each parcel's firmness stands among what is kept, -1 where it does not."""
        return places_of(keys, self.firm["key"])

    def today(self, name: str) -> pa.Table:
        """Return a table of the engine by row of the earlier run, with today's features and groups."""
        if name not in self._today:
            self._today[name] = self._mapped(name)
        return self._today[name]

    def _mapped(self, name: str) -> pa.Table:
        table = self._kept.tables[name]
        if name not in ("features", "groups") or all(move.still for move in self._moves):
            return table
        if name == "features":
            return renumbered(table, [move.rows for move in self._moves])
        table = renumbered(table, [move.groups for move in self._moves])
        keys = [table.column(i).to_numpy() for i in (2, 1, 0)]
        return table.take(pa.array(np.lexsort(keys)))  # their names may stand in another order


def renumbered(table: pa.Table, numbers: Sequence[Ints]) -> pa.Table:
    """Return a table of the engine with other numbers in its third column.

    Parameters
    ----------
    table : pyarrow.Table
        ``parcel, layer, number, …``.
    numbers : sequence of ndarray of int
        For every layer, what stands in place of each number.
    """
    layer, value = (table.column(i).to_numpy() for i in (1, 2))
    again = value.copy()
    for number, new in enumerate(numbers):
        here = layer == number
        again[here] = new[value[here]]
    return table.set_column(2, table.schema.field(2), pa.array(again.astype(np.int32)))
