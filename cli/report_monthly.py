"""``landremed report monthly``: the monthly report from the ledger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from landremed_cli.ledger import clerk_of

__all__ = ["command"]

_PATH = click.Path(path_type=Path)


@click.command("monthly")
@click.argument("ledger", type=_PATH, metavar="LEDGER")
@click.option("--month", required=True, metavar="YYYY-MM", help="Month reported.")
@click.option("-o", "--output", type=_PATH, required=True, metavar="DIR", help="Folder of the two files.")
@click.option("--template", type=_PATH, metavar="FILE.docx", help="The office's own template.")
@click.option("--calendar", type=_PATH, metavar="FILE.csv", help="The office's own holidays.")
@click.option("--draft", is_flag=True, help="Do not keep the month's figures in the ledger.")
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@click.option("--who", metavar="NAME", help="Who reports; the computer's user by default.")
@click.pass_obj
def command(settings: Any, /, ledger: Path, month: str, output: Path, who: str | None, **given: Any) -> None:
    """Write the report of a month as .docx and .xlsx; its figures are kept, and come out the same later."""
    from landremed.ledger import read_calendar
    from landremed.report.monthly import MonthlyOptions, write_monthly
    from landremed.text import message_text

    calendar = given.pop("calendar")
    options = MonthlyOptions(
        language=settings.language, calendar=read_calendar(calendar) if calendar else None, **given
    )
    made = write_monthly(ledger, month, output, clerk_of(who), options)
    figures = made.figures
    if settings.json:
        files = {"document": str(made.document), "workbook": str(made.workbook)}
        lists = {key: value for key, value in figures.items() if key != "lists"}
        click.echo(json.dumps({**files, "figures": lists}, ensure_ascii=False))
    elif not settings.quiet:
        words = {"month": month, "day": figures["report_on"], "files": f"{made.document} {made.workbook}"}
        click.echo(message_text("ledger_said_monthly", words, settings.language))
        if figures["draft"]:
            click.echo(message_text("ledger_said_draft", {}, settings.language))
