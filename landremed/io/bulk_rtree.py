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
    row_node : ndarray of int
        Leaf of every row, in the order of the rows given.
    parent : ndarray of int
        Parent of the nodes 2, 3, …
    """

    nodes: Bytes
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
    levels = []  # from the leaves up: (entries, boxes, node of every entry)
    ids, hulls = row_ids, _outward(boxes)
    while True:
        group = _groups(hulls, fan)
        levels.append((ids, hulls, group))
        if not len(hulls) or group.max() == 0:
            break
        hulls = _hulls(hulls, group)
        ids = np.arange(len(hulls))
    first = 1  # node numbers from the root down
    starts = []
    for _, _, group in reversed(levels):
        starts.append(first)
        first += int(group.max(initial=0)) + 1
    starts.reverse()
    nodes = np.zeros((first - 1, width), np.uint8)
    parent = np.zeros(first - 1, np.int64)
    for level, (entries, found, group) in enumerate(levels):
        below = entries if level == 0 else entries + starts[level - 1]
        _fill(nodes, below, found, group + starts[level])
        if level:
            parent[below - 1] = group + starts[level]
    nodes[0, 1] = len(levels) - 1  # the depth stands in the root
    return PackedTree(nodes, levels[0][2] + starts[0], parent[1:])


def _outward(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return x min, x max, y min, y max in single precision, never smaller than the box."""
    sides = boxes[:, [0, 2, 1, 3]]
    single = sides.astype(np.float32)
    away = np.array([-np.inf, np.inf, -np.inf, np.inf], np.float32)
    short = np.where([True, False, True, False], single > sides, single < sides)
    return np.where(short, np.nextafter(single, away), single)


def _groups(boxes: npt.NDArray[np.float32], fan: int) -> Ints:
    """Return the node of every box."""
    count = len(boxes)
    nodes = -(-count // fan)
    x, y = boxes[:, 0] + boxes[:, 1], boxes[:, 2] + boxes[:, 3]
    strips = max(1, int(np.ceil(np.sqrt(nodes))))
    order = np.argsort(x, kind="stable")
    strip = np.empty(count, np.int64)
    strip[order] = np.arange(count) // (-(-nodes // strips) * fan)
    order = np.lexsort((y, strip))
    group = np.empty(count, np.int64)
    group[order] = np.arange(count) // fan
    return group


def _hulls(boxes: npt.NDArray[np.float32], group: Ints) -> npt.NDArray[np.float32]:
    order = np.argsort(group, kind="stable")
    first = np.searchsorted(group[order], np.arange(int(group.max()) + 1))
    low, high = np.minimum.reduceat(boxes[order], first), np.maximum.reduceat(boxes[order], first)
    return np.where([True, False, True, False], low, high)


def _fill(nodes: Bytes, entries: Ints, boxes: npt.NDArray[np.float32], node: Ints) -> None:
    """Write the cells of one level into its nodes, in the order of the entries."""
    order = np.lexsort((entries, node))
    cells = np.empty((len(order), _CELL), np.uint8)
    cells[:, :8] = entries[order].astype(">i8").view(np.uint8).reshape(-1, 8)
    cells[:, 8:] = np.ascontiguousarray(boxes[order]).astype(">f4").view(np.uint8).reshape(-1, 16)
    rows, first, count = np.unique(node[order], return_index=True, return_counts=True)
    slot = np.arange(len(order)) - np.repeat(first, count)
    body = nodes[:, 4:].reshape(len(nodes), -1, _CELL)
    body[node[order] - 1, slot] = cells
    nodes[rows - 1, 2] = count >> 8
    nodes[rows - 1, 3] = count & 255
