"""A second, naive law engine, written from the plan's tables alone: it walks through every completion.

It shares nothing with landremed.law: tables are lambdas, dates are enumerated day by day.
"""

from __future__ import annotations

import itertools
from datetime import date, timedelta

from landremed.types import UNKNOWN, PartialDate

ORDER = ("retain", "complete_paperwork", "demolish_restore", "needs_review", "out_of_scope")
SUBTYPES = {
    "lake": ("park_green", "lake_digging"),
    "illegal_occupation": ("industrial", "public_service", "infrastructure", "residential"),
    "idle_land": ("idle", "default_completion"),
}
REASONS = {
    "park_green": {"road_river_greenbelt", "temporary_greening", "survey_error", "other"},
    "lake_digging": {
        "survey_precision", "ecological_restoration", "river_reservoir_temporary_farmland",
        "pond_restructuring", "sliver", "survey_error", "other",
    },
}  # fmt: skip
CODES = {
    "idle_cause": ("government", "own", "judicial"),
    "disposal_mode": ("urge_construction", "reclaim", "swap"),
    "abandonment_cause": (
        "waste_dump", "poor_natural_conditions", "legal_dispute", "contractor_abandoned",
        "objective_impossible", "other",
    ),
    "supply_status": ("project_not_landed", "used_not_supplied", "corner_land"),
    "feedback_source": ("inspection", "audit", "national_inspector", "other"),
}  # fmt: skip
CLAIMS = {"conversion_done", "followup_done", "court_enforcement_approved", "feedback_source", "feedback_on",
          "feedback_deadline"}  # fmt: skip
RELATED = ("lake", "illegal_occupation", "pre_expropriation", "irregular_reserve", "none")
# In the order of the vocabulary; the oracle's own copy of rules.md section 3.
FACT_ORDER = (
    "category", "subtype", "occurred_on", "feedback_source", "feedback_on", "feedback_deadline",
    "court_enforcement_approved", "exemption", "plan_conforms", "plan_includable", "approval_obtained",
    "conversion_possible", "ecological_construction", "safety_compliant", "safety_rectifiable", "abandoned",
    "above_scale_industry", "retained_park", "demolition_required_by_law", "conversion_done", "followup_done",
    "owners_willing_to_return", "quota_available", "major_infrastructure", "swap_possible", "idle_cause",
    "disposal_mode", "cultivable", "abandonment_cause", "related_category", "supply_status",
    "occupies_permanent_basic_farmland", "occupies_ecological_red_line", "within_urban_development_boundary",
    "within_green_barrier", "red_line_outside_boundary", "farmland_outside_boundary",
)  # fmt: skip
PAPER, DEMOLISH, RETAIN, ELSEWHERE = "complete_paperwork", "demolish_restore", "retain", "out_of_scope"


def _occ_clause(f):
    return "3.2.1(1)" if f["subtype"] == "industrial" else "3.2.1(2)"


