"""The facts that reviews taught, as a table of evidence for runs into another file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from landremed.errors import OutputError, Where
from landremed.io.gpkg_read import layer_names
from landremed.io.sqlite_read import open_to_read
from landremed.report.target import write_whole

__all__ = ["write_evidence"]

_ID = "parcel_id"


def write_evidence(result: Path | str, output: Path | str, *, overwrite: bool = False) -> int:
    """Write the facts learned by reviews as a workbook that ``[[evidence]]`` reads.

    Parameters
    ----------
    result : path
        Result GeoPackage with its reviews merged.
    output : path
        ``*.xlsx``: one row per parcel, one column per fact, cells as text.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    int
        Number of parcels in it.

    Raises
    ------
    OutputError
        The output is no workbook, exists, or cannot be written.
    """
    source, target = Path(result), Path(output)
    if target.suffix.lower() != ".xlsx":
        raise OutputError("evidence_not_workbook", Where(file=str(target)))
    rows = _learned(source)
    facts = sorted({fact for known in rows.values() for fact in known})

    def write(temp: Path) -> None:
        import xlsxwriter

        options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
        with xlsxwriter.Workbook(str(temp), options) as book:
            book.set_properties({"created": datetime(2000, 1, 1)})  # equal facts give equal bytes
            sheet = book.add_worksheet()
            table: list[list[str | None]] = [[_ID, *facts]]
            table += [[pid, *(known.get(fact) for fact in facts)] for pid, known in rows.items()]
            for number, cells in enumerate(table):
                for column, text in enumerate(cells):
                    if text is not None:
                        sheet.write_string(number, column, text)

    write_whole(target, write, overwrite=overwrite)
    return len(rows)


def _learned(result: Path) -> dict[str, dict[str, str]]:
    """Return the facts learned, by parcel."""
    if "facts" not in layer_names(result):
        return {}
    rows: dict[str, dict[str, str]] = {}
    with closing(open_to_read(result)) as db:
        db.row_factory = sqlite3.Row
        query = "SELECT parcel_id, fact, value FROM facts WHERE source = 'review' ORDER BY fid"
        for row in db.execute(query):
            rows.setdefault(str(row["parcel_id"]), {})[str(row["fact"])] = str(row["value"])
    return rows
