"""What a project file says, as frozen records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from landremed.errors import InputError
from landremed.types import ROLE_ALIASES, AreaKind, Severity, Straddle

__all__ = [
    "EvidenceSpec",
    "LayerSpec",
    "ParcelsSpec",
    "Project",
    "RepairLimits",
    "Sensitivity",
    "Tolerance",
    "role_name",
]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """When an overlap counts (``rules.md`` section 3). Areas m², share 0..1, position metres."""

    min_overlap_area_m2: float = 1.0
    min_overlap_share: float = 0.001
    sliver_max_area_m2: float = 10.0
    position_m: float = 1.0


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Whether boundaries are moved to see what outcomes hang on, and how far at most, metres."""

    enabled: bool = True
    limit_m: float = 2.0


@dataclass(frozen=True, slots=True)
class RepairLimits:
    """How much a repair may change without a person; more than both is left unrepaired.

    The share is of the larger of the areas before and after, 0..1; the area in m².
    """

    max_area_change_share: float = 0.1
    max_area_change_m2: float = 10_000.0

    @property
    def most(self) -> tuple[float, float]:
        """Both limits, as ``repair`` takes them."""
        return self.max_area_change_share, self.max_area_change_m2


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One constraint layer as the project names it."""

    role: str
    path: str
    layer: str | None = None
    where: str | None = None
    id: str | None = None
    by: tuple[str, ...] = ()
    disjoint: bool = False
    crs: str | None = None
    encoding: str | None = None
    version: str | None = None
    date: date | None = None
    coverage: str | None = None
    name: str | None = None
    kind: str | None = None
    code: str | None = None

    @property
    def key(self) -> str:
        """Its table in the project file."""
        return f"layers.{self.role}"


@dataclass(frozen=True, slots=True)
class ParcelsSpec:
    """The parcels: file, id fields, and how its fields and words map to facts and codes."""

    path: str
    layer: str | None
    id: tuple[str, ...]
    where: str | None
    encoding: str | None
    crs: str | None
    fields: Mapping[str, str]
    values: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class EvidenceSpec:
    """One table of facts by parcel id."""

    path: str
    id: str
    sheet: str | None = None
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """A whole project. ``base`` is the folder relative paths start from."""

    base: Path
    file: str
    name: str
    crs: str | None
    rules: str
    as_of: date
    straddle: Straddle
    language: str | None
    secrecy: str | None
    area: AreaKind | None
    tolerance: Tolerance
    parcels: ParcelsSpec
    layers: tuple[LayerSpec, ...]
    evidence: tuple[EvidenceSpec, ...]
    readings: Mapping[str, object]
    basis: str
    severity: Mapping[str, Severity]
    limits: Mapping[str, float]
    calendar: str | None
    sensitivity: Sensitivity
    repair: RepairLimits
    raw: Mapping[str, Any]

    @property
    def edges_within_m(self) -> float:
        """How far around a parcel layers' edges are looked for; 0 when nobody asks how firm outcomes are."""
        if not self.sensitivity.enabled:
            return 0.0
        return max(self.sensitivity.limit_m, self.tolerance.position_m)

    @property
    def settings_json(self) -> str:
        """All tables as JSON, from which ``project_from_json`` makes the same project again."""
        day = {"as_of": self.as_of.isoformat()}
        whole = {**self.raw, "project": {**self.raw.get("project", {}), **day}}
        return json.dumps(whole, ensure_ascii=False, sort_keys=True, default=str)

    def require_files(self) -> None:
        """Refuse a project of which a file is not there, before anything else is done.

        Layers within zips are looked for when they are read.

        Raises
        ------
        InputError
            As when the file is read.
        """
        from landremed.io.drivers import resolve_input, split_layer

        named = [(self.parcels.path, self.parcels.layer), *((s.path, s.layer) for s in self.layers)]
        for path, layer in named:
            if ".zip" in path.lower():
                continue
            try:
                resolve_input(path, self.base)
            except InputError:
                if layer is not None:
                    raise
                resolve_input(split_layer(path)[0], self.base)

    def layer(self, role: str) -> LayerSpec | None:
        """Return the layer of a role, or None where it is not given."""
        return next((spec for spec in self.layers if spec.role == role), None)


def role_name(word: str) -> str:
    """Return the full name of a layer role from its full, short or Chinese name.

    Examples
    --------
    >>> role_name("farmland"), role_name("water_source")
    ('permanent_basic_farmland', 'water_source')
    """
    return ROLE_ALIASES.get(word, word)
