"""Pieces that are whole parcels are left out of what is kept, and put back byte for byte."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landremed.overlay.native import compiled
from landremed.overlay.tables import OVERLAP_SCHEMA
from landremed.reuse.pieces import with_whole, without_whole

SHAPES = [b"a", b"bb", None, b"cc", b"", b"dddd" * 50]


def overlaps(rows, cut):
    """Pieces of parcels by (parcel, bytes), in chunks."""
    parcels, pieces = [p for p, _ in rows], [w for _, w in rows]
    columns = [parcels, [0] * len(rows), [1.5] * len(rows), pieces]
    table = pa.table(
        [pa.array(c, f.type) for c, f in zip(columns, OVERLAP_SCHEMA, strict=True)], OVERLAP_SCHEMA
    )
    return pa.concat_tables([table.slice(0, cut), table.slice(cut)])


@pytest.mark.parametrize("allowed", [True, False])
@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 3, 4, 5]), st.sampled_from([0, 1, 3, 4, 5])), max_size=12),
    st.integers(0, 12),
    st.booleans(),
)
def test_what_is_left_out_is_put_back(allowed, drawn, cut, wide):
    rows = sorted((parcel, SHAPES[other]) for parcel, other in drawn)
    whole = pa.array([b"before", *SHAPES, b"behind"], pa.large_binary() if wide else pa.binary()).slice(1, 6)
    table = overlaps(rows, cut)
    kept = without_whole(table, whole)
    assert kept.schema == OVERLAP_SCHEMA
    assert kept["geometry"].to_pylist() == [None if SHAPES[p] == w else w for p, w in rows]
    assert kept.drop_columns("geometry").equals(table.drop_columns("geometry"))
    before = dict(compiled._state)
    compiled._state.update(loaded=True, allowed=allowed)
    try:
        again = with_whole(kept, whole)
    finally:
        compiled._state.update(before)
    assert again.schema == OVERLAP_SCHEMA
    assert again.combine_chunks().equals(table.combine_chunks())
    again.validate(full=True)


def test_nothing_is_kept_of_parcels_wholly_in_a_unit():
    shapes = pa.array([bytes([i]) * 1000 for i in range(50)], pa.large_binary())
    kept = without_whole(overlaps([(i, s) for i, s in enumerate(shapes.to_pylist())], 20), shapes)
    assert kept["geometry"].null_count == 50
    assert np.all([chunk.nbytes < 1000 for chunk in kept["geometry"].chunks])
