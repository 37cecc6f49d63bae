"""Words of what is shown, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

from landremed.text import own_yaml

__all__ = ["word"]


def word(key: str, language: str, **params: object) -> str:
    """Return a word or sentence of ``words.yaml`` with its placeholders filled."""
    return _words()[key][language].format(**params) if params else _words()[key][language]


@cache
def _words() -> Mapping[str, Mapping[str, str]]:
    file = resources.files("landremed.inspect").joinpath("words.yaml")
    words: Mapping[str, Mapping[str, str]] = own_yaml(file)
    return words
