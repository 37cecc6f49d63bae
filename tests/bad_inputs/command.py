"""Real commands, run in this process, and what must never be seen of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import struct
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import good_files

__all__ = ["Hang", "call", "deadline", "fault", "stated_rows"]

NOISE = ("ERROR 1:", "ERROR 3:", "ERROR 4:", "ERROR 6:", "Warning 1:", "Warning:", "Exception ignored")


class Hang(BaseException):
    """A command took longer than it may; no reader can swallow this."""


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Stop what runs inside after some seconds."""

    def ring(*_: object) -> None:
        raise Hang(f"more than {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def call(arguments: list[str]) -> tuple[int, str]:
    """Run one command; return its status and everything it printed, what C libraries print too."""
    from landremed_cli.main import main

    with tempfile.TemporaryFile() as stream:
        saved = os.dup(1), os.dup(2)
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
        out, err = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
        status: Any = 0
        try:
            main(arguments)
        except SystemExit as stop:
            status = stop.code or 0
        except Exception:
            status = -1
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.close()
            sys.stdout, sys.stderr = out, err
            for descriptor, number in zip(saved, (1, 2), strict=True):
                os.dup2(descriptor, number)
                os.close(descriptor)
        stream.seek(0)
        return int(status), stream.read().decode("utf-8", "replace")


def fault(arguments: list[str], status: int, text: str, out: Path, source: Path | None = None) -> str:
    """Return what is wrong with the way a command ended, "" when nothing is.

    ``out`` is the folder of its outputs, empty before; ``source`` the vector file that was converted.
    """
    if "Traceback (most recent" in text or status == -1:
        return "traceback"
    if "Internal fault" in text or "内部错误" in text:
        return "internal fault"
    if status not in (0, 1, 2, 3):
        return f"status {status}"
    if any(word in text for word in NOISE):
        return "noise"
    left = sorted(p.name for p in out.iterdir()) if out.is_dir() else []
    if status in (1, 2) and left:
        return "half an output: " + ", ".join(left)
    if status == 1 and "Error: " not in text and arguments[0] not in ("info", "check", "rules", "ledger"):
        return "no sentence"
    made = out / "x.geojson"
    if source is not None and arguments[0] == "convert" and status in (0, 3) and made.exists():
        rows, held = len(json.loads(made.read_text(encoding="utf-8"))["features"]), stated_rows(source)
        if rows < held and " row" not in text:
            return f"{rows} of {held} rows without a word"
    return ""


def stated_rows(path: Path) -> int:
    """Return how many rows a damaged file says it has, by means of its own; 0 where that cannot be told."""
    try:
        if path.suffix == ".geojson":
            return len(json.loads(path.read_bytes())["features"])
        if path.suffix == ".shp":
            records = struct.unpack("<I", path.with_suffix(".dbf").read_bytes()[4:8])[0]
            return max(records, (path.with_suffix(".shx").stat().st_size - 100) // 8)
        if path.suffix == ".gpkg":
            with contextlib.closing(sqlite3.connect(path)) as db:
                return int(db.execute("SELECT count(*) FROM p").fetchone()[0])
        if path.suffix == ".gdb":
            return good_files.ROWS
    except (ValueError, KeyError, TypeError, OSError, struct.error, sqlite3.Error):
        pass
    return 0
