"""Measuring parcels against layers: the only caller of the overlay engine.

The result, ``Measured``, is columns by parcel; it knows nothing of tolerances or rules, and can be written
to a file and read back (``landremed overlay`` and ``landremed decide``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from landremed.law.vocabulary import load_vocabulary, outside_layers
from landremed.layers import Layer, Units
from landremed.overlay import Expected, LayerInput, PolygonSet, prepare
from landremed.overlay.engine import Engine
from landremed.overlay.tables import AreaMeasure, OverlapTables

__all__ = ["CULTIVATED_CODES", "OUTSIDE", "GroupAreas", "Measured", "Ruler"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
Progress: TypeAlias = Callable[[int, int], None]

CHUNK: Final = 50_000
CULTIVATED_CODES: Final = "01"
"""Land-use codes that start so are cultivated land (耕地)."""

OUTSIDE: Final[Mapping[str, tuple[str, str]]] = outside_layers(load_vocabulary())
"""Three-way measure -> (layer, boundary it is measured outside of), from ``rules/facts.yaml``."""

_SLACK_M2: Final = 1e-4  # the exactness promised for areas; less missing cover is rounding


@dataclass(frozen=True)
class GroupAreas:
    """Overlap of parcels with the groups of one layer (land-use codes, units).

    ``parcel`` and ``group`` index the parcels and ``units.names``; sorted by both.
    """

    units: Units
    parcel: npt.NDArray[np.int32]
    group: npt.NDArray[np.int32]
    area_m2: FloatArray


@dataclass(frozen=True)
class Measured:
    """Unrounded areas in m², one value per parcel; NaN where a parcel has no geometry.

    Attributes
    ----------
    overlap_m2 : mapping of layer name to array
        Area shared with the union of the layer.
    complete : mapping of layer name to array
        Whether the layer's coverage reaches over the whole parcel.
    void : mapping of layer name to array
        Whether an unusable feature of the layer may lie on the parcel.
    outside_m2, outside_sure_m2 : mapping of OUTSIDE name to array
        Three-way areas, at most and surely (they differ where the boundary's coverage ends).
    disputed : pyarrow.Table
        ``landremed.overlay.tables.DISPUTED_SCHEMA``: areas that two computations do not agree on.
    """

    area_m2: FloatArray
    overlap_m2: Mapping[str, FloatArray]
    complete: Mapping[str, BoolArray]
    void: Mapping[str, BoolArray]
    outside_m2: Mapping[str, FloatArray]
    outside_sure_m2: Mapping[str, FloatArray]
    land_use: GroupAreas | None
    admin_units: GroupAreas | None
    overlaps: pa.Table
    features: pa.Table
    disputed: pa.Table

    @property
    def cultivated_m2(self) -> FloatArray | None:
        """Cultivated land per parcel, None without a land-use layer."""
        if self.land_use is None:
            return None
        names = self.land_use.units.names
        wanted = np.array([name.startswith(CULTIVATED_CODES) for name in names], dtype=bool)
        total = np.where(np.isnan(self.area_m2), np.nan, 0.0)
        if len(names):
            keep = wanted[self.land_use.group]
            np.add.at(total, self.land_use.parcel[keep], self.land_use.area_m2[keep])
        return total


class Ruler:
    """Layers made ready once; measures parcels, and parts of parcels, against all of them."""

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        area: AreaMeasure,
        engine: str = "auto",
        jobs: int | None = None,
        expected: Expected | None = None,
        prepare: Callable[..., Engine] = prepare,
    ) -> None:
        self.layers = list(layers)
        self._covered = [i for i, layer in enumerate(layers) if layer.coverage is not None]
        inputs = [LayerInput(layer.spec.role, layer.polygons, layer.group) for layer in layers]
        for i in self._covered:
            coverage = layers[i].coverage
            if coverage is not None:
                inputs.append(LayerInput(f"coverage of {layers[i].spec.role}", coverage))
        roles = {layer.spec.role for layer in layers}
        self._pairs = {name: pair for name, pair in OUTSIDE.items() if set(pair) <= roles}
        self._area = area
        self.engine: Engine = prepare(
            inputs,
            outside=list(self._pairs.values()),
            area=area,
            engine=engine,
            jobs=jobs,
            expected=expected,
        )

    def measure(self, parcels: PolygonSet, progress: Progress | None = None) -> Measured:
        """Measure parcels, chunk by chunk.

        Parameters
        ----------
        parcels : PolygonSet
            Valid polygons in the working CRS.
        progress : callable (done, total), optional
            Called after every chunk.
        """
        chunks = []
        for start in range(0, max(len(parcels), 1), CHUNK):
            part = PolygonSet(parcels.wkb.slice(start, CHUNK))
            chunks.append((start, self.engine.measure(part)))
            if progress:
                progress(min(start + CHUNK, len(parcels)), len(parcels))
        return self._columns(parcels, _joined(chunks))

    def _columns(self, parcels: PolygonSet, tables: OverlapTables) -> Measured:
        area = tables.parcel_area
        parcel, layer, overlap_area = _arrays(tables.overlaps, "parcel", "layer", "area_m2")
        by_layer = {}
        for i in range(len(self.layers) + len(self._covered)):
            column = np.where(np.isnan(area), np.nan, 0.0)
            column[parcel[layer == i]] = overlap_area[layer == i]
            by_layer[i] = column
        complete = {role: np.ones(len(area), dtype=bool) for role in self._roles}
        for extra, i in enumerate(self._covered):
            covered = by_layer[len(self.layers) + extra]
            complete[self._roles[i]] = covered >= area - np.maximum(1e-9 * area, _SLACK_M2)
        outside = self._outside(tables, area)
        return Measured(
            area_m2=area,
            overlap_m2={role: by_layer[i] for i, role in enumerate(self._roles)},
            complete=complete,
            void={layer.spec.role: _meets_boxes(parcels, layer.void_boxes) for layer in self.layers},
            outside_m2=outside,
            outside_sure_m2=self._outside_sure(tables, outside, complete),
            land_use=self._group_areas(tables, "land_use"),
            admin_units=self._group_areas(tables, "admin_units"),
            overlaps=self._of_layers(tables.overlaps),
            features=self._of_layers(tables.features),
            disputed=self._of_layers(tables.disputed),
        )

    @property
    def _roles(self) -> list[str]:
        return [layer.spec.role for layer in self.layers]

    def _of_layers(self, table: pa.Table) -> pa.Table:
        """Return the rows about layers, without those about their coverage."""
        return table.filter(pc.less(table["layer"], len(self.layers))) if self._covered else table

    def _outside(self, tables: OverlapTables, area: FloatArray) -> dict[str, FloatArray]:
        parcel, pair, outside_area = _arrays(tables.outside, "parcel", "pair", "area_m2")
        columns = {}
        for i, name in enumerate(self._pairs):
            column = np.where(np.isnan(area), np.nan, 0.0)
            column[parcel[pair == i]] = outside_area[pair == i]
            columns[name] = column
        return columns

    def _outside_sure(
        self,
        tables: OverlapTables,
        outside: Mapping[str, FloatArray],
        complete: Mapping[str, BoolArray],
    ) -> dict[str, FloatArray]:
        """Leave out what lies outside only because the boundary layer does not reach there."""
        sure = {}
        for name, (inner, boundary) in self._pairs.items():
            column = outside[name].copy()
            for row in np.flatnonzero(~complete[boundary] & (column > 0)):
                pieces = self._pieces_of(tables, int(row))
                rest = pieces[inner]
                if boundary in pieces:
                    rest = shapely.difference(rest, pieces[boundary])
                cover = pieces.get(f"coverage of {boundary}")
                known = shapely.intersection(rest, cover) if cover is not None else None
                column[row] = self._area.of(np.array([known], dtype=object))[0]
            sure[name] = column
        return sure

    def _pieces_of(self, tables: OverlapTables, row: int) -> dict[str, shapely.Geometry]:
        found = tables.overlaps.filter(pc.equal(tables.overlaps["parcel"], row))
        names = [*self._roles, *(f"coverage of {self._roles[i]}" for i in self._covered)]
        layers, wkb = found["layer"].to_pylist(), found["geometry"].to_pylist()
        return {names[i]: shapely.from_wkb(w) for i, w in zip(layers, wkb, strict=True)}

    def _group_areas(self, tables: OverlapTables, role: str) -> GroupAreas | None:
        if role not in self._roles:
            return None
        number = self._roles.index(role)
        units = self.layers[number].units
        if units is None:
            return None
        rows = tables.groups.filter(pc.equal(tables.groups["layer"], number))
        parcel, group, area = _arrays(rows, "parcel", "group", "area_m2")
        return GroupAreas(units, parcel, group, area)


def _joined(chunks: list[tuple[int, OverlapTables]]) -> OverlapTables:
    """Put chunk results together, with parcels numbered through."""
    if len(chunks) == 1:
        return chunks[0][1]
    tables = {}
    for name in ("overlaps", "features", "groups", "outside", "disputed"):
        shifted = []
        for start, chunk in chunks:
            table = getattr(chunk, name)
            parcel = pc.add(table["parcel"], pa.scalar(start, pa.int32()))
            shifted.append(table.set_column(0, table.schema.field(0), parcel))
        tables[name] = pa.concat_tables(shifted)
    return OverlapTables(parcel_area=np.concatenate([c.parcel_area for _, c in chunks]), **tables)


def _arrays(table: pa.Table, *names: str) -> tuple[npt.NDArray[Any], ...]:
    return tuple(table[name].to_numpy() for name in names)


def _meets_boxes(parcels: PolygonSet, boxes: FloatArray) -> BoolArray:
    meets = np.zeros(len(parcels), dtype=bool)
    if not len(boxes):
        return meets
    bounds = parcels.boxes
    for x0, y0, x1, y1 in boxes:
        apart = (bounds[:, 2] < x0) | (bounds[:, 0] > x1) | (bounds[:, 3] < y0) | (bounds[:, 1] > y1)
        meets |= ~apart & ~np.isnan(bounds[:, 0])
    return meets
