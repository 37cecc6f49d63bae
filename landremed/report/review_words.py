"""Words of projects, review tables and packages for the field, in Chinese and English."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, TypeVar

from landremed.report.labels import Labelled, value_labels
from landremed.text import own_yaml

__all__ = ["review_titled", "review_word", "review_words"]

L = TypeVar("L", bound=Labelled)


def review_word(kind: str, code: str, language: str) -> str:
    """Return one word; ``kind`` is a section such as ``tabs``, or ``values.verdict``."""
    entry: Any = _words()
    for step in kind.split("."):
        entry = entry[step]
    return str(entry[code][language])


def review_words(kind: str, language: str) -> dict[str, str]:
    """Return a whole section, code to word."""
    entry: Any = _words()
    for step in kind.split("."):
        entry = entry[step]
    return {code: str(texts[language]) for code, texts in entry.items()}


def review_titled(layer: L, language: str, codes: Mapping[str, Mapping[str, str]] | None = None) -> L:
    """Return a review table with its title, column titles and code lists.

    Parameters
    ----------
    layer : OutLayer
        Titles it has already stay.
    language : {"zh", "en"}
        Language of the titles.
    codes : mapping of column to mapping of code to str, optional
        Further code lists.
    """
    words = _words()
    entry = words["layers"][layer.name]
    columns = words["columns"]
    titles = {
        name: (columns.get(f"{layer.name}.{name}") or columns[name])[language]
        for name in layer.table.column_names
        if name in columns
    }
    outcomes = value_labels(language)["outcome"]
    listed = {name: review_words(f"values.{name}", language) for name in ("kind", "role", "verdict")}
    listed |= dict.fromkeys(("outcome", "outcome_before", "outcome_after", "machine_outcome"), outcomes)
    listed |= dict.fromkeys(("accepted", "settled"), review_words("values.yes_no", language))
    found = {name: listed[name] for name in layer.table.column_names if name in listed}
    titled: L = dataclasses.replace(  # type: ignore[type-var]
        layer,
        identifier=entry[language],
        description=entry[f"{language}_text"],
        column_titles={**titles, **layer.column_titles},
        value_labels={**found, **(codes or {}), **layer.value_labels},
    )
    return titled


@cache
def _words() -> Mapping[str, Any]:
    file = resources.files("landremed.report").joinpath("templates/review_words.yaml")
    words: Mapping[str, Any] = own_yaml(file)
    return words
