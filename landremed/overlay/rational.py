"""Areas of overlapping polygons in exact rational arithmetic.

Slow and simple: the plane is cut into vertical slabs at every vertex and every crossing; inside a slab edges
do not cross, so the region is a stack of trapezoids. Every coordinate is the exact value of its double.
Used to settle what the engine's two answers disagree on, and to test them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any, TypeAlias

__all__ = ["Rings", "region_area_exact"]

Rings: TypeAlias = Sequence[Any]
"""Closed rings of one polygonal geometry, each a sequence of (x, y); direction does not matter."""

Edge: TypeAlias = tuple[int, int, int, int, int]


def region_area_exact(parcel: Rings, layer: Sequence[Rings] | None, boundary: Sequence[Rings]) -> Fraction:
    r"""Area of parcel ∩ (union of the layer) \ (union of the boundary).

    Parameters
    ----------
    parcel : rings
    layer : rings per feature; None stands for everywhere
    boundary : rings per feature

    Examples
    --------
    >>> square = [[(0, 0), (2, 0), (2, 2), (0, 2), (0, 0)]]
    >>> right = [[(1, 0), (3, 0), (3, 3), (1, 3), (1, 0)]]
    >>> region_area_exact(square, [right, right], [])
    Fraction(2, 1)
    """
    groups = [parcel, *(layer or []), *boundary]
    scale = _common_scale(groups)
    edges: list[Edge] = []
    for number, rings in enumerate(groups):
        edges.extend(_integer_edges(rings, number, scale))
    own = [e for e in edges if e[4] == 0]
    if not own:
        return Fraction(0)
    lo, hi = min(e[0] for e in own), max(e[2] for e in own)
    edges = [e for e in edges if e[0] < hi and e[2] > lo]
    stops = _stops(edges, lo, hi)
    layers = range(1, 1 + len(layer)) if layer is not None else None
    first_boundary = 1 + len(layer or [])
    active: list[list[Edge]] = [[] for _ in stops[1:]]
    for e in edges:
        for s in range(bisect_left(stops, max(e[0], lo)), bisect_left(stops, min(e[2], hi))):
            active[s].append(e)
    total = Fraction(0)
    for s, around in enumerate(active):
        if around:
            middle = (stops[s] + stops[s + 1]) / 2
            total += (stops[s + 1] - stops[s]) * _height(around, middle, layers, first_boundary)
    return total / (scale * scale)


def _common_scale(groups: Sequence[Rings]) -> int:
    """Return the power of two that makes every coordinate an integer."""
    scale = 1
    for rings in groups:
        for ring in rings:
            for point in ring:
                for value in point:
                    scale = max(scale, float(value).as_integer_ratio()[1])
    return scale


def _integer_edges(rings: Rings, number: int, scale: int) -> list[Edge]:
    """List the edges that are not vertical, from left to right."""
    edges = []
    for ring in rings:
        points = [tuple(_scaled(float(v), scale) for v in point) for point in ring]
        for (x0, y0), (x1, y1) in pairwise(points):
            if x0 < x1:
                edges.append((x0, y0, x1, y1, number))
            elif x1 < x0:
                edges.append((x1, y1, x0, y0, number))
    return edges


def _scaled(value: float, scale: int) -> int:
    numerator, denominator = value.as_integer_ratio()
    return numerator * (scale // denominator)


def _stops(edges: list[Edge], lo: int, hi: int) -> list[Fraction]:
    """Return the ends of edges and their crossings in lo..hi, ascending."""
    stops = {Fraction(x) for e in edges for x in (e[0], e[2]) if lo <= x <= hi}
    stops |= {Fraction(lo), Fraction(hi)}
    edges = sorted(edges)
    for i, (ax, ay, bx, by, _) in enumerate(edges):
        top, bottom = max(ay, by), min(ay, by)
        for j in range(i + 1, len(edges)):
            cx, cy, dx, dy, _ = edges[j]
            if cx >= bx:
                break
            if min(cy, dy) > top or max(cy, dy) < bottom:
                continue
            slope = (bx - ax) * (dy - cy) - (by - ay) * (dx - cx)
            if slope == 0:
                continue
            # a + t (b - a) with t = n / slope
            n = (cx - ax) * (dy - cy) - (cy - ay) * (dx - cx)
            x = Fraction(ax * slope + n * (bx - ax), slope)
            if max(ax, cx, lo) < x < min(bx, dx, hi):
                stops.add(x)
    return sorted(stops)


def _height(around: list[Edge], x: Fraction, layers: range | None, first_boundary: int) -> Fraction:
    """Return the length of the vertical line at x inside the region."""
    p, q = x.numerator, x.denominator
    crossings = sorted(
        (Fraction(ay * q * (bx - ax) + (p - ax * q) * (by - ay), q * (bx - ax)), number)
        for ax, ay, bx, by, number in around
    )
    inside: set[int] = set()
    height = Fraction(0)
    last = Fraction(0)
    for y, number in crossings:
        covered = layers is None or any(1 <= n < first_boundary for n in inside)
        if 0 in inside and covered and not any(n >= first_boundary for n in inside):
            height += y - last
        last = y
        inside ^= {number}
    return height
