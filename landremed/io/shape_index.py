"""Shapefiles whose index is damaged: the shapes carry their own numbers, so that the index can be made again.

GDAL refuses the whole file for one entry that leads nowhere, and reads another row's shape where an entry
leads to a wrong place. One bad record must cost neither the file nor, in silence, a parcel.
"""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from landremed.io.drivers import Dataset, sidecar
from landremed.types import Finding

__all__ = ["sound_index"]

_HEAD = 100
_RECORD_HEAD = 8
_MOST_LOST = 0.05
_NUMBERED = 0.9
"""Share of records that must carry their row's number for the numbers to mean anything."""

IntArray = npt.NDArray[np.int64]


@contextmanager
def sound_index(dataset: Dataset) -> Iterator[tuple[Dataset, list[Finding], IntArray]]:
    """Give a shapefile with a sound index; any other file as it is.

    Yields
    ------
    dataset : Dataset
        The file itself, or a temporary copy with its index made again.
    findings : list of Finding
        What was mended, and the rows whose shape could not be found.
    lost : ndarray of int64
        Those rows, from 0; they are null shapes in the copy.
    """
    none = np.zeros(0, np.int64)
    index = sidecar(dataset.path, ".shx") if dataset.driver == "ESRI Shapefile" else None
    if index is None or dataset.path.stat().st_size <= _HEAD:
        yield dataset, [], none
        return
    entries = _entries(index)
    shapes = np.memmap(dataset.path, np.uint8, mode="r")
    bad = _bad_entries(entries, shapes)
    if not len(bad):
        yield dataset, [], none
        return
    found = _walk(shapes)
    lost = np.array([row for row in bad.tolist() if row + 1 not in found], np.int64)
    if len(lost) > max(1, _MOST_LOST * len(entries)) or (len(lost) and lost[-1] == len(entries) - 1):
        yield dataset, [], none  # the file as a whole is at fault, and the reader says how
        return
    findings = [Finding("record_unreadable", row=row + 1) for row in lost.tolist()]
    if len(lost) < len(bad):
        findings.append(Finding("shapefile_index_mended", params={"count": len(bad) - len(lost)}))
    with tempfile.TemporaryDirectory(prefix="landremed-") as folder:
        path = _copy(dataset.path, Path(folder), entries, bad, found)
        yield replace(dataset, path=path), findings, lost


def _entries(index: Path) -> IntArray:
    """Return place and length in bytes of every record, as the index has them."""
    raw = index.read_bytes()[_HEAD:]
    return 2 * np.frombuffer(raw[: len(raw) // 8 * 8], ">i4").astype(np.int64).reshape(-1, 2)


def _bad_entries(entries: IntArray, shapes: npt.NDArray[np.uint8]) -> IntArray:
    """Return rows whose entry leads out of the file or to another row's shape."""
    place, length = entries[:, 0], entries[:, 1]
    sound = (place >= _HEAD) & (length >= 4) & (place + _RECORD_HEAD + length <= len(shapes))
    rows = np.flatnonzero(sound)
    numbers = np.zeros(len(rows), np.int64)
    for byte in range(4):
        numbers = 256 * numbers + shapes[place[rows] + byte]
    own = numbers == rows + 1
    if len(rows) and own.mean() >= _NUMBERED:
        sound[rows[~own]] = False
    bad: IntArray = np.flatnonzero(~sound)
    return bad


def _walk(shapes: npt.NDArray[np.uint8]) -> dict[int, tuple[int, int]]:
    """Go from record to record; return place and length by number."""
    found: dict[int, tuple[int, int]] = {}
    at = _HEAD
    while at + _RECORD_HEAD <= len(shapes):
        number, words = struct.unpack(">ii", shapes[at : at + _RECORD_HEAD].tobytes())
        if words < 2 or number < 1 or at + _RECORD_HEAD + 2 * words > len(shapes):
            break
        found[number] = at, 2 * words
        at += _RECORD_HEAD + 2 * words
    return found


def _copy(
    path: Path, folder: Path, entries: IntArray, bad: IntArray, found: dict[int, tuple[int, int]]
) -> Path:
    """Write the file into a folder with its index made again; lost rows lead to a null shape at the end."""
    target = folder / path.name
    shutil.copyfile(path, target)
    end = target.stat().st_size
    with target.open("r+b") as stream:
        stream.seek(0, os.SEEK_END)
        stream.write(struct.pack(">ii", 1, 2) + struct.pack("<i", 0))
        stream.seek(24)
        stream.write(struct.pack(">i", (end + 12) // 2))
    mended = entries.copy()
    for row in bad.tolist():
        mended[row] = found.get(row + 1, (end, 4))
    for suffix in (".dbf", ".prj", ".cpg", ".shx"):
        part = sidecar(path, suffix)
        if part is not None:
            shutil.copyfile(part, target.with_suffix(suffix))
    index = target.with_suffix(".shx")
    index.write_bytes(index.read_bytes()[:_HEAD] + (mended // 2).astype(">i4").tobytes())
    return target
