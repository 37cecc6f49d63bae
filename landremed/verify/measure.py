"""What the rasters show of every parcel, before any verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from landremed.errors import InputError
from landremed.types import Finding
from landremed.verify.classmaps import GROUPS, Checks, ClassMap, choose_map, load_map
from landremed.verify.coverage import CoverageEngine
from landremed.verify.parcels import Parcels, on_raster, rings_around
from landremed.verify.rasters import Raster
from landremed.verify.spectra import INDICES, IndexTable, check_bands, index_table
from landremed.verify.verdict import Seen
from landremed.verify.zonal import ClassTable, FloatArray, class_table

__all__ = [
    "TIMES",
    "Cover",
    "ImageryMeasure",
    "LandCoverMeasure",
    "indices_of",
    "measure_imagery",
    "measure_land_cover",
]

TIMES: Final = ("before", "after")


@dataclass(frozen=True, slots=True)
class Cover:
    """Land cover of all parcels at one time.

    Attributes
    ----------
    table : ClassTable
        Cells by parcel and code, codes that mean "nothing known" left out.
    share : mapping of group to ndarray
        Share of the seen ground; NaN where nothing is seen.
    unmapped : ndarray
        Share of the seen ground under codes that the class map does not have.
    coverage, cells, whole_cells : ndarray
        Share of the parcel that is seen, and on how many cells.
    """

    table: ClassTable
    share: Mapping[str, FloatArray]
    unmapped: FloatArray
    coverage: FloatArray
    cells: FloatArray
    whole_cells: FloatArray

    def seen(self, group: str, row: int) -> Seen:
        """Return what is seen of one group in one parcel."""
        share = float(self.share[group][row])
        return Seen(share if np.isfinite(share) else 0.0, float(self.coverage[row]), float(self.cells[row]))


@dataclass(frozen=True, slots=True)
class LandCoverMeasure:
    """Land cover before and after."""

    rasters: Mapping[str, Raster]
    classes: ClassMap
    cover: Mapping[str, Cover]
    findings: Sequence[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ImageryMeasure:
    """Indices before and after, ``table[time][zone][index]``; zones are ``parcel`` and ``ring``."""

    rasters: Mapping[str, Raster]
    bands: Mapping[str, int]
    table: Mapping[str, Mapping[str, Mapping[str, IndexTable]]]

    def seen(self, time: str, index: str, row: int) -> Seen:
        """Return the share of ground above the index's threshold in one parcel."""
        found = self.table[time]["parcel"][index]
        share = float(found.above[row])
        return Seen(share if np.isfinite(share) else 0.0, float(found.coverage[row]), float(found.cells[row]))

    def shift(self, index: str, row: int) -> float | None:
        """Return how much the index changed around the parcel; None when that is not seen."""
        change = self.table["after"]["ring"][index].mean[row] - self.table["before"]["ring"][index].mean[row]
        return float(change) if np.isfinite(change) else None


def measure_land_cover(
    parcels: Parcels, rasters: Mapping[str, Raster], classes: str | None, engine: CoverageEngine
) -> LandCoverMeasure:
    """Count the cells of each class in every parcel, before and after.

    Parameters
    ----------
    parcels : Parcels
        In the working CRS.
    rasters : mapping
        ``before`` and ``after``, one band of class codes each.
    classes : str, optional
        Name or file of the class map; found out from the rasters by default.
    engine : callable
        How shares of cells are found.

    Raises
    ------
    InputError
        A raster that is no map of codes, that lies elsewhere, or whose product is not clear.
    """
    known = load_map(classes) if classes else None
    tables = {}
    for time in TIMES:
        raster = rasters[time]
        if raster.bands != 1 or raster.dtype.startswith("float"):
            raise InputError("raster_not_classes", raster.where, bands=raster.bands, dtype=raster.dtype)
        tables[time] = class_table(raster, on_raster(parcels, parcels.shapes, raster), engine)
        _require_meeting(parcels, raster, tables[time].all_weight, tables[time].cells)
    findings = []
    if known is None:
        codes = np.concatenate([table.code for table in tables.values()])
        known, ground = choose_map([rasters[time].tags for time in TIMES], codes.tolist())
        params = {"name": known.id, "title_zh": known.title["zh"], "title_en": known.title["en"]}
        findings.append(Finding(f"class_map_by_{ground}", file=rasters["before"].file, params=params))
    cover = {time: _cover(tables[time], known, len(parcels)) for time in TIMES}
    for time in TIMES:
        findings += _unmapped(parcels, rasters[time], cover[time], known)
    versions = [rasters[time].tags.get(known.version_tag, "") for time in TIMES]
    if versions[0] != versions[1] and all(versions):
        params = {"before": versions[0], "after": versions[1]}
        findings.append(Finding("product_versions_differ", file=rasters["after"].file, params=params))
    return LandCoverMeasure(rasters, known, cover, findings)


