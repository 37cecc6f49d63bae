"""Which encoding a text is in, and on what ground we say so.

The order is fixed: what the user says, the ``.cpg`` file, the language byte of the DBF, strict UTF-8 on the
raw bytes, GB18030. A guess is always reported.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = [
    "TextEncoding",
    "canonical_encoding",
    "decodes",
    "guess_encoding",
    "language_encoding",
    "plainly_utf8",
]

_LANGUAGE_BYTES = {
    0x01: "cp437",
    0x02: "cp850",
    0x03: "cp1252",
    0x13: "cp932",
    0x4D: "gb18030",
    0x4E: "cp949",
    0x4F: "cp950",
    0x50: "cp874",
    0x57: "cp1252",
    0x58: "cp1252",
    0x59: "cp1252",
    0x78: "cp950",
    0x79: "cp949",
    0x7A: "gb18030",
    0x7B: "cp932",
    0xC8: "cp1250",
    0xC9: "cp1251",
}
_NO_GROUND = frozenset({0x01, 0x02, 0x03, 0x57, 0x58, 0x59})  # written by default, whatever the text is


@dataclass(frozen=True, slots=True)
class TextEncoding:
    """An encoding and why it was chosen.

    Attributes
    ----------
    name : str
        ``UTF-8``, ``GB18030``, or Python's name of another one.
    ground : {"given", "cpg", "ldid", "ascii", "utf-8 bytes", "not utf-8"}
        Why.
    guessed : bool
        Whether nothing in the file or project says so.
    """

    name: str
    ground: str
    guessed: bool


def canonical_encoding(label: str) -> str | None:
    """Return the encoding a label of a ``.cpg`` file or project file means, or None.

    GBK, GB2312 and code page 936 are read as GB18030, which holds them.

    Examples
    --------
    >>> canonical_encoding("cp936"), canonical_encoding("utf8"), canonical_encoding("nonsense")
    ('GB18030', 'UTF-8', None)
    """
    text = label.strip().strip("\ufeff").lower().replace("_", "-")
    if not text:
        return None
    if text in {
        "gbk",
        "gb2312",
        "936",
        "cp936",
        "ansi 936",
        "ms936",
        "windows-936",
        "gb18030",
        "gb 18030",
        "hz",
        "euc-cn",
    }:
        return "GB18030"
    if text in {"65001", "utf8", "utf-8", "utf-8-sig", "utf 8"}:
        return "UTF-8"
    number = re.fullmatch(r"(?:ansi\s*|oem\s*|windows-?)?(\d{3,5})", text)
    if number:
        text = f"iso-{number[1]}" if number[1].startswith("8859") else f"cp{number[1]}"
    text = re.sub(r"^iso-?8859-?(\d+)$", r"iso8859-\1", text)
    if re.fullmatch(r"88591\d?", text):
        text = f"iso8859-{text[4:]}"
    try:
        info = codecs.lookup(text)
    except LookupError:
        return None
    if not getattr(info, "_is_text_encoding", True):
        return None
    names = {"utf-8": "UTF-8", "ascii": "UTF-8", "gb18030": "GB18030", "gbk": "GB18030", "gb2312": "GB18030"}
    return names.get(info.name, info.name)


def language_encoding(language_byte: int) -> str | None:
    """Return the encoding a DBF language byte names, None where it says nothing.

    The Western defaults count as saying nothing: writers put them there whatever the text is.
    """
    if language_byte in _NO_GROUND:
        return None
    name = _LANGUAGE_BYTES.get(language_byte)
    return canonical_encoding(name) if name else None


def decodes(raw: bytes, encoding: str, *, cut: bool = False) -> bool:
    """Tell whether bytes are text in an encoding.

    Parameters
    ----------
    raw : bytes
        The bytes.
    encoding : str
        Python's name.
    cut : bool
        Whether the last character may be cut off, as in a full DBF field.
    """
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    try:
        decoder.decode(raw, final=not cut)
    except (UnicodeDecodeError, UnicodeError):
        return False
    return True


def plainly_utf8(samples: Iterable[tuple[bytes, bool]]) -> bool:
    """Tell whether texts are valid UTF-8 with at least two three-byte characters, as Chinese ones are."""
    long = 0
    for raw, cut in samples:
        if not decodes(raw, "utf-8", cut=cut):
            return False
        long += sum(0xE0 <= byte <= 0xEF for byte in raw)
    return long >= 2


def guess_encoding(samples: Iterable[tuple[bytes, bool]]) -> TextEncoding | None:
    """Choose between UTF-8 and GB18030 from raw bytes alone.

    Parameters
    ----------
    samples : iterable of (bytes, bool)
        Texts with non-ASCII bytes, each with whether its end may be cut off.

    Returns
    -------
    TextEncoding or None
        None when the bytes are neither.
    """
    texts = list(samples)
    if not texts:
        return TextEncoding("UTF-8", "ascii", guessed=False)
    if all(decodes(raw, "utf-8", cut=cut) for raw, cut in texts):
        return TextEncoding("UTF-8", "utf-8 bytes", guessed=True)
    if all(decodes(raw, "gb18030", cut=cut) for raw, cut in texts):
        return TextEncoding("GB18030", "not utf-8", guessed=True)
    return None
