"""Given facts: what parcel attributes and evidence tables say, before anything computed joins them.

Every distinct raw value is read once; parcels carry codes into the list of distinct values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.errors import InputError, Where
from landremed.given_columns import OVERRIDE, Claim, evidence_columns, parcel_fields
from landremed.given_scopes import scope_findings
from landremed.io.drivers import nearest
from landremed.io.spreadsheet import RawTable
from landremed.tables import GIVEN_FACTS_SCHEMA, FactColumn, GivenFacts, VectorSource
from landremed.types import UNKNOWN, FactSpec, FactValue, Finding
from landremed.values import nearest_value, parse_value, says_unknown

__all__ = ["EvidenceTable", "given_facts", "value_text"]

_CODES = {
    "code": "value_not_listed",
    "bool": "bool_unreadable",
    "date": "date_unreadable",
    "number": "number_unreadable",
}


@dataclass(frozen=True)
class EvidenceTable:
    """One evidence table and the field that names the parcel.

    Attributes
    ----------
    raw : RawTable
        The table as read.
    file : str
        Path as the user wrote it.
    id_field : str or sequence of str
        Field with the parcel id; several are joined with ``-``.
    """

    raw: RawTable
    file: str
    id_field: str | Sequence[str]


@dataclass
class _Draft:
    """One fact while it is being filled.

    Attributes
    ----------
    codes : ndarray of int32
        Index into ``values`` per parcel.
    values : list of FactValue
        Distinct values; index 0 is None.
    place : ndarray of int32
        Index into ``places`` (source, file, field) per parcel.
    row : ndarray of int64
        Row in that file.
    raw : ndarray of int32
        Index into ``raws`` per parcel.
    """

    spec: FactSpec
    codes: npt.NDArray[np.int32]
    place: npt.NDArray[np.int32]
    row: npt.NDArray[np.int64]
    raw: npt.NDArray[np.int32]
    values: list[FactValue] = field(default_factory=lambda: [None])
    places: list[tuple[str, str, str]] = field(default_factory=lambda: [("", "", "")])
    raws: list[str] = field(default_factory=lambda: [""])

    @classmethod
    def blank(cls, spec: FactSpec, count: int) -> _Draft:
        """Return a draft without any value."""
        small = [np.zeros(count, np.int32) for _ in range(3)]
        return cls(spec, small[0], small[1], np.zeros(count, np.int64), small[2])

    def code(self, value: FactValue) -> int:
        """Return the index of a value, adding it when it is new."""
        for at, known in enumerate(self.values):
            if known is value or (type(known) is type(value) and known == value):
                return at
        self.values.append(value)
        return len(self.values) - 1

    def source(self, kind: str, file: str, name: str) -> int:
        """Return the index of a source, adding it when it is new."""
        if (kind, file, name) not in self.places:
            self.places.append((kind, file, name))
        return self.places.index((kind, file, name))


def given_facts(
    vocabulary: Mapping[str, FactSpec],
    parcel_ids: Sequence[str],
    parcels: VectorSource,
    fields: Mapping[str, str],
    words: Mapping[str, Mapping[str, str]],
    evidence: Sequence[EvidenceTable],
) -> GivenFacts:
    """Collect the given facts of all parcels.

    Parameters
    ----------
    vocabulary : mapping of str to FactSpec
        All facts by name.
    parcel_ids : sequence of str
        Unique id per parcel, in input order.
    parcels : VectorSource
        Their attributes.
    fields : mapping of fact name to field name
        ``[parcels.fields]``. A fact without a line takes the field with its own name, else the one with its
        Chinese label.
    words : mapping of fact name to (word -> code)
        ``[parcels.values.<fact>]``; they hold for evidence too.
    evidence : sequence of EvidenceTable
        A later table wins over an earlier one, and all win over attributes.

    Returns
    -------
    GivenFacts
        Values, the place each came from, and findings.

    Raises
    ------
    InputError
        When a mapped field or the id field of a table does not exist.
    """
    findings: list[Finding] = []
    drafts: dict[str, _Draft] = {}
    mapped, notes = parcel_fields(vocabulary, parcels, fields)
    findings += notes
    for name, column in mapped.items():
        spec = vocabulary[name.removeprefix(OVERRIDE)]
        draft = _Draft.blank(spec, len(parcel_ids))
        findings += _take_attribute(draft, parcels, column, parcel_ids, words.get(spec.name, {}))
        drafts[name] = draft
    place = {parcel: row for row, parcel in enumerate(parcel_ids)}
    for table in evidence:
        findings += table.raw.findings
        findings += _take_table(drafts, vocabulary, table, place, parcel_ids, words)
    findings += scope_findings(vocabulary, drafts, parcel_ids)
    filled = {name: drafts[name] for name in _order(vocabulary, drafts) if drafts[name].codes.any()}
    columns = {name: FactColumn(draft.codes, tuple(draft.values)) for name, draft in filled.items()}
    return GivenFacts(columns, _sources(filled, parcel_ids), findings)


def value_text(value: FactValue) -> str:
    """Return a fact's value as tables show it: true, false, unknown, a code, a number or a date."""
    if value is None:
        return ""
    if value is UNKNOWN:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def _order(vocabulary: Mapping[str, FactSpec], drafts: Mapping[str, _Draft]) -> list[str]:
    names = list(vocabulary)
    return sorted(drafts, key=lambda n: (n.startswith(OVERRIDE), names.index(n.removeprefix(OVERRIDE))))


