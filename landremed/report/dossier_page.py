"""The texts of one parcel's page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import shapely

from landremed.explain import Explanation, explain
from landremed.report.formats import area_text, plain_text, share_text
from landremed.report.labels import column_titles
from landremed.report.resultfile import ResultFile
from landremed.report.words import Words
from landremed.types import Outcome

__all__ = ["boundary_points", "parcel_page"]

_POINTS_SHOWN: Final = 36
_FACTS_SHOWN: Final = 16
_SOURCE_SHOWN: Final = 220
_NOTICES_SHOWN: Final = 6
_CASES_SHOWN: Final = 6


def parcel_page(
    result: ResultFile, parcel: str, shape: shapely.Geometry | None, words: Words
) -> dict[str, Any]:
    """Return everything the page says, as texts.

    Parameters
    ----------
    result : ResultFile
        The result.
    parcel : str
        Id.
    shape : shapely.Geometry or None
        Its polygon in the working CRS.
    words : Words
        Section ``dossier`` in the language of the page.
    """
    told = explain(result.path, parcel, words.language)
    head = told.head
    points = boundary_points(shape)
    left = ""
    if len(points) > _POINTS_SHOWN:
        left = words("points_left", n=len(points), shown=_POINTS_SHOWN)
    area = words("no_area")
    if head["area_m2"] is not None:
        area = words("area", m2=area_text(head["area_m2"]), mu=area_text(head["area_mu"] or 0.0))
    kind = [head["category_label"] or words("no_class"), head["subtype_label"]]
    page: dict[str, Any] = {
        "id": parcel,
        "kind": " · ".join(dict.fromkeys(part for part in kind if part)),
        "area": area,
        "outcome": head["outcome_label"],
        "measure": head["measure_label"] or head["reason_label"],
        "why": head["why"],
        "deadline": _deadline(told, words),
        "overlaps": _overlaps(result, parcel, words),
        "duties": _duties(told, words),
        "facts": _facts(told),
        "rules": _rules(told, words),
        "clauses": [f"{clause.label}　{clause.text}" for clause in told.clauses],
        "possible": _possible(told, words),
        "missing": _missing(told, words),
        "steps": [_step(step, words.language) for step in told.steps],
        "acceptance": list(told.acceptance),
        "notices": _notices(told),
        "points": points[:_POINTS_SHOWN],
        "points_left": left,
    }
    cleaned: dict[str, Any] = _clean(page)
    return cleaned


def boundary_points(shape: shapely.Geometry | None) -> list[tuple[str, str, str]]:
    """Return number, X (north) and Y (east) of every boundary point, without the closing ones.

    Examples
    --------
    >>> boundary_points(shapely.box(0, 0, 2, 1))[0]
    ('J1', '0.000', '2.000')
    """
    if shape is None or shape.is_empty:
        return []
    rings = shapely.get_rings(shapely.get_parts(shape))
    xy = np.vstack([shapely.get_coordinates(ring)[:-1] for ring in rings])
    return [(f"J{number}", f"{y:.3f}", f"{x:.3f}") for number, (x, y) in enumerate(xy.tolist(), 1)]


def _deadline(told: Explanation, words: Words) -> list[str]:
    deadline = told.deadline
    comma = "，" if words.language == "zh" else ", "
    lines = []
    for schedule in deadline.schedules:
        clause = str(schedule["clause"])
        lines.append(f"{schedule['label']}（{clause}）" if clause else str(schedule["label"]))
    state = []
    if deadline.due_on is not None:
        state.append(f"{words('due')} {deadline.due_on}")
    if deadline.overdue:
        state.append(words("overdue"))
    if deadline.next_milestone_on is not None:
        share = share_text(deadline.next_milestone_share or 0.0)
        state.append(words("next", on=deadline.next_milestone_on, share=share))
    if deadline.priority is not None:
        state.append(words("priority", n=deadline.priority))
    if deadline.zero_tolerance:
        state.append(words("zero"))
    return [*lines, comma.join(state)] if state else lines


def _overlaps(result: ResultFile, parcel: str, words: Words) -> list[dict[str, Any]]:
    row = result.row(parcel)
    layers = [name for name in result.overlaid if name not in ("admin_units", "land_use")]
    found = []
    names = [(name, result.layer_title(name, words.language)) for name in layers]
    extra = ("farmland_outside_boundary", "red_line_outside_boundary", "cultivated")
    names += [(name, result.layer_title(name, words.language)) for name in extra]
    whole = row["area_m2"]
    for name, title in names:
        area = row.get(f"{name}_area_m2")
        if name in extra and not area:
            continue
        share = row.get(f"{name}_share")
        if share is None and area is not None and whole:
            share = min(area / whole, 1.0)
        found.append(
            {
                "name": title,
                "area": words("no_area") if area is None else area_text(area),
                "share": "" if area is None or share is None else share_text(share),
                "hit": bool(area),
            }
        )
    return found


def _duties(told: Explanation, words: Words) -> list[str]:
    comma, colon = ("、", "：") if words.language == "zh" else (", ", ": ")
    titles = column_titles("decisions", list(told.duties), words.language)
    order = ("implementing_unit", "other_units", "lead", "cooperating", "implementing")
    found = {name: told.duties[name] for name in order if name in told.duties}
    if "other_units" in found:
        found["other_units"] = found["other_units"].replace(",", comma)
    return [f"{titles.get(name, name)}{colon}{value}" for name, value in found.items()]


def _facts(told: Explanation) -> list[dict[str, str]]:
    semicolon = "；" if told.language == "zh" else "; "
    return [
        {
            "label": fact.label,
            "value": fact.value_label,
            "source": _short(semicolon.join(fact.sources), _SOURCE_SHOWN),
        }
        for fact in [*told.facts, *told.other_facts][:_FACTS_SHOWN]
    ]


def _rules(told: Explanation, words: Words) -> list[dict[str, Any]]:
    mark = words("may_decide" if told.head["outcome"] == Outcome.NEEDS_REVIEW else "decides")
    return [
        {"state": rule.value_label, "words": rule.words, "decides": rule.decides, "mark": mark}
        for rule in told.rules
    ]


def _possible(told: Explanation, words: Words) -> str:
    if not told.possible_outcomes:
        return ""
    comma = "、" if words.language == "zh" else ", "
    return words("possible", outcomes=comma.join(o["label"] for o in told.possible_outcomes))


def _missing(told: Explanation, words: Words) -> list[dict[str, Any]]:
    comma = "、" if words.language == "zh" else ", "
    return [
        {
            "label": fact.label,
            "cases": [
                words("if", values=comma.join(case.values), result=case.result)
                for case in fact.cases[:_CASES_SHOWN]
            ],
        }
        for fact in told.missing
    ]


def _step(step: Any, language: str) -> str:
    notes = ("，" if language == "zh" else ", ").join(
        part for part in (step["actor"], step["clause"]) if part
    )
    if not notes:
        return str(step["text"])
    return f"{step['text']}（{notes}）" if language == "zh" else f"{step['text']} ({notes})"


def _notices(told: Explanation) -> list[str]:
    messages: Sequence[str] = [str(issue.get("message") or issue.get("code")) for issue in told.issues]
    return [_short(text, _SOURCE_SHOWN) for text in [*told.notices, *messages][:_NOTICES_SHOWN]]


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _clean(value: Any) -> Any:
    """Return the same with every text as one line that a page can hold."""
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in value]
    return value
