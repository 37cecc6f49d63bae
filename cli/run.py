"""``landremed run``: check, overlay, decide, export."""

from __future__ import annotations

from typing import Any

import click
from landremed_cli.options import engine_options, perform, project_options

__all__ = ["command"]


def _cluster(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    from landremed.partitions.dask_cluster import is_cluster_address

    if not is_cluster_address(value):
        raise click.BadParameter("write tcp://HOST:PORT of a scheduler, or local:N")
    return value


def _bytes(text: str, language: str) -> int:
    from landremed import LandremedError, parse_memory

    try:
        return parse_memory(text)
    except LandremedError as error:
        raise click.UsageError(error.text(language)) from error


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
@click.option(
    "--cluster",
    metavar="tcp://HOST:PORT|local:N",
    callback=_cluster,
    help="Divide the parcels among the workers of a dask cluster.",
)
@click.option(
    "--memory", metavar="SIZE", help="Most memory of all processes, e.g. 2GB; large runs only by default."
)
@project_options
@engine_options
@click.pass_obj
def command(
    obj: Any,
    /,
    project: str,
    output: str,
    previous: str | None,
    keep_measures: bool,
    memory: str | None,
    **options: Any,
) -> int:
    """Check, overlay, decide and export: the main job.

    PROJECT is a project file (*.toml); or name the parcels themselves and give layers with --layer:

    landremed run parcels.gpkg --layer farmland=pbf.shp --layer red_line=c.gpkg:stbhhx -o out.gpkg
    """
    cluster = options.pop("cluster")
    if cluster is not None:
        if previous is not None or keep_measures or options["jobs"] is not None:
            raise click.UsageError("--cluster goes with none of --jobs, --reuse and --keep-measures.")
        options["jobs"] = cluster
    if memory is not None and (previous is not None or keep_measures):
        raise click.UsageError("--memory does not go with --reuse and --keep-measures.")

    def job() -> Any:
        from functools import partial

        from landremed import run

        if memory is not None:
            return partial(run, memory=_bytes(memory, obj.language))
        if previous is None and not keep_measures:
            return run
        from landremed.reuse import Reuse

        return partial(run, reuse=Reuse(previous))

    def begin(checked: Any) -> None:
        if previous is not None or keep_measures:
            from landremed.reuse import begin as begin_hashing

            begin_hashing(previous, checked)

    return perform(job, project, output, obj, options, begin)
