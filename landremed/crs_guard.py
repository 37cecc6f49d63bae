"""Hold the numbers of a layer against the CRS it is said to have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyproj

from landremed.crs_kinds import crs_label, datum_family, false_easting, is_gauss_krueger
from landremed.errors import CrsError, Where
from landremed.io.wkb_scan import first_vertices, not_finite_rows
from landremed.tables import VectorSource
from landremed.types import Finding

__all__ = ["Places", "guard_coordinates", "key_table", "mixed_zones", "out_of_place", "placed"]

_HALF_WIDTH_M = 400_000.0  # three degrees either side of the meridian at the latitude of Hainan, and some
_NORTHINGS_M = (100_000.0, 6_300_000.0)  # 1 N to 57 N
_QUADRANT_M = 10_002_000.0
_ZONE_M = 1_000_000.0
_OTHER_ZONE = frozenset({"crs_prefix_unexpected", "crs_prefix_other"})
_STRICT = frozenset({"crs_prefix_unexpected", "crs_prefix_missing", "crs_prefix_other", "crs_axes_swapped"})


@dataclass(frozen=True, slots=True)
class Places:
    """One vertex per feature, and which features have no finite one."""

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    rows: npt.NDArray[np.int64]
    not_finite: npt.NDArray[np.int64]


def guard_coordinates(source: VectorSource, crs: pyproj.CRS, key: str, places: Places | None = None) -> None:
    """Refuse a layer whose numbers contradict its CRS.

    One vertex per feature is looked at. Parcels (``key`` starts with ``parcels``) are refused when at least
    half of them contradict the CRS, since single ones are findings (`out_of_place`); of a layer every feature
    must have finite coordinates and none may carry another zone prefix or swapped axes. ``places`` are those
    of the source where its rows are not at hand.

    Raises
    ------
    CrsError
        ``crs_degrees_as_metres``, ``crs_metres_as_degrees``, ``crs_prefix_unexpected``,
        ``crs_prefix_missing``, ``crs_prefix_other``, ``crs_zones_mixed``, ``crs_axes_swapped``,
        ``crs_out_of_range`` or ``coordinates_not_finite``, with what was expected and found.
    """
    where = Where(file=source.file, layer=source.layer)
    places = placed(source.wkb) if places is None else places
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
            mixed = _zones(places) if code in _OTHER_ZONE else {}
            if len(mixed) > 1:
                raise CrsError(
                    "crs_zones_mixed", where, **_numbers(places, wrong, crs), zones=_counted(mixed)
                )
            raise CrsError(code, where, **_numbers(places, wrong, crs), key=key_table(key))


def out_of_place(source: VectorSource, crs: pyproj.CRS, places: Places | None = None) -> list[Finding]:
    """Return a finding for every single feature whose numbers contradict the CRS.

    Meant for parcels that passed `guard_coordinates`: the odd ones would overlap nothing and so look clean.
    """
    places = placed(source.wkb) if places is None else places
    odd: dict[int, str] = {}
    for code, wrong in _faults(places, crs).items():
        for row in places.rows[wrong]:
            odd.setdefault(int(row), code)
    where = {int(row): i for i, row in enumerate(places.rows)} if odd else {}
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


def mixed_zones(source: VectorSource, crs: pyproj.CRS, places: Places | None = None) -> list[Finding]:
    """Return one finding where single parcels carry another zone number than the rest of the file."""
    if not is_gauss_krueger(crs):
        return []
    places = placed(source.wkb) if places is None else places
    zones = _zones(places)
    if len(zones) < 2:
        return []
    carried = _zone_of(places)
    wrong = (carried > 0) & (carried != int(false_easting(crs) // _ZONE_M))
    numbers = _numbers(places, wrong, crs)
    row = int(places.rows[np.flatnonzero(wrong)[0]]) + 1
    return [
        Finding(
            "parcels_zones_mixed", file=source.display, row=row, params=numbers | {"zones": _counted(zones)}
        )
    ]


def _zone_of(places: Places) -> npt.NDArray[np.int64]:
    """Return the zone number that each easting carries, 0 for none."""
    northing = (places.y > _NORTHINGS_M[0]) & (places.y < _NORTHINGS_M[1])
    carried = northing & _has_prefix(places.x)
    return np.where(carried, places.x // _ZONE_M, 0.0).astype(np.int64)


def _zones(places: Places) -> dict[int, int]:
    """Return the zone numbers that eastings carry, with the number of features."""
    numbers, counts = np.unique(_zone_of(places), return_counts=True)
    return {int(n): int(c) for n, c in zip(numbers, counts, strict=True) if n}


def _counted(zones: dict[int, int]) -> str:
    return ", ".join(f"{zone}: {count}" for zone, count in zones.items())


def placed(wkb: pa.Array) -> Places:
    """Return the first vertex of every feature that has one; rows with any non-finite value apart."""
    x, y, rows = first_vertices(wkb)
    bad = not_finite_rows(wkb)
    keep = ~np.isin(rows, bad)
    return Places(x[keep], y[keep], rows[keep], bad)


def _faults(places: Places, crs: pyproj.CRS) -> dict[str, npt.NDArray[np.bool_]]:
    """Return, per kind of contradiction, which features show it."""
    x, y = places.x, places.y
    if crs.is_geographic:
        return _faults_in_degrees(x, y, crs)
    small = np.minimum(np.abs(x), np.abs(y)) <= 90.0
    degrees = small & (np.maximum(np.abs(x), np.abs(y)) <= 180.0) & ((x != 0.0) | (y != 0.0))
    if is_gauss_krueger(crs):
        return {"crs_degrees_as_metres": degrees, **_faults_in_zone(x, y, false_easting(crs), degrees)}
    return {"crs_degrees_as_metres": degrees, "crs_out_of_range": _no_inverse(x, y, crs) & ~degrees}


def _faults_in_degrees(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], crs: pyproj.CRS
) -> dict[str, npt.NDArray[np.bool_]]:
    factor = crs.axis_info[0].unit_conversion_factor * 180.0 / np.pi
    east, north = x * factor, y * factor
    swapped = (np.abs(north) > 90.0) & (np.abs(north) <= 180.0) & (np.abs(east) <= 90.0)
    if datum_family(crs) == "cgcs2000":
        swapped |= (north >= 73.0) & (north <= 136.0) & (east >= 3.0) & (east <= 54.0)
    large = (np.abs(east) > 360.0) | (np.abs(north) > 360.0)
    outside = (np.abs(north) > 90.0) & ~large & ~swapped
    return {"crs_metres_as_degrees": large, "crs_axes_swapped": swapped, "crs_out_of_range": outside}


def _faults_in_zone(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], false: float, degrees: npt.NDArray[np.bool_]
) -> dict[str, npt.NDArray[np.bool_]]:
    """Hold coordinates against a Gauss-Krüger zone with or without prefix."""
    fits = _is_easting(x, false) & (np.abs(y) < _QUADRANT_M)
    northing = (y > _NORTHINGS_M[0]) & (y < _NORTHINGS_M[1])
    prefixed = northing & ~fits & _has_prefix(x)
    plain = northing & ~fits & _is_easting(x, 500_000.0)
    turned = ~fits & (x > 1_500_000.0) & (x < _NORTHINGS_M[1]) & (_is_easting(y, 500_000.0) | _has_prefix(y))
    nothing = np.zeros(len(x), bool)
    bare = false < _ZONE_M
    known = degrees | turned | prefixed | (nothing if bare else plain)
    return {
        "crs_axes_swapped": turned,
        "crs_prefix_unexpected": prefixed if bare else nothing,
        "crs_prefix_missing": nothing if bare else plain,
        "crs_prefix_other": nothing if bare else prefixed,
        "crs_out_of_range": ~known & ~fits,
    }


def _has_prefix(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Tell which eastings carry a zone number (6-degree zones 12 to 23, 3-degree zones 24 to 46)."""
    inside: npt.NDArray[np.bool_] = (values >= 12 * _ZONE_M) & (values < 47 * _ZONE_M)
    return inside & _is_easting(values % _ZONE_M, 500_000.0)


