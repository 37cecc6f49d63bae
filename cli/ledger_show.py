"""What ``landremed ledger`` prints."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import click

__all__ = [
    "audit",
    "dues",
    "history",
    "objection",
    "opened",
    "progress",
    "recorded",
    "sheets",
    "taken",
    "updated",
]


def opened(settings: Any, intake: Any, output: Path) -> int:
    """Tell of a new ledger."""
    day = intake.day.isoformat()
    document = {"ledger": str(output), "parcels": len(intake.entered), "day": day}
    _tell(settings, document, "ledger_said_opened", count=len(intake.entered), day=day, file=output)
    return 0


def updated(settings: Any, intake: Any, dry_run: bool) -> int:
    """Tell what a run brought."""
    names = ("entered", "transferred_in", "left", "changed")
    document = {name: getattr(intake, name) for name in names} | {"same": intake.same, "dry_run": dry_run}
    _tell(
        settings,
        document,
        "ledger_said_updated",
        new=len(intake.entered),
        into=len(intake.transferred_in),
        out=len(intake.left),
        changed=len(intake.changed),
        same=intake.same,
    )
    if dry_run:
        _say(settings, "ledger_said_dry")
    return 0


def recorded(settings: Any, report: Any) -> int:
    """Tell what was written, refused and warned of."""
    parcels = {event.parcel_id for event in report.events}
    document = {
        "events": len(report.events),
        "parcels": sorted(parcels),
        "unchanged": report.unchanged,
        "refused": [_refusal(settings, refusal) for refusal in report.refused],
        "warnings": [_finding(settings, finding) for finding in report.warnings],
    }
    _tell(
        settings,
        document,
        "ledger_said_recorded",
        count=len(report.events),
        parcels=len(parcels),
        same=len(report.unchanged),
    )
    _complain(settings, document)
    return int(report.status)


def objection(settings: Any, found: Any, dry_run: bool) -> int:
    """Tell whether and why the recommendation flips."""
    if found is None:
        _tell(settings, {"answered": True}, "ledger_said_answered")
        return 0
    if settings.json:
        _dump(found.to_dict())
        return 0
    before, after = _result(found.before), _result(found.after)
    code = "ledger_said_flips" if found.flips else "ledger_said_stays"
    _say(settings, code, before=before, after=after, clause=found.after["clause"] or "–")
    for fact, old, new in found.reasons:
        _say(settings, "ledger_said_reason", fact=fact, before=old or "–", after=new or "–")
    if dry_run:
        _say(settings, "ledger_said_dry")
    return 0


def sheets(settings: Any, files: Mapping[str, Path], folder: Path) -> int:
    """Tell which workbooks were written."""
    document = {"files": {unit: str(path) for unit, path in files.items()}}
    _tell(settings, document, "ledger_said_sheets", count=len(files), folder=folder)
    return 0


def taken(settings: Any, report: Any, dry_run: bool) -> int:
    """Tell what became of the workbooks."""
    if settings.json:
        _dump(
            {
                "files": [_taken_file(settings, file) for file in report.files],
                "not_reported": report.not_reported,
                "dry_run": dry_run,
            }
        )
        return int(report.status)
    for file in report.files:
        if file.error:
            click.echo(file.error.text(settings.language), err=True)
            continue
        _say(
            settings,
            "ledger_said_taken",
            file=file.path,
            accepted=len(file.accepted),
            refused=len(file.refused),
            repeated=file.repeated,
            blank=file.blank,
        )
        _complain(settings, _taken_file(settings, file))
    for month, units in report.not_reported.items():
        if units:
            _say(settings, "ledger_said_not_reported", month=month, units="、".join(u or "–" for u in units))
    if dry_run:
        _say(settings, "ledger_said_dry")
    return int(report.status)


def history(settings: Any, events: Sequence[Any], desk: Any) -> int:
    """Show the events of one parcel."""
    if settings.json:
        _dump(
            [
                {name: getattr(event, name) for name in event.__dataclass_fields__}
                | {"day": event.day.isoformat(), "booked_on": event.booked_on.isoformat()}
                for event in events
            ]
        )
        return 0
    rows = [
        [
            event.seq,
            event.day,
            _word(settings, f"ledger_event_{event.event}"),
            _what(settings, event, desk),
            event.who,
            event.source.partition(" #")[0],
        ]
        for event in events
    ]
    _table(settings, rows, ("seq", "day", "event", "change", "who", "source"), "r")
    return 0


def dues(settings: Any, lines: Sequence[Any], desk: Any, day: date, days: int) -> int:
    """Show what is overdue and what falls due."""
    if settings.json:
        _dump({"as_of": day.isoformat(), "days": days, "parcels": [line.to_dict() for line in lines]})
        return 0
    if not lines:
        _say(settings, "ledger_said_no_due")
        return 0
    late = sum(1 for line in lines if line.overdue)
    _say(settings, "ledger_said_due", day=day, days=days, overdue=late, due=len(lines) - late)
    rows = []
    for line in lines:
        due = str(line.due_on) if line.due_on else _word(settings, "ledger_word_at_once")
        if line.before_plan:
            due = f"{due} ({_word(settings, 'ledger_word_before_plan')})"
        state = desk.rules.states.get(line.state)
        rows.append(
            [
                line.unit,
                line.parcel_id,
                desk.book.value_label("category", line.category or None, settings.language),
                desk.book.measure_label(line.measure, settings.language),
                state.label.of(settings.language) if state else line.state,
                due,
                line.days,
                f"{line.area_mu:.2f}",
            ]
        )
    columns = ("unit", "parcel", "class", "measure", "state", "due_on", "days", "mu")
    _table(settings, rows, columns, "llllllrr")
    return 0


def progress(settings: Any, lines: Sequence[Any], day: date, basis: str) -> int:
    """Show every milestone."""
    if settings.json:
        _dump({"as_of": day.isoformat(), "milestones": [line.to_dict() for line in lines]})
        return 0
    _say(settings, "ledger_said_progress", day=day, basis=_word(settings, f"ledger_word_{basis}"))
    rows = [_milestone(settings, line) for line in lines]
    columns = (
        "group",
        "on",
        "target",
        "reached_count",
        "reached_area",
        "short",
        "basis",
        "forecast",
    )
    _table(settings, rows, columns, "llrrrlll")
    return 0


def audit(settings: Any, report: Any) -> int:
    """Tell what an audit found."""
    findings = [_finding(settings, finding) for finding in report.findings]
    if settings.json:
        _dump(
            {
                "events": report.events,
                "parcels": report.parcels,
                "head": report.head,
                "findings": findings,
            }
        )
    elif not findings:
        _say(
            settings, "ledger_said_audit_good", events=report.events, parcels=report.parcels, head=report.head
        )
    else:
        _say(
            settings,
            "ledger_said_audit_bad",
            events=report.events,
            parcels=report.parcels,
            count=len(findings),
        )
        for finding in findings:
            click.echo(f"  {finding['subject']}: {finding['message']}".replace("  : ", "  "), err=True)
    return 3 if findings else 0


def _milestone(settings: Any, line: Any) -> list[str]:
    when = str(line.on) if line.on else _word(settings, "ledger_word_at_once")
    if line.before_plan:
        when = f"{when} ({_word(settings, 'ledger_word_before_plan')})"
    short = "–"
    if not line.met or line.count.short or line.cents.short:
        counted = f"{line.count.short} {_word(settings, 'ledger_word_parcels')}"
        short = f"{counted}, {line.to_dict()['short_mu']:.2f} {_word(settings, 'ledger_word_mu')}"
    named = "ledger_word_by_plan" if line.basis_named else "ledger_word_by_setting"
    name = f"{line.label} {line.series}".strip()
    return [
        name,
        when,
        f"{line.target:.0%}",
        f"{line.count.reached}/{line.count.total} {_percent(line.count.rate)}",
        _percent(line.cents.rate),
        short,
        f"{_word(settings, f'ledger_word_{line.basis}')} ({_word(settings, named)})",
        _outlook_text(settings, line),
    ]


def _outlook_text(settings: Any, line: Any) -> str:
    """Return the verdict, for a milestone to come with what is forecast of the whole."""
    text = _word(settings, _outlook(line))
    if line.count.forecast is None:
        return text
    return f"{text} ({line.count.forecast}/{line.count.total})"


def _outlook(line: Any) -> str:
    if line.met:
        return "ledger_word_met"
    if line.forecast_met is None:
        return "ledger_word_missed"
    return "ledger_word_on_pace" if line.forecast_met else "ledger_word_behind"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _what(settings: Any, event: Any, desk: Any) -> str:
    """Return an event's content in a few words."""
    new, language = event.new, settings.language
    states = desk.rules.states
    if event.event == "state":
        old = states.get(event.old["state"])
        now = states.get(new["state"])
        return f"{old.label.of(language) if old else ''} → {now.label.of(language) if now else ''}"
    if event.event in ("tick", "stage", "gate", "mark"):
        files = ", ".join(entry["file"] for entry in new.get("evidence", ()))
        sign = "" if new.get("done", True) else "✗ "
        extra = f" [{new['meeting']}]" if new.get("meeting") else ""
        return f"{sign}{new['item']}{extra}{f' ({files})' if files else ''}"
    if event.event == "enter":
        return f"{new['how']}: {new['record'].get('outcome_label') or new['record'].get('outcome') or ''}"
    if event.event == "decision":
        names = ("outcome", "measure", "due_on", "implementing_unit", "area_m2")
        shown = [f"{n}: {event.old.get(n)} → {new.get(n)}" for n in names if n in new]
        return "; ".join(shown) or ", ".join(new)
    if event.event == "objection":
        return f"{_result(new['before'])} → {_result(new['after'])}"
    return str(new.get("text", new.get("how", "")))


