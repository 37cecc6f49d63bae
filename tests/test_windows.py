"""A layer read in windows is the layer that is read at once."""

import json

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pytest
import shapely
from pyarrow import parquet

from landremed.errors import InputError
from landremed.io import hashing, windows
from landremed.io.drivers import open_dataset
from landremed.io.geoparquet import geoparquet_batches
from landremed.io.limits import Limits, window_limits
from landremed.io.vector import read_vector
from landremed.io.windows import NotInWindowsError, WindowReader

ROWS = 230


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(hashing, "BLOCK", 64)
    monkeypatch.setattr(windows, "BLOCK", 64)


def layer(path, *, shapes=None, **columns):
    rng = np.random.default_rng(5)
    corners = rng.uniform(0, 5000, (ROWS, 2)) + np.array([560000, 4300000])
    boxes = [shapely.box(x, y, x + 20, y + 30) for x, y in corners] if shapes is None else shapes
    table = {
        "编号": [f"A{i:04d}" for i in range(ROWS)],
        "n": rng.integers(0, 9, ROWS),
        "x": np.where(rng.random(ROWS) < 0.2, np.nan, rng.random(ROWS)),
        "word": [None if i % 7 == 0 else f"字{i % 5}" for i in range(ROWS)],
        **columns,
    }
    frame = gpd.GeoDataFrame(table, geometry=boxes, crs="EPSG:4548")
    if path.suffix == ".parquet":
        frame.to_parquet(path, row_group_size=100)
    else:
        frame.to_file(path, engine="pyogrio", **({"SPATIAL_INDEX": "NO"} if path.suffix == ".fgb" else {}))
    return path


def in_windows(path, where=None, limits=None):
    reader = WindowReader(path.name, None, path.parent, where, limits or window_limits({}))
    found = list(reader.windows())
    attributes = pa.concat_tables([w.attributes for w in found])
    wkb = pa.concat_arrays([w.wkb for w in found])
    return found, attributes, wkb, reader.digest(found[0].crs_wkt), reader.findings(found[0].display)


@pytest.mark.parametrize("form", ["gpkg", "parquet", "fgb"])
@pytest.mark.parametrize("where", [None, "n > 4 AND \"编号\" LIKE 'A0%'"])
def test_rows_hash_and_findings(tmp_path, small_blocks, form, where):
    path = layer(tmp_path / f"p.{form}")
    whole, findings = read_vector(path.name, base=tmp_path, where=where)
    parts, attributes, wkb, digest, noticed = in_windows(path, where)
    assert len(parts) == -(-len(whole) // 64)
    assert len(whole) == ROWS or where
    assert attributes.to_pydict() == whole.attributes.to_pydict()
    assert attributes.schema == whole.attributes.schema
    assert wkb.equals(whole.wkb)
    assert digest == whole.content_hash
    assert (parts[0].display, parts[0].driver, parts[0].crs_wkt) == (
        whole.display,
        whole.driver,
        whole.crs_wkt,
    )
    assert noticed == findings


@pytest.mark.parametrize("large", [None, 0, 200])
def test_whole_numbers_of_any_size(tmp_path, small_blocks, large):
    numbers = np.arange(ROWS, dtype=np.uint64)
    if large is not None:
        numbers[large] += 2**63
    path = layer(tmp_path / "p.parquet", big=numbers)
    whole, _ = read_vector(path.name, base=tmp_path)
    if large is None:
        assert in_windows(path)[1].equals(whole.attributes)
        return
    assert whole.attributes["big"].to_pylist() == [str(n) for n in numbers.tolist()]
    with pytest.raises(NotInWindowsError):
        in_windows(path)


@pytest.mark.parametrize("form", ["gpkg", "parquet"])
def test_missing_and_raised_shapes(tmp_path, small_blocks, form):
    flat = [shapely.box(560000 + 9 * i, 4300000, 560005 + 9 * i, 4300005) for i in range(ROWS)]
    shapes = [None if i % 50 == 3 else shapely.force_3d(s, 4.0) for i, s in enumerate(flat)]
    path = layer(tmp_path / f"p.{form}", shapes=shapes)
    whole, findings = read_vector(path.name, base=tmp_path)
    _, _, wkb, digest, noticed = in_windows(path)
    assert wkb.equals(whole.wkb)
    assert digest == whole.content_hash
    assert noticed == findings
    assert [f.params for f in noticed if f.code == "z_ignored"] == [{"count": ROWS - 5}]


@pytest.mark.parametrize("name", ["p.geojson", "p.shp", "p.zip", "p.txt"])
def test_other_formats_are_read_at_once(tmp_path, name):
    if name.endswith((".geojson", ".shp")):
        layer(tmp_path / name)
    with pytest.raises(NotInWindowsError):
        WindowReader(name, None, tmp_path, None, Limits())


def test_a_filter_that_looks_at_other_rows_is_read_at_once(tmp_path):
    path = layer(tmp_path / "p.gpkg")
    with pytest.raises(NotInWindowsError):
        WindowReader(path.name, None, tmp_path, "n = (SELECT max(n) FROM p)", Limits())


def test_limits_of_the_project_hold(tmp_path, small_blocks):
    path = layer(tmp_path / "p.parquet")
    with pytest.raises(InputError) as caught:
        in_windows(path, limits=window_limits({"max_features": 100}))
    assert caught.value.code == "limit_exceeded"
    assert window_limits({}).max_features > 1e12
    assert window_limits({"max_columns": 3}).max_columns == 3


def test_what_was_read_does_not_stay_in_memory(tmp_path):
    rng = np.random.default_rng(1)
    rows, groups = 500, 40
    noise = [rng.bytes(2_000) for _ in range(rows * groups)]  # 40 MB that cannot be compressed
    point = shapely.to_wkb(shapely.box(560000, 4300000, 560010, 4300010))
    geo = {"version": "1.0.0", "primary_column": "geometry"}
    geo["columns"] = {"geometry": {"encoding": "WKB", "geometry_types": ["Polygon"], "crs": None}}
    table = pa.table({"noise": noise, "geometry": [point] * len(noise)})
    table = table.replace_schema_metadata({"geo": json.dumps(geo)})
    for size, name in [(rows, "groups.parquet"), (rows * groups, "one.parquet")]:
        parquet.write_table(table, tmp_path / name, row_group_size=size, use_dictionary=False)
    del table
    for name in ("groups.parquet", "one.parquet"):
        dataset = open_dataset(name, tmp_path, window_limits({}))
        before, most = pa.total_allocated_bytes(), 0
        for _ in geoparquet_batches(dataset, window_limits({}), rows):
            most = max(most, pa.total_allocated_bytes() - before)
        assert 0 < most < 12e6
