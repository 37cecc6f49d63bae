"""Results of all partitions as the tables of one result, in the order of the parcels' file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.errors import OutputError, Where
from landremed.io.gpkg import OutLayer
from landremed.io.row_stream import RowStream
from landremed.overlay_tables import IssueGroups, joined_groups, ordered_issues
from landremed.partitions.row_files import GEOMETRY, ROW, block_of, read_block, read_rows, row_schema
from landremed.partitions.scratch import Manifest, done_files, read_done
from landremed.partitions.traces import KEYS_SCHEMA, TraceNumbers
from landremed.partitions.work import ROW_LAYERS, SHARED_GROUPS
from landremed.report.summary import decision_counts
from landremed.slivers import KindCounts, Shift, added_counts, find_shifts, kind_counts, merged_votes, named
from landremed.summary import Sums
from landremed.tables import TRACE_SCHEMA

__all__ = ["Merged"]

Ints: TypeAlias = npt.NDArray[np.int64]

_SPATIAL: Final = ("decisions", "parts", "overlaps")
_JUDGED: Final[Mapping[str, str]] = {"decisions": "trace", "parts": "part_trace"}


class Merged:
    """The finished partitions of a scratch folder.

    Parameters
    ----------
    folder : Path
        Scratch folder.
    manifest : Manifest
        Its manifest.

    Raises
    ------
    OutputError
        A partition is not done, or its files are damaged.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder, self._manifest = folder, manifest
        self._done: list[dict[str, Any]] = []
        for number in range(len(manifest.rows)):
            found = read_done(folder, number, whole=False)
            if found is None:
                raise OutputError("scratch_unreadable", Where(file=str(done_files(folder, number))))
            self._done.append(found)
        self._numbers = {
            name: TraceNumbers.of([self._keys(number, name) for number in range(len(self._done))])
            for name in _JUDGED.values()
        }

    @cached_property
    def shifts(self) -> dict[str, Shift]:
        """Which layers are shifted, by the votes of all partitions."""
        votes = (read_rows(self._path(number, "sliver_votes")) for number in range(len(self._done)))
        return find_shifts(merged_votes(votes))

    def sliver_counts(self) -> KindCounts:
        """Count the small overlaps by layer and kind."""
        shares = (read_rows(self._path(number, "slivers")) for number in range(len(self._done)))
        return added_counts(kind_counts(named(share, self.shifts)) for share in shares)

    def layers(self) -> dict[str, OutLayer]:
        """Return the layers whose rows come from partitions, as streams."""
        found = {}
        for name in ROW_LAYERS:
            schema = row_schema(self._path(0, name))
            spatial = name in _SPATIAL
            empty = schema.empty_table()
            if name == "overlaps":
                empty = named(empty, self.shifts)
            table = empty.drop_columns([GEOMETRY]) if spatial else empty
            if name in _JUDGED:
                table = _sample(table, "missing_facts", self.counts(name)["missing_facts"].unique())
            rows = sum(done["rows"][name] for done in self._done)
            stream = RowStream(rows, partial(self._rows, name))
            geometry = pa.array([], pa.large_binary()) if spatial else None
            found[name] = OutLayer(name, table, geometry, stream=stream)
        rows = sum(self._trace_rows(name) for name in _JUDGED.values())
        stream = RowStream(rows, self._traces)
        found["trace"] = OutLayer("trace", TRACE_SCHEMA.empty_table(), stream=stream)
        return found

    def issues(self, general: IssueGroups) -> pa.Table:
        """Return the findings of all partitions, and those known before, in order."""
        shares = [
            {group: read_rows(self._path(number, f"issues_{group}")) for group in SHARED_GROUPS}
            for number in range(len(self._done))
        ]
        return ordered_issues(joined_groups([general, *shares]))

    def sums(self) -> list[Sums]:
        """Return what ``summary`` adds up."""
        return [_added_up(done["sums"]) for done in self._done]

    def counts(self, name: str = "decisions") -> pa.Table:
        """Return ``decision_counts`` of all parcels, or of all parts."""
        shares = [read_rows(self._path(number, f"{name}_counts")) for number in range(len(self._done))]
        return decision_counts(pa.concat_tables(shares))

    def rules_fired(self, rules: Sequence[str]) -> dict[str, int]:
        """Count how often each rule decided."""
        fired = Counter(dict.fromkeys(rules, 0))
        for done in self._done:
            fired.update(done["rules_fired"])
        return dict(fired)

    def _rows(self, name: str, start: int) -> Iterator[tuple[pa.Table, pa.Array | None]]:
        """Yield the rows of a layer from one on, block by block."""
        until = np.cumsum(sum(self._counts(laid) for laid in self._laid(name)))
        first = int(np.searchsorted(until, start, side="right"))
        skipped = start - int(until[first - 1]) if first else start
        for block in self._blocks(name, first):
            rows = named(block.slice(skipped), self.shifts) if name == "overlaps" else block.slice(skipped)
            del block
            skipped = 0
            if name in _SPATIAL:
                shapes = pa.concat_arrays(rows[GEOMETRY].chunks)
                yield rows.drop_columns([GEOMETRY]), shapes
                del shapes
            else:
                yield rows, None
            del rows

    def _traces(self, start: int) -> Iterator[tuple[pa.Table, None]]:
        for name in _JUDGED.values():
            for table in self._blocks(name):
                yield table.slice(start), None
                start = max(0, start - len(table))

    def _laid(self, name: str) -> list[Ints]:
        """Return, for every partition, the blocks that a layer has rows about, and how many rows."""
        return [np.array(done["blocks"].get(name, []), np.int64).reshape(-1, 2) for done in self._done]

    def _counts(self, laid: Ints) -> Ints:
        """Return the rows about every block."""
        counts = np.zeros(self._number_of_blocks, np.int64)
        counts[laid[:, 0]] = laid[:, 1]
        return counts

    @property
    def _number_of_blocks(self) -> int:
        return -(-self._manifest.total // self._manifest.block)

    def _blocks(self, name: str, first: int = 0) -> Iterator[pa.Table]:
        """Yield the rows about every block of parcels from one on, in the order of the parcels."""
        laid = [blocks[:, 0] for blocks in self._laid(name)]
        for block in range(first, self._number_of_blocks):
            rows = self._block(name, [block_of(blocks, block) for blocks in laid])
            if rows is not None and rows.num_rows:
                yield rows
            del rows  # may be large, and the next block is wanted now

    def _block(self, name: str, places: Sequence[int | None]) -> pa.Table | None:
        """Return the rows about a block of parcels, which stand at these places of the partitions."""
        tables = [
            self._numbered(name, number, read_block(self._path(number, name), at))
            for number, at in enumerate(places)
            if at is not None
        ]
        return _in_order(pa.concat_tables(tables)) if tables else None

    def _numbered(self, name: str, number: int, table: pa.Table) -> pa.Table:
        """Give traces their numbers in the whole; leave out those that stand in another partition first."""
        kind = _JUDGED.get(name, name)
        if kind not in self._numbers:
            return table
        traces = self._numbers[kind]
        first_part = self._done[number]["first_part"] if name == "parts" else 0
        start = self._numbers["trace"].count if kind == "part_trace" else 0
        local = table["trace_id"].to_numpy() - 1 - first_part
        column = pa.array(traces.numbers[number][local] + start, pa.int64())
        place = table.column_names.index("trace_id")
        table = table.set_column(place, table.schema.field("trace_id"), column)
        return table.filter(pa.array(traces.kept[number][local])) if name == kind else table

    def _trace_rows(self, name: str) -> int:
        """Count the rows of the traces that are kept."""
        rows = 0
        for number, done in enumerate(self._done):
            if name in done["blocks"]:
                local = read_rows(self._path(number, name), [1])["trace_id"].to_numpy() - 1
                rows += int(self._numbers[name].kept[number][local].sum())
        return rows

    def _keys(self, number: int, name: str) -> pa.Table:
        path = self._path(number, f"{name}_keys")
        return read_rows(path) if path.exists() else KEYS_SCHEMA.empty_table()

    def _path(self, number: int, name: str) -> Path:
        return done_files(self._folder, number) / f"{name}.arrow"


def _in_order(table: pa.Table) -> pa.Table:
    """Sort rows by their parcels, column by column so that few copies lie in memory; drop the row column."""
    rows = table[ROW].to_numpy()
    order = pa.array(np.argsort(rows, kind="stable")) if (np.diff(rows) < 0).any() else None
    table = table.drop_columns([ROW])
    columns = []
    for column in table.columns:
        whole = column.combine_chunks()
        whole = pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole
        columns.append(whole if order is None else whole.take(order))
    return pa.table(columns, schema=table.schema)


def _sample(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    """Return rows that hold nothing but every value of one column, for legends."""
    columns = [values if field.name == name else pa.nulls(len(values), field.type) for field in table.schema]
    return pa.table(columns, schema=table.schema)


def _added_up(rows: Sequence[Sequence[Any]]) -> Sums:
    total: Sums = {}
    for category, outcome, count, area in rows:
        before = total.get((category, outcome), (0, 0))
        total[category, outcome] = (before[0] + count, before[1] + area)
    return total
