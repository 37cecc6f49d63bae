"""Before/after pictures of parcels: outline, scale bar and date, for dossiers and the field.

Both halves show the same ground, north up, in the working CRS; images with the same stretch, land cover in
the colours of its groups.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from landremed.errors import InputError, OutputError, Where
from landremed.verify.claims import labels, word
from landremed.verify.measure import TIMES, ImageryMeasure, LandCoverMeasure
from landremed.verify.parcels import Parcels
from landremed.verify.rasters import Raster, raster_open

__all__ = ["chip_name", "scale_length", "write_chips"]

Picture: TypeAlias = npt.NDArray[np.uint8]

_SIDE: Final = 360
_BAND: Final = 26
_GAP: Final = 6
_MARGIN: Final = 0.35
_LEAST_CELLS: Final = 24
_LEAST_M: Final = 60.0
_NO_DATA: Final = (225, 225, 225)
_SOURCE_CELLS: Final = 4_000_000
_NAME_LENGTH: Final = 80
_FONTS: Final = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "msyh.ttc",
    "simhei.ttf",
    "PingFang.ttc",
)


def write_chips(
    folder: Path,
    parcels: Parcels,
    rows: Sequence[int],
    measured: Sequence[ImageryMeasure | LandCoverMeasure],
    *,
    overwrite: bool,
) -> list[Path]:
    """Write one PNG per parcel.

    Parameters
    ----------
    folder : Path
        Made when it does not exist.
    parcels : Parcels
        Rows without a polygon get no picture.
    rows : sequence of int
        Which parcels.
    measured : sequence of ImageryMeasure or LandCoverMeasure
        Rasters to draw: the first that shows the parcel; images in true colour where blue, green and red
        are known.
    overwrite : bool
        Replace pictures of the same names.

    Raises
    ------
    InputError
        Pillow is not installed.
    OutputError
        A picture exists already, or the folder cannot be written.
    """
    try:
        import PIL.Image  # noqa: F401  the extra is asked for before any work is done
    except ImportError as error:
        raise InputError("chips_no_pillow", Where(field="--chips")) from error
    names = _names(parcels.ids)
    wanted = [(row, folder / names[row]) for row in rows if parcels.shapes[row] is not None]
    if not overwrite:
        for _, path in wanted:
            if path.exists():
                raise OutputError("chips_exist", Where(file=str(path)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for row, path in wanted:
            _save(_chip(parcels, row, measured), path)
    except OSError as error:
        raise OutputError(
            "chips_folder_bad", Where(file=str(folder)), reason=error.strerror or str(error)
        ) from error
    return [path for _, path in wanted]


def chip_name(parcel_id: str) -> str:
    """Return a file name that every system takes.

    Examples
    --------
    >>> chip_name("BH/OCC:4"), chip_name("示范-1"), chip_name("../x")
    ('BH_OCC_4.png', '示范-1.png', '_x.png')
    """
    plain = re.sub(r"[^\w.#-]+", "_", parcel_id).strip(".")[:_NAME_LENGTH]
    return f"{plain.lstrip('.') or '_'}.png"


def scale_length(width_m: float) -> float:
    """Return the length of a scale bar: 1, 2 or 5 times a power of ten, about a quarter of the width.

    Examples
    --------
    >>> scale_length(900), scale_length(410), scale_length(7.5)
    (200.0, 100.0, 2.0)
    """
    ten = 10.0 ** math.floor(math.log10(width_m / 3.5))
    return max(ten * step for step in (1, 2, 5) if ten * step <= width_m / 3.5)


def _names(ids: Sequence[str]) -> list[str]:
    """Return one name per parcel; ids that look alike on a disk get a number."""
    taken: dict[str, int] = {}
    names = []
    for parcel_id in ids:
        name = chip_name(parcel_id)
        seen = taken[name.lower()] = taken.get(name.lower(), 0) + 1
        names.append(name if seen == 1 else f"{name[:-4]}~{seen}.png")
    return names


def _chip(parcels: Parcels, row: int, candidates: Sequence[ImageryMeasure | LandCoverMeasure]) -> Any:
    from PIL import Image, ImageDraw

    shape = parcels.shapes[row]
    for measured in candidates:
        box = _frame(shape, measured.rasters["after"])
        halves = _drawn(parcels, box, measured)
        if any((half != _NO_DATA).any() for half in halves.values()):
            break
    picture = Image.new("RGB", (2 * _SIDE + _GAP, _SIDE + 2 * _BAND), (255, 255, 255))
    draw = ImageDraw.Draw(picture)
    for nth, time in enumerate(TIMES):
        left = nth * (_SIDE + _GAP)
        picture.paste(Image.fromarray(halves[time]), (left, _BAND))
        _outline(draw, shape, box, left)
        raster = measured.rasters[time]
        day = str(raster.day) if raster.day else word("chip", "no_date", language=_spoken(parcels))
        text = f"{word('chip', time, language=_spoken(parcels))}  {day}"
        draw.text((left + 6, 4), text, fill=(0, 0, 0), font=_font(15))
    foot = _SIDE + _BAND
    _scale_bar(draw, box[2] - box[0], foot)
    text = "  ".join(part for part in (_sayable(parcels.ids[row]), _sayable(_secrecy(parcels))) if part)
    draw.text((_SIDE + _GAP + 6, foot + 4), text, fill=(0, 0, 0), font=_font(15))
    if isinstance(measured, LandCoverMeasure):
        _legend(draw, halves, parcels, foot)
    return picture


def _frame(shape: Any, raster: Raster) -> tuple[float, float, float, float]:
    """Return the square of ground around a parcel, in metres of the working CRS."""
    x0, y0, x1, y1 = shape.bounds
    side = max((1 + 2 * _MARGIN) * max(x1 - x0, y1 - y0), _LEAST_CELLS * min(raster.cell_m, 30.0), _LEAST_M)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return x - side / 2, y - side / 2, x + side / 2, y + side / 2


def _drawn(
    parcels: Parcels, box: tuple[float, float, float, float], measured: ImageryMeasure | LandCoverMeasure
) -> dict[str, Picture]:
    if isinstance(measured, LandCoverMeasure):
        colors = np.full((1 << 16, 3), 255, np.uint8)
        for code, group in measured.classes.group.items():
            colors[code & 0xFFFF] = _rgb(labels()["groups"][group]["color"])
        pictures = {}
        for time in TIMES:
            grid, seen = _warped(parcels, box, measured.rasters[time], [1], smooth=False)
            picture = colors[grid[0].astype(np.int64) & 0xFFFF]
            picture[~seen | np.isin(grid[0], list(measured.classes.nodata))] = _NO_DATA
            pictures[time] = picture
        return pictures
    roles = ("red", "green", "blue")
    if not set(roles) <= set(measured.bands):
        known = list(measured.bands.values())
        bands = [measured.bands.get(role, known[0]) for role in ("nir", "red", "green")]
    else:
        bands = [measured.bands[role] for role in roles]
    grids = {time: _warped(parcels, box, measured.rasters[time], bands, smooth=True) for time in TIMES}
    return _stretched(grids)


def _warped(
    parcels: Parcels,
    box: tuple[float, float, float, float],
    raster: Raster,
    bands: Sequence[int],
    *,
    smooth: bool,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return the ground of a frame, north up in the working CRS, and where the raster shows it."""
    from rasterio.transform import from_bounds
    from rasterio.warp import Resampling, reproject, transform_bounds

    target = from_bounds(*box, _SIDE, _SIDE)
    crs = parcels.crs.to_wkt(version="WKT1_GDAL")
    values = np.zeros((len(bands), _SIDE, _SIDE))
    shown = np.zeros((_SIDE, _SIDE), np.uint8)
    with raster_open(raster.path, raster.where) as dataset:
        bounds = transform_bounds(crs, dataset.crs, *box, densify_pts=5)
        corners = raster.to_cells(np.array([(bounds[i], bounds[j]) for i in (0, 2) for j in (1, 3)]))
        left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 3, 0)
        right, bottom = np.ceil(corners.max(axis=0)).astype(int) + 3
        right, bottom = min(right, raster.columns), min(bottom, raster.rows)
        if right <= left or bottom <= top:
            return values, shown.astype(bool)
        window = ((top, bottom), (left, right))
        step = max(1, math.ceil(math.sqrt((right - left) * (bottom - top) / _SOURCE_CELLS)))
        size = (math.ceil((bottom - top) / step), math.ceil((right - left) / step))
        grid = dataset.read(list(bands), window=window, out_shape=(len(bands), *size)).astype(np.float64)
        mask = dataset.read_masks(bands[0], window=window, out_shape=size)
        origin = _window_place(raster, (top, left), (right - left) / size[1], (bottom - top) / size[0])
        how = Resampling.bilinear if smooth else Resampling.nearest
        mask = (mask != 0).astype(np.uint8)
        places = {
            "src_transform": origin,
            "src_crs": dataset.crs,
            "dst_transform": target,
            "dst_crs": crs,
        }
        reproject(grid, values, resampling=how, **places)
        reproject(mask, shown, resampling=Resampling.nearest, **places)
    return values, shown.astype(bool)


