"""The monthly report: figures re-derived from events another way, kept, and the same later."""

import json
import sqlite3
import zipfile
from contextlib import closing
from datetime import UTC, date, datetime

import openpyxl
import pytest
from docx import Document
from ledger_results import (
    CLERK,
    DEMOLISH,
    FILL,
    IDLE,
    NEW,
    items_of,
    make_ledger,
    make_result,
    proof,
    walk,
)

from landremed.errors import InputError, OutputError
from landremed.ledger import (
    Change,
    Clerk,
    OfficeCalendar,
    audit_ledger,
    monthly_document,
    record_changes,
    update_ledger,
)
from landremed.report.monthly import MonthlyOptions, write_monthly

STRUCK = ("closed", "nothing_to_rectify")
PARCELS = {
    "A": {**FILL, "area_m2": 123.45, "outcome_label": "建议填湖复耕"},
    "B": {**FILL, "area_m2": 1000.01},
    "C": {
        **DEMOLISH,
        "area_m2": 5000.5,
        "implementing_unit": "乙区",
        "fact_occupies_permanent_basic_farmland": "true",
        "permanent_basic_farmland_area_m2": 333.33,
    },
    "D": {**NEW, "area_m2": 77.7, "implementing_unit": "乙区"},
    "E": {**IDLE, "area_m2": 2000.0, "implementing_unit": "丙区", "due_on": date(2022, 5, 31)},
    "F": {**FILL, "area_m2": 10.0, "implementing_unit": None, "cultivated_area_m2": None},
    "<G&>": {**FILL, "area_m2": 1.25, "implementing_unit": "=cmd()|'甲'"},
}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A ledger with two months of work, and June's report."""
    folder = tmp_path_factory.mktemp("monthly")
    ledger = make_ledger(folder, PARCELS, secrecy="内部资料")
    walk(ledger, "A", date(2022, 5, 20), evidence=proof(folder))
    walk(ledger, "B", date(2022, 6, 10), evidence=proof(folder))
    walk(ledger, "C", date(2022, 6, 12), to="applied")
    changes = [
        Change("A", date(2022, 6, 14), state="reopened"),
        Change("C", date(2022, 6, 15), state="sent_back"),
        Change("E", date(2022, 6, 16), state="nothing_to_rectify", evidence=proof(folder)),
        Change("C", date(2022, 6, 17), notes={"problem": "机械不足 <b>&", "next_step": "七月进场"}),
        Change("D", date(2022, 6, 18), marks=("found",)),
    ]
    record_changes(ledger, changes, CLERK)
    walk(ledger, "D", date(2022, 7, 2), to="judged")
    newer = {k: v for k, v in PARCELS.items() if k != "F"} | {"H": {**FILL, "area_m2": 400.0}}
    update_ledger(
        ledger, make_result(folder / "june.gpkg", newer, as_of="2022-06-20", secrecy="内部资料"), CLERK
    )
    files = write_monthly(ledger, "2022-06", folder / "out", CLERK)
    return ledger, files, folder


def by_sql(ledger, day):
    """Where parcels stand, by reading the events with nothing of ours."""
    with closing(sqlite3.connect(ledger)) as db:
        rows = db.execute(
            "SELECT parcel_id, event, booked_on, new FROM events WHERE booked_on <= ? ORDER BY seq", (day,)
        ).fetchall()
    parcels = {}
    for parcel, event, booked, text in rows:
        new = json.loads(text)
        if event == "enter":
            known = parcels.get(parcel, {"state": "issued", "on": booked})
            parcels[parcel] = known | {"record": new["record"], "present": True}
        elif event == "leave":
            parcels[parcel]["present"] = False
        elif event == "decision":
            parcels[parcel]["record"] |= new
        elif event == "state":
            parcels[parcel] |= {"state": new["state"], "on": booked}
    return {p: told for p, told in parcels.items() if told["present"]}


def cents(parcels):
    return sum(round((p["record"]["area_m2"] or 0) * 100) for p in parcels)


def test_every_total_from_events(told):
    ledger, files, _ = told
    now, before = by_sql(ledger, "2022-06-30"), by_sql(ledger, "2022-05-31")
    figures = files.figures
    groups = {
        "total": lambda r: "",
        "class": lambda r: r["category"] or "",
        "unit": lambda r: r["implementing_unit"] or "",
        "outcome": lambda r: r["outcome"] or "",
    }
    for name, key in groups.items():
        lines = [figures["total"] | {"code": ""}] if name == "total" else figures["by"][name]
        assert {line["code"] for line in lines} == {key(p["record"]) for p in now.values()}
        for line in lines:
            mine = [p for p in now.values() if key(p["record"]) == line["code"]]
            done = [p for p in mine if p["state"] == "closed"]
            month = [p for p in done if p["on"] >= "2022-06-01"]
            dropped = [p for p in mine if p["state"] == "nothing_to_rectify"]
            for part, parcels in (
                ("base", mine),
                ("done", done),
                ("done_month", month),
                ("dropped", dropped),
            ):
                assert line[part]["count"] == len(parcels), (name, line["code"], part)
                assert line[part]["cents"] == cents(parcels)
            rated = len(mine) - len(dropped)
            assert line["rate_count"] == (len(done) / rated if rated else None)
    account = figures["account"]["total"][0]["count"]
    for flow, parcels in (("opening", before), ("closing", now)):
        assert account[flow] == sum(1 for p in parcels.values() if p["state"] not in STRUCK)
    # worked by hand: opening B C D E F G; H new; F out; A reopened; B and E closed
    assert account == {
        "opening": 6,
        "new": 1,
        "transferred_in": 0,
        "transferred_out": 1,
        "reopened": 1,
        "closed": 2,
        "closing": 5,
    }


