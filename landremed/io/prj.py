"""The ``.prj`` of a shapefile where GDAL cannot read its bytes: names in GBK, UTF-16, a mark before it."""

from __future__ import annotations

import codecs
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from landremed.errors import LandremedError, Where
from landremed.io.drivers import Dataset, sidecar
from landremed.io.encoding import decode_text

__all__ = ["plain_prj"]

_LONGEST = 1 << 16


@contextmanager
def plain_prj(dataset: Dataset) -> Iterator[Dataset]:
    """Give a shapefile whose ``.prj`` is plain UTF-8: the file itself, or links to its parts elsewhere."""
    part = sidecar(dataset.path, ".prj") if dataset.driver == "ESRI Shapefile" else None
    text = _odd_text(part) if part is not None else None
    if text is None:
        yield dataset
        return
    with tempfile.TemporaryDirectory(prefix="landremed-") as folder:
        target = Path(folder) / dataset.path.name
        for suffix in (".dbf", ".cpg", ".shx"):
            beside = sidecar(dataset.path, suffix)
            if beside is not None:
                _link(beside, target.with_suffix(suffix))
        _link(dataset.path, target)
        target.with_suffix(".prj").write_text(text, encoding="utf-8")
        yield replace(dataset, path=target)


def _odd_text(part: Path) -> str | None:
    """Return the text of a ``.prj`` that GDAL would stumble over, None for any other."""
    with part.open("rb") as stream:
        raw = stream.read(_LONGEST)
    if raw.isascii() and b"\0" not in raw:
        return None
    try:
        text = decode_text(raw, None, Where(file=part.name)).text
    except LandremedError:
        return ""  # a damaged statement is none
    marked = raw.startswith(codecs.BOM_UTF8) or "\0" in text
    return text.replace("\0", "") if marked or text.encode() != raw else None


def _link(source: Path, target: Path) -> None:
    try:
        target.symlink_to(source)
    except OSError:  # not allowed to everybody on Windows
        shutil.copyfile(source, target)
