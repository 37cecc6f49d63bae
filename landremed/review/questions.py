"""Questions of a visit: which facts are asked, and how much their answers would settle."""

from __future__ import annotations

from dataclasses import dataclass

from landremed.explain.facts import known_facts
from landremed.explain.whatif import what_if
from landremed.report.resultfile import ResultFile
from landremed.types import FactSpec, Outcome

__all__ = ["Question", "question_column", "questions_of", "visit_values"]

_PREFIX = "q_"


@dataclass(frozen=True)
class Question:
    """One fact a surveyor is asked for."""

    fact: str
    label: str
    spec: FactSpec

    @property
    def column(self) -> str:
        """Column of the visits table."""
        return question_column(self.fact)


def question_column(fact: str) -> str:
    """Return the column of ``visits`` that asks for a fact."""
    return _PREFIX + fact


def questions_of(opened: ResultFile, ids: list[str]) -> list[Question]:
    """Return the facts that are missing for any of these parcels, in the order of the vocabulary."""
    book = opened.book
    if book is None:
        return []
    chosen = set(ids)
    asked: set[str] = set()
    rows = zip(*(opened.decisions[n].to_pylist() for n in ("parcel_id", "missing_facts")), strict=True)
    for pid, missing in rows:
        if str(pid) in chosen and missing:
            asked.update(missing.split(","))
    return [
        Question(name, book.fact_label(name, opened.language), spec)
        for name, spec in book.vocabulary.items()
        if name in asked
    ]


def visit_values(opened: ResultFile, ids: list[str]) -> list[tuple[str, float]]:
    """Rank parcels by how much one visit would settle.

    Returns
    -------
    list of (parcel_id, value)
        By falling value, then priority, then area. The value is the share (0..1) of single answers, over the
        parcel's questions and the values each may have, that settle outcome and measure; 0 where nothing is
        asked.
    """
    given: dict[str, list[dict[str, object]]] = {}
    for entry in opened.rows("facts", ids):
        given.setdefault(str(entry["parcel_id"]), []).append(entry)
    rows = {str(row["parcel_id"]): row for row in opened.rows("decisions", ids)}
    ranked = []
    for number, pid in enumerate(ids):
        row = rows[pid]
        value = _value(opened, row, given.get(pid, []))
        ranked.append((-value, row.get("priority") or 9, -(row.get("area_m2") or 0.0), number, pid))
    return [(pid, round(-value, 4)) for value, _, _, _, pid in sorted(ranked)]


def _value(opened: ResultFile, row: dict[str, object], given: list[dict[str, object]]) -> float:
    if not row.get("missing_facts") or opened.book is None:
        return 0.0
    known = known_facts(opened.book, row, given)
    tried = what_if(opened.book, known, row, as_of=opened.provenance.get("as_of", ""), language="en")
    shares = []
    for fact in tried.facts:
        answers = sum(len(case.values) for case in fact.cases)
        settling = sum(
            len(case.values)
            for case in fact.cases
            if case.outcome != Outcome.NEEDS_REVIEW and not case.still_missing
        )
        shares.append(settling / answers if answers else 0.0)
    return sum(shares) / len(shares) if shares else 0.0