PARK = [
    ("lake.park.approved", "3.1.1(1)", lambda f: f["approval_obtained"], RETAIN, "approval_in_place"),
    ("lake.park.exempt_outside", "3.1.1(1)",
     lambda f: f["exempt"] and not f["within_urban_development_boundary"], RETAIN, "exempt"),
    ("lake.park.outside_boundary", "3.1.1(1)",
     lambda f: not f["within_urban_development_boundary"], DEMOLISH, "fill_and_recultivate"),
    ("lake.park.conforms", "3.1.1(1)", lambda f: f["plan_conforms"], PAPER, "obtain_approval"),
    ("lake.park.convertible", "3.1.1(1)",
     lambda f: not f["plan_conforms"] and f["conversion_possible"], PAPER, "obtain_approval"),
    ("lake.park.exempt", "3.1.1(1)",
     lambda f: f["exempt"] and not f["plan_conforms"] and not f["conversion_possible"], RETAIN, "exempt"),
    ("lake.park.not_convertible", "3.1.1(1)",
     lambda f: not f["plan_conforms"] and not f["conversion_possible"], DEMOLISH, "fill_and_recultivate"),
]  # fmt: skip
DIG = [
    ("lake.dig.in_barrier", "3.1.1(2)", lambda f: f["within_green_barrier"], PAPER,
     "supplement_barrier_procedures"),
    ("lake.dig.ecological", "3.1.1(2)", lambda f: f["ecological_construction"], RETAIN, "ecological_use"),
    ("lake.dig.exempt", "3.1.1(2)", lambda f: f["exempt"], RETAIN, "exempt"),
    ("lake.dig.fill", "3.1.1(2)", lambda f: not f["ecological_construction"], DEMOLISH,
     "fill_and_recultivate"),
]  # fmt: skip
OCC = [
    ("occ.residential", "3.2", lambda f: f["subtype"] == "residential", ELSEWHERE, "rural_housing_programme"),
    ("occ.before_scope", "3.2", lambda f: f["occurred_on"] < date(2004, 10, 21), ELSEWHERE,
     "before_2004_decision"),
    ("occ.plan", _occ_clause, lambda f: not f["plan_conforms"] and not f["plan_includable"], DEMOLISH,
     "demolish"),
    ("occ.red_line", _occ_clause, lambda f: f["occupies_ecological_red_line"], DEMOLISH, "demolish"),
    ("occ.safety", _occ_clause, lambda f: not f["safety_compliant"] and not f["safety_rectifiable"], DEMOLISH,
     "demolish"),
    ("occ.abandoned", _occ_clause, lambda f: f["abandoned"], DEMOLISH, "demolish"),
    ("occ.industry_scale", "3.2.1(1)",
     lambda f: f["subtype"] == "industrial" and not f["above_scale_industry"] and not f["retained_park"],
     DEMOLISH, "demolish"),
    ("occ.by_law", _occ_clause, lambda f: f["demolition_required_by_law"], DEMOLISH, "demolish"),
    ("occ.finished", "3.2.1(3)", lambda f: f["conversion_done"] and f["followup_done"], RETAIN,
     "followup_finished"),
    ("occ.followup", "3.2.1(3)", lambda f: f["conversion_done"], PAPER, "complete_followup_procedures"),
    ("occ.paperwork", _occ_clause, lambda f: True, PAPER, "complete_land_procedures"),
]  # fmt: skip
PRE = [
    ("pre.hold", "3.3.1(3)", lambda f: f["plan_conforms"], RETAIN, "hold_on_account"),
    ("pre.terminate", "3.3.1(1)",
     lambda f: not f["plan_conforms"] and not f["conversion_possible"] and f["owners_willing_to_return"],
     DEMOLISH, "terminate_and_return"),
    ("pre.lease", "3.3.1(2)",
     lambda f: not f["plan_conforms"] and not f["conversion_possible"] and not f["owners_willing_to_return"],
     PAPER, "convert_to_lease"),
]  # fmt: skip
RES = [
    ("res.red_line", "3.4.1(3)", lambda f: f["red_line_outside_boundary"], DEMOLISH, "terminate_and_return"),
    ("res.farmland_major", "3.4.1(4)",
     lambda f: f["farmland_outside_boundary"] and f["quota_available"] and f["major_infrastructure"],
     PAPER, "implement_after_approval"),
    ("res.farmland_swap", "3.4.1(4)",
     lambda f: f["farmland_outside_boundary"] and not f["quota_available"] and f["swap_possible"],
     PAPER, "offsite_swap"),
    ("res.farmland_terminate", "3.4.1(4)",
     lambda f: f["farmland_outside_boundary"] and not f["quota_available"] and not f["swap_possible"],
     DEMOLISH, "terminate_and_return"),
    ("res.quota", "3.4.1(1)", lambda f: not f["farmland_outside_boundary"] and f["quota_available"],
     PAPER, "written_commitment"),
    ("res.swap", "3.4.2(1)",
     lambda f: not f["farmland_outside_boundary"] and not f["quota_available"] and f["swap_possible"],
     PAPER, "offsite_swap"),
    ("res.return", "3.4.1(2)",
     lambda f: not f["farmland_outside_boundary"] and not f["quota_available"] and not f["swap_possible"]
     and f["owners_willing_to_return"], DEMOLISH, "terminate_and_return"),
    ("res.lease", "3.4.1(2)",
     lambda f: not f["farmland_outside_boundary"] and not f["quota_available"] and not f["swap_possible"]
     and not f["owners_willing_to_return"], PAPER, "convert_to_lease"),
]  # fmt: skip
IDLE = [
    ("idle.default", "3.5.1", lambda f: f["subtype"] == "default_completion", PAPER, "disposal_opinion"),
    ("idle.judicial", "3.5.1", lambda f: f["idle_cause"] == "judicial", PAPER, "notify_judiciary"),
    ("idle.own", "3.5.1", lambda f: f["idle_cause"] == "own", PAPER, "fee_or_reclaim"),
    ("idle.urge", "3.5.1", lambda f: f["disposal_mode"] == "urge_construction", PAPER, "urge_construction"),
    ("idle.reclaim", "3.5.1", lambda f: f["disposal_mode"] == "reclaim", PAPER, "reclaim"),
    ("idle.swap", "3.5.1", lambda f: f["disposal_mode"] == "swap", PAPER, "swap"),
]  # fmt: skip
ABAND = [
    ("aband.consolidate", "3.6.1(4)", lambda f: f["abandonment_cause"] == "objective_impossible", DEMOLISH,
     "land_consolidation"),
    ("aband.replant", "3.6.1(1)", lambda f: f["cultivable"], DEMOLISH, "replant"),
    ("aband.clear", "3.6.1(2)", lambda f: f["abandonment_cause"] == "waste_dump", DEMOLISH,
     "clear_and_replant"),
    ("aband.improve", "3.6.1(2)", lambda f: f["abandonment_cause"] == "poor_natural_conditions", DEMOLISH,
     "improve_and_replant"),
    ("aband.dispute", "3.6.1(3)",
     lambda f: f["abandonment_cause"] in ("legal_dispute", "contractor_abandoned", "other"), PAPER,
     "set_measures_and_deadline"),
]  # fmt: skip
UNSUP = [
    ("unsup.digest", "3.7.1(1)", lambda f: f["supply_status"] == "project_not_landed", PAPER, "digest_stock"),
    ("unsup.complete", "3.7.1(2)", lambda f: f["supply_status"] == "used_not_supplied", PAPER,
     "complete_supply_procedures"),
    ("unsup.corner", "3.7.1(3)", lambda f: f["supply_status"] == "corner_land", PAPER,
     "allocate_to_department"),
]  # fmt: skip
ALL_RULES = [row[0] for table in (PARK, DIG, OCC, PRE, RES, IDLE, ABAND, UNSUP) for row in table]
FACTS = {
    "lake": ("approval_obtained", "exemption", "within_urban_development_boundary", "plan_conforms",
             "conversion_possible", "within_green_barrier", "ecological_construction"),
    "illegal_occupation": (
        "occurred_on", "plan_conforms", "plan_includable", "occupies_ecological_red_line", "safety_compliant",
        "safety_rectifiable", "abandoned", "above_scale_industry", "retained_park",
        "demolition_required_by_law", "conversion_done", "followup_done", "feedback_source", "feedback_on",
        "feedback_deadline", "court_enforcement_approved", "occupies_permanent_basic_farmland",
    ),
    "pre_expropriation": ("plan_conforms", "conversion_possible", "owners_willing_to_return"),
    "irregular_reserve": ("red_line_outside_boundary", "farmland_outside_boundary", "quota_available",
                          "major_infrastructure", "swap_possible", "owners_willing_to_return"),
    "idle_land": ("idle_cause", "disposal_mode"),
    "abandoned_farmland": ("abandonment_cause", "cultivable"),
    "approved_unsupplied": ("supply_status",),
}  # fmt: skip
SCHEDULES = (
    "lake.obtainable", "lake.park_fill", "lake.barrier", "lake.dig_fill", "occ.new", "occ.feedback",
    "occ.certain", "occ.other", "pre.lease", "pre.hold", "pre.terminate", "res.commitment", "res.no_quota",
    "res.red_line", "res.farmland", "idle", "default", "aband", "aband.consolidation", "unsup",
)  # fmt: skip
LAST_DAY = {
    "lake.obtainable": date(2022, 2, 28), "lake.park_fill": date(2022, 12, 31),
    "lake.barrier": date(2022, 2, 28), "lake.dig_fill": date(2022, 12, 31), "occ.new": None,
    "occ.certain": date(2021, 12, 31), "occ.other": date(2023, 6, 30), "pre.lease": date(2022, 2, 28),
    "pre.hold": date(2022, 6, 30), "pre.terminate": None, "res.commitment": date(2021, 10, 31),
    "res.no_quota": date(2022, 12, 31), "res.red_line": date(2023, 3, 31), "res.farmland": date(2023, 3, 31),
    "idle": date(2022, 12, 31), "default": date(2023, 6, 30), "aband": date(2022, 6, 30),
    "aband.consolidation": date(2023, 6, 30), "unsup": date(2023, 6, 30),
}  # fmt: skip
NO_SCHEDULE = {"exempt", "approval_in_place", "ecological_use", "followup_finished"}


