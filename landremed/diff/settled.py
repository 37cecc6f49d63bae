"""Which parcels are signed or closed in a ledger."""

from __future__ import annotations

from pathlib import Path

from landremed.diff.records import LedgerMark
from landremed.law.load_ledger import LedgerRules
from landremed.ledger import reading_desk

__all__ = ["ledger_marks"]

_CLOSED, _SIGNED = 2, 1


def ledger_marks(path: Path, language: str) -> dict[str, LedgerMark]:
    """Return where every parcel of a ledger stands.

    A parcel is *closed* where its state counts as done, off the account, or dropped. It is *signed* where a
    step before the work was ticked, or its state is one from which the work begins, or a later one.

    Raises
    ------
    LandremedError
        The file is no ledger, or its chain of events is broken.
    """
    with reading_desk(path) as desk:
        rules = desk.rules
        signed = _signed_states(rules)
        marks = {}
        for parcel, case in desk.cases().items():
            if not case.present:
                continue
            state = rules.states.get(case.state)
            weight = _SIGNED if case.gates or case.state in signed else 0
            if state is not None and state.counts != "open":
                weight = _CLOSED
            label = state.label.of(language) if state else case.state
            marks[parcel] = LedgerMark(case.state, label, weight)
        return marks


def _signed_states(rules: LedgerRules) -> set[str]:
    """Return the states in which the plan for a parcel has been signed."""
    work = rules.gates.before
    found = {state for move in rules.moves if move.target == work for state in move.sources}
    order = list(rules.states)
    closed = next((n for n, s in enumerate(order) if rules.states[s].counts == "struck"), len(order))
    begun = order.index(work) if work in order else closed
    return found | set(order[begun:closed])
