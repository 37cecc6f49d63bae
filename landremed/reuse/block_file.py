"""Files of blocks, JSON or Arrow tables, under one seal; nothing in them is ever run as code."""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from landremed.errors import InputError, OutputError, Where
from landremed.io.disk import flush
from landremed.io.leftovers import remove_leftovers

__all__ = ["json_of", "read_blocks", "table_of", "temporary", "unwritten", "write_blocks"]

_SEAL: Final = 32
_ALIGN: Final = 64  # blocks begin where columns can be used in place
_FIRST: Final = 64
_SIZE: Final = struct.Struct("<q")


def write_blocks(path: Path, magic: bytes, blocks: Iterable[bytes | pa.Table]) -> None:
    """Write a file in one step.

    Parameters
    ----------
    path : Path
        Target; what lies there stays until the new file is complete.
    magic : bytes
        What kind of file it is, at most 32 bytes.
    blocks : iterable of bytes or pyarrow.Table
        What it holds.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    temp = temporary(path)
    remove_leftovers(path)
    try:
        with pa.OSFile(str(temp), "wb") as file:
            file.write(magic + bytes(_FIRST - len(magic)))
            for block in blocks:  # straight from memory: together they may be as large as the result
                _write_block(file, block)
        _seal(temp, len(magic))
        temp.replace(path)
    except OSError as error:
        raise unwritten(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temp.unlink(missing_ok=True)


def unwritten(path: Path, error: OSError) -> OutputError:
    """Return what to say of a file that cannot be put in its place; the result itself is written."""
    return OutputError("measures_unwritten", Where(file=str(path)), reason=error.strerror or str(error))


def read_blocks(path: Path, magic: bytes) -> Iterator[memoryview]:
    """Return the blocks of a file, which stay pages of the system's.

    Raises
    ------
    OSError
        It cannot be opened.
    InputError
        It is of another kind, or damaged.
    """
    raw = _mapped(path)
    if bytes(raw[: len(magic)]) != magic:
        raise InputError("reuse_foreign", Where(file=str(path)), file=str(path))
    body = raw[_FIRST:]
    if hashlib.sha256(body).digest() != bytes(raw[len(magic) :][:_SEAL]):
        raise InputError("reuse_damaged", Where(file=str(path)), file=str(path))
    return _spans(body)


def temporary(path: Path) -> Path:
    """Return where a file is written before it takes its place."""
    return path.with_name(f".{path.name}.tmp-{os.getpid()}")


def json_of(block: memoryview) -> Any:
    """Return what a block of JSON says."""
    return json.loads(bytes(block).decode("utf-8", "surrogatepass"))


def table_of(block: memoryview, schema: pa.Schema | None = None) -> pa.Table:
    """Return the table of a block, of a certain schema where one is given."""
    table = pa.ipc.open_stream(pa.py_buffer(block)).read_all()
    return table if schema is None else table.cast(schema)


def _mapped(path: Path) -> memoryview:
    """Map a file; Windows would not let a mapped one be replaced."""
    if os.name == "nt" or not path.stat().st_size:
        return memoryview(path.read_bytes())
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _seal(path: Path, place: int) -> None:
    """Put the hash of all blocks into the head of a file, and the file on the disk."""
    with path.open("r+b") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
            body = memoryview(raw)[_FIRST:]
            seal = hashlib.sha256(body).digest()
            body.release()
        file.seek(place)
        file.write(seal)
    flush(path)


def _write_block(file: pa.NativeFile, block: bytes | pa.Table) -> None:
    if isinstance(block, bytes):
        size = len(block)
    else:
        counter = pa.MockOutputStream()
        _write_table(counter, block)
        size = counter.size()
    file.write(_SIZE.pack(size) + bytes(_ALIGN - _SIZE.size))
    if isinstance(block, bytes):
        file.write(block)
    else:
        _write_table(file, block)
    file.write(bytes(-size % _ALIGN))


def _write_table(file: pa.NativeFile, table: pa.Table) -> None:
    with pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


def _spans(body: memoryview) -> Iterator[memoryview]:
    at = 0
    while at < len(body):
        (size,) = _SIZE.unpack_from(body, at)
        yield body[at + _ALIGN : at + _ALIGN + size]
        at += _ALIGN + size + -size % _ALIGN
