"""Hashes of shapes and rows, and where they stand among others: by kernels as without them."""

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landremed.overlay.native import compiled
from landremed.reuse import hashes

# lengths about a block's end, where padding and the last block's mark are decided
LENGTHS = st.one_of(st.sampled_from([0, 1, 7, 8, 127, 128, 129, 255, 256, 257, 384]), st.integers(0, 700))


@pytest.fixture(params=[True, False], ids=["kernels", "plain"])
def way(request, monkeypatch):
    monkeypatch.setitem(compiled._state, "loaded", True)
    monkeypatch.setitem(compiled._state, "allowed", request.param)


def raw(found):
    return [bytes(row) for row in found]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), LENGTHS), max_size=30), st.integers(0, 2**32), st.data())
def _hashes_are_those_of_hashlib(lengths, seed, data):
    rng = np.random.default_rng(seed)
    rows = [None if n is None else rng.bytes(n) for n in lengths]
    first = data.draw(st.integers(0, len(rows)))
    column = pa.array(rows, pa.large_binary())[first:]
    expected = [hashlib.blake2b(row or b"", digest_size=16).digest() for row in rows[first:]]
    assert raw(hashes.digests(column)) == expected


def test_hashes_are_those_of_hashlib(way):
    _hashes_are_those_of_hashlib()


def test_hashes_of_many_shares_are_those_of_hashlib(way):
    matrix = np.random.default_rng(5).integers(0, 256, (40_000, 213), np.uint8)  # more than a thread's share
    rows = [row.tobytes() for row in matrix]
    expected = [hashlib.blake2b(row, digest_size=16).digest() for row in rows]
    assert raw(hashes.digests(pa.array(rows, pa.binary()))) == expected


KEYS = st.lists(st.integers(0, 12), max_size=40)


@settings(max_examples=200, deadline=None)
@given(KEYS, KEYS, st.booleans(), st.integers(1, 5))
def _places_are_the_first(known, keys, low, chunks):
    # keys that differ in one word only, in bits that a table looks at or does not
    def digests(numbers):
        words = np.zeros((len(numbers), 2), np.uint64)
        words[:, 0 if low else 1] = np.array(numbers, np.uint64) << np.uint64(59 if low else 3)
        return words.view("V16").ravel()

    column = pa.chunked_array(
        [hashes.raw_array(digests(known[i::chunks])) for i in range(chunks)], pa.binary(16)
    )
    order = [number for i in range(chunks) for number in known[i::chunks]]
    expected = [order.index(key) if key in order else -1 for key in keys]
    assert hashes.places_of(digests(keys), column).tolist() == expected


def test_places_are_the_first(way):
    _places_are_the_first()
