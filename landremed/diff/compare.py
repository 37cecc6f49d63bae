"""Comparing two results: what changed, and for every change the smallest set of things that made it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.area import round_half_up
from landremed.diff.exchange import ASPECTS, Books, Half
from landremed.diff.explaining import Explainer
from landremed.diff.pairs import Pairs, pair_up, same_places
from landremed.diff.records import (
    KINDS,
    Change,
    Difference,
    InputLine,
    LedgerMark,
    MatrixCell,
    Suggestion,
)
from landremed.diff.search import SEARCH_LIMIT
from landremed.diff.sides import Side, column
from landremed.io.hashing import content_hash
from landremed.types import Outcome

__all__ = ["compare"]

BoolArray: TypeAlias = npt.NDArray[np.bool_]

_COMPARED: Final[Mapping[str, tuple[str, ...]]] = {
    "outcome": ("outcome",),
    "measure": ("measure",),
    "clause": ("clause",),
    "deadline": ("schedule", "due_on"),
    "overdue": ("overdue",),
}
_SETTINGS: Final = ("version", "rules", "rules_hash", "as_of", "crs", "area", "straddle")
_PREFIXES: Final = ("tolerance.", "reading.", "input.", "lib.")


def compare(
    old: Side,
    new: Side,
    *,
    ledger: Mapping[str, LedgerMark] | None = None,
    limit: int = SEARCH_LIMIT,
) -> Difference:
    """Hold two results against each other.

    Parameters
    ----------
    old, new : Side
        Before and after.
    ledger : mapping of parcel to LedgerMark, optional
        Where parcels stand; those closed or signed whose outcome would flip come first.
    limit : int
        Sets tried for one change at most.
    """
    inputs = _inputs(old, new)
    hashes = (_hash(old), _hash(new))
    pairs = pair_up(old, new)
    masks = _masks(old, new, pairs)
    notes = _notes(old, new, inputs, hashes)
    decided = np.flatnonzero(np.any([masks[aspect] for aspect in ASPECTS], axis=0))
    explainer = _explainer(old, new, pairs, limit)
    causes = explainer.causes(decided, {a: masks[a] for a in ASPECTS}) if explainer is not None else {}
    changes = [
        *_paired(new, pairs, masks, causes, ledger or {}),
        *_alone(old, pairs.gone, "gone", ledger or {}),
        *_alone(new, pairs.added, "added", ledger or {}),
    ]
    changes.sort(key=_weight)
    return Difference(
        old=old,
        new=new,
        changes=changes,
        matrix=_matrix(old, new, pairs),
        suggestions=[
            Suggestion(old.ids[gone].as_py(), new.ids[added].as_py(), share)
            for gone, added, share in same_places(old, new, pairs)
        ],
        inputs=inputs,
        hashes=hashes,
        limit=limit,
        notes=notes,
    )


def _inputs(old: Side, new: Side) -> list[InputLine]:
    keys = dict.fromkeys((*old.provenance, *new.provenance))
    wanted = [key for key in keys if key in _SETTINGS or key.startswith(_PREFIXES)]
    return [InputLine(key, *(_told(side, key) for side in (old, new))) for key in wanted]


def _told(side: Side, key: str) -> str:
    """Return an input by what it holds: where it lies and how it was read makes no difference."""
    if not key.startswith("input."):
        return side.provenance.get(key, "")
    entry = side.input(key.removeprefix("input."))
    kept = ("hash", "crs", "version", "date", "where", "coverage_hash")
    return " ".join(f"{name}={entry[name]}" for name in kept if entry.get(name))


def _hash(side: Side) -> str:
    parts = content_hash(side.parts, pa.nulls(side.parts.num_rows, pa.large_binary()), None)
    given = content_hash(side.given, pa.nulls(side.given.num_rows, pa.large_binary()), None)
    return content_hash(side.decisions, side.wkb, f"{side.provenance.get('crs')} {parts} {given}")


def _masks(old: Side, new: Side, pairs: Pairs) -> dict[str, BoolArray]:
    """Return for every kind of change which pairs have it."""
    masks = {}
    for aspect, names in _COMPARED.items():
        differs = np.zeros(len(pairs.new), bool)
        for name in names:
            differs |= _differs(old, new, pairs, name)
        masks[aspect] = differs
    masks["parts"] = _parts_differ(old, new, pairs)
    masks["reshaped"] = pairs.reshaped
    return masks


def _differs(old: Side, new: Side, pairs: Pairs, name: str) -> BoolArray:
    kind: pa.DataType = {"overdue": pa.int64()}.get(name, pa.string())
    before = column(old.decisions, name, kind).take(pa.array(pairs.old))
    after = column(new.decisions, name, kind).take(pa.array(pairs.new))
    equal = pc.fill_null(pc.equal(before, after), False).to_numpy(zero_copy_only=False)
    nulls = [pc.is_null(values).to_numpy(zero_copy_only=False) for values in (before, after)]
    return np.asarray(~(equal | (nulls[0] & nulls[1])), bool)


def _parts_differ(old: Side, new: Side, pairs: Pairs) -> BoolArray:
    differs = np.zeros(len(pairs.new), bool)
    if not old.parts.num_rows and not new.parts.num_rows:
        return differs
    listed = [_part_outcomes(side) for side in (old, new)]
    ids = new.ids.take(pa.array(pairs.new)).to_pylist()
    return np.array([listed[0].get(name) != listed[1].get(name) for name in ids], bool)


def _part_outcomes(side: Side) -> dict[str, list[tuple[Any, ...]]]:
    names = ("outcome", "measure", "clause", "schedule", "due_on")
    columns = [column(side.parts, name, pa.string()).to_pylist() for name in names]
    return {
        parcel: sorted(tuple(c[row] or "" for c in columns) for row in rows)
        for parcel, rows in side.parts_of.items()
    }


def _notes(
    old: Side, new: Side, inputs: Sequence[InputLine], hashes: tuple[str, str]
) -> list[tuple[str, dict[str, object]]]:
    notes: list[tuple[str, dict[str, object]]] = []
    one_book = old.provenance.get("rules_hash") == new.provenance.get("rules_hash")
    for option, side in (("--old-rules", old), ("--new-rules", new)):
        if side.book is None and not (one_book and (old.book or new.book)):
            name, digest = side.provenance.get("rules", ""), side.provenance.get("rules_hash", "")[:12]
            notes.append(
                ("diff_no_rules", {"file": side.name, "name": name, "hash": digest, "option": option})
            )
    if all(line.same for line in inputs) and hashes[0] != hashes[1]:
        notes.append(("diff_same_inputs_other_results", {}))
    if old.provenance.get("crs") != new.provenance.get("crs"):
        both = [side.provenance.get("crs", "") for side in (old, new)]
        notes.append(("diff_other_crs", {"old": both[0], "new": both[1]}))
    return notes


def _explainer(old: Side, new: Side, pairs: Pairs, limit: int) -> Explainer | None:
    """Return what replays decisions; None where neither rule book can be had."""
    either = new.book or old.book or new.stand_in or old.stand_in
    if either is None:
        return None
    halves = []
    for side in (old, new):
        book = side.any_book or either
        computed = frozenset(n for n, spec in book.vocabulary.items() if spec.source == "computed")
        halves.append(Half(side, side.facts(book), side.part_facts(book), computed))
    return Explainer(halves[0], halves[1], pairs, Books(old, new), limit)


def _paired(
    new: Side,
    pairs: Pairs,
    masks: Mapping[str, BoolArray],
    causes: Mapping[int, Any],
    ledger: Mapping[str, LedgerMark],
) -> Iterable[Change]:
    for pair in np.flatnonzero(np.any([*masks.values()], axis=0)):
        parcel = new.ids[int(pairs.new[pair])].as_py()
        moved = float(pairs.moved_m2[pair])
        yield Change(
            parcel_id=parcel,
            kinds=tuple(kind for kind in KINDS if kind in masks and masks[kind][pair]),
            old_row=int(pairs.old[pair]),
            new_row=int(pairs.new[pair]),
            moved_m2=None if np.isnan(moved) else moved,
            causes=causes.get(int(pair), ()),
            ledger=ledger.get(parcel),
        )


def _alone(
    side: Side, rows: npt.NDArray[np.int64], kind: str, ledger: Mapping[str, LedgerMark]
) -> Iterable[Change]:
    for row in rows.tolist():
        parcel = side.ids[row].as_py()
        old_row, new_row = (row, None) if kind == "gone" else (None, row)
        yield Change(parcel, (kind,), old_row, new_row, None, ledger=ledger.get(parcel))


def _weight(change: Change) -> tuple[int, ...]:
    """Sort settled parcels that would flip first, then by how weighty the change is, then as they stand."""
    settled = change.ledger.weight if change.ledger else 0
    changed = tuple(int(kind not in change.kinds) for kind in ("outcome", "measure", "deadline", "clause"))
    rank = KINDS.index(change.kinds[0])
    row = change.new_row if change.new_row is not None else change.old_row
    # a parcel that is gone flips too: nobody looks after it any more
    flips = change.flips or "gone" in change.kinds
    return (-settled if flips else 0, *changed, rank, row or 0)


def _matrix(old: Side, new: Side, pairs: Pairs) -> list[MatrixCell]:
    """Count parcels and add up areas by old and new outcome; parcels not there count under ""."""
    order = {outcome.value: number for number, outcome in enumerate(Outcome)}
    order[""] = len(order)
    rows = [(o, n) for o, n in zip(pairs.old.tolist(), pairs.new.tolist(), strict=True)]
    both: list[tuple[int | None, int | None]] = [
        *rows,
        *((row, None) for row in pairs.gone.tolist()),
        *((None, row) for row in pairs.added.tolist()),
    ]
    outcomes = [column(side.decisions, "outcome", pa.string()).to_pylist() for side in (old, new)]
    areas = [
        column(side.decisions, "area_m2", pa.float64()).fill_null(0.0).to_pylist() for side in (old, new)
    ]
    sums: dict[tuple[str, str], list[float]] = {}
    for places in both:
        codes = ["" if row is None else str(outcomes[i][row]) for i, row in enumerate(places)]
        entry = sums.setdefault((codes[0], codes[1]), [0, 0.0, 0.0])
        entry[0] += 1
        for i, row in enumerate(places):
            entry[i + 1] += 0.0 if row is None else areas[i][row]
    keys = sorted(sums, key=lambda key: (order.get(key[0], 99), order.get(key[1], 99)))
    totals = round_half_up(np.array([sums[key][1:] for key in keys]).reshape(-1, 2))
    return [
        MatrixCell(*key, int(sums[key][0]), float(total[0]), float(total[1]))
        for key, total in zip(keys, totals, strict=True)
    ]
