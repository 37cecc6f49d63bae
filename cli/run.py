"""``landremed run``: check, overlay, decide, export."""

from __future__ import annotations

import json
from typing import Any

import click
from landremed_cli.options import StageClock, engine_options, project_from, project_options, show

__all__ = ["command"]


@click.command("run")
@click.argument("project", metavar="PROJECT|PARCELS")
@click.option("-o", "--output", required=True, metavar="OUT.gpkg", help="Result GeoPackage.")
@click.option("--overwrite", is_flag=True, help="Replace an existing output once the new one is complete.")
@project_options
@engine_options
@click.pass_obj
def command(settings: Any, /, project: str, output: str, overwrite: bool, **options: Any) -> int:
    """Check, overlay, decide and export: the main job.

    PROJECT is a project file (*.toml); or name the parcels themselves and give layers with --layer:

    landremed run parcels.gpkg --layer farmland=pbf.shp --layer red_line=c.gpkg:stbhhx -o out.gpkg
    """
    from landremed import run

    clock = StageClock(settings)
    checked = project_from(project, options, settings)
    result = run(
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
