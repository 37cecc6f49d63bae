"""``landremed init``: a commented project file from what files hold."""

from __future__ import annotations

from typing import Any

import click
from landremed_cli.options import limit_option

__all__ = ["command"]


@click.command("init")
@click.argument("parcels", metavar="PARCELS")
@click.argument("others", nargs=-1, metavar="[ROLE=PATH|FILE|FOLDER|GDB]...")
@click.option("--layer", "layers", multiple=True, metavar="ROLE=PATH[:LAYER]", help="A layer with its role.")
@click.option("-o", "--output", required=True, metavar="project.toml", help="Project file to write.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@limit_option
@click.pass_obj
def command(
    obj: Any, /, parcels: str, others: tuple[str, ...], layers: tuple[str, ...], **options: Any
) -> int:
    """Write a project file; roles are guessed from fields, never from a layer's name alone.

    Ends with 3 when something that was found or named had to be left as a comment.
    """
    from landremed import parse_limits
    from landremed.inspect import write_project

    draft, text = write_project(
        parcels,
        others,
        layers,
        options["output"],
        overwrite=options["overwrite"],
        language=obj.language,
        limits=parse_limits(options["limits"]),
    )
    if not obj.quiet:
        click.echo(text)
        click.echo(f"-> {options['output']}", err=True)
    return 0 if draft.complete else 3
