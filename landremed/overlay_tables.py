"""Tables of pieces, hits, land use and findings as they stand in the output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

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

__all__ = [
    "IssueGroups",
    "feature_table",
    "issue_groups",
    "issue_table",
    "joined_groups",
    "land_use_table",
    "ordered_issues",
    "overlap_table",
]

IssueGroups: TypeAlias = Mapping[str, pa.Table]
"""Name of a group of findings -> its rows, with the number by which they are ordered in ``_key``."""

_KEY: Final = "_key"
_TIES: Final = ("field", "code", "parcel_id", "value", "message")
_FILE_STEP: Final = 1 << 40


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
    names = list(dict.fromkeys(name for layer in layers for name in layer.spec.by))
    if not layers:
        return OVERLAP_FEATURES_KEYS.empty_table()
    rows = measured.features  # by parcel, layer and feature
    layer = rows["layer"].to_numpy().astype(np.int64)
    starts = np.cumsum([0, *(len(each.feature_ids) for each in layers)])
    feature = pa.array(starts[layer] + rows["feature"].to_numpy())
    roles = pa.array([each.spec.role for each in layers], pa.string())
    columns = {
        "parcel_id": _ids(ids, rows["parcel"].to_numpy()),
        "layer": roles.take(pa.array(layer)),
        "feature_id": _laid_end_to_end([each.feature_ids for each in layers]).take(feature),
        "area_m2": round_half_up(rows["area_m2"].to_numpy()),
    }
    for name in names:
        own = [each.by[name] if name in each.spec.by else pa.nulls(len(each.feature_ids)) for each in layers]
        columns[name] = _laid_end_to_end(own).take(feature)
    return pa.table(columns)


def _laid_end_to_end(columns: Sequence[pa.Array | pa.ChunkedArray]) -> pa.Array:
    parts = [column.cast(pa.string()) for column in columns]
    chunks = [part.chunks if isinstance(part, pa.ChunkedArray) else [part] for part in parts]
    return pa.concat_arrays([pa.array([], pa.string()), *(chunk for own in chunks for chunk in own)])


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
        weight = _weight(finding, severity)
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


def issue_groups(
    general: Iterable[Finding],
    parcels: Iterable[Finding],
    given: Iterable[Finding],
    pairs: Iterable[Finding],
    *,
    files: Sequence[str],
    severity: Mapping[str, Severity],
    language: str,
) -> IssueGroups:
    """Return the findings of a run, or of a share of its parcels, in the groups in which they are listed.

    Within a group the order follows from the findings alone, so that it is the same however the parcels were
    divided: ``general`` keeps its own; findings about parcels go by their row; those about values by file and
    row; those about areas and pairs of parcels by the row given first.

    Parameters
    ----------
    general : iterable of Finding
        About files, layers and columns.
    parcels, given, pairs : iterable of Finding
        About single parcels, about their values, and about what was measured.
    files : sequence of str
        Files as findings show them, parcels first, then evidence.
    severity, language
        As for ``issue_table``.
    """
    rank = {name: number for number, name in reversed(list(enumerate(files)))}
    groups: dict[str, tuple[list[Finding], Callable[[int, Finding], int]]] = {
        "general": (list(general), lambda at, _: at),
        "parcels": (list(parcels), lambda _, f: f.row or 0),
        "given": (list(given), lambda _, f: rank.get(f.file, len(rank)) * _FILE_STEP + (f.row or 0)),
        "pairs": (list(pairs), lambda _, f: f.row or 0),
    }
    tables = {}
    for name, (findings, number) in groups.items():
        shown = [f for f in findings if _weight(f, severity) is not Severity.OFF]
        keys = pa.array([number(at, f) for at, f in enumerate(shown)], pa.int64())
        table = issue_table(shown, severity, language).append_column(_KEY, keys)
        tables[name] = _sorted(table)
    return tables


def joined_groups(shares: Sequence[IssueGroups]) -> IssueGroups:
    """Return the findings of several shares of the parcels as those of all of them."""
    names = dict.fromkeys(name for share in shares for name in share)
    return {name: _sorted(pa.concat_tables([s[name] for s in shares if name in s])) for name in names}


def ordered_issues(groups: IssueGroups) -> pa.Table:
    """Return the rows of ``issues`` of all groups, in order."""
    return pa.concat_tables(groups.values()).drop_columns([_KEY])


def _sorted(table: pa.Table) -> pa.Table:
    order = pc.sort_indices(table, [(_KEY, "ascending"), *((tie, "ascending") for tie in _TIES)])
    return table.take(order)


def _weight(finding: Finding, severity: Mapping[str, Severity]) -> Severity:
    return severity.get(finding.code) or Severity(default_severity(finding.code))


def _ids(ids: Sequence[str], rows: np.ndarray[tuple[int], np.dtype[np.int32]]) -> pa.Array:
    return pa.array(ids, pa.string()).take(pa.array(rows))
