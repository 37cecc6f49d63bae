"""Given facts: what parcel attributes and evidence tables say, before anything computed joins them.

Every distinct raw value is read once; parcels carry codes into the list of distinct values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.errors import InputError, Where
from landremed.given_columns import OVERRIDE, Claim, evidence_columns, parcel_fields
from landremed.given_draft import Draft, source_table, value_text
from landremed.given_scopes import scope_findings
from landremed.io.drivers import nearest
from landremed.io.spreadsheet import RawTable
from landremed.tables import FactColumn, GivenFacts, VectorSource
from landremed.types import UNKNOWN, FactSpec, Finding
from landremed.values import nearest_value, parse_value, says_unknown

__all__ = ["EvidenceTable", "evidence_ids", "given_facts", "value_text"]

_CODES = {
    "code": "value_not_listed",
    "bool": "bool_unreadable",
    "date": "date_unreadable",
    "number": "number_unreadable",
}

_MOST_ADVISED = 2000


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
    drafts: dict[str, Draft] = {}
    mapped, notes = parcel_fields(vocabulary, parcels, fields)
    findings += notes
    for name, column in mapped.items():
        spec = vocabulary[name.removeprefix(OVERRIDE)]
        draft = Draft.blank(spec, len(parcel_ids))
        findings += _take_attribute(draft, parcels, column, parcel_ids, words.get(spec.name, {}))
        drafts[name] = draft
    place = {parcel: row for row, parcel in enumerate(parcel_ids)} if evidence else {}
    for table in evidence:
        findings += table.raw.findings
        findings += _take_table(drafts, vocabulary, table, place, parcel_ids, words)
    findings += scope_findings(vocabulary, drafts, parcel_ids)
    filled = {name: drafts[name] for name in _order(vocabulary, drafts) if drafts[name].codes.any()}
    columns = {name: FactColumn(draft.codes, tuple(draft.values)) for name, draft in filled.items()}
    return GivenFacts(columns, source_table(filled, parcel_ids), findings)


def _order(vocabulary: Mapping[str, FactSpec], drafts: Mapping[str, Draft]) -> list[str]:
    names = list(vocabulary)
    return sorted(drafts, key=lambda n: (n.startswith(OVERRIDE), names.index(n.removeprefix(OVERRIDE))))


def _take_attribute(
    draft: Draft, parcels: VectorSource, column: str, parcel_ids: Sequence[str], words: Mapping[str, str]
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
    lookup.take(raw, out=draft.codes, mode="wrap")
    given = draft.codes > 0
    draft.raws.extend(_raw_text(value) for value in distinct)
    np.multiply(raw + 1, given, out=draft.raw, casting="same_kind")
    numbers = parcels.row_numbers
    np.multiply(numbers, given, out=draft.row)
    np.multiply(
        given, draft.source("attribute", parcels.display, column), out=draft.place, casting="same_kind"
    )
    odd = np.asarray(
        [p is UNKNOWN and not says_unknown(v) for p, v in zip(parsed, distinct, strict=True)] + [False]
    )
    some = _Adviser(draft.spec)
    advice = {i: some.on(distinct[i]) for i in np.flatnonzero(odd).tolist()}
    return [
        Finding(
            _CODES[draft.spec.kind],
            parcel_id=parcel_ids[row],
            file=parcels.display,
            row=int(numbers[row]),
            field=column,
            value=_raw_text(distinct[raw[row]]),
            params=advice[int(raw[row])],
        )
        for row in (np.flatnonzero(odd.take(raw, mode="wrap")).tolist() if advice else ())
    ]


def _take_table(
    drafts: dict[str, Draft],
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
        draft = drafts.get(claim.fact) or Draft.blank(spec, len(parcel_ids))
        drafts[claim.fact] = draft
        findings += _take_column(draft, claim, table, rows, parcel_ids, words.get(spec.name, {}))
    return findings


def _take_column(
    draft: Draft,
    claim: Claim,
    table: EvidenceTable,
    rows: npt.NDArray[np.int64],
    parcel_ids: Sequence[str],
    words: Mapping[str, str],
) -> list[Finding]:
    """Lay one column over a fact; two different values for one parcel in one table are a contradiction."""
    cells = table.raw.column(claim.column)
    column = _Column(claim.fact, claim.column, table.file, cells, table.raw.row_numbers)
    codes, odd = _cell_codes(draft, cells, words, serial_dates=table.raw.kind == "xlsx")
    codes[rows < 0] = 0
    some = _Adviser(draft.spec)
    findings = [
        column.finding(_CODES[draft.spec.kind], parcel_ids[rows[at]], at, some.on(cells[at]))
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
        at = int(first_at[which])
        params = {
            "first_row": column.rows[at],
            "first_value": _raw_text(cells[at]),
            "fact": claim.fact,
        }
        findings.append(column.finding("evidence_contradiction", parcel_ids[parcels[which]], second, params))
        new[which] = draft.code(UNKNOWN)
    old = draft.codes[parcels]
    for which in np.flatnonzero((old > 0) & (old != new)).tolist():
        parcel = int(parcels[which])
        findings.append(_superseded(draft, column, parcel_ids[parcel], parcel, int(first_at[which])))
    draft.codes[parcels] = new
    draft.place[parcels] = draft.source("evidence", table.file, claim.column)
    draft.row[parcels] = np.asarray(table.raw.row_numbers, dtype=np.int64)[first_at]
    draft.raw[parcels] = np.arange(len(draft.raws), len(draft.raws) + len(parcels), dtype=np.int32)
    draft.raws.extend(_raw_text(cells[at]) for at in first_at.tolist())
    return findings


def _cell_codes(
    draft: Draft, cells: Sequence[Any], words: Mapping[str, str], *, serial_dates: bool
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
    rows = np.full(len(table.raw.rows), -1, np.int64)
    findings = []
    name = "-".join(id_fields)
    for at, wanted in enumerate(_wanted_ids(table, id_fields)):
        number = table.raw.row_numbers[at]
        if not wanted:
            findings.append(Finding("evidence_id_blank", file=table.file, row=number, field=name))
            continue
        parcel = place.get(wanted, -1)
        rows[at] = parcel
        if parcel < 0:
            findings.append(
                Finding("evidence_parcel_unknown", file=table.file, row=number, field=name, value=wanted)
            )
    return rows, findings


def evidence_ids(table: EvidenceTable) -> list[str]:
    """Return the parcel that each row of an evidence table names, "" where it names none.

    Raises
    ------
    InputError
        The table has no such field.
    """
    return _wanted_ids(table, _id_columns(table))


def _wanted_ids(table: EvidenceTable, id_fields: Sequence[str]) -> list[str]:
    columns = [[_id_text(cell) for cell in table.raw.column(name)] for name in id_fields]
    return ["-".join(parts) if all(parts) else "" for parts in zip(*columns, strict=True)]


def _id_text(cell: Any) -> str:
    """Return an id as text: 12 and 12.0 are "12", text keeps its zeros."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell).strip()


