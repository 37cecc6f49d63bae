"""What a run says on the terminal: outcomes by class, what waits for which fact, findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from landremed.report.labels import word
from landremed.report.terminal import table, wrap
from landremed.tables import plain_table
from landremed.types import Outcome

if TYPE_CHECKING:
    import pyarrow as pa

    from landremed.law import RuleBook

__all__ = ["DECISION_COUNTS", "decision_counts", "findings_text", "summary_document", "summary_text"]

DECISION_COUNTS: Final = ("outcome", "reason", "missing_facts", "robust")
"""Columns of ``decisions`` by which parcels are counted."""

_WIDTH = 100
_MOST_FACTS = 8


def decision_counts(decisions: pa.Table) -> pa.Table:
    """Return how many parcels there are of each kind: ``DECISION_COUNTS`` and ``count``.

    Parameters
    ----------
    decisions : pyarrow.Table
        The output table, or several tables of counts put together.
    """
    keys = list(DECISION_COUNTS)
    if "count" in decisions.column_names:
        total = decisions.group_by(keys).aggregate([("count", "sum")]).rename_columns([*keys, "count"])
    else:
        total = plain_table(decisions.select(keys)).group_by(keys).aggregate([([], "count_all")])
        total = total.rename_columns([*keys, "count"])
    return total.sort_by([("count", "descending"), *((key, "ascending") for key in keys)])


def summary_text(summary: pa.Table, counts: pa.Table, book: RuleBook, language: str) -> str:
    """Return outcomes by class, and which missing facts would settle most parcels.

    Parameters
    ----------
    summary : pyarrow.Table
        The output table.
    counts : pyarrow.Table
        From ``decision_counts``.
    book : RuleBook
        For labels.
    language : {"zh", "en"}
        Language of the text.
    """
    parts = [_matrix(summary, book, language)]
    waiting = _waiting(counts, book, language)
    near = _near_the_edge(counts, language)
    return "\n\n".join(part for part in (*parts, waiting, near) if part)


def findings_text(issues: pa.Table, language: str, width: int = _WIDTH, *, kept: bool = True) -> str:
    """Return for each code how many findings there are, and the first one whole.

    Parameters
    ----------
    issues : pyarrow.Table
        Rows of ``issues``.
    language : {"zh", "en"}
        Language of the text.
    width : int
        Columns of a line on the terminal.
    kept : bool
        Whether all of them stand in a layer ``issues`` that was written.
    """
    first: dict[str, dict[str, Any]] = {}
    counted: Counter[str] = Counter()
    for row in issues.to_pylist():
        counted[row["code"]] += 1
        first.setdefault(row["code"], row)
    if not first:
        return ""
    rank = {"error": 0, "warning": 1, "info": 2}
    lines = [word("findings_title" if kept else "findings_title_unkept", language).format(len(issues))]
    for code in sorted(first, key=lambda c: (rank[first[c]["severity"]], -counted[c], c)):
        row = first[code]
        severity = word(f"severity_{row['severity']}", language)
        lines.append(f"  {severity} {code} × {counted[code]}")
        lines += wrap(_case(row, language), width, "      ")
    return "\n".join(lines)


def summary_document(
    issues: pa.Table, output: str, status: int, decided: tuple[pa.Table, pa.Table] | None
) -> dict[str, object]:
    """Return the same for machines; ``decided`` is the summary and the counts of what was decided."""
    findings = Counter(zip(issues["code"].to_pylist(), issues["severity"].to_pylist(), strict=True))
    document: dict[str, object] = {
        "schema": 1,
        "output": output,
        "status": status,
        "findings": [{"code": c, "severity": s, "count": n} for (c, s), n in sorted(findings.items())],
    }
    if decided is not None:
        summary, counts = decided
        missing = _counted((row["missing_facts"], row["count"]) for row in counts.to_pylist())
        document["parcels"] = sum(counts["count"].to_pylist())
        document["summary"] = summary.to_pylist()
        document["missing_facts"] = [{"facts": k.split(","), "count": n} for k, n in missing]
    return document


def _matrix(summary: pa.Table, book: RuleBook, language: str) -> str:
    """Classes down, outcomes across, ``count (亩)`` in the cells."""
    cells: dict[tuple[str, str], tuple[int, float]] = {}
    for row in summary.to_pylist():
        cells[row["category"] or "", row["outcome"]] = (row["count"], row["area_mu"])
    categories = [c for c in book.categories if any(key[0] == c for key in cells)]
    categories += sorted({key[0] for key in cells} - set(categories))
    outcomes = [o.value for o in Outcome]
    header = [word("class", language), *(book.outcome_label(o, "", language) for o in outcomes)]
    rows = []
    for category in categories:
        label = book.value_label("category", category or None, language)
        rows.append([label, *(_cell(cells.get((category, o))) for o in outcomes)])
    totals = [_total([v for (_, o), v in cells.items() if o == outcome]) for outcome in outcomes]
    rows.append([word("total", language), *totals])
    count = sum(v[0] for v in cells.values())
    area = sum(v[1] for v in cells.values())
    title = word("summary_title", language).format(count=count, mu=f"{area:.2f}")
    return f"{title}\n{table(rows, header, 'l' + 'r' * len(outcomes))}"


def _cell(value: tuple[int, float] | None) -> str:
    return f"{value[0]} ({value[1]:.2f})" if value else "-"


def _total(values: Sequence[tuple[int, float]]) -> str:
    return _cell((sum(v[0] for v in values), sum(v[1] for v in values))) if values else "-"


def _waiting(counts: pa.Table, book: RuleBook, language: str) -> str:
    """Say how many parcels need review and which facts would settle most of them."""
    rows = counts.to_pylist()
    reasons = _counted((r["reason"], r["count"]) for r in rows if r["outcome"] == Outcome.NEEDS_REVIEW)
    if not reasons:
        return ""
    between = "，" if language == "zh" else ", "
    named = between.join(f"{word(f'reason_{reason}', language)} {count}" for reason, count in reasons)
    lines = [word("review_title", language).format(named)]
    asked: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    for row in rows:
        facts = row["missing_facts"].split(",") if row["missing_facts"] else []
        asked.update(dict.fromkeys(facts, row["count"]))
        if len(facts) == 1:
            alone[facts[0]] += row["count"]
    ranked = sorted(asked, key=lambda f: (-alone[f], -asked[f], f))[:_MOST_FACTS]
    table_rows = [[book.fact_label(f, language), f, alone[f], asked[f]] for f in ranked]
    header = [word(name, language) for name in ("fact", "fact_name", "settles_alone", "asked_by")]
    lines.append(table(table_rows, header, "llrr"))
    return "\n".join(lines)


def _counted(pairs: Iterable[tuple[str | None, int]]) -> list[tuple[str, int]]:
    """Add up by name; the most frequent first."""
    total: Counter[str] = Counter()
    for name, count in pairs:
        if name:
            total[name] += count
    return sorted(total.items(), key=lambda item: (-item[1], item[0]))


def _near_the_edge(counts: pa.Table, language: str) -> str:
    """Say how many outcomes would be others if one boundary stood elsewhere within its accuracy."""
    fragile = sum(row["count"] for row in counts.to_pylist() if row["robust"] == 0)
    return word("near_the_edge", language).format(fragile) if fragile else ""


def _case(row: Mapping[str, Any], language: str) -> str:
    place = [str(row["file"])] if row["file"] else []
    if row["row"] is not None:
        place.append(word("row", language).format(row["row"]))
    if row["field"]:
        place.append(str(row["field"]))
    if row["value"]:
        place.append(repr(row["value"]))
    if row["parcel_id"]:
        place.append(word("parcel", language).format(row["parcel_id"]))
    head = ", ".join(place)
    return f"{head}: {row['message']}" if head else str(row["message"])
