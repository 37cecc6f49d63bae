"""Working days: only the day of the monthly report follows them, no deadline does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from landremed.errors import InputError, Where
from landremed.io.spreadsheet import read_table
from landremed.types import PartialDate
from landremed.values import parse_bool, parse_date

__all__ = ["OfficeCalendar", "is_workday", "read_calendar", "report_day"]

_REPORT_DAY: Final = 5
_SATURDAY: Final = 5
_DAY_COLUMNS: Final = ("date", "日期")
_WORK_COLUMNS: Final = ("workday", "工作日", "是否工作日")


@dataclass(frozen=True)
class OfficeCalendar:
    """Days that differ from Monday to Friday, as the office gives them.

    ``days`` maps a day to whether it is worked; its years are known to this calendar, and it wins over the
    library for them.
    """

    days: Mapping[date, bool] = field(default_factory=dict)

    @property
    def years(self) -> frozenset[int]:
        """Years it speaks of."""
        return frozenset(day.year for day in self.days)


def read_calendar(path: Path) -> OfficeCalendar:
    """Read a calendar file: columns ``date`` and ``workday`` (是/否), one row per holiday or make-up day.

    Raises
    ------
    InputError
        A column is missing, or a value is no date or no yes/no.
    """
    table = read_table(str(path))
    names = {name.casefold(): name for name in table.columns}
    day_column = next((names[word] for word in _DAY_COLUMNS if word in names), None)
    work_column = next((names[word] for word in _WORK_COLUMNS if word in names), None)
    if day_column is None or work_column is None:
        raise InputError("calendar_columns", Where(file=str(path)))
    days: dict[date, bool] = {}
    cells = zip(table.column(day_column), table.column(work_column), table.row_numbers, strict=True)
    for day_cell, work_cell, row in cells:
        day, works = parse_date(day_cell, serial_dates=True), parse_bool(work_cell)
        if not isinstance(day, PartialDate) or not day.exact:
            place = Where(file=str(path), row=row, field=day_column, value=str(day_cell))
            raise InputError("calendar_date", place)
        if not isinstance(works, bool):
            place = Where(file=str(path), row=row, field=work_column, value=str(work_cell))
            raise InputError("calendar_workday", place)
        days[day.first] = works
    return OfficeCalendar(days)


def is_workday(day: date, office: OfficeCalendar | None = None) -> bool:
    """Tell whether a day is worked in China, make-up days included.

    Raises
    ------
    InputError
        Nobody knows the year's holidays; nothing is guessed.

    Examples
    --------
    >>> is_workday(date(2022, 10, 8)), is_workday(date(2022, 10, 5))
    (True, False)
    """
    if office is not None and day.year in office.years:
        return office.days.get(day, day.weekday() < _SATURDAY)
    import chinese_calendar

    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError as error:
        raise InputError("calendar_year_unknown", Where(), year=day.year) from error


def report_day(month: str, office: OfficeCalendar | None = None) -> date:
    """Return the day by which a month's report goes up: the 5th of the next, or the next working day.

    Parameters
    ----------
    month : str
        ``YYYY-MM``.

    Examples
    --------
    >>> report_day("2022-09"), report_day("2024-03")
    (datetime.date(2022, 10, 8), datetime.date(2024, 4, 7))
    """
    year, number = (int(part) for part in month.split("-"))
    after = date(year, number, 1) + timedelta(days=31)
    day = after.replace(day=_REPORT_DAY)
    while not is_workday(day, office):
        day += timedelta(days=1)
    return day
