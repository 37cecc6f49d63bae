"""Streaming: files in, pieces out, the same whatever the chunks; a failed writer leaves no file."""

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyogrio
import pytest
import shapely
from shapely import box

from landremed.area import PlaneArea
from landremed.errors import InputError, OutputError
from landremed.io import bulk_pages
from landremed.io.bulk_pages import PageFile
from landremed.io.gpkg_columns import as_multi
from landremed.io.stream_writer import StreamWriter
from landremed.overlay import Expected, prepare, stream
from landremed.overlay.native.page_maker import NativePages

X, Y = 500_000.0, 4_300_000.0
SCHEMA = pa.schema([("n", pa.int64()), ("geometry", pa.large_binary())])


def write(path, geometries):
    table = pa.table({"pid": np.arange(len(geometries)), "geometry": shapely.to_wkb(geometries)})
    pyogrio.raw.write_arrow(
        table, str(path), layer=path.stem, driver="GPKG", geometry_name="geometry",
        geometry_type="Polygon", crs="EPSG:4548",
    )  # fmt: skip


def squares(n, size, step):
    i = np.arange(n)
    x0, y0 = X + (i % 10) * step, Y + (i // 10) * step
    return box(x0, y0, x0 + size, y0 + size)


@pytest.fixture
def files(tmp_path):
    write(tmp_path / "parcels.gpkg", squares(95, 8.0, 10.0))
    write(tmp_path / "fields.gpkg", squares(30, 15.0, 25.0))
    write(tmp_path / "zone.gpkg", box([X - 10], [Y - 10], [X + 43], [Y + 47]))
    return tmp_path


def run(files, monkeypatch, chunk):
    monkeypatch.setattr(stream, "CHUNK", chunk)
    layers = {"fields": files / "fields.gpkg", "zone": files / "zone.gpkg"}
    out = files / f"out{chunk}.gpkg"
    found = stream.overlay_files(
        files / "parcels.gpkg", layers, out, parcel_id="pid", area=PlaneArea(), engine="shapely"
    )
    return found, pyogrio.read_dataframe(out)


def test_pieces_are_written_whatever_the_chunks(files, monkeypatch):
    found, whole = run(files, monkeypatch, 1000)
    again, cut = run(files, monkeypatch, 7)
    # zone: columns 0-3 whole (8 wide), column 4 cut to 3 of 8; rows 0-3 whole, row 4 cut to 7 of 8
    assert found.area_m2["zone"] == pytest.approx((4 * 8 + 3) * (4 * 8 + 7))
    assert found.parcels == again.parcels == 95
    assert found.pieces == len(whole) == len(cut)
    assert whole.drop(columns="geometry").equals(cut.drop(columns="geometry"))
    assert (shapely.to_wkb(whole.geometry.values) == shapely.to_wkb(cut.geometry.values)).all()
    assert whole.geometry.geom_type.unique().tolist() == ["MultiPolygon"]
    np.testing.assert_allclose(whole["area_m2"], whole.geometry.area)


def test_threads_and_ranges_do_not_show_in_the_file(files, monkeypatch):
    layers = {"fields": files / "fields.gpkg", "zone": files / "zone.gpkg"}
    contents, totals = [], []
    for at_once, jobs, chunk in ((4096, 1, 1000), (10, 1, 1000), (10, 3, 1000), (7, 2, 20)):
        monkeypatch.setattr(stream, "RANGE", at_once)
        monkeypatch.setattr(stream, "CHUNK", chunk)
        found = stream.overlay_files(
            files / "parcels.gpkg", layers, files / "out.gpkg", parcel_id="pid", area=PlaneArea(),
            engine="native", jobs=jobs,
        )  # fmt: skip
        contents.append(everything(files / "out.gpkg")[1])
        totals.append(found)
    assert all(content == contents[0] for content in contents)
    for found in totals:
        assert found.area_m2["zone"] == pytest.approx((4 * 8 + 3) * (4 * 8 + 7))
        assert (found.parcels, found.pieces, found.statistics) == (95, 73, totals[0].statistics)


def test_a_choice_of_engine_goes_by_all_parcels(files, monkeypatch):
    seen = []
    monkeypatch.setattr(stream, "CHUNK", 7)
    monkeypatch.setattr(stream, "prepare", lambda *a, **k: seen.append(k["expected"]) or prepare(*a, **k))
    stream.overlay_files(
        files / "parcels.gpkg", {"zone": files / "zone.gpkg"}, None, parcel_id="pid", area=PlaneArea()
    )
    assert seen == [Expected(95)]


def test_nothing_is_left_beside_the_output(files, monkeypatch):
    run(files, monkeypatch, 50)
    assert sorted(p.name for p in files.iterdir()) == [
        "fields.gpkg",
        "out50.gpkg",
        "parcels.gpkg",
        "zone.gpkg",
    ]


def test_no_parcels_give_a_file_without_rows(files, monkeypatch):
    write(files / "parcels.gpkg", squares(0, 8.0, 10.0))
    found, rows = run(files, monkeypatch, 7)
    assert (found.parcels, found.pieces, len(rows)) == (0, 0, 0)
    assert rows.columns.tolist() == ["parcel_id", "layer", "area_m2", "share", "geometry"]
    assert rows.crs == "EPSG:4548"


def rows_to_write(count):
    """Squares, rings of more vertices than a page holds, holes, several parts; ids as text, some missing."""
    shapes = squares(count, 8.0, 10.0)
    for n in range(0, count, 9):
        shapes[n] = shapes[n].centroid.buffer(4, quad_segs=50 + 7 * n)
    for n in range(4, count, 9):
        shapes[n] = shapes[n].difference(shapes[n].buffer(-2))
    for n in range(7, count, 9):
        shapes[n] = shapely.MultiPolygon([shapes[n], box(0, 0, 1, 1)])
    return pa.table(
        {
            "parcel_id": [None if n % 11 == 3 else f"地块{n}" for n in range(count)],
            "layer": pa.array(["fields", "zone"] * (count // 2)),
            "area_m2": shapely.area(shapes),
            "whole": np.arange(count) * 10**9,
            "none": pa.nulls(count, pa.string()),
            "geometry": pa.array(shapely.to_wkb(shapes), pa.large_binary()),
        }
    )


def everything(path):
    with closing(sqlite3.connect(path)) as db:
        names = db.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()
        plain = [name for name, sql in names if sql and sql.startswith("CREATE TABLE")]
        content = {
            name: db.execute(f'SELECT * FROM "{name}"').fetchall()
            for name in plain
            if name not in ("gpkg_contents", "gpkg_metadata") and not name.startswith("rtree_")
        }
        contents = db.execute(
            "SELECT table_name, data_type, srs_id, min_x, max_y FROM gpkg_contents"
        ).fetchall()
        return names, content, contents


@pytest.mark.parametrize("make_pages", [None, NativePages()], ids=["plain", "compiled"])
@pytest.mark.parametrize("chunk", [1, 97, 400])
@pytest.mark.parametrize("indexed", [True, False])
def test_the_file_is_the_one_gdal_would_have_written(tmp_path, chunk, indexed, make_pages):
    rows = rows_to_write(400)
    shapes = pa.array(as_multi(rows["geometry"]).to_pylist(), pa.large_binary())
    promoted = rows.set_column(5, "geometry", shapes)
    pyogrio.raw.write_arrow(
        promoted, str(tmp_path / "gdal.gpkg"), layer="pieces", driver="GPKG", geometry_name="geometry",
        geometry_type="MultiPolygon", crs="EPSG:4548",
        layer_options={"SPATIAL_INDEX": "YES" if indexed else "NO"},
    )  # fmt: skip
    path = tmp_path / "ours.gpkg"
    with StreamWriter(
        path, "pieces", rows.schema, crs_wkt="EPSG:4548", spatial_index=indexed, make_pages=make_pages
    ) as writer:
        for start in range(0, 400, chunk):
            writer.write(rows.slice(start, chunk))
    (names, content, contents), (gdal_names, gdal_content, gdal_contents) = (
        everything(path),
        everything(tmp_path / "gdal.gpkg"),
    )
    assert names == gdal_names
    assert repr(content) == repr(gdal_content)
    for ours, theirs in zip(contents, gdal_contents, strict=True):
        assert [pytest.approx(v, rel=1e-14) if isinstance(v, float) else v for v in ours] == [*theirs]
    assert pyogrio.read_dataframe(path).equals(pyogrio.read_dataframe(tmp_path / "gdal.gpkg"))
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if indexed:
            assert db.execute("SELECT rtreecheck('rtree_pieces_geom')").fetchone() == ("ok",)
    window = (X + 15, Y + 15, X + 34, Y + 52)
    found = pyogrio.read_dataframe(path, bbox=window)["whole"].tolist()
    theirs = pyogrio.read_dataframe(tmp_path / "gdal.gpkg", bbox=window)["whole"].tolist()
    assert sorted(found) == sorted(theirs)
    assert found


@pytest.mark.parametrize(
    "odd",
    [None, shapely.Polygon(), shapely.Point(1, 2), shapely.Polygon([(0, 0, 1), (1, 0, 1), (0, 1, 1)])],
    ids=["missing", "empty", "point", "with height"],
)
def test_compiled_pages_leave_what_they_do_not_know_to_the_others(tmp_path, odd):
    shapes = squares(50, 8.0, 10.0)
    shapes[20] = odd
    wkb = pa.array(shapely.to_wkb(shapes, output_dimension=3), pa.large_binary(), from_pandas=True)
    rows = pa.table({"n": np.arange(50), "geometry": wkb})
    content = []
    for make_pages in (None, NativePages()):
        path = tmp_path / f"{len(content)}.gpkg"
        with StreamWriter(path, "pieces", SCHEMA, crs_wkt="EPSG:4548", make_pages=make_pages) as writer:
            for start in range(0, 50, 10):
                writer.write(rows.slice(start, 10))
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            content.append(db.execute("SELECT * FROM pieces").fetchall())
    assert content[0] == content[1]
    assert len(content[0]) == 50


def test_layers_at_the_page_that_sqlite_leaves_out(tmp_path, monkeypatch):
    rows = rows_to_write(400)
    monkeypatch.setattr(bulk_pages, "_LOCK_BYTE", 600 * 4096)  # in the midst of the ends of long rows
    content = []
    for make_pages in (None, NativePages()):
        path = tmp_path / f"{len(content)}.gpkg"
        with StreamWriter(path, "pieces", rows.schema, crs_wkt="EPSG:4548", make_pages=make_pages) as writer:
            writer.write(rows)
        content.append(everything(path)[1])
    assert repr(content[0]) == repr(content[1])


def test_the_pieces_conform_to_the_standard(files, monkeypatch):
    samples = pytest.importorskip("osgeo_utils.samples", reason="gdal-utils is not installed")
    script = Path(next(iter(samples.__path__))) / "validate_gpkg.py"
    run(files, monkeypatch, 40)
    command = [sys.executable, script, files / "out40.gpkg"]
    said = subprocess.run(command, check=False, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr


def test_a_file_that_cannot_be_made_is_told(tmp_path):
    with pytest.raises(OutputError):
        StreamWriter(tmp_path / "missing" / "out.gpkg", "pieces", SCHEMA, crs_wkt="EPSG:4548")


def test_a_full_disk_is_told_and_leaves_the_old_file(files, monkeypatch):
    out = files / "out7.gpkg"
    run(files, monkeypatch, 7)
    before = out.read_bytes()

    def fails(self, data, place):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PageFile, "_put", fails)
    with pytest.raises(OutputError, match="No space left"):
        run(files, monkeypatch, 7)  # 14 chunks: none of them may wait for a writer that has stopped
    assert out.read_bytes() == before
    assert not list(files.glob(".*"))


def test_an_error_inside_the_block_stops_the_writer(tmp_path):
    def interrupted():
        with StreamWriter(tmp_path / "out.gpkg", "pieces", SCHEMA, crs_wkt="EPSG:4548"):
            raise KeyError("stop")

    with pytest.raises(KeyError):
        interrupted()


def test_parcels_that_cannot_be_read_to_the_end_are_told(files, monkeypatch):
    def breaks(path, parcel_id):
        yield from list(read_chunks(path, parcel_id))[:3]
        raise RuntimeError("unexpected end")

    read_chunks = stream._read_chunks
    monkeypatch.setattr(stream, "_read_chunks", breaks)
    with pytest.raises(InputError, match="unexpected end"):
        run(files, monkeypatch, 7)
    assert not list(files.glob("*out*"))


KILLED = """
import os, signal, sys
from pathlib import Path
from landremed.area import PlaneArea
from landremed.overlay import Expected, prepare, stream
from landremed.overlay.native.page_maker import NativePages

folder, step, stream.CHUNK = Path(sys.argv[1]), sys.argv[2], 7
measure, calls = stream._measure, []

def killed(*arguments):
    calls.append(0)
    if step == "measuring" and len(calls) == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return measure(*arguments)

stream._measure = killed
if step == "checking":
    stream._check_rows = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
layers = {"fields": folder / "fields.gpkg", "zone": folder / "zone.gpkg"}
stream.overlay_files(
    folder / "parcels.gpkg", layers, folder / "out7.gpkg", parcel_id="pid", area=PlaneArea(), engine="shapely"
)
"""


@pytest.mark.parametrize("step", ["measuring", "checking"])
@pytest.mark.parametrize("before", [False, True])
def test_a_killed_overlay_leaves_nothing_half(files, monkeypatch, step, before):
    out = files / "out7.gpkg"
    if before:
        run(files, monkeypatch, 7)
    old = out.read_bytes() if before else None
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", KILLED, files, step], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert (out.read_bytes() if out.exists() else None) == old
    assert list(files.glob(".*")), "killed before it wrote anything"
    _, rows = run(files, monkeypatch, 7)
    assert len(rows) == 73  # of every parcel in the zone one, and of those beyond that meet a field
    assert not list(files.glob(".*"))
