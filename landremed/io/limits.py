"""Bounds on what an input may hold, so that a hostile or mistaken file ends in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Final

from landremed.errors import InputError, Where

__all__ = ["Limits", "check_limit", "parse_limits", "window_limits"]

_UNBOUNDED: Final = 1e18


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds for one input; every field is a key of ``[limits]`` in the project file.

    Attributes
    ----------
    max_features : float
        Features of one layer, or rows of one table.
    max_vertices : float
        Vertices of one layer.
    max_file_mb : float
        Size of one file on disk (all files of a folder together), in 10^6 bytes.
    max_unzipped_mb : float
        Unfolded size of a zip or a zipped office file, in 10^6 bytes.
    max_zip_ratio : float
        Unfolded over packed size of one member of more than 10 MB in a zip or a zipped office file.
    max_columns : float
        Columns of one layer or table.
    max_text_mb : float
        Size of one text file (CSV, survey coordinates), in 10^6 bytes: it is read as a whole.
    max_files : float
        Files of data in one folder that is looked through, or in one zip.
    max_depth : float
        Folders within folders that are looked through.
    """

    max_features: float = 3_000_000
    max_vertices: float = 100_000_000
    max_file_mb: float = 8_000
    max_unzipped_mb: float = 1_000
    max_zip_ratio: float = 300
    max_columns: float = 2_000
    max_text_mb: float = 250
    max_files: float = 10_000
    max_depth: float = 12


def window_limits(given: Mapping[str, float]) -> Limits:
    """Return the bounds of a layer that is read some rows at a time: those that the project gives, no others.

    Without them a large layer would be refused for a size that costs no memory.
    """
    keys = ("max_features", "max_vertices", "max_file_mb", "max_unzipped_mb")
    return Limits(**{**dict.fromkeys(keys, _UNBOUNDED), **given})


def check_limit(limits: Limits, key: str, found: int, where: Where) -> None:
    """Raise when ``found`` is above the limit ``key``.

    Raises
    ------
    InputError
        Code ``limit_exceeded``, naming the key to raise.
    """
    limit = int(getattr(limits, key))
    if found > limit:
        raise InputError("limit_exceeded", where, key=key, limit=limit, found=found)


def parse_limits(words: Iterable[str]) -> Mapping[str, float]:
    """Return limits written as ``KEY=NUMBER``.

    Raises
    ------
    InputError
        For a key that is none, or what is no number above 0.

    Examples
    --------
    >>> parse_limits(["max_features=5e6"])
    {'max_features': 5000000.0}
    """
    known = [field.name for field in fields(Limits)]
    found: dict[str, float] = {}
    for word in words:
        key, _, text = word.partition("=")
        try:
            value = float(text.replace("_", ""))
        except ValueError:
            value = 0.0
        if key.strip() not in known or not 0.0 < value < 1e18:
            raise InputError("limit_odd", Where(value=word), known=", ".join(known))
        found[key.strip()] = value
    return found
