"""What people without QGIS projects get, read back by other means."""

import csv
import json
import shutil
import sqlite3

import numpy as np
import pyogrio
import pyproj
import pytest
import review_district as district
import shapely

from landremed.errors import InputError, OutputError
from landremed.report.export import export_result, short_names


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    district.make_result(folder)
    return folder


@pytest.fixture
def result(home):
    return home / "result.gpkg"


def test_shapefile_in_gb18030_with_legend(result, tmp_path):
    export_result(result, tmp_path / "out", kind="shp")
    out = tmp_path / "out"
    assert {p.name for p in out.iterdir()} == {
        "legend.csv",
        *(f"decisions.{e}" for e in ("shp", "shx", "dbf", "prj", "cpg")),
    }
    assert (out / "decisions.cpg").read_text().strip().upper().replace("-", "") in ("GB18030", "GBK", "CP936")
    assert "待研判".encode("gb18030") in (out / "decisions.dbf").read_bytes()
    frame = pyogrio.read_dataframe(out / "decisions.shp")
    assert len(frame) == district.COUNT
    assert frame.crs.equals(pyproj.CRS.from_epsg(4548)) or frame.crs.to_epsg() == 4548
    assert frame.geometry[7].equals(district.square(7))
    with (out / "legend.csv").open(encoding="utf-8-sig", newline="") as file:
        legend = list(csv.DictReader(file))
    assert [row["field"] for row in legend] == [c for c in frame.columns if c != "geometry"]
    assert next(row["title"] for row in legend if row["column"] == "outcome_label") == "处置建议"


def test_short_names_are_short_and_differ():
    columns = [
        "parcel_id",
        "PARCEL_ID2",
        *(f"a_very_long_column_{n}" for n in range(120)),
        "地类",
        "地类名称",
    ]
    names = short_names(columns)
    assert list(names) == columns
    assert max(len(name.encode()) for name in names.values()) <= 10
    assert len({name.lower() for name in names.values()}) == len(columns)


def test_geojson_is_in_degrees(result, tmp_path):
    export_result(result, tmp_path / "out", kind="geojson", where="parcel_id = 'P-012'")
    document = json.loads((tmp_path / "out" / "decisions.geojson").read_text(encoding="utf-8"))
    feature = document["features"][0]
    assert feature["properties"]["parcel_id"] == "P-012"
    forward = pyproj.Transformer.from_crs("EPSG:4548", "EPSG:4326", always_xy=True)
    corners = np.array(district.square(12).exterior.coords)
    expected = shapely.Polygon(np.column_stack(forward.transform(corners[:, 0], corners[:, 1])))
    assert shapely.hausdorff_distance(shapely.geometry.shape(feature["geometry"]), expected) < 1e-6


def test_geodatabase_has_a_layer_for_each_outcome(result, tmp_path):
    export_result(result, tmp_path / "out", kind="gdb", by="outcome")
    layers = pyogrio.list_layers(tmp_path / "out" / "decisions.gdb")[:, 0]
    assert set(layers) == {"待研判", "建议补办手续"}
    frames = [pyogrio.read_dataframe(tmp_path / "out" / "decisions.gdb", layer=name) for name in layers]
    assert sum(map(len, frames)) == district.COUNT


def test_placemarks_tell_why(result, tmp_path):
    export_result(result, tmp_path / "out", kind="kml")
    text = (tmp_path / "out" / "decisions.kml").read_text(encoding="utf-8")
    assert text.count("<Placemark") == district.COUNT
    assert "P-000" in text
    assert "理由" in text


def test_by_unit_names_files_safely(result, tmp_path):
    path = shutil.copy(result, tmp_path / "r.gpkg")
    db = sqlite3.connect(path)
    db.create_function("ST_IsEmpty", 1, lambda blob: 0)
    for name in ("ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):
        db.create_function(name, 1, lambda blob: 0.0)
    with db:
        db.execute("UPDATE decisions SET implementing_unit = '../甲:镇' WHERE parcel_id = 'P-001'")
    db.close()
    export_result(path, tmp_path / "out", kind="txt", by="unit")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"_甲_镇.txt", "-.txt"}


def test_coordinates_give_the_areas_back(result, tmp_path):
    export_result(result, tmp_path / "out", kind="txt")
    raw = (tmp_path / "out" / "decisions.txt").read_bytes()
    lines = raw.decode("gb18030").split("\r\n")
    assert "格式版本号=1.01版本" in lines
    body = lines[lines.index("[地块坐标]") + 1 : -1]
    heads = [line.split(",") for line in body if line.endswith("@")]
    assert [head[2] for head in heads] == [f"P-{n:03d}" for n in range(district.COUNT)]
    first = body[1 : 1 + int(heads[0][0])]
    points = [(float(y), float(x)) for _, _, x, y in (line.split(",") for line in first)]
    assert points[0] == points[-1]
    assert first[0].split(",")[0] == first[-1].split(",")[0] == "J1"
    moved = shapely.transform(shapely.Polygon(points), lambda xy: xy - (39_000_000, 0))
    assert moved.equals(district.square(0))  # zone 39, with its number before the eastings
    assert float(heads[0][1]) == pytest.approx(0.64, abs=0.001)  # 80 m by 80 m, in hectares


def test_coordinates_are_read_again_where_they_lie(result, tmp_path):
    from landremed.io.survey_txt import read_survey_txt

    export_result(result, tmp_path / "out", kind="txt")
    source, findings = read_survey_txt(str(tmp_path / "out" / "decisions.txt"))
    assert (source.crs_wkt, findings) == ("EPSG:4527", [])
    assert source.attributes["DKBH"].to_pylist()[:2] == ["P-000", "P-001"]


def test_folders_are_not_replaced_unasked(result, tmp_path):
    export_result(result, tmp_path / "out", kind="txt")
    with pytest.raises(OutputError) as caught:
        export_result(result, tmp_path / "out", kind="txt")
    assert caught.value.code == "output_exists"
    export_result(result, tmp_path / "out", kind="geojson", overwrite=True)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["decisions.geojson"]
    (tmp_path / "out" / "thesis.docx").touch()
    with pytest.raises(OutputError) as caught:
        export_result(result, tmp_path / "out", kind="txt", overwrite=True)
    assert caught.value.code == "export_folder_strange"
    assert (tmp_path / "out" / "thesis.docx").exists()


def test_a_condition_that_selects_nothing_stops(result, tmp_path):
    with pytest.raises(InputError):
        export_result(result, tmp_path / "out", where="1 = 0")
    assert not (tmp_path / "out").exists()
