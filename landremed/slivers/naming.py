"""The final name of every small overlap, once it is known which layers are shifted, and findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.slivers.kinds import EVIDENCE, PART_NUMBERS, SliverKind
from landremed.slivers.shift import Shift, explained
from landremed.types import SPECIAL_ROLES, Finding

__all__ = ["KindCounts", "added_counts", "kind_counts", "named", "sliver_findings", "telling"]

KindCounts: TypeAlias = Mapping[tuple[str, str], tuple[int, int]]
"""(layer, kind) -> how many overlaps, and their area in hundredths of m²; of shares they add up."""

_CODES: Final = {
    SliverKind.SHIFTED_LAYER: "overlaps_shifted_layer",
    SliverKind.CHORD: "overlaps_chord",
    SliverKind.SHARED_EDGE: "overlaps_shared_edge",
    SliverKind.CUT_REMNANT: "overlaps_cut_remnant",
    SliverKind.REAL_SMALL: "overlaps_real_small",
}


def named(overlaps: pa.Table, shifts: Mapping[str, Shift]) -> pa.Table:
    """Return overlaps of a job or share with final ``sliver_kind``, ``shift_m`` and ``shift_azimuth``.

    Parameters
    ----------
    overlaps : pyarrow.Table
        From ``landremed.slivers.with_evidence``.
    shifts : mapping of layer to Shift
        Found in the votes of the whole job.
    """
    kind = overlaps["sliver_kind"].combine_chunks()
    length, azimuth = np.full((2, len(overlaps)), np.nan)
    evidence = overlaps[EVIDENCE].combine_chunks()
    for role, shift in shifts.items():
        rows = np.flatnonzero(
            pc.and_(pc.equal(overlaps["layer"], role), pc.is_valid(evidence)).to_numpy(zero_copy_only=False)
        )
        rows = rows[_explained(evidence.take(pa.array(rows)), shift)]
        length[rows], azimuth[rows] = round(shift.length_m, 3), round(shift.azimuth, 1)
    shifted = pa.array(~np.isnan(length))
    kind = pc.if_else(shifted, pa.scalar(str(SliverKind.SHIFTED_LAYER)), kind)
    at = overlaps.column_names.index("sliver_kind")
    table = overlaps.set_column(at, "sliver_kind", kind).drop_columns([EVIDENCE])
    table = table.add_column(at + 1, "shift_m", pa.array(length, from_pandas=True))
    return table.add_column(at + 2, "shift_azimuth", pa.array(azimuth, from_pandas=True))


def kind_counts(overlaps: pa.Table) -> dict[tuple[str, str], tuple[int, int]]:
    """Count the overlaps that have a name, by layer and kind."""
    told = overlaps.select(["layer", "sliver_kind", "area_m2"])
    known = told.filter(pc.is_valid(told["sliver_kind"]))
    cents = np.rint(known["area_m2"].to_numpy() * 100.0).astype(np.int64)
    known = known.set_column(2, "area", pa.array(cents))
    summed = known.group_by(["layer", "sliver_kind"]).aggregate([("area", "count"), ("area", "sum")])
    return {
        (row["layer"], row["sliver_kind"]): (row["area_count"], row["area_sum"]) for row in summed.to_pylist()
    }


def telling(overlaps: pa.Table) -> pa.Table:
    """Return what ``named`` and ``kind_counts`` need of a share, without the overlaps that have no name."""
    kept = overlaps.select(["layer", "area_m2", "sliver_kind", EVIDENCE])
    return kept.filter(pc.or_(pc.is_valid(kept["sliver_kind"]), pc.is_valid(kept[EVIDENCE])))


def added_counts(shares: Iterable[KindCounts]) -> dict[tuple[str, str], tuple[int, int]]:
    """Add up the counts of shares."""
    total: dict[tuple[str, str], tuple[int, int]] = {}
    for share in shares:
        for key, (count, area) in share.items():
            known = total.get(key, (0, 0))
            total[key] = (known[0] + count, known[1] + area)
    return total


def sliver_findings(
    counts: KindCounts, shifts: Mapping[str, Shift], files: Mapping[str, str]
) -> list[Finding]:
    """Return a finding for every kind of small overlap met with a layer, and for every shifted layer.

    Parameters
    ----------
    counts : mapping
        From ``kind_counts``, of the whole job.
    shifts : mapping of layer to Shift
        Layers that are shifted.
    files : mapping of layer to str
        Layers in the project's order, with their files as they are shown.
    """
    found = []
    for role, file in files.items():
        for kind, code in _CODES.items():
            count, cents = counts.get((role, kind), (0, 0))
            shift = shifts.get(role) if kind is SliverKind.SHIFTED_LAYER else None
            # every parcel lies in some unit and on some land use: its splinters there say nothing
            if (not count or role in SPECIAL_ROLES) and shift is None:
                continue
            params: dict[str, Any] = {"layer": role, "count": count, "area": f"{cents / 100:.2f}"}
            if shift is not None:
                params |= {"metres": f"{shift.length_m:.2f}", "degrees": f"{shift.azimuth:.0f}"}
                params |= {"agreeing": shift.agreeing, "votes": shift.votes}
            found.append(Finding(code, file=file, params=params))
    return found


def _explained(evidence: pa.Array, shift: Shift) -> npt.NDArray[np.bool_]:
    """Tell which overlaps the shift explains: all of their parts."""
    count = pc.list_value_length(evidence).to_numpy(zero_copy_only=False) // PART_NUMBERS
    numbers = evidence.flatten().to_numpy(zero_copy_only=False).reshape(-1, PART_NUMBERS)
    owner = np.repeat(np.arange(len(evidence)), count)
    missed = np.bincount(owner, ~explained(numbers, shift), len(evidence))
    return np.asarray(missed == 0)
