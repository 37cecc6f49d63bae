"""Two settings of one project held against each other, without a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from landremed.api import RunResult
from landremed.diff.compare import compare
from landremed.diff.records import Difference, LedgerMark
from landremed.diff.search import SEARCH_LIMIT
from landremed.diff.sides import side_of_run
from landremed.output import result_layers
from landremed.overlay_file import renewed_inputs
from landremed.pipeline import Overlay, decide_overlay, measure_project, rule_book
from landremed.project import Project
from landremed.types import Straddle

__all__ = ["compare_settings"]

_MEASURED = ("base", "crs", "area", "parcels", "layers", "evidence", "limits", "calendar", "rules")


def compare_settings(
    project: Project,
    changed: Project,
    *,
    names: tuple[str, str],
    ledger: Mapping[str, LedgerMark] | None = None,
    limit: int = SEARCH_LIMIT,
    stage: Callable[[str], None] = lambda name: None,
    **measuring: Any,
) -> Difference:
    """Run a project in two settings and hold the results against each other.

    Parameters
    ----------
    project, changed : Project
        As it is, and with other settings or layers. Parcels are measured once where both measure alike.
    names : (str, str)
        What both are called.
    ledger, limit
        As for ``compare``.
    stage : callable
        Told the name of each stage as it begins.
    **measuring
        ``engine``, ``jobs`` and ``progress`` of ``landremed.pipeline.measure_project``.
    """
    measured = measure_project(project, stage=stage, **measuring)
    if _measure_alike(project, changed):
        other = replace(measured, project=changed, inputs=renewed_inputs(measured.inputs, changed))
    else:
        other = measure_project(changed, stage=stage, **measuring)
    sides = [
        side_of_run(_decided(overlay, stage), name)
        for overlay, name in zip((measured, other), names, strict=True)
    ]
    stage("compare")
    return compare(sides[0], sides[1], ledger=ledger, limit=limit)


def _measure_alike(first: Project, second: Project) -> bool:
    """Tell whether both projects measure the same; parcels that are cut are measured anew."""
    if any(project.straddle is Straddle.SPLIT or rule_book(project).cuts for project in (first, second)):
        return False
    return all(getattr(first, name) == getattr(second, name) for name in _MEASURED)


def _decided(overlay: Overlay, stage: Callable[[str], None]) -> RunResult:
    decisions = decide_overlay(overlay, rule_book(overlay.project), stage=stage)
    layers = result_layers(decisions, {})
    by_name = {layer.name: layer for layer in layers}
    return RunResult(by_name, overlay.crs.to_wkt(), overlay.project, decisions)
