"""Why a parcel got its recommendation, told from a result GeoPackage.

``explain`` reads what ``landremed run`` kept (decision, facts with their places, rules walked, areas,
findings) and puts the words of the rule book to it; ``render`` writes it down as a person would tell it::

    why = explain(Path("result.gpkg"), "BH-001", language="en")
    print(render(why))
"""

from __future__ import annotations

from landremed.explain.gather import Explanation, explain
from landremed.explain.render import render

__all__ = ["Explanation", "explain", "render"]
