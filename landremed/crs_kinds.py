"""What a coordinate reference system is: its registered name, datum family and projection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import pyproj

from landremed.errors import CrsError, Where

__all__ = [
    "MODERN_DATUMS",
    "central_meridian",
    "crs_label",
    "datum_family",
    "false_easting",
    "gauss_krueger_epsg",
    "is_cgcs2000_gauss_krueger",
    "is_gauss_krueger",
    "is_metric",
    "is_web_mercator",
    "local_name",
    "parse_crs",
    "same_crs",
]

MODERN_DATUMS = frozenset({"cgcs2000", "wgs84"})
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
_ZONE_M = 1_000_000.0
_USUAL_NAME = re.compile(
    r"国家|大地|高斯[-–—/]*克吕格|投影|坐标系?|中央(?:子午线|经线)|带号|[三六3６６六]度(?:分)?带|第|号|带|度|东经|平面"
)
_LOCAL_WORD = re.compile(r"local|city|urban|municipal|tianjin|(?<![a-z])tj(?![a-z])", re.IGNORECASE)


def parse_crs(text: str, where: Where | None = None) -> pyproj.CRS:
    """Return the CRS a text means; names as ArcGIS writes them resolve to their EPSG code.

    Raises
    ------
    CrsError
        Code ``crs_unknown``.
    """
    try:
        crs, usable = _parsed(text)
    except pyproj.exceptions.CRSError as error:
        raise CrsError("crs_unknown", where, crs=text if len(text) <= 60 else text[:60] + "…") from error
    if not usable:
        raise CrsError("crs_unknown", where, crs=crs.name)
    return crs


@lru_cache(maxsize=64)
def _parsed(text: str) -> tuple[pyproj.CRS, bool]:
    """Return what a text means, and whether PROJ can compute it.

    Kept, since looking for a registered CRS of the same figures takes a third of a second.
    """
    crs = pyproj.CRS.from_user_input(text)
    if crs.is_compound:
        crs = next((part for part in crs.sub_crs_list if part.is_projected or part.is_geographic), crs)
    if crs.is_bound and crs.source_crs is not None:
        crs = crs.source_crs
    crs = _registered(crs)
    return crs, not crs.is_projected or _can_be_computed(crs)


def _can_be_computed(crs: pyproj.CRS) -> bool:
    """Tell whether PROJ knows the projection, which a misspelt name of a method hides until it is used."""
    try:
        pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    except pyproj.exceptions.ProjError:
        return False
    return True


def crs_label(crs: pyproj.CRS) -> str:
    """Return ``EPSG:4548 (CGCS2000 / 3-degree Gauss-Kruger CM 117E)``, or the name alone."""
    authority = crs.to_authority()
    return f"{':'.join(authority)} ({crs.name})" if authority else crs.name


def is_cgcs2000_gauss_krueger(crs: pyproj.CRS) -> bool:
    """Tell whether a CRS is a Gauss-Krüger projection of CGCS2000 in metres, with or without zone prefix."""
    return datum_family(crs) == "cgcs2000" and is_gauss_krueger(crs)


def local_name(text: str) -> str:
    """Return the name of a CRS where it speaks of a local grid though the figures are national, "" else.

    City grids are delivered under statements copied from the national system, so that only the name tells.

    Examples
    --------
    >>> local_name("EPSG:4548")
    ''
    """
    if not text.lstrip().upper().startswith(("PROJ", "COMPOUND", "BOUND")):
        return ""
    name = pyproj.CRS.from_user_input(text).name
    rest = _USUAL_NAME.sub("", name)
    odd = any("\u4e00" <= sign <= "\u9fff" for sign in rest) or _LOCAL_WORD.search(rest)
    return name if odd and is_cgcs2000_gauss_krueger(parse_crs(text)) else ""


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


def _registered(crs: pyproj.CRS) -> pyproj.CRS:
    """Return the EPSG definition where a CRS is the same but for names."""
    if crs.to_authority(min_confidence=100):
        return crs
    code = crs.to_epsg(min_confidence=70)
    return pyproj.CRS.from_epsg(code) if code else crs


def same_crs(one: pyproj.CRS, other: pyproj.CRS) -> bool:
    """Tell whether two CRSs give the same coordinates, whatever axis order they declare."""
    if one == other or one.equals(other, ignore_axis_order=True):
        return True
    code = one.to_epsg()
    return code is not None and code == other.to_epsg()


def is_metric(crs: pyproj.CRS) -> bool:
    """Tell whether a CRS is projected, in metres."""
    return bool(crs.is_projected) and all(
        abs(axis.unit_conversion_factor - 1.0) < 1e-12 for axis in crs.axis_info[:2]
    )


def is_web_mercator(crs: pyproj.CRS) -> bool:
    """Tell whether a CRS is that of web maps, whose metres are none."""
    operation = crs.coordinate_operation
    return operation is not None and "pseudo" in operation.method_name.casefold()


def is_gauss_krueger(crs: pyproj.CRS) -> bool:
    """Tell whether a CRS is a Gauss-Krüger projection in metres, on any datum, with or without prefix."""
    operation = crs.coordinate_operation
    if operation is None or not is_metric(crs):
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


def datum_family(crs: pyproj.CRS) -> str:
    """Return the datum's family, or its own name for any other."""
    geodetic = crs.geodetic_crs
    datum = (geodetic or crs).datum
    name = (datum.name if datum is not None else crs.name).casefold()
    ensemble = name.replace(" ensemble", "")
    for family, names in _DATUMS.items():
        if any(ensemble.startswith(known) for known in names):
            return family
    return ensemble
