"""Two results held against each other: what changed, and what made it."""

from landremed.diff.compare import compare
from landremed.diff.layers import difference_layers, write_difference
from landremed.diff.records import Change, Difference
from landremed.diff.search import SEARCH_LIMIT
from landremed.diff.settled import ledger_marks
from landremed.diff.show import difference_document, difference_text
from landremed.diff.sides import read_side, side_of_run
from landremed.diff.whatif import compare_settings

__all__ = [
    "SEARCH_LIMIT",
    "Change",
    "Difference",
    "compare",
    "compare_settings",
    "difference_document",
    "difference_layers",
    "difference_text",
    "ledger_marks",
    "read_side",
    "side_of_run",
    "write_difference",
]
