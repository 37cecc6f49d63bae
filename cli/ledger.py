"""``landremed ledger``: what happens to parcels after the recommendation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
from landremed_cli import ledger_show as show

__all__ = ["clerk_of", "command"]

F = TypeVar("F", bound=Callable[..., Any])
_LEDGER = click.argument("ledger", type=click.Path(path_type=Path), metavar="LEDGER")
_PATH = click.Path(path_type=Path)
_DAY = click.DateTime(["%Y-%m-%d"])


def clerk_of(who: str | None) -> Any:
    """Return who writes now: the one named, else the user of the computer."""
    import getpass

    from landremed.ledger import Clerk

    if not who:
        try:
            who = getpass.getuser()
        except (OSError, KeyError, ImportError):
            who = "?"
    return Clerk(who, datetime.now().astimezone())


def _writer(function: F) -> F:
    for option in (
        click.option("--on", type=_DAY, metavar="DATE", help="Day it happened; today by default."),
        click.option("--who", metavar="NAME", help="Who answers for it; the computer's user by default."),
    ):
        function = option(function)
    return function


def _day(value: datetime | None) -> date | None:
    return value.date() if value else None


@click.group("ledger")
def command() -> None:
    """Keep the ledger: states, evidence, deadlines, sign-off, workbooks of the units."""


@command.command("init")
@click.argument("result", type=_PATH, metavar="OUT.gpkg")
@click.option("-o", "--output", type=_PATH, required=True, metavar="LEDGER.gpkg", help="The new ledger.")
@click.option("--overwrite", is_flag=True, help="Replace an existing ledger.")
@_writer
@click.pass_obj
def init_command(
    settings: Any, result: Path, output: Path, overwrite: bool, on: datetime | None, who: str | None
) -> int:
    """Open a ledger on the decisions of a run; the base counts from the run's as_of, or --on."""
    from landremed.ledger import init_ledger

    intake = init_ledger(result, output, clerk_of(who), on=_day(on), overwrite=overwrite)
    return show.opened(settings, intake, output)


@command.command("update")
@_LEDGER
@click.argument("result", type=_PATH, metavar="OUT.gpkg")
@click.option(
    "--transferred-in", type=_PATH, metavar="LIST", help="New parcels handed over by others (CSV, XLSX)."
)
@click.option("--keep-missing", is_flag=True, help="Leave parcels alone that the run does not have.")
@click.option("--accept-rules", is_flag=True, help="Go on with a changed rule book of the same name.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and write nothing.")
@_writer
@click.pass_obj
def update_command(
    settings: Any,
    /,
    ledger: Path,
    result: Path,
    transferred_in: Path | None,
    on: datetime | None,
    who: str | None,
    **flags: bool,
) -> int:
    """Take a new run in: new parcels, changed decisions, transfers in and out."""
    from landremed.ledger import id_list, update_ledger

    handed_over = id_list(transferred_in) if transferred_in else ()
    intake = update_ledger(ledger, result, clerk_of(who), on=_day(on), transferred_in=handed_over, **flags)
    return show.updated(settings, intake, flags["dry_run"])


@command.command("set")
@_LEDGER
@click.argument("parcels", nargs=-1, required=True, metavar="ID...")
@click.option("--state", default="", help="New state, by code or label.")
@click.option("--tick", multiple=True, metavar="ITEM", help="Acceptance item done, or all.")
@click.option("--untick", multiple=True, metavar="ITEM", help="Take a tick back.")
@click.option("--stage", multiple=True, metavar="STAGE", help="Stage reached (disposal_approved, ...).")
@click.option("--gate", multiple=True, metavar="GATE", help="Step of due process done before a demolition.")
@click.option("--mark", multiple=True, metavar="MARK", help="Mark of a new violation.")
@click.option("--meeting", default="", metavar="NUMBER", help="Meeting that deliberated.")
@click.option("--evidence", multiple=True, type=_PATH, metavar="FILE", help="What shows it.")
@click.option("--person", default="", metavar="NAME", help="Who found it done.")
@_writer
@click.pass_obj
def set_command(
    settings: Any,
    /,
    ledger: Path,
    parcels: tuple[str, ...],
    on: datetime | None,
    who: str | None,
    **given: Any,
) -> int:
    """Report what happened to parcels; all of it is written, or nothing."""
    return show.recorded(settings, _record(ledger, parcels, on, who, given))


