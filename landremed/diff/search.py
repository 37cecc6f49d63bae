"""The smallest set of exchanged things that makes a result, by trying sets in the order of their size."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["SEARCH_LIMIT", "Found", "smallest_set"]

SEARCH_LIMIT: Final = 5000
"""Sets tried for one change before the search stops; twelve differing things are always searched in full."""


@dataclass(frozen=True)
class Found:
    """What was found.

    Attributes
    ----------
    chosen : tuple of int
        Numbers of the things exchanged, rising; empty when nothing had to be.
    others : int
        Further sets of the same size that do as well.
    proved : bool
        Whether no smaller set does. False: the limit was met first, and ``chosen`` only holds nothing that
        could be left out.
    tried : int
        Sets tried.
    """

    chosen: tuple[int, ...]
    others: int
    proved: bool
    tried: int


def smallest_set(
    count: int, makes: Callable[[frozenset[int]], bool], limit: int = SEARCH_LIMIT
) -> Found | None:
    """Return the smallest set of numbers below ``count`` for which ``makes`` holds.

    Sets of one size are tried in the order of their numbers, so that of several the first is taken.

    Parameters
    ----------
    count : int
        How many things differ.
    makes : callable (frozenset of int)
        Whether exchanging these makes the result.
    limit : int
        Most sets to try; ``makes`` is asked about ``count`` more where it is met.

    Returns
    -------
    Found or None
        None when not even exchanging everything makes the result.

    Examples
    --------
    >>> smallest_set(4, lambda taken: {1, 3} <= taken or {2, 3} <= taken)
    Found(chosen=(1, 3), others=1, proved=True, tried=11)
    """
    hits: list[tuple[int, ...]] = []
    tried = 0
    for chosen in _by_size(count):
        if hits and len(chosen) > len(hits[0]):
            break
        if tried == limit:
            return _found(hits, tried) if hits else _irreducible(count, makes, tried)
        tried += 1
        if makes(frozenset(chosen)):
            hits.append(chosen)
    return _found(hits, tried) if hits else None


def _by_size(count: int) -> Iterator[tuple[int, ...]]:
    for size in range(count + 1):
        yield from itertools.combinations(range(count), size)


def _found(hits: list[tuple[int, ...]], tried: int) -> Found:
    return Found(hits[0], len(hits) - 1, True, tried)


def _irreducible(count: int, makes: Callable[[frozenset[int]], bool], tried: int) -> Found | None:
    """Take everything, and leave out from the end what is not needed."""
    kept = frozenset(range(count))
    if not makes(kept):
        return None
    for number in reversed(range(count)):
        if makes(kept - {number}):
            kept -= {number}
    return Found(tuple(sorted(kept)), 0, False, tried + count + 1)
