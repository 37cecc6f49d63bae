"""Local GeoTIFFs (also cloud-optimised ones) opened with care: nothing is read but the one named file.

Side files (``.aux.xml``, ``.tfw``, ``.ovr``, ``.msk``) are not looked at, so that what counts is what the
hash covers.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyproj

from landremed.crs_kinds import parse_crs
from landremed.errors import CrsError, InputError, Where
from landremed.io.drivers import resolve_input
from landremed.io.gdal import quiet
from landremed.types import PartialDate
from landremed.values import parse_date

__all__ = ["Raster", "cell_weights", "open_raster", "parse_day", "raster_open"]

_MAGIC: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BLOCK_BYTES: Final = 256_000_000
_CHUNK: Final = 1 << 22
_M_PER_DEGREE: Final = 111_320.0
_GDAL: Final = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    "GDAL_PAM_ENABLED": "NO",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "GDAL_HTTP_MAX_RETRY": 0,
    "GDAL_CACHEMAX": 256,
}
_SPAN_TAGS: Final = ("time_start", "time_end")
_DATE_TAGS: Final = (
    ("IMAGERY", "ACQUISITIONDATETIME"),
    (None, "ACQUISITION_DATE"),
    (None, "DATE_ACQUIRED"),
    (None, "time_end"),
    (None, "time_start"),
    (None, "TIFFTAG_DATETIME"),
)


@dataclass(frozen=True, slots=True)
class Raster:
    """What there is to know of a raster without its cells.

    Attributes
    ----------
    file : str
        Path as the user wrote it; ``path`` is the absolute one.
    crs : pyproj.CRS
        Coordinate system, axes in the order east, north.
    transform : tuple of float
        a, b, c, d, e, f with x = a·column + b·row + c and y = d·column + e·row + f.
    rows, columns, bands : int
        Size.
    dtype : str
        Type of the cells, numpy's name; ``nodata`` the value that means nothing is known, or None.
    scales, offsets : tuple of float
        Per band: reflectance = scale · cell + offset.
    day : PartialDate or None
        When it shows the ground, and ``day_source`` where that is said (``option``, ``tag:NAME`` or "").
    sha256 : str
        Of the file's bytes: what ``sha256sum`` prints.
    tags : mapping of str to str
        The file's own metadata.
    """

    file: str
    path: Path
    crs: pyproj.CRS
    transform: tuple[float, float, float, float, float, float]
    rows: int
    columns: int
    bands: int
    dtype: str
    nodata: float | None
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    day: PartialDate | None
    day_source: str
    sha256: str
    tags: Mapping[str, str]

    @property
    def where(self) -> Where:
        """Place for messages."""
        return Where(file=self.file)

    @property
    def cell_size(self) -> tuple[float, float]:
        """Width and height of a cell in units of the CRS."""
        a, b, _, d, e, _ = self.transform
        return math.hypot(a, d), math.hypot(b, e)

    @property
    def cell_m(self) -> float:
        """Longer side of a cell in metres, of degrees about."""
        return max(self.cell_size) * (1.0 if self.crs.is_projected else _M_PER_DEGREE)

    @property
    def turned(self) -> bool:
        """Whether rows and columns do not run along the axes."""
        return self.transform[1] != 0 or self.transform[3] != 0

    def to_cells(self, xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return columns and rows of places in the raster's CRS."""
        a, b, c, d, e, f = self.transform
        x, y = xy[:, 0] - c, xy[:, 1] - f
        size = a * e - b * d
        return np.column_stack([(e * x - b * y) / size, (a * y - d * x) / size])


def parse_day(text: str | None, option: str) -> PartialDate | None:
    """Return the date an option states: a day, a month or a year.

    Raises
    ------
    InputError
        Code ``raster_date_unreadable``.
    """
    if text is None:
        return None
    day = parse_date(text)
    if not isinstance(day, PartialDate):
        raise InputError("raster_date_unreadable", Where(field=option, value=text))
    return day


def open_raster(file: str, day: PartialDate | None = None, *, base: Path | None = None) -> Raster:
    """Check a raster and return what it says of itself.

    Parameters
    ----------
    file : str
        Local GeoTIFF.
    day : PartialDate, optional
        When it shows the ground; the file's own statement by default.
    base : Path, optional
        Folder that relative paths start from; the current one by default.

    Raises
    ------
    InputError
        The file is missing, no GeoTIFF, cut off, without a place on the ground, or stored in blocks that do
        not fit into memory.
    CrsError
        It has no coordinate system, or one that cannot be understood.
    """
    path = resolve_input(file, base)
    where = Where(file=file)
    if not path.is_file():
        raise InputError("file_is_folder", where)
    with path.open("rb") as stream:
        head = stream.read(4)
    if not head:
        raise InputError("file_empty", where)
    if head not in _MAGIC:
        raise InputError("raster_not_geotiff", where)
    with raster_open(path, where) as dataset:
        return _described(dataset, file, path, day, where)