def test_subsets_lists_and_marks(told):
    _, files, _ = told
    figures = files.figures
    farmland = figures["subsets"]["on_farmland"]
    assert (farmland["base"]["count"], farmland["overlap"]["cents"]) == (1, 33_333)
    assert figures["subsets"]["on_red_line"]["base"]["count"] == 0
    assert [(row["parcel_id"], row["times"]) for row in figures["sent_back"]] == [("C", 1)]
    assert [(row["parcel_id"], row["times"]) for row in figures["relapsed"]] == [("A", 1)]
    assert figures["problems"] == [{"parcel_id": "C", "unit": "乙区", "text": "机械不足 <b>&"}]
    assert [(m["id"], m["count"]) for m in figures["new_violations"]["marks"]] == [
        ("found", 1),
        ("eliminated", 0),
        ("accountability_done", 0),
    ]
    assert figures["report_on"] == "2022-07-05"
    assert {len(rows) for rows in figures["lists"].values()} == {7}


def test_workbook_holds_the_same_numbers(told):
    _, files, _ = told
    book = openpyxl.load_workbook(files.workbook)
    assert book.sheetnames[-4:] == ["问题台账", "任务清单", "责任清单", "时间清单"]
    for sheet in ("分类进展", "分单位进展", "按处置建议"):
        rows = list(book[sheet].iter_rows(values_only=True))
        head, lines, total = rows[0], rows[1:-1], rows[-1]
        for at, title in enumerate(head):
            if title.endswith("（宗）"):
                assert sum(line[at] for line in lines) == total[at], (sheet, title)
            elif title.endswith("（亩）"):
                assert abs(sum(line[at] for line in lines) - total[at]) < 0.005 * len(lines) + 1e-9
    for row in list(book["台账变动"].iter_rows(values_only=True))[1:]:
        opening, new, into, out, again, closed, remeasured, closing = row[3:]
        slack = 0 if row[2] == "宗" else 0.05
        assert abs(opening + new + into - out + again - closed + remeasured - closing) <= slack
    cells = [c for page in book for row in page.iter_rows() for c in row if c.value is not None]
    assert not [c for c in cells if c.data_type == "f"]
    assert "=cmd()|'甲'" in {c.value for c in cells}


def words_of(path):
    document = Document(path)
    cells = [c.text for table in document.tables for row in table.rows for c in row.cells]
    return "\n".join([p.text for p in document.paragraphs] + cells)


def test_document_says_it(told):
    _, files, _ = told
    text = words_of(files.document)
    for phrase in (
        "内部资料",
        "2022年6月",
        "2022年7月5日下班前",
        "台账共有图斑7宗",
        "当月完成整治1宗、1.50亩",
        "机械不足 <b>&",
        "七月进场",
        "=cmd()|'甲'",
        "建议",
        files.figures["head"]["hash"],
    ):
        assert phrase in text, phrase
    assert "{{" not in text
    assert "{%" not in text


def test_the_same_month_later(told):
    ledger, files, folder = told
    kept = {path.name: path.read_bytes() for path in (files.document, files.workbook)}
    changes = [
        Change("C", date(2022, 6, 29), state="in_progress"),
        Change("B", date(2022, 7, 9), state="reopened"),
    ]
    record_changes(ledger, changes, CLERK)
    again = write_monthly(ledger, "2022-06", folder / "again", CLERK, MonthlyOptions(language="en"))
    assert {path.name: path.read_bytes() for path in (again.document, again.workbook)} == kept
    july = monthly_document(ledger, "2022-07", CLERK)
    account = july["account"]["total"][0]["count"]
    assert account["opening"] == files.figures["account"]["total"][0]["count"]["closing"]
    assert account["reopened"] == 1
    assert audit_ledger(ledger).findings == []


def test_a_kept_month_that_was_altered_is_noticed(told, tmp_path):
    ledger, _, _ = told
    copy = tmp_path / "copy.gpkg"
    copy.write_bytes(ledger.read_bytes())
    with closing(sqlite3.connect(copy)) as db:
        db.execute("DROP TRIGGER frozen_never_changes")
        db.execute("UPDATE frozen SET document = replace(document, '\"count\":7', '\"count\":8')")
        db.commit()
    assert {f.code for f in audit_ledger(copy).findings} == {"audit_guard_gone", "audit_month_edited"}


@pytest.fixture
def small(tmp_path):
    return make_ledger(tmp_path, {"P": FILL})


