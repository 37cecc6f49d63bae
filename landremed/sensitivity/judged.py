"""What the outcome of a parcel hangs on, asked again and again with other areas of one layer."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from landremed.decisions import Decided, days_alike, decide_outcomes, with_overrides
from landremed.facts import computed_facts, fact_columns
from landremed.law import RuleBook, outcome_facts
from landremed.law.vocabulary import within_layers
from landremed.measure import OUTSIDE, Measured
from landremed.overlay import PolygonSet
from landremed.overlay.tables import AreaMeasure
from landremed.project import Project
from landremed.tables import FactColumn, taken
from landremed.types import SPECIAL_ROLES, UNKNOWN, FactValue, Outcome, Straddle

__all__ = ["Judgement", "measured_rows"]

IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
Geometries: TypeAlias = npt.NDArray[np.object_]
Columns: TypeAlias = dict[str, FactColumn]

_REVIEW: Final = Outcome.NEEDS_REVIEW.value
_EMPTY: Final = shapely.MultiPolygon()


@dataclass(frozen=True)
class Judgement:
    """A decided overlay, ready to be asked what other areas would have led to.

    Attributes
    ----------
    overlaps : pyarrow.Table
        ``parcel_id, layer, geometry``: the parcels' pieces.
    decided : Decided
        Decisions of whole parcels, before those of parts took their place.
    outcome : ndarray of str
        Final outcome of every parcel.
    """

    book: RuleBook
    project: Project
    ids: Sequence[str]
    polygons: PolygonSet
    measured: Measured
    given: Mapping[str, FactColumn]
    overlaps: pa.Table
    area: AreaMeasure
    decided: Decided
    outcome: Geometries

    @property
    def roles(self) -> list[str]:
        """Layers whose boundary is moved: those with facts of their own."""
        return [role for role in self.measured.overlap_m2 if role not in SPECIAL_ROLES]

    def dependent(self, role: str) -> tuple[list[str], list[str]]:
        """Return the computed facts that a layer's boundary can change: truths, and areas."""
        truths = [f"occupies_{role}", *(fact for fact, layer in self.within.items() if layer == role)]
        truths += [fact for fact, pair in OUTSIDE.items() if role in pair]
        return [f for f in truths if f in self.book.vocabulary], [
            f for f in (f"{role}_area_m2",) if f in self._numeric
        ]

    @cached_property
    def within(self) -> Mapping[str, str]:
        """Facts that ask on which side of a layer's boundary a parcel lies, with the layer."""
        return within_layers(self.book.vocabulary)

    def may_be_cut(self, rows: IntArray) -> BoolArray:
        """Tell which parcels are, or with a moved boundary could be, decided by their parts."""
        if self.project.straddle is Straddle.SPLIT:
            return np.ones(len(rows), dtype=bool)
        cut = np.array([d.table_category in self.book.cuts for d in self.decided.decisions], dtype=bool)
        return cut[self.decided.code[rows]]

    def asked(self, role: str) -> IntArray:
        """Return the parcels whose outcome some value of the layer's facts would change."""
        truths, numbers = self.dependent(role)
        known = ~np.isnan(self.measured.area_m2) & ~self.measured.void[role]
        rows = np.flatnonzero(known & self._reached({*truths, *numbers}))
        if not len(rows):
            return rows
        columns = self.computed(rows, measured_rows(self.measured, rows))
        base = self.outcome[rows]
        hit = self.may_be_cut(rows) | (
            self._with(rows, columns, dict.fromkeys([*truths, *numbers], UNKNOWN)) != base
        )
        open_rows = np.flatnonzero(~hit & (base == _REVIEW))
        hit[open_rows] = bool(numbers)
        if len(open_rows) and not numbers:
            part = {n: FactColumn(c.codes[open_rows], c.values) for n, c in columns.items()}
            for values in itertools.product((False, True), repeat=len(truths)):
                forced: dict[str, FactValue] = dict(zip(truths, values, strict=True))
                hit[open_rows] |= self._with(rows[open_rows], part, forced) != _REVIEW
        found: IntArray = rows[hit]
        return found

    def computed(self, rows: IntArray, measured: Measured, straddle: Straddle | None = None) -> Columns:
        """Return the computed facts of rows from areas that may be other than those measured."""
        facts = computed_facts(
            measured, self.project.tolerance, straddle or self.project.straddle, self.within
        )
        columns = fact_columns(facts, measured, self._numeric)
        cultivated = self.measured.cultivated_m2
        if cultivated is not None and "cultivated_area_m2" in self._numeric:
            values, codes = np.unique(cultivated[rows], return_inverse=True)
            listed = [UNKNOWN if np.isnan(v) else float(v) for v in values]
            columns["cultivated_area_m2"] = FactColumn(codes.astype(np.int32), listed)
        return columns

    def joined(self, rows: IntArray, computed: Mapping[str, FactColumn]) -> Columns:
        """Return computed and given facts of rows, overrides in force."""
        given = {name: FactColumn(c.codes[rows], c.values) for name, c in self._alike.items()}
        return with_overrides(computed, given)

    def outcomes(self, rows: IntArray, measured: Measured) -> Geometries:
        """Return the outcomes of whole parcels with these areas."""
        columns = self.joined(rows, self.computed(rows, measured))
        return decide_outcomes(self.book, columns, ~np.isnan(measured.area_m2))

    def sides_differ(self, rows: IntArray, measured: Measured) -> BoolArray:
        """Tell where parcels with these areas would lie on another side of a boundary."""
        project = self.project
        base = measured_rows(self.measured, rows)
        now, then = (
            computed_facts(m, project.tolerance, project.straddle, self.within).truth
            for m in (base, measured)
        )
        apart = [now[fact] != then[fact] for fact in self.within if fact in now]
        return np.asarray(np.any(apart, axis=0), dtype=bool)

    def pieces(self, role: str) -> Mapping[int, shapely.Geometry]:
        """Return what each parcel shares with a layer, by row."""
        return self._pieces_in(role)

    def pieces_of(self, role: str, rows: IntArray) -> Geometries:
        """Return what parcels share with a layer; empty where that is nothing."""
        return self._pieces_in(role).some(rows)

    def _pieces_in(self, role: str) -> _Pieces:
        known = self._pieces.get(role)
        if known is None:
            own = np.flatnonzero(pc.equal(self.overlaps["layer"], role).to_numpy())
            place = np.full(len(self.ids), -1, np.int64)
            place[self._parcel_of[own]] = own
            known = _Pieces(place, self.overlaps["geometry"])
            self._pieces[role] = known
        return known

    def _with(self, rows: IntArray, columns: Columns, forced: Mapping[str, FactValue]) -> Geometries:
        same = np.zeros(len(rows), np.int32)
        changed = {**columns, **{name: FactColumn(same, [value]) for name, value in forced.items()}}
        return decide_outcomes(self.book, self.joined(rows, changed), np.ones(len(rows), dtype=bool))

    def _reached(self, facts: set[str]) -> BoolArray:
        """Tell which parcels' tables ask for any of the facts."""
        used, code = self._asked_facts
        return np.array([bool(facts & each) for each in used], dtype=bool)[code]

    @cached_property
    def _asked_facts(self) -> tuple[list[frozenset[str]], IntArray]:
        """Facts that tables ask for, by kind of parcel, and the kind of every parcel."""
        none = FactColumn(np.zeros(len(self.measured.area_m2), np.int32), [None])
        hand_overs = {c: rules.hand_over.fact for c, rules in self.book.classes.items() if rules.hand_over}
        names = ["category", *sorted(set(hand_overs.values()))]
        given = [self.given.get(name, none) for name in names]
        code = np.zeros(len(none.codes), np.int64)
        for column in given:
            _, code = np.unique(code * len(column.values) + column.codes, return_inverse=True)
        _, first = np.unique(code, return_index=True)
        used: list[frozenset[str]] = []
        for row in first.tolist():
            value = {name: column[row] for name, column in zip(names, given, strict=True)}
            own = value["category"]
            other = value.get(hand_overs.get(own, "")) if isinstance(own, str) else None
            related = "" if other is None else other if isinstance(other, str) else None
            facts = outcome_facts(self.book, own, None, related) if isinstance(own, str) else ()
            used.append(frozenset(facts))
        return used, code

    @cached_property
    def _numeric(self) -> list[str]:
        return [name for name, spec in self.book.vocabulary.items() if spec.kind == "number"]

    @cached_property
    def _alike(self) -> Mapping[str, FactColumn]:
        return days_alike(self.book, self.given, self.project.as_of)

    @cached_property
    def _pieces(self) -> dict[str, _Pieces]:
        return {}

    @cached_property
    def _parcel_of(self) -> IntArray:
        """Row of the parcel of each overlap."""
        ids = pa.array(self.ids, pa.string())
        return np.asarray(pc.index_in(self.overlaps["parcel_id"], value_set=ids).to_numpy(), np.int64)


