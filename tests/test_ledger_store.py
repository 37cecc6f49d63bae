"""The file itself: nothing is changed or lost, whatever happens to the process or behind its back."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from datetime import date
from pathlib import Path

import pyogrio
import pytest
from ledger_results import CLERK, FILL, make_ledger, make_result, walk

from landremed.errors import InputError, LandremedError, OutputError
from landremed.law import load_rulebook
from landremed.ledger import Change, audit_ledger, init_ledger, reading_desk, record_changes, writing_desk
from landremed.ledger.events import Entry, Kind


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    make_ledger(folder, {f"P{i}": FILL for i in range(5)})
    return folder


@pytest.fixture
def ledger(made, tmp_path):
    for name in ("out.gpkg", "ledger.gpkg"):
        shutil.copy(made / name, tmp_path / name)
    return tmp_path / "ledger.gpkg"


def note(ledger, parcel, text):
    return record_changes(ledger, [Change(parcel, date(2022, 5, 1), notes={"note": text})], CLERK)


def tamper(ledger, *statements, triggers=False):
    with closing(sqlite3.connect(ledger)) as db:
        if not triggers:
            kept = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for name, _ in kept:
                db.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            db.execute(statement)
        if not triggers:
            for _, sql in kept:
                db.execute(sql)
        db.commit()


def codes(ledger, **options):
    return {finding.code for finding in audit_ledger(ledger, **options).findings}


def test_base_events_and_clean_audit(ledger):
    with reading_desk(ledger) as desk:
        events = desk.journal.events
    assert [e.event for e in events] == ["opened"] + ["enter"] * 5
    assert {e.booked_on for e in events} == {date(2022, 3, 31)}
    assert codes(ledger) == set()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET who = 'x' WHERE seq = 2",
        "DELETE FROM events WHERE seq = 6",
        "INSERT OR REPLACE INTO events SELECT seq, parcel_id, event, 'x', at, day, booked_on, old, new,"
        " source, prev_hash, hash || 'x' FROM events WHERE seq = 3",
        "INSERT INTO events SELECT seq + 7, parcel_id, event, who, at, day, booked_on, old, new, source,"
        " hash, hash || 'x' FROM events WHERE seq = 6",
        "UPDATE OR REPLACE events SET seq = 3 WHERE seq = 6",
    ],
)
def test_the_file_refuses_changes(ledger, statement):
    with pytest.raises(sqlite3.IntegrityError):
        tamper(ledger, statement, triggers=True)
    assert codes(ledger) == set()


@pytest.mark.parametrize(
    ("statements", "code"),
    [
        (["UPDATE events SET new = replace(new, '1000.0', '10.0') WHERE seq = 3"], "audit_event_edited"),
        (["UPDATE events SET day = '2022-01-01' WHERE seq = 4"], "audit_event_edited"),
        (["DELETE FROM events WHERE seq = 3"], "audit_link_broken"),
        (["DELETE FROM events WHERE seq = 6"], "audit_cut_off"),
        (["UPDATE board SET state = 'closed' WHERE parcel_id = 'P1'"], "audit_board_differs"),
        (["DELETE FROM board WHERE parcel_id = 'P1'"], "audit_board_differs"),
    ],
)
def test_edits_behind_its_back_are_noticed(ledger, statements, code):
    tamper(ledger, *statements)
    assert code in codes(ledger)


def test_an_edited_ledger_takes_no_more_events(ledger):
    tamper(ledger, "UPDATE events SET who = 'x' WHERE seq = 3")
    before = ledger.read_bytes()
    with pytest.raises(InputError) as caught:
        note(ledger, "P1", "x")
    assert caught.value.code == "ledger_edited"
    assert "3" in caught.value.text("zh")
    assert ledger.read_bytes() == before


def test_a_whole_rewritten_end_shows_by_a_hash_noted_elsewhere(ledger):
    head = audit_ledger(ledger).head
    note(ledger, "P1", "later")
    assert codes(ledger, head=head[:12]) == set()
    tamper(
        ledger,
        "DELETE FROM events WHERE seq >= 6",
        "UPDATE head SET seq = 5, hash = (SELECT hash FROM events WHERE seq = 5)",
    )
    assert "audit_head_gone" in codes(ledger, head=head)


def test_a_missing_guard_is_noticed(ledger):
    with closing(sqlite3.connect(ledger)) as db:
        db.execute("DROP TRIGGER events_never_go")
        db.commit()
    assert codes(ledger) == {"audit_guard_gone"}


def test_an_exception_leaves_nothing(ledger):
    before = audit_ledger(ledger).events
    entry = Entry("P1", Kind.NOTE, date(2022, 5, 1), {"kind": "note", "text": "x"})

    def write_and_fail():
        with writing_desk(ledger) as desk:
            desk.write([entry], CLERK, desk.cases())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert audit_ledger(ledger).events == before


def test_all_or_none(ledger):
    before = audit_ledger(ledger).events
    changes = [
        Change("P1", date(2022, 5, 1), state="verified"),
        Change("P2", date(2022, 5, 1), state="closed"),
    ]
    with pytest.raises(LandremedError):
        record_changes(ledger, changes, CLERK)
    assert audit_ledger(ledger).events == before


WRITER = """
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from landremed.ledger import Change, Clerk, record_changes
name = sys.argv[2]
for number in range(int(sys.argv[3])):
    change = Change("P1", date(2022, 5, 1), notes={"note": f"{name}-{number}"})
    record_changes(Path(sys.argv[1]), [change], Clerk("w", datetime(2022, 9, 20, tzinfo=UTC)))
    print(number, flush=True)
