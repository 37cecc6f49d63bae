"""Parcels on the same place, some of which lie in other partitions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.layers import Parcels
from landremed.overlay import PolygonSet
from landremed.partitions.row_files import read_rows
from landremed.partitions.scratch import parcels_file
from landremed.same_place import same_place
from landremed.types import Finding

__all__ = ["extents_by_width", "no_extents", "twins_of"]

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

_NARROWEST, _WIDEST = -14, 24  # powers of two, in metres
_CLASSES: Final = _WIDEST - _NARROWEST + 1


def no_extents() -> Floats:
    """Return what ``extents_by_width`` returns where there is no parcel."""
    return np.tile([np.inf, np.inf, -np.inf, -np.inf], (_CLASSES, 1))


def extents_by_width(boxes: Floats) -> Floats:
    """Return the bounds of the boxes of each class of width; one class is twice as wide as the one before.

    Boxes that share more than half of the larger one are at most twice as wide as each other.
    """
    found = no_extents()
    of_row = _class_of(boxes)
    known = of_row >= 0
    for side, least in ((0, True), (1, True), (2, False), (3, False)):
        reduce = np.minimum if least else np.maximum
        reduce.at(found[:, side], of_row[known], boxes[known, side])
    return found


def twins_of(parcels: Parcels, number: int, extents: Floats, folder: Path) -> Sequence[Finding]:
    """Return the findings about parcels of a partition that stand on the place of another one.

    Parameters
    ----------
    parcels : Parcels
        Those of the partition.
    number : int
        The partition.
    extents : ndarray (partitions, classes, 4)
        ``extents_by_width`` of every partition.
    folder : Path
        Scratch folder, from which parcels of neighbours are read.
    """
    reach = _widened(extents[number])
    near = np.flatnonzero(_meet(extents, reach).any(axis=1))
    rows = [parcels.source.row_numbers]
    ids, wkb = [pa.array(parcels.ids, pa.string())], [parcels.polygons.wkb]
    for other in near[near != number].tolist():
        table = read_rows(parcels_file(folder, other), [0, 1, 2]).combine_chunks()
        shapes = pa.concat_arrays(table.column(2).chunks) if table.num_rows else parcels.polygons.wkb[:0]
        boxes = PolygonSet(shapes).boxes
        of_row = _class_of(boxes)
        keep = np.flatnonzero((of_row >= 0) & _meet(boxes, reach[of_row]))
        rows.append(table.column(0).to_numpy()[keep] + 1)
        ids.append(pa.concat_arrays(table.column(1).chunks).take(pa.array(keep)))
        wkb.append(shapes.take(pa.array(keep)))
    numbers = np.concatenate(rows)
    order = np.argsort(numbers)
    mine = np.arange(len(numbers)) < len(rows[0])
    return same_place(
        pa.concat_arrays(ids).take(pa.array(order)).to_pylist(),
        PolygonSet(pa.concat_arrays(wkb).take(pa.array(order))),
        parcels.source.display,
        numbers[order],
        only=mine[order],
    )


def _class_of(boxes: Floats) -> Ints:
    """Return the class of width of every box, -1 where it has none."""
    width = boxes[:, 2] - boxes[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        power = np.floor(np.log2(width))
    known = np.isfinite(power)
    found = np.full(len(boxes), -1, np.int64)
    found[known] = np.clip(power[known], _NARROWEST, _WIDEST).astype(np.int64) - _NARROWEST
    return found


def _widened(own: Floats) -> Floats:
    """Return for every class the bounds of it and of the next ones on both sides."""
    nothing = no_extents()[:1]
    before, after = np.concatenate([nothing, own[:-1]]), np.concatenate([own[1:], nothing])
    low = np.minimum(np.minimum(own[:, :2], before[:, :2]), after[:, :2])
    high = np.maximum(np.maximum(own[:, 2:], before[:, 2:]), after[:, 2:])
    return np.concatenate([low, high], axis=1)


def _meet(one: Floats, other: Floats) -> npt.NDArray[np.bool_]:
    met = (one[..., :2] <= other[..., 2:]) & (one[..., 2:] >= other[..., :2])
    return np.asarray(met.all(axis=-1))
