"""Verification end to end on planted ground: exact fractions, unknowns, refusals, output."""

import hashlib
import json
import sqlite3
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyproj
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin
from shapely import Polygon, box

from landremed.errors import LandremedError
from landremed.io.gpkg import OutLayer, read_layer, write_geopackage
from landremed.verify import Imagery, LandCover, Options, verify_restoration, zonal
from landremed.verify.coverage import covered_cells
from landremed.verify.rasters import cell_weights, open_raster
from landremed.verify.zonal import class_table, in_cells

WEST, NORTH, CELL = 500_000.0, 4_300_000.0, 10.0
ROWS, COLUMNS = 60, 80
CRS = "EPSG:4548"
CATEGORY = {"demolish": "illegal_occupation", "fill_and_recultivate": "lake", "replant": "abandoned_farmland"}


def write_raster(path, grid, *, crs=CRS, transform=None, nodata=0, tags=None, **options):
    grid = np.atleast_3d(np.asarray(grid))
    grid = grid.transpose(2, 0, 1) if grid.shape[2] == 1 else grid
    place = transform or from_origin(WEST, NORTH, CELL, CELL)
    profile = {"driver": "GTiff", "count": grid.shape[0], "dtype": grid.dtype, "crs": crs, "nodata": nodata}
    with rasterio.open(
        path, "w", height=grid.shape[1], width=grid.shape[2], transform=place, **profile, **options
    ) as out:
        out.write(grid)
        out.update_tags(**(tags or {}))
    return path


def write_result(path, shapes, measures, *, cultivated=None, area=None, crs=CRS):
    count = len(shapes)
    area = area or [None if s is None else s.area for s in shapes]
    table = pa.table(
        {
            "parcel_id": [f"P{i}" for i in range(count)],
            "category": [CATEGORY[m] for m in measures],
            "outcome": ["demolish_restore"] * count,
            "measure": list(measures),
            "clause": pa.nulls(count, pa.string()),
            "area_m2": pa.array(area, pa.float64()),
            "cultivated_area_m2": pa.array(cultivated or [0.0] * count, pa.float64()),
        }
    )
    wkb = pa.array(shapely.to_wkb(np.array(shapes, dtype=object)), pa.large_binary())
    kept = pa.table({"key": ["rules", "language", "crs"], "value": ["binhai-2022", "en", crs]})
    layers = [OutLayer("decisions", table, wkb), OutLayer("provenance", kept)]
    write_geopackage(path, layers, crs_wkt=crs, overwrite=True)
    return str(path)


def cover(tmp_path, before, after, day="2020"):
    a, b = write_raster(tmp_path / "a.tif", before), write_raster(tmp_path / "b.tif", after)
    return LandCover(a, b, "clcd", day, "2022")


def cell_box(row, column, rows=1, columns=1):
    x, y = WEST + column * CELL, NORTH - row * CELL
    return box(x, y - rows * CELL, x + columns * CELL, y)