def table_of(target, subtype):
    if target == "lake":
        return PARK if subtype == "park_green" else DIG
    return {
        "illegal_occupation": OCC, "pre_expropriation": PRE, "irregular_reserve": RES, "idle_land": IDLE,
        "abandoned_farmland": ABAND, "approved_unsupplied": UNSUP,
    }[target]  # fmt: skip


def domain(name, value):
    """Possible complete values of a fact."""
    if value is None and name in CLAIMS:
        return [None] if name.startswith("feedback") else [False]
    if name.endswith(("_on", "_deadline")):
        if isinstance(value, PartialDate):
            days = (value.last - value.first).days
            return [value.first + timedelta(days=n) for n in range(days + 1)]
        # every side of every date the plan names
        return [date(1, 1, 1), date(2004, 10, 20), date(2004, 10, 21), date(2014, 12, 31), date(2015, 1, 1),
                date(2020, 7, 3), date(2020, 7, 4), date(2021, 12, 30), date(2021, 12, 31),
                date(2022, 1, 1)]  # fmt: skip
    if value is None or value is UNKNOWN:
        return list(CODES.get(name, (True, False)))
    return [value]


def completions(category, facts):
    """Yield (target, subtype, complete facts, names of the open ones) for every completion."""
    targets = [category]
    if category == "abandoned_farmland":
        related = facts.get("related_category")
        named = RELATED if related is UNKNOWN else (related or "none",)
        targets = [category if name == "none" else name for name in named]
    for target in targets:
        given = facts.get("subtype")
        listed = SUBTYPES.get(target, ("",))
        for subtype in (given,) if given in listed else listed:
            names = [n for n in FACTS[target] if n not in ("exemption", "occupies_permanent_basic_farmland")]
            domains = [domain(name, facts.get(name)) for name in names]
            reason = facts.get("exemption")
            exempt = [reason in REASONS.get(subtype, ())]
            if reason is not None and reason not in REASONS.get(subtype, ()):
                exempt = [True, False]
            if target != "lake":
                exempt = [False]
            names.append("exempt")
            domains.append(exempt)
            open_names = {name for name, values in zip(names, domains, strict=True) if len(values) > 1}
            for values in itertools.product(*domains):
                complete = dict(zip(names, values, strict=True))
                complete["subtype"] = subtype
                yield target, subtype, complete, open_names


