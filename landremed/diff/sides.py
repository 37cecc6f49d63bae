"""One of two results that are compared: its rows, facts, shapes, settings and rule book."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyogrio

from landremed.errors import InputError, LandremedError, Where
from landremed.explain.facts import OVERRIDE, fact_value
from landremed.io.gpkg import GEOMETRY_COLUMN, layer_names
from landremed.io.wkb import as_large_binary
from landremed.law import RuleBook, load_rulebook
from landremed.law.kept import kept_readings, kept_rulebook
from landremed.tables import GIVEN_FACTS_SCHEMA, FactColumn
from landremed.types import COLUMN_STEM, UNKNOWN, FactValue

if TYPE_CHECKING:
    from landremed.api import RunResult

__all__ = ["Side", "column", "read_side", "side_of_run"]

_WANTED: Final = frozenset(
    {"parcel_id", "outcome", "measure", "clause", "rule", "schedule", "due_on", "overdue", "reason"}
    | {"category", "subtype", "flags", "area_m2", "outcome_label", "measure_label", "why"}
)


_NEEDED: Final = _WANTED - {"flags", "outcome_label", "measure_label", "why"}


@dataclass(frozen=True)
class Side:
    """A result, before or after.

    Attributes
    ----------
    name : str
        As the user calls it.
    provenance : mapping of str to str
        What the result rests on.
    book : RuleBook or None
        In the result's readings; None where it cannot be had in the state the result was made with.
    decisions, parts : pyarrow.Table
        Without geometry.
    wkb : pyarrow.Array
        Shape per row of ``decisions``, in the result's working CRS.
    given : pyarrow.Table
        ``GIVEN_FACTS_SCHEMA``.
    stand_in : RuleBook or None
        Another state of that rule book, where ``book`` cannot be had.
    """

    name: str
    provenance: Mapping[str, str]
    book: RuleBook | None
    decisions: pa.Table
    parts: pa.Table
    wkb: pa.Array
    given: pa.Table
    crs_wkt: str = ""
    stand_in: RuleBook | None = None
    memo: dict[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def ids(self) -> pa.Array:
        """Parcel ids, in the order of the rows."""
        return column(self.decisions, "parcel_id", pa.string())

    @property
    def any_book(self) -> RuleBook | None:
        """The rule book, or the other state of it."""
        return self.book or self.stand_in

    @property
    def as_of(self) -> date:
        """The day on which deadlines were judged."""
        try:
            return date.fromisoformat(self.provenance.get("as_of", ""))
        except ValueError:
            return date.max

    @property
    def language(self) -> str:
        """Language of the labels kept."""
        return "en" if self.provenance.get("language") == "en" else "zh"

    @property
    def readings(self) -> dict[str, str]:
        """Readings in force."""
        return kept_readings(self.provenance)

    def input(self, role: str) -> dict[str, Any]:
        """Return what is known of an input; empty when it was not given."""
        text = self.provenance.get(f"input.{role}", "")
        try:
            value = json.loads(text) if text else {}
        except json.JSONDecodeError:
            value = {"file": text}
        return value if isinstance(value, dict) else {"file": text}

    def facts(self, book: RuleBook) -> dict[str, FactColumn]:
        """Return every fact of ``decisions`` as it was decided on, in the order of a book's vocabulary."""
        return _facts(book, self.decisions, self.given, self.ids)

    def part_facts(self, book: RuleBook) -> dict[str, FactColumn]:
        """Return the computed facts of the parts."""
        return _computed(book, self.parts)

    @cached_property
    def parts_of(self) -> dict[str, list[int]]:
        """Rows of ``parts`` by the parcel they were cut from."""
        found: dict[str, list[int]] = {}
        for row, part in enumerate(column(self.parts, "parcel_id", pa.string()).to_pylist()):
            found.setdefault(str(part).rpartition("#")[0], []).append(row)
        return found


def column(table: pa.Table, name: str, kind: pa.DataType) -> pa.Array:
    """Return a column as one array, of nulls where the table has none of that name."""
    if name not in table.column_names:
        return pa.nulls(table.num_rows, kind)
    return pc.cast(table[name].combine_chunks(), kind)


def read_side(path: Path | str, rules: str | Path | None = None) -> Side:
    """Read a result GeoPackage.

    Parameters
    ----------
    path : path
        Written by ``landremed run``.
    rules : str or path, optional
        The rule book it was made with, where the one installed by that name is another.

    Raises
    ------
    InputError
        The file is missing or no result, or ``rules`` is not the rule book it was made with.
    """
    file = Path(path)
    names = layer_names(file)
    where = Where(file=str(path))
    for layer in ("decisions", "provenance"):
        if layer not in names:
            raise InputError("result_layer_missing", where, layer=layer)
    entries = _table(file, "provenance")
    kept = dict(zip(*(entries[name].to_pylist() for name in ("key", "value")), strict=True))
    provenance = {str(key): str(value or "") for key, value in kept.items()}
    decisions, wkb, crs = _layer(file, "decisions")
    _require_sound(str(path), decisions)
    parts = _layer(file, "parts")[0] if "parts" in names else decisions.slice(0, 0)
    given = _table(file, "facts") if "facts" in names else GIVEN_FACTS_SCHEMA.empty_table()
    book, stand_in = _books(provenance, file, rules)
    return Side(str(path), provenance, book, decisions, parts, wkb, given, crs, stand_in)


