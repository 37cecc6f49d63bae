"""Accept, refuse and transform coordinate reference systems. Nothing is guessed in silence.

Coordinates are always x = east, y = north, whatever axis order an authority declares.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyproj

from landremed.crs_guard import Places, guard_coordinates, key_table, mixed_zones, out_of_place, placed
from landremed.crs_kinds import (
    MODERN_DATUMS,
    central_meridian,
    crs_label,
    datum_family,
    false_easting,
    gauss_krueger_epsg,
    is_cgcs2000_gauss_krueger,
    is_gauss_krueger,
    is_metric,
    is_web_mercator,
    local_name,
    parse_crs,
    same_crs,
)
from landremed.errors import CrsError, Where
from landremed.io.wkb import parse_wkb
from landremed.tables import VectorSource
from landremed.threads import in_threads
from landremed.types import Finding

__all__ = [
    "CRS_IMPLIED",
    "Places",
    "central_meridian",
    "choose_working_crs",
    "crs_label",
    "false_easting",
    "gauss_krueger_epsg",
    "guard_coordinates",
    "is_cgcs2000_gauss_krueger",
    "local_grid",
    "mixed_zones",
    "moved_points",
    "out_of_place",
    "parse_crs",
    "placed",
    "resolve_crs",
    "to_working",
]

_CHUNK = 8192

CRS_IMPLIED = b"landremed:crs_implied"
"""Key of a source's attribute metadata where the format, not the file, says what the CRS is (GeoJSON)."""


def resolve_crs(source: VectorSource, declared: str | None, *, key: str) -> pyproj.CRS:
    """Return the CRS of a layer.

    Parameters
    ----------
    source : VectorSource
        The layer as read.
    declared : str, optional
        ``crs =`` of the project file; only for files that have none.
    key : str
        Table of the project file, e.g. ``layers.ecological_red_line``, for the message.

    Raises
    ------
    CrsError
        When there is none, it cannot be understood, or ``declared`` differs from the file's own.
    """
    where = Where(file=source.file, layer=source.layer)
    wanted = parse_crs(declared, where) if declared else None
    implied = CRS_IMPLIED in (source.attributes.schema.metadata or {})
    if source.crs_wkt is None or (implied and wanted is not None):
        if wanted is None:
            raise CrsError("crs_missing", where, key=key_table(key))
        return wanted
    own = parse_crs(source.crs_wkt, where)
    if wanted is not None and not same_crs(own, wanted):
        raise CrsError(
            "crs_conflict", where, key=key_table(key), declared=crs_label(wanted), own=crs_label(own)
        )
    if not (own.is_projected or own.is_geographic):
        raise CrsError("crs_kind", where, crs=crs_label(own))
    return own


def local_grid(source: VectorSource) -> list[Finding]:
    """Return a finding where the CRS has national figures and the name of a local grid."""
    name = local_name(source.crs_wkt or "")
    if not name:
        return []
    crs = parse_crs(source.crs_wkt or "")
    meridian, east = central_meridian(crs), false_easting(crs)
    params = {"name": name, "meridian": f"{meridian:g}", "easting": f"{east:.0f}"}
    return [Finding("crs_name_local", file=source.display, params=params)]


def choose_working_crs(
    parcels: VectorSource, declared: str | None, project_crs: str | None, places: Places | None = None
) -> tuple[pyproj.CRS, list[Finding]]:
    """Return the CRS in which everything is overlaid: projected, in metres.

    Parameters
    ----------
    parcels : VectorSource
        The parcels as read.
    declared : str, optional
        CRS declared for a parcel file that has none.
    project_crs : str, optional
        ``[project] crs``; without it the parcels' own CRS is taken, or for longitude and latitude on CGCS2000
        or WGS 84 the 3-degree Gauss-Krüger zone (without prefix) of the extent's centre.
    places : Places, optional
        Those of the parcels where their rows are not at hand.

    Returns
    -------
    crs : pyproj.CRS
        The working CRS.
    findings : list of Finding
        ``working_crs_chosen`` when it was not given.

    Raises
    ------
    CrsError
        When it is not projected in metres, or none can be chosen.
    """
    if project_crs is not None:
        crs = parse_crs(project_crs, Where(field="project.crs"))
        if not is_metric(crs):
            raise CrsError("working_crs_not_metric", Where(field="project.crs"), crs=crs_label(crs))
        return crs, []
    own = resolve_crs(parcels, declared, key="parcels")
    if is_metric(own) and not is_web_mercator(own):
        chosen = own
    elif datum_family(own) in MODERN_DATUMS and (own.is_geographic or is_web_mercator(own)):
        chosen = pyproj.CRS.from_epsg(_zone_epsg(parcels, own, places))
    else:
        raise CrsError(
            "working_crs_needed", Where(file=parcels.file, layer=parcels.layer), crs=crs_label(own)
        )
    params = {"crs": crs_label(chosen), "own": crs_label(own)}
    return chosen, [Finding("working_crs_chosen", file=parcels.display, params=params)]


