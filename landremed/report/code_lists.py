"""Code lists of a result that come from its rule book: classes, measures, facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from landremed.law import RuleBook
from landremed.report.labels import role_title
from landremed.report.review_words import review_words
from landremed.types import MAIN_ROLES, SPECIAL_ROLES

__all__ = ["book_codes", "fact_codes"]

_OVERRIDE: Final = "override_"


def book_codes(book: RuleBook, language: str) -> dict[str, Mapping[str, str]]:
    """Return what the codes of the result's columns mean, by column.

    Parameters
    ----------
    book : RuleBook
        The book the result was made with.
    language : {"zh", "en"}
        Language of the meanings.
    """
    roles = {role: role_title(role, language) for role in (*MAIN_ROLES, *SPECIAL_ROLES)}
    roles |= {role: title.of(language) for role, title in book.layers.items()}
    codes: dict[str, Mapping[str, str]] = {
        "measure": {code: book.measure_label(code, language) for code in book.measures},
        "fact": fact_codes(book, language),
        "layer": roles,
    }
    for name in ("category", "subtype"):
        spec = book.vocabulary.get(name)
        if spec is not None and spec.values:
            codes[name] = {code: book.value_label(name, code, language) for code in spec.values}
    return codes


def fact_codes(book: RuleBook, language: str) -> dict[str, str]:
    """Return the facts a review may be about, those that override a computed one, and verdicts."""
    words = review_words("about", language)
    found = {name: book.fact_label(name, language) for name in book.vocabulary}
    found |= {
        _OVERRIDE + name: words["override"].replace("{fact}", found[name])
        for name, spec in book.vocabulary.items()
        if spec.source == "computed"
    }
    return found | {name: words[name] for name in ("verdict", "overrule")}
