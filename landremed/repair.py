"""Repair of invalid geometry, with the area before and after. Nothing is dropped in silence.

Areas here are planar, in the CRS of the input. The area *before* is that of the rings as stored: per polygon
the absolute signed area of the shell minus those of the holes, so that the lobes of a crossing ring cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from landremed.io.wkb import loose_coordinates, parse_wkb
from landremed.overlay.looks import surely_valid
from landremed.threads import usable_threads

__all__ = ["CHANGE_MIN_M2", "CHANGE_SHARE", "NO_LIMITS", "Repaired", "Status", "repair"]

CHANGE_SHARE = 0.001
"""Share of the area from which a change by repair is a finding of severity error."""

CHANGE_MIN_M2 = 1.0
"""Area in m² up to which a change by repair is never one."""

NO_LIMITS = (float("inf"), float("inf"))
"""Share and area (m²) of a change that a repair never exceeds."""

_POLYGON, _MULTIPOLYGON = 3, 6
_CHUNK = 8192
_SCRIBBLE_VERTICES, _SCRIBBLE_SAMPLES = 1000, 400
_SCRIBBLE_HITS, _SCRIBBLE_CROSSINGS = 50, 200_000
_FARTHEST = 1e8  # metres or degrees: farther than any place on Earth in any CRS, zone numbers included


class Status(StrEnum):
    """What became of one geometry."""

    OK = "ok"
    REPAIRED = "repaired"
    EMPTY = "empty"
    NOT_FINITE = "not_finite"
    UNREPAIRABLE = "unrepairable"
    UNREPAIRED = "unrepaired"


@dataclass(frozen=True)
class Repaired:
    """Geometries fit for overlay, row for row.

    Attributes
    ----------
    wkb : pyarrow.Array
        ``large_binary`` valid 2-D Polygon or MultiPolygon; null where the status is neither ``ok`` nor
        ``repaired``. Rows with status ``ok`` keep their bytes.
    status : ndarray of str
        `Status` per row; ``empty`` is no geometry, an empty one, or one without any polygon; ``unrepaired``
        one whose repair would change more than may be changed without a person.
    area_before, area_after : ndarray of float64
        Planar area in m² of the stored rings and of the result, or of what would have been the result; NaN
        where the row was fine or has none.
    changed_much : ndarray of bool
        Where repair changed the area by more than `CHANGE_SHARE` and `CHANGE_MIN_M2`.
    reason : list of str
        What was wrong, with the place where GEOS names one; "" for rows that are fine.
    point : list of (x, y) or None
        A place to zoom to, for rows that are not fine.
    box : ndarray of float64, shape (rows, 4)
        Bounds (x min, y min, x max, y max) of the stored finite coordinates of rows that are not fine, else
        NaN.
    """

    wkb: pa.Array
    status: npt.NDArray[np.str_]
    area_before: npt.NDArray[np.float64]
    area_after: npt.NDArray[np.float64]
    changed_much: npt.NDArray[np.bool_]
    reason: list[str]
    point: list[tuple[float, float] | None]
    box: npt.NDArray[np.float64]

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Whether a row has a geometry to measure."""
        good: npt.NDArray[np.bool_] = np.isin(self.status, [Status.OK.value, Status.REPAIRED.value])
        return good


def repair(
    wkb: pa.Array,
    *,
    most: tuple[float, float] = NO_LIMITS,
    jobs: int | None = None,
    fine: npt.NDArray[np.bool_] | None = None,
) -> Repaired:
    """Return valid polygons for every row that can have one.

    Parameters
    ----------
    wkb : pyarrow.Array
        ``large_binary`` 2-D WKB of any type.
    most : (share, m²)
        A row is left unrepaired where that would change its area by more than this share of the larger of
        the two areas, and by more than so many m².
    jobs : int, optional
        Threads; all cores by default.
    fine : ndarray of bool, optional
        Rows that are known to be fine as they stand, and are not looked at.

    Returns
    -------
    Repaired
        The same number of rows.
    """
    rows = np.arange(len(wkb)) if fine is None else np.flatnonzero(~fine)
    looked_at = wkb if fine is None else wkb.take(pa.array(rows))
    sure = surely_valid(looked_at)
    if sure.any():
        rows, looked_at = rows[~sure], looked_at.filter(pa.array(~sure))
    odd = _odd_rows(looked_at, jobs)
    return _exchanged(wkb, {int(rows[row]): _within(case, *most) for row, case in odd.items()})


