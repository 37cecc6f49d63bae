"""Boundaries that a reviewer accepted, for the next run to measure."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

import pyproj
import shapely

from landremed.io.sqlite_read import open_to_read
from landremed.review.store import kept_crs, prepared, read_accepted

__all__ = ["accepted_boundaries", "moved"]

_SQLITE: Final = b"SQLite format 3\x00"


def accepted_boundaries(path: Path) -> tuple[str, dict[str, bytes]]:
    """Return the accepted boundaries in a result: their CRS, and by parcel their WKB.

    Of several accepted for one parcel the latest counts; what is no valid polygon is left out. Without such a
    file, or such tables in it, there are none.
    """
    if not path.is_file():
        return "", {}
    with path.open("rb") as file:
        if file.read(len(_SQLITE)) != _SQLITE:
            return "", {}
    with closing(prepared(open_to_read(path))) as db:
        drawn = sorted(read_accepted(db), key=lambda b: (b.made_at, b.review_id))
        crs = kept_crs(db) if drawn else ""
    return crs, {b.parcel_id: b.wkb for b in drawn if not b.fault}


def moved(wkb: bytes, old: str, new: pyproj.CRS) -> bytes:
    """Return a boundary in another CRS; the same bytes where it is the same CRS."""
    before = pyproj.CRS.from_user_input(old)
    if before.equals(new):
        return wkb
    forward = pyproj.Transformer.from_crs(before, new, always_xy=True, allow_ballpark=False)
    shape = shapely.transform(shapely.from_wkb(wkb), forward.transform, interleaved=False)
    found: bytes = shapely.to_wkb(shape, byte_order=1)
    return found
