"""Words of what is shown, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

__all__ = ["word"]


def word(key: str, language: str, **params: object) -> str:
    """Return a word or sentence of ``words.yaml`` with its placeholders filled."""
    return _words()[key][language].format(**params) if params else _words()[key][language]


@cache
def _words() -> Mapping[str, Mapping[str, str]]:
    import yaml

    text = resources.files("landremed.inspect").joinpath("words.yaml").read_text(encoding="utf-8")
    words: Mapping[str, Mapping[str, str]] = yaml.safe_load(text)
    return words
