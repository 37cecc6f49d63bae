"""What was written, brought onto the disk."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

__all__ = ["flush", "lasting", "unflushed"]


@contextmanager
def lasting(path: Path) -> Iterator[None]:
    """Within the block the file may be replaced; giving its space back is left to another thread."""
    handle = None
    if os.name != "nt":
        with suppress(OSError):  # there is none, or it may not be read: then whoever replaces it waits
            handle = os.open(path, os.O_RDONLY)
    try:
        yield
    finally:
        if handle is not None:
            threading.Thread(target=os.close, args=(handle,)).start()


@contextmanager
def unflushed(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database that is flushed when it is complete: no change waits for the disk."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA synchronous = OFF")
        yield db


def flush(path: Path) -> None:
    """Flush a file, or a folder's entries where the system allows it, to the disk."""
    folder = path.is_dir()
    if folder and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if folder or os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
