"""Reproducing a decision from its case file alone.

The shapes are measured again, the facts that rest on areas derived again, the rules in the file read and
applied again; everything is held against what the file says came out.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
import pyproj
import shapely

from landremed.area import area_measure, round_half_up
from landremed.errors import InputError, LandremedError, Where
from landremed.explain.facts import known_facts
from landremed.law import Decision, RuleBook, combine_parts, decide
from landremed.law.load import read_book
from landremed.law.source import Page
from landremed.law.vocabulary import (
    Vocabulary,
    load_vocabulary,
    outside_layers,
    read_vocabulary,
    within_layers,
)
from landremed.report.casefile import SCHEMA
from landremed.report.words import Words
from landremed.types import AreaKind, FactSpec

__all__ = ["Check", "Replay", "replay"]

_MOST_FILES: Final = 500
_MOST_BYTES: Final = 200_000_000
_CENT_M2: Final = 0.0100001
_LISTS: Final = {
    "rule": "rules",
    "clause": "clauses",
    "possible_outcomes": "possible_outcomes",
    "missing_facts": "missing_facts",
    "schedule": "schedules",
}
_VALUES: Final = (
    "outcome",
    "measure",
    "reason",
    "due_on",
    "overdue",
    "next_milestone_on",
    "next_milestone_share",
    "priority",
    "zero_tolerance",
)


@dataclass(frozen=True)
class Check:
    """One thing held against the file: ``name``, what the file says and what came out."""

    group: str
    name: str
    kept: str
    found: str

    @property
    def same(self) -> bool:
        """Whether they agree."""
        return self.kept == self.found


@dataclass(frozen=True)
class Replay:
    """What came out of a case file."""

    parcel_id: str
    checks: Sequence[Check]

    @property
    def same(self) -> bool:
        """Whether everything was reproduced."""
        return all(check.same for check in self.checks)

    def text(self, language: str) -> str:
        """Return the findings as lines, differences one by one."""
        words = Words("casefile", language)
        lines = [words("all_same" if self.same else "not_same", parcel=self.parcel_id)]
        for group in dict.fromkeys(check.group for check in self.checks):
            own = [check for check in self.checks if check.group == group]
            bad = [check for check in own if not check.same]
            state = words("differs") if bad else words("ok")
            lines.append(f"  {words(f'c_{group}')}: {state} ({len(own) - len(bad)}/{len(own)})")
            lines += [f"    {c.name}: {words('kept')} {c.kept!r}, {words('found')} {c.found!r}" for c in bad]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the same for machines."""
        checks = [
            {"group": c.group, "name": c.name, "kept": c.kept, "found": c.found, "same": c.same}
            for c in self.checks
        ]
        return {"schema": SCHEMA, "parcel_id": self.parcel_id, "same": self.same, "checks": checks}


def replay(path: Path | str) -> Replay:
    """Reproduce a decision from its case file.

    Parameters
    ----------
    path : path
        Archive written by ``report casefile``.

    Raises
    ------
    InputError
        The file is no case file, or parts of it cannot be read.
    """
    file = Path(path)
    files = _read(file)
    where = Where(file=str(file))
    try:
        manifest = json.loads(files["manifest.json"])
        case, geometry = json.loads(files["case.json"]), json.loads(files["geometry.json"])
        listed = dict(manifest["files"])
        parcel = str(case["parcel_id"])
        checks = list(_files(files, listed))
        book = _book(files, case["provenance"], where)
        checks.append(Check("rules", "rules_hash", str(case["provenance"]["rules_hash"]), book.content_hash))
        checks += _areas(case, geometry, book)
        checks += _facts(case, book)
        checks += _decision(case, geometry, book)
    except (
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        shapely.errors.ShapelyError,
        pyproj.exceptions.CRSError,
    ) as error:
        raise InputError(
            "report_casefile_broken", where, reason=f"{type(error).__name__}: {error}"
        ) from error
    return Replay(parcel, checks)


def _read(file: Path) -> dict[str, bytes]:
    where = Where(file=str(file))
    if not file.is_file():
        raise InputError("report_casefile_missing", where)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if len(entries) > _MOST_FILES or sum(entry.file_size for entry in entries) > _MOST_BYTES:
                raise InputError("report_casefile_broken", where, reason="too large")
            return {entry.filename: archive.read(entry) for entry in entries if not entry.is_dir()}
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, NotImplementedError, EOFError) as error:
        raise InputError("report_casefile_broken", where, reason=str(error)) from error