def _window_place(raster: Raster, corner: tuple[int, int], across: float, down: float) -> Any:
    """Return the place of a window whose cells are so many times those of the raster."""
    from rasterio import Affine

    a, b, c, d, e, f = raster.transform
    top, left = corner
    return Affine(a * across, b * down, a * left + b * top + c, d * across, e * down, d * left + e * top + f)


def _stretched(
    grids: Mapping[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]],
) -> dict[str, Picture]:
    """Return images with one stretch for both, so that a change of colour is one of the ground."""
    seen = [values[:, shown] for values, shown in grids.values() if shown.any()]
    pictures = {}
    for time, (values, shown) in grids.items():
        picture = np.full((_SIDE, _SIDE, 3), _NO_DATA, np.uint8)
        if seen:
            low, high = np.percentile(np.concatenate(seen, axis=1), (1, 99), axis=1)
            spread = np.maximum(high - low, 1e-9)
            light = (values - low[:, None, None]) / spread[:, None, None]
            rgb = np.moveaxis(np.clip(light, 0, 1) ** 0.8 * 255, 0, -1).astype(np.uint8)
            picture[shown] = rgb[shown]
        pictures[time] = picture
    return pictures


def _outline(draw: Any, shape: Any, box: tuple[float, float, float, float], left: int) -> None:
    scale = _SIDE / (box[2] - box[0])
    for ring in shapely.get_rings(shapely.get_parts(shape)):
        xy = shapely.get_coordinates(ring)
        line = [(left + (x - box[0]) * scale, _BAND + (box[3] - y) * scale) for x, y in xy]
        draw.line(line, fill=(255, 255, 255), width=6, joint="curve")
        draw.line(line, fill=(214, 0, 110), width=3, joint="curve")


