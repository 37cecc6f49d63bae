"""The facts of one parcel in words, each with the place it came from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from landremed.explain.record import ParcelRecord, Row, listed
from landremed.law import RuleBook
from landremed.law.spatial import layers_of_fact
from landremed.report.labels import flag_text, role_title, value_label
from landremed.report.numbers import area_text, share_text
from landremed.types import COLUMN_STEM, UNKNOWN, FactSpec, FactValue, PartialDate

__all__ = [
    "FactLine",
    "FactLines",
    "area_text",
    "fact_lines",
    "fact_value",
    "known_facts",
    "place_text",
    "share_text",
]

OVERRIDE: Final = "override_"
_FEATURES_SHOWN: Final = 10
_GAPS: Final = ("straddles", "coverage_incomplete", "layer_unusable_here")
_FEATURE_KEYS: Final = frozenset({"parcel_id", "layer", "feature_id", "area_m2"})


@dataclass(frozen=True)
class FactLine:
    """One fact: its value, and where it came from in words and as values."""

    name: str
    label: str
    value: str
    value_label: str
    source: str
    sources: Sequence[str]
    places: Sequence[Mapping[str, Any]]


class FactLines(NamedTuple):
    """Facts that the rules walked ask for, and the others given."""

    used: list[FactLine]
    others: list[FactLine]


def fact_lines(record: ParcelRecord, used: Sequence[str], values: Mapping[str, str]) -> FactLines:
    """Return the facts of a parcel with their sources.

    Parameters
    ----------
    record : ParcelRecord
        The parcel.
    used : sequence of str
        Facts the rules walked ask for, overrides included.
    values : mapping of str to str
        Their values in the trace.
    """
    given: dict[str, Row] = {str(row["fact"]): row for row in record.given}
    names = [name for name in used if not name.startswith(OVERRIDE)]
    order = list(record.book.vocabulary) if record.book else []
    names.sort(key=lambda name: order.index(name) if name in order else len(order))
    lines = [_line(record, name, values.get(name, ""), given) for name in names]
    shown = {*names, *(OVERRIDE + name for name in names)}
    others = [_line(record, name, "", given) for name in given if name not in shown]
    return FactLines(lines, others)


def known_facts(book: RuleBook | None, row: Row, given: Iterable[Row]) -> dict[str, FactValue]:
    """Return the facts as they were decided on, rebuilt from the file.

    Parameters
    ----------
    book : RuleBook or None
        Gives the types; without it nothing can be rebuilt.
    row : mapping
        The parcel's row, with its ``fact_…`` and area columns.
    given : iterable of mapping
        Its rows of ``facts``.
    """
    if book is None:
        return {}
    facts: dict[str, FactValue] = {}
    for name, spec in book.vocabulary.items():
        if spec.source != "computed":
            continue
        text = row.get(f"fact_{name}")
        area = row.get(f"{COLUMN_STEM.get(name, name.removesuffix('_area_m2'))}_area_m2")
        if spec.kind == "number":
            facts[name] = UNKNOWN if area is None else float(area)
        elif text:
            facts[name] = fact_value(spec, str(text))
    overrides: dict[str, FactValue] = {}
    for entry in given:
        name, text = str(entry["fact"]), str(entry["value"] or "unknown")
        subject = name.removeprefix(OVERRIDE)
        if subject in book.vocabulary:
            (facts if subject == name else overrides)[subject] = fact_value(book.vocabulary[subject], text)
    return facts | overrides


def fact_value(spec: FactSpec, text: str) -> FactValue:
    """Read a fact's value as it stands in traces and tables."""
    if text == "unknown":
        return UNKNOWN
    if spec.kind == "bool":
        return {"true": True, "false": False}.get(text, UNKNOWN)
    if spec.kind == "date":
        return _partial_date(text)
    if spec.kind == "number":
        return float(text)
    return text


