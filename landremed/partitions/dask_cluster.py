"""Who runs partitions on several machines, or apart on this one: the workers of a dask cluster.

Dask carries partitions to workers and answers back. Which worker does which partition is decided here, one at
a time for each, so that a partition whose worker dies is known for certain, and no other is blamed.
"""

from __future__ import annotations

import logging
import os
import queue
import re
import signal
import sys
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from landremed.errors import LandremedError, short
from landremed.partitions.dask_fitness import failed, probe, unfit
from landremed.partitions.executors import TRIES, Closing
from landremed.partitions.patience import in_time
from landremed.partitions.scratch import Manifest, require_manifest
from landremed.partitions.work import Done, partition_failed, run_partition
from landremed.text import log_message
from landremed.threads import limit_threads, usable_threads

__all__ = ["DaskCluster", "is_cluster_address"]

Work: TypeAlias = Callable[[str, int], Done]

_LOCAL: Final = re.compile(r"local:([1-9]\d*)")
_REMOTE: Final = re.compile(r"[a-z][a-z0-9+]*://(\[[^\[\]\s]+\]|[^\[\]\s:]+):\d+")
_CONNECT_S: Final = 15
_LOOK_S: Final = 1.0  # between looks at which workers there are
_ANSWER_S: Final = 120  # a scheduler or worker that says nothing for so long is lost
_LEAVE_S: Final = 10
_STUCK: Final = 3  # so many failures one after the other: the fault lies elsewhere

_OWN_WORKERS: Final = {
    "distributed.worker.profile.enabled": False,
    # dask's own choice hands every large array back to the system at once, at the price of page faults
    "distributed.nanny.pre-spawn-environ": dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), 1
    ),
}

_UNCLOSED: Final = (OSError, TimeoutError, RuntimeError, AssertionError)
"""What dask raises where something cannot be closed, or not in time."""

_log = logging.getLogger("landremed.partitions")


def is_cluster_address(text: str) -> bool:
    """Tell whether a text is ``local:N`` or the address of a scheduler, such as ``tcp://host:8786``."""
    return bool(_LOCAL.fullmatch(text) or _REMOTE.fullmatch(text))


class DaskCluster(Closing):
    """Runs partitions on a dask cluster; use it as a context manager.

    The partition of a worker that is lost, or fails, is begun again elsewhere, up to ``TRIES`` times. One
    that is given up does not keep the others from being done.

    Parameters
    ----------
    address : str
        ``local:N`` for N processes on this machine, heard by no other one, or the address of a scheduler.
    work : callable, optional
        What is done with each partition.
    patience_s : float
        How long a cluster may be without any worker.

    Raises
    ------
    LandremedError
        Codes ``cluster_address``, ``dask_missing``, ``cluster_unreachable``.
    """

    def __init__(self, address: str, *, work: Work = run_partition, patience_s: float = 60.0) -> None:
        self.address = address
        self._work = work
        self._patience_s = patience_s
        self._at_once = sys.maxsize
        self._leaving: threading.Thread | None = None
        self._local: Any = None
        if not is_cluster_address(address):
            raise failed("cluster_address", address)
        distributed = _distributed()
        local = _LOCAL.fullmatch(address)
        with _hushed():
            if local:
                self._local = _local_cluster(distributed, int(local[1]))
            try:
                target = self._local or address
                self._client = distributed.Client(target, timeout=_CONNECT_S, set_as_default=False)
            except (OSError, ValueError) as error:
                self._end_local()
                raise failed("cluster_unreachable", address, reason=short(error, 300)) from error

    def close(self) -> None:
        """Leave the cluster; one on this machine is ended."""
        if self._leaving is None:
            self._leave()
        else:
            self._leaving.join()

    def _leave(self) -> None:
        """Leave; what cannot be closed in time is let go of, since the work is done."""
        with _hushed():
            with suppress(*_UNCLOSED):
                self._client.close(timeout=_LEAVE_S)
            self._end_local()

    @property
    def processes(self) -> int:
        """Most workers that share a machine."""
        try:
            workers = self._client.nthreads()
        except (OSError, TimeoutError, RuntimeError) as error:
            raise failed("cluster_lost", self.address, reason=short(error, 300)) from error
        return max(Counter(map(_machine, workers)).values(), default=1)

    def keep(self, count: int) -> None:
        """Let no more than so many workers of a machine be busy at a time."""
        self._at_once = count

    def run(self, folder: str, numbers: Sequence[int]) -> Iterator[Done]:
        """Yield each partition once it is done, in any order; a cluster of this machine's own ends with it.

        Parameters
        ----------
        folder : str
            Scratch folder, which every worker must see under this path.
        numbers : sequence of int
            Partitions.

        Raises
        ------
        LandremedError
            No worker can be used (codes ``cluster_empty``, ``worker_…``), the scheduler is lost
            (``cluster_lost``), or a partition was given up (``partition_failed``). What is done stays.
        """
        manifest = require_manifest(Path(folder))
        place = str(Path(folder).resolve())
        crew = _Crew(self._client, self.address, place, manifest, self._patience_s, self._at_once)
        with _hushed():
            try:
                yield from crew.results(self._work, numbers)
            finally:
                crew.dismiss()
                if self._local is not None:  # its memory is wanted for what follows
                    self._leaving = threading.Thread(target=self._leave)
                    self._leaving.start()

    def _end_local(self) -> None:
        if self._local is None:
            return
        nannies = list(self._local.workers.values())
        with suppress(*_UNCLOSED):
            self._local.close(timeout=_LEAVE_S)
        for alive in filter(None, [nanny.pid for nanny in nannies]):
            with suppress(OSError):
                os.kill(alive, signal.SIGTERM)


