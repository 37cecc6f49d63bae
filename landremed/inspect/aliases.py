"""The table of names that deliveries use for layers and fields (``rules/aliases.yaml``)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from landremed.inspect.area_units import named_unit
from landremed.text import own_yaml

__all__ = ["aliases", "area_field", "first_of", "land_use_code_kind", "minimum_area_m2"]

_NAME_BYTES = 10
_OLD_CODE = re.compile(r"\d{2,3}[A-Z]?")


@cache
def aliases() -> Mapping[str, Any]:
    """Return the table."""
    file = resources.files("landremed_rules").joinpath("aliases.yaml")
    table: Mapping[str, Any] = own_yaml(file)
    return table


def first_of(wanted: Iterable[str], names: Sequence[str]) -> str | None:
    """Return the first wanted field that is there, as the file writes it.

    Case does not count. A name that a shapefile cut at ten bytes counts where no whole one is there.

    Examples
    --------
    >>> first_of(["永久基本农田面积", "tbmj"], ["BZ", "TBMJ"]), first_of(["永久基本农田面积"], ["永久基本农"])
    ('TBMJ', '永久基本农')
    """
    folded = {name.casefold(): name for name in reversed(names)}
    words = [word.casefold() for word in wanted]
    cut = [short for word in words for short in _cut(word)]
    return next((folded[word] for word in [*words, *cut] if word in folded), None)


def _cut(word: str) -> list[str]:
    """Return what ten bytes hold of a name that is longer, in UTF-8 and in GBK."""
    raw = {code: word.encode(code, errors="replace") for code in ("utf-8", "gbk")}
    return [
        text[:_NAME_BYTES].decode(code, "ignore") for code, text in raw.items() if len(text) > _NAME_BYTES
    ]


def area_field(names: Sequence[str]) -> str | None:
    """Return the field in which a delivery states areas; a unit may stand behind its name.

    Examples
    --------
    >>> area_field(["TBBH", "tbmj"]), area_field(["编号", "图斑面积（亩）"])
    ('tbmj', '图斑面积（亩）')
    """
    found = first_of(aliases()["areas"], names)
    if found is not None:
        return found
    bare = {named_unit(name)[0]: name for name in reversed(names)}
    known = first_of(aliases()["areas"], list(bare))
    return None if known is None else bare[known]


def land_use_code_kind(code: str) -> str:
    """Return ``new`` (since 2019), ``old`` (three digits, before) or ``unknown`` for a land-use code.

    Examples
    --------
    >>> [land_use_code_kind(c) for c in ("0101", "1104A", "08H2A", "013", "0199")]
    ['new', 'new', 'new', 'old', 'unknown']
    """
    known, suffixes = _codes()
    word = code.strip().upper()
    if word in known or (word[:-1] in known and word[-1:] in suffixes):
        return "new"
    return "old" if _OLD_CODE.fullmatch(word) else "unknown"


def minimum_area_m2(code: str | None) -> float:
    """Return the smallest area that the land survey maps, m²; of construction land where no code is known."""
    least: Mapping[str, float] = aliases()["minimum_area_m2"]
    if not code or code.startswith(tuple(aliases()["construction_codes"])):
        return float(least["construction"])
    return float(least["farmland" if code.startswith(tuple(aliases()["farmland_codes"])) else "other"])


@cache
def _codes() -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(aliases()["land_use_codes"].split()), frozenset(aliases()["land_use_suffixes"])
