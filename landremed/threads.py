"""How many threads this process may use."""

from __future__ import annotations

import os

__all__ = ["limit_threads", "usable_threads"]

_limit: list[int] = []


def usable_threads() -> int:
    """Return the number of threads worth starting: all cores, unless ``limit_threads`` said otherwise."""
    return _limit[-1] if _limit else os.cpu_count() or 1


def limit_threads(count: int) -> None:
    """Use so many threads from now on, where several processes share the cores; Arrow's pools included."""
    import pyarrow as pa

    _limit[:] = [max(1, count)]
    pa.set_cpu_count(_limit[0])
    pa.set_io_thread_count(_limit[0])
