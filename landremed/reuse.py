"""Measures kept from run to run: what was measured on equal ground is not measured again.

Every parcel (and every part of a cut one) has a key: the hash of its geometry, of the features whose
bounding boxes meet its own, in their order, and of everything else the engine depends on. Rows of the
engine are kept under that key in a file beside the result, ``OUT.gpkg.measures``. A key that is not found is
measured, so that nothing but the key decides what is taken over.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import platform
import struct
from collections.abc import Sequence
from functools import cache
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from landremed.errors import InputError, OutputError, Where
from landremed.overlay import LayerInput, OverlapTables, PolygonSet, prepare
from landremed.overlay.engine import Engine, chosen_engine
from landremed.overlay.reference import round_origin
from landremed.overlay.tables import (
    DISPUTED_SCHEMA,
    FEATURE_SCHEMA,
    GROUP_SCHEMA,
    OUTSIDE_SCHEMA,
    OVERLAP_SCHEMA,
    AreaMeasure,
)
from landremed.provenance import library_versions, version
from landremed.text import message_text

__all__ = ["Reuse", "measures_path"]

Ints: TypeAlias = npt.NDArray[np.int64]

_MAGIC: Final = b"landremed measures 1\n"
_DIGEST: Final = 16
_SCHEMAS: Final = {
    "overlaps": OVERLAP_SCHEMA,
    "features": FEATURE_SCHEMA,
    "groups": GROUP_SCHEMA,
    "outside": OUTSIDE_SCHEMA,
    "disputed": DISPUTED_SCHEMA,
}
_KEYS: Final = pa.schema([("key", pa.binary(_DIGEST)), ("area_m2", pa.float64())])
_PAIR: Final = np.dtype([("layer", "<i4"), ("group", "<i4"), ("feature", f"V{_DIGEST}")])


def measures_path(result: str | Path) -> Path:
    """Return where the measures of a result are kept."""
    path = Path(result)
    return path.with_name(f"{path.name}.measures")


class Reuse:
    """Measures of an earlier run, and those of this one.

    Parameters
    ----------
    previous : path, optional
        Result of the earlier run, beside which its measures lie; without it everything is measured, and kept.

    Attributes
    ----------
    reused, measured : int
        Parcels, and parts of cut parcels, taken over and measured.

    Raises
    ------
    InputError
        When there are no measures beside ``previous``, or they are damaged or of another format.
    """

    def __init__(self, previous: str | Path | None = None) -> None:
        self.reused = self.measured = 0
        self.crs = ""
        self._old = _read(Path(previous)) if previous is not None else _empty()
        self._places = {key: row for row, key in enumerate(self._old["keys"]["key"].to_pylist())}
        self._new: list[dict[str, pa.Table]] = []

    def prepare(
        self,
        layers: Sequence[LayerInput],
        *,
        outside: Sequence[tuple[str, str]],
        area: AreaMeasure,
        engine: str,
        jobs: int | None,
        expected: int | None,
    ) -> Engine:
        """Index layers as ``landremed.overlay.prepare`` does; the engine it returns knows what is kept."""
        name = chosen_engine(layers, engine, expected or 0)
        return _KeepingEngine(self, layers, list(outside), area, name, jobs)

    def take(self, keys: Sequence[bytes]) -> tuple[Ints, Ints]:
        """Return the rows whose measures are kept, and where."""
        found = np.array([self._places.get(key, -1) for key in keys], np.int64)
        rows = np.flatnonzero(found >= 0)
        return rows, found[rows]

    def kept(self, name: str) -> pa.Table:
        """Return a table of the earlier run."""
        return self._old[name]

    def add(self, tables: dict[str, pa.Table]) -> None:
        """Keep the measures of a chunk."""
        self._new.append(tables)

    def tell(self) -> None:
        """Log how much was taken over."""
        params = {"reused": self.reused, "measured": self.measured}
        text = message_text("measures_reused", params, "en")
        logging.getLogger("landremed.reuse").info(text, extra={"code": "measures_reused", "params": params})

    def write(self, result: str | Path) -> None:
        """Write the measures of this run beside a result."""
        path, start = measures_path(result), 0
        joined: dict[str, list[pa.Table]] = {name: [] for name in ("keys", *_SCHEMAS)}
        for chunk in self._new:
            for name, table in chunk.items():
                joined[name].append(table if name == "keys" else _numbered(table, start))
            start += len(chunk["keys"])
        whole = {name: pa.concat_tables(parts) for name, parts in joined.items() if parts} or _empty()
        body = b"".join(_packed(whole[name]) for name in joined)
        temp = path.with_name(f".{path.name}.tmp-{os.getpid()}")
        try:
            temp.write_bytes(_MAGIC + hashlib.sha256(body).digest() + body)
            temp.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temp.unlink(missing_ok=True)
            raise OutputError("measures_unwritten", Where(file=str(path)), reason=str(error)) from error


class _KeepingEngine:
    """An engine that measures only what is not kept."""

    def __init__(
        self,
        reuse: Reuse,
        layers: Sequence[LayerInput],
        outside: list[tuple[str, str]],
        area: AreaMeasure,
        name: str,
        jobs: int | None,
    ) -> None:
        self.name = name
        self._reuse, self._layers, self._outside, self._area = reuse, layers, outside, area
        self._jobs = jobs
        self._ground = _ground(reuse.crs, layers, outside, area, name)
        self._trees = [_Tree(layer) for layer in layers]

    def measure(self, parcels: PolygonSet) -> OverlapTables:
        touching = _Touching(parcels, self._trees)
        keys = touching.keys(parcels, self._ground)
        rows, places = self._reuse.take(keys)
        missing = np.setdiff1d(np.arange(len(parcels)), rows)
        self._reuse.reused += len(rows)
        self._reuse.measured += len(missing)
        area = np.full(len(parcels), np.nan)
        area[rows] = self._reuse.kept("keys")["area_m2"].to_numpy()[places]
        fresh = self._fresh(parcels, missing, touching)
        area[missing] = fresh.parcel_area
        tables = {}
        for name, schema in _SCHEMAS.items():
            old = touching.absolute(name, _gathered(self._reuse.kept(name), rows, places))
            new = getattr(fresh, name)
            new = new.set_column(0, schema.field(0), pa.array(missing, pa.int32()).take(new["parcel"]))
            tables[name] = _sorted(pa.concat_tables([old.cast(schema), new.cast(schema)]))
        relative = {name: touching.relative(name, table) for name, table in tables.items()}
        kept = pa.table([pa.array(keys, pa.binary(_DIGEST)), pa.array(area)], schema=_KEYS)
        self._reuse.add({"keys": kept, **relative})
        return OverlapTables(parcel_area=area, **tables)

    def _fresh(self, parcels: PolygonSet, missing: Ints, touching: _Touching) -> OverlapTables:
        if not len(missing):
            return OverlapTables(np.zeros(0), *(schema.empty_table() for schema in _SCHEMAS.values()))
        layers = self._layers
        if self.name == "native":  # shapely's origin hangs on every feature, the native engine on those met
            layers = [touching.only(i, layer, missing) for i, layer in enumerate(layers)]
        engine = prepare(layers, outside=self._outside, area=self._area, engine=self.name, jobs=self._jobs)
        return engine.measure(PolygonSet(parcels.wkb.take(pa.array(missing))))


class _Tree:
    """Bounding boxes of a layer's features in an R-tree, and their hashes as they are asked for."""

    def __init__(self, layer: LayerInput) -> None:
        boxes = layer.polygons.boxes
        self.rows = np.flatnonzero(~np.isnan(boxes[:, 0]))
        self.tree = shapely.STRtree(shapely.box(*boxes[self.rows].T))
        self.group = layer.group
        self._wkb = layer.polygons.wkb
        self._digests = np.zeros(len(boxes), f"V{_DIGEST}")
        self._known = np.zeros(len(boxes), bool)

    def digests(self, features: Ints) -> npt.NDArray[Any]:
        """Return the hash of each feature's geometry."""
        wanted = np.unique(features)
        for row in wanted[~self._known[wanted]]:
            self._digests[row] = np.void(_hash(self._wkb[int(row)].as_py()))
        self._known[wanted] = True
        return self._digests[features]


