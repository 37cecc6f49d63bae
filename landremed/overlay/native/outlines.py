"""Stretches of polygons' outlines near boxes, and long edges, straight from their bytes."""

from __future__ import annotations

import numpy as np

from landremed.overlay.native.arrays import F8, I4, I8, U1, Tuple
from landremed.overlay.native.compiled import entry, kernel, lean
from landremed.overlay.native.memory import copy_bytes
from landremed.overlay.native.rings import read_u32

__all__ = ["long_edges", "look_at_one", "stretches_near"]


@lean
def reached(box: F8, ground: Tuple, sums: I4) -> bool:
    """Tell whether a box meets a cell that is reached; ``sums`` counts these, as in a summed-area table."""
    x0, y0, x1, y1, cells, wide, high = ground
    if not (box[0] <= x1 and box[1] <= y1 and box[2] >= x0 and box[3] >= y0):
        return False
    i0 = min(max(int(np.floor((box[0] - x0) / wide)), 0), cells - 1)
    j0 = min(max(int(np.floor((box[1] - y0) / high)), 0), cells - 1)
    i1 = min(max(int(np.floor((box[2] - x0) / wide)), 0), cells - 1)
    j1 = min(max(int(np.floor((box[3] - y0) / high)), 0), cells - 1)
    return sums[i1 + 1, j1 + 1] - sums[i0, j1 + 1] - sums[i1 + 1, j0] + sums[i0, j0] > 0


@lean
def list_rings(buf: U1, off: I8, rows: I8, found: I8) -> int:
    """Return how many rings some rows have; write what ``rings_of`` tells where there is room."""
    n = 0
    room = len(found)
    for k in range(len(rows)):
        p = off[rows[k]]
        if off[rows[k] + 1] - p < 9:
            continue
        multi = read_u32(buf, p + 1) == 6
        p += 5
        parts = 1
        if multi:
            parts = read_u32(buf, p)
            p += 4
        for _ in range(parts):
            if multi:
                p += 5
            rings = read_u32(buf, p)
            p += 4
            for _ in range(rings):
                points = read_u32(buf, p)
                p += 4
                if n < room:
                    found[n, 0] = k
                    found[n, 1] = p
                    found[n, 2] = points
                n += 1
                p += 16 * points
    return n


@kernel
def rings_of(buf: U1, off: I8, rows: I8) -> I8:
    """Return row, place of the first vertex and number of vertices of all rings of some rows."""
    found = np.empty((len(rows), 3), np.int64)
    n = list_rings(buf, off, rows, found)
    if n > len(found):
        found = np.empty((n, 3), np.int64)
        list_rings(buf, off, rows, found)
    return found[:n]


