"""One partition: measured, decided, judged and written; a pure function of scratch folder and number."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyproj

from landremed.errors import LandremedError, OutputError, Where
from landremed.given import EvidenceTable, given_facts
from landremed.io.gpkg import OutLayer
from landremed.law import RuleBook
from landremed.layers import Layer, Parcels
from landremed.measure import Ruler
from landremed.output import area_sums, result_layers, rules_fired
from landremed.overlay import PolygonSet
from landremed.overlay.engine import Engine
from landremed.overlay.tables import AreaMeasure
from landremed.overlay_tables import IssueGroups
from landremed.partitions.job_file import open_job
from landremed.partitions.row_files import GEOMETRY, read_rows, write_rows, writing
from landremed.partitions.scratch import (
    DONE,
    JOB,
    Manifest,
    evidence_file,
    finish_done,
    parcels_file,
    read_done,
    require_manifest,
)
from landremed.partitions.traces import trace_keys
from landremed.partitions.twins import twins_of
from landremed.pipeline import Decisions, Job, decide_overlay, measure_share
from landremed.project import Project
from landremed.report.summary import decision_counts
from landremed.slivers import merged_votes, telling
from landremed.tables import VectorSource, plain_table

__all__ = ["ROW_LAYERS", "SHARED_GROUPS", "Done", "SpooledJob", "run_partition"]

ROW_LAYERS: Final = ("decisions", "parts", "overlaps", "overlap_features", "land_use", "facts")
"""Layers of the result whose rows are about single parcels."""

SHARED_GROUPS: Final = ("given", "pairs")
"""Groups of findings that come from partitions; the others are known before."""


@dataclass(frozen=True)
class Done:
    """A partition that is done.

    Attributes
    ----------
    number, rows : int
        The partition, and its parcels.
    seconds, peak_mb : float
        Time it took, and the most memory its process has held so far, in 10^6 bytes.
    worker : str
        Machine and process.
    reused : bool
        It was done already.
    """

    number: int
    rows: int
    seconds: float
    peak_mb: float
    worker: str
    reused: bool


@dataclass(frozen=True)
class SpooledJob:
    """What every partition is held against, as it lies in the scratch folder.

    Attributes
    ----------
    source : VectorSource
        Where the parcels came from; without rows.
    engine : Engine or str
        Indexed layers, or the name of an engine that indexes them itself.
    extents : ndarray
        See ``landremed.partitions.twins``.
    """

    project: Project
    book: RuleBook
    layers: Sequence[Layer]
    area: AreaMeasure
    engine: Engine | str
    source: VectorSource
    crs: pyproj.CRS
    input_crs: pyproj.CRS
    extents: npt.NDArray[np.float64]

    def opened(self) -> Job:
        """Return the job with its ruler."""
        if isinstance(self.engine, str):
            ruler = Ruler(self.layers, area=self.area, engine=self.engine)
        else:
            engine = self.engine
            ruler = Ruler(self.layers, area=self.area, prepare=lambda *_, **__: engine)
        return Job(self.project, self.book, self.layers, ruler, self.area)


def run_partition(folder: str, number: int) -> Done:
    """Do one partition, unless it is done already.

    Parameters
    ----------
    folder : str
        Scratch folder that ``landremed.partitions.spool`` made.
    number : int
        The partition, from 0.

    Raises
    ------
    LandremedError
        Code ``partition_failed`` for everything unforeseen.
    """
    began = time.perf_counter()
    root = Path(folder)
    manifest = require_manifest(root)
    rows = manifest.rows[number]
    worker = f"{socket.gethostname()}:{os.getpid()}"
    if read_done(root, number, whole=True) is not None:
        return Done(number, rows, time.perf_counter() - began, peak_mb(), worker, reused=True)
    try:
        _do(root, number, manifest)
    except LandremedError:
        raise
    except Exception as error:
        raise partition_failed(manifest, number, f"{type(error).__name__}: {error}") from error
    return Done(number, rows, time.perf_counter() - began, peak_mb(), worker, reused=False)


def partition_failed(manifest: Manifest, number: int, reason: str) -> LandremedError:
    """Return the error for a partition that cannot be done."""
    first, last = manifest.spans[number]
    return LandremedError(
        "partition_failed",
        Where(file=manifest.file),
        number=number + 1,
        total=len(manifest.rows),
        count=manifest.rows[number],
        first=first,
        last=last,
        reason=" ".join(reason.split())[:300],
    )


def peak_mb() -> float:
    """Return the most memory this process has held, in 10^6 bytes; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


_open: dict[str, tuple[str, SpooledJob, Job]] = {}


def _job(folder: Path, manifest: Manifest) -> tuple[SpooledJob, Job]:
    """Return the job of a folder; a process keeps the last one open."""
    key = str(folder)
    if key not in _open or _open[key][0] != manifest.digest:
        _open.clear()
        spooled: SpooledJob = open_job(folder / JOB)
        _open[key] = manifest.digest, spooled, spooled.opened()
    return _open[key][1:]


