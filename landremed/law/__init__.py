"""Rule books, and what follows from them: decisions, deadlines, duties. Pure Python, no geometry."""

from landremed.law.book import RuleBook
from landremed.law.decide import decide, facts_used
from landremed.law.decision import Decision, TraceStep
from landremed.law.load import load_rulebook
from landremed.law.parts import combine_parts
from landremed.law.records import AcceptanceItem, Duties, Reading, Schedule, Step
from landremed.law.vocabulary import load_vocabulary

__all__ = [
    "AcceptanceItem",
    "Decision",
    "Duties",
    "Reading",
    "RuleBook",
    "Schedule",
    "Step",
    "TraceStep",
    "combine_parts",
    "decide",
    "facts_used",
    "load_rulebook",
    "load_vocabulary",
]
