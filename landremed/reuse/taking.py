"""What a run takes over from an earlier one, and keeps for the next."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.layers import Layer, Parcels
from landremed.measure import Measured
from landremed.overlay import Expected, LayerInput, PolygonSet
from landremed.overlay.engine import Engine, chosen_engine
from landremed.overlay.reference import round_origin
from landremed.overlay.tables import AreaMeasure
from landremed.project import Tolerance
from landremed.repair import Repaired
from landremed.reuse.block_file import meanwhile
from landremed.reuse.earlier import Earlier
from landremed.reuse.evidence import (
    evidence_ground,
    evidence_of_some,
    evidence_table,
    with_kept_evidence,
)
from landremed.reuse.features import Features
from landremed.reuse.firm import firm_keys, firm_table, merged, row_keys, some_judgement
from landremed.reuse.hashes import Digests, hashed, surroundings
from landremed.reuse.kept import FIRM_SCHEMA, MEASURED, Kept, prepare_kept
from landremed.reuse.measuring import KeepingEngine
from landremed.reuse.nearness import near
from landremed.reuse.past import Past
from landremed.reuse.reading import Shapes
from landremed.reuse.ready import ReadyLayers
from landremed.reuse.rows import RowsOfRuns
from landremed.reuse.splice import Splice
from landremed.sensitivity import Edges, Firmness, Judgement, LayerEdges
from landremed.slivers import with_evidence
from landremed.tables import FactColumn
from landremed.text import log_message

__all__ = ["Reuse"]

Ints: TypeAlias = npt.NDArray[np.int64]

_CLEAR_M: Final = 2.0  # an edge is looked for within the limit, and cut out of the layer a metre beyond


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
    layers : ReadyLayers
        Layers made ready by the earlier run, and by this one.

    Raises
    ------
    InputError
        When ``previous`` is missing or no result, or there are no measures beside it.
    """

    def __init__(self, previous: str | Path | None = None) -> None:
        self.firm_reused = self.firm_judged = 0
        self._asked_for = previous is not None
        self._machine = hashed(repr(surroundings()).encode()).hex()
        earlier = Earlier(None if previous is None else Path(previous), self._machine)
        self._earlier = earlier
        self._shapes = Shapes(lambda: earlier.kept.tables["fine"])
        self.layers = ReadyLayers(earlier.path, lambda: earlier.layers, self._machine, self._shapes)
        self._ground = self._firm_ground = self._evidence_ground = ""
        self._layers: Sequence[Layer] = ()
        self._crs = ""
        self._parcels = PolygonSet(pa.array([], pa.large_binary()))
        self._states: list[Features] = []
        self._past = Past(Kept(), "", [])
        self._engine: KeepingEngine | None = None
        self._looked: dict[str, pa.Table] = {}
        self._firm = FIRM_SCHEMA.empty_table()

    @cached_property
    def rows(self) -> RowsOfRuns:
        """Rows of the result, of the earlier run and of this one."""
        return RowsOfRuns(self._kept)

    @property
    def unusable(self) -> list[tuple[str, str]]:
        """Code and name of files that are damaged, or of another version: nothing in them is taken over."""
        return self._earlier.unusable

    @property
    def _kept(self) -> Kept:
        return self._earlier.kept

    @property
    def counts(self) -> dict[str, int]:
        """How much was taken over and how much computed, stage by stage."""
        engine = self._engine
        return {
            "layers_reused": self.layers.reused,
            "reused": engine.reused if engine else 0,
            "measured": engine.measured if engine else 0,
            "firm_reused": self.firm_reused,
            "firm_judged": self.firm_judged,
            "rows_reused": self.rows.reused,
            "decided": self.rows.decided,
        }

    def repair(self, wkb: pa.Array, *, most: tuple[float, float]) -> Repaired:
        """Repair shapes that were read; those found fine in the earlier run are not looked at again."""
        return self._shapes.repair(wkb, most=most)

    def stand_on(self, parcels: Parcels, layers: Sequence[Layer]) -> None:
        """Say which parcels will be held against which layers."""
        self._crs, self._layers = parcels.crs.to_wkt(), layers
        self._parcels = parcels.polygons

    def prepare(
        self,
        layers: Sequence[LayerInput],
        *,
        outside: Sequence[tuple[str, str]],
        area: AreaMeasure,
        engine: str,
        jobs: int | None,
        expected: Expected | None,
    ) -> Engine:
        """Index layers as ``landremed.overlay.prepare`` does; the engine it returns knows what is kept."""
        name = chosen_engine(layers, engine, expected or Expected())
        kind = str(getattr(area, "kind", type(area).__name__))
        origin = round_origin(layers).tolist() if name == "shapely" else []
        grouped = [(layer.name, layer.group is not None) for layer in layers]
        told = (self._crs, kind, name, origin, grouped, list(outside))
        self._ground = hashed(repr(told).encode()).hex()
        units = {layer.spec.role: layer.units.names for layer in self._layers if layer.units is not None}
        self._states = [self._state(layer, units.get(layer.name, ())) for layer in layers]
        self._past = Past(self._kept, self._ground, self._states)
        made = KeepingEngine(
            self._past,
            layers,
            self._shapes.digests,
            self._parcels,
            outside=outside,
            area=area,
            name=name,
            jobs=jobs,
        )
        self._engine = made
        return made

    def evidence(
        self,
        overlaps: pa.Table,
        parcels: Parcels,
        layers: Sequence[Layer],
        measured: Measured,
        tolerance: Tolerance,
    ) -> tuple[pa.Table, pa.Table]:
        """Add to overlaps what they seem to come from, as ``landremed.slivers.with_evidence`` does."""
        self._evidence_ground = evidence_ground(parcels, layers, tolerance)
        found, votes = self._evidence(overlaps, parcels, layers, measured, tolerance)
        self._looked = {"slivers": evidence_table(measured, found), "votes": _by_parcel(votes)}
        return found, self._looked["votes"]

    def _evidence(
        self,
        overlaps: pa.Table,
        parcels: Parcels,
        layers: Sequence[Layer],
        measured: Measured,
        tolerance: Tolerance,
    ) -> tuple[pa.Table, pa.Table]:
        splice = self._engine.splice(parcels.polygons) if self._engine is not None else None
        if splice is not None:  # parts of parcels were measured, but not looked at
            splice = Splice(np.where(splice.places < self._kept.parcels, splice.places, -1))
        same = self._kept.evidence_ground == self._evidence_ground
        if splice is None or not same or not splice.pays:
            return with_evidence(overlaps, parcels, layers, measured, tolerance)
        slivers, votes = evidence_of_some(
            with_evidence, overlaps, parcels, layers, measured, tolerance, splice.missing
        )
        slivers = splice.about(self._past.today("slivers"), slivers)
        votes = splice.about(self._past.today("votes"), _by_parcel(votes))
        return with_kept_evidence(overlaps, measured, slivers), votes

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
        splice = Splice(places)
        missing = splice.missing if splice.pays else np.arange(len(keys))
        self.firm_judged, self.firm_reused = len(missing), len(keys) - len(missing)
        if len(missing) == len(keys):
            found = ask(judgement, edges)
        else:
            rows = np.setdiff1d(np.arange(len(keys)), missing)
            fresh = self._asked(judgement, missing, ask, limit_m)
            kept = self._past.firm
            found = merged(kept, (rows, places[rows]), (missing, fresh), judgement.roles)
        self._firm = firm_table(keys, found, judgement.roles)
        return found

    def edges_near(self, polygons: PolygonSet, measured: Measured, limit_m: float) -> LayerEdges:
        """Return the layers' edges near some parcels, of which ``measured`` tells."""
        return LayerEdges(self._layers, polygons, measured.features, limit_m)

    def take_rows(
        self, measured: Measured, given: Mapping[str, FactColumn], told: object, limit_m: float
    ) -> Splice:
        """Find the rows of the result that are as they were.

        Parameters
        ----------
        measured, given
            What is known of all parcels before they are decided.
        told : object
            All that rows hang on besides, as ``repr`` shows it.
        limit_m : float
            How far from a parcel an edge may matter.
        """
        kinds = []
        if measured.admin_units is not None:
            units = measured.admin_units.units
            kinds = [(n, sorted(k)) for n, k in zip(units.names, units.kinds, strict=True)]
        ground = hashed(repr((told, kinds, self._ground, limit_m)).encode()).hex()
        keys = row_keys(measured, given, self._shapes.digests(self._parcels.wkb))
        stale = near(self._parcels.boxes, self._past.changed, limit_m + _CLEAR_M)
        return self.rows.find(keys, ground, stale)

    def keep_rows(self, splice: Splice, rows: pa.Table, trace: pa.Table, traced: Digests) -> None:
        """Keep the rows of the result.

        Parameters
        ----------
        splice : Splice
            Which of them were taken over.
        rows, trace : pyarrow.Table
            All rows of ``decisions`` and of ``trace``.
        traced : ndarray of raw bytes
            Hash of what each trace says.
        """
        self.rows.keep(splice, rows, trace, traced)
        if len(splice.missing) < len(splice):
            if len(self._firm):
                self._firm = splice.rows(self._past.firm, self._firm)
            self.firm_reused += len(splice) - len(splice.missing)

    def tell(self) -> None:
        """Log how many layers and measures were taken over, where an earlier run was given."""
        counts = self.counts
        for code, file in self.unusable:
            self._tell(code, file=file)
        layers = counts["layers_reused"]
        self._tell("layers_reused", reused=layers, read=len(self._layers) - layers)
        self._tell("measures_reused", reused=counts["reused"], measured=counts["measured"])

    def tell_decided(self) -> None:
        """Log how many decisions, and how firm they are, were taken over."""
        counts = self.counts
        self._tell("rows_reused", reused=counts["rows_reused"], decided=counts["decided"])
        self._tell("firmness_reused", reused=counts["firm_reused"], judged=counts["firm_judged"])

    def keeping(self, result: str | Path) -> AbstractContextManager[Callable[[], None]]:
        """Write what this run computed and took over beside a result, in a thread, while that is written.

        Gives a function that lets it take its place, once the result is in its own. A program that is killed
        in between leaves the measures of the earlier run, which are right whatever lies beside them.

        Raises
        ------
        OutputError
            In that function, when it cannot be written; what lay there stays.
        """
        return meanwhile(
            [lambda: prepare_kept(result, self._to_keep()), lambda: self.layers.prepare(Path(result))]
        )

    def _to_keep(self) -> Kept:
        chunks = self._engine.kept if self._engine else []
        joined: dict[str, list[pa.Table]] = {name: [] for name in ("keys", *MEASURED)}
        start = 0
        for chunk in chunks:
            for name, table in chunk.items():
                joined[name].append(table if name == "keys" else _numbered(table, start))
            start += len(chunk["keys"])
        tables = {name: pa.concat_tables(parts) for name, parts in joined.items() if parts}
        tables = {**Kept().tables, **tables, **self._looked, "fine": self._shapes.table(), "firm": self._firm}
        return Kept(
            self._machine,
            self._ground,
            self._firm_ground,
            self._states,
            {**tables, **self.rows.tables()},
            self._evidence_ground,
            self.rows.ground,
            len(self._parcels),
        )

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
        return ask(some, self.edges_near(some.polygons, some.measured, limit_m))

    def _tell(self, code: str, **params: object) -> None:
        if not self._asked_for:
            return
        log_message(logging.getLogger("landremed.reuse"), logging.INFO, code, **params)


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


def _by_parcel(votes: pa.Table) -> pa.Table:
    order = np.argsort(votes["parcel"].to_numpy(), kind="stable")
    return votes.take(pa.array(order))


def _numbered(table: pa.Table, start: int) -> pa.Table:
    moved = pc.add(table["parcel"], pa.scalar(start, pa.int32()))
    return table.set_column(0, table.schema.field(0), moved)
