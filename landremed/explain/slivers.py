"""What the small overlaps of one parcel seem to come from, in words."""

from __future__ import annotations

from dataclasses import dataclass

from landremed.explain.record import ParcelRecord
from landremed.report.labels import role_title, value_label
from landremed.report.numbers import area_text

__all__ = ["SliverLine", "sliver_lines"]


@dataclass(frozen=True)
class SliverLine:
    """One overlap under or near the tolerance: area in m², shift in metres and degrees from north."""

    layer: str
    area_m2: float
    kind: str
    kind_label: str
    shift_m: float | None
    shift_azimuth: float | None
    text: str


def sliver_lines(record: ParcelRecord) -> list[SliverLine]:
    """Return the small overlaps of a parcel, with what to do next; none where the result names none."""
    lines = []
    for row in record.rows("overlaps"):
        kind = row.get("sliver_kind")
        if not kind:
            continue
        role, metres, degrees = str(row["layer"]), row.get("shift_m"), row.get("shift_azimuth")
        label = value_label("sliver_kind", str(kind), record.language)
        words = record.words(
            "explain_sliver" if metres is None else "explain_sliver_shifted",
            layer=record.fact_titles.get(role) or role_title(role, record.language),
            area=area_text(row["area_m2"]),
            kind=label,
            metres=f"{metres or 0.0:.2f}",
            degrees=f"{degrees or 0.0:.0f}",
            next=record.words(f"explain_next_{kind}"),
        )
        lines.append(SliverLine(role, row["area_m2"], str(kind), label, metres, degrees, words))
    return lines
