"""The folder in which a run in partitions keeps what it read and what is done.

```
.OUT.landremed-parts/
  owner                    machine and process that works here
  manifest.json            what the result rests on (as one hash), rows of every partition
  job                      settings, rule book, layers, index
  parcels/00000.arrow      parcels of partition 0, in the order of their file
  evidence/00000           rows of evidence tables about them
  done/00000/*.arrow       what became of them; done.json lists sizes and checksums
```
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from landremed.errors import OutputError, Where
from landremed.io.disk import flush
from landremed.io.leftovers import is_running

__all__ = [
    "DONE",
    "JOB",
    "Manifest",
    "claim",
    "done_files",
    "evidence_file",
    "finish_done",
    "has_done",
    "parcels_file",
    "read_done",
    "read_manifest",
    "remove_scratch",
    "require_manifest",
    "scratch_folder",
    "write_manifest",
]

JOB: Final = "job"
DONE: Final = "done"
_MANIFEST: Final = "manifest.json"
_LISTED: Final = "done.json"
_OWNER: Final = "owner"
_SCHEMA: Final = 2


@dataclass(frozen=True)
class Manifest:
    """What a scratch folder holds.

    Attributes
    ----------
    digest : str
        Hash of everything the result rests on.
    file : str
        The parcels' file, as messages show it.
    rows : list of int
        Parcels of every partition.
    spans : list of (int, int)
        First and last row in the parcels' file (from 1) of every partition.
    block : int
        Rows of the parcels' file that are merged at a time.
    """

    digest: str
    file: str
    rows: Sequence[int]
    spans: Sequence[tuple[int, int]]
    block: int
    schema: int = _SCHEMA

    @property
    def total(self) -> int:
        """Parcels of all partitions."""
        return sum(self.rows)


def scratch_folder(output: Path) -> Path:
    """Return the place of the scratch folder of an output, whether it is there or not."""
    target = output.resolve()
    return target.with_name(f".{target.name}.landremed-parts")


def claim(folder: Path) -> None:
    """Make the folder this process's own.

    Raises
    ------
    OutputError
        Code ``scratch_in_use``: another program on this machine is working in it.
    """
    owner = folder / _OWNER
    try:
        host, number = owner.read_text(encoding="utf-8").split()
        other = int(number)
    except (OSError, ValueError):
        host, other = "", 0
    if host == socket.gethostname() and other != os.getpid() and is_running(other):
        raise OutputError("scratch_in_use", Where(file=str(folder)), process=other)
    folder.mkdir(parents=True, exist_ok=True)
    owner.write_text(f"{socket.gethostname()} {os.getpid()}", encoding="utf-8")


def remove_scratch(output: Path) -> None:
    """Remove what an earlier run in partitions left beside an output that is now complete."""
    folder = scratch_folder(output)
    if folder.is_dir():
        with contextlib.suppress(OutputError):
            claim(folder)
            shutil.rmtree(folder, ignore_errors=True)


def parcels_file(folder: Path, number: int) -> Path:
    """Return the file with the parcels of a partition."""
    return folder / "parcels" / f"{number:05d}.arrow"


def evidence_file(folder: Path, number: int) -> Path:
    """Return the file with the evidence about a partition's parcels; it may not be there."""
    return folder / "evidence" / f"{number:05d}"


def done_files(folder: Path, number: int) -> Path:
    """Return the folder with the results of a partition."""
    return folder / DONE / f"{number:05d}"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, last of all, by rename."""
    temp = folder / (_MANIFEST + ".tmp")
    temp.write_text(json.dumps(asdict(manifest)), encoding="utf-8")
    temp.replace(folder / _MANIFEST)


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a scratch folder, None where there is none that can be read."""
    try:
        found = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        manifest = Manifest(**{**found, "spans": [tuple(span) for span in found["spans"]]})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return manifest if manifest.schema == _SCHEMA else None


def require_manifest(folder: Path) -> Manifest:
    """Return the manifest of a scratch folder.

    Raises
    ------
    OutputError
        Code ``scratch_unreadable``: there is none, or it is damaged.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise OutputError("scratch_unreadable", Where(file=str(folder)))
    return manifest


def finish_done(folder: Path, number: int, temp: Path, more: Mapping[str, Any]) -> None:
    """Give a partition's results their final name once they lie on the disk.

    Parameters
    ----------
    folder : Path
        Scratch folder.
    number : int
        The partition.
    temp : Path
        Folder beside the final one that holds the complete files.
    more : mapping
        Kept in the list of files.
    """
    files = {path.name: [path.stat().st_size, _checksum(path)] for path in sorted(temp.iterdir())}
    for name in files:
        flush(temp / name)
    listed = temp / _LISTED
    listed.write_text(json.dumps({"files": files, **more}), encoding="utf-8")
    flush(listed)
    target = done_files(folder, number)
    if target.exists() and read_done(folder, number, whole=True) is None:  # cut short
        aside = Path(tempfile.mkdtemp(prefix=f"{target.name}.old-", dir=target.parent))
        target.replace(aside / target.name)
        shutil.rmtree(aside, ignore_errors=True)
    try:
        temp.replace(target)
    except OSError:
        if read_done(folder, number, whole=True) is None:
            raise
        shutil.rmtree(temp, ignore_errors=True)  # another worker was faster


def read_done(folder: Path, number: int, *, whole: bool) -> dict[str, Any] | None:
    """Return what is kept with a partition's results, None where they are not there or damaged.

    Parameters
    ----------
    folder : Path
        Scratch folder.
    number : int
        The partition.
    whole : bool
        Read the files and compare their checksums, rather than their sizes alone.
    """
    target = done_files(folder, number)
    try:
        found: dict[str, Any] = json.loads((target / _LISTED).read_text(encoding="utf-8"))
        for name, (size, checksum) in found["files"].items():
            path = target / name
            if path.stat().st_size != size or (whole and _checksum(path) != checksum):
                return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return found


def has_done(folder: Path) -> bool:
    """Tell whether any partition is done."""
    return any((folder / DONE).glob(f"*/{_LISTED}"))


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
