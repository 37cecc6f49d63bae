"""Accept, refuse and transform coordinate reference systems. Nothing is guessed in silence.

Coordinates are always x = east, y = north, whatever axis order an authority declares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyproj

from landremed.errors import CrsError, Where
from landremed.tables import VectorSource
from landremed.types import Finding

__all__ = [
    "CRS_IMPLIED",
    "central_meridian",
    "choose_working_crs",
    "crs_label",
    "false_easting",
    "gauss_krueger_epsg",
    "guard_coordinates",
    "is_cgcs2000_gauss_krueger",
    "out_of_place",
    "parse_crs",
    "resolve_crs",
    "to_working",
]

CRS_IMPLIED = b"landremed:crs_implied"
"""Key of a source's attribute metadata where the format, not the file, says what the CRS is (GeoJSON)."""

_MODERN = frozenset({"cgcs2000", "wgs84"})
_DATUMS: Mapping[str, tuple[str, ...]] = {
    "cgcs2000": (
        "china geodetic coordinate system 2000",
        "china 2000",
        "d_china_2000",
        "china_2000",
        "cgcs2000",
        "new beijing 2000",
    ),
    "xian1980": ("xian 1980", "xian_1980", "d_xian_1980"),
    "beijing1954": ("beijing 1954", "beijing_1954", "d_beijing_1954"),
    "wgs84": ("world geodetic system 1984", "wgs 84", "wgs_1984", "wgs84", "d_wgs_1984"),
}
_HALF_WIDTH_M = 400_000.0  # three degrees either side of the meridian at the latitude of Hainan, and some
_NORTHINGS_M = (100_000.0, 6_300_000.0)  # 1 N to 57 N
_ZONE_M = 1_000_000.0


@dataclass(frozen=True, slots=True)
class _Places:
    """One vertex per feature, and which features have no finite one."""

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    rows: npt.NDArray[np.int64]
    not_finite: npt.NDArray[np.int64]


def parse_crs(text: str, where: Where | None = None) -> pyproj.CRS:
    """Return the CRS a text means; names as ArcGIS writes them resolve to their EPSG code.

    Raises
    ------
    CrsError
        Code ``crs_unknown``.
    """
    try:
        crs = pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError as error:
        raise CrsError("crs_unknown", where, crs=text if len(text) <= 60 else text[:60] + "…") from error
    if crs.is_compound:
        crs = next((part for part in crs.sub_crs_list if part.is_projected or part.is_geographic), crs)
    if crs.is_bound and crs.source_crs is not None:
        crs = crs.source_crs
    return _registered(crs)


def crs_label(crs: pyproj.CRS) -> str:
    """Return ``EPSG:4548 (CGCS2000 / 3-degree Gauss-Kruger CM 117E)``, or the name alone."""
    authority = crs.to_authority()
    return f"{':'.join(authority)} ({crs.name})" if authority else crs.name


def resolve_crs(source: VectorSource, declared: str | None, *, key: str) -> pyproj.CRS:
    """Return the CRS of a layer.

    Parameters
    ----------
    source : VectorSource
        The layer as read.
    declared : str, optional
        ``crs =`` of the project file; only for files that have none.
    key : str
        Table of the project file, e.g. ``layers.ecological_red_line``, for the message.

    Raises
    ------
    CrsError
        When there is none, it cannot be understood, or ``declared`` differs from the file's own.
    """
    where = Where(file=source.file, layer=source.layer)
    wanted = parse_crs(declared, where) if declared else None
    implied = CRS_IMPLIED in (source.attributes.schema.metadata or {})
    if source.crs_wkt is None or (implied and wanted is not None):
        if wanted is None:
            raise CrsError("crs_missing", where, key=_table(key))
        return wanted
    own = parse_crs(source.crs_wkt, where)
    if wanted is not None and not _same(own, wanted):
        raise CrsError("crs_conflict", where, key=_table(key), declared=crs_label(wanted), own=crs_label(own))
    if not (own.is_projected or own.is_geographic):
        raise CrsError("crs_kind", where, crs=crs_label(own))
    return own


