"""Attribute forms of QGIS and QField: tabs, read-only fields, widgets, defaults and constraints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from xml.sax.saxutils import quoteattr

__all__ = ["Rule", "Tab", "attachment_widget", "form_xml", "rules_xml", "simple_widget", "widget_xml"]

_PHOTOS: Final = "DCIM/"
_SOFT, _HARD = 2, 1
_NOT_NULL, _EXPRESSION = 1, 4


@dataclass(frozen=True, slots=True)
class Tab:
    """A tab, or with ``box`` a group inside one.

    Attributes
    ----------
    fields : sequence of str
        Columns, in the order shown.
    relations : mapping of str to str
        Ids of relations whose related rows are shown below the fields, and their headings.
    visible_if : str
        QGIS expression; empty for always.
    groups : sequence of Tab
        Groups inside the tab.
    """

    title: str
    fields: Sequence[str] = ()
    relations: Mapping[str, str] = field(default_factory=dict)
    visible_if: str = ""
    groups: Sequence[Tab] = ()
    box: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """What a field must hold: an expression and what to tell when it does not hold.

    ``hard`` refuses the row, else the form only warns. ``default`` is an expression for new rows.
    """

    expression: str = ""
    told: str = ""
    required: bool = False
    hard: bool = True
    default: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


def form_xml(tabs: Sequence[Tab], *, columns: Sequence[str], read_only: Iterable[str]) -> str:
    """Return the form's layout and which fields are read-only.

    Parameters
    ----------
    tabs : sequence of Tab
        From left to right.
    columns : sequence of str
        Columns of the layer; fields that are not among them are passed over.
    read_only : iterable of str
        Columns nobody may edit.
    """
    locked = {"fid", *read_only}
    editable = "".join(
        f'    <field name={quoteattr(name)} editable="{int(name not in locked)}"/>\n'
        for name in ("fid", *columns)
    )
    body = "".join(_container(tab, columns) for tab in tabs)
    return (
        "  <editorlayout>tablayout</editorlayout>\n"
        f"  <attributeEditorForm>\n{body}  </attributeEditorForm>\n"
        f"  <editable>\n{editable}  </editable>\n"
    )


def rules_xml(rules: Mapping[str, Rule]) -> str:
    """Return defaults and constraints of fields."""
    defaults, constraints, expressions = [], [], []
    for name, rule in rules.items():
        column = quoteattr(name)
        if rule.default:
            defaults.append(
                f'    <default field={column} expression={quoteattr(rule.default)} applyOnUpdate="0"/>\n'
            )
        kinds = _NOT_NULL * rule.required + _EXPRESSION * bool(rule.expression)
        if not kinds:
            continue
        strength = _HARD if rule.hard else _SOFT
        constraints.append(
            f'    <constraint field={column} constraints="{kinds}" unique_strength="0"'
            f' notnull_strength="{strength * rule.required}"'
            f' exp_strength="{strength * bool(rule.expression)}"/>\n'
        )
        expressions.append(
            f"    <constraint field={column} exp={quoteattr(rule.expression)} desc={quoteattr(rule.told)}/>\n"
        )
    return (
        f"  <defaults>\n{''.join(defaults)}  </defaults>\n"
        f"  <constraints>\n{''.join(constraints)}  </constraints>\n"
        f"  <constraintExpressions>\n{''.join(expressions)}  </constraintExpressions>\n"
    )


def attachment_widget(column: str) -> str:
    """Return a camera and file widget whose paths are relative to the project."""
    return widget_xml(
        column,
        "ExternalResource",
        '<Option name="DocumentViewer" type="int" value="1"/>'
        '<Option name="FileWidget" type="bool" value="true"/>'
        '<Option name="FileWidgetButton" type="bool" value="true"/>'
        '<Option name="RelativeStorage" type="int" value="1"/>'
        '<Option name="StorageMode" type="int" value="0"/>'
        f'<Option name="DefaultRoot" type="QString" value={quoteattr(_PHOTOS)}/>',
    )


def simple_widget(column: str, kind: str, **options: str) -> str:
    """Return a widget of QGIS by its name (``Hidden``, ``TextEdit``, ``DateTime``) with text options."""
    texts = "".join(
        f'<Option name={quoteattr(name)} type="{_option_type(value)}" value={quoteattr(value)}/>'
        for name, value in options.items()
    )
    return widget_xml(column, kind, texts)


def widget_xml(column: str, kind: str, options: str) -> str:
    """Return a widget of QGIS by its name, with options as XML."""
    return (
        f"    <field name={quoteattr(column)}><editWidget type={quoteattr(kind)}><config>"
        f'<Option type="Map">{options}</Option></config></editWidget></field>\n'
    )


def _option_type(value: str) -> str:
    if value in ("true", "false"):
        return "bool"
    return "int" if value.isdigit() else "QString"


def _container(tab: Tab, columns: Sequence[str]) -> str:
    place = {name: number for number, name in enumerate(columns, 1)}
    rows = [
        f'      <attributeEditorField name={quoteattr(name)} showLabel="1" index="{place[name]}"/>\n'
        for name in tab.fields
        if name in place
    ]
    rows += [_container(group, columns) for group in tab.groups]
    rows += [
        f"      <attributeEditorRelation name={quoteattr(name)} relation={quoteattr(name)}"
        f' label={quoteattr(heading)} showLabel="1" nmRelationId="" forceSuppressFormPopup="0"'
        ' relationWidgetTypeId="relation_editor"/>\n'
        for name, heading in tab.relations.items()
    ]
    seen = f'visibilityExpressionEnabled="1" visibilityExpression={quoteattr(tab.visible_if)}'
    if not tab.visible_if:
        seen = 'visibilityExpressionEnabled="0" visibilityExpression=""'
    body = "".join(rows)
    return (
        f'    <attributeEditorContainer name={quoteattr(tab.title)} groupBox="{int(tab.box)}"'
        f' columnCount="1" showLabel="1" {seen}>\n{body}    </attributeEditorContainer>\n'
    )
