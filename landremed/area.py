"""Areas of polygons: the official survey area, the area on the ellipsoid, and the plane area.

The survey area follows 国土调查办发〔2008〕32号 with the constants of CGCS2000: coordinates rounded to
0.1 mm, edges over 70 m divided, the inverse Gauss-Krüger series, latitude and longitude rounded to
0.000001″, and the trapezoid series between meridians.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from landremed.crs import central_meridian, false_easting, is_cgcs2000_gauss_krueger
from landremed.errors import ProjectError, Where
from landremed.types import M2_PER_MU, AreaKind

__all__ = [
    "GeodesicArea",
    "PlaneArea",
    "SurveyArea",
    "area_measure",
    "default_kind",
    "round_half_up",
    "to_mu",
]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]

_RHO: Final = 206264.8062471  # seconds per radian, as printed in the regulation
_MAX_EDGE_M: Final = 70.0
_B_AXIS: Final = 6356752.31414036
_E2: Final = 0.0066943800229
_EP2: Final = 0.00673949677548
_C: Final = 6399593.62586
_K: Final = (
    1.57048761144159e-7,
    5.05250178820567e-3,
    2.98472900956587e-5,
    2.41626669230084e-7,
    2.22241238938534e-9,
)
_SERIES: Final = (
    1 + 3 / 6 * _E2 + 30 / 80 * _E2**2 + 35 / 112 * _E2**3 + 630 / 2304 * _E2**4,
    1 / 6 * _E2 + 15 / 80 * _E2**2 + 21 / 112 * _E2**3 + 420 / 2304 * _E2**4,
    3 / 80 * _E2**2 + 7 / 112 * _E2**3 + 180 / 2304 * _E2**4,
    1 / 112 * _E2**3 + 45 / 2304 * _E2**4,
    5 / 2304 * _E2**4,
)
_GEODESIC_EDGE_M: Final = 500.0
_MOST_INSERTED: Final = 2_000_000  # points put into long edges, beyond which something is wrong
_MOST_PER_EDGE: Final = 50


def default_kind(crs: pyproj.CRS) -> AreaKind:
    """Return ``survey`` for a CGCS2000 Gauss-Krüger working CRS, else ``geodesic``."""
    return AreaKind.SURVEY if is_cgcs2000_gauss_krueger(crs) else AreaKind.GEODESIC


def area_measure(kind: AreaKind, crs: pyproj.CRS) -> SurveyArea | GeodesicArea | PlaneArea:
    """Return the measure of one kind in one working CRS.

    Parameters
    ----------
    kind : AreaKind
        Kind of area.
    crs : pyproj.CRS
        Projected working CRS in metres.

    Raises
    ------
    ProjectError
        When the survey area is asked for outside a CGCS2000 Gauss-Krüger CRS, for which it is not defined.
    """
    if kind is AreaKind.PLANE:
        return PlaneArea()
    if kind is AreaKind.GEODESIC:
        return GeodesicArea(crs)
    if not is_cgcs2000_gauss_krueger(crs):
        raise ProjectError("survey_area_needs_gauss_krueger", Where(field="project.area"), crs=crs.name)
    return SurveyArea(false_easting=false_easting(crs), central_meridian=central_meridian(crs))


def round_half_up(values: FloatArray, digits: int = 2) -> FloatArray:
    """Round half away from zero, as survey offices do (numpy rounds half to even).

    Examples
    --------
    >>> round_half_up(np.array([0.125, 2.5, -0.125]), 2).tolist()
    [0.13, 2.5, -0.13]
    """
    factor = 10.0**digits
    scaled = np.abs(values) * factor
    # a decimal such as 1.005 lies just below its half in binary; one ulp up restores what was written
    return np.copysign(np.floor(np.nextafter(scaled, np.inf) + 0.5) / factor, values)


def to_mu(area_m2: FloatArray) -> FloatArray:
    """Convert m² to 亩 (1 亩 = 2000/3 m²), unrounded."""
    return area_m2 / M2_PER_MU


class _RingMeasure:
    """A measure that works ring by ring: outer rings minus holes."""

    def of(self, geometries: npt.NDArray[np.object_]) -> FloatArray:
        """Return the area in m² of each polygonal geometry; 0 for None and empty ones."""
        geometries = np.asarray(geometries, dtype=object)
        total = np.zeros(len(geometries))
        parts, row = shapely.get_parts(geometries, return_index=True)
        if not len(parts):
            return total
        rings, owner = shapely.get_rings(parts, return_index=True)
        first = np.r_[True, owner[1:] != owner[:-1]]
        xy = shapely.get_coordinates(rings)
        offsets = np.r_[0, np.cumsum(shapely.get_num_coordinates(rings))]
        areas = np.abs(self.of_rings(xy, offsets))
        np.add.at(total, row[owner], np.where(first, areas, -areas))
        return total

    def of_rings(self, xy: FloatArray, offsets: IntArray) -> FloatArray:
        raise NotImplementedError


@dataclass(frozen=True)
class PlaneArea:
    """Plane area in the working CRS, m²."""

    kind = AreaKind.PLANE

    def of(self, geometries: npt.NDArray[np.object_]) -> FloatArray:
        """Return the area in m² of each geometry; 0 for None."""
        return np.asarray(np.nan_to_num(shapely.area(np.asarray(geometries, dtype=object))))


@dataclass(frozen=True)
class SurveyArea(_RingMeasure):
    """Official ellipsoid area of land surveys (unrounded), m².

    Parameters
    ----------
    false_easting : float
        Of the Gauss-Krüger CRS, metres (500 000, or with a zone prefix 39 500 000).
    central_meridian : float
        Degrees.

    Examples
    --------
    >>> square = shapely.box(39560000, 4300000, 39560100, 4300100)
    >>> SurveyArea(39500000, 117).of(np.array([square])).round(4).tolist()
    [9999.1122]
    """

    false_easting: float
    central_meridian: float
    kind = AreaKind.SURVEY

    def of_rings(self, xy: FloatArray, offsets: IntArray) -> FloatArray:
        """Return the signed area of closed rings; ``offsets`` delimit them in ``xy`` (n, 2)."""
        rounded = round_half_up(xy, 4)
        points, offsets = _divide_edges(rounded, offsets, _MAX_EDGE_M, digits=6)
        lat, lon = self._latitude_longitude(points)
        return _trapezoids(lat, lon, offsets)

    def _latitude_longitude(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return latitude and longitude from the central meridian, radians, rounded to 1e-6 seconds."""
        k0, k1, k2, k3, k4 = _K
        e0 = k0 * points[:, 1]
        s = np.sin(e0)
        s2 = s * s
        foot = e0 + np.cos(e0) * s * (k1 - s2 * (k2 - s2 * (k3 - s2 * k4)))
        t2 = np.tan(foot) ** 2
        cos_foot = np.cos(foot)
        n2 = _EP2 * cos_foot**2
        v2 = 1 + n2
        u = (points[:, 0] - self.false_easting) / (_C / np.sqrt(v2))
        u2 = u * u
        lat = foot - v2 * np.sqrt(t2) * u2 * (
            0.5 - u2 * ((5 + 3 * t2 + n2 - 9 * n2 * t2) / 24 - u2 * (61 + 90 * t2 + 45 * t2**2) / 720)
        )
        lon = (
            u
            * (
                1
                - u2 * ((1 + 2 * t2 + n2) / 6 - u2 * (5 + 28 * t2 + 24 * t2**2 + 6 * n2 + 8 * n2 * t2) / 120)
            )
            / cos_foot
        )
        meridian_s = self.central_meridian * 3600
        lat_s = round_half_up(lat * _RHO, 6)
        # rounded as a whole longitude, then taken back to the meridian to keep the digits
        lon_s = round_half_up(lon * _RHO + meridian_s, 6) - meridian_s
        return lat_s / _RHO, lon_s / _RHO