def _partial_date(text: str) -> FactValue:
    from calendar import monthrange
    from datetime import date

    try:
        numbers = [int(part) for part in text.split("-")]
        year, month = numbers[0], numbers[1] if len(numbers) > 1 else None
        if len(numbers) == 3:
            day = date(year, numbers[1], numbers[2])
            return PartialDate(day, day)
        first, last = month or 1, month or 12
        return PartialDate(date(year, first, 1), date(year, last, monthrange(year, last)[1]))
    except (ValueError, IndexError):
        return UNKNOWN


def _line(record: ParcelRecord, name: str, value: str, given: Mapping[str, Row]) -> FactLine:
    subject = name.removeprefix(OVERRIDE)
    spec = record.book.vocabulary.get(subject) if record.book else None
    row = given.get(name)
    override = given.get(OVERRIDE + name) if name == subject else row
    computed = record.row.get(f"fact_{name}")
    value = value or str((override or row or {}).get("value") or computed or "unknown")
    words = _value_words(record.book, spec, value, record.language)
    sources, places, kind = [], [], ""
    if override is not None:
        kind = "override"
        sources.append(record.words("explain_source_override", place=_place(record, override, words)))
        places.append(_given(override))
    elif row is not None:
        kind = str(row.get("source")) if row.get("source") in ("evidence", "review") else "attribute"
        sources.append(record.words(f"explain_source_{kind}", place=_place(record, row, words)))
        places.append(_given(row))
    if spec is not None and spec.source == "computed":
        kind = kind or "measured"
        texts, place_of_layers = _measured(record, subject, value)
        sources += texts
        places.append(place_of_layers)
    if not sources:
        claim = spec is not None and spec.claim
        sources.append(record.words("explain_source_unclaimed" if claim else "explain_source_absent"))
    return FactLine(
        name=name,
        label=record.fact_titles.get(subject, subject),
        value=value,
        value_label=_weighed(record, spec, value, words),
        source=kind,
        sources=sources,
        places=places,
    )


def _weighed(record: ParcelRecord, spec: FactSpec | None, value: str, words: str) -> str:
    """Add to a value's words whether it matters that it is unknown, or why it does not count."""
    if spec is None or record.row.get("reason") not in (None, "", "missing_facts"):
        return words
    missing = spec.name in listed(record.row, "missing_facts")
    if value == "unknown" and not missing:
        return record.words("explain_does_not_matter", value=words)
    if missing and spec.kind == "code" and value in spec.values:
        return record.words("explain_counts_as_unknown", value=words)
    return words


def _value_words(book: RuleBook | None, spec: FactSpec | None, value: str, language: str) -> str:
    if book is None or spec is None:
        return value_label("truth", value, language)
    if value in ("unknown", "absent"):
        return value_label("truth", value, language)
    return book.value_label(spec.name, fact_value(spec, value), language)


def place_text(words: Callable[..., str], row: Row, language: str) -> str:
    """Return file, row and field of a value, and the value as written where that says more.

    Parameters
    ----------
    words : callable
        Gives a text of the catalogue.
    row : mapping
        With ``file``, ``row``, ``field`` and ``raw`` or ``value``.
    language : {"zh", "en"}
        Language of the text.
    """
    parts = [str(row.get("file") or "")]
    if row.get("row") is not None:
        parts.append(words("explain_place_row", row=row["row"]))
    if row.get("field"):
        parts.append(words("explain_place_field", field=row["field"]))
    if row.get("raw"):
        parts.append(words("explain_place_raw", raw=row["raw"]))
    elif row.get("value"):
        parts.append(words("explain_place_value", value=row["value"]))
    return ("，" if language == "zh" else ", ").join(part for part in parts if part)


def _place(record: ParcelRecord, row: Row, value_label: str) -> str:
    written = {**row, "value": None}
    if row.get("raw") in (row.get("value"), value_label):
        written["raw"] = None
    return place_text(record.words, written, record.language)


def _given(row: Row) -> dict[str, Any]:
    return {name: row.get(name) for name in ("source", "file", "row", "field", "raw", "value")}


