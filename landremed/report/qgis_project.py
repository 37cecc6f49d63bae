"""QGIS projects, written without QGIS: layers, groups, relations and map themes filled into a template."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from string import Template
from typing import Final
from xml.sax.saxutils import escape, quoteattr

import pyproj

__all__ = [
    "DEFAULT_STYLE",
    "ProjectCrs",
    "ProjectLayer",
    "Relation",
    "Theme",
    "layer_extent",
    "project_crs",
    "project_xml",
]

DEFAULT_STYLE: Final = "default"
"""QGIS's own name of the style a layer carries."""

_EMPTY_VIEW_M: Final = 1000.0
_NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_WRAPPED: Final = re.compile(r"<qgis\b[^>]*>(.*)</qgis>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ProjectCrs:
    """Coordinate reference system of a project: WKT, and authority and code where it has one."""

    wkt: str
    authid: str = ""

    def xml(self) -> str:
        """Return it as QGIS keeps it."""
        return (
            f"<spatialrefsys><wkt>{escape(self.wkt)}</wkt><authid>{escape(self.authid)}</authid>"
            "</spatialrefsys>"
        )


@dataclass(frozen=True)
class ProjectLayer:
    """One layer or table of a project.

    Attributes
    ----------
    name : str
        Table name; also the layer's id in the project.
    source : str
        ``./file.gpkg|layername=name``, relative to the project.
    geometry : {"Polygon", "Point", ""}
        Empty for a table.
    qml : str
        Style with form, as QML.
    styles : mapping of str to str
        Further styles by name, as QML.
    smallest_scale : int
        Drawn only from this scale (1 : n) on; 0 for always.
    group_open : bool
        Whether the group that begins with this layer is unfolded.
    """

    name: str
    title: str
    source: str
    group: str
    geometry: str
    qml: str
    styles: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = True
    shown: bool = True
    expanded: bool = False
    smallest_scale: int = 0
    group_open: bool = True


@dataclass(frozen=True, slots=True)
class Relation:
    """Rows of ``child`` belong to a row of ``parent`` where the fields are equal."""

    id: str
    name: str
    child: str
    parent: str
    child_field: str = "parcel_id"
    parent_field: str = "parcel_id"


@dataclass(frozen=True)
class Theme:
    """A map theme: which layers are shown, and in which of their styles.

    ``checked`` names, for layers of which not everything is shown, the lines of the legend by number.
    """

    name: str
    layers: Mapping[str, str]
    checked: Mapping[str, Sequence[int]] = field(default_factory=dict)


def project_xml(
    title: str,
    layers: Sequence[ProjectLayer],
    *,
    crs: ProjectCrs,
    extent: tuple[float, float, float, float],
    relations: Iterable[Relation] = (),
    themes: Iterable[Theme] = (),
    layouts: str = "",
) -> str:
    """Return a QGIS project.

    Parameters
    ----------
    title : str
        Shown in the window's title.
    layers : sequence of ProjectLayer
        From top to bottom; consecutive layers of a group stand in it.
    crs : ProjectCrs
        Of the project and its layers.
    extent : (xmin, ymin, xmax, ymax)
        First view, in the CRS.
    relations : iterable of Relation
        Related rows shown in forms.
    themes : iterable of Theme
        Map themes.
    layouts : str
        Print layouts, as XML.
    """
    xmin, ymin, xmax, ymax = extent
    text = _template("project.qgs").substitute(
        title=quoteattr(title),
        title_text=escape(title),
        crs=crs.xml(),
        tree=_tree(layers),
        relations="".join(map(_relation, relations)),
        layers="".join(_layer(layer, crs) for layer in layers),
        order="".join(f"    <layer id={quoteattr(_id(layer.name))}/>\n" for layer in layers),
        themes="".join(map(_theme, themes)),
        layouts=layouts,
        xmin=xmin,
        ymin=ymin,
        xmax=xmax,
        ymax=ymax,
    )
    return _NOT_XML.sub("", text)


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


def _tree(layers: Sequence[ProjectLayer]) -> str:
    parts = []
    group = None
    for layer in layers:
        if layer.group != group:
            parts.append("    </layer-tree-group>\n" if group else "")
            group = layer.group
            if group:
                parts.append(
                    f'    <layer-tree-group name={quoteattr(group)} checked="Qt::Checked"'
                    f' expanded="{int(layer.group_open)}">\n'
                )
        state = "Qt::Checked" if layer.shown else "Qt::Unchecked"
        parts.append(
            f"      <layer-tree-layer id={quoteattr(_id(layer.name))} name={quoteattr(layer.title)}"
            f' source={quoteattr(layer.source)} providerKey="ogr" checked="{state}"'
            f' expanded="{int(layer.expanded)}"/>\n'
        )
    return "".join([*parts, "    </layer-tree-group>\n" if group else ""])


def _relation(relation: Relation) -> str:
    return (
        f"    <relation id={quoteattr(relation.id)} name={quoteattr(relation.name)}"
        f' strength="Association" referencingLayer={quoteattr(_id(relation.child))}'
        f" referencedLayer={quoteattr(_id(relation.parent))}>"
        f"<fieldRef referencingField={quoteattr(relation.child_field)}"
        f" referencedField={quoteattr(relation.parent_field)}/></relation>\n"
    )


def _layer(layer: ProjectLayer, crs: ProjectCrs) -> str:
    labels = int('labelsEnabled="1"' in layer.qml)
    kind = layer.geometry or "No geometry"
    further = "".join(
        f"        <map-layer-style name={quoteattr(name)}>{_bare(qml)}</map-layer-style>\n"
        for name, qml in layer.styles.items()
    )
    return (
        f'    <maplayer type="vector" geometry="{kind}" labelsEnabled="{labels}"'
        f' readOnly="{int(layer.read_only)}" styleCategories="AllStyleCategories"'
        f' hasScaleBasedVisibilityFlag="{int(layer.smallest_scale > 0)}"'
        f' minScale="{layer.smallest_scale}" maxScale="0">\n'
        f"      <id>{escape(_id(layer.name))}</id>\n"
        f"      <datasource>{escape(layer.source)}</datasource>\n"
        f"      <layername>{escape(layer.title)}</layername>\n"
        f"      <srs>{crs.xml() if layer.geometry else ''}</srs>\n"
        '      <provider encoding="UTF-8">ogr</provider>\n'
        f'      <map-layer-style-manager current="{DEFAULT_STYLE}">\n'
        f'        <map-layer-style name="{DEFAULT_STYLE}"/>\n{further}'
        "      </map-layer-style-manager>\n"
        f"{_body(layer.qml)}    </maplayer>\n"
    )


def _theme(theme: Theme) -> str:
    rows = "".join(
        f'      <layer id={quoteattr(_id(name))} visible="1" expanded="1" style={quoteattr(style)}/>\n'
        for name, style in theme.layers.items()
    )
    for name, numbers in theme.checked.items():
        nodes = "".join(f'<checked-legend-node id="{number}"/>' for number in numbers)
        rows += f"      <checked-legend-nodes id={quoteattr(_id(name))}>{nodes}</checked-legend-nodes>\n"
    return (
        f'    <visibility-preset name={quoteattr(theme.name)} has-expanded-info="0">\n{rows}'
        "    </visibility-preset>\n"
    )


def _body(qml: str) -> str:
    """Return what stands inside the style's root element."""
    found = _WRAPPED.search(qml)
    return found.group(1) if found else ""


def _bare(qml: str) -> str:
    """Return a style without its document type."""
    return qml[qml.index("<qgis ") :].strip()


@cache
def _template(name: str) -> Template:
    path = resources.files("landremed.report").joinpath("templates").joinpath(name)
    return Template(path.read_text(encoding="utf-8"))


def _id(name: str) -> str:
    # QGIS gives a layer a new id when its id is shorter than what it would make itself
    return f"landremed_{name}"
