"""Bounds on what an input may hold, so that a hostile or mistaken file ends in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from landremed.errors import InputError, Where

__all__ = ["Limits", "check_limit"]


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
    """

    max_features: float = 3_000_000
    max_vertices: float = 100_000_000
    max_file_mb: float = 8_000
    max_unzipped_mb: float = 1_000
    max_zip_ratio: float = 300
    max_columns: float = 2_000
    max_text_mb: float = 250


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
