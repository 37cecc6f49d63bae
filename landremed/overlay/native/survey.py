"""Survey area of rings, compiled: the same arithmetic as ``landremed.area.SurveyArea``.

Points are taken in blocks, whose latitudes are computed from the sine and cosine of one of them: without calls
and branches the compiler puts several points into one instruction. The regulation rounds latitude and longitude;
where such a value lies so near a half that rounding errors could decide, the point is computed once more, step by
step as the numpy version does. Results agree with it to about 1e-13.
"""

from __future__ import annotations

import numpy as np

from landremed.overlay.native.arrays import B1, F8, I8, Tuple
from landremed.overlay.native.compiled import entry, kernel, lean

__all__ = ["survey_feature_areas", "survey_ring_area"]

_RHO = 206264.8062471
_B2 = 2 * 6356752.31414036**2
_E2 = 0.0066943800229
_EP2 = 0.00673949677548
_C = 6399593.62586
_K0, _K1, _K2 = 1.57048761144159e-7, 5.05250178820567e-3, 2.98472900956587e-5
_K3, _K4 = 2.41626669230084e-7, 2.22241238938534e-9
_SA = 1 + 3 / 6 * _E2 + 30 / 80 * _E2**2 + 35 / 112 * _E2**3 + 630 / 2304 * _E2**4
_SB = 1 / 6 * _E2 + 15 / 80 * _E2**2 + 21 / 112 * _E2**3 + 420 / 2304 * _E2**4
_SC = 3 / 80 * _E2**2 + 7 / 112 * _E2**3 + 180 / 2304 * _E2**4
_SD = 1 / 112 * _E2**3 + 45 / 2304 * _E2**4
_SE = 5 / 2304 * _E2**4
_MOST_M = 70.0  # longer edges are divided
_MOST_M2 = 4899.0  # surely shorter
_BLOCK = 96  # points; each at most _MOST_M from the last, so that angles within a block stay small
_SLOTS = 7  # per point: easting (later the trapezoid), northing, latitude, longitude, sine, cosine, doubt
_DOUBT = 4e-3  # of the last digit kept


@kernel
def round_half_up(v: float, factor: float) -> float:
    """Round half away from zero to 1/factor, one ulp lenient; without a branch."""
    scaled = abs(v) * factor
    r = np.floor(scaled + scaled * 1.2e-16 + 0.5) / factor  # the sum is the next double after ``scaled``
    return r if v >= 0 else -r


@kernel
def off_half(v: float) -> float:
    """Return how far a scaled value is from the half where rounding turns."""
    return abs(v - np.floor(v) - 0.5)


@kernel
def turn(s: float, c: float, d: float) -> Tuple:
    """Return sine and cosine of an angle increased by a small d, |d| < 0.01, to 1e-16."""
    q = d * d
    sd = d * (1 - q / 6 * (1 - q / 20 * (1 - q / 42)))
    cd = 1 - q / 2 * (1 - q / 12 * (1 - q / 30))
    return s * cd + c * sd, c * cd - s * sd


@lean
def locate_carefully(w: F8, k: int, fe: float, cm: float) -> None:
    """Inverse Gauss-Krüger of one point, step by step as ``landremed.area`` does."""
    e0 = _K0 * w[k + 1]
    s = np.sin(e0)
    s2 = s * s
    foot = e0 + np.cos(e0) * s * (_K1 - s2 * (_K2 - s2 * (_K3 - s2 * _K4)))
    tf = np.tan(foot)
    t2 = tf * tf
    cf = np.cos(foot)
    n2 = _EP2 * (cf * cf)
    v2 = 1 + n2
    u = (w[k] - fe) / (_C / np.sqrt(v2))
    u2 = u * u
    lat = foot - v2 * np.sqrt(t2) * u2 * (
        0.5 - u2 * ((5 + 3 * t2 + n2 - 9 * n2 * t2) / 24 - u2 * (61 + 90 * t2 + 45 * (t2 * t2)) / 720)
    )
    lon = (
        u
        * (
            1
            - u2 * ((1 + 2 * t2 + n2) / 6 - u2 * (5 + 28 * t2 + 24 * (t2 * t2) + 6 * n2 + 8 * n2 * t2) / 120)
        )
        / cf
    )
    lat = round_half_up(lat * _RHO, 1e6) / _RHO
    w[k + 2] = lat
    w[k + 3] = (round_half_up(lon * _RHO + cm * 3600, 1e6) - cm * 3600) / _RHO
    w[k + 4] = np.sin(lat)
    w[k + 5] = np.cos(lat)


