"""A rule book as one page for a lawyer: clause, rules, readings, cases with marks. No script, no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Final

from landremed.errors import RuleBookError
from landremed.law import RuleBook, check_rulebook
from landremed.law.cases import CaseResult
from landremed.law.conditions import Condition, Group, condition_words
from landremed.law.describe import describe_rule
from landremed.law.lint import CheckReport, rule_cases
from landremed.law.records import Alternative, Reading, Schedule, Table
from landremed.law.situation import fact_text
from landremed.report.palette import OUTCOME_FILLS
from landremed.report.target import write_whole
from landremed.report.words import Words

__all__ = ["rule_table", "write_rule_table"]

_NOT_SHOWN: Final = ("", "-")


def write_rule_table(book: str | Path, path: Path, *, language: str, overwrite: bool = False) -> CheckReport:
    """Write a rule book as one HTML page.

    Parameters
    ----------
    book : str or path
        Name of a built-in rule book, or a folder.
    path : Path
        Page to write.
    language : {"zh", "en"}
        Language of the page.
    overwrite : bool
        Replace an existing page.

    Returns
    -------
    CheckReport
        What the check of the book found; a book with faults is written too, with the faults on top, as long
        as it can be read.

    Raises
    ------
    RuleBookError
        There is no such book, or it cannot be read.
    OutputError
        The page exists or cannot be written.
    """
    report = check_rulebook(book)
    if report.book is None:
        raise report.problems[0] if report.problems else RuleBookError("law_no_plan")
    page = rule_table(report.book, report, language)
    write_whole(path, lambda file: _write(file, page), overwrite=overwrite)
    return report


def _write(file: Path, page: str) -> None:
    file.write_text(page, encoding="utf-8")


def rule_table(book: RuleBook, report: CheckReport, language: str) -> str:
    """Return a rule book as one HTML page.

    Parameters
    ----------
    report : CheckReport
        Cases run, faults, and pairs of rules between which only their order decides.
    """
    writer = _Page(book, report, Words("rule_table", language), language)
    css = resources.files("landremed.report").joinpath("templates/rule_table.css").read_text(encoding="utf-8")
    title = escape(f"{book.title.of(language)} · {book.name}")
    body = "\n".join(writer.sections())
    return (
        f'<!DOCTYPE html>\n<html lang="{writer.words("lang")}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{title}</title>\n<style>\n{css}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


class _Page:
    """Writes the sections of the page."""

    def __init__(self, book: RuleBook, report: CheckReport, words: Words, language: str) -> None:
        self.book, self.report, self.words, self.language = book, report, words, language
        self._cases = rule_cases(book, report.results)
        self._passed = {r.case.id: not r.mismatches for r in report.results}

    def sections(self) -> Iterator[str]:
        yield from self._head()
        yield from self._tables()
        yield from self._readings()
        yield from self._deadlines()
        yield from self._measures()
        yield from self._clauses()
        yield from self._order_pairs()
        yield from self._case_list()

    def _head(self) -> Iterator[str]:
        book, words = self.book, self.words
        passed = sum(self._passed.values())
        marks = words("cases_count", n=len(self._passed), passed=passed)
        state = "pass" if passed == len(self._passed) else "fail"
        yield f"<h1>{escape(book.title.of(self.language))}</h1>"
        yield (
            '<div class="facts">'
            + "".join(
                f"<span>{text}</span>"
                for text in (
                    f"{words('document')} {escape(book.document)}",
                    f"{words('book')} <code>{escape(book.name)}</code>",
                    f"{words('hash')} <code>{book.content_hash[:16]}</code>",
                    words("rules_count", n=len(book.rules)),
                    f'<span class="{state}">{marks}</span>',
                )
            )
            + "</div>"
        )
        if self.report.problems:
            faults = (f"<li>{escape(p.text(self.language))}</li>" for p in self.report.problems)
            told = words("faults", n=len(self.report.problems))
            yield f'<div class="warn">{told}<ul>{"".join(faults)}</ul></div>'
        yield f"<p>{words('how')}</p>"
        names = ("tables", "readings", "schedules", "measures", "clauses", "order_pairs", "case_list")
        yield "<nav>" + "".join(f'<a href="#{n}">{words(n)}</a>' for n in names) + "</nav>"
        rows = [
            [self._chip(code, ""), f"<code>{code}</code>", "✓" if spec.scheduled else ""]
            for code, spec in book.outcomes.items()
        ]
        yield _table([words("outcome"), words("code"), words("scheduled")], rows)

    def _tables(self) -> Iterator[str]:
        words, book = self.words, self.book
        yield f'<h2 id="tables" class="first">{words("tables")}</h2>'
        heads = [words(n) for n in ("rule", "clause", "when", "result", "deadline", "cases")]
        for found in book.classes.values():
            if found.hand_over is not None:
                classes = (book.value_label("category", c, self.language) for c in found.hand_over.categories)
                told = words(
                    "handed",
                    title=found.hand_over.title.of(self.language),
                    fact=book.fact_label(found.hand_over.fact, self.language),
                    classes=self._join(classes),
                    clause=book.clause_label(found.hand_over.clause),
                )
                yield f"<h3>{self._value('category', found.category)}</h3><p>{escape(told)}</p>"
            for table in found.tables:
                yield f"<h3>{self._table_name(table)}</h3>"
                for fact, values in table.listed.items():
                    labels = self._join(book.value_label(fact, v, self.language) for v in values)
                    told = words("listed", fact=book.fact_label(fact, self.language), values=labels)
                    yield f'<p class="soft">{escape(told)}</p>'
                rows = [self._rule(rule.id, number) for number, rule in enumerate(table.rules, 1)]
                yield _table(heads, rows, "rules")

    def _rule(self, name: str, number: int) -> list[str]:
        card = describe_rule(self.book, name, self.language)
        rule = self.book.rules[name]
        clauses = "<br>".join(f"<b>{escape(label)}</b> {escape(text)}" for _, label, text in card.clauses)
        readings = "".join(
            '<br><span class="soft">'
            + escape(self.words("other_reading", reading=name, choice=choice, text=text))
            + "</span>"
            for name, _, choice, text in card.readings
        )
        schedules = "<br>".join(escape(text) for _, text in card.schedules)
        return [
            f'{number}. {escape(card.title)}<br><code id="{escape(name)}">{escape(name)}</code>{readings}',
            clauses,
            self._condition(rule.when),
            f"{self._chip(rule.outcome, rule.measure)}<br>{escape(card.measure_label)}",
            schedules,
            self._marks(name),
        ]

    def _marks(self, rule: str) -> str:
        """Return the cases of a rule, each with its mark."""
        lines = []
        for kind, names in self._cases[rule].items():
            if kind == "not":
                count = len(names)
                lines.append(f"{self.words(kind)} {count}" if count else "")
                continue
            marked = [f"{self._mark(name)} {escape(name)}" for name in names]
            lines.append(f"{self.words(kind)}: {', '.join(marked)}" if marked else "")
        return '<div class="cases">' + "<br>".join(line for line in lines if line) + "</div>"

    def _mark(self, case: str) -> str:
        passed = self._passed.get(case, False)
        return '<span class="pass">✓</span>' if passed else '<span class="fail">✗</span>'

    def _condition(self, condition: Condition) -> str:
        if isinstance(condition, Group):
            if not condition.items:
                return self.words("otherwise")
            items = "".join(f"<li>{self._condition(item)}</li>" for item in condition.items)
            head = f"{self.words('any')}" if condition.kind == "any" else ""
            return f'{head}<ul class="any">{items}</ul>'
        return escape(condition_words(condition, self.book.vocabulary, self.book.parameters, self.language))

    def _readings(self) -> Iterator[str]:
        words = self.words
        yield f'<h2 id="readings">{words("readings")}</h2>'
        rows = []
        for reading in self.book.reading_specs.values():
            head = f"{escape(reading.question.of(self.language))}<br><code>{escape(reading.id)}</code>"
            rows.append([head, escape(self.book.clause_label(reading.clause)), self._choices(reading)])
        yield _table([words("question"), words("clause"), words("choices")], rows)
        yield f"<h3>{words('parameters')}</h3>"
        yield _table(
            [words(n) for n in ("parameters", "value", "clause", "source")],
            [
                [
                    f"{escape(p.label.of(self.language))}<br><code>{escape(name)}</code>",
                    escape(str(p.value)),
                    escape(self.book.clause_label(p.clause)),
                    escape(p.source.of(self.language)),
                ]
                for name, p in self.book.parameters.items()
            ],
        )

    def _choices(self, reading: Reading) -> str:
        words = self.words
        if reading.parameter:
            value = str(self.book.parameters[reading.parameter].value)
            return escape(words("c_parameter", name=reading.parameter, value=value))
        lines = []
        for name, choice in reading.alternatives.items():
            chosen = f' <span class="pass">✓ {words("chosen")}</span>' if name == reading.chosen else ""
            changed = self._join(self._changed(choice)) or words("c_none")
            told = f"{escape(choice.text.of(self.language))} <code>{escape(name)}</code>{chosen}"
            lines.append(
                f'<li>{told}<br><span class="soft">{words("changes")}: {escape(changed)}</span></li>'
            )
        return f'<ul class="any">{"".join(lines)}</ul>'

    def _changed(self, choice: Alternative) -> Iterator[str]:
        for kind, names in (
            ("c_order", choice.orders),
            ("c_replace", choice.conditions),
            ("c_choose", choice.choosers),
            ("c_cut", choice.cuts),
        ):
            yield from (self.words(kind, name=name) for name in names)

    def _deadlines(self) -> Iterator[str]:
        words, book = self.words, self.book
        yield f'<h2 id="schedules">{words("schedules")}</h2>'
        rows = [
            [
                f"{escape(s.label.of(self.language))}<br><code>{escape(name)}</code>",
                self._applies(s),
                escape(book.clause_label(s.clause)),
                self._milestones(s),
            ]
            for name, s in book.schedules.items()
        ]
        yield _table([words(n) for n in ("schedule", "applies", "clause", "milestones")], rows)
        yield f"<h3>{words('priorities')}</h3>"
        rows = [
            [
                str(entry.level),
                escape(entry.label.of(self.language)),
                self._value("category", entry.category) if entry.category else "",
                escape(book.clause_label(entry.clause)),
            ]
            for entry in book.priorities
        ]
        yield _table([words(n) for n in ("level", "priorities", "class", "clause")], rows)

    def _applies(self, schedule: Schedule) -> str:
        where = self._value("category", schedule.category)
        if schedule.subtype:
            where += f" · {self._value('subtype', schedule.subtype)}"
        measures = []
        for measure, clauses in schedule.applies.items():
            labels = self._join(map(self.book.clause_label, clauses))
            measures.append(
                self.book.measure_label(measure, self.language) + (f" ({labels})" if labels else "")
            )
        condition = self._condition(schedule.when) if schedule.when not in (True, Group("all", ())) else ""
        return "<br>".join(part for part in (where, escape(self._join(measures)), condition) if part)

    def _milestones(self, schedule: Schedule) -> str:
        if schedule.at_once_from:
            return self.words("at_once")
        if schedule.due_from:
            label = self.book.fact_label(schedule.due_from, self.language)
            return escape(self.words("from_fact", fact=label))
        lines = []
        for series in schedule.series:
            days = self._join(f"{m.on.isoformat()} {m.share:.0%}" for m in series.milestones)
            basis = f" ({self.words(f'by_{series.basis}')})" if series.basis else ""
            lines.append(f"{escape(series.label.of(self.language))}{basis} {escape(days)}".strip())
        return "<br>".join(lines) or self.words("no_date")

    def _measures(self) -> Iterator[str]:
        words, book = self.words, self.book
        yield f'<h2 id="measures">{words("measures")}</h2>'
        rows = []
        used = dict.fromkeys(
            (t.category, r.measure) for c in book.classes.values() for t in c.tables for r in t.rules
        )
        for category, measure in used:
            steps = book.steps(category, None, measure)
            items = book.acceptance(category, measure)
            if not steps and not items:
                continue
            told = [
                f"{escape(s.actor.of(self.language))}: {escape(s.text.of(self.language))}"
                f' <span class="soft">{escape(book.clause_label(s.clause))}</span>'
                for s in dict.fromkeys(steps)
            ]
            head = f"{escape(book.measure_label(measure, self.language))}<br><code>{escape(measure)}</code>"
            ticks = [escape(item.text.of(self.language)) for item in items]
            rows.append([self._value("category", category), head, _list(told, "ol"), _list(ticks, "ul")])
        yield _table([words(n) for n in ("class", "measure", "steps", "acceptance")], rows)
        yield f"<h3>{words('duties')}</h3>"
        rows = [
            [self._value("category", category)]
            + [escape(text or "–") for text in (d.lead, d.cooperating, d.implementing)]
            + [escape(book.clause_label(d.clause))]
            for category, d in book.all_duties.items()
        ]
        yield _table([words(n) for n in ("class", "lead", "cooperating", "implementing", "clause")], rows)

    def _clauses(self) -> Iterator[str]:
        words = self.words
        yield f'<h2 id="clauses">{words("clauses")}</h2>'
        rests: dict[str, list[str]] = {}
        for name, rule in self.book.rules.items():
            for clause in dict.fromkeys(rule.clauses.values()):
                rests.setdefault(clause, []).append(name)
        rows = []
        for entry in self.book.clauses.values():
            note = words(f"note_{entry.note}") if entry.note in ("see", "silent") else escape(entry.note)
            links = ", ".join(
                f'<a href="#{escape(n)}"><code>{escape(n)}</code></a>' for n in rests.get(entry.id, ())
            )
            rows.append([escape(entry.label), escape(entry.text.of(self.language)), links or note])
        yield _table([words("clause"), words("text"), words("rests")], rows)

    def _order_pairs(self) -> Iterator[str]:
        words = self.words
        yield f'<h2 id="order_pairs">{words("order_pairs")}</h2>'
        rows = [
            [
                f"<code>{escape(pair.first)}</code> {self._chip(pair.first_outcome, '')}",
                f"<code>{escape(pair.second)}</code> {self._chip(pair.second_outcome, '')}",
            ]
            for pair in self.report.order_pairs
        ]
        yield _table([words("first"), words("second")], rows)

    def _case_list(self) -> Iterator[str]:
        words = self.words
        yield f'<h2 id="case_list">{words("case_list")}</h2>'
        rows = [self._case(result) for result in self.report.results]
        yield _table(["", words("case"), words("given"), words("expected")], rows, "cases-table")

    def _case(self, result: CaseResult) -> list[str]:
        case, book = result.case, self.book
        facts = self._join(
            f"{book.fact_label(name, self.language)} = "
            + (
                book.value_label(name, value, self.language)
                if value is not None
                else fact_text(book, name, value)
            )
            for name, value in case.facts.items()
        )
        expected = self._join(f"{name} = {self._expected(name, text)}" for name, text in case.expect.items())
        if case.readings:
            told = self._join(f"{k}={v}" for k, v in case.readings.items())
            facts += f" [{self.words('under', readings=told)}]"
        wrong = "".join(
            f'<br><span class="fail">{escape(self.words("found", **m._asdict()))}</span>'
            for m in result.mismatches
        )
        title = f"<br>{escape(case.title)}" if case.title else ""
        return [
            self._mark(case.id),
            f"<code>{escape(case.id)}</code>{title}",
            escape(facts),
            escape(expected) + wrong,
        ]

    def _expected(self, name: str, text: str) -> str:
        if text in _NOT_SHOWN:
            return "–"
        if name == "outcome" and text in self.book.outcomes:
            return self.book.outcomes[text].label.of(self.language)
        if name == "measure" and text in self.book.measures:
            return self.book.measure_label(text, self.language)
        if name == "clause":
            return self._join(map(self.book.clause_label, text.split(",")))
        return text

    def _chip(self, outcome: str, measure: str) -> str:
        fill = OUTCOME_FILLS.get(outcome)
        color = fill.color if fill is not None else "#888888"
        label = self.book.outcome_label(outcome, measure, self.language)
        return f'<span class="chip" style="border-color:{color}">{escape(label)}</span>'

    def _table_name(self, table: Table) -> str:
        name = self._value("category", table.category)
        return f"{name} · {self._value('subtype', table.subtype)}" if table.subtype else name

    def _value(self, fact: str, code: str) -> str:
        return escape(self.book.value_label(fact, code, self.language))

    def _join(self, texts: Iterable[str]) -> str:
        return ("、" if self.language == "zh" else ", ").join(texts)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    head = "".join(f"<th>{text}</th>" for text in heads)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    shape = f' class="{kind}"' if kind else ""
    return f"<table{shape}>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _list(items: Sequence[str], tag: str) -> str:
    if not items:
        return ""
    return f'<{tag} class="any">' + "".join(f"<li>{item}</li>" for item in items) + f"</{tag}>"
