"""Values as people write them."""

from __future__ import annotations

import calendar
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landremed.types import UNKNOWN, FactSpec, PartialDate, ValueSpec
from landremed.values import nearest_value, parse_bool, parse_date, parse_number, parse_value, says_unknown

BOOL = FactSpec("abandoned", "bool", "废弃不用", "disused")
DATE = FactSpec("occurred_on", "date", "发生日期", "day it occurred")
NUMBER = FactSpec("cultivated_area_m2", "number", "耕地面积", "cultivated area")
CODE = FactSpec(
    "category",
    "code",
    "问题类型",
    "class",
    values={
        v.code: v
        for v in (
            ValueSpec("lake", "挖田造湖", "lake dug in farmland", ("挖田造湖问题",)),
            ValueSpec("illegal_occupation", "违法占地", "illegal occupation", ("违法用地", "占地")),
            ValueSpec("abandoned_farmland", "耕地撂荒", "abandoned farmland", ("撂荒", "占地")),
            ValueSpec("none", "无", "none"),
        )
    },
)


def day(year: int, month: int, number: int) -> PartialDate:
    return PartialDate(dt.date(year, month, number), dt.date(year, month, number))


class TestBool:
    @pytest.mark.parametrize(
        "raw",
        [True, 1, 1.0, "1", "1.0", "true", "TRUE", "Yes", "y", "Y", "是", " 是　", "Ｙ", "１", "ＴＲＵＥ"],
    )
    def test_true(self, raw: object) -> None:
        assert parse_bool(raw) is True

    @pytest.mark.parametrize(
        "raw", [False, 0, 0.0, "0", "0.0", "false", "False", "NO", "n", "否", "\t否\n", "ｎ", "-0" * 0 + "0"]
    )
    def test_false(self, raw: object) -> None:
        assert parse_bool(raw) is False

    @pytest.mark.parametrize("raw", [None, "", "  ", "　", float("nan"), "NULL", "<空>", "<Null>"])
    def test_blank(self, raw: object) -> None:
        assert parse_value(raw, BOOL) is None

    @pytest.mark.parametrize(
        "raw", ["maybe", "2", 2, -1, 0.5, "是否", "不是", "是的吗", "待核", "truee", dt.date(2022, 1, 1)]
    )
    def test_neither(self, raw: object) -> None:
        assert parse_value(raw, BOOL) is UNKNOWN

    def test_the_offices_own_words(self) -> None:
        words = {"已废弃": "true", "在用": "否", "/": ""}
        assert parse_value("已废弃 ", BOOL, words) is True
        assert parse_value("在用", BOOL, words) is False
        assert parse_value("／", BOOL, words) is None
        assert parse_value("是", BOOL, words) is True


class TestCode:
    @pytest.mark.parametrize(
        "raw",
        [
            "illegal_occupation",
            "Illegal Occupation",
            "ILLEGAL-OCCUPATION",
            "违法占地",
            " 违法 占地",
            "违法　占地",
            "违法用地",
            "违\u200b法占地\ufeff",
        ],
    )
    def test_code_label_synonym(self, raw: str) -> None:
        assert parse_value(raw, CODE) == "illegal_occupation"

    def test_own_words_win(self) -> None:
        assert parse_value("违法违规占地", CODE) is UNKNOWN
        assert (
            parse_value("违法违规占地", CODE, {"违法违规占地": "illegal_occupation"}) == "illegal_occupation"
        )
        assert parse_value("挖田造湖", CODE, {"挖田造湖": "耕地撂荒"}) == "abandoned_farmland"
        assert parse_value(3, CODE, {"3": "lake"}) == "lake"
        assert parse_value(3.0, CODE, {"3": "lake"}) == "lake"
        assert parse_value("x", CODE, {"x": "no such code"}) is UNKNOWN

    def test_a_word_of_two_codes_means_neither(self) -> None:
        assert parse_value("占地", CODE) is UNKNOWN

    def test_a_code_called_none_is_no_blank(self) -> None:
        assert parse_value("None", CODE) == "none"
        assert parse_value("无", CODE) == "none"

    @pytest.mark.parametrize("raw", ["违法", "lake2", 1, True, "挖田造湖违法占地"])
    def test_unlisted(self, raw: object) -> None:
        assert parse_value(raw, CODE) is UNKNOWN

    def test_nearest(self) -> None:
        assert nearest_value("违法战地", CODE) == "违法占地 (illegal_occupation)"
        assert nearest_value("lakes", CODE) == "挖田造湖 (lake)"


