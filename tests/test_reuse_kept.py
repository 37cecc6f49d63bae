"""The file of measures beside a result: whole or not there, and right whenever the program was stopped."""

import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from test_reuse import District, same_files

import landremed
from landremed.errors import InputError, OutputError
from landremed.reuse import Reuse, measures_path
from landremed.reuse.block_file import prepare_blocks, read_blocks, table_of, write_blocks

KIND = b"kind\n"
PIECE = 1 << 22


def test_a_byte_changed_anywhere_is_noticed(tmp_path):
    path = tmp_path / "a"
    numbers = pa.table({"x": np.random.default_rng(1).integers(0, 1 << 60, 1_300_000)})
    write_blocks(path, KIND, [b"one", numbers, b""])
    one, two, three = read_blocks(path, KIND)
    assert (bytes(one), table_of(two).equals(numbers), bytes(three)) == (b"one", True, b"")
    good = path.read_bytes()
    assert len(good) > 2 * PIECE
    places = [70, 64 + PIECE - 1, 64 + PIECE, 64 + 2 * PIECE + 5, len(good) - 1]
    bad = [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in places]
    first, second = good[64 : 64 + PIECE], good[64 + PIECE : 64 + 2 * PIECE]
    bad += [good[:64] + second + first + good[64 + 2 * PIECE :], good[:-1], good + b"\0", good[: 64 + PIECE]]
    for raw in bad:
        path.write_bytes(raw)
        with pytest.raises(InputError) as refused:
            read_blocks(path, KIND)
        assert refused.value.code == "reuse_damaged"


def test_what_is_prepared_is_not_there_before_it_is_put(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    file = prepare_blocks(path, KIND, [b"new"])
    assert path.read_bytes() == b"old"
    file.close()
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"]
    file = prepare_blocks(path, KIND, [b"new"])
    file.put()
    file.close()
    assert list(tmp_path.iterdir()) == [path]
    assert [bytes(block) for block in read_blocks(path, KIND)] == [b"new"]


def test_a_result_that_cannot_be_written_leaves_the_measures_of_the_last_one(tmp_path, monkeypatch):
    district, result = District(12), tmp_path / "a.gpkg"
    landremed.run(district.write(tmp_path / "0"), result, reuse=Reuse())
    before = {path: path.read_bytes() for path in tmp_path.glob("*.gpkg*")}
    district.edit("moved")
    project = district.write(tmp_path / "1")

    def full(*_args, **_options):
        raise OutputError("output_write_failed", reason="disk full")

    monkeypatch.setattr("landremed.output.write_geopackage", full)
    with pytest.raises(OutputError):
        landremed.run(project, result, overwrite=True, reuse=Reuse(result))
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


KILLED = """
import os, signal, sys
import landremed
from landremed.reuse import Reuse, block_file
block_file.PreparedFile.put = lambda file: os.kill(os.getpid(), signal.SIGKILL)
landremed.run(sys.argv[1], sys.argv[2], overwrite=True, reuse=Reuse(sys.argv[2]))
"""


@pytest.mark.skipif(os.name == "nt", reason="kill -9")
def test_killed_between_result_and_measures_the_next_run_is_right(tmp_path):
    district, result = District(13), tmp_path / "a.gpkg"
    landremed.run(district.write(tmp_path / "0"), result, reuse=Reuse())
    old = measures_path(result).read_bytes()
    for kind in ("moved", "added", "evidence", "feature moved"):
        district.edit(kind)
    project = district.write(tmp_path / "1")
    done = subprocess.run([sys.executable, "-c", KILLED, str(project), str(result)], check=False)
    assert done.returncode == -9
    full = tmp_path / "full.gpkg"
    landremed.run(project, full)
    same_files(full, result)
    assert measures_path(result).read_bytes() == old
    assert list(tmp_path.glob(".a.gpkg*.tmp-*"))
    told = landremed.run(project, result, overwrite=True, reuse=Reuse(result))
    same_files(full, result)
    assert 0 < told.reuse["measured"] < len(district.parcels)
    assert not list(tmp_path.glob(".*"))
    again = landremed.run(project, reuse=Reuse(result))
    assert again.reuse["measured"] == 0


def test_measures_that_cannot_take_their_place_leave_the_result_in_its_own(tmp_path):
    result = tmp_path / "a.gpkg"
    measures_path(result).mkdir()
    project = District(15).write(tmp_path / "0")
    with pytest.raises(OutputError) as stop:
        landremed.run(project, result, reuse=Reuse())
    assert stop.value.code == "measures_unwritten"
    landremed.run(project, tmp_path / "full.gpkg")
    same_files(tmp_path / "full.gpkg", result)
    assert not list(tmp_path.glob(".*"))
