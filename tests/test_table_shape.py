"""Spreadsheets as offices keep them: titles, merged headers, totals, notes, several sheets."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landremed.errors import InputError
from landremed.inspect import look
from landremed.io.spreadsheet import read_table


def save(path: Path, rows, merges=(), *, title="Sheet1", more=()) -> Path:
    book = openpyxl.Workbook()
    page = book.active
    page.title = title
    for row in rows:
        page.append(row)
    for merge in merges:
        page.merge_cells(merge)
    for name, cells, state in more:
        extra = book.create_sheet(name)
        extra.sheet_state = state
        for row in cells:
            extra.append(row)
    book.save(path)
    return path


def codes(table) -> dict[str, dict]:
    return {f.code: dict(f.params) | {"row": f.row} for f in table.findings}


def test_an_office_table(tmp_path):
    rows = [
        ["滨海新区违法占地问题台账", None, None, None, None, None],
        ["填报单位：某某镇", None, None, None, "日期：2022.3.1", None],
        ["序号", "图斑\n编号", "面积", None, "现场情况", None],
        [None, None, "亩", "平方米", "废弃 不用", "发生日期"],
        [1, "A001", 1.5, 1000, "是", "2019.5.1"],
        [2, "A002", 3, 2000, "否", dt.datetime(2020, 1, 2)],
        [None, "小计", 4.5, 3000, None, None],
        [3, "A003", "0.75亩", 500, "不详", 43831],
        ["合  计", None, 5.25, 3500, None, None],
        ["注：面积以实测为准", None, None, None, None, None],
        ["填表人：甲", None, None, "审核人：乙", None, None],
    ]
    merges = ["A1:F1", "A3:A4", "B3:B4", "C3:D3", "E3:F3", "A10:F10"]
    table = read_table(str(save(tmp_path / "t.xlsx", rows, merges)))
    assert table.columns == ("序号", "图斑编号", "面积(亩)", "面积(平方米)", "废弃不用", "发生日期")
    assert [row[1] for row in table.rows] == ["A001", "A002", "A003"]
    assert table.row_numbers == [5, 6, 8]
    found = codes(table)
    assert found["table_title_skipped"] == {"rows": "1, 2", "header": 3, "row": 1}
    assert found["table_header_joined"] == {"first": 3, "last": 4, "row": 3}
    assert found["table_totals_skipped"]["rows"] == "7, 9"
    assert found["table_note_skipped"]["rows"] == "10, 11"


def test_the_same_table_saved_as_csv_has_no_merges_to_go_by(tmp_path):
    text = (
        "滨海新区违法占地问题台账,,,,,\n序号,图斑编号,面积,,现场情况,\n,,亩,平方米,废弃不用,发生日期\n"
        "1,2,3,4,5,6\n1,A001,1.5,1000,是,2019.5.1\n2,A002,3,2000,否,2020/1/2\n合计,,4.5,3000,,\n"
    )
    (tmp_path / "t.csv").write_bytes(text.encode("gbk"))
    table = read_table("t.csv", base=tmp_path)
    assert table.columns == ("序号", "图斑编号", "面积(亩)", "面积(平方米)", "废弃不用", "发生日期")
    assert table.row_numbers == [5, 6]
    assert (tmp_path / "u.csv").write_bytes("单位表\nTBBH,面积,是否废弃\n,亩,\nA,1,是\n".encode())
    second = read_table("u.csv", base=tmp_path)
    assert second.columns == ("TBBH", "面积(亩)", "是否废弃")
    assert second.rows == [("A", "1", "是")]


def test_group_names_part_equal_leaves(tmp_path):
    rows = [
        ["编号", "永农", None, "红线", None],
        [None, "是否占用", "面积", "是否占用", "面积"],
        ["A", "是", 1, "否", 0],
    ]
    merges = ["A1:A2", "B1:C1", "D1:E1"]
    table = read_table(str(save(tmp_path / "t.xlsx", rows, merges)))
    assert table.columns == ("编号", "永农-是否占用", "永农-面积", "红线-是否占用", "红线-面积")
    assert table.rows == [("A", "是", 1, "否", 0)]


def test_merged_cells_among_the_data_hold_for_every_row(tmp_path):
    rows = [["镇街", "TBBH", "v"], ["甲镇", "A", 1], [None, "B", 2], ["乙镇", "C", 3], [None, None, None]]
    table = read_table(str(save(tmp_path / "t.xlsx", rows, ["A2:A3"])))
    assert table.rows == [("甲镇", "A", 1), ("甲镇", "B", 2), ("乙镇", "C", 3)]
    assert codes(table)["table_merged_filled"]["count"] == 1


def test_the_sheet_with_the_id_is_taken_and_hidden_ones_are_not(tmp_path):
    cover = [["封面", "说明"], ["一", "二"]]
    more = [("旧", [["TBBH", "v"], ["old", 1]], "hidden"), ("外业", [["TBBH", "v"], ["A", 1]], "visible")]
    path = str(save(tmp_path / "t.xlsx", cover, title="封面", more=more))
    assert read_table(path, wanted=("TBBH",)).sheet == "外业"
    assert codes(read_table(path, wanted=("TBBH",)))["table_sheet_chosen"]["others"] == "封面"
    assert read_table(path).sheet == "封面"
    assert read_table(f"{path}:旧").rows == [("old", 1)]
    assert [s.layer for s in look(path)] == ["封面", "外业"]


def test_a_formula_without_a_value_is_said(tmp_path):
    path = save(tmp_path / "t.xlsx", [["TBBH", "v"], ["A", "=1+1"], ["B", 2]])
    table = read_table(str(path))
    assert table.rows == [("A", None), ("B", 2)]
    assert codes(table)["table_formula_empty"] | {"row": None} == {"count": 1, "cell": "B2", "row": None}


def test_marks_of_other_programs(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + "编号,值\n1,是\n".encode("gbk"))
    assert read_table("a.csv", base=tmp_path).columns == ("编号", "值")
    (tmp_path / "b.csv").write_bytes(b"sep=;\nTBBH;v\nA;1,5\n")
    table = read_table("b.csv", base=tmp_path)
    assert (table.columns, table.rows, table.row_numbers) == (("TBBH", "v"), [("A", "1,5")], [3])


def test_plain_tables_stay_as_they_are(tmp_path):
    (tmp_path / "a.csv").write_text("TBBH,总计划\n注意,1\n合计划,2\n,3\n")
    table = read_table("a.csv", base=tmp_path)
    assert table.rows == [("注意", "1"), ("合计划", "2"), (None, "3")]
    assert table.findings == []
    (tmp_path / "b.csv").write_text("\n\nTBBH\nA\nB\n")
    assert read_table("b.csv", base=tmp_path).rows == [("A",), ("B",)]
    (tmp_path / "c.csv").write_text(",,\n1,2,3\n")
    with pytest.raises(InputError, match="no names"):
        read_table("c.csv", base=tmp_path)


def test_a_damaged_sheet_ends_in_a_sentence(tmp_path):
    path = save(tmp_path / "t.xlsx", [["TBBH", "v"], ["A", 1]], ["A1:B1"])
    whole = tmp_path / "cut.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(whole, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            new.writestr(info, data[: len(data) // 2] if "sheet1" in info.filename else data)
    with pytest.raises(InputError):
        read_table(str(whole))


@settings(max_examples=60, deadline=None)
@given(
    titles=st.integers(0, 2),
    ids=st.lists(st.text("ABC123", min_size=1, max_size=4), min_size=1, max_size=6),
    totals=st.booleans(),
)
def test_no_row_of_data_is_lost(tmp_path_factory, titles, ids, totals):
    folder = tmp_path_factory.mktemp("t")
    lines = ["标题,,"] * titles + ["编号,名称,备注"] + [f"{i},x,y" for i in ids] + ["合计,,3"] * totals
    (folder / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = read_table("t.csv", base=folder)
    assert table.column("编号") == ids
    assert table.row_numbers == [titles + 2 + i for i in range(len(ids))]
