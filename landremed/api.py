"""The public functions: what the command line does, for programs and notebooks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from landremed.errors import LandremedError, Where
from landremed.io.gpkg import EarlyLayers, OutLayer
from landremed.io.limits import window_limits
from landremed.io.result_folder import check_folder, names_folder, write_folder
from landremed.io.vector import list_layers, split_layer
from landremed.io.zipped import zip_named
from landremed.law import Decision, load_rulebook
from landremed.law import decide as decide_facts
from landremed.law.vocabulary import default_book
from landremed.measure import Progress
from landremed.output import (
    begin_writing,
    check_output,
    overlay_layers,
    result_layers,
    titled_layers,
    write_facts_early,
    write_layers,
    write_measures_early,
)
from landremed.partitions.memory import PARTITIONS_FROM, ROW_BYTES, Bounds, default_memory
from landremed.partitions.scratch import remove_scratch
from landremed.partly import DecidedLayers, decided_layers
from landremed.pipeline import Basis, Decisions, decide_overlay, measure_project, rule_book
from landremed.project import Project, load_project, make_project
from landremed.report.summary import decision_counts, findings_text, summary_document, summary_text
from landremed.reuse import Reuse
from landremed.review.boundaries import accepted_boundaries
from landremed.tables import VectorSource, plain_table
from landremed.threads import usable_threads
from landremed.types import FactValue
from landremed.written import WrittenLayers

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    import pyarrow as pa

    from landremed.partitions.dask_cluster import DaskCluster
    from landremed.partitions.executors import LocalProcesses
    from landremed.partitions.run import Partitioned

__all__ = ["RunResult", "decide_case", "run", "run_decide", "run_frames", "run_overlay"]

Stage: TypeAlias = Callable[[str], None]


@dataclass(frozen=True)
class RunResult:
    """What was computed, as tables.

    Attributes
    ----------
    layers : mapping of layer name to OutLayer
        Exactly what is written to the file; texts that stand often may be coded (``tables`` has them plain).
    crs_wkt : str
        Working CRS of every geometry.
    findings : mapping of severity to int
        How many findings there are.
    reuse : mapping, optional
        How much was taken over and how much computed, when measures are kept: layers (``layers_reused``),
        measures of parcels and parts (``reused``, ``measured``), decisions (``rows_reused``, ``decided``)
        and how firm they are (``firm_reused``, ``firm_judged``).
    decided : Decisions, optional
        What was decided; None where rows were taken over from an earlier run.
    partitions : Partitioned, optional
        What a run in partitions counted; ``layers`` then reads the written result.
    """

    layers: Mapping[str, OutLayer]
    crs_wkt: str
    project: Project
    decided: Decisions | None = None
    reuse: Mapping[str, int] | None = None
    partitions: Partitioned | None = None
    basis: Basis | None = None

    @property
    def decisions(self) -> gpd.GeoDataFrame:
        """One row per parcel (``docs/outputs.md``)."""
        return self.frame("decisions" if "decisions" in self.layers else "parcels")

    @property
    def summary(self) -> pd.DataFrame:
        """Counts and areas by category and outcome."""
        frame: pd.DataFrame = self.frame("summary")
        return frame

    @property
    def issues(self) -> gpd.GeoDataFrame:
        """Findings."""
        return self.frame("issues")

    @property
    def findings(self) -> dict[str, int]:
        """Number of findings by severity."""
        counted = {"error": 0, "warning": 0, "info": 0}
        for severity in self.layers["issues"].table["severity"].to_pylist():
            counted[severity] += 1
        return counted

    @property
    def status(self) -> int:
        """Exit status of the command: 3 with findings of severity error or warning, else 0."""
        found = self.findings
        return 3 if found["error"] or found["warning"] else 0

    def summary_text(self, language: str) -> str:
        """Return the terminal summary: outcomes by class, what waits for which fact."""
        basis = self._basis
        if basis is None:
            return ""
        return summary_text(self.layers["summary"].table, self._counts, basis.book, language)

    def findings_text(self, language: str, width: int = 100) -> str:
        """Return each kind of finding with its first case."""
        return findings_text(self.layers["issues"].table, language, width)

    def document(self, output: str) -> dict[str, object]:
        """Return the summary for machines."""
        decided = (self.layers["summary"].table, self._counts) if self._basis is not None else None
        document = summary_document(self.layers["issues"].table, output, self.status, decided)
        return document if self.reuse is None else {**document, "reuse": dict(self.reuse)}

    @property
    def _basis(self) -> Basis | None:
        if self.partitions is not None:
            return self.partitions.basis
        if self.basis is not None:
            return self.basis
        return self.decided.basis if self.decided is not None else None

    @property
    def _counts(self) -> pa.Table:
        if self.partitions is not None:
            return self.partitions.counts
        return decision_counts(self.layers["decisions"].table)

    @property
    def tables(self) -> dict[str, pa.Table]:
        """Attribute tables by layer name."""
        return {name: plain_table(layer.table) for name, layer in self.layers.items()}

    def frame(self, name: str) -> Any:
        """Return a layer as GeoDataFrame, or a table as DataFrame.

        Parameters
        ----------
        name : str
            Layer of the result.
        """
        import geopandas as gpd
        import shapely

        layer = self.layers[name]
        frame = plain_table(layer.table).to_pandas()
        if layer.geometry is None:
            return frame
        geometry = shapely.from_wkb(layer.geometry.to_numpy(zero_copy_only=False))
        return gpd.GeoDataFrame(frame, geometry=geometry, crs=self.crs_wkt)


def run(  # noqa: PLR0913  one more: memory
    project: Project | str | Path,
    output: str | Path | None = None,
    *,
    overwrite: bool = False,
    engine: str = "auto",
    jobs: int | str | None = None,
    stage: Stage = lambda name: None,
    progress: Progress | None = None,
    reuse: Reuse | None = None,
    memory: int | None = None,
) -> RunResult:
    """Check, overlay, decide and, with ``output``, write the result GeoPackage.

    Parameters
    ----------
    project : Project or path
        A project, or its TOML file.
    output : path, optional
        GeoPackage to write, or, with a slash at its end, a folder of GeoParquet files; nothing is written
        without it.
    overwrite : bool
        Replace an existing output once the new one is complete.
    engine : {"auto", "native", "shapely"}
        Measuring engine.
    jobs : int or str, optional
        Processes among which the parcels are divided, and threads where they are few; all cores by default.
        Or the dask cluster that they are divided among (``docs/scale.md``): ``tcp://host:port``, ``local:N``.
    stage : callable
        Told the name of each stage as it begins.
    progress : callable (done, total), optional
        Told how many parcels have been measured.
    reuse : landremed.reuse.Reuse, optional
        Measures of an earlier run to take over; those of this run are kept beside ``output``.
    memory : int, optional
        Bytes that all processes together may hold; large runs take a share of this machine's by default.

    Returns
    -------
    RunResult
        All output tables. Areas in m², shares 0..1, geometry in the working CRS.

    Raises
    ------
    LandremedError
        When the data as a whole, or the output, stops the job. Nothing is written then.
    """
    checked, clock = _begin(project, output, overwrite, jobs, folders=True)
    divided = _executor(checked, output, jobs, reuse, memory)
    if divided is not None and output is not None:
        with divided as executor:
            return _run_partitions(
                checked,
                clock,
                output,
                overwrite,
                engine=engine,
                executor=executor,
                stage=stage,
                progress=progress,
                bounds=Bounds(memory),
            )
    file = None if output is None or names_folder(output) else Path(output)
    with begin_writing(file) as early:
        measured = measure_project(
            checked,
            engine=engine,
            jobs=jobs if isinstance(jobs, int) else None,
            stage=stage,
            progress=progress,
            boundaries=accepted_boundaries(Path(output)) if output is not None else ("", {}),
            reuse=reuse,
            known=partial(write_facts_early, early, checked),
        )
        book = rule_book(checked)
        write_measures_early(early, measured)
        if reuse is None:
            decided = decide_overlay(measured, book, stage=stage)
            stage("tables")
            made = DecidedLayers(result_layers(decided, clock.entries()), decided.basis, decided)
        else:
            made = decided_layers(measured, book, clock.entries(), stage=stage, reuse=reuse)
        if output is not None:
            stage("write")
            with nullcontext() if reuse is None else reuse.keeping(output) as keep:
                write_result(
                    output, made.layers, measured.crs.to_wkt(), checked, overwrite, made.basis, early
                )
                remove_scratch(Path(output))
                if keep is not None:
                    stage("keep")
                    keep()
    layers = {layer.name: layer for layer in made.layers}
    counted = None if reuse is None else reuse.counts
    return RunResult(layers, measured.crs.to_wkt(), checked, made.decided, counted, basis=made.basis)


def _executor(
    project: Project,
    output: str | Path | None,
    jobs: int | str | None,
    reuse: Reuse | None,
    memory: int | None,
) -> LocalProcesses | DaskCluster | None:
    """Return who does the partitions of a run, None where it is done in this process as a whole."""
    if isinstance(jobs, str):
        if output is None or reuse is not None:
            raise LandremedError("cluster_needs_output", Where(file=jobs))
        from landremed.partitions.dask_cluster import DaskCluster

        return DaskCluster(jobs)
    if output is None or reuse is not None:
        return None
    processes = jobs or usable_threads()
    rows = _rows_of(project)
    large = rows >= PARTITIONS_FROM and processes > 1
    if memory is not None or large or rows * ROW_BYTES > default_memory():
        from landremed.partitions.executors import LocalProcesses

        return LocalProcesses(processes)
    return None


def _run_partitions(
    project: Project, clock: RunClock, output: str | Path, overwrite: bool, *, stage: Stage, **options: Any
) -> RunResult:
    """Run in partitions and write the result."""
    from landremed.partitions.run import run_partitions

    path = Path(output)
    done = run_partitions(
        project,
        path,
        stage=stage,
        entries=clock.entries,
        **options,
    )
    crs_wkt = done.basis.crs.to_wkt()
    stage("write")
    write_result(output, done.layers, crs_wkt, project, overwrite, done.basis, threads=done.writers)
    done.remove()
    layers = WrittenLayers(path, {layer.name: layer for layer in done.layers})
    return RunResult(layers, crs_wkt, project, partitions=done)


def _rows_of(project: Project) -> int:
    """Return how many parcels a project's file holds, 0 where that is not told at once."""
    path, layer = project.parcels.path, project.parcels.layer
    if layer is None:
        path, layer = split_layer(path)
    if zip_named(path)[0] or path.lower().endswith(".txt"):
        return 0
    try:
        found = list_layers(path, base=project.base, limits=window_limits(project.limits))
    except LandremedError:
        return 0  # the reader says what is wrong
    return max((info.rows for info in found if layer in (None, info.name)), default=0)


