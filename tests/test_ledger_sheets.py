"""Workbooks out and back: what units fill in, and what becomes of it."""

from datetime import UTC, date, datetime
from pathlib import Path

import openpyxl
import pytest
from ledger_results import CLERK, DEMOLISH, FILL, NEW, case_of, make_ledger, walk

from landremed.errors import InputError, OutputError
from landremed.ledger import Clerk, audit_ledger, monthly_document, take_sheets, write_sheets

MAY = Clerk("tester", datetime(2022, 6, 2, tzinfo=UTC))
PARCELS = {
    "A": FILL,
    "B": FILL,
    "C": {**DEMOLISH, "implementing_unit": "乙区"},
    "D": {**NEW, "implementing_unit": "乙区"},
    "E": {**FILL, "implementing_unit": None},
}


@pytest.fixture
def issued(tmp_path):
    ledger = make_ledger(tmp_path, PARCELS)
    walk(ledger, "A", date(2022, 4, 20), to="accepted")
    return ledger, write_sheets(ledger, tmp_path / "sheets", MAY, month="2022-05")


def columns(path):
    page = openpyxl.load_workbook(path)["台账"]
    return {cell.value: cell.column for cell in page[1]}


def fill(path, rows):
    """Fill in: parcel -> title -> value."""
    book = openpyxl.load_workbook(path)
    page = book["台账"]
    at = {cell.value: cell.column for cell in page[1]}
    for row in page.iter_rows(min_row=2):
        for title, value in rows.get(row[0].value, {}).items():
            page.cell(row[0].row, at[title]).value = value
    book.save(path)


def taken(ledger, *files, **options):
    return take_sheets(ledger, list(files), MAY, **options)


def test_one_workbook_per_unit(issued):
    _, files = issued
    assert {unit: path.name for unit, path in files.items()} == {
        "乙区": "乙区-2022-05.xlsx",
        "甲镇": "甲镇-2022-05.xlsx",
        "": "未落实单位-2022-05.xlsx",
    }
    book = openpyxl.load_workbook(files["甲镇"])
    page = book["台账"]
    assert book.sheetnames == ["台账", "_landremed", "上月数据", "填报说明"]
    assert book["_landremed"].sheet_state == "veryHidden"
    assert page.protection.sheet
    at = columns(files["甲镇"])
    assert [row[0].value for row in page.iter_rows(min_row=2)] == ["A", "B"]
    assert page.cell(2, at["图斑编号"]).protection.locked
    assert not page.cell(2, at["填报：新状态"]).protection.locked
    assert page.cell(2, at["当前状态"]).value == "牵头部门已核验"
    assert page.cell(2, at["面积（亩）"]).value == 1.5
    lists = {
        str(rule.sqref): rule.formula1 for rule in page.data_validations.dataValidation if rule.type == "list"
    }
    state = page.cell(2, at["填报：新状态"]).coordinate
    assert lists[state] == '"已销号,已退回,司法暂缓"'
    assert "填报：程序 已告知当事人" not in at
    assert "填报：程序 已告知当事人" in columns(files["乙区"])
    assert "填报：三个一 发现" in columns(files["乙区"])


def test_figures_of_last_month(issued):
    _, files = issued
    rows = list(openpyxl.load_workbook(files["甲镇"])["上月数据"].iter_rows(values_only=True))
    assert rows[1][:5] == ("挖田造湖", 2, 3, 0, 0)