@dataclass
class _Errand:
    """A partition on its way with a worker."""

    number: int
    worker: str
    future: Any


@dataclass
class _Crew:
    """Workers, the partition that each one has, and those that wait."""

    client: Any
    address: str
    folder: str
    manifest: Manifest
    patience_s: float
    at_once: int
    waiting: deque[int] = field(default_factory=deque)
    errands: dict[str, _Errand] = field(default_factory=dict)
    fit: dict[str, LandremedError | None] = field(default_factory=dict)
    tries: dict[int, list[str]] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    given_up: list[LandremedError] = field(default_factory=list)
    ended: queue.SimpleQueue[_Errand] = field(default_factory=queue.SimpleQueue)
    looked: float = 0.0
    manned: float = field(default_factory=time.monotonic)
    worked: bool = False

    def results(self, work: Work, numbers: Sequence[int]) -> Iterator[Done]:
        self.waiting.extend(numbers)
        stuck = 0
        while self.waiting or self.errands:
            self._look()
            self._assign(work)
            errand = self._next()
            if errand is None:
                continue
            del self.errands[errand.worker]
            before = len(self.given_up)
            done = self._taken(errand)
            if done is not None:
                yield done
            stuck = 0 if done is not None else stuck + len(self.given_up) - before
            if stuck >= _STUCK:
                break
        if self.given_up:
            raise self.given_up[0]

    def dismiss(self) -> None:
        """Call back what is still on its way; workers end what they have begun."""
        if self.errands and self.client.status == "running":
            self.client.cancel([errand.future for errand in self.errands.values()])
        self.errands.clear()

    def _look(self) -> None:
        """See which workers came and went, and try those that came."""
        now = time.monotonic()
        if now - self.looked < _LOOK_S:
            return
        self.looked = now
        present = self._asked(self.client.nthreads)
        for worker in [w for w in self.errands if w not in present]:
            self._lost(self.errands.pop(worker))
        self.fit = {w: fault for w, fault in self.fit.items() if w in present}
        new = [worker for worker in present if worker not in self.fit]
        if new:
            for worker, answer in self._probed(new).items():
                self.fit[worker] = fault = unfit(self.address, worker, self.folder, answer)
                if fault is not None:
                    _tell(fault.code, **fault.params)
        if None in self.fit.values():
            self.manned, self.worked = now, True
            return
        faults = [fault for fault in self.fit.values() if fault is not None]
        if now - self.manned > self.patience_s or (faults and not self.worked):
            raise (
                faults[0] if faults else failed("cluster_empty", self.address, seconds=int(self.patience_s))
            )

    def _probed(self, workers: list[str]) -> dict[str, Any]:
        """Ask workers what they see; one that says nothing does not stop the others."""
        options = {"workers": workers, "on_error": "return"}
        try:
            found: dict[str, Any] = in_time(
                _ANSWER_S, self.client.run, probe, self.folder, self.manifest.digest, **options
            )
        except TimeoutError as error:
            return dict.fromkeys(workers, error)
        except (OSError, RuntimeError) as error:
            raise self._gone(error) from error
        return found

    def _asked(self, question: Callable[..., Any], *args: Any, **options: Any) -> Any:
        try:
            return in_time(_ANSWER_S, question, *args, **options)
        except (OSError, TimeoutError, RuntimeError) as error:
            raise self._gone(error) from error

    def _assign(self, work: Work) -> None:
        """Give every idle worker a partition, one that has not failed there while there is another worker."""
        able = [worker for worker, fault in self.fit.items() if fault is None]
        busy = Counter(map(_machine, self.errands))
        for worker in able:
            machine = _machine(worker)
            if worker in self.errands or busy[machine] >= self.at_once:
                continue
            for number in self.waiting:
                tried = self.tries.get(number, [])
                if worker not in tried or all(other in tried for other in able):
                    self.waiting.remove(number)
                    self._send(work, number, worker)
                    busy[machine] += 1
                    break

    def _send(self, work: Work, number: int, worker: str) -> None:
        key = f"landremed-{uuid.uuid4().hex}-{number}"
        options = {"key": key, "pure": False, "retries": 0, "workers": [worker]}
        future = self.client.submit(_task, work, self.folder, number, **options)
        errand = self.errands[worker] = _Errand(number, worker, future)
        future.add_done_callback(lambda _: self.ended.put(errand))

    def _next(self) -> _Errand | None:
        """Wait a while for a partition that has ended; None where there is none."""
        try:
            errand = self.ended.get(timeout=_LOOK_S)
        except queue.Empty:
            return None
        return errand if self.errands.get(errand.worker) is errand else None  # else given up for lost

    def _taken(self, errand: _Errand) -> Done | None:
        """Return what came of a partition; one that failed waits again or is given up."""
        status = errand.future.status
        if status == "finished":
            try:
                done: Done = self._asked(errand.future.result, timeout=_CONNECT_S)
            except LandremedError:
                # the worker may have been lost just after it was done
                if errand.worker in self._asked(self.client.nthreads):
                    raise
                self._lost(errand)
                return None
            self.failures.pop(errand.worker, None)
            return done
        if status != "error":
            raise self._gone(status)
        error = errand.future.exception()
        if type(error).__name__ == "KilledWorker":
            self._lost(errand)
        else:
            self._again(errand, error)
            self._suspect(errand.worker, error)
        return None

    def _suspect(self, worker: str, error: object) -> None:
        """Leave out a worker on which nothing succeeds, as long as there is another one."""
        count = self.failures[worker] = self.failures.get(worker, 0) + 1
        others = any(fault is None for w, fault in self.fit.items() if w != worker)
        if count >= _STUCK and others and worker in self.fit:
            fault = failed(
                "worker_failing", self.address, worker=worker, count=count, reason=short(error, 300)
            )
            self.fit[worker] = fault
            _tell(fault.code, **fault.params)

    def _lost(self, errand: _Errand) -> None:
        if self.client.status == "running":
            self.client.cancel([errand.future])
        self._again(errand, None)

    def _again(self, errand: _Errand, error: BaseException | None) -> None:
        """Let a partition be tried on another worker, or give it up; without an error its worker was lost."""
        number, tries = errand.number, self.tries.setdefault(errand.number, [])
        tries.append(errand.worker)
        code = "partition_worker_lost" if error is None else "partition_error"
        reason = "" if error is None else short(error, 300)
        shown = {"number": number + 1, "total": len(self.manifest.rows), "worker": errand.worker}
        _tell(code, **shown, reason=reason, tries=len(tries), most=TRIES)
        if len(tries) < TRIES:
            self.waiting.appendleft(number)
        elif isinstance(error, LandremedError):
            self.given_up.append(error)
        else:
            reason = f"{', '.join(dict.fromkeys(tries))}: {reason or 'lost'}"
            self.given_up.append(partition_failed(self.manifest, number, reason))

    def _gone(self, reason: object) -> LandremedError:
        return failed("cluster_lost", self.address, reason=short(reason, 300))


