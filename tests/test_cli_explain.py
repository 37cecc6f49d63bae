"""The command ``landremed explain``."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location(
    "explain_results", Path(__file__).with_name("explain_results.py")
)
results = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(results)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return results.write_result(tmp_path_factory.mktemp("explain") / "成果.gpkg")


def run(*arguments, encoding="utf-8"):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "landremed_cli", "explain", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, env=environment)
    return done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding)


def test_text(result):
    status, out, err = run(result, "BH-OCC-001", "--lang", "zh")
    assert (status, err) == (0, "")
    assert "图斑 BH-OCC-001" in out
    assert "建议" in out


def test_json_on_stdout_only(result):
    status, out, err = run(result, "BH-OCC-001", "--json", "--lang", "en")
    assert (status, err) == (0, "")
    assert json.loads(out)["head"]["outcome"] == "demolish_restore"


@pytest.mark.parametrize("encoding", ["gbk", "cp1252"])
def test_narrow_terminals(result, encoding):
    status, out, _ = run(result, "BH-OCC-001", "--lang", "zh", encoding=encoding)
    assert status == 0
    assert "BH-OCC-001" in out
    status, out, _ = run(result, "BH-OCC-001", "--json", encoding=encoding)
    assert status == 0
    assert json.loads(out)["parcel_id"] == "BH-OCC-001"


def test_unknown_parcel_is_one_sentence(result):
    status, out, err = run(result, "BH-OCC-01", "--lang", "zh")
    assert (status, out) == (1, "")
    assert len(err.strip().splitlines()) == 1
    assert "BH-OCC-001" in err


def test_missing_file_and_wrong_use(result, tmp_path):
    status, out, err = run(tmp_path / "none.gpkg", "A")
    assert (status, out) == (1, "")
    assert "none.gpkg" in err
    assert "Traceback" not in err
    assert run(result)[0] == 2


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_id_is_wrong_usage(result, empty):
    status, out, err = run(result, empty)
    assert (status, out) == (2, "")
    assert "PARCEL_ID: it is empty" in err
