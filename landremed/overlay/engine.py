"""Choice of the engine behind one signature."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Sequence
from typing import Final, Protocol

from landremed.errors import ProjectError
from landremed.io.bulk_rows import PageMaker
from landremed.overlay.expected import Expected, shapely_seconds
from landremed.overlay.native.compiled import may_use
from landremed.overlay.tables import AreaMeasure, LayerInput, OverlapTables, PolygonSet
from landremed.text import log_message

__all__ = ["Engine", "chosen_engine", "load_ahead", "page_maker", "prepare", "ready_native"]

_NATIVE_FROM_S: Final = 20.0
"""Jobs estimated to take shapely less than this go to it, so that small jobs never wait for a compilation.

The choice depends on the data alone, not on what is compiled already: equal inputs take the same engine.
"""

_log = logging.getLogger("landremed.overlay")


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
    expected: Expected | None = None,
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
        Which implementation; results agree within 1e-9. ``auto`` takes shapely for small jobs, which then
        never wait for a compilation, and the native engine for all others.
    jobs : int, optional
        Threads; all cores by default.
    expected : Expected, optional
        The parcels of the whole job, by which ``auto`` chooses; without it the first chunk counts.

    Returns
    -------
    Engine
        Its ``measure(parcels)`` gives the tables of one chunk.

    Raises
    ------
    ProjectError
        When there is no engine of that name.
    """
    if expected is not None:
        engine = chosen_engine(layers, engine, expected)
    if engine == "auto":
        return _AutoEngine(layers, outside, area, jobs)
    return _named(engine, layers, outside, area, jobs)


def load_ahead(size: int) -> None:
    """Begin to load the kernels in a thread, where shapes of so many bytes are about to be read.

    Nothing is compiled, and nothing that would have been done without kernels is now done by them.
    """
    if may_use(size) and "landremed.overlay.native.engine" not in sys.modules:
        threading.Thread(target=_load, name="kernels").start()


def _load() -> None:
    try:
        from landremed.overlay.native.engine import load_kernels

        load_kernels()
    except Exception:
        _log.debug("kernels were not loaded ahead", exc_info=True)


def chosen_engine(layers: Sequence[LayerInput], engine: str, expected: Expected) -> str:
    """Name the engine that ``prepare`` takes for these parcels."""
    if engine != "auto":
        return engine
    return "native" if shapely_seconds(layers, expected) >= _NATIVE_FROM_S else "shapely"


def page_maker(size: int = 0) -> PageMaker | None:
    """Return who makes pages in a process where the compiled engine is at work, or should be, else None.

    ``size`` is that of the rows, in bytes.
    """
    from landremed.overlay.native.compiled import at_hand, is_warm

    if "landremed.overlay.native.engine" not in sys.modules and not at_hand(size):
        return None
    from landremed.overlay.native.page_maker import NativePages

    return NativePages() if is_warm() else None


class _AutoEngine:
    """An engine chosen when the first chunk of parcels is known."""

    name = "auto"

    def __init__(
        self,
        layers: Sequence[LayerInput],
        outside: Sequence[tuple[str, str]],
        area: AreaMeasure,
        jobs: int | None,
    ) -> None:
        self._arguments = (layers, outside, area, jobs)
        self._chosen: Engine | None = None

    @property
    def statistics(self) -> dict[str, int]:
        return dict(getattr(self._chosen, "statistics", {}))

    def measure(self, parcels: PolygonSet) -> OverlapTables:
        if self._chosen is None:
            self.name = chosen_engine(self._arguments[0], "auto", Expected.of(parcels))
            self._chosen = _named(self.name, *self._arguments)
        return self._chosen.measure(parcels)


def _named(
    engine: str,
    layers: Sequence[LayerInput],
    outside: Sequence[tuple[str, str]],
    area: AreaMeasure,
    jobs: int | None,
) -> Engine:
    if engine == "shapely":
        from landremed.overlay.reference import ReferenceEngine

        return ReferenceEngine(layers, outside=outside, area=area, jobs=jobs)
    if engine != "native":
        raise ProjectError("overlay_engine_unknown", engine=engine)
    ready_native()
    from landremed.overlay.native.engine import NativeEngine

    return NativeEngine(layers, outside=outside, area=area, jobs=jobs)


def ready_native() -> None:
    """Compile the kernels, or load them; say so where that takes time."""
    from landremed.overlay.native.compiled import cache_folder
    from landremed.overlay.native.engine import warm_up

    if cache_folder() is None:
        _tell("overlay_uncached", engine="native")
        warm_up()
    else:
        warm_up(_tell)


def _tell(code: str, **params: object) -> None:
    log_message(_log, logging.INFO, code, **params)
