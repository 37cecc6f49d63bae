"""Tables of the verification GeoPackage, and the terminal summary."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import shapely

from landremed.area import round_half_up
from landremed.io.gpkg import OutLayer
from landremed.provenance import provenance_table
from landremed.report.terminal import table as text_table
from landremed.tables import ISSUES_SCHEMA
from landremed.text import default_severity, message_text
from landremed.types import M2_PER_MU, Finding
from landremed.verify.claims import Claim, ParcelVerdict, Proof, labels, word
from landremed.verify.classmaps import GROUPS
from landremed.verify.measure import TIMES, ImageryMeasure, LandCoverMeasure, indices_of
from landremed.verify.parcels import Parcels
from landremed.verify.rasters import Raster
from landremed.verify.verdict import Verdict

__all__ = ["output_layers", "summary_document", "summary_text"]

_ZONES: Final = ("parcel", "ring")


def output_layers(
    parcels: Parcels,
    verdicts: Sequence[ParcelVerdict],
    cover: LandCoverMeasure | None,
    imagery: ImageryMeasure | None,
    findings: Iterable[Finding],
    provenance: Mapping[str, object],
) -> list[OutLayer]:
    """Return every layer of the output, with titles in the parcels' language.

    Parameters
    ----------
    parcels : Parcels
        What was verified.
    verdicts : sequence of ParcelVerdict
        One per row.
    cover, imagery : optional
        What was measured.
    findings : iterable of Finding
        What a person should know.
    provenance : mapping
        Entries of the table ``provenance``.
    """
    language = parcels.language
    wkb = pa.array(shapely.to_wkb(parcels.shapes, byte_order=1), pa.large_binary())
    issues, points = _issues(findings, language)
    layers = [
        OutLayer("verification", _verification(parcels, verdicts, cover, imagery), wkb),
        OutLayer("acceptance", _acceptance(parcels, verdicts, cover, imagery)),
        OutLayer("land_cover", _land_cover(parcels, cover)),
        OutLayer("spectra", _spectra(parcels, imagery)),
        OutLayer("rasters", _rasters(cover, imagery)),
        OutLayer("issues", issues, points, "Point"),
        OutLayer("provenance", provenance_table(provenance)),
    ]
    return [_titled(layer, language) for layer in layers]


def summary_text(tables: Mapping[str, pa.Table], parcels: Parcels, verdicts: Sequence[ParcelVerdict]) -> str:
    """Return the terminal summary: verdicts by acceptance item, reasons, land cover before and after."""
    language = parcels.language
    counts: dict[str, Counter[str]] = {}
    reasons: Counter[str] = Counter()
    for verdict in verdicts:
        for claim in verdict.claims:
            counts.setdefault(claim.item.label, Counter())[claim.judgement.verdict.value] += 1
            if claim.judgement.verdict is Verdict.CANNOT_TELL:
                reasons[claim.judgement.reason] += 1
    judged = sum(verdict.verdict is not None for verdict in verdicts)
    title = word("summary", "title", language=language).format(count=parcels.whole, judged=judged)
    header = [word("summary", "item", language=language)]
    header += [word("verdicts", v.value, language=language) for v in Verdict]
    rows = [[label, *(found[v.value] or "-" for v in Verdict)] for label, found in counts.items()]
    lines = [title, text_table(rows, header, "lrrr")]
    if reasons:
        lines += ["", word("summary", "reasons", language=language)]
        lines.append(
            text_table(
                [[word("reasons", r, language=language), n] for r, n in reasons.most_common()], (), "lr"
            )
        )
    verification = tables["verification"].slice(0, parcels.whole)
    if verification["cultivated_before_share"].null_count < len(verification):
        lines += ["", word("summary", "cover", language=language), _cover_text(verification, language)]
    if len(verification):
        some = np.minimum(*(np.asarray(verification[f"{t}_coverage"], np.float64) for t in TIMES))
        off = int((some < 1 - 1e-6).sum())
        if off:
            lines += ["", word("summary", "unseen", language=language).format(count=off)]
    return "\n".join(lines)


def summary_document(
    tables: Mapping[str, pa.Table], verdicts: Sequence[ParcelVerdict], output: str | None, status: int
) -> dict[str, object]:
    """Return the same for machines."""
    issues = tables["issues"]
    found = Counter(zip(issues["code"].to_pylist(), issues["severity"].to_pylist(), strict=True))
    items: dict[str, Counter[str]] = {}
    for verdict in verdicts:
        for claim in verdict.claims:
            items.setdefault(claim.item.id, Counter())[claim.judgement.verdict.value] += 1
    overall = Counter(v.verdict.value if v.verdict else "no_item" for v in verdicts)
    return {
        "schema": 1,
        "output": output,
        "status": status,
        "verdicts": dict(sorted(overall.items())),
        "items": {item: {v.value: counts[v.value] for v in Verdict} for item, counts in items.items()},
        "rasters": tables["rasters"].to_pylist(),
        "findings": [{"code": c, "severity": s, "count": n} for (c, s), n in sorted(found.items())],
    }


def _verification(
    parcels: Parcels,
    verdicts: Sequence[ParcelVerdict],
    cover: LandCoverMeasure | None,
    imagery: ImageryMeasure | None,
) -> pa.Table:
    language = parcels.language
    base = parcels.table
    columns: dict[str, Any] = {name: base[name] for name in ("parcel_id", "category", "outcome", "measure")}
    columns["area_m2"] = base["area_m2"]
    columns["verdict"] = pa.array([v.verdict.value if v.verdict else None for v in verdicts], pa.string())
    columns["verdict_label"] = pa.array(
        [word("verdicts", v.verdict.value, language=language) if v.verdict else None for v in verdicts],
        pa.string(),
    )
    columns["items"] = pa.array(
        [",".join(f"{c.item.id}={c.judgement.verdict.value}" for c in v.claims) for v in verdicts],
        pa.string(),
    )
    columns["why"] = pa.array([_why(v, language) for v in verdicts], pa.string())
    columns["too_small"] = pa.array([_too_small(v) for v in verdicts], pa.int32())
    for time in TIMES:
        columns |= _seen_columns(time, cover, imagery, len(parcels))
    for group in GROUPS:
        shares = [_share(cover, time, group, len(parcels)) for time in TIMES]
        for time, values in zip((*TIMES, "change"), (*shares, shares[1] - shares[0]), strict=True):
            columns[f"{group}_{time}_share"] = _nullable(values)
    return pa.table(columns)


def _seen_columns(
    time: str, cover: LandCoverMeasure | None, imagery: ImageryMeasure | None, count: int
) -> dict[str, pa.Array]:
    """Return number of cells and coverage, of the land-cover raster where there is one, else of the image."""
    whole = pa.nulls(count, pa.float64())
    if cover is not None:
        found = cover.cover[time]
        cells, coverage = found.cells, found.coverage
        whole = pa.array(found.whole_cells)
    elif imagery is not None:
        index = imagery.table[time]["parcel"][indices_of(imagery)[0]]
        cells, coverage = index.cells, index.coverage
    else:
        return {}
    return {
        f"{time}_cells": pa.array(np.round(cells, 6)),
        f"{time}_whole_cells": whole,
        f"{time}_coverage": pa.array(np.round(coverage, 9)),
    }


def _share(
    cover: LandCoverMeasure | None, time: str, group: str, count: int
) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.full(count, np.nan) if cover is None else cover.cover[time].share[group]


def _acceptance(
    parcels: Parcels,
    verdicts: Sequence[ParcelVerdict],
    cover: LandCoverMeasure | None,
    imagery: ImageryMeasure | None,
) -> pa.Table:
    language = parcels.language
    pairs = {"land_cover": cover.rasters if cover else {}, "imagery": imagery.rasters if imagery else {}}
    measures = parcels.table["measure"].to_pylist()
    rows = [
        _acceptance_row(parcel_id, measure, claim, proof, pairs[proof.method], language)
        for parcel_id, measure, verdict in zip(parcels.ids, measures, verdicts, strict=True)
        for claim in verdict.claims
        for proof in claim.proofs
    ]
    return _rows(rows, _ACCEPTANCE)


def _acceptance_row(
    parcel_id: str,
    measure: str,
    claim: Claim,
    proof: Proof,
    rasters: Mapping[str, Raster],
    language: str,
) -> tuple[Any, ...]:
    before, after = rasters["before"], rasters["after"]
    judged = proof.judgement
    evidence = [_evidence(raster) for raster in (before, after)]
    seen = [
        (entry.share if entry.coverage > 0 else None, round(entry.cells, 6), round(entry.coverage, 9))
        for entry in (proof.before, proof.after)
    ]
    return (
        parcel_id,
        measure,
        claim.item.id,
        claim.item.label,
        proof.method,
        proof.subject,
        judged.verdict.value,
        word("verdicts", judged.verdict.value, language=language),
        judged.reason,
        word("reasons", judged.reason, language=language),
        claim.judgement.verdict.value,
        *(value for pair in zip(*seen, strict=True) for value in pair),
        _day(before),
        _day(after),
        before.sha256,
        after.sha256,
        json.dumps(evidence, ensure_ascii=False),
    )


_ACCEPTANCE: Final = pa.schema(
    [
        ("parcel_id", pa.string()),
        ("measure", pa.string()),
        ("item", pa.string()),
        ("item_label", pa.string()),
        ("method", pa.string()),
        ("subject", pa.string()),
        ("verdict", pa.string()),
        ("verdict_label", pa.string()),
        ("reason", pa.string()),
        ("reason_label", pa.string()),
        ("joint_verdict", pa.string()),
        ("before_share", pa.float64()),
        ("after_share", pa.float64()),
        ("before_cells", pa.float64()),
        ("after_cells", pa.float64()),
        ("before_coverage", pa.float64()),
        ("after_coverage", pa.float64()),
        ("before_day", pa.string()),
        ("after_day", pa.string()),
        ("before_sha256", pa.string()),
        ("after_sha256", pa.string()),
        ("evidence", pa.string()),
    ]
)

_LAND_COVER: Final = pa.schema(
    [
        ("parcel_id", pa.string()),
        ("time", pa.string()),
        ("code", pa.int64()),
        ("class_label", pa.string()),
        ("group_name", pa.string()),
        ("cells", pa.float64()),
        ("area_m2", pa.float64()),
        ("share", pa.float64()),
    ]
)

_SPECTRA: Final = pa.schema(
    [
        ("parcel_id", pa.string()),
        ("time", pa.string()),
        ("zone", pa.string()),
        ("index_name", pa.string()),
        ("cells", pa.float64()),
        ("mean", pa.float64()),
        ("deviation", pa.float64()),
        ("lowest", pa.float64()),
        ("highest", pa.float64()),
        ("above_share", pa.float64()),
    ]
)

_RASTERS: Final = pa.schema(
    [
        ("role", pa.string()),
        ("file", pa.string()),
        ("day", pa.string()),
        ("day_source", pa.string()),
        ("crs", pa.string()),
        ("cell_width", pa.float64()),
        ("cell_height", pa.float64()),
        ("rows", pa.int64()),
        ("columns", pa.int64()),
        ("bands", pa.int64()),
        ("dtype", pa.string()),
        ("nodata", pa.float64()),
        ("sha256", pa.string()),
    ]
)


def _land_cover(parcels: Parcels, cover: LandCoverMeasure | None) -> pa.Table:
    """Return one row per parcel, time and class; areas are shares of the parcel's own area."""
    if cover is None:
        return _LAND_COVER.empty_table()
    ids = pa.array(parcels.ids)
    area = np.asarray(parcels.table["area_m2"], np.float64)
    language = parcels.language
    tables, orders = [], []
    for nth, time in enumerate(TIMES):
        found = cover.cover[time].table
        of = found.polygon
        seen = found.per_polygon(found.weight)
        known = cover.classes
        names = {c: known.label.get(c, {}).get(language) for c in np.unique(found.code).tolist()}
        codes = found.code.tolist()
        columns = {
            "parcel_id": ids.take(pa.array(of)),
            "time": pa.array([time] * len(of), pa.string()),
            "code": pa.array(found.code),
            "class_label": pa.array([names[c] for c in codes], pa.string()),
            "group_name": pa.array([known.group.get(c) for c in codes], pa.string()),
            "cells": np.round(found.cells, 6),
            "area_m2": _nullable(round_half_up(found.weight / found.all_weight[of] * area[of])),
            "share": found.weight / seen[of],
        }
        tables.append(pa.table(columns, schema=_LAND_COVER))
        orders.append(np.column_stack([found.code, np.full(len(of), nth), of]))
    order = np.lexsort(np.concatenate(orders).T)
    return pa.concat_tables(tables).take(pa.array(order))


