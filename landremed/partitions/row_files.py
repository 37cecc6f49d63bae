"""Tables of a partition on the disk, so laid that the rows about any stretch of parcels are read at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.errors import OutputError, Where

__all__ = [
    "GEOMETRY",
    "ROW",
    "block_of",
    "read_block",
    "read_rows",
    "row_schema",
    "stretches",
    "write_rows",
    "writing",
]

ROW: Final = "_row"
"""Column with the row of the parcel in its file, from 0."""

GEOMETRY: Final = "_geometry"

_BUFFER: Final = 1 << 16  # two hundred files are written side by side
_OPTIONS: Final = pa.ipc.IpcWriteOptions(compression="lz4")


@contextmanager
def writing(path: Path, schema: pa.Schema) -> Iterator[Any]:
    """Give a writer of record batches; what the disk refuses is told as such.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    try:
        # Arrow writes every column of every batch by itself, some of them a few bytes
        with (
            pa.output_stream(str(path), compression=None, buffer_size=_BUFFER) as sink,
            pa.ipc.new_file(sink, schema, options=_OPTIONS) as writer,
        ):
            yield writer
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise OutputError("scratch_write_failed", Where(file=str(path)), reason=reason) from error


def write_rows(path: Path, table: pa.Table, rows: npt.NDArray[np.int64], block: int) -> list[tuple[int, int]]:
    """Write a table, one record batch for every block of parcels.

    Parameters
    ----------
    path : Path
        New file.
    table : pyarrow.Table
        Rows in the order of their parcels.
    rows : ndarray of int
        Row of each one's parcel in its file, from 0, rising.
    block : int
        Parcels of a block.

    Returns
    -------
    list of (int, int)
        Number of the block of every batch, and its rows.
    """
    whole = table.add_column(0, ROW, pa.array(rows, pa.int64())).combine_chunks()
    runs = stretches(rows // block)
    with writing(path, whole.schema) as writer:
        for _, low, high in runs:
            writer.write_table(whole.slice(low, high - low).combine_chunks(), high - low)
    return [(number, high - low) for number, low, high in runs]


def stretches(rising: npt.NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Return every value of a rising array with the first place where it stands and the first after it."""
    found, first = np.unique(rising, return_index=True)
    ends = np.append(first, len(rising))[1:]
    return list(zip(found.tolist(), first.tolist(), ends.tolist(), strict=True))


def row_schema(path: Path) -> pa.Schema:
    """Return the schema of a file, without the row column."""
    with pa.memory_map(str(path)) as source:
        schema = pa.ipc.open_file(source).schema
    return schema.remove(schema.get_field_index(ROW))


def read_block(path: Path, number: int) -> pa.Table:
    """Return one record batch of a file."""
    with pa.OSFile(str(path)) as source:
        return pa.Table.from_batches([pa.ipc.open_file(source).get_batch(number)])


def read_rows(path: Path, fields: list[int] | None = None) -> pa.Table:
    """Return a whole file, or some of its columns."""
    options = pa.ipc.IpcReadOptions(included_fields=fields or [])
    with pa.OSFile(str(path)) as source:
        return pa.ipc.open_file(source, options=options).read_all()


def block_of(blocks: npt.NDArray[np.int64], number: int) -> int | None:
    """Return which batch holds a block, None where none does."""
    at = int(np.searchsorted(blocks, number))
    return at if at < len(blocks) and blocks[at] == number else None
