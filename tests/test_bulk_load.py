"""Layers written page by page hold exactly what GDAL and SQLite would have written row by row."""

import sqlite3
from contextlib import closing
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyogrio
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landremed.io import bulk_index, bulk_load, bulk_table, gpkg
from landremed.io.bulk_pages import PageFile
from landremed.io.bulk_record import varints
from landremed.io.gpkg import OutLayer, write_geopackage
from landremed.overlay.native.page_maker import NativePages

PLAIN = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"


def polygons(rng, rows):
    """Squares, some with holes, some of several parts, some with very many vertices, some missing."""
    x, y = rng.uniform(5e5, 6e5, rows), rng.uniform(4.2e6, 4.3e6, rows)
    shapes = shapely.box(x, y, x + rng.uniform(1, 50, rows), y + rng.uniform(1, 50, rows))
    for row in range(0, rows, 7):
        shapes[row] = shapely.Point(x[row], y[row]).buffer(20, quad_segs=int(rng.integers(1, 400)))
    for row in range(3, rows, 11):
        shapes[row] = shapes[row].difference(shapes[row].buffer(-0.3))
    for row in range(5, rows, 13):
        shapes[row] = shapely.MultiPolygon([shapes[row], shapely.box(0, 0, 1, 1)])
    shapes[4::17] = None
    return shapes


def table(rng, rows):
    words = np.array(["", "A", "永久基本农田", "x" * 60, "y" * 5000, "nul\0byte"], dtype=object)
    text = words[rng.integers(0, len(words), rows)]
    text[1::9] = None
    whole = rng.integers(-(2**62), 2**62, rows) >> rng.integers(0, 62, rows)
    real = rng.normal(size=rows)
    real[::5], real[1::5] = 0.0, -0.0
    ids = [f"P{rng.integers(0, max(1, rows // 3)):05d}" if rng.random() > 0.05 else None for _ in range(rows)]
    days = [date(2000, 1, 1) + timedelta(days=int(d)) for d in rng.integers(-9999, 9999, rows)]
    return pa.table(
        {
            "parcel_id": pa.array(ids, pa.string()),
            "text": pa.array(text, pa.string()),
            "coded": pa.array(text, pa.string()).dictionary_encode(),
            "whole": pa.array(whole, pa.int64(), mask=rng.random(rows) < 0.1),
            "small": pa.array(whole % 100, pa.int16()),
            "flag": pa.array(rng.integers(0, 2, rows), pa.int64(), mask=rng.random(rows) < 0.2),
            "yes": pa.array(rng.random(rows) < 0.5),
            "real": pa.array(real, mask=rng.random(rows) < 0.1),
            "single": pa.array(real.astype(np.float32)),
            "day": pa.array(days, pa.date32()),
            "nothing": pa.nulls(rows, pa.string()),
            "trace_id": pa.array(rng.integers(0, 40, rows), pa.int64()),
        }
    )


def layers(seed, rows):
    rng = np.random.default_rng(seed)
    wkb = pa.array(shapely.to_wkb(polygons(rng, rows), byte_order=1), pa.large_binary(), from_pandas=True)
    return [OutLayer("decisions", table(rng, rows), wkb), OutLayer("facts", table(rng, rows))]


def written(path, monkeypatch, bulk_from, content):
    monkeypatch.setattr(gpkg, "_BULK_FROM", bulk_from)
    write_geopackage(path, content, crs_wkt="EPSG:4548")
    return sqlite3.connect(path)


def everything(db):
    names = [
        n
        for (n,) in db.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'rtree%'"
        )
    ]
    return {name: db.execute(f'SELECT *, rowid FROM "{name}" ORDER BY rowid').fetchall() for name in names}


