"""``landremed review``: packages for the field, and merging what comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

__all__ = ["command"]

_PATH = click.Path(path_type=Path)
_OUTCOMES = ("outcome_before", "outcome_after")


@click.group("review")
def command() -> None:
    """Pack parcels for surveyors, and merge what they and reviewers wrote."""


@command.command("pack")
@click.argument("result", type=_PATH, metavar="OUT.gpkg")
@click.option(
    "-o", "--output", required=True, type=_PATH, metavar="FIELD", help="*.gpkg, *.zip or a folder to write."
)
@click.option("--where", metavar="SQL", help="Only these parcels; by default all that wait for facts.")
@click.option("--assign", metavar="UNIT", help="Only the parcels for which this unit answers.")
@click.option(
    "--project", type=_PATH, metavar="PROJECT", help="Carry its constraint layers, cut to the surroundings."
)
@click.option(
    "--clip", type=click.FloatRange(0), default=200.0, show_default=True, help="Width of the surroundings, m."
)
@click.option(
    "-f", "--format", "kind", type=click.Choice(["qgis", "xlsx", "kml"]), default="qgis", show_default=True
)
@click.option("--overwrite", is_flag=True, help="Replace an existing package that holds no visits.")
@click.pass_obj
def _pack(settings: Any, /, result: Path, output: Path, clip: float, **options: Any) -> None:
    """Write a work package with the parcels of OUT.gpkg and the facts that are missing.

    A folder or zip holds project.qgz, data.gpkg and DCIM for photos, for QGIS and QField without a network.
    """
    from landremed.review import pack_reviews
    from landremed.text import message_text

    package = pack_reviews(result, output, clip_m=clip, **options)
    numbers = {
        "package": package.package_id,
        "parcels": len(package.parcels),
        "questions": len(package.questions),
        "constraint_pieces": package.constraint_pieces,
        "output": str(output),
    }
    _told(settings, "pack_done", numbers)
    if options["kind"] == "kml":
        click.echo(message_text("pack_kml_one_way", {}, settings.language), err=True)


@command.command("merge")
@click.argument("result", type=_PATH, metavar="OUT.gpkg")
@click.argument("packages", type=_PATH, nargs=-1, metavar="FIELD...")
@click.option(
    "--project",
    type=_PATH,
    metavar="PROJECT",
    help="Where the inputs of the run lie, to measure accepted boundaries; by default beside OUT.gpkg.",
)
@click.option(
    "--evidence", type=_PATH, metavar="FACTS.xlsx", help="Also write the facts learned, for [[evidence]]."
)
@click.option("--overwrite", is_flag=True, help="Replace an existing FACTS.xlsx.")
@click.option("--dry-run", is_flag=True, help="Tell what would change, and write nothing.")
@click.pass_obj
def _merge(settings: Any, /, result: Path, packages: tuple[Path, ...], **options: Any) -> int:
    """Take what was written in FIELD packages, and in OUT.gpkg itself, into OUT.gpkg.

    FIELD is a package (GeoPackage, folder, zip or filled-in xlsx), or a text of boundary points (txt). They
    may come in any order, and twice. Facts learned decide the parcels again, accepted boundaries measured,
    and people who disagree are listed for a reviewer to settle. Ends with 3 when something needs a look.
    """
    from landremed import merge_reviews
    from landremed.errors import OutputError, Where
    from landremed.review import write_evidence

    evidence, overwrite = options.pop("evidence"), options.pop("overwrite")
    if evidence is not None and evidence.exists() and not overwrite:
        raise OutputError("output_exists", Where(file=str(evidence)))
    merged = merge_reviews(result, packages, **options)
    _show(settings, merged)
    if evidence is not None and not options["dry_run"]:
        told = {"parcels": write_evidence(result, evidence, overwrite=overwrite), "output": str(evidence)}
        if not settings.json:
            _told(settings, "evidence_written", told)
    return merged.status


def _show(settings: Any, merged: Any) -> None:
    """Tell what a merge did: changes on stdout, what needs a look on stderr."""
    from landremed.report.labels import value_label
    from landremed.text import message_text

    document = merged.document()
    if settings.json:
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    if not settings.quiet:
        click.echo(message_text("merge_done", document["counts"], settings.language))
        for row in merged.changes:
            shown = {name: value_label("outcome", row[name], settings.language) for name in _OUTCOMES}
            click.echo("  " + message_text("merge_change", row | shown, settings.language))
            if row.get("area_before_m2") is not None and row.get("area_after_m2") is not None:
                click.echo("    " + message_text("merge_boundary", row, settings.language))
    for row in merged.clashes:
        if not row["settled"]:
            click.echo("  " + message_text("merge_clash", row, settings.language), err=True)
    for problem in merged.new_problems:
        click.echo("  " + problem.text(settings.language), err=True)


def _told(settings: Any, code: str, numbers: dict[str, Any]) -> None:
    from landremed.text import message_text

    if settings.json:
        click.echo(json.dumps(numbers, ensure_ascii=False))
    elif not settings.quiet:
        click.echo(message_text(code, numbers, settings.language))
