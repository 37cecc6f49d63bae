"""Rows of columns that lie in chunks."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from landremed.tables import taken


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.sampled_from([None, b"", b"a", b"bb"]), max_size=4), max_size=5), st.data())
def test_rows_are_taken_from_chunks_in_any_order(chunks, data):
    column = pa.chunked_array([pa.array(c, pa.large_binary()) for c in chunks], pa.large_binary())
    every = [value for chunk in chunks for value in chunk]
    wanted = data.draw(st.lists(st.integers(0, len(every) - 1), max_size=12)) if every else []
    found = taken(column, np.array(wanted, np.int64))
    assert found.type == pa.large_binary()
    assert found.to_pylist() == [every[row] for row in wanted]
