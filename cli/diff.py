"""``landremed diff``: what changed between two results, or between two settings, and what made it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from landremed_cli.options import StageClock, engine_options, project_from, project_options

__all__ = ["command"]

_DIFFERENCES = 3
_RESULTS = 2


@click.command("diff")
@click.argument("paths", nargs=-1, required=True, metavar="OLD.gpkg NEW.gpkg | PROJECT")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIFF.gpkg", help="Layer for QGIS.")
@click.option("--overwrite", is_flag=True, help="Replace an existing output once the new one is complete.")
@click.option(
    "--ledger",
    type=click.Path(path_type=Path),
    metavar="LEDGER.gpkg",
    help="Parcels signed or closed there that would flip come first.",
)
@click.option(
    "--with",
    "changed",
    multiple=True,
    metavar="KEY=VALUE|ROLE=PATH",
    help="Of a PROJECT: the new setting or layer, as often as needed.",
)
@click.option(
    "--old-rules", metavar="FOLDER", help="Rule book OLD was made with, where it has changed since."
)
@click.option("--new-rules", metavar="FOLDER", help="Rule book NEW was made with.")
@click.option(
    "--limit", type=click.IntRange(1), metavar="N", help="Sets tried for one change (default 5000)."
)
@click.option("--top", default=20, show_default=True, type=click.IntRange(0), help="Parcels listed.")
@click.option("--exit-code", is_flag=True, help="Exit with 3 where there is a difference.")
@project_options
@engine_options
@click.pass_obj
def command(obj: Any, /, paths: tuple[str, ...], output: Path | None, **options: Any) -> int:
    """Tell what changed between two results, and the smallest set of facts that made each change.

    Old and new facts, readings, rules and layers are exchanged until the old decision becomes the new one.

    landremed diff OLD.gpkg NEW.gpkg [-o diff.gpkg] [--ledger LEDGER.gpkg]

    landremed diff PROJECT --with readings.industry_scale=either --with red_line=NEW.gpkg

    The second form needs no results: it decides a project as it is and with other settings (KEY=VALUE) or
    layers (ROLE=PATH). Exit status 0 when done, with --exit-code 3 where there is a difference.
    """
    from landremed.diff import difference_document, difference_text

    two = len(paths) == _RESULTS and not options["changed"]
    if not two and not (len(paths) == 1 and options["changed"]):
        raise click.UsageError(_say("diff_usage", obj))
    found = _results(obj, paths, options) if two else _settings(obj, paths[0], options)
    if output is not None:
        from landremed.diff import write_difference

        inputs = [Path(path) for path in (*paths, *([options["ledger"]] if options["ledger"] else []))]
        write_difference(found, output, language=obj.language, overwrite=options["overwrite"], inputs=inputs)
    if obj.json:
        click.echo(json.dumps(difference_document(found, obj.language), ensure_ascii=False))
    elif not obj.quiet:
        click.echo(difference_text(found, obj.language, top=options["top"]))
        if output is not None:
            click.echo(f"\n-> {output}")
    differs = bool(found.changes) or not found.same_results
    return _DIFFERENCES if options["exit_code"] and differs else 0


def _results(obj: Any, paths: tuple[str, ...], options: dict[str, Any]) -> Any:
    from landremed.diff import compare, read_side

    old = read_side(paths[0], options["old_rules"])
    new = read_side(paths[1], options["new_rules"])
    return compare(old, new, **_common(obj, options))


def _settings(obj: Any, path: str, options: dict[str, Any]) -> Any:
    from landremed.diff import compare_settings

    clock = StageClock(obj)
    settings, layers = list(options["settings"]), list(options["layers"])
    for text in options["changed"]:
        key = text.partition("=")[0]
        (settings if "." in key else layers).append(text)
    project = project_from(path, options, obj)
    changed = project_from(path, {**options, "settings": settings, "layers": layers}, obj)
    found = compare_settings(
        project,
        changed,
        names=(path, f"{path} + {', '.join(options['changed'])}"),
        stage=clock,
        engine=options["engine"],
        jobs=options["jobs"],
        progress=clock.progress,
        **_common(obj, options),
    )
    clock.finish()
    return found


def _common(obj: Any, options: dict[str, Any]) -> dict[str, Any]:
    from landremed.diff import SEARCH_LIMIT, ledger_marks

    marks = ledger_marks(options["ledger"], obj.language) if options["ledger"] else None
    return {"ledger": marks, "limit": options["limit"] or SEARCH_LIMIT}


def _say(code: str, obj: Any) -> str:
    from landremed.text import message_text

    return message_text(code, {}, obj.language)
