"""Land-use codes in the three big classes: agricultural, construction and unused land."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

from landremed.text import own_yaml

__all__ = ["BIG_CLASSES", "big_class", "use_by_parcel"]

BIG_CLASSES: Final = ("agricultural", "construction", "unused", "unsorted")
_LONGEST: Final = 4
_ADJUSTABLE: Final = "K"


def big_class(code: str) -> str:
    """Return the big class of a land-use code, ``unsorted`` for one that is not known.

    Examples
    --------
    >>> big_class("0103"), big_class("0404"), big_class("1104K"), big_class("99")
    ('agricultural', 'unused', 'agricultural', 'unsorted')
    """
    for length in range(_LONGEST, 1, -1):
        found = _codes().get(code[:length])
        if found and len(code) >= length:
            return found
    return "unsorted"


def use_by_parcel(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return for every parcel the area (m²) of each big class, of cultivated and of adjustable land.

    Parameters
    ----------
    rows : iterable of mapping
        Rows of ``land_use``.
    """
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        code, area = str(row["code"] or "").strip().upper(), float(row["area_m2"] or 0.0)
        areas = found.setdefault(str(row["parcel_id"]), dict.fromkeys((*BIG_CLASSES, "adjustable"), 0.0))
        areas[big_class(code)] += area
        if code.endswith(_ADJUSTABLE):
            areas["adjustable"] += area
    return found


@cache
def _codes() -> Mapping[str, str]:
    file = resources.files("landremed.report").joinpath("templates/land_classes.yaml")
    classes = own_yaml(file)
    return {code: name for name, codes in classes.items() for code in codes}