class _Touching:
    """Which features' boxes meet which parcels' boxes, sorted by parcel, layer and feature."""

    def __init__(self, parcels: PolygonSet, trees: Sequence[_Tree]) -> None:
        boxes = parcels.boxes
        self._rows = np.flatnonzero(~np.isnan(boxes[:, 0]))
        self._number = len(parcels)
        self._by_layer: list[tuple[Ints, Ints, Ints]] = []
        self._firsts: list[Ints] = []
        pairs, owners = [], []
        shapes = shapely.box(*boxes[self._rows].T)
        for number, tree in enumerate(trees):
            at, feature = tree.tree.query(shapes)
            parcel, feature = self._rows[at], tree.rows[feature]
            order = np.lexsort((feature, parcel))
            parcel, feature = parcel[order], feature[order]
            start = np.searchsorted(parcel, np.arange(self._number + 1))
            group = _local_groups(parcel, feature, start, tree.group)
            self._by_layer.append((start, feature, group))
            record = np.zeros(len(parcel), _PAIR)
            record["layer"], record["group"], record["feature"] = number, group, tree.digests(feature)
            pairs.append(record)
            owners.append(parcel)
        self._trees = trees
        owner = np.concatenate(owners) if owners else np.zeros(0, np.int64)
        order = np.argsort(owner, kind="stable")
        self._records = (np.concatenate(pairs) if pairs else np.zeros(0, _PAIR))[order].tobytes()
        self._starts = np.searchsorted(owner[order], np.arange(self._number + 1)) * _PAIR.itemsize

    def keys(self, parcels: PolygonSet, ground: bytes) -> list[bytes]:
        """Return the key of every parcel."""
        found = []
        for wkb, a, b in zip(
            parcels.wkb.to_pylist(), self._starts[:-1].tolist(), self._starts[1:].tolist(), strict=True
        ):
            shape = b"" if wkb is None else _hash(wkb)
            found.append(_hash(b"".join((ground, shape, self._records[a:b]))))
        return found

    def only(self, number: int, layer: LayerInput, parcels: Ints) -> LayerInput:
        """Return a layer with nothing but the features that meet some parcels; rows keep their numbers."""
        start, feature, _ = self._by_layer[number]
        wanted = np.zeros(len(layer.polygons), bool)
        wanted[feature[_spans(start, parcels)]] = True
        wkb = pc.if_else(pa.array(wanted), layer.polygons.wkb, pa.scalar(None, layer.polygons.wkb.type))
        return LayerInput(layer.name, PolygonSet(wkb), layer.group)

    def relative(self, name: str, table: pa.Table) -> pa.Table:
        """Give features and groups their number among those that meet the parcel, not the layer's row."""
        return self._renumbered(name, table, back=False)

    def absolute(self, name: str, table: pa.Table) -> pa.Table:
        """Undo ``relative``, with the layer's rows of today."""
        return self._renumbered(name, table, back=True)

    def _renumbered(self, name: str, table: pa.Table, *, back: bool) -> pa.Table:
        if name not in ("features", "groups"):
            return table
        parcel, layer, value = (table.column(i).to_numpy() for i in range(3))
        result = value.astype(np.int64)
        for number, (start, feature, local) in enumerate(self._by_layer):
            at = np.flatnonzero(layer == number)
            first, group = start[parcel[at]], self._trees[number].group
            if back:
                found = feature[first + value[at]]
                result[at] = found if name == "features" or group is None else group[found]
            elif name == "features":
                owner = np.repeat(np.arange(self._number), np.diff(start))
                pairs = (owner << 32) + feature
                result[at] = np.searchsorted(pairs, (parcel[at].astype(np.int64) << 32) + value[at]) - first
            elif group is not None:
                result[at] = _where_group(parcel[at], value[at], start, feature, (group, local))
        return table.set_column(2, table.schema.field(2), pa.array(result.astype(np.int32)))


