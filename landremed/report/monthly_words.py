"""Words and number formats of the monthly report."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

from landremed.text import own_yaml

__all__ = ["column", "day_text", "month_text", "mu_text", "percent", "plain_text", "section", "word"]


def word(name: str, language: str, **params: object) -> str:
    """Return one sentence or word, filled in."""
    return str(_words()[name][language]).format(**params)


def section(group: str, name: str, language: str) -> str:
    """Return a word of one of the groups: sections, sheets, subsets, kinds."""
    return str(_words()[group][name][language])


def column(name: str, language: str) -> str:
    """Return the head of a column."""
    return str(_words()["columns"][name][language])


def month_text(month: str, language: str) -> str:
    """Return ``2022-06`` as it is written."""
    year, number = month.split("-")
    return word("month", language, year=int(year), month=int(number))


def day_text(day: str, language: str) -> str:
    """Return an ISO day as it is written."""
    read = date.fromisoformat(day)
    return word("day", language, year=read.year, month=read.month, day=read.day)


def mu_text(mu: float) -> str:
    """Return an area in 亩 with two decimals."""
    return f"{mu:,.2f}"


def percent(share: float | None) -> str:
    """Return a share with one decimal; what is not all is never shown as 100 %, what is something never as 0.

    Examples
    --------
    >>> percent(0.9996), percent(0.0002), percent(1.0), percent(None)
    ('99.9%', '0.1%', '100.0%', '–')
    """
    if share is None:
        return "–"
    if 0 < share < 1:
        share = min(max(share, 0.001), 0.999)
    return f"{share:.1%}"


def plain_text(value: object) -> str:
    """Return text without what XML cannot hold (control characters, lone surrogates)."""
    text = "" if value is None else str(value)
    return "".join(
        char
        for char in text
        if char in "\n\t"
        or (ord(char) >= 32 and not 0xD800 <= ord(char) <= 0xDFFF and ord(char) < 0xFFFE)
        or ord(char) > 0xFFFF
    )


@cache
def _words() -> Mapping[str, Any]:
    file = resources.files("landremed.report").joinpath("templates/monthly.yaml")
    words: Mapping[str, Any] = own_yaml(file)
    return words
