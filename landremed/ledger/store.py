"""The ledger file: opened for reading or for one transaction, and checked whenever it is opened.

SQLite does the keeping: one writer at a time, a transaction is in whole or not at all, also after a kill or
a power cut (rollback journal, ``synchronous = FULL``).
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from landremed.errors import InputError, LandremedError, OutputError, Where
from landremed.io.disk import flush
from landremed.io.sqlite_read import open_to_read
from landremed.ledger.events import FIRST_HASH, Broken, Entry, Event, Kind, chain_breaks, event_hash
from landremed.ledger.schema import APPLICATION_ID, BOARD_COLUMNS, TRIGGERS, copy_shapes, create_tables

__all__ = ["FORMAT", "Journal", "created", "missing_triggers", "reading", "writing"]

FORMAT: Final = "landremed-ledger-1"
_BUSY_SECONDS: Final = 20.0
_SELECT: Final = (
    "SELECT seq, parcel_id, event, who, at, day, booked_on, old, new, source, prev_hash, hash"
    " FROM events ORDER BY seq"
)
_SIDE_FILES: Final = ("-journal", "-wal", "-shm")


@dataclass
class Journal:
    """An open ledger.

    Attributes
    ----------
    events : list of Event
        All events, those appended in this transaction included.
    breaks : tuple of Broken
        Where the chain does not hold; only ``reading(..., check=False)`` lets such a file through.
    """

    path: Path
    db: sqlite3.Connection
    events: list[Event]
    breaks: tuple[Broken, ...] = ()
    _last_booked: dict[str, date] = field(default_factory=dict)
    _last_frozen: str = ""

    @property
    def head(self) -> tuple[int, str]:
        """Number and hash of the last event."""
        return (self.events[-1].seq, self.events[-1].hash) if self.events else (0, FIRST_HASH)

    @property
    def stored_head(self) -> tuple[int, str] | None:
        """Number and hash of the last event as the file noted them apart from the events."""
        row = self.db.execute("SELECT seq, hash FROM head").fetchone()
        if row is None:
            return None
        seq = row[0] if isinstance(row[0], int) else -1  # written by somebody else
        return (seq, str(row[1]))

    @property
    def opening(self) -> Mapping[str, Any]:
        """What the first event says: rule book, project, language, id of the ledger."""
        new: Mapping[str, Any] = self.events[0].new
        return new

    def frozen(self, month: str) -> str | None:
        """Return the kept document of a month."""
        row = self.db.execute("SELECT document FROM frozen WHERE month = ?", (month,)).fetchone()
        return str(row[0]) if row else None

    def frozen_months(self) -> dict[str, str]:
        """Return every kept document by month."""
        rows = self.db.execute("SELECT month, document FROM frozen ORDER BY month")
        return {str(month): str(document) for month, document in rows}

    def freeze(self, month: str, document: str) -> None:
        """Keep a month's document; the event that says so is appended by the caller."""
        self.db.execute("INSERT INTO frozen (month, document) VALUES (?, ?)", (month, document))

    def first_open_day(self) -> date:
        """Return the first day whose month has not been reported."""
        if not self._last_frozen:
            return date.min
        year, month = (int(part) for part in self._last_frozen.split("-"))
        return (date(year, month, 1) + timedelta(days=31)).replace(day=1)

    def append(self, entries: Iterable[Entry], *, who: str, now: datetime) -> list[Event]:
        """Write events at the end.

        Parameters
        ----------
        entries : iterable of Entry
            In order.
        who : str
            The person who answers for them.
        now : datetime
            Moment of writing, with a time zone.
        """
        stamp = now.astimezone(UTC).isoformat(timespec="seconds")
        floor = self.first_open_day()
        written: list[Event] = []
        seq, previous = self.head
        for entry in entries:
            seq += 1
            booked = max(entry.day, floor, self._last_booked.get(entry.parcel_id, date.min))
            bare = Event(
                seq=seq,
                parcel_id=entry.parcel_id,
                event=str(entry.event),
                who=who,
                at=stamp,
                day=entry.day,
                booked_on=booked,
                old=entry.old,
                new=entry.new,
                source=entry.source,
                prev_hash=previous,
                hash="",
            )
            payload = bare.payload()
            previous = event_hash(payload)
            self.db.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*payload, previous)
            )
            event = _with_hash(bare, previous)
            self._note(event)
            written.append(event)
        if written:
            self.db.execute("DELETE FROM head")
            self.db.execute("INSERT INTO head (fid, seq, hash) VALUES (1, ?, ?)", (seq, previous))
        return written

    def update_board(self, rows: Mapping[str, Sequence[Any]]) -> None:
        """Bring the map layer up to date: parcel -> values of ``BOARD_COLUMNS``."""
        marks = ", ".join(f"{name} = ?" for name in BOARD_COLUMNS)
        self.db.executemany(
            "INSERT OR IGNORE INTO board (parcel_id) VALUES (?)", [(parcel,) for parcel in rows]
        )
        self.db.executemany(
            f"UPDATE board SET {marks} WHERE parcel_id = ?",  # noqa: S608
            [(*values, parcel) for parcel, values in rows.items()],
        )

    def board(self) -> dict[str, tuple[Any, ...]]:
        """Return the map layer's derived columns by parcel."""
        select = f"SELECT parcel_id, {', '.join(BOARD_COLUMNS)} FROM board"  # noqa: S608
        return {str(row[0]): tuple(row[1:]) for row in self.db.execute(select)}

    def take_shapes(self, result: Path) -> None:
        """Copy the parcels' polygons of a result into the map layer."""
        copy_shapes(self.db, result)

    def _note(self, event: Event) -> None:
        self.events.append(event)
        if event.parcel_id:
            self._last_booked[event.parcel_id] = event.booked_on
        if event.event == Kind.FROZEN:
            self._last_frozen = max(self._last_frozen, str(event.new["month"]))