def _do(folder: Path, number: int, manifest: Manifest) -> None:
    spooled, job = _job(folder, manifest)
    parcels, rows = _share(folder, number, spooled)
    spec = job.project.parcels
    evidence = _evidence(folder, number)
    given = given_facts(job.book.vocabulary, parcels.ids, parcels.source, spec.fields, spec.values, evidence)
    twins = partial(twins_of, number=number, extents=spooled.extents, folder=folder)
    overlay, issues = measure_share(job, parcels, given, twins=twins)
    decided = decide_overlay(overlay, job.book)
    (folder / DONE).mkdir(exist_ok=True)
    temp = Path(tempfile.mkdtemp(prefix=f"{number:05d}.tmp-", dir=folder / DONE))
    try:
        more = _write(temp, decided, issues, rows, manifest.block)
        finish_done(folder, number, temp, more)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError("scratch_write_failed", Where(file=str(folder)), reason=reason) from error
    finally:
        shutil.rmtree(temp, ignore_errors=True)


def _share(folder: Path, number: int, spooled: SpooledJob) -> tuple[Parcels, npt.NDArray[np.int64]]:
    """Return the parcels of a partition and their rows in their file, from 0."""
    table = read_rows(parcels_file(folder, number)).combine_chunks()
    rows, ids, wkb = (pa.concat_arrays(table.column(i).chunks) for i in range(3))
    attributes = table.select(list(range(3, table.num_columns)))
    schema = spooled.source.attributes.schema
    attributes = pa.table(attributes.columns, schema=schema) if len(schema) else attributes
    places = rows.to_numpy()
    source = VectorSource(
        file=spooled.source.file,
        layer=spooled.source.layer,
        driver=spooled.source.driver,
        attributes=attributes,
        wkb=wkb,
        crs_wkt=spooled.source.crs_wkt,
        encoding=spooled.source.encoding,
        encoding_ground=spooled.source.encoding_ground,
        content_hash=spooled.source.content_hash,
        rows=places,
    )
    return Parcels(ids.to_pylist(), source, PolygonSet(wkb), spooled.crs, spooled.input_crs), places


def _evidence(folder: Path, number: int) -> Sequence[EvidenceTable]:
    path = evidence_file(folder, number)
    tables: Sequence[EvidenceTable] = open_job(path) if path.exists() else []
    return tables


def _write(
    temp: Path, decided: Decisions, issues: IssueGroups, rows: npt.NDArray[np.int64], block: int
) -> dict[str, Any]:
    """Write the tables of a partition; return what is kept beside them."""
    overlay = decided.overlay
    layers = {layer.name: layer for layer in result_layers(decided, {})}
    blocks = {}
    for name in ROW_LAYERS:
        table = _with_geometry(layers[name])
        if name == "parts":
            parent = overlay.parent
        else:
            parent = pc.index_in(table["parcel_id"], value_set=pa.array(overlay.ids)).to_numpy()
        blocks[name] = write_rows(temp / f"{name}.arrow", table, rows[parent], block)
    counted = {name: layers[name].table.num_rows for name in ROW_LAYERS}
    first_part = decided.parcels.decided.trace_id.max(initial=0)
    judged = {"trace": (decided.parcels.decided, rows, 0)}
    if decided.parts is not None:
        judged["part_trace"] = (decided.parts.decided, rows[overlay.parent], int(first_part))
    for name, (found, places, start) in judged.items():
        trace = found.trace.set_column(0, "trace_id", pc.subtract(found.trace["trace_id"], start))
        keys = trace_keys(trace, found.trace_id - start, places)
        first = keys["first"].to_numpy()[trace["trace_id"].to_numpy() - 1]
        blocks[name] = write_rows(temp / f"{name}.arrow", trace, first, block)
        _write_whole(temp / f"{name}_keys.arrow", keys)
    for group in SHARED_GROUPS:
        _write_whole(temp / f"issues_{group}.arrow", issues[group])
    _write_whole(temp / "sliver_votes.arrow", merged_votes([overlay.sliver_votes]))
    _write_whole(temp / "slivers.arrow", telling(overlay.overlaps))
    for name in ("decisions", "parts"):
        _write_whole(temp / f"{name}_counts.arrow", decision_counts(layers[name].table))
    sums = [[*key, *value] for part in area_sums(decided) for key, value in part.items()]
    return {
        "blocks": blocks,
        "rows": counted,
        "sums": sums,
        "rules_fired": rules_fired(decided),
        "first_part": int(first_part),
    }


def _with_geometry(layer: OutLayer) -> pa.Table:
    table = plain_table(layer.table)  # coded texts would have to be coded alike in all partitions
    return table if layer.geometry is None else table.append_column(GEOMETRY, layer.geometry)


def _write_whole(path: Path, table: pa.Table) -> None:
    with writing(path, table.schema) as writer:
        writer.write_table(table.combine_chunks())
