"""Verdicts as notes for the ledger: what the rasters say, which files by hash, and of which day.

A note ticks nothing and closes nothing; people do, with the files as evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Final

from landremed.ledger import Change
from landremed.verify.claims import word

if TYPE_CHECKING:
    from landremed.verify.job import Verification

__all__ = ["NOTE_KIND", "ledger_notes"]

NOTE_KIND: Final = "verification"
"""Kind of the notes, apart from those that people write."""


def ledger_notes(found: Verification, day: date, *, only: Sequence[str] = ()) -> list[Change]:
    """Return one note per parcel that has acceptance items rasters can show.

    Parameters
    ----------
    found : Verification
        What `verify_restoration` returned.
    day : date
        Day of the verification.
    only : sequence of str
        Only these parcels; all by default.

    Returns
    -------
    list of Change
        For `landremed.ledger.record_changes`. The same verdict on the same rasters is written once.
    """
    language = found.parcels.language
    files = _files(found, language)
    wanted = set(only)
    notes = []
    rows = found.layers["verification"].table.select(["parcel_id", "verdict_label", "why"]).to_pylist()
    for row in rows:
        if row["verdict_label"] is None or (wanted and row["parcel_id"] not in wanted):
            continue
        words = {"verdict": row["verdict_label"], "why": row["why"], "files": files}
        text = word("ledger", "note", language=language).format_map(words)
        notes.append(Change(row["parcel_id"], day, notes={NOTE_KIND: text}, source="verify"))
    return notes


def _files(found: Verification, language: str) -> str:
    entries = []
    for raster in found.layers["rasters"].table.to_pylist():
        day = raster["day"] or word("sentence", "unknown", language=language)
        name = raster["file"].replace("\\", "/").rsplit("/", 1)[-1]
        entries.append(f"{name} {day} SHA-256 {raster['sha256']}")
    return word("sentence", "joint", language=language).join(entries)