def _take_attribute(
    draft: _Draft, parcels: VectorSource, column: str, parcel_ids: Sequence[str], words: Mapping[str, str]
) -> list[Finding]:
    """Fill a fact from an attribute column."""
    array = parcels.attributes.column(column).combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    if pa.types.is_boolean(array.type):
        keys, distinct = pc.cast(pc.cast(array, pa.int8()), pa.int32()), [False, True]
    else:
        encoded = array.dictionary_encode()
        keys, distinct = encoded.indices, encoded.dictionary.to_pylist()
    raw = np.asarray(keys.fill_null(-1), dtype=np.int64)
    parsed = [parse_value(value, draft.spec, words) for value in distinct]
    lookup = np.asarray([draft.code(value) for value in parsed] + [0], dtype=np.int32)
    draft.codes[:] = lookup[raw]
    given = draft.codes > 0
    draft.raws.extend(_raw_text(value) for value in distinct)
    draft.raw[given] = raw[given] + 1
    draft.row[given] = np.flatnonzero(given) + 1
    draft.place[given] = draft.source("attribute", parcels.display, column)
    odd = np.asarray(
        [p is UNKNOWN and not says_unknown(v) for p, v in zip(parsed, distinct, strict=True)] + [False]
    )
    advice = {i: _advice(draft.spec, distinct[i]) for i in np.flatnonzero(odd).tolist()}
    return [
        Finding(
            _CODES[draft.spec.kind],
            parcel_id=parcel_ids[row],
            file=parcels.display,
            row=row + 1,
            field=column,
            value=_raw_text(distinct[raw[row]]),
            params=advice[int(raw[row])],
        )
        for row in np.flatnonzero(odd[raw]).tolist()
    ]


def _take_table(
    drafts: dict[str, _Draft],
    vocabulary: Mapping[str, FactSpec],
    table: EvidenceTable,
    place: Mapping[str, int],
    parcel_ids: Sequence[str],
    words: Mapping[str, Mapping[str, str]],
) -> list[Finding]:
    """Lay one evidence table over what is there."""
    id_fields = _id_columns(table)
    claims, findings = evidence_columns(vocabulary, table.raw, table.file, id_fields)
    rows, more = _parcel_rows(table, id_fields, place)
    findings += more
    for claim in claims:
        spec = vocabulary[claim.fact.removeprefix(OVERRIDE)]
        draft = drafts.get(claim.fact) or _Draft.blank(spec, len(parcel_ids))
        drafts[claim.fact] = draft
        findings += _take_column(draft, claim, table, rows, parcel_ids, words.get(spec.name, {}))
    return findings


