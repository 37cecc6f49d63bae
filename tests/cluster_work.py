"""What workers do in the tests of clusters, and how single ones are changed."""

import os
import time
from pathlib import Path

from landremed.partitions import dask_fitness
from landremed.partitions.scratch import read_manifest
from landremed.partitions.work import Done
from landremed.provenance import version


def begun(folder, number):
    """Note that a partition is begun; return how often it has been."""
    with (Path(folder) / "begun.txt").open("a") as file:
        file.write(f"{number} {os.getpid()}\n")
    lines = (Path(folder) / "begun.txt").read_text().splitlines()
    return sum(line.split()[0] == str(number) for line in lines)


def does(folder, number):
    begun(folder, number)
    time.sleep(0.05)
    return Done(number, 10, 0.05, 1.0, str(os.getpid()), reused=False)


def overlaps(folder, number):
    for step in ("begin", "end"):
        with (Path(folder) / "begun.txt").open("a") as file:
            file.write(f"{step}\n")
        time.sleep(0.05)
    return Done(number, 10, 0.05, 1.0, str(os.getpid()), reused=False)


def breaks(folder, number):
    raise ZeroDivisionError(f"in {number}")


def waits(folder, number):
    begun(folder, number)
    time.sleep(60)


def one_blind():
    """Let this process see no scratch folder, as where the storage is not mounted."""
    dask_fitness.read_manifest = lambda folder: None


def one_older():
    dask_fitness.version = lambda: "0.0.1"


def as_before():
    dask_fitness.read_manifest, dask_fitness.version = read_manifest, version