@lean
def locate_points(w: F8, n: int, fe: float, cm: float) -> None:
    """Inverse Gauss-Krüger of n points: latitude, longitude from the central meridian (radians, both rounded
    to 1e-6″), sine and cosine of the latitude.
    """
    e_mid = _K0 * w[1]
    s_mid = np.sin(e_mid)
    c_mid = np.cos(e_mid)
    meridian_s = cm * 3600
    doubts = 0
    for j in range(n):
        k = _SLOTS * j
        e0 = _K0 * w[k + 1]
        s, c = turn(s_mid, c_mid, e0 - e_mid)
        s2 = s * s
        foot = e0 + c * s * (_K1 - s2 * (_K2 - s2 * (_K3 - s2 * _K4)))
        sf, cf = turn(s_mid, c_mid, foot - e_mid)
        ic = 1.0 / cf
        tf = sf * ic
        t2 = tf * tf
        t4 = t2 * t2
        n2 = _EP2 * cf * cf
        v2 = 1 + n2
        u = (w[k] - fe) * np.sqrt(v2) * (1 / _C)
        u2 = u * u
        lat = foot - v2 * abs(tf) * u2 * (
            0.5
            - u2 * ((5 + 3 * t2 + n2 - 9 * n2 * t2) * (1 / 24) - u2 * (61 + 90 * t2 + 45 * t4) * (1 / 720))
        )
        lon = (u * ic) * (
            1
            - u2
            * ((1 + 2 * t2 + n2) * (1 / 6) - u2 * (5 + 28 * t2 + 24 * t4 + 6 * n2 + 8 * n2 * t2) * (1 / 120))
        )
        lat_s = lat * _RHO
        lon_s = lon * _RHO + meridian_s
        doubt = min(off_half(lat_s * 1e6), off_half(lon_s * 1e6))
        doubts += doubt < _DOUBT
        lat = round_half_up(lat_s, 1e6) / _RHO
        sb, cb = turn(s_mid, c_mid, lat - e_mid)
        w[k + 2] = lat
        w[k + 3] = (round_half_up(lon_s, 1e6) - meridian_s) / _RHO
        w[k + 4] = sb
        w[k + 5] = cb
        w[k + 6] = doubt
    if doubts == 0:
        return
    for j in range(n):
        if w[_SLOTS * j + 6] < _DOUBT:
            locate_carefully(w, _SLOTS * j, fe, cm)


@lean
def trapezoids(w: F8, n: int, base: float) -> float:
    """Sum the areas between n - 1 edges and a meridian, by the series of the regulation."""
    for j in range(1, n):
        k = _SLOTS * j
        h = (w[k + 2] - w[k - _SLOTS + 2]) / 2
        s1, c0 = turn(0.0, 1.0, h)
        c1 = w[k - _SLOTS + 5] * c0 - w[k - _SLOTS + 4] * s1
        q = s1 * s1
        s3 = s1 * (3 - 4 * q)
        s5 = s1 * (5 - q * (20 - 16 * q))
        s7 = s1 * (7 - q * (56 - q * (112 - 64 * q)))
        s9 = s1 * (9 - q * (120 - q * (432 - q * (576 - 256 * q))))
        p = c1 * c1
        c3 = c1 * (4 * p - 3)
        c5 = c1 * (5 - p * (20 - 16 * p))
        c7 = c1 * (p * (56 - p * (112 - 64 * p)) - 7)
        c9 = c1 * (9 - p * (120 - p * (432 - p * (576 - 256 * p))))
        dl = (w[k - _SLOTS + 3] + w[k + 3]) / 2 - base
        w[k] = _B2 * dl * (_SA * s1 * c1 - _SB * s3 * c3 + _SC * s5 * c5 - _SD * s7 * c7 + _SE * s9 * c9)
    total = 0.0
    for j in range(1, n):
        total += w[_SLOTS * j]
    return total


@lean
def survey_ring_area(xy: F8, a: int, b: int, fe: float, cm: float, w: F8) -> float:
    """Unsigned survey area of the closed ring xy[a:b], m².

    Parameters
    ----------
    fe, cm : false easting, m, and central meridian, degrees
    w : scratch from ``survey_room``
    """
    px = round_half_up(xy[a, 0], 1e4)
    py = round_half_up(xy[a, 1], 1e4)
    w[0] = px
    w[1] = py
    n = 1
    total = 0.0
    base = 0.0
    first = True
    for i in range(a + 1, b):
        qx = round_half_up(xy[i, 0], 1e4)
        qy = round_half_up(xy[i, 1], 1e4)
        dx = qx - px
        dy = qy - py
        parts = 1
        if dx * dx + dy * dy > _MOST_M2:
            length = np.hypot(dx, dy)
            if length > _MOST_M:
                parts = int(length / _MOST_M) + 1
        for k in range(1, parts + 1):
            x = qx
            y = qy
            if k < parts:
                f = k / parts
                x = round_half_up(px + dx * f, 1e6)
                y = round_half_up(py + dy * f, 1e6)
            if n == _BLOCK:
                locate_points(w, n, fe, cm)
                if first:
                    base = w[3]
                    first = False
                last = _SLOTS * (n - 1)
                lx = w[last]
                ly = w[last + 1]
                total += trapezoids(w, n, base)
                w[0] = lx
                w[1] = ly
                n = 1
            w[_SLOTS * n] = x
            w[_SLOTS * n + 1] = y
            n += 1
        px = qx
        py = qy
    locate_points(w, n, fe, cm)
    if first:
        base = w[3]
    return abs(total + trapezoids(w, n, base))


@kernel
def survey_room() -> F8:
    """Return the scratch of ``survey_ring_area``."""
    return np.empty(_SLOTS * _BLOCK)


@entry
def survey_feature_areas(xy: F8, ro: I8, fr: I8, outer: B1, fe: float, cm: float) -> F8:
    """Survey area per feature; ``outer`` marks the outer rings."""
    area = np.zeros(len(fr) - 1)
    w = survey_room()
    for f in range(len(fr) - 1):
        s = 0.0
        for r in range(fr[f], fr[f + 1]):
            if ro[r + 1] - ro[r] > 3:
                a = survey_ring_area(xy, ro[r], ro[r + 1], fe, cm, w)
                s += a if outer[r] else -a
        area[f] = s
    return area