def _spectra(parcels: Parcels, imagery: ImageryMeasure | None) -> pa.Table:
    if imagery is None:
        return _SPECTRA.empty_table()
    ids = parcels.ids
    rows = []
    names = indices_of(imagery)
    for row, parcel_id in enumerate(ids):
        for time in TIMES:
            for zone in _ZONES:
                for name in names:
                    found = imagery.table[time][zone][name]
                    if found.cells[row] <= 0:
                        continue
                    values = (found.mean, found.deviation, found.lowest, found.highest, found.above)
                    numbers = [None if np.isnan(v[row]) else float(v[row]) for v in values]
                    rows.append((parcel_id, time, zone, name, round(float(found.cells[row]), 6), *numbers))
    return _rows(rows, _SPECTRA)


def _rasters(cover: LandCoverMeasure | None, imagery: ImageryMeasure | None) -> pa.Table:
    rows = []
    for method, measured in (("land_cover", cover), ("imagery", imagery)):
        for time in TIMES if measured is not None else ():
            raster = measured.rasters[time]  # type: ignore[union-attr]
            rows.append(
                (
                    f"{method}_{time}",
                    raster.file,
                    _day(raster),
                    raster.day_source,
                    raster.crs.to_string() if raster.crs.to_epsg() else raster.crs.name,
                    *raster.cell_size,
                    raster.rows,
                    raster.columns,
                    raster.bands,
                    raster.dtype,
                    raster.nodata,
                    raster.sha256,
                )
            )
    return _rows(rows, _RASTERS)


