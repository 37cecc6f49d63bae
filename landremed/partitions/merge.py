"""Results of all partitions as the tables of one result, in the order of the parcels' file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
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
            stream = RowStream(rows, lambda name=name: self._rows(name))  # type: ignore[misc]
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

    def _rows(self, name: str) -> Iterator[tuple[pa.Table, pa.Array | None]]:
        """Yield the rows of a layer, block by block."""
        for block in self._blocks(name):
            rows = named(block, self.shifts) if name == "overlaps" else block
            if name in _SPATIAL:
                shapes = pa.concat_arrays(rows[GEOMETRY].chunks)
                yield rows.drop_columns([GEOMETRY]), shapes
            else:
                yield rows, None

    def _traces(self) -> Iterator[tuple[pa.Table, None]]:
        for name in _JUDGED.values():
            for table in self._blocks(name):
                yield table, None

    def _blocks(self, name: str) -> Iterator[pa.Table]:
        """Yield the rows about every block of parcels, in the order of the parcels."""
        blocks = -(-self._manifest.total // self._manifest.block)
        for block in range(blocks):
            tables = []
            for number, done in enumerate(self._done):
                at = block_of(done["blocks"].get(name, []), block)
                if at is not None:
                    tables.append(self._numbered(name, number, read_block(self._path(number, name), at)))
            if not tables:
                continue
            whole = pa.concat_tables(tables).combine_chunks()
            if len(tables) > 1:
                order = np.argsort(whole[ROW].to_numpy(), kind="stable")
                whole = whole.take(pa.array(order)).combine_chunks()
            if whole.num_rows:
                yield whole.drop_columns([ROW])

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