def _local_groups(parcel: Ints, feature: Ints, start: Ints, group: Any) -> Ints:
    """Name groups by the first feature, among those that meet the parcel, that belongs to them; -1: none."""
    if group is None or not len(parcel):
        return np.full(len(parcel), -1, np.int64)
    code = group[feature].astype(np.int64)
    _, first, inverse = np.unique((parcel << 32) + code + 1, return_index=True, return_inverse=True)
    found: Ints = np.where(code < 0, -1, first[inverse.ravel()] - start[parcel]).astype(np.int64)
    return found


def _where_group(parcel: Ints, value: Ints, start: Ints, feature: Ints, groups: tuple[Any, Ints]) -> Ints:
    group, local = groups
    owner = np.repeat(np.arange(len(start) - 1), np.diff(start))
    pairs = (owner << 32) + group[feature] + 1
    order = np.argsort(pairs, kind="stable")
    at = np.searchsorted(pairs[order], (parcel.astype(np.int64) << 32) + value + 1)
    found: Ints = local[order[at]]
    return found


def _spans(start: Ints, rows: Ints) -> Ints:
    """Return the positions start[r]..start[r + 1] of every row, one after the other."""
    count = start[rows + 1] - start[rows]
    ends = np.cumsum(count)
    whole: Ints = np.arange(ends[-1] if len(ends) else 0) + np.repeat(start[rows] - ends + count, count)
    return whole


