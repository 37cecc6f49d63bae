"""Land remediation: overlay parcels with constraint layers, decide by the clauses of a plan.

The same as the command line, for notebooks and programs:

>>> import landremed
>>> result = landremed.run(landremed.sample_project())
>>> len(result.decisions) == result.decisions["parcel_id"].nunique()
True
>>> print(landremed.decide_case({"category": "illegal_occupation", "subtype": "residential"}).outcome)
out_of_scope
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from landremed.late import late_names

if TYPE_CHECKING:
    from landremed.api import RunResult, decide_case, run, run_decide, run_frames, run_overlay
    from landremed.errors import (
        CrsError,
        InputError,
        LandremedError,
        OutputError,
        ProjectError,
        RuleBookError,
    )
    from landremed.io.limits import Limits, parse_limits
    from landremed.law import load_rulebook
    from landremed.partitions.memory import parse_memory
    from landremed.project import Project, load_project, make_project
    from landremed.remeasure import merge_reviews
    from landremed.samples import sample_project, write_samples

__all__ = [
    "CrsError",
    "InputError",
    "LandremedError",
    "Limits",
    "OutputError",
    "Project",
    "ProjectError",
    "RuleBookError",
    "RunResult",
    "decide_case",
    "load_project",
    "load_rulebook",
    "make_project",
    "merge_reviews",
    "parse_limits",
    "parse_memory",
    "run",
    "run_decide",
    "run_frames",
    "run_overlay",
    "sample_project",
    "write_samples",
]

_HOMES: Final = {
    "landremed.api": ("RunResult", "decide_case", "run", "run_decide", "run_frames", "run_overlay"),
    "landremed.errors": (
        "CrsError",
        "InputError",
        "LandremedError",
        "OutputError",
        "ProjectError",
        "RuleBookError",
    ),
    "landremed.io.limits": ("Limits", "parse_limits"),
    "landremed.law": ("load_rulebook",),
    "landremed.partitions.memory": ("parse_memory",),
    "landremed.remeasure": ("merge_reviews",),
    "landremed.project": ("Project", "load_project", "make_project"),
    "landremed.samples": ("sample_project", "write_samples"),
}


__getattr__ = late_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