@pytest.fixture
def ground():
    """Classes of CLCD in vertical stripes of five columns."""
    stripes = np.array([1, 5, 8, 2, 7])[(np.arange(COLUMNS) // 5) % 5]
    return np.tile(stripes, (ROWS, 1)).astype("uint8")


def irregular(seed, count=40):
    rng = np.random.default_rng(seed)
    shapes = []
    for _ in range(count):
        centre = rng.uniform([WEST + 60, NORTH - 540], [WEST + 740, NORTH - 60])
        turn = np.sort(rng.uniform(0, 2 * np.pi, 17))
        reach = rng.uniform(0.6, 1, 17) * rng.uniform(8, 55)
        shapes.append(
            Polygon(centre + np.column_stack([reach * np.cos(turn), reach * np.sin(turn)])).buffer(0)
        )
    return [s for s in shapes if isinstance(s, Polygon)]


def exact_shares(shape, grid):
    """Share of each code by the intersection with every cell's square, in GEOS."""
    rows, columns = np.indices(grid.shape)
    squares = shapely.box(
        WEST + columns * CELL, NORTH - (rows + 1) * CELL, WEST + (columns + 1) * CELL, NORTH - rows * CELL
    )
    area = shapely.area(shapely.intersection(shape, squares))
    return {int(code): area[grid == code].sum() / shape.area for code in np.unique(grid)}


def test_fractions_are_exact(tmp_path, ground):
    shapes = irregular(3)
    after = np.roll(ground, 3, axis=1)
    result = write_result(tmp_path / "r.gpkg", shapes, ["replant"] * len(shapes))
    found = verify_restoration(
        result,
        land_cover=LandCover(
            write_raster(tmp_path / "a.tif", ground),
            write_raster(tmp_path / "b.tif", after),
            "clcd",
            "2020",
            "2022",
        ),
    )
    rows = {(r["parcel_id"], r["time"], r["code"]): r for r in found.tables["land_cover"].to_pylist()}
    for i, shape in enumerate(shapes):
        for time, grid in (("before", ground), ("after", after)):
            for code, share in exact_shares(shape, grid).items():
                row = rows.get((f"P{i}", time, code), {"share": 0.0, "cells": 0.0, "area_m2": 0.0})
                assert row["share"] == pytest.approx(share, abs=1e-9)
                assert row["cells"] == pytest.approx(share * shape.area / 100, abs=1e-6)
                assert row["area_m2"] == pytest.approx(share * shape.area, abs=0.006)
    verification = found.tables["verification"].to_pylist()
    for i, shape in enumerate(shapes):
        assert verification[i]["before_cells"] == pytest.approx(shape.area / 100, abs=1e-6)
        assert verification[i]["after_coverage"] == 1.0
        assert verification[i]["cultivated_change_share"] == pytest.approx(
            exact_shares(shape, after)[1] - exact_shares(shape, ground)[1], abs=1e-9
        )


def test_windows_and_strips_change_nothing(tmp_path, ground, monkeypatch):
    raster = open_raster(str(write_raster(tmp_path / "a.tif", ground)))
    shapes = np.array([*irregular(4), box(WEST + 5, NORTH - 595, WEST + 795, NORTH - 5)], dtype=object)
    whole = class_table(raster, in_cells(shapes, raster), covered_cells)
    for name, size in (("_TILE", 8), ("_BATCH_CELLS", 150), ("_WINDOW_CELLS", 400)):
        monkeypatch.setattr(zonal, name, size)
    parts = class_table(raster, in_cells(shapes, raster), covered_cells)
    assert np.array_equal(whole.polygon, parts.polygon)
    assert np.array_equal(whole.code, parts.code)
    assert np.abs(whole.cells - parts.cells).max() < 1e-9
    assert np.array_equal(whole.whole, parts.whole)


def test_storage_of_the_raster_changes_nothing(tmp_path, ground):
    shapes = np.array(irregular(6), dtype=object)
    tables = []
    options = [
        {},
        {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"},
        {"BIGTIFF": "YES"},
        {"ENDIANNESS": "BIG"},
    ]
    for i, option in enumerate(options):
        raster = open_raster(str(write_raster(tmp_path / f"{i}.tif", ground, **option)))
        tables.append(class_table(raster, in_cells(shapes, raster), covered_cells))
    south_up = rasterio.Affine(CELL, 0, WEST, 0, CELL, NORTH - ROWS * CELL)
    raster = open_raster(str(write_raster(tmp_path / "up.tif", ground[::-1], transform=south_up)))
    tables.append(class_table(raster, in_cells(shapes, raster), covered_cells))
    for table in tables[1:]:
        assert np.array_equal(tables[0].code, table.code)
        assert np.abs(tables[0].weight - table.weight).max() < 1e-9


def test_a_raster_larger_than_memory_is_read_in_windows(tmp_path):
    """Forty thousand million cells, all but a few left out of the file."""
    path = tmp_path / "huge.tif"
    size = 200_000
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "crs": CRS, "nodata": 0, "tiled": True}
    place = from_origin(WEST - 1_000_000.0, NORTH + 1_000_000.0, CELL, CELL)
    with rasterio.open(
        path, "w", width=size, height=size, transform=place, SPARSE_OK=True, BIGTIFF="YES", **profile
    ) as out:
        out.write(np.full((1, 40, 40), 5, "uint8"), window=((100_000, 100_040), (100_000, 100_040)))
    raster = open_raster(str(path))
    far = box(WEST + 900_000, NORTH - 900_000, WEST + 900_100, NORTH - 899_900)
    shapes = in_cells(np.array([cell_box(2, 3, 4, 5), far, cell_box(39, 39, 2, 2)], dtype=object), raster)
    table = class_table(raster, shapes, covered_cells)
    assert table.polygon.tolist() == [0, 2]
    assert table.cells == pytest.approx([20.0, 1.0])


def verdicts(found):
    return {
        (r["parcel_id"], r["item"], r["method"]): (r["verdict"], r["reason"])
        for r in found.tables["acceptance"].to_pylist()
    }


def planted(tmp_path, **more):
    """Six by six cells each: filled, unchanged, tiny, off the raster, half off, under no data; none."""
    before = np.full((ROWS, COLUMNS), 5, "uint8")
    after = before.copy()
    after[0:6, 0:6] = 1
    after[20:26, 40:46] = 0
    shapes = [
        cell_box(0, 0, 6, 6),
        cell_box(10, 10, 6, 6),
        cell_box(30, 30, 1, 3),
        cell_box(0, 200, 6, 6),
        cell_box(20, 77, 6, 6),
        cell_box(20, 40, 6, 6),
        None,
    ]
    result = write_result(tmp_path / "r.gpkg", shapes, ["fill_and_recultivate"] * len(shapes))
    pair = LandCover(
        write_raster(tmp_path / "a.tif", before),
        write_raster(tmp_path / "b.tif", after),
        "clcd",
        "2020",
        "2022",
    )
    return verify_restoration(result, land_cover=pair, **more), pair


def test_verdicts_on_planted_ground(tmp_path):
    found, _ = planted(tmp_path)
    told = verdicts(found)
    lake = {f"P{i}": told[f"P{i}", "lake_filled", "land_cover"] for i in range(7)}
    assert lake == {
        "P0": ("supported", "gone"),
        "P1": ("contradicted", "still_there"),
        "P2": ("cannot_tell", "too_small"),
        "P3": ("cannot_tell", "off_raster"),
        "P4": ("cannot_tell", "partly_off_raster"),
        "P5": ("cannot_tell", "off_raster"),
        "P6": ("cannot_tell", "off_raster"),
    }
    assert told["P0", "fit_for_cultivation", "land_cover"] == ("supported", "reached")
    rows = found.tables["verification"].to_pylist()
    assert [r["verdict"] for r in rows] == ["supported", "contradicted", *["cannot_tell"] * 5]
    # unknown is not zero
    assert rows[3]["water_after_share"] is None
    assert rows[3]["after_coverage"] == 0
    assert rows[4]["water_after_share"] == 1.0
    assert rows[4]["after_coverage"] == 0.5
    assert rows[5]["water_before_share"] == 1.0
    assert rows[5]["water_after_share"] is None
    assert [r["too_small"] for r in rows] == [0, 0, 1, 0, 0, 0, 0]
    assert [r["before_whole_cells"] for r in rows] == [36, 36, 3, 0, 18, 36, 0]


def test_every_row_carries_hash_and_day(tmp_path):
    found, pair = planted(tmp_path)
    hashes = [hashlib.sha256(Path(p).read_bytes()).hexdigest() for p in (pair.before, pair.after)]
    for row in found.tables["acceptance"].to_pylist():
        assert [row["before_sha256"], row["after_sha256"]] == hashes
        assert [row["before_day"], row["after_day"]] == ["2020", "2022"]
        evidence = json.loads(row["evidence"])
        assert [e["sha256"] for e in evidence] == hashes
        assert [e["size"] for e in evidence] == [Path(p).stat().st_size for p in (pair.before, pair.after)]
    kept = dict(zip(*found.tables["provenance"].to_pydict().values(), strict=True))
    assert kept["class_map"] == "clcd"
    assert kept["threshold.min_cells"] == "25"
    assert json.loads(kept["raster.land_cover.after"])["sha256"] == hashes[1]


def test_output_is_whole_repeatable_and_conformant(tmp_path):
    for name in ("one.gpkg", "two.gpkg"):
        found, _ = planted(tmp_path, output=tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("one.gpkg", "two.gpkg"))
    assert first == second
    for name, layer in found.layers.items():
        assert read_layer(tmp_path / "one.gpkg", name).num_rows == layer.table.num_rows
    with sqlite3.connect(tmp_path / "one.gpkg") as db:
        styled = {row[0] for row in db.execute("SELECT f_table_name FROM layer_styles")}
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert "verification" in styled
    with pytest.raises(LandremedError) as stop:
        planted(tmp_path, output=tmp_path / "one.gpkg")
    assert stop.value.code == "output_exists"


def test_thresholds_of_the_run_count(tmp_path):
    found, _ = planted(tmp_path, options=Options(thresholds={"min_cells": 3}))
    assert verdicts(found)["P2", "lake_filled", "land_cover"] == ("contradicted", "still_there")


def test_engines_agree(tmp_path, ground):
    pytest.importorskip("exactextract")
    shapes = irregular(8)
    result = write_result(tmp_path / "r.gpkg", shapes, ["replant"] * len(shapes))
    pair = LandCover(
        write_raster(tmp_path / "a.tif", ground),
        write_raster(tmp_path / "b.tif", ground[:, ::-1]),
        "clcd",
        "2020",
        "2022",
    )
    tables = [
        verify_restoration(result, land_cover=pair, options=Options(engine=engine)).tables["land_cover"]
        for engine in ("own", "exactextract")
    ]
    shares = [np.array(t["share"]) for t in tables]
    assert tables[0]["code"].equals(tables[1]["code"])
    assert np.abs(shares[0] - shares[1]).max() < 1e-6


def test_cultivated_part_of_a_demolished_parcel(tmp_path):
    before = np.full((ROWS, COLUMNS), 8, "uint8")
    after = np.full((ROWS, COLUMNS), 7, "uint8")
    after[0:6, 0:6] = 1
    shapes = [cell_box(0, 0, 12, 6), cell_box(30, 0, 12, 6), cell_box(30, 30, 12, 6), cell_box(0, 30, 12, 6)]
    result = write_result(
        tmp_path / "r.gpkg", shapes, ["demolish"] * 4, cultivated=[3600.0, 3600.0, 0.0, None]
    )
    found = verify_restoration(
        result,
        land_cover=LandCover(
            write_raster(tmp_path / "a.tif", before),
            write_raster(tmp_path / "b.tif", after),
            "clcd",
            "2020",
            "2022",
        ),
    )
    told = verdicts(found)
    assert told["P0", "fit_for_planting", "land_cover"] == ("supported", "reached")
    assert told["P1", "fit_for_planting", "land_cover"] == ("contradicted", "not_reached")
    assert ("P2", "fit_for_planting", "land_cover") not in told
    assert told["P3", "fit_for_planting", "land_cover"] == ("cannot_tell", "no_cultivated_area")
    assert all(told[f"P{i}", "demolished", "land_cover"] == ("supported", "gone") for i in range(4))


def test_degrees_weigh_cells_by_their_ground(tmp_path):
    """A tall parcel on a raster in degrees: the class of the southern half covers more ground per cell."""
    transform = from_origin(117.0, 40.0, 0.01, 0.01)
    grid = np.repeat([[1], [5]], [100, 100], axis=0).repeat(10, axis=1).astype("uint8")
    raster = open_raster(str(write_raster(tmp_path / "a.tif", grid, crs="EPSG:4490", transform=transform)))
    shapes = in_cells(np.array([box(117.02, 38.0, 117.07, 40.0)], dtype=object), raster)
    table = class_table(raster, shapes, covered_cells)
    geod = pyproj.Geod(ellps="GRS80")

    def zone(south, north):
        # parallels as many short geodesics
        east = np.linspace(117.02, 117.07, 2001)
        lon = np.concatenate([east, east[::-1]])
        lat = np.concatenate([np.full(2001, south), np.full(2001, north)])
        return abs(geod.polygon_area_perimeter(lon, lat)[0])

    wanted = zone(39.0, 40.0) / zone(38.0, 40.0)
    assert table.weight[0] / table.weight.sum() == pytest.approx(wanted, abs=1e-7)
    small = in_cells(np.array([box(117.021, 38.505, 117.068, 38.537)], dtype=object), raster)
    table = class_table(raster, small, covered_cells)
    assert table.weight.sum() / table.all_weight[0] == pytest.approx(1.0, abs=2e-6)  # rows of 1.1 km
    rows = np.arange(3)
    assert (np.diff(cell_weights(raster, rows)) > 0).all()


def test_another_projection(tmp_path):
    """The raster in UTM, the parcel in the office's system: PROJ's own transformation is the truth."""
    to_utm = pyproj.Transformer.from_crs(CRS, "EPSG:32650", always_xy=True)
    parcel = box(550_003.0, 4_290_007.0, 550_163.0, 4_290_127.0)
    moved = shapely.transform(
        shapely.segmentize(parcel, 1.0), lambda xy: np.column_stack(to_utm.transform(*xy.T))
    )
    x0, y0, _, y1 = moved.bounds
    transform = from_origin(np.floor(x0) - 50, np.ceil(y1) + 50, CELL, CELL)
    grid = (np.indices((40, 40))[0] // 7 % 2 * 4 + 1).astype("uint8")
    rows, columns = np.indices(grid.shape)
    west, north = transform.c, transform.f
    squares = shapely.box(
        west + columns * CELL, north - (rows + 1) * CELL, west + (columns + 1) * CELL, north - rows * CELL
    )
    area = shapely.area(shapely.intersection(moved, squares))
    result = write_result(tmp_path / "r.gpkg", [parcel], ["replant"])
    options = {"crs": "EPSG:32650", "transform": transform}
    found = verify_restoration(
        result,
        land_cover=LandCover(
            write_raster(tmp_path / "a.tif", grid, **options),
            write_raster(tmp_path / "b.tif", grid[::-1].copy(), **options),
            "clcd",
            "2020",
            "2022",
        ),
    )
    row = found.tables["verification"].to_pylist()[0]
    assert row["cultivated_before_share"] == pytest.approx(area[grid == 1].sum() / moved.area, abs=1e-6)
    assert row["before_coverage"] == pytest.approx(1.0, abs=1e-9)
    assert y0 > north - 40 * CELL


REFLECTANCE = {"water": (600, 700, 500, 300, 150), "crop": (500, 800, 600, 3600, 1800)}
ROLES = {"blue": 1, "green": 2, "red": 3, "nir": 4, "swir": 5}


def image(mask, factor=1.0):
    kinds = {True: np.array(REFLECTANCE["water"]), False: np.array(REFLECTANCE["crop"])}
    grid = np.where(mask[None], kinds[True][:, None, None], kinds[False][:, None, None])
    return np.round(grid * factor).astype("uint16")


def test_imagery_statistics_by_hand(tmp_path):
    wet = np.zeros((ROWS, COLUMNS), bool)
    wet[10:22, 10:22] = True
    dry = np.zeros_like(wet)
    result = write_result(tmp_path / "r.gpkg", [cell_box(10, 10, 12, 6)], ["fill_and_recultivate"])
    found = verify_restoration(
        result,
        imagery=Imagery(
            write_raster(tmp_path / "a.tif", image(wet)),
            write_raster(tmp_path / "b.tif", image(dry)),
            ROLES,
            "2021-06-01",
            "2023-06-03",
        ),
    )
    rows = {(r["time"], r["zone"], r["index_name"]): r for r in found.tables["spectra"].to_pylist()}
    assert rows["before", "parcel", "mndwi"]["mean"] == pytest.approx((700 - 150) / 850)
    assert rows["before", "parcel", "ndvi"]["mean"] == pytest.approx((300 - 500) / 800)
    assert rows["before", "parcel", "ndbi"]["mean"] == pytest.approx((150 - 300) / 450)
    assert rows["after", "parcel", "ndvi"]["mean"] == pytest.approx(3000 / 4200)
    assert rows["before", "parcel", "mndwi"]["above_share"] == 1.0
    assert rows["after", "parcel", "mndwi"]["above_share"] == 0.0
    assert rows["before", "parcel", "mndwi"]["cells"] == 72.0
    assert rows["before", "parcel", "mndwi"]["deviation"] == pytest.approx(0.0, abs=1e-7)
    # the ring holds both water (the lake goes on beyond the parcel) and crop
    assert -0.4 < rows["before", "ring", "mndwi"]["mean"] < 0.6
    assert rows["before", "ring", "mndwi"]["lowest"] == pytest.approx((800 - 1800) / 2600)


@pytest.mark.parametrize(("season", "reason"), [(False, "gone"), (True, "scene_shift")])
def test_a_change_of_the_whole_scene_is_no_restoration(tmp_path, season, reason):
    wet = np.zeros((ROWS, COLUMNS), bool)
    wet[10:22, 10:22] = True
    before = np.ones_like(wet) if season else wet  # flooded everywhere, as after a storm
    result = write_result(tmp_path / "r.gpkg", [cell_box(10, 10, 12, 12)], ["fill_and_recultivate"])
    found = verify_restoration(
        result,
        imagery=Imagery(
            write_raster(tmp_path / "a.tif", image(before)),
            write_raster(tmp_path / "b.tif", image(np.zeros_like(wet))),
            ROLES,
            "2021",
            "2023",
        ),
    )
    assert verdicts(found)["P0", "lake_filled", "imagery"][1] == reason


def test_rings_leave_out_other_parcels(tmp_path):
    from landremed.verify.parcels import from_result, rings_around

    shapes = [cell_box(10, 10, 6, 6), cell_box(10, 17, 6, 6), cell_box(40, 60, 2, 2)]
    parcels = from_result(write_result(tmp_path / "r.gpkg", shapes, ["demolish"] * 3))
    raster = open_raster(str(write_raster(tmp_path / "a.tif", np.ones((ROWS, COLUMNS), "uint8"))))
    rings = rings_around(parcels, raster, 60.0)
    for ring in rings:
        assert all(ring.intersection(shape).area < 1e-6 for shape in shapes)
    assert 0.9 * CELL < shapes[2].distance(rings[2]) <= CELL  # corners are rounded by few segments
    assert rings[2].bounds[0] == pytest.approx(shapes[2].bounds[0] - 70.0, abs=0.01)


def refuse(code, tmp_path, before, after, classes="clcd", days=("2020", "2022"), source=None):
    result = source or write_result(tmp_path / "r.gpkg", [cell_box(0, 0, 6, 6)], ["demolish"])
    with pytest.raises(LandremedError) as stop:
        verify_restoration(
            result, tmp_path / "out.gpkg", land_cover=LandCover(str(before), str(after), classes, *days)
        )
    assert stop.value.code == code, stop.value
    for language in ("en", "zh"):
        assert "{" not in stop.value.text(language)
    assert not (tmp_path / "out.gpkg").exists()


def test_refusals(tmp_path, ground):
    good = write_raster(tmp_path / "good.tif", ground)
    other = write_raster(tmp_path / "other.tif", ground[:, ::-1])
    refuse("raster_given_twice", tmp_path, good, good)
    refuse("raster_dates_reversed", tmp_path, good, other, days=("2022", "2020"))
    refuse("raster_date_unreadable", tmp_path, good, other, days=("soon", "2020"))
    refuse("class_map_unclear", tmp_path, good, write_raster(tmp_path / "x.tif", ground * 10), classes=None)
    three = write_raster(tmp_path / "three.tif", np.stack([ground] * 3))
    refuse("raster_not_classes", tmp_path, three, other)
    real = write_raster(tmp_path / "real.tif", ground.astype("float32"))
    refuse("raster_not_classes", tmp_path, good, real)
    far = write_raster(tmp_path / "far.tif", ground, transform=from_origin(700_000, NORTH, CELL, CELL))
    refuse("raster_elsewhere", tmp_path, good, far)
    empty = write_raster(tmp_path / "empty.tif", ground * 0)
    refuse("raster_elsewhere", tmp_path, good, empty)
    nowhere = write_raster(tmp_path / "nowhere.tif", ground, crs=None)
    refuse("raster_crs_missing", tmp_path, good, nowhere)
    xian = write_raster(tmp_path / "xian.tif", ground, crs="EPSG:2384")
    refuse("raster_datum_shift", tmp_path, good, xian)
    refuse("file_missing", tmp_path, good, tmp_path / "none.tif")
    refuse("file_is_folder", tmp_path, good, tmp_path)
    refuse("path_not_local", tmp_path, good, "/vsicurl/http://127.0.0.1/x.tif")
    refuse("path_not_local", tmp_path, good, "https://127.0.0.1/x.tif")


def test_only_geotiff_is_read(tmp_path, ground):
    good = write_raster(tmp_path / "good.tif", ground)
    virtual = tmp_path / "virtual.tif"
    virtual.write_text(
        '<VRTDataset rasterXSize="80" rasterYSize="60"><VRTRasterBand dataType="Byte" band="1">'
        f"<SimpleSource><SourceFilename>{good}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    refuse("raster_not_geotiff", tmp_path, good, virtual)
    (tmp_path / "empty.tif").write_bytes(b"")
    refuse("file_empty", tmp_path, good, tmp_path / "empty.tif")
    (tmp_path / "head.tif").write_bytes(good.read_bytes()[:60])
    refuse("raster_unreadable", tmp_path, good, tmp_path / "head.tif")
    noise = np.random.default_rng(1).integers(1, 9, (ROWS, COLUMNS)).astype("uint8")
    whole = write_raster(tmp_path / "whole.tif", noise).read_bytes()
    cut = tmp_path / "cut.tif"
    cut.write_bytes(whole[: len(whole) // 8])
    refuse("raster_unreadable", tmp_path, good, cut)


def test_side_files_are_not_read(tmp_path, ground):
    """What counts is what the hash covers: a world file beside the raster moves nothing."""
    path = write_raster(tmp_path / "good.tif", ground)
    before = open_raster(str(path))
    path.with_suffix(".tfw").write_text("20\n0\n0\n-20\n0\n0\n")
    Path(f"{path}.aux.xml").write_text("<PAMDataset><SRS>EPSG:4326</SRS></PAMDataset>")
    assert open_raster(str(path)) == before


def test_days_come_from_the_file(tmp_path, ground):
    cases = [
        ({"TIFFTAG_DATETIME": "2021:06:18 10:50:31"}, "2021-06-18", "tag:TIFFTAG_DATETIME"),
        (
            {"time_start": "2021-01-01T00:00:00Z", "time_end": "2021-12-31T23:59:59Z"},
            "2021",
            "tag:time_start,time_end",
        ),
        ({"time_start": "2021-05-01", "time_end": "2021-05-11"}, "2021-05-11", "tag:time_end"),
        ({"TIFFTAG_DATETIME": "yesterday"}, None, ""),
        ({}, None, ""),
    ]
    for i, (tags, day, source) in enumerate(cases):
        raster = open_raster(str(write_raster(tmp_path / f"{i}.tif", ground, tags=tags)))
        assert (None if raster.day is None else str(raster.day), raster.day_source) == (day, source)


def test_findings(tmp_path, ground):
    odd = ground.copy()
    odd[odd == 2] = 77
    result = write_result(tmp_path / "r.gpkg", irregular(3), ["replant"] * len(irregular(3)))
    found = verify_restoration(
        result,
        land_cover=LandCover(
            write_raster(tmp_path / "a.tif", odd),
            write_raster(tmp_path / "b.tif", ground),
            "clcd",
            None,
            "2022",
        ),
    )
    codes = found.tables["issues"]["code"].to_pylist()
    assert codes == ["raster_undated", "class_code_unmapped"]
    assert found.status == 3
    reasons = set(found.tables["acceptance"]["reason"].to_pylist())
    assert "codes_unmapped" in reasons


def test_versions_of_a_product(tmp_path, ground):
    tags = [{"description": "ESA WorldCover", "product_version": v} for v in ("v100", "v200")]
    rasters = [
        write_raster(tmp_path / f"{i}.tif", ground * 10, tags={**t, "n": str(i)}) for i, t in enumerate(tags)
    ]
    result = write_result(tmp_path / "r.gpkg", [cell_box(0, 0, 6, 6)], ["demolish"])
    found = verify_restoration(result, land_cover=LandCover(*rasters, None, "2020", "2021"))
    assert {"class_map_by_tags", "product_versions_differ"} <= set(found.tables["issues"]["code"].to_pylist())