def first_rule(target, complete):
    for rule, clause, holds, outcome, measure in table_of(target, complete["subtype"]):
        if holds(complete):
            return rule, clause(complete) if callable(clause) else clause, outcome, measure
    return None, None, "needs_review", ""


def schedule_of(target, rule, clause, outcome, measure, f, farmland):
    if outcome in ("needs_review", "out_of_scope") or measure in NO_SCHEDULE:
        return None
    if target == "illegal_occupation":
        return _occ_schedule(f, farmland)
    if target == "lake":
        names = {"obtain_approval": "lake.obtainable", "supplement_barrier_procedures": "lake.barrier",
                 "fill_and_recultivate": "lake.park_fill" if f["subtype"] == "park_green" else
                 "lake.dig_fill"}  # fmt: skip
        return names[measure]
    if target == "pre_expropriation":
        return rule
    if target == "irregular_reserve":
        return {
            "3.4.1(1)": "res.commitment",
            "3.4.1(2)": "res.no_quota",
            "3.4.2(1)": "res.no_quota",
            "3.4.1(3)": "res.red_line",
            "3.4.1(4)": "res.commitment" if rule == "res.farmland_major" else "res.farmland",
        }[clause]
    if target == "idle_land":
        return "default" if f["subtype"] == "default_completion" else "idle"
    if target == "abandoned_farmland":
        return "aband.consolidation" if measure == "land_consolidation" else "aband"
    return "unsup"