def _odd_rows(wkb: pa.Array, jobs: int | None) -> dict[int, _Case]:
    """Return what is not fine, by row."""
    starts = range(0, len(wkb), _CHUNK)
    odd: dict[int, _Case] = {}
    with ThreadPoolExecutor(max_workers=jobs or usable_threads()) as pool:
        for start, cases in zip(
            starts, pool.map(lambda s: _chunk(wkb.slice(s, _CHUNK)), starts), strict=True
        ):
            odd.update((start + row, case) for row, case in cases.items())
    return odd


def _exchanged(wkb: pa.Array, odd: Mapping[int, _Case]) -> Repaired:
    rows = np.fromiter(odd, np.int64, len(odd))
    before, after = np.full((2, len(wkb)), np.nan)
    box = np.full((len(wkb), 4), np.nan)
    status = np.full(len(wkb), Status.OK.value, dtype="U12")
    reason = [""] * len(wkb)
    point: list[tuple[float, float] | None] = [None] * len(wkb)
    for row, case in odd.items():
        status[row], reason[row], point[row] = case.status.value, case.reason, case.point
        before[row], after[row], box[row] = case.before, case.after, case.box
    with np.errstate(invalid="ignore"):
        change = np.abs(after - before)
        much = (change > CHANGE_MIN_M2) & (change > CHANGE_SHARE * np.maximum(before, after))
    exchanged = _replaced(wkb, rows, [case.geometry for case in odd.values()])
    return Repaired(exchanged, status, before, after, much, reason, point, box)


@dataclass(frozen=True, slots=True)
class _Case:
    """One geometry that is not fine as it stands."""

    status: Status
    reason: str
    geometry: bytes | None = None
    before: float = float("nan")
    after: float = float("nan")
    point: tuple[float, float] | None = None
    box: tuple[float, ...] = (float("nan"),) * 4


def _within(case: _Case, share: float, area_m2: float) -> _Case:
    """Return the case, unrepaired where that changes more than may be changed without a person."""
    change = abs(case.after - case.before)
    if change > area_m2 and change > share * max(case.before, case.after):
        return replace(case, status=Status.UNREPAIRED, geometry=None)
    return case


@np.errstate(over="ignore", invalid="ignore")
def _chunk(wkb: pa.Array) -> dict[int, _Case]:
    """Judge some rows; what is not fine is keyed by the row within them."""
    geometries = parse_wkb(wkb)
    kinds = shapely.get_type_id(geometries)
    polygonal = (kinds == _POLYGON) | (kinds == _MULTIPOLYGON)
    fine = polygonal & shapely.is_valid(geometries) & ~shapely.is_empty(geometries)
    fine &= np.isfinite(shapely.area(geometries)) & (np.abs(shapely.bounds(geometries)) < _FARTHEST).all(
        axis=1
    )
    fine &= pc.binary_length(wkb).fill_null(0).to_numpy() == _plain_sizes(geometries, polygonal)
    return {row: _judge(geometries[row], wkb[row].as_py()) for row in np.flatnonzero(~fine).tolist()}


