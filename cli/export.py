"""``landremed export``: a result for people without QGIS projects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

__all__ = ["command"]

_PATH = click.Path(path_type=Path)


@click.command("export")
@click.argument("result", type=_PATH, metavar="OUT.gpkg")
@click.option("-o", "--output", required=True, type=_PATH, metavar="DIR", help="Folder to write.")
@click.option(
    "-f",
    "--format",
    "kind",
    type=click.Choice(["shp", "geojson", "gdb", "kml", "txt"]),
    default="shp",
    show_default=True,
    help="Shapefile, GeoJSON, FileGDB, KML, coordinates as text.",
)
@click.option("--by", type=click.Choice(["outcome", "unit"]), help="One file per outcome, or per unit.")
@click.option("--where", metavar="SQL", help="Only these parcels, over columns of decisions.")
@click.option("--overwrite", is_flag=True, help="Replace an existing folder written by export.")
@click.pass_obj
def command(settings: Any, /, result: Path, output: Path, **options: Any) -> None:
    """Write the recommendations of OUT.gpkg in formats that every program reads."""
    from landremed.report.export import export_result
    from landremed.text import message_text

    written = export_result(result, output, **options)
    names = [path.name for path in written]
    if settings.json:
        click.echo(json.dumps({"output": str(output), "files": names}, ensure_ascii=False))
    elif not settings.quiet:
        params = {"count": len(names), "output": output, "files": ", ".join(names)}
        click.echo(message_text("export_done", params, settings.language))
