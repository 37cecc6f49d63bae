"""Texts of rows kept once each: whatever is coded, and however often, it reads as it was."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from test_reuse import District

import landremed
from landremed.reuse import Reuse
from landremed.reuse.coded import coded, plain_schema, recoded
from landremed.reuse.splice import put_together
from landremed.tables import plain_table as plain

text = st.sampled_from([None, "", "a", "b", "耕地", "a,b"])
texts = st.lists(text, max_size=12)
SCHEMA = pa.schema([("x", pa.string()), ("n", pa.int64())])


def table(rows, cut):
    whole = pa.table([pa.array(rows, pa.string()), pa.array(range(len(rows)), pa.int64())], schema=SCHEMA)
    return pa.concat_tables([whole.slice(0, cut), whole.slice(cut)])


@settings(max_examples=200, deadline=None)
@given(texts, st.integers(0, 12), texts, st.lists(st.integers(0, 1000), max_size=20))
def test_rows_of_two_runs_read_as_they_were(then, cut, now, wanted):
    old, new = coded(table(then, cut)), table(now, 3)
    assert plain(old).combine_chunks() == table(then, cut).combine_chunks()
    both = [*then, *now]
    at = [place % len(both) for place in wanted] if both else []
    found = put_together(old, new, pa.array(at, pa.int64()).to_numpy())
    assert plain(found)["x"].to_pylist() == [both[place] for place in at]
    assert plain(found).schema == plain_schema(found.schema) == SCHEMA
    again = coded(found)
    assert plain(again)["x"].to_pylist() == [both[place] for place in at]
    for chunk in again["x"].chunks:
        if pa.types.is_dictionary(chunk.type):
            assert set(chunk.dictionary.to_pylist()) == set(chunk.to_pylist()) - {None}


def test_what_is_repeated_is_kept_once():
    kept = coded(
        pa.table({"x": ["long text"] * 500 + ["other"] * 500, "own": [f"t{i}" for i in range(1000)]})
    )
    assert sorted(kept["x"].chunk(0).dictionary.to_pylist()) == ["long text", "other"]
    assert pa.types.is_string(kept["own"].type)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(texts, st.booleans()), min_size=1, max_size=4),
    st.lists(st.integers(0, 999), max_size=9),
)
def test_lists_of_several_chunks_become_one(drawn, wanted):
    arrays = [
        pa.array(t, pa.string()).dictionary_encode() if c else pa.array(t, pa.string()) for t, c in drawn
    ]
    every = [value for t, _ in drawn for value in t]
    at = pa.array([place % len(every) for place in wanted] if every else [], pa.int64()).to_numpy()
    assert recoded(arrays, at).to_pylist() == [every[place] for place in at]


def test_folders_and_tables_in_memory_are_those_of_a_full_run(tmp_path):
    district, first = District(14), tmp_path / "first.gpkg"
    landremed.run(district.write(tmp_path / "0"), first, reuse=Reuse())
    district.edit("evidence")
    project = district.write(tmp_path / "1")
    full = landremed.run(project, f"{tmp_path}/full/")
    told = landremed.run(project, f"{tmp_path}/partly/", reuse=Reuse(first))
    assert told.reuse["rows_reused"] > 50
    assert told.summary_text("zh") == full.summary_text("zh")
    for name in ("decisions", "trace", "overlaps", "facts"):
        one, other = full.tables[name], told.tables[name]
        assert one.schema == other.schema
        assert one.combine_chunks().equals(other.combine_chunks())
    one, other = (
        {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.parquet")}
        for folder in (tmp_path / "full", tmp_path / "partly")
    )
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name] and "provenance" not in name] == []