@contextmanager
def reading(path: Path, *, check: bool = True) -> Iterator[Journal]:
    """Open a ledger to read it.

    Parameters
    ----------
    path : Path
        The ledger.
    check : bool
        Refuse a ledger whose chain of hashes does not hold; an audit reads it all the same.

    Raises
    ------
    InputError
        The file is missing, damaged, no ledger, or was edited behind its back.
    """
    with _explained(path), closing(_connect(path)) as db:
        db.execute("BEGIN")
        yield _journal(path, db, check)


@contextmanager
def writing(path: Path) -> Iterator[Journal]:
    """Open a ledger for one transaction: all of it is in at the end, or nothing after an exception.

    Raises
    ------
    InputError
        As for ``reading``.
    OutputError
        Another process is writing, the disk is full, or the file cannot be written to.
    """
    with _explained(path), closing(_connect(path)) as db:
        db.execute("BEGIN IMMEDIATE")
        try:
            yield _journal(path, db, True)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


@contextmanager
def created(
    path: Path, result: Path, *, dress: Callable[[sqlite3.Connection], None], overwrite: bool
) -> Iterator[Journal]:
    """Make a new ledger beside its place and put it there when it is complete.

    Parameters
    ----------
    path : Path
        Where it goes.
    result : Path
        Result GeoPackage whose coordinate system and polygons it takes.
    dress : callable
        Adds titles and styles.
    overwrite : bool
        Replace what is there.
    """
    from landremed.io.gpkg import check_target
    from landremed.io.leftovers import remove_leftovers

    check_target(path, overwrite=overwrite)
    remove_leftovers(path)
    temp = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with _explained(path), closing(sqlite3.connect(temp, isolation_level=None)) as db:
            # nobody knows the file yet: it is flushed once, when it is complete
            db.execute("PRAGMA journal_mode = MEMORY")
            db.execute("PRAGMA synchronous = OFF")
            spatial, srs_id = _spatial(result)
            create_tables(db, spatial, srs_id)
            dress(db)
            db.execute("BEGIN IMMEDIATE")
            copy_shapes(db, result)
            yield Journal(path, db, [])
            db.execute("COMMIT")
        try:
            flush(temp)
            temp.replace(path)
            flush(path.parent)
        except OSError as error:
            raise OutputError(
                "output_write_failed", Where(file=str(path)), reason=error.strerror or str(error)
            ) from error
    finally:
        for side in ("", *_SIDE_FILES):
            temp.with_name(temp.name + side).unlink(missing_ok=True)