def run_overlay(
    project: Project | str | Path,
    output: str | Path | None = None,
    *,
    overwrite: bool = False,
    engine: str = "auto",
    jobs: int | None = None,
    stage: Stage = lambda name: None,
    progress: Progress | None = None,
) -> RunResult:
    """Measure parcels against layers without deciding; parameters as for ``run``.

    Returns
    -------
    RunResult
        ``parcels`` with one set of area columns per layer, ``overlaps`` with the pieces, and what ``decide``
        needs to go on.
    """
    checked, clock = _begin(project, output, overwrite, jobs)
    measured = measure_project(checked, engine=engine, jobs=jobs, stage=stage, progress=progress)
    layers = overlay_layers(measured, clock.entries())
    if output is not None:
        stage("write")
        write_result(output, layers, measured.crs.to_wkt(), checked, overwrite, None)
    return RunResult({layer.name: layer for layer in layers}, measured.crs.to_wkt(), checked)


def run_decide(
    overlay_file: str | Path,
    output: str | Path | None = None,
    *,
    project: str | Path | None = None,
    settings: Sequence[str] = (),
    overwrite: bool = False,
    stage: Stage = lambda name: None,
) -> RunResult:
    """Decide on what ``overlay`` measured, with the settings kept in its file.

    Parameters
    ----------
    overlay_file : path
        GeoPackage written by ``overlay``.
    output : path, optional
        GeoPackage to write.
    project : path, optional
        Take tolerances, readings, rules and dates from this project file instead.
    settings : sequence of "key=value"
        Override any key.
    overwrite : bool
        Replace an existing output once the new one is complete.
    stage : callable
        Told the name of each stage as it begins.
    """
    from landremed.overlay_file import read_overlay

    clock = RunClock(output, None)
    if output is not None:
        check_output(Path(output), None, overwrite=overwrite, also=[Path(overlay_file)])
    stage("read overlay")
    measured = read_overlay(Path(overlay_file), project=project, settings=settings)
    decided = decide_overlay(measured, rule_book(measured.project), stage=stage)
    layers = result_layers(decided, clock.entries())
    if output is not None:
        stage("write")
        write_result(output, layers, measured.crs.to_wkt(), measured.project, overwrite, decided.basis)
    return RunResult(
        {layer.name: layer for layer in layers}, measured.crs.to_wkt(), measured.project, decided
    )


