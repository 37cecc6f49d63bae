"""The edge of a layer's union near parcels, without touching the rest of the layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from landremed.layers import Layer
from landremed.overlay import PolygonSet
from landremed.sensitivity.occupied import Occupied
from landremed.sensitivity.stretches import stretches_near
from landremed.threads import in_threads

__all__ = ["EDGE_SCHEMA", "Edges", "KeptEdges", "LayerEdges", "Near", "clipped", "kept_table"]

IntArray: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Geometries: TypeAlias = npt.NDArray[np.object_]

EDGE_SCHEMA: Final = pa.schema(
    [("row", pa.int64()), ("layer", pa.string()), ("kind", pa.string()), ("geometry", pa.large_binary())]
)
"""Edges as ``landremed overlay`` keeps them; ``kind``: ``edge``, ``none`` (no edge near) or ``coverage``."""

_SHARE: Final = 1_024  # parcels that a thread takes at once
_MANY_VERTICES: Final = 2_000
_CLIP_BEYOND_M: Final = 0.1


@dataclass(frozen=True)
class Near:
    """Edge lines of one layer within reach of parcels.

    Attributes
    ----------
    rows : ndarray of int
        Rows of the parcels that have an edge near, rising.
    lines : ndarray of geometry
        For each of them the edge; it may reach beyond the limit.
    between : mapping of row to ndarray of int
        Parcels whose lines are those of several features, also where these meet: the features.
    """

    rows: IntArray
    lines: Geometries
    between: Mapping[int, IntArray] = field(default_factory=dict)

    def take(self, at: IntArray) -> Near:
        """Return some of the parcels."""
        return Near(self.rows[at], self.lines[at], self.between)


class Edges(Protocol):
    """Where edges come from: the layers of a run, or the file of an overlay."""

    def near(self, role: str, rows: IntArray) -> Near:
        """Return the edges of a layer's features within the limit of parcels."""

    def united(self, role: str, near: Near) -> Near:
        """Return the edge of the features' union in place of their own edges."""

    def known(self, role: str, rows: IntArray) -> IntArray:
        """Return the rows of which it is known whether an edge is near."""

    def covered(self, role: str, rows: IntArray) -> Geometries:
        """Return the part of each parcel that the layer's coverage reaches."""


