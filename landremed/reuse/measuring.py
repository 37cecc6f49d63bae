"""An engine that measures only what stands on changed ground."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.overlay import LayerInput, OverlapTables, PolygonSet, prepare
from landremed.overlay.engine import Engine
from landremed.overlay.tables import AreaMeasure
from landremed.reuse.hashes import Digests, raw_array
from landremed.reuse.kept import KEY_SCHEMA, MEASURED
from landremed.reuse.nearness import near
from landremed.reuse.past import Past, renumbered
from landremed.reuse.pieces import with_whole, without_whole
from landremed.reuse.reading import address
from landremed.reuse.splice import Splice

__all__ = ["KeepingEngine"]

Ints: TypeAlias = npt.NDArray[np.int64]
Boxes: TypeAlias = npt.NDArray[np.float64]

_FEW: Final = 1 / 4  # share of the parcels up to which only features near them are indexed


class KeepingEngine:
    """Takes over what an earlier run measured, measures the rest, and keeps both.

    Parameters
    ----------
    parcels : PolygonSet
        All parcels; others, as parts of them, may be measured too.

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
        parcels: PolygonSet,
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
        self._layers, self._parcels = list(layers), parcels
        self._outside, self._area, self._jobs = list(outside), area, jobs

    def measure(self, parcels: PolygonSet) -> OverlapTables:
        """Measure one chunk of parcels."""
        keys = self._digests(parcels.wkb)
        splice = self.splice(parcels)
        missing = splice.missing
        self.reused += len(keys) - len(missing)
        self.measured += len(missing)
        if len(missing) == len(keys):
            tables = self._whole.measure(parcels)
            kept = replace(tables, overlaps=without_whole(tables.overlaps, parcels.wkb))
        else:
            kept = self._merged(splice, self._fresh(parcels, keys, missing))
            tables = replace(kept, overlaps=with_whole(kept.overlaps, parcels.wkb))
        known = pa.table([raw_array(keys), pa.array(kept.parcel_area)], schema=KEY_SCHEMA)
        self.kept.append({"keys": known, **{name: getattr(kept, name) for name in MEASURED}})
        return tables

    def splice(self, parcels: PolygonSet) -> Splice:
        """Tell which shapes were measured before, on the same ground, and where they stand."""
        whole, wkb = self._parcels.wkb, parcels.wkb
        if address(wkb) != address(whole) or wkb.type != whole.type:
            return Splice(self._places(parcels))
        start = wkb.offset - whole.offset
        return Splice(self._all_places[start : start + len(wkb)])

    @cached_property
    def _all_places(self) -> Ints:
        """Places of all parcels, which are asked for chunk by chunk and again as a whole."""
        return self._places(self._parcels)

    def _places(self, parcels: PolygonSet) -> Ints:
        places = self._past.places(self._digests(parcels.wkb))
        places[near(parcels.boxes, self._past.changed)] = -1
        return places

    def _fresh(self, parcels: PolygonSet, keys: Digests, missing: Ints) -> OverlapTables:
        """Measure some parcels; what is returned is as it is kept."""
        if not len(missing):
            return OverlapTables(np.zeros(0), *(schema.empty_table() for schema in MEASURED.values()))
        few = self._few is not None and self._few[0].issuperset(keys[missing].tolist())
        engine = self._few[1] if few and self._few is not None else self._whole
        some = PolygonSet(parcels.wkb.take(pa.array(missing)))
        tables = engine.measure(some)
        return replace(tables, overlaps=without_whole(tables.overlaps, some.wkb))

    @cached_property
    def _whole(self) -> Engine:
        return self._prepared(self._layers)

    @cached_property
    def _few(self) -> tuple[frozenset[bytes], Engine] | None:
        """An engine for the parcels that are not known; shapely's local origin hangs on all features."""
        missing = self.splice(self._parcels).missing
        if self.name != "native" or len(missing) > _FEW * len(self._parcels):
            return None
        engine = _EngineNearby(self._layers, self._parcels.boxes[missing], self._prepared)
        return frozenset(self._digests(self._parcels.wkb)[missing].tolist()), engine

    def _prepared(self, layers: Sequence[LayerInput]) -> Engine:
        return prepare(layers, outside=self._outside, area=self._area, engine=self.name, jobs=self._jobs)

    def _merged(self, splice: Splice, fresh: OverlapTables) -> OverlapTables:
        area = np.empty(len(splice))
        area[splice.old] = self._past.area_m2[splice.places[splice.old]]
        area[splice.missing] = fresh.parcel_area
        tables = {
            name: splice.about(self._past.today(name), getattr(fresh, name).cast(schema))
            for name, schema in MEASURED.items()
        }
        return OverlapTables(parcel_area=area, **tables)


class _EngineNearby:
    """An engine for the features near some parcels; it calls them by their rows in the layers."""

    def __init__(
        self, layers: Sequence[LayerInput], boxes: Boxes, prepared: Callable[[Sequence[LayerInput]], Engine]
    ) -> None:
        self._rows = [_rows_near(layer, boxes) for layer in layers]
        some = [_some_features(layer, rows) for layer, rows in zip(layers, self._rows, strict=True)]
        self._engine = prepared(some)
        self.name = self._engine.name

    def measure(self, parcels: PolygonSet) -> OverlapTables:
        """Measure one chunk of parcels, none of them away from the boxes."""
        tables = self._engine.measure(parcels)
        return replace(tables, features=renumbered(tables.features, self._rows))


def _rows_near(layer: LayerInput, boxes: Boxes) -> Ints:
    """Return the features near boxes, or all of them, where leaving out the few others saves nothing."""
    found = near(layer.polygons.boxes, boxes)
    return np.arange(len(found)) if 2 * found.sum() > len(found) else np.flatnonzero(found)


def _some_features(layer: LayerInput, rows: Ints) -> LayerInput:
    if len(rows) == len(layer.polygons):
        return layer
    group = None if layer.group is None else layer.group[rows]
    return replace(layer, polygons=PolygonSet(layer.polygons.wkb.take(pa.array(rows))), group=group)
