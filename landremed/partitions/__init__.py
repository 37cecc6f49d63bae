"""A run in partitions: shares of the parcels measured and decided by themselves, then merged.

Three steps share a folder beside the output: ``spool`` writes the inputs there, ``run_partition`` does one
share (a pure function of the folder and the share's number), ``merge`` puts the results together in the order
of the parcels' file. Who runs the shares, and where, is the business of an ``Executor`` alone; the result is
the same for every executor and every size of share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from landremed.late import late_names

if TYPE_CHECKING:
    from landremed.partitions.executors import Executor, InProcess, LocalProcesses
    from landremed.partitions.work import Done, run_partition

__all__ = ["Done", "Executor", "InProcess", "LocalProcesses", "run_partition"]

__getattr__ = late_names(
    __name__,
    {
        "landremed.partitions.executors": ("Executor", "InProcess", "LocalProcesses"),
        "landremed.partitions.work": ("Done", "run_partition"),
    },
)
