"""Which rules, clauses and results real data reached: a rule that no parcel reaches is named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from landremed.errors import InputError, Where
from landremed.io.gpkg_read import layer_names, read_layer
from landremed.law import RuleBook
from landremed.law.kept import kept_rulebook
from landremed.report.terminal import table, wrap
from landremed.report.words import Words
from landremed.types import Outcome

__all__ = ["WAYS", "Coverage", "RuleCount", "coverage_text", "rule_coverage"]

WAYS: Final = ("one_rule", "several_rules", "measure_open", "missing_facts", "no_clause", "no_geometry")
"""How a row came to its result: by one rule in every completion of what is unknown, by several rules with one
result, by several with one outcome; or open for want of facts, of a clause, of a shape."""

_COLUMNS: Final = ("trace_id", "rule", "clause", "outcome", "measure", "reason", "schedule", "category")
_WIDTH: Final = 100


@dataclass
class RuleCount:
    """How often one rule was asked and decided, in rows (parcels, and parts of those that were cut).

    Attributes
    ----------
    asked : int
        Rows whose trace holds it.
    fired : int
        Decided rows that it decides in some completion; ``alone`` in every one.
    possible : int
        Open rows that it would decide in some completion.
    """

    rule: str
    table: str
    asked: int = 0
    fired: int = 0
    alone: int = 0
    possible: int = 0

    @property
    def dead(self) -> bool:
        """Whether no row could be decided by it."""
        return not self.fired and not self.possible


@dataclass
class Coverage:
    """What the rows of one or more results reached.

    Attributes
    ----------
    clauses, measures, schedules, hand_overs : Counter
        Decided rows by clause, ``outcome/measure``, schedule and hand-over.
    ways : mapping of class to Counter
        Rows by how they came to their result (``WAYS``).
    foreign : sequence of str
        Files made with another state of the rule book.
    """

    book: RuleBook
    files: Sequence[str]
    rows: int = 0
    rules: dict[str, RuleCount] = field(default_factory=dict)
    clauses: Counter[str] = field(default_factory=Counter)
    measures: Counter[str] = field(default_factory=Counter)
    schedules: Counter[str] = field(default_factory=Counter)
    hand_overs: Counter[str] = field(default_factory=Counter)
    ways: dict[str, Counter[str]] = field(default_factory=dict)
    foreign: list[str] = field(default_factory=list)

    @property
    def dead_rules(self) -> list[str]:
        """Rules that no row could be decided by."""
        return [name for name, count in self.rules.items() if count.dead]

    @property
    def unreached(self) -> dict[str, list[str]]:
        """What no decided row came to: clauses of rules, measures of rules, schedules, hand-overs."""
        rules = self.book.rules.values()
        every = {
            "clauses": dict.fromkeys(clause for rule in rules for clause in rule.clauses.values()),
            "measures": dict.fromkeys(f"{rule.outcome}/{rule.measure}" for rule in rules),
            "schedules": dict.fromkeys(self.book.schedules),
            "hand_overs": dict.fromkeys(c.hand_over.id for c in self.book.classes.values() if c.hand_over),
        }
        reached: Mapping[str, Counter[str]] = {name: getattr(self, name) for name in every}
        return {name: [n for n in names if not reached[name][n]] for name, names in every.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return the same for machines."""
        return {
            "schema_version": 1,
            "rules_book": self.book.name,
            "rules_hash": self.book.content_hash,
            "files": list(self.files),
            "other_rule_book": self.foreign,
            "rows": self.rows,
            "rules": [asdict(count) for count in self.rules.values()],
            "dead_rules": self.dead_rules,
            **{n: dict(getattr(self, n)) for n in ("clauses", "measures", "schedules", "hand_overs")},
            "unreached": self.unreached,
            "ways": {name: {way: found[way] for way in WAYS} for name, found in self.ways.items()},
        }


def rule_coverage(paths: Sequence[Path | str]) -> Coverage:
    """Count what the rows of results reached, several files summed.

    Parcels that were cut count by their parts.

    Parameters
    ----------
    paths : sequence of path
        Results of ``landremed run``; the rule book of the first one gives the list of rules.

    Raises
    ------
    InputError
        A file is missing or no result.
    RuleBookError
        The rule book of the first one cannot be read.
    """
    found: Coverage | None = None
    for path in paths:
        file = Path(path)
        names = layer_names(file)
        for layer in ("decisions", "trace", "provenance"):
            if layer not in names:
                raise InputError("result_layer_missing", Where(file=str(path)), layer=layer)
        provenance = {
            str(r["key"]): str(r["value"] or "") for r in read_layer(file, "provenance").to_pylist()
        }
        if found is None:
            book = kept_rulebook(provenance, file)
            found = Coverage(book, [str(p) for p in paths])
            tables = {rule.id: t.id for c in book.classes.values() for t in c.tables for rule in t.rules}
            found.rules = {rule: RuleCount(rule, table_id) for rule, table_id in tables.items()}
        if provenance.get("rules_hash") != found.book.content_hash:
            found.foreign.append(str(path))
        _add(
            found,
            _rows(file, names),
            read_layer(file, "trace", columns=("trace_id", "rule", "value", "decides")),
        )
    if found is None:
        raise ValueError("no results were named")
    return found


