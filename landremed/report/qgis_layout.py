"""The print layout of a result: one A4 page per parcel, as a QGIS atlas over ``decisions``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import quoteattr

from landremed.report.review_words import review_word, review_words

__all__ = ["parcel_layout"]

_LEFT, _WIDE = 15.0, 180.0
_MAP_TOP, _MAP_HIGH = 78.0, 150.0
_FONT: Final = "Noto Sans CJK SC"
_MOST_AREAS: Final = 6
_MAP_ID: Final = "{5f3a6f3e-0000-4000-8000-000000000001}"
_MARGIN_SHARE: Final = 0.75
"""Of the parcel's size, left free around it on the map."""


@dataclass(frozen=True, slots=True)
class _Label:
    """Text of the page; sizes in mm, ``size`` in points; bracketed expressions are filled in by QGIS."""

    text: str
    top: float
    high: float
    size: float
    left: float = _LEFT
    wide: float = _WIDE
    bold: bool = False
    align: int = 1

    def xml(self, number: int) -> str:
        weight = 75 if self.bold else 50
        position = f"{self.left},{self.top},mm"
        return (
            f'<LayoutItem type="65641" position="{position}" positionOnPage="{position}"'
            f' size="{self.wide},{self.high},mm" referencePoint="0" zValue="{number}" visibility="1"'
            f' background="false" frame="false" htmlState="0" halign="{self.align}" valign="32" marginX="0"'
            f' marginY="0" opacity="1" id="label_{number}" labelText={quoteattr(self.text)}>'
            f'<LabelFont description="{_FONT},{self.size},-1,5,{weight},0,0,0,0,0" style=""/>'
            '<FontColor red="20" green="20" blue="20" alpha="255"/></LayoutItem>'
        )


def parcel_layout(
    columns: Sequence[str], areas: Mapping[str, str], *, theme: str, secrecy: str | None, language: str
) -> str:
    """Return the layout as XML, for the project of a result.

    Parameters
    ----------
    columns : sequence of str
        Columns of ``decisions``; lines about others are left out.
    areas : mapping of column to str
        Columns of areas in m² to list, with their titles.
    theme : str
        Map theme the map follows.
    secrecy : str or None
        Stamped at the top right.
    language : {"zh", "en"}
        Language of the page.
    """
    words = review_words("layout", language)
    there = set(columns)
    labels = [
        _Label('[% "outcome_label" %]  [% "parcel_id" %]', 12.0, 10.0, 18.0, bold=True),
        _Label("[% coalesce(\"why\", '') %]", 24.0, 14.0, 11.0),
        _Label(_facts(there, words), 39.0, 36.0, 9.5, wide=88.0),
        _Label(_areas(areas, words), 39.0, 36.0, 9.5, left=_LEFT + 92.0, wide=88.0),
        _Label(f"{words['missing']}[% coalesce(\"missing_facts_label\", '–') %]", 231.0, 14.0, 9.5),
        *(
            _Label(words[name], 250.0, 8.0, 10.0, left=_LEFT + offset)
            for name, offset in (("finding", 0.0), ("reviewer", 85.0), ("day", 140.0))
        ),
        _Label(words["foot"], 279.0, 8.0, 8.5),
        _Label("[% @atlas_featurenumber %] / [% @atlas_totalfeatures %]", 279.0, 8.0, 8.5, align=2),
    ]
    if secrecy:
        labels.append(_Label(_literal(secrecy), 6.0, 6.0, 10.0, bold=True, align=2))
    name = quoteattr(review_word("words", "layout", language))
    items = "".join(label.xml(number) for number, label in enumerate(labels, 10))
    return (
        f'<Layout name={name} units="mm" printResolution="300">{_PAGE}{_map(theme)}'
        f"{_SCALE_BAR}{_NORTH}{items}"
        '<Atlas enabled="1" coverageLayer="landremed_decisions" hideCoverage="0" filterFeatures="0"'
        ' sortFeatures="0" pageNameExpression="&quot;parcel_id&quot;"'
        ' filenamePattern="&quot;parcel_id&quot;"/></Layout>'
    )


