"""The main job, stage by stage: the only module that strings the others together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyproj

from landremed.area import area_measure, default_kind
from landremed.decisions import Decided, decide_rows, with_overrides
from landremed.errors import InputError, LandremedError, Where
from landremed.facts import ComputedFacts, computed_facts, fact_columns
from landremed.given import EvidenceTable, given_facts
from landremed.io.limits import Limits
from landremed.io.spreadsheet import read_table
from landremed.io.zipped import zips_kept
from landremed.law import RuleBook, combine_parts, load_rulebook
from landremed.law.spatial import asked_layers
from landremed.law.vocabulary import within_layers
from landremed.layers import Layer, Parcels, load_layers, load_parcels
from landremed.measure import Measured, Progress, Ruler
from landremed.overlay import Expected, PolygonSet, prepare
from landremed.overlay.engine import Engine
from landremed.overlay.looks import allow_kernels, follow_engine
from landremed.overlay.tables import AreaMeasure
from landremed.overlay_tables import (
    IssueGroups,
    feature_table,
    issue_groups,
    issue_table,
    land_use_table,
    ordered_issues,
    overlap_table,
)
from landremed.parts import cut_parcels, plan_cuts
from landremed.project import Project
from landremed.provenance import evidence_entry, library_versions, source_entry, version
from landremed.repair import repair
from landremed.results import Judged, demolition_areas
from landremed.reuse import Reuse
from landremed.review.boundaries import moved
from landremed.same_place import same_place
from landremed.sensitivity import Edges, Firmness, Judgement, LayerEdges, firmness
from landremed.slivers import (
    VOTES_BY_PARCEL,
    KindCounts,
    Shift,
    find_shifts,
    kind_counts,
    named,
    sliver_findings,
    with_evidence,
)
from landremed.tables import FactColumn, GivenFacts, VectorSource
from landremed.types import Finding, Straddle, Unknown
from landremed.units import UnitChoice, choose_units

__all__ = [
    "Basis",
    "Decisions",
    "Job",
    "Overlay",
    "absent_layers",
    "decide_overlay",
    "job_inputs",
    "measure_project",
    "measure_share",
    "read_evidence",
    "redrawn",
    "require_usable",
    "rule_book",
    "shown_files",
    "sliver_issues",
]

Stage: TypeAlias = Callable[[str], None]
IntArray: TypeAlias = npt.NDArray[np.int64]
Twins: TypeAlias = Callable[[Parcels], Sequence[Finding]]
Evidence: TypeAlias = Callable[..., tuple[pa.Table, pa.Table]]


@dataclass(frozen=True)
class Job:
    """What every parcel of a project is held against, read and indexed once."""

    project: Project
    book: RuleBook
    layers: Sequence[Layer]
    ruler: Ruler
    area: AreaMeasure


@dataclass(frozen=True)
class Overlay:
    """Parcels measured against the layers of a project, before any rule is asked.

    Attributes
    ----------
    parent, part_number : ndarray of int
        Of every part: row of its parcel, and number within it.
    inputs : mapping of provenance key to value
        What was read.
    sliver_votes : pyarrow.Table
        ``landremed.slivers.VOTES_BY_PARCEL``: how far each layer lies from the parcels' edges.
    """

    project: Project
    ids: Sequence[str]
    attributes: pa.Table
    polygons: PolygonSet
    crs: pyproj.CRS
    measured: Measured
    given: GivenFacts
    overlaps: pa.Table
    features: pa.Table
    land_use: pa.Table | None
    issues: pa.Table
    inputs: Mapping[str, object]
    parent: IntArray
    part_number: IntArray
    part_polygons: PolygonSet
    part_measured: Measured | None
    area: AreaMeasure
    edges: Edges | None
    sliver_votes: pa.Table = field(default_factory=VOTES_BY_PARCEL.empty_table)


@dataclass(frozen=True)
class Basis:
    """What words, legends and titles of a result come from."""

    project: Project
    book: RuleBook
    crs: pyproj.CRS


@dataclass(frozen=True)
class Decisions:
    """What was decided, for parcels and for parts."""

    overlay: Overlay
    book: RuleBook
    parcels: Judged
    parts: Judged | None
    judgement: Judgement

    @property
    def basis(self) -> Basis:
        """Return the project, the rule book and the working CRS."""
        return Basis(self.overlay.project, self.book, self.overlay.crs)


def rule_book(project: Project) -> RuleBook:
    """Load the project's rule book with the office's readings."""
    name = project.rules
    folder = project.base / name
    return load_rulebook(folder if folder.is_dir() else name).with_readings(project.readings)


@zips_kept()
def measure_project(  # noqa: PLR0913  one more: who is told what is known early
    project: Project,
    *,
    engine: str = "auto",
    jobs: int | None = None,
    stage: Stage = lambda name: None,
    progress: Progress | None = None,
    sources: Mapping[str, VectorSource] | None = None,
    boundaries: tuple[str, Mapping[str, bytes]] = ("", {}),
    reuse: Reuse | None = None,
    known: Callable[[GivenFacts], object] = lambda given: None,
) -> Overlay:
    """Read and measure everything a project names.

    Parameters
    ----------
    project : Project
        Checked project.
    engine, jobs
        See ``landremed.overlay.prepare``.
    stage : callable
        Told the name of each stage as it begins.
    progress : callable (done, total), optional
        Told how many parcels have been measured.
    sources : mapping of role to VectorSource, optional
        Inputs that are already in memory, ``parcels`` among them.
    boundaries : (CRS, mapping of parcel to WKB)
        Boundaries that take the place of those in the parcels' file.
    reuse : Reuse, optional
        Measures to take over, and to keep.
    known : callable
        Told the given facts when all inputs have been read.

    Raises
    ------
    LandremedError
        Before anything is written, when an input as a whole cannot be used.
    """
    stage("rules")
    allow_kernels(engine != "shapely")
    book = rule_book(project)
    require_usable(project, book)
    stage("read parcels")
    mend, load = (repair, None) if reuse is None else (reuse.repair, reuse.layers.load)
    parcels = redrawn(load_parcels(project, sources, mend), *boundaries)
    area = area_measure(project.area or default_kind(parcels.crs), parcels.crs)
    stage("read layers and facts")
    with load_layers(project, parcels, sources, mend, load) as read:
        evidence = read_evidence(project)
        given = given_facts(
            book.vocabulary,
            parcels.ids,
            parcels.source,
            project.parcels.fields,
            project.parcels.values,
            evidence,
        )
        layers = read()
    known(given)
    stage("index")
    ready: Callable[..., Engine] = prepare
    evidence_of: Evidence = with_evidence
    if reuse is not None:
        reuse.stand_on(parcels, layers)
        ready, evidence_of = reuse.prepare, reuse.evidence
    ruler = Ruler(
        layers, area=area, engine=engine, jobs=jobs, expected=Expected.of(parcels.polygons), prepare=ready
    )
    job = Job(project, book, layers, ruler, area)
    stage("measure")
    overlay, issues = measure_share(job, parcels, given, progress=progress, stage=stage, evidence=evidence_of)
    if reuse is not None:
        reuse.tell()
    inputs = job_inputs(job, parcels.source, (parcels.crs, parcels.input_crs), evidence)
    shifts = find_shifts(overlay.sliver_votes)
    overlaps = named(overlay.overlaps, shifts)
    told = sliver_issues(project, shown_files(layers), kind_counts(overlaps), shifts)
    whole = pa.concat_tables([ordered_issues(issues), told])
    return replace(overlay, overlaps=overlaps, issues=whole, inputs=inputs)


def shown_files(layers: Sequence[Layer]) -> dict[str, str]:
    """Return the file of each layer, in order, as findings show it."""
    return {layer.spec.role: layer.source.display for layer in layers}


def sliver_issues(
    project: Project, files: Mapping[str, str], counts: KindCounts, shifts: Mapping[str, Shift]
) -> pa.Table:
    """Return the rows of ``issues`` about small overlaps, which close the list.

    Parameters
    ----------
    project : Project
        Severities and language.
    files : mapping of layer to str
        From ``shown_files``.
    counts, shifts
        From ``landremed.slivers``, of the whole job.
    """
    return issue_table(sliver_findings(counts, shifts, files), project.severity, project.language or "zh")


def measure_share(
    job: Job,
    parcels: Parcels,
    given: GivenFacts,
    *,
    progress: Progress | None = None,
    stage: Stage = lambda name: None,
    twins: Twins | None = None,
    evidence: Evidence = with_evidence,
) -> tuple[Overlay, IssueGroups]:
    """Measure the parcels of a job, or any share of them; a pure function of the share.

    Parameters
    ----------
    job : Job
        What every parcel is held against.
    parcels, given
        The parcels and their given facts.
    progress, stage
        As for ``measure_project``.
    twins : callable, optional
        Finds the parcels on the same place; by default among these parcels alone.
    evidence : callable
        Stands in for ``landremed.slivers.with_evidence``.

    Returns
    -------
    overlay : Overlay
        Without ``issues`` and ``inputs``, which belong to the whole; its overlaps get their final names from
        ``landremed.slivers.named`` when the votes of all shares are known.
    issues : IssueGroups
        Findings.
    """
    project, book, layers, ruler = job.project, job.book, job.layers, job.ruler
    measured = ruler.measure(parcels.polygons, progress)
    follow_engine(ruler.engine.name)
    found = [*parcels.findings, *(f for layer in layers for f in layer.findings)]
    found += [*absent_layers(project, book), *given.findings]
    pairs = [*_disputed(parcels, measured, project), *(twins or _twins)(parcels)]
    issues = issue_groups(
        (f for f in found if not f.parcel_id),
        (f for f in parcels.findings if f.parcel_id),
        (f for f in given.findings if f.parcel_id),
        pairs,
        files=[parcels.source.display, *(spec.path for spec in project.evidence)],
        severity=project.severity,
        language=project.language or "zh",
    )
    overlaps = overlap_table(parcels.ids, measured, [spec.role for spec in project.layers])
    overlaps, votes = evidence(overlaps, parcels, layers, measured, project.tolerance)
    whole = Overlay(
        project=project,
        ids=parcels.ids,
        attributes=parcels.source.attributes,
        polygons=parcels.polygons,
        crs=parcels.crs,
        measured=measured,
        given=given,
        overlaps=overlaps,
        sliver_votes=votes,
        features=feature_table(parcels.ids, measured, layers),
        land_use=land_use_table(parcels.ids, measured),
        issues=issue_table((), project.severity, project.language or "zh"),
        inputs={},
        parent=np.zeros(0, np.int64),
        part_number=np.zeros(0, np.int64),
        part_polygons=PolygonSet(pa.array([], pa.large_binary())),
        part_measured=None,
        area=job.area,
        edges=LayerEdges(layers, parcels.polygons, measured.features, project.edges_within_m),
    )
    stage("parts")
    return _with_parts(whole, book, ruler, layers, job.area), issues


def decide_overlay(
    overlay: Overlay, book: RuleBook, *, stage: Stage = lambda name: None, reuse: Reuse | None = None
) -> Decisions:
    """Decide every parcel, and every part of the parcels that were cut.

    Parameters
    ----------
    overlay : Overlay
        From ``measure_project``.
    book : RuleBook
        With the readings wanted.
    stage : callable
        Told the name of each stage as it begins.
    reuse : Reuse, optional
        That of ``measure_project``, to take over how firm outcomes are.
    """
    stage("decide")
    project = overlay.project
    columns, computed = _all_facts(overlay.measured, overlay.given, book, project, None)
    decided = _decide(book, columns, overlay.measured, project, 0)
    whole = decided
    parts = None
    demolish, restore = demolition_areas(book, overlay.measured.area_m2, decided)
    if overlay.part_measured is not None and len(overlay.parent):
        part_columns, part_computed = _all_facts(
            overlay.part_measured, overlay.given, book, project, overlay.parent
        )
        part_decided = _decide(
            book, part_columns, overlay.part_measured, project, int(decided.trace_id.max(initial=0))
        )
        sizes = demolition_areas(book, overlay.part_measured.area_m2, part_decided)
        parts = _judged(
            book, project, overlay.part_measured, part_computed, part_columns, part_decided, sizes
        )
        decided = _combined(book, decided, part_decided, overlay.parent)
        for total, part in zip((demolish, restore), sizes, strict=True):
            total[np.unique(overlay.parent)] = 0.0
            np.add.at(total, overlay.parent, part)
    sizes = (demolish, restore)
    judged = _judged(book, project, overlay.measured, computed, columns, decided, sizes)
    _require_all_rows(overlay, judged)
    stage("sensitivity")
    judgement = _judgement(overlay, book, whole, decided)
    firm = _firmness(overlay, judgement, reuse)
    return Decisions(overlay, book, replace(judged, firmness=firm), parts, judgement)


def _twins(parcels: Parcels) -> list[Finding]:
    return same_place(parcels.ids, parcels.polygons, parcels.source.display, parcels.source.row_numbers)


def _judgement(overlay: Overlay, book: RuleBook, whole: Decided, decided: Decided) -> Judgement:
    outcomes = np.array([str(d.outcome) for d in decided.decisions], dtype=object)
    return Judgement(
        book=book,
        project=overlay.project,
        ids=overlay.ids,
        polygons=overlay.polygons,
        measured=overlay.measured,
        given=overlay.given.columns,
        overlaps=overlay.overlaps,
        area=overlay.area,
        decided=whole,
        outcome=outcomes[decided.code],
    )


def _firmness(overlay: Overlay, judgement: Judgement, reuse: Reuse | None) -> Firmness | None:
    """Move boundaries, unless the project does not want it or nothing is known of them."""
    wanted = overlay.project.sensitivity
    if not wanted.enabled or overlay.edges is None:
        return None
    ask = partial(firmness, position_m=overlay.project.tolerance.position_m, limit_m=wanted.limit_m)
    if reuse is None:
        return ask(judgement, overlay.edges)
    return reuse.firmness(judgement, overlay.edges, ask, overlay.project.edges_within_m)


def redrawn(parcels: Parcels, crs: str, boundaries: Mapping[str, bytes]) -> Parcels:
    """Take boundaries that were surveyed again and accepted in place of those of the parcels' file."""
    if not boundaries:
        return parcels
    known = set(parcels.ids)
    drawn = {pid: moved(wkb, crs, parcels.crs) for pid, wkb in boundaries.items() if pid in known}
    shapes = parcels.polygons.wkb.to_pylist()
    wkb = [drawn.get(pid, shape) for pid, shape in zip(parcels.ids, shapes, strict=True)]
    file, numbers = parcels.source.display, parcels.source.row_numbers.tolist()
    told = [
        Finding("boundary_redrawn", pid, file, row)
        for pid, row in zip(parcels.ids, numbers, strict=True)
        if pid in drawn
    ]
    polygons = PolygonSet(pa.array(wkb, pa.large_binary()))
    return replace(parcels, polygons=polygons, findings=[*parcels.findings, *told])