class LayerEdges:
    """Edges cut out of the layers.

    Parameters
    ----------
    layers : sequence of Layer
        In the working CRS.
    parcels : PolygonSet
        All parcels.
    features : pyarrow.Table
        ``landremed.overlay.tables.FEATURE_SCHEMA``: which features meet which parcels.
    limit_m : float
        How far from a parcel an edge may lie.
    """

    def __init__(
        self, layers: Sequence[Layer], parcels: PolygonSet, features: pa.Table, limit_m: float
    ) -> None:
        self._layers = {layer.spec.role: (number, layer) for number, layer in enumerate(layers)}
        self._parcels = parcels
        self._features = features
        self._limit_m = limit_m

    def near(self, role: str, rows: IntArray) -> Near:
        """Return the edges of a layer's features within the limit of parcels."""
        none = Near(np.zeros(0, np.int64), np.zeros(0, object))
        number, layer = self._layers[role]
        reach = self._parcels.boxes[rows] + self._limit_m * np.array([-1, -1, 1, 1])
        occupied = Occupied(reach)
        within = np.flatnonzero(occupied.met_by(layer.polygons.boxes))
        if not len(within):
            return none
        found = stretches_near(layer.polygons, within, occupied)
        met = np.flatnonzero(Occupied(found.boxes).met_by(reach))
        if not len(met):
            return none
        at, stretch = self._within(shapely.STRtree(found.lines), self._parcels.some(rows[met]))
        if not len(at):
            return none
        at = met[at]
        order = np.lexsort((stretch, at))
        at, stretch = at[order], stretch[order]
        pair = np.unique(at.astype(np.int64) << 32 | found.owner[stretch])
        deep = self._deep(number, rows, pair)
        rest, owners = np.unique(pair >> 32, return_counts=True)
        several = {int(i) for i, n in zip(rest, owners, strict=True) if n > 1 and not deep[i]}
        groups, first = np.unique(at, return_index=True)
        kept = np.flatnonzero(~deep[groups])
        line = np.repeat(np.cumsum(~deep[groups]) - 1, np.diff(first, append=len(at)))
        shown = ~deep[at]
        lines = shapely.multilinestrings(found.lines[stretch[shown]], indices=line[shown])
        return Near(rows[groups[kept]], lines, {int(rows[i]): _of(pair, i) for i in several})

    def united(self, role: str, near: Near) -> Near:
        """Return the edge of the features' union in place of their own; rows without one go."""
        if not near.between:
            return near
        polygons = self._layers[role][1].polygons
        lines = near.lines.copy()
        for i in np.flatnonzero([int(row) in near.between for row in near.rows]):
            features = polygons.some(near.between[int(near.rows[i])])
            lines[i] = _union_edge(features, self._parcels.some(near.rows[[i]])[0], self._limit_m)
        there = np.array([line is not None for line in lines], dtype=bool)
        return Near(near.rows[there], lines[there])

    def known(self, role: str, rows: IntArray) -> IntArray:
        """Return all rows: layers are there as a whole."""
        return rows

    def covered(self, role: str, rows: IntArray) -> Geometries:
        """Return the part of each parcel that the layer's coverage reaches."""
        coverage = self._layers[role][1].coverage
        parcels = self._parcels.some(rows)
        if coverage is None:
            return parcels
        tree = shapely.STRtree(coverage.geometries)
        found = [shapely.union_all(tree.geometries[tree.query(parcel)]) for parcel in parcels]
        return np.asarray(shapely.intersection(parcels, np.array(found, dtype=object)), dtype=object)

    def _within(self, tree: shapely.STRtree, parcels: Geometries) -> npt.NDArray[np.int64]:
        """Return which parcels have which lines of a tree within the limit."""

        def share(low: int) -> npt.NDArray[np.int64]:
            some = parcels[low : low + _SHARE]
            found = tree.query(some, predicate="dwithin", distance=self._limit_m)
            return np.asarray(found + np.array([[low], [0]]), np.int64)

        return np.concatenate(in_threads(share, range(0, len(parcels), _SHARE)), axis=1)

    def _deep(self, number: int, rows: IntArray, pair: IntArray) -> npt.NDArray[np.bool_]:
        """Tell which parcels lie, with all their surroundings, in a feature that has no edge near."""
        hits = self._features.filter(pc.equal(self._features["layer"], number))
        parcel = hits["parcel"].to_numpy().astype(np.int64)
        place = np.searchsorted(rows, parcel)
        place[place == len(rows)] = 0
        known = rows[place] == parcel
        key = place[known] << 32 | hits["feature"].to_numpy()[known].astype(np.int64)
        deep = np.zeros(len(rows), dtype=bool)
        deep[key[~np.isin(key, pair)] >> 32] = True
        return deep


class KeptEdges:
    """Edges read from an overlay's file (``EDGE_SCHEMA``)."""

    def __init__(self, table: pa.Table, parcels: PolygonSet) -> None:
        self._table = table
        self._parcels = parcels

    def near(self, role: str, rows: IntArray) -> Near:
        """Return the edges kept."""
        own = self._table.filter(
            pc.and_(pc.equal(self._table["layer"], role), pc.equal(self._table["kind"], "edge"))
        )
        own = own.filter(pc.is_in(own["row"], pa.array(rows)))
        lines = shapely.from_wkb(np.array(own["geometry"].to_pylist(), dtype=object))
        return Near(own["row"].to_numpy(), np.asarray(lines, dtype=object))

    def united(self, role: str, near: Near) -> Near:
        """Return the edges as they are: those of unions are kept."""
        return near

    def known(self, role: str, rows: IntArray) -> IntArray:
        """Return the rows of which an edge, or that there is none, is kept."""
        own = self._table.filter(
            pc.and_(pc.equal(self._table["layer"], role), pc.not_equal(self._table["kind"], "coverage"))
        )
        return np.intersect1d(own["row"].to_numpy(), rows)

    def covered(self, role: str, rows: IntArray) -> Geometries:
        """Return the part of each parcel that the layer's coverage reaches."""
        own = self._table.filter(
            pc.and_(pc.equal(self._table["layer"], role), pc.equal(self._table["kind"], "coverage"))
        )
        found = dict(zip(own["row"].to_pylist(), own["geometry"].to_pylist(), strict=True))
        parcels = self._parcels.some(rows).copy()
        for i, row in enumerate(rows):
            if int(row) in found:
                parcels[i] = shapely.from_wkb(found[int(row)])
        return parcels