def assert_sound(db):
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    assert db.execute("SELECT rtreecheck('rtree_decisions_geom')").fetchone() == ("ok",)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), rows=st.sampled_from([1, 2, 3, 52, 60, 300, 1100]))
def test_same_as_row_by_row(tmp_path, monkeypatch, seed, rows):
    content = layers(seed, rows)
    for name in ("a.gpkg", "b.gpkg"):
        (tmp_path / name).unlink(missing_ok=True)
    with (
        closing(written(tmp_path / "a.gpkg", monkeypatch, 10**9, content)) as slow,
        closing(written(tmp_path / "b.gpkg", monkeypatch, 1, content)) as fast,
    ):
        assert slow.execute(PLAIN).fetchall() == fast.execute(PLAIN).fetchall()
        one, other = everything(slow), everything(fast)
        assert one.keys() == other.keys()
        for name, rows_of in one.items():
            # repr tells 0.0 from -0.0 and 1 from 1.0
            if name == "gpkg_contents":  # GDAL rounds the bounds it notes
                for ours, theirs in zip(other[name], rows_of, strict=True):
                    assert [pytest.approx(v, rel=1e-14) if isinstance(v, float) else v for v in ours] == [
                        *theirs
                    ]
            elif name != "sqlite_sequence":
                assert repr(rows_of) == repr(other[name]), name
        assert sorted(r[:2] for r in one["sqlite_sequence"]) == sorted(
            r[:2] for r in other["sqlite_sequence"]
        )
        assert_sound(fast)


def test_trees_of_several_levels(tmp_path, monkeypatch):
    rows = 60_000
    rng = np.random.default_rng(3)
    ids = np.array([f"{n:012d}" for n in rng.permutation(rows)])
    x, y = rng.uniform(5e5, 6e5, rows), rng.uniform(4.2e6, 4.3e6, rows)
    boxes = shapely.box(x, y, x + 5, y + 5)
    content = OutLayer(
        "decisions",
        pa.table({"parcel_id": ids, "n": np.arange(rows), "trace_id": rng.integers(0, 9, rows)}),
        pa.array(shapely.to_wkb(boxes, byte_order=1), pa.large_binary()),
    )
    path = tmp_path / "out.gpkg"
    with closing(written(path, monkeypatch, 1, [content])) as db:
        assert_sound(db)
        for row in rng.integers(0, rows, 200):
            plan = "SELECT n FROM decisions INDEXED BY idx_decisions_parcel_id WHERE parcel_id = ?"
            assert db.execute(plan, (ids[row],)).fetchall() == [(row,)]
        assert db.execute("SELECT count(*) FROM decisions WHERE trace_id = 4").fetchone()[0] == int(
            (content.table["trace_id"].to_numpy() == 4).sum()
        )
        # the file can go on being edited
        db.execute("CREATE TABLE later AS SELECT * FROM decisions WHERE n < 1000")
        db.commit()
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    window = (5.2e5, 4.22e6, 5.25e5, 4.23e6)
    found = pyogrio.read_dataframe(path, layer="decisions", bbox=window)["n"].tolist()
    assert sorted(found) == np.flatnonzero(shapely.intersects(boxes, shapely.box(*window))).tolist()


def test_qgis_style_edits_keep_it_sound(tmp_path, monkeypatch):
    """Rows added, changed and deleted through GDAL afterwards, with its triggers."""
    path = tmp_path / "out.gpkg"
    written(path, monkeypatch, 1, layers(1, 1500)).close()
    frame = pyogrio.read_dataframe(path, layer="decisions").head(5)
    pyogrio.write_dataframe(frame, path, layer="decisions", driver="GPKG", append=True)
    with closing(sqlite3.connect(path)) as db:
        assert_sound(db)
        assert db.execute("SELECT count(*), max(fid) FROM decisions").fetchone() == (1505, 1505)
        assert db.execute("SELECT feature_count FROM gpkg_ogr_contents LIMIT 1").fetchone() == (1505,)


def test_equal_layers_equal_bytes(tmp_path, monkeypatch):
    content = layers(5, 3000)
    for name in ("a.gpkg", "b.gpkg"):
        written(tmp_path / name, monkeypatch, 1, content).close()
    assert (tmp_path / "a.gpkg").read_bytes() == (tmp_path / "b.gpkg").read_bytes()


