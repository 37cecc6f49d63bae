"""Rows of a layer that come in chunks and may be more than memory holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa

__all__ = ["Chunk", "RowStream", "cut"]

Chunk: TypeAlias = tuple[pa.Table, pa.Array | None]
"""Attributes and, for a layer with geometry, WKB."""


@dataclass(frozen=True)
class RowStream:
    """The rows of a layer.

    Attributes
    ----------
    rows : int
        How many there are.
    chunks : callable (start)
        Gives them from a row on, counted from 0, every time it is called.
    """

    rows: int
    chunks: Callable[[int], Iterator[Chunk]]

    def cut(self, rows: int, start: int = 0) -> Iterator[Chunk]:
        """Yield the rows from one on, so many at a time; the last ones are fewer."""
        return cut(self.chunks(start), rows)

    def whole(self) -> Chunk | None:
        """Return all rows at once, None where there are none."""
        chunks = list(self.chunks(0))
        return _together(chunks) if chunks else None


def cut(chunks: Iterable[Chunk], rows: int) -> Iterator[Chunk]:
    """Yield the rows of chunks so many at a time; the last ones are fewer."""
    waiting: list[Chunk] = []
    count = 0
    for table, geometry in chunks:
        at = 0
        while at < len(table):
            step = min(rows - count, len(table) - at)
            waiting.append(
                (table.slice(at, step), geometry if geometry is None else geometry.slice(at, step))
            )
            at, count = at + step, count + step
            if count == rows:
                yield _together(waiting)
                waiting, count = [], 0
        del table, geometry  # may be large, and the next chunk is wanted now
    if waiting:
        yield _together(waiting)


def _together(chunks: list[Chunk]) -> Chunk:
    table = pa.concat_tables([chunk[0] for chunk in chunks])
    shapes = [chunk[1] for chunk in chunks if chunk[1] is not None]
    return table, pa.concat_arrays(shapes) if shapes else None
