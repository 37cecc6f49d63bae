"""A damaged file never takes the place of a sound one, whatever part of it is damaged."""

import os
import sqlite3
import struct
import threading
from contextlib import closing

import numpy as np
import pyarrow as pa
import pytest
import shapely

from landremed.errors import OutputError
from landremed.io import gpkg, gpkg_check
from landremed.io.gpkg import OutLayer, begin_layers, replace_whole, write_early, write_geopackage
from landremed.io.gpkg_check import FileCheck

PAGE = 4096
ROWS = 3000


def layers():
    ids = pa.array([f"P{n:05d}" for n in range(ROWS)])
    x = np.arange(ROWS) % 60 * 20.0 + 5e5
    y = np.arange(ROWS) // 60 * 20.0 + 4.3e6
    shapes = shapely.box(x, y, x + 10, y + 10)
    shapes[5] = shapely.Point(5e5, 4.3e6).buffer(30, quad_segs=800)  # does not fit on a page
    wkb = pa.array(shapely.to_wkb(shapes, byte_order=1), pa.large_binary())
    facts = pa.table({"parcel_id": ids, "fact": ["occurred_on"] * ROWS})
    return [OutLayer("decisions", pa.table({"parcel_id": ids}), wkb), OutLayer("facts", facts)]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "sound.gpkg"
    write_geopackage(path, layers(), crs_wkt="EPSG:4548")
    return path


def roots(data_file):
    with closing(sqlite3.connect(data_file)) as db:
        return dict(db.execute("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0"))


def child(data, page):
    """Return the first child of an inner page."""
    head = (page - 1) * PAGE
    cell = struct.unpack_from(">H", data, head + 12)[0]
    return struct.unpack_from(">I", data, head + cell)[0]


def leaf(data, page):
    while data[(page - 1) * PAGE] in (2, 5):
        page = child(data, page)
    return page


def page_in_pieces(data, path):
    """The head of a leaf of rows: a kind of page that there is not."""
    data[(leaf(data, roots(path)["decisions"]) - 1) * PAGE] = 99


def row_out_of_order(data, path):
    """The row number of the first row of a leaf."""
    head = (leaf(data, roots(path)["facts"]) - 1) * PAGE
    cell = struct.unpack_from(">H", data, head + 8)[0]
    data[head + cell + 1] = 77


def index_entry(data, path):
    """One character of a key, so that the entry is no row's; the order stays."""
    head = (leaf(data, roots(path)["idx_facts_parcel_id"]) - 1) * PAGE
    at = data.index(b"P00007", head, head + PAGE)
    data[at : at + 6] = b"P00006"


def index_row(data, path):
    """The row number of an index entry."""
    head = (leaf(data, roots(path)["idx_decisions_parcel_id"]) - 1) * PAGE
    at = data.index(b"P00007", head, head + PAGE)
    assert struct.unpack_from(">H", data, at + 6)[0] == 8
    struct.pack_into(">H", data, at + 6, 2900)


def end_of_long_row(data, path):
    """The page on which a row that is too long goes on: it names another."""
    text = data.find(struct.pack("<I", 3201), 0)  # the vertices of the ring, on the leaf
    start = text // PAGE * PAGE
    follows = next(
        at
        for at in range(start + PAGE - 4, start, -1)
        if 1 < struct.unpack_from(">I", data, at)[0] <= len(data) // PAGE
        and struct.unpack_from(">I", data, at)[0] * PAGE < len(data)
        and struct.unpack_from(">I", data, (struct.unpack_from(">I", data, at)[0] - 1) * PAGE)[0]
        == struct.unpack_from(">I", data, at)[0] + 1
    )
    page = struct.unpack_from(">I", data, follows)[0]
    struct.pack_into(">I", data, (page - 1) * PAGE, page + 7)


