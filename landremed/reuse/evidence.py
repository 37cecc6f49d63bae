"""What small overlaps seem to come from, taken over where parcel and layers are as they were."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.layers import Layer, Parcels
from landremed.measure import Measured
from landremed.overlay import PolygonSet
from landremed.project import Tolerance
from landremed.reuse.hashes import hashed
from landremed.reuse.kept import SLIVER_SCHEMA
from landremed.reuse.some import some_measured
from landremed.slivers import EVIDENCE

__all__ = ["evidence_ground", "evidence_of_some", "evidence_table", "with_kept_evidence"]

Ints: TypeAlias = npt.NDArray[np.int64]
Ask: TypeAlias = Callable[..., tuple[pa.Table, pa.Table]]

_LAYERS: Final = 1 << 16


def evidence_ground(parcels: Parcels, layers: Sequence[Layer], tolerance: Tolerance) -> str:
    """Return the hash of all that evidence hangs on besides what measures do."""
    systems = [layer.input_crs.to_wkt() for layer in layers]
    told = (repr(tolerance), parcels.crs.to_wkt(), parcels.input_crs.to_wkt(), systems)
    return hashed(repr(told).encode()).hex()


def evidence_of_some(
    ask: Ask,
    overlaps: pa.Table,
    parcels: Parcels,
    layers: Sequence[Layer],
    measured: Measured,
    tolerance: Tolerance,
    rows: Ints,
) -> tuple[pa.Table, pa.Table]:
    """Look at the overlaps of some parcels; return ``SLIVER_SCHEMA`` and their votes.

    Parameters
    ----------
    ask : callable
        ``landremed.slivers.with_evidence``.
    overlaps, parcels, layers, measured, tolerance
        As for it, of all parcels.
    rows : ndarray of int
        The parcels to look at, rising.
    """
    place = np.full(len(parcels.ids), -1, np.int64)
    place[rows] = np.arange(len(rows))
    own = pa.array(place[measured.overlaps["parcel"].to_numpy()] >= 0)
    some = some_measured(measured, rows)
    mine = replace(
        parcels,
        ids=[parcels.ids[row] for row in rows.tolist()],
        polygons=PolygonSet(parcels.polygons.wkb.take(pa.array(rows))),
    )
    found, votes = ask(overlaps.filter(own), mine, layers, some, tolerance)
    return evidence_table(some, found), votes


def evidence_table(measured: Measured, overlaps: pa.Table) -> pa.Table:
    """Return what overlaps seem to come from, as it is kept: those of which there is something to say."""
    kind, numbers = overlaps["sliver_kind"], overlaps[EVIDENCE]
    told = pc.or_(pc.is_valid(kind), pc.is_valid(numbers))
    columns = [measured.overlaps["parcel"], measured.overlaps["layer"], kind, numbers]
    return pa.table(columns, names=SLIVER_SCHEMA.names).filter(told).cast(SLIVER_SCHEMA)


def with_kept_evidence(overlaps: pa.Table, measured: Measured, slivers: pa.Table) -> pa.Table:
    """Return overlaps as ``landremed.slivers.with_evidence`` does, from ``SLIVER_SCHEMA``."""
    row, wanted = (
        table["parcel"].to_numpy().astype(np.int64) * _LAYERS + table["layer"].to_numpy()
        for table in (measured.overlaps, slivers)
    )
    at = np.full(len(row), -1, np.int64)
    at[np.searchsorted(row, wanted)] = np.arange(len(wanted))
    taken = pa.array(at, mask=at < 0)
    for name, column in (("sliver_kind", "kind"), (EVIDENCE, "numbers")):
        overlaps = overlaps.append_column(name, slivers[column].combine_chunks().take(taken))
    return overlaps
