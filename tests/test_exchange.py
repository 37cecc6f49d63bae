"""Folders replaced in one step: whenever the program is killed, the old or the new one is there, whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from landremed.io import exchange
from landremed.io.exchange import replace_folder, restore_folder


def folder(path, word):
    path.mkdir()
    for name in ("a", "b"):
        (path / name).write_text(word)
    return path


def content(path) -> set[str]:
    return {item.read_text() for item in path.iterdir()}


@pytest.mark.parametrize("one_step", [True, False])
def test_replaced_and_nothing_left(tmp_path, monkeypatch, one_step):
    if not one_step:
        monkeypatch.setattr(exchange, "_swapped", lambda one, other: False)
    target = tmp_path / "结果"
    for word in ("first", "second"):
        replace_folder(folder(tmp_path / ".new", word), target)
        assert content(target) == {word}
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="no call that exchanges two names")
def test_the_system_exchanges_names(tmp_path):
    one, other = folder(tmp_path / "one", "1"), folder(tmp_path / "other", "2")
    assert exchange._swapped(one, other)
    assert (content(one), content(other)) == ({"2"}, {"1"})
    assert not exchange._swapped(one, tmp_path / "missing")


def test_a_failure_puts_the_old_one_back(tmp_path, monkeypatch):
    monkeypatch.setattr(exchange, "_swapped", lambda one, other: False)
    target = folder(tmp_path / "t", "old")
    with pytest.raises(OSError, match="missing"):
        replace_folder(tmp_path / "missing", target)
    assert content(target) == {"old"}
    assert list(tmp_path.iterdir()) == [target]


BETWEEN = """
import os, signal, sys
from pathlib import Path
from landremed.io import exchange
exchange._swapped = lambda one, other: False
whole = Path.replace
def replace(self, target):
    if self.name == ".new":
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(self, target)
Path.replace = replace
exchange.replace_folder(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.skipif(os.name == "nt", reason="kill -9")
def test_killed_between_two_renames_the_next_run_puts_the_old_one_back(tmp_path):
    target, new = folder(tmp_path / "t", "old"), folder(tmp_path / ".new", "new")
    subprocess.run([sys.executable, "-c", BETWEEN, str(new), str(target)], check=False)
    assert not target.exists()
    restore_folder(target)
    assert content(target) == {"old"}
    replace_folder(new, target)
    assert content(target) == {"new"}
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_running_program_put_aside_is_left_alone(tmp_path):
    aside = folder(tmp_path / f".t.old-{os.getpid()}", "old")
    other = folder(tmp_path / ".u.old-1", "old")
    restore_folder(tmp_path / "t")
    assert sorted(tmp_path.iterdir()) == sorted([aside, other])


AGAIN = """
import sys
from pathlib import Path
from landremed.io.exchange import replace_folder
place = Path(sys.argv[1])
print("ready", flush=True)
for number in range(10**9):
    new = place / f".new-{number}"
    new.mkdir()
    for name in "ab":
        (new / name).write_text(str(number))
    replace_folder(new, place / "t")
"""


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="no call that exchanges two names")
def test_killed_at_any_moment_a_whole_folder_is_there(tmp_path):
    for round_ in range(6):
        place = tmp_path / str(round_)
        place.mkdir()
        folder(place / "t", "start")
        with subprocess.Popen([sys.executable, "-c", AGAIN, str(place)], stdout=subprocess.PIPE) as child:
            child.stdout.readline()
            time.sleep(0.003 * (round_ + 1))
            child.send_signal(signal.SIGKILL)
        assert sorted(item.name for item in (place / "t").iterdir()) == ["a", "b"]
        assert len(content(place / "t")) == 1
