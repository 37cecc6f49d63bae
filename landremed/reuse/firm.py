"""How firm outcomes are, taken over where nothing near the parcel or known of it has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.measure import Measured
from landremed.overlay import PolygonSet
from landremed.reuse.hashes import (
    Digests,
    Numbers,
    Pairs,
    as_digests,
    as_pairs,
    mixed,
    raw_array,
    text_digests,
)
from landremed.reuse.kept import FIRM_SCHEMA
from landremed.reuse.some import some_facts, some_measured
from landremed.sensitivity import Firmness, Judgement
from landremed.tables import FactColumn
from landremed.types import FactValue, PartialDate

__all__ = ["firm_keys", "firm_table", "merged", "row_keys", "some_judgement"]

Ints: TypeAlias = npt.NDArray[np.int64]


def row_keys(measured: Measured, given: Mapping[str, FactColumn], shapes: Digests) -> Digests:
    """Return for every parcel the hash of its shape and of what is known of it before it is decided.

    Parameters
    ----------
    measured, given
        Areas and given facts.
    shapes : ndarray of raw bytes
        Hashes of the parcels' shapes.
    """
    areas = [measured.area_m2, *measured.overlap_m2.values(), *measured.outside_m2.values()]
    areas += measured.outside_sure_m2.values()
    if measured.cultivated_m2 is not None:
        areas.append(measured.cultivated_m2)
    told = [*measured.complete.values(), *measured.void.values()]
    numbers = [np.ascontiguousarray(a, np.float64).view(np.uint64) for a in areas]
    numbers += [_packed(told[at : at + 64]) for at in range(0, len(told), 64)]
    rows = len(measured.area_m2)
    return as_digests(as_pairs(shapes) ^ mixed(numbers, rows) ^ _facts(given, rows))


def firm_keys(judgement: Judgement, shapes: Digests) -> Digests:
    """Return for every parcel the hash of its shape and of all that is known of it, its outcome included.

    Parameters
    ----------
    shapes : ndarray of raw bytes
        Hashes of the parcels' shapes.
    """
    known = as_pairs(row_keys(judgement.measured, judgement.given, shapes))
    outcomes, code = np.unique(judgement.outcome.astype(str), return_inverse=True)
    return as_digests(known ^ as_pairs(text_digests(outcomes.tolist()))[code])


def firm_table(keys: Digests, found: Firmness, roles: Sequence[str]) -> pa.Table:
    """Return how firm all parcels are, as it is kept."""
    none = np.zeros(len(keys), bool)
    masks = np.stack([found.sensitive.get(role, none) for role in roles] or [none], axis=1)
    packed = np.packbits(masks, axis=1)
    width = packed.shape[1]
    bits = pa.Array.from_buffers(pa.binary(width), len(keys), [None, pa.py_buffer(packed.tobytes())])
    columns = [raw_array(keys), pa.array(found.robust), pa.array(found.margin_m), bits.cast(pa.binary())]
    return pa.table(columns, schema=FIRM_SCHEMA)


def merged(
    kept: pa.Table, old: tuple[Ints, Ints], new: tuple[Ints, Firmness], roles: Sequence[str]
) -> Firmness:
    """Put together what is taken over and what was judged anew.

    Parameters
    ----------
    kept : pyarrow.Table
        ``FIRM_SCHEMA``.
    old : (rows, places)
        Rows of today, and where in ``kept`` they stand.
    new : (rows, firmness)
        The other rows.
    roles : sequence of str
        Layers whose boundaries are moved.
    """
    rows, places = old
    missing, fresh = new
    total = len(rows) + len(missing)
    robust, margin = np.empty(total, np.int8), np.empty(total)
    robust[rows], margin[rows] = kept["robust"].to_numpy()[places], kept["margin_m"].to_numpy()[places]
    robust[missing], margin[missing] = fresh.robust, fresh.margin_m
    bits = b"".join(kept["sensitive"].take(pa.array(places)).to_pylist())
    masks = np.unpackbits(np.frombuffer(bits, np.uint8).reshape(len(rows), -1), axis=1).astype(bool)
    sensitive = {}
    for number, role in enumerate(roles):
        sensitive[role] = np.zeros(total, bool)
        if len(rows):
            sensitive[role][rows] = masks[:, number]
        if role in fresh.sensitive:
            sensitive[role][missing] = fresh.sensitive[role]
    return Firmness(robust, margin, sensitive)


def some_judgement(judgement: Judgement, rows: Ints) -> Judgement:
    """Return what was decided of some parcels, as if there were no others."""
    ids = [judgement.ids[row] for row in rows.tolist()]
    own = pc.is_in(judgement.overlaps["parcel_id"], pa.array(ids, pa.string()))
    decided = judgement.decided
    return replace(
        judgement,
        ids=ids,
        polygons=PolygonSet(judgement.polygons.wkb.take(pa.array(rows))),
        measured=some_measured(judgement.measured, rows),
        given=some_facts(judgement.given, rows),
        overlaps=judgement.overlaps.filter(own),
        decided=replace(decided, code=decided.code[rows], trace_id=decided.trace_id[rows]),
        outcome=judgement.outcome[rows],
    )


def _facts(given: Mapping[str, FactColumn], rows: int) -> Pairs:
    """Return the hash of every row's facts; one that is absent leaves no trace, as if nobody had a value."""
    found = np.zeros((rows, 2), np.uint64)
    for name, column in given.items():
        each = as_pairs(text_digests([f"{name}={_text(value)}" for value in column.values])).copy()
        each[[value is None for value in column.values]] = 0
        found ^= each.take(column.codes, axis=0)
    return found


def _packed(masks: Sequence[npt.NDArray[np.bool_]]) -> Numbers:
    """Return up to 64 masks as the bits of one number."""
    found = np.zeros(len(masks[0]), np.uint64)
    for bit, mask in enumerate(masks):
        found |= mask.astype(np.uint64) << np.uint64(bit)
    return found


def _text(value: FactValue) -> str:
    """Write a value so that no two kinds of value read alike."""
    if isinstance(value, PartialDate):
        return f"day {value.first.isoformat()} {value.last.isoformat()}"
    return f"{type(value).__name__} {value!r}"
