"""The ``where`` filter of a layer: one dialect (SQLite's) for every format."""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from landremed.errors import InputError, Where
from landremed.io.drivers import nearest

__all__ = ["matching_rows"]

_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION}


def matching_rows(table: pa.Table, condition: str, where: Where) -> npt.NDArray[np.int64]:
    """Return the rows for which an SQL condition on the attributes is true.

    The condition sees a table of its own and nothing else: no other table, no file, no extension.

    Parameters
    ----------
    table : pyarrow.Table
        Attribute columns.
    condition : str
        SQLite expression, e.g. ``"DLBM" LIKE '01%'``.
    where : Where
        Place for the message.

    Raises
    ------
    InputError
        Code ``where_invalid`` when SQLite does not accept it.
    """
    names = table.column_names
    _refuse_unknown_names(condition, names, where)
    used = [i for i, name in enumerate(names) if name.casefold() in condition.casefold()]
    quoted = ", ".join('"' + names[i].replace('"', '""') + '"' for i in used)
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(f"CREATE TABLE features (row__ INTEGER PRIMARY KEY{', ' if used else ''}{quoted})")
        marks = ", ".join("?" * (len(used) + 1))
        columns = [_plain(table.column(i)) for i in used]
        connection.executemany(
            f"INSERT INTO features VALUES ({marks})",  # noqa: S608 - only marks
            zip(range(table.num_rows), *columns, strict=True),
        )
        connection.commit()
        connection.set_authorizer(_only_reading)
        statement = f"SELECT row__ FROM features WHERE ({condition}\n) ORDER BY row__"  # noqa: S608
        rows = [row for (row,) in connection.execute(statement)]
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        raise InputError("where_invalid", where, condition=condition, reason=str(error)) from error
    finally:
        connection.close()
    return np.asarray(rows, dtype=np.int64)


def _refuse_unknown_names(condition: str, names: list[str], where: Where) -> None:
    """SQLite reads a quoted name it does not know as a text, so a misspelt field would match nothing."""
    known = {name.casefold() for name in names}
    for quoted in re.findall(r'"((?:[^"]|"")*)"', re.sub(r"'(?:[^']|'')*'", "''", condition)):
        if quoted.replace('""', '"').casefold() not in known:
            raise InputError("input_field_missing", where, field=quoted, nearest=nearest(quoted, names))


def _only_reading(action: int, first: str | None, second: str | None, *_: Any) -> int:
    if action not in _ALLOWED or (action == sqlite3.SQLITE_FUNCTION and second == "load_extension"):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _plain(column: pa.ChunkedArray) -> list[Any]:
    values = column.to_pylist()
    return [v.isoformat() if isinstance(v, (dt.date, dt.datetime)) else v for v in values]
