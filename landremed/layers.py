"""Parcels and constraint layers, read and made ready to be measured.

Reading, transforming and repairing happen here in one order for every file; what is noticed on the way
becomes findings, what makes the whole file unusable is raised.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyproj

from landremed.crs import (
    Places,
    choose_working_crs,
    crs_label,
    guard_coordinates,
    local_grid,
    mixed_zones,
    out_of_place,
    resolve_crs,
    to_working,
)
from landremed.errors import CrsError, InputError, Where
from landremed.io.drivers import layer_file
from landremed.io.limits import Limits
from landremed.io.vector import read_vector, split_layer
from landremed.overlay import PolygonSet
from landremed.overlay.engine import load_ahead
from landremed.overlay.looks import places_of
from landremed.project import LayerSpec, ParcelsSpec, Project
from landremed.repair import NO_LIMITS, Repaired, repair
from landremed.tables import VectorSource
from landremed.text import catalogue
from landremed.types import Finding

__all__ = [
    "Ground",
    "Layer",
    "Mend",
    "Parcels",
    "Units",
    "extent_of",
    "load_layer",
    "load_layers",
    "load_parcels",
    "parcel_ids",
    "ready_parcels",
    "require_meeting",
    "require_unique",
    "text_ids",
]

BoolArray: TypeAlias = npt.NDArray[np.bool_]

_READERS: Final = 2  # layers read at a time; their shapes are checked on all cores anyway
_KIND_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "zone": ("zone", "开发区", "开发区管委会", "管委会", "功能区"),
    "town": ("town", "镇", "街道", "街镇", "乡镇", "镇街", "镇人民政府", "街道办事处"),
}
_WIDEST_M: Final = 2e6
"""No parcel is wider; one that is has a vertex in a wrong place."""


@dataclass(frozen=True)
class Parcels:
    """The parcels in the working CRS, one row per input row.

    Attributes
    ----------
    ids : sequence of str
        Unique ids in input order.
    source : VectorSource
        As read.
    polygons : PolygonSet
        Valid polygons; null where a row has no usable geometry.
    crs : pyproj.CRS
        Working CRS, projected, metres.
    not_finite : int
        Rows without any finite coordinate.
    """

    ids: Sequence[str]
    source: VectorSource
    polygons: PolygonSet
    crs: pyproj.CRS
    input_crs: pyproj.CRS
    findings: Sequence[Finding] = field(default_factory=list)
    not_finite: int = 0

    @property
    def extent(self) -> npt.NDArray[np.float64]:
        """Bounds of all parcels in the working CRS; NaN without any."""
        return _extent(self.polygons)


class Ground(Protocol):
    """What a layer has to know of the parcels."""

    @property
    def crs(self) -> pyproj.CRS:
        """Working CRS."""

    @property
    def extent(self) -> npt.NDArray[np.float64]:
        """Bounds of all parcels in the working CRS."""


@dataclass(frozen=True)
class Units:
    """Groups of features: administrative units or land-use codes."""

    names: Sequence[str]
    kinds: Sequence[frozenset[str]]


@dataclass(frozen=True)
class Layer:
    """One constraint layer in the working CRS.

    Attributes
    ----------
    polygons : PolygonSet
        Valid features; null where a feature could not be used.
    group : ndarray of int32 or None
        Index into ``units.names`` per feature, -1 for none.
    feature_ids : pyarrow.Array
        Own ids of the features, or their row numbers.
    by : pyarrow.Table
        Attributes kept with every hit.
    coverage : PolygonSet or None
        Where the layer is complete; None means everywhere.
    void_boxes : ndarray (n, 4)
        Bounding boxes of features that could not be repaired.
    """

    spec: LayerSpec
    source: VectorSource
    polygons: PolygonSet
    input_crs: pyproj.CRS
    feature_ids: pa.Array
    by: pa.Table
    group: npt.NDArray[np.int32] | None = None
    units: Units | None = None
    coverage: PolygonSet | None = None
    coverage_source: VectorSource | None = None
    void_boxes: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))
    findings: Sequence[Finding] = field(default_factory=list)


class Mend(Protocol):
    """Makes the polygons of a file valid, as ``repair`` does."""

    def __call__(self, wkb: pa.Array, *, most: tuple[float, float]) -> Repaired:
        """Return valid polygons for every row that can have one."""


def load_parcels(
    project: Project, sources: Mapping[str, VectorSource] | None = None, mend: Mend = repair
) -> Parcels:
    """Read the parcels of a project; choose the working CRS.

    ``sources`` holds inputs that are already in memory, by role (``parcels`` for the parcels). ``mend``
    stands in for ``repair``.

    Raises
    ------
    InputError, CrsError
        When the file, its CRS or its ids are unusable as a whole.
    """
    spec = project.parcels
    if "parcels" not in (sources or {}):
        load_ahead(_file_size(spec, project))
    source, findings = _read(spec, project, (sources or {}).get("parcels"))
    if not len(source):
        raise InputError("parcels_empty", Where(file=source.display))
    places = places_of(source.wkb)
    crs, chosen = choose_working_crs(source, spec.crs, project.crs, places)
    ids, id_findings = parcel_ids(source, spec)
    require_unique(ids, source, spec)
    input_crs = resolve_crs(source, spec.crs, key="parcels.crs")
    guard_coordinates(source, input_crs, "parcels", places)
    placed_wkb = to_working(source, input_crs, crs, "parcels", strict=False)
    most = project.repair.most
    parcels = ready_parcels(source, ids, placed_wkb, input_crs, crs, most=most, mend=mend, places=places)
    if parcels.not_finite == len(source):
        raise CrsError("no_finite_coordinates", Where(file=source.display))
    mixed = mixed_zones(source, input_crs, places)
    noticed = [*findings, *local_grid(source), *chosen, *id_findings, *mixed, *parcels.findings]
    return replace(parcels, findings=noticed)


def ready_parcels(
    source: VectorSource,
    ids: Sequence[str],
    wkb: pa.Array,
    input_crs: pyproj.CRS,
    crs: pyproj.CRS,
    *,
    most: tuple[float, float] = NO_LIMITS,
    mend: Mend = repair,
    places: Places | None = None,
) -> Parcels:
    """Repair parcels, or a share of them; what a row becomes depends on the row alone.

    Parameters
    ----------
    source : VectorSource
        As read, in ``input_crs``.
    ids : sequence of str
        From ``parcel_ids``.
    wkb : pyarrow.Array
        The geometries of ``source`` in the working CRS.
    input_crs, crs : pyproj.CRS
        CRS of the file, and the working CRS.
    most : (share, m²)
        How much a repair may change.
    mend : callable
        Stands in for ``repair``.
    places : Places, optional
        Those of the source, where they are at hand.
    """
    repaired = mend(wkb, most=most)
    numbers = source.row_numbers
    # a single parcel in the wrong place would overlap nothing and so look clean: it is not measured
    polygons = PolygonSet(repaired.wkb)
    places = places_of(source.wkb) if places is None else places
    stray = [*_too_wide(polygons, source, input_crs), *out_of_place(source, input_crs, places)]
    odd = {f.row or 1: f for f in stray}
    astray = [replace(odd[row], parcel_id=ids[row - 1], row=int(numbers[row - 1])) for row in sorted(odd)]
    if astray:
        lost = np.zeros(len(source), dtype=bool)
        lost[[row - 1 for row in odd]] = True
        polygons = PolygonSet(pc.if_else(pa.array(lost), pa.scalar(None, pa.large_binary()), repaired.wkb))
    return Parcels(
        ids,
        source,
        polygons,
        crs,
        input_crs,
        [*astray, *_repair_findings(repaired, source, ids)],
        int((repaired.status == "not_finite").sum()),
    )


def load_layer(
    project: Project,
    spec: LayerSpec,
    parcels: Ground,
    sources: Mapping[str, VectorSource] | None = None,
    mend: Mend = repair,
) -> Layer:
    """Read one constraint layer into the working CRS of the parcels.

    ``sources`` and ``mend`` as for ``load_parcels``.

    Raises
    ------
    InputError, CrsError
        When the file or its CRS is unusable, a named field is missing, or the layer has no polygon or does
        not meet the parcels although it is not said to be disjoint.
    """
    source, findings = _read(spec, project, (sources or {}).get(spec.role))
    named = {"id": spec.id, "name": spec.name, "kind": spec.kind, "code": spec.code}
    for key, name in [*named.items(), *(("by", name) for name in spec.by)]:
        if name is not None:
            _require_field(source, name, f"{spec.key}.{key}")
    input_crs = resolve_crs(source, spec.crs, key=f"{spec.key}.crs")
    guard_coordinates(source, input_crs, spec.key, places_of(source.wkb))
    repaired = mend(to_working(source, input_crs, parcels.crs, spec.key), most=project.repair.most)
    not_finite = np.flatnonzero(np.asarray(repaired.status) == "not_finite")
    if len(not_finite):
        row = int(not_finite[0]) + 1
        raise CrsError("layer_not_finite", Where(file=source.file, layer=source.layer, row=row))
    polygons, void_boxes = PolygonSet(repaired.wkb), _void_boxes(repaired)
    require_meeting(spec, source, polygons, void_boxes, parcels)
    group, units, unit_findings = _groups(spec, source)
    coverage, coverage_source = _coverage(project, spec, parcels, mend)
    ids = text_ids(source.attributes.column(spec.id)) if spec.id else None
    return Layer(
        spec=spec,
        source=source,
        polygons=polygons,
        input_crs=input_crs,
        feature_ids=ids if ids is not None else pa.array([str(i + 1) for i in range(len(source))]),
        by=source.attributes.select(list(spec.by)),
        group=group,
        units=units,
        coverage=coverage,
        coverage_source=coverage_source,
        void_boxes=void_boxes,
        findings=[*findings, *local_grid(source), *_repair_findings(repaired, source, None), *unit_findings],
    )


@contextmanager
def load_layers(
    project: Project,
    parcels: Ground,
    sources: Mapping[str, VectorSource] | None = None,
    mend: Mend = repair,
    load: Callable[..., Layer] | None = None,
) -> Iterator[Callable[[], list[Layer]]]:
    """Read all layers of a project while the caller does something else; ends when all are read.

    Gives a function that waits for the layers; it raises what the first faulty one in the project's order
    raised. ``load`` stands in for ``load_layer``, other parameters are as for it.
    """
    loads = load or load_layer
    with ThreadPoolExecutor(_READERS) as pool:
        waiting = [pool.submit(loads, project, spec, parcels, sources, mend) for spec in project.layers]
        yield lambda: [future.result() for future in waiting]


def _too_wide(polygons: PolygonSet, source: VectorSource, crs: pyproj.CRS) -> list[Finding]:
    """Return a finding for every parcel so wide that one of its vertices must be wrong."""
    box = polygons.boxes
    width = np.maximum(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1])
    rows = np.flatnonzero(width > _WIDEST_M).tolist()
    code, place, params = "parcel_out_of_place", source.display, {"crs": crs_label(crs)}
    return [Finding(code, file=place, row=r + 1, value=_box_text(box[r]), params=params) for r in rows]


def text_ids(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return ids as text: whole numbers without a decimal point, text as it stands, blank as null.

    Examples
    --------
    >>> text_ids(pa.array([12.0, 7.5, None])).to_pylist()
    ['12', '7.5', None]
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_floating(array.type):
        whole = pc.equal(pc.floor(array), array)
        array = pc.if_else(
            whole, array.cast(pa.int64(), safe=False).cast(pa.string()), array.cast(pa.string())
        )
    text = pc.utf8_trim_whitespace(array.cast(pa.string()))
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _read(
    spec: LayerSpec | ParcelsSpec, project: Project, ready: VectorSource | None
) -> tuple[VectorSource, list[Finding]]:
    if ready is not None:
        return ready, []
    path, layer = spec.path, spec.layer
    if layer is None:
        path, layer = split_layer(path)
    return read_vector(
        path,
        layer,
        base=project.base,
        where=spec.where,
        encoding=spec.encoding,
        limits=Limits(**project.limits),
    )


def _file_size(spec: ParcelsSpec, project: Project) -> int:
    path = layer_file(spec.path, spec.layer, project.base)
    return path.stat().st_size if path.is_file() else 0


def _require_field(source: VectorSource, name: str, key: str) -> None:
    names = source.attributes.column_names
    if name not in names:
        raise InputError(
            "named_field_missing",
            Where(file=source.file, layer=source.layer, field=name),
            key=key,
            fields=", ".join(names) or "-",
        )


def parcel_ids(source: VectorSource, spec: ParcelsSpec) -> tuple[list[str], list[Finding]]:
    """Return one id per row; a blank one is replaced by the row number and reported.

    Raises
    ------
    InputError
        When a field that the id is made of does not exist.
    """
    numbers = source.row_numbers
    if not spec.id:
        return [str(number) for number in numbers.tolist()], []
    for name in spec.id:
        _require_field(source, name, "parcels.id")
    columns = [text_ids(source.attributes.column(name)) for name in spec.id]
    joined = pc.binary_join_element_wise(*columns, "-")  # null where one of them is
    ids: list[str] = joined.to_pylist()
    findings = []
    for place in np.flatnonzero(joined.is_null()).tolist():
        row = int(numbers[place])
        ids[place] = own = f"row-{row}"
        findings.append(
            Finding("parcel_id_blank", own, source.display, row, "-".join(spec.id), "", {"id": own})
        )
    return ids, findings


def require_unique(ids: Sequence[str], source: VectorSource, spec: ParcelsSpec) -> None:
    """Refuse parcels of which two have one id.

    Raises
    ------
    InputError
        Code ``parcel_id_twice``.
    """
    if len(set(ids)) == len(ids):
        return
    first: dict[str, int] = {}
    repeated = []
    for row, value in enumerate(ids, 1):
        if value in first:
            repeated.append((value, first[value], row))
        first.setdefault(value, row)
    if repeated:
        value, one, two = repeated[0]
        raise InputError(
            "parcel_id_twice",
            Where(source.file, source.layer, two, "-".join(spec.id), value),
            first=one,
            count=len(repeated),
        )


def _repair_findings(
    repaired: Repaired, source: VectorSource, ids: Sequence[str] | None
) -> Iterable[Finding]:
    """One finding per feature whose geometry was not fine as it stood."""
    subject = "parcel" if ids is not None else "layer"
    numbers = source.row_numbers
    for i in map(int, np.flatnonzero(np.asarray(repaired.status) != "ok")):
        status = str(repaired.status[i])
        before, after = float(repaired.area_before[i]), float(repaired.area_after[i])
        code = f"{subject}_geometry_{status}"
        if status == "repaired" and repaired.changed_much[i]:
            code = f"{subject}_geometry_changed"
        yield Finding(
            code,
            ids[i] if ids is not None else "",
            source.display,
            int(numbers[i]),
            "geometry",
            "",
            {**_reasons(repaired.reason[i]), "before": f"{before:.2f}", "after": f"{after:.2f}"},
            repaired.point[i],
        )


def _reasons(reason: str) -> dict[str, str]:
    """Return what is wrong with a geometry in both languages, with the place that GEOS names."""
    words, bracket, place = reason.partition("[")
    entry = catalogue().get("invalid_" + re.sub(r"\W+", "_", words.strip().lower()), {})
    x_y = f" [{place}" if bracket else ""
    return {"reason": entry.get("en", words) + x_y, "reason_zh": entry.get("zh", words) + x_y}


def require_meeting(
    spec: LayerSpec,
    source: VectorSource,
    polygons: PolygonSet,
    void_boxes: npt.NDArray[np.float64],
    parcels: Ground,
) -> None:
    """Refuse a layer that is empty or lies elsewhere: its zero overlaps would read as "no conflict".

    Raises
    ------
    InputError, CrsError
        Codes ``layer_empty`` and ``layer_elsewhere``.
    """
    if spec.disjoint:
        return
    if not len(void_boxes) and polygons.wkb.null_count == len(polygons):
        raise InputError("layer_empty", Where(file=source.file, layer=source.layer), key=spec.key)
    ours = parcels.extent
    theirs = _extent(polygons, void_boxes)
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return
    apart = (theirs[:2] > ours[2:]).any() or (theirs[2:] < ours[:2]).any()
    if apart:
        raise CrsError(
            "layer_elsewhere",
            Where(file=source.file, layer=source.layer),
            expected=_box_text(ours),
            found=_box_text(theirs),
            crs=parcels.crs.name,
            key=spec.key,
        )


def _extent(polygons: PolygonSet, more: npt.NDArray[np.float64] | None = None) -> npt.NDArray[np.float64]:
    """Return the bounds of all together, and of more boxes; NaN where there is none."""
    return extent_of(
        np.concatenate([polygons.boxes, more]) if more is not None and len(more) else polygons.boxes
    )


def extent_of(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the bounds of all boxes (x min, y min, x max, y max) together, NaN where there is none."""
    if not len(boxes):
        return np.full(4, np.nan)
    # column by column: along rows of four numpy takes ten times as long
    ends = [np.fmin.reduce(boxes[:, 0]), np.fmin.reduce(boxes[:, 1])]
    return np.array([*ends, np.fmax.reduce(boxes[:, 2]), np.fmax.reduce(boxes[:, 3])])


