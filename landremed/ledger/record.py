"""What the ledger keeps of a run: one record per parcel, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from landremed.errors import InputError, LandremedError, Where
from landremed.io.gpkg_read import layer_names, read_layer
from landremed.law import RuleBook
from landremed.law.kept import kept_rulebook
from landremed.types import UNKNOWN, FactSpec, FactValue
from landremed.values import parse_date

__all__ = ["Record", "RunRecords", "facts_of", "read_run", "rule_book_of"]

Record = dict[str, Any]

_COLUMNS: Final = (
    "category",
    "subtype",
    "outcome",
    "outcome_label",
    "measure",
    "measure_label",
    "why",
    "rule",
    "clause",
    "reason",
    "missing_facts",
    "schedule",
    "priority",
    "zero_tolerance",
    "lead",
    "cooperating",
    "implementing",
    "implementing_unit",
    "other_units",
    "area_m2",
    "permanent_basic_farmland_area_m2",
    "ecological_red_line_area_m2",
    "cultivated_area_m2",
)
_OPTIONAL: Final = ("source_programme",)
_SUBSETS: Final = {
    "on_farmland": "fact_occupies_permanent_basic_farmland",
    "on_red_line": "fact_occupies_ecological_red_line",
}


@dataclass(frozen=True)
class RunRecords:
    """A run as the ledger takes it.

    Attributes
    ----------
    records : mapping of parcel to record
        In the run's order.
    provenance : mapping
        Key and value rows of the result.
    """

    path: Path
    records: Mapping[str, Record]
    provenance: Mapping[str, str]

    @property
    def as_of(self) -> date:
        """Day on which the run judged deadlines."""
        return date.fromisoformat(self.provenance["as_of"])

    def head(self) -> dict[str, Any]:
        """Return what an event says about the run."""
        keys = ("version", "project", "rules", "rules_hash", "as_of", "secrecy", "language", "basis", "crs")
        kept = {key: self.provenance.get(key, "") for key in keys}
        readings = {k[8:]: v for k, v in self.provenance.items() if k.startswith("reading.")}
        inputs = {k[6:]: _hash_of(v) for k, v in self.provenance.items() if k.startswith("input.")}
        return {**kept, "file": self.path.name, "readings": readings, "inputs": inputs}


def read_run(path: Path) -> RunRecords:
    """Read decisions and given facts of a result GeoPackage.

    Raises
    ------
    InputError
        The file is missing, no result of ``landremed run``, or has no parcels.
    """
    layers = layer_names(path)
    where = Where(file=str(path))
    for layer in ("decisions", "provenance"):
        if layer not in layers:
            raise InputError("result_layer_missing", where, layer=layer)
    rows = read_layer(path, "provenance").to_pylist()
    provenance = {str(row["key"]): str(row["value"] or "") for row in rows}
    for key in ("rules", "rules_hash", "as_of"):
        if not provenance.get(key):
            raise InputError("ledger_result_without", where, key=key)
    given: dict[str, dict[str, str]] = {}
    if "facts" in layers:
        for row in read_layer(path, "facts", columns=("parcel_id", "fact", "value")).to_pylist():
            given.setdefault(str(row["parcel_id"]), {})[str(row["fact"])] = str(row["value"] or "unknown")
    book = rule_book_of(provenance, where, exact=False)
    records = {
        str(row["parcel_id"]): _record(row, given.get(str(row["parcel_id"]), {}), book, provenance)
        for row in read_layer(path, "decisions").to_pylist()
    }
    if not records:
        raise InputError("ledger_result_empty", where)
    return RunRecords(path, records, provenance)


def rule_book_of(told: Mapping[str, Any], where: Where, *, exact: bool = True) -> RuleBook:
    """Load the rule book that a run or ledger names, in its readings.

    Parameters
    ----------
    told : mapping
        With ``rules``, ``rules_hash`` and the readings.
    exact : bool
        Refuse a book whose content is not the one named.
    """
    name = str(told.get("rules", ""))
    try:
        asked = {key: str(told.get(key, "")) for key in ("rules", "rules_hash", "settings")}
        book = kept_rulebook(asked, Path(where.file) if where.file else None)
    except LandremedError as error:
        raise InputError("ledger_no_rules", where, book=name, reason=error.text("en")) from error
    if exact and book.content_hash != told.get("rules_hash"):
        raise InputError("ledger_rules_changed", where, book=name)
    readings = told.get("readings")
    if readings is None:
        readings = {k[8:]: v for k, v in told.items() if k.startswith("reading.")}
    return book.with_readings(readings)


def facts_of(book: RuleBook, record: Mapping[str, Any]) -> dict[str, FactValue]:
    """Return a record's facts as the law engine takes them."""
    facts: dict[str, FactValue] = {}
    for name, text in record.get("facts", {}).items():
        subject = name.removeprefix("override_")
        if subject in book.vocabulary:
            facts[subject] = _fact(book.vocabulary[subject], str(text))
    return facts


