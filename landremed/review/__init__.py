"""What people add to a result: reviews in their own tables, packages for the field, and merging them back."""

from __future__ import annotations

from landremed.io.gpkg_project import relink
from landremed.review.evidence import write_evidence
from landremed.review.merge import Merged, merge_reviews
from landremed.review.pack import Package, pack_reviews

__all__ = ["Merged", "Package", "merge_reviews", "pack_reviews", "relink", "write_evidence"]
