"""Acceptance items of every parcel, each judged by what the rasters show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from landremed.text import own_yaml
from landremed.verify.classmaps import Check, Checks
from landremed.verify.measure import ImageryMeasure, LandCoverMeasure
from landremed.verify.parcels import Item, Parcels
from landremed.verify.verdict import Judgement, Seen, Verdict, judge, judge_index, together

__all__ = ["Claim", "ParcelVerdict", "Proof", "judge_parcels", "labels", "word"]

_LEAST_M2: Final = 1.0
_IDLE: Final = "not_seen_before"  # nothing there before or after: no ground for doubt, nor for support alone


@dataclass(frozen=True, slots=True)
class Proof:
    """One item judged by one kind of raster.

    Attributes
    ----------
    method : {"land_cover", "imagery"}
        Kind of raster; ``subject`` is the group of classes or the index.
    before, after : Seen
        What it shows.
    judgement : Judgement
        Verdict and reason.
    """

    method: str
    subject: str
    before: Seen
    after: Seen
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Claim:
    """One acceptance item: every proof, and what they say together."""

    item: Item
    proofs: Sequence[Proof]
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class ParcelVerdict:
    """All items of one parcel that rasters can show; ``verdict`` is None when there are none."""

    claims: Sequence[Claim]
    verdict: Verdict | None


def judge_parcels(
    parcels: Parcels, cover: LandCoverMeasure | None, imagery: ImageryMeasure | None, checks: Checks
) -> list[ParcelVerdict]:
    """Judge every acceptance item that a check exists for.

    Parameters
    ----------
    parcels : Parcels
        With their acceptance items.
    cover, imagery : optional
        What was measured.
    checks : Checks
        Checks and thresholds.

    Returns
    -------
    list of ParcelVerdict
        One per row. A parcel is contradicted when one of its items is; supported when at least one is and no
        other is in doubt, items apart of which nothing was seen before or after.
    """
    area = parcels.table["area_m2"].to_pylist()
    cultivated = parcels.table["cultivated_area_m2"].to_pylist()
    found = []
    for row, items in enumerate(parcels.items):
        claims = []
        for item in items:
            check = checks.items.get(item.id)
            part = _part(check, cultivated[row], area[row]) if check else 0.0
            if check is None or part == 0.0:
                continue
            proofs = _proofs(check, part, row, cover, imagery, checks.thresholds)
            if proofs:
                claims.append(Claim(item, proofs, together(proof.judgement for proof in proofs)))
        found.append(ParcelVerdict(claims, _overall(claims)))
    return found


def word(*path: str, language: str) -> str:
    """Return one of the words of ``labels.yaml``."""
    entry: Any = labels()
    for key in path:
        entry = entry[key]
    return str(entry[language])


@cache
def labels() -> Mapping[str, Any]:
    """Return ``labels.yaml``."""
    file = resources.files("landremed.verify").joinpath("labels.yaml")
    found: Mapping[str, Any] = own_yaml(file)
    return found


def _part(check: Check, cultivated_m2: float | None, area_m2: float | None) -> float | None:
    """Return the share of the parcel that an item is about: 0 not at all, None not known."""
    if check.of == "parcel":
        return 1.0
    if cultivated_m2 is None or not area_m2:
        return None
    return min(cultivated_m2 / area_m2, 1.0) if cultivated_m2 > _LEAST_M2 else 0.0


def _proofs(
    check: Check,
    part: float | None,
    row: int,
    cover: LandCoverMeasure | None,
    imagery: ImageryMeasure | None,
    limits: Mapping[str, float],
) -> list[Proof]:
    proofs = []
    if cover is not None:
        before, after = (cover.cover[time].seen(check.group, row) for time in ("before", "after"))
        if part is None:
            found = Judgement(Verdict.CANNOT_TELL, "no_cultivated_area")
        elif max(cover.cover[time].unmapped[row] for time in cover.cover) > 1.0 - limits["min_coverage"]:
            found = Judgement(Verdict.CANNOT_TELL, "codes_unmapped")
        else:
            found = judge(check, before, after, limits, part=part)
        proofs.append(Proof("land_cover", check.group, before, after, found))
    if imagery is not None and check.index in imagery.table["before"]["parcel"]:
        before, after = (imagery.seen(time, check.index, row) for time in ("before", "after"))
        found = judge_index(check, before, after, limits, shift=imagery.shift(check.index, row))
        proofs.append(Proof("imagery", check.index, before, after, found))
    return proofs


def _overall(claims: Sequence[Claim]) -> Verdict | None:
    verdicts = [claim.judgement.verdict for claim in claims]
    if not verdicts:
        return None
    if Verdict.CONTRADICTED in verdicts:
        return Verdict.CONTRADICTED
    in_doubt = [
        c for c in claims if c.judgement.verdict is Verdict.CANNOT_TELL and c.judgement.reason != _IDLE
    ]
    return Verdict.SUPPORTED if Verdict.SUPPORTED in verdicts and not in_doubt else Verdict.CANNOT_TELL
