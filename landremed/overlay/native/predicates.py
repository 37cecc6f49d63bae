"""Exact geometric predicates on doubles.

A floating-point filter answers almost always; where it cannot certify a sign, the determinant is evaluated
as an exact sum of doubles (Shewchuk, Adaptive precision floating-point arithmetic and fast robust geometric
predicates, 1997). No tolerance anywhere: three points are collinear only if they truly are.
"""

from __future__ import annotations

import numpy as np

from landremed.overlay.native.arrays import F8
from landremed.overlay.native.compiled import kernel, lean

__all__ = ["certain_orient", "compare_crossings", "direction_cross", "orient", "orient_value", "product_into"]

_FILTER = 3.3306690738754716e-16  # (3 + 16 eps) eps with eps = 2^-53
_SPLITTER = 134217729.0


@kernel
def two_sum(a: float, b: float) -> tuple[float, float]:
    """Return a + b as the rounded sum and its exact error."""
    s = a + b
    bb = s - a
    return s, (a - (s - bb)) + (b - bb)


@kernel
def two_product(a: float, b: float) -> tuple[float, float]:
    """Return a · b as the rounded product and its exact error."""
    p = a * b
    c = _SPLITTER * a
    ah = c - (c - a)
    al = a - ah
    c = _SPLITTER * b
    bh = c - (c - b)
    bl = b - bh
    return p, al * bl - (((p - ah * bh) - al * bh) - ah * bl)


@lean
def grow(e: F8, n: int, b: float) -> int:
    """Add b to the expansion e[:n] in place, dropping zeros; return its new length."""
    q = b
    k = 0
    for i in range(n):
        q, r = two_sum(q, e[i])
        if r != 0.0:
            e[k] = r
            k += 1
    if q != 0.0:
        e[k] = q
        k += 1
    return k


@lean
def product_into(e: F8, n: int, a: float, b: float, sign: float) -> int:
    """Add ± a · b to the expansion e[:n]."""
    if a == 0.0 or b == 0.0:
        return n
    p, r = two_product(a, b)
    n = grow(e, n, sign * r)
    return grow(e, n, sign * p)


@lean
def determinant(
    e: F8, p: tuple[float, float], q: tuple[float, float], r: tuple[float, float], s: tuple[float, float]
) -> int:
    """Write p · q − r · s, each factor a sum of two doubles, as an expansion; return its length."""
    n = product_into(e, 0, p[1], q[1], 1.0)
    n = product_into(e, n, r[1], s[1], -1.0)
    n = product_into(e, n, p[1], q[0], 1.0)
    n = product_into(e, n, p[0], q[1], 1.0)
    n = product_into(e, n, r[1], s[0], -1.0)
    n = product_into(e, n, r[0], s[1], -1.0)
    n = product_into(e, n, p[0], q[0], 1.0)
    return product_into(e, n, r[0], s[0], -1.0)


@lean
def total(e: F8, n: int) -> float:
    """Return an expansion's value, correct in sign and to a few ulps."""
    s = 0.0
    for i in range(n):
        s += e[i]
    return s


@lean
def orient_expansion(e: F8, ax: float, ay: float, bx: float, by: float, cx: float, cy: float) -> int:
    """Write twice the signed area of the triangle a, b, c exactly; return the number of components."""
    return determinant(e, two_sum(ax, -cx), two_sum(by, -cy), two_sum(ay, -cy), two_sum(bx, -cx))


@kernel
def orient(ax: float, ay: float, bx: float, by: float, cx: float, cy: float) -> float:
    """Return a number with the exact sign of the orientation of a, b, c: > 0 when c lies left of a → b."""
    left = (ax - cx) * (by - cy)
    right = (ay - cy) * (bx - cx)
    d = left - right
    if abs(d) > _FILTER * (abs(left) + abs(right)) or (left == 0.0 and right == 0.0):
        return d
    e = np.empty(24)
    return total(e, orient_expansion(e, ax, ay, bx, by, cx, cy))


@kernel
def certain_orient(ax: float, ay: float, bx: float, by: float, cx: float, cy: float) -> float:
    """Return the orientation, or 0 when floating point cannot certify its sign."""
    left = (ax - cx) * (by - cy)
    right = (ay - cy) * (bx - cx)
    d = left - right
    return d if abs(d) > _FILTER * (abs(left) + abs(right)) else 0.0


@kernel
def orient_value(ax: float, ay: float, bx: float, by: float, cx: float, cy: float) -> float:
    """Return the orientation with a relative error below 1e-12, not only its sign."""
    left = (ax - cx) * (by - cy)
    right = (ay - cy) * (bx - cx)
    d = left - right
    if abs(d) > 1e-3 * (abs(left) + abs(right)):
        return d
    e = np.empty(24)
    return total(e, orient_expansion(e, ax, ay, bx, by, cx, cy))


@kernel
def direction_cross(
    ax: float, ay: float, bx: float, by: float, cx: float, cy: float, dx: float, dy: float
) -> float:
    """Return a number with the exact sign of (b − a) × (d − c)."""
    left = (bx - ax) * (dy - cy)
    right = (by - ay) * (dx - cx)
    d = left - right
    if abs(d) > _FILTER * (abs(left) + abs(right)) or (left == 0.0 and right == 0.0):
        return d
    e = np.empty(24)
    n = determinant(e, two_sum(bx, -ax), two_sum(dy, -cy), two_sum(by, -ay), two_sum(dx, -cx))
    return total(e, n)


@kernel
def compare_crossings(x: F8, y: F8, a: int, b: int, c: int, d: int, p: int, q: int) -> float:
    """Compare where edge a → b meets edges c–d and p–q, both of which it crosses properly.

    Negative when c–d is met first, 0 when both are met in the same point, exactly.
    """
    n1 = np.empty(24)
    m1 = np.empty(24)
    n2 = np.empty(24)
    m2 = np.empty(24)
    kn1 = orient_expansion(n1, x[c], y[c], x[d], y[d], x[a], y[a])
    km1 = orient_expansion(m1, x[c], y[c], x[d], y[d], x[b], y[b])
    kn2 = orient_expansion(n2, x[p], y[p], x[q], y[q], x[a], y[a])
    km2 = orient_expansion(m2, x[p], y[p], x[q], y[q], x[b], y[b])
    # t = n / (n - m), so t1 - t2 has the sign of (n2 m1 - n1 m2) n1 n2
    e = np.empty(2 * (kn2 * km1 + kn1 * km2) + 4)
    k = 0
    for i in range(kn2):
        for j in range(km1):
            k = product_into(e, k, n2[i], m1[j], 1.0)
    for i in range(kn1):
        for j in range(km2):
            k = product_into(e, k, n1[i], m2[j], -1.0)
    s = total(e, k)
    if (n1[kn1 - 1] > 0.0) != (n2[kn2 - 1] > 0.0):
        s = -s
    return s
