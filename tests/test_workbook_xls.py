"""Old workbooks (.xls), written by another library, and files that only call themselves so."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import zipfile
from pathlib import Path

import pytest

from landremed.errors import InputError
from landremed.inspect.look import look
from landremed.io.limits import Limits
from landremed.io.spreadsheet import list_sheets, read_table

xlwt = pytest.importorskip("xlwt", reason="xlwt writes the old workbooks")


def book(path: Path) -> str:
    """A sheet as offices keep it: title, merged header, dates, a total; one more sheet, one hidden."""
    made = xlwt.Workbook(encoding="utf-8")
    sheet = made.add_sheet("外业核查")
    sheet.write_merge(0, 0, 0, 4, "2022年核查台账")
    sheet.write_merge(1, 2, 0, 0, "TBBH")
    sheet.write_merge(1, 1, 1, 2, "核查")
    sheet.write(2, 1, "是否废弃")
    sheet.write(2, 2, "核查日期")
    sheet.write_merge(1, 2, 3, 3, "面积(亩)")
    sheet.write_merge(1, 2, 4, 4, "备注")
    day = xlwt.easyxf(num_format_str="YYYY-MM-DD")
    for at, (name, gone, date, area) in enumerate(
        [("T1", True, dt.date(2022, 6, 30), 3.5), ("T2", False, dt.date(2022, 7, 1), 12)]
    ):
        sheet.write(3 + at, 0, name)
        sheet.write(3 + at, 1, gone)
        sheet.write(3 + at, 2, dt.datetime.combine(date, dt.time()), day)
        sheet.write(3 + at, 3, area)
    sheet.write_merge(3, 4, 4, 4, "已到现场")
    sheet.write(5, 0, "合计")
    sheet.write(5, 3, xlwt.Formula("D4+D5"))
    made.add_sheet("说明").write(0, 0, "填表说明")
    made.add_sheet("旧表").write(0, 0, "TBBH")
    made.get_sheet(2).visibility = 1
    made.save(str(path))
    return str(path)


def test_a_sheet_as_offices_keep_it(tmp_path):
    table = read_table(book(tmp_path / "t.xls"), sheet="外业核查")
    assert table.columns == ("TBBH", "是否废弃", "核查日期", "面积(亩)", "备注")
    assert table.rows == [
        ("T1", True, dt.datetime(2022, 6, 30), 3.5, "已到现场"),
        ("T2", False, dt.datetime(2022, 7, 1), 12, "已到现场"),
    ]
    assert table.row_numbers == [4, 5]
    assert {"table_title_skipped", "table_header_joined", "table_totals_skipped", "table_merged_filled"} <= {
        f.code for f in table.findings
    }


def test_hidden_sheets_are_not_shown(tmp_path):
    path = book(tmp_path / "t.xls")
    assert list_sheets(path) == ["外业核查", "说明"]
    assert next((s.layer, s.format) for s in look(path)) == ("外业核查", "XLS")


@pytest.mark.parametrize("extension", [".xls", ".xlsx"])
def test_the_content_tells_which_kind_it_is(tmp_path, extension):
    old = tmp_path / f"old{extension}"
    shutil.copy(book(tmp_path / "t.xls"), old)
    assert read_table(str(old), sheet="外业核查").rows[0][0] == "T1"


@pytest.mark.parametrize(
    ("content", "code", "found"),
    [
        (b"<html><table><tr><td>TBBH</td></tr></table></html>", "table_not_workbook", "HTML"),
        (b'<?xml version="1.0"?><Workbook/>', "table_not_workbook", "XML"),
        ("TBBH\t备注\r\nT1\t\r\n".encode("gbk"), "table_not_workbook", "text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "table_workbook_broken", ""),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(64) + "EncryptedPackage".encode("utf-16-le"),
            "table_encrypted",
            "",
        ),
    ],
)
def test_what_only_calls_itself_a_workbook(tmp_path, content, code, found):
    path = tmp_path / "t.xls"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_table(str(path))
    assert caught.value.code == code
    if found:
        assert caught.value.params["found"] == found


def test_damage_ends_in_an_error_or_in_rows(tmp_path):
    """Every cut and every flipped byte of the head, and some elsewhere: no other exception comes out."""
    good = Path(book(tmp_path / "t.xls")).read_bytes()
    path = tmp_path / "bad.xls"
    damaged = [good[:size] for size in range(0, len(good), 701)]
    for at in [*range(0, 80), *range(80, len(good), 97)]:
        damaged.append(good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :])
    for content in damaged:
        path.write_bytes(content)
        with contextlib.suppress(InputError):
            read_table(str(path))


def test_limits_hold(tmp_path):
    with pytest.raises(InputError) as caught:
        read_table(book(tmp_path / "t.xls"), sheet="外业核查", limits=Limits(max_features=1))
    assert caught.value.code == "limit_exceeded"


def packed(tmp_path: Path) -> str:
    book(tmp_path / "t.xls")
    (tmp_path / "e.csv").write_text("TBBH,plan_conforms\nT1,是\n", encoding="utf-8")
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(tmp_path / "t.xls", "交付/核查.xls")
        archive.write(tmp_path / "e.csv", "交付/e.csv")
        archive.writestr("交付/照片.jpg", b"x")
    return str(path)


@pytest.mark.parametrize("name", ["交付/核查.xls:外业核查", "核查.xls:外业核查", "核查:外业核查"])
def test_a_table_within_a_zip(tmp_path, name):
    path = packed(tmp_path)
    table = read_table(f"{path}:{name}")
    assert (table.file, table.sheet) == (f"{path}:交付/核查.xls", "外业核查")
    assert table.column("TBBH") == ["T1", "T2"]
    assert all(f.file.startswith(path) for f in table.findings)


def test_tables_of_a_zip_are_listed(tmp_path):
    path = packed(tmp_path)
    assert [s.display for s in look(path)][:2] == [f"{path}:交付/e.csv", f"{path}:交付/核查.xls:外业核查"]
    with pytest.raises(InputError) as caught:
        read_table(path)
    assert caught.value.code == "zip_without_table"
    assert "交付/核查.xls" in str(caught.value.params["nearest"])
