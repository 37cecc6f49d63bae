"""``landremed run``: check, overlay, decide, export."""

from __future__ import annotations

from typing import Any

import click
from landremed_cli.options import engine_options, perform, project_options

__all__ = ["command"]


@click.command("run")
@click.argument("project", metavar="PROJECT|PARCELS")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="OUT.gpkg|OUT/",
    help="Result: GeoPackage, or folder of GeoParquet.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing output once the new one is complete.")
@click.option("--reuse", "previous", metavar="PREVIOUS.gpkg", help="Take over measures of an earlier result.")
@click.option("--keep-measures", is_flag=True, help="Keep measures beside the result for --reuse.")
@project_options
@engine_options
@click.pass_obj
def command(
    obj: Any, /, project: str, output: str, previous: str | None, keep_measures: bool, **options: Any
) -> int:
    """Check, overlay, decide and export: the main job.

    PROJECT is a project file (*.toml); or name the parcels themselves and give layers with --layer:

    landremed run parcels.gpkg --layer farmland=pbf.shp --layer red_line=c.gpkg:stbhhx -o out.gpkg
    """
    from functools import partial

    from landremed import run

    job = run
    if previous is not None or keep_measures:
        from landremed.reuse import Reuse

        job = partial(run, reuse=Reuse(previous))
    return perform(job, project, output, obj, options)
