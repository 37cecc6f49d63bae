"""Temporary files that a killed program left beside its output."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final

from landremed.errors import OutputError, Where

__all__ = ["folder_beside", "in_use", "is_running", "remove_leftovers"]

_DAY_S: Final = 86_400
_ENDS: Final = r"(?:-\w+)?(?:\.\w+)?(?:-wal|-shm|-journal)?"


def folder_beside(target: Path) -> Path:
    """Make a hidden folder beside an output, in which it is written; what killed programs left is removed.

    Raises
    ------
    OutputError
        No folder can be made there.
    """
    remove_leftovers(target)
    prefix = f".{target.name}.tmp-{os.getpid()}-"
    try:
        return Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError("output_write_failed", Where(file=str(target)), reason=reason) from error


def remove_leftovers(target: Path) -> list[str]:
    """Remove the hidden temporary files of ``target`` whose program is no longer running.

    Their names hold the number of the program that wrote them, so that another one that is writing the same
    output at this moment keeps its own.

    Parameters
    ----------
    target : Path
        Output, with links followed.

    Returns
    -------
    list of str
        Names that were removed.
    """
    names = "|".join(re.escape(name) for name in {target.name, target.stem})
    pattern = re.compile(rf"\.(?:{names})\.tmp-(\d+){_ENDS}")
    removed = []
    with contextlib.suppress(OSError):  # a folder that cannot be listed is told by the writer
        for path in sorted(target.parent.glob(".*.tmp-*")):
            found = pattern.fullmatch(path.name)
            if found is None or in_use(path, int(found[1])):
                continue
            with contextlib.suppress(OSError):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
                removed.append(path.name)
    return removed


def in_use(path: Path, process: int) -> bool:
    """Tell whether the program that wrote a file may still be running."""
    if os.name == "nt":  # there a signal would end the program
        return time.time() - path.lstat().st_mtime < _DAY_S
    return is_running(process)


def is_running(process: int) -> bool:
    """Tell whether there is a process of this number; false where asking would end it (Windows)."""
    if os.name == "nt":
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
