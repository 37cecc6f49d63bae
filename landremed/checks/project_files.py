"""All checks of one project, and what they found."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from landremed.area import area_measure, default_kind
from landremed.checks.attributes import fact_findings, id_findings, repeated_ids
from landremed.checks.layer_rules import crossing_findings, layer_findings
from landremed.checks.measures import places
from landremed.checks.shapes import shape_findings
from landremed.checks.stated_areas import area_findings
from landremed.checks.web_maps import shifted_findings
from landremed.errors import InputError, LandremedError
from landremed.given import EvidenceTable, given_facts
from landremed.inspect.aliases import area_field
from landremed.inspect.words import word
from landremed.io.gpkg import OutLayer, check_target
from landremed.io.limits import Limits
from landremed.io.spreadsheet import read_table
from landremed.io.vector import read_vector, split_layer
from landremed.io.zipped import zips_kept
from landremed.law.spatial import asked_layers
from landremed.layers import Layer, Parcels, load_layer, load_parcels
from landremed.output import write_layers
from landremed.overlay_tables import issue_table
from landremed.pipeline import rule_book
from landremed.project import Project, load_project
from landremed.report.labels import word as label
from landremed.report.summary import findings_text
from landremed.report.terminal import table
from landremed.tables import GivenFacts
from landremed.types import Finding

__all__ = ["CheckResult", "check_project"]

Stage: TypeAlias = Callable[[str], None]

_RANK = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class CheckResult:
    """Findings of all checks.

    Attributes
    ----------
    issues : pyarrow.Table
        Layer ``issues`` (``docs/outputs.md``) with a ``geometry`` column of points in the working CRS.
    crs_wkt : str
        Working CRS.
    """

    issues: pa.Table
    crs_wkt: str
    project: Project

    @property
    def counts(self) -> list[tuple[str, str, int]]:
        """Severity, code and number, the gravest and most frequent first."""
        pairs = zip(self.issues["severity"].to_pylist(), self.issues["code"].to_pylist(), strict=True)
        counted = Counter(pairs)
        ranked = sorted(counted, key=lambda key: (_RANK[key[0]], -counted[key], key[1]))
        return [(severity, code, counted[severity, code]) for severity, code in ranked]

    @property
    def status(self) -> int:
        """Exit status: 1 with an error, 3 with a warning, else 0."""
        found = {severity for severity, _, _ in self.counts}
        return 1 if "error" in found else 3 if "warning" in found else 0

    def table_text(self, language: str) -> str:
        """Return the counts as a table."""
        rows = [
            [label(f"severity_{severity}", language), code, count] for severity, code, count in self.counts
        ]
        header = [word(key, language) for key in ("severity", "code", "count")]
        return table(rows, header, "llr") if rows else word("nothing_found", language)

    def cases_text(self, language: str, width: int = 100, *, kept: bool = True) -> str:
        """Return the first case of each code whole, in lines of so many columns.

        ``kept`` tells whether all findings were written to a file.
        """
        return findings_text(self.issues, language, width, kept=kept)

    def document(self) -> dict[str, object]:
        """Return everything for machines."""
        rows = self.issues.drop_columns(["geometry"]).to_pylist()
        counts = [{"severity": s, "code": c, "count": n} for s, c, n in self.counts]
        return {"schema": 1, "status": self.status, "findings": counts, "issues": rows}

    def write(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the findings as layer ``issues`` of a GeoPackage.

        Raises
        ------
        OutputError
            The target exists or cannot be written.
        """
        layer = OutLayer("issues", self.issues.drop_columns(["geometry"]), self.issues["geometry"], "Point")
        language = self.project.language or "zh"
        write_layers(Path(path), [layer], crs_wkt=self.crs_wkt, language=language, overwrite=overwrite)


