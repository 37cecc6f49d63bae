"""Fonts that hold Chinese: looked for before anything is drawn, so that no page shows boxes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from landremed.errors import OutputError, Where

__all__ = ["CHINESE_FONTS", "choose_font", "font_files"]

CHINESE_FONTS: Final = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "Noto Sans SC",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "SimHei",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Noto Serif CJK SC",
    "Source Han Serif SC",
    "SimSun",
    "NSimSun",
    "FangSong",
    "KaiTi",
)
"""Families in the order in which they are taken; faces without serifs first, readable when small."""

_SUFFIXES: Final = (".ttf", ".otf", ".ttc", ".otc")


def choose_font(there: Sequence[str], given: Sequence[str] = ()) -> str:
    """Return the family to draw with.

    Parameters
    ----------
    there : sequence of str
        Families at hand.
    given : sequence of str
        Families of the fonts the user named; the first of them wins.

    Raises
    ------
    OutputError
        There is none that is known to hold Chinese.
    """
    if given:
        return given[0]
    known = {family.casefold(): family for family in there}
    for family in CHINESE_FONTS:
        if family.casefold() in known:
            return known[family.casefold()]
    raise OutputError("report_no_chinese_font", Where())


def font_files(paths: Sequence[Path]) -> list[Path]:
    """Return the font files among files and folders.

    Raises
    ------
    OutputError
        A path is no font and no folder with fonts.
    """
    found: list[Path] = []
    for path in paths:
        files = (
            sorted(p for p in path.rglob("*") if p.suffix.lower() in _SUFFIXES) if path.is_dir() else [path]
        )
        files = [file for file in files if file.is_file() and file.suffix.lower() in _SUFFIXES]
        if not files:
            raise OutputError("report_font_unreadable", Where(file=str(path)))
        found += files
    return found
