"""The QGIS and QField project of a package: parcels to visit, their questions, photos and positions."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from landremed.io.gpkg import OutLayer
from landremed.report.palette import Fill
from landremed.report.qgis_forms import Rule, Tab, attachment_widget, form_xml, rules_xml, simple_widget
from landremed.report.qgis_project import (
    ProjectLayer,
    Relation,
    layer_extent,
    project_crs,
    project_xml,
)
from landremed.report.resultfile import ResultFile
from landremed.report.review_words import review_word, review_words
from landremed.report.styles import Category, layer_qml, legend_of
from landremed.review.questions import Question

__all__ = ["field_project", "question_codes"]

_SHOWN: Final = ("visits", "resurveyed", "parcels", "pieces", "constraints")
_RESURVEYED: Final = Fill("#7b3294", "#7b3294", 0.4, "solid", "dash", 0.8)
_ON_SITE: Final = ("parcel_id", "outcome_label", "missing_facts_label")
_PHOTOS: Final = ("photo_1", "photo_2", "photo_3")
_POSITION: Final = ("lon", "lat", "gps_accuracy_m")
_DATE: Final = r"^\\d{4}(-\\d{1,2}(-\\d{1,2})?)?$"
_NUMBER: Final = r"^\\s*-?\\d+(\\.\\d+)?\\s*$"
_NOW: Final = "format_date(now(), 'yyyy-MM-ddTHH:mm:ss')"


def question_codes(asked: list[Question], language: str) -> dict[str, dict[str, str]]:
    """Return the answers a form offers, by column of ``visits``."""
    codes = {}
    for question in asked:
        spec = question.spec
        if spec.kind == "bool":
            codes[question.column] = {n: review_word("words", n, language) for n in ("true", "false")}
        elif spec.kind == "code":
            codes[question.column] = {
                v.code: v.label_zh if language == "zh" else v.label_en for v in spec.values.values()
            }
    return codes


def field_project(
    data: Path,
    layers: list[OutLayer],
    opened: ResultFile,
    asked: list[Question],
    *,
    name: str = "",
) -> str:
    """Return the project of a package.

    Parameters
    ----------
    data : Path
        GeoPackage with the layers, already written.
    layers : list of OutLayer
        With titles.
    opened : ResultFile
        The result the package was made of.
    asked : list of Question
        Questions in the form.
    name : str
        File name the data will have, its present one by default.
    """
    language = opened.language
    there = {layer.name: layer for layer in layers}
    with closing(sqlite3.connect(data)) as db:
        extent = layer_extent(db, "parcels")
    source = f"./{name or data.name}|layername="
    titles = {name: layer.identifier for name, layer in there.items()}
    drawn = [
        _project_layer(there[layer], source + layer, asked, language, titles)
        for layer in _SHOWN
        if layer in there and (layer != "constraints" or len(there[layer].table))
    ]
    relations = [
        Relation(f"parcels_{child}", there[child].identifier, child, "parcels")
        for child in ("visits", "resurveyed", "pieces")
    ]
    title = f"{opened.title} · {review_word('words', 'field_project', language)}"
    return project_xml(title, drawn, crs=project_crs(opened.crs), extent=extent, relations=relations)


def _project_layer(
    layer: OutLayer, source: str, asked: list[Question], language: str, titles: Mapping[str, str]
) -> ProjectLayer:
    group = "surroundings" if layer.name in ("pieces", "constraints") else "field"
    titled = dataclasses.replace(
        layer, column_titles={**layer.column_titles, **{q.column: q.label for q in asked}}
    )
    form, widgets = _form(titled, asked, language, titles)
    return ProjectLayer(
        name=layer.name,
        title=layer.identifier,
        source=source,
        group=review_word("groups", group, language),
        geometry="Polygon" if layer.geometry is not None else "",
        qml=layer_qml(titled, _legend(layer, language), form=form, widgets=widgets),
        read_only=layer.name not in ("visits", "resurveyed"),
        expanded=layer.name == "parcels",
    )


def _legend(layer: OutLayer, language: str) -> tuple[str, list[Category]]:
    if layer.name == "parcels":
        attribute, lines = legend_of("decisions", language)
        return attribute, list(lines)
    if layer.name in ("pieces", "constraints"):
        attribute, lines = legend_of("overlaps", language)
        thin = 1.0 if layer.name == "pieces" else 0.35
        return attribute, [
            dataclasses.replace(line, drawing=dataclasses.replace(line.drawing, opacity=thin))
            if isinstance(line.drawing, Fill)
            else line
            for line in lines
        ]
    if layer.name == "resurveyed":
        return "", [Category("", layer.identifier, _RESURVEYED)]
    return "", []


def _form(
    layer: OutLayer, asked: list[Question], language: str, titles: Mapping[str, str]
) -> tuple[str, str]:
    tab = review_words("tabs", language)
    columns = layer.table.column_names
    if layer.name == "visits":
        return _visit_form(columns, asked, language)
    if layer.name == "resurveyed":
        rules = {
            "parcel_id": _known_parcel(),
            "surveyor": Rule(
                told=review_word("words", "needs_name", language), required=True, default="@user_full_name"
            ),
            "visited_at": Rule(default=_NOW),
        }
        return form_xml([Tab(tab["row"], columns)], columns=columns, read_only=()) + rules_xml(rules), ""
    tabs = [Tab(tab["row"], columns)]
    if layer.name == "parcels":
        tabs.insert(
            0,
            Tab(tab["visit"], _ON_SITE, {f"parcels_{n}": titles[n] for n in ("visits", "resurveyed")}),
        )
        tabs.append(Tab(tab["overlaps"], (), {"parcels_pieces": titles["pieces"]}))
    return form_xml(tabs, columns=columns, read_only=columns), ""


def _visit_form(columns: list[str], asked: list[Question], language: str) -> tuple[str, str]:
    """Show of every parcel only the questions that are open for it."""
    tab, words = review_words("tabs", language), review_words("words", language)
    groups = [Tab(q.label, [q.column], visible_if=_is_open(q.fact), box=True) for q in asked]
    tabs = [
        Tab(tab["visit"], ("parcel_id", "surveyor", "visited_at", "verdict", "remark")),
        Tab(tab["questions"], groups=groups),
        Tab(tab["photos"], (*_PHOTOS, *_POSITION)),
    ]
    rules = {
        "parcel_id": _known_parcel(),
        "surveyor": Rule(told=words["needs_name"], required=True, default="@user_full_name"),
        "visited_at": Rule(required=True, default=_NOW),
        "verdict": Rule(told=words["needs_verdict"], required=True),
        "remark": Rule(
            "\"verdict\" IS NULL OR \"verdict\" NOT IN ('disputed', 'boundary_wrong')"
            " OR length(trim(coalesce(\"remark\", ''))) > 0",
            words["needs_remark"],
            hard=False,
        ),
        "lon": Rule(default="x(@position_coordinate)"),
        "lat": Rule(default="y(@position_coordinate)"),
        "gps_accuracy_m": Rule(default="@position_horizontal_accuracy"),
    }
    for question in asked:
        pattern = {"date": _DATE, "number": _NUMBER}.get(question.spec.kind)
        if pattern:
            column = question.column
            told = words["needs_date"] if question.spec.kind == "date" else ""
            rules[column] = Rule(f'"{column}" IS NULL OR regexp_match("{column}", \'{pattern}\')', told)
    widgets = "".join(map(attachment_widget, _PHOTOS)) + simple_widget(
        "remark", "TextEdit", IsMultiline="true"
    )
    return form_xml(tabs, columns=columns, read_only=()) + rules_xml(rules), widgets


def _known_parcel() -> Rule:
    return Rule("get_feature('landremed_parcels', 'parcel_id', \"parcel_id\") IS NOT NULL", required=True)


def _is_open(fact: str) -> str:
    parcel = "get_feature('landremed_parcels', 'parcel_id', \"parcel_id\")"
    return f"array_contains(string_to_array(coalesce(attribute({parcel}, 'missing_facts'), '')), '{fact}')"