@command.command("close")
@_LEDGER
@click.argument("parcels", nargs=-1, required=True, metavar="ID...")
@click.option(
    "--tick", multiple=True, metavar="ITEM", help="Acceptance item done, or all, with the evidence given."
)
@click.option("--evidence", multiple=True, type=_PATH, metavar="FILE", help="What shows it.")
@click.option("--person", default="", metavar="NAME", help="Who accepted it.")
@_writer
@click.pass_obj
def close_command(
    settings: Any,
    /,
    ledger: Path,
    parcels: tuple[str, ...],
    on: datetime | None,
    who: str | None,
    **given: Any,
) -> int:
    """Sign parcels off: every acceptance item must be ticked with evidence."""
    return show.recorded(settings, _record(ledger, parcels, on, who, given | {"state": "closed"}))


@command.command("note")
@_LEDGER
@click.argument("parcel", metavar="ID")
@click.argument("text")
@click.option(
    "--kind",
    type=click.Choice(["note", "problem", "next_step"]),
    default="note",
    show_default=True,
    help="Problems and next steps go into the monthly report.",
)
@_writer
@click.pass_obj
def note_command(
    settings: Any, ledger: Path, parcel: str, text: str, kind: str, on: datetime | None, who: str | None
) -> int:
    """Write a note on a parcel."""
    return show.recorded(settings, _record(ledger, (parcel,), on, who, {"notes": {kind: text}}))


@command.command("object")
@_LEDGER
@click.argument("parcel", metavar="ID")
@click.option("--claims", type=_PATH, metavar="FILE", help="Owner's facts: columns fact and value.")
@click.option("--answer", default="", metavar="TEXT", help="What the office answers.")
@click.option("--dry-run", is_flag=True, help="Decide again, and write nothing.")
@_writer
@click.pass_obj
def object_command(
    settings: Any,
    ledger: Path,
    parcel: str,
    claims: Path | None,
    answer: str,
    dry_run: bool,
    on: datetime | None,
    who: str | None,
) -> int:
    """Decide a parcel again with its owner's facts; keep objection and answer."""
    from landremed.ledger import object_to

    if claims is None and not answer:
        raise click.UsageError("Give --claims, --answer, or both.")
    found = object_to(
        ledger,
        parcel,
        claims,
        clerk_of(who),
        day=_day(on),
        answer=answer,
        language=settings.language,
        dry_run=dry_run,
    )
    return show.objection(settings, found, dry_run)


@command.command("approve")
@_LEDGER
@click.option("--list", "parcels", type=_PATH, required=True, metavar="IDS.xlsx", help="Parcels decided on.")
@click.option("--meeting", required=True, metavar="NUMBER", help="Number of the meeting.")
@click.option(
    "--state", default="", help="State they go into; by default the one in which a plan is approved."
)
@click.option("--evidence", multiple=True, type=_PATH, metavar="FILE", help="Minutes of the meeting.")
@_writer
@click.pass_obj
def approve_command(
    settings: Any,
    ledger: Path,
    parcels: Path,
    meeting: str,
    state: str,
    evidence: tuple[Path, ...],
    on: datetime | None,
    who: str | None,
) -> int:
    """Sign a batch by a meeting; parcels that are not ready are named and left."""
    from landremed.ledger import approve_batch, id_list

    report = approve_batch(
        ledger, id_list(parcels), meeting, clerk_of(who), state=state, day=_day(on), evidence=evidence
    )
    return show.recorded(settings, report)


@command.command("sheets")
@_LEDGER
@click.option("-o", "--output", type=_PATH, required=True, metavar="DIR", help="Folder of the workbooks.")
@click.option(
    "--by",
    type=click.Choice(["implementing_unit", "category", "lead"]),
    default="implementing_unit",
    show_default=True,
    help="One workbook per what.",
)
@click.option("--month", metavar="YYYY-MM", help="Month reported; this one by default.")
@click.option("--overwrite", is_flag=True, help="Replace workbooks of the same names.")
@click.option("--who", metavar="NAME", help="Who gives them out.")
@click.pass_obj
def sheets_command(
    settings: Any, ledger: Path, output: Path, by: str, month: str | None, overwrite: bool, who: str | None
) -> int:
    """Write one workbook per unit to be filled in."""
    from landremed.ledger import write_sheets

    clerk = clerk_of(who)
    files = write_sheets(
        ledger,
        output,
        clerk,
        month=month or f"{clerk.today:%Y-%m}",
        by=by,
        language=settings.language,
        overwrite=overwrite,
    )
    return show.sheets(settings, files, output)


