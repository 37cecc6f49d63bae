"""Neighbours: rings that share vertices and edges exactly, the normal case in land data."""

from __future__ import annotations

from landremed.overlay.native.arrays import F8
from landremed.overlay.native.compiled import lean
from landremed.overlay.native.predicates import orient

__all__ = ["keep_apart", "same_ring", "shares_point"]


@lean
def same_ring(h: F8, a: int, b: int, c: int, d: int) -> bool:
    """Whether the closed rings h[a:b] and h[c:d] are the same, from whichever vertex they start."""
    n = b - a - 1
    if d - c - 1 != n:
        return False
    for shift in range(n):
        if h[c + shift, 0] == h[a, 0] and h[c + shift, 1] == h[a, 1]:
            j = c + shift
            for i in range(a, a + n):
                if h[i, 0] != h[j, 0] or h[i, 1] != h[j, 1]:
                    return False
                j = c if j == c + n - 1 else j + 1
            return True
    return False


@lean
def same_point(h: F8, i: int, j: int) -> bool:
    """Whether two points are equal."""
    return h[i, 0] == h[j, 0] and h[i, 1] == h[j, 1]


@lean
def shares_point(h: F8, i: int, j: int) -> bool:
    """Whether edges i → i + 1 and j → j + 1 have an end in common."""
    return (
        same_point(h, i, j)
        or same_point(h, i, j + 1)
        or same_point(h, i + 1, j)
        or same_point(h, i + 1, j + 1)
    )


@lean
def keep_apart(h: F8, a: int, b: int, i: int, c: int, d: int, j: int) -> bool:
    """Whether two edges that meet only touch in common vertices, with the insides of the rings apart there.

    Edge i → i + 1 belongs to the closed ring h[a:b], edge j → j + 1 to h[c:d]; insides lie to the left.
    False also where that is not plain (a vertex on an edge, repeated points).
    """
    if same_point(h, i, j + 1) and same_point(h, i + 1, j):
        return parted(h, a, b, i, c, d, j + 1) and parted(h, a, b, i + 1, c, d, j)
    if same_point(h, i, j) and same_point(h, i + 1, j + 1):
        return False
    if same_point(h, i, j):
        return turned(h, i, i + 1, j + 1) and parted(h, a, b, i, c, d, j)
    if same_point(h, i, j + 1):
        return turned(h, i, i + 1, j) and parted(h, a, b, i, c, d, j + 1)
    if same_point(h, i + 1, j):
        return turned(h, i + 1, i, j + 1) and parted(h, a, b, i + 1, c, d, j)
    if same_point(h, i + 1, j + 1):
        return turned(h, i + 1, i, j) and parted(h, a, b, i + 1, c, d, j + 1)
    return False


@lean
def turned(h: F8, v: int, p: int, q: int) -> bool:
    """Whether v → p and v → q do not lie on one line."""
    return orient(h[v, 0], h[v, 1], h[p, 0], h[p, 1], h[q, 0], h[q, 1]) != 0.0


@lean
def parted(h: F8, a: int, b: int, i: int, c: int, d: int, j: int) -> bool:
    """Whether, at the common vertex i = j, neither ring's edges run into the other's inside."""
    before = i - 1 if i > a else b - 2
    after = i + 1 if i < b - 1 else a + 1
    other_before = j - 1 if j > c else d - 2
    other_after = j + 1 if j < d - 1 else c + 1
    if same_point(h, before, other_before) or same_point(h, after, other_after):
        return False  # an edge shared in the same direction: insides on the same side
    ends_meet = same_point(h, before, other_after)
    starts_meet = same_point(h, after, other_before)
    if not ends_meet and (
        not outside_wedge(h, j, other_after, other_before, before)
        or not outside_wedge(h, i, after, before, other_after)
    ):
        return False
    return starts_meet or (
        outside_wedge(h, j, other_after, other_before, after)
        and outside_wedge(h, i, after, before, other_before)
    )


@lean
def outside_wedge(h: F8, v: int, first: int, last: int, p: int) -> bool:
    """Whether v → p lies strictly outside the wedge that turns left from v → first to v → last."""
    left = orient(h[v, 0], h[v, 1], h[first, 0], h[first, 1], h[p, 0], h[p, 1])
    right = orient(h[v, 0], h[v, 1], h[last, 0], h[last, 1], h[p, 0], h[p, 1])
    if left == 0.0 or right == 0.0:
        return False  # along a side: not plain
    if orient(h[v, 0], h[v, 1], h[first, 0], h[first, 1], h[last, 0], h[last, 1]) > 0.0:
        return not (left > 0.0 and right < 0.0)
    return left < 0.0 and right > 0.0
