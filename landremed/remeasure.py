"""Merging reviews, and measuring parcels again whose new boundary a reviewer accepted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias

from landremed.api import RunClock, write_result
from landremed.errors import LandremedError
from landremed.output import result_layers
from landremed.pipeline import decide_overlay, measure_project, rule_book
from landremed.project import project_from_json
from landremed.provenance import VOLATILE_KEYS
from landremed.review.basis import read_basis
from landremed.review.boundaries import accepted_boundaries
from landremed.review.merge import Merged
from landremed.review.merge import merge_reviews as take_reviews
from landremed.review.records import Problem

__all__ = ["merge_reviews"]

Stage: TypeAlias = Callable[[str], None]

WAITS: Final = "boundary_waits"
_NOT_BASIS: Final = frozenset({*VOLATILE_KEYS, "version", "engine", "rules_fired"})


def merge_reviews(
    result: Path | str,
    packages: Iterable[Path | str] = (),
    *,
    project: Path | str | None = None,
    dry_run: bool = False,
    stage: Stage = lambda name: None,
) -> Merged:
    """Take reviews into a result, and measure again the parcels whose new boundary was accepted.

    The result keeps the settings of its run; measuring again needs its inputs unchanged. Where they are not
    found, or have changed, the boundary waits and the finding says why.

    Parameters
    ----------
    result : path
        Result GeoPackage.
    packages : iterable of path
        Packages, workbooks and coordinate texts from the field.
    project : path, optional
        Project file, or its folder, where the inputs lie; the folder of the result by default.
    dry_run : bool
        Tell what would change, and write nothing.
    stage : callable
        Told the name of each stage of measuring as it begins.

    Raises
    ------
    InputError, OutputError
        As for ``landremed.review.merge_reviews``; with ``project`` also when its inputs cannot be read.
    """
    path = Path(result)
    merged = take_reviews(path, packages, dry_run=dry_run)
    if dry_run or all(problem.code != WAITS for problem in merged.problems):
        return merged
    folder = path.resolve().parent if project is None else Path(project)
    try:
        changed = _measure_again(path, folder if folder.is_dir() else folder.parent, stage)
    except LandremedError as error:
        if project is not None:
            raise
        params = json.dumps(dict(error.params), default=str)
        told = Problem("", "boundary_inputs_missing", error.where.source, "", error.code, params)
        return replace(merged, new_problems=[*merged.new_problems, told])
    if changed:
        told = Problem("", "boundary_inputs_changed", value=", ".join(changed))
        return replace(merged, new_problems=[*merged.new_problems, told])
    after = take_reviews(path, dry_run=True)
    new = {*merged.new_problems, *after.new_problems}
    return replace(after, added=merged.added, new_problems=[p for p in after.problems if p in new])


def _measure_again(path: Path, base: Path, stage: Stage) -> list[str]:
    """Run again with the accepted boundaries; where inputs differ, name them and write nothing."""
    before = read_basis(path).provenance
    project = project_from_json(before["settings"], base=base)
    clock = RunClock(path, None)
    measured = measure_project(project, stage=stage, boundaries=accepted_boundaries(path))
    changed = _differing(before, measured.inputs)
    if changed:
        return changed
    decided = decide_overlay(measured, rule_book(project), stage=stage)
    layers = result_layers(decided, clock.entries())
    stage("write")
    write_result(path, layers, measured.crs.to_wkt(), project, True, decided.basis)
    return []


def _differing(before: Mapping[str, str], now: Mapping[str, object]) -> list[str]:
    """Name inputs and settings that are not what the result was made with."""
    return [
        key
        for key, value in now.items()
        if key not in _NOT_BASIS
        and not key.startswith("lib.")
        and before.get(key, "") != ("" if value is None else str(value))
    ]