def choose_working_crs(
    parcels: VectorSource, declared: str | None, project_crs: str | None
) -> tuple[pyproj.CRS, list[Finding]]:
    """Return the CRS in which everything is overlaid: projected, in metres.

    Parameters
    ----------
    parcels : VectorSource
        The parcels as read.
    declared : str, optional
        CRS declared for a parcel file that has none.
    project_crs : str, optional
        ``[project] crs``; without it the parcels' own CRS is taken, or for longitude and latitude on CGCS2000
        or WGS 84 the 3-degree Gauss-Krüger zone (without prefix) of the extent's centre.

    Returns
    -------
    crs : pyproj.CRS
        The working CRS.
    findings : list of Finding
        ``working_crs_chosen`` when it was not given.

    Raises
    ------
    CrsError
        When it is not projected in metres, or none can be chosen.
    """
    if project_crs is not None:
        crs = parse_crs(project_crs, Where(field="project.crs"))
        if not _metric(crs):
            raise CrsError("working_crs_not_metric", Where(field="project.crs"), crs=crs_label(crs))
        return crs, []
    own = resolve_crs(parcels, declared, key="parcels")
    if _metric(own) and not _web_mercator(own):
        chosen = own
    elif _datum(own) in _MODERN and (own.is_geographic or _web_mercator(own)):
        chosen = pyproj.CRS.from_epsg(_zone_epsg(parcels, own))
    else:
        raise CrsError(
            "working_crs_needed", Where(file=parcels.file, layer=parcels.layer), crs=crs_label(own)
        )
    params = {"crs": crs_label(chosen), "own": crs_label(own)}
    return chosen, [Finding("working_crs_chosen", file=parcels.display, params=params)]


def guard_coordinates(source: VectorSource, crs: pyproj.CRS, key: str) -> None:
    """Refuse a layer whose numbers contradict its CRS.

    One vertex per feature is looked at. Parcels (``key`` starts with ``parcels``) are refused when at least half of
    them contradict the CRS, since single ones are findings (`out_of_place`); of a layer every
    feature must have finite coordinates and none may carry another zone prefix or swapped axes.

    Raises
    ------
    CrsError
        ``crs_degrees_as_metres``, ``crs_metres_as_degrees``, ``crs_prefix_unexpected``, ``crs_prefix_missing``,
        ``crs_prefix_other``, ``crs_axes_swapped``, ``crs_out_of_range`` or ``coordinates_not_finite``, with what was
        expected and found.
    """
    where = Where(file=source.file, layer=source.layer)
    places = _places(source.wkb)
    parcels = key.startswith("parcels")
    if len(places.not_finite) and (not parcels or not len(places.rows)):
        row = int(places.not_finite[0]) + 1
        raise CrsError("coordinates_not_finite", Where(file=source.file, layer=source.layer, row=row))
    if not len(places.rows):
        return
    faults = _faults(places, crs)
    for code, wrong in faults.items():
        strict = not parcels and code in _STRICT
        if wrong.any() and (strict or wrong.mean() >= 0.5):
            raise CrsError(code, where, **_numbers(places, wrong, crs), key=_table(key))


def out_of_place(source: VectorSource, crs: pyproj.CRS) -> list[Finding]:
    """Return a finding for every single feature whose numbers contradict the CRS.

    Meant for parcels that passed `guard_coordinates`: the odd ones would overlap nothing and so look clean.
    """
    places = _places(source.wkb)
    odd: dict[int, str] = {}
    for code, wrong in _faults(places, crs).items():
        for row in places.rows[wrong]:
            odd.setdefault(int(row), code)
    where = {int(row): i for i, row in enumerate(places.rows)}
    return [
        Finding(
            "parcel_out_of_place",
            file=source.display,
            row=row + 1,
            value=f"{places.x[where[row]]:.3f}, {places.y[where[row]]:.3f}",
            params={"crs": crs_label(crs)},
        )
        for row in sorted(odd)
    ]


