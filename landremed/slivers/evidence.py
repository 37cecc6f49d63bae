"""Small overlaps of parcels looked at one by one: what each comes from, and votes on shifted layers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from landremed.facts import counts
from landremed.io.wkb_scan import polygon_bounds
from landremed.layers import Layer, Parcels
from landremed.measure import Measured
from landremed.overlay import PolygonSet
from landremed.overlay.looks import lengths_of
from landremed.project import Tolerance
from landremed.slivers.chords import arcs, chords, dominant, long_edges, systems
from landremed.slivers.kinds import (
    EVIDENCE,
    HAIR_M,
    PART_NUMBERS,
    REACH,
    SIDE_SHARE,
    VOTES_BY_PARCEL,
    SliverKind,
)
from landremed.slivers.offsets import facing, part_numbers, votes
from landremed.slivers.outlines import Outlines, elongated, outlines
from landremed.slivers.remnants import hits, splinter_share, splinters
from landremed.tables import taken

__all__ = ["examined", "with_evidence"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

_KINDS = (SliverKind.REAL_SMALL, SliverKind.SHARED_EDGE, SliverKind.CUT_REMNANT, SliverKind.CHORD)
_REAL, _EDGE, _REMNANT, _CHORD = range(4)
_NOTHING = len(_KINDS)
_CROSSINGS: Final = 3
_MINOR: Final = 0.01
_MOSTLY: Final = 0.9
_TURNS: Final = 1.5
_WHOLE: Final = 1.0 - 1e-9


@dataclass
class _Found:
    """What is known of every overlap: its kind, and numbers of the parts that a shift may explain."""

    kind: npt.NDArray[np.int8]
    parts: list[tuple[IntArray, FloatArray]]
    votes: list[pa.Table]


def examined(
    area_m2: FloatArray, parcel_m2: FloatArray, width_m: FloatArray, tolerance: Tolerance
) -> BoolArray:
    """Tell which overlaps are under or near the tolerance, and so get a name.

    Those that do not count, those of at most ``sliver_max_area_m2``, and those narrower than ``position_m``.

    Parameters
    ----------
    area_m2, parcel_m2 : ndarray
        Of overlap and parcel.
    width_m : ndarray
        Mean width of the overlap: twice its area over its perimeter.
    tolerance : Tolerance
        The limits.

    Examples
    --------
    >>> area, width = np.array([0.5, 8.0, 30.0, 30.0]), np.array([2.0, 2.0, 0.3, 2.0])
    >>> examined(area, np.full(4, 3000.0), width, Tolerance()).tolist()
    [True, True, True, False]
    """
    small = area_m2 <= tolerance.sliver_max_area_m2
    return ~counts(area_m2, parcel_m2, tolerance) | small | (width_m < tolerance.position_m)


def with_evidence(
    overlaps: pa.Table, parcels: Parcels, layers: Sequence[Layer], measured: Measured, tolerance: Tolerance
) -> tuple[pa.Table, pa.Table]:
    """Add to overlaps what each seems to come from; a pure function of each parcel and the layers.

    Parameters
    ----------
    overlaps : pyarrow.Table
        From ``landremed.overlay_tables.overlap_table``.
    parcels, layers, measured
        What was measured.
    tolerance : Tolerance
        What is small.

    Returns
    -------
    overlaps : pyarrow.Table
        With ``sliver_kind`` as far as it follows from one parcel, and the column ``EVIDENCE``, from which
        ``landremed.slivers.named`` makes the final one.
    votes : pyarrow.Table
        ``VOTES_BY_PARCEL``: how far each layer lies from the parcels' edges.
    """
    rows = _Rows.of(measured)
    parcel, area, whole_m2 = rows.parcel, rows.area_m2, measured.area_m2[rows.parcel]
    whole = area >= _WHOLE * whole_m2
    around, thin_parcel = _around(rows, whole, parcels.polygons, measured.area_m2, tolerance)
    with np.errstate(divide="ignore", invalid="ignore"):
        width = 2.0 * area / around
    near = examined(area, whole_m2, width, tolerance)
    kind = np.full(len(parcel), _NOTHING, np.int8)
    kind[near] = np.where(thin_parcel[near], _REMNANT, _REAL)
    strips = elongated(area, around)
    wide = np.flatnonzero(strips & ~near & (width < REACH * tolerance.position_m))
    strips &= near
    strips[wide[_one_sided(taken(rows.wkb, wide), around[wide])]] = True
    found = _Found(kind, [], [])
    for at, layer in enumerate(layers):
        ground = _Ground(rows, parcels, layer, at, measured, tolerance)
        own = ~whole & ~thin_parcel & (rows.layer == at)
        _look(found, np.flatnonzero(own & strips), near, ground)
        _crumbs(found, np.flatnonzero(own & near & ~strips), ground)
    names = pa.array([str(kind) for kind in _KINDS])
    table = overlaps.append_column("sliver_kind", names.take(pa.array(kind, mask=kind == _NOTHING)))
    table = table.append_column(EVIDENCE, _lists(len(parcel), found.parts))
    return table, pa.concat_tables([VOTES_BY_PARCEL.empty_table(), *found.votes])


@dataclass(frozen=True)
class _Rows:
    """All overlaps, column by column."""

    parcel: IntArray
    layer: npt.NDArray[np.int16]
    area_m2: FloatArray
    wkb: pa.ChunkedArray

    @classmethod
    def of(cls, measured: Measured) -> _Rows:
        table = measured.overlaps
        parcel, layer, area = (table[name].to_numpy() for name in ("parcel", "layer", "area_m2"))
        return cls(parcel.astype(np.int64), layer, area, table["geometry"])


@dataclass(frozen=True)
class _Ground:
    """What the overlaps with one layer lie on."""

    rows: _Rows
    parcels: Parcels
    layer: Layer
    number: int
    measured: Measured
    tolerance: Tolerance


def _around(
    rows: _Rows, whole: BoolArray, parcels: PolygonSet, parcel_m2: FloatArray, tolerance: Tolerance
) -> tuple[FloatArray, BoolArray]:
    """Return the perimeter of every overlap, infinite where it is too large to matter; and splinter parcels.

    What has n vertices in a box is at most n diagonals around, which leaves few to be measured.
    """
    parcel, area = rows.parcel, rows.area_m2
    box = parcels.boxes
    diagonal = np.hypot(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1])
    vertices = pc.binary_length(parcels.wkb).fill_null(0).to_numpy(zero_copy_only=False) / 16.0
    least = np.maximum(tolerance.min_overlap_area_m2, tolerance.sliver_max_area_m2)
    thin = np.flatnonzero(
        (parcel_m2 <= least) | (2.0 * parcel_m2 < tolerance.position_m * vertices * diagonal)
    )
    outline = np.zeros(len(parcels))
    outline[thin] = lengths_of(parcels.wkb, thin)
    splinter = splinters(parcel_m2, outline, tolerance)
    around = outline[parcel]
    vertices = pc.binary_length(rows.wkb).to_numpy(zero_copy_only=False) / 16.0
    reach = REACH * tolerance.position_m
    cut = np.flatnonzero(~whole & ((area <= least) | (2.0 * area < reach * vertices * diagonal[parcel])))
    around[~whole] = 0.0
    around[cut] = _lengths(rows.wkb, cut)
    return around, splinter[parcel]


def _lengths(wkb: pa.ChunkedArray, rows: IntArray) -> FloatArray:
    """Return the perimeters of some rows, which rise."""
    ends = np.cumsum([0, *(len(chunk) for chunk in wkb.chunks)])
    cuts = np.searchsorted(rows, ends)
    found = [
        lengths_of(chunk, rows[low:high] - first)
        for chunk, first, (low, high) in zip(wkb.chunks, ends[:-1], itertools.pairwise(cuts), strict=True)
    ]
    return np.concatenate([np.zeros(0), *found])


def _one_sided(wkb: pa.Array, around: FloatArray) -> BoolArray:
    """Tell which strips lie on one side of something, as a shift leaves them, and are no fringe all around.

    What runs on without turning back is at most √2 times as long as the diagonal of its box.
    """
    return np.asarray(around / 2.0 <= _TURNS * _diagonals(wkb))


def _diagonals(wkb: pa.Array) -> FloatArray:
    box = polygon_bounds(wkb)
    diagonal: FloatArray = np.hypot(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1])
    return diagonal


def _crumbs(found: _Found, rows: IntArray, ground: _Ground) -> None:
    """Name small overlaps that are no strips: real, unless they are splinters of the layer."""
    if not len(rows):
        return
    remnant = _inner(rows, ground)
    found.kind[rows[remnant]] = _REMNANT
    rest = np.flatnonzero(~remnant)
    numbers = np.zeros((len(rest), PART_NUMBERS))
    numbers[:, -1] = _diagonals(taken(ground.rows.wkb, rows[rest]))
    found.parts.append((rows[rest], numbers))


def _inner(rows: IntArray, ground: _Ground) -> BoolArray:
    """Tell which overlaps lie in splinters of the layer."""
    parcel, polygons = ground.rows.parcel[rows], ground.layer.polygons
    features = ground.measured.features
    inner = splinter_share(features, ground.number, parcel, polygons, ground.tolerance)
    return np.asarray(inner >= _MOSTLY * ground.rows.area_m2[rows])


def _look(found: _Found, rows: IntArray, near: BoolArray, ground: _Ground) -> None:
    """Look at strips, or overlaps of several parts that may be strips, with one layer."""
    if not len(rows):
        return
    parcel = ground.rows.parcel[rows]
    pieces = PolygonSet(taken(ground.rows.wkb, rows)).geometries
    edges = shapely.boundary(ground.parcels.polygons.some(parcel))
    shapes = outlines(pieces, edges)
    tolerance, strip = ground.tolerance, shapes.strip
    kind = np.full(len(shapes.piece), _REAL, np.int8)
    kind[(strip | _weaving(shapes, len(rows))) & (shapes.depth_m <= tolerance.position_m)] = _EDGE
    hair = 2.0 * shapes.area_m2 < HAIR_M * shapes.perimeter_m
    kind[hair | _inner(rows, ground)[shapes.piece]] = _REMNANT
    kind[_chords(shapes, strip, parcel, ground)] = _CHORD
    open_ = kind <= _EDGE
    pairs = facing(shapes, open_ & strip, REACH * tolerance.position_m)
    found.votes.append(votes(ground.layer.spec.role, shapes, pairs, parcel))
    weighs = shapes.area_m2 >= _MINOR * np.bincount(shapes.piece, shapes.area_m2, len(rows))[shapes.piece]
    least = np.full(len(rows), _NOTHING, np.int8)
    np.minimum.at(least, shapes.piece[weighs], kind[weighs])
    found.kind[rows] = np.where(near[rows] | (least == _CHORD), least, _NOTHING)
    kept = np.flatnonzero(open_ & weighs)
    found.parts.append((rows[shapes.piece[kept]], part_numbers(shapes, pairs)[kept]))


def _weaving(shapes: Outlines, pieces: int) -> BoolArray:
    """Tell which parts belong to edges that cross again and again: many parts, together a strip."""
    area = np.bincount(shapes.piece, shapes.area_m2, pieces).astype(np.float64)
    around = np.bincount(shapes.piece, shapes.perimeter_m, pieces).astype(np.float64)
    sides = np.column_stack([np.bincount(shapes.piece, side, pieces) for side in shapes.sides_m.T])
    both = sides.min(axis=1) >= SIDE_SHARE * around
    weaving = (np.bincount(shapes.piece, minlength=pieces) >= _CROSSINGS) & both & elongated(area, around)
    return np.asarray(weaving[shapes.piece])


def _chords(shapes: Outlines, strip: BoolArray, parcel: IntArray, ground: _Ground) -> IntArray:
    """Return the parts that lie between a curve and its chord."""
    segments = dominant(shapes, strip)
    if not len(segments):
        return segments
    parcels, layer = ground.parcels, ground.layer
    curves = systems(parcels.crs, parcels.input_crs, layer.input_crs)
    ours = shapes.ours[segments]
    row = parcel[shapes.piece[shapes.part[segments]]]
    mine = np.unique(row[ours])
    edges = long_edges(parcels.polygons, mine)
    found = [arcs(shapes, segments)]
    found.append(chords(shapes, segments[ours], edges, np.searchsorted(mine, row[ours]), curves))
    met = hits(ground.measured.features, ground.number, np.unique(row[~ours]))
    xy, owner = long_edges(layer.polygons, np.unique(met["feature"].to_numpy()))
    whole = np.zeros(len(segments[~ours]), np.int64)  # the layer as one owner
    found.append(chords(shapes, segments[~ours], (xy, np.zeros_like(owner)), whole, curves))
    return np.unique(np.concatenate(found))


def _lists(rows: int, parts: Sequence[tuple[IntArray, FloatArray]]) -> pa.Array:
    """Return the numbers of the parts of each overlap as one list, null where there are none."""
    owner = np.concatenate([np.zeros(0, np.int64), *(row for row, _ in parts)])
    numbers = np.concatenate([np.zeros((0, PART_NUMBERS)), *(kept for _, kept in parts)])
    order = np.argsort(owner, kind="stable")
    count = np.bincount(owner, minlength=rows)
    offsets = np.r_[0, np.cumsum(count) * PART_NUMBERS].astype(np.int32)
    values = pa.array(numbers[order].ravel())
    return pa.ListArray.from_arrays(pa.array(offsets), values, mask=pa.array(count == 0))