def _is_easting(values: npt.NDArray[np.float64], false: float) -> npt.NDArray[np.bool_]:
    near: npt.NDArray[np.bool_] = np.abs(values - false) <= _HALF_WIDTH_M
    return near


def _no_inverse(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], crs: pyproj.CRS
) -> npt.NDArray[np.bool_]:
    back = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    lon, lat = back.transform(x, y)
    lost: npt.NDArray[np.bool_] = ~np.isfinite(lon) | ~np.isfinite(lat)
    return lost


def _numbers(places: Places, wrong: npt.NDArray[np.bool_], crs: pyproj.CRS) -> dict[str, object]:
    """Return expected and found ranges for the message."""
    x, y = places.x[wrong], places.y[wrong]
    if crs.is_geographic:
        expected = "x 73…136, y 3…54" if datum_family(crs) == "cgcs2000" else "x -180…180, y -90…90"
    elif is_gauss_krueger(crs):
        fe = false_easting(crs)
        low, high = _NORTHINGS_M
        expected = f"x {fe - _HALF_WIDTH_M:.0f}…{fe + _HALF_WIDTH_M:.0f}, y {low:.0f}…{high:.0f}"
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


def key_table(key: str) -> str:
    """Return the table of the project file in which ``crs`` stands."""
    return key.removesuffix(".crs").removesuffix(".coverage")
