"""Workbooks in the format of spreadsheet programs (.xlsx): sheets, merged cells, formulas without a value."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from xml.etree import ElementTree

from landremed.errors import InputError, Where, short
from landremed.io.limits import Limits, check_limit
from landremed.io.table_shape import Merge

__all__ = ["Sheet", "Workbook", "open_workbook"]

_ZIP: Final = b"PK\x03\x04"
_RANGE: Final = re.compile(r"([A-Z]{1,3})(\d+):([A-Z]{1,3})(\d+)")


@dataclass
class Sheet:
    """One sheet of cells.

    Attributes
    ----------
    title : str
        Its name.
    hidden : bool
        Whether a spreadsheet program does not show it.
    merges : list of Merge
        Merged cells.
    unvalued : list of str
        Cells (``B7``) that hold a formula whose value is not kept in the file.
    """

    title: str
    hidden: bool
    page: Any
    merges: list[Merge] = field(default_factory=list)
    unvalued: list[str] = field(default_factory=list)

    def rows(self) -> Iterator[tuple[int, Sequence[Any]]]:
        """Yield row number and cells."""
        self.page.reset_dimensions()
        return enumerate(self.page.iter_rows(values_only=True), start=1)


class Workbook:
    """An opened workbook; close it."""

    def __init__(self, data: bytes, where: Where, limits: Limits) -> None:
        import openpyxl

        _check_zip(data, where, limits)
        self._where = where
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(data))
            self._book = openpyxl.load_workbook(
                io.BytesIO(data), read_only=True, data_only=True, keep_links=False
            )
        except Exception as error:  # openpyxl raises whatever the XML makes it raise
            raise InputError("file_unreadable", where, reason=short(error)) from error

    @property
    def sheets(self) -> list[Sheet]:
        """The sheets of cells, without their marks; see ``marked``."""
        return [Sheet(page.title, page.sheet_state != "visible", page) for page in self._book.worksheets]

    def marked(self, sheet: Sheet) -> Sheet:
        """Return a sheet with its merged cells and its formulas without a value."""
        path = str(getattr(sheet.page, "_worksheet_path", "")).lstrip("/")
        try:
            with self._archive.open(path) as stream:
                sheet.merges, sheet.unvalued = _marks(stream)
        except (KeyError, ElementTree.ParseError, zipfile.BadZipFile, zlib.error, OSError, EOFError):
            return sheet  # reading the cells will tell
        return sheet

    def close(self) -> None:
        """Let go of the file."""
        self._book.close()
        self._archive.close()


def open_workbook(data: bytes, where: Where, limits: Limits) -> Workbook:
    """Open a workbook from its bytes.

    Raises
    ------
    InputError
        When it is none, unfolds beyond the limits, or cannot be read.
    """
    return Workbook(data, where, limits)


def _marks(stream: Any) -> tuple[list[Merge], list[str]]:
    merges: list[Merge] = []
    unvalued: list[str] = []
    # documents with entities were refused before
    for _, element in ElementTree.iterparse(stream):  # noqa: S314
        tag = element.tag.rpartition("}")[2]
        if tag == "c":
            children = {child.tag.rpartition("}")[2]: child for child in element}
            value = children.get("v")
            kept = value is not None and (value.text or element.get("t") == "str")
            if "f" in children and not kept:
                unvalued.append(element.get("r", ""))
        elif tag == "mergeCell":
            match = _RANGE.fullmatch(element.get("ref", ""))
            if match:
                merges.append((int(match[2]), _column(match[1]), int(match[4]), _column(match[3])))
        if tag == "row":
            element.clear()
    return merges, unvalued


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - 64
    return number


def _check_zip(data: bytes, where: Where, limits: Limits) -> None:
    """Refuse bombs and documents with entities before any XML is parsed."""
    if not data.startswith(_ZIP):
        raise InputError("file_not_of_type", where, driver="XLSX", found="unknown")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            check_limit(limits, "max_unzipped_mb", sum(i.file_size for i in infos) // 1_000_000, where)
            for info in infos:
                packed = max(info.compress_size, 1)
                if info.file_size > 10_000_000:
                    check_limit(limits, "max_zip_ratio", info.file_size // packed, where)
            for info in infos:
                if info.filename.endswith((".xml", ".rels")):
                    with archive.open(info) as member:
                        if b"<!" in member.read(4096).replace(b"<!--", b""):
                            raise InputError("table_text_broken", where, reason="DOCTYPE in " + info.filename)
    except (
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
    ) as error:
        raise InputError("file_truncated", where, reason=short(error)) from error