def _plain_sizes(
    geometries: npt.NDArray[np.object_], polygonal: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Return how many bytes of WKB polygons take, 0 for other rows."""
    rows = np.flatnonzero(polygonal)
    parts, row = shapely.get_parts(geometries[rows], return_index=True)
    own = np.where(shapely.is_empty(parts), 0, shapely.get_num_interior_rings(parts) + 1)
    rings = np.bincount(row, own, len(rows)).astype(np.int64)
    many = shapely.get_type_id(geometries[rows]) == _MULTIPOLYGON
    heads = 9 + np.where(many, 9 * np.bincount(row, minlength=len(rows)), 0)
    found = np.zeros(len(geometries), np.int64)
    found[rows] = heads + 4 * rings + 16 * shapely.get_num_coordinates(geometries[rows])
    return found


def _judge(geometry: Any, raw: bytes | None) -> _Case:
    if raw is None:
        return _Case(Status.EMPTY, "no geometry")
    if geometry is not None and geometry.is_empty:
        return _Case(Status.EMPTY, "empty geometry")
    return _judged_by_numbers(geometry, raw)


def _judged_by_numbers(geometry: Any, raw: bytes) -> _Case:
    coordinates = loose_coordinates(raw) if geometry is None else shapely.get_coordinates(geometry)
    if coordinates is None or not len(coordinates):
        return _Case(Status.UNREPAIRABLE, "damaged geometry")
    good = coordinates[np.isfinite(coordinates).all(axis=1)]
    if not len(good):
        return _Case(Status.NOT_FINITE, "coordinates not finite")
    if len(good) < len(coordinates):
        return _Case(Status.NOT_FINITE, "coordinates not finite", point=_pair(good[0]), box=_box(good))
    near = good[(np.abs(good) < _FARTHEST).all(axis=1)]
    if len(near) < len(good):
        place = _pair(near[0]) if len(near) else None
        return _Case(Status.UNREPAIRABLE, "coordinates farther than the Earth", point=place, box=_box(good))
    if geometry is None:
        return _mended(_closed(raw), "ring not closed", _pair(good[0]), _box(good))
    return _mended(geometry, "bytes behind the geometry", _pair(good[0]), _box(good))


def _mended(geometry: Any, otherwise: str, first: tuple[float, float], box: tuple[float, ...]) -> _Case:
    """Return the case with valid polygons; ``otherwise``: what was wrong where these are valid."""
    if geometry is None:
        return _Case(Status.UNREPAIRABLE, "damaged geometry", point=first, box=box)
    if _is_scribble(geometry):
        return _Case(Status.UNREPAIRABLE, "crosses itself without end", point=first, box=box)
    if shapely.get_dimensions(geometry) < 2:
        return _Case(Status.EMPTY, f"{geometry.geom_type}, no polygon", point=first, box=box)
    reason, before = _reason(geometry, otherwise), float(shapely.area(geometry))
    fixed = _fixed(geometry)
    if fixed is None:
        return _Case(Status.UNREPAIRABLE, reason, before=before, point=_place(reason, first), box=box)
    point = _place(reason, _pair(shapely.get_coordinates(shapely.point_on_surface(fixed))[0]))
    raw = shapely.to_wkb(fixed, byte_order=1, output_dimension=2)
    return _Case(Status.REPAIRED, reason, raw, before, float(shapely.area(fixed)), point, box)


def _is_scribble(geometry: Any) -> bool:
    """Tell whether a shape crosses itself so often that repairing it would take minutes and gigabytes.

    The crossings are estimated by the boxes of some edges.
    """
    xy = shapely.get_coordinates(geometry)
    if len(xy) < _SCRIBBLE_VERTICES:
        return False
    edges = shapely.box(
        np.minimum(xy[1:, 0], xy[:-1, 0]),
        np.minimum(xy[1:, 1], xy[:-1, 1]),
        np.maximum(xy[1:, 0], xy[:-1, 0]),
        np.maximum(xy[1:, 1], xy[:-1, 1]),
    )
    some = edges[:: max(1, len(edges) // _SCRIBBLE_SAMPLES)]
    hits = len(shapely.STRtree(edges).query(some)[0]) / len(some)
    return bool(hits > _SCRIBBLE_HITS and hits * len(edges) / 2 > _SCRIBBLE_CROSSINGS)


def _closed(raw: bytes) -> Any:
    """Return a geometry whose rings were not closed, or None."""
    try:
        return shapely.from_wkb(raw, on_invalid="fix")
    except (shapely.errors.GEOSException, ValueError):
        return None


def _fixed(geometry: Any) -> Any:
    """Return the polygonal part made valid, or None."""
    steps: tuple[Callable[[Any], Any], ...] = (
        _valid_parts,
        _polygonal,
    )
    result = geometry
    try:
        for step in steps:
            result = step(result)
            if result is None or result.is_empty:
                return None
        if not result.is_valid:
            result = _polygonal(shapely.make_valid(result, method="structure", keep_collapsed=False))
    except shapely.errors.GEOSException:
        return None
    good = result is not None and not result.is_empty and bool(result.is_valid) and float(result.area) > 0.0
    return result if good and np.isfinite(result.area) else None


def _valid_parts(geometry: Any) -> Any:
    """Return the geometry with its invalid parts made valid; sound ones keep every vertex where they can."""
    if shapely.get_type_id(geometry) == _MULTIPOLYGON:
        parts = shapely.get_parts(geometry)
        bad = ~shapely.is_valid(parts)
        parts[bad] = shapely.make_valid(parts[bad], method="structure", keep_collapsed=False)
        kept = shapely.get_parts(shapely.get_parts(parts))
        polygons = kept[(shapely.get_type_id(kept) == _POLYGON) & ~shapely.is_empty(kept)]
        whole = shapely.multipolygons(polygons) if len(polygons) else None
        if whole is not None and whole.is_valid:
            return whole
    return shapely.make_valid(geometry, method="structure", keep_collapsed=False)


def _polygonal(geometry: Any) -> Any:
    """Return the polygons of a geometry as one Polygon or MultiPolygon, None where there are none."""
    if shapely.get_type_id(geometry) in (_POLYGON, _MULTIPOLYGON):
        return geometry
    parts = shapely.get_parts(geometry)
    while (shapely.get_type_id(parts) >= 4).any():
        parts = shapely.get_parts(parts)
    polygons = parts[shapely.get_type_id(parts) == _POLYGON]
    if not len(polygons):
        return None
    if len(polygons) == 1:
        return polygons[0]
    whole = shapely.multipolygons(polygons)
    return whole if whole.is_valid else shapely.union_all(polygons)


def _reason(geometry: Any, otherwise: str) -> str:
    reason = str(shapely.is_valid_reason(geometry))
    if not np.isfinite(shapely.area(geometry)):
        return "coordinates too large for an area"
    if reason == "Valid Geometry":
        polygonal = shapely.get_type_id(geometry) in (_POLYGON, _MULTIPOLYGON)
        return otherwise if polygonal else f"{geometry.geom_type} with parts that are no polygons"
    return reason


def _place(reason: str, otherwise: tuple[float, float]) -> tuple[float, float]:
    """Return the place named in GEOS's reason (``…[x y]``)."""
    _, bracket, rest = reason.rpartition("[")
    words = rest.rstrip("]").split()
    try:
        x, y = float(words[0]), float(words[1])
    except (IndexError, ValueError):
        return otherwise
    return (x, y) if bracket and np.isfinite(x) and np.isfinite(y) else otherwise


def _box(coordinates: Any) -> tuple[float, ...]:
    return tuple(float(v) for v in (*coordinates.min(axis=0), *coordinates.max(axis=0)))


def _pair(values: Any) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def _replaced(wkb: pa.Array, rows: npt.NDArray[np.int64], values: list[bytes | None]) -> pa.Array:
    """Return the array with some rows exchanged; the very same array when none is."""
    if not len(rows) or (all(v is None for v in values) and not np.asarray(wkb.is_valid())[rows].any()):
        return wkb
    mask = np.zeros(len(wkb), bool)
    mask[rows] = True
    return pc.replace_with_mask(wkb, pa.array(mask), pa.array(values, pa.large_binary()))
