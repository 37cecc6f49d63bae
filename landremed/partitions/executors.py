"""Who runs partitions on this machine: this process, or several."""

from __future__ import annotations

import os
import pickle
import queue
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final, Protocol, Self

from landremed.partitions.scratch import require_manifest
from landremed.partitions.work import Done, partition_failed, run_partition

__all__ = ["TRIES", "Closing", "Executor", "InProcess", "LocalProcesses"]

TRIES: Final = 3
"""How often a partition is begun whose process dies."""

_LENGTH: Final = struct.Struct("<q")
_ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Executor(Protocol):
    """Runs partitions of a scratch folder."""

    def run(self, folder: str, numbers: Sequence[int]) -> Iterator[Done]:
        """Yield each partition once it is done, in any order.

        Raises
        ------
        LandremedError
            A partition cannot be done; what is done stays in the folder.
        """


class Closing:
    """Something to close, which a ``with`` statement does."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what is held."""
        raise NotImplementedError


class InProcess:
    """Runs one partition after the other in this process."""

    def run(self, folder: str, numbers: Sequence[int]) -> Iterator[Done]:
        """Yield each partition once it is done."""
        for number in numbers:
            yield run_partition(folder, number)


class LocalProcesses(Closing):
    """Runs partitions in processes of their own; use it as a context manager.

    The processes start, and import what they need, while the caller still prepares the folder. One that dies
    is replaced, and its partition begun again, up to `TRIES` times.

    They end when ``run`` has nothing left to do, so that it is called once.

    Parameters
    ----------
    jobs : int
        Number of processes.
    """

    def __init__(self, jobs: int) -> None:
        self._idle = [_Worker() for _ in range(max(1, jobs))]
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            self._closed = True
            for worker in self._idle:
                worker.end()

    @property
    def processes(self) -> int:
        """How many there are."""
        return len(self._idle)

    def keep(self, count: int) -> None:
        """End all processes but so many; call it before ``run``."""
        with self._lock:
            spare, self._idle = self._idle[count:], self._idle[:count]
        for worker in spare:
            worker.end()

    def run(self, folder: str, numbers: Sequence[int]) -> Iterator[Done]:
        """Yield each partition once it is done, in any order."""
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in numbers:
            waiting.put(number)
        said: queue.SimpleQueue[Done | BaseException] = queue.SimpleQueue()
        for at in range(min(len(self._idle), len(numbers))):
            threading.Thread(target=self._serve, args=(at, folder, waiting, said), daemon=True).start()
        for _ in numbers:
            found = said.get()
            if isinstance(found, BaseException):
                raise found
            yield found
        self.close()  # what they hold is wanted for merging

    def _serve(
        self,
        at: int,
        folder: str,
        waiting: queue.SimpleQueue[int],
        said: queue.SimpleQueue[Done | BaseException],
    ) -> None:
        """Let one process do what is waiting."""
        while not self._closed:
            try:
                number = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                said.put(self._tried(at, folder, number))
            except BaseException as error:
                said.put(error)
                return

    def _tried(self, at: int, folder: str, number: int) -> Done:
        died = ""
        for _ in range(TRIES):
            try:
                return self._idle[at].ask(folder, number)
            except _DeadError as death:
                died = str(death)
            with self._lock:
                if self._closed:
                    break
                self._idle[at] = _Worker()
        raise partition_failed(require_manifest(Path(folder)), number, died)


class _DeadError(Exception):
    """The process has ended without an answer."""


class _Worker:
    """A process that waits for partitions on its standard input."""

    def __init__(self) -> None:
        here = str(Path(__file__).resolve().parents[2])
        paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
        env = {**os.environ, **dict.fromkeys(_ONE_THREAD, "1"), "PYTHONPATH": os.pathsep.join(paths)}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "landremed.partitions.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env,
        )

    def ask(self, folder: str, number: int) -> Done:
        """Have one partition done.

        Raises
        ------
        _DeadError
            The process ended meanwhile.
        LandremedError
            What the partition raised.
        """
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise _DeadError
        try:
            send(process.stdin, (folder, number))
            found = receive(process.stdout)
        except (OSError, EOFError, ValueError):
            raise _DeadError(_ending(process.wait())) from None
        if isinstance(found, BaseException):
            raise found
        done: Done = found
        return done

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                _shut(pipe)


def send(pipe: IO[bytes], message: object) -> None:
    """Write an object to a pipe."""
    data = pickle.dumps(message)
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def receive(pipe: IO[bytes]) -> Any:
    """Read the next object of a pipe.

    Raises
    ------
    EOFError
        The other side has gone.
    """
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    data = pipe.read(length)
    if len(data) < length:
        raise EOFError
    return pickle.loads(data)  # noqa: S301  from a process of our own


def _shut(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except OSError:
        return


def _ending(status: int) -> str:
    """Say how a process ended."""
    if status >= 0:
        return f"exit status {status}"
    import signal

    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
