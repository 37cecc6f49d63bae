"""Overlaps under or near the tolerance, and what each comes from (``docs/slivers.md``). Names decide nothing.

What follows from one parcel and the layers is found with its share of the parcels (``with_evidence``); that a
layer is shifted is voted by all of them. Votes and counts are sums of whole numbers, so that shares add up
to the same whole: ``merged_votes``, ``find_shifts``, then ``named`` for each share and ``added_counts``.
"""

from landremed.slivers.evidence import examined, with_evidence
from landremed.slivers.kinds import EVIDENCE, VOTES_BY_PARCEL, VOTES_SCHEMA, SliverKind
from landremed.slivers.naming import KindCounts, added_counts, kind_counts, named, sliver_findings, telling
from landremed.slivers.shift import Shift, find_shifts, merged_votes

__all__ = [
    "EVIDENCE",
    "VOTES_BY_PARCEL",
    "VOTES_SCHEMA",
    "KindCounts",
    "Shift",
    "SliverKind",
    "added_counts",
    "examined",
    "find_shifts",
    "kind_counts",
    "merged_votes",
    "named",
    "sliver_findings",
    "telling",
    "with_evidence",
]
