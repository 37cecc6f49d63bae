"""Which field might hold which fact: by name, and only when its values can be read as that fact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from landremed.inspect.aliases import aliases, first_of
from landremed.types import UNKNOWN, FactSpec
from landremed.values import is_blank, nearest_value, parse_value, says_unknown

__all__ = ["FactField", "distinct_values", "fact_fields", "vocabulary"]

_LEAST_SHARE = 0.5
_MOST_VALUES = 5000


@dataclass(frozen=True, slots=True)
class FactField:
    """A field that is named like a fact.

    Attributes
    ----------
    share : float
        Share 0..1 of its filled rows whose value can be read as the fact.
    odd : tuple of (str, str)
        Values that cannot, each with the nearest listed one, the most frequent first (at most 20).
    """

    fact: str
    field: str
    share: float
    odd: tuple[tuple[str, str], ...] = ()

    @property
    def usable(self) -> bool:
        """Whether at least half of the filled rows can be read."""
        return self.share >= _LEAST_SHARE


def vocabulary() -> Mapping[str, FactSpec]:
    """Return the facts of the rule book that is used where none is named."""
    from landremed.law import load_rulebook
    from landremed.law.vocabulary import default_book

    return load_rulebook(default_book()).vocabulary


def fact_fields(columns: Mapping[str, Mapping[Any, int]], facts: Mapping[str, FactSpec]) -> list[FactField]:
    """Return the fields that are named like given facts.

    Parameters
    ----------
    columns : mapping of field to (value -> number of rows)
        Distinct values of every field.
    facts : mapping of fact name to FactSpec
        The vocabulary.
    """
    names, found, taken = list(columns), [], set[str]()
    for fact, spec in facts.items():
        if spec.source != "given":
            continue
        words = [fact, spec.label_zh, *aliases()["facts"].get(fact, ()), *spec.synonyms]
        field = first_of(words, [n for n in names if n not in taken])
        if field is None:
            continue
        share, odd = _readable(columns[field], spec)
        if share is not None:
            found.append(FactField(fact, field, share, odd))
            taken.add(field)
    return found


def distinct_values(column: pa.ChunkedArray | Sequence[Any]) -> dict[Any, int]:
    """Return the distinct values of a column with their number of rows (at most some thousand values)."""
    if isinstance(column, pa.ChunkedArray | pa.Array):
        counted = pc.value_counts(column)[:_MOST_VALUES].to_pylist()
        return {entry["values"]: entry["counts"] for entry in counted}
    counts: dict[Any, int] = {}
    for value in column[:_MOST_VALUES]:
        counts[value] = counts.get(value, 0) + 1
    return counts


def _readable(values: Mapping[Any, int], spec: FactSpec) -> tuple[float | None, tuple[tuple[str, str], ...]]:
    """Return the share of rows that can be read, None where all are blank, and the values that cannot."""
    total, good = 0, 0
    odd: list[tuple[int, str, str]] = []
    for value, count in values.items():
        if is_blank(value):
            continue
        total += count
        if parse_value(value, spec) is not UNKNOWN or says_unknown(value):
            good += count
        else:
            odd.append((count, str(value), nearest_value(value, spec) if spec.kind == "code" else ""))
    odd.sort(key=lambda entry: (-entry[0], entry[1]))
    return (good / total if total else None), tuple((v, n) for _, v, n in odd[:20])
