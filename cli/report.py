"""``landremed report``: documents people file and look at, all from the result GeoPackage."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any, Final

import click

__all__ = ["command"]

_ELSEWHERE: Final = {"monthly": ("report_monthly", "Monthly figures and their document (月报).")}
_PATH: Final = click.Path(path_type=Path)


class _Reports(click.Group):
    """A group that also knows reports whose modules are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all reports."""
        return [*super().list_commands(ctx), *(name for name in _ELSEWHERE if _there(name))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the report's module."""
        if cmd_name not in _ELSEWHERE or not _there(cmd_name):
            return super().get_command(ctx, cmd_name)
        module = importlib.import_module(f"landremed_cli.{_ELSEWHERE[cmd_name][0]}")
        found: click.Command = module.command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the reports without importing any."""
        rows = [(name, self.commands[name].get_short_help_str(90)) for name in self.commands]
        rows += [(name, text) for name, (_, text) in _ELSEWHERE.items() if _there(name)]
        with formatter.section("Reports"):
            formatter.write_dl(rows)


def _there(name: str) -> bool:
    return (Path(__file__).parent / f"{_ELSEWHERE[name][0]}.py").is_file()


@click.group("report", cls=_Reports)
def command() -> None:
    """Make tables, dossiers, maps, charts and case files from a result of `landremed run`."""


@command.command("table")
@click.argument("result", type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, metavar="FILE.xlsx", help="Workbook to write.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@click.pass_obj
def _table(settings: Any, result: Path, output: Path, overwrite: bool) -> None:
    """Overlay table (套合分析): every parcel, subtotals, findings, provenance."""
    from landremed.report.sheets import write_table

    rows = write_table(result, output, language=_language(settings), overwrite=overwrite)
    _done(settings, output, parcels=rows)


@command.command("dossier")
@click.argument("result", type=_PATH)
@click.option(
    "-o", "--output", required=True, type=_PATH, metavar="FILE.pdf|DIR", help="One PDF, or a folder of them."
)
@click.option("--where", metavar="SQL", help="Only parcels for which this holds, over columns of decisions.")
@click.option("--ids", metavar="A,B,…", help="Only these parcels.")
@click.option("--project", type=_PATH, metavar="PROJECT", help="Draw the layers of this project file whole.")
@click.option("--template", type=_PATH, metavar="FILE.typ", help="The office's own page.")
@click.option("--font", "fonts", multiple=True, type=_PATH, metavar="PATH", help="Font file or folder.")
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@click.pass_obj
def _dossier(settings: Any, /, result: Path, output: Path, **options: Any) -> None:
    """One page per parcel (一宗一档): map, areas, facts, decision, deadline, signatures."""
    from landremed.report.dossier import write_dossier
    from landremed.report.resultfile import open_result

    ids, where, project = (options.pop(name) for name in ("ids", "where", "project"))
    wanted = [part for part in ids.split(",") if part] if ids else None
    pages = write_dossier(
        result,
        output,
        language=_language(settings),
        parcels=open_result(result).select(where, wanted),
        layers=_layers(project, result),
        **options,
    )
    _done(settings, output, pages=pages)


@command.command("map")
@click.argument("result", type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, metavar="MAP.html", help="Page to write.")
@click.option("--project", type=_PATH, metavar="PROJECT", help="Show the layers of this project file around.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@click.pass_obj
def _map(settings: Any, result: Path, output: Path, project: Path | None, overwrite: bool) -> None:
    """One offline map page: colours, filters, search, every decision in words."""
    from landremed.report.webmap import write_map

    shapes = write_map(
        result,
        output,
        language=_language(settings),
        layers=_layers(project, result),
        overwrite=overwrite,
    )
    _done(settings, output, shapes=shapes)


@command.command("casefile")
@click.argument("result", type=_PATH)
@click.argument("parcel_id")
@click.option("-o", "--output", required=True, type=_PATH, metavar="ID.zip", help="Archive to write.")
@click.option("--ledger", type=_PATH, metavar="LEDGER", help="Ledger: add the parcel's events.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@click.pass_obj
def _casefile(
    settings: Any, result: Path, parcel_id: str, output: Path, ledger: Path | None, overwrite: bool
) -> None:
    """Everything about one parcel for a court; `landremed replay` reproduces its decision."""
    from landremed.report.casefile import write_casefile

    files = write_casefile(result, parcel_id, output, ledger=ledger, overwrite=overwrite)
    _done(settings, output, files=len(files))


@command.command("progress")
@click.argument("result", type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, metavar="DIR", help="Folder for PNG and SVG.")
@click.option("--ledger", type=_PATH, metavar="LEDGER", help="Ledger: also draw rates against milestones.")
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Day of the rates.")
@click.option("--font", "fonts", multiple=True, type=_PATH, metavar="PATH", help="Font file or folder.")
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@click.pass_obj
def _progress(settings: Any, /, result: Path, output: Path, as_of: Any, **options: Any) -> None:
    """Charts: outcomes by class and unit, what is due when, rates reached, what waits for which fact."""
    from landremed.report.charts import write_charts

    day = as_of.date() if as_of else None
    names = write_charts(result, output, language=_language(settings), as_of=day, **options)
    _done(settings, output, files=len(names))


def _language(settings: Any) -> str | None:
    """Return the language asked for; without one, reports speak that of the result."""
    return str(settings.language) if settings.language_given else None


def _layers(project: Path | None, result: Path) -> Any:
    if project is None:
        return None
    from landremed.report.resultfile import open_result
    from landremed.report.surroundings import read_surroundings

    return read_surroundings(project, open_result(result).crs)


def _done(settings: Any, output: Path, **counts: int) -> None:
    if settings.json:
        click.echo(json.dumps({"schema": 1, "output": str(output), **counts}, ensure_ascii=False))
    elif not settings.quiet:
        told = ", ".join(f"{name}: {count}" for name, count in counts.items())
        click.echo(f"-> {output} ({told})")
