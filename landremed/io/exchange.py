"""One folder in the place of another in one step: a killed program leaves the old one or the new one."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Final

from landremed.io.leftovers import in_use

__all__ = ["replace_folder", "restore_folder"]

_HERE: Final = -100  # AT_FDCWD: paths as they are
_LINUX_EXCHANGE: Final = 2  # RENAME_EXCHANGE
_MAC_SWAP: Final = 2  # RENAME_SWAP


def replace_folder(new: Path, target: Path) -> None:
    """Let a folder take the place of another, or of nothing; the old one is removed.

    Where the system cannot exchange two names in one step, the old folder is put aside first, under a name
    by which `restore_folder` finds it if the program is killed at that moment.

    Parameters
    ----------
    new : Path
        Folder beside ``target``, complete.
    target : Path
        Folder to replace.

    Raises
    ------
    OSError
        Nothing could be moved; the old folder is in its place.
    """
    restore_folder(target)
    if not target.exists():
        new.replace(target)
        return
    if _swapped(new, target):
        shutil.rmtree(new, ignore_errors=True)
        return
    aside = target.with_name(f".{target.name}.old-{os.getpid()}")
    target.replace(aside)
    try:
        new.replace(target)
    except OSError:
        aside.replace(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def restore_folder(target: Path) -> None:
    """Put back a folder that a killed program had put aside, or remove it where a new one is in place."""
    pattern = re.compile(rf"\.{re.escape(target.name)}\.old-(\d+)")
    with contextlib.suppress(OSError):  # a folder that cannot be listed is told by the writer
        for path in sorted(target.parent.glob(".*.old-*")):
            found = pattern.fullmatch(path.name)
            if found is None or not path.is_dir() or in_use(path, int(found[1])):
                continue
            if target.exists():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.replace(target)


def _swapped(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False where the system or the file system has no such call."""
    paths = os.fsencode(one), os.fsencode(other)
    with contextlib.suppress(OSError, AttributeError):
        system = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "linux":
            return bool(system.renameat2(_HERE, paths[0], _HERE, paths[1], _LINUX_EXCHANGE) == 0)
        if sys.platform == "darwin":
            return bool(system.renamex_np(*paths, _MAC_SWAP) == 0)
    return False
