"""``landremed overlay``: measure without deciding."""

from __future__ import annotations

import json
from typing import Any

import click
from landremed_cli.options import StageClock, engine_options, project_from, project_options, show

__all__ = ["command"]


@click.command("overlay")
@click.argument("project", metavar="PROJECT|PARCELS")
@click.option("-o", "--output", required=True, metavar="OUT.gpkg", help="Measured overlay.")
@click.option("--overwrite", is_flag=True, help="Replace an existing output once the new one is complete.")
@project_options
@engine_options
@click.pass_obj
def command(settings: Any, /, project: str, output: str, overwrite: bool, **options: Any) -> int:
    """Measure parcels against layers, without deciding.

    The file holds `parcels` with one set of columns per layer and `overlaps` with the pieces; `landremed
    decide` goes on from it.
    """
    from landremed import run_overlay

    clock = StageClock(settings)
    checked = project_from(project, options, settings)
    result = run_overlay(
        checked,
        output,
        overwrite=overwrite,
        engine=options["engine"],
        jobs=options["jobs"],
        stage=clock,
        progress=clock.progress,
    )
    clock.finish()
    if settings.json:
        click.echo(json.dumps(result.document(output), ensure_ascii=False))
    elif not settings.quiet:
        show(result, output, settings)
    return result.status
