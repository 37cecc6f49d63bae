"""What may be changed in a parcel's case, and what stands against it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from landremed.errors import InputError, Where
from landremed.law import AcceptanceItem, RuleBook
from landremed.law.load_ledger import LedgerItem, LedgerRules, Move
from landremed.law.source import nearest
from landremed.ledger.case import ParcelCase, Tick
from landremed.ledger.events import Entry, Kind
from landremed.types import Finding

__all__ = [
    "NOTE_KINDS",
    "Change",
    "Prepared",
    "allowed_moves",
    "item_list",
    "ledger_rules",
    "missing_gates",
    "missing_marks",
    "open_items",
    "prepare",
    "state_code",
]

NOTE_KINDS: Final = ("note", "problem", "next_step")
_ALL: Final = frozenset({"all", "全部"})


@dataclass(frozen=True)
class Change:
    """What somebody reports about one parcel.

    Attributes
    ----------
    day : date
        When it happened.
    state : str
        New state (code or label); "" for none.
    ticks, unticks, stages, gates, marks : tuple of str
        Codes or labels of what is ticked (``unticks``: taken back); ``all`` ticks every acceptance item.
    meeting : str
        Number of the meeting, for gates that ask for one.
    evidence : tuple of dict
        From ``evidence_of``; holds for the state and every tick of this change.
    person : str
        Who found it done; who writes the event when left out.
    """

    parcel_id: str
    day: date
    state: str = ""
    ticks: tuple[str, ...] = ()
    unticks: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    meeting: str = ""
    evidence: tuple[dict[str, Any], ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    person: str = ""
    source: str = ""


@dataclass
class Prepared:
    """Events a change leads to, and what people should know about it."""

    entries: list[Entry] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)


def ledger_rules(book: RuleBook) -> LedgerRules:
    """Return what the book says about ledgers.

    Raises
    ------
    InputError
        The book has no ``ledger.yaml``.
    """
    if book.ledger is None:
        raise InputError("ledger_rules_missing", Where(file=book.name))
    return book.ledger


def item_list(book: RuleBook, case: ParcelCase) -> tuple[AcceptanceItem, ...]:
    """Return every acceptance item of the parcel's measure."""
    record = case.record
    clauses = [part for part in str(record.get("clause") or "").split(",") if part]
    return book.acceptance(str(record.get("table") or ""), str(record.get("measure") or ""), clauses)


def open_items(book: RuleBook, case: ParcelCase, day: date) -> list[tuple[AcceptanceItem, str]]:
    """Return the items that stand against closing, each with ``not_ticked`` or ``no_evidence``."""
    conditions = ledger_rules(book).conditions
    found: list[tuple[AcceptanceItem, str]] = []
    for item in item_list(book, case):
        if not _applies(conditions.get(item.id, ""), case, day):
            continue
        tick = case.ticks.get(item.id)
        if tick is None:
            found.append((item, "not_ticked"))
        elif not tick.evidence:
            found.append((item, "no_evidence"))
    return found


def allowed_moves(book: RuleBook, case: ParcelCase, day: date) -> list[Move]:
    """Return the moves that exist from where the parcel stands."""
    record = case.record
    category, measure = str(record.get("category") or ""), str(record.get("measure") or "")
    return [
        move
        for move in ledger_rules(book).moves
        if case.state in move.sources
        and move.fits(category, measure)
        and (not move.after_due or _after_due(case, day))
    ]


def missing_gates(book: RuleBook, case: ParcelCase) -> list[LedgerItem]:
    """Return the gates before a demolition that are not passed."""
    gates = ledger_rules(book).gates
    if case.record.get("measure") not in gates.measures:
        return []
    return [item for item in gates.items if item.id not in case.gates]


def missing_marks(book: RuleBook, case: ParcelCase) -> list[LedgerItem]:
    """Return the marks a new violation still lacks (none for other parcels)."""
    if case.record.get("zero_tolerance") != 1:
        return []
    return [item for item in ledger_rules(book).marks if item.id not in case.marks]