def measure_imagery(
    parcels: Parcels,
    rasters: Mapping[str, Raster],
    bands: Mapping[str, int],
    checks: Checks,
    ring_m: float,
    engine: CoverageEngine,
) -> ImageryMeasure:
    """Return the indices of every parcel and of a ring around it, before and after.

    Parameters
    ----------
    bands : mapping of role to int
        Bands of both images, counted from 1.
    ring_m : float
        Width of the ring in metres.
    """
    above = {check.index: checks.thresholds[check.above] for check in checks.items.values() if check.index}
    found: dict[str, dict[str, dict[str, IndexTable]]] = {}
    for raster in rasters.values():
        check_bands(bands, raster)
    coarser = max(rasters.values(), key=lambda raster: raster.cell_m)
    zones = {"parcel": parcels.shapes, "ring": rings_around(parcels, coarser, ring_m)}
    for time in TIMES:
        raster = rasters[time]
        found[time] = {
            zone: index_table(raster, on_raster(parcels, shapes, raster), engine, bands, above)
            for zone, shapes in zones.items()
        }
        some = next(iter(found[time]["parcel"].values()))
        there = np.array([shape is not None for shape in parcels.shapes], float)
        _require_meeting(parcels, raster, there, some.cells)
    return ImageryMeasure(rasters, bands, found)


def indices_of(measure: ImageryMeasure) -> list[str]:
    """Return the indices that the bands allow, in their fixed order."""
    return [name for name in INDICES if name in measure.table["before"]["parcel"]]


def _require_meeting(parcels: Parcels, raster: Raster, there: FloatArray, seen: FloatArray) -> None:
    """Refuse a raster that shows no parcel at all: more likely a wrong file or CRS than the truth."""
    if not there.any() or seen.any():
        return
    corners = np.array([[0, 0], [raster.columns, 0], [0, raster.rows], [raster.columns, raster.rows]], float)
    a, b, c, d, e, f = raster.transform
    x, y = corners @ [a, b] + c, corners @ [d, e] + f
    extent = f"{x.min():.6g} {y.min():.6g} {x.max():.6g} {y.max():.6g}"
    raise InputError("raster_elsewhere", raster.where, found=extent, crs=raster.crs.name)


def _cover(table: ClassTable, classes: ClassMap, count: int) -> Cover:
    kept = table.without(classes.nodata)
    on_cells, on_weight = kept.per_polygon(kept.cells), kept.per_polygon(kept.weight)
    seen = on_weight > 1e-9 * table.all_weight
    numbers = {group: i for i, group in enumerate(GROUPS)}
    group = np.array([numbers.get(classes.group.get(int(code), ""), -1) for code in kept.code], np.int64)

    def share(of: npt.NDArray[Any]) -> FloatArray:
        with np.errstate(invalid="ignore", divide="ignore"):
            part = np.bincount(kept.polygon[of], kept.weight[of], count) / on_weight
        return np.where(seen, np.minimum(part, 1.0), np.nan)

    with np.errstate(invalid="ignore", divide="ignore"):
        coverage = np.where(seen, np.minimum(on_weight / table.all_weight, 1.0), 0.0)
    return Cover(
        table=kept,
        share={name: share(group == i) for name, i in numbers.items()},
        unmapped=np.nan_to_num(share(group == -1)),
        coverage=coverage,
        cells=np.where(seen, on_cells, 0.0),
        whole_cells=kept.per_polygon(kept.whole),
    )


def _unmapped(parcels: Parcels, raster: Raster, cover: Cover, classes: ClassMap) -> list[Finding]:
    odd = sorted({int(code) for code in cover.table.code} - set(classes.group))
    findings = []
    for code in odd:
        rows = cover.table.polygon[cover.table.code == code]
        params = {"code": code, "count": len(rows), "name": classes.id}
        findings.append(
            Finding(
                "class_code_unmapped",
                parcel_id=parcels.ids[int(rows[0])],
                file=raster.file,
                value=str(code),
                params=params,
                point=parcels.place(int(rows[0])),
            )
        )
    return findings
