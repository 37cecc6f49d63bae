"""A whole run in partitions: spool, partitions, merge."""

from __future__ import annotations

import errno
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa

from landremed.area import area_measure, default_kind
from landremed.errors import OutputError, Where
from landremed.given import EvidenceTable, given_facts
from landremed.io.gpkg import OutLayer
from landremed.layers import load_layers, load_parcels
from landremed.measure import Progress, Ruler
from landremed.output import result_provenance
from landremed.overlay.engine import Engine
from landremed.overlay.looks import allow_kernels
from landremed.overlay_tables import IssueGroups, issue_groups
from landremed.partitions.dask_cluster import DaskCluster
from landremed.partitions.executors import Executor, LocalProcesses
from landremed.partitions.job_file import write_job
from landremed.partitions.memory import Bounds, Share, default_memory, fitting, give_back
from landremed.partitions.merge import Merged
from landremed.partitions.parcels import NotInWindowsError, ReadParcels, forget_windows, in_memory, in_windows
from landremed.partitions.scratch import (
    DONE,
    JOB,
    Manifest,
    claim,
    has_done,
    read_done,
    read_manifest,
    scratch_folder,
    write_manifest,
)
from landremed.partitions.spool import (
    block_rows,
    digest_of,
    partition_rows,
    plan,
    slim,
    without_rows,
    write_evidence,
    write_shares,
)
from landremed.partitions.work import SpooledJob
from landremed.pipeline import (
    Basis,
    Job,
    absent_layers,
    job_inputs,
    read_evidence,
    redrawn,
    require_usable,
    rule_book,
    shown_files,
    sliver_issues,
)
from landremed.project import Project
from landremed.provenance import provenance_table
from landremed.review.boundaries import accepted_boundaries
from landremed.summary import summary_table
from landremed.text import log_message

__all__ = ["Partitioned", "run_partitions"]

Stage: TypeAlias = Callable[[str], None]

_FULL: Final = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


