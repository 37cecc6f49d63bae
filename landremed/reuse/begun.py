"""Files that a run will ask for, mapped and hashed by a thread while the program still imports what it needs.

Nothing large is imported here, as whoever begins has not done so yet. Large pieces are hashed at a time, as
between two of them the thread has to wait for the interpreter.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from landremed.io.drivers import layer_file

if TYPE_CHECKING:
    from landremed.project_spec import Project

__all__ = [
    "FIRST",
    "ONE_FILE",
    "PIECE",
    "MappedFile",
    "begin",
    "file_hash",
    "layers_path",
    "measures_path",
    "open_mapped",
    "seal_of",
    "stamp_of",
]

Stamp: TypeAlias = tuple[int, int, int]
Task: TypeAlias = tuple[Future[Any], Callable[[], Any]]

FIRST: Final = 64
"""Where the blocks of a sealed file begin."""

PIECE: Final = 1 << 25
"""Bytes that are hashed by themselves."""

ONE_FILE: Final = frozenset({".gpkg", ".parquet", ".geojson", ".json", ".fgb"})
"""Kinds of layers that are one file each."""

_READ: Final = 1 << 24


@dataclass(frozen=True)
class MappedFile:
    """A file in memory, and the hash of all behind its head, which may have to be waited for."""

    raw: memoryview
    seal: Future[bytes]

    def let_go(self) -> None:
        """Wait until nobody reads it: whose file it is may write to it again."""
        if not self.seal.cancel():
            wait([self.seal])


_mapped: dict[Path, MappedFile] = {}
_hashed: dict[Path, tuple[Stamp, Future[str]]] = {}


def measures_path(result: str | Path) -> Path:
    """Return where the measures of a result are kept."""
    return _beside(Path(result), "measures")


def layers_path(result: Path) -> Path:
    """Return where the layers of a result are kept."""
    return _beside(result, "layers")


def begin(previous: str | Path | None, project: Project) -> None:
    """Begin to hash files in a thread; those that cannot be opened are left to whoever asks for them.

    Parameters
    ----------
    previous : path or None
        Result of which ``open_mapped`` will be asked for what is kept beside it.
    project : Project
        Of whose layers ``file_hash`` will be asked.
    """
    tasks: list[Task] = []
    for place in () if previous is None else (measures_path, layers_path):
        with suppress(OSError, ValueError):
            path = place(Path(previous or ""))
            file, task = _to_seal(_map(path))
            _mapped[path.absolute()] = file
            tasks.append(task)
    for spec in project.layers:
        with suppress(OSError, ValueError):
            path = layer_file(spec.path, spec.layer, project.base)
            key, found = path.absolute(), Future[str]()
            if key not in _hashed and path.suffix.lower() in ONE_FILE and path.is_file():
                _hashed[key] = stamp_of(path), found
                tasks.append((found, partial(_hash_of, path)))
    _start(tasks)


def open_mapped(path: Path) -> MappedFile:
    """Map a file and begin to hash it, unless that has begun already.

    Raises
    ------
    OSError
        It cannot be opened.
    """
    begun = _mapped.pop(path.absolute(), None)
    if begun is not None:
        return begun
    file, task = _to_seal(_map(path))
    _start([task])
    return file


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file; one that was begun counts if the file has not been written to since.

    Raises
    ------
    OSError
        It cannot be read.
    """
    stamp, found = _hashed.get(path.absolute(), (None, Future[str]()))
    if stamp == stamp_of(path) and not found.cancel():
        return found.result()
    return _hash_of(path)


def stamp_of(path: Path) -> Stamp:
    """Return what changes when a file is written to, or another one takes its place."""
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def seal_of(digests: Sequence[bytes]) -> bytes:
    """Return the hash of a file from those of its pieces."""
    return hashlib.sha256(b"".join(digests)).digest()


def _beside(path: Path, name: str) -> Path:
    path = path if path.name not in ("", "..") else path.resolve()
    return path.with_name(f"{path.name}.{name}")


def _map(path: Path) -> memoryview:
    """Map a file; Windows would not let a mapped one be replaced."""
    if not path.is_file():  # a pipe would be waited for without end
        raise FileNotFoundError(str(path))
    if os.name == "nt" or not path.stat().st_size:
        return memoryview(path.read_bytes())
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _to_seal(raw: memoryview) -> tuple[MappedFile, Task]:
    found = Future[bytes]()
    return MappedFile(raw, found), (found, partial(_sealed, raw[FIRST:]))


def _sealed(body: memoryview) -> bytes:
    return seal_of([_digest(body[at : at + PIECE]) for at in range(0, len(body), PIECE)])


def _digest(piece: memoryview) -> bytes:
    _go_on()
    return hashlib.sha256(piece).digest()


def _hash_of(path: Path) -> str:
    found, room = hashlib.sha256(), bytearray(min(_READ, path.stat().st_size + 1))
    with path.open("rb", buffering=0) as stream:
        while size := stream.readinto(room):
            _go_on()
            found.update(memoryview(room)[:size])
    return found.hexdigest()


def _go_on() -> None:
    """Stop where the program ends and nobody will ask."""
    if not threading.main_thread().is_alive():
        raise InterruptedError


def _start(tasks: Sequence[Task]) -> None:
    if tasks:
        threading.Thread(target=_work, args=(tasks,), name="hashes").start()


def _work(tasks: Sequence[Task]) -> None:
    for found, task in tasks:
        if not found.set_running_or_notify_cancel():
            continue
        try:
            found.set_result(task())
        except BaseException as error:
            found.set_exception(error)