def _scale_bar(draw: Any, width_m: float, foot: int) -> None:
    length = scale_length(width_m)
    pixels = round(length * _SIDE / width_m)
    y = foot + _BAND // 2
    draw.rectangle((8, y - 2, 8 + pixels // 2, y + 2), fill=(0, 0, 0))
    draw.rectangle((8, y - 2, 8 + pixels, y + 2), outline=(0, 0, 0))
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    draw.text((16 + pixels, foot + 4), text, fill=(0, 0, 0), font=_font(15))


def _legend(draw: Any, halves: Mapping[str, Picture], parcels: Parcels, foot: int) -> None:
    """Name the groups that occur, in the left lower corner of the left half."""
    language = _spoken(parcels)
    cells = np.concatenate([half.reshape(-1, 3) for half in halves.values()]).astype(np.uint32)
    there = set(np.unique(cells @ np.array([65536, 256, 1], np.uint32)).tolist())
    found = [(entry[language], entry["color"]) for entry in labels()["groups"].values()]
    found = [(text, _rgb(color)) for text, color in found if int(color[1:], 16) in there]
    y = foot - 6 - 18 * len(found)
    width = max((draw.textlength(text, font=_font(13)) for text, _ in found), default=0)
    draw.rectangle((4, y - 4, 30 + width, foot - 4), fill=(255, 255, 255))
    for nth, (text, color) in enumerate(found):
        draw.rectangle((8, y + 18 * nth + 2, 20, y + 18 * nth + 14), fill=color, outline=(60, 60, 60))
        draw.text((25, y + 18 * nth), text, fill=(0, 0, 0), font=_font(13))


def _save(picture: Any, path: Path) -> None:
    temp = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        picture.save(temp, format="PNG", optimize=False)
        temp.replace(path)
    finally:
        temp.unlink(missing_ok=True)


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _secrecy(parcels: Parcels) -> str:
    return parcels.provenance.get("secrecy", "")


def _spoken(parcels: Parcels) -> str:
    """Return the language that the font at hand can write."""
    return parcels.language if _chinese_font() else "en"


def _sayable(text: str) -> str:
    return text if _chinese_font() else text.encode("ascii", "replace").decode()


@cache
def _chinese_font() -> str:
    """Return the first installed font with Chinese characters, "" where there is none."""
    from PIL import ImageFont

    for name in _FONTS:
        try:
            ImageFont.truetype(name, 12)
        except OSError:
            continue
        return name
    return ""


@cache
def _font(size: int) -> Any:
    from PIL import ImageFont

    name = _chinese_font()
    return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
