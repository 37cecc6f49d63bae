"""Checks of the parcels' attributes: ids, categories, dates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from landremed.layers import Parcels, text_ids
from landremed.project import Project
from landremed.tables import GivenFacts, VectorSource
from landremed.types import Finding, PartialDate
from landremed.values import fold

__all__ = ["fact_findings", "id_findings", "repeated_ids"]

_MANGLED: Final = re.compile(r"\d(\.\d+)?[eE]\+?\d+")
_PAST: Final = ("occurred_on", "feedback_on")


def repeated_ids(source: VectorSource, fields: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding for every row whose id stands in an earlier row."""
    columns = [text_ids(source.attributes.column(name)).to_pylist() for name in fields]
    first: dict[str, int] = {}
    for row, values in enumerate(zip(*columns, strict=True), 1):
        if any(value is None for value in values):
            continue
        name = "-".join(values)
        if name in first:
            params = {"first": first[name]}
            yield Finding("parcel_id_repeated", "", source.display, row, "-".join(fields), name, params)
        first.setdefault(name, row)


def id_findings(parcels: Parcels, field: str) -> Iterator[Finding]:
    """Yield ids that differ only in case, width or blanks, and numbers that a spreadsheet has rounded."""
    first: dict[str, str] = {}
    for row, name in enumerate(parcels.ids, 1):
        folded = fold(name)
        place = (name, parcels.source.display, row, field, name)
        if folded in first:
            yield Finding("parcel_ids_alike", *place, {"other": first[folded]})
        first.setdefault(folded, name)
        if _MANGLED.fullmatch(name):
            yield Finding("parcel_id_rounded", *place)


def fact_findings(parcels: Parcels, given: GivenFacts, project: Project) -> Iterator[Finding]:
    """Yield parcels without a category, and dates that lie after the day of judgement."""
    category = given.columns.get("category")
    for row, name in enumerate(parcels.ids):
        if category is None or category[row] is None:
            yield Finding("category_missing", name, parcels.source.display, row + 1)
    for fact in _PAST:
        column = given.columns.get(fact)
        if column is None:
            continue
        late = [isinstance(v, PartialDate) and v.first > project.as_of for v in column.values]
        for row in np.flatnonzero(np.array(late)[column.codes]).tolist():
            params = {"fact": fact, "as_of": project.as_of.isoformat()}
            place = (parcels.ids[row], parcels.source.display, row + 1, fact, str(column[row]))
            yield Finding("date_after_as_of", *place, params)
