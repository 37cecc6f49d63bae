"""What was computed on equal ground is taken over from an earlier run.

Beside a result lies ``OUT.gpkg.measures``: what the engine measured of every parcel (and of every part of a
cut one), and how firm every outcome was found to be, each under the hash of what it hangs on. What is not
found is computed, so that nothing but hashes decides what is taken over::

    landremed.run(project, "first.gpkg", reuse=Reuse())
    landremed.run(project, "second.gpkg", reuse=Reuse("first.gpkg"))

A layer is held against its earlier state once, feature by feature. A parcel away from every feature that
changed stands on the ground on which it stood, and need not be held against the layers at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from landremed.late import late_names

if TYPE_CHECKING:
    from landremed.reuse.begun import begin, measures_path
    from landremed.reuse.taking import Reuse

__all__ = ["Reuse", "begin", "measures_path"]

__getattr__ = late_names(
    __name__, {"landremed.reuse.begun": ("begin", "measures_path"), "landremed.reuse.taking": ("Reuse",)}
)