"""


def writer(ledger, name, times):
    command = [sys.executable, "-c", WRITER, str(ledger), name, str(times)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def notes_in(ledger):
    with reading_desk(ledger) as desk:
        return [e.new["text"] for e in desk.journal.events if e.event == "note"]


def test_two_processes_at_once_are_both_in(ledger):
    running = [writer(ledger, name, 6) for name in ("a", "b")]
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert sorted(notes_in(ledger)) == sorted(f"{n}-{i}" for n in "ab" for i in range(6))
    assert codes(ledger) == set()


@pytest.mark.skipif(os.name == "nt", reason="kill -9")
@pytest.mark.parametrize("acknowledged", [1, 5])
def test_killed_while_writing(ledger, acknowledged):
    process = writer(ledger, "k", 100_000)
    seen = [process.stdout.readline() for _ in range(acknowledged)]
    assert all(seen), process.stderr.read()
    process.send_signal(signal.SIGKILL)
    seen += process.stdout.read().splitlines()
    process.wait()
    process.stderr.close()
    process.stdout.close()
    assert codes(ledger) == set()
    kept = notes_in(ledger)
    assert len(kept) >= len([line for line in seen if line.strip()])
    assert kept == [f"k-{i}" for i in range(len(kept))]
    note(ledger, "P2", "goes on")
    assert codes(ledger) == set()


@pytest.mark.skipif(os.name == "nt", reason="limits of files")
def test_full_disk(ledger):
    before = audit_ledger(ledger)
    program = """
        import resource, signal, sys
        from datetime import UTC, date, datetime
        from pathlib import Path
        from landremed.errors import OutputError
        from landremed.ledger import Change, Clerk, record_changes
        path = Path(sys.argv[1])
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        size = path.stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        change = Change("P1", date(2022, 5, 1), notes={"note": "x" * 200_000})
        try:
            record_changes(path, [change], Clerk("w", datetime(2022, 9, 20, tzinfo=UTC)))
        except OutputError as error:
            print(error.code)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(ledger)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.stdout.strip() == "ledger_disk", run.stderr
    after = audit_ledger(ledger)
    assert (after.events, after.head, after.findings) == (before.events, before.head, [])