def unused_page(data, _path):
    """A page that belongs to nothing."""
    data += bytes(PAGE)
    struct.pack_into(">I", data, 28, len(data) // PAGE)


def free_list(data, _path):
    """The head names a free page that there is not."""
    struct.pack_into(">II", data, 32, 3, 1)


def spatial_node(data, path):
    """The west side of the first box of the spatial index, moved beyond the box above it."""
    root = roots(path)["rtree_decisions_geom_node"]
    with closing(sqlite3.connect(path)) as db:
        node = db.execute("SELECT data FROM rtree_decisions_geom_node WHERE nodeno = 2").fetchone()[0]
    assert root
    at = data.index(node)
    struct.pack_into(">f", data, at + 12, -9e5)


def spatial_leaf(data, path):
    """The leaf in which a row is said to lie."""
    head = (leaf(data, roots(path)["rtree_decisions_geom_rowid"]) - 1) * PAGE
    cell = head + struct.unpack_from(">H", data, head + 8)[0]
    length = data[cell]
    data[cell + 1 + length] ^= 1


KINDS = [
    page_in_pieces, row_out_of_order, index_entry, index_row, end_of_long_row, unused_page, free_list,
    spatial_node, spatial_leaf,
]  # fmt: skip


@pytest.mark.parametrize("damage", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("many", [1, 10**9], ids=["table by table", "together"])
def test_damage_is_found(tmp_path, monkeypatch, sound, damage, many):
    monkeypatch.setattr(gpkg_check, "_MANY", many)
    target = tmp_path / "out.gpkg"
    target.write_bytes(sound.read_bytes())
    before = target.read_bytes()
    data = bytearray(before)
    damage(data, sound)
    assert data != before

    def replaced():
        with replace_whole(target) as temp:
            temp.write_bytes(data)

    with pytest.raises(OutputError) as caught:
        replaced()
    assert caught.value.code == "output_damaged"
    assert target.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["out.gpkg"]


def test_sound_files_are_sound(sound):
    with closing(FileCheck(sound)) as check:
        assert check.verdict() == "ok"
    with closing(FileCheck(sound)) as check:
        check.begin(["facts", "decisions"])
        assert sorted(check._begun) == ["decisions", "facts", "rtree_decisions_geom"]
        assert check.verdict() == "ok"


@pytest.mark.parametrize("damage", [index_entry, index_row, spatial_node], ids=lambda kind: kind.__name__)
def test_damage_is_found_in_layers_begun_early(tmp_path, monkeypatch, damage):
    """What is damaged before the check begins is found, though the rest of the file is still written."""
    monkeypatch.setattr(gpkg, "_BULK_FROM", 1)
    path = tmp_path / "out.gpkg"
    content = layers()
    real = gpkg.load_layers

    def damaged(temp, *given, **named):
        real(temp, *given, **named)
        data = bytearray(temp.read_bytes())
        damage(data, temp)
        temp.write_bytes(data)

    monkeypatch.setattr(gpkg, "load_layers", damaged)
    early = begin_layers(path)
    write_early(early, content, crs_wkt="EPSG:4548")
    later = OutLayer("later", pa.table({"parcel_id": ["a"]}))
    monkeypatch.setattr(gpkg, "_BULK_FROM", 10)
    with early, pytest.raises(OutputError) as caught:
        write_geopackage(path, [*content, later], crs_wkt="EPSG:4548", early=early)
    assert caught.value.code == "output_damaged"
    assert list(tmp_path.iterdir()) == []


def test_rows_changed_at_the_end_are_checked_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(gpkg, "_BULK_FROM", 1)
    path = tmp_path / "out.gpkg"
    content = layers()
    early = begin_layers(path)
    write_early(early, content[1:], crs_wkt="EPSG:4548")

    def finish(temp):
        with closing(sqlite3.connect(temp)) as db, db:
            db.execute("INSERT INTO facts (parcel_id, fact) VALUES ('P99999', 'category')")
        data = bytearray(temp.read_bytes())
        index_entry(data, temp)
        temp.write_bytes(data)
        return True

    with early, pytest.raises(OutputError) as caught:
        write_geopackage(path, content, crs_wkt="EPSG:4548", early=early, finish=finish)
    assert caught.value.code == "output_damaged"


def test_changes_of_a_copy_in_write_ahead_mode_are_kept(tmp_path, sound):
    """A copy may have come with its log: the log's rows belong to it."""
    target = tmp_path / "out.gpkg"
    target.write_bytes(sound.read_bytes())
    with replace_whole(target) as temp:
        temp.write_bytes(sound.read_bytes())
        db = sqlite3.connect(temp)
        assert db.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute("UPDATE facts SET fact = 'category' WHERE fid = 7")
        db.commit()
        kept = {side: temp.with_name(temp.name + side).read_bytes() for side in ("-wal", "-shm")}
        whole = temp.read_bytes()
        db.close()
        temp.write_bytes(whole)
        temp.with_name(temp.name + "-wal").write_bytes(kept["-wal"])
    with closing(sqlite3.connect(target)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert db.execute("SELECT fact FROM facts WHERE fid = 7").fetchone() == ("category",)


@pytest.mark.parametrize("damaged", [False, True], ids=["sound", "damaged"])
def test_checks_begun_early_do_not_mind_what_is_added_later(tmp_path, monkeypatch, sound, damaged):
    path = tmp_path / "growing.gpkg"
    data = bytearray(sound.read_bytes())
    if damaged:
        index_row(data, sound)
    path.write_bytes(data)
    may_go, answer = threading.Event(), gpkg_check._answer
    monkeypatch.setattr(gpkg_check, "_answer", lambda *given: may_go.wait() and answer(*given))
    with closing(FileCheck(path)) as check:
        check.begin(["decisions"])
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            for number in range(80):  # the list of tables outgrows its page
                db.execute(
                    f"CREATE TABLE later_{number} (a_column_of_some_length TEXT UNIQUE, another INTEGER)"
                )
            db.execute("INSERT INTO later_7 VALUES ('x', 1)")
        may_go.set()
        said = [future.result() for future in check._begun.values()]
        assert (said == ["ok", "ok"]) is not damaged
        assert (check.verdict() == "ok") is not damaged


def test_a_check_that_is_not_wanted_any_more_ends(tmp_path, sound, monkeypatch):
    """Whoever interrupts a run does not wait for the indexes of millions of rows."""
    path = tmp_path / "out.gpkg"
    path.write_bytes(sound.read_bytes())
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    monkeypatch.setattr(gpkg_check, "_indexed", lambda db: {"facts": (2, endless), "decisions": (1, endless)})
    check = FileCheck(path)
    check.begin(["facts", "decisions"])
    check.close()
    assert check._begun["decisions"].done()  # it had not begun
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        check._begun["facts"].result()


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid"), reason="needs rights as on Unix")
def test_an_old_file_that_may_not_be_read_is_replaced(tmp_path, sound, monkeypatch):
    target = tmp_path / "out.gpkg"
    target.write_bytes(b"old")
    real = os.open

    def refused(path, *more):
        if str(path) == str(target):
            raise PermissionError(13, "Permission denied")
        return real(path, *more)

    with replace_whole(target) as temp:
        temp.write_bytes(sound.read_bytes())
        monkeypatch.setattr(os, "open", refused)
    assert target.read_bytes()[:6] == b"SQLite"
