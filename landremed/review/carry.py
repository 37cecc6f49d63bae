"""Reviews outlive a new run: they are carried over, and decide again what the machine decided anew."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pyproj

from landremed.io.disk import unflushed
from landremed.io.sqlite_read import open_to_read
from landremed.review.boundaries import moved
from landremed.review.records import Boundary, Problem, Review
from landremed.review.store import (
    expect_reviews,
    is_drawn,
    keep_measured,
    kept_crs,
    prepared,
    read_boundaries,
    read_measured,
    read_problems,
    read_reviews,
    write_rows,
)

__all__ = ["carry_reviews"]

_SQLITE: Final = b"SQLite format 3\x00"


def carry_reviews(old: Path, temp: Path) -> bool:
    """Take the reviews of the result ``old``, if it is one, into the new ``temp``; tell if there are any.

    Raises
    ------
    sqlite3.Error
        The old file is a database that cannot be read; replacing it would lose what people wrote.
    """
    reviews: list[Review] = []
    boundaries: list[Boundary] = []
    problems: list[Problem] = []
    crs, measured = "", dict[str, dict[str, Any]]()
    if old.is_file() and _is_database(old):
        with closing(prepared(open_to_read(old))) as db:
            reviews, boundaries, problems = read_reviews(db), read_boundaries(db), read_problems(db)
            crs = kept_crs(db) if boundaries else ""
            measured = read_measured(db, waiting=True)
    if boundaries:
        with unflushed(temp) as db:
            prepared(db)
            now = pyproj.CRS.from_user_input(kept_crs(db))
            boundaries = [replace(b, wkb=moved(b.wkb, crs, now)) for b in boundaries]
            keep_measured(db, {pid: measured[pid] for pid in _drawn(db, boundaries) if pid in measured})
            db.commit()
    if reviews or boundaries or problems:
        from landremed.review.apply import Additions, apply_reviews

        apply_reviews(temp, Additions(reviews, boundaries, problems))
        return True
    with unflushed(temp) as db, prepared(db):
        expect_reviews(db)
        write_rows(db, "reviews", ())
    return False


def _drawn(db: sqlite3.Connection, boundaries: list[Boundary]) -> list[str]:
    """Return the parcels that were measured with one of these boundaries."""
    return sorted({b.parcel_id for b in boundaries if is_drawn(db, b)})


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE
