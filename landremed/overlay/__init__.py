"""The measuring engine: parcels and layers in, areas and pieces out.

``prepare`` indexes the layers once; the engine it returns measures any chunk of parcels. Nothing else of
landremed knows how an overlay is computed::

    engine = prepare(layers, outside=[("ecological_red_line", "urban_development_boundary")], area=measure)
    overlaps = engine.measure(parcels)

All inputs are in one projected working CRS and already repaired (valid polygons). Results do not depend
on how parcels are divided into chunks, nor on the number of jobs.
"""

from __future__ import annotations

from landremed.overlay.engine import page_maker, prepare
from landremed.overlay.expected import Expected
from landremed.overlay.pairs import Crowds, Shared, box_pairs, crowds, shared_ground
from landremed.overlay.tables import LayerInput, OverlapTables, PolygonSet

__all__ = [
    "Crowds",
    "Expected",
    "LayerInput",
    "OverlapTables",
    "PolygonSet",
    "Shared",
    "box_pairs",
    "crowds",
    "page_maker",
    "prepare",
    "shared_ground",
]
