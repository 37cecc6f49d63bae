"""Rows of two runs put together, held against picking them one by one."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landremed.reuse.block_file import read_blocks, table_of, write_blocks
from landremed.reuse.hashes import as_digests, digests, mixed, places_of, raw_array
from landremed.reuse.nearness import near
from landremed.reuse.splice import Splice, put_together

SCHEMA = pa.schema(
    [
        ("parcel", pa.int32()),
        ("text", pa.string()),
        ("wkb", pa.large_binary()),
        ("list", pa.list_(pa.float64())),
    ]
)


def table(counts, mark, cuts=()):
    """Rows about parcels, some with none, in chunks that end where they like."""
    rows = [(p, i) for p, n in enumerate(counts) for i in range(n)]
    columns = [
        [p for p, _ in rows],
        [None if i == 1 else f"{mark}{p}.{i}" for p, i in rows],
        [None if (i + p) % 3 == 2 else f"{mark}{p}{i}".encode() * (i + p % 3) for p, i in rows],
        [[float(p)] * i if i % 2 else None for p, i in rows],
    ]
    whole = pa.table([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)
    ends = sorted({min(c, len(rows)) for c in cuts} | {len(rows)})
    starts = [0, *ends[:-1]]
    parts = [whole.slice(a, b - a) for a, b in zip(starts, ends, strict=True)]
    return pa.concat_tables(parts) if parts else whole


def about(rows, parcel):
    return [{k: v for k, v in row.items() if k != "parcel"} for row in rows if row["parcel"] == parcel]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 3), max_size=6),
    st.lists(st.tuples(st.integers(-1, 5), st.integers(0, 3)), max_size=8),
    st.lists(st.integers(0, 20), max_size=3),
)
def test_rows_are_those_picked_one_by_one(old_counts, wanted, cuts):
    places = [place if place < len(old_counts) else -1 for place, _ in wanted]
    new_counts = [count for place, (_, count) in zip(places, wanted, strict=True) if place < 0]
    old, new = table(old_counts, "a", cuts), table(new_counts, "b", cuts)
    found = Splice(np.array(places, np.int64)).about(old, new)
    assert found.schema == SCHEMA
    fresh, expected = iter(range(len(new_counts))), []
    for row, place in enumerate(places):
        own = about(old.to_pylist(), place) if place >= 0 else about(new.to_pylist(), next(fresh))
        expected += [{"parcel": row, **one} for one in own]
    assert found.to_pylist() == expected


def test_one_row_a_parcel():
    old, new = (pa.table({"x": pa.array(v, pa.int64())}) for v in ([10, 11, 12], [20, 21]))
    found = Splice(np.array([2, -1, 0, 0, -1])).rows(old, new)
    assert found["x"].to_pylist() == [12, 20, 10, 10, 21]


def test_slices_of_shapes_are_put_together():
    shapes = pa.array([b"a", b"bb", b"", b"ccc", b"d"], pa.large_binary())
    old, new = (pa.table({"wkb": part}) for part in (shapes.slice(1, 3), shapes.slice(4)))
    found = put_together(old, new, np.array([3, 1, 0, 2, 2]))
    assert found["wkb"].to_pylist() == [b"d", b"", b"bb", b"ccc", b"ccc"]


def test_a_file_cut_short_while_it_is_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "a.gpkg.measures"
    dead = tmp_path / ".a.gpkg.measures.tmp-4000000"  # no program has this number
    dead.write_bytes(b"half")
    write_blocks(path, b"kind\n", [b"one", pa.table({"x": [1, 2]})])
    before = path.read_bytes()

    def stopped():
        yield b"two"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_blocks(path, b"kind\n", stopped())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    one, two = read_blocks(path, b"kind\n")
    assert bytes(one) == b"one"
    assert table_of(two)["x"].to_pylist() == [1, 2]


def test_hashes_are_found_where_they_stand_first():
    found = digests(pa.array([b"x", b"y", b"x", None], pa.large_binary()))
    known = pa.chunked_array([raw_array(found[:1]), raw_array(found[1:])])
    assert places_of(found, known).tolist() == [0, 1, 0, 3]
    assert places_of(np.zeros(2, "V16"), known).tolist() == [-1, -1]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(*[st.sampled_from([0, 1, 1 << 31, 1 << 33, 1 << 63, (1 << 64) - 1])] * 4), max_size=40)
)
def test_rows_of_numbers_are_told_apart_bit_by_bit(rows):
    columns = np.array(rows, np.uint64).reshape(-1, 4).T
    found = as_digests(mixed(np.ascontiguousarray(columns), len(rows)))
    seen = {}
    for row, digest in zip(rows, found.tolist(), strict=True):
        assert seen.setdefault(row, digest) == digest
    assert len(set(seen.values())) == len(seen)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e6])
def test_near_is_what_comparing_all_boxes_gives(scale):
    rng = np.random.default_rng(3)
    low = np.round(rng.uniform(0, 100, (400, 2)))  # many touch
    boxes = np.concatenate([low, low + np.round(rng.uniform(0, 4, (400, 2)))], axis=1) * scale
    boxes[::50] = np.nan
    changed, reach = boxes[:12].copy(), 2.0 * scale
    a, b = boxes[:, None], changed[None]
    with np.errstate(invalid="ignore"):
        meet = (a[..., :2] - reach <= b[..., 2:]) & (a[..., 2:] + reach >= b[..., :2])
    assert near(boxes, changed, reach).tolist() == meet.all(axis=-1).any(axis=1).tolist()
