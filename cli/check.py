"""``landremed check``: look at a project's data before it is used."""

from __future__ import annotations

import json
from typing import Any

import click
from landremed_cli.options import StageClock, line_width, project_from, project_options

__all__ = ["command"]


@click.command("check")
@click.argument("project", metavar="PROJECT|PARCELS")
@click.option("-o", "--output", metavar="ISSUES.gpkg", help="GeoPackage of the findings, as points.")
@click.option("--overwrite", is_flag=True, help="Replace an existing output once the new one is complete.")
@project_options
@click.pass_obj
def command(obj: Any, /, project: str, output: str | None, overwrite: bool, **options: Any) -> int:
    """Check parcels, layers and evidence, without measuring or deciding.

    Ends with 1 when there is an error, with 3 when there are warnings.
    """
    from landremed.checks import check_project

    clock = StageClock(obj)
    checked = project_from(project, options, obj)
    result = check_project(checked, output, overwrite=overwrite, stage=clock)
    clock.finish()
    if obj.json:
        click.echo(json.dumps(result.document(), ensure_ascii=False))
    elif not obj.quiet:
        click.echo(result.table_text(obj.language))
        cases = result.cases_text(obj.language, line_width(), kept=output is not None)
        if cases:
            click.echo(f"\n{cases}", err=True)
        if output:
            click.echo(f"\n-> {output}")
    return result.status
