"""Where a changed fact comes from: a layer's version, the parcel's own shape, a tolerance, a table's row."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.diff.pairs import Pairs
from landremed.diff.sides import Side, column
from landremed.explain.facts import OVERRIDE
from landremed.facts import computed_facts
from landremed.measure import OUTSIDE, Measured
from landremed.project import Tolerance
from landremed.types import Straddle

__all__ = ["Given", "Origin", "Settings", "given_rows", "measuring_changes"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]

_BASIS: Final = ("area", "crs", "lib.GEOS", "lib.PROJ", "version")
_SAYS_NOTHING: Final = frozenset({"file", "layer", "driver", "encoding", "encoding_ground"})


class Origin(NamedTuple):
    """One ground on which a fact came out otherwise.

    ``kind`` is layer, shape, tolerance, straddle, reading, given, basis or unknown; ``name`` the layer or the
    key, ``old`` and ``new`` what it was and is.
    """

    kind: str
    name: str = ""
    old: str = ""
    new: str = ""


class Given(NamedTuple):
    """Where a given value stands."""

    source: str
    file: str
    row: int | None
    field: str
    raw: str


def given_rows(side: Side, wanted_facts: Mapping[str, set[str]]) -> dict[tuple[str, str], Given]:
    """Return the places of given facts, by parcel and fact.

    Parameters
    ----------
    wanted_facts : mapping of parcel to set of str
        What is wanted.
    """
    parcels, table = [*wanted_facts], side.given
    facts = sorted({fact for names in wanted_facts.values() for fact in names})
    place = {fact: number for number, fact in enumerate(facts)}
    asked = np.zeros((len(parcels) + 1, len(facts) + 1), bool)  # the last stand for what is not there
    for row, names in enumerate(wanted_facts.values()):
        asked[row, [place[name] for name in names]] = True
    at = [
        pc.fill_null(pc.index_in(table[name], pa.array(listed, pa.string())), -1).to_numpy()
        for name, listed in (("parcel_id", parcels), ("fact", facts))
    ]
    wanted = table.filter(pa.array(asked[at[0], at[1]]))
    columns = [
        wanted[name].to_pylist() for name in ("parcel_id", "fact", "source", "file", "row", "field", "raw")
    ]
    return {
        (str(parcel), str(fact)): Given(source or "", file or "", row, field or "", raw or "")
        for parcel, fact, source, file, row, field, raw in zip(*columns, strict=True)
    }


def measuring_changes(old: Side, new: Side, roles: Sequence[str], redrawn: bool) -> list[Origin]:
    """Return what was measured otherwise: layers, the parcel's own shape, or the way of measuring.

    Parameters
    ----------
    roles : sequence of str
        Layers concerned.
    redrawn : bool
        Whether the parcel's own shape is another.
    """
    found = [Origin("shape")] if redrawn else []
    for role in roles:
        before, after = old.input(role), new.input(role)
        if _told(before) != _told(after):
            found.append(Origin("layer", role, _version(before), _version(after)))
    if not found:
        keys = [key for key in _BASIS if old.provenance.get(key) != new.provenance.get(key)]
        found = [
            Origin("basis", key, old.provenance.get(key, ""), new.provenance.get(key, "")) for key in keys
        ]
    return found or [Origin("unknown")]


class Settings:
    """Settings that turn areas into facts, exchanged between two results.

    Parameters
    ----------
    old, new : Side
        Both results.
    pairs : Pairs
        Rows that belong together.
    within : mapping of fact to layer
        Facts that ask on which side of a boundary a parcel lies.
    """

    def __init__(self, old: Side, new: Side, pairs: Pairs, within: Mapping[str, str]) -> None:
        self._sides = (old, new)
        self._within = within
        self._pairs = pairs
        keys = [f"tolerance.{name}" for name in Tolerance.__slots__ if name != "position_m"]
        self.keys = [k for k in (*keys, "straddle") if old.provenance.get(k) != new.provenance.get(k)]
        self._measured: list[Measured] = []
        self._truth: dict[tuple[bool, frozenset[str]], Mapping[str, npt.NDArray[np.int8]]] = {}

    def grounds(self, fact: str, pair: int) -> tuple[bool, tuple[str, ...]] | None:
        """Return the smallest set of grounds on which a fact has its new value.

        Parameters
        ----------
        fact : str
            A measured fact that is true, false or unknown.
        pair : int
            Number of the pair of rows.

        Returns
        -------
        (bool, tuple of str) or None
            Whether new areas are needed, and which settings; None where the areas kept, which are rounded,
            do not give the facts of both files again.
        """
        old, new = self._kept(fact, pair)
        truth = self._at(False, frozenset(), fact)
        whole = self._at(True, frozenset(self.keys), fact)
        if truth is None or whole is None or truth[pair] != old or whole[pair] != new:
            return None
        for areas, keys in _subsets(self.keys):
            found = self._at(areas, frozenset(keys), fact)
            if found is not None and found[pair] == new:
                return areas, keys
        return None

    def _kept(self, fact: str, pair: int) -> tuple[int, int]:
        rows = (self._pairs.old[pair], self._pairs.new[pair])
        texts = [s.decisions[f"fact_{fact}"][int(r)].as_py() for s, r in zip(self._sides, rows, strict=True)]
        return _CODES.get(texts[0], -1), _CODES.get(texts[1], -1)

    def _at(self, areas: bool, keys: frozenset[str], fact: str) -> npt.NDArray[np.int8] | None:
        key = (areas, keys)
        if key not in self._truth:
            if not self._measured:
                rows = (self._pairs.old, self._pairs.new)
                self._measured = [_areas(s, r) for s, r in zip(self._sides, rows, strict=True)]
            tolerance, straddle = self._settings(keys)
            self._truth[key] = computed_facts(
                self._measured[int(areas)], tolerance, straddle, self._within
            ).truth
        return self._truth[key].get(fact)

    def _settings(self, taken: frozenset[str]) -> tuple[Tolerance, Straddle]:
        def value(key: str) -> str:
            return self._sides[int(key in taken)].provenance.get(key, "")

        found: dict[str, float] = {}
        for spec in dataclasses.fields(Tolerance):
            text = value(f"tolerance.{spec.name}")
            found[spec.name] = float(text or str(spec.default))
        return Tolerance(**found), Straddle(value("straddle") or "review")


_CODES: Final = {"true": 1, "false": 0, "unknown": -1}


def _subsets(keys: Sequence[str]) -> Iterator[tuple[bool, tuple[str, ...]]]:
    things = (None, *keys)
    for size in range(len(things) + 1):
        for chosen in itertools.combinations(things, size):
            yield None in chosen, tuple(key for key in chosen if key is not None)


def _told(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in _SAYS_NOTHING}


def _version(entry: Mapping[str, Any]) -> str:
    """Return how a version of an input is told from another."""
    if not entry:
        return ""
    words = [str(entry[key]) for key in ("version", "date") if entry.get(key)]
    words += [f"{key}={entry[key]}" for key in ("where", "coverage") if entry.get(key)]
    return " ".join([*words, f"#{str(entry.get('hash', ''))[:8]}"])


def _areas(side: Side, rows: npt.NDArray[np.int64]) -> Measured:
    """Return the areas kept in a result; overlaps by their shares, which are not rounded."""
    table = side.decisions.take(pa.array(rows))
    area = _numbers(table, "area_m2")
    flags = pc.fill_null(column(table, "flags", pa.string()), "")
    overlaps: dict[str, FloatArray] = {}
    complete: dict[str, BoolArray] = {}
    void: dict[str, BoolArray] = {}
    for name in table.column_names:
        role = name.removesuffix("_share")
        if role == name or f"{role}_area_m2" not in table.column_names:
            continue
        share = _numbers(table, name)
        if np.isnan(share).all():
            continue
        overlaps[role] = share * area
        complete[role] = ~_flagged(flags, f"coverage_incomplete:{role}")
        void[role] = _flagged(flags, f"layer_unusable_here:{role}")
    outside = {name: _numbers(table, f"{name}_area_m2") for name in OUTSIDE}
    outside = {name: values for name, values in outside.items() if not np.isnan(values).all()}
    sure = {
        name: np.where(complete.get(OUTSIDE[name][1], np.ones(len(area), bool)), values, np.nan)
        for name, values in outside.items()
    }
    none = pa.table({})
    return Measured(area, overlaps, complete, void, outside, sure, None, None, none, none, none)


def _numbers(table: pa.Table, name: str) -> FloatArray:
    return np.asarray(column(table, name, pa.float64()).to_numpy(zero_copy_only=False), np.float64)


def _flagged(flags: pa.Array, flag: str) -> BoolArray:
    inside = pc.match_substring(pc.binary_join_element_wise(",", flags, ",", ""), f",{flag},")
    return np.asarray(inside.to_numpy(zero_copy_only=False), bool)


def override_name(fact: str) -> str:
    """Return the name under which a measured fact is set by hand."""
    return OVERRIDE + fact