def certain(f, farmland):
    inspector = f["feedback_source"] == "national_inspector" and f["feedback_on"] is not None
    return bool(
        farmland is True
        or f["court_enforcement_approved"]
        or (inspector and f["feedback_on"] >= date(2015, 1, 1))
    )


def reported(f):
    return f["feedback_source"] in ("inspection", "audit", "national_inspector") and (
        f["feedback_deadline"] is not None
    )


def _occ_schedule(f, farmland):
    if f["occurred_on"] > date(2020, 7, 3):
        return "occ.new"
    if reported(f) and certain(f, farmland):
        return "occ.feedback" if f["feedback_deadline"] < date(2021, 12, 31) else "occ.certain"
    if reported(f):
        return "occ.feedback"
    return "occ.certain" if certain(f, farmland) else "occ.other"


def judge(category, facts):
    """Return outcome, measure, reason, rules, clauses, possible, missing, schedules, due_on."""
    farmland = facts.get("occupies_permanent_basic_farmland")
    results, fired, schedules, points = set(), set(), set(), []
    for target, subtype, complete, open_names in completions(category, facts):
        rule, clause, outcome, measure = first_rule(target, complete)
        results.add((outcome, measure))
        if rule:
            fired.add((rule, clause))
        schedules.add(schedule_of(target, rule, clause, outcome, measure, complete, farmland))
        open_facts = {name: complete[name] for name in open_names}
        points.append((target, subtype, open_facts, (outcome, measure)))
    outcomes = {outcome for outcome, _ in results}
    missing = missing_facts(points) if len(results) > 1 else []
    possible = [o for o in ORDER if o in outcomes and o != "needs_review"] if len(outcomes) > 1 else []
    if len(outcomes) > 1:
        return "needs_review", "", "missing_facts", [], set(), possible, missing, [], None
    outcome = next(iter(outcomes))
    if outcome == "needs_review":
        return "needs_review", "", "no_clause", [], set(), [], [], [], None
    measure = next(iter(results))[1] if len(results) == 1 else ""
    rules = [rule for rule in ALL_RULES if rule in {name for name, _ in fired}]
    names = [name for name in SCHEDULES if name in schedules]
    days = [LAST_DAY[n] if n != "occ.feedback" else _deadline(facts) for n in names]
    due = min((day for day in days if day is not None), default=None)
    return outcome, measure, "", rules, {clause for _, clause in fired}, possible, missing, names, due


def _deadline(facts):
    value = facts.get("feedback_deadline")
    return value.first if isinstance(value, PartialDate) else None


def missing_facts(points):
    """Facts for which two completions differ in that fact alone, with other results."""
    contexts = {}
    for target, subtype, open_facts, result in points:
        contexts.setdefault((target, subtype), []).append((open_facts, result))
    found = set()
    for members in contexts.values():
        for name in members[0][0]:
            others = [other for other in members[0][0] if other != name]
            if any(len(results) > 1 for results in _by(members, others).values()):
                found.add("exemption" if name == "exempt" else name)
    for (first, mine), (second, theirs) in itertools.combinations(contexts.items(), 2):
        # two contexts differ in one fact alone where they agree on the open facts that both have
        shared = sorted(set(mine[0][0]) & set(theirs[0][0]))
        left, right = _by(mine, shared), _by(theirs, shared)
        if any(len(left[key] | right[key]) > 1 for key in left.keys() & right.keys()):
            found.add("subtype" if first[0] == second[0] else "related_category")
    return [name for name in FACT_ORDER if name in found]


def _by(members, names):
    groups = {}
    for open_facts, result in members:
        groups.setdefault(tuple(open_facts[name] for name in names), set()).add(result)
    return groups
