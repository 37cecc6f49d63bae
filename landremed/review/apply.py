"""Taking reviews into a result: facts learned decide parcels again, and what changed is listed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any, Final

from landremed.io.disk import unflushed
from landremed.law import Decision, RuleBook
from landremed.project import Tolerance
from landremed.review.basis import Basis, read_basis, rows_of
from landremed.review.records import Boundary, Problem, Review
from landremed.review.redecide import Case, Redecided, combined_columns, redecide
from landremed.review.state import State, settled_state
from landremed.review.store import (
    is_drawn,
    keep_machine,
    prepared,
    read_boundaries,
    read_measured,
    read_problems,
    read_reviews,
    restore_machine,
    update_row,
    write_boundaries,
    write_rows,
    write_summary,
)
from landremed.types import M2_PER_MU, Outcome

__all__ = ["Additions", "Applied", "apply_reviews"]

_NOTHING_M2: Final = 0.05
_FIRMNESS: Final = ("robust", "margin_m")
_COMPARED: Final = ("outcome", "measure", "clause", "due_on", "missing_facts")


@dataclass
class Additions:
    """What is to be added to the reviews of a result."""

    reviews: list[Review] = field(default_factory=list)
    boundaries: list[Boundary] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class Applied:
    """The state after reviews were taken in.

    ``added`` counts reviews and boundaries that were not there before.
    """

    reviews: int
    added: int
    state: State
    changes: list[dict[str, Any]]
    problems: list[Problem]


def apply_reviews(path: Path, new: Additions) -> Applied:
    """Take reviews into the result at ``path``, which is changed in place: give it a private copy.

    The outcome depends on the set of all reviews alone.
    """
    with unflushed(path) as db, prepared(db):
        before = read_reviews(db)
        reviews = _united(before, new.reviews)
        drawn = {b.review_id: b for b in [*read_boundaries(db), *new.boundaries]}
        old_drawn = len(read_boundaries(db))
        noted = {*read_problems(db), *new.problems}
        boundaries = sorted(drawn.values(), key=lambda b: (b.parcel_id, b.made_at, b.review_id))
        restore_machine(db)
        db.commit()
        opened = read_basis(path)
        state, machine = _decide_again(db, opened, reviews)
        changes = _changes(db, machine, read_measured(db), boundaries, state)
        problems = sorted({p for p in noted if p.code not in _DERIVED} | set(state.problems))
        accepted = _accepted(boundaries, state)
        problems += _unmeasurable(db, boundaries) + _waiting(db, boundaries, accepted)
        rows = [_review_row(review) for review in reviews]
        write_rows(db, "reviews", rows)
        write_rows(db, "review_clashes", state.clashes)
        write_rows(db, "review_overrules", state.overrules)
        write_rows(db, "review_changes", changes)
        write_rows(db, "review_problems", [_problem_row(p, opened.language) for p in problems])
        write_boundaries(db, boundaries, accepted)
    added = len(reviews) - len({r.review_id for r in before}) + len(boundaries) - old_drawn
    return Applied(len(reviews), added, state, changes, problems)


_DERIVED: Final = {
    "review_unknown_parcel",
    "review_unknown_fact",
    "review_value_unreadable",
    "photo_missing",
    "overrule_without_reason",
    "overrule_no_outcome",
    "boundary_waits",
    "boundary_invalid",
    "boundary_unknown_parcel",
    "review_no_rulebook",
}


def _united(before: Iterable[Review], new: Iterable[Review]) -> list[Review]:
    """Return every review once; of twins the one whose photo was found."""
    found: dict[str, Review] = {}
    for review in [*before, *new]:
        twin = found.get(review.review_id)
        if twin is None or review.photo_hash > twin.photo_hash:
            found[review.review_id] = review
    return sorted(found.values(), key=lambda r: (r.parcel_id, *r.order))


def _decide_again(
    db: sqlite3.Connection, opened: Basis, reviews: Sequence[Review]
) -> tuple[State, dict[str, Mapping[str, Any]]]:
    """Decide again what facts learned concern; return the machine's own rows of these parcels."""
    about = {review.parcel_id for review in reviews}
    rows = {str(row["parcel_id"]): row for row in rows_of(db, "decisions", about)}
    given: dict[str, list[sqlite3.Row]] = {}
    for row in rows_of(db, "facts", about):
        given.setdefault(str(row["parcel_id"]), []).append(row)
    known = {(pid, str(g["fact"])): str(g["value"]) for pid, entries in given.items() for g in entries}
    outcomes = {pid: str(row["outcome"]) for pid, row in rows.items()}
    vocabulary = opened.book.vocabulary if opened.book is not None else {}
    state = settled_state(reviews, known, outcomes, vocabulary)
    affected = [pid for pid in rows if pid in state.learned]
    if opened.book is None or not affected:
        return state, {}
    parts = _parts(db, affected)
    tolerance = _tolerance(opened.provenance)

    def case(pid: str, row: sqlite3.Row) -> Case:
        learned = {name: state.values[pid, name] for name in state.learned[pid]}
        return Case(_without_shape(row), [dict(g) for g in given.get(pid, ())], learned, tolerance)

    cases = [case(pid, rows[pid]) for pid in affected]
    part_cases = [case(pid, part) for pid in affected for part in parts[pid]]
    last = db.execute("SELECT coalesce(max(trace_id), 0) FROM trace").fetchone()[0]
    keep_machine(db, "trace", 0, {"last": last})
    day = date.fromisoformat(opened.provenance["as_of"])
    found = redecide(
        opened.book, [*cases, *part_cases], as_of=day, first_trace=last, language=opened.language
    )
    _write_decisions(db, opened, affected, cases, parts, found)
    _write_trace(db, found)
    _write_facts(db, affected, state)
    _write_summary(db)
    return state, {pid: case.row for pid, case in zip(affected, cases, strict=True)}