def _box_text(box: npt.NDArray[np.float64]) -> str:
    return f"E {box[0]:.0f}-{box[2]:.0f}, N {box[1]:.0f}-{box[3]:.0f}"


def _groups(
    spec: LayerSpec, source: VectorSource
) -> tuple[npt.NDArray[np.int32] | None, Units | None, list[Finding]]:
    """Group features by land-use code or unit name; blank ones belong to no group and are reported."""
    field_name = spec.code if spec.role == "land_use" else spec.name if spec.role == "admin_units" else None
    if field_name is None:
        return None, None, []
    encoded = text_ids(source.attributes.column(field_name)).dictionary_encode()
    group = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    names = encoded.dictionary.to_pylist()
    findings = [
        Finding(
            "group_blank", file=source.display, row=int(i) + 1, field=field_name, params={"key": spec.key}
        )
        for i in np.flatnonzero(group < 0)
    ]
    both = frozenset(_KIND_WORDS)
    kinds = [both] * len(names)
    if spec.kind is not None and spec.role == "admin_units":
        words = text_ids(source.attributes.column(spec.kind)).to_pylist()
        for i, g in reversed(list(enumerate(group))):
            if g >= 0:
                kinds[g], problem = _unit_kind(words[i]), words[i]
                if kinds[g] == both:
                    findings.append(
                        Finding("unit_kind_unknown", "", source.display, i + 1, spec.kind, problem or "")
                    )
    return group, Units(names, kinds), findings


def _unit_kind(word: str | None) -> frozenset[str]:
    known = {kind for kind, words in _KIND_WORDS.items() if (word or "").lower() in words}
    return frozenset(known or _KIND_WORDS)


def _coverage(
    project: Project, spec: LayerSpec, parcels: Ground, mend: Mend
) -> tuple[PolygonSet | None, VectorSource | None]:
    if spec.coverage is None:
        return None, None
    path, layer = split_layer(spec.coverage)
    source, _ = read_vector(path, layer, base=project.base, limits=Limits(**project.limits))
    key = f"{spec.key}.coverage"
    crs = resolve_crs(source, None, key=key)
    guard_coordinates(source, crs, key, places_of(source.wkb))
    repaired = mend(to_working(source, crs, parcels.crs, key), most=project.repair.most)
    return PolygonSet(repaired.wkb), source


def _void_boxes(repaired: Repaired) -> npt.NDArray[np.float64]:
    return np.asarray(repaired.box[np.isin(repaired.status, ["unrepairable", "unrepaired"])])
