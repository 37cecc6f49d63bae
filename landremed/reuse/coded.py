"""Texts that are repeated in many rows, kept once each: rows of results say little, and say it often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from landremed.tables import whole_array

__all__ = ["coded", "plain_schema", "recoded"]

_MOST: Final = 1 / 2  # different texts to rows, up to which they are coded


def coded(table: pa.Table) -> pa.Table:
    """Return a table with its texts as numbers of a list, where they are repeated; no list holds others."""
    columns = [_coded(column) for column in table.columns]
    return pa.table(columns, names=table.column_names)


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema that a table has where no text is coded (``landremed.tables.plain_table``)."""
    kinds = [f.type.value_type if pa.types.is_dictionary(f.type) else f.type for f in schema]
    return pa.schema(list(zip(schema.names, kinds, strict=True)))


def recoded(arrays: Sequence[pa.Array], at: npt.NDArray[np.int64]) -> pa.DictionaryArray:
    """Return rows of several arrays of texts, coded or not, as numbers of one list.

    Parameters
    ----------
    arrays : sequence of pyarrow.Array
        One behind the other.
    at : ndarray of int
        Rows wanted, counted through all of them.
    """
    words = next((a.dictionary for a in arrays if pa.types.is_dictionary(a.type)), pa.array([], pa.string()))
    codes = []
    for array in arrays:
        if not pa.types.is_dictionary(array.type):
            texts = array
        elif array.dictionary is words or array.dictionary.equals(words):
            codes.append(_numbers(array.indices))
            continue
        else:
            texts = array.dictionary_decode()
        new = texts.filter(pc.invert(pc.is_in(texts, value_set=words))).drop_null().unique()
        words = pa.concat_arrays([words, new])
        codes.append(_numbers(pc.index_in(texts, value_set=words)))
    found = np.concatenate(codes)[at]
    return pa.DictionaryArray.from_arrays(pa.array(found, mask=found < 0), words)


def _coded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_string(column.type):
        whole = whole_array(column).dictionary_encode()
        return pa.chunked_array([whole]) if len(whole.dictionary) <= _MOST * len(whole) else column
    if not pa.types.is_dictionary(column.type):
        return column
    return pa.chunked_array([_used(chunk) for chunk in column.chunks], column.type)


def _used(array: pa.DictionaryArray) -> pa.DictionaryArray:
    """Return an array without the texts of its list that no row has."""
    codes = _numbers(array.indices)
    used = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(array.dictionary)))
    if len(used) == len(array.dictionary):
        return array
    again = np.full(len(array.dictionary) + 1, -1, np.int32)  # the last one for rows without text
    again[used] = np.arange(len(used), dtype=np.int32)
    found = again[codes]
    words = array.dictionary.take(pa.array(used))
    return pa.DictionaryArray.from_arrays(pa.array(found, mask=found < 0), words)


def _numbers(indices: pa.Array) -> npt.NDArray[np.int32]:
    """Return codes, -1 where there is none."""
    found = indices.cast(pa.int32()).fill_null(-1)
    return np.asarray(found.to_numpy(zero_copy_only=False), np.int32)
