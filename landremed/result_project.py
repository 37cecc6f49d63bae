"""Putting the QGIS project into a result that has just been written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from landremed.io.disk import unflushed
from landremed.io.gpkg import OutLayer
from landremed.io.gpkg_project import keep_project
from landremed.pipeline import Basis
from landremed.report.qgis_project import layer_extent, project_crs
from landremed.report.result_project import Legend, result_project
from landremed.report.review_words import review_word

__all__ = ["embed_project"]


def embed_project(temp: Path, target: Path, layers: Sequence[OutLayer], basis: Basis, language: str) -> None:
    """Put the project into the file ``temp``, for the name it will have as ``target``."""
    book, project = basis.book, basis.project
    name = review_word("words", "project", language)
    with unflushed(temp) as db:
        text = result_project(
            layers,
            file_name=target.resolve().name,
            title=f"{project.name} · {name}" if project.name else name,
            crs=project_crs(basis.crs),
            extent=layer_extent(db, "decisions"),
            legend=Legend(
                as_of=project.as_of,
                classes={code: book.value_label("category", code, language) for code in book.categories},
                facts={fact: book.fact_label(fact, language) for fact in book.vocabulary},
            ),
            language=language,
            secrecy=project.secrecy,
        )
        keep_project(db, name, text)
