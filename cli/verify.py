"""``landremed verify``: restoration held against rasters before and after."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from landremed_cli.options import StageClock

__all__ = ["command"]


class _Pairs(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on
    """``name=number,name=number``."""

    name = "NAME=VALUE"

    def __init__(self, kind: type[int] | type[float]) -> None:
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """Return the pairs; names are checked by the library."""
        if isinstance(value, dict):
            return value
        pairs = {}
        for part in str(value).split(","):
            name, equals, number = (piece.strip() for piece in part.partition("="))
            try:
                pairs[name.lower()] = self.kind(number)
            except ValueError:
                equals = ""
            if not equals or not name:
                self.fail(f"{part!r} is not of the form name=number", param, ctx)
        return pairs


@click.command("verify")
@click.argument("source", metavar="PROJECT|OUT.gpkg")
@click.option("--before", metavar="A.tif", help="Land cover before.")
@click.option("--after", metavar="B.tif", help="Land cover after.")
@click.option(
    "--classes", metavar="NAME|MAP.yaml", help="Class map: worldcover, clcd, globeland30 or your own."
)
@click.option("--before-image", metavar="A.tif", help="Multi-band image before.")
@click.option("--after-image", metavar="B.tif", help="Multi-band image after.")
@click.option("--bands", type=_Pairs(int), help="Band roles, e.g. blue=1,green=2,red=3,nir=4,swir=5.")
@click.option("--before-date", metavar="DATE", help="Day, month or year of the rasters before.")
@click.option("--after-date", metavar="DATE", help="Day, month or year of the rasters after.")
@click.option("--threshold", "thresholds", type=_Pairs(float), multiple=True, help="Set a threshold.")
@click.option(
    "--ring", "ring_m", type=click.FloatRange(1), default=60.0, show_default=True, help="Ring width, m."
)
@click.option(
    "--engine",
    type=click.Choice(["auto", "own", "exactextract"]),
    default="auto",
    show_default=True,
    help="How covered shares of cells are found.",
)
@click.option("--chips", type=click.Path(path_type=Path), metavar="DIR", help="Write before/after pictures.")
@click.option(
    "--parcel", "only", multiple=True, metavar="ID", help="Pictures and ledger notes of these parcels only."
)
@click.option(
    "--ledger", type=click.Path(path_type=Path), metavar="LEDGER.gpkg", help="Note the verdicts there."
)
@click.option("--who", metavar="NAME", help="Who writes the notes; the computer's user by default.")
@click.option(
    "--on", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Day of the notes; today by default."
)
@click.option("-o", "--output", metavar="VERIFY.gpkg", help="GeoPackage to write.")
@click.option("--overwrite", is_flag=True, help="Replace existing outputs once the new ones are complete.")
@click.pass_context
def command(ctx: click.Context, /, source: str, **options: Any) -> int:
    """Hold claimed restoration against rasters before and after.

    SOURCE is a result of `landremed run`, or a project, which is run first. Rasters are local GeoTIFFs:

    landremed verify out.gpkg --before lc2021.tif --after lc2023.tif -o verify.gpkg --chips chips

    A verdict is evidence for people: it closes no parcel. What cannot be told is said to be so.
    """
    from landremed.verify import Options, verify_restoration

    settings = ctx.obj
    clock = StageClock(settings)
    land_cover, imagery = _requests(options)
    if options["ledger"]:
        from landremed.ledger import reading_desk

        with reading_desk(options["ledger"]):
            pass  # a ledger that cannot be opened stops before any work is done
    thresholds = {name: value for pairs in options["thresholds"] for name, value in pairs.items()}
    found = verify_restoration(
        source,
        options["output"],
        land_cover=land_cover,
        imagery=imagery,
        options=Options(
            thresholds=thresholds,
            ring_m=options["ring_m"],
            engine=options["engine"],
            chips=options["chips"],
            only=options["only"],
            language=settings.language if settings.language_given else None,
        ),
        overwrite=options["overwrite"],
        stage=clock,
    )
    clock.finish()
    noted = _note(found, options) if options["ledger"] else None
    if settings.json:
        document = found.document(options["output"])
        if noted is not None:
            document["ledger"] = {"written": len(noted.events), "refused": len(noted.refused)}
        click.echo(json.dumps(document, ensure_ascii=False))
    elif not settings.quiet:
        _show(found, options, noted)
    return found.status


def _requests(options: dict[str, Any]) -> tuple[Any, Any]:
    """Return the two kinds of rasters as the library takes them."""
    from landremed.verify import Imagery, LandCover

    days = {"before_on": options["before_date"], "after_on": options["after_date"]}
    _both(options, "before", "after")
    _both(options, "before_image", "after_image")
    land_cover = imagery = None
    if options["before"]:
        land_cover = LandCover(options["before"], options["after"], options["classes"], **days)
    elif options["classes"]:
        raise click.UsageError("--classes needs --before and --after.")
    if options["before_image"]:
        if not options["bands"]:
            raise click.UsageError("Imagery needs --bands, e.g. --bands green=2,red=3,nir=4,swir=5.")
        imagery = Imagery(options["before_image"], options["after_image"], options["bands"], **days)
    elif options["bands"]:
        raise click.UsageError("--bands needs --before-image and --after-image.")
    if options["only"] and not (options["chips"] or options["ledger"]):
        raise click.UsageError("--parcel needs --chips or --ledger.")
    return land_cover, imagery


def _both(options: dict[str, Any], first: str, second: str) -> None:
    if bool(options[first]) != bool(options[second]):
        names = [f"--{name.replace('_', '-')}" for name in (first, second)]
        raise click.UsageError(f"{names[0]} and {names[1]} belong together.")


def _note(found: Any, options: dict[str, Any]) -> Any:
    """Write the verdicts into the ledger as notes; parcels that are not on it are left out."""
    from landremed_cli.ledger import clerk_of

    from landremed.ledger import record_changes
    from landremed.verify import ledger_notes

    clerk = clerk_of(options["who"])
    day = options["on"].date() if options["on"] else clerk.today
    notes = ledger_notes(found, day, only=options["only"])
    return record_changes(options["ledger"], notes, clerk, all_or_none=False)


def _show(found: Any, options: dict[str, Any], noted: Any) -> None:
    click.echo(found.summary_text())
    findings = found.findings_text()
    if findings:
        click.echo(f"\n{findings}", err=True)
    if options["chips"]:
        click.echo(f"\n{len(found.chips)} PNG -> {options['chips']}")
    if noted is not None:
        from landremed.verify import word

        counts = {"count": len(noted.events), "refused": len(noted.refused), "file": options["ledger"]}
        click.echo("\n" + word("ledger", "written", language=found.parcels.language).format_map(counts))
    if options["output"]:
        click.echo(f"\n-> {options['output']}")