def _issues(findings: Iterable[Finding], language: str) -> tuple[pa.Table, pa.Array]:
    rows, points = [], []
    for found in findings:
        text = message_text(found.code, found.params, language)
        place = (found.file or None, found.row, found.field or None, found.value or None)
        rows.append((found.parcel_id or None, found.code, default_severity(found.code), text, *place))
        points.append(shapely.Point(found.point) if found.point else None)
    wkb = shapely.to_wkb(np.array(points, dtype=object), byte_order=1) if points else []
    return _rows(rows, ISSUES_SCHEMA), pa.array(wkb, pa.large_binary())


def _why(verdict: ParcelVerdict, language: str) -> str:
    if not verdict.claims:
        return word("sentence", "nothing", language=language)
    joint = word("sentence", "joint", language=language)
    return joint.join(
        _sentence(claim, proof, language)
        for claim in verdict.claims
        for proof in claim.proofs
        if proof.judgement.reason != "off_raster" or proof is claim.proofs[0]
    )


def _sentence(claim: Claim, proof: Proof, language: str) -> str:
    unknown = word("sentence", "unknown", language=language)
    before, after = (
        f"{100 * seen.share:.0f}%" if seen.coverage > 0 else unknown for seen in (proof.before, proof.after)
    )
    kind = "groups" if proof.method == "land_cover" else "indices"
    return word("sentence", "item", language=language).format(
        item=claim.item.label,
        verdict=word("verdicts", proof.judgement.verdict.value, language=language),
        method=word("methods", proof.method, language=language),
        subject=word(kind, proof.subject, language=language),
        before=before,
        after=after,
        reason=word("reasons", proof.judgement.reason, language=language),
    )


