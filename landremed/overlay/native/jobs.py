"""Which regions to compute, as arrays: pairs first, then unions, groups and parts outside a boundary."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from landremed.overlay.native.arrays import B1, F8, I4, I8, U1
from landremed.overlay.native.layerset import AreaKindCode, LayerIndex, RingSet
from landremed.overlay.native.measure import run_jobs
from landremed.overlay.native.region import DOUBTFUL, EMPTY, FAILED, PARTIAL, WHOLE
from landremed.overlay.native.settle import exact_area, settle_piece, settle_region
from landremed.overlay.tables import AreaMeasure

__all__ = ["LayerHits", "ParcelRange", "Regions", "measure_layer", "measure_outside", "run_pairs"]

MIN_AREA_M2 = 1e-6
_NO_FEATURES = np.empty(0, np.int32)
_COUNTED = ("pairs", "regions", "doubtful", "repaired", "failed", "disputed", "wrong")


@dataclass
class ParcelRange:
    """Some parcels, unpacked, with their areas and what happened to them."""

    rings: RingSet
    area: F8
    kind: AreaKindCode
    measure: AreaMeasure
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED, 0))


@dataclass
class Regions:
    """Results of jobs: state, plane area, area of the kind asked for, WKB of the partial ones."""

    state: npt.NDArray[np.int8]
    plane: F8
    area: F8
    formula: F8
    cover: F8
    disputed: B1
    woff: I8
    wkb: U1
    repaired: dict[int, bytes]

    def geometry_bytes(self, i: int) -> bytes:
        """WKB of one partial region."""
        if i in self.repaired:
            return self.repaired[i]
        return self.wkb[self.woff[i] : self.woff[i + 1]].tobytes()


@dataclass
class LayerHits:
    """One layer over one range of parcels.

    ``parcel, feature, area`` are the pairs that overlap; ``row_*`` the parcels that do, with the union of the
    layer; ``row_source`` is -1 for the whole parcel, else an index into ``pairs`` (below ``len(pairs)``) or,
    beyond it, into ``unions``.
    """

    parcel: I8
    feature: I4
    area: F8
    row_parcel: I8
    row_area: F8
    row_plane: F8
    row_source: I8
    pairs: Regions
    unions: Regions
    group_rows: tuple[I8, I8, F8]
    disputed: list[tuple[int, float, float, float]]


def measure_layer(parcels: ParcelRange, layer: LayerIndex) -> LayerHits:
    """Measure a range of parcels against one layer."""
    first, feature = layer.candidates(parcels.rings.bb)
    owner = np.repeat(np.arange(len(first) - 1), np.diff(first))
    pairs = _run(parcels, layer, None, owner, np.arange(len(owner) + 1), feature)
    parcels.counts["pairs"] += len(owner)
    hit = np.flatnonzero(pairs.state != EMPTY)
    parcel, hit_feature = owner[hit], feature[hit]
    row_parcel, start, count = np.unique(parcel, return_index=True, return_counts=True)
    whole = pairs.state[hit] == WHOLE
    covered = np.add.reduceat(whole, start) > 0 if len(start) else np.zeros(0, bool)
    source = np.where(covered, -1, hit[start] if len(start) else 0)
    row_area = np.where(covered, parcels.area[row_parcel], pairs.area[hit[start]])
    row_plane = np.where(covered, parcels.rings.plane[row_parcel], pairs.plane[hit[start]])
    several = np.flatnonzero((count > 1) & ~covered)
    pick, offsets = _spans(start[several], count[several])
    unions = _run(parcels, layer, None, row_parcel[several], offsets, hit_feature[pick])
    filled = unions.state == WHOLE
    source[several] = np.where(filled, -1, len(owner) + np.arange(len(several)))
    row_area[several] = np.where(filled, parcels.area[row_parcel[several]], unions.area)
    row_plane[several] = np.where(filled, parcels.rings.plane[row_parcel[several]], unions.plane)
    hits = LayerHits(
        parcel, hit_feature, pairs.area[hit], row_parcel, row_area, row_plane, source, pairs, unions,
        (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)), [],
    )  # fmt: skip
    _check_rows(parcels, layer, hits, owner, hit, several, feature)
    if layer.group is not None:
        hits.group_rows = _measure_groups(parcels, layer, hits, hit, start, count)
    return hits


def measure_outside(
    parcels: ParcelRange, pair: tuple[LayerIndex, LayerIndex], hits: tuple[LayerHits, LayerHits]
) -> tuple[I8, F8]:
    """Measure, per parcel that overlaps the layer, what of the overlap lies outside the boundary."""
    inner, boundary = hits
    rows, area = inner.row_parcel, inner.row_area.copy()
    at = np.searchsorted(boundary.row_parcel, rows)
    met = np.zeros(len(rows), bool)
    inside = at < len(boundary.row_parcel)
    met[inside] = boundary.row_parcel[at[inside]] == rows[inside]
    inside_all = met.copy()
    inside_all[met] = boundary.row_source[at[met]] < 0
    todo = np.flatnonzero(met & ~inside_all)
    keep = ~inside_all
    whole = inner.row_source[todo] < 0
    for mode in (1, 2):
        part = todo[whole == (mode == 2)]
        if not len(part):
            continue
        none = np.zeros(len(part) + 1, np.int64)
        layer_first, layer_feature = none, _NO_FEATURES
        if mode == 1:
            layer_first, layer_feature = _features_of(inner, rows[part])
        edge_first, edge_feature = _features_of(boundary, rows[part])
        regions = _run(
            parcels,
            pair[0],
            pair[1],
            rows[part],
            layer_first,
            layer_feature,
            (edge_first, edge_feature),
            mode,
        )
        area[part] = regions.area
        keep[part] = regions.state != EMPTY
        full = regions.state == WHOLE
        area[part[full]] = parcels.area[rows[part[full]]]
    return rows[keep], area[keep]


def run_pairs(parcels: ParcelRange, layer: LayerIndex, owner: I8, feature: I8) -> Regions:
    """Measure single pairs of a parcel and a feature, in the order given."""
    return _run(parcels, layer, None, owner, np.arange(len(owner) + 1), feature.astype(np.int32))


def _run(
    parcels: ParcelRange,
    layer: LayerIndex,
    boundary: LayerIndex | None,
    owner: I8,
    first: I8,
    feature: I4,
    boundary_features: tuple[I8, I4] | None = None,
    mode: int = 0,
) -> Regions:
    """Run jobs and take care of what the kernel could not finish."""
    edge_first, edge_feature = boundary_features or (np.zeros(len(owner) + 1, np.int64), _NO_FEATURES)
    jobs = (
        owner.astype(np.int32), first.astype(np.int64), np.ascontiguousarray(feature, np.int32),
        edge_first, np.ascontiguousarray(edge_feature, np.int32), mode,
    )  # fmt: skip
    other = boundary or layer
    state, value, disputed, woff, wkb = run_jobs(
        parcels.rings.geo, (parcels.rings.plane, parcels.area), layer.rings.geo, layer.rings.plane,
        other.rings.geo, jobs, parcels.kind,
    )  # fmt: skip
    plane, area, formula, cover = (np.ascontiguousarray(value[:, i]) for i in range(4))
    regions = Regions(state, plane, area, formula, cover, disputed, woff, wkb, {})
    parcels.counts["regions"] += len(owner)
    for i in np.flatnonzero(state == FAILED):
        _finish_failed(parcels, layer, other, regions, jobs, int(i))
    for i in np.flatnonzero(state == DOUBTFUL):
        parcels.counts["doubtful"] += 1
        repaired = settle_piece(regions.geometry_bytes(i))
        if repaired is not None:
            regions.repaired[int(i)] = repaired
            parcels.counts["repaired"] += 1
        state[i] = PARTIAL
    if parcels.kind[0] == 2:
        _measure_pieces(parcels, regions)
    return regions


def _finish_failed(
    parcels: ParcelRange,
    layer: LayerIndex,
    boundary: LayerIndex,
    regions: Regions,
    jobs: tuple[Any, ...],
    i: int,
) -> None:
    """Compute one region that the kernel gave up on by GEOS, held against exact arithmetic."""
    owner, first, feature, edge_first, edge_feature, mode = jobs
    parcels.counts["failed"] += 1
    state, plane, wkb = settle_region(
        (parcels.rings, int(owner[i])),
        [(layer.rings, int(f)) for f in feature[first[i] : first[i + 1]]],
        [(boundary.rings, int(f)) for f in edge_feature[edge_first[i] : edge_first[i + 1]]],
        mode,
    )
    regions.state[i] = state
    regions.plane[i] = regions.formula[i] = plane
    regions.cover[i] = np.nan  # exact already: nothing to compare
    regions.disputed[i] = False
    if state == WHOLE:
        regions.area[i] = parcels.area[owner[i]]
    elif state == PARTIAL:
        regions.repaired[i] = wkb
        regions.area[i] = _measure_wkb(parcels, [wkb])[0]


def _measure_wkb(parcels: ParcelRange, wkb: list[bytes]) -> F8:
    import shapely

    return parcels.measure.of(np.asarray(shapely.from_wkb(wkb), dtype=object))


def _measure_pieces(parcels: ParcelRange, regions: Regions) -> None:
    """Give partial regions their areas by the measure itself, where the kernels do not know it."""
    partial = np.flatnonzero(regions.state == PARTIAL)
    if len(partial):
        regions.area[partial] = _measure_wkb(parcels, [regions.geometry_bytes(int(i)) for i in partial])


def _check_rows(
    parcels: ParcelRange, layer: LayerIndex, hits: LayerHits, owner: I8, hit: I8, several: I8, feature: I4
) -> None:
    """Settle what pieces and formula disagree on, by exact arithmetic."""
    pairs, unions = hits.pairs, hits.unions
    suspects = set(owner[np.flatnonzero(pairs.disputed)].tolist())
    if len(several):
        total = np.bincount(owner, pairs.formula, minlength=len(parcels.area))[hits.row_parcel[several]]
        plane = parcels.rings.plane[hits.row_parcel[several]]
        bar = np.maximum(np.maximum(1e-6 * unions.cover, 1e-9 * plane), 1e-4)
        whole = unions.state == WHOLE
        off = np.abs(np.where(whole, np.maximum(unions.cover, 0), unions.cover) - total) > bar
        suspects.update(hits.row_parcel[several[off]].tolist())
    for p in sorted(suspects):
        row = np.flatnonzero(hits.row_parcel == p)
        mine = owner == p
        pieces = float(hits.row_plane[row[0]]) if len(row) else 0.0
        features = [(layer.rings, int(f)) for f in feature[mine]]
        exact = exact_area((parcels.rings, p), features)
        counted = float(pairs.plane[mine].sum())
        formula = pieces + float(pairs.formula[mine].sum()) - counted
        parcels.counts["disputed"] += 1
        if abs(pieces - exact) > max(1e-6 * exact, 1e-9 * float(parcels.rings.plane[p]), 1e-4):
            parcels.counts["wrong"] += 1
        hits.disputed.append((int(p), pieces, formula, exact))


def _measure_groups(
    parcels: ParcelRange, layer: LayerIndex, hits: LayerHits, hit: I8, start: I8, count: I8
) -> tuple[I8, I8, F8]:
    """Measure every parcel with the union of each group of the layer."""
    group = layer.group[hits.feature] if layer.group is not None else hits.feature
    known = np.flatnonzero(group >= 0)
    key = hits.parcel[known] << 32 | group[known].astype(np.int64)
    order = known[np.argsort(key, kind="stable")]
    keys, first, members = np.unique(np.sort(key), return_index=True, return_counts=True)
    parcel = keys >> 32
    if not len(keys):
        return parcel, keys, np.empty(0)
    state = hits.pairs.state[hit[order]]
    covered = np.logical_or.reduceat(state == WHOLE, first)
    area = np.where(covered, parcels.area[parcel], hits.area[order[first]])
    row = np.searchsorted(hits.row_parcel, parcel)
    alone = (members > 1) & ~covered & (members == count[row])
    area[alone] = hits.row_area[row[alone]]
    several = np.flatnonzero((members > 1) & ~covered & ~alone)
    pick, offsets = _spans(first[several], members[several])
    regions = _run(parcels, layer, None, parcel[several], offsets, hits.feature[order[pick]])
    area[several] = np.where(regions.state == WHOLE, parcels.area[parcel[several]], regions.area)
    return parcel, keys & 0xFFFFFFFF, area


def _spans(start: I8, count: I8) -> tuple[I8, I8]:
    """Return the concatenated indices start..start+count, and their offsets."""
    offsets = np.zeros(len(start) + 1, np.int64)
    np.cumsum(count, out=offsets[1:])
    pick = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - start, count)
    return pick, offsets


def _features_of(hits: LayerHits, parcels: I8) -> tuple[I8, I4]:
    """Return offsets and features that overlap the given parcels."""
    lo = np.searchsorted(hits.parcel, parcels, side="left")
    hi = np.searchsorted(hits.parcel, parcels, side="right")
    pick, offsets = _spans(lo, hi - lo)
    return offsets, hits.feature[pick]
