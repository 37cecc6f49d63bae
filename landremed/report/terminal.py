"""Plain text for terminals: tables and wrapped lines in which Chinese characters are two columns wide."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["display_width", "one_line", "pad", "table", "wrap"]

_GAP: Final = "  "
# may not begin a line
_CLOSING: Final = frozenset("，。；：、！？）》」』】〕％,.;:!?)]}%")
# may not end one
_OPENING: Final = frozenset("（《「『【〔([{")

_TURNING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C])


def display_width(text: str) -> int:
    """Return how many terminal columns a text takes.

    Examples
    --------
    >>> display_width("312.40㎡"), display_width("建议保留")
    (8, 8)
    """
    return sum(_width(char) for char in text)


def pad(text: str, width: int, align: str = "l") -> str:
    """Return the text filled with spaces to a display width, to the left or (``r``) to the right."""
    space = " " * max(0, width - display_width(text))
    return space + text if align == "r" else text + space


def table(rows: Iterable[Sequence[object]], header: Sequence[str] = (), align: str = "") -> str:
    """Return rows as aligned columns.

    Parameters
    ----------
    rows : iterable of sequences
        Cells; ``None`` is shown as nothing. Control characters become spaces.
    header : sequence of str
        Column heads, underlined; none when empty.
    align : str
        One letter per column, ``l`` or ``r``; columns without one are left-aligned.

    Examples
    --------
    >>> print(table([["建议保留", 12], ["待研判", 3]], ["建议", "宗数"], "lr"))
    建议      宗数
    --------  ----
    建议保留    12
    待研判       3
    """
    body = [["" if cell is None else one_line(str(cell)) for cell in row] for row in rows]
    lines = [list(header), *body] if header else body
    if not lines:
        return ""
    count = max(len(line) for line in lines)
    lines = [line + [""] * (count - len(line)) for line in lines]
    widths = [max(display_width(line[i]) for line in lines) for i in range(count)]
    if header:
        lines.insert(1, ["-" * width for width in widths])
    sides = align.ljust(count, "l")
    return "\n".join(
        _GAP.join(
            pad(cell, width, side) for cell, width, side in zip(line, widths, sides, strict=True)
        ).rstrip()
        for line in lines
    )


def wrap(text: str, width: int, indent: str = "", hanging: str | None = None) -> list[str]:
    """Break a text into lines of a display width.

    Latin words stay whole where they can, Chinese breaks anywhere but before closing and after opening
    punctuation.

    Parameters
    ----------
    text : str
        One paragraph.
    width : int
        Columns of a line, indentation included.
    indent : str
        Put before the first line.
    hanging : str, optional
        Put before the others; as wide as ``indent`` when left out.
    """
    rest = " " * display_width(indent) if hanging is None else hanging
    lines: list[str] = []
    line = indent
    empty = True
    for piece in _pieces(one_line(text)):
        if not empty and display_width(line) + display_width(piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = rest
            empty = True
        line += piece.lstrip() if empty else piece
        empty = False
    lines.append(line.rstrip())
    return lines


def _width(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Cf", "Me", "Mn"):
        return 0
    # ambiguous ones (≥, —) are one column wide in UTF-8 terminals
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def one_line(text: str) -> str:
    """Return a text without what steers a terminal or turns the direction of writing."""
    plain = text.translate(_TURNING)
    return "".join(" " if unicodedata.category(char) == "Cc" else char for char in plain)


def _pieces(text: str) -> list[str]:
    """Cut a text where a line may break; the pieces joined give the text."""
    pieces: list[str] = []
    for char in text:
        if pieces and not _breaks_between(pieces[-1][-1], char):
            pieces[-1] += char
        else:
            pieces.append(char)
    return pieces


def _breaks_between(before: str, char: str) -> bool:
    if char == " " or char in _CLOSING or before in _OPENING:
        return False
    if before == " ":
        return True
    return _width(before) == 2 or _width(char) == 2