class TestDate:
    @pytest.mark.parametrize(
        "raw",
        [
            "2022-03-18",
            "2022-3-18",
            "2022/3/18",
            "2022/03/18",
            "2022.3.18",
            "2022.03.18",
            "2022.3.18.",
            "2022年3月18日",
            "2022 年 3 月 18 日",
            "2022年03月18号",
            "20220318",
            20220318,
            20220318.0,
            "20220318.0",
            "２０２２．３．１８",
            " 2022-03-18 ",
            "2022-03-18 00:00:00",
            "2022-03-18T13:14:15",
            "2022-03-18 10:00:00.000",
            "2022/3/18 0:00",
            "2022-03-18T00:00:00Z",
            "2022-03-18 00:00:00+08:00",
            dt.date(2022, 3, 18),
            dt.datetime(2022, 3, 18, 23, 59),
            dt.datetime(2022, 3, 17, 16, tzinfo=dt.UTC),
        ],
    )
    def test_days(self, raw: object) -> None:
        assert parse_date(raw) == day(2022, 3, 18)

    @pytest.mark.parametrize(
        "raw", ["2019-05", "2019/5", "2019.5", "2019.05", "2019年5月", "2019年5月份", "2019 年 5 月"]
    )
    def test_months(self, raw: str) -> None:
        assert parse_date(raw) == PartialDate(dt.date(2019, 5, 1), dt.date(2019, 5, 31))

    @pytest.mark.parametrize("raw", ["2019", 2019, 2019.0, "2019年", "２０１９"])
    def test_years(self, raw: object) -> None:
        assert parse_date(raw) == PartialDate(dt.date(2019, 1, 1), dt.date(2019, 12, 31))

    def test_leap_february(self) -> None:
        assert parse_date("2020-02") == PartialDate(dt.date(2020, 2, 1), dt.date(2020, 2, 29))
        assert parse_date("2020-02-29") == day(2020, 2, 29)

    @pytest.mark.parametrize(
        "raw",
        [
            "2022-02-30",
            "2021-02-29",
            "2019-13-45",
            "2022-00-10",
            "2022-01-00",
            "2022-13",
            "2022年13月",
            "20221301",
            "22-3-18",
            "3/18/2022",
            "18.3.2022",
            "2022-3-18日",
            "2022-03/18/1",
            "1600-01-01",
            "9999-12-31",
            "0000",
            "今年",
            "2022年3月中旬",
            2019.5,
            44638,
            "44638",
            201905,
            True,
            -1,
            1e300,
            float("inf"),
        ],
    )
    def test_no_dates(self, raw: object) -> None:
        assert parse_date(raw) is UNKNOWN

    def test_excels_day_numbers_only_in_spreadsheets(self) -> None:
        assert parse_date(44638, serial_dates=True) == day(2022, 3, 18)
        assert parse_date(44638.75, serial_dates=True) == day(2022, 3, 18)
        assert parse_date("44638", serial_dates=True) == day(2022, 3, 18)
        assert parse_date(2019, serial_dates=True) == parse_date("2019")
        assert parse_date(60_001, serial_dates=True) is UNKNOWN
        assert parse_date(19_999, serial_dates=True) is UNKNOWN

    @given(
        st.dates(dt.date(1900, 1, 1), dt.date(2100, 12, 31)),
        st.sampled_from(["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y%m%d"]),
    )
    def test_every_day_in_every_form(self, when: dt.date, form: str) -> None:
        assert parse_date(when.strftime(form)) == PartialDate(when, when)

    @given(st.integers(1900, 2100), st.integers(0, 13), st.integers(0, 32))
    def test_only_days_that_exist(self, year: int, month: int, number: int) -> None:
        exists = 1 <= month <= 12 and 1 <= number <= calendar.monthrange(year, month)[1]
        assert (parse_date(f"{year}-{month}-{number}") is not UNKNOWN) == exists


class TestNumber:
    @pytest.mark.parametrize(
        ("raw", "value"),
        [("12", 12.0), (" 1,234.50 ", 1234.5), ("１２．５", 12.5), (3, 3.0), ("-1e3", -1000.0), (".5", 0.5)],
    )
    def test_numbers(self, raw: object, value: float) -> None:
        assert parse_number(raw) == value

    @pytest.mark.parametrize(
        "raw", ["12亩", "12㎡", "1,23", "1 2.3.4", "inf", "1e999", "0x10", True, float("inf"), "一"]
    )
    def test_no_numbers(self, raw: object) -> None:
        assert parse_value(raw, NUMBER) is UNKNOWN


@pytest.mark.parametrize("raw", ["未知", "不详", "Unknown", " 待查 ", "？"])
def test_said_to_be_unknown(raw: str) -> None:
    assert says_unknown(raw)
    assert [parse_value(raw, spec) for spec in (BOOL, DATE, NUMBER, CODE)] == [UNKNOWN] * 4


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.datetimes(), st.dates()))
def test_anything_can_be_handed_in(raw: object) -> None:
    for spec in (BOOL, DATE, NUMBER, CODE):
        value = parse_value(raw, spec, serial_dates=True)
        assert value is None or value is UNKNOWN or isinstance(value, (bool, str, float, PartialDate))


@given(st.sampled_from(["是", "否", "2022-3-18", "违法占地", "12.5"]), st.text(" \t\n　\u200b", max_size=3))
def test_blanks_around_make_no_difference(word: str, blank: str) -> None:
    for spec in (BOOL, DATE, NUMBER, CODE):
        assert parse_value(blank + word + blank, spec) == parse_value(word, spec)