def to_working(source: VectorSource, crs: pyproj.CRS, working: pyproj.CRS, key: str) -> pa.Array:
    """Return the geometries in the working CRS; vertices only are moved.

    Parameters
    ----------
    source : VectorSource
        The layer as read.
    crs : pyproj.CRS
        Its CRS.
    working : pyproj.CRS
        The working CRS.
    key : str
        Table of the project file, for the message.

    Returns
    -------
    pyarrow.Array
        ``large_binary``; the very array of ``source`` when both CRSs are the same.

    Raises
    ------
    CrsError
        ``crs_datum_shift`` between datums without a published exact relation (Xian 1980, Beijing 1954), where
        PROJ would leave coordinates unchanged; ``crs_transform_failed`` when a finite vertex has no image.
    """
    if _same(crs, working):
        return source.wkb
    where = Where(file=source.file, layer=source.layer)
    one, other = _datum(crs), _datum(working)
    if not (one == other or {one, other} <= _MODERN):
        raise CrsError(
            "crs_datum_shift", where, own=crs_label(crs), working=crs_label(working), key=_table(key)
        )
    return _transform(source.wkb, where, crs, working)


def is_cgcs2000_gauss_krueger(crs: pyproj.CRS) -> bool:
    """Tell whether a CRS is a Gauss-Krüger projection of CGCS2000 in metres, with or without zone prefix."""
    return _datum(crs) == "cgcs2000" and _gauss_krueger(crs)


def central_meridian(crs: pyproj.CRS) -> float:
    """Return the central meridian of a transverse Mercator CRS in degrees."""
    return float(_parameter(crs, "Longitude of natural origin"))


def false_easting(crs: pyproj.CRS) -> float:
    """Return the false easting of a transverse Mercator CRS in metres (39500000 with prefix 39)."""
    return float(_parameter(crs, "False easting"))


def gauss_krueger_epsg(longitude: float) -> int:
    """Return the EPSG code of the CGCS2000 3-degree zone without prefix that holds a longitude.

    Examples
    --------
    >>> gauss_krueger_epsg(117.7)
    4548
    >>> gauss_krueger_epsg(118.6)
    4549
    """
    zone = int(np.floor((longitude + 1.5) / 3.0))
    return 4509 + zone  # 4534 is 75 E, zone 25


_STRICT = frozenset({"crs_prefix_unexpected", "crs_prefix_missing", "crs_prefix_other", "crs_axes_swapped"})


def _table(key: str) -> str:
    """Return the table of the project file in which ``crs`` stands."""
    return key.removesuffix(".crs").removesuffix(".coverage")


def _registered(crs: pyproj.CRS) -> pyproj.CRS:
    """Return the EPSG definition where a CRS is the same but for names."""
    if crs.to_authority(min_confidence=100):
        return crs
    code = crs.to_epsg(min_confidence=70)
    return pyproj.CRS.from_epsg(code) if code else crs


def _same(one: pyproj.CRS, other: pyproj.CRS) -> bool:
    if one == other or one.equals(other, ignore_axis_order=True):
        return True
    code = one.to_epsg()
    return code is not None and code == other.to_epsg()


def _metric(crs: pyproj.CRS) -> bool:
    return bool(crs.is_projected) and all(
        abs(axis.unit_conversion_factor - 1.0) < 1e-12 for axis in crs.axis_info[:2]
    )


def _web_mercator(crs: pyproj.CRS) -> bool:
    operation = crs.coordinate_operation
    return operation is not None and "pseudo" in operation.method_name.casefold()


def _gauss_krueger(crs: pyproj.CRS) -> bool:
    operation = crs.coordinate_operation
    if operation is None or not _metric(crs):
        return False
    if operation.method_name not in {"Transverse Mercator", "Gauss-Kruger", "Gauss_Kruger"}:
        return False
    expected = {
        "Latitude of natural origin": 0.0,
        "Scale factor at natural origin": 1.0,
        "False northing": 0.0,
    }
    if any(abs(_parameter(crs, name) - value) > 1e-12 for name, value in expected.items()):
        return False
    return (false_easting(crs) - 500_000.0) % _ZONE_M == 0.0


def _parameter(crs: pyproj.CRS, name: str) -> float:
    operation = crs.coordinate_operation
    for parameter in operation.params if operation is not None else ():
        if parameter.name == name:
            return float(parameter.value)
    raise CrsError("crs_kind", crs=crs_label(crs))