def state_code(rules: LedgerRules, word: str) -> str:
    """Return the code of a state given as code or label.

    Raises
    ------
    InputError
        There is no such state; names the nearest.
    """
    labels = {code: (code, state.label.zh, state.label.en) for code, state in rules.states.items()}
    return _code(word, labels, "ledger_state_unknown")


def prepare(book: RuleBook, case: ParcelCase, change: Change, *, today: date) -> Prepared:
    """Turn a change into events.

    Parameters
    ----------
    case : ParcelCase
        Where the parcel stands; it is not altered.
    today : date
        No change may lie after it.

    Raises
    ------
    InputError
        The change is not allowed; says why. Nothing of it counts then.
    """
    if not case.present:
        raise InputError("ledger_parcel_left", Where(value=change.parcel_id))
    if change.day > today:
        raise InputError("ledger_day_future", Where(value=change.day.isoformat()), today=today.isoformat())
    found = Prepared()
    after = _Shadow(case)
    _ticks(book, after, change, found)
    if change.state:
        _move(book, after, change, found)
    for kind, text in change.notes.items():
        if text.strip() and case.notes.get(kind) != text.strip():
            old = case.notes.get(kind)
            new = {"kind": kind, "text": text.strip()}
            found.entries.append(
                Entry(
                    change.parcel_id,
                    Kind.NOTE,
                    change.day,
                    new,
                    {"text": old} if old else None,
                    change.source,
                )
            )
    return found


class _Shadow(ParcelCase):
    """A parcel's case with ticks that are about to be written; the original stays as it is."""

    def __init__(self, case: ParcelCase) -> None:
        super().__init__(**vars(case))
        self.ticks, self.stages = dict(case.ticks), dict(case.stages)
        self.gates, self.marks = dict(case.gates), dict(case.marks)


def _ticks(book: RuleBook, case: ParcelCase, change: Change, found: Prepared) -> None:
    rules = ledger_rules(book)
    items = {i.id: (i.id, i.text.zh, i.text.en) for i in item_list(book, case)}
    gates = {i.id: (i.id, i.label.zh, i.label.en) for i in rules.gates.items}
    marks = {i.id: (i.id, i.label.zh, i.label.en) for i in rules.marks}
    stages = {s.id: (s.id, s.label.zh, s.label.en) for s in rules.stages}
    meetings = {i.id for i in rules.gates.items if i.meeting}
    for word in change.gates:
        code = _code(word, gates, "ledger_gate_unknown")
        if code in meetings and not change.meeting:
            raise InputError("ledger_meeting_missing", Where(value=word))
        _tick(Kind.GATE, code, case.gates, change, found, meeting=change.meeting if code in meetings else "")
    for word in change.marks:
        _tick(Kind.MARK, _code(word, marks, "ledger_mark_unknown"), case.marks, change, found)
    for word in change.stages:
        _tick(Kind.STAGE, _code(word, stages, "ledger_stage_unknown"), case.stages, change, found)
    for word in items if set(change.ticks) & _ALL else change.ticks:
        _tick(Kind.TICK, _code(word, items, "ledger_item_unknown", case), case.ticks, change, found)
    for word in change.unticks:
        code = _code(word, items, "ledger_item_unknown", case)
        if code in case.ticks:
            old = {"on": case.ticks.pop(code).on.isoformat()}
            new = {"item": code, "done": False}
            found.entries.append(Entry(change.parcel_id, Kind.TICK, change.day, new, old, change.source))


def _tick(
    kind: Kind, code: str, into: dict[str, Tick], change: Change, found: Prepared, *, meeting: str = ""
) -> None:
    """Add one tick, unless the same stands there already."""
    known = into.get(code)
    if (
        known
        and (not change.evidence or known.evidence == change.evidence)
        and (not meeting or known.meeting == meeting)
    ):
        return
    new: dict[str, Any] = {"item": code, "done": True, "person": change.person}
    if change.evidence:
        new["evidence"] = list(change.evidence)
    elif known:
        new["evidence"] = list(known.evidence)
    if meeting:
        new["meeting"] = meeting
    old = {"on": known.on.isoformat(), "person": known.person} if known else None
    found.entries.append(Entry(change.parcel_id, kind, change.day, new, old, change.source))
    into[code] = Tick(change.day, change.person, tuple(new.get("evidence", ())), meeting)


