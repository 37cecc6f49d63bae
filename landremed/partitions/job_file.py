"""An object in a file that many processes can hold at once: its large arrays stay pages of the file.

Pickle protocol 5 hands the arrays over apart; they are laid one behind the other, and a process that opens
the file maps them. Pages that nobody writes to are shared by all processes of a machine. Memory that several
objects stand on, such as the shapes of a layer and their index, is laid down once.
"""

from __future__ import annotations

import copyreg
import io
import mmap
import os
import pickle
import struct
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np

__all__ = ["open_job", "write_job"]

_ALIGN: Final = 64
_HEAD: Final = struct.Struct("<8sqq")
_PLACE: Final = struct.Struct("<qq")
_MAGIC: Final = b"lrjob\0\0\1"


def write_job(path: Path, job: object) -> None:
    """Write an object that can be pickled.

    Parameters
    ----------
    path : Path
        New file.
    job : object
        Its numpy arrays and Arrow buffers are laid apart; locks are not taken along, but made anew.
    """
    found: list[pickle.PickleBuffer] = []
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, protocol=5, buffer_callback=found.append)
    pickler.dispatch_table = {**copyreg.dispatch_table, type(Lock()): lambda lock: (Lock, ())}
    pickler.dump(job)
    data = stream.getvalue()
    views = [buffer.raw() for buffer in found]
    places = []
    laid: dict[tuple[int, int], tuple[int, memoryview]] = {}
    at = _aligned(_HEAD.size + _PLACE.size * len(views) + len(data))
    for view in views:
        memory = (_address(view), view.nbytes)
        if memory not in laid:
            laid[memory] = (at, view)
            at = _aligned(at + view.nbytes)
        places.append((laid[memory][0], view.nbytes))
    with path.open("wb") as file:
        file.write(_HEAD.pack(_MAGIC, len(views), len(data)))
        for place in places:
            file.write(_PLACE.pack(*place))
        file.write(data)
        for start, view in laid.values():
            file.seek(start)
            file.write(view)
        file.truncate(at)
        file.flush()
        os.fsync(file.fileno())


def open_job(path: Path) -> Any:
    """Return the object of a file that this program wrote; never open one from elsewhere.

    Its arrays may be written to: a page that is changed becomes the process's own.
    """
    with path.open("rb") as stream:
        pages = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
    magic, count, length = _HEAD.unpack_from(pages, 0)
    if magic != _MAGIC:
        raise OSError(f"{path.name}: not a job file")
    view = memoryview(pages)
    places = [_PLACE.unpack_from(pages, _HEAD.size + _PLACE.size * i) for i in range(count)]
    start = _HEAD.size + _PLACE.size * count
    buffers = [view[at : at + size] for at, size in places]
    return pickle.loads(view[start : start + length], buffers=buffers)  # noqa: S301  written by this program


def _address(view: memoryview) -> int:
    """Return where in memory a view begins."""
    return int(np.frombuffer(view, np.uint8).__array_interface__["data"][0]) if view.nbytes else 0


def _aligned(at: int) -> int:
    return -(-at // _ALIGN) * _ALIGN
