"""The sample district that comes with the program: an invented stretch of coast with 600 parcels.

Its README names the parcels that show each outcome, reason and finding.
"""

from __future__ import annotations

import os
import tempfile
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from landremed.errors import OutputError, Where

__all__ = ["sample_project", "write_samples"]

_PACKAGE = "landremed_samples"


def write_samples(folder: str | os.PathLike[str], *, overwrite: bool = False) -> list[Path]:
    """Copy the sample district with its ``project.toml`` into a folder.

    Parameters
    ----------
    folder : path
        Made when it does not exist; other files in it are left alone.
    overwrite : bool
        Replace files of the same names.

    Returns
    -------
    list of Path
        The files written, by name; among them exactly one ``project.toml``.

    Raises
    ------
    OutputError
        When a file of that name exists and is not empty (nothing is written then), or the folder cannot be
        written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_samples(folder) if path.suffix == ".toml"]
    ['project.toml']
    """
    target = Path(folder)
    sources = _sources()
    if target.exists() and not target.is_dir():
        raise OutputError("sample_folder_is_file", Where(file=str(folder)))
    if not overwrite:
        _refuse_existing(target, sources)
    written = []
    try:
        target.mkdir(parents=True, exist_ok=True)
        for source in sources:
            written.append(_copy(source, target / source.name))
    except OSError as error:
        raise OutputError(
            "sample_not_writable", Where(file=str(folder)), reason=error.strerror or str(error)
        ) from error
    return written


def _sources() -> list[Traversable]:
    """Return the packaged files, or those of the source tree when the package is not installed."""
    try:
        folder: Traversable = resources.files(_PACKAGE)
    except ModuleNotFoundError:
        folder = Path(__file__).resolve().parents[1] / "data" / "samples"
    files = [f for f in folder.iterdir() if f.is_file() and not f.name.endswith((".py", ".pyc"))]
    if not any(f.name == "project.toml" for f in files):
        raise OutputError("sample_not_installed", Where(file=str(folder)))
    return sorted(files, key=lambda f: f.name)


def _refuse_existing(target: Path, sources: list[Traversable]) -> None:
    for source in sources:
        path = target / source.name
        if path.exists() and (path.is_dir() or path.stat().st_size):
            raise OutputError("sample_exists", Where(file=str(path)))


def _copy(source: Traversable, path: Path) -> Path:
    """Copy by way of a temporary file, so that no file is ever seen half written."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as handle:
        temporary = Path(handle.name)
        try:
            handle.write(source.read_bytes())
            handle.close()
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    return path


def sample_project() -> Path:
    """Return the project file of the packaged sample district, which may stand in a read-only folder.

    Raises
    ------
    OutputError
        When the samples are not installed as plain files.
    """
    found = next(source for source in _sources() if source.name == "project.toml")
    if not isinstance(found, Path):
        raise OutputError("sample_not_installed", Where(file=str(found)))
    return found
