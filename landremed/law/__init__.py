"""Rule books, and what follows from them: decisions, deadlines, duties. Pure Python, no geometry."""

from typing import TYPE_CHECKING

from landremed.late import late_names
from landremed.law.book import RuleBook
from landremed.law.brief import Brief, brief
from landremed.law.decide import decide, facts_used, value_keys
from landremed.law.decision import Decision, TraceStep
from landremed.law.elements import NOTHING_DUE, Timing, Verdict, assembled
from landremed.law.frame import Frame, frame_of, frame_selectors
from landremed.law.load import load_rulebook
from landremed.law.outcome import outcome_facts, outcome_known, outcome_of
from landremed.law.parts import combine_parts
from landremed.law.records import AcceptanceItem, Duties, Reading, Schedule, Step
from landremed.law.situation import fact_text
from landremed.law.trace import present
from landremed.law.vocabulary import load_vocabulary

if TYPE_CHECKING:
    from landremed.law.describe import RuleCard, describe_rule, list_rules
    from landremed.law.lint import CheckReport, check_rulebook, test_rulebook

__all__ = [
    "NOTHING_DUE",
    "AcceptanceItem",
    "Brief",
    "CheckReport",
    "Decision",
    "Duties",
    "Frame",
    "Reading",
    "RuleBook",
    "RuleCard",
    "Schedule",
    "Step",
    "Timing",
    "TraceStep",
    "Verdict",
    "assembled",
    "brief",
    "check_rulebook",
    "combine_parts",
    "decide",
    "describe_rule",
    "fact_text",
    "facts_used",
    "frame_of",
    "frame_selectors",
    "list_rules",
    "load_rulebook",
    "load_vocabulary",
    "outcome_facts",
    "outcome_known",
    "outcome_of",
    "present",
    "test_rulebook",
    "value_keys",
]

__getattr__ = late_names(
    __name__,
    {
        "landremed.law.describe": ("RuleCard", "describe_rule", "list_rules"),
        "landremed.law.lint": ("CheckReport", "check_rulebook", "test_rulebook"),
    },
)
