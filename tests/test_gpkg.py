"""The result GeoPackage, read back with plain SQLite, GDAL and the public validator."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import struct
import subprocess
import sys
import warnings
from collections import Counter
from contextlib import closing
from datetime import date
from pathlib import Path
from string import Formatter
from xml.etree import ElementTree

import pyarrow as pa
import pyogrio
import pytest
import shapely

from landremed.errors import OutputError
from landremed.io import gpkg
from landremed.io.gpkg import OutLayer, read_layer, write_geopackage
from landremed.io.gpkg_read import layer_names, nearest_ids
from landremed.report.labels import labelled
from landremed.report.styles import default_styles

CRS = "EPSG:4548"
SQUARE = shapely.box(500000, 4300000, 500010, 4300020)
PAIR = shapely.MultiPolygon([SQUARE, shapely.box(500100, 4300000, 500110, 4300010)])


def wkb(*geometries, byte_order=1):
    values = [None if g is None else shapely.to_wkb(g, byte_order=byte_order) for g in geometries]
    return pa.array(values, type=pa.large_binary())


def decisions(n=3):
    ids = [f"P{i}" for i in range(n)]
    table = pa.table({"parcel_id": ids, "outcome": ["retain"] * n, "overdue": pa.array([1] * n, pa.int64())})
    return OutLayer("decisions", table, wkb(*[SQUARE] * n))


def sql(path, query, *params):
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query, params).fetchall()


def full_result(language="zh"):
    layers = [
        OutLayer(
            "decisions",
            pa.table(
                {
                    "parcel_id": ["甲-1", "乙'\"2", "丙;3"],
                    "outcome": ["retain", "needs_review", None],
                    "trace_id": [1, 1, 2],
                    "due_on": pa.array([date(2022, 12, 31), None, date(2022, 6, 30)]),
                    "area_m2": [200.0, float("nan"), None],
                }
            ),
            wkb(SQUARE, None, PAIR),
        ),
        OutLayer(
            "overlaps", pa.table({"parcel_id": ["甲-1"], "layer": ["ecological_red_line"]}), wkb(SQUARE)
        ),
        OutLayer(
            "issues",
            pa.table({"parcel_id": ["甲-1", None], "severity": ["error", "info"]}),
            wkb(shapely.Point(500001, 4300001), None),
            "Point",
        ),
        OutLayer("trace", pa.table({"trace_id": [1, 1, 2], "rule": ["a", "b", "c"]})),
        OutLayer("provenance", pa.table({"key": ["version"], "value": ["1"]})),
    ]
    return [labelled(layer, language) for layer in layers]


def write_full(path, language="zh", **kwargs):
    layers = full_result(language)
    write_geopackage(
        path,
        layers,
        crs_wkt=CRS,
        styles=default_styles(layers, language),
        language=language,
        metadata={"rules": "滨海"},
        **kwargs,
    )


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    path = tmp_path_factory.mktemp("result") / "成果 1.gpkg"
    write_full(path)
    return path


def test_validator_and_sqlite_find_nothing(result):
    samples = pytest.importorskip("osgeo_utils.samples", reason="gdal-utils is not installed")
    script = Path(next(iter(samples.__path__))) / "validate_gpkg.py"
    run = subprocess.run([sys.executable, script, result], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert sql(result, "PRAGMA integrity_check") == [("ok",)]
    assert sql(result, "PRAGMA foreign_key_check") == []
    assert sql(result, "PRAGMA user_version") == [(10300,)]
    assert sql(result, "PRAGMA journal_mode") == [("delete",)]


def test_gdal_reads_what_was_given(result):
    frame = pyogrio.read_dataframe(result, layer="decisions")
    assert list(frame["parcel_id"]) == ["甲-1", "乙'\"2", "丙;3"]
    assert frame.crs.to_epsg() == 4548
    assert list(frame.geometry.isna()) == [False, True, False]
    assert set(frame.geometry.dropna().geom_type) == {"MultiPolygon"}
    assert frame.geometry[0].equals(SQUARE)
    assert frame.geometry[2].equals(PAIR)
    listed = dict(pyogrio.list_layers(result))
    assert listed == {
        "decisions": "MultiPolygon",
        "overlaps": "MultiPolygon",
        "issues": "Point",
        "trace": None,
        "provenance": None,
        "layer_styles": None,
    }


def test_geometry_column_and_types(result):
    assert set(sql(result, "SELECT table_name, column_name FROM gpkg_geometry_columns")) == {
        ("decisions", "geom"),
        ("overlaps", "geom"),
        ("issues", "geom"),
    }
    declared = {row[1]: row[2] for row in sql(result, "PRAGMA table_info(decisions)")}
    assert declared["due_on"] == "DATE"
    assert declared["trace_id"] == "INTEGER"
    assert declared["area_m2"] == "REAL"
    assert sql(result, "SELECT due_on FROM decisions") == [("2022-12-31",), (None,), ("2022-06-30",)]


def test_empty_text_and_nan_are_null(tmp_path):
    table = pa.table(
        {
            "a": ["", "x", None],
            "b": pa.array(["", "y", "y"]).dictionary_encode(),
            "c": pa.array(["", "z", None], pa.large_string()),
            "d": pa.nulls(3),
            "e": [float("nan"), 1.0, None],
        }
    )
    write_geopackage(tmp_path / "r.gpkg", [OutLayer("t", table)], crs_wkt=CRS)
    assert sql(tmp_path / "r.gpkg", "SELECT a, b, c, d, e FROM t") == [
        (None, None, None, None, None),
        ("x", "y", "z", None, 1.0),
        (None, "y", None, None, None),
    ]


def test_source_columns_of_every_kind_are_kept(tmp_path):
    import datetime as dt
    from decimal import Decimal

    table = pa.table(
        {
            "flag": [True, None],
            "short": pa.array([1, None], pa.int16()),
            "big": pa.array([2**60, None], pa.uint64()),
            "money": pa.array([Decimal("12.50"), None]),
            "list": [["甲", "b"], None],
            "when": pa.array([dt.datetime(2022, 3, 18, 12, 30), None]),
            "clock": pa.array([dt.time(8, 5), None]),
            "blob": pa.array([b"\x00\x01", None], pa.binary()),
        }
    )
    path = tmp_path / "r.gpkg"
    write_geopackage(path, [OutLayer("t", table)], crs_wkt=CRS)
    first, second = sql(path, 'SELECT flag, short, big, money, list, "when", clock, blob FROM t')
    assert first[:4] == (1, 1, 2**60, 12.5)
    assert first[4] == '["甲", "b"]'
    assert first[5].startswith("2022-03-18T12:30:00")
    assert first[6].startswith("08:05:00")
    assert first[7] == b"\x00\x01"
    assert second == (None,) * 8


def test_polygons_become_multipolygons_by_bytes(tmp_path):
    path = tmp_path / "r.gpkg"
    holed = shapely.Polygon(SQUARE.exterior, [shapely.box(500002, 4300002, 500003, 4300003).exterior])
    empty = shapely.Polygon()
    given = [SQUARE, PAIR, holed, None, empty]
    for order in (0, 1):
        layer = OutLayer("t", pa.table({"n": range(5)}), wkb(*given, byte_order=order))
        write_geopackage(path, [layer], crs_wkt=CRS, overwrite=True)
        blobs = [row[0] for row in sql(path, "SELECT geom FROM t ORDER BY fid")]
        assert blobs[3] is None
        for blob, geometry in zip(blobs, given, strict=True):
            if geometry is None:
                continue
            # header: magic, version, flags, srs id, then the envelope its flags announce
            envelope = {0: 0, 1: 32}[(blob[3] >> 1) & 7]
            body = blob[8 + envelope :]
            assert struct.unpack("<I" if body[0] else ">I", body[1:5]) == (6,)
            assert shapely.from_wkb(body).equals(geometry) or geometry.is_empty


def test_equal_layers_give_equal_bytes(tmp_path):
    digests = set()
    for name in ("a.gpkg", "b.gpkg"):
        write_full(tmp_path / name)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1
    stamps = [row[0] for row in sql(tmp_path / "a.gpkg", "SELECT last_change FROM gpkg_contents")]
    stamps += [row[0] for row in sql(tmp_path / "a.gpkg", "SELECT update_time FROM layer_styles")]
    assert len(set(stamps)) == 1


def test_gdal_settings_are_left_as_they_were(tmp_path):
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    write_full(tmp_path / "r.gpkg")
    assert pyogrio.get_gdal_config_option("OGR_CURRENT_DATE") == before


def test_no_warnings_are_shown(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_full(tmp_path / "r.gpkg")


def test_titles_and_code_lists(result):
    titles = dict(
        sql(result, "SELECT column_name, name FROM gpkg_data_columns WHERE table_name = 'decisions'")
    )
    assert titles["parcel_id"] == "图斑编号"
    assert titles["due_on"] == "整治时限"
    constraint = sql(
        result,
        "SELECT constraint_name FROM gpkg_data_columns"
        " WHERE table_name = 'decisions' AND column_name = 'outcome'",
    )[0][0]
    labels = dict(
        sql(
            result,
            "SELECT value, description FROM gpkg_data_column_constraints WHERE constraint_name = ?",
            constraint,
        )
    )
    assert labels == {
        "retain": "建议保留",
        "complete_paperwork": "建议补办手续",
        "demolish_restore": "建议拆除恢复",
        "needs_review": "待研判",
        "out_of_scope": "另行处置",
    }


def test_same_title_twice_is_told_apart(tmp_path):
    layer = OutLayer("t", pa.table({"a": [1], "b": [2]}), column_titles={"a": "面积", "b": "面积"})
    write_geopackage(tmp_path / "r.gpkg", [layer], crs_wkt=CRS)
    assert sql(tmp_path / "r.gpkg", "SELECT name, title FROM gpkg_data_columns") == [
        ("面积", "面积"),
        ("面积 (b)", "面积"),
    ]


def test_metadata_is_one_json_document(result):
    import json

    ((text,),) = sql(result, "SELECT metadata FROM gpkg_metadata")
    assert json.loads(text) == {"language": "zh", "rules": "滨海"}
    assert sql(result, "SELECT reference_scope, table_name FROM gpkg_metadata_reference") == [
        ("table", "decisions")
    ]


def test_styles_are_default_and_well_formed(result):
    rows = sql(
        result,
        "SELECT f_table_catalog, f_table_schema, f_table_name, f_geometry_column, useAsDefault, styleQML"
        " FROM layer_styles",
    )
    assert {row[2]: row[3] for row in rows} == {
        "decisions": "geom",
        "overlaps": "geom",
        "issues": "geom",
        "trace": "",
        "provenance": "",
    }
    for catalog, schema, _, _, default, qml in rows:
        assert (catalog, schema, default) == ("", "", 1)
        ElementTree.fromstring(qml)


def test_text_is_never_cut(tmp_path):
    """SQLite ends a text at a NUL; two ids must not become one."""
    path = tmp_path / "r.gpkg"
    table = pa.table({"parcel_id": ["a\0b", "a\0c", "\U00020000"], "rowid": [3, 2, 1]})
    write_geopackage(path, [OutLayer("t", table)], crs_wkt=CRS)
    rows = read_layer(path, "t").to_pylist()
    assert [row["parcel_id"] for row in rows] == ["a\ufffdb", "a\ufffdc", "\U00020000"]
    assert [row["rowid"] for row in rows] == [3, 2, 1]


HOSTILE = ["<b>&\"'", "]]>", "a;b--", "[% 1 %]", "图&斑<", "${renderer}", "$renderer"]


@pytest.mark.parametrize("name", HOSTILE)
def test_styles_escape_names(name):
    layer = OutLayer(
        "decisions",
        pa.table({"parcel_id": ["a"], name: ["b"]}),
        wkb(SQUARE),
        column_titles={name: name + "!"},
        value_labels={name: {name: name}},
    )
    qml = ElementTree.fromstring(default_styles([layer], "zh")["decisions"].qml)
    aliases = {alias.get("field"): alias.get("name") for alias in qml.iter("alias")}
    assert aliases[name] == name + "!"
    maps = [field for field in qml.iter("field") if field.get("name") == name]
    assert [option.get("value") for option in maps[0].iter("Option") if option.get("value")] == [name]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_columns_values_and_ids_survive(tmp_path, name):
    path = tmp_path / "r.gpkg"
    layer = OutLayer(
        "decisions", pa.table({"parcel_id": [name, "x"], name: [name, "y"]}), wkb(SQUARE, SQUARE)
    )
    write_geopackage(path, [layer], crs_wkt=CRS)
    assert read_layer(path, "decisions", [name]).to_pylist() == [{"parcel_id": name, name: name}]


@pytest.mark.parametrize("name", ["a?b#c%20.gpkg", "成果 'x'.gpkg", "r.zip.gpkg", "no_extension", "x.tar.gz"])
def test_hostile_file_names(tmp_path, name):
    write_full(tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert read_layer(tmp_path / name, "trace", [2], key="trace_id").num_rows == 1


def test_existing_target_needs_overwrite(tmp_path):
    path = tmp_path / "r.gpkg"
    path.write_text("mine")
    with pytest.raises(OutputError) as caught:
        write_full(path)
    assert caught.value.code == "output_exists"
    assert path.read_text() == "mine"
    write_full(path, overwrite=True)
    assert sql(path, "SELECT count(*) FROM decisions") == [(3,)]


@pytest.mark.parametrize("side", ["-wal", "-shm", "-journal"])
def test_target_open_elsewhere_is_refused(tmp_path, side):
    path = tmp_path / "r.gpkg"
    write_full(path)
    before = path.read_bytes()
    path.with_name(path.name + side).write_bytes(b"x")
    with pytest.raises(OutputError) as caught:
        write_full(path, overwrite=True)
    assert caught.value.code == "output_open_elsewhere"
    assert "QGIS" in caught.value.text("zh")
    assert path.read_bytes() == before


def test_file_in_use_with_a_wal_is_refused(tmp_path):
    path = tmp_path / "r.gpkg"
    write_full(path)
    editor = sqlite3.connect(path)
    editor.execute("PRAGMA journal_mode = WAL")
    editor.execute("UPDATE provenance SET value = 'edited'")
    editor.commit()
    with pytest.raises(OutputError, match="open"):
        write_full(path, overwrite=True)
    assert read_layer(path, "provenance")["value"].to_pylist() == ["edited"]
    editor.close()
    write_full(path, overwrite=True)
    assert read_layer(path, "provenance")["value"].to_pylist() == ["1"]


def test_bad_places(tmp_path):
    for path, code in (
        (tmp_path, "output_is_folder"),
        (tmp_path / "none" / "r.gpkg", "output_folder_missing"),
    ):
        with pytest.raises(OutputError) as caught:
            write_full(path, overwrite=True)
        assert caught.value.code == code
        for language in ("zh", "en"):
            assert "\n" not in caught.value.text(language)


def test_unwritable_folder(tmp_path, monkeypatch):
    # root may write everywhere, so that permissions alone would not show it
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError) as caught:
        write_full(tmp_path / "r.gpkg")
    assert caught.value.code == "output_folder_unwritable"


def test_symbolic_link_is_followed(tmp_path):
    real = tmp_path / "real.gpkg"
    link = tmp_path / "link.gpkg"
    real.write_text("old")
    try:
        link.symlink_to(real)
    except OSError:
        pytest.skip("no symbolic links here")
    write_full(link, overwrite=True)
    assert link.is_symlink()
    assert sql(real, "SELECT count(*) FROM decisions") == [(3,)]


@pytest.mark.parametrize("stage", ["_write_layers", "add_extras", "_add_indexes", "_check_written", "flush"])
@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), sqlite3.OperationalError("disk full")]
)
def test_failure_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, monkeypatch, stage, error):
    path = tmp_path / "r.gpkg"
    write_geopackage(path, [decisions()], crs_wkt=CRS)
    before = path.read_bytes()

    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(gpkg, stage, fail)
    with pytest.raises(OutputError) as caught:
        write_full(path, overwrite=True)
    assert caught.value.code == "output_write_failed"
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["r.gpkg"]


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from string import Formatter
sys.path.insert(0, sys.argv[1])
import pyarrow as pa, shapely
from landremed.errors import OutputError
from landremed.io.gpkg import OutLayer, write_geopackage

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
n = 20000
square = shapely.to_wkb(shapely.box(500000, 4300000, 500010, 4300020))
layer = OutLayer("decisions", pa.table({"parcel_id": [f"P{i}" for i in range(n)]}),
                 pa.array([square] * n, type=pa.large_binary()))
limit = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    write_geopackage(Path(sys.argv[2]), [layer], crs_wkt="EPSG:4548", overwrite=True)
except OutputError as error:
    sys.exit("OutputError " + error.code)
sys.exit("written")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
@pytest.mark.parametrize("limit", [4096, 100_000, 500_000, 2_000_000])
def test_full_disk_keeps_the_old_file(tmp_path, limit):
    path = tmp_path / "r.gpkg"
    write_geopackage(path, [decisions()], crs_wkt=CRS)
    before = path.read_bytes()
    root = Path(gpkg.__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, root, path, str(limit)], check=False, capture_output=True, text=True
    )
    assert run.stderr.strip().splitlines()[-1].startswith("OutputError output_")
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["r.gpkg"]


def test_rows_that_do_not_match_are_refused(tmp_path):
    layer = OutLayer("decisions", pa.table({"parcel_id": ["a", "b"]}), wkb(SQUARE))
    with pytest.raises(OutputError) as caught:
        write_geopackage(tmp_path / "r.gpkg", [layer], crs_wkt=CRS)
    assert caught.value.code == "output_rows_differ"


def test_lost_rows_are_noticed(tmp_path, monkeypatch):
    real = pyogrio.raw.write_arrow

    def lossy(table, path, **kwargs):
        real(table.slice(1), path, **kwargs)

    monkeypatch.setattr(pyogrio.raw, "write_arrow", lossy)
    with pytest.raises(OutputError) as caught:
        write_geopackage(tmp_path / "r.gpkg", [decisions()], crs_wkt=CRS)
    assert caught.value.code == "output_rows_differ"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("names", [["area", "AREA"], ["a", "a"], ["FID", "x"], ["Geom", "x"]], ids="-".join)
def test_clashing_columns_are_refused(tmp_path, names):
    table = pa.table([pa.array([1]), pa.array([2])], names=names)
    with pytest.raises(OutputError) as caught:
        write_geopackage(tmp_path / "r.gpkg", [OutLayer("t", table)], crs_wkt=CRS)
    assert caught.value.code == "output_name_clash"


def test_clashing_layers_are_refused(tmp_path):
    layers = [OutLayer("t", pa.table({"a": [1]})), OutLayer("T", pa.table({"a": [1]}))]
    with pytest.raises(OutputError) as caught:
        write_geopackage(tmp_path / "r.gpkg", layers, crs_wkt=CRS)
    assert caught.value.code == "output_name_clash"


def test_empty_layers_are_written(tmp_path):
    empty = pa.table({"parcel_id": pa.array([], pa.string())})
    layers = [
        OutLayer("decisions", empty, wkb()),
        OutLayer("issues", empty, wkb(), "Point"),
        OutLayer("trace", pa.table({"trace_id": pa.array([], pa.int64())})),
    ]
    write_geopackage(tmp_path / "r.gpkg", layers, crs_wkt=CRS)
    assert layer_names(tmp_path / "r.gpkg")[:3] == ["decisions", "issues", "trace"]
    assert read_layer(tmp_path / "r.gpkg", "decisions").num_rows == 0


def test_only_tables_without_geometry(tmp_path):
    write_geopackage(tmp_path / "r.gpkg", [OutLayer("trace", pa.table({"trace_id": [1]}))], crs_wkt=CRS)
    assert read_layer(tmp_path / "r.gpkg", "trace").to_pylist() == [{"trace_id": 1}]


def test_read_layer_by_id_uses_an_index(result):
    plan = sql(result, "EXPLAIN QUERY PLAN SELECT * FROM decisions WHERE parcel_id IN (?)", "甲-1")
    assert "USING INDEX" in plan[0][3]
    plan = sql(result, "EXPLAIN QUERY PLAN SELECT * FROM trace WHERE trace_id IN (?)", 1)
    assert "USING INDEX" in plan[0][3]


def test_read_layer(result):
    whole = read_layer(result, "decisions")
    assert whole.column_names == ["parcel_id", "outcome", "trace_id", "due_on", "area_m2"]
    assert whole["due_on"].to_pylist() == [date(2022, 12, 31), None, date(2022, 6, 30)]
    some = read_layer(result, "decisions", ["丙;3", "甲-1", "none"], columns=["parcel_id", "trace_id"])
    assert some.to_pylist() == [{"parcel_id": "甲-1", "trace_id": 1}, {"parcel_id": "丙;3", "trace_id": 2}]
    assert read_layer(result, "trace", [1], key="trace_id")["rule"].to_pylist() == ["a", "b"]
    assert read_layer(result, "decisions", []).num_rows == 0


def test_read_layer_with_more_ids_than_parameters(tmp_path):
    n = 1300
    table = pa.table({"parcel_id": [f"P{i}" for i in range(n)]})
    write_geopackage(tmp_path / "r.gpkg", [OutLayer("t", table)], crs_wkt=CRS)
    wanted = [f"P{i}" for i in reversed(range(n))]
    found = read_layer(tmp_path / "r.gpkg", "t", wanted)
    assert found["parcel_id"].to_pylist() == [f"P{i}" for i in range(n)]


def test_read_errors(tmp_path, result):
    from landremed.errors import InputError

    text = tmp_path / "text.gpkg"
    text.write_text("no database")
    for path, layer, code in (
        (tmp_path / "none.gpkg", "x", "result_missing"),
        (tmp_path, "x", "result_missing"),
        (text, "x", "result_not_geopackage"),
        (result, "x", "result_layer_missing"),
        (result, "gpkg_contents", "result_layer_missing"),
    ):
        with pytest.raises(InputError) as caught:
            read_layer(path, layer)
        assert caught.value.code == code
    with pytest.raises(InputError) as caught:
        read_layer(result, "trace", ["a"])
    assert caught.value.code == "result_column_missing"


def test_nearest_ids(tmp_path):
    ids = [f"BH-{kind}-{i:03d}" for kind in ("OCC", "PARK") for i in range(1, 30)]
    path = tmp_path / "r.gpkg"
    write_geopackage(path, [OutLayer("t", pa.table({"parcel_id": ids}))], crs_wkt=CRS)
    assert nearest_ids(path, "t", "BH-OCC-01")[0] == "BH-OCC-001"
    assert nearest_ids(path, "t", "bh-park-012")[0] == "BH-PARK-012"
    assert nearest_ids(path, "t", "%") == []
    assert nearest_ids(path, "t", "BH_OCC_007")[0] == "BH-OCC-007"


def test_every_message_stands_in_both_languages():
    from landremed.text import catalogue

    codes = [code for code in catalogue() if code.startswith(("output_", "result_", "explain_"))]
    assert codes
    for code in codes:
        entry = catalogue()[code]
        assert entry["en"]
        assert entry["zh"]
        fields = [Counter(part[1] for part in Formatter().parse(entry[k])) for k in ("en", "zh")]
        assert set(fields[0]) - {None} == set(fields[1]) - {None}, code
