"""What people add to a result: reviews in their own tables, packages for the field, and merging them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from landremed.late import late_names

if TYPE_CHECKING:
    from landremed.io.gpkg_project import relink
    from landremed.review.evidence import write_evidence
    from landremed.review.merge import Merged, merge_reviews
    from landremed.review.pack import Package, pack_reviews

__all__ = ["Merged", "Package", "merge_reviews", "pack_reviews", "relink", "write_evidence"]

__getattr__ = late_names(
    __name__,
    {
        "landremed.io.gpkg_project": ("relink",),
        "landremed.review.evidence": ("write_evidence",),
        "landremed.review.merge": ("Merged", "merge_reviews"),
        "landremed.review.pack": ("Package", "pack_reviews"),
    },
)