def _parts(db: sqlite3.Connection, affected: Sequence[str]) -> dict[str, list[sqlite3.Row]]:
    wanted: dict[str, list[sqlite3.Row]] = {pid: [] for pid in affected}
    for row in db.execute("SELECT * FROM parts ORDER BY fid"):
        owner = str(row["parcel_id"]).rpartition("#")[0]
        if owner in wanted:
            wanted[owner].append(row)
    return wanted


def _tolerance(provenance: Mapping[str, str]) -> Tolerance:
    """Return what the run counted as an overlap."""
    names = {f.name: f"tolerance.{f.name}" for f in fields(Tolerance)}
    return Tolerance(**{name: float(provenance[key]) for name, key in names.items() if key in provenance})


def _without_shape(row: sqlite3.Row) -> dict[str, Any]:
    return {name: value for name, value in dict(row).items() if name != "geom"}


def _write_decisions(
    db: sqlite3.Connection,
    opened: Basis,
    affected: Sequence[str],
    cases: Sequence[Case],
    parts: Mapping[str, Sequence[sqlite3.Row]],
    found: Redecided,
) -> None:
    book = opened.book
    at = len(cases)
    for number, (pid, case) in enumerate(zip(affected, cases, strict=True)):
        columns = found.columns[number]
        pieces = parts[pid]
        if pieces and book is not None:
            decisions = found.decisions[at : at + len(pieces)]
            own = found.columns[at : at + len(pieces)]
            columns = _of_parts(book, case, decisions, own, columns, opened.language)
            for piece, values in zip(pieces, own, strict=True):
                _change(db, "parts", _without_shape(piece), values)
            at += len(pieces)
        _change(db, "decisions", case.row, columns)


def _of_parts(
    book: RuleBook,
    case: Case,
    decisions: Sequence[Decision],
    own: Sequence[Mapping[str, Any]],
    whole: Mapping[str, Any],
    language: str,
) -> dict[str, Any]:
    """Combine parts; areas are theirs, the trace stays the parcel's own."""
    sums = {
        name: round(sum(values[name] for values in own), 2)
        for name in ("demolish_area_m2", "restore_area_m2")
    }
    combined = combined_columns(book, case, decisions, language)
    return {**combined, **sums, "trace_id": whole["trace_id"]}


def _change(db: sqlite3.Connection, table: str, row: Mapping[str, Any], columns: Mapping[str, Any]) -> None:
    kept = {name: row[name] for name in columns if name in row}
    firmness = {name: row[name] for name in _FIRMNESS if name in row}
    keep_machine(db, table, int(row["fid"]), {**kept, **firmness})
    values = {name: value for name, value in columns.items() if name in row}
    values.update(dict.fromkeys(firmness))  # how firm the decision is with the facts learned was not measured
    update_row(db, table, int(row["fid"]), values)


def _changes(
    db: sqlite3.Connection,
    machine: Mapping[str, Mapping[str, Any]],
    measured: Mapping[str, Mapping[str, Any]],
    boundaries: Sequence[Boundary],
    state: State,
) -> list[dict[str, Any]]:
    """List what reviews changed: recommendations by facts learned, and parcels measured again."""
    drawn = {b.parcel_id: b.review_id for b in boundaries if b.parcel_id in measured and is_drawn(db, b)}
    pairs = {"outcome": "outcome", "measure": "measure", "clause": "clause", "due": "due_on"}
    changes = []
    for row in rows_of(db, "decisions", [*machine, *drawn]):
        pid = str(row["parcel_id"])
        redrawn = pid in drawn
        before = {**machine.get(pid, dict(row)), **(measured[pid] if redrawn else {})}
        if not redrawn and all(before[name] == row[name] for name in _COMPARED):
            continue
        learned = sorted(state.learned.get(pid, ()))
        facts = [f"{name}={state.values[pid, name]}" for name in learned]
        facts += [f"boundary={drawn[pid]}"] if redrawn else []
        changed = {"parcel_id": pid, "facts": ",".join(facts), "why_after": row["why"]}
        changed |= {f"{name}_before": before[column] for name, column in pairs.items()}
        changed |= {f"{name}_after": row[column] for name, column in pairs.items()}
        if redrawn:
            changed |= {"area_before_m2": before["area_m2"], "area_after_m2": row["area_m2"]}
        changes.append(changed)
    return changes


