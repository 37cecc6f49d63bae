"""Codes that are listed, but not for the class the parcel is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from landremed.types import UNKNOWN, FactSpec, FactValue, Finding

__all__ = ["scope_findings"]

_CLASSES = ("category", "related_category")


class Draft(Protocol):
    """What is needed of a fact while it is being filled."""

    spec: FactSpec
    codes: npt.NDArray[np.int32]
    row: npt.NDArray[np.int64]
    place: npt.NDArray[np.int32]
    raw: npt.NDArray[np.int32]
    values: list[FactValue]
    places: list[tuple[str, str, str]]
    raws: list[str]

    def code(self, value: FactValue) -> int:
        """Return the index of a value."""


def scope_findings(
    vocabulary: Mapping[str, FactSpec], drafts: Mapping[str, Any], parcel_ids: Sequence[str]
) -> list[Finding]:
    """Hold subtypes and reasons against the class of each parcel.

    A subtype that is listed neither for the parcel's category nor for its related one becomes unknown. A
    reason that the clause does not list is reported and kept: the law counts it as unknown.
    """
    findings = []
    subtype = vocabulary.get("subtype")
    if subtype is not None and "subtype" in drafts:
        classes = _known(drafts, _CLASSES, len(parcel_ids))
        wrong = _outside(drafts["subtype"], classes, {})
        findings += _report(drafts["subtype"], wrong, parcel_ids, "subtype_not_of_category", drafts)
        drafts["subtype"].codes[wrong] = drafts["subtype"].code(UNKNOWN)
    parents = {code: value.scope for code, value in subtype.values.items()} if subtype is not None else {}
    for name, draft in drafts.items():
        scoped = any(value.scope for value in draft.spec.values.values())
        if name == "subtype" or not scoped:
            continue
        classes = _known(drafts, ("subtype",), len(parcel_ids))
        wider = _known(drafts, _CLASSES, len(parcel_ids))
        settled = np.asarray([bool(c) for c in classes])
        chosen = [c if known else w for c, w, known in zip(classes, wider, settled.tolist(), strict=True)]
        wrong = _outside(draft, chosen, parents)
        findings += _report(draft, wrong, parcel_ids, "reason_not_listed", drafts)
    return findings


def _known(drafts: Mapping[str, Any], names: Sequence[str], count: int) -> list[frozenset[str]]:
    """Return per parcel the codes it has for some facts; empty where the first of them is not known."""
    sets: dict[tuple[int, ...], frozenset[str]] = {}
    present = [drafts[name] for name in names if name in drafts]
    if not present or names[0] not in drafts:
        return [frozenset()] * count
    keys = np.stack([draft.codes for draft in present], axis=1)
    distinct, inverse = np.unique(keys, axis=0, return_inverse=True)
    for at, key in enumerate(distinct.tolist()):
        codes = [draft.values[code] for draft, code in zip(present, key, strict=True)]
        known = isinstance(codes[0], str) and UNKNOWN not in codes
        sets[(at,)] = frozenset(c for c in codes if isinstance(c, str)) if known else frozenset()
    return [sets[(int(at),)] for at in inverse.ravel()]


def _outside(
    draft: Any, classes: Sequence[frozenset[str]], parents: Mapping[str, Sequence[str]]
) -> npt.NDArray[np.int64]:
    """Return the parcels whose code is listed for other classes than theirs."""
    answers: dict[tuple[int, frozenset[str]], bool] = {}
    rows = []
    for row in np.flatnonzero(draft.codes).tolist():
        key = (int(draft.codes[row]), classes[row])
        if key not in answers:
            value = draft.values[key[0]]
            listed = draft.spec.values.get(value) if isinstance(value, str) else None
            scope = set(listed.scope) if listed is not None else set()
            scope |= {parent for code in scope for parent in parents.get(code, ())}
            answers[key] = bool(scope) and bool(key[1]) and not scope & key[1]
        if answers[key]:
            rows.append(row)
    return np.asarray(rows, dtype=np.int64)


def _report(
    draft: Any, rows: npt.NDArray[np.int64], parcel_ids: Sequence[str], code: str, drafts: Mapping[str, Any]
) -> list[Finding]:
    findings = []
    for row in rows.tolist():
        _, file, column = draft.places[draft.place[row]]
        category = drafts["category"].values[drafts["category"].codes[row]] if "category" in drafts else ""
        findings.append(
            Finding(
                code,
                parcel_id=parcel_ids[row],
                file=file,
                row=int(draft.row[row]),
                field=column,
                value=draft.raws[draft.raw[row]],
                params={
                    "category": str(category or "–"),
                    "fact": draft.spec.name,
                    "listed": _listed(draft, category),
                },
            )
        )
    return findings


def _listed(draft: Any, category: object) -> str:
    fitting = [v.code for v in draft.spec.values.values() if not v.scope or category in v.scope]
    return ", ".join(fitting) or "–"
