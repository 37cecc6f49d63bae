"""``landremed convert``: from one format to another, saying what is lost."""

from __future__ import annotations

import json
from typing import Any

import click
from landremed_cli.options import limit_option

__all__ = ["command"]


@click.command("convert")
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@click.option("--crs", metavar="CRS", help="Transform to this CRS (e.g. EPSG:4527).")
@click.option("--in-crs", "input_crs", metavar="CRS", help="CRS of an input that states none.")
@click.option("--encoding", metavar="NAME", help="Text encoding of the input (e.g. GB18030).")
@click.option("--overwrite", is_flag=True, help="Replace an existing output once the new one is complete.")
@limit_option
@click.pass_obj
def command(obj: Any, /, source: str, target: str, **options: Any) -> int:
    """Convert a layer; the extension of OUT names the format.

    IN and OUT may be .gpkg, .shp, .geojson, .fgb, .gdb, .parquet and .txt (survey coordinates). Ends with 3
    when the format does not keep everything.
    """
    from landremed import Limits, parse_limits
    from landremed.convert import convert
    from landremed.errors import Where
    from landremed.text import default_severity, error_text

    limits = Limits(**parse_limits(options.pop("limits")))
    done = convert(source, target, **options, limits=limits)
    weights = [default_severity(finding.code) for finding in done.findings]
    rows = []
    for finding, weight in zip(done.findings, weights, strict=True):
        where = Where(finding.file, "", finding.row, finding.field, finding.value)
        text = error_text(finding.code, where, finding.params, obj.language)
        rows.append({"code": finding.code, "severity": weight, "field": finding.field, "message": text})
        if not obj.quiet:
            click.echo(f"[{weight}] {finding.code}: {text}", err=True)
    if obj.json:
        document = {"schema": 1, "output": target, "rows": done.rows, "crs": done.crs, "findings": rows}
        click.echo(json.dumps(document, ensure_ascii=False))
    elif not obj.quiet:
        click.echo(f"-> {target} ({done.rows}; {done.crs or '–'})")
    return 3 if {"error", "warning"} & set(weights) else 0