def _files(files: Mapping[str, bytes], listed: Mapping[str, str]) -> Iterator[Check]:
    for name in sorted({*listed, *files} - {"manifest.json"}):
        found = hashlib.sha256(files[name]).hexdigest() if name in files else ""
        yield Check("files", name, str(listed.get(name, "")), found)


def _book(files: Mapping[str, bytes], provenance: Mapping[str, str], where: Where) -> RuleBook:
    """Read the rule book of the file, with the vocabulary of the file and in its readings."""
    problems: list[Any] = []
    page = Page.read(files["rules/facts.yaml"].decode("utf-8"), "facts.yaml", problems)
    vocabulary = read_vocabulary(page, Vocabulary({}, frozenset()))
    with tempfile.TemporaryDirectory(prefix="landremed-") as folder:
        names = set()
        for name, content in files.items():
            parts = PurePosixPath(name).parts
            # only plain names directly in one folder of rules are ever written
            if len(parts) == 3 and parts[0] == "rules" and ".." not in parts and "\\" not in name:
                (Path(folder) / parts[2]).write_bytes(content)
                names.add(parts[1])
        if len(names) != 1 or problems:
            raise InputError("report_casefile_broken", where, reason="rules/")
        draft = read_book(Path(folder), names.pop(), vocabulary)
    if draft.book is None or draft.problems:
        reason = draft.problems[0].text() if draft.problems else "rules/"
        raise InputError("report_casefile_broken", where, reason=reason)
    readings = {k.removeprefix("reading."): v for k, v in provenance.items() if k.startswith("reading.")}
    try:
        return draft.book.with_readings(readings)
    except LandremedError as error:
        raise InputError("report_casefile_broken", where, reason=error.text()) from error


def _areas(case: Mapping[str, Any], geometry: Mapping[str, Any], book: RuleBook) -> Iterator[Check]:
    """Measure every shape again; areas agree when they do to the cent."""
    crs = pyproj.CRS.from_wkt(geometry["crs"])
    measure = area_measure(AreaKind(geometry["area"]), crs)
    row = case["decision"]

    def area(shape: shapely.Geometry) -> float:
        return float(round_half_up(measure.of(np.array([shape], dtype=object)))[0])

    def check(name: str, kept: Any, found: float) -> Check:
        close = kept is not None and abs(float(kept) - found) <= _CENT_M2
        return Check("areas", name, _text(kept), _text(kept) if close else _text(found))

    if geometry["parcel"] is None:
        yield Check("areas", "area_m2", _text(row["area_m2"]), "")
        return
    own = _shape(geometry["parcel"])
    pieces = {name: _shape(text) for name, text in geometry["overlaps"].items()}
    yield check("area_m2", row["area_m2"], area(own))
    for overlap in case["overlaps"]:
        name = overlap["layer"]
        if name in pieces:
            yield check(f"{name}_area_m2", row[f"{name}_area_m2"], area(pieces[name]))
    for name, value in row.items():
        layer = name.removesuffix("_area_m2")
        if layer != name and f"{layer}_share" in row and layer not in pieces and value:
            yield check(name, value, 0.0)
    for fact, (layer, beyond) in outside_layers(_spatial(book)).items():
        kept = row.get(f"{fact}_area_m2")
        if kept is not None:
            inner, boundary = pieces.get(layer), pieces.get(beyond)
            outside = inner if inner is None or boundary is None else shapely.difference(inner, boundary)
            yield check(f"{fact}_area_m2", kept, 0.0 if outside is None else area(outside))


def _facts(case: Mapping[str, Any], book: RuleBook) -> Iterator[Check]:
    """Derive the facts that rest on areas again; a layer's gaps may leave unknown what would be no."""
    row, kept = case["decision"], case["provenance"]
    whole = row["area_m2"]
    if whole is None:
        return
    limits = {name: float(kept[f"tolerance.{name}"]) for name in _TOLERANCE}
    within, outside = within_layers(_spatial(book)), outside_layers(_spatial(book))
    for name, value in row.items():
        if not name.startswith("fact_") or value is None:
            continue
        fact = name.removeprefix("fact_")
        layer = within.get(fact) or fact.removeprefix("occupies_")
        area = row.get(f"{layer}_area_m2")
        if fact in outside:
            area, (layer, beyond) = row.get(f"{fact}_area_m2"), outside[fact]
            boundary = row.get(f"{beyond}_area_m2")
            possible = _outside(area, row.get(f"{layer}_area_m2"), boundary, whole, limits)
        elif fact in within:
            possible = _inside(area, whole, kept.get("straddle", "review"), limits)
        elif area is None:
            possible = ("unknown",)
        else:
            possible = ("true", "unknown") if _counts(area, whole, limits) else ("false", "unknown")
        yield Check("facts", fact, value, value if value in possible else possible[0])


