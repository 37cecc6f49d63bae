"""Forms of the result's layers: tabs, related rows, what is read-only, and rules for reviews."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from landremed.report.labels import Labelled
from landremed.report.qgis_forms import Rule, Tab, form_xml, rules_xml
from landremed.report.review_words import review_words
from landremed.types import Outcome

__all__ = ["CHILDREN", "result_form", "result_forms"]

CHILDREN: Final = {
    "overlaps": ("overlaps", "overlap_features", "land_use"),
    "facts": ("facts", "issues"),
    "review": (
        "reviews",
        "review_overrules",
        "review_clashes",
        "review_changes",
        "review_boundaries",
        "review_problems",
    ),
}
_DECISION_FIELDS: Final = (
    "parcel_id",
    "outcome",
    "outcome_label",
    "measure_label",
    "why",
    "clause",
    "missing_facts_label",
    "reason",
    "possible_outcomes",
    "category",
    "subtype",
    "area_m2",
    "area_mu",
    "flags",
)
_DUTY_FIELDS: Final = (
    "schedule",
    "due_on",
    "overdue",
    "next_milestone_on",
    "next_milestone_share",
    "priority",
    "zero_tolerance",
    "lead",
    "cooperating",
    "implementing",
    "implementing_unit",
    "other_units",
)
_CODES: Final = ("measure", "missing_facts", "rule", "trace_id", "robust")
_PAIRED: Final = ("_m2", "_share", "_mu")


def result_forms(layers: Sequence[Labelled], language: str) -> dict[str, str]:
    """Return the forms of layers that are opened by themselves, without their related rows."""
    return {layer.name: result_form(layer, language) for layer in layers}


def result_form(layer: Labelled, language: str, there: Mapping[str, Labelled] | None = None) -> str:
    """Return the form of one layer.

    Parameters
    ----------
    layer : OutLayer
        With its columns.
    language : {"zh", "en"}
        Language of the tabs.
    there : mapping of str to OutLayer, optional
        Layers of the project, whose related rows are shown.
    """
    tab = review_words("tabs", language)
    columns: Sequence[str] = layer.table.column_names
    if layer.name == "reviews":
        form = form_xml([Tab(tab["row"], columns)], columns=columns, read_only=("review_id",))
        return form + rules_xml(_review_rules(language, related=bool(there)))
    if layer.name not in ("decisions", "parts"):
        return form_xml([Tab(tab["row"], columns)], columns=columns, read_only=columns)
    tabs = _parcel_tabs(layer, columns, there or {}, tab)
    return form_xml(
        [t for t in tabs if t.fields or t.relations or t.groups], columns=columns, read_only=columns
    )


def _parcel_tabs(
    layer: Labelled, columns: Sequence[str], there: Mapping[str, Labelled], tab: Mapping[str, str]
) -> list[Tab]:
    others = {*_DECISION_FIELDS, *_DUTY_FIELDS}
    at = columns.index("trace_id") + 1  # the source attributes follow our own columns
    own = columns[:at]
    areas = [name for name in own if name.endswith(_PAIRED) and name not in others]
    ours = {*_DECISION_FIELDS, *_DUTY_FIELDS, *areas, *_CODES}
    computed = [name for name in own if name.startswith("fact_")]
    rest = [name for name in own if name not in ours and name not in computed]

    def related(key: str) -> dict[str, str]:
        whole = layer.name == "decisions"
        names = [name for name in CHILDREN[key] if name in there] if whole else []
        return {f"decisions_{name}": there[name].identifier for name in names}

    trace = {f"{layer.name}_trace": there["trace"].identifier} if "trace" in there else {}
    return [
        Tab(tab["decision"], _DECISION_FIELDS),
        Tab(
            tab["overlaps"],
            groups=[Tab(tab["areas"], areas, box=True)],
            relations=related("overlaps"),
        ),
        Tab(tab["trace"], ("rule", "clause"), trace),
        Tab(
            tab["facts"],
            groups=[Tab(tab["computed"], computed, box=True)],
            relations=related("facts"),
        ),
        Tab(tab["duties"], [*_DUTY_FIELDS, *rest, *_CODES]),
        Tab(tab["review"], (), related("review")),
        Tab(tab["source"], list(columns[at:])),
    ]


def _review_rules(language: str, *, related: bool) -> dict[str, Rule]:
    words = review_words("words", language)
    outcomes = ", ".join(f"'{outcome}'" for outcome in Outcome)
    rules = {
        "person": Rule(told=words["needs_name"], required=True, default="@user_full_name"),
        "role": Rule(default="'reviewer'"),
        "made_at": Rule(default="format_date(now(), 'yyyy-MM-ddTHH:mm:ss')"),
        "kind": Rule(required=True, default="'note'"),
        "value": Rule(
            f'"kind" IS NOT \'overrule\' OR "value" IN ({outcomes})',
            words["needs_outcome"],
        ),
        "fact": Rule('"kind" IS NOT \'settle\' OR "fact" IS NOT NULL', words["needs_fact"]),
        "remark": Rule(
            "\"kind\" IS NOT 'overrule' OR length(trim(coalesce(\"remark\", ''))) > 0",
            words["needs_reason"],
        ),
    }
    if related:
        known = "get_feature('landremed_decisions', 'parcel_id', \"parcel_id\") IS NOT NULL"
        rules["parcel_id"] = Rule(known, words["needs_parcel"], required=True)
    return rules
