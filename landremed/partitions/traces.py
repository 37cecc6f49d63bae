"""Traces of partitions known again by what they say, so that equal ones get one number in the whole."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["KEYS_SCHEMA", "TraceNumbers", "trace_keys"]

Ints: TypeAlias = npt.NDArray[np.int64]

KEYS_SCHEMA: Final = pa.schema([("high", pa.uint64()), ("low", pa.uint64()), ("first", pa.int64())])
"""One row per trace of a partition: 128 bits that stand for its content, and the first parcel that has it."""


def trace_keys(trace: pa.Table, trace_id: Ints, rows: Ints) -> pa.Table:
    """Return ``KEYS_SCHEMA`` for the traces of a share.

    Parameters
    ----------
    trace : pyarrow.Table
        ``TRACE_SCHEMA``; traces numbered from 1, in the order of their first row.
    trace_id : ndarray of int
        Trace of every row of the share.
    rows : ndarray of int
        Row of each one's parcel in its file, rising.
    """
    found, first = np.unique(trace_id, return_index=True)
    columns = [
        pc.fill_null(pc.cast(trace[n], pa.large_string()), "\x00")
        for n in trace.column_names
        if n != "trace_id"
    ]
    between, end = (pa.scalar(sign, pa.large_string()) for sign in ("\x1f", "\x1e"))
    lines = pc.binary_join_element_wise(*columns, end, between).combine_chunks()
    bounds = np.searchsorted(trace["trace_id"].to_numpy(), np.arange(1, len(found) + 2))
    _, places, data = lines.buffers() if len(lines) else (None, None, None)
    ends = np.zeros(1, np.int64) if places is None else np.frombuffer(places, np.int64, len(lines) + 1)
    text, spans = memoryview(data or b""), ends[bounds].tolist()
    digests = b"".join(
        [hashlib.blake2b(text[low:high], digest_size=16).digest() for low, high in pairwise(spans)]
    )
    halves = np.frombuffer(digests, np.uint64).reshape(-1, 2)
    return pa.table(
        [pa.array(halves[:, 0]), pa.array(halves[:, 1]), pa.array(rows[first], pa.int64())], KEYS_SCHEMA
    )


@dataclass(frozen=True)
class TraceNumbers:
    """Numbers of traces in the whole result.

    Attributes
    ----------
    numbers : sequence of ndarray
        For every partition: number in the whole, from 1, of each of its traces.
    kept : sequence of ndarray of bool
        Whether the partition has the first parcel of the trace, so that it is written from there.
    count : int
        Traces of the whole.
    """

    numbers: Sequence[Ints]
    kept: Sequence[npt.NDArray[np.bool_]]
    count: int

    @classmethod
    def of(cls, keys: Sequence[pa.Table]) -> TraceNumbers:
        """Give numbers to the traces of all partitions, in the order of the first parcel that has each."""
        lengths = [len(table) for table in keys]
        whole = pa.concat_tables(keys)
        high, low, first = (whole[name].to_numpy() for name in KEYS_SCHEMA.names)
        local = np.concatenate([np.arange(length) for length in lengths])
        order = np.lexsort((first, low, high))
        new = np.ones(len(order), bool)
        new[1:] = (high[order][1:] != high[order][:-1]) | (low[order][1:] != low[order][:-1])
        group = np.cumsum(new) - 1
        winners = order[new]
        rank = np.empty(len(winners), np.int64)
        # parts of one parcel have the same row: among them the partition's own order counts
        rank[np.lexsort((local[winners], first[winners]))] = np.arange(1, len(winners) + 1)
        number = np.empty(len(order), np.int64)
        number[order] = rank[group]
        kept = np.zeros(len(order), bool)
        kept[winners] = True
        at = np.cumsum([0, *lengths])
        spans = list(zip(at[:-1].tolist(), at[1:].tolist(), strict=True))
        return cls([number[a:b] for a, b in spans], [kept[a:b] for a, b in spans], len(winners))
