"""The QGIS project inside a result: layers in groups, map themes, forms with tabs and related rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from landremed.report.labels import Labelled
from landremed.report.palette import CLASS_COLORS, DEADLINE_COLORS, UNIT_COLORS, Fill
from landremed.report.qgis_layout import parcel_layout
from landremed.report.qgis_project import (
    DEFAULT_STYLE,
    ProjectCrs,
    ProjectLayer,
    Relation,
    Theme,
    project_xml,
)
from landremed.report.result_forms import CHILDREN, result_form
from landremed.report.review_words import review_word, review_words
from landremed.report.styles import Category, layer_qml, legend_of

__all__ = ["Legend", "outlined", "result_project"]

_GROUPS: Final = (
    ("review", ("review_boundaries", "reviews", "review_clashes", "review_changes", "review_overrules")),
    ("findings", ("issues", "review_problems")),
    ("decisions", ("overlaps", "parts", "decisions")),
    ("tables", ("summary", "overlap_features", "land_use", "facts", "trace", "provenance")),
)
_FOLDED: Final = ("findings", "tables")
_PARCELS: Final = ("parts", "decisions")
_DRAWN: Final = ("review_boundaries", "issues", "overlaps", *_PARCELS)
_SETTLED: Final = Fill("#d9d9d9", "#9a9a9a", 0.5)
_BOUNDARY: Final = Fill("#000000", "#7b3294", 1.0, "no", "dash", 0.8)
_OUTLINE: Final = "#404040"
_EVERYWHERE: Final = ("admin_units", "land_use")
_SEVERAL: Final = "#1a1a1a"
_HATCHED_FROM: Final = 25_000
_SOON, _YEAR = timedelta(days=90), timedelta(days=365)


@dataclass(frozen=True)
class Legend:
    """What the themes tell apart.

    Attributes
    ----------
    as_of : date
        Day from which deadlines are near or far.
    classes, facts : mapping of code to str
        Classes of problem in the order of the rule book, and facts, with their labels.
    """

    as_of: date
    classes: Mapping[str, str]
    facts: Mapping[str, str]


def result_project(
    layers: Sequence[Labelled],
    *,
    file_name: str,
    title: str,
    crs: ProjectCrs,
    extent: tuple[float, float, float, float],
    legend: Legend,
    language: str,
    secrecy: str | None = None,
) -> str:
    """Return the project of a result.

    Parameters
    ----------
    layers : sequence of OutLayer
        What is in the file, with titles and code lists.
    file_name : str
        The name the file will have.
    title : str
        Of the project.
    crs : ProjectCrs
        Working CRS.
    extent : (xmin, ymin, xmax, ymax)
        Of the parcels.
    legend : Legend
        What the themes tell apart.
    language : {"zh", "en"}
        Language of everything shown.
    secrecy : str, optional
        Stamped on the print layout.
    """
    there = {layer.name: layer for layer in layers}
    styles = _styles(there, legend, language)
    listed = []
    for group, names in _GROUPS:
        title_of_group = review_word("groups", group, language)
        listed += [
            _project_layer(
                there[name], title_of_group, file_name, styles, there, language, folded=group in _FOLDED
            )
            for name in names
            if name in there
        ]
    drawn: dict[str, str] = {name: DEFAULT_STYLE for name in _DRAWN if name in there}
    legend_lines = enumerate(legend_of("overlaps", language)[1])
    checked = {"overlaps": [number for number, line in legend_lines if line.shown]}
    themes = [Theme(_style_name("outcome", language), drawn, checked)]
    for name in styles:
        style = _style_name(name, language)
        themes.append(Theme(style, drawn | {n: style for n in _PARCELS if n in there}, checked))
    decisions = there["decisions"]
    layout = parcel_layout(
        decisions.table.column_names,
        {name: decisions.column_titles.get(name, name) for name in _layer_areas(decisions)},
        theme=themes[0].name,
        secrecy=secrecy,
        language=language,
    )
    return project_xml(
        title, listed, crs=crs, extent=extent, relations=_relations(there), themes=themes, layouts=layout
    )


def _layer_areas(decisions: Labelled) -> list[str]:
    """Return the columns of overlap with constraint layers, in the order of the table."""
    names = decisions.table.column_names
    found = [n.removesuffix("_area_m2") for n in names if n.endswith("_area_m2")]
    return [f"{n}_area_m2" for n in found if f"{n}_share" in names and n not in _EVERYWHERE]


def outlined(color: str) -> Fill:
    """Return a fill of one colour with a dark outline."""
    return Fill(color, _OUTLINE)


def _style_name(theme: str, language: str) -> str:
    return review_word("themes", theme, language)


def _styles(
    there: Mapping[str, Labelled], legend: Legend, language: str
) -> dict[str, tuple[str, list[Category]]]:
    """Return the further ways of colouring parcels: expression and legend by theme."""
    words = review_words("legend", language)
    colors = dict(zip(legend.classes, CLASS_COLORS, strict=False))
    by_class = [Category(code, legend.classes[code], outlined(color)) for code, color in colors.items()]
    by_class.append(Category("", words["no_class"], _SETTLED))
    deadlines = review_words("deadlines", language)
    by_deadline = [Category(code, deadlines[code], outlined(c)) for code, c in DEADLINE_COLORS.items()]
    palette = UNIT_COLORS[:-1]
    by_fact = [
        Category(code, legend.facts.get(code, code), outlined(palette[number % len(palette)]))
        for number, code in enumerate(_missing_alone(there, legend.facts))
    ]
    by_fact.append(Category("several", words["several"], outlined(_SEVERAL)))
    by_fact.append(Category("", words["settled"], _SETTLED))
    return {
        "class": ("category", by_class),
        "deadline": (_deadline_expression(legend.as_of), by_deadline),
        "missing": (
            "CASE WHEN \"missing_facts\" IS NULL THEN '' WHEN strpos(\"missing_facts\", ',') > 0"
            " THEN 'several' ELSE \"missing_facts\" END",
            by_fact,
        ),
    }


def _deadline_expression(as_of: date) -> str:
    return (
        "CASE WHEN \"overdue\" = 1 THEN 'overdue' WHEN \"due_on\" IS NULL THEN 'none'"
        f" WHEN \"due_on\" <= to_date('{as_of + _SOON}') THEN 'soon'"
        f" WHEN \"due_on\" <= to_date('{as_of + _YEAR}') THEN 'year' ELSE 'later' END"
    )


def _missing_alone(there: Mapping[str, Labelled], facts: Mapping[str, str]) -> list[str]:
    """Return the facts that are the only missing one of some parcel, in the order of the vocabulary."""
    found: set[str] = set()
    for name in ("decisions", "parts"):
        if name in there:
            distinct = there[name].table["missing_facts"].unique().to_pylist()
            found.update(v for v in distinct if v and "," not in v)
    order = list(facts)
    return sorted(found, key=lambda f: order.index(f) if f in order else len(order))


def _project_layer(
    layer: Labelled,
    group: str,
    file_name: str,
    styles: Mapping[str, tuple[str, list[Category]]],
    there: Mapping[str, Labelled],
    language: str,
    *,
    folded: bool,
) -> ProjectLayer:
    form, further = result_form(layer, language, there), {}
    drawn_by = legend_of(layer.name, language)
    if layer.name == "review_boundaries":
        drawn_by = ("", [Category("", layer.identifier, _BOUNDARY)])
    if layer.name in ("decisions", "parts"):
        further = {
            _style_name(theme, language): layer_qml(layer, drawn, form=form)
            for theme, drawn in styles.items()
        }
    geometry = {"issues": "Point"}.get(layer.name, "Polygon") if drawn_by[1] else ""
    return ProjectLayer(
        name=layer.name,
        title=layer.identifier,
        source=f"./{file_name}|layername={layer.name}",
        group=group,
        geometry=geometry,
        qml=layer_qml(layer, drawn_by, form=form),
        styles=further,
        read_only=layer.name != "reviews",
        expanded=layer.name == "decisions",
        smallest_scale=_HATCHED_FROM if layer.name == "overlaps" else 0,
        group_open=not folded,
    )


def _relations(there: Mapping[str, Any]) -> list[Relation]:
    children = dict.fromkeys(name for names in CHILDREN.values() for name in names)
    found = [
        Relation(f"decisions_{name}", there[name].identifier, name, "decisions")
        for name in children
        if name in there and "decisions" in there
    ]
    for parent in ("decisions", "parts"):
        if "trace" in there and parent in there:
            title = there["trace"].identifier
            found.append(Relation(f"{parent}_trace", title, "trace", parent, "trace_id", "trace_id"))
    return found
