"""Layers as they were made ready by an earlier run, taken over where their files are the same to the byte."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyproj

from landremed.errors import InputError, Where
from landremed.io.drivers import split_layer
from landremed.layers import Ground, Layer, Mend, Units, load_layer, require_meeting
from landremed.overlay import PolygonSet
from landremed.project import LayerSpec, Project
from landremed.reuse.begun import ONE_FILE, file_hash, layers_path, stamp_of
from landremed.reuse.block_file import (
    PreparedFile,
    json_of,
    prepare_blocks,
    read_blocks,
    table_of,
    temporary,
)
from landremed.reuse.hashes import DIGEST, hashed, raw_array, raw_column
from landremed.reuse.reading import Shapes
from landremed.tables import VectorSource, whole_array
from landremed.types import Finding

__all__ = ["KnownLayer", "ReadyLayers", "read_layers"]

_MAGIC: Final = b"landremed layers 3\n"
_SIDES: Final = ("x0", "y0", "x1", "y1")
_SHAPES: Final = pa.schema(
    [("wkb", pa.large_binary()), ("digest", pa.binary(DIGEST)), *((name, pa.float64()) for name in _SIDES)]
)
_FEATURES: Final = pa.schema([("feature_id", pa.string()), ("group", pa.int32())])


@dataclass(frozen=True)
class KnownLayer:
    """One layer of a file: what is said of it, and its tables."""

    told: Mapping[str, Any]
    shapes: pa.Table
    features: pa.Table
    by: pa.Table
    coverage: pa.Table


class ReadyLayers:
    """Layers of an earlier run, and of this one.

    Parameters
    ----------
    path : Path or None
        File of layers of an earlier run.
    known : callable
        Gives what it holds, as ``read_layers`` does; it may have to be waited for.
    machine : str
        Hash of code and libraries.
    shapes : Shapes
        Gives and takes the hashes of shapes.
    """

    def __init__(
        self, path: Path | None, known: Callable[[], Mapping[str, KnownLayer]], machine: str, shapes: Shapes
    ) -> None:
        self._path, self._ask = path, known
        self._machine, self._shapes = machine, shapes
        self._now: dict[str, KnownLayer] = {}

    @property
    def _known(self) -> Mapping[str, KnownLayer]:
        return self._ask()

    @property
    def reused(self) -> int:
        """How many layers were taken over."""
        return sum(self._known.get(role) is known for role, known in self._now.items())

    def load(
        self,
        project: Project,
        spec: LayerSpec,
        parcels: Ground,
        sources: Mapping[str, VectorSource] | None,
        mend: Mend,
    ) -> Layer:
        """Return a layer as ``landremed.layers.load_layer`` does."""
        files = None if spec.role in (sources or {}) else _files(project, spec)
        before = _stamps(files)
        ground = hashed(
            repr((spec, parcels.crs.to_wkt(), project.limits, project.repair, _hashes(files))).encode()
        )
        known = self._known.get(spec.role)
        if files is not None and known is not None and known.told["ground"] == ground.hex():
            layer = self._taken(spec, known)
            require_meeting(spec, layer.source, layer.polygons, layer.void_boxes, parcels)
            self._now[spec.role] = known
            return layer
        layer = load_layer(project, spec, parcels, sources, mend)
        told = _told(layer, ground.hex())
        if files is not None and told is not None and _stamps(files) == before:
            self._now[spec.role] = self._kept(layer, told)
        return layer

    def prepare(self, result: Path) -> PreparedFile | None:
        """Write the layers of this run beside a result, where they take their place when they are told to.

        Returns
        -------
        PreparedFile or None
            None where they lie there already.

        Raises
        ------
        OutputError
            They cannot be written.
        """
        target = layers_path(result)
        if self._now and self.reused == len(self._now) == len(self._known):
            with contextlib.suppress(OSError):  # it may be gone by now; what it said is in memory
                return _linked(self._path, target)
        return prepare_blocks(target, _MAGIC, self._blocks())

    def _blocks(self) -> Iterator[bytes | pa.Table]:
        now = dict(sorted(self._now.items()))  # they were read side by side
        told = {role: known.told for role, known in now.items()}
        yield json.dumps({"machine": self._machine, "layers": told}, ensure_ascii=False).encode(
            "utf-8", "surrogatepass"
        )
        for known in now.values():
            yield from (known.shapes, known.features, known.by, known.coverage)

    def _kept(self, layer: Layer, told: Mapping[str, Any]) -> KnownLayer:
        group = pa.nulls(len(layer.polygons), pa.int32()) if layer.group is None else pa.array(layer.group)
        features = pa.table([layer.feature_ids.cast(pa.string()), group.cast(pa.int32())], schema=_FEATURES)
        coverage = _SHAPES.empty_table() if layer.coverage is None else self._table(layer.coverage)
        return KnownLayer(told, self._table(layer.polygons), features, layer.by, coverage)

    def _table(self, polygons: PolygonSet) -> pa.Table:
        digests = self._shapes.digests(polygons.wkb)
        sides = [pa.array(np.ascontiguousarray(side)) for side in polygons.boxes.T]
        return pa.table([polygons.wkb.cast(pa.large_binary()), raw_array(digests), *sides], schema=_SHAPES)

    def _polygons(self, table: pa.Table) -> PolygonSet:
        wkb = whole_array(table["wkb"])
        boxes = np.stack([table[name].to_numpy() for name in _SIDES], axis=1)
        self._shapes.know(wkb, raw_column(table["digest"]))
        return PolygonSet.with_boxes(wkb, boxes)

    def _taken(self, spec: LayerSpec, known: KnownLayer) -> Layer:
        told = known.told
        units = None
        if told["units"] is not None:
            units = Units(told["units"]["names"], [frozenset(kinds) for kinds in told["units"]["kinds"]])
        covered = told["coverage"]
        return Layer(
            spec=spec,
            source=_source(told["source"]),
            polygons=self._polygons(known.shapes),
            input_crs=pyproj.CRS(told["crs"]),
            feature_ids=whole_array(known.features["feature_id"]),
            by=known.by,
            group=None if units is None else known.features["group"].to_numpy().astype(np.int32),
            units=units,
            coverage=None if covered is None else self._polygons(known.coverage),
            coverage_source=None if covered is None else _source(covered),
            void_boxes=np.array(told["void_boxes"], np.float64).reshape(-1, 4),
            findings=[_finding(entry) for entry in told["findings"]],
        )


def read_layers(path: Path, machine: str) -> dict[str, KnownLayer]:
    """Return the layers of a file by role, none where there is no such file.

    Parameters
    ----------
    path : Path
        From ``layers_path``.
    machine : str
        Hash of code and libraries; nothing of another machine is taken over.

    Raises
    ------
    InputError
        The file is damaged, or of another format.
    """
    try:
        blocks = read_blocks(path, _MAGIC)
    except OSError:
        return {}  # layers are read anew
    try:
        head = json_of(next(blocks))
        if head["machine"] != machine:
            return {}
        return {
            role: KnownLayer(told, *(table_of(next(blocks)) for _ in range(4)))
            for role, told in head["layers"].items()
        }
    except (pa.ArrowException, KeyError, TypeError, ValueError, StopIteration, struct.error) as error:
        raise InputError("reuse_damaged", Where(file=str(path)), file=str(path)) from error


def _linked(source: Path | None, target: Path) -> PreparedFile | None:
    """Let two results have one file of layers, or a copy of it where the disk cannot do that."""
    if source is None or (target.exists() and target.samefile(source)):
        return None
    temp = temporary(target)
    temp.unlink(missing_ok=True)
    try:
        os.link(source, temp)
    except OSError:
        shutil.copyfile(source, temp)
    return PreparedFile(target, temp)


def _files(project: Project, spec: LayerSpec) -> list[Path] | None:
    """Return all files that a layer is read from, None where it is not sure which they are."""
    found: list[Path] = []
    for named, layer in ((spec.path, spec.layer), (spec.coverage, None)):
        if named is None:
            continue
        path = project.base / (named if layer is not None else split_layer(named)[0])
        own = _parts(path)
        if own is None:
            return None
        found += own
    return found


def _parts(path: Path) -> list[Path] | None:
    kind = path.suffix.lower()
    if not path.is_file():
        return None
    if kind == ".shp":
        stem = path.stem.lower()
        return sorted(
            p for p in path.parent.iterdir() if p.is_file() and p.name.lower().startswith(f"{stem}.")
        )
    if kind not in ONE_FILE or any(path.with_name(path.name + end).exists() for end in ("-wal", "-journal")):
        return None
    return [path]


def _stamps(files: Sequence[Path] | None) -> list[tuple[int, int, int]]:
    return [stamp_of(path) for path in files or ()]


def _hashes(files: Sequence[Path] | None) -> list[tuple[str, str]]:
    return [(path.name, file_hash(path)) for path in files or ()]


def _told(layer: Layer, ground: str) -> dict[str, Any] | None:
    """Return what is kept of a layer besides its features; None where it would not come back the same."""
    crs = layer.input_crs.to_string()
    told: dict[str, Any] = {
        "ground": ground,
        "source": _source_told(layer.source),
        "coverage": None if layer.coverage_source is None else _source_told(layer.coverage_source),
        "crs": crs,
        "units": None,
        "void_boxes": layer.void_boxes.tolist(),
        "findings": [asdict(finding) for finding in layer.findings],
    }
    if layer.units is not None:
        told["units"] = {
            "names": list(layer.units.names),
            "kinds": [sorted(kinds) for kinds in layer.units.kinds],
        }
    again = pyproj.CRS(crs)
    if again.to_wkt() != layer.input_crs.to_wkt() or again.to_string() != crs:
        return None
    try:
        back = json.loads(json.dumps(told))
    except (TypeError, ValueError):
        return None
    same = [_finding(entry) for entry in back["findings"]] == list(layer.findings)
    return told if same and len(layer.feature_ids) == len(layer.polygons) else None


def _source_told(source: VectorSource) -> dict[str, Any]:
    names = ("file", "layer", "driver", "crs_wkt", "encoding", "encoding_ground", "content_hash")
    return {name: getattr(source, name) for name in names} | {"rows": len(source)}


def _source(told: Mapping[str, Any]) -> VectorSource:
    """Return where a layer came from, without what it held."""
    known = {name: value for name, value in told.items() if name != "rows"}
    return VectorSource(attributes=pa.table({}), wkb=pa.nulls(told["rows"], pa.large_binary()), **known)


def _finding(entry: Mapping[str, Any]) -> Finding:
    found = Finding(**entry)
    return found if found.point is None else replace(found, point=(found.point[0], found.point[1]))
