"""Reviews outlive a new run: they are carried over, and decide again what the machine decided anew."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import pyproj

from landremed.review.apply import Additions, apply_reviews
from landremed.review.boundaries import moved
from landremed.review.store import (
    kept_crs,
    prepared,
    read_boundaries,
    read_problems,
    read_reviews,
    restore_machine,
    write_rows,
)

__all__ = ["carry_reviews"]

_SQLITE: Final = b"SQLite format 3\x00"


def carry_reviews(old: Path, temp: Path) -> None:
    """Take the reviews of the result ``old``, if it is one, into the new result ``temp``.

    Raises
    ------
    sqlite3.Error
        The old file is a database that cannot be read; replacing it would lose what people wrote.
    """
    kept, crs = Additions(), ""
    if old.is_file() and _is_database(old):
        with closing(prepared(sqlite3.connect(old.resolve().as_uri() + "?mode=ro", uri=True))) as db:
            kept = Additions(read_reviews(db), read_boundaries(db), read_problems(db))
            crs = kept_crs(db) if kept.boundaries else ""
    if kept.boundaries:
        with closing(prepared(sqlite3.connect(temp))) as db:
            now = pyproj.CRS.from_user_input(kept_crs(db))
        kept.boundaries = [replace(b, wkb=moved(b.wkb, crs, now)) for b in kept.boundaries]
    if kept != Additions():
        apply_reviews(temp, kept)
        return
    with closing(prepared(sqlite3.connect(temp))) as db, db:
        restore_machine(db)
        write_rows(db, "reviews", ())


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE
