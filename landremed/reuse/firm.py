"""How firm outcomes are, taken over where nothing near the parcel or known of it has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.layers import Layer
from landremed.measure import GroupAreas, Measured
from landremed.overlay import PolygonSet
from landremed.reuse.hashes import DIGEST, Digests, row_digests, text_digests
from landremed.reuse.kept import FIRM_SCHEMA, raw_array
from landremed.sensitivity import Firmness, Judgement, LayerEdges
from landremed.sensitivity.judged import measured_rows
from landremed.tables import FactColumn
from landremed.types import FactValue, PartialDate

__all__ = ["firm_keys", "firm_table", "merged", "some_edges", "some_judgement"]

Ints: TypeAlias = npt.NDArray[np.int64]
Bytes: TypeAlias = npt.NDArray[np.uint8]


def firm_keys(judgement: Judgement, shapes: Digests) -> Digests:
    """Return for every parcel the hash of its shape and of all that is known of it.

    Parameters
    ----------
    shapes : ndarray of raw bytes
        Hashes of the parcels' shapes.
    """
    measured = judgement.measured
    areas = [measured.area_m2, *measured.overlap_m2.values(), *measured.outside_m2.values()]
    areas += measured.outside_sure_m2.values()
    if measured.cultivated_m2 is not None:
        areas.append(measured.cultivated_m2)
    told = [*measured.complete.values(), *measured.void.values()]
    rows = len(measured.area_m2)
    outcomes, code = np.unique(judgement.outcome.astype(str), return_inverse=True)
    columns = [
        shapes.view(np.uint8).reshape(rows, DIGEST),
        *(np.ascontiguousarray(a, np.float64).view(np.uint8).reshape(rows, 8) for a in areas),
        *(np.asarray(mask, np.uint8).reshape(rows, 1) for mask in told),
        text_digests(outcomes.tolist())[code],
        _facts(judgement.given, rows),
    ]
    return row_digests(np.concatenate(columns, axis=1))


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
        measured=_some_measured(judgement.measured, rows),
        given={name: FactColumn(c.codes[rows], c.values) for name, c in judgement.given.items()},
        overlaps=judgement.overlaps.filter(own),
        decided=replace(decided, code=decided.code[rows], trace_id=decided.trace_id[rows]),
        outcome=judgement.outcome[rows],
    )


def some_edges(
    layers: Sequence[Layer],
    near: Sequence[npt.NDArray[np.bool_]],
    parcels: PolygonSet,
    measured: Measured,
    limit_m: float,
) -> LayerEdges:
    """Return the layers' edges near some parcels.

    Parameters
    ----------
    near : sequence of ndarray of bool
        Which features of each layer may have an edge there.
    parcels, measured
        Of these parcels alone.
    """
    local = []
    for layer, wanted in zip(layers, near, strict=True):
        wkb = pc.if_else(pa.array(wanted), layer.polygons.wkb, pa.scalar(None, layer.polygons.wkb.type))
        local.append(replace(layer, polygons=PolygonSet(wkb)))
    return LayerEdges(local, parcels, measured.features, limit_m)


def _some_measured(measured: Measured, rows: Ints) -> Measured:
    place = np.full(len(measured.area_m2), -1, np.int32)
    place[rows] = np.arange(len(rows), dtype=np.int32)
    use = measured.land_use
    if use is not None:
        own = place[use.parcel] >= 0
        use = GroupAreas(use.units, place[use.parcel[own]], use.group[own], use.area_m2[own])
    parcel = place[measured.features["parcel"].to_numpy()]
    features = measured.features.set_column(0, measured.features.schema.field(0), pa.array(parcel))
    return replace(
        measured_rows(measured, rows), land_use=use, features=features.filter(pa.array(parcel >= 0))
    )


def _facts(given: Mapping[str, FactColumn], rows: int) -> Bytes:
    """Return the hash of every row's facts; one that is absent leaves no trace, as if nobody had a value."""
    found = np.zeros((rows, DIGEST), np.uint8)
    for name, column in given.items():
        each = text_digests([f"{name}={_text(value)}" for value in column.values])
        absent = np.array([value is None for value in column.values], bool)
        found ^= np.where(absent[:, None], np.uint8(0), each)[column.codes]
    return found


def _text(value: FactValue) -> str:
    """Write a value so that no two kinds of value read alike."""
    if isinstance(value, PartialDate):
        return f"day {value.first.isoformat()} {value.last.isoformat()}"
    return f"{type(value).__name__} {value!r}"
