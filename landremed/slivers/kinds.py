"""What a small overlap may come from, and the limits by which it is recognised (``docs/slivers.md``)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import pyarrow as pa

__all__ = [
    "AGREES_M",
    "AGREES_SHARE",
    "CURVE_FROM_M",
    "ELONGATED",
    "EVIDENCE",
    "HAIR_M",
    "PART_NUMBERS",
    "REACH",
    "SIDE_SHARE",
    "VOTES_BY_PARCEL",
    "VOTES_SCHEMA",
    "SliverKind",
]


class SliverKind(StrEnum):
    """What an overlap under or near the tolerance comes from, the least excusable first."""

    REAL_SMALL = "real_small"
    SHARED_EDGE = "shared_edge"
    SHIFTED_LAYER = "shifted_layer"
    CUT_REMNANT = "cut_remnant"
    CHORD = "chord"


ELONGATED: Final = 0.1
"""Mean width over length up to which a shape is a strip (four times its area over its perimeter squared)."""

SIDE_SHARE: Final = 0.2
"""Least share of a strip's outline that is the layer's edge, and that is the parcel's."""

REACH: Final = 3.0
"""Strips up to so many times ``tolerance.position_m`` wide tell where a layer is shifted to."""

HAIR_M: Final = 2e-3
"""A strip thinner than this comes from rounding or cutting; survey data keep coordinates to 0.1 to 1 mm."""

CURVE_FROM_M: Final = 100.0
"""Straight edges shorter than this differ by less than 0.2 mm between coordinate systems."""

AGREES_SHARE: Final = 0.2
AGREES_M: Final = 0.01
"""A strip agrees with a shift to within a fifth of its length, and at least a centimetre."""

EVIDENCE: Final = "_sliver_evidence"
"""Column of a share's overlaps by which ``named`` tells what a shift explains; it does not reach a result."""

PART_NUMBERS: Final = 12
"""Numbers kept of every part: 9 moments of its offsets, length matched, layer's side, extent."""

VOTES_SCHEMA: Final = pa.schema(
    [
        ("layer", pa.string()),
        ("degree", pa.int16()),
        ("step", pa.int32()),
        ("count", pa.int64()),
        ("normal_x", pa.int64()),
        ("normal_y", pa.int64()),
        ("offset", pa.int64()),
    ]
)
"""Votes on how far a layer lies from the parcels' edges, by direction (degree) and offset (5 mm).

Sums of whole numbers (normals in millionths, offsets in hundredths of a millimetre), so that the votes of
shares of the parcels add up to those of the whole, in any order.
"""

VOTES_BY_PARCEL: Final = pa.schema([("parcel", pa.int32()), *VOTES_SCHEMA])
"""The same, one vote a row, with the parcel that casts it."""
