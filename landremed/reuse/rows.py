"""Rows of the result, taken over where parcel, facts and ground are as they were."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.reuse.coded import coded
from landremed.reuse.hashes import Digests, places_of, raw_array, raw_column
from landremed.reuse.kept import ROW_KEY, TRACED_SCHEMA, Kept
from landremed.reuse.splice import Splice

__all__ = ["RowsOfRuns"]

BoolArray: TypeAlias = npt.NDArray[np.bool_]


class RowsOfRuns:
    """Rows of an earlier run, and of this one.

    Attributes
    ----------
    rows, trace : pyarrow.Table
        Columns of ``decisions`` that are ours, and ``trace``, of the earlier run; texts are coded.
    traced : ndarray of raw bytes
        Hash of what each of its traces says.
    ground : str
        Hash of all that rows of this run hang on, but for the parcels; empty when they are not kept.
    reused, decided : int
        Parcels whose row was taken over, and decided.
    """

    def __init__(self, kept: Kept) -> None:
        table = kept.tables["rows"]
        self._known = table[ROW_KEY]
        self.rows, self.trace = table.drop_columns([ROW_KEY]), kept.tables["trace"]
        self.traced = raw_column(kept.tables["traced"]["key"])
        self._kept_ground = kept.row_ground
        self._keys: Digests | None = None
        self._tables: dict[str, pa.Table] = {}
        self.ground = ""
        self.reused = self.decided = 0

    def find(self, keys: Digests, ground: str, stale: BoolArray) -> Splice:
        """Tell which rows can be taken over; none when these are few, and never all.

        Parameters
        ----------
        keys : ndarray of raw bytes
            Hash of what is known of each parcel.
        ground : str
            Hash of all else.
        stale : ndarray of bool
            Parcels near which a layer has changed.
        """
        self._keys, self.ground = keys, ground
        places = np.full(len(keys), -1, np.int64)
        if ground == self._kept_ground:
            places = places_of(keys, self._known)
        places[stale] = -1
        if not Splice(places).pays:
            places[:] = -1
        places[:1] = -1  # some row is always made anew, and shows the columns
        return Splice(places)

    def keep(self, splice: Splice, rows: pa.Table, trace: pa.Table, traced: Digests) -> None:
        """Keep all rows for the next run; their texts may be coded."""
        if self._keys is not None:
            self._tables = {
                "rows": rows.append_column(ROW_KEY, raw_array(self._keys)),
                "trace": trace,
                "traced": pa.table([raw_array(traced)], schema=TRACED_SCHEMA),
            }
        self.decided = len(splice.missing)
        self.reused = len(splice) - self.decided

    def tables(self) -> dict[str, pa.Table]:
        """Return what is kept of this run."""
        return {name: coded(table) for name, table in self._tables.items()}
