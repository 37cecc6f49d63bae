"""What lies around the parcels: constraint layers cut to their neighbourhood, for maps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from landremed.errors import InputError, Where

__all__ = ["Surroundings", "cut_to_neighbourhood", "pieces_by_layer", "read_surroundings"]

Surroundings: TypeAlias = Mapping[str, npt.NDArray[np.object_]]
"""Polygons of each layer, in the working CRS."""

_LIGHT: Final = 50_000
_CELL_M: Final = 500.0
_MOST_SIDES: Final = 400


def cut_to_neighbourhood(
    layers: Surroundings, parcels: npt.NDArray[np.object_], *, distance_m: float = 500.0
) -> dict[str, npt.NDArray[np.object_]]:
    """Return the parts of polygons that lie near a parcel; a layer of few vertices stays whole.

    Parameters
    ----------
    layers : mapping of layer to ndarray
        Whole layers, metres.
    parcels : ndarray
        Shapes of the parcels in the same CRS, None where there is none.
    distance_m : float
        How far around a parcel's box they are kept, at least.
    """
    boxes = shapely.bounds(parcels[~shapely.is_missing(parcels) & ~shapely.is_empty(parcels)])
    if not len(boxes):
        return {name: np.array([], dtype=object) for name in layers}
    near = _neighbourhood(boxes, distance_m)
    shapely.prepare(near)
    kept = {}
    for name, shapes in layers.items():
        usable = shapes[~shapely.is_missing(shapes) & ~shapely.is_empty(shapes)]
        if shapely.get_num_coordinates(usable).sum() <= _LIGHT:
            kept[name] = usable
            continue
        touching = usable[shapely.intersects(near, usable)]
        inside = shapely.contains_properly(near, touching)
        cut = np.where(inside, touching, shapely.intersection(touching, near))
        parts = shapely.get_parts(cut)
        kept[name] = parts[(shapely.get_type_id(parts) == 3) & (shapely.area(parts) > 0)]
    return kept


def pieces_by_layer(
    names: npt.NDArray[np.object_], shapes: npt.NDArray[np.object_]
) -> dict[str, npt.NDArray[np.object_]]:
    """Return overlaps by layer: all there is of a layer when its file is not at hand."""
    there = ~shapely.is_missing(shapes)
    return {str(name): shapes[(names == name) & there] for name in dict.fromkeys(names.tolist())}


def read_surroundings(project: Path | str, crs: pyproj.CRS) -> dict[str, npt.NDArray[np.object_]]:
    """Read the layers of a project file in the CRS of its result.

    Parameters
    ----------
    project : path
        Project file.
    crs : pyproj.CRS
        Working CRS of the result.

    Raises
    ------
    LandremedError
        The project or one of its layers cannot be read, or its working CRS is another one.
    """
    from landremed.layers import load_layer, load_parcels
    from landremed.project import load_project

    loaded = load_project(project)
    parcels = load_parcels(loaded)
    if not parcels.crs.equals(crs):
        raise InputError("report_other_crs", Where(file=str(project)), here=parcels.crs.name, there=crs.name)
    layers = (load_layer(loaded, spec, parcels) for spec in loaded.layers)
    return {layer.spec.role: layer.polygons.geometries for layer in layers}


def _neighbourhood(boxes: npt.NDArray[np.float64], distance_m: float) -> shapely.Geometry:
    """Return the squares of a coarse net that lie around the parcels, as one shape."""
    wide = boxes + np.array([-distance_m, -distance_m, distance_m, distance_m])
    extent = max(float(wide[:, 2].max() - wide[:, 0].min()), float(wide[:, 3].max() - wide[:, 1].min()))
    cell = max(_CELL_M, extent / _MOST_SIDES)
    low = np.floor(wide[:, :2] / cell).astype(np.int64)
    high = np.floor(wide[:, 2:] / cell).astype(np.int64)
    squares = {
        (x, y)
        for (x0, y0), (x1, y1) in zip(low.tolist(), high.tolist(), strict=True)
        for x in range(x0, x1 + 1)
        for y in range(y0, y1 + 1)
    }
    corner = np.array(sorted(squares), dtype=np.float64) * cell
    found: shapely.Geometry = shapely.union_all(
        shapely.box(corner[:, 0], corner[:, 1], corner[:, 0] + cell, corner[:, 1] + cell)
    )
    return found