def _result(words: Mapping[str, Any]) -> str:
    label, measure = str(words["outcome_label"]), str(words["measure_label"])
    return label if not measure or measure in label else f"{label} ({measure})"


def _taken_file(settings: Any, file: Any) -> dict[str, Any]:
    return {
        "file": str(file.path),
        "unit": file.unit,
        "month": file.month,
        "accepted": file.accepted,
        "refused": [_refusal(settings, refusal) for refusal in file.refused],
        "warnings": [_finding(settings, finding) for finding in file.warnings],
        "repeated": file.repeated,
        "blank": file.blank,
        "error": file.error.text(settings.language) if file.error else None,
    }


def _refusal(settings: Any, refusal: Any) -> dict[str, Any]:
    return {
        "parcel_id": refusal.parcel_id,
        "row": refusal.row,
        "code": refusal.error.code,
        "message": refusal.error.text(settings.language),
    }


def _finding(settings: Any, finding: Any) -> dict[str, Any]:
    from landremed.text import default_severity, message_text

    return {
        "code": finding.code,
        "severity": default_severity(finding.code),
        "subject": finding.parcel_id or finding.value,
        "message": message_text(finding.code, finding.params, settings.language),
    }


def _complain(settings: Any, document: Mapping[str, Any]) -> None:
    """Put refusals and warnings on stderr."""
    if settings.json:
        return
    if document["refused"]:
        click.echo(_text(settings, "ledger_said_refused", count=len(document["refused"])), err=True)
    for refusal in document["refused"]:
        click.echo(f"  {refusal['parcel_id']}: {refusal['message']}", err=True)
    for finding in document["warnings"]:
        click.echo(f"  {finding['subject']}: {finding['message']}", err=True)


def _tell(settings: Any, document: Mapping[str, Any], code: str, **params: object) -> None:
    if settings.json:
        _dump(document)
    else:
        _say(settings, code, **params)


def _say(settings: Any, code: str, **params: object) -> None:
    if not settings.json and not settings.quiet:
        click.echo(_text(settings, code, **params))


def _text(settings: Any, code: str, **params: object) -> str:
    from landremed.text import message_text

    return message_text(code, params, settings.language)


def _word(settings: Any, code: str) -> str:
    return _text(settings, code)


def _table(settings: Any, rows: Sequence[Sequence[object]], columns: Sequence[str], align: str) -> None:
    from landremed.report.terminal import table

    if not settings.quiet:
        click.echo(table(rows, [_word(settings, f"ledger_word_{name}") for name in columns], align))


def _dump(document: object) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, default=str))