def kept_table(edges: Edges, asked: Mapping[str, IntArray], incomplete: Mapping[str, IntArray]) -> pa.Table:
    """Return the edges of what is asked, as ``KeptEdges`` reads them.

    Parameters
    ----------
    asked : mapping of role to rows
        From ``pairs_asked``.
    incomplete : mapping of role to rows
        Parcels that the layer's coverage does not wholly reach.
    """
    rows: list[tuple[int, str, str, bytes | None]] = []
    for role, wanted in asked.items():
        near = edges.united(role, edges.near(role, wanted))
        wkb = shapely.to_wkb(near.lines, output_dimension=2, byte_order=1)
        found = {int(r): w for r, w in zip(near.rows, wkb, strict=True)}
        rows += [(int(r), role, "edge" if int(r) in found else "none", found.get(int(r))) for r in wanted]
    for role, short in incomplete.items():
        covered = shapely.to_wkb(edges.covered(role, short), output_dimension=2, byte_order=1)
        rows += [(int(r), role, "coverage", w) for r, w in zip(short, covered, strict=True)]
    columns = zip(*rows, strict=True) if rows else [()] * len(EDGE_SCHEMA)
    return pa.table(
        [pa.array(list(c), f.type) for c, f in zip(columns, EDGE_SCHEMA, strict=True)], EDGE_SCHEMA
    )


def clipped(lines: Geometries, ground: Geometries, reach_m: FloatArray) -> Geometries:
    """Return edges as far as they come near the boxes around some ground.

    Parameters
    ----------
    lines, ground : ndarray of geometry
        Edges, and for each the ground.
    reach_m : ndarray of float
        How near, metres.
    """
    x0, y0, x1, y1 = shapely.bounds(ground).T
    reach = reach_m + _CLIP_BEYOND_M
    boxes = zip(x0 - reach, y0 - reach, x1 + reach, y1 + reach, strict=True)
    found = np.empty(len(lines), dtype=object)
    found[:] = [shapely.clip_by_rect(line, *box) for line, box in zip(lines, boxes, strict=True)]
    return found


def _of(pair: IntArray, i: int) -> IntArray:
    low, high = np.searchsorted(pair, [i << 32, (i + 1) << 32])
    return pair[low:high] & 0xFFFFFFFF


def _union_edge(features: Geometries, parcel: shapely.Geometry, limit_m: float) -> shapely.Geometry | None:
    """Return the edge of the features' union around a parcel, None when none is within the limit."""
    x0, y0, x1, y1 = parcel.bounds
    reach = limit_m + 1.0
    box = (x0 - reach, y0 - reach, x1 + reach, y1 + reach)
    large = shapely.get_num_coordinates(features) > _MANY_VERTICES
    local = np.array(features, dtype=object)
    local[large] = shapely.make_valid(shapely.clip_by_rect(local[large], *box))
    union = shapely.intersection(shapely.union_all(local), shapely.box(*box))
    # what the clipping cut is no edge of the layer; it lies on the box, half a metre beyond this one
    inner = shapely.box(x0 - reach + 0.5, y0 - reach + 0.5, x1 + reach - 0.5, y1 + reach - 0.5)
    edge = shapely.intersection(shapely.boundary(union), inner)
    if edge.is_empty or not shapely.dwithin(edge, parcel, limit_m):
        return None
    return edge