@dataclass(frozen=True)
class Partitioned:
    """What came out of a run in partitions, ready to be written.

    Attributes
    ----------
    layers : sequence of OutLayer
        Of the result, in order; big ones as streams from the scratch folder.
    counts : pyarrow.Table
        See ``landremed.report.summary.decision_counts``.
    folder : Path
        Scratch folder, to be removed when the result is written.
    reused : int
        Partitions that had been done before.
    writers : int
        Files that memory lets be written at a time.
    """

    layers: Sequence[OutLayer]
    basis: Basis
    counts: pa.Table
    folder: Path
    reused: int
    writers: int

    def remove(self) -> None:
        """Remove the scratch folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def run_partitions(
    project: Project,
    output: Path,
    *,
    engine: str,
    executor: Executor,
    stage: Stage,
    progress: Progress | None,
    entries: Callable[[], Mapping[str, object]],
    bounds: Bounds | None = None,
) -> Partitioned:
    """Measure and decide in partitions, and merge.

    Parameters
    ----------
    project : Project
        Checked project.
    output : Path
        Result to be written; the scratch folder stands beside it.
    engine : str
        See ``landremed.overlay.prepare``.
    executor : Executor
        Runs the partitions.
    stage, progress
        As for ``landremed.pipeline.measure_project``.
    entries : callable
        Gives the provenance entries of this run.
    bounds : Bounds, optional
        How much memory may be used.

    Raises
    ------
    LandremedError
        What is done then stays in the scratch folder; the same run goes on from there.
    """
    folder = scratch_folder(output)
    sized = partial(_sized, executor, bounds or Bounds())
    try:
        with _unless_refused(folder):
            spooled = _spool(project, folder, engine, stage, accepted_boundaries(output), sized)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        where = Where(file=str(folder))
        raise OutputError("scratch_write_failed", where, reason=error.strerror) from error
    manifest = spooled.manifest
    _tell_kept(folder, manifest)
    give_back()
    stage("partitions")
    done = reused = 0
    for found in executor.run(str(folder), range(len(manifest.rows))):
        done += found.rows
        reused += found.reused
        if progress is not None:
            progress(done, manifest.total)
    stage("merge")
    merged = Merged(folder, manifest)
    parts = merged.layers()
    slivers = sliver_issues(project, spooled.files, merged.sliver_counts(), merged.shifts)
    issues = pa.concat_tables([merged.issues(spooled.issues), slivers])
    table = issues.drop_columns(["geometry"])
    fired = merged.rules_fired(list(spooled.basis.book.rules))
    layers = [
        *(
            parts[name]
            for name in ("decisions", "parts", "overlaps", "overlap_features", "land_use", "facts")
        ),
        parts["trace"],
        OutLayer("issues", table, issues["geometry"], "Point"),
        OutLayer("summary", summary_table(merged.sums())),
        OutLayer("provenance", provenance_table(result_provenance(spooled.inputs, fired, entries()))),
    ]
    return Partitioned(layers, spooled.basis, merged.counts(), folder, reused, spooled.writers)


@contextmanager
def _unless_refused(folder: Path) -> Iterator[None]:
    """Remove the scratch folder when it cannot be made ready and nothing is done in it."""
    try:
        yield
    except BaseException:
        if not has_done(folder):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _tell_kept(folder: Path, manifest: Manifest) -> None:
    """Say how many partitions an earlier run has done, if any."""
    total = len(manifest.rows)
    kept = sum(read_done(folder, number, whole=False) is not None for number in range(total))
    if kept:
        logger = logging.getLogger("landremed.partitions")
        log_message(logger, logging.INFO, "partitions_kept", kept=kept, total=total)


@dataclass(frozen=True)
class _Spooled:
    manifest: Manifest
    basis: Basis
    inputs: Mapping[str, object]
    issues: IssueGroups
    files: Mapping[str, str]
    writers: int


def _spool(
    project: Project,
    folder: Path,
    engine: str,
    stage: Stage,
    boundaries: tuple[str, Mapping[str, bytes]],
    sized: Callable[[int, int], Share],
) -> _Spooled:
    stage("rules")
    allow_kernels(engine != "shapely")
    claim(folder)
    book = rule_book(project)
    require_usable(project, book)
    stage("read parcels")
    parcels = _parcels(project, folder, boundaries)
    area = area_measure(project.area or default_kind(parcels.crs), parcels.crs)
    stage("read layers and facts")
    with load_layers(project, parcels) as read:
        evidence = read_evidence(project)
        layers = read()
    stage("index")
    ruler = Ruler(layers, area=area, engine=engine, expected=parcels.expected)
    job = Job(project, book, layers, ruler, area)
    stage("spool")
    inputs = job_inputs(job, parcels.source, (parcels.crs, parcels.input_crs), evidence)
    shapes = sum(layer.polygons.wkb.nbytes for layer in layers)
    share = sized(len(parcels.ids), shapes)
    wanted = plan(parcels.boxes, share.rows)
    drawn = {"boundaries": [boundaries[0], sorted((k, v.hex()) for k, v in boundaries[1].items())]}
    block = block_rows(len(parcels.ids))
    digest = digest_of(inputs, {**drawn, "rows": wanted.rows, "block": block})
    manifest = Manifest(digest, parcels.source.display, wanted.rows, wanted.spans, block)
    _prepare(folder, digest)
    extents = write_shares(folder, parcels.tables, wanted, parcels.schema)
    forget_windows(folder)
    hits = write_evidence(folder, evidence, parcels.ids, wanted.part)
    issues = _general(job, parcels, evidence, hits)
    engine_kept: Engine | str = ruler.engine if ruler.engine.name == "native" else ruler.engine.name
    write_job(
        folder / JOB,
        SpooledJob(
            project,
            book,
            slim(layers),
            area,
            engine_kept,
            without_rows(parcels.source),
            parcels.crs,
            parcels.input_crs,
            extents,
        ),
    )
    write_manifest(folder, manifest)
    basis = Basis(project, book, parcels.crs)
    return _Spooled(manifest, basis, inputs, issues, shown_files(layers), share.writers)


def _sized(executor: Executor, bounds: Bounds, parcels: int, shapes: int) -> Share:
    """Return what fits into memory; let no more processes run than that."""
    wanted = bounds.rows or partition_rows(parcels)
    if not isinstance(executor, LocalProcesses | DaskCluster):
        return Share(1, wanted, 1)
    share = fitting(
        bounds.memory or default_memory(),
        parcels=parcels,
        layers_bytes=shapes,
        processes=executor.processes,
        rows=wanted,
        block=block_rows(parcels),
    )
    executor.keep(share.processes)
    return share


def _parcels(project: Project, folder: Path, boundaries: tuple[str, Mapping[str, bytes]]) -> ReadParcels:
    """Read the parcels, window by window where their format allows it."""
    if not boundaries[1]:
        try:
            return in_windows(project, folder)
        except NotInWindowsError:
            pass
    return in_memory(redrawn(load_parcels(project), *boundaries))


def _prepare(folder: Path, digest: str) -> None:
    """Make the scratch folder; keep what is done in it when it rests on the same inputs."""
    before = read_manifest(folder)
    if before is None or before.digest != digest:
        shutil.rmtree(folder / DONE, ignore_errors=True)
    (folder / DONE).mkdir(parents=True, exist_ok=True)


def _general(
    job: Job,
    parcels: ReadParcels,
    evidence: Sequence[EvidenceTable],
    hits: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> IssueGroups:
    """Return the findings that are known before any partition is done.

    What evidence tables say as a whole is found on the parcels that they name.
    """
    rows = np.union1d(hits, [0])
    whole, spec = parcels.source, job.project.parcels
    fields = whole.attributes.schema
    blank = pa.table([pa.nulls(len(rows), field.type) for field in fields], fields)
    source = replace(whole, attributes=blank, wkb=whole.wkb.slice(0, len(rows)), rows=rows)
    ids = parcels.ids.take(pa.array(rows)).to_pylist()
    given = given_facts(job.book.vocabulary, ids, source, spec.fields, spec.values, evidence)
    found = [*parcels.findings, *(f for layer in job.layers for f in layer.findings)]
    found += [*absent_layers(job.project, job.book), *given.findings]
    return issue_groups(
        (f for f in found if not f.parcel_id),
        (f for f in parcels.findings if f.parcel_id),
        (),
        (),
        files=[whole.display, *(table.path for table in job.project.evidence)],
        severity=job.project.severity,
        language=job.project.language or "zh",
    )
