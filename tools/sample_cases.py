"""Reading ``sample_cases.yaml``: the named parcels of the samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from sample_places import Place

__all__ = ["Case", "Expected", "read_cases"]

ZONE_ONLY = {"违规收储", "闲置土地及违约竣工", "批而未供"}
HITECH = ("滨海高新区",)


@dataclass(frozen=True)
class Expected:
    """What must come out; ``None`` is not stated, "" is empty."""

    outcome: str
    measure: str = ""
    rule: str = ""
    clause: str = ""
    reason: str = ""
    missing: str | None = ""
    possible: str | None = ""
    schedule: str = ""
    due_on: str = ""
    overdue: str | None = ""
    priority: str | None = "4"
    zero_tolerance: str | None = "0"
    unit: str | None = None
    other_units: str | None = None
    flags: str = ""
    no_flags: str = ""


@dataclass(frozen=True)
class Case:
    """One named parcel."""

    parcel_id: str
    kind: str
    subtype: str
    shows: str
    place: Place
    expected: Expected
    occurred_on: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    damage: str = ""
    expected_split: Expected | None = None


def read_cases() -> list[Case]:
    """Return the named parcels in file order."""
    entries = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    return [_case(entry) for entry in entries]


def _case(entry: dict[str, Any]) -> Case:
    spot = dict(entry.get("place", {}))
    for key in ("units", "size"):
        if key in spot:
            spot[key] = tuple(spot[key])
    place = Place(**spot)
    stated = {**_units(entry["kind"], place), **entry["expect"]}
    return Case(
        parcel_id=entry["id"],
        kind=entry["kind"] or "",
        subtype=entry.get("subtype", ""),
        shows=entry["shows"],
        place=place,
        expected=Expected(**stated),
        occurred_on=entry.get("occurred_on", "2016-05-20"),
        facts=entry.get("facts", {}),
        damage=entry.get("damage", ""),
        expected_split=Expected(**entry["expect_split"]) if "expect_split" in entry else None,
    )


def _units(kind: str | None, place: Place) -> dict[str, str]:
    """Only zones implement 3.4, 3.5 and 3.7, and only 高新区 3.3: there a parcel's one zone is its unit."""
    if kind == "预征土地":
        return {"unit": HITECH[0] if place.units == HITECH else ""}
    if kind in ZONE_ONLY and len(place.units) == 1:
        return {"unit": "" if place.units == ("ZONELESS",) else place.units[0]}
    return {}
