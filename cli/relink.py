"""``landremed relink``: the project inside a result that was renamed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

__all__ = ["command"]


@click.command("relink")
@click.argument("result", type=click.Path(path_type=Path), metavar="OUT.gpkg")
@click.pass_obj
def command(settings: Any, result: Path) -> None:
    """Point the QGIS project inside OUT.gpkg at the name the file has now.

    A project knows its layers by the file's name. Moving the file is harmless; after renaming it, run this.
    """
    from landremed.review import relink
    from landremed.text import message_text

    changed = relink(result)
    if settings.json:
        click.echo(json.dumps({"output": str(result), "relinked": changed}, ensure_ascii=False))
    elif not settings.quiet:
        code = "relink_done" if changed else "relink_nothing"
        click.echo(message_text(code, {"projects": ", ".join(changed)}, settings.language))
