"""Repair of invalid geometry, with the area before and after. Nothing is dropped in silence.

Areas here are planar, in the CRS of the input. The area *before* is that of the rings as stored: per polygon the
absolute signed area of the shell minus those of the holes, so crossing rings cancel as they do in any planimeter.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from landremed.types import Finding

__all__ = ["CHANGE_MIN_M2", "CHANGE_SHARE", "Repaired", "Status", "repair", "repair_findings"]

CHANGE_SHARE = 0.001
"""Share of the area from which a change by repair is a finding of severity error."""

CHANGE_MIN_M2 = 1.0
"""Area in m² up to which a change by repair is never one."""

_POLYGON, _MULTIPOLYGON = 3, 6
_CHUNK = 8192
_NOWHERE = (float("nan"), float("nan"))
_NO_BOX = (float("nan"),) * 4


class Status(IntEnum):
    """What became of one geometry."""

    OK = 0
    REPAIRED = 1
    EMPTY = 2
    NOT_FINITE = 3
    NOT_POLYGON = 4
    UNREPAIRABLE = 5


@dataclass(frozen=True)
class Repaired:
    """Geometries fit for overlay, row for row.

    Attributes
    ----------
    wkb : pyarrow.Array
        ``large_binary`` valid 2-D Polygon or MultiPolygon; null where the status is EMPTY or above. Rows with
        status OK keep their bytes.
    status : ndarray of int8
        `Status` per row.
    rows : ndarray of int64
        Rows whose status is not OK, rising; the arrays below are about these.
    area_before, area_after : ndarray of float64
        Planar area in m² of the stored rings and of the result; NaN where there is none.
    reason : list of str
        What was wrong, with the place where GEOS names one.
    point : ndarray of float64, shape (len(rows), 2)
        A place to zoom to; NaN where there is none.
    box : ndarray of float64, shape (len(rows), 4)
        Bounds (x min, y min, x max, y max) of the finite coordinates as stored; NaN where there are none.
    """

    wkb: pa.Array
    status: npt.NDArray[np.int8]
    rows: npt.NDArray[np.int64]
    area_before: npt.NDArray[np.float64]
    area_after: npt.NDArray[np.float64]
    reason: list[str]
    point: npt.NDArray[np.float64]
    box: npt.NDArray[np.float64]

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Whether a row has a geometry to measure."""
        return self.status <= Status.REPAIRED


def repair(wkb: pa.Array, *, jobs: int | None = None) -> Repaired:
    """Return valid polygons for every row that can have one.

    Parameters
    ----------
    wkb : pyarrow.Array
        ``large_binary`` 2-D WKB of any type.
    jobs : int, optional
        Threads; all cores by default.

    Returns
    -------
    Repaired
        The same number of rows.
    """
    status = np.full(len(wkb), Status.EMPTY, np.int8)
    odd: dict[int, _Case] = {}
    starts = range(0, len(wkb), _CHUNK)
    with ThreadPoolExecutor(max_workers=jobs or os.cpu_count() or 1) as pool:
        for start, (codes, cases) in zip(
            starts, pool.map(lambda s: _chunk(wkb.slice(s, _CHUNK)), starts), strict=True
        ):
            status[start : start + len(codes)] = codes
            odd.update((start + row, case) for row, case in cases.items())
    rows = np.asarray(sorted(odd), dtype=np.int64)
    cases = [odd[row] for row in rows.tolist()]
    return Repaired(
        wkb=_replaced(wkb, rows, [case.geometry for case in cases]),
        status=status,
        rows=rows,
        area_before=np.asarray([case.before for case in cases], dtype=np.float64),
        area_after=np.asarray([case.after for case in cases], dtype=np.float64),
        reason=[case.reason for case in cases],
        point=np.asarray([case.point for case in cases], dtype=np.float64).reshape(-1, 2),
        box=np.asarray([case.box for case in cases], dtype=np.float64).reshape(-1, 4),
    )


def repair_findings(
    repaired: Repaired, *, file: str, parcel_ids: Sequence[str] | None = None, layer_feature: bool = False
) -> list[Finding]:
    """Return one finding for every row that was not fine, in row order.

    Parameters
    ----------
    repaired : Repaired
        Result of `repair`.
    file : str
        File and layer as shown to the user.
    parcel_ids : sequence of str, optional
        Ids by row, for parcels.
    layer_feature : bool
        Whether the rows are features of a constraint layer: then one that cannot be used is
        ``layer_feature_unusable`` (severity error), since facts near it become unknown.
    """
    findings = []
    for i, row in enumerate(repaired.rows.tolist()):
        status = Status(int(repaired.status[row]))
        before, after = float(repaired.area_before[i]), float(repaired.area_after[i])
        params: dict[str, object] = {"reason": repaired.reason[i], "before": _m2(before), "after": _m2(after)}
        if status is Status.REPAIRED:
            code = "geometry_changed_by_repair" if _changed(before, after) else "geometry_repaired"
        elif layer_feature:
            code = "layer_feature_empty" if status is Status.EMPTY else "layer_feature_unusable"
        else:
            code = _CODES[status]
        x, y = (float(v) for v in repaired.point[i])
        findings.append(
            Finding(
                code,
                parcel_id=parcel_ids[row] if parcel_ids is not None else "",
                file=file,
                row=row + 1,
                params=params,
                point=(x, y) if np.isfinite(x) and np.isfinite(y) else None,
            )
        )
    return findings


