"""Codes that are listed, but not for the class the parcel is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from landremed.given_draft import Draft
from landremed.types import UNKNOWN, FactSpec, Finding

__all__ = ["scope_findings"]


def scope_findings(
    vocabulary: Mapping[str, FactSpec], drafts: Mapping[str, Draft], parcel_ids: Sequence[str]
) -> list[Finding]:
    """Hold subtypes and reasons against the class of each parcel.

    A subtype that is listed neither for the parcel's category nor for its related one becomes unknown. A
    reason that the clause does not list is reported and kept: the law counts it as unknown.
    """
    findings = []
    class_facts = _class_facts(vocabulary)
    subtype = vocabulary.get("subtype")
    if subtype is not None and "subtype" in drafts:
        classes = _known(drafts, class_facts, len(parcel_ids))
        wrong = _outside(drafts["subtype"], classes, {})
        findings += _report(drafts["subtype"], wrong, parcel_ids, "subtype_not_of_category", drafts)
        drafts["subtype"].codes[wrong] = drafts["subtype"].code(UNKNOWN)
    parents = {code: value.scope for code, value in subtype.values.items()} if subtype is not None else {}
    for name, draft in drafts.items():
        scoped = any(value.scope for value in draft.spec.values.values())
        if name == "subtype" or not scoped:
            continue
        of_parcel, sets = _known(drafts, ("subtype",), len(parcel_ids))
        wider, wide_sets = _known(drafts, class_facts, len(parcel_ids))
        settled = np.asarray([bool(codes) for codes in sets])[of_parcel]
        chosen = np.where(settled, of_parcel, wider + len(sets))
        wrong = _outside(draft, (chosen, [*sets, *wide_sets]), parents)
        findings += _report(draft, wrong, parcel_ids, "reason_not_listed", drafts)
    return findings


def _class_facts(vocabulary: Mapping[str, FactSpec]) -> list[str]:
    """Return the parcel's class, and the facts that name another one."""
    if "category" not in vocabulary:
        return []
    classes = set(vocabulary["category"].values)
    naming = [name for name, spec in vocabulary.items() if classes.intersection(spec.values)]
    return ["category", *(name for name in naming if name != "category")]


def _known(
    drafts: Mapping[str, Draft], names: Sequence[str], count: int
) -> tuple[npt.NDArray[np.int64], list[frozenset[str]]]:
    """Return per parcel an index into a list of sets: the codes it has for some facts.

    The set is empty where the first of the facts, or what another one says, is not known.
    """
    present = [drafts[name] for name in names if name in drafts]
    if not present or not names or names[0] not in drafts:
        return np.zeros(count, np.int64), [frozenset()]
    key = np.zeros(count, np.int64)
    for draft in present:
        key = key * len(draft.values) + draft.codes
    distinct, inverse = np.unique(key, return_inverse=True)
    sets = []
    for number in distinct.tolist():
        codes, rest = [], number
        for draft in reversed(present):
            rest, code = divmod(rest, len(draft.values))
            codes.append(draft.values[code])
        known = isinstance(codes[-1], str) and UNKNOWN not in codes
        sets.append(frozenset(c for c in codes if isinstance(c, str)) if known else frozenset())
    return inverse.ravel(), sets


def _outside(
    draft: Draft,
    classes: tuple[npt.NDArray[np.int64], list[frozenset[str]]],
    parents: Mapping[str, Sequence[str]],
) -> npt.NDArray[np.int64]:
    """Return the parcels whose code is listed for other classes than theirs."""
    of_parcel, sets = classes
    wrong = np.zeros((len(sets), len(draft.values)), bool)
    for code, value in enumerate(draft.values):
        listed = draft.spec.values.get(value) if isinstance(value, str) else None
        scope = set(listed.scope) if listed is not None else set()
        scope |= {parent for name in scope for parent in parents.get(name, ())}
        for at, known in enumerate(sets):
            wrong[at, code] = bool(scope) and bool(known) and not scope & known
    return np.flatnonzero(wrong[of_parcel, draft.codes])


def _report(
    draft: Draft,
    rows: npt.NDArray[np.int64],
    parcel_ids: Sequence[str],
    code: str,
    drafts: Mapping[str, Draft],
) -> list[Finding]:
    findings = []
    classes = drafts.get("category")
    listed: dict[object, str] = {}
    for row in rows.tolist():
        _, file, column = draft.places[draft.place[row]]
        category = classes.values[classes.codes[row]] if classes is not None else None
        if category not in listed:
            listed[category] = _listed(draft, category)
        params = {"category": str(category or "–"), "fact": draft.spec.name, "listed": listed[category]}
        findings.append(
            Finding(
                code,
                parcel_id=parcel_ids[row],
                file=file,
                row=int(draft.row[row]),
                field=column,
                value=draft.raws[draft.raw[row]],
                params=params,
            )
        )
    return findings


def _listed(draft: Draft, category: object) -> str:
    fitting = [v.code for v in draft.spec.values.values() if not v.scope or category in v.scope]
    return ", ".join(fitting) or "–"
