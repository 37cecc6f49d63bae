"""Tables of pieces, hits, land use and findings as they stand in the output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from landremed.area import round_half_up
from landremed.layers import Layer
from landremed.measure import Measured
from landremed.tables import ISSUES_SCHEMA, LAND_USE_SCHEMA, OVERLAP_FEATURES_KEYS
from landremed.text import default_severity, message_text
from landremed.types import Finding, Severity

__all__ = ["feature_table", "issue_table", "land_use_table", "overlap_table"]


def overlap_table(ids: Sequence[str], measured: Measured, roles: Sequence[str]) -> pa.Table:
    """Return ``parcel_id, layer, area_m2, share, geometry``: one row per parcel × layer that overlap."""
    rows = measured.overlaps
    parcel = rows["parcel"].to_numpy()
    area = rows["area_m2"].to_numpy()
    return pa.table(
        {
            "parcel_id": _ids(ids, parcel),
            "layer": pa.array(roles, pa.string()).take(rows["layer"].combine_chunks().cast(pa.int32())),
            "area_m2": round_half_up(area),
            "share": np.minimum(area / measured.area_m2[parcel], 1.0),
            "geometry": rows["geometry"],
        }
    )


def feature_table(ids: Sequence[str], measured: Measured, layers: Sequence[Layer]) -> pa.Table:
    """Return which features are hit, with their ids and the attributes the project wants kept."""
    tables = []
    names = list(dict.fromkeys(name for layer in layers for name in layer.spec.by))
    for number, layer in enumerate(layers):
        rows = measured.features.filter(pc.equal(measured.features["layer"], number))
        feature = rows["feature"]
        columns = {
            "parcel_id": _ids(ids, rows["parcel"].to_numpy()),
            "layer": pa.array([layer.spec.role] * len(rows), pa.string()),
            "feature_id": layer.feature_ids.take(feature),
            "area_m2": round_half_up(rows["area_m2"].to_numpy()),
        }
        for name in names:
            kept = layer.by.column(name).take(feature) if name in layer.spec.by else pa.nulls(len(rows))
            columns[name] = kept.cast(pa.string())
        order = pa.array(rows["parcel"].to_numpy())
        tables.append(pa.table(columns).append_column("_row", order))
    if not tables:
        return OVERLAP_FEATURES_KEYS.empty_table()
    joined = pa.concat_tables(tables)
    at = np.argsort(joined["_row"].to_numpy(), kind="stable")
    return joined.take(pa.array(at)).drop_columns(["_row"])


def land_use_table(ids: Sequence[str], measured: Measured) -> pa.Table | None:
    """Return ``parcel_id, code, area_m2``; None without a land-use layer."""
    use = measured.land_use
    if use is None:
        return None
    codes = pa.array(use.units.names, pa.string()).take(pa.array(use.group))
    columns = [_ids(ids, use.parcel), codes, round_half_up(use.area_m2)]
    return pa.table(columns, schema=LAND_USE_SCHEMA)


def issue_table(findings: Iterable[Finding], severity: Mapping[str, Severity], language: str) -> pa.Table:
    """Return findings as rows of ``issues``, with a ``geometry`` column of points; none that are ``off``."""
    rows, points = [], []
    for finding in findings:
        weight = severity.get(finding.code) or Severity(default_severity(finding.code))
        if weight is Severity.OFF:
            continue
        message = message_text(finding.code, finding.params, language)
        rows.append(
            (
                finding.parcel_id or None,
                finding.code,
                weight.value,
                message,
                finding.file or None,
                finding.row,
                finding.field or None,
                finding.value or None,
            )
        )
        points.append(shapely.Point(finding.point) if finding.point else None)
    fields = zip(*rows, strict=True) if rows else [()] * len(ISSUES_SCHEMA)
    arrays = [pa.array(list(v), f.type) for v, f in zip(fields, ISSUES_SCHEMA, strict=True)]
    wkb = shapely.to_wkb(np.array(points, dtype=object), byte_order=1) if points else []
    table = pa.table(arrays, schema=ISSUES_SCHEMA)
    return table.append_column("geometry", pa.array(wkb, pa.large_binary()))


def _ids(ids: Sequence[str], rows: np.ndarray[tuple[int], np.dtype[np.int32]]) -> pa.Array:
    return pa.array(ids, pa.string()).take(pa.array(rows))