@dataclass(frozen=True)
class GeodesicArea(_RingMeasure):
    """Area on the CRS's ellipsoid between edges that are straight in the working CRS, m².

    The integral of the authalic function over longitude is taken along each edge by quadratic
    interpolation through its midpoint; edges over 500 m are divided first.
    """

    crs: pyproj.CRS
    kind = AreaKind.GEODESIC

    def of_rings(self, xy: FloatArray, offsets: IntArray) -> FloatArray:
        """Return the signed area of closed rings; ``offsets`` delimit them in ``xy`` (n, 2)."""
        points, offsets = _divide_edges(xy, offsets, _GEODESIC_EDGE_M)
        geographic = self.crs.geodetic_crs
        if geographic is None or geographic.ellipsoid is None:
            raise ProjectError("crs_without_ellipsoid", Where(field="project.crs"), crs=self.crs.name)
        inverse = pyproj.Transformer.from_crs(self.crs, geographic, always_xy=True)
        middle = (points[1:] + points[:-1]) / 2
        lon, lat = inverse.transform(points[:, 0], points[:, 1])
        lon_m, lat_m = inverse.transform(middle[:, 0], middle[:, 1])
        ellipsoid = geographic.ellipsoid
        flattening = 1 / ellipsoid.inverse_flattening if ellipsoid.inverse_flattening else 0.0
        e2 = flattening * (2 - flattening)
        q, q_m = _authalic(np.radians(lat), e2), _authalic(np.radians(lat_m), e2)
        lam, lam_m = np.radians(lon), np.radians(lon_m)
        base = np.repeat(offsets[:-1], np.diff(offsets))
        qa, qb, qm = q[:-1] - q[base[:-1]], q[1:] - q[base[:-1]], q_m - q[base[:-1]]
        la, lb, lm = lam[:-1] - lam[base[:-1]], lam[1:] - lam[base[:-1]], lam_m - lam[base[:-1]]
        # integral of q dλ with q and λ quadratic through start, middle, end
        edge = (qa * (-3 * la + 4 * lm - lb) + qm * 4 * (lb - la) + qb * (la - 4 * lm + 3 * lb)) / 6
        edge = np.append(edge, 0.0)
        edge[offsets[1:] - 1] = 0.0  # as in ``_trapezoids``
        return -np.add.reduceat(edge, np.minimum(offsets[:-1], len(edge) - 1)) * (
            ellipsoid.semi_major_metre**2 / 2
        )


