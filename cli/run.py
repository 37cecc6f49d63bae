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
@project_options
@engine_options
@click.pass_obj
def command(obj: Any, /, project: str, output: str, **options: Any) -> int:
    """Check, overlay, decide and export: the main job.

    PROJECT is a project file (*.toml); or name the parcels themselves and give layers with --layer:

    landremed run parcels.gpkg --layer farmland=pbf.shp --layer red_line=c.gpkg:stbhhx -o out.gpkg
    """
    from landremed import run

    return perform(run, project, output, obj, options)