def test_the_page_that_sqlite_never_uses_is_left_out(tmp_path):
    path = tmp_path / "empty.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (a)")
    lock = (1 << 30) // 4096 + 1
    with PageFile(path) as file:
        file._pages = lock - 3
        assert file.take(4).tolist() == [lock - 2, lock - 1, lock + 1, lock + 2]
        assert file.take(1).tolist() == [lock + 3]
        file._pages = lock - 1
        assert file.take(1).tolist() == [lock + 1]
        file._pages = 2


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=30))
def test_varints_as_sqlite_reads_them(numbers):
    for number, raw in zip(numbers, varints(np.array(numbers)).data.to_pylist(), strict=True):
        value = 0
        for byte in raw:
            value = value << 7 | byte & 0x7F
        assert value == number
        assert [bool(b & 0x80) for b in raw] == [True] * (len(raw) - 1) + [False]
        assert len(raw) == max(1, -(-number.bit_length() // 7))


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "out.gpkg"
    written(path, monkeypatch, 1, layers(1, 50)).close()
    before = path.read_bytes()

    def fails(self, data, place):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PageFile, "_put", fails)
    with pytest.raises(gpkg.OutputError, match="No space left"):
        write_geopackage(path, layers(2, 50), crs_wkt="EPSG:4548", overwrite=True)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["out.gpkg"]


def begun(path, content, monkeypatch):
    monkeypatch.setattr(gpkg, "_BULK_FROM", 1)
    early = gpkg.begin_layers(path)
    for layer in content:  # one by one, as they become known
        gpkg.write_early(early, [layer], crs_wkt="EPSG:4548")
    return early


def test_layers_begun_early_stand_as_if_written_with_the_others(tmp_path, monkeypatch):
    content = layers(7, 400)
    content = [content[0], *(OutLayer(n, content[1].table) for n in ("facts", "later"))]
    with begun(tmp_path / "a.gpkg", content[1:2], monkeypatch) as early:
        write_geopackage(tmp_path / "a.gpkg", content, crs_wkt="EPSG:4548", early=early)
    with (
        closing(sqlite3.connect(tmp_path / "a.gpkg")) as first,
        closing(written(tmp_path / "b.gpkg", monkeypatch, 1, content)) as second,
    ):
        assert first.execute(PLAIN).fetchall() == second.execute(PLAIN).fetchall()
        one, other = everything(first), everything(second)
        del one["sqlite_sequence"], other["sqlite_sequence"]
        assert repr(sorted(one.items())) == repr(sorted(other.items()))
        assert_sound(first)


def test_a_layer_that_changed_since_is_written_anew(tmp_path, monkeypatch):
    old, new = layers(7, 300), layers(8, 200)
    with begun(tmp_path / "a.gpkg", old[1:], monkeypatch) as early:
        write_geopackage(tmp_path / "a.gpkg", new, crs_wkt="EPSG:4548", early=early)
    with closing(sqlite3.connect(tmp_path / "a.gpkg")) as db:
        assert db.execute("SELECT count(*) FROM facts").fetchone() == (200,)
        assert_sound(db)


def test_nothing_remains_of_what_was_begun(tmp_path, monkeypatch):
    path = tmp_path / "a.gpkg"

    def stopped(content):
        with begun(path, content, monkeypatch):
            raise KeyError("decided otherwise")

    with pytest.raises(KeyError):
        stopped(layers(7, 300))
    assert list(tmp_path.iterdir()) == []


def test_a_fault_while_writing_early_is_told(tmp_path, monkeypatch):
    path = tmp_path / "a.gpkg"
    content = layers(7, 300)
    written(path, monkeypatch, 1, content).close()
    before = path.read_bytes()

    def fails(self, data, place):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PageFile, "_put", fails)
    with (
        begun(path, content[1:], monkeypatch) as early,
        pytest.raises(gpkg.OutputError, match="No space left"),
    ):
        write_geopackage(path, content, crs_wkt="EPSG:4548", overwrite=True, early=early)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.gpkg"]


@pytest.mark.parametrize("missing", [False, True], ids=["all there", "some missing"])
def test_compiled_pages_make_the_same_file(tmp_path, monkeypatch, missing):
    monkeypatch.setattr(gpkg, "_BULK_FROM", 1)
    monkeypatch.setattr(bulk_load, "_CHUNK_ROWS", 256)  # some chunks without a missing shape, some with
    rows = 1100
    shapes = polygons(np.random.default_rng(8), rows)
    shapes[[shape is None for shape in shapes]] = shapely.box(0, 0, 1, 1)
    if missing:
        shapes[300] = None
    wkb = pa.array(shapely.to_wkb(shapes, byte_order=1), pa.large_binary(), from_pandas=True)
    content = [OutLayer("decisions", table(np.random.default_rng(9), rows), wkb), layers(1, rows)[1]]
    made = []

    class Maker(NativePages):
        def plan_rows(self, *given):
            made.append(super().plan_rows(*given))
            return made[-1]

    write_geopackage(tmp_path / "plain.gpkg", content, crs_wkt="EPSG:4548")
    write_geopackage(tmp_path / "compiled.gpkg", content, crs_wkt="EPSG:4548", make_pages=Maker())
    assert (tmp_path / "plain.gpkg").read_bytes() == (tmp_path / "compiled.gpkg").read_bytes()
    assert len(made) == 2 * 5 + 3  # chunks of both tables, then the tables of the spatial index
    assert None not in made


