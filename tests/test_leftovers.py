"""What a killed program left beside its output is cleared by the next one, and nothing else is."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from landremed.io.gpkg import replace_whole
from landremed.io.leftovers import remove_leftovers
from landremed.io.sqlite_read import open_to_read
from landremed.report.target import write_whole


@pytest.fixture
def dead():
    """Number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_only_files_of_programs_that_ended_are_removed(tmp_path, dead):
    target = tmp_path / "out.gpkg"
    gone = [f".out.gpkg.tmp-{dead}", f".out.gpkg.tmp-{dead}-journal", f".out.tmp-{dead}.gpkg"]
    kept = [
        f".out.gpkg.tmp-{os.getpid()}",
        f".other.gpkg.tmp-{dead}",
        ".out.gpkg.tmp-x",
        "out.gpkg",
        "out.gpkg-wal",
    ]
    for name in (*gone, *kept):
        (tmp_path / name).touch()
    folder = tmp_path / f".out.gpkg.tmp-{dead}-ab_12"
    folder.mkdir()
    (folder / "data.gpkg").touch()
    assert sorted(remove_leftovers(target)) == sorted([*gone, folder.name])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


KILLED = """
import os, signal, sys
from pathlib import Path
from landremed.io.gpkg import replace_whole
with replace_whole(Path(sys.argv[1])) as temp:
    temp.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="kill -9")
def test_a_killed_writer_leaves_nothing_for_long(tmp_path):
    target = tmp_path / "out.gpkg"
    target.write_bytes(b"old")
    subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False)
    assert target.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 2
    with replace_whole(target) as temp:
        assert list(tmp_path.iterdir()) == [target]
        with closing(sqlite3.connect(temp)) as db:
            db.execute("CREATE TABLE new (x)")
    write_whole(tmp_path / "a.txt", lambda path: path.write_text("a"), overwrite=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "out.gpkg"]


def test_reading_leaves_nothing_beside_a_file_in_write_ahead_mode(tmp_path):
    path = tmp_path / "a b#1.gpkg"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        with db:
            db.execute("CREATE TABLE t (x)")
        # while the other program has it open, what it saved is read
        with closing(open_to_read(path)) as reader:
            assert reader.execute("SELECT count(*) FROM t").fetchone() == (0,)
    assert path.read_bytes()[18:20] == b"\x02\x02"
    with closing(open_to_read(path)) as db:
        assert db.execute("SELECT count(*) FROM t").fetchone() == (0,)
        with pytest.raises(sqlite3.OperationalError):
            db.execute("INSERT INTO t VALUES (1)")
    assert list(tmp_path.iterdir()) == [path]
    with replace_whole(path) as temp:
        shutil.copyfile(path, temp)
    assert path.read_bytes()[18:20] == b"\x01\x01"


ENDED = """
import os, signal, sys, tempfile
from pathlib import Path
import landremed.explain
from landremed.io.gpkg import replace_whole
from landremed_cli.main import main

def busy(result, *_):
    with tempfile.TemporaryDirectory(prefix="landremed-"), replace_whole(Path(result)) as temp:
        temp.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("went on")

landremed.explain.explain = busy
main()
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGTERM ends a program at once there")
def test_a_program_that_is_asked_to_end_clears_up_itself(tmp_path):
    scratch, place = tmp_path / "scratch", tmp_path / "place"
    scratch.mkdir()
    place.mkdir()
    (place / "out.gpkg").write_bytes(b"old")
    command = [sys.executable, "-c", ENDED, "explain", str(place / "out.gpkg"), "P1", "--lang", "en"]
    environment = {**os.environ, "TMPDIR": str(scratch)}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "Interrupted.\n")
    assert list(scratch.iterdir()) == []
    assert [path.name for path in place.iterdir()] == ["out.gpkg"]
    assert (place / "out.gpkg").read_bytes() == b"old"
