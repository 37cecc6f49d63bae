"""Shapes as they are read: hashed once, and not looked at again where they were found fine before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from landremed.repair import Repaired, Status, repair
from landremed.reuse.hashes import Digests, digests, places_of, raw_array
from landremed.reuse.kept import FINE_SCHEMA

__all__ = ["Shapes", "address"]


class Shapes:
    """What is known of the shapes of a run.

    Parameters
    ----------
    fine : callable
        Gives ``FINE_SCHEMA`` of an earlier run with the same code and libraries, perhaps after a while.
    """

    def __init__(self, fine: Callable[[], pa.Table]) -> None:
        self._ask = fine
        self._fine: list[Digests] = []
        self._hashed: dict[tuple[int, ...], tuple[pa.Array, Digests]] = {}

    @property
    def _known(self) -> pa.ChunkedArray:
        return self._ask()["digest"]

    def repair(self, wkb: pa.Array, *, most: tuple[float, float]) -> Repaired:
        """Repair as ``landremed.repair.repair`` does; what is known to be fine is not looked at."""
        found = self.digests(wkb)
        fine = places_of(found, self._known) >= 0 if len(self._known) else None
        repaired = repair(wkb, most=most, fine=fine)
        self._fine.append(found[repaired.status == Status.OK.value])
        return repaired

    def digests(self, wkb: pa.Array) -> Digests:
        """Return the hashes of shapes; those that were read are hashed once."""
        place = address(wkb)
        if place not in self._hashed:
            self._hashed[place] = wkb, digests(wkb)
        whole, found = self._hashed[place]
        start = wkb.offset - whole.offset
        if wkb.type != whole.type or start < 0 or start + len(wkb) > len(whole):
            return digests(wkb)
        return found[start : start + len(wkb)]

    def know(self, wkb: pa.Array, found: Digests) -> None:
        """Take over the hashes of shapes that need not be read."""
        self._hashed[address(wkb)] = wkb, found
        if len(self._known):
            self._fine.append(found[places_of(found, self._known) >= 0])

    def table(self) -> pa.Table:
        """Return the shapes that are fine, as they are kept."""
        every = np.concatenate([*self._fine, np.zeros(0, "V16")])
        return pa.table([raw_array(every)], schema=FINE_SCHEMA)


def address(wkb: pa.Array) -> tuple[int, ...]:
    """Return where rows lie: arrays over the same buffers are parts of one another."""
    return tuple(0 if buffer is None else int(buffer.address) for buffer in wkb.buffers())
