"""Parcels to verify with their acceptance items: from a result, or by running the project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyproj
import shapely

from landremed.crs import to_working
from landremed.crs_kinds import same_crs
from landremed.errors import InputError, Where
from landremed.law import RuleBook
from landremed.tables import VectorSource
from landremed.verify.rasters import Raster

if TYPE_CHECKING:
    from landremed.project import Project

__all__ = ["Item", "Parcels", "from_project", "from_result", "on_raster", "rings_around"]

_COLUMNS: Final = ("parcel_id", "category", "outcome", "measure", "clause", "area_m2", "cultivated_area_m2")
_POLYGONAL: Final = (3, 6)
_LONGEST_EDGE_M: Final = 200.0


@dataclass(frozen=True, slots=True)
class Item:
    """One acceptance item of a measure, as the rule book has it."""

    id: str
    label: str


@dataclass(frozen=True)
class Parcels:
    """Parcels, and parts of parcels that were cut, in the order of the result.

    Attributes
    ----------
    table : pyarrow.Table
        ``parcel_id, category, outcome, measure, clause, area_m2, cultivated_area_m2``.
    shapes : ndarray of polygons
        In the working CRS, metres; None where there is none.
    items : sequence
        Acceptance items per row; those of a parcel that was cut stand with its parts.
    whole : int
        Number of parcels; the rows after them are parts.
    source : str
        File they come from, as the user wrote it.
    provenance : mapping of str to str
        Of the result; of the run where a project was given.
    """

    table: pa.Table
    shapes: npt.NDArray[Any]
    crs: pyproj.CRS
    items: Sequence[Sequence[Item]]
    whole: int
    source: str
    provenance: Mapping[str, str]
    language: str

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def ids(self) -> list[str]:
        """Parcel ids."""
        return [str(value) for value in self.table["parcel_id"].to_pylist()]

    def place(self, row: int) -> tuple[float, float] | None:
        """Return a point inside the parcel, for findings."""
        shape = self.shapes[row]
        return None if shape is None else tuple(shape.representative_point().coords[0])


def from_result(path: str, language: str | None = None) -> Parcels:
    """Read the parcels of a GeoPackage written by ``landremed run``.

    Raises
    ------
    InputError
        The file is missing or no result, or its rule book is not there.
    """
    from landremed.report.resultfile import open_result

    result = open_result(Path(path))
    if result.book is None:
        raise InputError("verify_no_book", Where(file=path), rules=result.provenance.get("rules", ""))
    tables, shapes = [_columns(result.decisions)], [result.shapes("decisions")]
    parts = result.table("parts")
    if parts.num_rows:
        tables.append(_columns(parts))
        shapes.append(result.shapes("parts"))
    return _parcels(
        tables,
        np.concatenate(shapes),
        result.crs,
        result.book,
        path,
        result.provenance,
        language or result.language,
    )


def from_project(project: Project, language: str | None = None) -> Parcels:
    """Run a project and return its parcels; nothing is written."""
    from landremed.api import run

    done = run(project)
    layers = [done.layers["decisions"], done.layers["parts"]]
    geometry = [shapely.from_wkb(np.asarray(layer.geometry, dtype=object)) for layer in layers]
    if done.decided is None:
        raise InputError("verify_no_book", Where(file=project.file), rules=project.rules)
    rows = done.layers["provenance"].table.to_pylist()
    return _parcels(
        [_columns(layer.table) for layer in layers],
        np.concatenate(geometry),
        pyproj.CRS.from_user_input(done.crs_wkt),
        done.decided.book,
        project.file or project.parcels.path,
        {str(row["key"]): str(row["value"] or "") for row in rows},
        language or project.language or "zh",
    )


def on_raster(parcels: Parcels, shapes: npt.NDArray[Any], raster: Raster) -> npt.NDArray[Any]:
    """Return polygons of the working CRS in the cell coordinates of a raster.

    Polygons go to the grid, never cells to the polygons: class codes cannot be resampled without changing
    them. Long edges get more vertices first, since a straight line is not straight in another projection.

    Raises
    ------
    CrsError
        ``raster_datum_shift`` when there is no published exact relation between the two datums.
    """
    from landremed.errors import CrsError
    from landremed.verify.zonal import in_cells

    moved = shapes
    if not same_crs(parcels.crs, raster.crs):
        dense = shapely.segmentize(shapes, _LONGEST_EDGE_M)
        source = VectorSource(
            file=parcels.source,
            layer="",
            driver="",
            attributes=pa.table({}),
            wkb=pa.array(shapely.to_wkb(dense, byte_order=1), pa.large_binary()),
            crs_wkt=None,
            encoding="",
            encoding_ground="",
            content_hash="",
        )
        try:
            wkb = to_working(source, parcels.crs, raster.crs, "parcels")
        except CrsError as error:
            if error.code == "crs_datum_shift":
                raise CrsError("raster_datum_shift", raster.where, **error.params) from error
            raise
        moved = shapely.from_wkb(np.asarray(wkb, dtype=object))
    return in_cells(moved, raster)


def rings_around(parcels: Parcels, raster: Raster, width_m: float) -> npt.NDArray[Any]:
    """Return a ring around every parcel, one cell away from it, without the ground of other parcels.

    It is there to be compared with, so its own outline need not be exact to more than a part of a cell.
    """
    gap = raster.cell_m
    plain = shapely.simplify(parcels.shapes, gap / 4)
    outer, inner = (shapely.buffer(plain, m, quad_segs=2) for m in (gap + width_m, gap))
    rings: npt.NDArray[Any] = shapely.difference(outer, inner)
    there = np.array([shape is not None for shape in parcels.shapes], bool)
    if not there.any():
        return rings
    tree = shapely.STRtree(parcels.shapes)
    ring, other = tree.query(rings, predicate="intersects")
    keep = ring != other
    ring, other = ring[keep], other[keep]
    if not len(ring):
        return rings
    order = np.argsort(ring, kind="stable")
    ring, other = ring[order], other[order]
    touched, first = np.unique(ring, return_index=True)
    for row, members in zip(touched, np.split(other, first[1:]), strict=True):
        rings[row] = shapely.difference(rings[row], shapely.union_all(parcels.shapes[members]))
    return rings


def _columns(table: pa.Table) -> pa.Table:
    kinds = {"area_m2": pa.float64(), "cultivated_area_m2": pa.float64()}
    columns = {}
    for name in _COLUMNS:
        kind = kinds.get(name, pa.string())
        there = name in table.column_names
        columns[name] = table[name].cast(kind) if there else pa.nulls(table.num_rows, kind)
    return pa.table(columns)


def _parcels(
    tables: Sequence[pa.Table],
    shapes: npt.NDArray[Any],
    crs: pyproj.CRS,
    book: RuleBook,
    source: str,
    provenance: Mapping[str, str],
    language: str,
) -> Parcels:
    """Join parcels and parts; ``tables`` holds both, the parcels first."""
    table, whole = pa.concat_tables(tables), tables[0].num_rows
    found: dict[tuple[Any, ...], Sequence[Item]] = {}
    items: list[Sequence[Item]] = []
    keys = zip(*(table[name].to_pylist() for name in ("category", "measure", "clause")), strict=True)
    for category, measure, clause in keys:
        key = (category, measure, clause)
        if key not in found:
            cited = clause.split(",") if clause else None
            entries = book.acceptance(category, measure, cited) if category and measure else ()
            found[key] = [Item(entry.id, entry.text.of(language)) for entry in entries]
        items.append(found[key])
    ids = table["parcel_id"].to_pylist()
    cut = {name.rpartition("#")[0] for name in ids[whole:]}
    items = [[] if name in cut else found for name, found in zip(ids, items, strict=True)]
    return Parcels(table, _polygonal(shapes), crs, items, whole, source, provenance, language)


def _polygonal(shapes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return sound polygons; what has none becomes None."""
    sound: npt.NDArray[Any] = np.array(shapes, dtype=object)
    bad = np.flatnonzero(~shapely.is_missing(sound) & ~shapely.is_valid(sound))
    for row in bad:
        sound[row] = shapely.make_valid(sound[row], method="structure", keep_collapsed=False)
    usable = np.isin(shapely.get_type_id(sound), _POLYGONAL) & ~shapely.is_empty(sound)
    sound[~usable] = None
    return sound
