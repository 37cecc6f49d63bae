"""``landremed replay``: reproduce a decision from its case file alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

__all__ = ["command"]

_NOT_REPRODUCED = 3


@click.command("replay")
@click.argument("casefile", type=click.Path(path_type=Path))
@click.pass_obj
def command(settings: Any, casefile: Path) -> int:
    """Reproduce the decision of CASEFILE offline, from the file alone.

    CASEFILE is an archive written by `landremed report casefile`. Exit status 3 when something differs.
    """
    from landremed.report.replay import replay

    found = replay(casefile)
    if settings.json:
        click.echo(json.dumps(found.to_dict(), ensure_ascii=False))
    elif not settings.quiet or not found.same:
        click.echo(found.text(settings.language))
    return 0 if found.same else _NOT_REPRODUCED
