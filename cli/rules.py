"""``landremed rules``: read a rule book, check it, run its cases."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from landremed_cli.rules_review import coverage_command, new_command, table_command

if TYPE_CHECKING:
    from landremed.law import CheckReport, RuleCard

__all__ = ["command"]

_BOOK = click.option(
    "--book", metavar="NAME|FOLDER", help="Rule book to read (default: the one of rules/default.yaml)."
)
_FOLDER = click.argument("folder", required=False, metavar="[FOLDER]")


@click.group("rules")
def command() -> None:
    """Read a rule book, check it, run its own cases, hold it against data, print it, begin another."""


@command.command("list")
@_BOOK
@click.pass_obj
def list_command(settings: Any, book: str | None) -> None:
    """List every rule with its clause and result; --json adds the conditions."""
    from landremed.law import list_rules, load_rulebook
    from landremed.report.terminal import table

    loaded = load_rulebook(_named(book))
    rows = list_rules(loaded, settings.language)
    if settings.json:
        _dump(rows)
        return
    cells = [
        [
            row["rule"],
            row["subtype"] or row["category"],
            row["clause_label"],
            row["title"],
            row["outcome_label"],
        ]
        for row in rows
    ]
    click.echo(table(cells, _words("rules_head_list", settings)))


@command.command("show")
@click.argument("rule")
@_BOOK
@click.pass_obj
def show_command(settings: Any, rule: str, book: str | None) -> None:
    """Show one RULE beside its clause: condition, deadline, steps, readings and cases."""
    from landremed.law import check_rulebook, describe_rule, load_rulebook

    name = _named(book)
    loaded = load_rulebook(name)
    card = describe_rule(loaded, rule, settings.language, check_rulebook(name).results)
    if settings.json:
        _dump(asdict(card))
    else:
        click.echo(_card_text(card, settings))


@command.command("check")
@_FOLDER
@click.pass_context
def check_command(context: click.Context, folder: str | None) -> None:
    """Look for faults in a rule book; exit status 1 when there is one.

    FOLDER is a rule book's folder or the name of a built-in one. Also lists the pairs of rules where only
    their order decides between different outcomes.
    """
    from landremed.law import check_rulebook

    settings = context.obj
    report = check_rulebook(_named(folder))
    if settings.json:
        faults = [
            {"code": p.code, "file": p.where.file, "line": p.where.row, "message": p.text(settings.language)}
            for p in report.problems
        ]
        _dump(
            {"name": report.name, "faults": faults, "pairs": [pair._asdict() for pair in report.order_pairs]}
        )
    else:
        _print_check(report, settings)
    context.exit(1 if report.problems else 0)


@command.command("test")
@_FOLDER
@click.pass_context
def test_command(context: click.Context, folder: str | None) -> None:
    """Run a rule book's own cases; exit status 1 when one comes out otherwise.

    FOLDER is a rule book's folder or the name of a built-in one.
    """
    from landremed.law import test_rulebook

    settings = context.obj
    name, results, faults = test_rulebook(_named(folder))
    failed = [result for result in results if result.mismatches]
    if settings.json:
        rows = [
            {
                "case": result.case.id,
                "file": result.case.file,
                "line": result.case.line,
                "passed": not result.mismatches,
                "mismatches": [mismatch._asdict() for mismatch in result.mismatches],
            }
            for result in results
        ]
        _dump({"name": name, "cases": rows})
    else:
        for fault in faults:
            click.echo(fault.text(settings.language), err=True)
        code = "rules_test_faults" if failed else "rules_test_fine"
        if results and not settings.quiet:
            click.echo(_say(code, settings, name=name, count=len(results), failed=len(failed)))
    context.exit(1 if faults else 0)


for _extra in (coverage_command, table_command, new_command):
    command.add_command(_extra)


def _named(book: str | None) -> str:
    """Return the rule book named, or the default one."""
    from landremed.law.vocabulary import default_book

    return book or default_book()


def _print_check(report: CheckReport, settings: Any) -> None:
    from landremed.report.terminal import table

    for problem in report.problems:
        click.echo(problem.text(settings.language), err=True)
    if report.problems or report.book is None:
        count = len(report.problems)
        click.echo(_say("rules_check_faults", settings, name=report.name, count=count), err=True)
        return
    if settings.quiet:
        return
    book = report.book
    counts = {"rules": len(book.rules), "cases": len(report.results)}
    click.echo(_say("rules_check_fine", settings, name=report.name, **counts))
    if report.order_pairs:
        click.echo(_say("rules_check_pairs", settings, count=len(report.order_pairs)))
        labels = {o: spec.label.of(settings.language) for o, spec in book.outcomes.items()}
        cells = [
            [p.table, p.first, labels[p.first_outcome], p.second, labels[p.second_outcome]]
            for p in report.order_pairs
        ]
        click.echo(table(cells, _words("rules_head_pairs", settings)))


def _card_text(card: RuleCard, settings: Any) -> str:
    """Return a rule as lines of head and text."""
    from landremed.report.terminal import display_width, pad, wrap

    heads = _words("rules_head_card", settings)
    kinds = _words("rules_case_kinds", settings)
    steps = [f"{n}. {actor}: {text} ({clause})" for n, (actor, text, clause) in enumerate(card.steps, 1)]
    fields: list[list[str]] = [
        [f"{label} {text}" for _, label, text in card.clauses],
        [card.condition_words, f"[{card.condition or 'otherwise'}]"],
        [f"{card.outcome_label} / {card.measure_label}  [{card.outcome}, {card.measure}]"],
        [f"{name}  {text}" for name, text in card.schedules],
        steps,
        list(card.acceptance),
        [f"{name} = {choice}: {text} ({question})" for name, question, choice, text in card.readings],
        [
            f"{kind}: {', '.join(names)}"
            for kind, names in zip(kinds, card.cases.values(), strict=True)
            if names
        ],
    ]
    place = " / ".join(word for word in (card.category, card.subtype) if word)
    width = max(map(display_width, heads)) + 2
    lines = [f"{card.id}  {card.title}  ({place})", ""]
    for head, texts in zip(heads, fields, strict=True):
        shown = [line for text in texts for line in wrap(text, 100 - width)]
        lines += [pad(head if i == 0 else "", width) + line for i, line in enumerate(shown)]
    return "\n".join(lines)


def _words(code: str, settings: Any) -> list[str]:
    return _say(code, settings).split("|")


def _say(code: str, settings: Any, **params: object) -> str:
    from landremed.text import message_text

    return message_text(code, params, settings.language)


def _dump(document: object) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))
