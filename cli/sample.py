"""``landremed sample``: write the sample district."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

__all__ = ["command"]


@click.command("sample")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace files of the same names.")
@click.pass_context
def command(ctx: click.Context, folder: Path, overwrite: bool) -> None:
    """Write the sample district with its project.toml into DIR.

    It is a made-up stretch of coast with 600 parcels that shows every outcome; its README.md names the
    parcels to look at.
    """
    from landremed.samples import write_samples
    from landremed.text import message_text

    files = write_samples(folder, overwrite=overwrite)
    project, output = folder / "project.toml", folder / "result.gpkg"
    if ctx.obj.json:
        click.echo(
            json.dumps(
                {
                    "folder": str(folder),
                    "files": [str(path) for path in files],
                    "project": str(project),
                    "next": ["landremed", "run", str(project), "-o", str(output)],
                },
                ensure_ascii=False,
            )
        )
    elif not ctx.obj.quiet:
        words = {
            "folder": str(folder),
            "count": len(files),
            "project": shlex.quote(str(project)),
            "output": shlex.quote(str(output)),
            "readme": str(folder / "README.md"),
        }
        click.echo(message_text("sample_written", words, ctx.obj.language))
