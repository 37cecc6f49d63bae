"""Proof on the ground: what rasters before and after show of a parcel's restoration.

Evidence for people, never a decision: a verdict says whether the rasters support what is claimed, and no
parcel is closed by it.
"""

from landremed.verify.claims import word
from landremed.verify.job import Imagery, LandCover, Options, Verification, verify_restoration
from landremed.verify.ledger import ledger_notes

__all__ = [
    "Imagery",
    "LandCover",
    "Options",
    "Verification",
    "ledger_notes",
    "verify_restoration",
    "word",
]