def _spatial(book: RuleBook) -> Mapping[str, FactSpec]:
    """Return the vocabulary; a file of before facts named their layers means those of today."""
    return {**load_vocabulary(), **{n: s for n, s in book.vocabulary.items() if s.within or s.outside}}


_TOLERANCE: Final = ("min_overlap_area_m2", "min_overlap_share", "sliver_max_area_m2")


def _counts(area: float, whole: float, limits: Mapping[str, float]) -> bool:
    by_share = area > limits["min_overlap_share"] * whole
    if whole < 2 * limits["min_overlap_area_m2"]:
        return by_share and area > 0
    return area > limits["min_overlap_area_m2"] and (by_share or area > limits["sliver_max_area_m2"])


def _inside(area: float | None, whole: float, straddle: str, limits: Mapping[str, float]) -> tuple[str, ...]:
    if area is None:
        return ("unknown",)
    if not _counts(max(whole - area, 0.0), whole, limits):
        return ("true", "unknown")
    if not _counts(area, whole, limits):
        return ("false", "unknown")
    return (("true" if area > whole / 2 else "false"), "unknown") if straddle == "majority" else ("unknown",)


def _outside(
    area: float | None, inner: float | None, boundary: float | None, whole: float, limits: Mapping[str, float]
) -> tuple[str, ...]:
    if inner is not None and not _counts(inner, whole, limits):
        return ("false", "unknown")
    if boundary is not None and not _counts(max(whole - boundary, 0.0), whole, limits):
        return ("false", "unknown")
    if area is None:
        return ("unknown",)
    return ("true", "unknown") if _counts(area, whole, limits) else ("false", "unknown")


def _decision(case: Mapping[str, Any], geometry: Mapping[str, Any], book: RuleBook) -> Iterator[Check]:
    """Decide again and compare with the row of the file; of a cut parcel also every part."""
    as_of = date.fromisoformat(case["provenance"]["as_of"])
    row, parts = case["decision"], case["parts"]
    measured = geometry["parcel"] is not None

    def again(one: Mapping[str, Any]) -> Decision:
        facts = known_facts(book, one, case["facts"])
        return decide(book, facts, as_of=as_of, has_geometry=measured)

    decided = [again(part) for part in parts]
    for part, decision in zip(parts, decided, strict=True):
        yield from _compared(part, decision, f"{part['parcel_id']} ")
        yield from _walked(case["trace"], part, decision, f"{part['parcel_id']} ")
    whole = combine_parts(book, decided) if parts else again(row)
    yield from _compared(row, whole, "")
    if not parts:
        yield from _walked(case["trace"], row, whole, "")


def _compared(row: Mapping[str, Any], decision: Decision, prefix: str) -> Iterator[Check]:
    for column in _VALUES:
        yield Check("decision", prefix + column, _text(row.get(column)), _text(getattr(decision, column)))
    for column, name in _LISTS.items():
        found = ",".join(getattr(decision, name))
        yield Check("decision", prefix + column, _text(row.get(column)), found)


def _walked(
    trace: Sequence[Mapping[str, Any]], row: Mapping[str, Any], decision: Decision, prefix: str
) -> Iterator[Check]:
    own = sorted((s for s in trace if s["trace_id"] == row["trace_id"]), key=lambda step: int(step["step"]))
    kept = [f"{s['rule'] or ''} {s['value']} {s['decides']}" for s in own]
    found = [f"{s.rule} {s.value} {int(s.decides)}" for s in decision.trace]
    for number in range(max(len(kept), len(found))):
        yield Check(
            "trace",
            f"{prefix}{number + 1}",
            kept[number] if number < len(kept) else "",
            found[number] if number < len(found) else "",
        )


def _shape(text: str) -> shapely.Geometry:
    return shapely.from_wkb(bytes.fromhex(text))


def _text(value: Any) -> str:
    return "" if value is None else str(value)
