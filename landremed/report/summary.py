"""What a run says on the terminal: outcomes by class, what waits for which fact, findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from landremed.report.labels import word
from landremed.report.terminal import table, wrap
from landremed.types import Outcome

if TYPE_CHECKING:
    import pyarrow as pa

    from landremed.law import RuleBook

__all__ = ["findings_text", "summary_document", "summary_text"]

_WIDTH = 100
_MOST_FACTS = 8


def summary_text(tables: Mapping[str, pa.Table], book: RuleBook, language: str) -> str:
    """Return outcomes by class, and which missing facts would settle most parcels.

    Parameters
    ----------
    tables : mapping of layer name to pyarrow.Table
        The output tables ``summary`` and ``decisions``.
    book : RuleBook
        For labels.
    language : {"zh", "en"}
        Language of the text.
    """
    parts = [_matrix(tables["summary"], book, language)]
    waiting = _waiting(tables["decisions"], book, language)
    near = _near_the_edge(tables["decisions"], language)
    return "\n\n".join(part for part in (*parts, waiting, near) if part)


def findings_text(issues: pa.Table, language: str) -> str:
    """Return for each code how many findings there are, and the first one whole."""
    first: dict[str, dict[str, Any]] = {}
    counted: Counter[str] = Counter()
    for row in issues.to_pylist():
        counted[row["code"]] += 1
        first.setdefault(row["code"], row)
    if not first:
        return ""
    rank = {"error": 0, "warning": 1, "info": 2}
    lines = [word("findings_title", language).format(len(issues))]
    for code in sorted(first, key=lambda c: (rank[first[c]["severity"]], -counted[c], c)):
        row = first[code]
        severity = word(f"severity_{row['severity']}", language)
        lines.append(f"  {severity} {code} × {counted[code]}")
        lines += wrap(_case(row, language), _WIDTH, "      ")
    return "\n".join(lines)


def summary_document(tables: Mapping[str, pa.Table], output: str, status: int) -> dict[str, object]:
    """Return the same for machines."""
    issues = tables["issues"]
    findings = Counter(zip(issues["code"].to_pylist(), issues["severity"].to_pylist(), strict=True))
    document: dict[str, object] = {
        "schema": 1,
        "output": output,
        "status": status,
        "findings": [{"code": c, "severity": s, "count": n} for (c, s), n in sorted(findings.items())],
    }
    if "summary" in tables:
        missing = Counter(tables["decisions"]["missing_facts"].drop_null().to_pylist())
        document["parcels"] = len(tables["decisions"])
        document["summary"] = tables["summary"].to_pylist()
        document["missing_facts"] = [{"facts": k.split(","), "count": n} for k, n in missing.most_common()]
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


def _waiting(decisions: pa.Table, book: RuleBook, language: str) -> str:
    """Say how many parcels need review and which facts would settle most of them."""
    outcome = decisions["outcome"].to_pylist()
    reasons = Counter(
        reason
        for reason, o in zip(decisions["reason"].to_pylist(), outcome, strict=True)
        if o == Outcome.NEEDS_REVIEW and reason
    )
    if not reasons:
        return ""
    lines = [
        word("review_title", language).format(
            "，".join(f"{word(f'reason_{r}', language)} {n}" for r, n in reasons.most_common())
            if language == "zh"
            else ", ".join(f"{word(f'reason_{r}', language)} {n}" for r, n in reasons.most_common())
        )
    ]
    lists = [v.split(",") for v in decisions["missing_facts"].to_pylist() if v]
    asked = Counter(fact for facts in lists for fact in facts)
    alone = Counter(facts[0] for facts in lists if len(facts) == 1)
    ranked = sorted(asked, key=lambda f: (-alone[f], -asked[f], f))[:_MOST_FACTS]
    rows = [[book.fact_label(f, language), f, alone[f], asked[f]] for f in ranked]
    header = [word(name, language) for name in ("fact", "fact_name", "settles_alone", "asked_by")]
    lines.append(table(rows, header, "llrr"))
    return "\n".join(lines)


def _near_the_edge(decisions: pa.Table, language: str) -> str:
    """Say how many outcomes would be others if one boundary stood elsewhere within its accuracy."""
    if "robust" not in decisions.column_names:
        return ""
    fragile = sum(v == 0 for v in decisions["robust"].to_pylist())
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