def _take_column(
    draft: _Draft,
    claim: Claim,
    table: EvidenceTable,
    rows: npt.NDArray[np.int64],
    parcel_ids: Sequence[str],
    words: Mapping[str, str],
) -> list[Finding]:
    """Lay one column over a fact; two different values for one parcel in one table are a contradiction."""
    cells = table.raw.column(claim.column)
    codes, odd = _cell_codes(draft, cells, words, serial_dates=table.raw.kind == "xlsx")
    codes[rows < 0] = 0
    findings = [
        _unreadable(draft.spec, claim, table, at, parcel_ids[rows[at]])
        for at in np.flatnonzero(odd & (codes > 0)).tolist()
    ]
    used = np.flatnonzero(codes)
    parcels, first, inverse = np.unique(rows[used], return_index=True, return_inverse=True)
    first_at = used[first]
    new = codes[first_at]
    clash = np.flatnonzero(codes[used] != new[inverse.ravel()])
    seconds: dict[int, int] = {}
    for at in clash.tolist():
        seconds.setdefault(int(inverse.ravel()[at]), int(used[at]))
    for which, second in seconds.items():
        parcel_id = parcel_ids[parcels[which]]
        findings.append(_contradiction(claim, table, parcel_id, int(first_at[which]), second))
        new[which] = draft.code(UNKNOWN)
    old = draft.codes[parcels]
    for which in np.flatnonzero((old > 0) & (old != new)).tolist():
        parcel = int(parcels[which])
        findings.append(_superseded(draft, claim, table, parcel_ids[parcel], parcel, int(first_at[which])))
    draft.codes[parcels] = new
    draft.place[parcels] = draft.source("evidence", table.file, claim.column)
    draft.row[parcels] = np.asarray(table.raw.row_numbers, dtype=np.int64)[first_at]
    draft.raw[parcels] = np.arange(len(draft.raws), len(draft.raws) + len(parcels), dtype=np.int32)
    draft.raws.extend(_raw_text(cells[at]) for at in first_at.tolist())
    return findings