def _raw_text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return "" if value is None else str(value)


class _Adviser:
    """Names the listed value nearest to one that is not listed.

    A column that was taken for another may have such a value in every row: after some thousand different ones
    nothing is compared any more.
    """

    def __init__(self, spec: FactSpec) -> None:
        self._spec = spec
        self._known: dict[str, str] = {}

    def on(self, value: Any) -> dict[str, object]:
        params: dict[str, object] = {"fact": self._spec.name, "label": self._spec.label_zh}
        if self._spec.kind == "code":
            text = str(value)
            if text not in self._known and len(self._known) < _MOST_ADVISED:
                self._known[text] = nearest_value(value, self._spec)
            params["nearest"] = self._known.get(text, "–")
        return params


@dataclass(frozen=True, slots=True)
class _Column:
    """One evidence column with what its findings show."""

    fact: str
    name: str
    file: str
    cells: Sequence[Any]
    rows: Sequence[int]

    def finding(self, code: str, parcel_id: str, at: int, params: Mapping[str, object]) -> Finding:
        """Return a finding about the cell of one row."""
        return Finding(
            code,
            parcel_id=parcel_id,
            file=self.file,
            row=self.rows[at],
            field=self.name,
            value=_raw_text(self.cells[at]),
            params=params,
        )


def _superseded(draft: Draft, column: _Column, parcel_id: str, parcel: int, at: int) -> Finding:
    """Say that a value takes the place of an earlier one."""
    kind, file, name = draft.places[draft.place[parcel]]
    params = {
        "old": draft.raws[draft.raw[parcel]],
        "old_file": file,
        "old_row": int(draft.row[parcel]),
        "old_field": name,
    }
    code = "evidence_superseded" if kind == "evidence" else "evidence_over_attribute"
    return column.finding(code, parcel_id, at, params)