def missing_triggers(db: sqlite3.Connection) -> list[str]:
    """Return the guards that are gone or not as they were made."""
    rows = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    found = {str(name): " ".join(str(sql).split()) for name, sql in rows}
    return [name for name, sql in TRIGGERS.items() if found.get(name) != " ".join(sql.split())]


def _connect(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise InputError("ledger_missing", Where(file=str(path)))
    # a file left by a kill must be rolled back, which needs write access also for reading
    mode = "rw" if os.access(path, os.W_OK) else "ro"
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    db = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA trusted_schema = OFF")
        if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID or not _is_ledger(db):
            raise InputError("ledger_not_one", Where(file=str(path)))
    except BaseException:
        db.close()
        raise
    return db


def _is_ledger(db: sqlite3.Connection) -> bool:
    names = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return {"events", "head", "frozen", "board"} <= names


def _journal(path: Path, db: sqlite3.Connection, check: bool) -> Journal:
    journal = Journal(path, db, [])
    for row in db.execute(_SELECT):
        journal._note(_event(row))
    breaks = list(chain_breaks(journal.events))
    if not journal.events or journal.events[0].event != Kind.OPENED:
        raise InputError("ledger_not_one", Where(file=str(path)))
    if journal.opening.get("format") != FORMAT:
        raise InputError("ledger_other_format", Where(file=str(path)), found=journal.opening.get("format"))
    if journal.stored_head != journal.head:
        breaks.append(Broken(journal.head[0] + 1, "head"))
    journal.breaks = tuple(breaks)
    if check and breaks:
        raise InputError("ledger_edited", Where(file=str(path)), seq=breaks[0].seq)
    return journal


def _event(row: Sequence[Any]) -> Event:
    seq, parcel, event, who, at, day, booked, old, new, source, previous, digest = row
    return Event(
        seq=seq,
        parcel_id=parcel,
        event=event,
        who=who,
        at=at,
        day=date.fromisoformat(day),
        booked_on=date.fromisoformat(booked),
        old=json.loads(old),
        new=json.loads(new),
        source=source,
        prev_hash=previous,
        hash=digest,
    )


def _with_hash(bare: Event, digest: str) -> Event:
    from dataclasses import replace

    return replace(bare, hash=digest)


def _spatial(result: Path) -> tuple[list[tuple[Any, ...]], int]:
    """Return the coordinate systems of a result, and that of its parcels."""
    with closing(open_to_read(result)) as db:
        rows = db.execute(
            "SELECT srs_name, srs_id, organization, organization_coordsys_id, definition, description"
            " FROM gpkg_spatial_ref_sys ORDER BY srs_id"
        ).fetchall()
        found = db.execute(
            "SELECT srs_id FROM gpkg_geometry_columns WHERE table_name = 'decisions'"
        ).fetchone()
    return rows, int(found[0]) if found else -1


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what SQLite says into one sentence."""
    where = Where(file=str(path))
    try:
        yield
    except LandremedError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, json.JSONDecodeError) or _from_reading(error):
            raise InputError("ledger_damaged", where, reason=_short(error)) from error
        raise
    except sqlite3.Error as error:
        reason = _short(error)
        if "locked" in reason or "busy" in reason:
            raise OutputError("ledger_busy", where) from error
        if "full" in reason or "I/O" in reason:
            raise OutputError("ledger_disk", where, reason=reason) from error
        if "readonly" in reason or "unable to open" in reason:
            raise OutputError("ledger_unwritable", where, reason=reason) from error
        raise InputError("ledger_damaged", where, reason=reason) from error


def _from_reading(error: BaseException) -> bool:
    """Tell whether an error arose while rows were read, not in what was done with them."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_name == "_event":
            return True
        trace = trace.tb_next
    return False


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
