"""The native engine: layers indexed once, parcels measured range by range on all cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.overlay.native.arrays import F8, I8, U1
from landremed.overlay.native.band import measure_once
from landremed.overlay.native.compiled import is_warm, mark_loaded, mark_warm
from landremed.overlay.native.compiling import remembered_types
from landremed.overlay.native.hashing import first_places, span_hashes
from landremed.overlay.native.jobs import LayerHits, ParcelRange, Regions, measure_layer, measure_outside
from landremed.overlay.native.layerset import AreaKindCode, LayerIndex, RingSet, wkb_bytes
from landremed.overlay.native.nearest import measure_one_point
from landremed.overlay.native.outlines import look_at_one
from landremed.overlay.native.page_maker import make_pages_once
from landremed.overlay.native.rings import gather_bytes
from landremed.overlay.native.soundness import look_over, outline_lengths
from landremed.overlay.native.survey import survey_feature_areas
from landremed.overlay.tables import (
    DISPUTED_SCHEMA,
    FEATURE_SCHEMA,
    GROUP_SCHEMA,
    OUTSIDE_SCHEMA,
    OVERLAP_SCHEMA,
    RANGE,
    AreaMeasure,
    LayerInput,
    OverlapTables,
    PolygonSet,
)
from landremed.threads import usable_threads

__all__ = ["NativeEngine", "load_kernels", "warm_up"]


class NativeEngine:
    """Layers indexed for measuring with compiled kernels.

    Attributes
    ----------
    statistics : dict
        How many pairs and regions were computed, pieces doubtful after rounding and repaired, regions that
        fell back to GEOS, areas disputed between the two answers, and pieces found wrong by exact arithmetic.
    """

    name = "native"

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
        self._kind = _kind_code(area)
        self._jobs = jobs
        self.statistics: dict[str, int] = {}
        self._one = Lock()
        with ThreadPoolExecutor(jobs or usable_threads()) as pool:
            self._layers = list(pool.map(_index, layers))

    def measure(self, parcels: PolygonSet) -> OverlapTables:
        """Measure one chunk of parcels; see ``landremed.overlay.prepare``. Several threads may do so at once."""
        buf, off = wkb_bytes(parcels.wkb)
        ranges = [(lo, min(lo + RANGE, len(parcels))) for lo in range(0, len(parcels), RANGE)]
        jobs = self._jobs or usable_threads()
        if jobs == 1 or len(ranges) < 2:
            parts = [self._measure_range(buf, off, lo, hi) for lo, hi in ranges]
        else:
            with ThreadPoolExecutor(jobs) as pool:
                parts = list(pool.map(lambda span: self._measure_range(buf, off, *span), ranges))
        with self._one:
            for _, counts in parts:
                for name, n in counts.items():
                    self.statistics[name] = self.statistics.get(name, 0) + n
        return _join([tables for tables, _ in parts])

    def _measure_range(self, buf: U1, off: I8, lo: int, hi: int) -> tuple[OverlapTables, dict[str, int]]:
        span = off[lo : hi + 1] - off[lo]
        rings = RingSet.from_bytes(buf[off[lo] : off[hi]], span)
        parcels = ParcelRange(rings, self._parcel_area(rings), self._kind, self._area)
        hits = [measure_layer(parcels, layer) for layer in self._layers]
        outside = [
            measure_outside(parcels, (self._layers[a], self._layers[b]), (hits[a], hits[b]))
            for a, b in self._outside
        ]
        missing = np.diff(span) == 0
        tables = OverlapTables(
            parcel_area=np.where(missing, np.nan, parcels.area),
            overlaps=_overlap_table(parcels, hits, lo),
            features=_stack(FEATURE_SCHEMA, lo, [(h.parcel, h.feature, h.area) for h in hits]),
            groups=_stack(GROUP_SCHEMA, lo, [h.group_rows for h in hits]),
            outside=_stack(OUTSIDE_SCHEMA, lo, [(rows, area) for rows, area in outside]),
            disputed=_disputed_table(hits, lo),
        )
        return tables, parcels.counts

    def _parcel_area(self, rings: RingSet) -> F8:
        how, false_easting, meridian = self._kind
        if how == 0:
            return rings.plane
        if how == 1:
            return survey_feature_areas(rings.xy, rings.ro, rings.fr, rings.outer, false_easting, meridian)
        import shapely

        raw = rings.buf.tobytes()
        rows = [raw[a:b] or None for a, b in zip(rings.off[:-1], rings.off[1:], strict=True)]
        return self._area.of(np.asarray(shapely.from_wkb(rows), dtype=object))


def warm_up(tell: Callable[[str], object] | None = None) -> None:
    """Compile every kernel, or load it from the cache, on a made-up district of a few squares.

    Parameters
    ----------
    tell : callable, optional
        Called with ``"overlay_compiling"`` before a compilation that takes time.
    """
    import gc

    warm = is_warm()
    if warm:
        _run_everything()
        mark_loaded()
        return
    if tell is not None:
        tell("overlay_compiling")
    collecting = gc.isenabled()
    gc.disable()  # the compiler makes millions of objects that live on: collecting costs a tenth of its time
    try:
        with remembered_types():
            _run_everything()
    finally:
        if collecting:
            gc.enable()
    mark_warm()
    mark_loaded()


def load_kernels() -> None:
    """Load every kernel where all are compiled; what is done with kernels and what without stays as it was."""
    if is_warm():
        _run_everything()


def _run_everything() -> None:
    """Call every entry kernel, with the types that measuring uses."""
    import shapely

    from landremed.area import PlaneArea

    squares = shapely.box([0, 5, 2], [0, 0, 2], [10, 15, 12], [10, 10, 12])
    holes = shapely.difference(squares, shapely.box(6, 6, 7, 7))
    table = PolygonSet.from_geometries(holes)
    group = np.array([0, 0, 1], np.int32)
    layers = [LayerInput("a", table, group), LayerInput("b", table)]
    engine = NativeEngine(layers, outside=[("a", "b")], area=PlaneArea(), jobs=1)
    engine.measure(PolygonSet.from_geometries(squares))
    rings = engine._layers[0].rings
    survey_feature_areas(rings.xy, rings.ro, rings.fr, rings.outer, 500000.0, 117.0)
    make_pages_once(table.wkb)
    measure_once()
    measure_one_point()
    look_at_one()
    look_over(rings.buf, rings.off, True)
    outline_lengths(rings.buf, rings.off, rings.fr[:1])
    words = span_hashes(rings.buf, rings.off)
    words.flags.writeable = False
    first_places(words, words)


def _kind_code(area: AreaMeasure) -> AreaKindCode:
    """Tell the kernels how to measure: themselves, or not."""
    kind = str(getattr(area, "kind", ""))
    if kind == "plane":
        return 0, 0.0, 0.0
    if kind == "survey":
        known: Any = area
        return 1, float(known.false_easting), float(known.central_meridian)
    return 2, 0.0, 0.0


def _index(layer: LayerInput) -> LayerIndex:
    return LayerIndex.build(RingSet.from_bytes(*wkb_bytes(layer.polygons.wkb)), layer.group)


def _overlap_table(parcels: ParcelRange, hits: list[LayerHits], lo: int) -> pa.Table:
    """Put the union rows of all layers together, in parcel order, each with its piece."""
    parcel = np.concatenate([h.row_parcel for h in hits]) if hits else np.zeros(0, np.int64)
    layer = np.repeat(np.arange(len(hits)), [len(h.row_parcel) for h in hits])
    order = np.lexsort((layer, parcel))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    length = np.empty(len(order), np.int64)
    copies: list[tuple[U1, I8, I8, I8]] = []
    spliced: list[tuple[int, bytes]] = []
    base = 0
    for h in hits:
        at = place[base : base + len(h.row_parcel)]
        base += len(h.row_parcel)
        pairs = len(h.pairs.state)
        sources: list[tuple[U1, I8, npt.NDArray[np.bool_], I8, Regions | None]] = [
            (parcels.rings.buf, parcels.rings.off, h.row_source < 0, h.row_parcel, None),
            (h.pairs.wkb, h.pairs.woff, (h.row_source >= 0) & (h.row_source < pairs), h.row_source, h.pairs),
            (h.unions.wkb, h.unions.woff, h.row_source >= pairs, h.row_source - pairs, h.unions),
        ]
        for buf, off, mine, index, regions in sources:
            pick, to = index[mine], at[mine]
            length[to] = off[pick + 1] - off[pick]
            if regions is not None and regions.repaired:
                for i in np.flatnonzero(np.isin(pick, list(regions.repaired))):
                    piece = regions.repaired[int(pick[i])]
                    length[to[i]] = len(piece)
                    spliced.append((int(to[i]), piece))
                    pick[i] = -1
            copies.append((buf, off, pick, to))
    offsets = np.zeros(len(order) + 1, np.int64)
    np.cumsum(length, out=offsets[1:])
    data = np.empty(offsets[-1], np.uint8)
    for buf, off, pick, to in copies:
        gather_bytes(pick, buf, off, data, offsets[to])
    for to_row, piece in spliced:
        data[offsets[to_row] : offsets[to_row + 1]] = np.frombuffer(piece, np.uint8)
    area = np.concatenate([h.row_area for h in hits]) if hits else np.zeros(0)
    geometry = pa.Array.from_buffers(
        pa.large_binary(), len(order), [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )
    columns = [
        pa.array((parcel[order] + lo).astype(np.int32)),
        pa.array(layer[order].astype(np.int16)),
        pa.array(area[order]),
        geometry,
    ]
    return pa.table(columns, schema=OVERLAP_SCHEMA)


def _stack(schema: pa.Schema, lo: int, parts: list[tuple[Any, ...]]) -> pa.Table:
    """Put the rows of all layers (or pairs) together: parcel, number of the part, further keys, area."""
    if not parts:
        return schema.empty_table()
    number = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    columns[0] = columns[0] + lo
    columns.insert(1, number)
    order = np.lexsort(tuple(reversed(columns[:-1])))
    return pa.table(
        [pa.array(c[order]).cast(f.type) for c, f in zip(columns, schema, strict=True)], schema=schema
    )


def _disputed_table(hits: list[LayerHits], lo: int) -> pa.Table:
    rows = sorted((p + lo, number, *rest) for number, h in enumerate(hits) for p, *rest in h.disputed)
    if not rows:
        return DISPUTED_SCHEMA.empty_table()
    columns = [pa.array(c, f.type) for c, f in zip(zip(*rows, strict=True), DISPUTED_SCHEMA, strict=True)]
    return pa.table(columns, schema=DISPUTED_SCHEMA)


def _join(parts: list[OverlapTables]) -> OverlapTables:
    if not parts:
        return OverlapTables(
            np.zeros(0), OVERLAP_SCHEMA.empty_table(), FEATURE_SCHEMA.empty_table(),
            GROUP_SCHEMA.empty_table(), OUTSIDE_SCHEMA.empty_table(), DISPUTED_SCHEMA.empty_table(),
        )  # fmt: skip
    if len(parts) == 1:
        return parts[0]
    tables = {
        name: pa.concat_tables([getattr(part, name) for part in parts])
        for name in ("overlaps", "features", "groups", "outside", "disputed")
    }
    return OverlapTables(parcel_area=np.concatenate([part.parcel_area for part in parts]), **tables)
