"""What lies beside an earlier result, read and checked in a thread while inputs are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import Final, TypeVar

from landremed.errors import InputError, Where
from landremed.reuse.begun import layers_path, measures_path
from landremed.reuse.kept import Kept, open_kept
from landremed.reuse.ready import KnownLayer, read_layers

__all__ = ["Earlier"]

Found = TypeVar("Found")

_UNUSABLE: Final = ("reuse_damaged", "reuse_foreign", "reuse_outdated")


class Earlier:
    """An earlier run; whoever asks for what it kept waits until all of it is read and found whole.

    Parameters
    ----------
    previous : Path or None
        Its result.
    machine : str
        Hash of code and libraries; nothing of another machine is taken over.

    Attributes
    ----------
    path : Path or None
        Its file of layers.

    Raises
    ------
    InputError
        When ``previous`` is missing or no result, or there are no measures beside it.
    """

    def __init__(self, previous: Path | None, machine: str) -> None:
        self.path: Path | None = None
        self._noted: list[tuple[str, str]] = []
        self._kept: Future[Kept] = Future()
        self._layers: Future[Mapping[str, KnownLayer]] = Future()
        if previous is None:
            self._kept.set_result(Kept())
            self._layers.set_result({})
            return
        read = open_kept(previous)
        self.path = layers_path(previous)
        pool = ThreadPoolExecutor(1)
        self._kept = pool.submit(
            self._usable, partial(_of_machine, read, machine, measures_path(previous)), Kept()
        )
        self._layers = pool.submit(self._usable, partial(read_layers, self.path, machine), {})
        pool.shutdown(wait=False)

    @cached_property
    def kept(self) -> Kept:
        """What it measured."""
        return self._kept.result()

    @property
    def layers(self) -> Mapping[str, KnownLayer]:
        """Its layers made ready, by role."""
        return self._layers.result()

    @property
    def unusable(self) -> list[tuple[str, str]]:
        """Code and name of files that are damaged, or of another version."""
        self._layers.exception()
        return self._noted

    def _usable(self, read: Callable[[], Found], nothing: Found) -> Found:
        """Take note of a file that cannot be used, instead of stopping."""
        try:
            return read()
        except InputError as error:
            if error.code not in _UNUSABLE:
                raise
            self._noted.append((error.code, error.where.file))
            return nothing


def _of_machine(read: Callable[[], Kept], machine: str, path: Path) -> Kept:
    kept = read()
    if kept.machine != machine:
        raise InputError("reuse_outdated", Where(file=str(path)), file=str(path))
    return kept
