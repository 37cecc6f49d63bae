"""Default QGIS styles of the result's layers, filled into templates without QGIS.

Recommendations are coloured by outcome and labelled with the parcel's id, overlaps hatched by layer,
findings marked by severity; tables get the titles of their columns. QGIS applies them when a layer is
opened, from ``layer_styles`` in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from string import Template
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from landremed.report.labels import Labelled, role_title, value_label, word
from landremed.report.palette import (
    LAYER_HATCHES,
    OTHER_HATCH,
    OUTCOME_FILLS,
    SEVERITY_MARKERS,
    Fill,
    Marker,
)
from landremed.report.qgis_forms import simple_widget, widget_xml
from landremed.types import SPECIAL_ROLES

__all__ = ["Category", "Style", "default_styles", "layer_qml", "legend_of"]

_SMALLEST_LABEL_SCALE: Final = 10000
_SMALLEST_SLIVER_SCALE: Final = 1500
_SLIVER_LABEL: Final = (
    'if("sliver_kind" IS NULL, NULL, represent_value("sliver_kind") || \'\\n\' || "area_m2" || \' m²\')'
)
_POINT, _POLYGON, _NO_GEOMETRY = 0, 2, 4
_LONG_TEXTS: Final = (
    "why",
    "flags",
    "message",
    "said",
    "remark",
    "why_after",
    "missing_facts_label",
    "condition",
)
_FILLED_IN: Final = ("visits", "resurveyed")
_DISPLAYED: Final[Mapping[str, Sequence[str]]] = {
    "overlaps": ("layer", "area_m2", "sliver_kind"),
    "pieces": ("layer", "area_m2", "sliver_kind"),
    "overlap_features": ("layer", "feature_id", "area_m2"),
    "land_use": ("code", "area_m2"),
    "facts": ("fact", "value"),
    "trace": ("step", "rule", "value"),
    "issues": ("severity", "code", "parcel_id"),
    "summary": ("category", "outcome", "count"),
    "provenance": ("key",),
    "reviews": ("made_at", "person", "kind", "fact", "value"),
    "review_clashes": ("fact", "said"),
    "review_changes": ("outcome_before", "outcome_after"),
    "review_overrules": ("person", "outcome", "reason"),
    "review_problems": ("code", "person"),
    "review_boundaries": ("person", "made_at", "area_m2"),
    "visits": ("parcel_id", "surveyor", "visited_at"),
    "resurveyed": ("parcel_id", "surveyor", "visited_at"),
}


@dataclass(frozen=True, slots=True)
class Style:
    """A QGIS style: its name, the QML document and one line about it."""

    name: str
    qml: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Category:
    """One line of a legend; the value "" stands for all other values."""

    value: str
    label: str
    drawing: Fill | Marker
    shown: bool = True


def default_styles(
    layers: Iterable[Labelled], language: str, forms: Mapping[str, str] | None = None
) -> dict[str, Style]:
    """Return the default style of each layer and table.

    Parameters
    ----------
    layers : iterable of OutLayer
        The layers that will be written, with their titles and code lists.
    language : {"zh", "en"}
        Language of the legend.
    forms : mapping of layer name to str, optional
        Elements of the attribute forms.
    """
    return {layer.name: _style(layer, language, (forms or {}).get(layer.name, "")) for layer in layers}


def _style(layer: Labelled, language: str, form: str) -> Style:
    return Style(
        name=word("style_name", language),
        qml=layer_qml(layer, legend_of(layer.name, language), form=form),
        description=layer.identifier,
    )


def legend_of(layer: str, language: str) -> tuple[str, Sequence[Category]]:
    """Return the attribute a layer is coloured by, and its legend; an empty one for tables."""
    if layer in ("decisions", "parts"):
        fills = OUTCOME_FILLS.items()
        return "outcome", [
            Category(code, value_label("outcome", code, language), fill) for code, fill in fills
        ]
    if layer == "overlaps":
        hatches = [Category(role, role_title(role, language), fill) for role, fill in LAYER_HATCHES.items()]
        # every parcel lies in some unit and on some land use: hidden until asked for
        hidden = [Category(role, role_title(role, language), OTHER_HATCH, False) for role in SPECIAL_ROLES]
        return "layer", [*hatches, *hidden, Category("", word("other_layer", language), OTHER_HATCH)]
    if layer == "issues":
        markers = SEVERITY_MARKERS.items()
        return "severity", [Category(code, value_label("severity", code, language), m) for code, m in markers]
    return "", []


def layer_qml(
    layer: Labelled, drawn_by: tuple[str, Sequence[Category]], *, form: str = "", widgets: str = ""
) -> str:
    """Return a style as QML.

    Parameters
    ----------
    layer : OutLayer
        With its titles and code lists.
    drawn_by : (str, sequence of Category)
        Attribute or expression that colours it, and its legend; an empty legend for a table.
    form : str
        Elements of the attribute form.
    widgets : str
        Widgets of fields that hold no codes.
    """
    attribute, categories = drawn_by
    columns: Sequence[str] = layer.table.column_names
    labels = _labels(layer)
    geometry_code = _NO_GEOMETRY
    if categories:
        geometry_code = _POINT if isinstance(categories[0].drawing, Marker) else _POLYGON
    return _template("layer.qml").substitute(
        labels_enabled=int(bool(labels)),
        renderer=_renderer(attribute, categories) if categories else "",
        labeling=labels,
        widgets="".join(_widget(name, layer) for name in ("fid", *columns)) + widgets,
        aliases="".join(_alias(name, title) for name, title in layer.column_titles.items()),
        display=escape(_display(layer)),
        map_tip=escape(_map_tip(columns)),
        form=form,
        geometry_code=geometry_code,
    )


def _renderer(attribute: str, categories: Sequence[Category]) -> str:
    lines = [
        # the number is also the key by which map themes name a line of the legend
        f'      <category render="{str(item.shown).lower()}" symbol="{number}" uuid="{number}"'
        f" value={quoteattr(item.value)} label={quoteattr(item.label)}/>\n"
        for number, item in enumerate(categories)
    ]
    symbols = [_symbol(number, item.drawing) for number, item in enumerate(categories)]
    return _template("renderer.xml").substitute(
        attribute=quoteattr(attribute), categories="".join(lines), symbols="".join(symbols)
    )


def _symbol(number: int, drawing: Fill | Marker) -> str:
    if isinstance(drawing, Marker):
        return _template("marker.xml").substitute(
            number=number, color=_rgba(drawing.color), shape=drawing.shape, size_mm=drawing.size_mm
        )
    return _template("fill.xml").substitute(
        number=number,
        color=_rgba(drawing.color),
        outline=_rgba(drawing.outline),
        opacity=drawing.opacity,
        pattern=drawing.pattern,
        line=drawing.line,
        width_mm=drawing.width_mm,
    )


def _labels(layer: Labelled) -> str:
    """Return how a layer is labelled: parcels by their ids, small overlaps by what they come from."""
    if layer.name in ("decisions", "parts", "parcels", "changes"):
        field, expression, scale = "parcel_id", 0, _SMALLEST_LABEL_SCALE
    elif layer.name in ("overlaps", "pieces") and "sliver_kind" in layer.table.column_names:
        field, expression, scale = _SLIVER_LABEL, 1, _SMALLEST_SLIVER_SCALE
    else:
        return ""
    return _template("labeling.xml").substitute(
        field=quoteattr(field), expression=expression, smallest_scale=scale
    )


def _widget(column: str, layer: Labelled) -> str:
    """Return the widget of a column that is not shown as plain text."""
    codes = layer.value_labels.get(column)
    if codes:
        pairs = (f"name={quoteattr(label)} value={quoteattr(code)}" for code, label in codes.items())
        options = "".join(f'<Option type="Map"><Option type="QString" {pair}/></Option>' for pair in pairs)
        return widget_xml(column, "ValueMap", f'<Option type="List" name="map">{options}</Option>')
    if column == "fid":
        return simple_widget(column, "Hidden")
    if column in _LONG_TEXTS:
        return simple_widget(column, "TextEdit", IsMultiline="true")
    if column == "share" or column.endswith("_share"):
        return simple_widget(column, "Range", AllowNull="true", Style="SpinBox", Precision="4")
    # else QGIS shows the key of a related row as a list of parcels
    plain = column == "trace_id" or (column == "parcel_id" and layer.name not in _FILLED_IN)
    return simple_widget(column, "TextEdit") if plain else ""


def _display(layer: Labelled) -> str:
    """Return the expression by which lists of rows name one."""
    columns: Sequence[str] = layer.table.column_names
    shown = [name for name in _DISPLAYED.get(layer.name, ("parcel_id",)) if name in columns]
    coded = {name: f'represent_value("{name}")' for name in shown if layer.value_labels.get(name)}
    return " || ' ' || ".join(f"coalesce({coded.get(name, quoteattr(name))}, '')" for name in shown)


def _alias(column: str, title: str) -> str:
    return f"    <alias field={quoteattr(column)} name={quoteattr(title)}/>\n"


def _map_tip(columns: Sequence[str]) -> str:
    """Return the hover text, an expression template of QGIS."""
    shown = [name for name in ("parcel_id", "outcome_label", "why", "message") if name in columns]
    escaped = "replace(replace(coalesce(\"{}\", ''), '&', '&amp;'), '<', '&lt;')"
    return "<br>".join(f"[% {escaped.format(name)} %]" for name in shown)


def _rgba(color: str) -> str:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"{red},{green},{blue},255"


@cache
def _template(name: str) -> Template:
    path = resources.files("landremed.report").joinpath("templates").joinpath(name)
    return Template(path.read_text(encoding="utf-8"))
