"""A packed R-tree in the three tables of SQLite's R*Tree module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from landremed.io.bulk_record import Bytes, Ints

__all__ = ["PackedTree", "packed"]

_CELL: Final = 24
_MOST: Final = 51  # cells a node holds at most, whatever the page size


@dataclass(frozen=True)
class PackedTree:
    """Rows of the tables ``_node``, ``_rowid`` and ``_parent``.

    Attributes
    ----------
    nodes : ndarray of bytes (nodes, width)
        Node 1 is the root.
    row_ids, row_node : ndarray of int
        Every row, and its leaf.
    parent : ndarray of int
        Parent of the nodes 2, 3, …
    """

    nodes: Bytes
    row_ids: Ints
    row_node: Ints
    parent: Ints


def packed(row_ids: Ints, boxes: npt.NDArray[np.float64], page_size: int) -> PackedTree:
    """Pack boxes by sort-tile-recursive: strips from west to east, within them from south to north.

    Parameters
    ----------
    row_ids : ndarray of int
        Ids of the rows that have a box.
    boxes : ndarray (n, 4)
        x min, y min, x max, y max; single precision is rounded outward.
    page_size : int
        Of the database, which sets the width of a node.
    """
    width = min(page_size - 64, 4 + _CELL * _MOST)
    fan = (width - 4) // _CELL
    levels = []  # from the leaves up: (entries, their boxes), node after node
    order, hulls = _tiled(_outward(boxes), fan)
    ids = row_ids[order]
    while True:
        levels.append((ids, hulls))
        if len(hulls) <= fan:
            break
        above, hulls = _tiled(_hulls(hulls, fan), fan)
        ids = above
    count = [max(1, -(-len(found) // fan)) for _, found in levels]
    starts = [
        1 + sum(count[level + 1 :]) for level in range(len(levels))
    ]  # nodes are numbered from the root down
    nodes = np.zeros((sum(count), width), np.uint8)
    parent = np.zeros(len(nodes), np.int64)
    for level, (entries, found) in enumerate(levels):
        below = entries if level == 0 else entries + starts[level - 1]
        _fill(nodes[starts[level] - 1 :][: count[level]], below, found, fan)
        if level:
            parent[below - 1] = np.arange(len(below)) // fan + starts[level]
    nodes[0, 1] = len(levels) - 1  # the depth stands in the root
    row_node = np.empty(len(row_ids), np.int64)
    row_node[order] = np.arange(len(row_ids)) // fan + starts[0]
    return PackedTree(nodes, row_ids, row_node, parent[1:])


def _outward(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return x min, x max, y min, y max in single precision, never smaller than the box."""
    sides = boxes[:, [0, 2, 1, 3]]
    single = sides.astype(np.float32)
    away = np.array([-np.inf, np.inf, -np.inf, np.inf], np.float32)
    short = np.where([True, False, True, False], single > sides, single < sides)
    return np.where(short, np.nextafter(single, away), single)


def _tiled(boxes: npt.NDArray[np.float32], fan: int) -> tuple[Ints, npt.NDArray[np.float32]]:
    """Return the order in which boxes come into nodes of so many, and the boxes in that order."""
    strips = max(1, int(np.ceil(np.sqrt(-(-len(boxes) // fan)))))
    each = max(1, -(-len(boxes) // (strips * fan)) * fan)
    order = np.argsort(boxes[:, 0] + boxes[:, 1], kind="stable")
    y = (boxes[:, 2] + boxes[:, 3])[order]
    for start in range(0, len(order), each):
        strip = order[start : start + each]
        order[start : start + each] = strip[np.argsort(y[start : start + each], kind="stable")]
    return order, boxes[order]


def _hulls(boxes: npt.NDArray[np.float32], fan: int) -> npt.NDArray[np.float32]:
    first = np.arange(0, len(boxes), fan)
    low, high = np.minimum.reduceat(boxes, first), np.maximum.reduceat(boxes, first)
    return np.where([True, False, True, False], low, high)


def _fill(nodes: Bytes, entries: Ints, boxes: npt.NDArray[np.float32], fan: int) -> None:
    """Write the cells of one level into its nodes, in the order given."""
    cells = np.zeros((len(nodes) * fan, _CELL), np.uint8)
    cells[: len(entries), :8] = entries.astype(">i8").view(np.uint8).reshape(-1, 8)
    cells[: len(entries), 8:] = np.ascontiguousarray(boxes).astype(">f4").view(np.uint8).reshape(-1, 16)
    nodes[:, 4 : 4 + _CELL * fan] = cells.reshape(len(nodes), -1)
    count = np.clip(len(entries) - fan * np.arange(len(nodes)), 0, fan)
    nodes[:, 2] = count >> 8
    nodes[:, 3] = count & 255
