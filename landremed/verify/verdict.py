"""From shares before and after to a verdict per acceptance item. Pure rules, no rasters.

Whatever is in doubt is ``cannot_tell``, with the reason; a raster can bear a claim out or contradict it, and
never closes a parcel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from landremed.verify.classmaps import Check

__all__ = ["Judgement", "Seen", "Verdict", "judge", "judge_index", "together"]


class Verdict(StrEnum):
    """What rasters say of a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True)
class Seen:
    """What one raster shows of a parcel.

    Attributes
    ----------
    share : float
        Share of the seen ground under the group, or with the index above its threshold; 0..1.
    coverage : float
        Share of the parcel that the raster shows.
    cells : float
        Number of cells, parts counted by their share.
    """

    share: float
    coverage: float
    cells: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and its reason (a key of ``labels.yaml``)."""

    verdict: Verdict
    reason: str


def judge(
    check: Check, before: Seen, after: Seen, limits: Mapping[str, float], *, part: float = 1.0
) -> Judgement:
    """Judge one acceptance item.

    Parameters
    ----------
    check : Check
        What the item asks.
    before, after : Seen
        What the two rasters show of the check's group.
    limits : mapping of str to float
        Thresholds (``checks.yaml``).
    part : float
        Share of the parcel that the item is about (the cultivated land in it); 0 < part <= 1.

    Examples
    --------
    >>> from landremed.verify.classmaps import load_checks
    >>> checks = load_checks()
    >>> lake = checks.items["lake_filled"]
    >>> judge(lake, Seen(0.9, 1, 150), Seen(0.02, 1, 150), checks.thresholds).verdict.value
    'supported'
    >>> judge(lake, Seen(0.9, 1, 3), Seen(0.02, 1, 3), checks.thresholds).reason
    'too_small'
    """
    doubt = _unseen(after, limits, part)
    if doubt:
        return _doubt(doubt)
    now, then = after.share / part, before.share / part
    known = not _unseen(before, limits, part)
    if check.kind == "gone":
        return _gone(then, now, known, limits)
    if check.kind == "reached":
        return _reached(then, now, known, limits)
    if not known:
        return _doubt("no_before")
    return _kept(then, now, limits) if check.kind == "kept" else _appears(then, now, limits)


def judge_index(
    check: Check,
    before: Seen,
    after: Seen,
    limits: Mapping[str, float],
    *,
    shift: float | None,
) -> Judgement:
    """Judge one acceptance item by an index of imagery.

    Parameters
    ----------
    check, before, after, limits
        As for `judge`; shares are of ground whose index is above its threshold.
    shift : float or None
        Change of the index's mean in the ring around the parcel; None when it is not known.
    """
    doubt = _unseen(after, limits, 1.0) or ("no_before" if _unseen(before, limits, 1.0) else "")
    if doubt:
        return _doubt(doubt)
    if shift is None:
        return _doubt("partly_off_raster")
    if abs(shift) > limits["max_scene_shift"]:
        return _doubt("scene_shift")
    found = judge(check, before, after, limits)
    one_sided = {"support": Verdict.CONTRADICTED, "contradiction": Verdict.SUPPORTED}
    if found.verdict is one_sided.get(check.says):
        return _doubt("index_ambiguous")
    return found


def together(judgements: Iterable[Judgement]) -> Judgement:
    """Join what several kinds of raster say of one item.

    One that can tell outweighs one that cannot; two that contradict each other settle nothing.
    """
    found = list(judgements)
    firm = [j for j in found if j.verdict is not Verdict.CANNOT_TELL]
    if len({j.verdict for j in firm}) > 1:
        return _doubt("sources_disagree")
    return (firm or found)[0]


def _unseen(seen: Seen, limits: Mapping[str, float], part: float) -> str:
    if seen.coverage <= 0:
        return "off_raster"
    if seen.coverage < limits["min_coverage"] - 1e-9:
        return "partly_off_raster"
    if seen.cells * part < limits["min_cells"] - 1e-9:
        return "too_small"
    return ""


def _doubt(reason: str) -> Judgement:
    return Judgement(Verdict.CANNOT_TELL, reason)


def _gone(then: float, now: float, known: bool, limits: Mapping[str, float]) -> Judgement:
    if now >= limits["present_min_share"]:
        return Judgement(Verdict.CONTRADICTED, "still_there")
    if now > limits["gone_max_share"]:
        return _doubt("between")
    if not known:
        return _doubt("no_before")
    if then < limits["present_min_share"]:
        return _doubt("not_seen_before")
    return Judgement(Verdict.SUPPORTED, "gone")


def _reached(then: float, now: float, known: bool, limits: Mapping[str, float]) -> Judgement:
    if now <= limits["unreached_max_share"]:
        return Judgement(Verdict.CONTRADICTED, "not_reached")
    if now < limits["reached_min_share"]:
        return _doubt("between")
    if not known:
        return _doubt("no_before")
    if then >= limits["reached_min_share"]:
        # the raster did not see the fault, so it cannot witness its end
        return _doubt("seen_before")
    return Judgement(Verdict.SUPPORTED, "reached")


def _kept(then: float, now: float, limits: Mapping[str, float]) -> Judgement:
    if then <= limits["gone_max_share"]:
        return _doubt("not_seen_before")
    if now >= then - limits["kept_tolerance"]:
        return Judgement(Verdict.SUPPORTED, "kept")
    return Judgement(Verdict.CONTRADICTED, "reduced")


def _appears(then: float, now: float, limits: Mapping[str, float]) -> Judgement:
    if then > limits["gone_max_share"]:
        return _doubt("seen_before")
    if now >= limits["present_min_share"]:
        return Judgement(Verdict.SUPPORTED, "appeared")
    return _doubt("not_appeared")  # work begins long before a class changes
