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
from landremed.provenance import library_versions, version

__all__ = [
    "DIGEST",
    "Digests",
    "digests",
    "hashed",
    "places_of",
    "raw_array",
    "raw_column",
    "row_digests",
    "surroundings",
    "text_digests",
    "whole_array",
]

Digests: TypeAlias = npt.NDArray[Any]
"""One hash per row, as raw bytes (``V16``)."""

DIGEST: Final = 16
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


def row_digests(matrix: npt.NDArray[np.uint8]) -> Digests:
    """Return the hash of every row of bytes."""
    rows, width = matrix.shape
    return _of_spans(memoryview(matrix.tobytes()), np.arange(rows + 1, dtype=np.int64) * width)


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


def whole_array(column: pa.ChunkedArray) -> pa.Array:
    """Return a column of one chunk or more as one array, not copied where it is one already."""
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def places_of(keys: Digests, known: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Return where each hash stands first among those known, -1 where it does not."""
    found = pc.index_in(raw_array(keys), value_set=known.combine_chunks())
    return np.asarray(found.fill_null(-1).to_numpy(), np.int64)


def surroundings() -> tuple[object, ...]:
    """Return what any result hangs on: versions, machine, and the code, which a version does not tell."""
    return (version(), _code_hash(), platform.machine(), *sorted(library_versions().items()), *_compilers())


def _of_spans(data: memoryview, offsets: npt.NDArray[np.int64]) -> Digests:
    places = offsets.tolist()
    made = hashlib.blake2b
    joined = b"".join([made(data[a:b], digest_size=DIGEST).digest() for a, b in pairwise(places)])
    return np.frombuffer(joined, _RAW)


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
