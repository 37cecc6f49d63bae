"""Packages for teams without QField: a workbook to fill in, or placemarks for a phone's map."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pyarrow as pa
import pyproj
import shapely

from landremed.io.gpkg import OutLayer
from landremed.report.review_words import review_word, review_words
from landremed.report.target import write_whole
from landremed.review.questions import Question

__all__ = ["write_kml", "write_workbook"]

_SHOWN = (
    "parcel_id",
    "visit_rank",
    "outcome_label",
    "why",
    "missing_facts_label",
    "implementing_unit",
    "area_mu",
)
_FILLED = ("surveyor", "visited_at", "verdict", "remark")
_WIDE = 18


def write_workbook(
    path: Path, parcels: pa.Table, asked: list[Question], language: str, *, overwrite: bool
) -> None:
    """Write one row per parcel with empty cells for the answers; what is not asked is grey."""
    import xlsxwriter

    def write(target: Path) -> None:
        options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
        with xlsxwriter.Workbook(str(target), options) as book:
            _fill_sheet(book, parcels, asked, language)

    write_whole(path, write, overwrite=overwrite)


def _fill_sheet(book: Any, parcels: pa.Table, asked: list[Question], language: str) -> None:
    from datetime import datetime

    book.set_properties({"created": datetime(2000, 1, 1)})  # equal packages give equal bytes
    sheet = book.add_worksheet(review_word("words", "field_project", language))
    bold, grey = book.add_format({"bold": True, "text_wrap": True}), book.add_format({"bg_color": "#d0d0d0"})
    wrap = book.add_format({"text_wrap": True, "valign": "top"})
    titles = [review_word("columns", name, language) for name in (*_SHOWN, *_FILLED)]
    for column, title in enumerate([*titles, *(q.label for q in asked)]):
        sheet.write_string(0, column, title, bold)
    verdicts = list(review_words("values.verdict", language).values())
    first = len(_SHOWN) + len(_FILLED)
    for number, row in enumerate(parcels.to_pylist(), 1):
        for column, name in enumerate(_SHOWN):
            sheet.write(number, column, "" if row[name] is None else row[name], wrap)
        sheet.data_validation(
            number,
            len(_SHOWN) + _FILLED.index("verdict"),
            number,
            len(_SHOWN) + 2,
            {"validate": "list", "source": verdicts},
        )
        missing = (row["missing_facts"] or "").split(",")
        for column, question in enumerate(asked, first):
            if question.fact not in missing:
                sheet.write_blank(number, column, None, grey)
                continue
            labels = [*_labels(question, language)]
            if labels and len(",".join(labels)) < 255:
                sheet.data_validation(number, column, number, column, {"validate": "list", "source": labels})
    sheet.set_column(0, first + len(asked), _WIDE)
    sheet.freeze_panes(1, 1)


def _labels(question: Question, language: str) -> list[str]:
    if question.spec.kind == "bool":
        return [review_word("words", name, language) for name in ("true", "false")]
    return [v.label_zh if language == "zh" else v.label_en for v in question.spec.values.values()]


def write_kml(path: Path, parcels: OutLayer, crs: pyproj.CRS, *, overwrite: bool) -> None:
    """Write the parcels as KML placemarks in WGS 84."""
    forward = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    shapes = shapely.from_wkb((parcels.geometry or pa.array([])).to_pylist())
    marks = []
    for row, shape in zip(parcels.table.to_pylist(), shapes, strict=True):
        text = f"{row['outcome_label'] or ''}\n{row['why'] or ''}\n{row['missing_facts_label'] or ''}".strip()
        drawn = "" if shape is None or shape.is_empty else _polygons(shape, forward)
        marks.append(
            f"<Placemark><name>{_plain(row['parcel_id'])}</name><description>{_plain(text)}</description>{drawn}</Placemark>\n"
        )
    document = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2"><Document>\n'
        f"{''.join(marks)}</Document></kml>\n"
    )
    write_whole(path, lambda target: _save(target, document), overwrite=overwrite)


def _save(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _plain(value: object) -> str:
    return escape("".join(c for c in str(value) if c >= " " or c == "\n"))


def _polygons(shape: shapely.Geometry, forward: pyproj.Transformer) -> str:
    parts = []
    for polygon in shapely.get_parts(shape):
        rings = []
        for number, ring in enumerate(shapely.get_rings(polygon)):
            xy = shapely.get_coordinates(ring)
            lon, lat = forward.transform(xy[:, 0], xy[:, 1])
            pairs = " ".join(f"{x:.8f},{y:.8f}" for x, y in zip(lon, lat, strict=True))
            kind = "outerBoundaryIs" if number == 0 else "innerBoundaryIs"
            rings.append(f"<{kind}><LinearRing><coordinates>{pairs}</coordinates></LinearRing></{kind}>")
        parts.append(f"<Polygon>{''.join(rings)}</Polygon>")
    return f"<MultiGeometry>{''.join(parts)}</MultiGeometry>"