def _divide_edges(
    xy: FloatArray, offsets: IntArray, longest_m: float, digits: int | None = None
) -> tuple[FloatArray, IntArray]:
    """Insert int(length / longest) equally spaced points on every longer edge."""
    step = np.zeros_like(xy)
    step[:-1] = xy[1:] - xy[:-1]
    last = offsets[1:] - 1
    step[last] = 0.0
    length = np.hypot(step[:, 0], step[:, 1])
    extra = np.where(length > longest_m, (length / longest_m).astype(np.int64), 0)
    if not extra.any():
        return xy, offsets
    if extra.sum() > _MOST_INSERTED + _MOST_PER_EDGE * len(xy):
        raise ProjectError("edges_too_long", Where(), longest=f"{length.max() / 1000:.0f}", count=len(xy))
    count = extra + 1
    source = np.repeat(np.arange(len(xy)), count)
    start = np.r_[0, np.cumsum(count)]
    within = np.arange(start[-1]) - start[source]
    fraction = within / count[source]
    points = xy[source] + step[source] * fraction[:, None]
    if digits is not None:
        points = np.where((within > 0)[:, None], round_half_up(points, digits), points)
    return points, start[offsets]


def _trapezoids(lat: FloatArray, lon: FloatArray, offsets: IntArray) -> FloatArray:
    """Sum the trapezoids between each edge and the meridian of its ring's first vertex."""
    base = np.repeat(lon[offsets[:-1]], np.diff(offsets))
    middle = (lat[1:] + lat[:-1]) / 2
    half = (lat[1:] - lat[:-1]) / 2
    series = np.zeros_like(half)
    for i, coefficient in enumerate(_SERIES):
        n = 2 * i + 1
        series += (-1) ** i * coefficient * np.sin(n * half) * np.cos(n * middle)
    edge = 2 * _B_AXIS**2 * ((lon[1:] + lon[:-1]) / 2 - base[:-1]) * series
    # the step from one ring to the next is no edge; with one after the last ring, too, every ring is added up
    # in the same order wherever it stands
    edge = np.append(edge, 0.0)
    edge[offsets[1:] - 1] = 0.0
    return np.asarray(np.add.reduceat(edge, np.minimum(offsets[:-1], len(edge) - 1)))


def _authalic(lat: FloatArray, e2: float) -> FloatArray:
    """Return the authalic function q of geodetic latitude (Snyder, Map Projections, eq. 3-12)."""
    s = np.sin(lat)
    if e2 == 0:
        return 2 * s
    e = np.sqrt(e2)
    return np.asarray((1 - e2) * (s / (1 - e2 * s * s) + np.arctanh(e * s) / e))
