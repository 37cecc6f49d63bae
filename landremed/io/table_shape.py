"""Where the table stands in a sheet: below titles, under one or several header rows, above totals and notes.

Offices keep tables for the eye: a title over the whole width, merged header cells, units in a row of their
own, subtotals between the rows. What is passed over here is said in a finding, with its row.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Final, TypeAlias

from landremed.types import Finding

__all__ = ["Header", "Merge", "Skipped", "body", "column_name", "empty", "find_header"]

Row: TypeAlias = tuple[int, Sequence[Any]]
Merge: TypeAlias = tuple[int, int, int, int]
"""First row, first column, last row, last column; counted from 1."""

_HEAD: Final = 40
_DEEPEST: Final = 4
_MOSTLY_TEXT: Final = 0.8
_PLAIN_NUMBER: Final = re.compile(r"[+-]?[\d,]*\.?\d+%?")
_SIGNED: Final = re.compile(r".{1,16}[:：].*")
_TOTAL: Final = re.compile(
    r"(?:合计|总计|小计|共计|累计|总和|本页合计|total|subtotal|grandtotal|sum)(?:[:：(（].*)?"
)
_NOTE: Final = re.compile(
    r"(?:注|说明|备注|填表说明|填表人|制表人?|审核人?|复核人?|负责人|单位负责人|填报单位|填报人|填报日期|联系人|联系电话)"
    r"\s*[:：\d]"
)
_UNIT: Final = re.compile(
    r"[(（\[]?(?:单位[:：])?(亩|公顷|平方米|㎡|m²|m2|ha|米|m|元|万元|宗|个|%)[)）\]]?", re.IGNORECASE
)
_SKIPPED: Final = {
    "totals": "table_totals_skipped",
    "note": "table_note_skipped",
    "header": "table_header_skipped",
}
_SERIAL_NAMES: Final = frozenset({"序号", "序", "行号", "no.", "no", "#"})


@dataclass(frozen=True)
class Header:
    """The names of a table and where its data begin.

    Attributes
    ----------
    names : list of str
        One per column, "" where there is none; of several header rows the lowest name, with its group before
        it where the lowest alone would stand twice.
    rows : tuple of int
        Rows of the sheet that hold them, from 1.
    above : list of int
        Rows over them that were taken for titles.
    """

    names: list[str]
    rows: tuple[int, ...]
    above: list[int]


@dataclass
class Skipped:
    """What was passed over below the header: rows by kind, and cells filled from merged ones."""

    rows: dict[str, list[int]] = field(default_factory=dict)
    merged: int = 0

    def note(self, kind: str, row: int) -> None:
        """Remember a row."""
        self.rows.setdefault(kind, []).append(row)

    def findings(self, file: str, header: Header) -> Iterator[Finding]:
        """Yield what a person should know about how the table was read."""
        if header.above:
            params: dict[str, object] = {"rows": _listed(header.above), "header": header.rows[0]}
            yield Finding("table_title_skipped", file=file, row=header.above[0], params=params)
        if len(header.rows) > 1:
            params = {"first": header.rows[0], "last": header.rows[-1]}
            yield Finding("table_header_joined", file=file, row=header.rows[0], params=params)
        for kind, rows in self.rows.items():
            yield Finding(_SKIPPED[kind], file=file, row=rows[0], params={"rows": _listed(rows)})
        if self.merged:
            yield Finding("table_merged_filled", file=file, params={"count": self.merged})


def find_header(rows: Iterable[Row], merges: Sequence[Merge] = ()) -> tuple[Header, Iterator[Row]]:
    """Find the header among the first rows of a sheet.

    Parameters
    ----------
    rows : iterable of (row number, cells)
        The whole sheet.
    merges : sequence of Merge
        Its merged cells.

    Returns
    -------
    header : Header
        The first row is the header where nothing speaks for another one.
    rest : iterator of (row number, cells)
        The rows below it.
    """
    waiting = iter(rows)
    head = list(islice(waiting, _HEAD))
    filled = [at for at, (_, cells) in enumerate(head) if not all(map(empty, cells))]
    if not filled:
        return Header([], (1,), []), iter(())
    at = _first_header(head, filled)
    if at and not _all_names([c for c in head[at][1] if not empty(c)]):
        return Header([], (1,), []), iter(())
    depth = _depth(head, at, merges)
    names = _names(head[at : at + depth], merges)
    below = at + depth
    while below < len(head) and _explains(head[below][1], names):
        names = _with_units(names, head[below][1])
        below += 1
    header = Header(
        names,
        tuple(number for number, _ in head[at:below]),
        [head[i][0] for i in filled if i < at],
    )
    return header, chain(head[below:], waiting)


def body(rows: Iterable[Row], header: Header, merges: Sequence[Merge], skipped: Skipped) -> Iterator[Row]:
    """Yield the rows of data: merged cells filled downwards; totals, notes and repeated headers left out."""
    downwards = {(m[0], m[1]): m[2] for m in merges if m[2] > m[0] and m[0] > header.rows[-1]}
    held: dict[int, tuple[int, Any]] = {}
    width = sum(map(bool, header.names))
    for number, cells in rows:
        values: Sequence[Any] = cells
        if downwards:
            values, count = _filled_down(number, cells, downwards, held)
            skipped.merged += count
        kind = _kind(values, header.names, width)
        if kind:
            skipped.note(kind, number)
        else:
            yield number, values


def empty(cell: Any) -> bool:
    """Tell whether a cell holds nothing but blanks."""
    if isinstance(cell, str):
        return not cell.strip().strip("\u200b\ufeff")
    return cell is None or cell != cell  # noqa: PLR0124 - only NaN differs from itself


def _first_header(head: Sequence[Row], filled: Sequence[int]) -> int:
    """Return the row of names: the first one, but for rows that are plainly titles."""
    widest = max(_count(head[i][1]) for i in filled)
    for i in filled:
        cells = [c for c in head[i][1] if not empty(c)]
        title = len(cells) == 1 or (
            len(cells) <= widest / 2 and any(_SIGNED.fullmatch(str(c)) for c in cells)
        )
        if widest == 1 or not title:
            return i if i == filled[0] or _all_names(cells) else filled[0]
    return filled[0]


def _depth(head: Sequence[Row], at: int, merges: Sequence[Merge]) -> int:
    """Return how many rows the header takes."""
    number = head[at][0]
    here = [m for m in merges if m[0] == number]
    depth = max((m[2] - m[0] + 1 for m in here), default=1)
    if depth == 1 and (any(m[3] > m[1] for m in here) or _continued(head, at)):
        depth = 2
    depth = min(depth, _DEEPEST, len(head) - at)
    # what stands in a header row are names; a number below means that the merge was of data
    while depth > 1 and not _all_names([c for c in head[at + depth - 1][1] if not empty(c)]):
        depth -= 1
    return depth


def _continued(head: Sequence[Row], at: int) -> bool:
    """Tell whether the row below holds names for the gaps of this one, as unmerged tables have them."""
    if at + 1 >= len(head):
        return False
    over, under = _padded(head[at][1], head[at + 1][1])
    below = [i for i, cell in enumerate(under) if not empty(cell)]
    gaps = [i for i in below if empty(over[i])]
    above = [i for i, cell in enumerate(over) if not empty(cell) and empty(under[i])]
    # a gap belongs to the group left of it; the first column of a row of data is hardly ever blank
    grouped = all(empty(over[i]) or i + 1 in gaps for i in below)
    return bool(gaps and above and grouped and above[0] < below[0]) and _all_names([under[i] for i in below])


def _names(rows: Sequence[Row], merges: Sequence[Merge]) -> list[str]:
    width = max(len(cells) for _, cells in rows)
    grid = [[column_name(c) for c in (*cells, *[None] * (width - len(cells)))] for _, cells in rows]
    if len(grid) == 1:
        return grid[0]
    numbers = [number for number, _ in rows]
    for first, left, last, right in merges:
        if first in numbers:
            value = grid[numbers.index(first)][left - 1] if left <= width else ""
            for number in range(first, min(last, numbers[-1]) + 1):
                for column in range(left - 1, min(right, width)):
                    if number in numbers:
                        grid[numbers.index(number)][column] = value
    for depth, line in enumerate(grid[:-1]):
        for column in range(1, width):
            if not line[column] and grid[depth + 1][column]:
                line[column] = line[column - 1]
    stacks = [list(dict.fromkeys(name for name in stack if name)) for stack in zip(*grid, strict=True)]
    leaves = [stack[-1] if stack else "" for stack in stacks]
    often = Counter(leaf.casefold() for leaf in leaves if leaf)
    return [_joined(stack, often) for stack in stacks]


def _joined(stack: Sequence[str], often: Counter[str]) -> str:
    """Return the lowest name, with the group before it where it is a unit or would stand twice."""
    if not stack:
        return ""
    leaf = stack[-1]
    if len(stack) == 1:
        return leaf
    unit = _UNIT.fullmatch(leaf)
    if unit:
        return f"{stack[-2]}({unit[1]})"
    return f"{stack[-2]}-{leaf}" if often[leaf.casefold()] > 1 else leaf


def _explains(cells: Sequence[Any], names: Sequence[str]) -> bool:
    """Tell whether a row below the names only numbers the columns or states units."""
    told = [cell for cell in cells if not empty(cell)]
    if len(told) >= 1 and all(_UNIT.fullmatch(str(cell).strip()) for cell in told):
        return True
    texts = [
        str(int(c)) if isinstance(c, float) and c.is_integer() else str(c).strip("（）() ") for c in told
    ]
    count = sum(map(bool, names))
    if len(texts) != count or count < 3:
        return False
    tail = [t for t in texts if t not in ("甲", "乙", "丙", "栏次", "A", "B")]
    return len(tail) >= 2 and tail == [str(i + 1) for i in range(len(tail))]


def _with_units(names: Sequence[str], cells: Sequence[Any]) -> list[str]:
    named = []
    for at, name in enumerate(names):
        text = "" if at >= len(cells) or empty(cells[at]) else str(cells[at]).strip()
        unit = _UNIT.fullmatch(text)
        named.append(f"{name}({unit[1]})" if unit and name else name)
    return named


def _filled_down(
    number: int, cells: Sequence[Any], merges: dict[tuple[int, int], int], held: dict[int, tuple[int, Any]]
) -> tuple[Sequence[Any], int]:
    """Return the cells with those of merged ranges repeated, and how many were."""
    values = list(cells)
    count = 0
    for column, (last, value) in list(held.items()):
        if number > last:
            del held[column]
        else:
            values += [None] * (column - len(values))
            if empty(values[column - 1]):
                values[column - 1] = value
                count += 1
    for column, value in enumerate(values, 1):
        last = merges.get((number, column), 0)
        if last and not empty(value):
            held[column] = (last, value)
    return values, count


def _kind(cells: Sequence[Any], names: Sequence[str], width: int) -> str:
    """Return what a row is instead of data: ``totals``, ``note``, ``header``; "" for data and blank rows."""
    told = [cell for cell in cells if not empty(cell)]
    if not told or not isinstance(told[0], str):
        serial = bool(names) and names[0].casefold() in _SERIAL_NAMES and len(told) > 1
        if not (serial and isinstance(told[1], str) and _is_total(told[1])):
            return ""
        return "totals"
    if any(_is_total(cell) for cell in told[:2] if isinstance(cell, str)):
        return "totals"
    if width >= 3 and len(told) <= 2 and _NOTE.match(told[0].strip()):
        return "note"
    if len(told) > 1 and [column_name(c) for c in cells[: len(names)]] == list(names[: len(cells)]):
        return "header"
    return ""


def _is_total(text: str) -> bool:
    return _TOTAL.fullmatch("".join(unicodedata.normalize("NFKC", text).split()).casefold()) is not None


def _all_names(cells: Sequence[Any]) -> bool:
    """Tell whether cells read like names: texts, hardly any of them a number."""
    texts = [c for c in cells if isinstance(c, str) and not _PLAIN_NUMBER.fullmatch(c.strip())]
    return bool(cells) and len(texts) >= _MOSTLY_TEXT * len(cells)


def column_name(cell: Any) -> str:
    """Return a cell as a name: line breaks and the blanks that spread a word are no part of it."""
    if empty(cell):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    text = " ".join(str(cell).replace("\ufeff", "").replace("\u200b", "").split())
    return re.sub(r"(?<=[^\x00-\x7f]) (?=[^\x00-\x7f])", "", text)


def _count(cells: Sequence[Any]) -> int:
    return sum(not empty(cell) for cell in cells)


def _padded(one: Sequence[Any], other: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    width = max(len(one), len(other))
    return [*one, *[None] * (width - len(one))], [*other, *[None] * (width - len(other))]


def _listed(rows: Sequence[int]) -> str:
    shown = ", ".join(map(str, rows[:5]))
    return f"{shown}, … ({len(rows)})" if len(rows) > 5 else shown
