"""Colours of the result, in one place.

The outcomes keep apart for readers who confuse red and green (or blue and yellow), and what needs review
also has a dashed outline, so that nothing rests on colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from landremed.types import Outcome

__all__ = [
    "CLASS_COLORS",
    "DEADLINE_COLORS",
    "LAYER_HATCHES",
    "OTHER_HATCH",
    "OUTCOME_FILLS",
    "SEVERITY_MARKERS",
    "UNIT_COLORS",
    "Fill",
    "Marker",
]


@dataclass(frozen=True, slots=True)
class Fill:
    """How polygons of one kind are drawn.

    ``color`` and ``outline`` are ``#rrggbb``, ``opacity`` runs from 0 to 1, ``pattern`` and ``line`` are
    QGIS's names of brush and pen styles, ``width_mm`` is the outline's.
    """

    color: str
    outline: str
    opacity: float = 0.75
    pattern: str = "solid"
    line: str = "solid"
    width_mm: float = 0.3


@dataclass(frozen=True, slots=True)
class Marker:
    """How points of one kind are drawn."""

    color: str
    shape: str
    size_mm: float


OUTCOME_FILLS: Final[Mapping[str, Fill]] = MappingProxyType(
    {
        Outcome.RETAIN: Fill("#007d5b", "#00402e"),
        Outcome.COMPLETE_PAPERWORK: Fill("#56b4e9", "#1d5c83"),
        Outcome.DEMOLISH_RESTORE: Fill("#d55e00", "#6e3000"),
        Outcome.NEEDS_REVIEW: Fill("#f0e442", "#5c5200", line="dash", width_mm=0.35),
        Outcome.OUT_OF_SCOPE: Fill("#b0b0b0", "#5a5a5a"),
    }
)
"""Fill of each outcome, in the order of the legend."""

LAYER_HATCHES: Final[Mapping[str, Fill]] = MappingProxyType(
    {
        "permanent_basic_farmland": Fill("#8a6d00", "#8a6d00", 1.0, "b_diagonal", width_mm=0.2),
        "ecological_red_line": Fill("#a3195b", "#a3195b", 1.0, "f_diagonal", width_mm=0.2),
        "urban_development_boundary": Fill("#0072b2", "#0072b2", 1.0, "horizontal", width_mm=0.2),
        "green_ecological_barrier": Fill("#006b4e", "#006b4e", 1.0, "vertical", width_mm=0.2),
    }
)
"""Hatch of each main layer's overlaps."""

OTHER_HATCH: Final = Fill("#444444", "#444444", 1.0, "diagonal_x", width_mm=0.2)
"""Hatch of the overlaps with any further layer."""

SEVERITY_MARKERS: Final[Mapping[str, Marker]] = MappingProxyType(
    {
        "error": Marker("#d55e00", "triangle", 3.6),
        "warning": Marker("#e69f00", "diamond", 3.2),
        "info": Marker("#56b4e9", "circle", 2.4),
    }
)
"""Marker of each severity; the shapes differ too."""

CLASS_COLORS: Final = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#7a7a7a")
"""Classes of problem, in the order of the rule book."""

DEADLINE_COLORS: Final[Mapping[str, str]] = MappingProxyType(
    {"overdue": "#7f2704", "soon": "#e6550d", "year": "#fdae6b", "later": "#9ecae1", "none": "#c4c4c4"}
)
"""How near the deadline is: overdue, within 90 days, within a year, later, none."""

UNIT_COLORS: Final = (
    "#332288",
    "#88ccee",
    "#44aa99",
    "#117733",
    "#999933",
    "#ddcc77",
    "#cc6677",
    "#882255",
    "#aa4499",
    "#6699cc",
    "#661100",
    "#888888",
)
"""Units that answer, by falling number of parcels; the last one also for all further units."""
