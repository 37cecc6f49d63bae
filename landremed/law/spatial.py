"""Which layers a rule book's facts rest on."""

from __future__ import annotations

from landremed.law.book import RuleBook
from landremed.law.decide import facts_used
from landremed.types import FactSpec

__all__ = ["asked_layers", "layers_of_fact"]


def layers_of_fact(spec: FactSpec) -> tuple[str, ...]:
    """Return the layers that a measured fact rests on; none for a given one.

    Examples
    --------
    >>> from landremed.law import load_vocabulary
    >>> layers_of_fact(load_vocabulary()["red_line_outside_boundary"])
    ('ecological_red_line', 'urban_development_boundary')
    """
    if spec.source != "computed":
        return ()
    if spec.outside:
        return (spec.layer, spec.outside)
    if spec.within or spec.layer:
        return (spec.within or spec.layer,)
    return (spec.name.removeprefix("occupies_").removesuffix("_area_m2"),)


def asked_layers(book: RuleBook) -> tuple[str, ...]:
    """Return the layers that some rule, schedule or priority of a book asks about, in the facts' order."""
    asked = (layers_of_fact(book.vocabulary[name]) for name in facts_used(book, None))
    return tuple(dict.fromkeys(layer for layers in asked for layer in layers))
