"""Placemarks for a phone's map: for looking only, nothing written into them can be merged."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

import pyarrow as pa
import pyproj
import shapely

from landremed.io.gpkg import OutLayer
from landremed.report.review_words import review_word
from landremed.report.target import write_whole

__all__ = ["write_kml"]


def write_kml(path: Path, parcels: OutLayer, crs: pyproj.CRS, language: str, *, overwrite: bool) -> None:
    """Write the parcels as KML placemarks in WGS 84."""
    told = review_word("words", "kml_one_way", language)
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
        '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2"><Document>'
        f"<description>{_plain(told)}</description>\n"
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
