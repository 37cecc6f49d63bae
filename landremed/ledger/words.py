"""Words of the workbooks, from ``words.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from landremed.text import own_yaml

__all__ = ["help_lines", "word", "words_of"]


def word(name: str, language: str) -> str:
    """Return one word."""
    return str(_words()[name][language])


def words_of(section: str, language: str) -> dict[str, str]:
    """Return the titles of a section by key."""
    return {key: str(text[language]) for key, text in _words()[section].items()}


def help_lines(language: str) -> list[str]:
    """Return how a workbook is filled in."""
    return [str(line[language]) for line in _words()["help"]]


@cache
def _words() -> Mapping[str, Any]:
    file = resources.files("landremed.ledger").joinpath("words.yaml")
    words: Mapping[str, Any] = own_yaml(file)
    return words