@lean
def near_in_rings(
    buf: U1, rings: I8, most: int, ground: Tuple, sums: I4, xy: F8, box: F8, found: I8, boxes: F8
) -> int:
    """Go along rings; write the stretches that are near, as ``rings_of`` does, and their boxes; return how many."""
    n = 0
    for r in range(len(rings)):
        p = rings[r, 1]
        end = p + 16 * rings[r, 2]
        while p + 16 < end:
            vertices = min(most + 1, (end - p) // 16)
            copy_bytes(xy, 0, buf, p, 16 * vertices)
            box[0] = box[2] = xy[0, 0]
            box[1] = box[3] = xy[0, 1]
            for i in range(1, vertices):
                box[0] = min(box[0], xy[i, 0])
                box[1] = min(box[1], xy[i, 1])
                box[2] = max(box[2], xy[i, 0])
                box[3] = max(box[3], xy[i, 1])
            if reached(box, ground, sums):
                found[n, 0] = rings[r, 0]
                found[n, 1] = p
                found[n, 2] = vertices
                for i in range(4):
                    boxes[n, i] = box[i]
                n += 1
            p += 16 * (vertices - 1)
    return n


@entry
def stretches_near(buf: U1, off: I8, rows: I8, most: int, ground: Tuple, sums: I4) -> Tuple:
    """Find the stretches of some polygons' rings whose boxes meet cells of a grid that are reached.

    Parameters
    ----------
    buf, off : WKB of all rows and its offsets
    rows : the rows to look at, none of them null
    most : segments of a stretch; the last of a ring may have fewer
    ground : x min, y min, x max, y max, number of cells along each side, their width and height
    sums : (cells + 1, cells + 1) sums of the cells that are reached

    Returns
    -------
    row : number in ``rows`` of the polygon of each stretch
    boxes : (n, 4) bounding boxes
    xy : (m, 2) vertices of all stretches
    stretch : the stretch that each vertex belongs to
    """
    scratch = np.empty((most + 1, 2))
    box = np.empty(4)
    rings = rings_of(buf, off, rows)
    every = 0
    for r in range(len(rings)):
        every += (rings[r, 2] + most - 2) // most
    found = np.empty((every + 1, 3), np.int64)
    boxes = np.empty((every + 1, 4))
    n = near_in_rings(buf, rings, most, ground, sums, scratch, box, found, boxes)
    vertices = 0
    for s in range(n):
        vertices += found[s, 2]
    xy = np.empty((vertices, 2))
    stretch = np.empty(vertices, np.int64)
    v = 0
    for s in range(n):
        copy_bytes(xy, 16 * v, buf, found[s, 1], 16 * found[s, 2])
        for _ in range(found[s, 2]):
            stretch[v] = s
            v += 1
    return found[:n, 0].copy(), boxes[:n].copy(), xy, stretch


@lean
def long_in_rings(buf: U1, rings: I8, least: float, two: F8, edges: F8, owner: I8) -> int:
    """Go along rings; return how many edges are long, and write them where there is room."""
    n = 0
    room = len(owner)
    for r in range(len(rings)):
        p = rings[r, 1]
        for i in range(rings[r, 2]):
            copy_bytes(two, 16, buf, p, 16)
            p += 16
            if i > 0 and abs(two[1, 0] - two[0, 0]) + abs(two[1, 1] - two[0, 1]) >= least:
                if n < room:
                    edges[n, 0] = two[0, 0]
                    edges[n, 1] = two[0, 1]
                    edges[n, 2] = two[1, 0]
                    edges[n, 3] = two[1, 1]
                    owner[n] = rings[r, 0]
                n += 1
            two[0, 0] = two[1, 0]
            two[0, 1] = two[1, 1]
    return n


@entry
def long_edges(buf: U1, off: I8, rows: I8, least: float) -> Tuple:
    """Find the edges of some polygons that go at least so far along the axes together.

    Parameters
    ----------
    buf, off : WKB of all rows and its offsets
    rows : the rows to look at, none of them null
    least : metres

    Returns
    -------
    edges : (n, 4) first and last point of each, in order
    owner : number in ``rows`` of the polygon of each
    """
    two = np.empty((2, 2))
    edges = np.empty((256, 4))
    owner = np.empty(256, np.int64)
    rings = rings_of(buf, off, rows)
    n = long_in_rings(buf, rings, least, two, edges, owner)
    if n > len(owner):
        edges = np.empty((n, 4))
        owner = np.empty(n, np.int64)
        long_in_rings(buf, rings, least, two, edges, owner)
    return edges[:n].copy(), owner[:n].copy()


def look_at_one() -> None:
    """Call the kernels with the types that sensitivity and slivers use."""
    off, row = np.zeros(2, np.int64), np.zeros(1, np.int64)
    sums = np.zeros((2, 2), np.int32)
    stretches_near(bytes_of_none(), off, row, 32, (0.0, 0.0, 1.0, 1.0, 1, 1.0, 1.0), sums)
    long_edges(bytes_of_none(), off, row, 1.0)


def bytes_of_none() -> U1:
    """Return no bytes, read-only as those of Arrow are."""
    found = np.zeros(0, np.uint8)
    found.flags.writeable = False
    return found