def test_round_trip_and_twice_is_once(issued):
    ledger, files = issued
    (files["甲镇"].parent / "a.jpg").write_bytes(b"seen")
    done = {f"填报：已完成{n}": "是" for n in range(1, 5)}
    fill(
        files["甲镇"],
        {
            "A": {**done, "填报：新状态": "已销号", "填报：佐证文件": "a.jpg", "填报：发生日期": "2022/5/18"},
            "B": {"填报：新状态": "已外业核实", "填报：存在问题": "+1人", "填报：下步计划": "上门"},
        },
    )
    first = taken(ledger, files["甲镇"])
    report = first.files[0]
    assert (report.accepted, report.refused, report.error) == (["A", "B"], [], None)
    assert first.not_reported == {"2022-05": ["乙区", ""]}
    case = case_of(ledger, "A")
    assert (case.state, case.closed_on) == ("closed", date(2022, 5, 18))
    assert case.ticks["lake_filled"].evidence[0]["file"] == "a.jpg"
    case = case_of(ledger, "B")
    assert (case.state, case.since, case.notes["problem"]) == ("verified", date(2022, 5, 31), "+1人")
    head = audit_ledger(ledger).head
    again = taken(ledger, files["甲镇"]).files[0]
    assert (again.accepted, again.repeated) == ([], 2)
    assert audit_ledger(ledger).head == head
    assert audit_ledger(ledger).findings == []


def test_zero_reports_count_and_missing_units_are_named(issued):
    ledger, files = issued
    report = taken(ledger, files["甲镇"], files["乙区"])
    assert report.not_reported == {"2022-05": [""]}
    assert [(f.blank, f.accepted, f.refused) for f in report.files] == [(2, [], []), (2, [], [])]
    document = monthly_document(ledger, "2022-05", MAY)
    assert document["not_reported"] == [""]


def test_dry_run_writes_nothing(issued):
    ledger, files = issued
    fill(files["甲镇"], {"B": {"填报：新状态": "已外业核实"}})
    before = audit_ledger(ledger).head
    assert taken(ledger, files["甲镇"], dry_run=True).files[0].accepted == ["B"]
    assert audit_ledger(ledger).head == before


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"填报：新状态": "已销号"}, "ledger_move_refused"),
        ({"填报：新状态": "快好了"}, "ledger_state_unknown"),
        ({"填报：已完成1": "差不多"}, "ledger_row_tick"),
        ({"填报：发生日期": "五月", "填报：存在问题": "x"}, "ledger_row_date"),
        ({"填报：发生日期": "2022-07-01", "填报：存在问题": "x"}, "ledger_day_future"),
        ({"填报：佐证文件": "none.jpg", "填报：已完成1": "是"}, "ledger_evidence_missing"),
        ({"填报：佐证文件": "../out.gpkg", "填报：已完成1": "是"}, "ledger_evidence_outside"),
        ({"填报：佐证文件": "/etc/hostname", "填报：已完成1": "是"}, "ledger_evidence_outside"),
        ({"校验码": "12345678"}, "ledger_row_moved"),
        ({"图斑编号": "C"}, "ledger_row_moved"),
        ({"图斑编号": "A"}, "ledger_list_twice"),
    ],
)
def test_rows_are_refused_one_by_one(issued, cells, code):
    ledger, files = issued
    fill(files["甲镇"], {"A": {"填报：存在问题": "资金未到位"}, "B": cells})
    report = taken(ledger, files["甲镇"]).files[0]
    assert report.accepted == ["A"]
    assert [(r.row, r.error.code) for r in report.refused] == [(3, code)]
    assert case_of(ledger, "B").state == "issued"


def test_foreign_workbooks_are_refused_whole(issued, tmp_path):
    ledger, files = issued
    other = tmp_path / "other"
    other.mkdir()
    second = make_ledger(other, PARCELS)
    foreign = write_sheets(second, other / "sheets", MAY, month="2022-05")["甲镇"]
    plain = openpyxl.Workbook()
    plain.active.append(["图斑编号"])
    plain.save(tmp_path / "plain.xlsx")
    (tmp_path / "cut.xlsx").write_bytes(files["乙区"].read_bytes()[:3000])
    book = openpyxl.load_workbook(files["乙区"])
    book["台账"].delete_cols(columns(files["乙区"])["校验码"])
    book.save(tmp_path / "less.xlsx")
    names = [
        foreign,
        tmp_path / "plain.xlsx",
        tmp_path / "cut.xlsx",
        tmp_path / "less.xlsx",
        tmp_path / "no.xlsx",
    ]
    report = taken(ledger, *names, files["甲镇"])
    codes = [f.error.code if f.error else None for f in report.files]
    assert codes[:2] == ["ledger_sheet_other", "ledger_sheet_foreign"]
    assert codes[3] == "ledger_sheet_column"
    assert codes[2] is not None
    assert codes[4] == "file_missing"
    assert codes[5] is None
    assert report.status == 3


