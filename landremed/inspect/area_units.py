"""Units in which areas are written, in cells and in the names of fields."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from landremed.types import M2_PER_MU
from landremed.values import fold

__all__ = ["AREA_UNITS", "StatedArea", "named_unit", "read_area"]

AREA_UNITS: Final[Mapping[str, float]] = {"m²": 1.0, "亩": M2_PER_MU, "ha": 1e4, "km²": 1e6}
"""Units in which areas are stated, in m²."""

_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(["m2", "m^2", "平方米", "平米", "平方公尺", "sqm"], "m²"),
    **dict.fromkeys(["亩", "市亩", "mu"], "亩"),
    **dict.fromkeys(["ha", "公顷", "hm2", "hm^2", "平方百米"], "ha"),
    **dict.fromkeys(["km2", "km^2", "平方公里", "平方千米"], "km²"),
}
_ANY_UNIT: Final = "|".join(sorted(map(re.escape, _WORDS), key=len, reverse=True))
_AREA: Final = re.compile(
    rf"(?:约|共|合|计)?(?P<number>[+-]?(?:\d{{1,3}}(?:,\d{{3}})+|\d+)?(?:\.\d+)?(?:e[+-]?\d+)?)"
    rf"(?P<many>万)?(?P<unit>{_ANY_UNIT})?(?:左右)?"
)
_NAMED: Final = re.compile(rf"(?P<name>.+?)(?P<joint>[(\[_/:]?)(?P<unit>{_ANY_UNIT})[)\]]?")


@dataclass(frozen=True, slots=True)
class StatedArea:
    """One stated area: the number, its unit ("" where none is written), and how many decimals it has."""

    number: float
    unit: str
    decimals: int


def read_area(value: object) -> StatedArea | None:
    """Read an area with or without unit; None where it is none.

    Examples
    --------
    >>> read_area("1,234.5㎡")
    StatedArea(number=1234.5, unit='m²', decimals=1)
    >>> read_area("约12.50 亩").unit, read_area("0.8公顷").number, read_area("12×5"), read_area(3)
    ('亩', 0.8, None, StatedArea(number=3.0, unit='', decimals=0))
    """
    if isinstance(value, bool):
        return None
    match = _AREA.fullmatch(fold(repr(float(value)) if isinstance(value, (int, float)) else str(value)))
    digits = match["number"].replace(",", "") if match else ""
    try:
        number = float(digits)
    except ValueError:
        return None
    if match is None or not math.isfinite(number) or number < 0.0:
        return None
    decimals = len(digits.partition("e")[0].partition(".")[2].rstrip("0" if not match["unit"] else ""))
    if match["many"]:
        number, decimals = number * 1e4, decimals - 4
    return StatedArea(number, _WORDS.get(match["unit"] or "", ""), decimals)


def named_unit(field: str) -> tuple[str, str]:
    """Return a field's name without the unit at its end, and that unit, "" where none stands there.

    Examples
    --------
    >>> named_unit("面积（亩）"), named_unit("MJ_m2"), named_unit("JCMJ"), named_unit("alpha")
    (('面积', '亩'), ('mj', 'm²'), ('jcmj', ''), ('alpha', ''))
    """
    name = fold(field)
    match = _NAMED.fullmatch(name)
    if match is None:
        return name, ""
    before = match["name"]
    if match["unit"].isascii() and not match["joint"] and before[-1:].isascii():  # "alpha" states no ha
        return name, ""
    return before, _WORDS[match["unit"]]
