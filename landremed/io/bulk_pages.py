"""B-trees of SQLite's file format, written page after page instead of row after row.

SQLite inserts a million rows in seconds, most of it spent on deciding where each one goes. Rows that come
in the order of their keys need no deciding: leaf pages are filled one behind the other, and the inner pages
above them name their last keys. Tables and indexes must exist, and be empty: their roots are overwritten.

Format: "Database File Format", sqlite.org/fileformat2.html.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.io.bulk_record import Bytes, Ints, Piece, fixed, joined, varints

__all__ = ["LONGEST_KEY", "IndexTree", "PageFile", "TableTree"]

LONGEST_KEY: Final = 400
"""Longest index entry, in bytes, that is sure to stay on its page whatever the page size."""

_TABLE_LEAF, _TABLE_INNER, _INDEX_LEAF, _INDEX_INNER = 13, 5, 10, 2
_LEAF_HEAD, _INNER_HEAD = 8, 12
_PAGE_SIZE: Final = 4096  # that of every GeoPackage GDAL makes
_LOCK_BYTE: Final = 1 << 30  # SQLite never uses the page that holds this byte
_BINARY: Final = pa.large_binary()
_EMPTY: Final = pa.scalar(b"", _BINARY)


class PageFile:
    """A closed SQLite file to which pages are added; use it as a context manager.

    Parameters
    ----------
    path : Path
        Complete database without reserved bytes that nobody has open.
    """

    def __init__(self, path: Path) -> None:
        self._stream = path.open("r+b", buffering=0)
        self._one = threading.Lock()
        head = self._stream.read(100)
        size = int.from_bytes(head[16:18], "big")
        self.page_size = 65536 if size == 1 else size
        self._pages = path.stat().st_size // self.page_size
        if not head.startswith(b"SQLite format 3\0") or head[20] or self.page_size != _PAGE_SIZE:
            self._stream.close()
            raise OSError(f"no plain SQLite file, or pages of {self.page_size} bytes")
        self._counter = head[24:28]

    def take(self, count: int) -> Ints:
        """Return the numbers of new pages, in order; without the one that SQLite leaves unused."""
        lock = _LOCK_BYTE // self.page_size + 1
        first = self._pages + 1
        numbers = np.arange(first, first + count, dtype=np.int64)
        if first <= lock < first + count:
            numbers[lock - first :] += 1
        self._pages = int(numbers[-1]) if count else self._pages
        return numbers

    def write(self, numbers: Ints, image: Bytes | bytes) -> None:
        """Write pages that lie behind one another in ``image``; may be called from any thread."""
        view = memoryview(image if isinstance(image, bytes) else image.data).cast("B")
        breaks = [0, *(np.flatnonzero(np.diff(numbers) != 1) + 1).tolist(), len(numbers)]
        for low, high in pairwise(breaks):
            if low < high:
                part = view[low * self.page_size : high * self.page_size]
                self._put(part, (int(numbers[low]) - 1) * self.page_size)

    def close(self) -> None:
        """Tell the file's head how many pages there are now."""
        with self._stream:
            self._put(memoryview(self._pages.to_bytes(4, "big")), 28)
            self._put(memoryview(self._counter), 92)  # the size counts only where both are equal

    def _put(self, data: memoryview, place: int) -> None:
        if hasattr(os, "pwrite"):
            while len(data):
                written = os.pwrite(self._stream.fileno(), data, place)
                data, place = data[written:], place + written
            return
        with self._one:
            self._stream.seek(place)
            while len(data):
                data = data[self._stream.write(data) or 0 :]

    def __enter__(self) -> PageFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class TableTree:
    """The rows of one table, in the order of their row ids.

    Parameters
    ----------
    file : PageFile
        The database.
    root : int
        Root page of the empty table.
    """

    def __init__(self, file: PageFile, root: int) -> None:
        self._file, self._root = file, root
        self._leaves: list[Ints] = []
        self._last_ids: list[Ints] = []
        self._only: tuple[Bytes, Ints] | None = None

    def add(self, pieces: Sequence[Piece], row_ids: Ints) -> None:
        """Write rows, given as pieces of their records; ids rise, also from call to call."""
        if not len(row_ids):
            return
        size = self._file.page_size
        length = np.broadcast_to(np.asarray(sum(p.length for p in pieces), np.int64), len(row_ids))
        kept = _kept(length, size, size - 35)
        spilled = np.flatnonzero(kept < length)
        lead = [varints(length), varints(row_ids)]
        cell = kept + sum(p.length for p in lead) + 4 * (kept < length)
        first = _first_rows(cell, size - _LEAF_HEAD)
        body = list(pieces)
        if len(spilled):
            body = _spill(self._file, pieces, spilled, kept)
        image = _data(joined([_heads(cell, first, size, _TABLE_LEAF), *lead, *body]))
        self.add_leaves(image, row_ids[np.append(first[1:], len(row_ids)) - 1])

    def add_leaves(self, image: Bytes, last_ids: Ints) -> None:
        """Write leaf pages made elsewhere, given the row id of the last row of each."""
        self._place_only()
        if len(last_ids) == 1 and not self._leaves:
            self._only = image.copy(), last_ids  # if it stays alone, it is the root
        else:
            self._place(image, last_ids)

    def take(self, last_ids: Ints) -> Ints:
        """Return the numbers of leaf pages, several, that will be written elsewhere."""
        self._place_only()
        numbers = self._file.take(len(last_ids))
        self._leaves.append(numbers)
        self._last_ids.append(last_ids)
        return numbers

    def _place(self, image: Bytes, last: Ints) -> None:
        numbers = self._file.take(len(last))
        self._file.write(numbers, image)
        self._leaves.append(numbers)
        self._last_ids.append(last)

    def _place_only(self) -> None:
        if self._only is not None:
            self._place(*self._only)
            self._only = None

    def finish(self) -> None:
        """Write the inner pages."""
        size = self._file.page_size
        if self._only is not None:
            self._file.write(np.array([self._root]), self._only[0])
        if not self._leaves:
            return
        children, keys = np.concatenate(self._leaves), np.concatenate(self._last_ids)
        while True:
            longest = -(-int(keys[-1]).bit_length() // 7)  # bytes of the last key
            fan = (size - _INNER_HEAD) // (2 + 4 + longest) + 1
            groups = np.array_split(np.arange(len(children)), -(-len(children) // fan))
            last = np.array([g[-1] for g in groups])
            image = _table_inner(children, keys, last, size)
            if len(groups) == 1:
                self._file.write(np.array([self._root]), image)
                return
            numbers = self._file.take(len(groups))
            self._file.write(numbers, image)
            children, keys = numbers, keys[last]


class IndexTree:
    """All entries of one index, in the order of their keys.

    Parameters
    ----------
    file : PageFile
        The database.
    root : int
        Root page of the index of an empty table.
    """

    def __init__(self, file: PageFile, root: int) -> None:
        self._file, self._root = file, root

    def write(self, pieces: Sequence[Piece]) -> None:
        """Write the index; ``pieces`` make up the sorted entries (records of key and row id)."""
        size = self._file.page_size
        length = np.broadcast_to(np.asarray(sum(p.length for p in pieces), np.int64), len(pieces[0].data))
        lead = varints(length)
        cell = length + lead.length
        first, separators = _index_pages(cell, size - _LEAF_HEAD)
        rows = np.ones(len(cell), bool)
        rows[separators] = False
        within = np.flatnonzero(rows)
        start = np.searchsorted(within, first)
        entries = joined([lead, *pieces])
        leaf_cells = entries.filter(pa.array(rows)) if len(separators) else entries
        heads = _heads(cell[within], start, size, _INDEX_LEAF)
        image = _data(joined([heads, Piece(leaf_cells, cell[within])]))
        keys = [entries[int(row)].as_py() for row in separators]
        self._file.write(self.take(keys), image)

    def take(self, keys: Sequence[bytes]) -> Ints:
        """Return the numbers of the leaves, to be written elsewhere, and write the pages above.

        Parameters
        ----------
        keys : sequence of bytes
            The entries between the leaves.
        """
        if not keys:
            return np.array([self._root])
        numbers = self._file.take(len(keys) + 1)
        self._inner(numbers.tolist(), list(keys))
        return numbers

    def _inner(self, children: list[int], keys: list[bytes]) -> None:
        """Write the pages above; between two children stands the entry that lies between them."""
        size = self._file.page_size
        while True:
            pages, up = [], []
            at = 0
            while at < len(children):
                end, used = at, _INNER_HEAD
                while end < len(keys) and used + len(keys[end]) + 6 <= size:
                    used += len(keys[end]) + 6
                    end += 1
                if end == len(keys) - 1 and len(keys) > 1:
                    end -= 1  # leaves the last page an entry of its own
                pages.append(_index_inner(children[at : end + 1], keys[at:end], size))
                up += keys[end : end + 1]
                at = end + 1
            if len(pages) == 1:
                self._file.write(np.array([self._root]), pages[0])
                return
            numbers = self._file.take(len(pages))
            self._file.write(numbers, b"".join(pages))
            children, keys = numbers.tolist(), up


def _kept(length: Ints, size: int, most: int) -> Ints:
    """Return how many bytes of each record stay on its page; the rest goes to pages of their own."""
    least = (size - 12) * 32 // 255 - 23
    spill = least + (length - least) % (size - 4)
    return np.where(length <= most, length, np.where(spill <= most, spill, least))


def _first_rows(cell: Ints, room: int) -> Ints:
    """Return the first row of every page, each filled as far as its rows fit."""
    end = np.cumsum(cell + 2)
    after = np.searchsorted(end, end - cell - 2 + room, side="right").tolist()
    first, row = [], 0
    while row < len(after):
        first.append(row)
        row = after[row]
    return np.array(first, np.int64)


def _index_pages(cell: Ints, room: int) -> tuple[Ints, Ints]:
    """Return the first entry of every leaf, and the entries between leaves, which go up."""
    end = np.cumsum(cell + 2)
    after = np.searchsorted(end, end - cell - 2 + room, side="right").tolist()
    rows = len(after)
    first, separators, row = [], [], 0
    while True:
        first.append(row)
        stop = after[row]
        if stop >= rows:
            break
        if stop == rows - 1:  # the last leaf needs an entry too
            stop -= 1
        separators.append(stop)
        row = stop + 1
    return np.array(first, np.int64), np.array(separators, np.int64)


def _heads(cell: Ints, first: Ints, size: int, kind: int, right: Ints | None = None) -> Piece:
    """Return what stands before the first cell of every page: its head, the places of its cells, the gap.

    ``right`` is what the heads of inner pages name: the page behind their last cell.
    """
    head = _LEAF_HEAD
    rows = len(cell)
    count = np.diff(np.append(first, rows))
    start = np.concatenate([np.zeros(1, np.int64), np.cumsum(cell)])
    used = start[np.append(first[1:], rows)] - start[first]
    length = size - used  # cells lie at the end of the page, in order
    base = np.concatenate([np.zeros(1, np.int64), np.cumsum(length)])
    data = np.zeros(base[-1], np.uint8)
    data[base[:-1]] = kind
    for at, number in ((3, count), (5, length)):
        data[base[:-1] + at] = number >> 8
        data[base[:-1] + at + 1] = number & 255
    if right is not None:
        head = _INNER_HEAD
        for at in range(4):
            data[base[:-1] + 8 + at] = right >> (24 - 8 * at) & 255
    page = np.repeat(np.arange(len(first)), count)
    place = length[page] + start[:-1] - start[first][page]
    slot = base[page] + head + 2 * (np.arange(rows) - first[page])
    data[slot] = place >> 8
    data[slot + 1] = place & 255
    each = np.zeros(rows, np.int64)
    each[first] = length
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(each)])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return Piece(pa.Array.from_buffers(_BINARY, rows, buffers), each)


def _spill(file: PageFile, pieces: Sequence[Piece], spilled: Ints, kept: Ints) -> list[Piece]:
    """Write the ends of long records to pages of their own; return the pieces as they stay in their cells."""
    whole = joined([Piece(piece.data.take(pa.array(spilled)), 0) for piece in pieces])
    room = file.page_size - 4
    stay = kept[spilled]
    count = -(-(pc.binary_length(whole).to_numpy() - stay) // room)
    end = np.cumsum(count)
    numbers = file.take(int(end[-1]))
    after = np.append(numbers[1:], 0)
    after[end - 1] = 0  # behind the last page of a record stands none
    image = np.zeros((len(numbers), file.page_size), np.uint8)
    image[:, :4] = after.astype(">u4").view(np.uint8).reshape(-1, 4)
    short = []
    for row, (keep, start) in enumerate(zip(stay.tolist(), (end - count).tolist(), strict=True)):
        payload = np.frombuffer(whole[row].as_buffer(), np.uint8)
        full, tail = divmod(len(payload) - keep, room)
        image[start : start + full, 4:] = payload[keep : len(payload) - tail].reshape(full, room)
        if tail:
            image[start + full, 4 : 4 + tail] = payload[-tail:]
        short.append(payload[:keep].tobytes() + int(numbers[start]).to_bytes(4, "big"))
    file.write(numbers, image)
    mask = np.zeros(len(kept), bool)
    mask[spilled] = True
    gone = pa.array(mask)
    rest = [Piece(pc.if_else(gone, _EMPTY, piece.data), piece.length) for piece in pieces]
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(mask * (kept + 4))])
    data = pa.py_buffer(b"".join(short))
    return [*rest, Piece(pa.Array.from_buffers(_BINARY, len(kept), [None, pa.py_buffer(ends), data]), kept)]