def side_of_run(result: RunResult, name: str) -> Side:
    """Return a run that was not written as a side."""
    tables = result.tables
    entries = tables["provenance"]
    provenance = dict(zip(*(c.to_pylist() for c in entries.columns), strict=True))
    wkb = result.layers["decisions"].geometry
    decided = result.decided
    return Side(
        name,
        {str(k): str(v if v is not None else "") for k, v in provenance.items()},
        decided.book if decided is not None else None,
        _no_empty_text(tables["decisions"]),
        _no_empty_text(tables["parts"]),
        as_large_binary(wkb),
        tables["facts"],
        result.crs_wkt,
    )


def _no_empty_text(table: pa.Table) -> pa.Table:
    """Return the columns of interest as the file would hold them: empty text is NULL there."""
    table = table.select([name for name in table.column_names if _wanted(name)])
    for at, (name, values) in enumerate(zip(table.column_names, table.columns, strict=True)):
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            filled = pc.if_else(pc.equal(values, ""), pa.scalar(None, values.type), values)
            table = table.set_column(at, name, filled)
    return table


def _require_sound(file: str, decisions: pa.Table) -> None:
    """Refuse a result of which parcels could not be told apart, or decisions not be read."""
    where = Where(file=file, layer="decisions")
    for name in sorted(_NEEDED - set(decisions.column_names)):
        raise InputError("result_column_missing", where, column=name)
    ids = decisions["parcel_id"]
    if ids.null_count:
        raise InputError("diff_no_id", where, count=ids.null_count)
    repeated = len(ids) - pc.count_distinct(ids).as_py()
    if repeated:
        raise InputError("diff_repeated_id", where, count=repeated)


def _wanted(name: str) -> bool:
    return name in _WANTED or name.startswith("fact_") or name.endswith(("_area_m2", "_share"))


def _layer(file: Path, layer: str) -> tuple[pa.Table, pa.Array, str]:
    fields = [str(name) for name in pyogrio.read_info(file, layer=layer)["fields"]]
    meta, table = pyogrio.read_arrow(file, layer=layer, columns=[n for n in fields if _wanted(n)])
    name = GEOMETRY_COLUMN if GEOMETRY_COLUMN in table.column_names else "wkb_geometry"
    return table.drop_columns([name]), as_large_binary(table[name]), str(meta.get("crs") or "")


def _table(file: Path, layer: str) -> pa.Table:
    return pyogrio.read_arrow(file, layer=layer)[1]


def _books(
    provenance: Mapping[str, str], file: Path, rules: str | Path | None
) -> tuple[RuleBook | None, RuleBook | None]:
    """Return the rule book a result was made with, or else another state of it, where one can be had."""
    wanted = provenance.get("rules_hash", "")
    if rules is not None:
        book = load_rulebook(rules)
        if book.content_hash != wanted:
            where = Where(file=str(file), value=str(rules))
            raise InputError("diff_other_rules", where, name=provenance.get("rules", ""), hash=wanted[:12])
        return book.with_readings(kept_readings(provenance)), None
    try:
        book = kept_rulebook(provenance, file)
    except LandremedError:
        return None, None
    return (book, None) if book.content_hash == wanted else (None, book)


def _facts(book: RuleBook, table: pa.Table, given: pa.Table, ids: pa.Array) -> dict[str, FactColumn]:
    facts = _computed(book, table)
    overrides: dict[str, FactColumn] = {}
    names = pc.dictionary_encode(given["fact"].combine_chunks())
    row_of = pc.index_in(given["parcel_id"].combine_chunks(), ids)
    values = given["value"].combine_chunks()
    for number, name in enumerate(names.dictionary.to_pylist()):
        subject = str(name).removeprefix(OVERRIDE)
        spec = book.vocabulary.get(subject)
        if spec is None:
            continue
        here = pc.equal(names.indices, number)
        rows = row_of.filter(here)
        known = pc.is_valid(rows)
        texts = pc.dictionary_encode(pc.fill_null(values.filter(here).filter(known), "unknown"))
        listed: list[FactValue] = [None, *(fact_value(spec, text) for text in texts.dictionary.to_pylist())]
        codes = np.zeros(len(ids), np.int32)
        codes[rows.filter(known).to_numpy()] = texts.indices.to_numpy() + 1
        (facts if subject == name else overrides)[subject] = FactColumn(codes, listed)
    for subject, over in overrides.items():
        base = facts.get(subject, FactColumn(np.zeros(len(ids), np.int32), [None]))
        codes = np.where(over.codes == 0, base.codes, over.codes + len(base.values)).astype(np.int32)
        facts[subject] = FactColumn(codes, [*base.values, *over.values])
    return {name: facts[name] for name in book.vocabulary if name in facts}


def _computed(book: RuleBook, table: pa.Table) -> dict[str, FactColumn]:
    truth: Sequence[FactValue] = (False, True, UNKNOWN)
    facts: dict[str, FactColumn] = {}
    for name, spec in book.vocabulary.items():
        if spec.source != "computed":
            continue
        if spec.kind == "number":
            areas = _floats(table, f"{COLUMN_STEM.get(name, name.removesuffix('_area_m2'))}_area_m2")
            distinct, codes = np.unique(areas, return_inverse=True)
            listed = [UNKNOWN if np.isnan(value) else float(value) for value in distinct]
            facts[name] = FactColumn(codes.astype(np.int32), listed)
        elif f"fact_{name}" in table.column_names:
            texts = column(table, f"fact_{name}", pa.string())
            codes = pc.index_in(texts, pa.array(["false", "true", "unknown"])).fill_null(2)
            facts[name] = FactColumn(codes.to_numpy(zero_copy_only=False).astype(np.int32), truth)
    return facts


def _floats(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    values = column(table, name, pa.float64()).to_numpy(zero_copy_only=False)
    return np.asarray(values, np.float64)