def _machine(worker: str) -> str:
    """Return the machine in the address of a worker."""
    return worker.rpartition(":")[0]


_one = threading.Lock()


def _task(work: Work, folder: str, number: int) -> Done:
    """Do a partition on a worker: one at a time in a process, with the threads that the worker was given."""
    from distributed import get_worker

    with _one:
        limit_threads(get_worker().state.nthreads)
        return work(folder, number)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise LandremedError("dask_missing") from error
    return distributed


def _local_cluster(distributed: Any, count: int) -> Any:
    """Start processes on this machine that listen to nobody else and write nothing elsewhere."""
    import dask

    with dask.config.set(_OWN_WORKERS), _deaf_children():
        return distributed.LocalCluster(
            n_workers=count,
            threads_per_worker=max(1, usable_threads() // count),
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        )


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Let processes that are started now pass over Ctrl-C: who started them ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


_hush = threading.Lock()
_levels: list[int] = []


@contextmanager
def _hushed() -> Iterator[None]:
    """Keep what dask logs of workers that come and go to itself; it is told in our words."""
    log = logging.getLogger("distributed")
    with _hush:
        _levels.append(log.level)
        log.setLevel(log.level if log.level == logging.DEBUG else logging.CRITICAL + 1)
    try:
        yield
    finally:
        with _hush:
            first = _levels[0]
            _levels.pop()
            if not _levels:
                log.setLevel(first)


def _tell(code: str, **params: object) -> None:
    log_message(_log, logging.WARNING, code, **params)
