"""The reason of a decision as one sentence that can be read aloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.law import Decision, RuleBook
from landremed.law.vocabulary import rules_root
from landremed.tables import FactColumn
from landremed.text import own_yaml
from landremed.types import COLUMN_STEM, FactValue, Outcome, PartialDate

__all__ = ["Measures", "why_sentences"]

FloatArray: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Measures:
    """What a sentence takes from its own row.

    Attributes
    ----------
    areas : mapping of column stem to ndarray
        Measured areas (``landremed.types.COLUMN_STEM``), m².
    parcel_m2 : ndarray
        Parcel areas, m².
    dates : mapping of fact to FactColumn
        Facts that are dates.
    """

    areas: Mapping[str, FloatArray]
    parcel_m2: FloatArray
    dates: Mapping[str, FactColumn]

    def text(self, stem: str, row: int) -> _Filling:
        """Return area and share of an overlap, or the day of a date, as they are shown."""
        if stem in self.dates:
            return _Filling(day=str(self.dates[stem][row]))
        area = self.areas[stem][row] if stem in self.areas else np.nan
        if np.isnan(area) or not self.parcel_m2[row] > 0:
            return _Filling("?", "?")
        percent = 100 * area / self.parcel_m2[row]
        return _Filling(f"{area:.2f}", f"{percent:.1f}%" if percent >= 0.1 else f"{percent:.2g}%")


def why_sentences(
    book: RuleBook,
    decisions: Sequence[Decision],
    code: npt.NDArray[np.int64],
    measured: Measures,
    language: str,
) -> pa.Array:
    """Return one sentence per row: grounds, recommendation, clause, deadline.

    Parameters
    ----------
    book : RuleBook
        For labels.
    decisions, code
        Decisions and the index of each row's.
    measured : Measures
        What differs from row to row.
    language : {"zh", "en"}
        Language of the sentence.
    """
    known: dict[tuple[object, ...], tuple[str, list[str]]] = {}
    templates = []
    for decision in decisions:
        key = _told(decision)
        if key not in known:
            known[key] = _template(book, decision, language)
        templates.append(known[key])
    whole = [text for text, _ in templates]
    at = code.copy()
    own = np.flatnonzero(np.array([bool(stems) for _, stems in templates], dtype=bool)[code])
    at[own] = len(templates) + np.arange(len(own))
    for row, number in zip(own.tolist(), code[own].tolist(), strict=True):
        text, stems = templates[number]
        whole.append(text.format(*(measured.text(stem, row) for stem in stems)))
    return pa.array(whole, pa.string()).take(pa.array(at))


class _Filling(NamedTuple):
    """What fills one placeholder of a phrase."""

    area: str = ""
    share: str = ""
    day: str = ""


def _told(decision: Decision) -> tuple[object, ...]:
    """Return all that a sentence hangs on but its row; of grounds that are dates it names the fact alone."""
    grounds = [(f, "" if isinstance(v, PartialDate) else str(v)) for f, v in decision.grounds]
    return (
        decision.outcome,
        decision.measure,
        decision.reason,
        decision.missing_facts,
        decision.possible_outcomes,
        decision.clauses,
        decision.due_on,
        bool(decision.schedules) and decision.overdue is not None,
        *grounds,
    )


def _template(book: RuleBook, decision: Decision, language: str) -> tuple[str, list[str]]:
    """Return the sentence with ``{i.area}`` placeholders, and the column stems that fill them."""
    stems: list[str] = []
    if decision.outcome == Outcome.NEEDS_REVIEW:
        grounds = [_open_reason(book, decision, language)]
    else:
        grounds = [_phrase(book, fact, value, language, stems) for fact, value in decision.grounds]
        grounds = grounds or [_word("otherwise", language)]
    label = book.outcome_label(decision.outcome, decision.measure, language)
    words = _word("join", language)
    head = words.join(g for g in grounds if g)
    parts = [f"{head}{_word('to', language)}{label}" if head else label]
    if decision.clauses:
        listed = _word("list", language)
        parts.append(listed.join(book.clause_label(clause) for clause in decision.clauses))
    if decision.due_on is not None:
        parts.append(_word("by", language).format(decision.due_on.isoformat()))
    elif decision.schedules and decision.overdue is not None:
        parts.append(_word("once", language))
    text = words.join(parts)
    return (text, stems) if stems else (text.replace("{{", "{").replace("}}", "}"), stems)


def _open_reason(book: RuleBook, decision: Decision, language: str) -> str:
    listed = _word("list", language)
    if decision.reason == "missing_facts":
        facts = listed.join(book.fact_label(fact, language) for fact in decision.missing_facts)
        return _word("missing", language).format(facts)
    if decision.reason == "parts_differ":
        outcomes = (book.outcome_label(o, "", language) for o in decision.possible_outcomes)
        return _word("parts_differ", language).format(listed.join(outcomes))
    return _word(decision.reason, language)


def _phrase(book: RuleBook, fact: str, value: FactValue, language: str, stems: list[str]) -> str:
    text = _phrases().get(fact, {}).get(str(value).lower(), {}).get(language)
    if text is None:
        if isinstance(value, PartialDate):
            stems.append(fact)
            label = book.fact_label(fact, language).replace("{", "{{").replace("}", "}}")
            return f"{label}{_word('colon', language)}{{{len(stems) - 1}.day}}"
        shown = book.value_label(fact, value, language)
        plain = f"{book.fact_label(fact, language)}{_word('colon', language)}{shown}"
        return plain.replace("{", "{{").replace("}", "}}")
    if "{area}" in text:
        number = len(stems)
        stems.append(COLUMN_STEM[fact])
        text = text.replace("{area}", f"{{{number}.area}}").replace("{share}", f"{{{number}.share}}")
    return str(text)


def _word(name: str, language: str) -> str:
    return str(_phrases()["_words"][name][language])


@cache
def _phrases() -> Mapping[str, Any]:
    file = rules_root().joinpath("phrases.yaml")
    loaded: Mapping[str, Any] = own_yaml(file)
    return loaded
