"""Tables of evidence, as offices save them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import openpyxl
import pytest

from landremed.errors import InputError
from landremed.io.limits import Limits
from landremed.io.spreadsheet import read_table

TEXT = 'TBBH,废弃不用,备注\n012,是,"甲,乙"\n\n013,,x\n'


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8"),
        ("gbk", "GB18030"),
        ("gb18030", "GB18030"),
        ("utf-16", "UTF-16"),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_csv(tmp_path: Path, encoding: str, name: str, delimiter: str, ending: str) -> None:
    text = TEXT.replace(",", delimiter).replace("\n", ending)
    (tmp_path / "e.csv").write_bytes(text.encode(encoding))
    table = read_table("e.csv", base=tmp_path)
    assert table.columns == ("TBBH", "废弃不用", "备注")
    assert table.rows == [("012", "是", f"甲{delimiter}乙"), ("013", None, "x")]
    assert table.row_numbers == [2, 4]
    assert (table.kind, table.encoding, table.file, table.findings) == ("csv", name, "e.csv", [])


@pytest.mark.parametrize(("one", "other"), [("utf-8", "gbk"), ("gbk", "utf-8")])
def test_csv_with_lines_of_two_encodings(tmp_path: Path, one: str, other: str) -> None:
    rows = [f"T{i},中塘镇第{i}村{'村' * (i % 2)}" for i in range(8)]
    lines = ["编号,坐落".encode(one), *(r.encode(one) for r in rows), "X,海滨街道二村".encode(other)]
    path = tmp_path / "t.csv"
    path.write_bytes(b"\r\n".join(lines))
    table = read_table(str(path))
    assert table.column("坐落") == [r.partition(",")[2] for r in rows] + ["海滨街道二村"]
    assert [(f.code, f.row, f.params["count"]) for f in table.findings] == [("encoding_mixed", 10, 1)]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_csv_in_utf16_without_a_mark(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("id,坐落\r\n1,海滨街道\r\n".encode(codec))
    assert read_table(str(path)).rows == [("1", "海滨街道")]


def test_csv_given_encoding_wins(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_bytes("a,b\nü,1\n".encode("cp1252"))
    assert read_table("e.csv", base=tmp_path, encoding="cp1252").rows == [("ü", "1")]
    with pytest.raises(InputError, match="not the name of a text encoding"):
        read_table("e.csv", base=tmp_path, encoding="klingon")


def test_rows_that_are_too_long_are_left_out_and_said_so(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("a,b\n1,2\n1,2,3\n1\n1,2,,\n")
    table = read_table("e.csv", base=tmp_path)
    assert table.rows == [("1", "2"), ("1", None), ("1", "2")]
    assert [(f.code, f.row) for f in table.findings] == [("table_row_too_long", 3)]


def test_nameless_columns_without_values_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("a,,b,\n1,,2,\n")
    assert read_table("e.csv", base=tmp_path).columns == ("a", "b")
    assert read_table("e.csv", base=tmp_path).rows == [("1", "2")]


def workbook(path: Path, sheets: dict[str, list[list[object]]]) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        page = book.create_sheet(title)
        for row in rows:
            page.append(row)
    book.save(path)


def test_xlsx_keeps_types(tmp_path: Path) -> None:
    when = dt.datetime(2022, 3, 18)
    rows = [
        ["TBBH", "n", "d", "b", "f"],
        ["012", 12, when, True, 1.5],
        [None] * 5,
        [13, None, "2022.6.30", False, "  "],
    ]
    workbook(tmp_path / "e.xlsx", {"外业": rows})
    table = read_table("e.xlsx", base=tmp_path)
    assert table.columns == ("TBBH", "n", "d", "b", "f")
    assert table.rows == [("012", 12, when, True, 1.5), (13, None, "2022.6.30", False, None)]
    assert table.row_numbers == [2, 4]
    assert (table.kind, table.sheet, table.findings) == ("xlsx", "外业", [])


def test_sheets(tmp_path: Path) -> None:
    workbook(tmp_path / "e.xlsx", {"一": [["a"], [1]], "二": [["b"], [2]]})
    first = read_table("e.xlsx", base=tmp_path)
    assert (first.columns, [f.code for f in first.findings]) == (("a",), ["table_sheet_chosen"])
    second = read_table("e.xlsx", base=tmp_path, sheet="二")
    assert (second.columns, second.findings) == (("b",), [])
    with pytest.raises(InputError, match="no sheet 三"):
        read_table("e.xlsx", base=tmp_path, sheet="三")


def test_xlsx_headers(tmp_path: Path) -> None:
    workbook(tmp_path / "twice.xlsx", {"s": [["a", "A "], [1, 2]]})
    with pytest.raises(InputError, match="stands twice, in columns A and B"):
        read_table("twice.xlsx", base=tmp_path)
    workbook(tmp_path / "blank.xlsx", {"s": [["a", None, "c"], [1, 2, 3]]})
    with pytest.raises(InputError, match="column B has values but no name"):
        read_table("blank.xlsx", base=tmp_path)
    workbook(tmp_path / "beyond.xlsx", {"s": [["a"], [1, 2]]})
    with pytest.raises(InputError, match="column B has values but no name"):
        read_table("beyond.xlsx", base=tmp_path)
    workbook(tmp_path / "none.xlsx", {"s": []})
    with pytest.raises(InputError, match="first row"):
        read_table("none.xlsx", base=tmp_path)


def test_numbers_as_names(tmp_path: Path) -> None:
    workbook(tmp_path / "e.xlsx", {"s": [["a", 2022], [1, 2]]})
    assert read_table("e.xlsx", base=tmp_path).columns == ("a", "2022")


def test_limits(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("a\n" + "1\n" * 10)
    with pytest.raises(InputError, match="max_features"):
        read_table("e.csv", base=tmp_path, limits=Limits(max_features=5))


def test_formulas_are_values_or_text(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("a\n=1+1\n@x\n")
    assert read_table("e.csv", base=tmp_path).rows == [("=1+1",), ("@x",)]
