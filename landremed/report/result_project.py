"""The QGIS project inside a result: layers in groups, map themes, forms with tabs and related rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from landremed.report.labels import Labelled
from landremed.report.palette import CLASS_COLORS, DEADLINE_COLORS, UNIT_COLORS, Fill
from landremed.report.qgis_forms import Rule, Tab, form_xml, rules_xml, simple_widget
from landremed.report.qgis_project import (
    DEFAULT_STYLE,
    ProjectCrs,
    ProjectLayer,
    Relation,
    Theme,
    project_xml,
)
from landremed.report.review_words import review_word, review_words
from landremed.report.styles import Category, layer_qml, legend_of

__all__ = ["Legend", "outlined", "result_project"]

_GROUPS: Final = (
    ("review", ("review_boundaries", "reviews", "review_clashes", "review_changes", "review_overrules")),
    ("findings", ("issues", "review_problems")),
    ("decisions", ("overlaps", "parts", "decisions")),
    ("tables", ("summary", "overlap_features", "land_use", "facts", "trace", "provenance")),
)
_CHILDREN: Final = {
    "overlaps": ("overlaps", "overlap_features", "land_use"),
    "facts": ("facts", "issues"),
    "review": (
        "reviews",
        "review_overrules",
        "review_clashes",
        "review_changes",
        "review_boundaries",
        "review_problems",
    ),
}
_DECISION_FIELDS: Final = (
    "parcel_id",
    "outcome",
    "outcome_label",
    "measure_label",
    "why",
    "clause",
    "missing_facts_label",
    "reason",
    "possible_outcomes",
    "category",
    "subtype",
    "area_m2",
    "area_mu",
    "flags",
)
_DUTY_FIELDS: Final = (
    "schedule",
    "due_on",
    "overdue",
    "next_milestone_on",
    "next_milestone_share",
    "priority",
    "zero_tolerance",
    "lead",
    "cooperating",
    "implementing",
    "implementing_unit",
    "other_units",
)
_CODES: Final = ("measure", "missing_facts", "rule", "trace_id", "robust")
_PARCELS: Final = ("parts", "decisions")
_DRAWN: Final = ("review_boundaries", "issues", "overlaps", *_PARCELS)
_SETTLED: Final = Fill("#d9d9d9", "#9a9a9a", 0.5)
_BOUNDARY: Final = Fill("#000000", "#7b3294", 1.0, "no", "dash", 0.8)
_OUTLINE: Final = "#404040"
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
    """
    there = {layer.name: layer for layer in layers}
    styles = _styles(there, legend, language)
    listed = []
    for group, names in _GROUPS:
        title_of_group = review_word("groups", group, language)
        listed += [
            _project_layer(there[name], title_of_group, file_name, styles, there, language)
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
    return project_xml(title, listed, crs=crs, extent=extent, relations=_relations(there), themes=themes)


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
    by_fact.append(Category("several", words["several"], outlined(UNIT_COLORS[-1])))
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
) -> ProjectLayer:
    columns: Sequence[str] = layer.table.column_names
    form, widgets, further = _form(layer, columns, there, language), "", {}
    if layer.name == "reviews":
        form += rules_xml(_review_rules(language))
        widgets = simple_widget("remark", "TextEdit", IsMultiline="true")
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
        qml=layer_qml(layer, drawn_by, form=form, widgets=widgets),
        styles=further,
        read_only=layer.name != "reviews",
        expanded=layer.name == "decisions",
        smallest_scale=_HATCHED_FROM if layer.name == "overlaps" else 0,
    )


def _form(layer: Labelled, columns: Sequence[str], there: Mapping[str, Labelled], language: str) -> str:
    tab = review_words("tabs", language)
    locked = [] if layer.name == "reviews" else columns
    if layer.name not in ("decisions", "parts"):
        return form_xml([Tab(tab["row"], columns)], columns=columns, read_only=locked)
    others = {*_DECISION_FIELDS, *_DUTY_FIELDS}
    areas = [name for name in columns if name.endswith(("_m2", "_share", "_mu")) and name not in others]
    ours = {*_DECISION_FIELDS, *_DUTY_FIELDS, *areas, *_CODES}
    computed = [name for name in columns if name.startswith("fact_")]
    at = columns.index("trace_id") + 1  # the source attributes follow our own columns
    source = list(columns[at:])
    rest = [name for name in columns[:at] if name not in ours and name not in computed]

    def related(key: str) -> list[str]:
        whole = layer.name == "decisions"
        return [f"decisions_{name}" for name in _CHILDREN[key] if name in there] if whole else []

    trace = [f"{layer.name}_trace"] if "trace" in there else []
    tabs = [
        Tab(tab["decision"], _DECISION_FIELDS),
        Tab(tab["overlaps"], areas, related("overlaps")),
        Tab(tab["trace"], ("rule", "clause"), trace),
        Tab(tab["facts"], computed, related("facts")),
        Tab(tab["duties"], [*_DUTY_FIELDS, *rest, *_CODES]),
        Tab(tab["review"], (), related("review")),
        Tab(tab["source"], source),
    ]
    return form_xml([t for t in tabs if t.fields or t.relations], columns=columns, read_only=locked)


def _review_rules(language: str) -> dict[str, Rule]:
    words = review_words("words", language)
    return {
        "person": Rule(told=words["needs_name"], required=True, default="@user_full_name"),
        "role": Rule(default="'reviewer'"),
        "made_at": Rule(default="format_date(now(), 'yyyy-MM-ddTHH:mm:ss')"),
        "kind": Rule(required=True, default="'note'"),
        "remark": Rule(
            "\"kind\" IS NOT 'overrule' OR length(trim(coalesce(\"remark\", ''))) > 0",
            words["needs_reason"],
        ),
    }


def _relations(there: Mapping[str, Any]) -> list[Relation]:
    children = dict.fromkeys(name for names in _CHILDREN.values() for name in names)
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