def test_busy(ledger, monkeypatch):
    monkeypatch.setattr("landremed.ledger.store._BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(ledger, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OutputError) as caught:
            note(ledger, "P1", "x")
    assert caught.value.code == "ledger_busy"
    note(ledger, "P1", "x")


@pytest.mark.parametrize("damage", ["cut", "noise", "text", "empty", "result"])
def test_damaged_or_foreign_files(ledger, damage, tmp_path):
    data = ledger.read_bytes()
    bad = tmp_path / "bad.gpkg"
    made = {
        "cut": data[: len(data) // 2],
        "noise": data[:4096] + bytes(255 - b for b in data[4096:]),
        "text": b"not a database at all" * 50,
        "empty": b"",
        "result": (tmp_path / "out.gpkg").read_bytes(),
    }
    bad.write_bytes(made[damage])
    with pytest.raises(InputError) as caught:
        note(bad, "P1", "x")
    assert caught.value.code in {"ledger_damaged", "ledger_not_one"}
    assert bad.read_bytes() == made[damage]
    for language in ("zh", "en"):
        assert "bad.gpkg" in caught.value.text(language)


def test_missing(tmp_path):
    with pytest.raises(InputError) as caught:
        audit_ledger(tmp_path / "none.gpkg")
    assert caught.value.code == "ledger_missing"


def test_existing_ledger_is_kept(ledger, tmp_path):
    before = ledger.read_bytes()
    with pytest.raises(OutputError) as caught:
        init_ledger(tmp_path / "out.gpkg", ledger, CLERK)
    assert caught.value.code == "output_exists"
    assert ledger.read_bytes() == before
    assert not list(tmp_path.glob(".*tmp*"))


def test_another_rule_book(tmp_path):
    result = make_result(tmp_path / "other.gpkg", {"P1": FILL}, rules_hash="0" * 64)
    with pytest.raises(InputError) as caught:
        init_ledger(result, tmp_path / "l.gpkg", CLERK)
    assert caught.value.code == "ledger_rules_changed"
    assert not (tmp_path / "l.gpkg").exists()


def test_a_rule_book_changed_after_the_fact(tmp_path):
    folder = tmp_path / "office"
    shutil.copytree(Path(__file__).parents[1] / "rules" / "binhai-2022", folder)
    told = {"rules": str(folder), "rules_hash": load_rulebook(folder).content_hash}
    ledger = make_ledger(tmp_path, {"P1": FILL}, **told)
    note(ledger, "P1", "fine")
    page = folder / "ledger.yaml"
    page.write_text(
        page.read_text(encoding="utf-8").replace("start: issued", "start: judged"), encoding="utf-8"
    )
    with pytest.raises(InputError) as caught:
        note(ledger, "P1", "not so fine")
    assert caught.value.code == "ledger_rules_changed"
    page.unlink()
    told = {"rules": str(folder), "rules_hash": load_rulebook(folder).content_hash}
    with pytest.raises(InputError) as caught:
        make_ledger(tmp_path, {"P1": FILL}, **told)
    assert caught.value.code == "ledger_rules_missing"


def test_other_programs_see_the_board(ledger, tmp_path):
    walk(ledger, "P1", date(2022, 5, 2), to="judged")
    frame = pyogrio.read_dataframe(ledger, layer="board").set_index("parcel_id")
    assert frame.loc["P1", "state"] == "judged"
    assert frame.loc["P0", "state"] == "issued"
    assert frame.geometry.area.round(6).tolist() == [1.0] * 5
    assert frame.crs.to_epsg() == 4548


def test_validator_finds_nothing(ledger):
    samples = pytest.importorskip("osgeo_utils.samples", reason="gdal-utils is not installed")
    script = Path(next(iter(samples.__path__))) / "validate_gpkg.py"
    walk(ledger, "P1", date(2022, 5, 2), to="judged")
    run = subprocess.run([sys.executable, script, ledger], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    with closing(sqlite3.connect(ledger)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []


def test_the_board_has_titles_and_a_style(ledger):
    with closing(sqlite3.connect(ledger)) as db:
        titles = dict(
            db.execute("SELECT column_name, title FROM gpkg_data_columns WHERE table_name = 'board'")
        )
        qml = db.execute("SELECT styleQML FROM layer_styles WHERE f_table_name = 'board'").fetchone()[0]
    assert titles["implementing_unit"] == "责任单位"
    for words in ('value="closed"', "已销号", 'attr="state"'):
        assert words in qml
