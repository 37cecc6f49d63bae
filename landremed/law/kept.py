"""The rule book a result was made with, found again from what the result says of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from landremed.errors import LandremedError
from landremed.law.book import RuleBook
from landremed.law.load import load_rulebook

__all__ = ["kept_place", "kept_readings", "kept_rulebook"]


def kept_rulebook(provenance: Mapping[str, str], near: Path | None = None) -> RuleBook:
    """Return the rule book that a result names, in the readings it was made with.

    Looked for by its name among the built-in ones, then as the project named its folder, from the current
    folder and from the result's. The first with the content the result was made with is taken; without one
    the first that can be read, so callers compare ``content_hash`` where that matters.

    Parameters
    ----------
    provenance : mapping of str to str
        ``rules``, ``rules_hash``, ``settings`` and ``reading.…``.
    near : Path, optional
        The result.

    Raises
    ------
    RuleBookError
        None can be read, or it does not know one of the readings.
    """
    return load_rulebook(kept_place(provenance, near)).with_readings(kept_readings(provenance))


def kept_place(provenance: Mapping[str, str], near: Path | None = None) -> str | Path:
    """Return the name or folder of that rule book; parameters and errors as for ``kept_rulebook``."""
    wanted = provenance.get("rules_hash", "")
    found: str | Path | None = None
    first: LandremedError | None = None
    for place in _places(provenance, near):
        try:
            book = load_rulebook(place)
        except LandremedError as error:
            first = first or error
            continue
        if book.content_hash == wanted:
            return place
        found = found or place
    if found is None:
        raise first if first is not None else LandremedError("law_no_plan")
    return found


def kept_readings(provenance: Mapping[str, str]) -> dict[str, str]:
    """Return the readings that were in force."""
    prefix = "reading."
    return {k.removeprefix(prefix): v for k, v in provenance.items() if k.startswith(prefix)}


def _places(provenance: Mapping[str, str], near: Path | None) -> Iterator[str | Path]:
    name = provenance.get("rules", "")
    yield name
    try:
        written = str(json.loads(provenance.get("settings") or "{}")["project"]["rules"])
    except (json.JSONDecodeError, KeyError, TypeError):
        written = name
    folders = [Path()] + ([near.resolve().parent] if near is not None else [])
    for folder in folders:
        for text in dict.fromkeys((written, name)):
            if text and (folder / text / "plan.yaml").is_file():
                yield folder / text