def _require_all_rows(overlay: Overlay, judged: Judged) -> None:
    """Every parcel in is a row out; anything else is a defect that must not be written."""
    if len(judged.decided.code) != len(overlay.ids):
        raise LandremedError("rows_lost", given=len(overlay.ids), left=len(judged.decided.code))


def require_usable(project: Project, book: RuleBook) -> None:
    """Refuse a project that names facts the rule book does not know, or a calendar that is not there."""
    from landremed.project import unknown_fact

    for section, facts in (("fields", project.parcels.fields), ("values", project.parcels.values)):
        for fact in facts:
            if fact not in book.vocabulary and fact.removeprefix("override_") not in book.vocabulary:
                raise unknown_fact(project, section, fact, list(book.vocabulary))
    if project.calendar is not None and not (project.base / project.calendar).is_file():
        raise InputError("calendar_missing", Where(file=project.calendar))


def read_evidence(project: Project) -> list[EvidenceTable]:
    """Read the evidence tables of a project, in order."""
    limits = Limits(**project.limits)
    return [
        EvidenceTable(
            read_table(
                spec.path,
                base=project.base,
                sheet=spec.sheet,
                encoding=spec.encoding,
                wanted=(spec.id,),
                limits=limits,
            ),
            spec.path,
            spec.id,
        )
        for spec in project.evidence
    ]


