"""Due process: an owner's objection decided again, and a meeting's signature under a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from landremed.errors import InputError, Where
from landremed.io.spreadsheet import RawTable, read_table
from landremed.law import Decision, RuleBook, decide
from landremed.law.source import nearest
from landremed.ledger.changes import Change
from landremed.ledger.desk import Clerk, Desk, Recorded, reading_desk, record_changes, writing_desk
from landremed.ledger.events import Entry, Kind
from landremed.ledger.evidence import evidence_of
from landremed.ledger.record import facts_of
from landremed.types import UNKNOWN, FactValue
from landremed.values import parse_value

__all__ = ["Objection", "approve_batch", "object_to"]

_FACT_COLUMNS: Final = ("fact", "事实")
_VALUE_COLUMNS: Final = ("value", "值", "主张")
_ID_COLUMNS: Final = ("parcel_id", "图斑编号", "tbbh", "id", "编号")


@dataclass(frozen=True)
class Objection:
    """The decision before and after the owner's facts.

    Attributes
    ----------
    claims : mapping of fact to str
        What the owner says.
    before, after : mapping
        ``outcome, measure, rule, clause`` and the labels.
    flips : bool
        Whether outcome or measure changes.
    reasons : tuple of (fact, before, after)
        The claims without which the new result would not stand, with both values as text.
    """

    parcel_id: str
    claims: Mapping[str, str]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    flips: bool
    reasons: tuple[tuple[str, str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {
            "claims": dict(self.claims),
            "before": dict(self.before),
            "after": dict(self.after),
            "flips": self.flips,
            "reasons": [list(reason) for reason in self.reasons],
        }


def object_to(
    path: Path,
    parcel_id: str,
    claims: Path | None,
    clerk: Clerk,
    *,
    day: date | None = None,
    answer: str = "",
    language: str = "zh",
    dry_run: bool = False,
) -> Objection | None:
    """Decide a parcel again with its owner's facts, and keep objection and answer.

    The decision on record stays; what is accepted comes in as evidence with the next run.

    Parameters
    ----------
    claims : Path, optional
        CSV or XLSX: columns ``fact`` and ``value``, or one row per parcel with a column per fact. None
        only adds the answer to an earlier objection.
    answer : str
        What the office answers.

    Returns
    -------
    Objection or None
        None without claims.
    """
    with writing_desk(path) as desk:
        cases = desk.cases()
        case = desk.case(cases, parcel_id)
        found: Objection | None = None
        entries: list[Entry] = []
        when = day or clerk.today
        if when > clerk.today:
            raise InputError(
                "ledger_day_future", Where(value=when.isoformat()), today=clerk.today.isoformat()
            )
        if claims is not None:
            found = _decided(desk, case.record, parcel_id, claims, language)
            new = {**found.to_dict(), "file": evidence_of([claims])[0]}
            entries.append(Entry(parcel_id, Kind.OBJECTION, when, new, source=claims.name))
        elif not any(entry["event"] == Kind.OBJECTION for entry in case.objections):
            raise InputError("ledger_no_objection", Where(value=parcel_id))
        if answer:
            entries.append(Entry(parcel_id, Kind.ANSWER, when, {"text": answer}))
        if not dry_run:
            desk.write(entries, clerk, cases)
    return found


def approve_batch(
    path: Path,
    parcels: Sequence[str],
    meeting: str,
    clerk: Clerk,
    *,
    state: str = "",
    day: date | None = None,
    evidence: Sequence[Path] = (),
) -> Recorded:
    """Sign a batch by a meeting: the gate of deliberation, and the plan approved.

    Parameters
    ----------
    parcels : sequence of str
        The list the meeting had before it.
    meeting : str
        Its number.
    state : str
        State the parcels go into; by default the one in which a plan is approved.
    """
    if not meeting.strip():
        raise InputError("ledger_meeting_missing", Where(value="--meeting"))
    with reading_desk(path) as desk:
        gates, approved = desk.rules.gates, desk.rules.approved
        cases = desk.cases()
        asked = {p for p in parcels if p in cases and cases[p].record.get("measure") in gates.measures}
        codes = tuple(item.id for item in gates.items if item.meeting)
    kept = evidence_of(evidence)
    changes = [
        Change(
            parcel,
            day or clerk.today,
            state=state or approved,
            gates=codes if parcel in asked else (),
            meeting=meeting.strip(),
            evidence=kept,
            source=f"meeting {meeting.strip()}",
        )
        for parcel in parcels
    ]
    return record_changes(path, changes, clerk, all_or_none=False)


def _decided(desk: Desk, record: Mapping[str, Any], parcel_id: str, claims: Path, language: str) -> Objection:
    book = desk.book
    told = _claims(book, read_table(str(claims)), parcel_id)
    as_of = date.fromisoformat(str(desk.run_head()["as_of"]))
    known = facts_of(book, record)
    geometry = record.get("reason") != "no_geometry"
    new = {**known, **told}
    before = decide(book, known, as_of=as_of, has_geometry=geometry)
    after = decide(book, new, as_of=as_of, has_geometry=geometry)
    flips = _result(before) != _result(after)
    reasons = []
    for name in told if flips else ():
        without = {fact: value for fact, value in new.items() if fact != name}
        if name in known:
            without[name] = known[name]
        if _result(decide(book, without, as_of=as_of, has_geometry=geometry)) != _result(after):
            reasons.append((name, _text(known.get(name)), _text(told[name])))
    return Objection(
        parcel_id,
        {name: _text(value) for name, value in told.items()},
        _words(book, before, language),
        _words(book, after, language),
        flips,
        tuple(reasons),
    )


def _claims(book: RuleBook, table: RawTable, parcel_id: str) -> dict[str, FactValue]:
    names = {name.casefold(): name for name in table.columns}
    fact = next((names[word] for word in _FACT_COLUMNS if word in names), None)
    value = next((names[word] for word in _VALUE_COLUMNS if word in names), None)
    where = Where(file=table.file)
    pairs: list[tuple[str, Any, int]] = []
    if fact and value:
        cells = zip(table.column(fact), table.column(value), table.row_numbers, strict=True)
        pairs = [(str(f), v, row) for f, v, row in cells if f is not None]
    else:
        column = next((names[word] for word in _ID_COLUMNS if word in names), None)
        if column is None:
            raise InputError("ledger_claims_columns", where)
        for number, row in zip(table.row_numbers, table.rows, strict=True):
            cells_of = dict(zip(table.columns, row, strict=True))
            if str(cells_of.pop(column)) == parcel_id:
                pairs += [(name, cell, number) for name, cell in cells_of.items() if cell is not None]
    if not pairs:
        raise InputError("ledger_claims_empty", where, parcel=parcel_id)
    return dict(_claim(book, *pair, where) for pair in pairs)


def _claim(book: RuleBook, word: str, cell: Any, row: int, where: Where) -> tuple[str, FactValue]:
    words = {
        text.casefold(): name
        for name, spec in book.vocabulary.items()
        for text in (name, spec.label_zh, spec.label_en, *spec.synonyms)
    }
    name = words.get(word.strip().casefold())
    place = Where(file=where.file, row=row, field=word, value="" if name is None else str(cell))
    if name is None:
        near = nearest(word, words)
        raise InputError("ledger_claim_fact", place, nearest=f"{near} ({words[near]})")
    read = parse_value(cell, book.vocabulary[name], serial_dates=True)
    if read is UNKNOWN:
        raise InputError("ledger_claim_value", place, fact=name)
    return name, read


def _result(decision: Decision) -> tuple[str, str, str]:
    return decision.outcome, decision.measure, decision.reason


def _words(book: RuleBook, decision: Decision, language: str) -> dict[str, Any]:
    return {
        "outcome": str(decision.outcome),
        "measure": decision.measure,
        "outcome_label": book.outcome_label(decision.outcome, decision.measure, language),
        "measure_label": book.measure_label(decision.measure, language),
        "rule": ",".join(decision.rules),
        "clause": ",".join(book.clause_label(clause) for clause in decision.clauses),
        "missing_facts": ",".join(decision.missing_facts),
    }


def _text(value: FactValue) -> str:
    if value is None:
        return ""
    if value is UNKNOWN:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
