"""A file checked by SQLite's own means, divided among threads.

``quick_check`` goes through the whole file: every page is in its place, once, and in order. What it leaves
out, whether the entries of indexes are those of the rows and the boxes of spatial indexes lie in each other,
is checked table by table beside it, and may begin before the file is complete.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from landremed.io.gpkg_extras import quoted
from landremed.threads import usable_threads

__all__ = ["FileCheck"]

_SOUND: Final = "ok"
_MAPPED_BYTES: Final = 256_000_000
_MAPPED_BY_TABLES: Final = 64_000_000
"""Of a file, its own check looks at so much where the system holds it, those of tables at less, which gain
little by it; the rest is copied."""

_PATIENCE_S: Final = 0.05
"""After so long, what is still under way is asked again to end."""

_MANY: Final = 20_000
"""Tables of fewer rows are checked together."""

_WHOLE_FILE: Final = "PRAGMA quick_check"
_WHOLE_SHARE: Final = 0.3
"""What the check of the whole file takes of the time in which indexes of as many rows are checked."""


class FileCheck:
    """Checks of a database; close it at the end.

    Parameters
    ----------
    path : Path
        A database that nobody has open for writing when its checks are done.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._aside = ThreadPoolExecutor(1)
        self._pool = ThreadPoolExecutor(min(2, usable_threads()))
        self._begun: dict[str, Future[str]] = {}
        self._jobs: list[Future[str]] = []
        self._connections: list[sqlite3.Connection] = []

    def begin(self, tables: Iterable[str]) -> None:
        """Begin to check the indexes of some tables; these must not change any more, others may.

        One thread does it: whoever waits for the file has other things to do.
        """
        with closing(self._opened()) as db:
            own = set(tables)
            own |= {f"rtree_{table}_{column}" for table, column in _geometry_columns(db) if table in own}
            found = {name: rows for name, rows in _indexed(db).items() if name in own}
        for name in sorted(found, key=lambda name: -found[name][0]):
            # opened here and now: others may be changing what the file says of its tables when its turn comes
            self._begun[name] = self._submitted(self._aside, [found[name][1]])

    def pause(self) -> None:
        """Leave what has not begun to ``verdict``: others need the cores now."""
        for name in [name for name, future in self._begun.items() if future.cancel()]:
            del self._begun[name]

    def verdict(self) -> str:
        """Check all that has not been begun; return ``ok``, or what is wrong.

        Raises
        ------
        sqlite3.OperationalError
            The file cannot be read.
        """
        with closing(sqlite3.connect(self._path)) as db:
            db.execute("PRAGMA journal_mode = DELETE")  # a copy may have come in write-ahead mode
        with closing(self._opened()) as db:
            indexed = _indexed(db)
        self.pause()
        found = [indexed[name] for name in indexed if name not in self._begun]
        few = [statement for rows, statement in found if rows < _MANY]
        jobs: list[tuple[float, list[str]]] = [(rows, [check]) for rows, check in found if rows >= _MANY]
        jobs += [(sum(rows for rows, _ in indexed.values()) * _WHOLE_SHARE, [_WHOLE_FILE]), (0, few)]
        jobs.sort(key=lambda job: -job[0])
        answers = [
            self._submitted(self._pool, statements, _MAPPED_BYTES * (_WHOLE_FILE in statements))
            for _, statements in jobs
        ]
        said = [future.result() for future in [*self._begun.values(), *answers]]
        return next((text for text in said if text != _SOUND), _SOUND)

    def close(self) -> None:
        """End what is under way; what has not begun is left out."""
        for pool in (self._aside, self._pool):
            pool.shutdown(wait=False, cancel_futures=True)
        while running := [job for job in self._jobs if not job.done()]:
            for db in self._connections:
                with suppress(sqlite3.ProgrammingError):  # it is done
                    db.interrupt()
            wait(running, _PATIENCE_S)
        for db in self._connections:
            db.close()

    def _submitted(self, pool: ThreadPoolExecutor, statements: Sequence[str], mapped: int = 0) -> Future[str]:
        future = pool.submit(_answer, self._opened(mapped), statements)
        self._jobs.append(future)
        return future

    def _opened(self, mapped: int = 0) -> sqlite3.Connection:
        """Open the file as it is now: nobody changes what is looked at, so that no lock is needed."""
        address = f"{self._path.resolve().as_uri()}?mode=ro&immutable=1"
        db = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
        self._connections.append(db)
        db.execute(f"PRAGMA mmap_size = {max(mapped, _MAPPED_BY_TABLES)}")
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # from now on it knows its tables
        return db


def _answer(opened: sqlite3.Connection, statements: Sequence[str]) -> str:
    """Return the first answer that is not ``ok``."""
    with closing(opened) as db:
        for statement in statements:
            try:
                said = str(db.execute(statement).fetchone()[0])
            except sqlite3.OperationalError as error:
                if "no such function" in str(error):  # an SQLite without checks of spatial indexes
                    continue
                raise
            except sqlite3.DatabaseError as error:
                said = str(error)
            if said != _SOUND:
                return said
    return _SOUND


def _geometry_columns(db: sqlite3.Connection) -> list[tuple[str, str]]:
    return db.execute("SELECT table_name, column_name FROM gpkg_geometry_columns").fetchall()


def _indexed(db: sqlite3.Connection) -> dict[str, tuple[int, str]]:
    """Return the tables with indexes and the spatial indexes: about how many rows, and what checks them."""
    tables = db.execute(
        "SELECT name, sql LIKE 'CREATE VIRTUAL%' FROM sqlite_schema AS s WHERE type = 'table' AND ("
        " sql LIKE 'CREATE VIRTUAL TABLE % USING rtree(%'"
        " OR EXISTS (SELECT 1 FROM pragma_index_list(s.name)))"
    ).fetchall()
    found = {}
    for name, virtual in tables:
        rows = _last_row(db, f"{name}_rowid" if virtual else name)
        literal = "'" + name.replace("'", "''") + "'"
        found[name] = (
            (rows // 2, f"SELECT rtreecheck({literal})")
            if virtual
            else (rows, f"PRAGMA integrity_check({quoted(name)})")
        )
    return found


def _last_row(db: sqlite3.Connection, table: str) -> int:
    """Return about how many rows a table has."""
    try:
        return int(db.execute(f"SELECT max(rowid) FROM {quoted(table)}").fetchone()[0] or 0)  # noqa: S608
    except sqlite3.DatabaseError:  # damaged, or without row numbers
        return 0