def _datum(crs: pyproj.CRS) -> str:
    """Return the datum's family, or its own name for any other."""
    geodetic = crs.geodetic_crs
    datum = (geodetic or crs).datum
    name = (datum.name if datum is not None else crs.name).casefold()
    ensemble = name.replace(" ensemble", "")
    for family, names in _DATUMS.items():
        if any(ensemble.startswith(known) for known in names):
            return family
    return ensemble


def _zone_epsg(parcels: VectorSource, crs: pyproj.CRS) -> int:
    places = _places(parcels.wkb)
    where = Where(file=parcels.file, layer=parcels.layer)
    if not len(places.rows):
        raise CrsError("working_crs_needed", where, crs=crs_label(crs))
    guard_coordinates(parcels, crs, "parcels")
    x = (float(np.quantile(places.x, 0.01)) + float(np.quantile(places.x, 0.99))) / 2.0
    y = (float(np.quantile(places.y, 0.01)) + float(np.quantile(places.y, 0.99))) / 2.0
    if crs.is_projected:
        x, y = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True).transform(x, y)
    if not 73.5 <= x <= 136.5:
        raise CrsError("working_crs_needed", where, crs=crs_label(crs))
    return gauss_krueger_epsg(x)


def _places(wkb: pa.Array) -> _Places:
    """Return the first vertex of every feature that has one; rows with any non-finite value apart."""
    import shapely

    geometries = shapely.from_wkb(wkb.to_numpy(zero_copy_only=False), on_invalid="ignore")
    box = shapely.bounds(geometries)
    coordinates, index = shapely.get_coordinates(geometries, return_index=True)
    finite = np.isfinite(coordinates).all(axis=1)
    bad = np.unique(index[~finite])
    rows = np.setdiff1d(np.flatnonzero(np.isfinite(box).all(axis=1)), bad)
    first = np.searchsorted(index, rows)
    return _Places(coordinates[first, 0], coordinates[first, 1], rows, bad)


def _faults(places: _Places, crs: pyproj.CRS) -> dict[str, npt.NDArray[np.bool_]]:
    """Return, per kind of contradiction, which features show it."""
    x, y = places.x, places.y
    if crs.is_geographic:
        factor = crs.axis_info[0].unit_conversion_factor * 180.0 / np.pi
        east, north = x * factor, y * factor
        swapped = (np.abs(north) > 90.0) & (np.abs(north) <= 180.0) & (np.abs(east) <= 90.0)
        chinese = _datum(crs) == "cgcs2000"
        if chinese:
            swapped |= (north >= 73.0) & (north <= 136.0) & (east >= 3.0) & (east <= 54.0)
        large = (np.abs(east) > 360.0) | (np.abs(north) > 360.0)
        outside = ((np.abs(east) > 360.0) | (np.abs(north) > 90.0)) & ~large & ~swapped
        return {"crs_metres_as_degrees": large, "crs_axes_swapped": swapped, "crs_out_of_range": outside}
    degrees = (np.abs(x) <= 180.0) & (np.abs(y) <= 90.0) & ((x != 0.0) | (y != 0.0))
    degrees |= (np.abs(y) <= 180.0) & (np.abs(x) <= 90.0) & ((x != 0.0) | (y != 0.0))
    if not _gauss_krueger(crs):
        return {"crs_degrees_as_metres": degrees, "crs_out_of_range": _no_inverse(x, y, crs) & ~degrees}
    fe = false_easting(crs)
    fits = _is_easting(x, fe)
    northing = (y > _NORTHINGS_M[0]) & (y < _NORTHINGS_M[1])
    prefixed = _is_easting(x % _ZONE_M, 500_000.0) & (x >= 12 * _ZONE_M) & (x < 47 * _ZONE_M)
    plain = _is_easting(x, 500_000.0)
    turned = _is_easting(y, fe) & (x > 1_500_000.0) & (x < _NORTHINGS_M[1]) & ~fits
    other_turned = (x > 1_500_000.0) & (x < _NORTHINGS_M[1]) & ~fits & ~turned
    other_turned &= _is_easting(y % _ZONE_M, 500_000.0) & ((y < _ZONE_M) | (y >= 12 * _ZONE_M))
    turned |= other_turned
    no_prefix = fe < _ZONE_M
    nothing = np.zeros(len(x), bool)
    faults = {
        "crs_degrees_as_metres": degrees,
        "crs_axes_swapped": turned,
        "crs_prefix_unexpected": prefixed & northing if no_prefix else nothing,
        "crs_prefix_missing": nothing if no_prefix else plain & northing & ~fits,
        "crs_prefix_other": nothing if no_prefix else prefixed & northing & ~fits,
    }
    known = np.logical_or.reduce(list(faults.values()))
    faults["crs_out_of_range"] = ~known & ~(fits & (np.abs(y) < 10_010_000.0))
    return faults