def _facts(there: set[str], words: Mapping[str, str]) -> str:
    lines = [
        ("category", '[% represent_value("category") %][% \' · \' || represent_value("subtype") %]'),
        ("clause", "[% coalesce(\"clause\", '–') %]"),
        ("measure_label", "[% coalesce(\"measure_label\", '–') %]"),
        ("due_on", "[% coalesce(format_date(\"due_on\", 'yyyy-MM-dd'), '–') %]"),
        ("implementing_unit", "[% coalesce(\"implementing_unit\", '–') %]"),
    ]
    return "\n".join(words[name] + text for name, text in lines if name in there)


def _areas(areas: Mapping[str, str], words: Mapping[str, str]) -> str:
    lines = [
        f"{words['area']}[% coalesce(format_number(\"area_m2\", 2), '–') %] ㎡"
        f" ([% coalesce(format_number(\"area_mu\", 2), '–') %] {words['mu']})"
    ]
    for column, title in [*areas.items()][:_MOST_AREAS]:
        shown = _literal(title.replace("(㎡)", "").replace(", m2", ""))
        lines.append(f"{shown}{words['colon']}[% coalesce(format_number(\"{column}\", 2), '–') %] ㎡")
    return "\n".join(lines)


def _literal(text: str) -> str:
    """Keep QGIS from reading an expression into a given text."""
    return text.replace("[%", "[ %").replace("%]", "% ]")


_PAGE: Final = (
    '<PageCollection><LayoutItem type="65638" position="0,0,mm" positionOnPage="0,0,mm" size="210,297,mm"'
    ' referencePoint="0" zValue="0" visibility="1" background="true" frame="false" opacity="1" id=""/>'
    "</PageCollection>"
)
_SCALE_BAR: Final = (
    '<LayoutItem type="65646" style="Line Ticks Up" position="17,217,mm" positionOnPage="17,217,mm"'
    ' size="50,10,mm" referencePoint="0" zValue="4" visibility="1" background="false" frame="false"'
    f' opacity="1" id="scale" mapUuid="{_MAP_ID}" unitType="meters" unitLabel="m"'
    ' numMapUnitsPerScaleBarUnit="1" segmentSizeMode="1" minBarWidth="25" maxBarWidth="45" numSegments="2"'
    ' numSegmentsLeft="0" height="2" labelBarSpace="1" boxContentSpace="1" alignment="0" numSubdivisions="1"'
    ' segmentMillimeters="20" numUnitsPerSegment="100" outlineWidth="0.3"'
    ' labelVerticalPlacement="0" labelHorizontalPlacement="0"/>'
)
_NORTH: Final = (
    '<LayoutItem type="65640" file=":/images/north_arrows/layout_default_north_arrow.svg"'
    ' position="182,80,mm" positionOnPage="182,80,mm" size="11,11,mm" referencePoint="0" zValue="3" mode="2"'
    ' visibility="1" background="false" frame="false" opacity="1" id="north" resizeMode="0" anchorPoint="0"'
    ' svgFillColor="255,255,255,255" svgBorderColor="0,0,0,255" svgBorderWidth="0.2" northMode="0"'
    f' mapUuid="{_MAP_ID}"/>'
)


def _map(theme: str) -> str:
    return (
        f'<LayoutItem type="65639" position="{_LEFT},{_MAP_TOP},mm" positionOnPage="{_LEFT},{_MAP_TOP},mm"'
        f' size="{_WIDE},{_MAP_HIGH},mm" referencePoint="0" zValue="1" visibility="1" background="true"'
        f' frame="true" opacity="1" id="map" uuid="{_MAP_ID}" mapRotation="0" followPreset="true"'
        f' followPresetName={quoteattr(theme)} keepLayerSet="false" drawCanvasItems="true">'
        '<Extent xmin="0" ymin="0" xmax="1800" ymax="1500"/><LayerSet/>'
        f'<AtlasMap atlasDriven="1" scalingMode="2" margin="{_MARGIN_SHARE}"/></LayoutItem>'
    )