@pytest.mark.parametrize(
    ("month", "code"),
    [
        ("2022-10", "ledger_month_future"),
        ("2022-02", "ledger_month_before"),
        ("2022-13", "ledger_month_unreadable"),
        ("juin", "ledger_month_unreadable"),
    ],
)
def test_months_that_cannot_be_reported(small, tmp_path, month, code):
    before = small.read_bytes()
    with pytest.raises(InputError) as caught:
        write_monthly(small, month, tmp_path / "out", CLERK)
    assert caught.value.code == code
    assert small.read_bytes() == before
    assert not (tmp_path / "out").exists()


def test_the_running_month_is_a_draft(small, tmp_path):
    files = write_monthly(small, "2022-09", tmp_path / "out", CLERK)
    assert files.figures["draft"]
    assert "草稿" in words_of(files.document)
    before = audit_ledger(small).head
    write_monthly(small, "2022-04", tmp_path / "out", CLERK, MonthlyOptions(draft=True, language="en"))
    assert audit_ledger(small).head == before


def test_unknown_holidays(small, tmp_path):
    late = Clerk("x", datetime(2100, 1, 1, tzinfo=UTC))
    with pytest.raises(InputError) as caught:
        write_monthly(small, "2098-12", tmp_path / "out", late)
    assert caught.value.code == "calendar_year_unknown"
    office = OfficeCalendar({date(2099, 1, 5): False})
    files = write_monthly(small, "2098-12", tmp_path / "out", late, MonthlyOptions(calendar=office))
    assert files.figures["report_on"] == "2099-01-06"


def test_nothing_is_kept_when_a_file_cannot_be_written(small, tmp_path):
    before = audit_ledger(small).head
    bad = tmp_path / "bad.docx"
    bad.write_bytes(b"no docx")
    for template, code in (
        (bad, "monthly_template_broken"),
        (tmp_path / "none.docx", "monthly_template_missing"),
    ):
        with pytest.raises(InputError) as caught:
            write_monthly(small, "2022-06", tmp_path / "out", CLERK, MonthlyOptions(template=template))
        assert caught.value.code == code
    (tmp_path / "out").mkdir(exist_ok=True)
    (tmp_path / "out" / "monthly-2022-06.xlsx").write_bytes(b"mine")
    with pytest.raises(OutputError) as caught:
        write_monthly(small, "2022-06", tmp_path / "out", CLERK)
    assert caught.value.code == "output_exists"
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["monthly-2022-06.xlsx"]
    assert audit_ledger(small).head == before


def test_the_office_template(small, tmp_path):
    document = Document()
    document.add_paragraph("区专班 {{ subtitle }} {{ overview }}")
    document.add_paragraph("{%p for line in milestones %}")
    document.add_paragraph("{{ line.label }} {{ line.verdict }}")
    document.add_paragraph("{%p endfor %}")
    document.save(tmp_path / "own.docx")
    files = write_monthly(small, "2022-06", tmp_path, CLERK, MonthlyOptions(template=tmp_path / "own.docx"))
    assert "挖田造湖填湖复耕 未达标" in words_of(files.document)


def test_a_template_cannot_reach_out(small, tmp_path):
    document = Document()
    document.add_paragraph("{{ ''.__class__.__mro__[1].__subclasses__() }}")
    document.save(tmp_path / "own.docx")
    with pytest.raises(InputError) as caught:
        write_monthly(small, "2022-06", tmp_path, CLERK, MonthlyOptions(template=tmp_path / "own.docx"))
    assert caught.value.code == "monthly_template_broken"


def test_hostile_text(tmp_path):
    names = [
        "=1+1",
        "@SUM(A1)",
        "-2+3",
        "<w:p/>",
        "{{ 7*7 }}",
        "a\x00b\x07",
        "'; DROP TABLE events;--",
        "𠀀" * 40,
    ]
    parcels = {f"P{i}": {**FILL, "implementing_unit": name} for i, name in enumerate(names)}
    ledger = make_ledger(tmp_path, parcels)
    changes = [Change(f"P{i}", date(2022, 5, 1), notes={"problem": name}) for i, name in enumerate(names)]
    record_changes(ledger, changes, CLERK)
    files = write_monthly(ledger, "2022-05", tmp_path / "out", CLERK)
    text = words_of(files.document)
    for name in names:
        assert name.replace("\x00", "").replace("\x07", "") in text
    book = openpyxl.load_workbook(files.workbook)
    assert not [c for page in book for row in page.iter_rows() for c in row if c.data_type == "f"]
    assert zipfile.ZipFile(files.document).testzip() is None
    assert audit_ledger(ledger).findings == []


def test_items_in_the_task_list(told):
    ledger, files, _ = told
    tasks = {row["parcel_id"]: row for row in files.figures["lists"]["tasks"]}
    assert tasks["<G&>"]["items"] == len(items_of(ledger, "<G&>")) == 4
    assert tasks["C"]["open_gates"].startswith("已告知当事人、")
    assert tasks["B"]["open_items"] == ""
