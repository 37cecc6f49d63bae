"""A process that does partitions: reads (folder, number) from standard input, answers on standard output."""

from __future__ import annotations

import os
import signal
import sys
import warnings

from landremed.errors import LandremedError
from landremed.partitions.executors import receive, send
from landremed.partitions.work import run_partition
from landremed.text import catalogue
from landremed.threads import limit_threads

__all__ = ["serve"]


def serve() -> None:
    """Do partitions until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever libraries print is no answer
    limit_threads(1)
    warnings.simplefilter("ignore")  # what libraries tell programmers
    _prepare()
    while True:
        try:
            folder, number = receive(sys.stdin.buffer)
        except EOFError:
            return
        answer: object
        try:
            answer = run_partition(folder, number)
        except LandremedError as error:
            answer = error
        try:
            send(answers, answer)
        except BrokenPipeError:  # whoever asked is gone; closing the pipe would raise that again
            os._exit(0)


def _prepare() -> None:
    """Load what the first partition would load, while the process that started this one reads the inputs."""
    from landremed.overlay.native.compiled import is_warm

    catalogue()
    if is_warm():
        from landremed.overlay.native.engine import warm_up

        warm_up()


if __name__ == "__main__":
    serve()
