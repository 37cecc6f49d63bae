"""An index of one column as pages: its values in order, each with its row number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from landremed.io.bulk_columns import Columns
from landremed.io.bulk_pages import IndexTree, PageFile
from landremed.io.bulk_record import Ints, Piece, record, storable_value, value_type
from landremed.io.bulk_rows import IndexPlan, PageMaker
from landremed.tables import whole_array

__all__ = ["EntryPieces", "PlannedIndex", "place_index", "plan_index"]

_FILLED: Final = 2048
"""Leaf pages made by one thread at a time."""

_NULL_FIRST: Final = -(1 << 62)
_IN_ORDER: Final = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class EntryPieces:
    """The entries as pieces of their records."""

    pieces: list[Piece]


@dataclass(frozen=True, slots=True)
class PlannedIndex:
    """The entries as a `PageMaker` will write them, and those that stand between leaves."""

    plan: IndexPlan
    between: list[bytes]


def plan_index(column: pa.ChunkedArray, make: PageMaker | None, page_size: int) -> EntryPieces | PlannedIndex:
    """Put a column of texts or whole numbers in order and lay its index out; from any thread."""
    if make is not None:
        whole, key = whole_array(column), Columns()
        key.add(whole)
        number = pa.types.is_integer(value_type(whole.type))
        order = _numbers_order(whole) if number else _texts_order(whole, key, make)
        plan = make.plan_index(key, len(whole), order, page_size)
        return PlannedIndex(plan, make.entries(plan))
    return EntryPieces(_pieces(column))


def place_index(file: PageFile, root: int, made: EntryPieces | PlannedIndex) -> list[Callable[[], None]]:
    """Give an index its pages; return what is to be done to write these, by any threads."""
    tree = IndexTree(file, root)
    if isinstance(made, EntryPieces):
        tree.write(made.pieces)
        return []
    numbers = tree.take(made.between)
    spans = [(low, min(low + _FILLED, len(numbers))) for low in range(0, len(numbers), _FILLED)]
    return [partial(_fill, file, made.plan, numbers[low:high], (low, high)) for low, high in spans]


def _fill(file: PageFile, plan: IndexPlan, numbers: Ints, span: tuple[int, int]) -> None:
    file.write(numbers, plan.make.fill_index(plan, *span))


def _texts_order(texts: pa.Array, key: Columns, make: PageMaker) -> Ints:
    """Return the rows in the order of their texts, none when they lie so: equal ones often stand together."""
    starts, rising = make.text_runs(key, len(texts))
    if rising:
        return _IN_ORDER
    _, codes, rank = _ranks(pa.chunked_array([texts.take(pa.array(starts))]))
    runs = np.argsort(rank[codes], kind="stable")
    length = np.diff(np.append(starts, len(texts)))[runs]
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(length)[:-1]])
    order: Ints = np.repeat(starts[runs] - before, length) + np.arange(len(texts))
    return order


def _numbers_order(numbers: pa.Array) -> Ints:
    ranks = numbers.fill_null(_NULL_FIRST).to_numpy(zero_copy_only=False)
    return _IN_ORDER if (ranks[1:] >= ranks[:-1]).all() else _order(ranks)


def _pieces(column: pa.ChunkedArray) -> list[Piece]:
    """Return the entries of an index in order, as pieces of their records."""
    if pa.types.is_integer(value_type(column.type)):
        order = _order(column.fill_null(_NULL_FIRST).to_numpy())
        keys = whole_array(column).take(pa.array(order))
    elif _rises(column):
        order = np.arange(len(column), dtype=np.int64)
        keys = whole_array(column)
    else:
        words, codes, rank = _ranks(column)
        order = _order(rank[codes])
        keys = words.take(pa.array(codes[order], mask=codes[order] == len(words)))
    values = [storable_value(keys), storable_value(pa.array(order + 1))]
    return record([v for v in values if v is not None], len(order))


def _ranks(column: pa.ChunkedArray) -> tuple[pa.Array, Ints, Ints]:
    """Return the distinct texts of a column, the number of each row's, and the place of each in order."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    whole = encoded.unify_dictionaries().combine_chunks()
    whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    words = whole.dictionary
    sorted_words = pc.sort_indices(words.cast(pa.large_string())).to_numpy()
    rank = np.empty(len(words) + 1, np.int64)
    rank[sorted_words] = np.arange(len(words))
    rank[-1] = -1  # NULL stands first
    codes = whole.indices.fill_null(len(words)).to_numpy().astype(np.int64)
    if len(words) and (empty := pc.index(words, pa.scalar("", words.type)).as_py()) >= 0:
        rank[empty] = -1
    return words, codes, rank


def _rises(texts: pa.ChunkedArray) -> bool:
    """Tell whether texts lie in the order of an index already, as ids often do."""
    if pa.types.is_dictionary(texts.type) or texts.null_count or not texts[0].as_py():
        return False
    return bool(pc.all(pc.less_equal(texts[:-1], texts[1:])).as_py())


def _order(ranks: Ints) -> Ints:
    """Return the rows by rising rank; often they lie so already."""
    if (ranks[1:] >= ranks[:-1]).all():
        return np.arange(len(ranks), dtype=np.int64)
    return np.argsort(ranks, kind="stable").astype(np.int64)
