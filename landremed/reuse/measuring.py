"""An engine that measures only what stands on changed ground."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from landremed.overlay import LayerInput, OverlapTables, PolygonSet, prepare
from landremed.overlay.engine import Engine
from landremed.overlay.tables import AreaMeasure
from landremed.reuse.hashes import Digests
from landremed.reuse.kept import KEY_SCHEMA, MEASURED, raw_array
from landremed.reuse.past import Past

__all__ = ["KeepingEngine", "near"]

Ints: TypeAlias = npt.NDArray[np.int64]
Boxes: TypeAlias = npt.NDArray[np.float64]


class KeepingEngine:
    """Takes over what an earlier run measured, measures the rest, and keeps both.

    Attributes
    ----------
    reused, measured : int
        Shapes taken over and measured so far.
    kept : list of mapping of name to table
        What is to be kept, chunk by chunk.
    """

    def __init__(
        self,
        past: Past,
        layers: Sequence[LayerInput],
        hashed: Callable[[pa.Array], Digests],
        *,
        outside: Sequence[tuple[str, str]],
        area: AreaMeasure,
        name: str,
        jobs: int | None,
    ) -> None:
        self.name = name
        self.reused = self.measured = 0
        self.kept: list[dict[str, pa.Table]] = []
        self._past, self._digests = past, hashed
        self._layers = list(layers)
        self._outside, self._area, self._jobs = list(outside), area, jobs

    def measure(self, parcels: PolygonSet) -> OverlapTables:
        """Measure one chunk of parcels."""
        keys = self._digests(parcels.wkb)
        places = self._past.places(keys)
        places[near(parcels.boxes, self._past.changed)] = -1
        rows = np.flatnonzero(places >= 0)
        missing = np.flatnonzero(places < 0)
        self.reused += len(rows)
        self.measured += len(missing)
        if not len(rows):
            tables = self._whole.measure(parcels)
        else:
            fresh = self._fresh(parcels, missing)
            tables = self._merged(len(parcels), (rows, places[rows]), (missing, fresh))
        kept = pa.table([raw_array(keys), pa.array(tables.parcel_area)], schema=KEY_SCHEMA)
        self.kept.append({"keys": kept, **{name: getattr(tables, name) for name in MEASURED}})
        return tables

    @cached_property
    def _whole(self) -> Engine:
        return prepare(
            self._layers, outside=self._outside, area=self._area, engine=self.name, jobs=self._jobs
        )

    def _fresh(self, parcels: PolygonSet, missing: Ints) -> OverlapTables:
        if not len(missing):
            return OverlapTables(np.zeros(0), *(schema.empty_table() for schema in MEASURED.values()))
        return self._whole.measure(PolygonSet(parcels.wkb.take(pa.array(missing))))

    def _merged(self, total: int, old: tuple[Ints, Ints], new: tuple[Ints, OverlapTables]) -> OverlapTables:
        rows, places = old
        missing, fresh = new
        area = np.full(total, np.nan)
        area[rows] = self._past.area_m2[places]
        area[missing] = fresh.parcel_area
        tables = {}
        for name, schema in MEASURED.items():
            kept = self._past.rows_of(name, rows, places)
            added = getattr(fresh, name)
            added = added.set_column(0, schema.field(0), pa.array(missing, pa.int32()).take(added["parcel"]))
            tables[name] = _sorted(pa.concat_tables([kept.cast(schema), added.cast(schema)]))
        return OverlapTables(parcel_area=area, **tables)


def near(boxes: Boxes, changed: Boxes, reach_m: float = 0.0) -> npt.NDArray[np.bool_]:
    """Tell which boxes come within a distance of any of those that changed."""
    hit = np.zeros(len(boxes), bool)
    rows = np.flatnonzero(~np.isnan(boxes[:, 0]))
    if len(changed) and len(rows):
        low, high = boxes[rows, :2] - reach_m, boxes[rows, 2:] + reach_m
        shapes = shapely.box(low[:, 0], low[:, 1], high[:, 0], high[:, 1])
        hit[rows[shapely.STRtree(shapely.box(*changed.T)).query(shapes)[0]]] = True
    return hit


def _sorted(table: pa.Table) -> pa.Table:
    names = [n for n in ("parcel", "layer", "pair", "feature", "group") if n in table.column_names]
    order = np.lexsort([table[name].to_numpy() for name in reversed(names)])
    return table.take(pa.array(order)).combine_chunks()
