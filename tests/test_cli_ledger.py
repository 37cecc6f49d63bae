"""The commands of the ledger on the sample district, as people type them."""

import json
import shutil

import openpyxl
import pytest
from landremed_cli.main import COMMANDS, main
from ledger_results import DEMOLISH, FILL, make_ledger

from landremed import run, sample_project


@pytest.fixture(scope="module")
def district(tmp_path_factory):
    """A ledger opened on the sample district."""
    folder = tmp_path_factory.mktemp("district")
    run(sample_project(), folder / "out.gpkg")
    arguments = ["ledger", "init", folder / "out.gpkg", "-o", folder / "l.gpkg", "--who", "张三", "-q"]
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert end.value.code == 0
    return folder


@pytest.fixture
def ledger(district, tmp_path):
    shutil.copy(district / "l.gpkg", tmp_path / "l.gpkg")
    return tmp_path / "l.gpkg"


@pytest.fixture
def landremed(capsys):
    def call(*arguments, status=0):
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert end.value.code == status, err
        assert "Traceback" not in err
        return out, err

    return call


def test_it_is_a_command(landremed):
    assert "ledger" in COMMANDS
    out, _ = landremed("ledger", "--help")
    names = "init update set note close object approve sheets take history due progress audit"
    for name in names.split():
        assert f"  {name}" in out


def test_set_history_audit(landremed, ledger):
    out, _ = landremed(
        "ledger", "set", ledger, "BH-0356", "--state", "已外业核实", "--on", "2022-04-05", "--lang", "zh"
    )
    assert "1 条事件" in out
    out, _ = landremed("ledger", "note", ledger, "BH-0356", "业主在外地", "--kind", "problem", "--lang", "en")
    assert "1 events" in out
    out, _ = landremed("ledger", "history", ledger, "BH-0356", "--lang", "zh")
    assert "已下发 → 已外业核实" in out
    assert "业主在外地" in out
    events = json.loads(landremed("--json", "ledger", "history", ledger, "BH-0356")[0])
    assert [e["event"] for e in events] == ["enter", "state", "note"]
    assert (events[0]["who"], events[1]["old"], events[1]["new"]["state"]) == (
        "张三",
        {"state": "issued"},
        "verified",
    )
    told = json.loads(landremed("ledger", "audit", ledger, "--json")[0])
    assert (told["parcels"], told["events"], told["findings"]) == (600, 603, [])
    landremed("ledger", "audit", ledger, "--head", told["head"][:10])
    assert "audit" not in landremed("ledger", "audit", ledger, "--head", "beef", status=3)[1]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("set", "LEDGER", "BH-0356", "--state", "finished"),
        ("set", "LEDGER", "BH-9999", "--state", "verified"),
        ("set", "LEDGER", "BH-0356", "--state", "verified", "--on", "2999-01-01"),
        ("close", "LEDGER", "BH-0356"),
        ("set", "NOFILE", "BH-0356", "--state", "verified"),
        ("audit", "OUT"),
        ("history", "LEDGER", "BH-9999"),
        ("init", "LEDGER", "-o", "NEW"),
        ("object", "LEDGER", "BH-0356", "--answer", "no"),
        ("approve", "LEDGER", "--list", "NOFILE", "--meeting", "5"),
    ],
)
def test_bad_input_is_one_sentence(landremed, ledger, district, tmp_path, arguments, language):
    places = {
        "LEDGER": ledger,
        "NOFILE": tmp_path / "none.csv",
        "OUT": district / "out.gpkg",
        "NEW": tmp_path / "new.gpkg",
    }
    before = ledger.read_bytes()
    given = [places.get(argument, argument) for argument in arguments]
    out, err = landremed("ledger", *given, "--lang", language, status=1)
    assert out == ""
    assert err.startswith("错误：" if language == "zh" else "Error: ")
    assert len(err.strip().splitlines()) == 1
    assert ledger.read_bytes() == before
    assert not (tmp_path / "new.gpkg").exists()


def test_progress_and_due(landremed, ledger):
    found = json.loads(landremed("ledger", "progress", ledger, "--as-of", "2022-03-31", "--json")[0])
    lines = {(m["schedule"], m["on"]): m for m in found["milestones"]}
    # the sample district has 42 lakes to be filled: 23 in parks, 19 others
    assert lines["lake.dig_fill", "2022-06-30"]["count"]["needed"] == 10
    assert lines["occ.certain", "2021-12-31"]["before_plan"]
    out, _ = landremed("ledger", "progress", ledger, "--as-of", "2022-03-31", "--lang", "zh")
    assert "印发前到期" in out
    assert "处置到位率" in out
    due = json.loads(landremed("ledger", "due", ledger, "--days", "0", "--as-of", "2022-03-31", "--json")[0])
    assert all(line["overdue"] or line["days"] == 0 for line in due["parcels"])
    assert any(line["before_plan"] for line in due["parcels"])
    out, _ = landremed("ledger", "due", ledger, "--as-of", "2022-03-31", "--lang", "zh")
    assert "逾期" in out