@command.command("take")
@_LEDGER
@click.argument("files", nargs=-1, required=True, type=_PATH, metavar="FILE.xlsx...")
@click.option("--dry-run", is_flag=True, help="Say what would be taken, and write nothing.")
@click.option("--who", metavar="NAME", help="Who takes them in.")
@click.pass_obj
def take_command(settings: Any, ledger: Path, files: tuple[Path, ...], dry_run: bool, who: str | None) -> int:
    """Read workbooks back: per row accepted, or refused with the reason."""
    from landremed.ledger import take_sheets

    return show.taken(settings, take_sheets(ledger, files, clerk_of(who), dry_run=dry_run), dry_run)


@command.command("history")
@_LEDGER
@click.argument("parcel", metavar="ID")
@click.pass_obj
def history_command(settings: Any, ledger: Path, parcel: str) -> int:
    """Show every event of a parcel."""
    from landremed.ledger import reading_desk

    with reading_desk(ledger) as desk:
        desk.case(desk.cases(), parcel)
        events = [event for event in desk.journal.events if event.parcel_id == parcel]
        return show.history(settings, events, desk)


@command.command("due")
@_LEDGER
@click.option("--days", type=click.IntRange(0, 3650), default=30, show_default=True, help="How far ahead.")
@click.option("--as-of", type=_DAY, metavar="DATE", help="Day looked at; today by default.")
@click.pass_obj
def due_command(settings: Any, ledger: Path, days: int, as_of: datetime | None) -> int:
    """List what is overdue and what falls due, by unit."""
    from landremed.ledger import due_lines, reading_desk

    day = _day(as_of) or date.today()
    with reading_desk(ledger) as desk:
        lines = due_lines(desk.cases(day), desk.book, day, days=days)
        return show.dues(settings, lines, desk, day, days)


@command.command("progress")
@_LEDGER
@click.option("--as-of", type=_DAY, metavar="DATE", help="Day looked at; today by default.")
@click.pass_obj
def progress_command(settings: Any, ledger: Path, as_of: datetime | None) -> int:
    """Show every milestone: target, reached, short by, forecast."""
    from landremed.ledger import milestone_lines, reading_desk

    day = _day(as_of) or date.today()
    with reading_desk(ledger) as desk:
        basis = str(desk.run_head().get("basis") or "count")
        lines = milestone_lines(
            desk.book,
            desk.journal.events,
            day,
            began_on=desk.began_on,
            basis=basis,
            language=settings.language,
        )
        return show.progress(settings, lines, day, basis)


@command.command("audit")
@_LEDGER
@click.option("--head", default="", metavar="HASH", help="Hash noted earlier; it must still be there.")
@click.pass_obj
def audit_command(settings: Any, ledger: Path, head: str) -> int:
    """Tell whether the ledger was edited behind its back."""
    from landremed.ledger import audit_ledger

    return show.audit(settings, audit_ledger(ledger, head=head))


def _record(
    ledger: Path, parcels: tuple[str, ...], on: datetime | None, who: str | None, given: dict[str, Any]
) -> Any:
    from landremed.ledger import Change, evidence_of, record_changes

    clerk = clerk_of(who)
    evidence = evidence_of(given.get("evidence", ()))
    names = {"tick": "ticks", "untick": "unticks", "stage": "stages", "gate": "gates", "mark": "marks"}
    fields = {names[key]: value for key, value in given.items() if key in names}
    changes = [
        Change(
            parcel,
            _day(on) or clerk.today,
            state=given.get("state", ""),
            meeting=given.get("meeting", ""),
            evidence=evidence,
            notes=given.get("notes", {}),
            person=given.get("person", ""),
            **fields,
        )
        for parcel in parcels
    ]
    return record_changes(ledger, changes, clerk)