def _record(
    row: Mapping[str, Any], given: Mapping[str, str], book: RuleBook, provenance: Mapping[str, str]
) -> Record:
    record: Record = {name: row.get(name) for name in (*_COLUMNS, *_OPTIONAL)}
    due = row.get("due_on")
    record["due_on"] = due.isoformat() if isinstance(due, date) else None
    occurred = parse_date(given.get("occurred_on"))
    record["occurred_on"] = str(occurred) if occurred not in (None, UNKNOWN) else None
    record["facts"] = _computed(row, book) | dict(
        sorted(given.items(), key=lambda pair: pair[0].startswith("override_"))
    )
    for name, column in _SUBSETS.items():
        record[name] = row.get(column) == "true"
    record["table"] = _deciding_class(book, record)
    record["cultivated"] = _cultivated(row, provenance)
    return record


def _computed(row: Mapping[str, Any], book: RuleBook) -> dict[str, str]:
    """Return measured facts as text."""
    found: dict[str, str] = {}
    for name, spec in book.vocabulary.items():
        if spec.source != "computed":
            continue
        if spec.kind == "number":
            area = row.get(f"{name.removesuffix('_area_m2')}_area_m2")
            found[name] = "unknown" if area is None else repr(float(area))
        elif row.get(f"fact_{name}"):
            found[name] = str(row[f"fact_{name}"])
    return found


def _deciding_class(book: RuleBook, record: Record) -> str:
    """Return the class whose table decided (after a hand-over not the parcel's own)."""
    first = str(record["rule"] or "").split(",")[0]
    for code, rules in book.classes.items():
        if any(rule.id == first for table in rules.tables for rule in table.rules):
            return code
    return str(record["category"] or "")


def _cultivated(row: Mapping[str, Any], provenance: Mapping[str, str]) -> bool | None:
    """Tell whether cultivated land in the parcel is more than the tolerance; None without land use."""
    cultivated, area = row.get("cultivated_area_m2"), row.get("area_m2")
    if cultivated is None or not area:
        return None
    least = float(provenance.get("tolerance.min_overlap_area_m2") or 1.0)
    share = float(provenance.get("tolerance.min_overlap_share") or 0.001)
    sliver = float(provenance.get("tolerance.sliver_max_area_m2") or 10.0)
    return bool(cultivated > least and (cultivated / area > share or cultivated > sliver))


def _fact(spec: FactSpec, text: str) -> FactValue:
    if text == "unknown":
        return UNKNOWN
    if spec.kind == "bool":
        return {"true": True, "false": False}.get(text, UNKNOWN)
    if spec.kind == "date":
        return parse_date(text)
    if spec.kind == "number":
        return float(text)
    return text


def _hash_of(entry: str) -> str:
    try:
        return str(json.loads(entry).get("hash", ""))
    except (ValueError, AttributeError):
        return ""
