"""Options and small habits shared by commands."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["StageClock", "engine_options", "perform", "project_options", "show"]

F = TypeVar("F", bound=Callable[..., Any])


def project_options(command: F) -> F:
    """Add the options that name a project's parts or override them."""
    for option in reversed(
        [
            click.option(
                "--layer",
                "layers",
                multiple=True,
                metavar="ROLE=PATH[:LAYER]",
                help="Add or replace a layer.",
            ),
            click.option("--id", "id_field", metavar="FIELD", help="Field that identifies a parcel."),
            click.option("--crs", metavar="CRS", help="Working CRS, projected, metres (e.g. EPSG:4548)."),
            click.option("--as-of", metavar="DATE", help="Day on which deadlines are judged (YYYY-MM-DD)."),
            click.option(
                "--set",
                "settings",
                multiple=True,
                metavar="KEY=VALUE",
                help="Set any key of the project file.",
            ),
        ]
    ):
        command = option(command)
    return command


def engine_options(command: F) -> F:
    """Add the options of the measuring engine."""
    for option in reversed(
        [
            click.option("-j", "--jobs", type=click.IntRange(1), help="Threads; all cores by default."),
            click.option(
                "--engine",
                type=click.Choice(["auto", "native", "shapely"]),
                default="auto",
                show_default=True,
                help="Measuring engine.",
            ),
        ]
    ):
        command = option(command)
    return command


def project_from(path: str, options: dict[str, Any], obj: Any) -> Any:
    """Return the project of a TOML file, or one made for a file of parcels.

    The project's language becomes that of the messages, unless ``--lang`` was given.
    """
    from landremed import load_project, make_project

    extra = list(options["settings"])
    for key, value in (("parcels.id", options["id_field"]), ("project.crs", options["crs"])):
        if value:
            extra.append(f'{key}="{value}"')
    if options["as_of"]:
        extra.append(f"project.as_of={options['as_of']}")
    spoken = f'project.language="{obj.language}"'

    def load(settings: list[str]) -> Any:
        if path.lower().endswith(".toml"):
            return load_project(path, settings=settings, layers=options["layers"])
        return make_project(path, options["layers"], settings=settings)

    project = load([*extra, spoken] if obj.language_given else extra)
    if project.language is None:
        project = load([*extra, spoken])
    obj.language = project.language
    return project


def perform(job: Any, project: str, output: str, obj: Any, options: dict[str, Any]) -> int:
    """Run a job of the library on a project and show what came out; return the exit status."""
    clock = StageClock(obj)
    _tell_log(obj)
    checked = project_from(project, options, obj)
    result = job(
        checked,
        output,
        overwrite=options["overwrite"],
        engine=options["engine"],
        jobs=options["jobs"],
        stage=clock,
        progress=clock.progress,
    )
    clock.finish()
    return show(result, output, obj)


def _tell_log(obj: Any) -> None:
    """Say on stderr what the library logs, such as a compilation that takes a while."""

    class Teller(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            from landremed.text import message_text

            code, params = getattr(record, "code", ""), getattr(record, "params", {})
            text = message_text(code, params, obj.language) if code else record.getMessage()
            click.echo(text, err=True)

    log = logging.getLogger("landremed")
    if not obj.quiet and not log.handlers:
        log.addHandler(Teller())
        log.setLevel(logging.INFO)


def show(result: Any, output: str, obj: Any) -> int:
    """Print the summary on stdout and the findings on stderr; return the exit status."""
    if obj.json:
        click.echo(json.dumps(result.document(output), ensure_ascii=False))
    if obj.json or obj.quiet:
        return int(result.status)
    text = result.summary_text(obj.language)
    if text:
        click.echo(text)
    found = result.findings_text(obj.language)
    if found:
        click.echo(f"\n{found}", err=True)
    click.echo(f"\n-> {output}")
    return int(result.status)


class StageClock:
    """Tells the stages with ``-v``, and shows progress on a terminal."""

    def __init__(self, obj: Any) -> None:
        self._obj = obj
        self._name = ""
        self._began = time.perf_counter()
        self._live = sys.stderr.isatty() and not obj.quiet

    def __call__(self, name: str) -> None:
        """Begin a stage."""
        self.finish()
        self._name, self._began = name, time.perf_counter()
        if self._live and not self._obj.verbose:
            click.echo(f"\r\x1b[K{name} …", err=True, nl=False)

    def progress(self, done: int, total: int) -> None:
        """Show how far the stage is."""
        if self._live and total:
            click.echo(f"\r\x1b[K{self._name} … {100 * done // total} %", err=True, nl=False)

    def finish(self) -> None:
        """End the last stage."""
        if self._live:
            click.echo("\r\x1b[K", err=True, nl=False)
        if self._name and self._obj.verbose:
            click.echo(f"{self._name:<14}{time.perf_counter() - self._began:8.2f} s", err=True)
        self._name = ""
