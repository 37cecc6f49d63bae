"""Beginning another plan's rule book from one that is there."""

from __future__ import annotations

import shutil
import tempfile
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

from landremed.errors import RuleBookError, Where
from landremed.law.lint import check_rulebook
from landremed.law.load import open_folder

__all__ = ["Begun", "begin_rulebook"]


class Begun(NamedTuple):
    """A new rule book: its folder, and how many rules and cases it begins with."""

    folder: Path
    rules: int
    cases: int


def begin_rulebook(folder: Path, source: str | Path) -> Begun:
    """Copy a rule book as the beginning of another one.

    Parameters
    ----------
    folder : Path
        Folder to make; its name is the new book's name.
    source : str or Path
        Name of a built-in rule book, or a folder.

    Raises
    ------
    RuleBookError
        ``folder`` is there already or cannot be made, there is no such ``source``, or it has faults.
    """
    where = Where(file=str(folder))
    given, name = open_folder(source)
    report = check_rulebook(source)
    if report.problems or report.book is None:
        raise report.problems[0] if report.problems else RuleBookError("law_no_plan", Where(file=name))
    if folder.exists():
        raise RuleBookError("rules_new_exists", where)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
            begun = Path(scratch) / folder.name
            _copy(given, begun)
            plan = begun / "plan.yaml"
            head = f"# Begun as a copy of {name} ({report.book.content_hash[:16]}).\n"
            plan.write_text(head + plan.read_text(encoding="utf-8"), encoding="utf-8")
            shutil.move(str(begun), folder)
    except OSError as error:
        raise RuleBookError("rules_new_failed", where, reason=str(error)) from error
    return Begun(folder, len(report.book.rules), len(report.results))


def _copy(source: Traversable, target: Path) -> None:
    """Copy the YAML files of a rule book, its cases included."""
    target.mkdir()
    for entry in sorted(source.iterdir(), key=lambda found: found.name):
        if entry.is_dir() and entry.name == "cases":
            _copy(entry, target / entry.name)
        elif entry.is_file() and entry.name.endswith(".yaml"):
            (target / entry.name).write_bytes(entry.read_bytes())
