"""``landremed decide``: rules and schedules on measured facts."""

from __future__ import annotations

import click
from landremed_cli.options import StageClock, show

__all__ = ["command"]


@click.command("decide")
@click.argument("overlay", metavar="OVERLAY.gpkg")
@click.option("-o", "--output", required=True, metavar="OUT.gpkg", help="Result GeoPackage.")
@click.option("--project", metavar="PROJECT", help="Take rules, readings, tolerances and dates from it.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Set any key of the project.")
@click.option("--overwrite", is_flag=True, help="Replace an existing output once the new one is complete.")
@click.pass_context
def command(
    ctx: click.Context,
    overlay: str,
    output: str,
    project: str | None,
    settings: tuple[str, ...],
    overwrite: bool,
) -> int:
    """Decide on what `landremed overlay` measured, with the settings kept in its file."""
    from landremed import run_decide

    clock = StageClock(ctx.obj)
    result = run_decide(overlay, output, project=project, settings=settings, overwrite=overwrite, stage=clock)
    return show(result, output, ctx.obj, clock)
