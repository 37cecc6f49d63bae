"""A comparison as text for the terminal, and as one document for machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from landremed.area import round_half_up, to_mu
from landremed.diff.records import Cause, Change, Difference, MatrixCell
from landremed.diff.words import SIDES, Telling, by_cause, turns_of, values_at
from landremed.report.terminal import pad, table, wrap
from landremed.text import message_text
from landremed.types import Outcome

__all__ = ["difference_document", "difference_text"]

_SCHEMA: Final = 1
_WIDTH: Final = 100
_HASH_SHOWN: Final = 12
_CAUSES: Final = 10
_FIELDS: Final = ("outcome", "measure", "rule", "clause", "schedule", "due_on", "overdue", "area_m2")


def difference_text(difference: Difference, language: str, *, top: int = 20) -> str:
    """Return a comparison as lines.

    Parameters
    ----------
    top : int
        Parcels listed one by one.
    """
    telling = Telling(difference, language)
    text = telling.text
    blocks = [text["versus"].format(old=difference.old.name, new=difference.new.name)]
    blocks += ["\n".join(_inputs(difference, telling))]
    blocks += [message_text(code, params, language) for code, params in difference.notes]
    if not difference.changes and difference.same_results:
        shown = difference.hashes[0][:_HASH_SHOWN]
        blocks.append(text["equal"].format(hash=shown))
        return "\n".join(blocks)
    blocks.append(_counts(difference, telling))
    blocks.append(text["matrix"] + "\n" + _matrix(difference, telling))
    causes = by_cause(difference, telling)
    if causes:
        rows = [[count, f"{mu:.2f}", cause] for cause, count, mu in causes[: max(top, _CAUSES)]]
        heads = [text["count"], text["mu"], text["cause"]]
        blocks.append(text["causes"] + "\n" + table(rows, heads, "rrl"))
        unproved = sum(not c.proved for change in difference.changes for c in change.causes[:1])
        said = text["unproved"].format(count=unproved) if unproved else text["all_proved"]
        blocks.append(text["limit"].format(limit=difference.limit, unproved=said))
    if difference.changes:
        blocks.append("\n".join(_parcels(difference, telling, top)))
    if difference.suggestions:
        rows = [[s.gone, s.added, f"{100 * s.share:.1f}%"] for s in difference.suggestions[:top]]
        heads = [telling.kinds["gone"], telling.kinds["added"], "%"]
        blocks.append(text["same_place"] + "\n" + table(rows, heads, "llr"))
    return "\n\n".join(blocks)


def _inputs(difference: Difference, telling: Telling) -> Iterator[str]:
    text = telling.text
    if difference.same_inputs:
        yield text["inputs_same"].format(count=len(difference.inputs))
        return
    yield text["inputs_same_except"]
    for line in difference.inputs:
        if not line.same:
            old, new = (_short(value) or text["none"] for value in (line.old, line.new))
            yield f"  {line.key}: {old}{text['arrow']}{new}"


def _short(text: str) -> str:
    """Return an input's entry with its hash shortened."""
    words = text.split(" ")
    return " ".join(w[: w.index("=") + 1 + _HASH_SHOWN] if "hash=" in w else w[:60] for w in words)


def _counts(difference: Difference, telling: Telling) -> str:
    kinds = [change.kinds for change in difference.changes]

    def count(name: str) -> int:
        return sum(name in found for found in kinds)

    decided = {"outcome", "measure", "clause", "deadline", "overdue", "parts"}
    line = telling.text["counts"].format(
        old=difference.old.decisions.num_rows,
        new=difference.new.decisions.num_rows,
        added=count("added"),
        gone=count("gone"),
        reshaped=count("reshaped"),
        changed=sum(bool(decided.intersection(found)) for found in kinds),
        flips=count("outcome"),
    )
    settled = [c.ledger.weight for c in difference.changes if c.ledger and (c.flips or c.kinds == ("gone",))]
    if any(settled):
        closed, signed = settled.count(2), settled.count(1)
        line += "\n" + telling.text["settled"].format(closed=closed, signed=signed)
    return line


