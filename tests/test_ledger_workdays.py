"""The day of the monthly report: the 5th, or the next working day; nothing is guessed."""

from datetime import date

import pytest

from landremed.errors import InputError
from landremed.ledger import OfficeCalendar, read_calendar, report_day

# months whose report day is not the 5th, from the State Council's notices
MOVED = {
    "2022-01": "2022-02-07",
    "2022-02": "2022-03-07",
    "2022-03": "2022-04-06",
    "2022-05": "2022-06-06",
    "2022-09": "2022-10-08",  # a Saturday that is worked
    "2022-10": "2022-11-07",
    "2023-01": "2023-02-06",
    "2023-02": "2023-03-06",
    "2023-03": "2023-04-06",
    "2023-07": "2023-08-07",
    "2023-09": "2023-10-07",  # a Saturday that is worked
    "2023-10": "2023-11-06",
    "2024-03": "2024-04-07",  # a Sunday that is worked
    "2024-04": "2024-05-06",
    "2024-09": "2024-10-08",
    "2025-03": "2025-04-07",
    "2025-09": "2025-10-09",
    "2026-09": "2026-10-08",
    "2026-11": "2026-12-07",
}


@pytest.mark.parametrize("year", [2022, 2023])
def test_every_month(year):
    for number in range(1, 13):
        month = f"{year}-{number:02d}"
        after = date(year + number // 12, number % 12 + 1, 5).isoformat()
        assert report_day(month).isoformat() == MOVED.get(month, after), month


@pytest.mark.parametrize(("month", "day"), sorted(MOVED.items()))
def test_moved(month, day):
    assert report_day(month).isoformat() == day


def test_an_unknown_year_is_an_error():
    with pytest.raises(InputError) as caught:
        report_day("2099-05")
    assert caught.value.code == "calendar_year_unknown"
    assert "2099" in caught.value.text("zh")


def test_the_office_calendar(tmp_path):
    path = tmp_path / "calendar.csv"
    # 2099-06-05 is a Friday, the 6th a Saturday that is worked here
    path.write_text("日期,工作日\n2099-06-05,否\n2099/6/6,是\n", encoding="utf-8")
    assert report_day("2099-05", read_calendar(path)) == date(2099, 6, 6)
    assert report_day("2022-09", read_calendar(path)) == date(2022, 10, 8)


def test_the_office_calendar_wins():
    office = OfficeCalendar({date(2022, 7, 5): False})
    assert report_day("2022-06", office) == date(2022, 7, 6)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("day,work\n2099-06-05,yes\n", "calendar_columns"),
        ("date,workday\n2099-06,yes\n", "calendar_date"),
        ("date,workday\nsoon,yes\n", "calendar_date"),
        ("date,workday\n2099-06-05,perhaps\n", "calendar_workday"),
    ],
)
def test_bad_calendars(tmp_path, text, code):
    path = tmp_path / "calendar.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_calendar(path)
    assert caught.value.code == code
