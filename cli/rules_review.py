"""``landremed rules coverage``, ``table`` and ``new``: a rule book held against data, printed, begun anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

__all__ = ["coverage_command", "new_command", "table_command"]


@click.command("coverage")
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="OUT.gpkg…")
@click.pass_obj
def coverage_command(settings: Any, results: tuple[Path, ...]) -> None:
    """Tell which rules, clauses and results real data reached.

    Counts how often each rule fired and decided alone, over all RESULTS together, and names the rules that no
    parcel reached.
    """
    from landremed.report.rule_coverage import coverage_text, rule_coverage

    found = rule_coverage(results)
    if settings.json:
        click.echo(json.dumps(found.to_dict(), ensure_ascii=False))
    else:
        click.echo(coverage_text(found, settings.language))


@click.command("table")
@click.argument("folder", required=False, metavar="[FOLDER]")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="PAGE.html",
    help="Page to write.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing page.")
@click.pass_context
def table_command(context: click.Context, folder: str | None, output: Path, overwrite: bool) -> None:
    """Write a rule book as one HTML page that a lawyer can read and print.

    Clause, rules, readings, deadlines, steps, and the book's cases with their marks. FOLDER is a rule book's
    folder or the name of a built-in one. Exit status 1 when the book has faults, which then stand on top, or
    a case comes out otherwise than it expects.
    """
    from landremed.law.vocabulary import default_book
    from landremed.report.rule_table import write_rule_table

    settings = context.obj
    report = write_rule_table(
        folder or default_book(), output, language=settings.language, overwrite=overwrite
    )
    for problem in report.problems:
        click.echo(problem.text(settings.language), err=True)
    if not settings.quiet:
        click.echo(f"-> {output}")
    failed = any(result.mismatches for result in report.results)
    context.exit(1 if report.problems or failed else 0)


@click.command("new")
@click.argument("name", type=click.Path(path_type=Path))
@click.option("--from", "source", metavar="NAME|FOLDER", help="Rule book to begin with.")
@click.pass_obj
def new_command(settings: Any, name: Path, source: str | None) -> None:
    """Begin another plan's rule book: a working copy in the folder NAME.

    The copy passes `rules check` and `rules test` as it is; change it file by file, and name its folder as
    `rules` in the project file.
    """
    from landremed.law.begin import begin_rulebook
    from landremed.law.vocabulary import default_book
    from landremed.text import message_text

    made = begin_rulebook(name, source or default_book())
    if not settings.quiet:
        params = {"folder": str(name), "rules": made.rules, "cases": made.cases}
        click.echo(message_text("rules_new_made", params, settings.language))
