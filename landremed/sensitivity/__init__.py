"""How near to the edge a parcel was decided: what moving a layer's boundary would change.

The boundary of one layer at a time is moved, outward and inward, by the true distance (round corners), and
the parcel is decided again. The law is asked first whether any value of the layer's facts could change the
outcome, and only parcels near the layer's edge are looked at, on their own ground alone.
"""

from landremed.sensitivity.edges import EDGE_SCHEMA, Edges, KeptEdges, LayerEdges, kept_table
from landremed.sensitivity.firmness import Firmness, Judgement, firmness, pairs_asked

__all__ = [
    "EDGE_SCHEMA",
    "Edges",
    "Firmness",
    "Judgement",
    "KeptEdges",
    "LayerEdges",
    "firmness",
    "kept_table",
    "pairs_asked",
]
