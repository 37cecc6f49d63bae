"""Columns of the overlay table, and the values of every parcel in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from landremed.area import round_half_up, to_mu
from landremed.report.formats import area_text, hectares
from landremed.report.labels import column_titles, value_label
from landremed.report.land_classes import BIG_CLASSES, use_by_parcel
from landremed.report.notices import notices
from landremed.report.resultfile import ResultFile
from landremed.report.words import Words
from landremed.types import MAIN_ROLES, Outcome

__all__ = ["Column", "columns", "rows", "subtotal_columns", "subtotals"]

_FEATURES_SHOWN: Final = 8
_FEATURE_KEYS: Final = frozenset({"parcel_id", "layer", "feature_id", "area_m2"})
_BOUNDARY: Final = "urban_development_boundary"


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes
    ----------
    kind : {"text", "long", "area", "hectares", "share", "count", "date", "order"}
        How it is written.
    group : str
        Word over several columns.
    total : bool
        Whether its sum stands at the end.
    """

    key: str
    title: str
    kind: str
    width: float
    group: str = ""
    total: bool = False


def columns(result: ResultFile, words: Words) -> list[Column]:
    """Return the columns of the sheet of parcels, in order."""
    language = words.language
    titles = column_titles("decisions", result.decisions.column_names, language)

    def text(key: str, width: float, group: str, kind: str = "text") -> Column:
        return Column(key, titles.get(key, key), kind, width, group)

    base = [
        Column("number", words("number"), "order", 7, "g_base"),
        text("parcel_id", 16, "g_base"),
        text("category", 16, "g_base"),
        text("subtype", 13, "g_base"),
        text("implementing_unit", 18, "g_base"),
        text("other_units", 16, "g_base"),
        Column("area_m2", words("m2"), "area", 14, "g_base", total=True),
        Column("area_ha", words("hectares"), "hectares", 12, "g_base", total=True),
        Column("area_mu", words("mu"), "area", 12, "g_base", total=True),
    ]
    if "source_programme" in result.decisions.column_names:
        base.insert(4, text("source_programme", 13, "g_base"))
    use = []
    if "land_use" in result.overlaid:
        names = ("cultivated", "adjustable", *BIG_CLASSES)
        use = [Column(f"use_{n}", words(n), "area", 12, "g_use", total=True) for n in names]
    return [*base, *use, *_overlap_columns(result, words), *_decision_columns(words, text)]


def rows(result: ResultFile, words: Words) -> Iterator[dict[str, Any]]:
    """Return the values of every parcel by column key; None is an empty cell."""
    language, book = words.language, result.book
    use = use_by_parcel(result.rows("land_use")) if "land_use" in result.overlaid else {}
    features = _features(result, words)
    facts = book.titles(language) if book else {}
    for number, row in enumerate(result.decisions.to_pylist(), 1):
        parcel = str(row["parcel_id"])
        boundary = row.get(f"{_BOUNDARY}_area_m2")
        outside = None if boundary is None or row["area_m2"] is None else max(row["area_m2"] - boundary, 0.0)
        values = {
            **row,
            "number": number,
            "area_ha": hectares(row["area_m2"]),
            "outside_m2": None if outside is None else round(outside, 2),
            "use_cultivated": row.get("cultivated_area_m2"),
            "features": features.get(parcel, ""),
            "flags": ("；" if language == "zh" else "; ").join(notices(row["flags"], language, facts)),
            "robust": None if row.get("robust") is None else words("yes" if row["robust"] else "no"),
            "overdue": None if row["overdue"] is None else words("yes" if row["overdue"] else "no"),
        }
        for name, area in use.get(parcel, {}).items():
            values[f"use_{name}"] = round(area, 2)
        if book:
            values |= _labels(row, book, language)
        yield values


def subtotal_columns(result: ResultFile, words: Words, title: str) -> list[Column]:
    """Return the columns of a sheet of subtotals."""
    language = words.language
    found = [
        Column("name", title, "text", 26),
        Column("count", words("count"), "count", 9, total=True),
        Column("area_m2", words("m2"), "area", 16, total=True),
        Column("area_ha", words("hectares"), "hectares", 13, total=True),
        Column("area_mu", words("mu"), "area", 13, total=True),
    ]
    for outcome in Outcome:
        label = value_label("outcome", outcome, language)
        found.append(Column(f"n_{outcome}", words("outcome_count", outcome=label), "count", 12, total=True))
        found.append(Column(f"mu_{outcome}", words("outcome_mu", outcome=label), "area", 13, total=True))
    titles = column_titles("decisions", _SUMMED, language)
    there = [name for name in _SUMMED if name in result.decisions.column_names]
    found += [Column(name, titles[name], "area", 15, total=True) for name in there]
    found.append(Column("overdue", words("overdue_count"), "count", 12, total=True))
    return found


_SUMMED: Final = (
    "permanent_basic_farmland_area_m2",
    "ecological_red_line_area_m2",
    "cultivated_area_m2",
    "demolish_area_m2",
    "restore_area_m2",
)