def _disputed(parcels: Parcels, measured: Measured, project: Project) -> list[Finding]:
    """Report every area that two independent computations do not agree on."""
    numbers = parcels.source.row_numbers
    return [
        Finding(
            "area_disputed",
            parcels.ids[row["parcel"]],
            parcels.source.display,
            int(numbers[row["parcel"]]),
            params={
                "layer": project.layers[row["layer"]].role,
                "pieces_m2": f"{row['area_pieces_m2']:.4f}",
                "formula_m2": f"{row['area_formula_m2']:.4f}",
                "exact_m2": f"{row['area_exact_m2']:.4f}",
            },
        )
        for row in measured.disputed.to_pylist()
    ]


def absent_layers(project: Project, book: RuleBook) -> list[Finding]:
    """Report the layers that rules ask about and nobody gave."""
    given = {spec.role for spec in project.layers}
    return [
        Finding("layer_absent", params={"role": role}) for role in asked_layers(book) if role not in given
    ]


def _all_facts(
    measured: Measured, given: GivenFacts, book: RuleBook, project: Project, parent: IntArray | None
) -> tuple[dict[str, FactColumn], ComputedFacts]:
    """Join computed and given facts; ``parent`` spreads the parcels' given facts over parts."""
    straddle = Straddle.REVIEW if parent is not None else project.straddle
    computed = computed_facts(measured, project.tolerance, straddle, within_layers(book.vocabulary))
    numeric = [name for name, spec in book.vocabulary.items() if spec.kind == "number"]
    columns = given.columns
    if parent is not None:
        columns = {name: FactColumn(c.codes[parent], c.values) for name, c in columns.items()}
    joined = with_overrides(fact_columns(computed, measured, numeric), columns)
    truth = {fact: _truth(joined[fact]) for fact in computed.truth}
    return joined, replace(computed, truth=truth)


