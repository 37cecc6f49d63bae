"""``landremed info``: what files hold, and what they might be."""

from __future__ import annotations

import json
from typing import Any

import click

__all__ = ["command"]


@click.command("info")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.pass_obj
def command(obj: Any, /, inputs: tuple[str, ...]) -> int:
    """Show layers, CRS and how sure it is, encoding, fields, and guessed roles.

    INPUT is a file, FILE:LAYER, a FileGDB or a folder. Ends with 1 when one of them cannot be read, with 3
    when rows of one are damaged or something else is to be looked at.
    """
    from landremed.inspect import look, look_text
    from landremed.text import default_severity

    seen = [layer for path in inputs for layer in look(path)]
    if obj.json:
        click.echo(json.dumps({"schema": 1, "layers": [s.document() for s in seen]}, ensure_ascii=False))
    for layer in seen:
        if not layer.readable:
            click.echo(look_text(layer, obj.language), err=True)
        elif not (obj.json or obj.quiet):
            click.echo(look_text(layer, obj.language) + "\n")
    if not all(layer.readable for layer in seen):
        return 1
    notes = {default_severity(note.code) for layer in seen for note in layer.notes}
    return 3 if "warning" in notes or any(layer.damage for layer in seen) else 0
