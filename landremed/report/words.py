"""Words of the reports, in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

from landremed.text import own_yaml

__all__ = ["LANGUAGES", "Words", "words_of"]

LANGUAGES = ("zh", "en")


class Words:
    """One section of the words in one language.

    Examples
    --------
    >>> Words("common", "en")("as_of", day="2022-03-31")
    'judged on 2022-03-31'
    """

    def __init__(self, section: str, language: str) -> None:
        self.language = language
        self._texts = {**words_of("common", language), **words_of(section, language)}

    def __call__(self, name: str, /, **values: object) -> str:
        """Return a text with its placeholders filled."""
        text = self._texts[name]
        return text.format_map(values) if values else text

    @property
    def texts(self) -> Mapping[str, str]:
        """Every text by name, placeholders unfilled."""
        return self._texts


def words_of(section: str, language: str) -> dict[str, str]:
    """Return the words of a section."""
    return {name: entry[language] for name, entry in _words()[section].items()}


@cache
def _words() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    file = resources.files("landremed.report").joinpath("templates/report_words.yaml")
    words: Mapping[str, Mapping[str, Mapping[str, str]]] = own_yaml(file)
    return words