def _truth(column: FactColumn) -> npt.NDArray[np.int8]:
    value = [-1 if v is None or isinstance(v, Unknown) else int(v is True) for v in column.values]
    return np.array(value, np.int8)[column.codes]


def _decide(
    book: RuleBook, columns: Mapping[str, FactColumn], measured: Measured, project: Project, first_trace: int
) -> Decided:
    return decide_rows(
        book,
        columns,
        as_of=project.as_of,
        has_geometry=~np.isnan(measured.area_m2),
        first_trace=first_trace,
    )


def _combined(book: RuleBook, whole: Decided, parts: Decided, parent: IntArray) -> Decided:
    """Give every parcel that was cut the common decision of its parts; it keeps its own trace."""
    decisions, code = list(whole.decisions), whole.code.copy()
    memo: dict[tuple[int, ...], int] = {}
    for row in np.unique(parent):
        key = tuple(int(c) for c in parts.code[parent == row])
        if key not in memo:
            memo[key] = len(decisions)
            decisions.append(combine_parts(book, [parts.decisions[c] for c in key]))
        code[row] = memo[key]
    return replace(whole, decisions=decisions, code=code)


def _judged(
    book: RuleBook,
    project: Project,
    measured: Measured,
    computed: ComputedFacts,
    columns: Mapping[str, FactColumn],
    decided: Decided,
    sizes: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
) -> Judged:
    rows = len(measured.area_m2)
    category = columns.get("category", FactColumn(np.zeros(rows, np.int32), [None]))
    units: UnitChoice | None = None
    if measured.admin_units is not None:
        duties = [book.duties(v if isinstance(v, str) else None) for v in category.values]
        every = frozenset(("zone", "town"))
        wishes = [
            (frozenset(d.unit_kinds) or every, (d.unit_name_contains,) if d.unit_name_contains else ())
            for d in duties
        ]
        units = choose_units(
            measured.admin_units,
            measured.area_m2,
            wishes,
            category.codes,
            project.tolerance,
        )
    return Judged(
        measured=measured,
        computed=computed,
        decided=decided,
        category=category,
        dates={
            n: c for n, c in columns.items() if n in book.vocabulary and book.vocabulary[n].kind == "date"
        },
        units=units,
        demolish_m2=sizes[0],
        restore_m2=sizes[1],
    )


