"""Putting the QGIS project into a result that has just been written."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pyproj

from landremed.io.gpkg import OutLayer
from landremed.io.gpkg_project import keep_project
from landremed.pipeline import Decisions
from landremed.report.qgis_project import ProjectCrs
from landremed.report.result_project import Legend, result_project
from landremed.report.review_words import review_word

__all__ = ["embed_project", "layer_extent", "project_crs"]

_EMPTY_VIEW_M = 1000.0


def embed_project(
    temp: Path, target: Path, layers: Sequence[OutLayer], decided: Decisions, language: str
) -> None:
    """Put the project into the file ``temp``, for the name it will have as ``target``."""
    book = decided.book
    project = decided.overlay.project
    name = review_word("words", "project", language)
    with closing(sqlite3.connect(temp)) as db:
        text = result_project(
            layers,
            file_name=target.resolve().name,
            title=f"{project.name} · {name}" if project.name else name,
            crs=project_crs(decided.overlay.crs),
            extent=layer_extent(db, "decisions"),
            legend=Legend(
                as_of=project.as_of,
                classes={code: book.value_label("category", code, language) for code in book.categories},
                facts={fact: book.fact_label(fact, language) for fact in book.vocabulary},
            ),
            language=language,
        )
        keep_project(db, name, text)


def project_crs(crs: pyproj.CRS) -> ProjectCrs:
    """Return a CRS as QGIS keeps it."""
    authority = crs.to_authority()
    return ProjectCrs(crs.to_wkt(), ":".join(authority) if authority else "")


def layer_extent(db: sqlite3.Connection, layer: str) -> tuple[float, float, float, float]:
    """Return the extent of a layer with a margin; a square at the origin when it is empty."""
    row = db.execute(
        "SELECT min_x, min_y, max_x, max_y FROM gpkg_contents WHERE table_name = ?", (layer,)
    ).fetchone()
    if row is None or None in row:
        return 0.0, 0.0, _EMPTY_VIEW_M, _EMPTY_VIEW_M
    margin = 0.05 * max(row[2] - row[0], row[3] - row[1], 1.0)
    return row[0] - margin, row[1] - margin, row[2] + margin, row[3] + margin