def _is_easting(values: npt.NDArray[np.float64], false: float) -> npt.NDArray[np.bool_]:
    return np.abs(values - false) <= _HALF_WIDTH_M


def _no_inverse(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], crs: pyproj.CRS
) -> npt.NDArray[np.bool_]:
    back = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    lon, lat = back.transform(x, y)
    return ~(np.isfinite(lon) & np.isfinite(lat))


def _numbers(places: _Places, wrong: npt.NDArray[np.bool_], crs: pyproj.CRS) -> dict[str, object]:
    """Return expected and found ranges for the message."""
    x, y = places.x[wrong], places.y[wrong]
    if crs.is_geographic:
        expected = "x -180…180, y -90…90"
    elif _gauss_krueger(crs):
        fe = false_easting(crs)
        expected = f"x {fe - _HALF_WIDTH_M:.0f}…{fe + _HALF_WIDTH_M:.0f}, y {_NORTHINGS_M[0]:.0f}…{_NORTHINGS_M[1]:.0f}"
    else:
        expected = "metres"
    form = ".6f" if max(float(np.abs(x).max()), float(np.abs(y).max())) <= 360.0 else ".0f"
    found = f"x {x.min():{form}}…{x.max():{form}}, y {y.min():{form}}…{y.max():{form}}"
    return {
        "crs": crs_label(crs),
        "expected": expected,
        "found": found,
        "count": int(wrong.sum()),
        "row": int(places.rows[np.flatnonzero(wrong)[0]]) + 1,
    }


def _moved(crs: pyproj.CRS, working: pyproj.CRS, xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return coordinates in the working CRS, by projection alone: the datum is the same, or counts as the same.

    Between zones that differ in their prefix only, the false eastings are exchanged, which is exact.
    """
    if _gauss_krueger(crs) and _gauss_krueger(working) and _datum(crs) == _datum(working):
        if central_meridian(crs) == central_meridian(working):
            return xy + np.array([false_easting(working) - false_easting(crs), 0.0])
    x, y = xy[:, 0], xy[:, 1]
    if crs.is_projected:
        x, y = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True).transform(x, y)
    if working.is_projected:
        x, y = pyproj.Transformer.from_crs(working.geodetic_crs, working, always_xy=True).transform(x, y)
    return np.column_stack([x, y])


def _transform(wkb: pa.Array, where: Where, crs: pyproj.CRS, working: pyproj.CRS) -> pa.Array:
    import shapely

    geometries = shapely.from_wkb(wkb.to_numpy(zero_copy_only=False), on_invalid="ignore")
    old, index = shapely.get_coordinates(geometries, return_index=True)
    new = _moved(crs, working, old)
    lost = np.isfinite(old).all(axis=1) & ~np.isfinite(new).all(axis=1)
    if lost.any():
        at = int(np.flatnonzero(lost)[0])
        raise CrsError(
            "crs_transform_failed",
            Where(file=where.file, layer=where.layer, row=int(index[at]) + 1),
            found=f"x {old[at, 0]:.6g}, y {old[at, 1]:.6g}",
            own=crs_label(crs),
            working=crs_label(working),
        )
    moved = shapely.set_coordinates(geometries, new)
    raw: Any = shapely.to_wkb(moved, byte_order=1, output_dimension=2)
    return pa.array(raw, type=pa.large_binary(), from_pandas=True)