def _rows(file: Path, names: Iterable[str]) -> pa.Table:
    """Return parcels that were not cut, and the parts of those that were."""
    columns = ("parcel_id", *_COLUMNS)
    whole = read_layer(file, "decisions", columns=columns)
    if "parts" not in names:
        return whole
    parts = read_layer(file, "parts", columns=columns)
    cut = {str(name).rpartition("#")[0] for name in parts["parcel_id"].to_pylist()}
    kept = pc.invert(pc.is_in(whole["parcel_id"], pa.array(sorted(cut), pa.string())))
    return pa.concat_tables([whole.filter(kept), parts])


def _add(found: Coverage, rows: pa.Table, trace: pa.Table) -> None:
    values = {name: rows[name].to_pylist() for name in _COLUMNS}
    open_rows: Counter[int] = Counter()
    all_rows: Counter[int] = Counter(values["trace_id"])
    found.rows += rows.num_rows
    for at, category in enumerate(values["category"]):
        way = _way(values["outcome"][at], values["reason"][at], values["rule"][at], values["measure"][at])
        found.ways.setdefault(category or "", Counter())[way] += 1
        if values["outcome"][at] == Outcome.NEEDS_REVIEW:
            open_rows[values["trace_id"][at]] += values["reason"][at] == "missing_facts"
            continue
        rules = _listed(values["rule"][at])
        for rule in rules:
            count = found.rules.setdefault(rule, RuleCount(rule, ""))
            count.fired += 1
            count.alone += len(rules) == 1
        found.clauses.update(_listed(values["clause"][at]))
        found.schedules.update(_listed(values["schedule"][at]))
        if values["measure"][at]:
            found.measures[f"{values['outcome'][at]}/{values['measure'][at]}"] += 1
    hand_overs = {c.hand_over.id for c in found.book.classes.values() if c.hand_over}
    steps = (trace[name].to_pylist() for name in ("trace_id", "rule", "value", "decides"))
    for number, rule, value, decides in zip(*steps, strict=True):
        if rule in hand_overs:
            found.hand_overs[rule] += all_rows[number] if value == "true" else 0
        elif rule:
            count = found.rules.setdefault(rule, RuleCount(rule, ""))
            count.asked += all_rows[number]
            count.possible += open_rows[number] if decides else 0


def _way(outcome: str | None, reason: str | None, rules: str | None, measure: str | None) -> str:
    if outcome == Outcome.NEEDS_REVIEW:
        return reason if reason in WAYS else "missing_facts"
    if not measure:
        return "measure_open"
    return "several_rules" if "," in (rules or "") else "one_rule"


def _listed(text: str | None) -> list[str]:
    return [part for part in (text or "").split(",") if part]


def coverage_text(coverage: Coverage, language: str) -> str:
    """Return the counts as lines; what was never reached comes last."""
    words, book = Words("coverage", language), coverage.book
    blocks = [words("head", book=book.name, rows=coverage.rows, files=len(coverage.files))]
    blocks += [words("other_book", file=name) for name in coverage.foreign]
    rows = [
        [c.rule, c.table, c.asked, c.fired, c.alone, c.possible, words("dead") if c.dead else ""]
        for c in coverage.rules.values()
    ]
    blocks.append(table(rows, words("columns").split("|"), "llrrrrl"))
    ways: list[list[object]] = [
        [book.value_label("category", name, language) if name else words("no_class")]
        + [found[way] or "-" for way in WAYS]
        for name, found in coverage.ways.items()
    ]
    blocks.append(table(ways, [words("class"), *(words(way) for way in WAYS)], "l" + "r" * len(WAYS)))
    clauses: list[list[object]] = [
        [book.clause_label(clause), clause, count] for clause, count in sorted(coverage.clauses.items())
    ]
    blocks.append(table(clauses, words("clause_columns").split("|"), "llr"))
    never = {"rules": coverage.dead_rules, **coverage.unreached}
    lines = [words("never")]
    for name, found in never.items():
        told = words("listing").join(found) if found else words("none")
        lines += wrap(f"{words(f'never_{name}')}{told}", _WIDTH - 2, "  ")
    blocks.append("\n".join(lines))
    return "\n\n".join(blocks)