def subtotals(result: ResultFile, key: str, label: Mapping[str, str], empty: str) -> list[dict[str, Any]]:
    """Return sums by unit or class, the largest number of parcels first.

    Parameters
    ----------
    key : str
        Column to group by.
    label : mapping of str to str
        Names to show for its values.
    empty : str
        Name to show where there is none.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in result.decisions.to_pylist():
        name = str(row[key] or "")
        sums = found.setdefault(name, {"name": label.get(name, name) or empty, "count": 0})
        area = row["area_m2"] or 0.0
        sums["count"] += 1
        sums["overdue"] = sums.get("overdue", 0) + (row["overdue"] or 0)
        for column, value in (
            ("area_m2", area),
            (f"n_{row['outcome']}", 1),
            (f"m2_{row['outcome']}", area),
            *((column, row.get(column) or 0.0) for column in _SUMMED),
        ):
            sums[column] = sums.get(column, 0) + value
    for sums in found.values():
        for column in list(sums):
            if isinstance(sums[column], float):
                sums[column] = round(sums[column], 2)
        sums["area_mu"] = _mu(sums["area_m2"])
        sums["area_ha"] = hectares(sums["area_m2"])
        for outcome in Outcome:
            sums.setdefault(f"n_{outcome}", 0)
            sums[f"mu_{outcome}"] = _mu(sums.pop(f"m2_{outcome}", 0.0))
    ranked = sorted(found.items(), key=lambda item: (not item[0], -item[1]["count"], item[0]))
    return [sums for _, sums in ranked]


def _mu(area_m2: float) -> float:
    return float(round_half_up(to_mu(np.array([area_m2])))[0])


def _overlap_columns(result: ResultFile, words: Words) -> list[Column]:
    language = words.language
    found = []
    others = [n for n in result.overlaid if n not in (*MAIN_ROLES, "admin_units", "land_use")]
    for layer in (*MAIN_ROLES, *others):
        if layer == _BOUNDARY:
            found.append(Column(f"{layer}_area_m2", words("inside"), "area", 13, "g_overlap", total=True))
            found.append(Column("outside_m2", words("outside"), "area", 13, "g_overlap", total=True))
            continue
        title = result.layer_title(layer, language)
        found.append(Column(f"{layer}_area_m2", title, "area", 13, "g_overlap", total=True))
        found.append(Column(f"{layer}_share", f"{title} {words('share')}", "share", 9, "g_overlap"))
    for name in ("farmland_outside_boundary", "red_line_outside_boundary"):
        title = result.layer_title(name, language)
        found.append(Column(f"{name}_area_m2", title, "area", 13, "g_overlap", total=True))
    found.append(Column("features", words("features"), "long", 48, "g_overlap"))
    return found


def _decision_columns(words: Words, text: Any) -> list[Column]:
    return [
        text("outcome_label", 14, "g_decision"),
        text("measure_label", 22, "g_decision"),
        text("why", 44, "g_decision", "long"),
        text("clause", 14, "g_decision"),
        text("missing_facts_label", 26, "g_decision", "long"),
        Column(
            "demolish_area_m2", text("demolish_area_m2", 0, "").title, "area", 13, "g_decision", total=True
        ),
        Column("restore_area_m2", text("restore_area_m2", 0, "").title, "area", 13, "g_decision", total=True),
        text("due_on", 12, "g_deadline", "date"),
        text("overdue", 8, "g_deadline"),
        text("next_milestone_on", 12, "g_deadline", "date"),
        text("next_milestone_share", 9, "g_deadline", "share"),
        text("priority", 8, "g_deadline", "count"),
        text("lead", 24, "g_deadline", "long"),
        Column("flags", words("flags"), "long", 40, "g_note"),
        Column("robust", words("robust"), "text", 12, "g_note"),
    ]


def _labels(row: Mapping[str, Any], book: Any, language: str) -> dict[str, Any]:
    """Return codes in words, in the language of the document."""
    comma = "、" if language == "zh" else ", "
    measure = row["measure"] or ""
    missing = [name for name in (row["missing_facts"] or "").split(",") if name]
    known = measure in book.measures
    return {
        "category": book.value_label("category", row["category"], language) if row["category"] else None,
        "subtype": book.value_label("subtype", row["subtype"], language) if row["subtype"] else None,
        "outcome_label": book.outcome_label(row["outcome"], measure if known else "", language),
        "measure_label": book.measure_label(measure, language) if known else measure or None,
        "clause": comma.join(book.clause_label(c) for c in (row["clause"] or "").split(",") if c),
        "missing_facts_label": comma.join(
            book.fact_label(n, language) if n in book.vocabulary else n for n in missing
        ),
    }


def _features(result: ResultFile, words: Words) -> dict[str, str]:
    """Return for every parcel the features it hits, layer by layer, the largest first."""
    language = words.language
    grouped: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    skipped = ("admin_units", "land_use")
    for row in result.rows("overlap_features"):
        if row["layer"] not in skipped:
            grouped.setdefault(str(row["parcel_id"]), {}).setdefault(str(row["layer"]), []).append(row)
    comma, semicolon = ("、", "；") if language == "zh" else (", ", "; ")
    found = {}
    for parcel, layers in grouped.items():
        parts = []
        for layer, hits in layers.items():
            ranked = sorted(hits, key=lambda row: -float(row["area_m2"] or 0.0))
            names = [_feature(row) for row in ranked[:_FEATURES_SHOWN]]
            if len(hits) > _FEATURES_SHOWN:
                names.append(words("more", n=len(hits)))
            parts.append(f"{result.layer_title(layer, language)}：{comma.join(names)}")
        found[parcel] = semicolon.join(parts)
    return found


def _feature(row: Mapping[str, Any]) -> str:
    kept = [str(value) for key, value in row.items() if key not in _FEATURE_KEYS and value is not None]
    return f"{' '.join([str(row['feature_id'] or '?'), *kept])} {area_text(float(row['area_m2'] or 0.0))}"
