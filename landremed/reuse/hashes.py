"""Hashes of what results hang on: shapes, values, settings, and the code itself."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from functools import cache
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.io.wkb import as_large_binary
from landremed.law.vocabulary import rules_root
from landremed.overlay.looks import at_hand, shares_of
from landremed.provenance import library_versions, version
from landremed.tables import whole_array
from landremed.threads import in_threads

__all__ = [
    "DIGEST",
    "Digests",
    "Numbers",
    "Pairs",
    "as_digests",
    "as_pairs",
    "digests",
    "hashed",
    "mixed",
    "places_of",
    "raw_array",
    "raw_column",
    "surroundings",
    "text_digests",
]

Digests: TypeAlias = npt.NDArray[Any]
"""One hash per row, as raw bytes (``V16``)."""

Numbers: TypeAlias = npt.NDArray[np.uint64]
Pairs: TypeAlias = npt.NDArray[np.uint64]
"""One hash per row as two numbers, (n, 2)."""

DIGEST: Final = 16
_SHIFT: Final = np.uint64(33)
_FACTORS: Final = np.array(
    [
        [0xFF51_AFD7_ED55_8CCD, 0xC4CE_B9FE_1A85_EC53],
        [0xBF58_476D_1CE4_E5B9, 0x94D0_49BB_1331_11EB],
    ],
    np.uint64,
)
"""Odd, with bits in no order; two for each half."""

_RAW: Final = f"V{DIGEST}"


def hashed(data: bytes) -> bytes:
    """Return the hash of some bytes."""
    return hashlib.blake2b(data, digest_size=DIGEST).digest()


def digests(wkb: pa.Array) -> Digests:
    """Return the hash of every geometry; null has that of no bytes."""
    array = as_large_binary(wkb)
    if array.null_count:
        array = array.fill_null(b"")
    if not len(array):
        return np.zeros(0, _RAW)
    _, places, data = array.buffers()
    offsets = np.frombuffer(places, np.int64, count=len(array) + 1)
    return _of_spans(memoryview(data) if data is not None else memoryview(b""), offsets)


def mixed(columns: Iterable[Numbers], rows: int) -> Pairs:
    """Return 128 bits for the numbers of every row: equal rows have equal ones, others have others.

    Quicker than a hash that is proof against people who want two rows to look alike; for numbers that follow
    from what is hashed besides, as areas do from shapes and ground.

    Parameters
    ----------
    columns : iterable of ndarray of uint64
        Numbers, by their bits.
    rows : int
        How many each has.
    """
    lanes = np.zeros((2, rows), np.uint64)
    shifted = np.empty(rows, np.uint64)
    for column in columns:
        for lane, factors in zip(lanes, _FACTORS, strict=True):
            np.bitwise_xor(lane, column, out=lane)
            for factor in (*factors, None):
                np.right_shift(lane, _SHIFT, out=shifted)
                np.bitwise_xor(lane, shifted, out=lane)
                if factor is not None:
                    np.multiply(lane, factor, out=lane)
    return lanes.T


def as_pairs(found: npt.NDArray[Any]) -> Pairs:
    """Return hashes as two numbers each."""
    return found.view(np.uint64).reshape(-1, 2)


def as_digests(pairs: Pairs) -> Digests:
    """Return pairs of numbers as hashes."""
    return np.ascontiguousarray(pairs).view(_RAW).ravel()


def text_digests(texts: Iterable[str]) -> npt.NDArray[np.uint8]:
    """Return the hashes of texts as a matrix of bytes, one row each."""
    joined = b"".join(hashed(text.encode("utf-8", "surrogatepass")) for text in texts)
    return np.frombuffer(joined, np.uint8).reshape(-1, DIGEST)


def raw_array(found: Digests) -> pa.Array:
    """Return hashes as an Arrow array."""
    return pa.Array.from_buffers(pa.binary(DIGEST), len(found), [None, pa.py_buffer(found.tobytes())])


def raw_column(column: pa.ChunkedArray) -> Digests:
    """Return an Arrow column of hashes as raw bytes."""
    whole = whole_array(column)
    data = whole.buffers()[1]
    return np.frombuffer(data, _RAW, len(whole), DIGEST * whole.offset) if len(whole) else np.zeros(0, _RAW)


def places_of(keys: Digests, known: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Return where each hash stands first among those known, -1 where it does not."""
    if at_hand(keys.nbytes):
        from landremed.overlay.native.hashing import first_places

        found: npt.NDArray[np.int64] = first_places(_words(raw_column(known)), _words(keys))
        return found
    places = pc.index_in(raw_array(keys), value_set=known.combine_chunks())
    return np.asarray(places.fill_null(-1).to_numpy(), np.int64)


def surroundings() -> tuple[object, ...]:
    """Return what any result hangs on: versions, machine, and the code, which a version does not tell."""
    return (version(), _code_hash(), platform.machine(), *sorted(library_versions().items()), *_compilers())


def _of_spans(data: memoryview, offsets: npt.NDArray[np.int64]) -> Digests:
    if len(offsets) < 2:
        return np.zeros(0, _RAW)
    if at_hand(data.nbytes):
        from landremed.overlay.native.hashing import span_hashes

        raw = np.frombuffer(data, np.uint8)
        raw.flags.writeable = False
        own = np.array(offsets)
        parts = in_threads(lambda share: span_hashes(raw, share), shares_of(own))
        return np.concatenate(parts).astype("<u8", copy=False).view(_RAW).ravel()
    places = offsets.tolist()
    made = hashlib.blake2b
    joined = b"".join([made(data[a:b], digest_size=DIGEST).digest() for a, b in pairwise(places)])
    return np.frombuffer(joined, _RAW)


def _words(found: Digests) -> npt.NDArray[np.uint64]:
    """Return hashes as two words each; kernels are compiled for what is not written to."""
    words = np.ascontiguousarray(found).view(np.uint64).reshape(-1, 2)
    words.flags.writeable = False
    return words


def _compilers() -> list[str]:
    return [f"{name} {found}" for name in ("numba", "llvmlite", "numpy") if (found := _installed(name))]


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


@cache
def _code_hash() -> str:
    digest = hashlib.sha256()

    def add(folder: Traversable) -> None:
        for entry in sorted(folder.iterdir(), key=lambda e: e.name):
            if entry.is_dir() and entry.name != "__pycache__":
                add(entry)
            elif entry.name.endswith(".py"):
                digest.update(entry.name.encode() + entry.read_bytes())

    add(resources.files("landremed"))
    digest.update(rules_root().joinpath("facts.yaml").read_bytes())
    return digest.hexdigest()
