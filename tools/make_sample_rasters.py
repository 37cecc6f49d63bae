"""Write the sample rasters of ``data/samples``: ``python tools/make_sample_rasters.py``.

Land cover before and after (classes of ESA WorldCover, degrees) for the whole district but its north, and a
small window of imagery (five bands, UTM) before and after. Everything is drawn from the vector samples by a
seeded generator; what was restored is decided here, so that the verdicts can be checked. Run it after
``make_samples.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from affine import Affine
from rasterio.features import rasterize
from sample_geography import ORIGIN, rng_for

SAMPLES = Path(__file__).resolve().parents[1] / "data" / "samples"
WORKING = "EPSG:4548"
NODATA = 0
TREE, GRASS, CROP, BUILT, BARE, WATER, MARSH = 10, 30, 40, 50, 60, 80, 90
LAND_USE = {
    "01": CROP,
    "03": TREE,
    "0402": MARSH,
    "0404": GRASS,
    "05": BUILT,
    "06": BUILT,
    "07": BUILT,
    "08": BUILT,
    "0810": GRASS,
    "10": BUILT,
    "1101": WATER,
    "1104": WATER,
    "1105": BARE,
    "1106": MARSH,
    "1202": BUILT,
    "1204": BARE,
}
NAMED = {
    "BH-LAKE-004": "restored",  # the parcel of the tour
    "BH-LAKE-009": "unchanged",
    "BH-PARK-003": "half",
    "BH-PARK-014": "cleared",  # filled, but nothing grows there
    "BH-OCC-003": "restored",
    "BH-OCC-004": "unchanged",
    "BH-OCC-009": "half",
    "BH-FALLOW-002": "restored",
    "BH-FALLOW-003": "unchanged",
}
CHANCES = {"restored": 0.4, "unchanged": 0.35, "cleared": 0.13, "half": 0.12}
CLASSES = {"挖田造湖": WATER, "违法违规占地": BUILT, "耕地撂荒": GRASS}
CLOUD = (9.32, 4.52, 350.0)  # kilometres from the origin, radius in metres: BH-RES-004 lies under it

STEP = 1 / 12_000  # WorldCover's grid, degrees
NORTH_KM = 14.5  # the district goes on to 15: parcels there are off the raster
IMAGE_KM = (0.6, 8.2)  # south-west corner of the imagery
IMAGE_CELLS, IMAGE_M = 256, 10.0
BANDS = ("blue", "green", "red", "nir", "swir")
REFLECTANCE = {
    WATER: (620, 740, 520, 310, 170),
    CROP: (520, 840, 620, 3600, 1850),
    BUILT: (1350, 1550, 1750, 2100, 2650),
    BARE: (1250, 1550, 1950, 2500, 3250),
    GRASS: (620, 930, 820, 2700, 2150),
    TREE: (320, 520, 360, 3000, 1350),
    MARSH: (540, 760, 600, 1700, 900),
}


def main() -> None:
    """Write the four rasters."""
    use = gpd.read_file(SAMPLES / "base.gpkg", layer="dltb").to_crs(WORKING)
    parcels = gpd.read_file(SAMPLES / "parcels.gpkg", layer="parcels").to_crs(WORKING)
    sound = [shape is not None and not shape.is_empty and shape.is_valid for shape in parcels.geometry]
    parcels = parcels[sound]
    ground = {"before": scene(use, parcels, "before"), "after": scene(use, parcels, "after")}
    for time, year in (("before", 2021), ("after", 2023)):
        write_land_cover(SAMPLES / f"landcover_{time}.tif", ground[time], year, cloudy=time == "after")
    write_image(SAMPLES / "imagery_before.tif", ground["before"], "2021:06:18 10:50:31", 1.0)
    write_image(SAMPLES / "imagery_after.tif", ground["after"], "2023:06:13 10:50:35", 1.03)


def scene(use: gpd.GeoDataFrame, parcels: gpd.GeoDataFrame, time: str) -> gpd.GeoDataFrame:
    """Return the ground as polygons with a class each; later ones lie on top."""
    codes = [LAND_USE.get(code, LAND_USE.get(code[:2], BARE)) for code in use["DLBM"]]
    shapes, classes = list(use.geometry), codes
    rng = rng_for("restored")
    order = np.argsort(parcels["TBBH"].to_numpy())
    for row in parcels.iloc[order].itertuples():
        state = str(rng.choice(list(CHANCES), p=list(CHANCES.values())))
        state = NAMED.get(row.TBBH, state)
        was = CLASSES.get(row.WTLX)
        if was is None:
            continue
        for shape, code in parcel_cover(row.geometry, was, "unchanged" if time == "before" else state):
            shapes.append(shape)
            classes.append(code)
    return gpd.GeoDataFrame({"code": classes}, geometry=shapes, crs=WORKING)


def parcel_cover(shape: Any, was: int, state: str) -> list[tuple[Any, int]]:
    """Return what lies on a parcel: a lake with trees on its bank, buildings on bare ground, weeds."""
    core = shape.buffer(-0.08 * shape.area**0.5)
    rim = {WATER: TREE, BUILT: BUILT, GRASS: GRASS}[was]
    if state == "restored":
        return [(shape, CROP)]
    if state == "cleared":
        return [(shape, BARE if was != GRASS else GRASS)]
    cover = [(shape, rim), (core, was)]
    if state == "half":
        x0, y0, x1, y1 = shape.bounds
        west = shapely.intersection(shape, shapely.box(x0, y0, (x0 + x1) / 2, y1))
        cover.append((west, CROP))
    return [(s, c) for s, c in cover if not s.is_empty]


def classes_on(ground: gpd.GeoDataFrame, crs: str, transform: Affine, size: tuple[int, int]) -> np.ndarray:
    """Return the classes on a grid; the sea fills what no polygon covers."""
    moved = ground.to_crs(crs)
    return rasterize(
        zip(moved.geometry, moved["code"], strict=True),
        out_shape=size,
        transform=transform,
        fill=WATER,
        dtype="uint8",
    )


def blurred(grid: np.ndarray, cells: float) -> np.ndarray:
    """Return a grid smoothed by a bell of that width, its edges repeated outwards."""
    reach = int(np.ceil(3 * cells))
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / cells) ** 2)
    bell /= bell.sum()
    for axis in (0, 1):
        wide = np.pad(grid, [(reach, reach) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        parts = [weight * np.roll(wide, -i, axis) for i, weight in enumerate(bell)]
        grid = sum(parts).take(range(grid.shape[axis]), axis)
    return grid


def write_land_cover(path: Path, ground: gpd.GeoDataFrame, year: int, *, cloudy: bool) -> None:
    """Write class codes with some clumps of misclassified cells, as a classifier leaves them."""
    corners = gpd.GeoSeries(
        shapely.points(
            [(ORIGIN[0] - 200, ORIGIN[1] - 200), (ORIGIN[0] + 18500, ORIGIN[1] + NORTH_KM * 1000)]
        ),
        crs=WORKING,
    ).to_crs(4326)
    west, south = (np.floor(v / STEP) * STEP for v in (corners.x.min(), corners.y.min()))
    columns = int(np.ceil((corners.x.max() - west) / STEP))
    rows = int(np.ceil((corners.y.max() - south) / STEP))
    transform = Affine(STEP, 0, west, 0, -STEP, south + rows * STEP)
    grid = classes_on(ground, "EPSG:4326", transform, (rows, columns))
    noise = blurred(rng_for(path.name).standard_normal(grid.shape), 2.5)
    odd = noise > np.quantile(noise, 0.985)
    grid[odd & (grid == CROP)] = GRASS
    grid[odd & (grid == BUILT)] = BARE
    if cloudy:
        x, y, radius = CLOUD
        cloud = shapely.Point(ORIGIN[0] + x * 1000, ORIGIN[1] + y * 1000).buffer(radius)
        cloud = gpd.GeoSeries([cloud], crs=WORKING).to_crs(4326)
        hidden = rasterize(cloud, out_shape=grid.shape, transform=transform, fill=0, default_value=1)
        grid[hidden == 1] = NODATA
    options = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "zlevel": 9}
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "nodata": NODATA, "crs": "EPSG:4326"}
    with rasterio.open(
        path, "w", width=columns, height=rows, transform=transform, **profile, **options
    ) as out:
        out.write(grid, 1)
        out.update_tags(
            description="Made-up land cover in the classes of ESA WorldCover; nothing in it is real",
            time_start=f"{year}-01-01T00:00:00Z",
            time_end=f"{year}-12-31T23:59:59Z",
        )


def write_image(path: Path, ground: gpd.GeoDataFrame, taken: str, gain: float) -> None:
    """Write reflectance (x 10000) of five bands with the grain of fields and of the sensor."""
    corner = gpd.GeoSeries(
        [shapely.Point(ORIGIN[0] + IMAGE_KM[0] * 1000, ORIGIN[1] + IMAGE_KM[1] * 1000)], crs=WORKING
    ).to_crs(32650)
    west, south = (round(v / IMAGE_M) * IMAGE_M for v in (corner.x[0], corner.y[0]))
    transform = Affine(IMAGE_M, 0, west, 0, -IMAGE_M, south + IMAGE_CELLS * IMAGE_M)
    size = (IMAGE_CELLS, IMAGE_CELLS)
    codes = classes_on(ground, "EPSG:32650", transform, size)
    rng = rng_for(path.name)
    texture = blurred(rng.standard_normal(size), 3) * 0.25
    bands = []
    for number in range(len(BANDS)):
        light = np.zeros(size)
        for code, values in REFLECTANCE.items():
            light[codes == code] = values[number]
        light = blurred(light, 0.5) * gain * (1 + texture) * (1 + 0.02 * rng.standard_normal(size))
        bands.append((np.round(np.clip(light, 1, 10_000) / 10) * 10).astype("uint16"))
    profile = {"driver": "GTiff", "dtype": "uint16", "count": len(BANDS), "nodata": 0, "crs": "EPSG:32650"}
    options = {"compress": "deflate", "zlevel": 9, "predictor": 2, "interleave": "band"}
    with rasterio.open(
        path, "w", width=size[1], height=size[0], transform=transform, **profile, **options
    ) as out:
        out.write(np.stack(bands))
        out.update_tags(
            TIFFTAG_DATETIME=taken, TIFFTAG_IMAGEDESCRIPTION="Made-up imagery; nothing in it is real"
        )
        out.descriptions = BANDS


if __name__ == "__main__":
    main()
