"""Outputs of reports: refused when they exist, and put in place only when they are complete."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from landremed.errors import OutputError, Where
from landremed.io.gpkg import check_target
from landremed.io.leftovers import remove_leftovers

__all__ = ["write_whole"]


def write_whole(path: Path, write: Callable[[Path], None], *, overwrite: bool) -> None:
    """Write a file beside the target and give it the target's name when it is complete.

    Parameters
    ----------
    path : Path
        Target.
    write : callable
        Writes the file it is given.
    overwrite : bool
        Replace an existing target; it stays as it was after any failure.

    Raises
    ------
    OutputError
        The target exists, or cannot be written.
    """
    check_target(path, overwrite=overwrite)
    target = path.resolve()
    remove_leftovers(target)
    beside = target.with_name(f".{target.stem}.tmp-{os.getpid()}{target.suffix}")
    try:
        write(beside)
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(target)
    except OSError as error:
        raise OutputError("output_write_failed", Where(file=str(path)), reason=str(error)) from error
    finally:
        beside.unlink(missing_ok=True)
