"""Evidence: which file shows it, by the hash of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from landremed.errors import InputError, Where

__all__ = ["evidence_of"]

_CHUNK = 1 << 20


def evidence_of(files: Iterable[Path]) -> tuple[dict[str, Any], ...]:
    """Return name, size and SHA-256 of evidence files; the files themselves stay where they are.

    Raises
    ------
    InputError
        A file is missing, empty or cannot be read.
    """
    return tuple(_entry(path) for path in files)


def _entry(path: Path) -> dict[str, Any]:
    where = Where(file=str(path))
    if not path.is_file():
        raise InputError("ledger_evidence_missing", where)
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise InputError("file_unreadable", where, reason=error.strerror or str(error)) from error
    if not size:
        raise InputError("ledger_evidence_empty", where)
    return {"file": path.name, "sha256": digest.hexdigest(), "size": size}
