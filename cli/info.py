"""``landremed info``: what files hold, and what they might be."""

from __future__ import annotations

import json
import shutil
import sys
from typing import Any

import click
from landremed_cli.options import limit_option

__all__ = ["command"]


@click.command("info")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@limit_option
@click.pass_obj
def command(obj: Any, /, inputs: tuple[str, ...], limits: tuple[str, ...]) -> int:
    """Show layers, CRS and how sure it is, encoding, fields, and guessed roles.

    INPUT is a file, FILE:LAYER, a zip, a FileGDB or a folder (with the folders in it). Ends with 1 when one
    of them cannot be read, with 3 when rows of one are damaged or something else is to be looked at.
    """
    from landremed import Limits, parse_limits
    from landremed.inspect import look, look_text
    from landremed.text import default_severity

    bounds = Limits(**parse_limits(limits))
    seen = [layer for path in inputs for layer in look(path, limits=bounds)]
    if obj.json:
        click.echo(json.dumps({"schema": 1, "layers": [s.document() for s in seen]}, ensure_ascii=False))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for layer in seen:
        if not layer.readable:
            click.echo(look_text(layer, obj.language, width), err=True)
        elif not (obj.json or obj.quiet):
            click.echo(look_text(layer, obj.language, width) + "\n")
    unread = [layer for layer in seen if not layer.readable]
    foreign = ("file_type_foreign", "file_type_web_map")
    beside = [u for u in unread if u.file not in inputs and getattr(u.problem, "code", "") in foreign]
    if len(unread) > len(beside):
        return 1
    notes = {default_severity(note.code) for layer in seen for note in layer.notes}
    return 3 if beside or "warning" in notes or any(layer.damage for layer in seen) else 0
