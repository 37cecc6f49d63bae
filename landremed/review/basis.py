"""What a result rests on, read without its parcels: a merge into a file of a million is quick."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from landremed.errors import InputError, LandremedError, Where
from landremed.io.gpkg_read import layer_names, read_rows
from landremed.law import RuleBook
from landremed.law.kept import kept_rulebook

__all__ = ["Basis", "read_basis", "rows_of"]

_IDS_AT_ONCE: Final = 500


@dataclass(frozen=True)
class Basis:
    """Provenance of a result, and its rule book in the readings it was made with (None without it)."""

    layers: Sequence[str]
    provenance: Mapping[str, str]
    book: RuleBook | None

    @property
    def language(self) -> str:
        """Language of the sentences kept in the file."""
        return "en" if self.provenance.get("language") == "en" else "zh"


def read_basis(path: Path) -> Basis:
    """Read what a result rests on.

    Raises
    ------
    InputError
        The file is missing, no GeoPackage, or no result.
    """
    layers = layer_names(path)
    for layer in ("decisions", "provenance"):
        if layer not in layers:
            raise InputError("result_layer_missing", Where(file=str(path)), layer=layer)
    provenance = {str(row["key"]): str(row["value"] or "") for row in read_rows(path, "provenance")}
    return Basis(layers, provenance, _book(provenance, path))


def rows_of(
    db: sqlite3.Connection, table: str, ids: Iterable[str], key: str = "parcel_id"
) -> list[sqlite3.Row]:
    """Return the rows of some parcels in the order of the file."""
    wanted = list(dict.fromkeys(ids))
    found: list[sqlite3.Row] = []
    with closing(db.cursor()) as cursor:
        for start in range(0, len(wanted), _IDS_AT_ONCE):
            part = wanted[start : start + _IDS_AT_ONCE]
            marks = ", ".join("?" * len(part))
            found += cursor.execute(f"SELECT * FROM {table} WHERE {key} IN ({marks})", part).fetchall()  # noqa: S608
    return sorted(found, key=lambda row: int(row["fid"]))


def _book(provenance: Mapping[str, str], path: Path) -> RuleBook | None:
    try:
        return kept_rulebook(provenance, path)
    except LandremedError:
        return None