def to_working(
    source: VectorSource, crs: pyproj.CRS, working: pyproj.CRS, key: str, *, strict: bool = True
) -> pa.Array:
    """Return the geometries in the working CRS; vertices only are moved.

    Parameters
    ----------
    source : VectorSource
        The layer as read.
    crs : pyproj.CRS
        Its CRS.
    working : pyproj.CRS
        The working CRS.
    key : str
        Table of the project file, for the message.
    strict : bool
        Whether one vertex without image stops; else it becomes infinite, for ``repair`` to report its row.

    Returns
    -------
    pyarrow.Array
        ``large_binary``; the very array of ``source`` when both CRSs are the same.

    Raises
    ------
    CrsError
        ``crs_datum_shift`` between datums without a published exact relation (Xian 1980, Beijing 1954), where
        PROJ would leave coordinates unchanged; ``crs_transform_failed`` when a finite vertex has no image.
    """
    if same_crs(crs, working):
        return source.wkb
    where = Where(file=source.file, layer=source.layer)
    one, other = datum_family(crs), datum_family(working)
    if not (one == other or {one, other} <= MODERN_DATUMS):
        raise CrsError(
            "crs_datum_shift", where, own=crs_label(crs), working=crs_label(working), key=key_table(key)
        )
    return _transform(source.wkb, where, crs, working, strict)


def _zone_epsg(parcels: VectorSource, crs: pyproj.CRS, places: Places | None) -> int:
    places = placed(parcels.wkb) if places is None else places
    where = Where(file=parcels.file, layer=parcels.layer)
    if not len(places.rows):
        raise CrsError("working_crs_needed", where, crs=crs_label(crs))
    guard_coordinates(parcels, crs, "parcels", places)
    x = (float(np.quantile(places.x, 0.01)) + float(np.quantile(places.x, 0.99))) / 2.0
    y = (float(np.quantile(places.y, 0.01)) + float(np.quantile(places.y, 0.99))) / 2.0
    if crs.is_projected:
        x, y = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True).transform(x, y)
    if not 73.5 <= x <= 136.5:
        raise CrsError("working_crs_needed", where, crs=crs_label(crs))
    return gauss_krueger_epsg(x)


def moved_points(
    crs: pyproj.CRS, working: pyproj.CRS, xy: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return coordinates (n, 2) in another CRS by projection alone: both datums are one or count as one.

    Between zones that differ in their prefix only, the false eastings are exchanged, which is exact.
    """
    if _same_meridian(crs, working):
        shifted: npt.NDArray[np.float64] = xy + np.array([false_easting(working) - false_easting(crs), 0.0])
        return shifted
    x, y = xy[:, 0], xy[:, 1]
    if crs.is_projected:
        x, y = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True).transform(x, y)
    if working.is_projected:
        x, y = pyproj.Transformer.from_crs(working.geodetic_crs, working, always_xy=True).transform(x, y)
    return np.column_stack([x, y])


def _same_meridian(crs: pyproj.CRS, working: pyproj.CRS) -> bool:
    zones = is_gauss_krueger(crs) and is_gauss_krueger(working)
    return (
        zones
        and datum_family(crs) == datum_family(working)
        and central_meridian(crs) == central_meridian(working)
    )


def _transform(wkb: pa.Array, where: Where, crs: pyproj.CRS, working: pyproj.CRS, strict: bool) -> pa.Array:
    """Move all vertices, some thousand rows at a time."""
    starts = range(0, len(wkb), _CHUNK)
    parts = in_threads(lambda s: _transform_rows(wkb, s, where, (crs, working), strict), starts)
    return pa.concat_arrays(parts) if parts else wkb


def _transform_rows(
    wkb: pa.Array, start: int, where: Where, between: tuple[pyproj.CRS, pyproj.CRS], strict: bool
) -> pa.Array:
    import shapely

    crs, working = between

    rows = wkb.slice(start, _CHUNK)
    geometries = parse_wkb(rows)
    old, index = shapely.get_coordinates(geometries, return_index=True)
    new = moved_points(crs, working, old)
    lost = np.isfinite(old).all(axis=1) & ~np.isfinite(new).all(axis=1)
    if strict and lost.any():
        at = int(np.flatnonzero(lost)[0])
        raise CrsError(
            "crs_transform_failed",
            Where(file=where.file, layer=where.layer, row=start + int(index[at]) + 1),
            found=f"x {old[at, 0]:.6g}, y {old[at, 1]:.6g}",
            own=crs_label(crs),
            working=crs_label(working),
        )
    raw: Any = shapely.to_wkb(shapely.set_coordinates(geometries, new), byte_order=1, output_dimension=2)
    refused = np.flatnonzero(np.asarray(rows.is_valid()) & shapely.is_missing(geometries))
    raw[refused] = [rows[row].as_py() for row in refused.tolist()]  # left for repair to judge
    return pa.array(raw, type=pa.large_binary(), from_pandas=True)
