"""Compiled kernels, where they are ready."""

from __future__ import annotations

from typing import Final

__all__ = ["worth_loading"]

_MANY: Final = 5_000
"""Segments from which on loading them pays."""


def worth_loading(segments: int) -> bool:
    """Tell whether there are so many segments, and kernels that need not be compiled first."""
    if segments < _MANY:
        return False
    from landremed.overlay.native.compiled import is_warm

    return is_warm()
