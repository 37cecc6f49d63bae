"""Nothing outside the named inputs is opened: not by a GeoJSON's crs, not by tables of a GeoPackage."""

from __future__ import annotations

import json
import socket
import sqlite3

import geopandas as gpd
import pyogrio
import pytest
import shapely

from landremed.errors import CrsError, InputError
from landremed.inspect.look import look
from landremed.io.gdal import quiet
from landremed.io.vector import read_vector

RING = [[[560000, 4300000], [560100, 4300000], [560100, 4300100], [560000, 4300000]]]
FEATURES = json.dumps(
    [{"type": "Feature", "properties": {"TBBH": "1"}, "geometry": {"type": "Polygon", "coordinates": RING}}]
)


def geojson(path, crs: str, *, last: bool = False, padding: int = 0) -> str:
    head, features = '"type":"FeatureCollection"', f'"features":{FEATURES}'
    parts = [head, features, crs] if last else [head, crs, features]
    path.write_text("{" + ("," + " " * padding).join(parts) + "}")
    return str(path)


@pytest.fixture
def server():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.setblocking(False)
        yield listening


def address(server) -> str:
    return f"http://127.0.0.1:{server.getsockname()[1]}/x.prj"


def untouched(server) -> bool:
    try:
        server.accept()
    except BlockingIOError:
        return True
    return False


@pytest.mark.parametrize(
    "form",
    [
        '"crs":{"type":"link","properties":{"href":"ADDRESS","type":"esriwkt"}}',
        '"crs" :\n{"properties":{"href":"ADDRESS"},"type":"link"}',
        '"\\u0063rs":{"type":"\\u006cink","properties":{"hr\\u0065f":"ADDRESS"}}',
        '"crs":{"type":"name","properties":{"name":"ADDRESS"}}',
        '"crs":{"type":"name","properties":{"name":"+init=ADDRESS:1 +type=crs"}}',
        '"crs":{"type":"name","properties":{"name":"/etc/hostname"}}',
        '"crs":{"type":"name","properties":{}}',
        '"crs":{"type":"name","properties":{"name":"Xian 1980"}}',
    ],
)
@pytest.mark.parametrize("place", [{}, {"last": True}, {"padding": 300_000}])
def test_a_crs_that_leads_elsewhere_is_refused(tmp_path, server, form, place):
    path = geojson(tmp_path / "a.geojson", form.replace("ADDRESS", address(server)), **place)
    with pytest.raises(InputError) as caught:
        read_vector(path)
    assert caught.value.code == "geojson_crs_odd"
    assert untouched(server)


def test_gdal_has_no_network_while_it_reads(tmp_path, server):
    link = {"type": "link", "properties": {"href": address(server), "type": "esriwkt"}}
    path = geojson(tmp_path / "a.geojson", f'"crs":{json.dumps(link)}')
    with quiet():
        pyogrio.read_info(path)
    assert untouched(server)
    assert pyogrio.get_gdal_config_option("GDAL_HTTP_PROXY") is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("urn:ogc:def:crs:EPSG::4548", "EPSG:4548"),
        ("EPSG:4548", "EPSG:4548"),
        ("http://www.opengis.net/def/crs/EPSG/0/4548", "EPSG:4548"),
    ],
)
def test_registered_names_are_believed(tmp_path, name, expected):
    crs = json.dumps({"type": "name", "properties": {"name": name}})
    source, _ = read_vector(geojson(tmp_path / "a.geojson", f'"crs":{crs}'))
    assert source.crs_wkt == expected


def test_an_unknown_number_is_not_taken_for_wgs84(tmp_path):
    path = geojson(tmp_path / "a.geojson", '"crs":{"type":"name","properties":{"name":"EPSG:99999"}}')
    (seen,) = look(path)
    assert seen.crs_state == "contradicted"
    assert isinstance(seen.problem, CrsError)
    assert seen.problem.code == "crs_unknown"


def test_an_attribute_called_crs_is_none(tmp_path):
    feature = json.loads(FEATURES)[0]
    feature["properties"] = {"crs": {"a": 1}, "b": "crs"}
    (tmp_path / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    source, _ = read_vector(str(tmp_path / "a.geojson"))
    assert source.attributes.column_names == ["crs", "b"]


def geopackage(path) -> str:
    box = shapely.box(560_000, 4_300_000, 560_100, 4_300_100)
    gpd.GeoDataFrame({"TBBH": ["T1"]}, geometry=[box], crs=4548).to_file(path, layer="p")
    return str(path)


@pytest.mark.parametrize(
    "module",
    [
        "VirtualText('SECRET', 'UTF-8', 1)",
        "VirtualOGR('SECRET')",
        'virtualshape("SECRET")',
        "\"VirtualText\"('SECRET')",
    ],
)
def test_tables_that_read_other_files_are_refused(tmp_path, module):
    path = geopackage(tmp_path / "a.gpkg")
    with sqlite3.connect(path) as data:
        data.execute("PRAGMA writable_schema = 1")
        sql = f"CREATE VIRTUAL TABLE v USING {module}".replace("SECRET", str(tmp_path / "secret.csv"))
        data.execute("INSERT INTO sqlite_master VALUES ('table', 'v', 'v', 0, ?)", (sql,))
    data.close()
    with pytest.raises(InputError) as caught:
        read_vector(f"{path}:p")
    assert caught.value.code == "gpkg_virtual_table"


def test_spatial_and_text_indexes_are_usual(tmp_path):
    path = geopackage(tmp_path / "a.gpkg")
    with sqlite3.connect(path) as data:
        data.execute("CREATE VIRTUAL TABLE words USING fts5(text)")
    data.close()
    assert len(read_vector(f"{path}:p")[0]) == 1


@pytest.mark.parametrize("log", ["-wal", "-shm", "-journal"])
def test_logs_that_are_links_are_refused(tmp_path, log):
    path = geopackage(tmp_path / "a.gpkg")
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / f"a.gpkg{log}").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError) as caught:
        read_vector(path)
    assert caught.value.code == "path_leaves_folder"


def test_a_geoparquet_whose_crs_names_a_file_has_none(tmp_path):
    from pyarrow import parquet

    gpd.read_file(geopackage(tmp_path / "a.gpkg")).to_parquet(tmp_path / "a.parquet")
    table = parquet.read_table(tmp_path / "a.parquet")
    geo = json.loads(table.schema.metadata[b"geo"])
    geo["columns"]["geometry"]["crs"] = f"+init={tmp_path}/secret:1 +type=crs"
    parquet.write_table(table.replace_schema_metadata({b"geo": json.dumps(geo)}), tmp_path / "b.parquet")
    assert read_vector(str(tmp_path / "b.parquet"))[0].crs_wkt is None
