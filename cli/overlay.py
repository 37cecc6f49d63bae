"""``landremed overlay``: measure without deciding."""

from __future__ import annotations

from typing import Any

import click
from landremed_cli.options import engine_options, perform, project_options

__all__ = ["command"]


@click.command("overlay")
@click.argument("project", metavar="PROJECT|PARCELS")
@click.option("-o", "--output", required=True, metavar="OUT.gpkg", help="Measured overlay.")
@click.option("--overwrite", is_flag=True, help="Replace an existing output once the new one is complete.")
@project_options
@engine_options
@click.pass_obj
def command(obj: Any, /, project: str, output: str, **options: Any) -> int:
    """Measure parcels against layers, without deciding.

    The file holds `parcels` with one set of columns per layer and `overlaps` with the pieces; `landremed
    decide` goes on from it.
    """

    def job() -> Any:
        from landremed import run_overlay

        return run_overlay

    return perform(job, project, output, obj, options)
