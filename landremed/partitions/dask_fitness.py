"""Whether a dask worker can be used: what it sees and may do, and its versions."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from landremed.errors import LandremedError, Where, short
from landremed.partitions.scratch import DONE, read_manifest
from landremed.provenance import library_versions, version

__all__ = ["failed", "probe", "unfit"]


def probe(folder: str, digest: str) -> Mapping[str, object]:
    """Tell what a worker sees."""
    root = Path(folder)
    manifest = read_manifest(root)
    return {
        "host": socket.gethostname(),
        "seen": manifest is not None and manifest.digest == digest,
        "writable": os.access(root / DONE if (root / DONE).is_dir() else root, os.W_OK),
        "versions": _versions(),
    }


def _versions() -> Mapping[str, str]:
    import numba
    import numpy as np

    return {"landremed": version(), **library_versions(), "numpy": np.__version__, "numba": numba.__version__}


def unfit(address: str, worker: str, folder: str, answer: object) -> LandremedError | None:
    """Return why a worker cannot be used, None where it can."""
    if isinstance(answer, ImportError) or "No module named 'landremed" in str(answer):
        return failed("worker_without_landremed", address, worker=worker, reason=short(answer, 300))
    if not isinstance(answer, Mapping):
        return failed("worker_silent", address, worker=worker, reason=short(answer, 300))
    named = {"worker": f"{worker} ({answer['host']})", "folder": folder}
    if not answer["seen"]:
        return failed("worker_without_folder", address, **named)
    if not answer["writable"]:
        return failed("worker_cannot_write", address, **named)
    ours, theirs = _versions(), answer["versions"]
    other = [f"{name} {theirs.get(name)} ≠ {ours[name]}" for name in ours if theirs.get(name) != ours[name]]
    return failed("worker_otherwise", address, **named, versions=", ".join(other)) if other else None


def failed(code: str, address: str, **params: object) -> LandremedError:
    """Return the error of a cluster."""
    return LandremedError(code, Where(file=address), **params)
