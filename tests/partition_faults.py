"""Faults of workers, in the middle of a partition; also the program that is killed as a whole.

python partition_faults.py worker FAULT           a worker of LocalProcesses with a fault
python partition_faults.py main HOW PROJECT OUT   a whole run in partitions
"""

import os
import resource
import signal
import sys
import time
from pathlib import Path

from landremed.partitions import work

SIZE = 100


def in_the_middle(folder, number, marker, what):
    """Do a partition and let something happen when its tables are written, before they get their names."""
    finish = work.finish_done

    def finish_done(*arguments, **options):
        with (Path(folder).parent / marker).open("a") as file:
            file.write(f"{number}\n")
        what()
        finish(*arguments, **options)

    work.finish_done = finish_done
    try:
        return work.run_partition(folder, number)
    finally:
        work.finish_done = finish


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def killed_once(folder, number):
    if number == 2 and not (Path(folder).parent / "killed").exists():
        return in_the_middle(folder, number, "killed", die)
    return work.run_partition(folder, number)


def killed_always(folder, number):
    if number == 2:
        return in_the_middle(folder, number, "killed", die)
    return work.run_partition(folder, number)


def no_room(folder, number):
    """The process that comes first can write small files only."""
    first = Path(folder).parent / "first"
    try:
        first.touch(exist_ok=False)
        first.write_text(str(os.getpid()))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, resource.RLIM_INFINITY))
    except FileExistsError:
        pass
    return work.run_partition(folder, number)


def slow(folder, number):
    time.sleep(0.3)
    return work.run_partition(folder, number)


def run(project, out, executor, size=SIZE):
    """Run in partitions and write a folder; return how many partitions were done before."""
    from landremed.api import write_result
    from landremed.partitions.memory import Bounds
    from landremed.partitions.run import run_partitions

    done = run_partitions(
        project, out, engine="auto", executor=executor, stage=lambda name: None, progress=None,
        entries=dict, bounds=Bounds(rows=size),
    )  # fmt: skip
    write_result(f"{out}/", done.layers, done.basis.crs.to_wkt(), project, False, done.basis)
    done.remove()
    return done.reused


def faulty_workers(monkeypatch, fault):
    """Let LocalProcesses start workers with a fault."""
    from landremed.partitions import executors

    begin = executors.subprocess.Popen

    def popen(command, *arguments, **options):
        if "landremed.partitions.worker" in command:
            command = [*command[: command.index("-m")], __file__, "worker", fault]
        return begin(command, *arguments, **options)

    monkeypatch.setattr(executors.subprocess, "Popen", popen)


def main():
    if sys.argv[1] == "worker":
        from landremed.partitions import worker

        worker.run_partition = globals()[sys.argv[2]]
        worker.serve()
        return
    import pytest

    from landremed.partitions.dask_cluster import DaskCluster
    from landremed.partitions.executors import LocalProcesses
    from landremed.project import load_project

    how, file, out = sys.argv[2:]
    with pytest.MonkeyPatch.context() as patch:
        faulty_workers(patch, "slow")
        begun = LocalProcesses(2) if how == "processes" else DaskCluster(how, work=slow)
    with begun as executor:
        run(load_project(file), Path(out), executor)


if __name__ == "__main__":
    main()