@contextmanager
def raster_open(path: Path, where: Where) -> Iterator[Any]:
    """Open a GeoTIFF read-only; whatever goes wrong with it is one sentence.

    Raises
    ------
    InputError
        Code ``raster_unreadable``.
    """
    import rasterio
    from rasterio.errors import RasterioError

    with quiet(), rasterio.Env(**_GDAL):
        try:
            dataset = rasterio.open(path, driver="GTiff")
        except (RasterioError, OSError, ValueError) as error:
            raise _unreadable(where, error) from error
        try:
            yield dataset
        except RasterioError as error:
            raise _unreadable(where, error) from error
        finally:
            dataset.close()


def _unreadable(where: Where, error: Exception) -> InputError:
    reason = " ".join(str(error.__cause__ or error).split()).rstrip(".")
    return InputError("raster_unreadable", where, reason=reason)


def cell_weights(raster: Raster, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the relative ground area of cells by row.

    All alike in a projected system. In degrees it is the ellipsoid's zone between the row's two parallels,
    in units of the equator's radius squared and radians.

    Parameters
    ----------
    rows : ndarray
        Upper edge of each cell; whole numbers for cells of the grid.
    """
    if raster.crs.is_projected or raster.turned:
        return np.ones(len(rows))
    unit = float(raster.crs.axis_info[0].unit_conversion_factor)
    some, at = np.unique(rows, return_inverse=True)
    _, _, _, _, e, f = raster.transform
    zones = [_zone((f + e * (some + edge)) * unit, raster.crs) for edge in (0.0, 1.0)]
    return np.asarray(np.abs(zones[1] - zones[0])[at], np.float64)


def _zone(latitude: npt.NDArray[np.float64], crs: pyproj.CRS) -> npt.NDArray[np.float64]:
    """Return the ellipsoid's area from the equator to a parallel, per radian and squared radius."""
    inverse = crs.ellipsoid.inverse_flattening if crs.ellipsoid is not None else 0.0
    flattening = 1.0 / inverse if inverse else 0.0
    sine = np.sin(latitude)
    if not flattening:
        return np.asarray(sine, np.float64)
    square = flattening * (2.0 - flattening)
    root = math.sqrt(square)
    return np.asarray(
        (1.0 - square) / 2.0 * (sine / (1.0 - square * sine**2) + np.arctanh(root * sine) / root), np.float64
    )


def _described(dataset: Any, file: str, path: Path, day: PartialDate | None, where: Where) -> Raster:
    if dataset.crs is None:
        raise CrsError("raster_crs_missing", where)
    crs = parse_crs(dataset.crs.to_wkt(version="WKT2_2019"), where)
    if not (crs.is_projected or crs.is_geographic):
        raise CrsError("crs_kind", where, crs=crs.name)
    a, b, c, d, e, f = tuple(dataset.transform)[:6]
    if dataset.transform.is_identity or not all(map(math.isfinite, (a, b, c, d, e, f))) or a * e == b * d:
        raise InputError("raster_place_missing", where)
    kind = dataset.dtypes[0]
    if len(set(dataset.dtypes)) > 1 or np.dtype(kind).kind not in "uif":
        raise InputError("raster_cells_odd", where, found=", ".join(dict.fromkeys(dataset.dtypes)))
    height, width = dataset.block_shapes[0]
    if height * width * np.dtype(kind).itemsize > _BLOCK_BYTES:
        raise InputError("raster_block_large", where, rows=height, columns=width)
    found, source = (day, "option") if day is not None else _own_day(dataset)
    return Raster(
        file=file,
        path=path,
        crs=crs,
        transform=(a, b, c, d, e, f),
        rows=dataset.height,
        columns=dataset.width,
        bands=dataset.count,
        dtype=kind,
        nodata=None if dataset.nodata is None else float(dataset.nodata),
        scales=tuple(map(float, dataset.scales)),
        offsets=tuple(map(float, dataset.offsets)),
        day=found,
        day_source=source,
        sha256=_sha256(path),
        tags={str(k): str(v) for k, v in dataset.tags().items()},
    )


def _own_day(dataset: Any) -> tuple[PartialDate | None, str]:
    tags = dataset.tags()
    span = [parse_date(_iso(tags[tag])) for tag in _SPAN_TAGS if tag in tags]
    if len(span) == 2 and isinstance(span[0], PartialDate) and isinstance(span[1], PartialDate):
        first, last = span[0].first, span[1].last
        year = parse_date(f"{first.year}")
        if isinstance(year, PartialDate) and (first, last) == (year.first, year.last):
            return year, "tag:" + ",".join(_SPAN_TAGS)
    for namespace, tag in _DATE_TAGS:
        text = (dataset.tags(ns=namespace) if namespace else tags).get(tag)
        day = parse_date(_iso(text)) if text else None
        if isinstance(day, PartialDate):
            return day, f"tag:{tag}"
    return None, ""


def _iso(text: str) -> str:
    """Return TIFF's ``2021:06:30 10:00:00`` and ISO timestamps as their date."""
    date = text.strip().split("T")[0].split(" ")[0]
    return date.replace(":", "-")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
