"""Default QGIS style of the verification layer: coloured by verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from landremed.io.gpkg import OutLayer
from landremed.report.labels import word as report_word
from landremed.report.styles import Style
from landremed.verify.claims import word
from landremed.verify.verdict import Verdict

__all__ = ["VERDICT_COLORS", "verification_styles"]

VERDICT_COLORS: Final[Mapping[str, str]] = {
    Verdict.SUPPORTED.value: "0,125,91",
    Verdict.CONTRADICTED.value: "213,94,0",
    Verdict.CANNOT_TELL.value: "240,228,66",
}
"""Fill by verdict, red,green,blue; they keep apart for readers who confuse red and green."""

_NOT_JUDGED: Final = "220,220,220"
_NO_GEOMETRY: Final = 4
_ESCAPED: Final = "[% replace(replace(coalesce(\"{}\", ''), '&', '&amp;'), '<', '&lt;') %]"


def verification_styles(layers: Sequence[OutLayer], language: str) -> dict[str, Style]:
    """Return a style with column titles for every layer, and colours for ``verification``."""
    name = report_word("style_name", language)
    return {
        layer.name: Style(name, _qml(layer, language), layer.identifier)
        for layer in layers
        if layer.name == "verification" or layer.geometry is None
    }


def _qml(layer: OutLayer, language: str) -> str:
    drawn = layer.geometry is not None
    aliases = "".join(
        f"<alias field={quoteattr(column)} name={quoteattr(title)}/>"
        for column, title in layer.column_titles.items()
    )
    widgets = "".join(_widget(column, codes) for column, codes in layer.value_labels.items())
    kind = 2 if drawn else _NO_GEOMETRY
    tip = "<br>".join(_ESCAPED.format(name) for name in ("parcel_id", "why"))
    tip = f"<mapTip>{escape(tip)}</mapTip>" if drawn else ""
    return (
        '<!DOCTYPE qgis PUBLIC "http://mrcc.com/qgis.dtd" "SYSTEM">\n'
        '<qgis version="3.22.0" styleCategories="AllStyleCategories">'
        f"{_renderer(language) if drawn else ''}<fieldConfiguration>{widgets}</fieldConfiguration>"
        f"<aliases>{aliases}</aliases>{tip}<layerGeometryType>{kind}</layerGeometryType></qgis>"
    )


def _renderer(language: str) -> str:
    entries = [
        (code, word("verdicts", code, language=language), color) for code, color in VERDICT_COLORS.items()
    ]
    entries.append(("", word("sentence", "nothing", language=language), _NOT_JUDGED))
    categories = "".join(
        f'<category render="true" symbol="{i}" value={quoteattr(code)} label={quoteattr(label)}/>'
        for i, (code, label, _) in enumerate(entries)
    )
    symbols = "".join(_symbol(i, color) for i, (_, _, color) in enumerate(entries))
    return (
        '<renderer-v2 type="categorizedSymbol" attr="verdict" symbollevels="0" enableorderby="0">'
        f"<categories>{categories}</categories><symbols>{symbols}</symbols></renderer-v2>"
    )


def _symbol(number: int, color: str) -> str:
    settings = {
        "color": f"{color},190",
        "outline_color": "40,40,40,255",
        "outline_style": "solid",
        "outline_width": "0.3",
        "outline_width_unit": "MM",
        "style": "solid",
    }
    options = "".join(
        f'<Option type="QString" name="{key}" value="{value}"/>' for key, value in settings.items()
    )
    old = "".join(f'<prop k="{key}" v="{value}"/>' for key, value in settings.items())
    return (
        f'<symbol type="fill" name="{number}" alpha="1" clip_to_extent="1" force_rhr="0">'
        '<layer class="SimpleFill" enabled="1" locked="0" pass="0">'
        f'<Option type="Map">{options}</Option>{old}</layer></symbol>'
    )


def _widget(column: str, codes: Mapping[str, str]) -> str:
    options = "".join(
        '<Option type="Map"><Option type="QString" '
        f"name={quoteattr(label)} value={quoteattr(code)}/></Option>"
        for code, label in codes.items()
    )
    return (
        f'<field name={quoteattr(column)}><editWidget type="ValueMap"><config><Option type="Map">'
        f'<Option type="List" name="map">{options}</Option></Option></config></editWidget></field>'
    )
