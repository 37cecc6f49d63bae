"""Compiled kernels, where they are ready."""

from __future__ import annotations

from typing import Final

from landremed.overlay.looks import at_hand

__all__ = ["worth_loading"]

_BYTES: Final = 3_400
"""Looking over so many bytes of shapes costs about what one segment costs here."""


def worth_loading(segments: int) -> bool:
    """Tell whether kernels are loaded, or so many segments pay for loading them; they are never compiled."""
    return at_hand(_BYTES * segments)
