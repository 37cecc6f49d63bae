"""Files of blocks, JSON or Arrow tables, under one seal; nothing in them is ever run as code."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa

from landremed.errors import InputError, OutputError, Where
from landremed.io.disk import flush
from landremed.io.leftovers import remove_leftovers
from landremed.reuse.begun import FIRST, PIECE, MappedFile, open_mapped, seal_of

__all__ = [
    "PreparedFile",
    "json_of",
    "meanwhile",
    "prepare_blocks",
    "read_blocks",
    "table_of",
    "temporary",
    "unwritten",
    "write_blocks",
]

_SEAL: Final = 32
_ALIGN: Final = 64  # blocks begin where columns can be used in place
_SIZE: Final = struct.Struct("<q")


class PreparedFile:
    """A file complete under another name, until it is put in its place; closing removes one that was not."""

    def __init__(self, path: Path, temp: Path) -> None:
        self._path, self._temp = path, temp

    def put(self) -> None:
        """Let the file take its place in one step.

        Raises
        ------
        OutputError
            It cannot; what lay there stays.
        """
        try:
            self._temp.replace(self._path)
        except OSError as error:
            raise unwritten(self._path, error) from error

    def close(self) -> None:
        """Remove the file unless it is in its place."""
        with contextlib.suppress(OSError):
            self._temp.unlink(missing_ok=True)


def write_blocks(path: Path, magic: bytes, blocks: Iterable[bytes | pa.Table]) -> None:
    """Write a file in one step; parameters and errors as for ``prepare_blocks``."""
    with contextlib.closing(prepare_blocks(path, magic, blocks)) as file:
        file.put()


def prepare_blocks(path: Path, magic: bytes, blocks: Iterable[bytes | pa.Table]) -> PreparedFile:
    """Write a file that can take its place in one step.

    Parameters
    ----------
    path : Path
        Target; what lies there stays.
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
    file = PreparedFile(path, temp)
    try:
        with temp.open("wb") as raw:
            raw.write(magic + bytes(FIRST - len(magic)))
            sealed = _Sealed(raw)
            with pa.PythonFile(sealed, "w") as stream:
                for block in blocks:  # straight from memory: together they may be as large as the result
                    _write_block(stream, block)
            raw.seek(len(magic))
            raw.write(sealed.seal())
        flush(temp)
    except OSError as error:
        file.close()
        raise unwritten(path, error) from error
    except BaseException:
        file.close()
        raise
    return file


@contextmanager
def meanwhile(prepare: Sequence[Callable[[], PreparedFile | None]]) -> Iterator[Callable[[], None]]:
    """Prepare files in a thread; gives a function that lets all of them take their places, or raises.

    What was not put in its place is gone afterwards.
    """
    made: list[PreparedFile] = []

    def work() -> None:
        for one in prepare:
            file = one()
            if file is not None:
                made.append(file)

    def put() -> None:
        done.result()
        for file in made:
            file.put()

    try:
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(work)
            yield put
    finally:
        for file in made:
            file.close()


def unwritten(path: Path, error: OSError) -> OutputError:
    """Return what to say of a file that cannot be put in its place; the result itself is written."""
    return OutputError("measures_unwritten", Where(file=str(path)), reason=error.strerror or str(error))


def read_blocks(path: Path, magic: bytes, file: MappedFile | None = None) -> Iterator[memoryview]:
    """Return the blocks of a file, which stay pages of the system's.

    Parameters
    ----------
    path : Path
        The file.
    magic : bytes
        What kind it should be.
    file : MappedFile, optional
        From ``open_mapped``, where it is open already.

    Raises
    ------
    OSError
        It cannot be opened.
    InputError
        It is of another kind, or damaged.
    """
    file = file or open_mapped(path)
    if bytes(file.raw[: len(magic)]) != magic:
        file.let_go()
        raise InputError("reuse_foreign", Where(file=str(path)), file=str(path))
    if file.seal.result() != bytes(file.raw[len(magic) :][:_SEAL]):
        raise InputError("reuse_damaged", Where(file=str(path)), file=str(path))
    return _spans(file.raw[FIRST:])


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


class _Sealed:
    """A file that is hashed as it is written, piece by piece, so that several threads may check it."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digests: list[bytes] = []
        self._piece, self._room = hashlib.sha256(), PIECE

    def write(self, data: Any) -> int:
        """Write some bytes."""
        rest = memoryview(data).cast("B")
        while len(rest):
            some, rest = rest[: self._room], rest[self._room :]
            self._piece.update(some)
            self._file.write(some)
            self._room -= len(some)
            if not self._room:
                self._end_piece()
        return len(data)

    def flush(self) -> None:
        """Do nothing: the file is flushed when it is complete."""

    def close(self) -> None:
        """Do nothing: whoever opened the file closes it."""

    def seal(self) -> bytes:
        """Return the hash of all that was written."""
        if self._room < PIECE:
            self._end_piece()
        return seal_of(self._digests)

    def _end_piece(self) -> None:
        self._digests.append(self._piece.digest())
        self._piece, self._room = hashlib.sha256(), PIECE


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
