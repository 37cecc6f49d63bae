"""What a result GeoPackage holds about one parcel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from landremed.errors import InputError, LandremedError, Where
from landremed.io.gpkg_read import layer_names, nearest_ids, read_rows
from landremed.law import RuleBook
from landremed.law.kept import kept_rulebook
from landremed.text import message_text

__all__ = ["ParcelRecord", "Row", "listed"]

Row: TypeAlias = Mapping[str, Any]

_PART_COLUMNS = ("parcel_id", "outcome", "outcome_label", "measure_label", "area_m2", "why")


@dataclass(frozen=True)
class ParcelRecord:
    """What the file holds about one parcel."""

    path: Path
    language: str
    row: Row
    part_of: str
    given: Sequence[Row]
    trace: Sequence[Row]
    features: Sequence[Row]
    parts: Sequence[Row]
    provenance: Mapping[str, str]
    book: RuleBook | None
    notes: Sequence[str]
    fact_titles: Mapping[str, str]
    layers: Sequence[str]

    @classmethod
    def read(cls, path: Path, parcel_id: str, language: str) -> ParcelRecord:
        """Look the parcel up in every layer."""
        layers = layer_names(path)
        row, part_of = _find(path, parcel_id, layers)
        owner = part_of or parcel_id
        provenance = {
            str(r["key"]): str(r["value"] or "") for r in _rows(path, "provenance", None, layers=layers)
        }
        book, notes = _book(provenance, language, path)
        trace_id = row.get("trace_id")
        parts = [] if part_of else _parts(path, parcel_id, layers)
        return cls(
            path=path,
            language=language,
            row=row,
            part_of=part_of,
            given=_rows(path, "facts", [owner], layers=layers),
            trace=_rows(path, "trace", [] if trace_id is None else [trace_id], key="trace_id", layers=layers),
            features=_rows(path, "overlap_features", [owner], layers=layers),
            parts=[{name: part.get(name) for name in _PART_COLUMNS} for part in parts],
            provenance=provenance,
            book=book,
            notes=notes,
            fact_titles=book.titles(language) if book else {},
            layers=layers,
        )

    def rows(self, layer: str) -> list[dict[str, Any]]:
        """Return the parcel's rows of another layer."""
        owner = self.part_of or str(self.row["parcel_id"])
        return _rows(self.path, layer, [owner], layers=self.layers)

    def words(self, code: str, **params: object) -> str:
        """Return one of the catalogue's texts."""
        return message_text(code, params, self.language)


def _rows(
    path: Path,
    layer: str,
    ids: Sequence[str | int] | None,
    *,
    layers: Sequence[str],
    key: str = "parcel_id",
) -> list[dict[str, Any]]:
    if layer not in layers:
        return []
    return read_rows(path, layer, ids, key=key)


def _find(path: Path, parcel_id: str, layers: Sequence[str]) -> tuple[dict[str, Any], str]:
    """Return the parcel's row, and for a part the id of the parcel it was cut from."""
    where = Where(file=str(path))
    if "decisions" not in layers:
        raise InputError("result_layer_missing", where, layer="decisions")
    found = _rows(path, "decisions", [parcel_id], layers=layers)
    if found:
        return found[0], ""
    owner, sign, _ = parcel_id.rpartition("#")
    found = _rows(path, "parts", [parcel_id], layers=layers) if sign else []
    if found:
        return found[0], owner
    near = nearest_ids(path, "decisions", parcel_id)
    if not near:
        raise InputError("explain_no_such_parcel", where, parcel=parcel_id)
    raise InputError("explain_unknown_parcel", where, parcel=parcel_id, nearest=", ".join(near))


def _parts(path: Path, parcel_id: str, layers: Sequence[str]) -> list[dict[str, Any]]:
    """Return the parts a parcel was cut into; they are numbered from 1 without gaps."""
    found: list[dict[str, Any]] = []
    step = 50
    while len(found) % step == 0:
        first = len(found) + 1
        more = _rows(path, "parts", [f"{parcel_id}#{n}" for n in range(first, first + step)], layers=layers)
        if not more:
            break
        found += more
    return found


def _book(provenance: Mapping[str, str], language: str, path: Path) -> tuple[RuleBook | None, list[str]]:
    """Load the rule book the file was made with, in the readings it was made with."""
    name = provenance.get("rules", "")
    try:
        book = kept_rulebook(provenance, path)
        notes = []
        if provenance.get("rules_hash", book.content_hash) != book.content_hash:
            notes.append(message_text("explain_other_rulebook", {"book": name}, language))
        return book, notes
    except LandremedError as error:
        params = {"book": name, "reason": error.text(language)}
        return None, [message_text("explain_no_rulebook", params, language)]


def listed(row: Row, column: str) -> list[str]:
    """Return the items of a comma-joined field."""
    return [part for part in str(row.get(column) or "").split(",") if part]
