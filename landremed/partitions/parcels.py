"""The parcels of a run in partitions: all in memory, or window by window through the scratch folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyproj

from landremed.crs import (
    choose_working_crs,
    guard_coordinates,
    local_grid,
    mixed_zones,
    resolve_crs,
    to_working,
)
from landremed.crs_guard import Places
from landremed.crs_kinds import is_metric, is_web_mercator
from landremed.errors import CrsError, InputError, Where
from landremed.io.hashing import BLOCK
from landremed.io.limits import window_limits
from landremed.io.windows import NotInWindowsError, WindowReader
from landremed.layers import (
    Parcels,
    extent_of,
    parcel_ids,
    ready_parcels,
    require_unique,
)
from landremed.overlay import Expected
from landremed.overlay.looks import places_of
from landremed.partitions.row_files import writing
from landremed.partitions.spool import parcel_table, without_rows
from landremed.project import Project
from landremed.tables import VectorSource
from landremed.threads import ahead
from landremed.types import Finding

__all__ = ["NotInWindowsError", "ReadParcels", "forget_windows", "in_memory", "in_windows"]

Floats: TypeAlias = npt.NDArray[np.float64]

_WINDOWS: Final = "windows"


@dataclass(frozen=True)
class ReadParcels:
    """What is known of all parcels, and where their rows are.

    Attributes
    ----------
    source : VectorSource
        As read, but with NULL for every shape and no attributes.
    ids : pyarrow.Array
        In the order of the file.
    boxes : ndarray (n, 4)
        Bounds in the working CRS.
    expected : Expected
        How much work they are.
    findings : sequence of Finding
        About the file, its columns and single parcels.
    tables : callable
        Gives the rows in order (``landremed.partitions.spool.parcel_table``), as often as it is called.
    """

    source: VectorSource
    ids: pa.Array
    boxes: Floats
    expected: Expected
    crs: pyproj.CRS
    input_crs: pyproj.CRS
    findings: Sequence[Finding]
    schema: pa.Schema
    tables: Callable[[], Iterator[pa.Table]]

    @property
    def extent(self) -> Floats:
        """Bounds of all parcels in the working CRS."""
        return extent_of(self.boxes)


def forget_windows(folder: Path) -> None:
    """Remove the rows that ``in_windows`` laid down, when partitions have them."""
    (folder / _WINDOWS).unlink(missing_ok=True)


def in_memory(parcels: Parcels) -> ReadParcels:
    """Return parcels that are in memory already."""
    whole = parcel_table(parcels, np.arange(len(parcels.ids)))
    return ReadParcels(
        source=_counted(parcels.source, len(parcels.ids)),
        ids=pa.array(parcels.ids, pa.string()),
        boxes=parcels.polygons.boxes,
        expected=Expected.of(parcels.polygons),
        crs=parcels.crs,
        input_crs=parcels.input_crs,
        findings=parcels.findings,
        schema=whole.schema,
        tables=lambda: (whole.slice(start, BLOCK) for start in range(0, len(whole), BLOCK)),
    )


def in_windows(project: Project, folder: Path) -> ReadParcels:
    """Read the parcels of a project window by window; the rows lie in the scratch folder afterwards.

    Parameters
    ----------
    project : Project
        With parcels in a format that is read in windows.
    folder : Path
        Scratch folder.

    Raises
    ------
    NotInWindowsError
        They have to be read as a whole (``landremed.layers.load_parcels``).
    InputError, CrsError
        As ``load_parcels`` does.
    """
    return _Windows(project, folder).read()


class _Windows:
    """Parcels on their way from the file to the scratch folder."""

    def __init__(self, project: Project, folder: Path) -> None:
        self._project, self._spec = project, project.parcels
        self._path = folder / _WINDOWS
        self._ids: list[pa.Array] = []
        self._boxes: list[Floats] = []
        self._expected = Expected()
        self._places: list[Places] = []
        self._of_ids: list[Finding] = []
        self._of_rows: list[Finding] = []
        self._not_finite = 0

    def read(self) -> ReadParcels:
        """Read all windows, then judge what hangs on all of them."""
        reader = self._reader()
        with ahead(reader.windows()) as windows:
            first = next(windows, None)
            if first is None:
                raise InputError("parcels_empty", Where(file=self._spec.path))
            input_crs = resolve_crs(first, self._spec.crs, key="parcels.crs")
            places = self._all_places(first)
            crs, chosen = choose_working_crs(first, self._spec.crs, self._project.crs, places)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            table = self._table(first, input_crs, crs)
            with writing(self._path, table.schema) as writer:
                writer.write_table(table.combine_chunks())
                for window in windows:
                    writer.write_table(self._table(window, input_crs, crs).combine_chunks())
        ids = pa.concat_arrays(self._ids)
        source = replace(_counted(first, len(ids)), content_hash=reader.digest(first.crs_wkt))
        places = _together(self._places)
        if pc.count_distinct(ids).as_py() < len(ids):
            require_unique(ids.to_pylist(), source, self._spec)
        guard_coordinates(source, input_crs, "parcels", places)
        if self._not_finite == len(ids):
            raise CrsError("no_finite_coordinates", Where(file=source.display))
        noticed = [*reader.findings(source.display), *local_grid(source), *chosen, *self._of_ids]
        noticed += [*mixed_zones(source, input_crs, places), *self._of_rows]
        return ReadParcels(
            source=source,
            ids=ids,
            boxes=np.concatenate(self._boxes),
            expected=self._expected,
            crs=crs,
            input_crs=input_crs,
            findings=noticed,
            schema=table.schema,
            tables=self._tables,
        )

    def _reader(self) -> WindowReader:
        spec = self._spec
        limits = window_limits(self._project.limits)
        return WindowReader(spec.path, spec.layer, self._project.base, spec.where, limits)

    def _all_places(self, first: VectorSource) -> Places | None:
        """Return the places of all parcels where the working CRS hangs on them, else None."""
        if self._project.crs is not None:
            return None
        own = resolve_crs(first, self._spec.crs, key="parcels")
        if is_metric(own) and not is_web_mercator(own):
            return None
        found, start = [], 0
        for window in self._reader().windows():
            found.append(_shifted(places_of(window.wkb), start))
            start += len(window)
        return _together(found)

    def _table(self, window: VectorSource, input_crs: pyproj.CRS, crs: pyproj.CRS) -> pa.Table:
        start = sum(len(ids) for ids in self._ids)
        rows = np.arange(start, start + len(window))
        source = replace(window, rows=rows)
        ids, notes = parcel_ids(source, self._spec)
        moved = to_working(source, input_crs, crs, "parcels", strict=False)
        most = self._project.repair.most
        places = places_of(window.wkb)
        parcels = ready_parcels(source, ids, moved, input_crs, crs, most=most, places=places)
        self._ids.append(pa.array(ids, pa.string()))
        self._boxes.append(parcels.polygons.boxes)
        self._expected += Expected.of(parcels.polygons)
        self._places.append(_shifted(places, start))
        self._of_ids += notes
        self._of_rows += parcels.findings
        self._not_finite += parcels.not_finite
        return parcel_table(parcels, rows)

    def _tables(self) -> Iterator[pa.Table]:
        with pa.OSFile(str(self._path)) as stream:
            file = pa.ipc.open_file(stream)
            for number in range(file.num_record_batches):
                yield pa.Table.from_batches([file.get_batch(number)])


def _together(places: Sequence[Places]) -> Places:
    """Return the places of a whole layer."""
    x, y, rows, bad = (
        np.concatenate([getattr(part, name) for part in places]) for name in ("x", "y", "rows", "not_finite")
    )
    return Places(x, y, rows, bad)


def _shifted(found: Places, start: int) -> Places:
    """Return the places of a window before which so many rows stand."""
    return Places(found.x, found.y, found.rows + start, found.not_finite + start)


def _counted(source: VectorSource, rows: int) -> VectorSource:
    """Return a source that tells how many rows there are, and holds none."""
    return replace(without_rows(source), wkb=pa.nulls(rows, pa.large_binary()))