def _too_small(verdict: ParcelVerdict) -> int | None:
    if not verdict.claims:
        return None
    reasons = {proof.judgement.reason for claim in verdict.claims for proof in claim.proofs}
    return int("too_small" in reasons)


def _cover_text(verification: pa.Table, language: str) -> str:
    """Return areas by group before and after, in mu, of the parcels seen both times."""
    area = np.asarray(verification["area_m2"], np.float64)
    rows = []
    for group in GROUPS:
        shares = [np.asarray(verification[f"{group}_{time}_share"], np.float64) for time in TIMES]
        both = np.isfinite(shares[0]) & np.isfinite(shares[1]) & np.isfinite(area)
        before, after = (float((share[both] * area[both]).sum() / M2_PER_MU) for share in shares)
        label = word("groups", group, language=language)
        rows.append([label, f"{before:.2f}", f"{after:.2f}", f"{after - before:+.2f}"])
    header = [word("summary", "group", language=language)]
    header += [word("times", time, language=language) for time in (*TIMES, "change")]
    return text_table(rows, header, "lrrr")


def _titled(layer: OutLayer, language: str) -> OutLayer:
    entry = labels()["layers"][layer.name]
    titles = {}
    known = labels()["columns"]
    for name in layer.table.column_names:
        if name in known:
            titles[name] = str(known[name][language])
    for group in GROUPS:
        for time in (*TIMES, "change"):
            name = f"{group}_{time}_share"
            if name in layer.table.column_names:
                titles[name] = word("share_column", language=language).format(
                    group=word("groups", group, language=language),
                    time=word("times", time, language=language),
                )
    codes = {
        column: {code: str(text[language]) for code, text in labels()[kind].items()}
        for column, kind in _CODED.items()
        if column in layer.table.column_names
    }
    return OutLayer(
        layer.name,
        layer.table,
        layer.geometry,
        layer.geometry_type,
        identifier=str(entry[language]),
        description=str(entry[f"{language}_text"]),
        column_titles=titles,
        value_labels=codes,
    )


_CODED: Final = {
    "verdict": "verdicts",
    "joint_verdict": "verdicts",
    "reason": "reasons",
    "method": "methods",
    "time": "times",
    "zone": "zones",
    "group_name": "groups",
    "index_name": "indices",
}


def _evidence(raster: Raster) -> dict[str, Any]:
    """Return a raster as the ledger writes evidence: name, hash and size of the file."""
    return {"file": raster.path.name, "sha256": raster.sha256, "size": raster.path.stat().st_size}


def _day(raster: Raster) -> str | None:
    return str(raster.day) if raster.day is not None else None


def _nullable(values: Any) -> pa.Array:
    return pa.array(np.asarray(values, np.float64), from_pandas=True)


def _rows(rows: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [pa.array(list(values), kind.type) for values, kind in zip(columns, schema, strict=True)]
    return pa.table(arrays, schema=schema)
