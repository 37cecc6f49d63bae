"""Values as people write them: booleans, codes, dates and numbers, in Chinese or English.

Blank is absent (``None``); what is written but cannot be read is ``UNKNOWN``, never false.
"""

from __future__ import annotations

import calendar
import datetime as dt
import difflib
import math
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from landremed.types import UNKNOWN, FactSpec, FactValue, PartialDate, Unknown, ValueSpec

__all__ = [
    "fold",
    "is_blank",
    "nearest_value",
    "parse_bool",
    "parse_date",
    "parse_number",
    "parse_value",
    "says_unknown",
]

_TRUE = frozenset({"true", "1", "1.0", "yes", "y", "是"})
_FALSE = frozenset({"false", "0", "0.0", "no", "n", "否"})
_BLANK = frozenset({"", "null", "<null>", "<空>"})
_UNKNOWN_WORDS = frozenset({"unknown", "未知", "不详", "不明", "待查", "待核实", "?"})
_NO_WORDS: Final[Mapping[str, str]] = MappingProxyType({})
_YEARS = range(1900, 2101)
_WHOLE_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_COMPARED_CHARS = 60
_EXCEL_DAY_ZERO = dt.date(1899, 12, 30)
_EXCEL_SERIALS = range(20_000, 60_001)
_CHINA = dt.timezone(dt.timedelta(hours=8))
_SEPARATED = re.compile(r"(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?")
_CHINESE = re.compile(r"(\d{4})年(?:(\d{1,2})月(?:份|(\d{1,2})[日号])?)?")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_CLOCK = re.compile(
    r"(?<=\d)(?:T|\s+)\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?$", re.IGNORECASE
)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?")
_INVISIBLE = re.compile(r"[\s\u200b-\u200f\u2060\ufeff]+")
_JOINTS = re.compile(r"[_\-‐‑–—]+")


def parse_value(
    value: object, spec: FactSpec, words: Mapping[str, str] = _NO_WORDS, *, serial_dates: bool = False
) -> FactValue:
    """Read one raw value as a fact.

    Parameters
    ----------
    value : object
        Text, number, bool, date, datetime or None, as the file holds it.
    spec : FactSpec
        The fact.
    words : mapping of str to str, optional
        The office's own words for this fact and what they mean (``[parcels.values.<fact>]``); they win.
    serial_dates : bool
        Whether whole numbers from 20000 to 60000 are Excel's day numbers (cells of a spreadsheet).

    Returns
    -------
    FactValue
        ``None`` when blank, ``UNKNOWN`` when it cannot be read.

    Examples
    --------
    >>> spec = FactSpec("abandoned", "bool", "废弃不用", "disused")
    >>> parse_value(" 是 ", spec), parse_value("Ｎ", spec), parse_value("", spec), parse_value("maybe", spec)
    (True, False, None, UNKNOWN)
    """
    if words:
        value = _translated(value, words)
    if spec.kind == "bool":
        return parse_bool(value)
    if spec.kind == "date":
        return parse_date(value, serial_dates=serial_dates)
    if spec.kind == "number":
        return parse_number(value)
    return _parse_code(value, spec)


def is_blank(value: object) -> bool:
    """Tell whether a cell holds nothing (also NaN, ``NULL`` and ``<空>``)."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    return isinstance(value, str) and fold(value) in _BLANK


def says_unknown(value: object) -> bool:
    """Tell whether a text says in so many words that the value is not known (未知, 不详, unknown)."""
    return isinstance(value, str) and fold(value) in _UNKNOWN_WORDS


def fold(text: str) -> str:
    """Return a text in the form in which words are compared: half-width, lower case, no blanks.

    Examples
    --------
    >>> fold(" 违法　占地 "), fold("Illegal_Occupation"), fold("ＹＥＳ")
    ('违法占地', 'illegal_occupation', 'yes')
    """
    return _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).casefold()


def parse_bool(value: object) -> bool | Unknown | None:
    """Read true/false, 1/0, yes/no, 是/否, Y/N in any case, and bools and the numbers 1 and 0."""
    if is_blank(value):
        return None
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return True if value == 1 else False if value == 0 else UNKNOWN
    word = fold(str(value))
    return True if word in _TRUE else False if word in _FALSE else UNKNOWN


def parse_number(value: object) -> float | Unknown | None:
    """Read a finite number without unit; commas may group thousands."""
    if is_blank(value):
        return None
    if isinstance(value, bool):
        return UNKNOWN
    if isinstance(value, (int, float)):
        return float(value) if math.isfinite(value) else UNKNOWN
    text = fold(str(value))
    if _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    if not _NUMBER.fullmatch(text):
        return UNKNOWN
    number = float(text)
    return number if math.isfinite(number) else UNKNOWN


def parse_date(value: object, *, serial_dates: bool = False) -> PartialDate | Unknown | None:
    """Read a date known to the day, month or year.

    Understood are 2022-03-18, 2022/3/18, 2022.3.18 and 2022年3月18日, each also without day or without month,
    20220318, a time of day behind any of them, and dates and datetimes. A datetime with a time zone counts by
    its day in China.

    Parameters
    ----------
    value : object
        Text, number, date or datetime.
    serial_dates : bool
        Whether whole numbers from 20000 to 60000 are Excel's day numbers.

    Examples
    --------
    >>> print(parse_date("2022年3月18日"), parse_date("2019.5"), parse_date(2019), parse_date("2022-02-30"))
    2022-03-18 2019-05 2019 Unknown.UNKNOWN
    """
    if isinstance(value, str) and _WHOLE_DAY.fullmatch(value):  # as nearly all are written
        return _partial(int(value[:4]), int(value[5:7]), int(value[8:]))
    if is_blank(value):
        return None
    if isinstance(value, dt.datetime):
        value = (value.astimezone(_CHINA) if value.tzinfo is not None else value).date()
    if isinstance(value, dt.date):
        return PartialDate(value, value) if value.year in _YEARS else UNKNOWN
    if isinstance(value, bool):
        return UNKNOWN
    if isinstance(value, (int, float)):
        return _date_of_number(float(value), serial_dates)
    return _date_of_text(str(value), serial_dates)


def nearest_value(value: object, spec: FactSpec) -> str:
    """Return the listed value of a code fact that reads most like a text, as ``label (code)``."""
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(fold(str(value)[:_COMPARED_CHARS]))
    best, score = "", -1.0
    for entry in spec.values.values():
        for word in (entry.code, entry.label_zh, entry.label_en, *entry.synonyms):
            matcher.set_seq1(fold(word))
            # the cheap bounds first: a column taken for another has a value to advise on in every row
            if matcher.real_quick_ratio() > score and matcher.quick_ratio() > score:
                ratio = matcher.ratio()
                if ratio > score:
                    best, score = f"{entry.label_zh} ({entry.code})", ratio
    return best


def _translated(value: object, words: Mapping[str, str]) -> object:
    """Return what the office's own word means, or the value as it is."""
    if is_blank(value):
        return None
    folded = fold(_written(value))
    for word, meaning in words.items():
        if fold(word) == folded:
            return meaning
    return value