def coded(column):
    """Return the same texts by their numbers in a dictionary that holds others too, not in order."""
    pool = pa.array(["zz", *reversed(column.unique().drop_null().to_pylist()), "unused"], pa.string())
    codes = [None if value is None else pool.index(pa.scalar(value)).as_py() for value in column.to_pylist()]
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int16()), pool)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000),
    rows=st.sampled_from([1, 2, 3, 55, 260, 900]),
    chunk=st.sampled_from([256, 300, 65_536]),
    how=st.sampled_from(["plain", "coded", "large", "sorted", "runs"]),
)
def test_compiled_pages_of_all_kinds_of_columns(tmp_path, monkeypatch, seed, rows, chunk, how):
    monkeypatch.setattr(gpkg, "_BULK_FROM", 1)
    monkeypatch.setattr(bulk_load, "_CHUNK_ROWS", chunk)
    monkeypatch.setattr(bulk_table, "_FILLED", 3)  # pages made by one thread at a time
    monkeypatch.setattr(bulk_index, "_FILLED", 2)
    content = []
    for layer in layers(seed, rows):
        ids = layer.table["parcel_id"].combine_chunks()
        if how == "sorted":
            ids = pa.array(sorted(ids.fill_null("").to_pylist()))
        elif how == "runs":
            ids = pa.array(np.repeat(ids.to_numpy(zero_copy_only=False), 7)[:rows], pa.string())
        column = {"coded": coded, "large": lambda c: c.cast(pa.large_string())}.get(how, lambda c: c)(ids)
        held = layer.table.set_column(0, "parcel_id", column)
        held = held.append_column("mixed", pa.array(range(-1, rows - 1), pa.int64()))
        content.append(OutLayer(layer.name, held, layer.geometry))
    for name, make_pages in (("plain", None), ("compiled", NativePages())):
        path = tmp_path / f"{name}.gpkg"
        write_geopackage(path, content, crs_wkt="EPSG:4548", overwrite=True, make_pages=make_pages)
    assert (tmp_path / "plain.gpkg").read_bytes() == (tmp_path / "compiled.gpkg").read_bytes()
    with closing(sqlite3.connect(tmp_path / "compiled.gpkg")) as db:
        assert_sound(db)


@pytest.mark.parametrize("how", ["plain", "coded"])
def test_keys_with_a_character_of_number_zero(tmp_path, monkeypatch, how):
    # it is stored as another one, which stands elsewhere in the order and is longer
    rows = 60
    texts = [(f"a\0{n}", f"a\x01{n}", "\0" * (200 if n < 30 else 350) + str(n))[n % 3] for n in range(rows)]
    for count in (rows, 20):  # with and without keys too long for pages of ours
        ids = pa.array(texts[:count])
        ids = coded(ids) if how == "coded" else ids
        content = [OutLayer("facts", pa.table({"parcel_id": ids, "text": pa.array(texts[:count])}))]
        for name, make_pages in (("plain", None), ("compiled", NativePages())):
            monkeypatch.setattr(gpkg, "_BULK_FROM", 1)
            path = tmp_path / f"{name}{count}.gpkg"
            write_geopackage(path, content, crs_wkt="EPSG:4548", make_pages=make_pages)
            with closing(sqlite3.connect(path)) as db:
                assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                found = db.execute("SELECT parcel_id, text FROM facts ORDER BY fid").fetchall()
                assert found == [(text.replace("\0", "\ufffd"),) * 2 for text in texts[:count]]
                plan = db.execute("EXPLAIN QUERY PLAN SELECT fid FROM facts WHERE parcel_id = 'x'").fetchone()
                assert "idx_facts_parcel_id" in plan[-1]
                for number, (key, _) in enumerate(found, 1):
                    assert db.execute("SELECT fid FROM facts WHERE parcel_id = ?", (key,)).fetchone() == (
                        number,
                    )