def _table_inner(children: Ints, keys: Ints, last: Ints, size: int) -> Bytes:
    """Return inner pages of a table, given the last child of each page, which its head names."""
    inside = np.ones(len(children), bool)
    inside[last] = False
    child = fixed(children[inside].astype(">u4").view(np.uint8).reshape(-1, 4))
    key = varints(keys[inside])
    cell = np.broadcast_to(np.asarray(4 + key.length, np.int64), len(child.data))
    first = np.append(0, last[:-1] - np.arange(len(last) - 1))
    return _data(joined([_heads(cell, first, size, _TABLE_INNER, children[last]), child, key]))


def _index_inner(children: Sequence[int], keys: Sequence[bytes], size: int) -> bytes:
    cells = [child.to_bytes(4, "big") + key for child, key in zip(children[:-1], keys, strict=True)]
    return _inner_page(_INDEX_INNER, cells, children[-1], size)


def _inner_page(kind: int, cells: Sequence[bytes], right: int, size: int) -> bytes:
    body = b"".join(cells)
    start = size - len(body)
    places, at = [], start
    for cell in cells:
        places.append(at.to_bytes(2, "big"))
        at += len(cell)
    head = bytes((kind, 0, 0)) + len(cells).to_bytes(2, "big") + (start & 0xFFFF).to_bytes(2, "big") + b"\0"
    head += right.to_bytes(4, "big") + b"".join(places)
    return head.ljust(start, b"\0") + body


def _data(array: pa.Array) -> Bytes:
    """Return the bytes of a binary array, one value behind the other."""
    _, offsets, data = array.buffers()
    ends: npt.NDArray[np.int64] = np.frombuffer(offsets, np.int64, len(array) + 1, 8 * array.offset)
    return np.frombuffer(data, np.uint8)[int(ends[0]) : int(ends[-1])]
