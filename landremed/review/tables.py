"""The review tables of a result, which hold what people say and never what the machine computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from landremed.io.gpkg import OutLayer
from landremed.report.review_words import review_titled

__all__ = ["BOUNDARY_SCHEMA", "REVIEW_SCHEMAS", "empty_review_layers"]

_TEXT: Final = pa.string()


def _schema(*names: str, **kinds: pa.DataType) -> pa.Schema:
    return pa.schema([(name, kinds.get(name, _TEXT)) for name in names])


REVIEW_SCHEMAS: Final = {
    "reviews": _schema(
        "parcel_id",
        "kind",
        "fact",
        "value",
        "remark",
        "person",
        "role",
        "made_at",
        "package",
        "photo",
        "photo_hash",
        "lon",
        "lat",
        "review_id",
        lon=pa.float64(),
        lat=pa.float64(),
    ),
    "review_clashes": _schema(
        "parcel_id", "kind", "fact", "said", "settled", "settled_value", settled=pa.int64()
    ),
    "review_changes": _schema(
        "parcel_id",
        "facts",
        "outcome_before",
        "outcome_after",
        "measure_before",
        "measure_after",
        "clause_before",
        "clause_after",
        "due_before",
        "due_after",
        "area_before_m2",
        "area_after_m2",
        "why_after",
        area_before_m2=pa.float64(),
        area_after_m2=pa.float64(),
    ),
    "review_overrules": _schema("parcel_id", "machine_outcome", "outcome", "reason", "person", "made_at"),
    "review_problems": _schema("parcel_id", "code", "message", "package", "person", "field", "value"),
}
"""Tables without geometry; rows of ``reviews`` are only ever added, the others follow from them."""

BOUNDARY_SCHEMA: Final = _schema(
    "parcel_id",
    "person",
    "made_at",
    "package",
    "remark",
    "area_m2",
    "accepted",
    "review_id",
    area_m2=pa.float64(),
    accepted=pa.int64(),
)
"""Layer ``review_boundaries``: polygons in the working CRS."""


def empty_review_layers(language: str, facts: Mapping[str, str] | None = None) -> list[OutLayer]:
    """Return the review tables as a fresh result has them.

    Parameters
    ----------
    language : {"zh", "en"}
        Language of titles and code lists.
    facts : mapping of fact to str, optional
        What a review may be about, with labels.
    """
    tables = [OutLayer(name, schema.empty_table()) for name, schema in REVIEW_SCHEMAS.items()]
    shapes = OutLayer("review_boundaries", BOUNDARY_SCHEMA.empty_table(), pa.array([], pa.large_binary()))
    codes = {name: {"fact": facts or {}} for name in ("reviews", "review_clashes")}
    return [review_titled(layer, language, codes.get(layer.name)) for layer in [*tables, shapes]]
