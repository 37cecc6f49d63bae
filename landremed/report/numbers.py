"""How areas and shares are written for people."""

from __future__ import annotations

__all__ = ["area_text", "share_text"]


def area_text(area_m2: float) -> str:
    """Return an area with two decimals and thousands apart."""
    return f"{area_m2:,.2f}"


def share_text(share: float) -> str:
    """Return a share as a percentage that is never rounded to nothing or to all."""
    if 0 < share < 0.0005:
        return "<0.1%"
    if 0.9995 <= share < 0.999995:
        return ">99.9%"
    return f"{share:.1%}".replace(".0%", "%")
