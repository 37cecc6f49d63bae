"""Opening a GeoPackage to read, without leaving a trace beside it."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

__all__ = ["open_to_read"]

_FORMATS_AT: Final = slice(18, 20)
_WAL: Final = b"\x02\x02"


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open an SQLite file that stays as it is.

    QGIS may leave a file in write-ahead mode, everything written and no log beside it. Reading it in the
    usual way would put an empty log there, as if the file were open, and it could never be replaced.

    Parameters
    ----------
    path : Path
        Existing file. Where a log stands beside it, what is saved in the log is read too.

    Raises
    ------
    sqlite3.Error
        It cannot be opened.
    """
    real = path.resolve()
    head = b""
    with contextlib.suppress(OSError), real.open("rb") as file:  # SQLite tells what is wrong
        head = file.read(_FORMATS_AT.stop)
    written_ahead = head[_FORMATS_AT] == _WAL
    alone = not real.with_name(real.name + "-wal").exists()
    return sqlite3.connect(
        f"{real.as_uri()}?mode=ro{'&immutable=1' if written_ahead and alone else ''}", uri=True
    )