def run_frames(
    parcels: gpd.GeoDataFrame,
    layers: Mapping[str, gpd.GeoDataFrame],
    *,
    id: str | None = None,  # noqa: A002  the project file's own word
    settings: Sequence[str] = (),
    engine: str = "auto",
    jobs: int | None = None,
) -> RunResult:
    """Run on GeoDataFrames.

    Parameters
    ----------
    parcels : GeoDataFrame
        One row per parcel, with a CRS; columns named like facts, or mapped by ``settings``, are read.
    layers : mapping of role to GeoDataFrame
        Constraint layers, by their full, short or Chinese names, each with a CRS.
    id : str, optional
        Column that identifies a parcel.
    settings : sequence of "key=value"
        Any key of the project file.
    engine, jobs
        As for ``run``.

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> crs = "EPSG:4548"
    >>> parcel = gpd.GeoDataFrame(
    ...     {"category": ["illegal_occupation"], "subtype": ["industrial"], "occurred_on": ["2019"]},
    ...     geometry=[shapely.box(560000, 4300000, 560100, 4300100)], crs=crs)
    >>> red_line = gpd.GeoDataFrame(geometry=[shapely.box(560050, 4299000, 561000, 4301000)], crs=crs)
    >>> result = run_frames(parcel, {"red_line": red_line}, settings=["project.as_of=2022-03-31"])
    >>> result.decisions.loc[0, ["outcome", "clause"]].tolist()
    ['demolish_restore', '3.2.1(1)']
    >>> round(result.decisions.loc[0, "ecological_red_line_area_m2"], 2)
    np.float64(4999.56)
    """
    from landremed.frames import frame_source
    from landremed.project import role_name

    sources: dict[str, VectorSource] = {"parcels": frame_source(parcels, "parcels")}
    options = []
    for role, frame in layers.items():
        sources[role_name(role)] = frame_source(frame, role)
        options.append(f"{role}={role}")
    extra = [*settings, *([f'parcels.id="{id}"'] if id else [])]
    project = make_project("parcels", options, settings=extra)
    measured = measure_project(project, engine=engine, jobs=jobs, sources=sources)
    decided = decide_overlay(measured, rule_book(project))
    tables = result_layers(decided, {})
    return RunResult({layer.name: layer for layer in tables}, measured.crs.to_wkt(), project, decided)