@dataclass(frozen=True, slots=True)
class _Case:
    """One geometry that is not fine as it stands."""

    geometry: bytes | None
    before: float
    after: float
    reason: str
    point: tuple[float, float]
    box: tuple[float, ...] = _NO_BOX


_CODES = {
    Status.EMPTY: "geometry_empty",
    Status.NOT_FINITE: "geometry_not_finite",
    Status.NOT_POLYGON: "geometry_not_polygon",
    Status.UNREPAIRABLE: "geometry_unrepairable",
}


def _chunk(wkb: pa.Array) -> tuple[npt.NDArray[np.int8], dict[int, _Case]]:
    """Judge some rows; cases are keyed by the row within them."""
    geometries = shapely.from_wkb(wkb.to_numpy(zero_copy_only=False), on_invalid="ignore")
    stored = np.asarray(wkb.is_valid())
    kinds = shapely.get_type_id(geometries)
    polygonal = (kinds == _POLYGON) | (kinds == _MULTIPOLYGON)
    fine = polygonal & ~shapely.is_empty(geometries) & shapely.is_valid(geometries)
    codes = np.zeros(len(wkb), np.int8)
    cases: dict[int, _Case] = {}
    for row in np.flatnonzero(~fine).tolist():
        status, case = _judge(geometries[row], bool(stored[row]))
        codes[row] = status
        cases[row] = case
    return codes, cases


def _judge(geometry: Any, stored: bool) -> tuple[Status, _Case]:
    nan = float("nan")
    if geometry is None:
        if not stored:
            return Status.EMPTY, _Case(None, nan, nan, "no geometry", _NOWHERE)
        return Status.UNREPAIRABLE, _Case(None, nan, nan, "damaged geometry", _NOWHERE)
    if geometry.is_empty:
        return Status.EMPTY, _Case(None, nan, nan, "empty geometry", _NOWHERE)
    coordinates = shapely.get_coordinates(geometry)
    finite = np.isfinite(coordinates).all(axis=1)
    if not finite.all():
        point = _pair(coordinates[finite][0]) if finite.any() else _NOWHERE
        box = _box(coordinates[finite])
        return Status.NOT_FINITE, _Case(None, nan, nan, "coordinates not finite", point, box)
    box = _box(coordinates)
    first = _pair(coordinates[0])
    reason = _reason(geometry)
    before = float(shapely.area(geometry))
    if shapely.get_dimensions(geometry) < 2:
        kind = str(geometry.geom_type)
        return Status.NOT_POLYGON, _Case(None, nan, nan, kind, first, box)
    fixed = _fixed(geometry)
    if fixed is None:
        return Status.UNREPAIRABLE, _Case(None, before, nan, reason, _place(reason, first), box)
    point = _place(reason, _pair(shapely.get_coordinates(shapely.point_on_surface(fixed))[0]))
    raw = shapely.to_wkb(fixed, byte_order=1, output_dimension=2)
    return Status.REPAIRED, _Case(raw, before, float(shapely.area(fixed)), reason, point, box)


def _fixed(geometry: Any) -> Any:
    """Return the polygonal part made valid, or None."""
    steps: tuple[Callable[[Any], Any], ...] = (
        lambda g: shapely.make_valid(g, method="structure", keep_collapsed=False),
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


def _reason(geometry: Any) -> str:
    reason = str(shapely.is_valid_reason(geometry))
    if reason == "Valid Geometry":
        return f"{geometry.geom_type} with parts that are no polygons"
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
    if not len(coordinates):
        return _NO_BOX
    return tuple(float(v) for v in (*coordinates.min(axis=0), *coordinates.max(axis=0)))


def _pair(values: Any) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def _changed(before: float, after: float) -> bool:
    change = abs(after - before)
    return change > CHANGE_MIN_M2 and change > CHANGE_SHARE * max(before, after)


def _m2(area: float) -> str:
    return f"{area:.2f}" if np.isfinite(area) else "–"


def _replaced(wkb: pa.Array, rows: npt.NDArray[np.int64], values: list[bytes | None]) -> pa.Array:
    """Return the array with some rows exchanged; the very same array when none is."""
    if not len(rows) or (all(v is None for v in values) and not np.asarray(wkb.is_valid())[rows].any()):
        return wkb
    mask = np.zeros(len(wkb), bool)
    mask[rows] = True
    return pc.replace_with_mask(wkb, pa.array(mask), pa.array(values, pa.large_binary()))
