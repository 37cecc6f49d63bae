"""What a run in partitions reads, laid out in the scratch folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.given import EvidenceTable, evidence_ids
from landremed.layers import Layer, Parcels, extent_of
from landremed.overlay import PolygonSet
from landremed.partitions.curve import hilbert_places
from landremed.partitions.job_file import write_job
from landremed.partitions.row_files import stretches, writing
from landremed.partitions.scratch import evidence_file, parcels_file
from landremed.partitions.twins import extents_by_width, no_extents
from landremed.tables import VectorSource
from landremed.threads import ahead

__all__ = [
    "Plan",
    "block_rows",
    "digest_of",
    "parcel_table",
    "partition_rows",
    "plan",
    "slim",
    "without_rows",
    "write_evidence",
    "write_shares",
]

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

_MOST: Final = 25_000  # more would leave the processes of a cluster without work
_LEAST: Final = 4_096
_BLOCK: Final = 32_768
_BLOCKS: Final = 128  # every partition has rows in every one of them, where the file is in no order
_SHARES: Final = 8  # more would decide the same combinations of facts again and again
_OPEN_FILES: Final = 200


@dataclass(frozen=True)
class Plan:
    """Which partition every parcel belongs to.

    Attributes
    ----------
    part : ndarray of int
        Partition of every row of the parcels' file.
    rows : list of int
        Parcels of every partition.
    spans : list of (int, int)
        First and last row (from 1) of every partition.
    """

    part: Ints
    rows: Sequence[int]
    spans: Sequence[tuple[int, int]]


def partition_rows(total: int) -> int:
    """Return how many parcels a partition has, by their number alone, so that runs can be resumed."""
    return min(max(-(-total // _SHARES), _LEAST), _MOST)


def block_rows(total: int) -> int:
    """Return how many parcels are merged at a time, by their number alone."""
    return max(_BLOCK, -(-total // _BLOCKS))


def plan(boxes: Floats, size: int) -> Plan:
    """Cut parcels into partitions of neighbours, as even as can be.

    Parameters
    ----------
    boxes : ndarray (n, 4)
        Bounds of the parcels in the working CRS, NaN without geometry.
    size : int
        Most parcels of a partition.
    """
    total = len(boxes)
    order = np.argsort(hilbert_places(boxes, extent_of(boxes)), kind="stable")
    count = max(1, -(-total // size))
    part = np.empty(total, np.int64)
    part[order] = np.arange(total) * count // max(total, 1)
    rows = np.bincount(part, minlength=count)
    first, last = np.full(count, total), np.zeros(count, np.int64)
    numbers = np.arange(1, total + 1)
    np.minimum.at(first, part, numbers)
    np.maximum.at(last, part, numbers)
    return Plan(part, rows.tolist(), list(zip(first.tolist(), last.tolist(), strict=True)))


def parcel_table(parcels: Parcels, rows: Ints) -> pa.Table:
    """Return parcels as they are spooled: row in the file, id, shape, attributes."""
    attributes = parcels.source.attributes
    columns = [pa.array(rows), pa.array(parcels.ids, pa.string()), parcels.polygons.wkb, *attributes.columns]
    return pa.Table.from_arrays(columns, names=["row", "id", "wkb", *attributes.column_names])


def write_shares(
    folder: Path, tables: Callable[[], Iterator[pa.Table]], wanted: Plan, schema: pa.Schema
) -> Floats:
    """Write the parcels of every partition, in the order of their file; return their extents by width.

    Parameters
    ----------
    folder : Path
        Scratch folder.
    tables : callable
        Gives tables as ``parcel_table`` makes them, in the order of the file; called again where partitions
        are many.
    wanted : Plan
        Where each row belongs.
    schema : pyarrow.Schema
        Of the tables.
    """
    (folder / "parcels").mkdir(exist_ok=True)
    extents = np.stack([no_extents() for _ in wanted.rows])
    for first in range(0, len(wanted.rows), _OPEN_FILES):
        numbers = range(first, min(first + _OPEN_FILES, len(wanted.rows)))
        with ExitStack() as stack:
            writers = {n: stack.enter_context(writing(parcels_file(folder, n), schema)) for n in numbers}
            for table in stack.enter_context(ahead(tables())):
                for number, share in _divided(table, wanted.part):
                    if number not in writers:
                        continue
                    writers[number].write_table(share)
                    wide = extents_by_width(PolygonSet(pa.concat_arrays(share.column(2).chunks)).boxes)
                    low = np.minimum(extents[number][:, :2], wide[:, :2])
                    high = np.maximum(extents[number][:, 2:], wide[:, 2:])
                    extents[number] = np.concatenate([low, high], axis=1)
    return extents


def write_evidence(folder: Path, evidence: Sequence[EvidenceTable], ids: pa.Array, part: Ints) -> Ints:
    """Write for every partition what evidence says about its parcels; return the rows of all of them.

    Parameters
    ----------
    folder : Path
        Scratch folder.
    evidence : sequence of EvidenceTable
        As read.
    ids : pyarrow.Array
        Ids of all parcels.
    part : ndarray of int
        Partition of every parcel.
    """
    shares: dict[int, list[EvidenceTable]] = {}
    named = []
    for place, table in enumerate(evidence):
        found = pc.index_in(pa.array(evidence_ids(table), pa.string()), value_set=ids)
        rows = np.asarray(found.fill_null(-1), dtype=np.int64)
        named.append(rows[rows >= 0])
        for number in np.unique(part[named[-1]]).tolist():
            lines = np.flatnonzero((rows >= 0) & (part[rows] == number)).tolist()
            raw = replace(
                table.raw,
                rows=[table.raw.rows[i] for i in lines],
                row_numbers=[table.raw.row_numbers[i] for i in lines],
                findings=[],
            )
            tables = shares.setdefault(number, [replace(t, raw=_empty(t)) for t in evidence])
            tables[place] = replace(table, raw=raw)
    if shares:
        (folder / "evidence").mkdir(exist_ok=True)
    for number, tables in shares.items():
        write_job(evidence_file(folder, number), tables)
    return np.unique(np.concatenate([*named, np.zeros(0, np.int64)]))


def without_rows(source: VectorSource) -> VectorSource:
    """Return a source that tells where rows came from, without the rows."""
    return replace(
        source,
        attributes=source.attributes.schema.empty_table(),
        wkb=pa.array([], pa.large_binary()),
        rows=None,
    )


def slim(layers: Sequence[Layer]) -> list[Layer]:
    """Return layers without what measuring does not need."""
    return [
        replace(layer, source=without_rows(layer.source), coverage_source=None, findings=[])
        for layer in layers
    ]


def digest_of(inputs: Mapping[str, object], more: Mapping[str, Any]) -> str:
    """Return one hash of everything a result rests on.

    Parameters
    ----------
    inputs : mapping
        From ``landremed.pipeline.job_inputs``, with the content hashes of the inputs.
    more : mapping
        What else decides how the scratch folder is laid out.
    """
    text = json.dumps({**inputs, **more}, ensure_ascii=False, default=str, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _empty(table: EvidenceTable) -> Any:
    return replace(table.raw, rows=[], row_numbers=[], findings=[])


def _divided(table: pa.Table, part: Ints) -> Iterator[tuple[int, pa.Table]]:
    """Yield the rows of a table by partition."""
    of_row = part[table.column(0).to_numpy()]
    order = np.argsort(of_row, kind="stable")
    sorted_rows = table.take(pa.array(order)).combine_chunks()
    for number, low, high in stretches(of_row[order]):
        yield number, sorted_rows.slice(low, high - low)