def _move(book: RuleBook, case: ParcelCase, change: Change, found: Prepared) -> None:
    rules = ledger_rules(book)
    target = state_code(rules, change.state)
    if target == case.state:
        return
    moves = allowed_moves(book, case, change.day)
    move = next((m for m in moves if m.target == target), None)
    if move is None:
        raise InputError(
            "ledger_move_refused",
            Where(value=change.parcel_id),
            state=_label(rules, case.state),
            target=_label(rules, target),
            allowed="、".join(_label(rules, m.target) for m in moves) or "–",
            state_code=case.state,
            target_code=target,
            allowed_codes=", ".join(m.target for m in moves) or "–",
        )
    if "evidence" in move.needs and not change.evidence:
        where = Where(value=change.parcel_id)
        raise InputError("ledger_move_evidence", where, target=_label(rules, target), target_code=target)
    if "acceptance" in move.needs:
        _check_acceptance(book, case, change)
    found.warnings += _warnings(book, case, change, target)
    new: dict[str, Any] = {"state": target}
    if move.relapse:
        new["relapse"] = True
    if change.evidence:
        new["evidence"] = list(change.evidence)
    if change.person:
        new["person"] = change.person
    found.entries.append(
        Entry(change.parcel_id, Kind.STATE, change.day, new, {"state": case.state}, change.source)
    )


def _check_acceptance(book: RuleBook, case: ParcelCase, change: Change) -> None:
    where = Where(value=change.parcel_id)
    if not case.record.get("measure"):
        raise InputError("ledger_close_undecided", where)
    missing = open_items(book, case, change.day)
    bare = [item for item, why in missing if why == "not_ticked"]
    if bare:
        raise InputError("ledger_close_items", where, **_items(bare))
    if missing:
        raise InputError("ledger_close_evidence", where, **_items([item for item, _ in missing]))
    if not item_list(book, case) and not change.evidence:
        raise InputError("ledger_close_no_items", where)


def _warnings(book: RuleBook, case: ParcelCase, change: Change, target: str) -> list[Finding]:
    rules = ledger_rules(book)
    found: list[Finding] = []
    if target == rules.gates.before:
        found += _missing("ledger_gates_missing", change.parcel_id, missing_gates(book, case))
    if rules.states[target].counts == "struck":
        found += _missing("ledger_marks_missing", change.parcel_id, missing_marks(book, case))
    return found


def _missing(code: str, parcel_id: str, items: Sequence[LedgerItem]) -> list[Finding]:
    if not items:
        return []
    params = {
        "items": "、".join(item.label.zh for item in items),
        "codes": ", ".join(item.id for item in items),
    }
    return [Finding(code, parcel_id=parcel_id, params=params)]


def _applies(condition: str, case: ParcelCase, day: date) -> bool:
    if condition == "cultivated":
        return case.record.get("cultivated") is not False
    return condition != "after_due" or _after_due(case, day)


def _after_due(case: ParcelCase, day: date) -> bool:
    due = case.record.get("due_on")
    return bool(due) and day > date.fromisoformat(str(due))


def _code(
    word: str, labels: Mapping[str, Iterable[str]], message: str, case: ParcelCase | None = None
) -> str:
    plain: Callable[[str], str] = lambda text: "".join(text.split()).casefold()  # noqa: E731
    for code, names in labels.items():
        if plain(word) in {plain(name) for name in names}:
            return code
    valid = {name: code for code, names in labels.items() for name in names}
    near = nearest(word, valid)
    place = Where(field=case.parcel_id if case else "", value=word)
    raise InputError(message, place, nearest=near or "–", valid=", ".join(labels) or "–")


def _label(rules: LedgerRules, code: str) -> str:
    state = rules.states.get(code)
    return state.label.zh if state else code


def _items(items: Sequence[AcceptanceItem]) -> dict[str, object]:
    return {
        "items": "、".join(item.text.zh for item in items),
        "codes": ", ".join(item.id for item in items),
    }