@zips_kept()
def check_project(
    project: Project | str | Path,
    output: str | Path | None = None,
    *,
    overwrite: bool = False,
    stage: Stage = lambda name: None,
) -> CheckResult:
    """Check parcels, layers and evidence of a project; nothing is measured against layers or decided.

    A layer or table that stops ``run`` is a finding here, so that one pass tells all faults.

    Parameters
    ----------
    project : Project or path
        A project, or its TOML file.
    output : path, optional
        GeoPackage for the findings as points.
    overwrite : bool
        Replace an existing output.
    stage : callable
        Told the name of each stage as it begins.

    Raises
    ------
    LandremedError
        When the project file, the rule book or the parcels as a whole cannot be used.
    """
    checked = project if isinstance(project, Project) else load_project(project)
    if output is not None:
        check_target(Path(output), overwrite=overwrite)
    book = rule_book(checked)
    stage("parcels")
    parcels, findings = _parcels(checked)
    stage("layers")
    layers, faults = _layers(checked, parcels)
    findings += faults
    stage("evidence")
    evidence, faults = _evidence(checked)
    findings += faults
    spec = checked.parcels
    given = GivenFacts({}, pa.table({}))
    try:
        given = given_facts(book.vocabulary, parcels.ids, parcels.source, spec.fields, spec.values, evidence)
    except InputError as error:
        findings.append(_unusable(error))
    findings += [*parcels.findings, *given.findings]
    stage("shapes")
    findings += shape_findings(parcels, checked.tolerance)
    stage("attributes")
    area = area_measure(checked.area or default_kind(parcels.crs), parcels.crs)
    findings += id_findings(parcels, "-".join(spec.id))
    findings += area_findings(parcels, area.of(parcels.polygons.geometries), evidence)
    findings += fact_findings(parcels, given, checked)
    stage("inside layers")
    for layer in layers:
        findings += [*layer.findings, *layer_findings(layer, parcels, checked, given.columns)]
        findings += shifted_findings(parcels, layer)
    findings += crossing_findings(layers, checked.tolerance.min_overlap_area_m2)
    given_roles = {s.role for s in checked.layers}
    absent = [role for role in asked_layers(book) if role not in given_roles]
    findings += [Finding("layer_absent", params={"role": role}) for role in absent]
    issues = issue_table(
        _placed(_once(findings, evidence), parcels, layers), checked.severity, checked.language or "zh"
    )
    result = CheckResult(issues, parcels.crs.to_wkt(), checked)
    if output is not None:
        stage("write")
        result.write(output, overwrite=overwrite)
    return result


def _parcels(project: Project) -> tuple[Parcels, list[Finding]]:
    """Load the parcels; with repeated ids, by row number, so that everything else is checked too."""
    try:
        return load_parcels(project), []
    except InputError as error:
        if error.code != "parcel_id_twice":
            raise
    spec = project.parcels
    path, layer = (spec.path, spec.layer) if spec.layer else split_layer(spec.path)
    limits = Limits(**project.limits)
    source, _ = read_vector(
        path, layer, base=project.base, where=spec.where, encoding=spec.encoding, limits=limits
    )
    numbered = replace(project, parcels=replace(spec, id=()))
    return load_parcels(numbered, None), list(repeated_ids(source, spec.id))


def _layers(project: Project, parcels: Parcels) -> tuple[list[Layer], list[Finding]]:
    layers, findings = [], []
    for spec in project.layers:
        try:
            layers.append(load_layer(project, spec, parcels))
        except LandremedError as error:
            findings.append(_unusable(error))
    return layers, findings


def _evidence(project: Project) -> tuple[list[EvidenceTable], list[Finding]]:
    tables, findings = [], []
    for spec in project.evidence:
        try:
            raw = read_table(
                spec.path,
                base=project.base,
                sheet=spec.sheet,
                encoding=spec.encoding,
                wanted=(spec.id,),
                limits=Limits(**project.limits),
            )
        except InputError as error:
            findings.append(_unusable(error))
        else:
            tables.append(EvidenceTable(raw, spec.path, spec.id))
    return tables, findings


def _unusable(error: LandremedError) -> Finding:
    """Turn what would stop a run into a finding; the value is the code of the error."""
    from landremed.text import message_text

    where = error.where
    problem = {lang: message_text(error.code, error.params, lang) for lang in ("en", "zh")}
    params = {f"problem_{lang}": text for lang, text in problem.items()}
    return Finding("input_unusable", "", where.source, where.row, where.field, error.code, params)


def _once(findings: Iterable[Finding], evidence: Sequence[EvidenceTable]) -> Iterator[Finding]:
    """Leave out that a column of stated areas is no fact: it was compared with the measured ones."""
    stated = {(table.file, area_field(table.raw.columns)) for table in evidence}
    for finding in findings:
        if finding.code != "evidence_column_unknown" or (finding.file, finding.field) not in stated:
            yield finding


def _placed(findings: Iterable[Finding], parcels: Parcels, layers: Sequence[Layer]) -> Sequence[Finding]:
    """Give every finding about a parcel or a feature a point within it, where it has no better one."""
    row = {name: i for i, name in enumerate(parcels.ids)}
    listed = list(findings)
    need = [i for i, f in enumerate(listed) if f.point is None and f.parcel_id in row]
    points = places(parcels.polygons.geometries[[row[listed[i].parcel_id] for i in need]])
    for i, point in zip(need, points, strict=True):
        if point[0] == point[0]:
            listed[i] = replace(listed[i], point=(float(point[0]), float(point[1])))
    features = {layer.source.display: layer.polygons.geometries for layer in layers}
    for i, finding in enumerate(listed):
        if finding.point is None and finding.row and finding.file in features and not finding.parcel_id:
            x, y = places(features[finding.file][finding.row - 1 : finding.row])[0].tolist()
            if not math.isnan(x):
                listed[i] = replace(finding, point=(x, y))
    return listed
