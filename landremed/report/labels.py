"""Titles of layers and columns and meanings of codes, in Chinese and English."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Protocol, TypeVar

from landremed.text import own_yaml

__all__ = [
    "Labelled",
    "column_titles",
    "flag_text",
    "labelled",
    "layer_description",
    "layer_title",
    "role_title",
    "value_label",
    "value_labels",
    "word",
]

_MEASURED = ("decisions", "parts")
_CODED = {"outcome": "outcome", "severity": "severity", "reason": "reason", "sliver_kind": "sliver_kind"}
_CODED_OF = {"trace.value": "holds", "facts.source": "source"}
_YES_NO = ("overdue", "zero_tolerance", "restore_cultivation", "robust", "decides")


class Labelled(Protocol):
    """A layer that carries titles (``landremed.io.gpkg.OutLayer``)."""

    @property
    def name(self) -> str:
        """Table name."""

    @property
    def table(self) -> Any:
        """Attributes (pyarrow.Table)."""

    @property
    def identifier(self) -> str:
        """Title of the layer."""

    @property
    def description(self) -> str:
        """One line about the layer."""

    @property
    def column_titles(self) -> Mapping[str, str]:
        """Titles by column."""

    @property
    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        """Meaning of codes by column."""


L = TypeVar("L", bound=Labelled)


def labelled(
    layer: L,
    language: str,
    fact_titles: Mapping[str, str] | None = None,
    codes: Mapping[str, Mapping[str, str]] | None = None,
) -> L:
    """Return a layer with title, description, column titles and code lists filled in.

    Parameters
    ----------
    layer : OutLayer
        Whatever it says already stays.
    language : {"zh", "en"}
        Language of the titles.
    fact_titles : mapping of fact name to str, optional
        Titles of the facts in the rule book's vocabulary.
    codes : mapping of column to mapping of code to str, optional
        Code lists of the rule book.
    """
    columns = layer.table.column_names
    titles = column_titles(layer.name, columns, language, fact_titles)
    listed = {**(codes or {}), **_own_codes(layer.name, columns, language)}
    found = {column: listed[column] for column in columns if column in listed}
    filled: L = dataclasses.replace(  # type: ignore[type-var]
        layer,
        identifier=layer.identifier or layer_title(layer.name, language),
        description=layer.description or layer_description(layer.name, language),
        column_titles={**titles, **layer.column_titles},
        value_labels={**found, **layer.value_labels},
    )
    return filled


def layer_title(layer: str, language: str) -> str:
    """Return the title of a layer of the result, its name when it has none."""
    return _text(_labels()["layers"].get(layer), language) or layer


def layer_description(layer: str, language: str) -> str:
    """Return one line about a layer of the result."""
    return _text(_labels()["layers"].get(layer), f"{language}_text")


def role_title(role: str, language: str) -> str:
    """Return the title of an input layer, its own name when it is not one of the known roles."""
    return _text(_labels()["roles"].get(role), language) or role


def column_titles(
    layer: str, columns: Sequence[str], language: str, fact_titles: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the titles of the columns that have one.

    Parameters
    ----------
    layer : str
        Layer of the result.
    columns : sequence of str
        Its columns; those of the measured layers and ``fact_…`` are told by their pattern.
    language : {"zh", "en"}
        Language of the titles.
    fact_titles : mapping of fact name to str, optional
        Titles of facts.
    """
    found = {name: _column_title(layer, name, language, fact_titles or {}) for name in columns}
    return {name: title for name, title in found.items() if title}


def value_labels(language: str) -> dict[str, dict[str, str]]:
    """Return, for the columns that hold codes, what each code means."""
    return {
        column: {code: _text(entry, language) for code, entry in _labels()["values"][name].items()}
        for column, name in _CODED.items()
    }


def value_label(kind: str, code: str, language: str) -> str:
    """Return the label of one code; ``kind`` is outcome, severity, reason, sliver_kind, truth or source."""
    return _text(_labels()["values"][kind].get(code), language) or code


def word(name: str, language: str) -> str:
    """Return one of the fixed words of the result's legend."""
    return _text(_labels()["words"][name], language)


def flag_text(flag: str, language: str, fact_titles: Mapping[str, str] | None = None) -> str:
    """Return a flag in words.

    Parameters
    ----------
    flag : str
        ``name`` or ``name:subject``; the subject is a layer or a fact.
    language : {"zh", "en"}
        Language of the words.
    fact_titles : mapping of fact name to str, optional
        Titles of facts.
    """
    name, _, subject = flag.partition(":")
    text = _text(_labels()["flags"].get(name), language)
    title = (fact_titles or {}).get(subject) or role_title(subject, language)
    return text.replace("{name}", title) if text else flag


def _own_codes(layer: str, columns: Sequence[str], language: str) -> dict[str, dict[str, str]]:
    """Return the code lists that hang on no rule book."""
    values = _labels()["values"]

    def meanings(name: str) -> dict[str, str]:
        return {code: _text(entry, language) for code, entry in values[name].items()}

    found = value_labels(language)
    found |= {place.partition(".")[2]: meanings(n) for place, n in _CODED_OF.items() if _is_in(place, layer)}
    found |= {name: meanings("yes_no") for name in _YES_NO}
    if layer in _MEASURED:
        found |= {name: meanings("truth") for name in columns if name.startswith("fact_")}
    return found


def _is_in(place: str, layer: str) -> bool:
    return place.partition(".")[0] == layer


@cache
def _labels() -> Mapping[str, Any]:
    file = resources.files("landremed.report").joinpath("templates/labels.yaml")
    labels: Mapping[str, Any] = own_yaml(file)
    return labels


def _text(entry: Mapping[str, str] | None, key: str) -> str:
    return entry.get(key, "") if entry else ""


def _column_title(layer: str, column: str, language: str, fact_titles: Mapping[str, str]) -> str:
    labels = _labels()
    patterns = labels["patterns"]
    entry = labels["columns_of"].get(f"{layer}.{column}") or labels["columns"].get(column)
    if entry:
        return _text(entry, language)
    if column.startswith("fact_"):
        fact = column.removeprefix("fact_")
        return _text(patterns["fact"], language).replace("{name}", fact_titles.get(fact, fact))
    for suffix in ("area_m2", "share"):
        stem = column.removesuffix(f"_{suffix}")
        if stem != column and layer in _MEASURED:
            title = fact_titles.get(stem) or role_title(stem, language)
            return _text(patterns[suffix], language).replace("{name}", title)
    return fact_titles.get(column, "")