def test_update_with_the_same_run(landremed, ledger, district):
    out, _ = landremed("ledger", "update", ledger, district / "out.gpkg", "--dry-run", "--lang", "en")
    assert "New 0, transferred in 0, transferred out 0, changed 0, unchanged 600." in out
    found = json.loads(landremed("ledger", "update", ledger, district / "out.gpkg", "--json")[0])
    assert (found["same"], found["changed"]) == (600, [])


def test_objection_on_the_sample(landremed, ledger, tmp_path):
    claims = tmp_path / "claims.csv"
    claims.write_text("fact,value\nplan_includable,是\n", encoding="utf-8")
    found = json.loads(
        landremed("ledger", "object", ledger, "BH-0356", "--claims", claims, "--dry-run", "--json")[0]
    )
    assert found["before"]["outcome"] == "demolish_restore"
    assert found["claims"] == {"plan_includable": "true"}
    landremed("ledger", "object", ledger, "BH-0356", "--claims", claims, "--answer", "待复核")
    assert "answer" in landremed("--lang", "en", "ledger", "history", ledger, "BH-0356")[0]


def test_approve_warns_by_status(landremed, ledger, tmp_path):
    listing = tmp_path / "ids.xlsx"
    book = openpyxl.Workbook()
    book.active.append(["图斑编号"])
    book.active.append(["BH-0356"])
    book.save(listing)
    for state in ("verified", "judged"):
        landremed("ledger", "set", ledger, "BH-0356", "--state", state)
    landremed("ledger", "approve", ledger, "--list", listing, "--meeting", "5")
    _, err = landremed(
        "ledger", "approve", ledger, "--list", listing, "--meeting", "5", "--state", "closed", status=3
    )
    assert "BH-0356" in err
    _, err = landremed("ledger", "set", ledger, "BH-0356", "--state", "in_progress", "--lang", "zh", status=3)
    assert "已告知当事人" in err
    assert "已集体审议" not in err


def test_close_in_one_step(landremed, tmp_path):
    ledger = make_ledger(tmp_path, {"A": FILL})
    proof = tmp_path / "a.jpg"
    proof.write_bytes(b"seen")
    for state in ("verified", "judged", "plan_approved", "in_progress", "applied", "checked", "accepted"):
        landremed("ledger", "set", ledger, "A", "--state", state, "--on", "2022-05-01")
    _, err = landremed("ledger", "close", ledger, "A", "--tick", "all", "--lang", "en", status=1)
    assert "without evidence" in err
    landremed("ledger", "close", ledger, "A", "--tick", "all", "--evidence", proof, "--person", "王五")
    events = json.loads(landremed("--json", "ledger", "history", ledger, "A")[0])
    ticks = [event["new"] for event in events if event["event"] == "tick"]
    assert len(ticks) == 4
    assert {tick["person"] for tick in ticks} == {"王五"}
    assert events[-1]["new"]["state"] == "closed"


def test_sheets_and_take(landremed, tmp_path):
    ledger = make_ledger(tmp_path, {"A": FILL, "B": {**DEMOLISH, "implementing_unit": "乙区"}})
    folder = tmp_path / "sheets"
    arguments = ("ledger", "sheets", ledger, "-o", folder, "--month", "2022-04", "--lang", "zh")
    assert "2 份报表" in landremed(*arguments)[0]
    landremed(*arguments, status=1)
    out, _ = landremed(
        "ledger", "take", ledger, folder / "甲镇-2022-04.xlsx", "--dry-run", "--lang", "zh", status=3
    )
    assert "尚未报送的单位：乙区" in out
    files = sorted(folder.glob("*.xlsx"))
    landremed("ledger", "take", ledger, *files)
    _, err = landremed("ledger", "take", ledger, tmp_path / "none.xlsx", "--lang", "en", status=3)
    assert "none.xlsx" in err


def test_monthly_report(landremed, ledger, tmp_path):
    command = ("report", "monthly", ledger, "--month", "2022-06", "-o", tmp_path / "out", "--lang", "zh")
    out, _ = landremed(*command)
    assert "2022-07-05" in out
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"monthly-2022-06.docx", "monthly-2022-06.xlsx"}
    landremed(*command, status=1)
    found = json.loads(landremed(*command, "--overwrite", "--json")[0])
    assert found["figures"]["total"]["base"]["count"] == 600
    _, err = landremed("report", "monthly", ledger, "--month", "2999-01", "-o", tmp_path / "x", status=1)
    assert len(err.strip().splitlines()) == 1


def test_usage(landremed, ledger):
    landremed("ledger", "object", ledger, "BH-0356", status=2)
    landremed("ledger", "set", ledger, status=2)
    landremed("ledger", "note", ledger, "BH-0356", "x", "--kind", "song", status=2)
