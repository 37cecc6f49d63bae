"""The data in a folder: what is looked into, and that no link leads out of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from landremed.errors import InputError, Where
from landremed.io.drivers import EXTENSIONS, FOREIGN
from landremed.io.limits import Limits, check_limit
from landremed.io.spreadsheet import OFFICE_FILES
from landremed.io.zipped import ZIP, holds_layer

__all__ = ["TABLES", "expand", "refuse_link"]

TABLES: Final = frozenset({".csv", ".tsv", *OFFICE_FILES})
"""Extensions of tables."""


def expand(path: str, base: Path | None = None, limits: Limits | None = None) -> list[str]:
    """Return the data in a folder and the folders in it, sorted by name; any other path as it is."""
    folder = (base or Path.cwd()) / path
    try:
        if not folder.is_dir() or folder.suffix.lower() in EXTENSIONS:
            return [path]
        names = _folder_files(folder, limits or Limits(), Where(file=path))
    except (OSError, ValueError):
        return [path]
    return [str(Path(path) / name) for name in names] or [path]


def refuse_link(file: str, folder: str, base: Path | None) -> None:
    """Refuse a file that a link leads out of the folder that was named."""
    home = ((base or Path.cwd()) / folder).resolve()
    real = ((base or Path.cwd()) / file).resolve()
    if not real.is_relative_to(home):
        raise InputError("path_leaves_folder", Where(file=file))


def _folder_files(top: Path, limits: Limits, where: Where) -> list[str]:
    """Return the data in a folder and the folders in it, relative to it, sorted; links are not followed."""
    found: list[Path] = []
    for place, folders, files in os.walk(top):
        depth = len(Path(place).relative_to(top).parts)
        check_limit(limits, "max_depth", depth, where)
        datasets = [name for name in folders if Path(name).suffix.lower() in EXTENSIONS]
        linked = [name for name in folders if Path(place, name).is_symlink()]
        folders[:] = [n for n in folders if n not in datasets and n not in linked and not n.startswith(".")]
        found += [Path(place, n) for n in {*files, *datasets, *linked} if _known(Path(place, n))]
        check_limit(limits, "max_files", len(found), where)
    return sorted(item.relative_to(top).as_posix() for item in found)


def _known(item: Path) -> bool:
    suffix = item.suffix.lower()
    if item.name.startswith((".", "~")):
        return False
    if suffix in (".json", ".txt"):
        return holds_layer(item)
    return suffix in EXTENSIONS or suffix in TABLES or suffix in FOREIGN or suffix == ZIP or item.is_symlink()
