"""A large layer read some rows at a time: the same rows, findings and hash as when it is read at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from landremed.errors import InputError, Where
from landremed.io.damaged import damaged_rows
from landremed.io.drivers import Dataset, open_dataset
from landremed.io.gdal import RawLayer, describe, pick_layer, quiet, unreadable
from landremed.io.geoparquet import geoparquet_batches
from landremed.io.hashing import BLOCK, BlockHash
from landremed.io.limits import Limits, check_limit
from landremed.io.row_stream import cut
from landremed.io.stated_rows import require_all_rows
from landremed.io.vector import crs_text, file_and_layer, is_whole, layer_stem, plain_attributes
from landremed.io.where import matching_rows
from landremed.io.wkb import as_large_binary, has_curves, plain_wkb, sound_offsets
from landremed.io.zipped import zip_named
from landremed.tables import VectorSource
from landremed.types import Finding

__all__ = ["NotInWindowsError", "WindowReader"]

_DRIVERS: Final = ("GeoParquet", "GPKG", "FlatGeobuf")
_WHOLE_TABLE: Final = re.compile(r"\b(select|rowid|_rowid_|oid|over|random)\b", re.IGNORECASE)


class NotInWindowsError(Exception):
    """The layer has to be read as a whole: its format, or something in it, asks for a second look."""


@dataclass
class WindowReader:
    """Reads a layer in windows of ``BLOCK`` rows.

    Parameters
    ----------
    path, layer, base, where, limits
        As for ``landremed.io.vector.read_vector``.

    Attributes
    ----------
    rows : int
        Rows given so far.
    """

    path: str
    layer: str | None
    base: Path
    where: str | None
    limits: Limits
    rows: int = 0
    _counted: dict[tuple[str, str], Finding] = field(default_factory=dict)
    _shapes: list[Finding] = field(default_factory=list)
    _hash: BlockHash = field(default_factory=BlockHash)

    def __post_init__(self) -> None:
        if zip_named(self.path)[0] or self.path.lower().endswith(".txt"):
            raise NotInWindowsError
        if self.where and _WHOLE_TABLE.search(self.where):
            raise NotInWindowsError
        path, layer = file_and_layer(self.path, self.layer, self.base)
        self._dataset: Dataset = open_dataset(path, self.base, self.limits)
        if self._dataset.driver not in _DRIVERS:
            raise NotInWindowsError
        parquet = self._dataset.driver == "GeoParquet"
        self._name = layer_stem(self._dataset, layer) if parquet else pick_layer(self._dataset, layer)
        self._place = Where(file=self._dataset.shown, layer="" if self._dataset.one_layer else self._name)
        self._stated = -1

    def windows(self) -> Iterator[VectorSource]:
        """Yield the rows of the layer in order; call it once.

        Raises
        ------
        InputError
            As ``read_vector`` does.
        NotInWindowsError
            Something was met that only reading as a whole can judge.
        """
        crs: list[str | None] = []

        def chunks() -> Iterator[tuple[pa.Table, pa.Array]]:
            read = empty = 0
            nulls: list[np.ndarray[Any, Any]] = []
            for raw in self._raw():
                crs[:] = [raw.crs]
                table, wkb = self._cleaned(raw, read)
                nulls.append(np.asarray(wkb.is_null()))
                read += len(wkb)
                empty += wkb.null_count
                if self.where:
                    keep = pa.array(matching_rows(table, self.where, self._place))
                    table, wkb = table.take(keep), wkb.take(keep)
                yield table, wkb
            self._check_whole(read, nulls if empty else [])

        for table, wkb in cut(chunks(), BLOCK):
            if wkb is None:
                raise NotInWindowsError
            self.rows += len(wkb)
            check_limit(self.limits, "max_features", self.rows, self._place)
            whole = pa.table([c.combine_chunks() for c in table.columns], table.schema)
            self._hash.add(whole, wkb)
            yield self._source(whole, wkb, crs[0] if crs else None)

    def digest(self, crs: str | None) -> str:
        """Return the content hash once all windows were read."""
        return self._hash.finished(crs)

    def findings(self, display: str) -> list[Finding]:
        """Return what was noticed, as ``read_vector`` does."""
        counted = list(self._counted.values())
        first = [f for f in counted if f.code == "z_ignored"]
        found = [*first, *self._shapes, *(f for f in counted if f.code != "z_ignored")]
        return [f if f.file else replace(f, file=display) for f in found]

    def _source(self, table: pa.Table, wkb: pa.Array, crs: str | None) -> VectorSource:
        text, _ = crs_text(crs, self._dataset)
        return VectorSource(
            file=self._dataset.shown,
            layer=self._place.layer,
            driver=self._dataset.driver,
            attributes=table,
            wkb=wkb,
            crs_wkt=text,
            encoding="",
            encoding_ground="",
            content_hash="",
        )

    def _raw(self) -> Iterator[RawLayer]:
        if self._dataset.driver == "GeoParquet":
            yield from geoparquet_batches(self._dataset, self.limits, BLOCK)
            return
        import pyogrio

        info = describe(self._dataset, self._name)
        self._stated = int(info["features"])
        check_limit(self.limits, "max_features", self._stated, Where(file=self._dataset.shown))
        with quiet():
            try:
                with pyogrio.open_arrow(
                    self._dataset.connection, layer=self._name, batch_size=BLOCK, use_pyarrow=True
                ) as (meta, reader):
                    name = meta["geometry_name"] or "wkb_geometry"
                    for batch in reader:
                        table = pa.Table.from_batches([batch])
                        place = table.column_names.index(name)
                        yield RawLayer(table.remove_column(place), table.column(place), meta["crs"])
            except (InputError, GeneratorExit):
                raise
            except Exception as error:  # pyogrio, pyarrow and GDAL raise many classes
                raise NotInWindowsError from unreadable(self._dataset, error)

    def _cleaned(self, raw: RawLayer, before: int) -> tuple[pa.Table, pa.Array]:
        """Return plain columns and plain WKB of some rows, of which so many stand before in the file."""
        if not sound_offsets(raw.wkb) or has_curves(as_large_binary(raw.wkb)):
            raise NotInWindowsError
        plain = plain_wkb(as_large_binary(raw.wkb))
        if len(plain.unreadable):
            raise NotInWindowsError
        if plain.flattened:
            self._count(Finding("z_ignored", params={"count": plain.flattened}))
        table, notes = plain_attributes(raw.table)
        whole = {column.name for column in raw.table.schema if is_whole(column.type)}
        if any(column.name in whole and pa.types.is_string(column.type) for column in table.schema):
            raise NotInWindowsError  # numbers of earlier windows would have to become text too
        for note in notes:
            self._count(note)
        check_limit(self.limits, "max_columns", table.num_columns, self._place)
        return table, plain.wkb

    def _count(self, finding: Finding) -> None:
        """Keep one finding of a kind and field, and add up its rows."""
        key = finding.code, finding.field
        before = self._counted.get(key)
        params: Mapping[str, Any] = finding.params
        if before is not None and "count" in params:
            added: Any = before.params["count"]
            params = {**params, "count": added + params["count"]}
        self._counted[key] = replace(finding, params=params)

    def _check_whole(self, rows: int, nulls: list[np.ndarray[Any, Any]]) -> None:
        """Hold the rows against the file's own count, and those without shape against what it stores."""
        if self._dataset.driver != "GeoParquet":
            require_all_rows(self._dataset, self._name, rows, self._stated)
        if not nulls:
            return
        held = pa.array(np.concatenate(nulls))
        kind = pa.large_binary()
        missing = pc.if_else(held, pa.scalar(None, kind), pa.scalar(b"", kind))
        if len(damaged_rows(self._dataset, self._name, missing)):
            raise NotInWindowsError
