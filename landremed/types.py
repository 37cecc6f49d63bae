"""Names and small records shared by every stage. Standard library only."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum, StrEnum
from typing import Final, TypeAlias

__all__ = [
    "COLUMN_STEM",
    "M2_PER_MU",
    "MAIN_ROLES",
    "ROLE_ALIASES",
    "SPECIAL_ROLES",
    "UNKNOWN",
    "AreaKind",
    "FactSpec",
    "FactValue",
    "Finding",
    "Outcome",
    "PartialDate",
    "Severity",
    "Straddle",
    "Unknown",
    "ValueSpec",
]

M2_PER_MU: Final = 2000 / 3
"""Square metres in one 亩 (exactly 2000/3)."""


class Outcome(StrEnum):
    """What is recommended for a parcel, in the order in which lists show them."""

    RETAIN = "retain"
    COMPLETE_PAPERWORK = "complete_paperwork"
    DEMOLISH_RESTORE = "demolish_restore"
    NEEDS_REVIEW = "needs_review"
    OUT_OF_SCOPE = "out_of_scope"


class Severity(StrEnum):
    """Weight of a finding; ``OFF`` hides it."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    OFF = "off"


class AreaKind(StrEnum):
    """How areas are measured (``interface.md`` section 4)."""

    SURVEY = "survey"
    GEODESIC = "geodesic"
    PLANE = "plane"


class Straddle(StrEnum):
    """What happens to a parcel that lies on both sides of a boundary."""

    REVIEW = "review"
    MAJORITY = "majority"
    SPLIT = "split"


MAIN_ROLES: Final = (
    "permanent_basic_farmland",
    "ecological_red_line",
    "urban_development_boundary",
    "green_ecological_barrier",
)
"""Layers whose columns always stand in the result."""

SPECIAL_ROLES: Final = ("admin_units", "land_use")
"""Layers with a meaning of their own besides being overlaid."""

ROLE_ALIASES: Final[Mapping[str, str]] = {
    "farmland": "permanent_basic_farmland",
    "永久基本农田": "permanent_basic_farmland",
    "red_line": "ecological_red_line",
    "生态保护红线": "ecological_red_line",
    "urban_boundary": "urban_development_boundary",
    "城镇开发边界": "urban_development_boundary",
    "green_barrier": "green_ecological_barrier",
    "绿色生态屏障": "green_ecological_barrier",
    "行政单元": "admin_units",
    "地类图斑": "land_use",
}

COLUMN_STEM: Final[Mapping[str, str]] = {
    "occupies_permanent_basic_farmland": "permanent_basic_farmland",
    "occupies_ecological_red_line": "ecological_red_line",
    "within_urban_development_boundary": "urban_development_boundary",
    "within_green_barrier": "green_ecological_barrier",
    "red_line_outside_boundary": "red_line_outside_boundary",
    "farmland_outside_boundary": "farmland_outside_boundary",
    "cultivated_area_m2": "cultivated",
}
"""Computed fact -> stem of the area column it rests on (``<stem>_area_m2``)."""


class Unknown(Enum):
    """The one value of a fact that is present but cannot be read."""

    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown.UNKNOWN


@dataclass(frozen=True, slots=True, order=True)
class PartialDate:
    """A date known to the day, the month or the year: any day from ``first`` to ``last``."""

    first: date
    last: date

    @property
    def exact(self) -> bool:
        """Whether it is known to the day."""
        return self.first == self.last

    def __str__(self) -> str:
        if self.exact:
            return self.first.isoformat()
        if self.first.month == self.last.month:
            return f"{self.first:%Y-%m}"
        return f"{self.first:%Y}"


FactValue: TypeAlias = bool | str | float | PartialDate | Unknown | None
"""A fact's value: ``None`` is absent, ``UNKNOWN`` is present but unreadable, codes are strings."""


@dataclass(frozen=True, slots=True)
class ValueSpec:
    """One listed value of a code fact.

    ``scope`` names the category (for subtypes) or subtypes (for exemption reasons) it is listed for;
    empty means all.
    """

    code: str
    label_zh: str
    label_en: str
    synonyms: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FactSpec:
    """One fact of the vocabulary (``rules/facts.yaml``).

    Attributes
    ----------
    name : str
        Name in data and rules.
    kind : {"bool", "code", "date", "number"}
        Type of its values.
    source : {"given", "computed"}
        Given facts come from attributes or evidence, computed ones from the overlay.
    claim : bool
        Whether it counts only when somebody makes it: absent means not claimed.
    order : int
        Place in the order in which missing facts are listed.
    within : str
        Of a computed fact: the layer that the parcel lies inside or outside of.
    layer, outside : str
        Of a computed three-way fact: the layer that counts only outside of the other.
    """

    name: str
    kind: str
    label_zh: str
    label_en: str
    source: str = "given"
    claim: bool = False
    order: int = 0
    values: Mapping[str, ValueSpec] = dataclasses.field(default_factory=dict)
    synonyms: tuple[str, ...] = ()
    within: str = dataclasses.field(default="", repr=False)
    layer: str = dataclasses.field(default="", repr=False)
    outside: str = dataclasses.field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of ``issues``: something a person should know about a row, a value or a file.

    ``code`` is a key of the message catalogue, which also holds its default severity; ``params`` fill
    the text. ``point`` is in the working CRS. ``file`` is shown as the user wrote it, with ``:LAYER``.
    """

    code: str
    parcel_id: str = ""
    file: str = ""
    row: int | None = None
    field: str = ""
    value: str = ""
    params: Mapping[str, object] = dataclasses.field(default_factory=dict)
    point: tuple[float, float] | None = None