def _gathered(table: pa.Table, rows: Ints, places: Ints) -> pa.Table:
    """Return what a kept table holds for some places, as rows of today."""
    last = int(places.max(initial=-1)) + 1
    start = np.searchsorted(table["parcel"].to_numpy(), np.arange(last + 1))
    found = table.take(pa.array(_spans(start, places)))
    today = np.repeat(rows, start[places + 1] - start[places]).astype(np.int32)
    return found.set_column(0, table.schema.field(0), pa.array(today))


def _sorted(table: pa.Table) -> pa.Table:
    names = [n for n in ("parcel", "layer", "pair", "feature", "group") if n in table.column_names]
    order = np.lexsort([table[name].to_numpy() for name in reversed(names)])
    return table.take(pa.array(order)).combine_chunks()


def _numbered(table: pa.Table, start: int) -> pa.Table:
    moved = pc.add(table["parcel"], pa.scalar(start, pa.int32()))
    return table.set_column(0, table.schema.field(0), moved)


def _ground(
    crs: str, layers: Sequence[LayerInput], outside: list[tuple[str, str]], area: AreaMeasure, name: str
) -> bytes:
    """Return the hash of all that the engine's answers hang on, but for parcels and features."""
    origin = round_origin(layers).tolist() if name == "shapely" else []
    grouped = [(layer.name, layer.group is not None) for layer in layers]
    kind = str(getattr(area, "kind", type(area).__name__))
    machine = (platform.machine(), *sorted(library_versions().items()), *_engine_versions())
    told = (version(), _source_hash(), machine, crs, kind, name, origin, grouped, outside)
    return _hash(repr(told).encode())


def _engine_versions() -> list[str]:
    names = ("numba", "llvmlite", "numpy")
    found = {d for d in names if _installed(d)}
    return [f"{name} {metadata.version(name)}" for name in names if name in found]


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


@cache
def _source_hash() -> str:
    """Return the hash of the engine's own code: a version number does not tell one commit from the next."""
    digest = hashlib.sha256()

    def add(folder: Traversable) -> None:
        for entry in sorted(folder.iterdir(), key=lambda e: e.name):
            if entry.is_dir():
                add(entry)
            elif entry.name.endswith(".py"):
                digest.update(entry.name.encode() + entry.read_bytes())

    package = resources.files("landremed")
    add(package / "overlay")
    digest.update((package / "area.py").read_bytes() + (package / "reuse.py").read_bytes())
    return digest.hexdigest()


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()


def _empty() -> dict[str, pa.Table]:
    return {"keys": _KEYS.empty_table(), **{n: s.empty_table() for n, s in _SCHEMAS.items()}}


def _packed(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return struct.pack("<q", sink.tell()) + sink.getvalue()


def _read(result: Path) -> dict[str, pa.Table]:
    path = measures_path(result)
    try:
        raw = path.read_bytes() if result.exists() else None
    except OSError:
        raw = None
    if raw is None:
        raise InputError("measures_missing", Where(file=str(result)))
    head = len(_MAGIC)
    if raw[:head] != _MAGIC:
        raise InputError("measures_foreign", Where(file=str(path)))
    body = memoryview(raw)[head + 32 :]
    if hashlib.sha256(body).digest() != raw[head : head + 32]:
        raise InputError("measures_damaged", Where(file=str(path)))
    tables, at = {}, 0
    for name in ("keys", *_SCHEMAS):
        (size,) = struct.unpack_from("<q", body, at)
        tables[name] = pa.ipc.open_stream(body[at + 8 : at + 8 + size]).read_all()
        at += 8 + size
    return tables