def test_due_process_and_marks_from_a_workbook(issued):
    ledger, files = issued
    filled = {"填报：程序 已告知当事人": "是", "填报：程序 已集体审议": "是", "填报：会议编号": 5}
    fill(files["乙区"], {"C": filled, "D": {"填报：三个一 发现": "是"}})
    report = taken(ledger, files["乙区"]).files[0]
    assert report.accepted == ["C", "D"]
    assert case_of(ledger, "C").gates["deliberated"].meeting == "5"
    assert set(case_of(ledger, "D").marks) == {"found"}


def test_when_workbooks_are_not_given_out(issued, tmp_path):
    ledger, files = issued
    with pytest.raises(OutputError) as caught:
        write_sheets(ledger, files["甲镇"].parent, MAY, month="2022-05")
    assert caught.value.code == "output_exists"
    with pytest.raises(InputError) as error:
        write_sheets(ledger, tmp_path / "x", MAY, month="2022-07")
    assert error.value.code == "ledger_month_future"
    monthly_document(ledger, "2022-05", CLERK)
    with pytest.raises(InputError) as error:
        write_sheets(ledger, tmp_path / "x", CLERK, month="2022-05")
    assert error.value.code == "ledger_month_frozen"


def test_what_is_reported_after_the_report_counts_in_the_next_month(issued):
    ledger, files = issued
    kept = monthly_document(ledger, "2022-05", MAY)
    fill(files["甲镇"], {"B": {"填报：新状态": "已外业核实", "填报：发生日期": "2022-05-20"}})
    taken(ledger, files["甲镇"])
    assert case_of(ledger, "B").since == date(2022, 6, 1)
    assert monthly_document(ledger, "2022-05", CLERK) == kept


def test_earlier_evidence_stays(issued):
    ledger, files = issued
    folder = files["甲镇"].parent
    for name in ("first.jpg", "second.jpg"):
        (folder / name).write_bytes(name.encode())
    fill(files["甲镇"], {"B": {"填报：已完成1": "是", "填报：佐证文件": "first.jpg"}})
    taken(ledger, files["甲镇"])
    later = write_sheets(ledger, folder, CLERK, month="2022-06")["甲镇"]
    assert openpyxl.load_workbook(later)["台账"].cell(3, columns(later)["填报：已完成1"]).value == "是"
    fill(later, {"B": {"填报：已完成2": "是", "填报：佐证文件": "second.jpg"}})
    take_sheets(ledger, [later], CLERK)
    ticks = case_of(ledger, "B").ticks
    assert {item: tick.evidence[0]["file"] for item, tick in ticks.items()} == {
        "lake_filled": "first.jpg",
        "trees_moved": "second.jpg",
    }


def test_nothing_is_left_when_a_workbook_cannot_be_written(tmp_path, monkeypatch):
    ledger = make_ledger(tmp_path, PARCELS)
    before = audit_ledger(ledger).head
    real, calls = Path.replace, []

    def full(self, target):
        calls.append(target)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError) as caught:
        write_sheets(ledger, tmp_path / "sheets", MAY, month="2022-05")
    monkeypatch.setattr(Path, "replace", real)
    assert caught.value.code == "output_write_failed"
    assert calls
    assert list((tmp_path / "sheets").iterdir()) == []
    assert audit_ledger(ledger).head == before