def _write_trace(db: sqlite3.Connection, found: Redecided) -> None:
    names = found.trace.column_names
    marks = ", ".join("?" * len(names))
    first = db.execute("SELECT coalesce(max(fid), 0) FROM trace").fetchone()[0]
    db.executemany(
        f"INSERT INTO trace (fid, {', '.join(names)}) VALUES (?, {marks})",  # noqa: S608
        [(first + n, *row.values()) for n, row in enumerate(found.trace.to_pylist(), 1)],
    )


def _write_facts(db: sqlite3.Connection, affected: Sequence[str], state: State) -> None:
    first = db.execute("SELECT coalesce(max(fid), 0) FROM facts").fetchone()[0]
    rows: list[tuple[Any, ...]] = []
    for pid in affected:
        for name, review in sorted(state.learned[pid].items()):
            source = review.package or "reviews"
            raw = f"{review.value} ({review.person} {review.made_at})"
            rows.append(
                (first + len(rows) + 1, pid, name, state.values[pid, name], "review", source, name, raw)
            )
    db.executemany(
        "INSERT INTO facts (fid, parcel_id, fact, value, source, file, field, raw)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )


def _write_summary(db: sqlite3.Connection) -> None:
    """Move what changed between lines: a cut parcel once, its areas by the outcomes of its parts."""
    old = [tuple(row) for row in db.execute("SELECT category, outcome, count, area_m2, area_mu FROM summary")]
    keep_machine(db, "summary", 0, {"rows": old})
    sums = {(row[0] or "", row[1]): [row[2], row[3]] for row in old}
    cut = {str(row[0]).rpartition("#")[0] for row in db.execute("SELECT parcel_id FROM parts")}
    for table in ("decisions", "parts"):
        for pid, category, outcome, area, kept in db.execute(
            "SELECT t.parcel_id, t.category, t.outcome, t.area_m2, m.content"  # noqa: S608
            f" FROM {table} t JOIN review_machine m ON m.place = '{table}' AND m.fid = t.fid ORDER BY t.fid"
        ):
            before = json.loads(kept)
            size = 0.0 if table == "decisions" and str(pid) in cut else (area or 0.0)
            for sign, name, found in ((-1, before["category"], before["outcome"]), (1, category, outcome)):
                entry = sums.setdefault((name or "", found), [0, 0.0])
                entry[0] += sign * (table == "decisions")
                entry[1] += sign * size
    order = {outcome.value: number for number, outcome in enumerate(Outcome)}
    keys = [k for k in sums if sums[k][0] or sums[k][1] > _NOTHING_M2]
    keys.sort(key=lambda k: (k[0] == "", k[0], order[k[1]]))
    rows = [(key[0] or None, key[1], sums[key][0], round(sums[key][1], 2)) for key in keys]
    write_summary(db, [(*row, round(row[3] / M2_PER_MU, 2)) for row in rows])


def _accepted(boundaries: Sequence[Boundary], state: State) -> set[tuple[str, str]]:
    """Name the boundaries meant: one by its id, or the only one of its parcel."""
    alone: dict[str, list[str]] = {}
    for boundary in boundaries:
        alone.setdefault(boundary.parcel_id, []).append(boundary.review_id)
    found = set()
    for parcel, name in state.accepted:
        ids = alone.get(parcel, [])
        if name in ids or (not name and len(ids) == 1):
            found.add((parcel, name or ids[0]))
    return found


def _unmeasurable(db: sqlite3.Connection, boundaries: Sequence[Boundary]) -> list[Problem]:
    """List boundaries of no parcel, and those that cross themselves."""
    there = {str(row["parcel_id"]) for row in rows_of(db, "decisions", {b.parcel_id for b in boundaries})}
    unknown = [
        Problem(b.parcel_id, "boundary_unknown_parcel", b.package, b.person)
        for b in boundaries
        if b.parcel_id not in there
    ]
    crossing = [
        Problem(b.parcel_id, "boundary_invalid", b.package, b.person, "geom", b.fault)
        for b in boundaries
        if b.fault
    ]
    return sorted({*unknown, *crossing})


def _waiting(
    db: sqlite3.Connection, boundaries: Sequence[Boundary], accepted: set[tuple[str, str]]
) -> list[Problem]:
    """List accepted boundaries with which the parcels have not been measured yet."""
    people = {b.parcel_id: b for b in boundaries if (b.parcel_id, b.review_id) in accepted}
    waiting = [b for b in people.values() if not b.fault and not is_drawn(db, b)]
    return sorted(Problem(b.parcel_id, "boundary_waits", b.package, b.person) for b in waiting)


def _review_row(review: Review) -> dict[str, Any]:
    return {f.name: getattr(review, f.name) for f in fields(review)} | {"review_id": review.review_id}


def _problem_row(problem: Problem, language: str) -> dict[str, Any]:
    return {f.name: getattr(problem, f.name) for f in fields(problem)} | {"message": problem.text(language)}