def decide_case(
    facts: Mapping[str, FactValue],
    *,
    rules: str | Path | None = None,
    readings: Mapping[str, object] | None = None,
    as_of: date | None = None,
) -> Decision:
    """Decide one set of facts, without any geometry.

    Parameters
    ----------
    facts : mapping of fact to value
        Facts by name (``landremed rules list``); what is left out is unknown.
    rules : str or path, optional
        Rule book; the one of ``rules/default.yaml`` by default.
    readings : mapping, optional
        The office's readings.
    as_of : date, optional
        Day on which deadlines are judged; today by default.
    """
    book = load_rulebook(rules or default_book()).with_readings(readings or {})
    return decide_facts(book, facts, as_of=as_of or date.today())


class RunClock:
    """The entries of the provenance that differ from run to run."""

    def __init__(self, output: str | Path | None, jobs: int | str | None) -> None:
        self._started = datetime.now(UTC)
        self._ticks = time.perf_counter()
        self._output = Path(output).name if output is not None else None
        self._jobs = jobs

    def entries(self) -> dict[str, object]:
        """Return them for a run that ends now."""
        return {
            "started": self._started.isoformat(timespec="seconds"),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "elapsed_s": f"{time.perf_counter() - self._ticks:.2f}",
            "output": self._output,
            "jobs": self._jobs,
        }


def _begin(
    project: Project | str | Path,
    output: str | Path | None,
    overwrite: bool,
    jobs: int | str | None,
    *,
    folders: bool = False,
) -> tuple[Project, RunClock]:
    """Load the project and refuse an output that cannot be written, before any work is done."""
    checked = project if isinstance(project, Project) else load_project(project)
    clock = RunClock(output, jobs)
    if output is not None and names_folder(output) and folders:
        check_folder(Path(output), overwrite=overwrite)
    elif output is not None:
        check_output(Path(output), checked, overwrite=overwrite)
    return checked, clock


def write_result(
    output: str | Path,
    layers: Sequence[OutLayer],
    crs_wkt: str,
    project: Project,
    overwrite: bool,
    basis: Basis | None,
    early: EarlyLayers | None = None,
    threads: int | None = None,
) -> None:
    language = project.language or "zh"
    titles = {}
    if basis is not None:
        titles = basis.book.titles(language)
    if basis is not None and names_folder(output):
        named = titled_layers(layers, language, titles, basis)
        write_folder(Path(output), named, crs_wkt=crs_wkt, overwrite=overwrite, threads=threads)
        return
    write_layers(
        Path(output),
        layers,
        crs_wkt=crs_wkt,
        language=language,
        overwrite=overwrite,
        fact_titles=titles,
        basis=basis,
        early=early,
    )