class _Pieces(Mapping[int, shapely.Geometry]):
    """Geometries by row, read from their bytes when they are asked for."""

    def __init__(self, place: IntArray, wkb: pa.ChunkedArray) -> None:
        self._place = place
        self._wkb = wkb

    def some(self, rows: IntArray) -> Geometries:
        """Return the geometries of rows; empty where there is none."""
        found = np.full(len(rows), _EMPTY, dtype=object)
        place = self._place[rows]
        own = np.flatnonzero(place >= 0)
        wkb = taken(self._wkb, place[own]).to_numpy(zero_copy_only=False)
        found[own] = shapely.from_wkb(wkb)
        return found

    def __getitem__(self, row: int) -> shapely.Geometry:
        if row not in self:
            raise KeyError(row)
        return self.some(np.array([row]))[0]

    def __contains__(self, row: object) -> bool:
        return isinstance(row, int) and 0 <= row < len(self._place) and bool(self._place[row] >= 0)

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(np.flatnonzero(self._place >= 0).tolist())

    def __len__(self) -> int:
        return int((self._place >= 0).sum())


def measured_rows(measured: Measured, rows: IntArray) -> Measured:
    """Return the areas of some rows, without land use and units."""
    return replace(
        measured,
        area_m2=measured.area_m2[rows],
        overlap_m2={n: a[rows] for n, a in measured.overlap_m2.items()},
        complete={n: a[rows] for n, a in measured.complete.items()},
        void={n: a[rows] for n, a in measured.void.items()},
        outside_m2={n: a[rows] for n, a in measured.outside_m2.items()},
        outside_sure_m2={n: a[rows] for n, a in measured.outside_sure_m2.items()},
        land_use=None,
        admin_units=None,
    )
