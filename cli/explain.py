"""``landremed explain``: why a parcel got its recommendation."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

__all__ = ["command"]


@click.command("explain")
@click.argument("result", type=click.Path(path_type=Path))
@click.argument("parcel_id")
@click.pass_obj
def command(settings: Any, result: Path, parcel_id: str) -> None:
    """Tell why a parcel of RESULT got its recommendation.

    RESULT is a GeoPackage written by `landremed run`. A part of a parcel that was cut is named <id>#n.
    """
    if not parcel_id.strip():
        raise click.BadParameter("it is empty. Give an id from the decisions layer.", param_hint="PARCEL_ID")
    from landremed.explain import explain, render

    explanation = explain(result, parcel_id, settings.language)
    if settings.json:
        plain = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
        click.echo(json.dumps(explanation.to_dict(), ensure_ascii=plain, indent=2))
    else:
        click.echo(render(explanation))
