"""A run in partitions: shares of the parcels measured and decided by themselves, then merged.

Three steps share a folder beside the output: ``spool`` writes the inputs there, ``run_partition`` does one
share (a pure function of the folder and the share's number), ``merge`` puts the results together in the order
of the parcels' file. Who runs the shares, and where, is the business of an ``Executor`` alone; the result is
the same for every executor and every size of share.
"""

from landremed.partitions.executors import Executor, InProcess, LocalProcesses
from landremed.partitions.work import Done, run_partition

__all__ = ["Done", "Executor", "InProcess", "LocalProcesses", "run_partition"]
