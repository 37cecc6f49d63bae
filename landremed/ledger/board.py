"""How QGIS shows the map layer ``board``: titles, meanings of codes, one colour per state."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import quoteattr

from landremed.io.gpkg_extras import TableNotes, add_extras
from landremed.law import RuleBook
from landremed.law.load_ledger import LedgerRules
from landremed.ledger.words import words_of

__all__ = ["dress_board"]

_STAMP: Final = "2000-01-01T00:00:00.000Z"
_QML: Final = """<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22.0" styleCategories="Symbology|Fields" hasScaleBasedVisibilityFlag="0">
  <renderer-v2 type="categorizedSymbol" attr="state" symbollevels="0" enableorderby="0" forceraster="0">
    <categories>
{categories}    </categories>
    <symbols>
{symbols}    </symbols>
  </renderer-v2>
  <aliases>
{aliases}  </aliases>
  <previewExpression>"parcel_id"</previewExpression>
  <layerGeometryType>2</layerGeometryType>
</qgis>
"""
_SYMBOL: Final = """      <symbol type="fill" name="{number}" alpha="1" clip_to_extent="1" force_rhr="0">
        <layer class="SimpleFill" enabled="1" locked="0" pass="0">
          <prop k="color" v="{color}"/>
          <prop k="style" v="solid"/>
          <prop k="outline_color" v="60,60,60,255"/>
          <prop k="outline_style" v="solid"/>
          <prop k="outline_width" v="0.2"/>
          <prop k="outline_width_unit" v="MM"/>
        </layer>
      </symbol>
"""


@dataclass(frozen=True)
class _Style:
    name: str
    qml: str
    description: str = ""


def dress_board(db: sqlite3.Connection, book: RuleBook, rules: LedgerRules, language: str) -> None:
    """Give the map layer its titles, code lists and default style.

    Parameters
    ----------
    db : sqlite3.Connection
        A new ledger with its tables, outside a transaction.
    """
    titles = words_of("board_columns", language)
    states = {code: state.label.of(language) for code, state in rules.states.items()}
    labels = {
        "state": states,
        "category": {code: book.value_label("category", code, language) for code in book.categories},
        "outcome": {code: spec.label.of(language) for code, spec in book.outcomes.items()},
        "measure": {code: book.measure_label(code, language) for code in book.measures},
    }
    notes = TableNotes("board", list(titles), titles, labels, spatial=True)
    style = _Style(words_of("board", language)["style"], _qml(states, titles, language))
    add_extras(db, [notes], {"board": style}, {"rules": book.name, "hash": book.content_hash}, _STAMP)


def _qml(states: dict[str, str], titles: dict[str, str], language: str) -> str:
    colors = words_of("board_colors", language)
    categories = [
        f'      <category render="true" symbol="{n}" value={quoteattr(code)} label={quoteattr(label)}/>\n'
        for n, (code, label) in enumerate(states.items())
    ]
    symbols = [
        _SYMBOL.format(number=n, color=_rgba(colors.get(code, colors["in_progress"])))
        for n, code in enumerate(states)
    ]
    aliases = [
        f"    <alias field={quoteattr(name)} name={quoteattr(title)}/>\n" for name, title in titles.items()
    ]
    return _QML.format(categories="".join(categories), symbols="".join(symbols), aliases="".join(aliases))


def _rgba(color: str) -> str:
    return ",".join(str(int(color[at : at + 2], 16)) for at in (1, 3, 5)) + ",255"