def _cell_codes(
    draft: _Draft, cells: Sequence[Any], words: Mapping[str, str], *, serial_dates: bool
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Return the code of every cell, 0 for blank, and which cells cannot be read."""
    known: dict[tuple[type, Any], tuple[int, bool]] = {}
    codes = np.zeros(len(cells), np.int32)
    odd = np.zeros(len(cells), bool)
    for at, cell in enumerate(cells):
        if cell is None:
            continue
        key = (type(cell), cell)
        if key not in known:
            value = parse_value(cell, draft.spec, words, serial_dates=serial_dates)
            known[key] = (draft.code(value), value is UNKNOWN and not says_unknown(cell))
        codes[at], odd[at] = known[key]
    return codes, odd


def _id_columns(table: EvidenceTable) -> list[str]:
    wanted = [table.id_field] if isinstance(table.id_field, str) else list(table.id_field)
    found = []
    for name in wanted:
        match = [c for c in table.raw.columns if c == name] or [
            c for c in table.raw.columns if c.casefold() == name.casefold()
        ]
        if not match:
            where = Where(file=table.file, layer=table.raw.sheet)
            raise InputError(
                "input_field_missing", where, field=name, nearest=nearest(name, table.raw.columns)
            )
        found.append(match[0])
    return found


def _parcel_rows(
    table: EvidenceTable, id_fields: Sequence[str], place: Mapping[str, int]
) -> tuple[npt.NDArray[np.int64], list[Finding]]:
    """Return the parcel of every row, -1 where it names none, with a finding for each of those."""
    columns = [[_id_text(cell) for cell in table.raw.column(name)] for name in id_fields]
    rows = np.full(len(table.raw.rows), -1, np.int64)
    findings = []
    for at, parts in enumerate(zip(*columns, strict=True)):
        number = table.raw.row_numbers[at]
        name = "-".join(id_fields)
        if not all(parts):
            findings.append(Finding("evidence_id_blank", file=table.file, row=number, field=name))
            continue
        wanted = "-".join(parts)
        parcel = place.get(wanted, -1)
        rows[at] = parcel
        if parcel < 0:
            findings.append(
                Finding("evidence_parcel_unknown", file=table.file, row=number, field=name, value=wanted)
            )
    return rows, findings


def _id_text(cell: Any) -> str:
    """Return an id as text: 12 and 12.0 are "12", text keeps its zeros."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell).strip()


def _raw_text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return "" if value is None else str(value)


def _advice(spec: FactSpec, value: Any) -> dict[str, object]:
    params: dict[str, object] = {"fact": spec.name, "label": spec.label_zh}
    if spec.kind == "code":
        params["nearest"] = nearest_value(value, spec)
    return params


def _unreadable(spec: FactSpec, claim: Claim, table: EvidenceTable, at: int, parcel_id: str) -> Finding:
    cell = table.raw.column(claim.column)[at]
    return Finding(
        _CODES[spec.kind],
        parcel_id=parcel_id,
        file=table.file,
        row=table.raw.row_numbers[at],
        field=claim.column,
        value=_raw_text(cell),
        params=_advice(spec, cell),
    )


def _contradiction(claim: Claim, table: EvidenceTable, parcel_id: str, first: int, second: int) -> Finding:
    cells, numbers = table.raw.column(claim.column), table.raw.row_numbers
    return Finding(
        "evidence_contradiction",
        parcel_id=parcel_id,
        file=table.file,
        row=numbers[second],
        field=claim.column,
        value=_raw_text(cells[second]),
        params={"first_row": numbers[first], "first_value": _raw_text(cells[first]), "fact": claim.fact},
    )


def _superseded(
    draft: _Draft, claim: Claim, table: EvidenceTable, parcel_id: str, parcel: int, at: int
) -> Finding:
    kind, file, column = draft.places[draft.place[parcel]]
    return Finding(
        "evidence_superseded" if kind == "evidence" else "evidence_over_attribute",
        parcel_id=parcel_id,
        file=table.file,
        row=table.raw.row_numbers[at],
        field=claim.column,
        value=_raw_text(table.raw.column(claim.column)[at]),
        params={
            "old": draft.raws[draft.raw[parcel]],
            "old_file": file,
            "old_row": int(draft.row[parcel]),
            "old_field": column,
        },
    )


def _sources(drafts: Mapping[str, _Draft], parcel_ids: Sequence[str]) -> pa.Table:
    """Return the place of every value, in parcel and fact order."""
    if not drafts:
        return GIVEN_FACTS_SCHEMA.empty_table()
    items = list(drafts.items())
    given = np.stack([draft.codes > 0 for _, draft in items], axis=1).ravel()
    parcel = np.repeat(np.arange(len(parcel_ids), dtype=np.int32), len(items))[given]
    fact = np.tile(np.arange(len(items), dtype=np.int32), len(parcel_ids))[given]

    def merged(name: str, lists: Sequence[Sequence[str]]) -> pa.Array:
        starts = np.concatenate([[0], np.cumsum([len(texts) for texts in lists])]).astype(np.int32)
        codes = np.stack([getattr(draft, name) for _, draft in items], axis=1).ravel()[given]
        pool = [text for texts in lists for text in texts]
        return _texts(codes + starts[fact], pool)

    rows = np.stack([draft.row for _, draft in items], axis=1).ravel()[given]
    places = [draft.places for _, draft in items]
    return pa.table(
        [
            _texts(parcel, list(parcel_ids)),
            _texts(fact, [name for name, _ in items]),
            merged("codes", [[value_text(v) for v in draft.values] for _, draft in items]),
            *(merged("place", [[entry[part] for entry in entries] for entries in places]) for part in (0, 1)),
            pa.array(rows, pa.int64()),
            merged("place", [[entry[2] for entry in entries] for entries in places]),
            merged("raw", [draft.raws for _, draft in items]),
        ],
        schema=GIVEN_FACTS_SCHEMA,
    )


def _texts(codes: npt.NDArray[np.int32], pool: list[str]) -> pa.Array:
    return pa.array(pool, pa.string()).take(pa.array(codes))