def _written(value: object) -> str:
    """Return a cell as a person would write it: whole numbers without decimals."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _parse_code(value: object, spec: FactSpec) -> FactValue:
    if is_blank(value):
        return None
    if isinstance(value, bool):
        return UNKNOWN
    index = _code_index(tuple(spec.values.values()))
    folded = fold(_written(value))
    return index.get(folded) or index.get(_JOINTS.sub("", folded)) or UNKNOWN


@lru_cache(maxsize=256)
def _code_index(values: tuple[ValueSpec, ...]) -> Mapping[str, str]:
    """Return folded word -> code.

    Codes win over labels, labels over synonyms; a word that two codes share means neither.
    """
    index: dict[str, str] = {}
    kinds = (
        lambda v: (v.code,),
        lambda v: (v.label_zh,),
        lambda v: (v.label_en,),
        lambda v: v.synonyms,
    )
    for words in kinds:
        level: dict[str, set[str]] = {}
        for entry in values:
            for word in words(entry):
                folded = fold(word)
                level.setdefault(folded, set()).add(entry.code)
                level.setdefault(_JOINTS.sub("", folded), set()).add(entry.code)
        for folded, codes in level.items():
            if folded and len(codes) == 1:
                index.setdefault(folded, next(iter(codes)))
    return MappingProxyType(index)


def _date_of_number(number: float, serial_dates: bool) -> PartialDate | Unknown:
    if not number.is_integer() and not (serial_dates and int(number) in _EXCEL_SERIALS):
        return UNKNOWN
    whole = int(number)
    if serial_dates and whole in _EXCEL_SERIALS:
        day = _EXCEL_DAY_ZERO + dt.timedelta(days=whole)
        return PartialDate(day, day)
    if whole in _YEARS:
        return _partial(whole, None, None)
    compact = _COMPACT.fullmatch(str(whole))
    return _partial(*(int(g) for g in compact.groups())) if compact else UNKNOWN


def _date_of_text(text: str, serial_dates: bool) -> PartialDate | Unknown:
    plain = unicodedata.normalize("NFKC", text).strip()
    folded = _INVISIBLE.sub("", _CLOCK.sub("", plain)).rstrip(".")
    for pattern in (_SEPARATED, _CHINESE, _COMPACT):
        match = pattern.fullmatch(folded)
        if match:
            year, month, day = (int(g) if g else None for g in match.groups())
            return _partial(year or 0, month, day)
    if serial_dates and re.fullmatch(r"\d{5}(\.0*)?", folded):
        return _date_of_number(float(folded), serial_dates)
    if re.fullmatch(r"\d{8}\.0+", folded):
        return _date_of_text(folded.split(".")[0], serial_dates)
    return UNKNOWN


def _partial(year: int, month: int | None, day: int | None) -> PartialDate | Unknown:
    """Return the span a year, month and day stand for; UNKNOWN for days that do not exist."""
    if year not in _YEARS:
        return UNKNOWN
    try:
        first = dt.date(year, month or 1, day or 1) if month != 0 and day != 0 else None
    except ValueError:
        return UNKNOWN
    if first is None:
        return UNKNOWN
    if day is not None:
        return PartialDate(first, first)
    if month is not None:
        return PartialDate(first, first.replace(day=calendar.monthrange(year, month)[1]))
    return PartialDate(first, dt.date(year, 12, 31))