def _matrix(difference: Difference, telling: Telling) -> str:
    cells = {(c.old, c.new): c for c in difference.matrix}
    order = [*(o.value for o in Outcome), ""]
    before = [code for code in order if any(old == code for old, _ in cells)]
    after = [code for code in order if any(new == code for _, new in cells)]
    rows = [[telling.outcome(old), *(_cell(cells.get((old, new))) for new in after)] for old in before]
    heads = [telling.text["old_new"], *map(telling.outcome, after)]
    return table(rows, heads, "l" + "r" * len(after))


def _cell(cell: MatrixCell | None) -> str:
    if cell is None:
        return "-"
    area = cell.new_m2 if cell.new else cell.old_m2
    return f"{cell.parcels} ({round_half_up(to_mu(np.array([area])))[0]:.2f})"


def _parcels(difference: Difference, telling: Telling, top: int) -> Iterator[str]:
    text = telling.text
    yield text["parcels"]
    outcomes = {side: values_at(difference, side, "outcome", pa.string()) for side in SIDES}
    for number, change in enumerate(difference.changes[:top]):
        codes = [outcomes[side][number].as_py() or "" for side in SIDES]
        turn = telling.outcome(codes[0])
        if codes[0] != codes[1]:
            turn += text["arrow"] + telling.outcome(codes[1])
        kinds = text["list"].join(telling.kinds[k] for k in change.kinds if k != "outcome")
        state = f"[{change.ledger.label}] " if change.ledger and change.ledger.weight else ""
        yield f"  {change.parcel_id}  {state}{turn}" + (f"  ({kinds})" if kinds else "")
        for line in wrap(telling.cause(change), _WIDTH - 6):
            yield pad("", 6) + line
    if len(difference.changes) > top:
        yield text["more"].format(count=len(difference.changes) - top)


def difference_document(difference: Difference, language: str) -> dict[str, Any]:
    """Return a comparison for machines; areas in m², dates as ISO text."""
    kinds = [kind for change in difference.changes for kind in change.kinds]
    rows = {
        side: {name: values_at(difference, side, name, _TYPES[name]).to_pylist() for name in _FIELDS}
        for side in SIDES
    }
    turns = turns_of(difference)
    return {
        "schema_version": _SCHEMA,
        "old": {"name": difference.old.name, "hash": difference.hashes[0]},
        "new": {"name": difference.new.name, "hash": difference.hashes[1]},
        "same_inputs": difference.same_inputs,
        "same_results": difference.same_results,
        "inputs": [{**line._asdict(), "same": line.same} for line in difference.inputs],
        "notes": [message_text(code, params, language) for code, params in difference.notes],
        "search_limit": difference.limit,
        "counts": {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
        "matrix": [cell._asdict() for cell in difference.matrix],
        "changes": [
            _change(difference, change, number, rows, turns[number])
            for number, change in enumerate(difference.changes)
        ],
        "same_place": [suggestion._asdict() for suggestion in difference.suggestions],
    }


_TYPES: Final = {
    **dict.fromkeys(_FIELDS, pa.string()),
    "due_on": pa.date32(),
    "overdue": pa.int64(),
    "area_m2": pa.float64(),
}


def _change(
    difference: Difference, change: Change, number: int, rows: dict[str, dict[str, Sequence[Any]]], turn: str
) -> dict[str, Any]:
    sides = {
        side: None if missing else {name: _plain(values[number]) for name, values in rows[side].items()}
        for side, missing in (("old", change.old_row is None), ("new", change.new_row is None))
    }
    ledger = change.ledger._asdict() if change.ledger else None
    head = {"parcel_id": change.parcel_id, "kinds": list(change.kinds), "turn": turn, "ledger": ledger}
    return {**head, **sides, "moved_m2": change.moved_m2, "causes": [_cause(c) for c in change.causes]}


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "made": list(cause.aspects),
        "things": [
            {
                **item.thing._asdict(),
                "old": item.old,
                "new": item.new,
                "origins": [origin._asdict() for origin in item.origins],
                "elements": [element._asdict() for element in item.elements],
            }
            for item in cause.things
        ],
        "others": cause.others,
        "proved": cause.proved,
        "replayed": cause.replayed,
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