def _measured(record: ParcelRecord, fact: str, value: str) -> tuple[list[str], dict[str, Any]]:
    """Say what was measured for a computed fact, against which layer, and which features were hit."""
    spec = record.book.vocabulary.get(fact) if record.book else None
    stem = _stem(fact, spec)
    roles = (layers_of_fact(spec) if spec is not None else ()) or (stem,)
    area, share = record.row.get(f"{stem}_area_m2"), record.row.get(f"{stem}_share")
    whole = record.row.get("area_m2")
    if share is None and area is not None and whole and roles != (stem,):
        share = min(area / whole, 1.0)
    inputs = {role: _input(record, role) for role in roles}
    texts = []
    if area is not None:
        code = "explain_source_measured" if share is not None else "explain_source_measured_area"
        code = code if area else "explain_source_nothing"
        texts.append(record.words(code, area=area_text(area), share=share_text(share or 0.0)))
    missing = [role for role, source in inputs.items() if source is None]
    texts += [
        record.words(
            "explain_source_no_layer", layer=record.fact_titles.get(r) or role_title(r, record.language)
        )
        for r in missing
    ]
    if value == "unknown" and not missing:
        texts.append(_why_unknown(record, roles, area))
    texts += [_layer_words(record, source) for source in inputs.values() if source is not None]
    features = [row for row in record.features if row.get("layer") == roles[0]]
    if features and area:
        texts.append(_feature_words(record, features))
    place = {
        "source": "measured",
        "area_m2": area,
        "share": share,
        "layers": {role: source for role, source in inputs.items() if source is not None},
        "features": features,
    }
    return texts, place


def _why_unknown(record: ParcelRecord, roles: Sequence[str], area: float | None) -> str:
    flags = listed(record.row, "flags")
    found = [flag for name in _GAPS for flag in flags if flag in {f"{name}:{role}" for role in roles}]
    if found:
        texts = (flag_text(flag, record.language) for flag in found)
        return ("，" if record.language == "zh" else ", ").join(texts)
    return record.words("explain_source_not_measured" if area is None else "explain_source_not_covered")


def _stem(fact: str, spec: FactSpec | None) -> str:
    """Return the stem of the area column a measured fact rests on."""
    within = spec.within if spec is not None else ""
    return COLUMN_STEM.get(fact) or within or fact.removeprefix("occupies_").removesuffix("_area_m2")


def _input(record: ParcelRecord, role: str) -> dict[str, Any] | None:
    """Return what is known of an input layer, None when it was not given."""
    text = record.provenance.get(f"input.{role}")
    if text is None:
        return None
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return {"file": text}
    return value if isinstance(value, dict) else {"file": text}


def _layer_words(record: ParcelRecord, source: Mapping[str, Any]) -> str:
    name = str(source.get("file") or "")
    if source.get("layer"):
        name += f":{source['layer']}"
    parts = [record.words("explain_layer", layer=name)]
    if source.get("version"):
        parts.append(record.words("explain_version", version=source["version"]))
    if source.get("date"):
        parts.append(record.words("explain_dated", date=source["date"]))
    return ("，" if record.language == "zh" else ", ").join(parts)


def _feature_words(record: ParcelRecord, features: Sequence[Row]) -> str:
    largest = sorted(features, key=lambda row: -float(row.get("area_m2") or 0.0))
    names = []
    for row in largest[:_FEATURES_SHOWN]:
        kept = [str(v) for k, v in row.items() if k not in _FEATURE_KEYS and v is not None]
        name = " ".join([str(row.get("feature_id") or "?"), *kept])
        names.append(
            record.words("explain_feature", id=name, area=area_text(float(row.get("area_m2") or 0.0)))
        )
    if len(features) > _FEATURES_SHOWN:
        names.append(record.words("explain_more", count=len(features) - _FEATURES_SHOWN))
    listing = ("、" if record.language == "zh" else ", ").join(names)
    return record.words("explain_features", features=listing)
