"""Reference engine: shapely only, vectorised, with an STR-tree per layer.

Overlay runs at a local round origin, where GEOS loses no digits to large eastings; coordinates of
parcels come back to the bit because the shift is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from landremed.overlay.passing import without_passed
from landremed.overlay.rational import region_area_exact
from landremed.overlay.tables import (
    DISPUTED_SCHEMA,
    FEATURE_SCHEMA,
    GROUP_SCHEMA,
    OUTSIDE_SCHEMA,
    OVERLAP_SCHEMA,
    AreaMeasure,
    FloatArray,
    IntArray,
    LayerInput,
    OverlapTables,
    PolygonSet,
)
from landremed.threads import usable_threads

__all__ = ["TOUCHING_M2", "ReferenceEngine", "round_origin"]

TOUCHING_M2: Final = 1e-6
"""Overlaps of a smaller plane area are taken for touching edges."""

_EXACTNESS_M2: Final = 1e-4

Geometries: TypeAlias = npt.NDArray[np.object_]
_Sources: TypeAlias = tuple[npt.NDArray[np.int64], Geometries]
"""Keys of pieces, ascending, and the feature each was cut from."""


@dataclass(frozen=True)
class _Index:
    """One layer at the local origin."""

    features: Geometries
    rows: IntArray
    tree: shapely.STRtree
    group: IntArray | None


@dataclass(frozen=True)
class _Pieces:
    """Pieces of one layer: ``parcel`` sorted, one geometry and plane area per row."""

    parcel: IntArray
    feature: IntArray
    geometry: Geometries
    source: Geometries


class ReferenceEngine:
    """Layers indexed for measuring with shapely."""

    name = "shapely"

    def __init__(
        self,
        layers: Sequence[LayerInput],
        *,
        outside: Sequence[tuple[str, str]],
        area: AreaMeasure,
        jobs: int | None,
    ) -> None:
        names = [layer.name for layer in layers]
        self._outside = [(names.index(a), names.index(b)) for a, b in outside]
        self._area = area
        self._jobs = jobs
        self._origin = round_origin(layers)
        self._layers = [self._index(layer) for layer in layers]

    def _index(self, layer: LayerInput) -> _Index:
        geometries = layer.polygons.geometries
        rows = np.flatnonzero(~shapely.is_missing(geometries)).astype(np.int32)
        features = _shift(geometries[rows], -self._origin)
        shapely.prepare(features)
        return _Index(features, rows, shapely.STRtree(features), layer.group)

    def measure(self, parcels: PolygonSet) -> OverlapTables:
        """Measure one chunk of parcels; see ``landremed.overlay.prepare``."""
        here = _shift(parcels.geometries, -self._origin)
        plane = np.nan_to_num(shapely.area(here))
        parcel_area = np.where(shapely.is_missing(here), np.nan, self._area.of(parcels.geometries))
        with ThreadPoolExecutor(self._jobs or usable_threads()) as pool:
            pieces = list(pool.map(lambda index: _pieces(here, plane, index), self._layers))
            unions = list(pool.map(lambda p: _union_by(here, plane, p.parcel, p.geometry), pieces))
        made_of = [(p.parcel.astype(np.int64) << 32, p.source) for p in pieces]
        drawn = [
            (rows, _drawn(here, rows.astype(np.int64) << 32, union, source))
            for (rows, union), source in zip(unions, made_of, strict=True)
        ]
        return OverlapTables(
            parcel_area=parcel_area,
            overlaps=self._overlaps(drawn, parcels, here),
            features=self._features(pieces, parcel_area, here),
            groups=self._groups(pieces, plane, here),
            outside=self._outside_pairs(unions, here, made_of),
            disputed=_disputed(unions, here, plane),
        )

    def _measured(self, geometries: Geometries) -> tuple[Geometries, FloatArray]:
        back = _shift(geometries, self._origin)
        return back, self._area.of(back)

    def _overlaps(
        self, unions: list[tuple[IntArray, Geometries]], parcels: PolygonSet, here: Geometries
    ) -> pa.Table:
        parcel, layer, geometry = _stack([(rows, geoms) for rows, geoms in unions])
        back, area = self._measured(geometry)
        whole = geometry == here[parcel]  # the same object: fully covered
        back[whole] = parcels.geometries[parcel[whole]]
        order = np.lexsort((layer, parcel))
        wkb = shapely.to_wkb(back[order], output_dimension=2, byte_order=1)
        columns: list[Any] = [parcel[order], layer[order], area[order], pa.array(wkb, pa.large_binary())]
        return pa.table(columns, schema=OVERLAP_SCHEMA)

    def _features(self, pieces: list[_Pieces], parcel_area: FloatArray, here: Geometries) -> pa.Table:
        parcel, layer, geometry = _stack([(p.parcel, p.geometry) for p in pieces])
        feature = np.concatenate([p.feature for p in pieces]) if pieces else np.zeros(0, np.int32)
        area = np.empty(len(parcel))
        whole = geometry == here[parcel]
        area[whole] = parcel_area[parcel[whole]]
        source = np.concatenate([p.source for p in pieces]) if pieces else geometry
        cut = np.flatnonzero(~whole)
        kept = without_passed(geometry[cut], lambda row: (here[parcel[cut[row]]], source[cut[row]]))
        area[cut] = self._measured(kept)[1]
        order = np.lexsort((feature, layer, parcel))
        return pa.table([c[order] for c in (parcel, layer, feature, area)], schema=FEATURE_SCHEMA)

    def _groups(self, pieces: list[_Pieces], plane: FloatArray, here: Geometries) -> pa.Table:
        columns: list[tuple[npt.NDArray[Any], ...]] = []
        for number, (index, piece) in enumerate(zip(self._layers, pieces, strict=True)):
            if index.group is None:
                continue
            group = index.group[piece.feature]
            known = group >= 0
            key = piece.parcel[known].astype(np.int64) << 32 | group[known]
            order = np.argsort(key, kind="stable")
            keys, union = _union_by_key(here, plane, key[order], piece.geometry[known][order])
            made_of = key[order], piece.source[known][order]
            area = self._measured(_drawn(here, keys, union, made_of))[1]
            layer = np.full(len(keys), number, np.int16)
            columns.append((keys >> 32, layer, keys & 0xFFFFFFFF, area))
        if not columns:
            return GROUP_SCHEMA.empty_table()
        parcel, layers, groups, areas = (np.concatenate(c) for c in zip(*columns, strict=True))
        order = np.lexsort((groups, layers, parcel))
        arrays = [parcel[order].astype(np.int32), layers[order], groups[order].astype(np.int32), areas[order]]
        return pa.table(arrays, schema=GROUP_SCHEMA)

    def _outside_pairs(
        self, unions: list[tuple[IntArray, Geometries]], here: Geometries, made_of: list[_Sources]
    ) -> pa.Table:
        columns = []
        for number, (inner, boundary) in enumerate(self._outside):
            rows, pieces = unions[inner]
            rest = pieces.copy()
            found, at = np.unique(unions[boundary][0], return_index=True)
            met = np.flatnonzero(np.isin(rows, found))
            whole = unions[boundary][1][at[np.searchsorted(found, rows[met])]] == here[rows[met]]
            rest[met[whole]] = None
            cut = met[~whole]
            rest[cut] = _polygonal(shapely.difference(pieces[cut], _together(made_of[boundary], rows[cut])))
            keep = shapely.area(rest) > TOUCHING_M2
            keys = rows[keep].astype(np.int64) << 32
            rest = _drawn(here, keys, rest[keep], made_of[inner], made_of[boundary])
            area = self._measured(rest)[1]
            columns.append((rows[keep], np.full(keep.sum(), number, np.int16), area))
        if not columns:
            return OUTSIDE_SCHEMA.empty_table()
        parcel, pair, areas = (np.concatenate(c) for c in zip(*columns, strict=True))
        order = np.lexsort((pair, parcel))
        return pa.table([parcel[order], pair[order], areas[order]], schema=OUTSIDE_SCHEMA)


def _disputed(unions: list[tuple[IntArray, Geometries]], parcels: Geometries, plane: FloatArray) -> pa.Table:
    """Hold every piece against what it leaves of its parcel; exact arithmetic settles a breach."""
    rows = []
    for number, (parcel, piece) in enumerate(unions):
        cut = np.flatnonzero(piece != parcels[parcel])
        rest = shapely.area(shapely.difference(parcels[parcel[cut]], piece[cut]))
        area = shapely.area(piece[cut])
        whole = plane[parcel[cut]]
        for i in np.flatnonzero(np.abs(area + rest - whole) > np.maximum(1e-9 * whole, _EXACTNESS_M2)):
            exact = float(region_area_exact(_rings(parcels[parcel[cut[i]]]), [_rings(piece[cut[i]])], []))
            rows.append((parcel[cut[i]], number, area[i], whole[i] - rest[i], exact))
    rows.sort(key=lambda row: (row[0], row[1]))
    columns = zip(*rows, strict=True) if rows else [[]] * len(DISPUTED_SCHEMA)
    arrays = [pa.array(list(c), f.type) for c, f in zip(columns, DISPUTED_SCHEMA, strict=True)]
    return pa.table(arrays, schema=DISPUTED_SCHEMA)


def _rings(polygons: shapely.Geometry) -> list[npt.NDArray[np.float64]]:
    rings = shapely.get_rings(shapely.get_parts(polygons))
    return [shapely.get_coordinates(ring) for ring in rings]


def round_origin(layers: Sequence[LayerInput]) -> FloatArray:
    """Return a whole-kilometre origin near the layers, so that shifting is exact."""
    bounds = [shapely.total_bounds(layer.polygons.geometries) for layer in layers if len(layer.polygons)]
    corners = np.array([b[:2] for b in bounds if np.isfinite(b).all()])
    return np.floor(corners.min(axis=0) / 1000) * 1000 if len(corners) else np.zeros(2)


def _shift(geometries: Geometries, by: FloatArray) -> Geometries:
    return np.asarray(shapely.transform(geometries, lambda xy: xy + by), dtype=object)


def _polygonal(geometries: Geometries) -> Geometries:
    """Keep the polygonal part of results that may hold touching lines and points."""
    kinds = shapely.get_type_id(geometries)
    mixed = np.flatnonzero(kinds == shapely.GeometryType.GEOMETRYCOLLECTION)
    for i in mixed:
        parts = [p for p in shapely.get_parts(geometries[i]) if shapely.get_dimensions(p) == 2]
        geometries[i] = shapely.union_all(parts) if parts else None
    geometries[~np.isin(kinds, (3, 6, 7))] = None
    return geometries


def _pieces(parcels: Geometries, plane: FloatArray, index: _Index) -> _Pieces:
    """Intersect every parcel with every feature it meets; a covered parcel is its own piece."""
    parcel, feature = index.tree.query(parcels, predicate="intersects")
    order = np.lexsort((feature, parcel))
    parcel, feature = parcel[order], feature[order]
    subject, clip = parcels[parcel], index.features[feature]
    covered = shapely.covers(clip, subject)
    geometry = subject.copy()
    geometry[~covered] = _polygonal(shapely.intersection(subject[~covered], clip[~covered]))
    area = np.where(covered, plane[parcel], np.nan_to_num(shapely.area(geometry)))
    keep = area > TOUCHING_M2
    return _Pieces(parcel[keep].astype(np.int32), index.rows[feature[keep]], geometry[keep], clip[keep])


def _union_by(
    parcels: Geometries, plane: FloatArray, parcel: IntArray, geometry: Geometries
) -> tuple[IntArray, Geometries]:
    keys, union = _union_by_key(parcels, plane, parcel.astype(np.int64) << 32, geometry)
    return (keys >> 32).astype(np.int32), union


def _union_by_key(
    parcels: Geometries, plane: FloatArray, key: npt.NDArray[np.int64], geometry: Geometries
) -> tuple[npt.NDArray[np.int64], Geometries]:
    """Unite the pieces of equal keys (sorted; the parcel's row in the upper half).

    A parcel that the pieces cover together is returned itself.
    """
    keys, start, count = np.unique(key, return_index=True, return_counts=True)
    union = geometry[start].copy()
    for i in np.flatnonzero(count > 1):
        row = keys[i] >> 32
        pieces = geometry[start[i] : start[i] + count[i]]
        if any(piece is parcels[row] for piece in pieces):
            union[i] = parcels[row]
            continue
        united = _polygonal(np.array([shapely.union_all(pieces)], dtype=object))[0]
        slack = max(1e-9 * plane[row], TOUCHING_M2)
        union[i] = parcels[row] if abs(shapely.area(united) - plane[row]) <= slack else united
    return keys, union


def _drawn(
    parcels: Geometries, keys: npt.NDArray[np.int64], union: Geometries, *made_of: _Sources
) -> Geometries:
    """Return unions, by their keys, without the vertices that their parts left on straight edges."""
    rows = keys >> 32
    cut = np.flatnonzero(union != parcels[rows])
    ends = [
        (np.searchsorted(key, keys[cut]), np.searchsorted(key, keys[cut], side="right")) for key, _ in made_of
    ]

    def sources(at: int) -> list[Any]:
        found = [parcels[rows[cut[at]]]]
        for (start, stop), (_, features) in zip(ends, made_of, strict=True):
            found += list(features[start[at] : stop[at]])
        return found

    drawn = union.copy()
    drawn[cut] = without_passed(union[cut], sources)
    return drawn


def _together(made_of: _Sources, rows: IntArray) -> Geometries:
    """Return for each row the union of the features its pieces were cut from.

    They are subtracted rather than the pieces, whose crossings are rounded already: beside those GEOS leaves
    spikes, thinner than a nanometre but long, and an area of rounded coordinates takes them for some cm².
    """
    keys, features = made_of
    wanted = rows.astype(np.int64) << 32
    first, end = np.searchsorted(keys, wanted), np.searchsorted(keys, wanted, side="right")
    united = features[first]
    for i in np.flatnonzero(end - first > 1):
        united[i] = shapely.union_all(features[first[i] : end[i]])
    return united


def _stack(columns: list[tuple[IntArray, Geometries]]) -> tuple[IntArray, npt.NDArray[np.int16], Geometries]:
    if not columns:
        return np.zeros(0, np.int32), np.zeros(0, np.int16), np.zeros(0, dtype=object)
    parcel = np.concatenate([rows for rows, _ in columns])
    layer = np.concatenate([np.full(len(rows), i, np.int16) for i, (rows, _) in enumerate(columns)])
    return parcel, layer, np.concatenate([geoms for _, geoms in columns])