def _with_parts(
    overlay: Overlay, book: RuleBook, ruler: Ruler, layers: Sequence[Layer], area: AreaMeasure
) -> Overlay:
    """Cut and measure the parcels that the project or a reading wants cut."""
    project = overlay.project
    if project.straddle is not Straddle.SPLIT and not book.cuts:
        return overlay
    columns, computed = _all_facts(overlay.measured, overlay.given, book, project, None)
    decided = _decide(book, columns, overlay.measured, project, 0)
    plan = plan_cuts(book, decided.decisions, decided.code, overlay.measured, computed, project.straddle)
    if not plan:
        return overlay
    parent, number, polygons = cut_parcels(overlay.polygons, plan, layers, area, project.tolerance)
    return replace(
        overlay,
        parent=parent,
        part_number=number,
        part_polygons=polygons,
        part_measured=ruler.measure(polygons),
    )


def job_inputs(
    job: Job, parcels: VectorSource, crs: tuple[pyproj.CRS, pyproj.CRS], evidence: Sequence[EvidenceTable]
) -> dict[str, object]:
    """Return what the result rests on, in the order in which a reader asks.

    Parameters
    ----------
    job : Job
        Settings and layers.
    parcels : VectorSource
        The parcels as read.
    crs : pair of pyproj.CRS
        Working CRS, and CRS of the parcels' file.
    evidence : sequence of EvidenceTable
        As read.
    """
    project, book = job.project, job.book
    tolerance = {f"tolerance.{k}": getattr(project.tolerance, k) for k in project.tolerance.__slots__}
    entries: dict[str, object] = {
        "version": version(),
        "project": project.name,
        "secrecy": project.secrecy,
        "rules": book.name,
        "rules_hash": book.content_hash,
        "as_of": project.as_of,
        "crs": crs[0].to_string(),
        "area": str(getattr(job.area, "kind", "")),
        "straddle": project.straddle.value,
        "basis": project.basis,
        "language": project.language or "zh",
        **tolerance,
        **{f"sensitivity.{k}": getattr(project.sensitivity, k) for k in project.sensitivity.__slots__},
        **{f"reading.{name}": value for name, value in book.readings.items()},
        "input.parcels": source_entry(parcels, crs[1].to_string()),
    }
    for layer in job.layers:
        spec = layer.spec
        extra = {"version": spec.version, "date": spec.date, "where": spec.where}
        if layer.coverage_source is not None:
            extra |= {"coverage": spec.coverage, "coverage_hash": layer.coverage_source.content_hash}
        entries[f"input.{spec.role}"] = source_entry(layer.source, layer.input_crs.to_string(), **extra)
    for number, table in enumerate(evidence, 1):
        entries[f"input.evidence.{number}"] = evidence_entry(table.file, table.id_field, table.raw)
    settings = {"settings": project.settings_json, "engine": job.ruler.engine.name}
    return entries | library_versions() | settings
