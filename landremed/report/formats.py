"""How numbers and dates are written, in one place for terminal, sheets, pages and pictures."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, Final

from landremed.report.numbers import area_text, share_text

__all__ = [
    "EXCEL_AREA",
    "EXCEL_COUNT",
    "EXCEL_DATE",
    "EXCEL_HECTARES",
    "EXCEL_SHARE",
    "area_text",
    "date_text",
    "hectares",
    "plain_text",
    "share_text",
]

EXCEL_AREA: Final = "#,##0.00"
"""Areas in m² and 亩."""
EXCEL_HECTARES: Final = "#,##0.0000"
EXCEL_SHARE: Final = "0.0%"
EXCEL_COUNT: Final = "#,##0"
EXCEL_DATE: Final = "yyyy-mm-dd"

_UNWRITABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_M2_PER_HECTARE: Final = 10_000


def hectares(area_m2: float | None) -> float | None:
    """Return an area in 公顷, rounded to four decimals; None stays None.

    Examples
    --------
    >>> hectares(12365.09)
    1.2365
    """
    return None if area_m2 is None else round(area_m2 / _M2_PER_HECTARE, 4)


def date_text(value: date | str | None) -> str:
    """Return a date as ``YYYY-MM-DD``, nothing for None."""
    return "" if value is None else str(value)


def plain_text(value: Any) -> str:
    r"""Return a value as one line of text that every document can hold.

    Control characters become spaces: XML, and with it xlsx and SVG, cannot carry them.

    Examples
    --------
    >>> plain_text("a\x00b\nc"), plain_text(None)
    ('a b c', '')
    """
    if value is None:
        return ""
    return _UNWRITABLE.sub(lambda found: " " if found.group() < "\ud800" else "\ufffd", str(value))
