"""Streaming: files in, pieces out, the same whatever the chunks; a failed writer leaves no file."""

import numpy as np
import pyarrow as pa
import pyogrio
import pytest
import shapely
from shapely import box

from landremed.area import PlaneArea
from landremed.errors import OutputError
from landremed.io.stream_writer import StreamWriter
from landremed.overlay import stream

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


def test_nothing_is_left_beside_the_output(files, monkeypatch):
    run(files, monkeypatch, 50)
    assert sorted(p.name for p in files.iterdir()) == [
        "fields.gpkg",
        "out50.gpkg",
        "parcels.gpkg",
        "zone.gpkg",
    ]


def test_a_writer_that_fails_says_why(tmp_path):
    rows = pa.table({"n": [1], "geometry": [shapely.to_wkb(box(0, 0, 1, 1))]}, schema=SCHEMA)
    writer = StreamWriter(tmp_path / "missing" / "out.gpkg", "pieces", SCHEMA, crs_wkt="EPSG:4548")
    for _ in range(30):
        writer.write(rows)  # must not block although nobody reads
    with pytest.raises(OutputError):
        writer.close()


def test_an_error_inside_the_block_stops_the_writer(tmp_path):
    def interrupted():
        with StreamWriter(tmp_path / "out.gpkg", "pieces", SCHEMA, crs_wkt="EPSG:4548"):
            raise KeyError("stop")

    with pytest.raises(KeyError):
        interrupted()
