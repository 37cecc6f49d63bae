"""How many processes, and how many parcels at a time, fit into so much memory."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from landremed.errors import LandremedError

__all__ = [
    "PARTITIONS_FROM",
    "ROW_BYTES",
    "Bounds",
    "Share",
    "default_memory",
    "fitting",
    "give_back",
    "parse_memory",
]

PARTITIONS_FROM: Final = 200_000
"""Parcels from which on a run is divided among processes.

On two cores, against five layers, one process of two threads did 100,000 in two thirds of the time that two
processes took.
"""

ROW_BYTES: Final = 16_000
"""What a parcel takes while it is measured and decided, with its pieces."""

_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_TEXT: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\s*", re.IGNORECASE)
_CGROUP: Final = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_SHARE: Final = 0.6

# on the safe side of what runs of 10^5 and 10^6 parcels against five layers held (docs/scale.md)
_PROCESS: Final = 330_000_000  # interpreter, libraries and compiled kernels
_LAYERS: Final = (
    3.2  # the first process reading and indexing, by bytes of the layers' shapes; others share 2.3
)
_OWN_LAYERS: Final = 0.3  # shapes that each process unpacks near its parcels
_PARCEL: Final = 200  # what the first process keeps of every parcel
_MERGED: Final = 9_000  # what a parcel takes while its rows are put in order and written
_LEAST_ROWS: Final = 1_000
_WORTH_ROWS: Final = 4_096  # smaller partitions for the sake of one more process cost more than it brings


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a run may use.

    Attributes
    ----------
    memory : int, optional
        Bytes that all its processes on this machine together may hold; a share of what there is by default.
    rows : int, optional
        Most parcels of a partition; by default chosen by their number and the memory.
    """

    memory: int | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """What fits: processes at a time, the most parcels of a partition, and files written at a time."""

    processes: int
    rows: int
    writers: int


def parse_memory(text: str) -> int:
    """Return a size such as ``2GB``, ``1.5G`` or ``800MiB`` in bytes.

    Raises
    ------
    LandremedError
        Code ``memory_unreadable``.

    Examples
    --------
    >>> parse_memory("2GB"), parse_memory("1.5 GiB")
    (2000000000, 1610612736)
    """
    found = _TEXT.fullmatch(text)
    if found is None or not float(found[1]):
        raise LandremedError("memory_unreadable", value=text)
    units = _BINARY if found[3] else _UNITS
    return int(float(found[1]) * units[found[2].upper()])


def default_memory() -> int:
    """Return the share of this machine's memory that a run takes unless told otherwise, in bytes."""
    whole = [limit for limit in map(_limit, _CGROUP) if limit]
    try:
        whole.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        whole.append(8 * 10**9)
    return int(_SHARE * min(whole))


def fitting(memory: int, *, parcels: int, layers_bytes: int, processes: int, rows: int, block: int) -> Share:
    """Return how many processes, and parcels at a time, stay within the memory.

    Parameters
    ----------
    memory : int
        Bytes for all processes together, pages that they share counted once.
    parcels : int
        Parcels of the whole job.
    layers_bytes : int
        Bytes of the layers' shapes.
    processes : int
        Processes wanted.
    rows : int
        Parcels of a partition where memory is no concern.
    block : int
        Parcels whose rows are put in order at a time.

    Raises
    ------
    LandremedError
        Code ``memory_too_small``, with what is needed at least.
    """
    fixed = _PROCESS + _PARCEL * parcels + int(_LAYERS * layers_bytes)
    each = _PROCESS + int(_OWN_LAYERS * layers_bytes)
    merged = _MERGED * min(block, parcels)
    least = max(
        fixed + each + ROW_BYTES * min(_LEAST_ROWS, max(parcels, 1)), _PROCESS + _PARCEL * parcels + merged
    )
    if memory < least:
        needed = -(-least // 10**8) / 10
        raise LandremedError("memory_too_small", given=f"{memory / 1e9:.1f} GB", needed=f"{needed:.1f} GB")
    writers = min(processes, max(1, (memory - _PROCESS - _PARCEL * parcels) // max(merged, 1)))
    for count in range(processes, 0, -1):
        fit = (memory - fixed - count * each) // (count * ROW_BYTES)
        if fit >= min(rows, _WORTH_ROWS) or (count == 1 and fit > 0):
            good = rows
            while (
                good > fit and good > _LEAST_ROWS
            ):  # halves only, so that runs are resumed with other figures
                good = -(-good // 2)
            return Share(count, min(good, rows), writers)
    return Share(1, min(_LEAST_ROWS, rows), writers)


def give_back() -> None:
    """Hand memory that is free, and kept for later, back to the system."""
    import ctypes

    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def _limit(path: str) -> int | None:
    """Return the limit in a file of the system's, None where there is none."""
    try:
        text = Path(path).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return int(text) if text.isdigit() and int(text) < 1 << 60 else None
