"""Entry point: global options, late loading of commands, and one sentence for every fault."""

from __future__ import annotations

import contextlib
import gc
import importlib
import locale
import os
import signal
import sys
import time
import warnings
from dataclasses import dataclass
from typing import Any, Final, TextIO

import click

__all__ = ["main"]

_BEGAN: Final = time.perf_counter()

COMMANDS: Final = {
    "run": ("run", "Check, overlay, decide, export: the main job."),
    "info": ("info", "Show what files hold: layers, CRS, encoding, fields, guessed roles."),
    "init": ("init", "Write a commented project file from what files hold."),
    "convert": ("convert", "From one format to another, saying what is lost."),
    "check": ("check", "Check parcels, layers and evidence before they are used."),
    "explain": ("explain", "Tell how one parcel was decided."),
    "diff": ("diff", "What changed between two results, and which facts made it."),
    "sample": ("sample", "Write the sample district with its project file."),
    "overlay": ("overlay", "Measure parcels against layers, without deciding."),
    "decide": ("decide", "Decide on what `overlay` measured."),
    "ledger": ("ledger", "Keep the ledger: states, evidence, deadlines, sign-off."),
    "rules": ("rules", "Read and check rule books."),
    "report": ("report", "Tables, dossiers, maps, charts, case files from a result."),
    "verify": ("verify", "Hold claimed restoration against rasters before and after."),
    "review": ("review", "Packages for the field, and merging what comes back."),
    "export": ("export", "Layers for people without QGIS projects."),
    "relink": ("relink", "Mend the project inside a renamed result."),
    "replay": ("replay", "Reproduce a decision from its case file alone."),
}


@dataclass
class Settings:
    """Global options, as commands see them; ``began`` is when the program did (``time.perf_counter``)."""

    language: str
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    language_given: bool = False
    began: float = 0.0


class LateGroup(click.Group):
    """A group that imports a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"landremed_cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


_FLAGS: Final = {
    "--json": "json",
    "-q": "quiet",
    "--quiet": "quiet",
    "-v": "verbose",
    "--verbose": "verbose",
    "--debug": "debug",
}


@click.group(cls=LateGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--lang", type=click.Choice(["zh", "en"]), help="Language of messages and labels.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable result on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="Only errors.")
@click.option("-v", "--verbose", is_flag=True, help="Tell what is done, and how long it takes.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.version_option(package_name="landremed")
def cli(**_: Any) -> None:
    """Overlay suspected-problem parcels with constraint layers and sort them by the clauses of a plan.

    Global options may stand before or after the command. Exit status: 0 done, 1 the data or an existing
    output stops the command, 2 wrong usage, 3 done, with findings.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    # other GIS programs set these machine-wide; a foreign PROJ database breaks rasterio and fiona
    for name in ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA"):
        os.environ.pop(name, None)
    for stream in (sys.stdout, sys.stderr):
        _survive_narrow_encoding(stream)
    rest, settings = _global_options(sys.argv[1:] if arguments is None else arguments)
    settings.began = _BEGAN if arguments is None else time.perf_counter()
    if arguments is None:
        signal.signal(signal.SIGTERM, _ended)
        # Arrow's own allocator takes huge pages, which the system clears however little of one is used
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
        # hardly anything here is garbage in circles, and looking takes time
        gc.set_threshold(100_000, 50, 50)
    try:
        with warnings.catch_warnings():
            if not settings.debug:
                warnings.simplefilter("ignore")  # what libraries tell programmers
            status = cli.main(args=rest, prog_name="landremed", standalone_mode=False, obj=settings)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, _Ended) as stop:
        click.echo("Interrupted." if settings.language == "en" else "已中断。", err=True)
        sys.exit(143 if isinstance(stop, _Ended) else 130)
    except Exception as error:
        sys.exit(_tell(error, settings, rest))
    sys.exit(status if isinstance(status, int) else 0)


class _Ended(BaseException):
    """The system, or who started the command, wants it to end."""


def _ended(number: int, frame: object) -> None:
    """Leave through every ``finally``, so that no temporary file with parcels in it stays."""
    raise _Ended


def _tell(error: Exception, settings: Settings, arguments: list[str]) -> int:
    """Say what stopped the command in one sentence."""
    from landremed.errors import LandremedError, Where

    if settings.debug:
        raise error
    # some libraries carry the system's error in one of their own
    refused = next((e for e in (error, *error.args) if isinstance(e, OSError)), None)
    if refused is not None and not isinstance(error, (LandremedError, BrokenPipeError)):
        file = Where(file=str(refused.filename or ""))
        error = LandremedError("system_refused", file, reason=refused.strerror or str(refused))
    if not isinstance(error, (LandremedError, BrokenPipeError)):
        from landremed.checks import damaged_file

        error = damaged_file(arguments) or error
    if isinstance(error, BrokenPipeError):
        with contextlib.suppress(OSError):
            sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  keeps the interpreter quiet at exit
        return 0
    if isinstance(error, LandremedError):
        text = error.text(settings.language)
        if settings.json:
            import json

            where = error.where
            place = {"file": where.file, "layer": where.layer, "row": where.row, "field": where.field}
            document = {"error": {"code": error.code, "message": text, **place, "value": where.value}}
            click.echo(json.dumps(document, ensure_ascii=False))
    elif settings.language == "zh":
        text = f"内部错误（{type(error).__name__}：{error}）。请加 --debug 重试，并把输出报告给开发者。"
    else:
        text = f"Internal fault ({type(error).__name__}: {error}). Run again with --debug and report it."
    # words of a file may hold what steers a terminal
    plain = "".join(char if char.isprintable() else " " for char in text)
    click.echo(("错误：" if settings.language == "zh" else "Error: ") + plain, err=True)
    return 1


def _global_options(arguments: list[str]) -> tuple[list[str], Settings]:
    """Take the global options out of the arguments, wherever they stand before ``--``."""
    settings = Settings(language=_locale_language())
    rest: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--":
            rest += [argument, *waiting]
        elif argument in _FLAGS:
            setattr(settings, _FLAGS[argument], True)
        elif argument == "--lang" or argument.startswith("--lang="):
            value = argument.partition("=")[2] if "=" in argument else next(waiting, "")
            if value not in ("zh", "en"):
                rest = ["--lang", value, *rest]  # click tells what is wrong
                continue
            settings.language, settings.language_given = value, True
        else:
            rest.append(argument)
    return rest, settings


def _locale_language() -> str:
    name = next((os.environ[v] for v in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(v)), "")
    if not name:
        name = locale.getlocale()[0] or ""
    return "zh" if name.lower().startswith(("zh", "chinese")) else "en"


def _survive_narrow_encoding(stream: TextIO) -> None:
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


if __name__ == "__main__":
    main()
