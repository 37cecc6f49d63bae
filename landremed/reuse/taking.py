"""What a run takes over from an earlier one, and keeps for the next."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.layers import Layer
from landremed.overlay import LayerInput
from landremed.overlay.engine import Engine, chosen_engine
from landremed.overlay.reference import round_origin
from landremed.overlay.tables import AreaMeasure
from landremed.repair import Repaired
from landremed.reuse.features import Features
from landremed.reuse.firm import firm_keys, firm_table, merged, some_edges, some_judgement
from landremed.reuse.hashes import Digests, hashed, surroundings
from landremed.reuse.kept import FIRM_SCHEMA, MEASURED, Kept, read_kept, write_kept
from landremed.reuse.measuring import KeepingEngine, near
from landremed.reuse.past import Past
from landremed.reuse.reading import Shapes
from landremed.sensitivity import Edges, Firmness, Judgement
from landremed.text import message_text

__all__ = ["Reuse"]

Ints: TypeAlias = npt.NDArray[np.int64]

_CLEAR_M: Final = 2.0  # an edge is looked for within the limit, and cut out of the layer a metre beyond
_FEW: Final = 1 / 2  # share of the parcels from which on all are judged: sorting some out would not pay


class Reuse:
    """What an earlier run computed, and what this one does.

    Parameters
    ----------
    previous : path, optional
        Result of the earlier run, beside which its measures lie; without it everything is computed, and kept.

    Attributes
    ----------
    firm_reused, firm_judged : int
        Parcels whose firmness was taken over, and judged.

    Raises
    ------
    InputError
        When ``previous`` is missing or no result, or there are no measures beside it, or they are damaged or
        of another format.
    """

    def __init__(self, previous: str | Path | None = None) -> None:
        self.firm_reused = self.firm_judged = 0
        self._asked_for = previous is not None
        self._kept = read_kept(Path(previous)) if previous is not None else Kept()
        self._machine = hashed(repr(surroundings()).encode()).hex()
        self._kept = self._kept if self._kept.machine == self._machine else Kept()
        self._shapes = Shapes(self._kept.tables["fine"])
        self._ground = self._firm_ground = ""
        self._layers: Sequence[Layer] = ()
        self._crs = ""
        self._states: list[Features] = []
        self._past = Past(Kept(), "", [])
        self._engine: KeepingEngine | None = None
        self._firm = FIRM_SCHEMA.empty_table()

    @property
    def counts(self) -> dict[str, int]:
        """How much was taken over and how much computed, stage by stage."""
        engine = self._engine
        return {
            "reused": engine.reused if engine else 0,
            "measured": engine.measured if engine else 0,
            "firm_reused": self.firm_reused,
            "firm_judged": self.firm_judged,
        }

    def repair(self, wkb: pa.Array, *, most: tuple[float, float]) -> Repaired:
        """Repair shapes that were read; those found fine in the earlier run are not looked at again."""
        return self._shapes.repair(wkb, most=most)

    def stand_on(self, crs: str, layers: Sequence[Layer]) -> None:
        """Say what parcels will be held against: CRS and layers."""
        self._crs, self._layers = crs, layers

    def prepare(
        self,
        layers: Sequence[LayerInput],
        *,
        outside: Sequence[tuple[str, str]],
        area: AreaMeasure,
        engine: str,
        jobs: int | None,
        expected: int | None,
    ) -> Engine:
        """Index layers as ``landremed.overlay.prepare`` does; the engine it returns knows what is kept."""
        name = chosen_engine(layers, engine, expected or 0)
        kind = str(getattr(area, "kind", type(area).__name__))
        origin = round_origin(layers).tolist() if name == "shapely" else []
        grouped = [(layer.name, layer.group is not None) for layer in layers]
        told = (self._crs, kind, name, origin, grouped, list(outside))
        self._ground = hashed(repr(told).encode()).hex()
        units = {layer.spec.role: layer.units.names for layer in self._layers if layer.units is not None}
        self._states = [self._state(layer, units.get(layer.name, ())) for layer in layers]
        self._past = Past(self._kept, self._ground, self._states)
        made = KeepingEngine(
            self._past, layers, self._shapes.digests, outside=outside, area=area, name=name, jobs=jobs
        )
        self._engine = made
        return made

    def _state(self, layer: LayerInput, names: Sequence[str]) -> Features:
        wkb, group = layer.polygons.wkb, layer.group
        codes = np.full(len(wkb), -1, np.int32) if group is None else group
        return Features(self._shapes.digests(wkb), layer.polygons.boxes, codes, list(names))

    def firmness(
        self,
        judgement: Judgement,
        edges: Edges,
        ask: Callable[[Judgement, Edges], Firmness],
        limit_m: float,
    ) -> Firmness:
        """Return how firm all parcels are; ask only about those near which something changed.

        Parameters
        ----------
        judgement, edges
            As for ``landremed.sensitivity.firmness``.
        ask : callable
            Judges what it is given.
        limit_m : float
            How far from a parcel an edge may matter.
        """
        self._firm_ground = _firm_ground(judgement, limit_m)
        keys = firm_keys(judgement, self._shapes.digests(judgement.polygons.wkb))
        places = self._firm_places(keys)
        places[near(judgement.polygons.boxes, self._past.changed, limit_m + _CLEAR_M)] = -1
        missing = np.flatnonzero(places < 0)
        if len(missing) > _FEW * len(keys):
            missing = np.arange(len(keys))
        self.firm_judged += len(missing)
        self.firm_reused += len(keys) - len(missing)
        if len(missing) == len(keys):
            found = ask(judgement, edges)
        else:
            rows = np.setdiff1d(np.arange(len(keys)), missing)
            fresh = self._asked(judgement, missing, ask, limit_m)
            kept = self._past.firm
            found = merged(kept, (rows, places[rows]), (missing, fresh), judgement.roles)
        self._firm = firm_table(keys, found, judgement.roles)
        self._tell("firmness_reused", reused=self.firm_reused, judged=self.firm_judged)
        return found

    def tell(self) -> None:
        """Log how many measures were taken over, where an earlier run was given."""
        counts = self.counts
        self._tell("measures_reused", reused=counts["reused"], measured=counts["measured"])

    def write(self, result: str | Path) -> None:
        """Write what this run computed and took over beside a result."""
        chunks = self._engine.kept if self._engine else []
        joined: dict[str, list[pa.Table]] = {name: [] for name in ("keys", *MEASURED)}
        start = 0
        for chunk in chunks:
            for name, table in chunk.items():
                joined[name].append(table if name == "keys" else _numbered(table, start))
            start += len(chunk["keys"])
        tables = {name: pa.concat_tables(parts) for name, parts in joined.items() if parts}
        tables = {**Kept().tables, **tables, "fine": self._shapes.table(), "firm": self._firm}
        write_kept(result, Kept(self._machine, self._ground, self._firm_ground, self._states, tables))

    def _firm_places(self, keys: Digests) -> Ints:
        if self._kept.firm_ground != self._firm_ground:
            return np.full(len(keys), -1, np.int64)
        return self._past.firm_places(keys)

    def _asked(
        self,
        judgement: Judgement,
        rows: Ints,
        ask: Callable[[Judgement, Edges], Firmness],
        limit_m: float,
    ) -> Firmness:
        some = some_judgement(judgement, rows)
        boxes = some.polygons.boxes
        boxes = boxes[~np.isnan(boxes[:, 0])]
        wanted = [near(layer.polygons.boxes, boxes, limit_m + _CLEAR_M) for layer in self._layers]
        return ask(some, some_edges(self._layers, wanted, some.polygons, some.measured, limit_m))

    def _tell(self, code: str, **params: object) -> None:
        if not self._asked_for:
            return
        logger = logging.getLogger("landremed.reuse")
        logger.info(message_text(code, params, "en"), extra={"code": code, "params": params})


def _firm_ground(judgement: Judgement, limit_m: float) -> str:
    """Return the hash of all that firmness hangs on, but for parcels and layers."""
    book, project = judgement.book, judgement.project
    measured = judgement.measured
    told = (
        book.content_hash,
        sorted(book.readings.items()),
        repr(project.tolerance),
        project.straddle.value,
        repr(project.sensitivity),
        limit_m,
        judgement.roles,
        [list(measured.overlap_m2), list(measured.outside_m2), list(measured.complete)],
        measured.cultivated_m2 is not None,
    )
    return hashed(repr(told).encode()).hex()


def _numbered(table: pa.Table, start: int) -> pa.Table:
    moved = pc.add(table["parcel"], pa.scalar(start, pa.int32()))
    return table.set_column(0, table.schema.field(0), moved)
