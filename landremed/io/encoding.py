"""Which encoding a text is in, and on what ground we say so.

The order is fixed: what the user says, the ``.cpg`` file, the language byte of the DBF, strict UTF-8 on the
raw bytes, GB18030. A statement that the bytes contradict does not count. A guess is always reported, and so
are contradictions and texts of two encodings in one file.
"""

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from landremed.errors import InputError, Where

__all__ = [
    "DecodedText",
    "TextEncoding",
    "canonical_encoding",
    "decode_text",
    "decodes",
    "language_encoding",
    "likely_encoding",
    "plainly_gb2312",
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
_COMMON = range(0xB0, 0xD8)  # first bytes of GB2312's frequent characters, which are most of any text
_COMMON_SHARE = 0.7
_TWO_BYTES = frozenset({"big5", "cp950", "cp932", "shift_jis", "cp949", "euc_kr", "big5hkscs"})
_LEAST_CHARACTERS = {True: 6, False: 2}  # of a text in two-byte encodings by chance, and in others


@dataclass(frozen=True, slots=True)
class TextEncoding:
    """An encoding and why it was chosen.

    Attributes
    ----------
    name : str
        ``UTF-8``, ``GB18030``, or Python's name of another one.
    ground : {"given", "cpg", "ldid", "bom", "nul bytes", "ascii", "utf-8 bytes", "not utf-8"}
        Why.
    guessed : bool
        Whether nothing in the file or project says so.
    against : str
        What the file states and the bytes contradict, or what the bytes look like against what was given.
    mixed : bool
        Whether texts in UTF-8 and in GB18030 stand side by side.
    """

    name: str
    ground: str
    guessed: bool
    against: str = ""
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class DecodedText:
    """A text file decoded.

    Attributes
    ----------
    encoding, ground : str
        As in `TextEncoding`.
    other_lines : tuple of int
        Lines, from 1, that were read in the other of UTF-8 and GB18030.
    """

    text: str
    encoding: str
    ground: str
    other_lines: tuple[int, ...] = ()


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
    text = re.sub(r"^iso[- ]?8859-?(\d+)$", r"iso8859-\1", text)
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


def likely_encoding(raw: bytes, *, cut: bool = False) -> str:
    """Return ``UTF-8`` or ``GB18030``, ``either`` where a text fits both, "" where it fits none.

    Two characters of three bytes each are believed to be UTF-8: GB18030 shows such bytes by chance only in
    rows of rare characters.

    Examples
    --------
    >>> [likely_encoding("滨海".encode(name)) for name in ("utf-8", "gbk")], likely_encoding(b"abc")
    (['UTF-8', 'GB18030'], 'either')
    """
    if decodes(raw, "utf-8", cut=cut):
        long = sum(0xE0 <= byte <= 0xF4 for byte in raw)
        return "UTF-8" if long >= 2 or not decodes(raw, "gb18030", cut=cut) else "either"
    return "GB18030" if decodes(raw, "gb18030", cut=cut) else ""


def plainly_gb2312(samples: Iterable[tuple[bytes, bool]], stated: str) -> bool:
    """Tell whether texts are common Chinese in GB2312, though a file states another encoding.

    Parameters
    ----------
    samples : iterable of (bytes, bool)
        Texts with non-ASCII bytes, each with whether its end may be cut off.
    stated : str
        Python's name of the stated encoding; one of two bytes to a character needs more proof.
    """
    characters = common = 0
    for raw, cut in samples:
        if not decodes(raw, "gb2312", cut=cut):
            return False
        high = bytes(byte for byte in raw if byte > 127)
        characters += len(high) // 2
        common += sum(byte in _COMMON for byte in high[: len(high) // 2 * 2 : 2])
    return characters >= _LEAST_CHARACTERS[stated in _TWO_BYTES] and common >= _COMMON_SHARE * characters


def decode_text(data: bytes, encoding: str | None, where: Where) -> DecodedText:
    """Decode a text file: as given, by its byte order mark, as strict UTF-8, as GB18030, or line by line.

    Raises
    ------
    InputError
        When ``encoding`` is no encoding, or nothing fits.
    """
    plain = data.removeprefix(codecs.BOM_UTF8)  # some programs put it before text in GBK
    if encoding is not None:
        name = canonical_encoding(encoding)
        if name is None:
            raise InputError("encoding_name_unknown", where, encoding=encoding)
        choices = [(name, "given")]
    elif data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        choices = [("UTF-16", "bom")]
    elif 5 * data[:4096].count(0) > len(data[:4096]):
        little = data[1:4096:2].count(0) > data[:4096:2].count(0)
        choices = [("utf-16-le" if little else "utf-16-be", "nul bytes")]
    else:
        choices = [("UTF-8", "bom" if len(plain) < len(data) else "utf-8 bytes")]
        if not _many_utf8_lines(plain):
            choices.append(("GB18030", "not utf-8"))
    for name, ground in choices:
        with contextlib.suppress(UnicodeError):
            return DecodedText(plain.decode(name), name, ground)
    mixed = _by_line(plain) if encoding is None and choices[0][0] == "UTF-8" else None
    if mixed is None:
        raise InputError("encoding_unclear", where)
    return mixed


def _many_utf8_lines(data: bytes) -> bool:
    """Tell whether lines are UTF-8 for sure, so that GB18030 must not be tried on the whole."""
    return any(likely_encoding(line) == "UTF-8" for line in data.splitlines() if not line.isascii())


def _by_line(data: bytes) -> DecodedText | None:
    """Decode a text whose lines are in UTF-8 and GB18030, None where some are in neither."""
    lines = data.splitlines(keepends=True)
    kinds = ["either" if line.isascii() else likely_encoding(line) for line in lines]
    if "" in kinds:
        return None
    main = "UTF-8" if kinds.count("UTF-8") >= kinds.count("GB18030") else "GB18030"
    other = {"UTF-8": "GB18030", "GB18030": "UTF-8"}[main]
    text = "".join(
        line.decode(other if kind == other else main) for line, kind in zip(lines, kinds, strict=True)
    )
    ground = "utf-8 bytes" if main == "UTF-8" else "not utf-8"
    return DecodedText(text, main, ground, tuple(i for i, kind in enumerate(kinds, 1) if kind == other))
