"""Which attribute or evidence column holds which fact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from landremed.errors import InputError, Where
from landremed.io.drivers import nearest
from landremed.io.spreadsheet import RawTable
from landremed.tables import VectorSource
from landremed.types import FactSpec, Finding
from landremed.values import fold

__all__ = ["OVERRIDE", "Claim", "evidence_columns", "parcel_fields"]

OVERRIDE = "override_"
"""Prefix of an evidence column that overrides a computed fact."""

_OVERRIDES = (OVERRIDE, "覆盖_")


@dataclass(frozen=True, slots=True)
class Claim:
    """An evidence column and the fact it gives (``override_<fact>`` for a computed one)."""

    column: str
    fact: str


def parcel_fields(
    vocabulary: Mapping[str, FactSpec], parcels: VectorSource, fields: Mapping[str, str]
) -> tuple[dict[str, str], list[Finding]]:
    """Return the attribute column of every given fact, and every override, that has one.

    Raises
    ------
    InputError
        When a mapped field does not exist.
    """
    names = parcels.attributes.column_names
    folded: dict[str, str] = {}
    for name in names:
        folded.setdefault(name.casefold(), name)
    found: dict[str, str] = {}
    findings: list[Finding] = []
    for fact, spec in vocabulary.items():
        if spec.source != "given":
            continue
        if fact in fields:
            found[fact] = _existing(parcels, fields[fact])
        elif fact.casefold() in folded:
            found[fact] = folded[fact.casefold()]
        elif spec.label_zh in names:
            found[fact] = spec.label_zh
            params = {"fact": fact}
            findings.append(
                Finding("field_taken_by_label", file=parcels.display, field=spec.label_zh, params=params)
            )
    for fact, spec in vocabulary.items():
        override = OVERRIDE + fact
        if spec.source == "computed" and (override in fields or override.casefold() in folded):
            mapped = fields.get(override)
            found[override] = _existing(parcels, mapped) if mapped else folded[override.casefold()]
    return found, [*findings, *_unmapped(vocabulary, parcels, fields)]


def evidence_columns(
    vocabulary: Mapping[str, FactSpec], raw: RawTable, file: str, id_fields: Sequence[str]
) -> tuple[list[Claim], list[Finding]]:
    """Return the columns that give a fact, in file order, and findings for those that do not count."""
    index = _column_index(vocabulary)
    claims: list[Claim] = []
    findings: list[Finding] = []
    taken: dict[str, str] = {}
    for column in raw.columns:
        if column in id_fields:
            continue
        fact = index.get(fold(column))
        if fact is None:
            params = {"nearest": _nearest_fact(column, vocabulary)}
            findings.append(Finding("evidence_column_unknown", file=file, field=column, params=params))
        elif not fact.startswith(OVERRIDE) and vocabulary[fact].source == "computed":
            findings.append(
                Finding("evidence_column_computed", file=file, field=column, params={"fact": fact})
            )
        elif fact in taken:
            params = {"fact": fact, "first": taken[fact]}
            findings.append(Finding("evidence_column_twice", file=file, field=column, params=params))
        else:
            taken[fact] = column
            claims.append(Claim(column, fact))
    return claims, findings


def _unmapped(
    vocabulary: Mapping[str, FactSpec], parcels: VectorSource, fields: Mapping[str, str]
) -> list[Finding]:
    """Return a finding for every mapped name that is no given fact."""
    given = [name if spec.source == "given" else OVERRIDE + name for name, spec in vocabulary.items()]
    return [
        Finding(
            "field_maps_no_fact",
            file=parcels.display,
            field=field,
            params={"fact": fact, "nearest": nearest(fact, given, limit=1)},
        )
        for fact, field in fields.items()
        if fact not in given
    ]


def _existing(parcels: VectorSource, field: str) -> str:
    names = parcels.attributes.column_names
    if field in names:
        return field
    folded = [name for name in names if name.casefold() == field.casefold()]
    if len(folded) != 1:
        where = Where(file=parcels.file, layer=parcels.layer)
        raise InputError("input_field_missing", where, field=field, nearest=nearest(field, names))
    return str(folded[0])


def _nearest_fact(column: str, vocabulary: Mapping[str, FactSpec]) -> str:
    """Return the fact a column name reads most like, with its label."""
    words: dict[str, str] = {}
    for name, spec in vocabulary.items():
        prefix = OVERRIDE if spec.source == "computed" else ""
        for word in (name, spec.label_zh, *spec.synonyms):
            words.setdefault(prefix + word, f"{prefix}{name} ({spec.label_zh})")
    return words[nearest(column, words, limit=1)] if words else "–"


def _column_index(vocabulary: Mapping[str, FactSpec]) -> dict[str, str]:
    """Return folded column name -> fact; names win over labels, labels over synonyms."""
    index: dict[str, str] = {}
    levels = (
        [(fact, [fact]) for fact in vocabulary],
        [(fact, [spec.label_zh, spec.label_en]) for fact, spec in vocabulary.items()],
        [(fact, list(spec.synonyms)) for fact, spec in vocabulary.items()],
    )
    for level in levels:
        for fact, words in level:
            for word in words:
                index.setdefault(fold(word), fact)
                if vocabulary[fact].source == "computed":
                    for prefix in _OVERRIDES:
                        index.setdefault(fold(prefix + word), OVERRIDE + fact)
    return index
