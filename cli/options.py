"""Options and small habits shared by commands."""

from __future__ import annotations

import json
import logging
import shutil
import sys
import time
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any, TypeVar

import click

__all__ = ["StageClock", "engine_options", "limit_option", "line_width", "perform", "project_options", "show"]

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


def limit_option(command: F) -> F:
    """Add the option that raises or lowers a limit on inputs."""
    return click.option(
        "--limit",
        "limits",
        multiple=True,
        metavar="KEY=NUMBER",
        help="Another limit than usual, e.g. max_features=1e7 (docs/project-file.md).",
    )(command)


def engine_options(command: F) -> F:
    """Add the options of the measuring engine."""
    for option in reversed(
        [
            click.option("-j", "--jobs", type=click.IntRange(1), help="Processes; all cores by default."),
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


def line_width() -> int:
    """Return the columns of the terminal within reason, 100 where there is none."""
    return min(max(shutil.get_terminal_size((100, 24)).columns, 60), 120)


def perform(
    job: Callable[[], Any],
    project: str,
    output: str,
    obj: Any,
    options: dict[str, Any],
    begin: Callable[[Any], None] = lambda project: None,
) -> int:
    """Run a job of the library on a project and show what came out; return the exit status.

    ``job`` gives the function to call: what it needs is imported only once the project is known to be usable.
    ``begin`` is given the project before that.
    """
    from landremed_cli.lean import import_without_pandas

    clock = StageClock(obj)
    _tell_log(obj)
    checked = project_from(project, options, obj)
    checked.require_files()
    begin(checked)
    import_without_pandas()
    result = job()(
        checked,
        output,
        overwrite=options["overwrite"],
        engine=options["engine"],
        jobs=options["jobs"],
        stage=clock,
        progress=clock.progress,
    )
    return show(result, output, obj, clock)


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


def show(result: Any, output: str, obj: Any, clock: StageClock) -> int:
    """Print the summary on stdout and the findings on stderr; return the exit status."""
    clock("summary")
    document = result.document(output) if obj.json else {}
    text = found = ""
    if not (obj.json or obj.quiet):
        text, found = result.summary_text(obj.language), result.findings_text(obj.language, line_width())
    clock.finish()
    if obj.json:
        timed = {"seconds": clock.rounded()} if obj.verbose else {}
        click.echo(json.dumps(document | timed, ensure_ascii=False))
    if obj.json or obj.quiet:
        return int(result.status)
    if text:
        click.echo(text)
    if found:
        click.echo(f"\n{found}", err=True)
    click.echo(f"\n-> {output}")
    return int(result.status)


class StageClock:
    """Tells the stages with ``-v``, and shows progress on a terminal.

    Attributes
    ----------
    seconds : dict of stage to float
        Wall time of the stages that have ended; together with the running one they make up the whole time
        since the program began.
    """

    def __init__(self, obj: Any) -> None:
        self._obj = obj
        self.seconds: dict[str, float] = {}
        self._live = sys.stderr.isatty() and not obj.quiet
        self._first = self._began = getattr(obj, "began", None) or time.perf_counter()
        self._name = "start"

    def __call__(self, name: str) -> None:
        """Begin a stage."""
        self._end()
        self._name = name
        if self._live and not self._obj.verbose:
            click.echo(f"\r\x1b[K{self._word(name)} …", err=True, nl=False)

    def progress(self, done: int, total: int) -> None:
        """Show how far the stage is."""
        if self._live and total:
            told = f"{self._word(self._name)} … {100 * done // total} %"
            click.echo(f"\r\x1b[K{told}", err=True, nl=False)

    def finish(self) -> None:
        """End the last stage, and tell the time of all together."""
        self._end()
        self._tell("total", self._began - self._first)

    def rounded(self) -> dict[str, float]:
        """Return the seconds of every stage and of all together."""
        every = self.seconds | {"total": self._began - self._first}
        return {name: round(spent, 3) for name, spent in every.items()}

    def _end(self) -> None:
        if self._live:
            click.echo("\r\x1b[K", err=True, nl=False)
        if not self._name:
            return
        now = time.perf_counter()
        spent = now - self._began
        self.seconds[self._name] = self.seconds.get(self._name, 0.0) + spent
        self._tell(self._name, spent)
        self._name, self._began = "", now

    def _tell(self, name: str, spent: float) -> None:
        if self._obj.verbose:
            from landremed.report.terminal import pad

            click.echo(f"{pad(self._word(name), 24)}{spent:8.2f} s", err=True)

    def _word(self, name: str) -> str:
        """Return a stage in the language of the messages; its plain name where there is no word for it."""
        return _stage_words().get(f"stage_{name.replace(' ', '_')}", {}).get(self._obj.language) or name


@cache
def _stage_words() -> dict[str, dict[str, str]]:
    from landremed.text import own_yaml

    file = resources.files("landremed.messages").joinpath("stages.yaml")
    words: dict[str, dict[str, str]] = own_yaml(file)
    return words
